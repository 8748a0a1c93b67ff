"""Electrical components, each against a closed form."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

import symnum as sn
from symnum.models.electrical import motor, passive, pins, semiconductors, sources
from symnum.models.mechanical import rotational
from symnum.rewriting.walk import evaluate

TIGHT = {"rtol": 1e-9, "atol": 1e-12}


def solved(
    name: str, joints: list[Any], end: float, start: dict[Any, float] | None = None, **options: Any
) -> Any:
    extra = options.pop("extra", [])
    system = sn.System(name, [*(sn.connect(*joint) for joint in joints), *extra])
    return sn.solve(sn.Problem(system, start or {}, (0, end)), **{**TIGHT, **options})


def test_a_capacitor_is_charged_through_a_resistor() -> None:
    src, r, c, ground = (
        sources.VoltageSource("src", V=5),
        passive.Resistor("r", R=1e3),
        passive.Capacitor("c"),
        pins.Ground("g"),
    )
    sol = solved("rc", [(src.p, r.p), (r.n, c.p), (src.n, c.n, ground.p)], 5e-3)
    np.testing.assert_allclose(sol[c.v], 5 * (1 - np.exp(-sol.t / 1e-3)), atol=1e-7)
    np.testing.assert_allclose(sol[src.p.i], -5e-3 * np.exp(-sol.t / 1e-3), atol=1e-10)


def test_a_resonant_circuit_at_its_frequency() -> None:
    """Series R, L, C from rest: i(t) of the second-order equation."""
    R, L, C = 20.0, 1e-3, 1e-6
    src = sources.VoltageSource("src", V=1.0)
    r, coil, c, ground = (
        passive.Resistor("r", R=R),
        passive.Inductor("l", L=L),
        passive.Capacitor("c", C=C),
        pins.Ground("g"),
    )
    sol = solved("rlc", [(src.p, r.p), (r.n, coil.p), (coil.n, c.p), (src.n, c.n, ground.p)], 1e-3)
    a, w = R / (2 * L), math.sqrt(1 / (L * C) - (R / (2 * L)) ** 2)
    np.testing.assert_allclose(sol[coil.i], np.exp(-a * sol.t) * np.sin(w * sol.t) / (w * L), atol=1e-8)


def test_parallel_capacitors_and_series_inductors_share_one_state() -> None:
    """Of index 2 as written: capacitances and inductances add."""
    src, r, ground = sources.VoltageSource("src", V=1), passive.Resistor("r", R=1e3), pins.Ground("g")
    one, two = passive.Capacitor("c1", C=1e-6), passive.Capacitor("c2", C=3e-6)
    sol = solved("two", [(src.p, r.p), (r.n, one.p, two.p), (src.n, one.n, two.n, ground.p)], 1e-2)
    np.testing.assert_allclose(sol[two.v], 1 - np.exp(-sol.t / 4e-3), atol=1e-8)
    la, lb = passive.Inductor("l1", L=1e-3), passive.Inductor("l2", L=2e-3)
    sol = solved("coils", [(src.p, r.p), (r.n, la.p), (la.n, lb.p), (src.n, lb.n, ground.p)], 1e-5)
    np.testing.assert_allclose(sol[lb.i], 1e-3 * (1 - np.exp(-sol.t * 1e3 / 3e-3)), atol=1e-11)


def test_a_transformer_carries_a_load_over() -> None:
    """A load R seen through the ratio n is n^2 R: time constant L/(n^2 R); what goes in comes out."""
    src, tr, ground = (
        sources.VoltageSource("src", V=10),
        passive.IdealTransformer("tr", ratio=4.0),
        pins.Ground("g"),
    )
    r, coil = passive.Resistor("r", R=5.0), passive.Inductor("l", L=0.8)
    joints = [(src.p, coil.p), (coil.n, tr.p1), (tr.p2, r.p), (src.n, tr.n1, tr.n2, r.n, ground.p)]
    sol = solved("transformer", joints, 0.05)
    np.testing.assert_allclose(sol[tr.i1], 10 / 80 * (1 - np.exp(-sol.t * 80 / 0.8)), atol=1e-8)
    np.testing.assert_allclose(sol[tr.v1 * tr.i1 + tr.v2 * tr.i2], 0, atol=1e-12)


def test_coupled_inductors_in_series_opposition() -> None:
    """Both windings in series: L1 + L2 - 2 M where the second is turned round."""
    src, r, ground = sources.VoltageSource("src", V=1), passive.Resistor("r", R=1.0), pins.Ground("g")
    coils = passive.CoupledInductors("m", L1=3e-3, L2=2e-3, M=1e-3)
    sol = solved(
        "coupled", [(src.p, r.p), (r.n, coils.p1), (coils.n1, coils.n2), (coils.p2, src.n, ground.p)], 0.01
    )
    np.testing.assert_allclose(sol[coils.i1], 1 - np.exp(-sol.t / 3e-3), atol=1e-8)


def test_sources_of_current_and_signals() -> None:
    i, c, ground = sources.CurrentSource("i", I=2e-3), passive.Capacitor("c"), pins.Ground("g")
    sol = solved("current", [(i.p, c.p), (i.n, c.n, ground.p)], 1e-3)
    np.testing.assert_allclose(sol[c.v], 2e-3 * sol.t / 1e-6, rtol=1e-9, atol=1e-12)
    v, s = sources.SignalVoltage("v"), sources.SignalCurrent("s")
    r, g = passive.Resistor("r", R=2.0), passive.Conductor("g1", G=0.25)
    (rate,) = sn.parameters(rate=1.0)  # without a unit it fits volts and amperes per second
    extra = [v.signal == rate * sn.t, s.signal == 3 * rate * sn.t]
    joints = [(v.p, r.p), (s.p, g.p, c.p), (v.n, r.n, s.n, g.n, c.n, ground.p)]
    sol = solved("signals", joints, 1e-4, extra=extra, saveat=[1e-4])
    np.testing.assert_allclose(sol[r.i], sol.t / 2, rtol=1e-9)
    # C v' = 3 t - G v
    exact = 3 / 0.25 * (1e-4 - 1e-6 / 0.25 * (1 - np.exp(-0.25 * 1e-4 / 1e-6)))
    np.testing.assert_allclose(sol[g.v], exact, rtol=1e-7)


def test_an_amplifier_with_feedback() -> None:
    """An inverting integrator: v_out = -1/(R C) integral of v_in, and a follower of gain 1 + R2/R1."""
    src, r, c, amp, ground = (
        sources.VoltageSource("src", V=0.1),
        passive.Resistor("r", R=1e4),
        passive.Capacitor("c"),
        sources.OpAmp("a"),
        pins.Ground("g"),
    )
    joints = [(src.p, r.p), (r.n, amp.n1, c.p), (amp.p2, c.n), (src.n, amp.p1, amp.n2, ground.p)]
    sol = solved("integrator", joints, 0.05)
    np.testing.assert_allclose(sol[amp.v2], -0.1 * sol.t / 0.01, atol=1e-9)


def test_controlled_sources() -> None:
    src, e, g, ground = (
        sources.VoltageSource("src", V=0.5),
        sources.VoltageControlledVoltage("e", gain=3.0),
        sources.VoltageControlledCurrent("f", transconductance=2e-3),
        pins.Ground("g"),
    )
    r, c = passive.Resistor("r", R=100.0), passive.Capacitor("c")
    joints = [
        (src.p, e.p1),
        (e.p2, g.p1),
        (g.p2, r.p, c.p),
        (src.n, e.n1, e.n2, g.n1, g.n2, r.n, c.n, ground.p),
    ]
    sol = solved("controlled", joints, 1e-3)
    assert sol[r.v][-1] == pytest.approx(1.5 * 2e-3 * 100 * (1 - math.exp(-10)), rel=1e-7)


def test_a_diode_and_a_resistor() -> None:
    src, d, r, c, ground = (
        sources.VoltageSource("src", V=5),
        semiconductors.Diode("d"),
        passive.Resistor("r"),
        passive.Capacitor("c", C=1e-9),
        pins.Ground("g"),
    )
    sol = solved("diode", [(src.p, d.p, c.p), (d.n, r.p), (r.n, src.n, ground.p, c.n)], 1e-9, {"c.v": 5})
    current = brentq(lambda i: 0.02585 * math.log(i / 1e-14 + 1) + i - 5, 0, 5, xtol=1e-16)
    assert sol[d.i][-1] == pytest.approx(current, rel=1e-8)
    v, scale = sn.variables("v scale")
    current = semiconductors.junction(v, scale, sn.t * 0 + 0.025)
    assert evaluate(current, {v: 1000.0, scale: 1e-14}) == pytest.approx(
        1e-14 * math.exp(40) * (1 + 4e4 - 40)
    )


def test_a_transistor_in_its_active_region() -> None:
    """Collector current by its base current and gain, base-emitter voltage by the exponential."""
    base, supply, q = (
        sources.CurrentSource("b", I=1e-5),
        sources.VoltageSource("s", V=10),
        semiconductors.NPN("q"),
    )
    r, c, ground = passive.Resistor("r", R=1e3), passive.Capacitor("c", C=1e-12), pins.Ground("g")
    joints = [
        (base.p, q.base),
        (supply.p, r.p),
        (r.n, q.collector, c.p),
        (base.n, supply.n, q.emitter, c.n, ground.p),
    ]
    sol = solved("transistor", joints, 1e-6, {"c.v": 9.0, "q.base.v": 0.6})
    assert sol[q.collector.i][-1] == pytest.approx(1e-3, rel=1e-6)
    assert sol[q.base.v][-1] == pytest.approx(0.02585 * math.log(1e-3 / 1e-14), rel=1e-6)


def test_a_switch_opens_and_sensors_read() -> None:
    src, s, r, c, ground = (
        sources.VoltageSource("src", V=1),
        passive.Switch("s"),
        passive.Resistor("r", R=1e3),
        passive.Capacitor("c"),
        pins.Ground("g"),
    )
    a, v = passive.CurrentSensor("a"), passive.VoltageSensor("v")
    joints = [(src.p, s.p), (s.n, a.p), (a.n, r.p), (r.n, c.p, v.p), (src.n, c.n, v.n, ground.p)]
    system = sn.System(
        "switch", [sn.connect(*j) for j in joints], events=[sn.Event(at=1e-3, then={s.closed: 0.0})]
    )
    sol = sn.solve(sn.Problem(system, span=(0, 2e-3)), **TIGHT)
    assert sol(1e-3)[v.v] == pytest.approx(1 - math.exp(-1), rel=1e-6)
    assert sol[v.v][-1] == pytest.approx(1 - math.exp(-1), rel=1e-4)  # 1e8 ohm leak
    np.testing.assert_allclose(sol[a.i], sol[r.i], rtol=1e-12)


def test_a_motor_runs_up() -> None:
    """A DC motor with resistance R and constant k on an inertia: time constant J R/k^2, final speed V/k."""
    V, R, k, J = 12.0, 0.5, 0.1, 2e-3
    src, r, emf, ground = (
        sources.VoltageSource("src", V=V),
        passive.Resistor("r", R=R),
        motor.ElectromotiveForce("m", k=k),
        pins.Ground("g"),
    )
    rotor, end = rotational.Inertia("rotor", J=J), rotational.Torque("load", tau=0.0)
    joints = [
        (src.p, r.p),
        (r.n, emf.p),
        (src.n, emf.n, ground.p),
        (emf.shaft, rotor.a),
        (rotor.b, end.shaft),
    ]
    sol = solved("motor", joints, 0.5)
    np.testing.assert_allclose(sol[rotor.omega], V / k * (1 - np.exp(-sol.t * k**2 / (J * R))), atol=1e-6)
