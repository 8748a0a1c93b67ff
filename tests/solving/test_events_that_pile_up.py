"""Events that pile up: found and named where they would never end, and no fault where they do end."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq

import symnum as sn
from symnum.errors import SolveFailed
from symnum.models.electrical import Capacitor, Ground, IdealDiode, Resistor, SineVoltage
from symnum.models.mechanical.translational import Fixed, Mass, SignalForce, StickSlip

x, y = sn.variables("x y")
D = sn.D


@pytest.mark.parametrize("restitution", [0.5, 0.8])
@pytest.mark.parametrize("ground", [0.0, 0.1, 1.0, 100.0])
def test_events_without_end_are_stopped_and_named(ground: float, restitution: float) -> None:
    """Where bounces are lost in round-off, the ball may not fall through the ground instead."""
    h, v = sn.variables("h v")
    bounce = sn.Event(when=h - ground, crossing="down", then={v: -restitution * v}, name="bounce")
    problem = sn.Problem(
        sn.System("ball", [D(h) == v, D(v) == -9.81], events=[bounce]), {h: ground + 1, v: 0}, (0, 20)
    )
    with pytest.raises(SolveFailed, match=r"Zeno.*bounce"):
        sn.solve(problem)


# ---- hard limits ----------------------------------------------------------------------------------
def test_events_that_come_ever_sooner_but_end_are_no_fault() -> None:
    """A chirp, upwards only; and a ball that an event lays down after bounces, then a trap door."""
    count = sn.parameters(count=0)[0]
    up = sn.Event(when=sn.sin(sn.t**2) * sn.exp(-sn.t / 9), crossing="up", then={count: count + 1})
    chirp = sn.solve(sn.Problem(sn.System("s", [D(x) == 1], events=[up]), {x: 0}, (0, 20)))
    assert chirp[count][-1] == int(400 / (2 * np.pi))
    rests = sn.parameters(rests=0)[0]
    bounce = sn.Event(
        when=x - 1, crossing="down",
        then={y: sn.ifelse(y > -1e-3, 0, -0.5 * y), rests: sn.ifelse(y > -1e-3, 1, 0)},
    )  # fmt: skip
    door = sn.Event(at=5, then={rests: 0})
    system = sn.System("ball", [D(x) == y, D(y) == -9.81 * (1 - rests)], events=[bounce, door])
    solution = sn.solve(sn.Problem(system, {x: 2, y: 0}, (0, 6)))
    assert len(solution.events) == 15
    assert solution(4.9)[x] == pytest.approx(1, abs=1e-8)
    assert solution[x][-1] == pytest.approx(1 - 9.81 / 2, abs=1e-6)


def test_a_thermostat_without_hysteresis_is_named_however_slow_it_is() -> None:
    """Between two changes the temperature moves by its round-off, which takes long at a small rate."""
    system = sn.System("house", [D(x) == sn.switch(x < 295, 1e-2, -1e-6)])
    with pytest.raises(SolveFailed, match=r"chattering: on both sides of where x < 295 changes"):
        sn.solve(sn.Problem(system, {x: 294}, (0, 3600)), max_steps=1000)


def test_a_clock_that_events_wind_is_no_chattering() -> None:
    """Each stop lies next to a time that is known before, and is round-off all the way from there."""
    last, count = sn.parameters(last=0.0, count=0)
    tick = sn.Event(trigger=sn.t - last > 0.01, then={last: sn.t, count: count + 1}, initially=False)
    system = sn.System("clock", [D(x) == -x], events=[tick])
    solution = sn.solve(sn.Problem(system, {x: 1}, (40, 41)))
    assert solution[count][-1] in (99, 100)


@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9])
def test_diodes_in_series_switch_together(rtol: float) -> None:
    """A bridge without a resistance before it: a current through two diodes ends."""
    source, ground = SineVoltage("source", amplitude=10.0, frequency=50.0), Ground("ground")
    load, c = Resistor("load", R=100.0), Capacitor("c", C=1e-3)
    d = [IdealDiode(f"d{k}") for k in range(4)]
    joints = [
        (source.p, d[0].p, d[2].n), (source.n, d[1].p, d[3].n), (d[0].n, d[1].n, c.p, load.p),
        (d[2].p, d[3].p, c.n, load.n, ground.p),
    ]  # fmt: skip
    system = sn.System("bridge", [sn.connect(*joint) for joint in joints])
    solution = sn.solve(sn.Problem(system, span=(0, 0.1)), rtol=rtol)
    t = np.array([0.0145, 0.0245, 0.0345])  # both conduct: what they take is 2 R_on (C v' + v/R)
    angle = 100 * np.pi * t
    source_now, rate = 10 * np.abs(np.sin(angle)), 1000 * np.pi * np.abs(np.cos(angle))
    taken = 2e-3 * (1e-3 * rate + source_now / 100)
    np.testing.assert_allclose(source_now - solution(t)[c.v], taken, rtol=1e-2, atol=10 * rtol)
    alone = solution(0.032)[c.v] / solution(0.027)[c.v]  # between, the capacitor alone: 0.1 s
    np.testing.assert_allclose(alone, np.exp(-0.05), rtol=1e-5 + 10 * rtol)


@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9])
def test_friction_that_slides_at_the_force_at_which_it_breaks_away(rtol: float) -> None:
    """While it slides the tension is the force at which it would break away, but for round-off."""
    mass, friction, wall, push = Mass("mass"), StickSlip("friction"), Fixed("wall"), SignalForce("push")
    joints = [(wall.flange, friction.a), (friction.b, mass.a), (mass.b, push.flange)]
    system = sn.System("block", [*(sn.connect(*j) for j in joints), push.signal == 15 * sn.sin(sn.t)])
    solution = sn.solve(sn.Problem(system, span=(0, 20)), rtol=rtol, max_steps=2000)
    expected = [math.asin(1 / 15)]  # from there on it turns at once wherever it comes to rest
    sign = 1.0
    while expected[-1] < 20:
        begin = expected[-1]

        def speed(t: float, begin: float = begin, sign: float = sign) -> float:
            return 15 * (math.cos(begin) - math.cos(t)) - sign * (t - begin)

        grid = np.linspace(begin + 0.1, begin + 10, 2000)
        k = int(np.argmax([sign * speed(t) < 0 for t in grid]))
        expected.append(brentq(speed, grid[k - 1], grid[k], xtol=1e-14))
        sign = -sign
    found = [h.t for h in solution.events if "slides" in str(h)]
    close = {1e-3: 1e-2, 1e-6: 1e-5, 1e-9: 1e-8}[rtol]
    np.testing.assert_allclose(found, expected[:-1], atol=close)
