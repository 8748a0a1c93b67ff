"""Compartments: amounts and concentrations, volumes of all kinds, against solutions by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError
from symnum.language.block import References
from symnum.language.reaction_tables import Sides, mass_action

A, B, C = sn.species("A B C")
k, V, W = sn.parameters(k=0.7, V=2.0, W=5.0)


def solved(network: sn.ReactionNetwork, end: float = 3.0, **options: Any) -> sn.Solution:
    problem = sn.Problem(network.system(**options), span=(0, end))
    return sn.solve(problem, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("volumes", [(2.0, 5.0), (V, W)], ids=["numbers", "parameters"])
def test_diffusion_between_two_volumes(volumes: tuple[Any, Any]) -> None:
    """V a' = k (b - a), W b' = k (a - b): the difference decays with k (1/V + 1/W)."""
    network = sn.ReactionNetwork(
        "two", [*sn.Reaction.reversible(k, k, A >> B)],
        compartments=[sn.Compartment("cell", volumes[0], [A]), sn.Compartment("medium", volumes[1], [B])],
        starts={A: 3, B: 0},
    )  # fmt: skip
    solution = solved(network)
    decay = np.exp(-0.7 * (1 / 2 + 1 / 5) * solution.t)
    assert solution[A] - solution[B] == pytest.approx(3 * decay, rel=1e-8)
    (conserved,) = network.conserved_quantities()
    assert conserved is volumes[0] * A + volumes[1] * B
    assert solution[conserved] == pytest.approx(6.0, rel=1e-12)
    assert solution["two.rate[0]"] == pytest.approx(0.7 * solution[A])  # amount per time


def test_within_one_volume_concentrations_do_not_feel_it() -> None:
    """k is per concentration and time: a' = -2 k a^2 whatever the volume; the rate in amounts has it."""
    for volume in (V, 7.0):
        network = sn.ReactionNetwork(
            "one", [sn.Reaction(k, 2 * A >> B)], compartments=[sn.Compartment("cell", volume, [A, B])],
            starts={A: 3, B: 0},
        )  # fmt: skip
        solution = solved(network)
        assert solution[A] == pytest.approx(3 / (1 + 2 * 0.7 * 3 * solution.t), rel=1e-8)
        assert network.rate(0) is k * A**2 * volume


def test_amounts_react_by_their_concentrations() -> None:
    """n = a V: n' = -2 k (n/V)^2 V."""
    cell = sn.Compartment("cell", V, amounts=[A, B])
    network = sn.ReactionNetwork(
        "one", [sn.Reaction(k, 2 * A >> B)], compartments=[cell], starts={A: 6, B: 0}
    )
    solution = solved(network)
    assert solution[A] == pytest.approx(6 / (1 + 2 * 0.7 * 3 * solution.t), rel=1e-8)
    assert network.conserved_quantities() == (A + 2 * B,)


def test_a_growing_volume_dilutes() -> None:
    """V' = g V, a' = -2 k a^2 - g a: the Bernoulli equation, 1/a linear in exp(g t)."""
    size = sn.variable("size", start=1.5)
    network = sn.ReactionNetwork(
        "growing", [sn.Reaction(k, 2 * A >> B)], compartments=[sn.Compartment("cell", size, [A, B])],
        starts={A: 3, B: 0}, equations=[sn.D(size) == 0.5 * size],
    )  # fmt: skip
    for eliminate in (False, True):
        solution = solved(network, eliminate=eliminate)
        g, k_ = 0.5, 0.7
        inverse = (1 / 3 + 2 * k_ / g) * np.exp(g * solution.t) - 2 * k_ / g
        assert solution[A] == pytest.approx(1 / inverse, rel=1e-8)
        assert solution[(A + 2 * B) * size] == pytest.approx(4.5, rel=1e-9)


def test_other_laws_are_per_volume_inside_and_amounts_between() -> None:
    cell, medium = sn.Compartment("cell", V, [A]), sn.Compartment("medium", W, [B, C])
    network = sn.ReactionNetwork(
        "laws",
        [
            sn.Reaction(sn.MichaelisMenten(B, 2.0, 3.0), B >> C),
            sn.Reaction(sn.MichaelisMenten(A, 2.0, 3.0), A >> B),
            sn.Reaction(k, A >> B, at=cell),
        ],
        compartments=[cell, medium],
    )
    assert network.rate(0) is W * 2 * B / (3 + B)
    assert network.rate(1) is 2 * A / (3 + A)
    assert network.rate(2) is k * A * V


def test_constant_and_boundary_species_need_no_place() -> None:
    feed = sn.variable("feed")
    network = sn.ReactionNetwork(
        "fed", [sn.Reaction(k, feed >> A), sn.Reaction(k, C >> A), sn.Reaction(1.0, A >> 0)],
        compartments=[sn.Compartment("cell", V, [A])], constant=[C], boundary=[feed],
        equations=[feed == sn.sin(sn.t)], starts={A: 0, C: 2},
    )  # fmt: skip
    solution = solved(network)
    t = solution.t
    exact = 1.4 * (1 - np.exp(-t)) + 0.7 * (np.sin(t) - np.cos(t) + np.exp(-t)) / 2
    assert solution[A] == pytest.approx(exact, abs=1e-9)
    assert solution[feed] == pytest.approx(np.sin(t))
    assert network.boundary == (feed,)
    assert network.conserved_quantities() == (C,)


def test_tables_give_the_same_as_reactions() -> None:
    """A network from tables has rates in amounts; the volume cancels, and reactions are read back."""
    species = sn.species("X Y")
    triple = Sides.of(np.array([0]), np.array([0]), np.array([2.0])), Sides.of(np.array([0]), np.array([1]))
    families = mass_action(
        triple[0], References(species), References((k,)), np.zeros(1, np.int64), np.ones(1), np.arange(1)
    )
    network = sn.ReactionNetwork.from_tables(
        "tables", species, *triple, families, 1,
        compartments=[sn.Compartment("cell", V, [species[0]]), sn.Compartment("medium", W, [species[1]])],
        starts={species[0]: 3, species[1]: 0}, names=["meeting"],
    )  # fmt: skip
    solution = solved(network)
    assert solution[species[0]] == pytest.approx(3 / (1 + 0.7 * 3 * solution.t), rel=1e-8)  # 2 k x^2 / V
    assert str(network.reaction(0)) == "meeting: 2*X >> Y    k"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: sn.Compartment("c", 0), "volume 0 is not positive"),
        (lambda: sn.Compartment("c", k * V), "give a number, a parameter or a variable"),
        (lambda: sn.Compartment("c", 1, A), "write \\[...\\]"),
        (lambda: sn.Compartment("c", 1, [k]), "k is not a species"),
        (lambda: network_in([sn.Compartment("c", 1, [A])]), "B lies in no compartment"),
        (
            lambda: network_in([sn.Compartment("c", 1, [A, B]), sn.Compartment("d", 1, [A])]),
            "A is placed twice",
        ),
        (lambda: network_in(["c"]), "'c' among the compartments"),
        (lambda: network_in([], at=sn.Compartment("c", 1)), "not among compartments="),
    ],
)
def test_wrong_compartments_say_what_is_wrong(wrong: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        wrong()


def network_in(compartments: Any, at: Any = None) -> sn.ReactionNetwork:
    return sn.ReactionNetwork("n", [sn.Reaction(k, A >> B, at=at)], compartments=compartments)
