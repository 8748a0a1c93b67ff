"""Consistent starts: the right root, block by block; what cannot be made consistent is named."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

import symnum as sn
from symnum.errors import ModelError, SolveFailed
from symnum.solving.initialize import block_order, consistent
from symnum.solving.solve import consistent_start

x, y, z, w = sn.variables("x y z w")
D = sn.D


def start(*equations: sn.Equation, at: dict[sn.Expr, float]) -> dict[str, float]:
    problem = sn.Problem(sn.System("s", equations), at)
    u, _ = consistent_start(problem)
    return dict(zip(problem.compiled.states, u, strict=True))


def test_algebraic_unknowns_fit_the_states() -> None:
    found = start(D(x) == -y, y + sn.exp(y) == x, at={x: 2})
    assert found["y"] == pytest.approx(brentq(lambda v: v + np.exp(v) - 2, -5, 5), rel=1e-10)
    assert found["x"] == 2


def test_a_far_guess_is_damped() -> None:
    """Newton for atan diverges from 3 without damping."""
    found = start(D(x) == -y, sn.atan(y) + y / 100 == x, at={x: 0, y: 30.0})
    assert found["y"] == pytest.approx(0, abs=1e-8)


def test_blocks_are_solved_in_the_order_of_their_dependence() -> None:
    """w needs z, z needs y: with all at once from zero the logarithm would meet zero first."""
    system = sn.System(
        "s", [D(x) == -w, y + y**3 == x, z + sn.exp(z) == 10 * y, w + sn.sinh(w) == sn.log(z) + y]
    )
    problem = sn.Problem(system, {x: 2, z: 1.0})
    compiled = problem.compiled
    algebraic = np.flatnonzero(compiled.mass == 0)
    blocks = block_order(compiled, algebraic)
    names = [[compiled.states[algebraic[c]] for c in columns] for _, columns in blocks]
    assert names == [["y"], ["z"], ["w"]]
    u = dict(zip(compiled.states, consistent(compiled, 0.0, problem.u, problem.p), strict=True))
    assert u["y"] == pytest.approx(1.0)
    assert u["z"] + np.exp(u["z"]) == pytest.approx(10.0)
    assert u["w"] + np.sinh(u["w"]) == pytest.approx(np.log(u["z"]) + 1)


def test_an_implicit_derivative_is_found() -> None:
    found = start(D(x) ** 3 + D(x) == x, at={x: 10})
    assert found["D(x)"] == pytest.approx(2.0)


def test_a_diode_and_a_resistor_in_series(electrical: object) -> None:
    e: object = electrical
    src, d, r = e.Source("src", V=5.0), e.Diode("d"), e.Resistor("r", R=1e3)  # type: ignore[attr-defined]
    c, ground = e.Capacitor("c", C=1e-6), e.Ground("ground")  # type: ignore[attr-defined]
    system = sn.System(
        "rectifier",
        [
            sn.connect(src.p, d.p),
            sn.connect(d.n, r.p),
            sn.connect(r.n, c.p),
            sn.connect(c.n, src.n, ground.p),
        ],
    )
    solution = sn.solve(sn.Problem(system, span=(0, 5e-3)), rtol=1e-8, atol=1e-12)
    current = brentq(lambda i: 0.025 * np.log(i / 1e-12 + 1) + 1e3 * i - 5, 0, 5e-3, xtol=1e-18)
    assert solution[r.i][0] == pytest.approx(current, rel=1e-8)
    np.testing.assert_allclose(solution[d.v + r.v + c.v], 5.0, rtol=1e-9)


def test_a_start_that_cannot_be_repaired_names_the_worst_equation() -> None:
    with pytest.raises(SolveFailed) as caught:
        start(D(x) == -y, y**2 + x**2 == -1 - z, z == y**2 + y, at={x: 1})
    message = str(caught.value)
    assert "s: no consistent start at t = 0" in message
    assert "the worst equation is\n    z == y**2 + y\nwith residual" in message
    assert "Give better guesses" in message


def test_a_start_where_an_equation_is_not_finite_is_named() -> None:
    with pytest.raises((SolveFailed, ModelError), match=r"D\(x\) == 1/x|1/x"):
        start(D(x) == 1 / x, at={x: 0})
    with pytest.raises((SolveFailed, ModelError), match=r"log\(y\)"):
        start(D(x) == -y, sn.log(y) + y == x, at={x: 1, y: -1})


def test_algebraic_equations_that_determine_nothing_are_named() -> None:
    """Structurally fine, but the two equations say the same."""
    system = sn.System("s", [D(x) == -y, sn.exp(y + z) == 1 + x, (y + z) ** 3 == x])
    with pytest.raises(SolveFailed, match=r"Newton stopped with y = .*, z = .*\n    \(y \+ z\)\*\*3 == x"):
        sn.solve(sn.Problem(system, {x: 1}))
