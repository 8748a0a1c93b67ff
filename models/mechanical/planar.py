"""Rigid bodies in a plane: positions in metres, y upwards; angles in radians, anticlockwise.

Rods and joints are constraints between bodies, so that systems are of index 3; they are differentiated and
their states selected when the system is compiled. Joint angles stay states where the chain is open; closed
loops choose states in the run. Joints name their accelerations so that their angles have as many derivatives
as positions of bodies have, and can stand for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import symnum as sn


class Frame(sn.Connector):
    """A point of a body with its orientation; force and torque on the element."""

    x, y = sn.potential(unit="m"), sn.potential(unit="m")
    phi = sn.potential(unit="rad")
    fx, fy = sn.flow(unit="N"), sn.flow(unit="N")
    tau = sn.flow(unit="N*m")


class World(sn.Component):
    """A frame that stays at (x0, y0)."""

    frame = Frame()
    x0, y0 = sn.parameter(0.0, unit="m"), sn.parameter(0.0, unit="m")

    def equations(self) -> Sequence[Any]:
        return [self.frame.x == self.x0, self.frame.y == self.y0, self.frame.phi == 0]


class Body(sn.Component):
    """Mass and inertia; the frame is at the centre of mass, gravity g pulls down."""

    frame = Frame()
    m = sn.parameter(1.0, unit="kg")
    J = sn.parameter(1.0, unit="kg*m^2", about="about the centre of mass")
    g = sn.parameter(9.81, unit="m/s^2")
    x, y = sn.variable(unit="m"), sn.variable(unit="m")
    phi = sn.variable(unit="rad")
    vx, vy = sn.variable(unit="m/s"), sn.variable(unit="m/s")
    omega = sn.variable(unit="rad/s")

    def equations(self) -> Sequence[Any]:
        D, frame = sn.D, self.frame
        return [
            frame.x == self.x, frame.y == self.y, frame.phi == self.phi,
            D(self.x) == self.vx, D(self.y) == self.vy, D(self.phi) == self.omega,
            self.m * D(self.vx) == frame.fx,
            self.m * D(self.vy) == frame.fy - self.m * self.g,
            self.J * D(self.omega) == frame.tau,
        ]  # fmt: skip


class Pair(sn.Component):
    """What elements without mass between two frames share: forces and torques in balance."""

    a, b = Frame(), Frame()

    def balance(self) -> list[Any]:
        a, b = self.a, self.b
        return [
            a.fx + b.fx == 0,
            a.fy + b.fy == 0,
            a.tau + b.tau + (b.x - a.x) * b.fy - (b.y - a.y) * b.fx == 0,
        ]


class Rod(Pair):
    """A rigid way from a to b: the vector (rx, ry) in the orientation of a."""

    rx, ry = sn.parameter(1.0, unit="m"), sn.parameter(0.0, unit="m")

    def equations(self) -> Sequence[Any]:
        a, b = self.a, self.b
        cosine, sine = sn.cos(a.phi), sn.sin(a.phi)
        return [
            *self.balance(),
            b.x == a.x + self.rx * cosine - self.ry * sine,
            b.y == a.y + self.rx * sine + self.ry * cosine,
            b.phi == a.phi,
        ]


class Revolute(Pair):
    """A pin about which b turns against a by ``angle``, with a viscous torque d times the speed."""

    d = sn.parameter(0.0, unit="N*m*s/rad")
    angle = sn.variable(unit="rad", state_priority=10)
    speed = sn.variable(unit="rad/s", state_priority=10)
    acceleration = sn.variable(unit="rad/s^2")

    def equations(self) -> Sequence[Any]:
        a, b = self.a, self.b
        return [
            a.x == b.x, a.y == b.y, b.phi == a.phi + self.angle,
            sn.D(self.angle) == self.speed, sn.D(self.speed) == self.acceleration,
            a.fx + b.fx == 0, a.fy + b.fy == 0, a.tau + b.tau == 0,
            b.tau == self.d * self.speed,
        ]  # fmt: skip


class Prismatic(Pair):
    """A slide on which b moves along a by ``s``, in the direction (nx, ny) of a, with a viscous force d v."""

    nx, ny = sn.parameter(1.0, unit="1"), sn.parameter(0.0, unit="1")
    d = sn.parameter(0.0, unit="N*s/m")
    s = sn.variable(unit="m", state_priority=10)
    v = sn.variable(unit="m/s", state_priority=10)
    acceleration = sn.variable(unit="m/s^2")

    def equations(self) -> Sequence[Any]:
        a, b = self.a, self.b
        cosine, sine = sn.cos(a.phi), sn.sin(a.phi)
        along_x, along_y = self.nx * cosine - self.ny * sine, self.nx * sine + self.ny * cosine
        return [
            *self.balance(),
            b.phi == a.phi, b.x == a.x + self.s * along_x, b.y == a.y + self.s * along_y,
            sn.D(self.s) == self.v, sn.D(self.v) == self.acceleration,
            b.fx * along_x + b.fy * along_y == self.d * self.v,
        ]  # fmt: skip
