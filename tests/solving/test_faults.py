"""What stops a run, and that nothing is lost that was computed until then."""

from __future__ import annotations

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError, SolveFailed

D = sn.D
x, y = sn.variables("x y")


class Broken(Exception):
    """Something that a user's function may raise."""


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P", None])
def test_a_function_that_raises_gives_back_what_was_computed(method: str | None) -> None:
    def fun(t: float, u: np.ndarray) -> np.ndarray:
        if t > 0.5:
            raise Broken("no data behind 0.5")
        return -u

    with pytest.raises(Broken, match="no data") as caught:
        sn.solve_ivp(fun, (0, 1), [1.0, 2.0], method=method, rtol=1e-8, atol=1e-10, max_step=0.05)
    result = caught.value.solution  # type: ignore[attr-defined]
    assert not result.success
    assert "stopped by Broken: no data behind 0.5" in result.message
    assert 0.4 < result.t[-1] <= 0.5
    np.testing.assert_allclose(result.y, [np.exp(-result.t), 2 * np.exp(-result.t)], rtol=1e-6)


def test_an_event_function_that_raises_gives_back_what_was_computed() -> None:
    def event(t: float, u: np.ndarray) -> float:
        if t > 0.5:
            raise Broken("nothing to watch")
        return float(u[0])

    with pytest.raises(Broken) as caught:
        sn.solve_ivp(lambda t, u: -u, (0, 1), [1.0], events=event, rtol=1e-6, max_step=0.05)
    assert 0.4 < caught.value.solution.t[-1] <= 0.55  # type: ignore[attr-defined]


def guarded(guard: object) -> sn.Problem:
    (k,) = sn.parameters(k=1.0)
    system = sn.System("s", [D(x) == -k * x], guards=[guard])  # type: ignore[list-item]  # one that raises
    return sn.Problem(system, {x: 1.0}, span=(0, 2), events=[sn.Event(at=1.0, then={k: 2.0})])


def test_a_refused_event_gives_back_what_was_computed() -> None:
    problem = guarded(lambda values: "k is too large" if values["k"] > 1.5 else None)
    with pytest.raises(ModelError, match="at t = 1: k is too large") as caught:
        sn.solve(problem, rtol=1e-8)
    part = caught.value.solution
    assert part.t[-1] == 1.0
    np.testing.assert_allclose(part[x], np.exp(-part.t), rtol=1e-6)


def test_a_guard_that_raises_gives_back_what_was_computed() -> None:
    problem = guarded(lambda values: str(1 / (values["k"] - 2)) if values["k"] > 1.5 else None)
    with pytest.raises(ZeroDivisionError) as caught:
        sn.solve(problem, rtol=1e-8, saveat=np.linspace(0, 2, 21))
    part = caught.value.solution  # type: ignore[attr-defined]
    assert part.t.tolist() == pytest.approx(np.linspace(0, 1, 11).tolist())
    np.testing.assert_allclose(part[x], np.exp(-part.t), rtol=1e-6)


def test_a_jump_in_the_equations_is_passed_at_the_tolerance() -> None:
    # nothing says where the jump is; the steps find it by their error
    system = sn.System("s", [D(x) == sn.ifelse(sn.t < 1 / 3, 1, -2), D(y) == sn.ifelse(x > 0.1, y, -y)])
    for method in ("Tsit5", "Rodas5P", "KenCarp4"):
        sol = sn.solve(sn.Problem(system, {x: 0.0, y: 1.0}, span=(0, 0.44)), method, rtol=1e-8, atol=1e-10)
        # x rises to 1/3 and falls from there; a jump costs an error of some tolerances
        assert sol[x][-1] == pytest.approx(0.12, abs=1e-6)
        assert sol[y][-1] == pytest.approx(np.exp(-0.1 + 0.34), rel=1e-5)


def test_a_singular_jacobian_names_the_equation() -> None:
    # y = sqrt(x) has no slope where x reaches zero at t = 1, and no value behind
    system = sn.System("tank", [D(x) == -1, y**2 == x])
    with pytest.raises(SolveFailed, match=r"tank: stopped at t = (0\.99|1)[\s\S]*y\*\*2 == x") as caught:
        sn.solve(sn.Problem(system, {x: 1.0, y: 1.0}, span=(0, 2)), rtol=1e-6)
    part = caught.value.solution
    np.testing.assert_allclose(part[y], np.sqrt(np.maximum(1 - part.t, 0)), atol=2e-3)


def test_values_beyond_a_bound_name_the_equation() -> None:
    system = sn.System("s", [D(x) == 1, D(y) == sn.log(1 - x)])
    with pytest.raises(SolveFailed, match=r"stopped at t = (0\.99|1)[\s\S]*D\(y\) == log") as caught:
        sn.solve(sn.Problem(system, {x: 0.0, y: 0.0}, span=(0, 2)), rtol=1e-8)
    part = caught.value.solution
    inside = part.t < 0.99
    exact = -(1 - part.t[inside]) * np.log(1 - part.t[inside]) - part.t[inside]
    np.testing.assert_allclose(part[y][inside], exact, atol=1e-6)


def test_events_that_never_end_stop_the_run() -> None:
    h, v = sn.variables("h v")
    bounce = sn.Event(when=h, crossing="down", then={v: -0.5 * v})
    system = sn.System("ball", [D(h) == v, D(v) == -1], events=[bounce])
    with pytest.raises(SolveFailed, match="ball: stopped at t = ") as caught:
        sn.solve(sn.Problem(system, {h: 0.5, v: 0.0}, span=(0, 10)), rtol=1e-8, atol=1e-12)
    # falls 1, then bounces of 2*0.5**k: all is over at 3
    part = caught.value.solution
    assert part.t[-1] == pytest.approx(3.0, abs=1e-4)
    assert part.events[0].t == pytest.approx(1.0, rel=1e-8)
    assert part.events[3].t == pytest.approx(1 + 1 + 0.5 + 0.25, rel=1e-7)


@pytest.mark.parametrize("count", [10**4, pytest.param(10**6, marks=pytest.mark.slow)])
def test_events_that_come_ever_faster_are_all_met(count: int) -> None:
    """A ball that loses hardly any speed in a bounce: flight n takes 2 v e^n / g."""
    e, v0, g = 1 - 1 / count, 5e-3, 10.0
    height, v = sn.variables("height v")
    bounce = sn.Event(when=height, crossing="down", then={v: -e * v})
    ball = sn.System("ball", [D(height) == v, D(v) == -g], events=[bounce])
    exact = 2 * v0 / g * (1 - e ** np.arange(1, count + 1)) / (1 - e)
    end = exact[-1] + v0 * e**count / g  # in the middle of the flight after the last
    sol = sn.solve(sn.Problem(ball, {height: 0.0, v: v0}, span=(0, end)), saveat=[end], max_steps=10**7)
    assert len(sol.events) == count
    # the rounding of time moves each bounce by up to 1e-13: a million of them by a part of a flight
    few = count < 10**6
    np.testing.assert_allclose([event.t for event in sol.events], exact, rtol=1e-8 if few else 5e-8)
    top = (v0 * e**count) ** 2 / (2 * g)
    assert sol[height][-1] == pytest.approx(top, rel=1e-6 if few else 1e-2)
