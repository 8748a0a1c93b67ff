"""Networks made of networks, and conservation laws in place of equations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError

A, B, C, E, P, S, SE = sn.species("A B C E P S SE")
k, kf, kr, kc = sn.parameters(k=0.7, kf=0.01, kr=0.1, kc=0.2)


def enzyme() -> sn.ReactionNetwork:
    return sn.ReactionNetwork(
        "enzyme",
        [
            *sn.Reaction.reversible(kf, kr, S + E >> SE, name="binding"),
            sn.Reaction(kc, SE >> E + P, name="turnover"),
        ],
        starts={S: 100, E: 10, SE: 0, P: 0},
    )


def solved(network: sn.ReactionNetwork, start: Any = None, **options: Any) -> sn.Solution:
    problem = sn.Problem(network.system(**options), start, span=(0, 8))
    return sn.solve(problem, rtol=1e-10, atol=1e-12, saveat=0.5)


# ---- joined and copied networks -------------------------------------------------------------------
def test_joined_networks_share_what_is_the_same_symbol() -> None:
    decay = sn.ReactionNetwork("decay", [sn.Reaction(k, P >> 0, name="loss")], starts={P: 0})
    both = sn.ReactionNetwork.joined("both", [enzyme(), decay])
    whole = sn.ReactionNetwork(
        "whole", [*enzyme().reactions, sn.Reaction(k, P >> 0)], starts=enzyme().starts
    )
    assert both.species == whole.species
    assert [r.name for r in both.reactions] == ["binding", "binding_reverse", "turnover", "loss"]
    assert (both.stoichiometry != whole.stoichiometry).nnz == 0
    assert solved(both)[[S, P]] == pytest.approx(solved(whole)[[S, P]], rel=1e-12)


def test_copies_have_names_of_their_own_and_share_what_they_are_told_to() -> None:
    """Two copies with a common product: each behaves as alone, the product is the sum."""
    left = enzyme().copy("left", own=[kc])
    right = enzyme().copy("right", shared=[P])
    both = sn.ReactionNetwork.joined("both", [left, right])
    assert "left.P" in [leaf.name for leaf in both.species]
    assert P in both.species
    assert {"left.kc", "kc", "kf"} <= {leaf.name for leaf in both.parameters}
    alone = solved(enzyme())
    problem = sn.Problem(both.system(), span=(0, 8), parameters={"left.kc": 0.0})
    solution = sn.solve(problem, rtol=1e-10, atol=1e-12, saveat=0.5)
    assert solution[P] == pytest.approx(alone[P], rel=1e-8)
    assert solution["left.P"] == pytest.approx(0.0)
    assert both.reactions[2].name == "left.turnover"


def test_a_copy_takes_equations_events_compartments_and_observables_along(shared_data: Path) -> None:
    size = sn.variable("size", start=2.0)
    network = sn.ReactionNetwork(
        "n", [sn.Reaction(k * size, A >> B)], starts={A: 2, B: 0},
        compartments=[sn.Compartment("cell", size, [A, B])], equations=[sn.D(size) == 0],
        events=[sn.Event(at=1.0, then={A: A + 1}, name="dose")],
    )  # fmt: skip
    one, other = solved(network), solved(network.copy("other"))
    assert other["other.A"] == pytest.approx(one[A], rel=1e-12)
    assert one[A][2] == pytest.approx(2 * np.exp(-1.4))
    assert one[A][3] > one[A][2]
    read = sn.read(shared_data / "bng_net" / "localfunc" / "localfunc.net")
    copy = read.copy("copy")
    found, wanted = (sn.solve(sn.Problem(n.system(), span=(0, 2)), saveat=1.0) for n in (copy, read))
    for mine, theirs in zip(copy.observables, read.observables, strict=True):
        assert mine.name == f"copy.{theirs.name}"
        assert found[mine] == pytest.approx(wanted[theirs], rel=1e-9)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: enzyme().copy("c", shared=[A]), "A is not a variable of this network"),
        (lambda: enzyme().copy("c", own=[S]), "S is not a parameter of this network"),
        (lambda: enzyme().copy("1"), "is not a name"),
        (lambda: sn.ReactionNetwork.joined("n", []), "no networks"),
        (
            lambda: sn.ReactionNetwork.joined(
                "n", [enzyme(), sn.ReactionNetwork("m", [sn.Reaction(k, S >> A)], constant=[S])]
            ),
            "S is constant in one of the networks",
        ),
    ],
)
def test_wrong_compositions(wrong: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        wrong()


# ---- conservation laws in place of equations ------------------------------------------------------
def test_eliminated_species_follow_from_the_laws() -> None:
    plain, fewer = solved(enzyme()), solved(enzyme(), eliminate=True)
    assert set(plain.states) - set(fewer.states) == {"E", "S"}
    assert fewer[[S, E, SE, P]] == pytest.approx(plain[[S, E, SE, P]], abs=1e-7)
    assert fewer["enzyme.total[0]"][0] == 10
    assert fewer["enzyme.total[1]"][0] == 100


def test_totals_follow_the_starts_of_a_problem() -> None:
    problem = sn.Problem(enzyme().system(eliminate=True), {S: 50, SE: 3}, span=(0, 1))
    totals = [problem.p[problem.flat.parameters.find(f"enzyme.total[{r}]")] for r in range(2)]
    assert totals == [13.0, 53.0]
    changed = problem.with_(start={P: 7})
    assert changed.p[changed.flat.parameters.find("enzyme.total[1]")] == 60.0
    runs = sn.solve(sn.Ensemble(problem, {"S": np.array([20.0, 40.0])}), rtol=1e-9, atol=1e-11)
    for total, values in zip((30.0 - 7, 50.0 - 7), runs[S + SE + P][:, -1:], strict=True):
        assert values == pytest.approx(total)


def test_elimination_in_a_large_network(shared_data: Path) -> None:
    network = sn.read(shared_data / "bng_net" / "egfr_net" / "egfr_net.net")
    laws = network.conserved()
    plain, fewer = (
        sn.solve(sn.Problem(network.system(eliminate=e), span=(0, 1)), rtol=1e-8, atol=1e-6, saveat=0.5)
        for e in (False, True)
    )
    amounts = fewer[list(network.species)]
    assert amounts == pytest.approx(plain[list(network.species)], rel=1e-6, abs=1e-2)
    totals = laws @ amounts
    assert np.abs(totals - totals[:, :1]).max() <= 1e-9 * np.abs(totals).max()


def test_a_constant_species_is_no_law_to_eliminate_by() -> None:
    network = sn.ReactionNetwork(
        "n", [sn.Reaction(k, A + C >> B + C)], constant=[C], starts={A: 1, B: 0, C: 2}
    )
    solution = solved(network, eliminate=True)
    assert solution[A] == pytest.approx(np.exp(-1.4 * solution.t), abs=1e-9)
    assert set(solution.states) == {"B", "C"}


def test_events_must_not_break_a_law() -> None:
    with pytest.raises(ModelError, match="sets S, which is part of a conservation law"):
        enzyme().system(events=[sn.Event(at=1.0, then={S: 50})], eliminate=True)


def test_a_parameter_may_follow_from_starts() -> None:
    total = sn.parameter(A + 2 * B, name="total")
    system = sn.System("n", [sn.D(A) == -total * A, sn.D(B) == 0])
    problem = sn.Problem(system, {A: 3, B: 0.5})
    assert problem.p.tolist() == [4.0]
    assert problem.with_(start={"B": 1}).p.tolist() == [5.0]
    with pytest.raises(ModelError, match="follows from the start of B, which has none"):
        sn.Problem(system, {A: 3})
