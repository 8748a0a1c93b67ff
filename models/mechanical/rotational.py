"""Motion about an axis. Angles phi in radians; a torque tau counts positive into an element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import symnum as sn


class Shaft(sn.Connector):
    """Where elements are joined: angle, and torque on the element."""

    phi = sn.potential(unit="rad")
    tau = sn.flow(unit="N*m")


class FixedShaft(sn.Component):
    """A shaft that does not turn, at the angle phi0."""

    shaft = Shaft()
    phi0 = sn.parameter(0.0, unit="rad")

    def equations(self) -> Sequence[Any]:
        return [self.shaft.phi == self.phi0]


class Inertia(sn.Component):
    """J domega/dt = sum of torques on both sides."""

    a, b = Shaft(), Shaft()
    J = sn.parameter(1.0, unit="kg*m^2")
    phi = sn.variable(unit="rad", start=0.0)
    omega = sn.variable(unit="rad/s", start=0.0)

    def equations(self) -> Sequence[Any]:
        return [
            self.a.phi == self.phi,
            self.b.phi == self.phi,
            sn.D(self.phi) == self.omega,
            self.J * sn.D(self.omega) == self.a.tau + self.b.tau,
        ]


class Twisted(sn.Component):
    """What elements between two shafts share: the angle from a to b, and the torque that turns it back."""

    a, b = Shaft(), Shaft()
    angle = sn.variable(unit="rad", about="angle of b from a")
    tau = sn.variable(unit="N*m")

    def shafts(self) -> list[Any]:
        return [self.angle == self.b.phi - self.a.phi, self.b.tau == self.tau, self.a.tau == -self.tau]


class TorsionSpring(Twisted):
    """tau = c (angle - phi0)."""

    c = sn.parameter(1.0, unit="N*m/rad")
    phi0 = sn.parameter(0.0, unit="rad")

    def equations(self) -> Sequence[Any]:
        return [*self.shafts(), self.tau == self.c * (self.angle - self.phi0)]


class RotationalDamper(Twisted):
    """tau = d times the relative speed."""

    d = sn.parameter(1.0, unit="N*m*s/rad")

    def equations(self) -> Sequence[Any]:
        return [*self.shafts(), self.tau == self.d * (sn.D(self.b.phi) - sn.D(self.a.phi))]


class Gear(sn.Component):
    """An ideal gear on a fixed housing: phi_a = ratio phi_b and 0 = ratio tau_a + tau_b."""

    a, b = Shaft(), Shaft()
    ratio = sn.parameter(1.0, unit="1", about="speed of a to that of b")

    def equations(self) -> Sequence[Any]:
        return [self.a.phi == self.ratio * self.b.phi, self.ratio * self.a.tau + self.b.tau == 0]


class Torque(sn.Component):
    """The torque ``tau`` on what it is joined to."""

    shaft = Shaft()
    tau = sn.parameter(1.0, unit="N*m")

    def equations(self) -> Sequence[Any]:
        return [self.shaft.tau == -self.tau]


class SignalTorque(sn.Component):
    """The torque ``signal`` on what it is joined to, which an equation of the system gives."""

    shaft = Shaft()
    signal = sn.variable(unit="N*m")

    def equations(self) -> Sequence[Any]:
        return [self.shaft.tau == -self.signal]


class SignalSpeed(sn.Component):
    """A speed that an equation of the system gives, whatever torque it takes."""

    shaft = Shaft()
    signal = sn.variable(unit="rad/s")
    phi = sn.variable(unit="rad", start=0.0)

    def equations(self) -> Sequence[Any]:
        return [self.shaft.phi == self.phi, sn.D(self.phi) == self.signal]
