"""Mechanical components against closed forms and against equations in angles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import symnum as sn
from symnum.models.mechanical import planar, rotational, translational

TIGHT = {"rtol": 1e-9, "atol": 1e-11}


def solved(
    name: str, joints: list[Any], end: float, start: dict[Any, float] | None = None, **options: Any
) -> Any:
    extra = options.pop("extra", [])
    system = sn.System(name, [*(sn.connect(*joint) for joint in joints), *extra])
    return sn.solve(sn.Problem(system, start or {}, (0, end)), **{**TIGHT, **options})


# ---- along a line -----------------------------------------------------------------------------------
def test_a_damped_oscillator() -> None:
    m, c, d = 2.0, 50.0, 1.5
    wall, spring, damper = (
        translational.Fixed("w"),
        translational.Spring("s", c=c),
        translational.Damper("d", d=d),
    )
    mass, end = translational.Mass("m", m=m), translational.Force("f", F=0.0)
    sol = solved(
        "oscillator",
        [(wall.flange, spring.a, damper.a), (spring.b, damper.b, mass.a), (mass.b, end.flange)],
        3,
        {mass.s: 1.0, mass.v: 0.0},
    )
    a, w = d / (2 * m), np.sqrt(c / m - (d / (2 * m)) ** 2)
    exact = np.exp(-a * sol.t) * (np.cos(w * sol.t) + a / w * np.sin(w * sol.t))
    np.testing.assert_allclose(sol[mass.s], exact, atol=1e-8)


def test_a_spring_damper_and_a_force() -> None:
    """The force lengthens it to F/c; between two masses the centre moves with F t^2/(2 (m1 + m2))."""
    one, two = translational.Mass("a", m=1.0), translational.Mass("b", m=3.0)
    link, push = translational.SpringDamper("l", c=20.0, d=4.0, s0=1.0), translational.Force("f", F=8.0)
    free = translational.Force("free", F=0.0)
    sol = solved(
        "pair",
        [(free.flange, one.a), (one.b, link.a), (link.b, two.a), (two.b, push.flange)],
        4,
        {two.s: 1.0},
    )
    np.testing.assert_allclose(sol[(one.s + 3 * two.s) / 4], 0.75 + sol.t**2, rtol=1e-8)
    assert sol[link.length][-1] == pytest.approx(1 + 2.0 / 20, abs=2e-3)


def test_masses_fixed_to_each_other_move_as_one() -> None:
    one, two, push, free = (
        translational.Mass("a", m=1.0),
        translational.Mass("b", m=3.0),
        translational.SignalForce("f"),
        translational.Force("e", F=0.0),
    )
    sol = solved(
        "rigid",
        [(free.flange, one.a), (one.b, two.a), (two.b, push.flange)],
        2,
        extra=[push.signal == 12 * sn.t],
    )
    np.testing.assert_allclose(sol[one.v], 1.5 * sol.t**2, atol=1e-8)


def test_a_driven_position_and_dry_friction() -> None:
    """A mass at one end of a spring whose other end is driven; then Coulomb friction."""
    drive, spring, slide = (
        translational.SignalPosition("d"),
        translational.Spring("s", c=8.0),
        translational.Mass("m", m=2.0),
    )
    free = translational.Force("f", F=0.0)
    amplitude = sn.parameter(1.0, name="amplitude")
    sol = solved(
        "driven", [(drive.flange, spring.a), (spring.b, slide.a), (slide.b, free.flange)], 5,
        extra=[drive.signal == amplitude * sn.sin(sn.t)],
    )  # fmt: skip
    np.testing.assert_allclose(sol[slide.s], (4 * np.sin(sol.t) - 2 * np.sin(2 * sol.t)) / 3, atol=1e-7)
    wall, rub = translational.Fixed("w"), translational.Friction("r", F=3.0)
    sol = solved("rub", [(wall.flange, rub.a), (rub.b, slide.a), (slide.b, free.flange)], 1, {slide.v: 3.0})
    assert sol(1.0)[slide.v] == pytest.approx(3.0 - 1.5, abs=1e-6)


# ---- about an axis ----------------------------------------------------------------------------------
def test_a_gear_adds_inertias() -> None:
    """The motor sees J1 + J2/ratio^2."""
    drive, load = rotational.Inertia("j1", J=0.2), rotational.Inertia("j2", J=5.0)
    gear, torque, free = (
        rotational.Gear("g", ratio=5.0),
        rotational.Torque("push", tau=2.0),
        rotational.Torque("e", tau=0.0),
    )
    sol = solved(
        "gear", [(torque.shaft, drive.a), (drive.b, gear.a), (gear.b, load.a), (load.b, free.shaft)], 2
    )
    np.testing.assert_allclose(sol[drive.omega], 2.0 / (0.2 + 5.0 / 25) * sol.t, atol=1e-8)
    np.testing.assert_allclose(sol[load.phi], sol[drive.phi] / 5, atol=1e-10)


def test_the_speed_of_either_side_of_a_gear_may_be_given() -> None:
    drive, load = rotational.Inertia("j1", J=0.2), rotational.Inertia("j2", J=5.0)
    gear, free = rotational.Gear("g", ratio=5.0), rotational.Torque("e", tau=0.0)
    end = rotational.Torque("f", tau=0.0)
    joints = [(end.shaft, drive.a), (drive.b, gear.a), (gear.b, load.a), (load.b, free.shaft)]
    for start in ({load.omega: 2.0}, {drive.omega: 10.0}):
        sol = solved("gear", joints, 1, start)
        np.testing.assert_allclose(sol[[drive.omega, load.omega]][:, -1], [10, 2], rtol=1e-9)


def test_a_torsion_pendulum() -> None:
    wall, spring, damper = (
        rotational.FixedShaft("w"),
        rotational.TorsionSpring("s", c=8.0),
        rotational.RotationalDamper("d", d=0.4),
    )
    disc, free = rotational.Inertia("j", J=0.5), rotational.SignalTorque("e")
    sol = solved(
        "torsion",
        [(wall.shaft, spring.a, damper.a), (spring.b, damper.b, disc.a), (disc.b, free.shaft)],
        3,
        {disc.phi: 0.3},
        extra=[free.signal == 0],
    )
    a, w = 0.4, np.sqrt(16 - 0.16)
    exact = 0.3 * np.exp(-a * sol.t) * (np.cos(w * sol.t) + a / w * np.sin(w * sol.t))
    np.testing.assert_allclose(sol[disc.phi], exact, atol=1e-8)


def test_a_driven_speed() -> None:
    drive, disc, free = (
        rotational.SignalSpeed("d"),
        rotational.Inertia("j", J=0.5),
        rotational.Torque("e", tau=0.1),
    )
    sol = solved("speed", [(drive.shaft, disc.a), (disc.b, free.shaft)], 2, extra=[drive.signal == 2 * sn.t])
    np.testing.assert_allclose(sol[disc.phi], sol.t**2, atol=1e-8)
    np.testing.assert_allclose(sol[disc.a.tau], 0.5 * 2 - 0.1, atol=1e-8)


# ---- in a plane -------------------------------------------------------------------------------------
def test_a_physical_pendulum_keeps_its_angle_as_the_state() -> None:
    m, J, length = 2.0, 0.3, 0.7
    world, pin, rod, body = (
        planar.World("w"),
        planar.Revolute("pin"),
        planar.Rod("r", rx=length),
        planar.Body("b", m=m, J=J),
    )
    joints = [(world.frame, pin.a), (pin.b, rod.a), (rod.b, body.frame)]
    compiled = sn.compile(sn.System("pendulum", [sn.connect(*joint) for joint in joints]))
    assert not compiled.flat.structure.choices
    assert {name for name, mass in zip(compiled.states, compiled.mass, strict=True) if mass} == {
        "pin.angle",
        "pin.speed",
    }
    sol = solved("pendulum", joints, 3, {pin.angle: 0.4, pin.speed: 0.0})
    expected = solve_ivp(
        lambda t, u: [u[1], -m * 9.81 * length * np.cos(u[0]) / (J + m * length**2)],
        (0, 3), [0.4, 0.0], "DOP853", t_eval=sol.t, rtol=1e-12, atol=1e-12,
    )  # fmt: skip
    np.testing.assert_allclose(sol[pin.angle], expected.y[0], atol=1e-7)
    np.testing.assert_allclose(sol[body.x**2 + body.y**2], length**2, atol=1e-10)


def test_a_double_pendulum_of_points(shared_data: Path) -> None:
    """Rods of length one with points at their ends, against the reference in Cartesian coordinates."""
    rows = np.array(
        json.loads((shared_data / "structural_dae" / "models.json").read_text())["double_pendulum_cartesian"][
            "reference"
        ]["rows"]
    )
    world, p1, p2 = planar.World("w"), planar.Revolute("p1"), planar.Revolute("p2")
    r1, r2 = planar.Rod("r1"), planar.Rod("r2")
    b1, b2 = planar.Body("b1", J=0.0), planar.Body("b2", J=0.0)
    joints = [(world.frame, p1.a), (p1.b, r1.a), (r1.b, b1.frame, p2.a), (p2.b, r2.a), (r2.b, b2.frame)]
    start = {p1.angle: 0.0, p1.speed: 0.0, p2.angle: 0.0, p2.speed: 0.0}
    sol = solved("double", joints, rows[-1, 0], start, saveat=rows[:, 0])
    for k, expr in ((1, b1.x), (2, b1.y), (3, b2.x), (4, b2.y), (7, b2.vx), (8, b2.vy)):
        np.testing.assert_allclose(sol[expr], rows[:, k], atol=1e-6)


def test_a_slider_crank_closes_its_loop() -> None:
    """Crank and rod drive a slide: position by the cosine law, and energy is kept."""
    r, length = 0.3, 1.0
    world, pin, crank = planar.World("w"), planar.Revolute("pin"), planar.Rod("crank", rx=r)
    elbow, rod, wrist = planar.Revolute("elbow"), planar.Rod("rod", rx=length), planar.Revolute("wrist")
    slide, wheel, piston = (
        planar.Prismatic("slide"),
        planar.Body("wheel", m=1.0, J=0.2),
        planar.Body("piston", m=0.5, J=0.1),
    )
    joints = [
        (world.frame, pin.a, slide.a), (pin.b, crank.a, wheel.frame), (crank.b, elbow.a),
        (elbow.b, rod.a), (rod.b, wrist.a), (wrist.b, slide.b, piston.frame),
    ]  # fmt: skip
    phi = 0.5
    s = r * np.cos(phi) + np.sqrt(length**2 - (r * np.sin(phi)) ** 2)
    beta = -np.arcsin(r * np.sin(phi) / length) - phi
    start = {pin.angle: phi, elbow.angle: beta, wrist.angle: -phi - beta, slide.s: s, pin.speed: 5.0}
    sol = solved("crank", joints, 3, start)
    angle = sol[pin.angle]
    np.testing.assert_allclose(
        sol[slide.s], r * np.cos(angle) + np.sqrt(length**2 - (r * np.sin(angle)) ** 2), atol=1e-8
    )
    energy = 0.2 * sol[pin.speed] ** 2 / 2 + 0.5 * sol[slide.v] ** 2 / 2
    np.testing.assert_allclose(energy, energy[0], rtol=1e-6)
    assert angle[-1] - angle[0] > 2 * np.pi
