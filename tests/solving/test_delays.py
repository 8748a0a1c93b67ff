"""Delay differential equations against solutions that are known in closed form."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError, SolveFailed

x, y, z = sn.variables("x y z")
(tau,) = sn.parameters(tau=1.0)
D, delay = sn.D, sn.delay


def steps(t: float) -> float:
    """x' = -x(t - 1), x = 1 before 0: a polynomial on each interval, by the method of steps."""
    return sum((-1) ** n * (t - (n - 1)) ** n / math.factorial(n) for n in range(int(t) + 2) if t >= n - 1)


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P", "ROS34PW2", "DOP853"])
def test_the_first_equation_of_every_textbook(method: str) -> None:
    problem = sn.Problem(sn.System("s", [D(x) == -delay(x, tau)]), {x: 1}, span=(0, 6))
    sol = sn.solve(problem, method, rtol=1e-9, atol=1e-11)
    times = np.linspace(0, 6, 61)
    np.testing.assert_allclose(sol(times)[x], [steps(t) for t in times], atol=2e-8)
    # the delayed value itself, right behind a kink as well
    late = np.array([0.5, 1.0, 1.7, 4.2])
    np.testing.assert_allclose(sol(late)[-D(x)], [steps(t - 1) if t > 1 else 1.0 for t in late], atol=2e-8)


def test_the_error_falls_as_the_tolerance_does() -> None:
    problem = sn.Problem(sn.System("s", [D(x) == -delay(x, tau)]), {x: 1}, span=(0, 6))
    errors = [abs(sn.solve(problem, "Tsit5", rtol=r, atol=r)[x][-1] - steps(6)) for r in (1e-4, 1e-7, 1e-10)]
    assert errors[0] > errors[2]
    assert errors[2] < 1e-10


def test_a_history_before_the_start() -> None:
    # x' = x(t - 1) with x = exp(a t), where a = exp(-a), stays that exponential
    a = 0.5671432904097838
    history = sn.exp(a * sn.t)
    problem = sn.Problem(sn.System("s", [D(x) == delay(x, 1, history)]), {x: 1}, span=(0, 4))
    sol = sn.solve(problem, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(sol[x], np.exp(a * sol.t), rtol=1e-8)


def test_two_delays_and_one_that_is_read_twice() -> None:
    # x = sin t solves x' = x(t - 3 pi/2) and x'' = -x; here with delays of pi and pi/2 as well
    half = math.pi / 2
    sine = sn.sin(sn.t)
    system = sn.System(
        "s", [D(x) == 2 * delay(x, 3 * half, sine) + delay(x, half, sine), D(y) == -delay(y, half, sine)]
    )
    sol = sn.solve(sn.Problem(system, {x: 0, y: 0}, span=(0, 7)), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(sol[x], np.sin(sol.t), atol=1e-7)
    np.testing.assert_allclose(sol[y] * 0 + sol(sol.t)[x], np.sin(sol.t), atol=1e-7)


def test_a_delay_that_depends_on_time_and_one_on_the_state() -> None:
    # x = 1 + t/2 with a lag of 1/2 + t/2 reads 3/4 + t/4
    system = sn.System("s", [D(x) == delay(x, 0.5 + sn.t / 2, 1 + sn.t / 2) - sn.t / 4 - 0.25])
    sol = sn.solve(sn.Problem(system, {x: 1}, span=(0, 5)), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(sol[x], 1 + sol.t / 2, rtol=1e-7)
    # x = exp(-t), lag 1 + x: x(t - 1 - exp(-t))
    past = sn.exp(-sn.t)
    system = sn.System("s", [D(y) == -delay(y, 1 + y, past) * sn.exp(-1 - sn.exp(-sn.t))])
    sol = sn.solve(sn.Problem(system, {y: 1}, span=(0, 5)), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(sol[y], np.exp(-sol.t), rtol=1e-6)


def test_a_delay_that_vanishes_at_the_start_and_one_on_the_way() -> None:
    # the pantograph equation x' = -x(t/2); Fox et al., J. Inst. Maths Applics 8 (1971) 271
    system = sn.System("s", [D(x) == -delay(x, sn.t / 2)])
    series = [
        sum((-t) ** n / 2 ** (n * (n - 1) / 2) / math.factorial(n) for n in range(30)) for t in (1.0, 3.0)
    ]
    problem = sn.Problem(system, {x: 1}, span=(0, 3))
    sol = sn.solve(problem, "Tsit5", rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(sol(np.array([1.0, 3.0]))[x], series, rtol=1e-7)
    with pytest.raises(SolveFailed, match="Or does a delay vanish"):  # its f_t would have to look ahead
        sn.solve(problem, "Rodas5P")
    # x = t solves x' = x(t - |1 - t|)/(t - |1 - t|) where the lag is 0 at t = 1
    lag = sn.absolute(1 - sn.t)
    system = sn.System("s", [D(x) == delay(x, lag, sn.t) - sn.t + lag + 1])
    sol = sn.solve(sn.Problem(system, {x: 0}, span=(0, 2)), "Tsit5", rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(sol[x], sol.t, rtol=1e-8)


def test_delays_of_definitions_of_derivatives_and_of_delays() -> None:
    system = sn.System("s", [
        D(x) == 1,
        y == x**2 + sn.t,  # t**2 + t
        z == delay(y, 0.5, 0) + delay(delay(x, 1, 0), 1, 0) + delay(D(x), 0.25, 0),
    ])  # fmt: skip
    sol = sn.solve(sn.Problem(system, {x: 0}, span=(0, 4)), rtol=1e-9, atol=1e-11)
    times = np.array([0.1, 0.3, 0.7, 1.5, 2.5, 3.9])
    wanted = [((t - 0.5) ** 2 + t - 0.5) * (t > 0.5) + (t - 2) * (t > 2) + (t > 0.25) for t in times]
    np.testing.assert_allclose(sol(times)[z], wanted, atol=1e-9)


def test_an_algebraic_unknown_with_a_delayed_part() -> None:
    # z**3 + z = x(t - 1) + x(t - 1)**3 has the solution z = x(t - 1)
    past = delay(x, 1)
    system = sn.System("s", [D(x) == -z, z**3 + z == past + past**3])
    sol = sn.solve(sn.Problem(system, {x: 1, z: 1}, span=(0, 4)), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(sol[x], [steps(t) for t in sol.t], atol=1e-6)


def test_a_jump_comes_back_after_the_delay() -> None:
    # x jumps by 1 at t = 1; y' = x(t - 2) sees it at t = 3, and steps end there
    system = sn.System("s", [D(x) == 0, D(y) == delay(x, 2)], events=[sn.Event(at=1, then={x: x + 1})])
    for method in ("Tsit5", "Rodas5P"):
        sol = sn.solve(sn.Problem(system, {x: 0, y: 0}, span=(0, 5)), method, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(sol[y], np.maximum(sol.t - 3, 0), atol=1e-12)
        assert 3.0 in sol.t


def test_a_delayed_parameter_and_a_delay_in_events() -> None:
    (a,) = sn.parameters(a=0.0)
    system = sn.System("s", [D(x) == 1, y == delay(a, 1)], events=[
        sn.Event(at=1, then={a: 5}),
        sn.Event(trigger=delay(x, 1) > 1.5, then={a: delay(x, 2)}, name="e"),
    ])  # fmt: skip
    sol = sn.solve(sn.Problem(system, {x: 0}, span=(0, 5)), rtol=1e-9, atol=1e-11)
    assert [round(h.t, 9) for h in sol.events] == [1, 2.5]
    found = sol(np.array([0.5, 1.9, 2.2, 3.4, 3.6]))[y]
    np.testing.assert_allclose(found, [0, 0, 5, 5, 0.5], atol=1e-9)


def test_output_on_a_grid_and_the_specialised_tier_is_left_alone() -> None:
    problem = sn.Problem(sn.System("s", [D(x) == -delay(x, tau)]), {x: 1}, span=(0, 3), parameters={tau: 0.5})
    sol = sn.solve(problem, "Tsit5", rtol=1e-9, atol=1e-11, saveat=0.25)
    whole = sn.solve(problem, "Rodas5P", rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(sol[x], whole(sol.t)[x], atol=1e-7)
    runs = sn.solve(sn.Ensemble(problem, {tau: [0.5, 1.0]}), "Tsit5", rtol=1e-9, atol=1e-11)
    assert np.ravel(runs[x])[-1] == pytest.approx(steps(3), abs=1e-7)


def test_what_cannot_be_done_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the lag cannot be negative"):
        delay(x, -1)
    with pytest.raises(ModelError, match="time and parameters only"):
        delay(x, 1, before=y)
    with pytest.raises(ModelError, match="the derivative of a delay"):
        D(delay(x, 1))
    assert delay(x, 0) is x
    assert str(delay(x, tau)) == "delay(x, tau)"
    system = sn.System("s", [D(x) == -delay(x, tau)])
    with pytest.raises(ModelError, match="infinitely many modes"):
        sn.linearize(sn.Problem(system, {x: 1}))
    with pytest.raises(ModelError, match="simulators know no delays"):
        sn.export(sn.Problem(system, {x: 1}), "c", tmp_path / "s.c")
    moving = sn.System("s", [D(x) == -delay(x, 1 - sn.t)])
    with pytest.raises(SolveFailed, match=r"the lag is -|does a delay vanish"):
        sn.solve(sn.Problem(moving, {x: 1}, span=(0, 2)))
    with pytest.raises(ModelError, match=r"past == sn\.delay"):
        sn.ReactionNetwork("n", [sn.Reaction(delay(x, 1), x >> y)])


def test_a_saved_system_keeps_its_delays(tmp_path: Path) -> None:
    compiled = sn.compile(sn.System("s", [D(x) == -delay(x, tau)]))
    loaded = sn.load(compiled.save(tmp_path / "s.symnum"))
    sol = sn.solve(sn.Problem(loaded, {x: 1}, span=(0, 2)), "Tsit5", rtol=1e-9, atol=1e-11)
    assert sol[x][-1] == pytest.approx(steps(2), abs=1e-8)
