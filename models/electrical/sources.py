"""Ideal sources of voltage and of current. A source pushes its current out of p through the circuit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import symnum as sn
from symnum.models.electrical.pins import TwoPin, TwoPort


class VoltageSource(TwoPin):
    """v = V, whatever flows."""

    V = sn.parameter(1.0, unit="V", about="voltage from p to n")

    def equations(self) -> Sequence[Any]:
        return [*self.pins(), self.v == self.V]


class SineVoltage(TwoPin):
    """v = offset + amplitude sin(2 pi frequency t + phase)."""

    amplitude = sn.parameter(1.0, unit="V")
    frequency = sn.parameter(50.0, unit="Hz")
    phase = sn.parameter(0.0, unit="rad")
    offset = sn.parameter(0.0, unit="V")

    def equations(self) -> Sequence[Any]:
        angle = 2 * math.pi * self.frequency * sn.t + self.phase
        return [*self.pins(), self.v == self.offset + self.amplitude * sn.sin(angle)]


class SignalVoltage(TwoPin):
    """v = signal, which an equation of the system gives."""

    signal = sn.variable(unit="V")

    def equations(self) -> Sequence[Any]:
        return [*self.pins(), self.v == self.signal]


class CurrentSource(TwoPin):
    """The current ``I`` out of p."""

    I = sn.parameter(1.0, unit="A", about="current out of p")

    def equations(self) -> Sequence[Any]:
        return [*self.pins(), self.i == -self.I]


class SignalCurrent(TwoPin):
    """The current ``signal`` out of p, which an equation of the system gives."""

    signal = sn.variable(unit="A")

    def equations(self) -> Sequence[Any]:
        return [*self.pins(), self.i == -self.signal]


class VoltageControlledVoltage(TwoPort):
    """v2 = gain v1, without a load on the first port."""

    gain = sn.parameter(1.0, unit="1")

    def equations(self) -> Sequence[Any]:
        return [*self.pins(), self.i1 == 0, self.v2 == self.gain * self.v1]


class VoltageControlledCurrent(TwoPort):
    """The current ``transconductance * v1`` out of p2, without a load on the first port."""

    transconductance = sn.parameter(1.0, unit="S")

    def equations(self) -> Sequence[Any]:
        return [*self.pins(), self.i1 == 0, self.i2 == -self.transconductance * self.v1]


class OpAmp(TwoPort):
    """An ideal operational amplifier (a nullor): no voltage and no current at its input p1-n1."""

    def equations(self) -> Sequence[Any]:
        return [*self.pins(), self.v1 == 0, self.i1 == 0]
