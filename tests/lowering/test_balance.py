"""Equations and unknowns that do not match: the message names the leftovers and the next step."""

from __future__ import annotations

from types import ModuleType

import pytest

import symnum as sn
from symnum.errors import LoweringError, ModelError, UnbalancedSystem

x, y, z, w = sn.variables("x y z w")
D = sn.D


@pytest.mark.parametrize(
    ("equations", "parts"),
    [
        ([D(x) == -x + y], ["1 equation for 2 unknowns", "Nothing determines", "    y\n", "Add an equation"]),
        ([D(x) == -x, D(x) == y, y == x], ["2 equations for 1 unknown.", "left over", "Remove an equation"]),
        (
            [D(x) == -x + y, y == x**2, y == x**3],
            ["One of these 3 equations is left over\n    y == x**2\n    y == x**3", "hold only 2 unknowns"],
        ),
        ([D(x) == y, y + z == 1, y + z == 2, D(w) == z + x, D(w) == 3], ["4 equations for 3 unknowns"]),
        ([D(x) == y, y == 1, sn.exp(x) == 2], ["exp(x) == 2"]),
        (
            [D(x) == z + w, y == 1, y == 2 + x],
            ["3 equations for 4 unknowns", "    w\n", "    z\n", "Add an equation"],
        ),
    ],
    ids=str,
)
def test_the_leftovers_are_named(equations: list[sn.Equation], parts: list[str]) -> None:
    with pytest.raises(LoweringError) as caught:
        sn.compile(sn.System("model", equations))
    message = str(caught.value)
    assert message.startswith("model:")
    for part in parts:
        assert part in message


def test_equations_of_a_component_are_named_with_its_instance(electrical: ModuleType) -> None:
    one, two = electrical.Ground("one"), electrical.Ground("two")
    r = electrical.Resistor("r")
    with pytest.raises(
        UnbalancedSystem, match=r"two\.p\.v == 0[\s\S]*one\.p\.v == 0|one\.p\.v == 0[\s\S]*two\.p\.v"
    ):
        sn.compile(sn.System("s", [sn.connect(r.p, r.n, one.p, two.p)]))


def test_many_leftovers_are_cut_short() -> None:
    unknowns = sn.variables(" ".join(f"u{k}" for k in range(30)))
    with pytest.raises(UnbalancedSystem, match=r"\.\.\. and 2\d more"):
        sn.compile(sn.System("s", [D(x) == sum(unknowns)]))


@pytest.mark.parametrize(
    ("equation", "says"),
    [(y - y == 1, "never true; remove it"), (y - y == 0, "always true; remove it")],
    ids=str,
)
def test_an_equation_without_unknowns_is_refused(equation: sn.Equation, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        sn.compile(sn.System("s", [D(x) == -x, equation]))


def test_an_equation_that_holds_parameters_only_is_named() -> None:
    (a,) = sn.parameters(a=1)
    with pytest.raises(UnbalancedSystem, match="a == 2"):
        sn.compile(sn.System("s", [D(x) == -x, a == 2]))


def test_a_chained_equation_leaves_an_unknown() -> None:
    with pytest.raises(UnbalancedSystem):
        sn.compile(sn.System("s", [D(x) == -y, x**2 == y == z, D(w) == z]))


def test_nothing_to_solve() -> None:
    with pytest.raises(ModelError, match="nothing to solve"):
        sn.compile(sn.System("s"))


def test_contradicting_equalities_are_named() -> None:
    with pytest.raises(LoweringError, match=r"y == z \+ 1|0 == "):
        sn.compile(sn.System("s", [D(x) == y, y == z, y == z + 1]))


def test_inputs_from_outside_are_no_fault_of_a_component() -> None:
    """A block takes u from the system: what is missing is the other equation."""
    from symnum.models.blocks import linear

    block = linear.FirstOrder("block")
    report = sn.explain(sn.System("s", [block.u == z, D(x) == -x + w + block.y], parts=[block]))
    assert {"w", "z"} & set(report.suspects[:2])
    assert all("block" not in problem.names[0].split(".")[0] for problem in report.problems)


def test_a_component_with_an_equation_too_many_is_named(electrical: ModuleType) -> None:
    class Extra(electrical.Resistor):  # type: ignore[name-defined, misc]  # the module is loaded by its place
        def equations(self) -> list[object]:
            return [*super().equations(), self.v == 2 * self.R * self.i]

    r, src, ground = Extra("r"), electrical.Source("src"), electrical.Ground("ground")
    report = sn.explain(sn.System("s", [sn.connect(src.p, r.p), sn.connect(src.n, r.n, ground.p)]))
    assert report.suspects[0] == "r"
    assert "Extra has 5 equations, and its variables and connectors call for 4" in str(report)


def test_an_unknown_known_only_as_a_derivative() -> None:
    with pytest.raises(UnbalancedSystem, match=r"Nothing determines\n    y\nnor, as each .*\n    x\n"):
        sn.compile(sn.System("s", [D(x) == y]))


def test_a_current_given_twice_by_the_same_derivative() -> None:
    """Parallel capacitors; without derivatives told apart there are as many equations as unknowns."""
    equations = [D(x) == z, 2 * D(y) == w, x == y, D(x) == z]
    found = sn.explain(sn.System("parallel", equations))
    assert {problem.kind for problem in found.problems} == {"under-determined", "over-determined"}
    assert "D(x) == z" in found.suspects[:3]
    with pytest.raises(ModelError, match=r"D\(x\) == z"):
        sn.solve(sn.Problem(sn.System("parallel", equations), {x: 0, y: 0}, (0, 1)))
