"""Elements without a source of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import symnum as sn
from symnum.models.electrical.pins import TwoPin, TwoPort


class Resistor(TwoPin):
    """v = R i."""

    R = sn.parameter(1.0, unit="ohm", about="resistance")

    def equations(self) -> Sequence[Any]:
        return [*self.pins(), self.v == self.R * self.i]


class Conductor(TwoPin):
    """i = G v; G may be zero."""

    G = sn.parameter(1.0, unit="S", about="conductance")

    def equations(self) -> Sequence[Any]:
        return [*self.pins(), self.i == self.G * self.v]


class Capacitor(TwoPin):
    """i = C dv/dt."""

    C = sn.parameter(1e-6, unit="F", about="capacitance")
    v = sn.variable(unit="V", start=0.0)

    def equations(self) -> Sequence[Any]:
        return [*self.pins(), self.C * sn.D(self.v) == self.i]


class Inductor(TwoPin):
    """v = L di/dt."""

    L = sn.parameter(1e-3, unit="H", about="inductance")
    i = sn.variable(unit="A", start=0.0)

    def equations(self) -> Sequence[Any]:
        return [*self.pins(), self.L * sn.D(self.i) == self.v]


class CoupledInductors(TwoPort):
    """v1 = L1 di1/dt + M di2/dt and v2 = M di1/dt + L2 di2/dt, with M^2 < L1 L2."""

    L1 = sn.parameter(1e-3, unit="H")
    L2 = sn.parameter(1e-3, unit="H")
    M = sn.parameter(0.5e-3, unit="H", about="mutual inductance")
    i1, i2 = sn.variable(unit="A", start=0.0), sn.variable(unit="A", start=0.0)

    def equations(self) -> Sequence[Any]:
        D = sn.D
        return [
            *self.pins(),
            self.v1 == self.L1 * D(self.i1) + self.M * D(self.i2),
            self.v2 == self.M * D(self.i1) + self.L2 * D(self.i2),
        ]


class IdealTransformer(TwoPort):
    """v1 = ratio v2 and i2 = -ratio i1."""

    ratio = sn.parameter(1.0, unit="1", about="turns of the first winding to those of the second")

    def equations(self) -> Sequence[Any]:
        return [*self.pins(), self.v1 == self.ratio * self.v2, self.i2 == -self.ratio * self.i1]


class Switch(TwoPin):
    """A resistance that an event changes: R_on where ``closed`` is 1, else a leakage of G_off."""

    closed = sn.parameter(1.0, unit="1", about="1 closed, 0 open")
    R_on = sn.parameter(1e-5, unit="ohm")
    G_off = sn.parameter(1e-8, unit="S")

    def equations(self) -> Sequence[Any]:
        conductance = self.closed / self.R_on + (1 - self.closed) * self.G_off
        return [*self.pins(), self.i == conductance * self.v]


class VoltageSensor(TwoPin):
    """The voltage v between two pins, without a load."""

    def equations(self) -> Sequence[Any]:
        return [*self.pins(), self.i == 0]


class CurrentSensor(TwoPin):
    """The current i through it, without a voltage."""

    def equations(self) -> Sequence[Any]:
        return [*self.pins(), self.v == 0]
