"""Models that switch: times of events against exact ones, at loose tolerances as well."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

import symnum as sn
from symnum.errors import ModelError, SolveFailed
from symnum.models.blocks.control import SampledPID
from symnum.models.electrical.passive import Capacitor, Resistor
from symnum.models.electrical.pins import Ground
from symnum.models.electrical.semiconductors import IdealDiode
from symnum.models.electrical.sources import SineVoltage
from symnum.models.mechanical.translational import (
    Fixed,
    Mass,
    SignalForce,
    SignalPosition,
    Spring,
    StickSlip,
)

D = sn.D
LOOSE = {"rtol": 1e-3, "atol": 1e-6}
TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def times(solution: Any, name: str = "") -> np.ndarray[Any, Any]:
    return np.array([h.t for h in solution.events if name in str(h.event)])


@pytest.mark.parametrize("options", [LOOSE, TIGHT], ids=["loose", "tight"])
@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P"])
def test_bouncing_ball(options: dict[str, float], method: str) -> None:
    """Flights of 2 v_k/g with v_k = 0.7^k v_0, sixteen of them."""
    h, v = sn.variables("h v")
    bounce = sn.Event(when=h, crossing="down", then={v: -0.7 * v})
    system = sn.System("ball", [D(h) == v, D(v) == -9.81], events=[bounce])
    fall = math.sqrt(2 / 9.81)
    flights = 2 * fall * 0.7 ** np.arange(1, 16)
    exact = fall + np.concatenate([[0.0], np.cumsum(flights)])
    solution = sn.solve(sn.Problem(system, {h: 1, v: 0}, (0, exact[-1] + 1e-4)), method, **options)
    np.testing.assert_allclose(times(solution), exact, atol=1e-8)


@pytest.mark.parametrize("options", [LOOSE, TIGHT], ids=["loose", "tight"])
def test_relay_oscillator(options: dict[str, float]) -> None:
    """x'' = -sign(x), from 1 at rest: parabolas, x = 0 at sqrt 2 and every 2 sqrt 2 after it."""
    x, v = sn.variables("x v")
    system = sn.System("relay", [D(x) == v, D(v) == sn.switch(x > 0, -1, 1)])
    solution = sn.solve(sn.Problem(system, {x: 1, v: 0}, (0, 40)), **options)
    exact = math.sqrt(2) * np.arange(1, 28, 2)
    np.testing.assert_allclose(times(solution)[1:], exact[exact < 40], atol=1e-8)


def test_a_branch_is_not_seen_beyond_its_condition() -> None:
    """A slope of sqrt(1 - t), then of -1: x(1) = 2/3."""
    x = sn.variable("x")
    system = sn.System("root", [D(x) == sn.switch(sn.t < 1, sn.sqrt(sn.maximum(1 - sn.t, 0)), -1)])
    solution = sn.solve(sn.Problem(system, {x: 0}, (0, 2)), "Tsit5", rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(times(solution), [0, 1], atol=1e-15)
    assert solution[x][-1] == pytest.approx(2 / 3 - 1, abs=1e-7)


def test_stick_slip() -> None:
    """A mass on a belt, held by a spring: it rides until the spring pulls with F0, then swings freely.

    In the swing x = s + A cos(w tau + phi) about s = F/c, with x' = v at both ends: closed form.
    """
    m, c, F, F0, speed = 2.0, 50.0, 3.0, 5.0, 0.1
    wall, mass, spring = Fixed("wall"), Mass("mass", m=m), Spring("spring", c=c)
    belt, rubbing = SignalPosition("belt"), StickSlip("rubbing", F=F, F0=F0)
    system = sn.System(
        "stick_slip",
        [
            sn.connect(wall.flange, spring.a), sn.connect(spring.b, mass.a), sn.connect(mass.b, rubbing.a),
            sn.connect(belt.flange, rubbing.b), belt.signal == speed * sn.t,
        ],
    )  # fmt: skip
    w = math.sqrt(c / m)
    breaks = F0 / c / speed
    # from x = F0/c, x' = speed to the next time with x' = speed: symmetric about the middle of the swing
    angle = math.atan2(speed / w, (F0 - F) / c)
    slip = (math.pi + 2 * angle) / w
    again = (2 * (F0 - F) / c) / speed  # from x = (2 F - F0)/c back to F0/c with the belt
    expected = [breaks]
    for _ in range(3):
        expected += [expected[-1] + slip, expected[-1] + slip + again]
    for options in (LOOSE, {"rtol": 1e-10, "atol": 1e-13}):
        start = {mass.s: 0, mass.v: speed}
        solution = sn.solve(sn.Problem(system, start, (0, expected[-1] + 0.1)), **options)
        found = times(solution)
        assert len(found) == len(expected)
        np.testing.assert_allclose(found, expected, atol=1e-8 if options is not LOOSE else 2e-2)
    assert [str(h.event) for h in solution.events[:2]] == ["rubbing: slides forwards", "rubbing: sticks"]


def test_a_block_on_a_slope_stays_at_rest() -> None:
    """Below the breakaway force nothing moves; above it the block slides with (f - F)/m."""
    mass, wall, push = Mass("mass"), Fixed("wall"), SignalForce("push")
    rubbing = StickSlip("r", F=0.5, F0=1.0)
    joints = [
        sn.connect(wall.flange, rubbing.a), sn.connect(rubbing.b, mass.a), sn.connect(mass.b, push.flange)
    ]  # fmt: skip
    system = sn.System("slope", [*joints, push.signal == 0.5 * sn.t])
    solution = sn.solve(sn.Problem(system, {mass.s: 0, mass.v: 0}, (0, 3)), **TIGHT)
    np.testing.assert_allclose(times(solution), [2.0], atol=1e-8)
    assert abs(solution(1.9)[mass.s]) < 1e-12
    # m v' = t/2 - 1/2 from t = 2 on
    assert solution[mass.v][-1] == pytest.approx(0.25 * (9 - 4) - 0.5, abs=1e-8)


def _rectified(R: float, C: float, R_on: float, G_off: float, amplitude: float, f: float, end: float) -> Any:
    """Exact switching times of one diode, resistor and capacitor in parallel: linear in each mode."""
    w = 2 * math.pi * f

    def mode(g: float, t0: float, v0: float) -> Any:
        # C v' = g (A sin wt - v) - v/R
        a = (g + 1 / R) / C
        b = g * amplitude / C
        gain = b / (a**2 + w**2)

        def steady(t: float) -> float:
            return gain * (a * math.sin(w * t) - w * math.cos(w * t))

        return lambda t: steady(t) + (v0 - steady(t0)) * math.exp(-a * (t - t0))

    t, v, conducts, found = 0.0, 0.0, True, []
    while True:
        course = mode(1 / R_on if conducts else G_off, t, v)
        grid = np.arange(t + 1e-7, end, 2e-5)
        gap = np.array([amplitude * math.sin(w * s) - course(s) for s in grid])
        beyond = np.flatnonzero(gap < 0 if conducts else gap > 0)
        if not len(beyond) or beyond[0] == 0:
            return np.array(found)
        k = int(beyond[0])
        root = brentq(
            lambda s, course=course: amplitude * math.sin(w * s) - course(s), grid[k - 1], grid[k], xtol=1e-15
        )
        found.append(root)
        t, v, conducts = root, course(root), not conducts


@pytest.mark.parametrize("options", [LOOSE, {"rtol": 1e-11, "atol": 1e-12}], ids=["loose", "tight"])
def test_rectifier_with_a_capacitor(options: dict[str, float]) -> None:
    values = {"R": 100.0, "C": 1e-4, "R_on": 0.5, "G_off": 1e-6, "amplitude": 10.0, "f": 50.0}
    src, d = SineVoltage("src", amplitude=10.0, frequency=50.0), IdealDiode("d", R_on=0.5, G_off=1e-6)
    r, c, ground = Resistor("r", R=100.0), Capacitor("c", C=1e-4), Ground("g")
    joints = [(src.p, d.p), (d.n, r.p, c.p), (src.n, r.n, c.n, ground.p)]
    system = sn.System("rectifier", [sn.connect(*joint) for joint in joints])
    exact = _rectified(**values, end=0.1)
    solution = sn.solve(sn.Problem(system, {c.v: 0}, (0, 0.1)), "Rodas5P", **options)
    found = times(solution)
    found = found[found > 1e-9]
    assert len(exact) >= 9
    assert len(found) == len(exact)
    np.testing.assert_allclose(found, exact, atol=1e-8 if options is not LOOSE else 1e-4)


@pytest.mark.parametrize("options", [LOOSE, TIGHT], ids=["loose", "tight"])
def test_a_bridge_of_four_diodes_switches_at_one_instant(options: dict[str, float]) -> None:
    """Resistive load: all four change where the source passes zero, every half period."""
    src, ground = SineVoltage("src", amplitude=10.0, frequency=50.0), Ground("g")
    load = Resistor("load", R=50.0)
    d = [IdealDiode(f"d{k}") for k in range(4)]
    joints = [
        (src.p, d[0].p, d[2].n), (src.n, d[1].p, d[3].n), (d[0].n, d[1].n, load.p),
        (d[2].p, d[3].p, load.n, ground.p),
    ]  # fmt: skip
    level = sn.variable("level")  # something to integrate
    system = sn.System("bridge", [*(sn.connect(*joint) for joint in joints), D(level) == load.v])
    solution = sn.solve(sn.Problem(system, {level: 0}, (0, 0.0455)), **options)
    found = times(solution)
    found = found[found > 1e-6]
    np.testing.assert_allclose(found, 0.01 * np.round(found / 0.01), atol=1e-8)
    assert set(np.round(found / 0.01)) == {1, 2, 3, 4}
    assert len(found) == 16
    if options is LOOSE:
        return  # currents between the steps are interpolated, without an error estimate of their own
    t = np.array([0.0025, 0.0125, 0.0225, 0.0325])
    share = 50 / (50 + 2e-3)  # two diodes conduct
    np.testing.assert_allclose(solution(t)[load.v], share * 10 * np.abs(np.sin(100 * np.pi * t)), rtol=1e-6)


IMPLICIT = ["Rodas5P", "KenCarp4", "RadauIIA5", "ROS34PW2"]


@pytest.mark.parametrize(
    ("form", "method"),
    [
        *((form, method) for form in ("implicit", "trigger") for method in IMPLICIT),
        ("explicit", "Tsit5"), ("time", "DOP853"),
    ],
)  # fmt: skip
def test_events_of_what_no_state_shows(form: str, method: str) -> None:
    """An oscillation forty times faster than the only state: no crossing is missed, none counts twice.

    y + y^3 = sin(40 t) is 1/2 where sin(40 t) = 5/8.
    """
    x, y = sn.variables("x y")
    wave = sn.sin(40 * sn.t)
    law = {"implicit": y + y**3 == wave, "trigger": y + y**3 == wave, "explicit": y == wave}.get(form)
    count = {x: x}
    event = {
        "implicit": lambda: sn.Event(when=y - 0.5, then=count),
        "trigger": lambda: sn.Event(trigger=y > 0.5, then=count),
        "explicit": lambda: sn.Event(when=y - 0.625, then=count),
        "time": lambda: sn.Event(when=wave - 0.625, then=count),
    }[form]()
    system = sn.System("fast", [D(x) == -x, *([] if law is None else [law])], events=[event])
    rising = (math.asin(0.625) + 2 * math.pi * np.arange(40)) / 40
    falling = (math.pi - math.asin(0.625) + 2 * math.pi * np.arange(40)) / 40
    exact = rising if form == "trigger" else np.sort(np.concatenate([rising, falling]))
    solution = sn.solve(sn.Problem(system, {x: 1}, (0, 5)), method, **LOOSE)
    np.testing.assert_allclose(times(solution), exact[exact < 5], atol=1e-10)


def test_an_event_function_that_jumps_costs_some_steps_only() -> None:
    """The check that no event hides gives up where a shorter step does not help."""
    x = sn.variable("x")
    saw = 10 * sn.t - sn.floor(10 * sn.t)
    system = sn.System("saw", [D(x) == -x], events=[sn.Event(when=saw - 0.5, crossing="up", then={x: x})])
    solution = sn.solve(sn.Problem(system, {x: 1}, (0, 1)), "Tsit5", **LOOSE)
    np.testing.assert_allclose(times(solution), 0.05 + 0.1 * np.arange(10), atol=1e-10)
    assert solution.stats.steps < 1000


def test_sampled_pid() -> None:
    """A plant x' = -x + u with its input held: the recursion of the samples is exact."""
    pid = SampledPID("pid", k=2.0, Ti=0.5, Td=0.05, period=0.1, low=-1.0, high=1.5)
    x = sn.variable("x")
    system = sn.System("loop", [D(x) == pid.y - x, pid.u == x, pid.set == 1], parts=[pid])
    for options in (LOOSE, TIGHT):
        solution = sn.solve(sn.Problem(system, {x: 0}, (0, 3.05)), **options)
        np.testing.assert_allclose(times(solution), 0.1 * np.arange(31), atol=1e-14)
    state, total, before, outputs, states = 0.0, 0.0, 0.0, [], []
    for _ in range(31):
        error = 1 - state
        tried = total + 0.1 / 0.5 * error
        wanted = 2 * (error + tried + 0.05 / 0.1 * (error - before))
        output = min(max(wanted, -1.0), 1.5)
        total = tried if output == wanted else total
        before = error
        outputs.append(output)
        states.append(state)
        state = output + (state - output) * math.exp(-0.1)
    assert outputs[0] == 1.5  # the bound is met
    middle = 0.1 * np.arange(30) + 0.05
    np.testing.assert_allclose(solution(middle)[pid.y], outputs[:30], atol=1e-8)
    held, begun = np.array(outputs[:30]), np.array(states[:30])
    np.testing.assert_allclose(solution(middle)[x], held + (begun - held) * math.exp(-0.05), atol=1e-8)


@pytest.mark.parametrize("options", [LOOSE, TIGHT], ids=["loose", "tight"])
def test_two_tanks_with_valves(options: dict[str, float]) -> None:
    """Torricelli's first tank fills the second, which a valve empties from the level 1.2 down to 0.8.

    With z = sqrt(h1): z' = -k/2. h1 + h2 falls by the outflow q while the valve is open: closed form.
    """
    h1, h2 = sn.variables("h1 h2")
    k, q = 0.4, 0.9
    valve = sn.StateMachine(
        "valve", ["closed", "open"],
        [sn.Transition("closed", "open", h2 > 1.2), sn.Transition("open", "closed", h2 < 0.8)],
    )  # fmt: skip
    flow = k * sn.sqrt(h1)
    system = sn.System(
        "tanks", [D(h1) == -flow, D(h2) == flow - sn.ifelse(valve["open"], q, 0)], events=valve.events
    )
    sum_, expected, t, is_open = 4.5, [], 0.0, False  # of both levels, with h1 = 4 and h2 = 0.5 at first
    for _ in range(20):
        bound, outflow = (0.8, q) if is_open else (1.2, 0.0)

        def gap(s: float, t: float = t, rest: float = sum_ - bound, outflow: float = outflow) -> float:
            return rest - outflow * (s - t) - (2 - k / 2 * s) ** 2

        crossing = next((s for s in np.arange(t + 0.05, 9, 0.05) if gap(s) * gap(t + 1e-6) < 0), None)
        if crossing is None:
            break
        now = brentq(gap, crossing - 0.05, crossing, xtol=1e-15)
        sum_ -= q * (now - t) if is_open else 0.0
        t, is_open = now, not is_open
        expected.append(now)
    assert len(expected) >= 3
    solution = sn.solve(sn.Problem(system, {h1: 4, h2: 0.5}, (0, 9)), "Tsit5", **options)
    found = times(solution)
    assert len(found) == len(expected)
    np.testing.assert_allclose(found, expected, atol=1e-8 if options is TIGHT else 5e-3)


def test_the_start_is_on_the_right_branch() -> None:
    """Also for a linearization, and where the other branch has no solution at all."""
    x, y = sn.variables("x y")
    system = sn.System("s", [D(x) == -y, y == sn.switch(x > 0, 3, 1) * x])
    for start, slope in ((2.0, -3.0), (-2.0, -1.0)):
        np.testing.assert_allclose(sn.linearize(sn.Problem(system, {x: start})).eigenvalues, [slope])
    far = sn.System("far", [D(x) == -y, sn.switch(x > 0, y + y**3 - 2 * x, y**2 + 1) == 0])
    assert sn.solve(sn.Problem(far, {x: 1}, (0, 0.1)))[y][0] == pytest.approx(1)


def test_chattering_is_named() -> None:
    v = sn.variable("v")
    system = sn.System("dry", [D(v) == 0.3 - sn.switch(v > 0, 1, -1)])
    with pytest.raises(SolveFailed, match=r"chattering: on both sides of where 0 < v changes"):
        sn.solve(sn.Problem(system, {v: 1}, (0, 5)))


def test_switches_of_components_are_families() -> None:
    class Relay(sn.Component):
        x = sn.variable()
        v = sn.variable(start=0)
        force = sn.parameter(1.0)

        def equations(self) -> list[Any]:
            return [D(self.x) == self.v, D(self.v) == self.force * sn.switch(self.x > 0, -1, 1)]

    relays = [Relay(f"r{k}", force=float(k)) for k in (1, 2, 4)]
    solution = sn.solve(sn.Problem(sn.System("s", parts=relays), {r.x: 1 for r in relays}, (0, 4.98)))
    for k, relay in zip((1, 2, 4), relays, strict=True):
        exact = math.sqrt(2 / k) * np.arange(1, 30, 2)
        found = times(solution, f"{relay.x}")
        np.testing.assert_allclose(found[found > 0], exact[exact < 4.98], atol=1e-8)
    assert sum("holds" in info.name for info in solution.flat.parameters) == 3


def test_transitions_at_one_instant_go_on_to_a_fixed_point() -> None:
    """The first makes the condition of the second true, which makes that of another machine true."""
    x, y = sn.variables("x y")
    one = sn.StateMachine(
        "one", ["a", "b", "c"],
        [sn.Transition("a", "b", x > 1, {y: y + 1}), sn.Transition("b", "c", y > 0.5, {y: y + 10})],
    )  # fmt: skip
    two = sn.StateMachine("two", ["idle", "busy"], [sn.Transition("idle", "busy", one["c"])])
    system = sn.System("s", [D(x) == 1, D(y) == 0], events=[*one.events, *two.events])
    solution = sn.solve(sn.Problem(system, {x: 0, y: 0}, (0, 2)))
    np.testing.assert_allclose(times(solution), [1, 1, 1], atol=1e-9)
    assert [solution[e][-1] for e in (one.state, two.state, y)] == [2, 1, 11]


def test_bad_switches_and_machines() -> None:
    x = sn.variable("x")
    with pytest.raises(ModelError, match="the condition is a comparison"):
        sn.switch(x, 1, 2)
    with pytest.raises(ModelError, match="there is no state 'of'; there are on, off"):
        sn.StateMachine("m", ["on", "off"], [sn.Transition("on", "of", x > 1)])
    with pytest.raises(ModelError, match="each once"):
        sn.StateMachine("m", ["on", "on"], [])


# ---- the woodpecker -------------------------------------------------------------------------------
# C. Glocker, F. Pfeiffer, "Multiple impacts with friction in rigid multibody systems", Nonlinear Dynamics 7
# (1995) 471: masses, lengths, stiffness. The sleeve is here locked by its first contact with the pole, until
# the pole would have to pull; the beak is reflected with half its speed.
mM, mS, JM, JS, cp, g = 3e-4, 4.5e-3, 5e-9, 7e-7, 5.6e-3, 9.81
hM, r0, rM, lM, lG, hS, lS = 5.8e-3, 2.5e-3, 3.1e-3, 1e-2, 1.5e-2, 2e-2, 2.01e-2
TILT = (rM - r0) / hM  # of the sleeve at contact
BEAK = (lM + lG - lS - r0) / hS  # angle of the bird at contact
INERTIA = JS + lG**2 * mS


def _woodpecker_by_scipy(start: list[float], end: float) -> list[tuple[float, str]]:
    mass = np.array([
        [mS + mM, lM * mS, lG * mS], [lM * mS, JM + mS * lM**2, lM * lG * mS],
        [lG * mS, lM * lG * mS, INERTIA],
    ])  # fmt: skip

    def bird(a: float, s: float) -> float:
        return (-cp * (s - a) - lG * mS * g) / INERTIA

    def holding(a: float, s: float) -> float:
        return lM * lG * mS * bird(a, s) + cp * (a - s) + lM * mS * g

    def free(_: float, q: Any) -> Any:
        forces = [-(mS + mM) * g, -cp * (q[1] - q[2]) - lM * mS * g, -cp * (q[2] - q[1]) - lG * mS * g]
        return [*q[3:], *np.linalg.solve(mass, forces)]

    def locked(_: float, q: Any) -> Any:
        return [0, 0, q[5], 0, 0, bird(q[1], q[2])]

    def event(function: Any, direction: int) -> Any:
        function.terminal, function.direction = True, direction
        return function

    t, q, mode, found = 0.0, np.array(start), "free", []
    while t < end:
        if mode == "free":
            watched = [event(lambda t, q: q[1] - TILT, 1), event(lambda t, q: q[1] + TILT, -1)]
            names = ["above", "below"]
        else:
            way = -1 if mode == "above" else 1
            watched, names = [event(lambda t, q: -holding(q[1], q[2]), way)], ["free"]
        watched.append(event(lambda t, q: q[2] - BEAK, 1))
        names.append("beak")
        slope = free if mode == "free" else locked
        run = solve_ivp(slope, (t, end), q, "DOP853", events=watched, rtol=1e-12, atol=1e-15)
        t, q = run.t[-1], run.y[:, -1].copy()
        if run.status != 1:
            break
        name = names[next(k for k, hits in enumerate(run.t_events) if len(hits))]
        found.append((t, name))
        if name == "beak":
            q[5] *= -0.5
        else:
            if mode == "free":
                q[5] = (lG * mS * q[3] + lM * lG * mS * q[4] + INERTIA * q[5]) / INERTIA
                q[3] = q[4] = 0.0
                if (holding(q[1], q[2]) > 0) == (name == "above"):  # the pole would have to pull at once
                    found.append((t, "free"))
                    name = "free"
            mode = name
    return found


def test_woodpecker() -> None:
    """Against SciPy, restarted by hand at every event; over several pecks, after the fall has settled."""
    y, tilt, bird, vy, vt, vb = sn.variables("y tilt bird vy vt vb")
    ay, at, ab = D(vy), D(vt), D(vb)
    holding = lM * lG * mS * ab + cp * (tilt - bird) + lM * mS * g
    momentum = lG * mS * vy + lM * lG * mS * vt + INERTIA * vb
    caught = {vb: momentum / INERTIA, vy: 0, vt: 0}
    sleeve = sn.StateMachine(
        "sleeve", ["free", "above", "below"],
        [
            sn.Transition("free", "above", (tilt >= TILT) & (vt > 0), caught),
            sn.Transition("free", "below", (tilt <= -TILT) & (vt < 0), caught),
            sn.Transition("above", "free", holding > 0),
            sn.Transition("below", "free", holding < 0),
        ],
    )  # fmt: skip
    peck = sn.Event(when=bird - BEAK, crossing="up", then={vb: -0.5 * vb}, name="peck")
    free = sleeve["free"]
    first = (mS + mM) * ay + lM * mS * at + lG * mS * ab + (mS + mM) * g
    second = lM * mS * ay + (JM + mS * lM**2) * at + lM * lG * mS * ab + cp * (tilt - bird) + lM * mS * g
    third = lG * mS * ay + lM * lG * mS * at + INERTIA * ab + cp * (bird - tilt) + lG * mS * g
    system = sn.System(
        "woodpecker",
        [
            D(y) == vy, D(tilt) == vt, D(bird) == vb,
            sn.ifelse(free, first, ay) == 0, sn.ifelse(free, second, at) == 0, third == 0,
        ],
        events=[*sleeve.events, peck],
    )  # fmt: skip
    start = [0.0, -0.1, -0.2788, -0.3411, 0.0, -7.4583]
    expected = _woodpecker_by_scipy(start, 0.6)
    assert sum(name == "beak" for _, name in expected) >= 3
    for options in (LOOSE, {"rtol": 1e-11, "atol": 1e-13}):
        problem = sn.Problem(system, dict(zip((y, tilt, bird, vy, vt, vb), start, strict=True)), (0, 0.6))
        solution = sn.solve(problem, "Rodas5P", **options)
        assert len(solution.events) == len(expected)
        close = 1e-8 if options is not LOOSE else 5e-3
        np.testing.assert_allclose(times(solution), [t for t, _ in expected], atol=close)
