"""Signal blocks, each against a closed form or SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import signal

import symnum as sn
from symnum.errors import ModelError
from symnum.models.blocks import control, linear, nonlinear, sources

TIGHT = {"rtol": 1e-9, "atol": 1e-11}


def response(block: Any, u: Any, end: float, **options: Any) -> Any:
    system = sn.System("blocks", [block.u == u], parts=[block])
    return sn.solve(sn.Problem(system, span=(0, end)), **{**TIGHT, **options})


def test_first_and_second_order_steps() -> None:
    block = linear.FirstOrder("f", k=2.0, T=0.5)
    sol = response(block, 1, 3)
    np.testing.assert_allclose(sol[block.y], 2 * (1 - np.exp(-sol.t / 0.5)), atol=1e-8)
    block = linear.SecondOrder("s", k=3.0, w=4.0, D=0.25)
    sol = response(block, 1, 4)
    expected = signal.lti([3.0], [1 / 16, 2 * 0.25 / 4, 1]).step(T=np.linspace(0, 4, 101))[1]
    np.testing.assert_allclose(sol(np.linspace(0, 4, 101))[block.y], expected, atol=1e-7)


def test_integrator_gain_derivative_and_lead() -> None:
    block = linear.Integrator("i", k=3.0)
    sol = response(block, sn.cos(sn.t), 2)
    np.testing.assert_allclose(sol[block.y], 3 * np.sin(sol.t), atol=1e-8)
    block = linear.Derivative("d", k=2.0, T=0.1)
    sol = response(block, sn.t, 1)
    np.testing.assert_allclose(sol[block.y], 2 * (1 - np.exp(-sol.t / 0.1)), atol=1e-8)
    block = linear.LeadLag("l", T1=0.3, T2=0.1)
    sol = response(block, 1, 1)
    np.testing.assert_allclose(sol[block.y], 1 + 2 * np.exp(-sol.t / 0.1), atol=1e-8)
    gain, follow = linear.Gain("g", k=4.0), linear.Integrator("i")
    system = sn.System("gain", [gain.u == sn.t, follow.u == gain.y], parts=[gain, follow])
    assert sn.solve(sn.Problem(system, span=(0, 2)), **TIGHT)[follow.y][-1] == pytest.approx(8.0, rel=1e-8)


@pytest.mark.parametrize(
    ("top", "bottom"),
    [([1.0], [1, 2, 3, 4]), ([2, 1, 5, 3], [2, 3, 4, 1]), ([3, 1], [0.5, 1]), ([1, 0, 1], [1, 1, 3, 2, 1])],
)
def test_transfer_functions_as_scipy_has_them(top: list[float], bottom: list[float]) -> None:
    block = linear.TransferFunction("h", top, bottom)
    sol = response(block, 1, 6)
    times = np.linspace(0, 6, 61)
    expected = signal.lti(top, bottom).step(T=times)[1]
    np.testing.assert_allclose(sol(times)[block.y], expected, atol=1e-7)


def test_transfer_functions_of_one_order_are_one_class() -> None:
    one, two = linear.TransferFunction("a", [1], [1, 1]), linear.TransferFunction("b", [2, 1], [3, 1])
    assert type(one) is type(two)
    with pytest.raises(ModelError, match="not more than the denominator"):
        linear.TransferFunction("a", [1, 2, 3], [1, 1])
    with pytest.raises(ModelError, match="begins with a coefficient other than 0"):
        linear.TransferFunction("a", [1], [0, 1])


def test_limits_and_tables() -> None:
    line = np.linspace(-3, 3, 61)
    follow = linear.Integrator("i")
    blocks = [
        (nonlinear.Limiter("l", low=-1.0, high=2.0), lambda u: np.clip(u, -1, 2)),
        (nonlinear.DeadZone("z", low=-1.0, high=2.0), lambda u: u - np.clip(u, -1, 2)),
        (nonlinear.Table("curve", [-1, 0, 1.5], [2, -1, 0.5]), lambda u: np.where(u < 0, -1 - 3 * u, u - 1)),
    ]
    for block, exact in blocks:
        system = sn.System("s", [block.u == sn.t - 3, follow.u == block.y], parts=[block, follow])
        sol = sn.solve(sn.Problem(system, span=(0, 6)), saveat=0.1, rtol=1e-6)
        np.testing.assert_allclose(sol[block.y], exact(line), atol=1e-9)
    with pytest.raises(ModelError, match="u increasing"):
        nonlinear.Table("curve", [0, 0], [1, 2])


def test_a_loop_with_a_controller() -> None:
    """PI control of a first-order plant: the closed loop is a transfer function."""
    pid, plant = control.PID("pid", k=3.0, Ti=0.5), linear.FirstOrder("plant", T=1.0)
    loop = [pid.u == plant.y, plant.u == pid.y, pid.set == 1]
    sol = sn.solve(sn.Problem(sn.System("loop", loop, parts=[pid, plant]), span=(0, 6)), **TIGHT)
    times = np.linspace(0, 6, 61)
    expected = signal.lti([1.5, 3], [0.5, 0.5 + 1.5, 3]).step(T=times)[1]
    np.testing.assert_allclose(sol(times)[plant.y], expected, atol=1e-6)


def test_the_derivative_part_and_the_bounds_of_a_controller() -> None:
    """Bounded and with anti-windup it overshoots less than bounded without."""
    peaks = []
    for back in (0.2, 1e6):
        pid, plant = (
            control.PID("pid", k=4.0, Ti=0.8, Td=0.1, high=1.2, low=-1.2, Tt=back),
            linear.SecondOrder("p", w=2.0),
        )
        loop = [pid.u == plant.y, plant.u == pid.y, pid.set == 1]
        sol = sn.solve(sn.Problem(sn.System("loop", loop, parts=[pid, plant]), span=(0, 40)), rtol=1e-7)
        assert sol[pid.y].max() <= 1.2 + 1e-9
        assert sol[plant.y][-1] == pytest.approx(1.0, abs=1e-3)
        peaks.append(sol[plant.y].max())
    assert peaks[0] < peaks[1] - 0.02


def test_signals() -> None:
    x = sn.variable("x")
    made = [
        (sources.step(at=1, low=1, high=3), lambda t: np.where(t < 1, t, 1 + 3 * (t - 1))),
        (
            sources.ramp(at=1, slope=2, until=2),
            lambda t: np.where(t < 1, 0, np.where(t < 2, (t - 1) ** 2, 2 * t - 3)),
        ),
        (
            sources.sine(frequency=0.5, amplitude=2, offset=1),
            lambda t: t + 2 / np.pi * (1 - np.cos(np.pi * t)),
        ),
    ]
    for expr, integral in made:
        sol = sn.solve(
            sn.Problem(sn.System("s", [sn.D(x) == expr]), {x: 0}, (0, 3)),
            saveat=0.25,
            rtol=1e-8,
            max_step=0.05,
        )
        np.testing.assert_allclose(sol[x], integral(sol.t), atol=2e-5)
