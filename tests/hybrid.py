"""Problems with triggers: switches, state machines, sampled controllers, impulses, delays, priorities."""

from __future__ import annotations

import symnum as sn
from symnum.models.blocks.control import SampledPID
from symnum.models.electrical.passive import Capacitor, Inductor, Resistor
from symnum.models.electrical.pins import Ground
from symnum.models.electrical.semiconductors import IdealDiode
from symnum.models.electrical.sources import SineVoltage
from symnum.models.mechanical.translational import Fixed, Mass, SignalPosition, Spring, StickSlip

D = sn.D


def relay() -> sn.Problem:
    """x'' = -sign(x)."""
    x, v = sn.variables("x v")
    system = sn.System("relay", [D(x) == v, D(v) == sn.switch(x > 0, -1, 1)])
    return sn.Problem(system, {x: 1, v: 0}, (0, 10))


def sampled() -> sn.Problem:
    """A plant x' = -x + u behind a sampled controller."""
    pid = SampledPID("pid", k=2.0, Ti=0.5, Td=0.05, period=0.1, low=-1.0, high=1.5)
    x = sn.variable("x")
    system = sn.System("sampled", [D(x) == pid.y - x, pid.u == x, pid.set == 1], parts=[pid])
    return sn.Problem(system, {x: 0}, (0, 3.05))


def machines() -> sn.Problem:
    """Two machines that go on at one instant to a fixed point, and a tank that a third empties."""
    x, y, level = sn.variables("x y level")
    one = sn.StateMachine(
        "one", ["a", "b", "c"],
        [sn.Transition("a", "b", x > 1, {y: y + 1}), sn.Transition("b", "c", y > 0.5, {y: y + 10})],
    )  # fmt: skip
    two = sn.StateMachine("two", ["idle", "busy"], [sn.Transition("idle", "busy", one["c"])])
    valve = sn.StateMachine(
        "valve", ["closed", "open"],
        [sn.Transition("closed", "open", level > 1.2), sn.Transition("open", "closed", level < 0.8)],
    )  # fmt: skip
    fill = sn.ifelse(two["busy"], 1.0, 0.5) - sn.ifelse(valve["open"], 2.0, 0) * level
    system = sn.System(
        "machines", [D(x) == 1, D(y) == 0, D(level) == fill],
        events=[*one.events, *two.events, *valve.events],
    )  # fmt: skip
    return sn.Problem(system, {x: 0, y: 0, level: 0.3}, (0, 4))


def impulses() -> sn.Problem:
    """Delays with values of either time, priorities, withdrawal, an impulse, what reacts to it, an end."""
    x, v, n = sn.variables("x v n")
    (kick,) = sn.parameters(kick=0.4)
    twice = sn.parameter(2 * kick, name="twice")
    events = [
        sn.Event(trigger=x > 0.5, then={v: v + x}, delay=0.25),
        sn.Event(trigger=x > 0.5, then={v: v + x}, delay=0.4, values="trigger"),
        sn.Event(trigger=sn.t > 1, then={v: 2 * v}, priority=1),
        sn.Event(trigger=sn.t > 1, then={v: v + 3}, priority=2),
        sn.Event(trigger=(x > 1.3) & (x < 1.4), then={v: -100}, delay=0.2, persistent=False),
        sn.Event(at=1.5, then={v: v + twice, kick: 2 * kick}),
        sn.Event(trigger=v > 8.0, then={n: n + 1, v: v / 4}),
        sn.Event(trigger=n < 1, then={n: n}, initially=False),
        sn.Event(trigger=x >= 2.5, terminal=True),
    ]
    system = sn.System("impulses", [D(x) == 1, D(v) == -v, D(n) == 0], events=events)
    return sn.Problem(system, {x: 0, v: 1, n: 0}, (0, 3))


def stick_slip() -> sn.Problem:
    """A mass on a belt, held by a spring."""
    wall, mass, spring = Fixed("wall"), Mass("mass", m=2.0), Spring("spring", c=50.0)
    belt, rubbing = SignalPosition("belt"), StickSlip("rubbing", F=3.0, F0=5.0)
    joints = [
        sn.connect(wall.flange, spring.a), sn.connect(spring.b, mass.a), sn.connect(mass.b, rubbing.a),
        sn.connect(belt.flange, rubbing.b),
    ]  # fmt: skip
    system = sn.System("stick_slip", [*joints, belt.signal == 0.1 * sn.t])
    return sn.Problem(system, {mass.s: 0, mass.v: 0.1}, (0, 4))


def rectifier() -> sn.Problem:
    """A diode, a resistor and a capacitor behind a source: algebraic equations that switch."""
    src, d = SineVoltage("src", amplitude=10.0, frequency=50.0), IdealDiode("d", R_on=0.5, G_off=1e-6)
    r, c, ground = Resistor("r", R=100.0), Capacitor("c", C=1e-4), Ground("g")
    joints = [(src.p, d.p), (d.n, r.p, c.p), (src.n, r.n, c.n, ground.p)]
    system = sn.System("rectifier", [sn.connect(*joint) for joint in joints])
    return sn.Problem(system, {c.v: 0}, (0, 0.1))


def coil() -> sn.Problem:
    """A diode that blocks a coil: its voltage magnifies the error of the current."""
    src, d = SineVoltage("src", amplitude=10.0, frequency=50.0), IdealDiode("d", R_on=1e-5, G_off=1e-8)
    r, wound, ground = Resistor("r", R=10.0), Inductor("wound", L=0.05), Ground("g")
    joints = [(src.p, d.p), (d.n, r.p), (r.n, wound.p), (wound.n, src.n, ground.p)]
    system = sn.System("coil", [sn.connect(*joint) for joint in joints])
    return sn.Problem(system, {wound.i: 0}, (0, 0.07))


def bridge() -> sn.Problem:
    """Four diodes that switch at one instant: all that they depend on is algebraic."""
    src, ground = SineVoltage("src", amplitude=10.0, frequency=50.0), Ground("g")
    load = Resistor("load", R=50.0)
    d = [IdealDiode(f"d{k}") for k in range(4)]
    joints = [
        (src.p, d[0].p, d[2].n), (src.n, d[1].p, d[3].n), (d[0].n, d[1].n, load.p),
        (d[2].p, d[3].p, load.n, ground.p),
    ]  # fmt: skip
    level = sn.variable("level", start=0.0)  # something to integrate
    system = sn.System("bridge", [*(sn.connect(*joint) for joint in joints), D(level) == load.v])
    return sn.Problem(system, span=(0, 0.0455))
