"""Reactions and networks: notation, rates against formulas by hand, tables, conservation laws, looks."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError, UnknownName
from symnum.language.block import References
from symnum.language.reaction_tables import Sides, Totals, mass_action
from symnum.lowering.functions import functions_of
from symnum.lowering.lower import lower

Tables = list[tuple[list[int], list[int], int, float]]
"""(reactants, products, number of the rate constant, factor); a species as often as it takes part."""

A, B, C, E, P, S, SE = sn.species("A B C E P S SE")
k, kf, kr, kc = sn.parameters("k", kf=0.01, kr=0.1, kc=0.2)


def enzyme() -> sn.ReactionNetwork:
    return sn.ReactionNetwork(
        "enzyme",
        [*sn.Reaction.reversible(kf, kr, S + E >> SE, name="binding"), sn.Reaction(kc, SE >> E + P)],
        starts={S: 100, E: 10, SE: 0, P: 0},
    )


def rates_at(
    network: sn.ReactionNetwork, values: dict[sn.Expr, float], parameters: dict[sn.Expr, float] | None = None
) -> dict[str, float]:
    """D(species) by name, from the compiled right-hand side."""
    system = network.system()
    problem = sn.Problem(system, {leaf: values[leaf] for leaf in network.species}, parameters=parameters)
    found = sn.compile(system).rhs(0.0, problem.u, problem.p)
    return dict(zip(problem.flat.state_names, found.tolist(), strict=True))


# ---- notation -------------------------------------------------------------------------------------
def test_an_arrow_binds_weaker_than_sums_and_keeps_multiplicities() -> None:
    reaction = sn.Reaction(k, 2 * A + B >> 3 * C)
    assert reaction.reactants == ((A, 2), (B, 1))
    assert reaction.products == ((C, 3),)
    assert reaction.rate is k * A**2 * B
    assert dict(reaction.change) == {A: -2, B: -1, C: 3}


@pytest.mark.parametrize("change", [None >> A, 0 >> A])
def test_nothing_is_none_or_zero(change: Any) -> None:
    reaction = sn.Reaction(k, change)
    assert reaction.reactants == ()
    assert reaction.rate is k
    assert sn.Reaction(k, A >> None).products == () == sn.Reaction(k, A >> 0).products


def test_lists_say_the_same_as_an_arrow() -> None:
    reaction = sn.Reaction(k, [S, E], [2 * P])
    assert reaction.reactants == ((S, 1), (E, 1))
    assert reaction.products == ((P, 2),)
    assert sn.Reaction(k, [A, A], []).reactants == ((A, 2),)


def test_species_may_have_starts() -> None:
    x, y = sn.species("x", y=3)
    assert x.data.default is None
    assert y.data.default == 3


def test_a_catalyst_stands_on_both_sides_and_does_not_change() -> None:
    reaction = sn.Reaction(k, A + E >> B + E)
    assert reaction.rate is k * A * E
    assert dict(reaction.change) == {A: -1, B: 1}


React: Any = sn.Reaction  # wrong types are meant
Network: Any = sn.ReactionNetwork


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: React(k, A * B >> C), "not a species"),
        (lambda: React(k, k >> C), "k is a parameter, not a species"),
        (lambda: React(k, A - B >> C), "positive number of times"),
        (lambda: React(k, A + 1 >> C), "1 is not a species"),
        (lambda: React(k, A), "as S \\+ E >> SE"),
        (lambda: React(A >> B, k), "rate constant comes first"),
        (lambda: React(k, None >> 0 * A), "nothing becomes nothing"),
        (lambda: React("fast", A >> B), "not a number or an expression"),
        (lambda: React(k, A >> B, law="hill"), "choose 'mass action' or 'rate'"),
        (lambda: React(k, 2 * A >> B, law="rate", orders={A: 1}), "belong to mass action"),
        (lambda: React(k, 2 * A >> B, orders={A: k}), "an order is a number"),
        (lambda: React(k, 2 * A >> B, orders={k: 1}), "orders= names k"),
        (lambda: React(k, 2 * A >> B, orders=[1]), "species: power"),
        (lambda: React(k, A >> B, at="cell"), "at='cell' is not a Compartment"),
        (lambda: React(sn.Hill(A, 1, 2, 3), A >> B, law="mass action"), "is a whole rate"),
        (lambda: sn.Hill(A, 1, 0, 3), "it must be positive"),
        (lambda: Network("n", [React(k, A >> B)], constant=[A], boundary=[A]), "both constant and boundary"),
        (lambda: React(float("nan"), A >> B), "infinite|nan"),
        (lambda: Network("n", React(k, A >> B)), "write \\[...\\]"),
        (lambda: Network("n", [A >> B]), "not a Reaction"),
        (lambda: Network("n", []), "needs a reaction"),
        (lambda: Network("n", [React(k, A >> B)], starts={C: 1}), "C is not a species"),
        (lambda: Network("n", [React(k, A >> B)], constant=[k]), "k is not a species"),
        (lambda: Network("n", [React(sn.D(A), A >> B)]), "holds D\\(A\\)"),
    ],
)
def test_wrong_reactions_say_what_is_wrong(wrong: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        wrong()


def test_two_species_of_one_name_are_refused() -> None:
    other = sn.variable("A", unit="mol")
    with pytest.raises(ModelError, match="two species are called A"):
        sn.ReactionNetwork("n", [sn.Reaction(k, A >> B), sn.Reaction(k, other >> C)])


# ---- rates against formulas by hand ---------------------------------------------------------------
def test_mass_action_by_hand() -> None:
    found = rates_at(enzyme(), {S: 7.0, E: 3.0, SE: 2.0, P: 1.0})
    forward, back, onward = 0.01 * 7 * 3, 0.1 * 2, 0.2 * 2
    expected = {"S": back - forward, "E": back + onward - forward, "SE": forward - back - onward, "P": onward}
    assert found == pytest.approx(expected, rel=1e-14)


def test_two_of_a_kind_react_with_the_square_and_go_twice() -> None:
    """The macroscopic law: rate k A^2, without a half; A'' = -2 k A^2 has the solution A0/(1 + 2 k A0 t)."""
    network = sn.ReactionNetwork("pairs", [sn.Reaction(0.3, 2 * A >> B)], starts={A: 2, B: 0})
    solution = sn.solve(sn.Problem(network.system(), span=(0, 5)), rtol=1e-10, atol=1e-12)
    exact = 2 / (1 + 2 * 0.3 * 2 * solution.t)
    assert solution[A] == pytest.approx(exact, rel=1e-8)
    assert solution[B] == pytest.approx((2 - exact) / 2, abs=1e-8)


def test_any_rate_law() -> None:
    """Michaelis-Menten, Hill, a half-integer order, time and a number that is nobody's parameter."""
    network = sn.ReactionNetwork(
        "laws",
        [
            sn.Reaction(kf * S / (3 + S), S >> P, law="rate"),
            sn.Reaction(kc / (1 + A**2), 0 >> B),
            sn.Reaction(sn.exp(-sn.t), A >> 2 * B),
            sn.Reaction(0.5, [Fraction(1, 2) * B], [C]),
        ],
    )
    found = rates_at(network, {S: 6.0, P: 0.0, A: 2.0, B: 9.0, C: 1.0})
    mm, hill, decay, root = 0.01 * 6 / 9, 0.2 / 5, 2.0, 0.5 * 3
    assert found == pytest.approx(
        {"S": -mm, "P": mm, "A": -decay, "B": hill + 2 * decay - root / 2, "C": root}, rel=1e-14
    )


def test_named_rate_laws_are_whole_rates() -> None:
    """The reactants do not multiply them; sums and multiples of them stay rate laws."""
    network = sn.ReactionNetwork(
        "named",
        [
            sn.Reaction(sn.MichaelisMenten(S, kf, 3), S >> P),
            sn.Reaction(0.5 + E * sn.Hill(A, kc, 2, 3), B >> C),
            sn.Reaction(sn.Hill(A, kc, 2, 3, repressing=True) / 2, 0 >> B),
            *sn.Reaction.reversible(sn.MichaelisMenten(A, 1, 1), k, A >> E),
        ],
    )
    found = rates_at(network, {S: 6.0, P: 0.0, A: 1.0, B: 9.0, C: 1.0, E: 4.0}, {k: 0.25})
    up, down = 0.5 + 4 * 0.2 * 1 / 9, 0.2 * 8 / 9 / 2
    assert found == pytest.approx(
        {"S": -0.01 * 6 / 9, "P": 0.01 * 6 / 9, "A": -0.5 + 1.0, "E": 0.5 - 1.0, "B": down - up, "C": up},
        rel=1e-14,
    )


def test_kinetic_order_apart_from_stoichiometry() -> None:
    reaction = sn.Reaction(k, 2 * A + B >> C, orders={A: 1, B: 0, E: 0.5})
    assert reaction.rate is k * A * E ** Fraction(1, 2)
    assert dict(reaction.change) == {A: -2, B: -1, C: 1}
    assert str(reaction) == "2*A + B >> C    k, orders A: 1, E: 0.5"
    assert r"\Longrightarrow" in reaction._repr_latex_()


def test_boundary_species_are_determined_elsewhere() -> None:
    network = sn.ReactionNetwork(
        "driven", [sn.Reaction(2.0, A + B >> C)], boundary=[A], equations=[sn.D(A) == -A],
        starts={A: 3, B: 1, C: 0},
    )  # fmt: skip
    solution = sn.solve(sn.Problem(network.system(), span=(0, 1)), rtol=1e-10, atol=1e-12)
    assert solution[A] == pytest.approx(3 * np.exp(-solution.t), rel=1e-9)
    assert solution[B] == pytest.approx(np.exp(-6 * (1 - np.exp(-solution.t))), rel=1e-8)


def test_constant_species_stay_and_still_react() -> None:
    network = sn.ReactionNetwork("fed", [sn.Reaction(2.0, A >> B)], constant=[A], starts={A: 3, B: 0})
    assert network.constant == (A,)
    assert rates_at(network, {A: 3.0, B: 0.0}) == {"A": 0.0, "B": 6.0}
    assert network.stoichiometry.toarray().tolist() == [[0], [1]]


def test_rates_read_other_variables_and_equations_read_species() -> None:
    """A reactor whose temperature rises with the reaction: the rate constant follows it."""
    T, total = sn.variables("T total")
    network = sn.ReactionNetwork(
        "reactor", [sn.Reaction(sn.exp(-5 / T), A >> B)], starts={A: 1, B: 0}, equations=[total == A + B]
    )
    system = network.system([sn.D(T) == 2 * A * sn.exp(-5 / T)])
    solution = sn.solve(sn.Problem(system, {T: 2.0}, span=(0, 4)), rtol=1e-9, atol=1e-11)
    assert solution[T] == pytest.approx(2 + 2 * (1 - solution[A]), rel=1e-9)  # 2 for each A that is gone
    assert solution[total] == pytest.approx(np.ones(len(solution.t)), rel=1e-12)
    assert solution[A][-1] < 0.9
    assert solution["reactor.rate[0]"] == pytest.approx(solution[A] * np.exp(-5 / solution[T]), rel=1e-12)


def test_an_event_adds_molecules() -> None:
    network = sn.ReactionNetwork("dose", [sn.Reaction(1.0, A >> 0)], starts={A: 1})
    system = network.system(events=[sn.Event(at=1.0, then={A: A + 1})])
    solution = sn.solve(sn.Problem(system, span=(0, 2)), rtol=1e-10, atol=1e-12)
    assert solution[A][-1] == pytest.approx(np.exp(-2) + np.exp(-1), rel=1e-8)


def random_reactions(rng: np.random.Generator, species: int, count: int) -> Tables:
    return [
        (
            rng.integers(0, species, rng.integers(0, 4)).tolist(),
            rng.integers(0, species, rng.integers(1, 4)).tolist(),
            int(rng.integers(0, 5)),
            float(rng.choice([1.0, 0.5, 2.0])),
        )
        for _ in range(count)
    ]


def slopes(reactions: Tables, x: Any, constants: Any) -> Any:
    """D(x) by a loop over molecules: nothing of it is shared with the library."""
    result = np.zeros_like(x)
    for reactants, products, number, factor in reactions:
        rate = factor * constants[number] * np.prod([x[i] for i in reactants])
        for i in reactants:
            result[i] -= rate
        for i in products:
            result[i] += rate
    return result


def from_tables(
    reactions: Tables, species: tuple[sn.Expr, ...], constants: tuple[sn.Expr, ...]
) -> sn.ReactionNetwork:
    sides = [
        Sides.of(
            np.array([j for j, side in enumerate(listed) for _ in side], np.int64),
            np.array([i for side in listed for i in side], np.int64),
        )
        for listed in ([row[0] for row in reactions], [row[1] for row in reactions])
    ]
    families = mass_action(
        sides[0], References(species), References(constants), np.array([row[2] for row in reactions]),
        np.array([row[3] for row in reactions]), np.arange(len(reactions)),
    )  # fmt: skip
    return sn.ReactionNetwork.from_tables("random", species, sides[0], sides[1], families, len(reactions))


@pytest.mark.parametrize("seed", range(3))
def test_random_networks_from_tables_and_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reactions = random_reactions(rng, 12, 60)
    species = sn.species(" ".join(f"X{i}" for i in range(12)))
    values = rng.uniform(0.5, 2.0, 5)
    constants = sn.parameters(**{f"k{i}": float(v) for i, v in enumerate(values)})
    by_tables = from_tables(reactions, species, constants)
    one_by_one = sn.ReactionNetwork(
        "random",
        [
            sn.Reaction(factor * constants[number], [species[i] for i in left], [species[i] for i in right])
            for left, right, number, factor in reactions
        ],
    )
    x = rng.uniform(0.5, 2.0, 12)
    for network in (by_tables, one_by_one):
        system = network.system()
        problem = sn.Problem(system, dict(zip(species, x, strict=True)))
        model = sn.compile(system)
        order = [problem.flat.position[problem.flat.number_of(leaf, "")] for leaf in species]
        found = model.rhs(0.0, problem.u, problem.p)[order]
        assert found == pytest.approx(slopes(reactions, x, values), rel=1e-12)
        jacobian = model.jacobian(0.0, problem.u, problem.p).toarray()[np.ix_(order, order)]
        for i in range(12):
            step = np.zeros(12, complex)
            step[i] = 1e-30j
            column = slopes(reactions, x + step, values).imag * 1e30
            assert jacobian[:, i] == pytest.approx(column, rel=1e-12, abs=1e-12)
    for j in range(60):
        assert by_tables.rate(j) is one_by_one.rate(j)
        assert set(by_tables.reaction(j).change) == set(one_by_one.reaction(j).change)
    assert (by_tables.stoichiometry.toarray() != 0).any()


def chain(length: int) -> sn.ReactionNetwork:
    species = sn.species(" ".join(f"X{i}" for i in range(length + 1)))
    reactions = [([i], [i + 1], 0, 1.0) for i in range(length)]
    return from_tables(reactions, species, (k,))


def test_code_does_not_grow_with_the_number_of_reactions() -> None:
    small, large = (functions_of(lower(chain(n).system())).rhs for n in (50, 2000))
    assert len(small.items) == len(large.items)
    assert [type(item) for item in small.items] == [type(item) for item in large.items]


def test_no_reaction_object_is_made_on_the_way_to_code() -> None:
    network = chain(50)
    sn.compile(network.system())
    assert network._listed is None
    assert len(network.reactions) == 50


def test_every_reaction_needs_one_rate() -> None:
    network = chain(3)
    with pytest.raises(ModelError, match="exactly one rate"):
        sn.ReactionNetwork.from_tables(
            "n", network.species, network.reactants, network.products, [*network.rates, *network.rates], 3
        )


def test_totals_are_observables() -> None:
    network = chain(40)
    (total,) = sn.variables("total")
    members = Sides.of(np.zeros(41, np.int64), np.arange(41), np.arange(41.0))
    network.totals = Totals([total], members)
    system = network.system()
    start = {leaf: float(i == 0) for i, leaf in enumerate(network.species)}
    solution = sn.solve(sn.Problem(system, start, span=(0, 3), parameters={k: 2.0}), rtol=1e-9, atol=1e-12)
    assert network.observables == (total,)
    assert solution[total][-1] == pytest.approx(6.0, rel=1e-7)  # the mean of a Poisson count, rate 2, t = 3


# ---- analysis -------------------------------------------------------------------------------------
def test_stoichiometry_counts_what_a_turnover_changes() -> None:
    network = sn.ReactionNetwork("n", [sn.Reaction(k, 2 * A + E >> B + E), sn.Reaction(k, B >> 0)])
    assert network.species == (A, E, B)
    assert network.stoichiometry.toarray().tolist() == [[-2, 0], [0, 0], [1, -1]]
    assert network.stoichiometry.dtype == np.int64


def test_conservation_laws_of_an_enzyme() -> None:
    quantities = set(enzyme().conserved_quantities())
    assert quantities == {E + SE, S + SE + P}


@pytest.mark.parametrize("seed", range(4))
def test_conservation_laws_are_a_basis(seed: int) -> None:
    """L S = 0 exactly, and as many independent laws as the rank (by floating-point SVD) leaves."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, 15, (6 + seed, 2, 2)).tolist()
    reactions = [(left, right, 0, 1.0) for left, right in pairs]
    network = from_tables(reactions, sn.species(" ".join(f"X{i}" for i in range(15))), (k,))
    laws, table = network.conserved(), network.stoichiometry.toarray()
    assert not (laws @ table).any()
    assert len(laws) == 15 - np.linalg.matrix_rank(table)
    assert np.linalg.matrix_rank(laws) == len(laws)


def test_conservation_with_fractional_counts() -> None:
    network = sn.ReactionNetwork("n", [sn.Reaction(k, [A], [Fraction(1, 2) * B, Fraction(3, 2) * C])])
    assert not (network.conserved() @ network.stoichiometry.toarray()).any()
    assert len(network.conserved()) == 2
    assert network.stoichiometry.dtype == np.float64


def test_a_network_that_conserves_nothing() -> None:
    network = sn.ReactionNetwork("n", [sn.Reaction(k, A >> 0)])
    assert network.conserved().shape == (0, 1)


def test_graph() -> None:
    graph = enzyme().graph()
    assert {name for name, kind in graph.nodes(data="kind") if kind == "species"} == {"S", "E", "SE", "P"}
    assert graph.number_of_nodes() == 7
    assert sorted(graph.successors("SE")) == [1, 2]
    assert graph.nodes[2]["rate"] == str(kc * SE)
    pairs = sn.ReactionNetwork("n", [sn.Reaction(k, 2 * A >> B)]).graph()
    assert pairs.edges["A", 0, 0]["count"] == 2


def test_a_graph_shows_what_a_rate_reads() -> None:
    network = sn.ReactionNetwork(
        "n", [sn.Reaction(sn.Hill(A, 1, 2, 2), 0 >> B), sn.Reaction(k, A >> C)], constant=[A]
    )
    assert {(u, v): count for u, v, count in network.graph().edges(data="count")} == {
        ("A", 0): 0, (0, "B"): 1, ("A", 1): 1, (1, "C"): 1,
    }  # fmt: skip
    assert network.graph().nodes["A"]["fixed"]


def test_the_picture_has_every_species_one_dot_a_reversible_pair_and_an_arrow_each_edge() -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    axes = enzyme().plot()
    texts = [text for text in axes.texts if text.get_text()]
    assert {text.get_text() for text in texts} == {"S", "E", "SE", "P"}
    assert len(axes.lines) == 2  # binding and its reverse share a dot
    assert len([text for text in axes.texts if not text.get_text()]) == 6
    corners = axes.transData.transform([text.get_position() for text in texts])
    apart = np.linalg.norm(corners[:, None] - corners[None], axis=2)[np.triu_indices(4, 1)]
    assert apart.min() > 30  # pixels: the boxes do not lie on each other
    pyplot.close(axes.figure)
    pairs = sn.ReactionNetwork("n", [sn.Reaction(k, 2 * A + E >> 3 * B + E)])
    assert {"2", "3"} < {text.get_text() for text in pairs.plot().texts}
    with pytest.raises(ModelError, match="too many for one picture"):
        chain(200).plot()
    pyplot.close("all")


# ---- looks ----------------------------------------------------------------------------------------
def test_text() -> None:
    assert repr(sn.Reaction(kf, S + E >> SE, name="binding")) == "binding: E + S >> SE    kf"
    assert repr(2 * A >> None) == "2*A >> 0"
    lines = str(enzyme()).splitlines()
    assert lines[0] == "enzyme: 4 species, 3 reactions"
    assert lines[1].strip() == "binding: E + S >> SE    kf"
    assert "... 10 more" in str(chain(50))
    assert repr(enzyme()) == "<ReactionNetwork enzyme: 4 species, 3 reactions>"


def test_latex() -> None:
    text = sn.Reaction(kf, 2 * S + E >> SE)._repr_latex_()
    assert text == r"$E + 2 S \xrightarrow{\mathrm{kf}} \mathrm{SE}$"
    assert r"\varnothing" in sn.Reaction(k, A >> 0)._repr_latex_()
    assert r"\Longrightarrow" in sn.Reaction(k, A >> 0, law="rate")._repr_latex_()
    assert enzyme()._repr_latex_().count(r"\xrightarrow") == 3


def test_names() -> None:
    network = enzyme()
    assert network["SE"] is SE
    assert network["kf"] is kf
    assert set(network.parameters) == {kf, kr, kc}
    assert network.system().S is S
    with pytest.raises(UnknownName, match="no species, observable or parameter called X"):
        network["X"]
    with pytest.raises(ModelError, match=r"numbered 0 \.\.\. 2, not 3"):
        network.reaction(3)


def test_a_missing_start_is_named() -> None:
    network = sn.ReactionNetwork("n", [sn.Reaction(1.0, A >> B)], starts={A: 1})
    with pytest.raises(ModelError, match="no start for B"):
        sn.Problem(network.system())


def test_a_network_is_no_system() -> None:
    with pytest.raises(ModelError, match=r"not <ReactionNetwork random.*take what its \.system\(\) returns"):
        sn.Problem(chain(2), span=(0, 1))  # type: ignore[arg-type]


def test_conservation_laws_of_fractions_are_exact():
    a, b = sn.species("A B")
    network = sn.ReactionNetwork("third", [sn.Reaction(1.0, [a / 3], [b])])
    assert network.conserved().tolist() == [[3, 1]]


def test_rate_laws_refuse_a_number_in_place_of_the_species():
    (a,) = sn.species("A")
    with pytest.raises(sn.ModelError, match="MichaelisMenten, substrate: 1 is a number; the species comes"):
        sn.MichaelisMenten(1.0, 0.5, a)
    with pytest.raises(sn.ModelError, match="Hill, regulator: 2 is a number"):
        sn.Hill(2.0, 1.0, 2, a)


def test_a_name_of_two_reactions_does_not_choose_a_fast_one():
    a, b = sn.species("A B")
    pair = [sn.Reaction(1.0, a >> b, name="same"), sn.Reaction(2.0, b >> a, name="same")]
    with pytest.raises(sn.ModelError, match="fast= names 'same', as which several reactions are known"):
        sn.ReactionNetwork("pair", pair).hybrid(fast=["same"])
