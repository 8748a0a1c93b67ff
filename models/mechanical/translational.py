"""Motion along a line. Positions s in metres; a force f counts positive into an element, pushing along s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import symnum as sn
from symnum.rewriting.operators import equal


class Flange(sn.Connector):
    """Where elements are fixed to each other: position, and force on the element."""

    s = sn.potential(unit="m")
    f = sn.flow(unit="N")


class Fixed(sn.Component):
    """A wall at the position s0."""

    flange = Flange()
    s0 = sn.parameter(0.0, unit="m")

    def equations(self) -> Sequence[Any]:
        return [self.flange.s == self.s0]


class Mass(sn.Component):
    """m dv/dt = sum of forces on both sides."""

    a, b = Flange(), Flange()
    m = sn.parameter(1.0, unit="kg")
    s = sn.variable(unit="m", start=0.0)
    v = sn.variable(unit="m/s", start=0.0)

    def equations(self) -> Sequence[Any]:
        return [
            self.a.s == self.s,
            self.b.s == self.s,
            sn.D(self.s) == self.v,
            self.m * sn.D(self.v) == self.a.f + self.b.f,
        ]


class Compliant(sn.Component):
    """What elements between two flanges share: the distance from a to b, and the force f that pulls."""

    a, b = Flange(), Flange()
    length = sn.variable(unit="m", about="position of b from a")
    f = sn.variable(unit="N", about="tension")

    def flanges(self) -> list[Any]:
        return [self.length == self.b.s - self.a.s, self.b.f == self.f, self.a.f == -self.f]

    def speed(self) -> Any:
        """How fast it lengthens; from the flanges, whose positions are states where there are masses."""
        return sn.D(self.b.s) - sn.D(self.a.s)


class Spring(Compliant):
    """f = c (length - s0)."""

    c = sn.parameter(1.0, unit="N/m", about="stiffness")
    s0 = sn.parameter(0.0, unit="m", about="length without force")

    def equations(self) -> Sequence[Any]:
        return [*self.flanges(), self.f == self.c * (self.length - self.s0)]


class Damper(Compliant):
    """f = d times the speed with which it lengthens."""

    d = sn.parameter(1.0, unit="N*s/m")

    def equations(self) -> Sequence[Any]:
        return [*self.flanges(), self.f == self.d * self.speed()]


class SpringDamper(Compliant):
    """A spring and a damper side by side."""

    c = sn.parameter(1.0, unit="N/m")
    d = sn.parameter(1.0, unit="N*s/m")
    s0 = sn.parameter(0.0, unit="m")

    def equations(self) -> Sequence[Any]:
        tension = self.c * (self.length - self.s0) + self.d * self.speed()
        return [*self.flanges(), self.f == tension]


class Friction(Compliant):
    """Dry friction between two flanges, smooth below the speed ``slip``: f = F tanh(v/slip) + d v.

    Without an event: below ``slip`` the parts creep, in place of sticking.
    """

    F = sn.parameter(1.0, unit="N", about="sliding force")
    slip = sn.parameter(1e-3, unit="m/s")
    d = sn.parameter(0.0, unit="N*s/m", about="viscous part")

    def equations(self) -> Sequence[Any]:
        speed = self.speed()
        return [*self.flanges(), self.f == self.F * sn.tanh(speed / self.slip) + self.d * speed]


class StickSlip(Compliant):
    """Coulomb friction with sticking: the tension F sign(v) while the flanges slide, else what holds them.

    From rest they slide when more than ``F0`` is needed to hold them, and they stick again when the speed v
    comes back to 0. ``mode`` is 1 or -1, the sign of v, and 0 while they stick; events change it. Sliding
    begins from rest where ``mode`` is given as 0, its default.
    """

    F = sn.parameter(1.0, unit="N", about="sliding force")
    F0 = sn.parameter(1.0, unit="N", about="force at which they break away, not less than F")
    mode = sn.parameter(0.0, unit="1", about="1 and -1: sliding, 0: sticking")
    m = sn.parameter(1.0, unit="kg", about="usual mass of the parts, which scales the equation of sticking")
    v = sn.variable(unit="m/s", state_priority=-1, about="speed with which it lengthens")

    def equations(self) -> Sequence[Any]:
        sliding = self.f - self.mode * self.F
        return [
            *self.flanges(),
            self.v == self.speed(),
            sn.ifelse(equal(self.mode, 0), self.m * sn.D(self.v), sliding) == 0,
        ]

    def events(self) -> Sequence[sn.Event]:
        sticks, name = equal(self.mode, 0), f"{self.path}: "
        return [
            sn.Event(
                trigger=sticks & (self.f > self.F0), then={self.mode: 1}, initially=False,
                name=name + "slides forwards",
            ),
            sn.Event(
                trigger=sticks & (self.f < -self.F0), then={self.mode: -1}, initially=False,
                name=name + "slides backwards",
            ),
            # at the begin of a slide the speed is round-off, of either sign: there it grows
            sn.Event(
                trigger=(self.mode > 0) & (self.v < 0) & (sn.D(self.v) < 0), then={self.mode: 0},
                name=name + "sticks",
            ),
            sn.Event(
                trigger=(self.mode < 0) & (self.v > 0) & (sn.D(self.v) > 0), then={self.mode: 0},
                name=name + "sticks",
            ),
        ]  # fmt: skip


class Force(sn.Component):
    """The force ``F`` on what it is fixed to."""

    flange = Flange()
    F = sn.parameter(1.0, unit="N")

    def equations(self) -> Sequence[Any]:
        return [self.flange.f == -self.F]


class SignalForce(sn.Component):
    """The force ``signal`` on what it is fixed to, which an equation of the system gives."""

    flange = Flange()
    signal = sn.variable(unit="N")

    def equations(self) -> Sequence[Any]:
        return [self.flange.f == -self.signal]


class SignalPosition(sn.Component):
    """A position that an equation of the system gives, whatever force it takes."""

    flange = Flange()
    signal = sn.variable(unit="m")

    def equations(self) -> Sequence[Any]:
        return [self.flange.s == self.signal]
