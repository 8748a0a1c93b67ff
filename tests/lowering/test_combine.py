"""Constraints that only a combination of equations shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import SymnumError

D = sn.D
x, y, z = sn.variables("x y z")


def transistor_amplifier(capacities: list[Any]) -> tuple[sn.System, list[sn.Expr]]:
    """The transistor amplifier of the test set for initial value problems, as it is published: M y' = f.

    Its first two, next two and last two derivatives stand in pairs of equations as one difference each.
    """
    u = list(sn.variables(" ".join(f"y{k}" for k in range(1, 9))))
    y1, y2, y3, y4, y5, y6, y7, y8 = u
    c1, c2, c3, c4, c5 = capacities
    source, gain, leak = 0.1 * sn.sin(200 * np.pi * sn.t), 0.99, 0.01

    def g(v: sn.Expr) -> sn.Expr:
        return 1e-6 * (sn.exp(v / 0.026) - 1)

    return sn.System(
        "amplifier",
        [
            c1 * (D(y1) - D(y2)) == -(y1 - source) / 1000,
            c1 * (D(y2) - D(y1)) == -(y2 / 9000 + (y2 - 6) / 9000 + leak * g(y2 - y3)),
            c2 * D(y3) == -(y3 / 9000 - g(y2 - y3)),
            c3 * (D(y4) - D(y5)) == -((y4 - 6) / 9000 + gain * g(y2 - y3)),
            c3 * (D(y5) - D(y4)) == -(y5 / 9000 + (y5 - 6) / 9000 + leak * g(y5 - y6)),
            c4 * D(y6) == -(y6 / 9000 - g(y5 - y6)),
            c5 * (D(y7) - D(y8)) == -((y7 - 6) / 9000 + gain * g(y5 - y6)),
            c5 * (D(y8) - D(y7)) == -y8 / 9000,
        ],
    ), u


@pytest.mark.parametrize("named", [False, True])
def test_the_transistor_amplifier(named: bool, shared_data: Path) -> None:
    """Of index 1 with five degrees of freedom, though its structure says 0 and eight."""
    reference = json.loads((shared_data / "ivp_testset" / "reference.json").read_text())["transistor"]
    capacities: list[Any] = [k * 1e-6 for k in range(1, 6)]
    if named:
        capacities = [sn.parameter(c, name=f"c{k}") for k, c in enumerate(capacities, start=1)]
    system, u = transistor_amplifier(capacities)
    report = sn.explain(system)
    assert (report.index, report.degrees_of_freedom, report.problems) == (1, 5, ())
    problem = sn.Problem(system, dict(zip(u, [0, 3, 3, 6, 3, 3, 6, 0], strict=True)), (0, 0.2))
    solution = sn.solve(problem, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(solution[u][:, -1], reference["y_ref"], rtol=1e-6, atol=1e-7)


def test_a_multiple_is_taken_off() -> None:
    """2 (x' + y') = 3 - x and x' + y' = 1 leave x = 1."""
    system = sn.System("pair", [D(x) + D(y) == 1, 2 * D(x) + 2 * D(y) == 3 - x, D(z) == -z])
    solution = sn.solve(sn.Problem(system, {y: 0.5, z: 1}, (0, 2)), rtol=1e-9)
    np.testing.assert_allclose(solution[x], 1, atol=1e-10)
    np.testing.assert_allclose(solution[y], 0.5 + solution.t, atol=1e-8)
    assert any(stage.name == "hidden constraints combined" for stage in sn.explain(system).stages)


def test_three_equations_hide_two_constraints() -> None:
    total = D(x) + D(y) + D(z)
    system = sn.System("sum", [total == 1, total == 1 + x - y, 2 * total == 2 + x - 2 * z])
    solution = sn.solve(sn.Problem(system, {x: 4.0}, (0, 1)), rtol=1e-9)
    # x = y, z = x/2: 5/2 x' = 1
    np.testing.assert_allclose(
        solution[[x, y, z]], [4 + 0.4 * solution.t] * 2 + [2 + 0.2 * solution.t], atol=1e-8
    )


def test_coupled_derivatives_that_are_regular_stay_as_they_are() -> None:
    system = sn.System("masses", [2 * D(x) + D(y) == -x, D(x) + 3 * D(y) == -y])
    assert all(stage.name != "hidden constraints combined" for stage in sn.explain(system).stages)
    assert sn.compile(system).mass.sum() == 2


def test_equations_that_contradict_each_other_are_named() -> None:
    system = sn.System("pair", [D(x) + D(y) == 1, D(x) + D(y) == 2])
    assert sn.explain(system).problems[0].kind == "singular"
    with pytest.raises(SymnumError, match=r"D\(x\) \+ D\(y\)"):
        sn.solve(sn.Problem(system, {x: 0, y: 0}))
