"""Complexes, deficiency, weak reversibility and balance of textbook networks, with their published values.

Sources: F79: Feinberg, Lectures on chemical reaction networks, Wisconsin 1979; F87: Feinberg, Chem. Eng. Sci.
42 (1987) 2229; HJ: Horn, Jackson, Arch. Rational Mech. Anal. 47 (1972) 81; SF: Shinar, Feinberg, Science 327
(2010) 1389; GY: Gorban, Yablonsky, Chem. Eng. Sci. 66 (2011) 5388; C07: Conradi et al., PNAS 104 (2007)
19175; S01: Sontag, IEEE Trans. Autom. Control 46 (2001) 1028.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError
from symnum.language.deficiency import robust_species


def network(
    text: str, constant: Sequence[str] = (), rates: dict[int, Any] | None = None
) -> sn.ReactionNetwork:
    """``"A + B <-> C -> D; ..."`` with rate constants 1, or ``rates[j]`` for reaction j."""
    symbols: dict[str, sn.Expr] = {}

    def side(words: str) -> list[sn.Expr]:
        found = []
        for word in words.split("+"):
            word = word.strip()
            count = word[: len(word) - len(word.lstrip("0123456789"))]
            name = word[len(count) :]
            if name:
                found.append(int(count or 1) * symbols.setdefault(name, sn.variable(name)))
        return found

    reactions = []
    for chain in text.split(";"):
        parts = chain.replace("<->", "|<->|").replace(" -> ", "|->|").split("|")
        for left, arrow, right in zip(parts[::2], parts[1::2], parts[2::2], strict=False):
            turns = [(left, right), (right, left)] if arrow == "<->" else [(left, right)]
            for one, other in turns:
                k = (rates or {}).get(len(reactions), 1)
                reactions.append(sn.Reaction(k, side(one), side(other)))
    fixed = [symbols[name] for name in constant]
    return sn.ReactionNetwork("net", reactions, constant=fixed, starts=dict.fromkeys(fixed, 1))


class Known(NamedTuple):
    text: str
    complexes: int
    classes: int
    rank: int
    deficiency: int
    weakly_reversible: bool
    laws: int
    balanced: bool | None = None  # extended detailed balance with all constants 1
    complex_balanced: bool | None = None
    constant: tuple[str, ...] = ()


TEXTBOOK = {
    # F79, lecture 1: Michaelis and Menten's enzyme
    "enzyme": Known("E + S <-> ES -> E + P", 3, 1, 2, 0, False, 2, True, False),
    # F87, network (1): the running example of the deficiency-zero theorem
    "feinberg": Known("A <-> 2B; A + C <-> D -> B + E -> A + C", 5, 2, 3, 0, True, 2, False, True),
    # HJ, the square of cubic complexes; with equal constants it is complex balanced
    "horn_jackson": Known("3A -> A + 2B -> 3B -> 2A + B -> 3A", 4, 1, 1, 2, True, 1, False, True),
    # F87: Edelstein's network, three steady states for some constants
    "edelstein": Known("A <-> 2A; A + B <-> C <-> B", 5, 2, 2, 1, True, 1, True, True),
    # Prigogine, Lefever, J. Chem. Phys. 48 (1968) 1695: the Brusselator
    "brusselator": Known("0 <-> X -> Y; 2X + Y -> 3X", 5, 2, 2, 1, False, 0, False, False),
    # Lotka, J. Am. Chem. Soc. 42 (1920) 1595
    "lotka": Known("A -> 2A; A + B -> 2B; B -> 0", 6, 3, 2, 1, False, 0, False, False),
    # Schloegl, Z. Physik 253 (1972) 147, both reservoirs constant
    "schloegl": Known("A + 2X <-> 3X; X <-> B", 4, 2, 1, 1, True, 2, True, True, ("A", "B")),
    # Wegscheider, Monatsh. Chem. 32 (1901) 849: the triangle
    "triangle": Known("A <-> B <-> C <-> A", 3, 1, 2, 0, True, 1, True, True),
    # SF, figure 1: the simplest network with absolute concentration robustness
    "robust": Known("A + B -> 2B; B -> A", 4, 2, 1, 1, False, 1, False, False),
    # SF, figure 2: EnvZ and OmpR
    "envz": Known(
        "XD <-> X <-> XT -> Xp; Xp + Y <-> XpY -> X + Yp; XD + Yp <-> XDYp -> XD + Y",
        10, 3, 6, 1, False, 2, False, False,
    ),
    # C07: one and two distributive phosphorylations
    "phosphorylation": Known(
        "S + E <-> ES -> T + E; T + F <-> FT -> S + F", 6, 2, 3, 1, False, 3, False, False
    ),
    "two_phosphorylations": Known(
        "S + E <-> ES -> T + E <-> ET -> U + E; U + F <-> FU -> T + F <-> FT -> S + F",
        10, 2, 6, 2, False, 3, False, False,
    ),
    # S01: McKeithan's kinetic proofreading with two steps
    "proofreading": Known("T + M <-> C -> D -> G; C -> T + M; D -> T + M; G -> T + M", 4, 1, 3, 0, True, 2,
                          False, True),
    # GY, section 2: a cycle with one reversible step
    "cycle": Known("A <-> B; B -> C; C -> A", 3, 1, 2, 0, True, 1, False, True),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTBOOK)
def test_textbook_networks(name: str) -> None:
    known = TEXTBOOK[name]
    net = network(known.text, known.constant)
    complexes = net.complexes()
    found = (
        len(complexes), len(complexes.linkage_classes), complexes.rank, complexes.deficiency,
        complexes.weakly_reversible, len(net.conserved()),
    )  # fmt: skip
    assert found == known[1:7]
    assert net.detailed_balance().holds is known.balanced
    assert net.complex_balance() is known.complex_balanced
    # independent of the library's exact arithmetic
    table = net.stoichiometry.toarray()
    assert complexes.rank == np.linalg.matrix_rank(table)
    assert (complexes.composition @ complexes.incidence != net.stoichiometry).nnz == 0
    assert complexes.deficiency == np.linalg.matrix_rank(complexes.incidence.toarray()) - complexes.rank


@pytest.mark.parametrize("seed", range(6))
def test_random_networks_against_graph_algorithms(seed: int) -> None:
    """Linkage, strong linkage and terminal classes by networkx; deficiency = rank(incidence) - rank(S)."""
    import networkx

    rng = np.random.default_rng(seed)
    names = [f"{n}X{i}" for n in (1, 2) for i in range(4)] + ["X0+X1", "X2+X3", "0"]
    pairs = [rng.choice(len(names), 2, replace=False) for _ in range(9)]
    net = network("; ".join(f"{names[a]} -> {names[b]}" for a, b in pairs))
    complexes = net.complexes()
    graph = networkx.DiGraph(zip(complexes.reactant.tolist(), complexes.product.tolist(), strict=True))
    weak = {frozenset(part) for part in networkx.weakly_connected_components(graph)}
    strong = {frozenset(part) for part in networkx.strongly_connected_components(graph)}
    assert {frozenset(part) for part in complexes.linkage_classes} == weak
    assert {frozenset(part) for part in complexes.strong_linkage_classes} == strong
    terminal = {p for p in strong if not any(v not in p for u in p for v in graph.successors(u))}
    assert {frozenset(part) for part in complexes.terminal_classes} == terminal
    assert complexes.weakly_reversible == (len(weak) == len(strong))
    incidence, table = complexes.incidence.toarray(), net.stoichiometry.toarray()
    assert complexes.deficiency == np.linalg.matrix_rank(incidence) - np.linalg.matrix_rank(table)
    assert sum(complexes.class_deficiencies) <= complexes.deficiency


# ---- what the theorems say ------------------------------------------------------------------------
def says(name: str) -> list[tuple[bool, str]]:
    known = TEXTBOOK[name]
    return [(s.applies, s.says) for s in network(known.text, known.constant).statements()]


def test_deficiency_zero() -> None:
    applies, text = says("feinberg")[0]
    assert applies
    assert "exactly one positive steady state" in text
    applies, text = says("enzyme")[0]
    assert applies
    assert "no positive steady state" in text
    assert says("edelstein")[0] == (False, "the deficiency is 1")


def test_deficiency_one() -> None:
    """The enzyme obeys it; Edelstein's network (deficiency 1 across its classes) has three steady states."""
    assert says("feinberg")[1] == (True, "every positive class has exactly one positive steady state")
    assert says("edelstein")[1] == (False, "the linkage classes have deficiencies of sum 0, the network 1")
    assert says("horn_jackson")[1] == (False, "a linkage class has the deficiency 2")
    branching = network("A -> B; A -> C").statements()[1]
    assert not branching.applies
    assert "more than one terminal" in branching.says


def test_robust_species() -> None:
    assert [str(leaf) for leaf in robust_species(network(TEXTBOOK["robust"].text).complexes())] == ["A"]
    assert [str(leaf) for leaf in robust_species(network(TEXTBOOK["envz"].text).complexes())] == ["Yp"]
    assert says("envz")[2][0]
    assert not says("lotka")[2][0] or "B" in says("lotka")[2][1]


def test_theorems_on_mass_action_ask_for_mass_action() -> None:
    S, P = sn.species("S P")
    pair = sn.Reaction.reversible(sn.MichaelisMenten(S, 1, 1), 1, S >> P)
    zero, one, _ = sn.ReactionNetwork("n", [pair]).statements()
    assert not zero.applies
    assert "S >> P is not mass action" in zero.says
    assert not one.applies


# ---- balance --------------------------------------------------------------------------------------
def test_wegscheider_on_the_triangle() -> None:
    """k1 k2 k3 = k-1 k-2 k-3, exactly: 0.1 * 0.2 * 0.3 and 0.006 * 1 * 1 are equal as decimals only."""
    A, B, C = sn.species("A B C")
    a, b, c, x, y, z = sn.parameters(a=0.1, b=0.2, c=0.3, x=0.006, y=1, z=1)
    reversible = sn.Reaction.reversible
    net = sn.ReactionNetwork(
        "n", [reversible(a, x, A >> B), reversible(b, y, B >> C), reversible(c, z, C >> A)]
    )
    found = net.detailed_balance()
    assert found.holds
    assert [{equation.lhs, equation.rhs} for equation in found.conditions] == [{a * b * c, x * y * z}]
    assert not net.detailed_balance({x: 0.006000001}).holds
    assert not net.detailed_balance({"a": 0.2}).holds
    assert net.complex_balance({"a": 0.2})  # deficiency zero: whatever the constants
    (k,) = sn.parameters("k")
    triangle = sn.ReactionNetwork(
        "n", [reversible(k, x, A >> B), reversible(b, y, B >> C), reversible(c, z, C >> A)]
    )
    assert triangle.detailed_balance().holds is None  # k has no value; the condition is there
    assert "must hold" in str(triangle.detailed_balance())
    assert triangle.detailed_balance({k: 0.1}).holds
    with pytest.raises(ModelError, match="no parameter called q"):
        net.detailed_balance({"q": 1})


def test_detailed_balance_is_seen_in_a_steady_state() -> None:
    """From a random potential: K_r = product of x**change. Every net rate vanishes at x, and only then."""
    rng = np.random.default_rng(5)
    text = "A + B <-> C; C <-> 2D; D <-> E; E + A <-> F; F <-> 2A; B + D <-> F; 2E <-> C"
    net = network(text)
    x = {leaf: Fraction(int(rng.integers(1, 9))) for leaf in net.species}
    rates: dict[int, Any] = {}
    for j in range(0, net.n_reactions, 2):
        flow = Fraction(int(rng.integers(1, 9)))
        for one, side in ((j, net.reaction(j).reactants), (j + 1, net.reaction(j).products)):
            weight = Fraction(1)
            for leaf, count in side:
                weight *= x[leaf] ** int(count)
            rates[one] = flow / weight
    balanced = network(text, rates=rates)
    found = balanced.detailed_balance()
    assert found.holds
    assert len(found.cycles) == 7 - balanced.complexes().rank
    assert balanced.complex_balance()
    rates[3] *= 2
    assert not network(text, rates=rates).detailed_balance().holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("A <-> B; B -> C; A -> C", True),  # GY, section 2
        ("A <-> B; B -> C; C -> A", False),
        ("A -> B; B -> C; C -> A", False),
        ("A -> B; C -> B; C <-> D", True),
        ("A + B <-> C; C -> D; D -> A + B", False),
        ("2A <-> B; B -> C; C -> A + D", True),
        ("A -> A + B; B -> 0", False),
    ],
)
def test_the_convex_hull_of_irreversible_changes(text: str, holds: bool) -> None:
    net = network(text)
    found = net.detailed_balance()
    assert found.structural is holds
    table = net.stoichiometry.toarray()
    forward = [pair[0][0] for pair in found.pairs]
    if holds:
        assert found.functional is not None
        gain = found.functional @ table
        assert not gain[forward].any()
        assert (gain[list(found.irreversible)] > 0).all()
    else:
        assert found.combination is not None
        assert sum(found.combination.values()) == 1
        assert all(weight > 0 for weight in found.combination.values())
        total = sum(float(w) * table[:, j] for j, w in found.combination.items())
        span = table[:, forward]
        assert np.linalg.matrix_rank(np.column_stack([span, total])) == np.linalg.matrix_rank(span)


@pytest.mark.parametrize("seed", range(8))
def test_random_hulls_have_a_proof_either_way(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [*"ABCDEF", "A+B", "2C", "D+E"]
    pairs = [rng.choice(len(names), 2, replace=False) for _ in range(7)]
    arrows = ["<->" if i < 3 else " -> " for i in range(7)]
    net = network("; ".join(f"{names[a]}{s}{names[b]}" for (a, b), s in zip(pairs, arrows, strict=True)))
    found = net.detailed_balance()
    table = net.stoichiometry.toarray()
    forward, irreversible = [p[0][0] for p in found.pairs], list(found.irreversible)
    if found.structural:
        assert found.functional is not None
        assert not (found.functional @ table[:, forward]).any()
        assert (found.functional @ table[:, irreversible] > 0).all()
    else:
        assert found.combination is not None
        total = sum(w * table[:, j].astype(object) for j, w in found.combination.items())
        span = table[:, forward].astype(float)
        residual = np.linalg.lstsq(span, np.array(total, float), rcond=None)[0]
        assert span @ residual == pytest.approx(np.array(total, float), abs=1e-9)


def test_complex_balance_of_horn_and_jackson() -> None:
    """The square with constants 1, e, 1, e is complex balanced exactly for e = 1 (two conditions)."""
    text = TEXTBOOK["horn_jackson"].text
    assert network(text).complex_balance()
    assert not network(text, rates={1: Fraction(1, 10), 3: Fraction(1, 10)}).complex_balance()


def test_duplicate_and_idle_reactions() -> None:
    """Parallel reactions count together; one that changes nothing has no influence on the laws."""
    A, B, E = sn.species("A B E")
    p, q, r = sn.parameters(p=1, q=2, r=3)
    reactions = [sn.Reaction(p, A >> B), sn.Reaction(q, A >> B), sn.Reaction(r, B >> A)]
    net = sn.ReactionNetwork("n", [*reactions, sn.Reaction(1, A + E >> A + E)])
    found = net.detailed_balance()
    assert found.holds
    assert found.pairs == (((0, 1), (2,)),)
    assert net.conserved_quantities() == (A + B, E)
    idle = sn.ReactionNetwork("idle", [sn.Reaction(1, A + E >> A + E)])
    assert idle.conserved_quantities() == (A, E)
    assert idle.complexes().rank == 0


def test_complexes_print() -> None:
    lines = str(network(TEXTBOOK["enzyme"].text).complexes()).splitlines()
    assert lines[0] == "net: 3 complexes, 1 linkage class, rank 2, deficiency 0, not weakly reversible"
    assert lines[1].strip() == "E + S, ES, E + P"
    text = str(network("A <-> B; B -> C; C -> A").detailed_balance())
    assert "1/2 (B >> C) + 1/2 (C >> A)" in text
    statement = str(network(TEXTBOOK["enzyme"].text).statements()[0])
    assert statement.startswith("deficiency-zero theorem: ")


def test_large_networks_take_seconds(shared_data: Any) -> None:
    net = sn.read(shared_data / "bng_net" / "egfr_net" / "egfr_net.net")
    complexes = net.complexes()
    assert (len(complexes), complexes.rank) == (1667, 351)
    found = net.detailed_balance()
    assert len(found.pairs) == 1860
    assert not found.structural
    bcr = sn.read(shared_data / "bng_net" / "bcr" / "bcr.net").complexes()
    assert bcr.rank == 1122 - 6
    assert max(bcr.class_deficiencies) == 378
