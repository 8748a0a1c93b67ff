"""Diodes and transistors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import symnum as sn
from symnum.models.electrical.pins import Pin, TwoPin
from symnum.rewriting.expr import Expr

_LARGEST = (
    40.0  # thermal voltages: the exponential goes on along its tangent from here, so that none overflows
)


def junction(voltage: Expr, saturation: Expr, thermal: Expr) -> Expr:
    """Shockley's current I_s (exp(v/V_T) - 1), along the tangent beyond 40 thermal voltages."""
    ratio = voltage / thermal
    held = sn.minimum(ratio, _LARGEST)
    return saturation * (sn.exp(held) * (1 + ratio - held) - 1)


class Diode(TwoPin):
    """Shockley's diode with a parallel conductance: i = I_s (exp(v/(N V_T)) - 1) + G v."""

    saturation = sn.parameter(1e-14, unit="A", about="saturation current I_s")
    thermal = sn.parameter(0.02585, unit="V", about="thermal voltage V_T, 0.02585 V at 300 K")
    emission = sn.parameter(1.0, unit="1", about="emission coefficient N")
    G = sn.parameter(0.0, unit="S", about="parallel conductance")

    def equations(self) -> Sequence[Any]:
        current = junction(self.v, self.saturation, self.emission * self.thermal)
        return [*self.pins(), self.i == current + self.G * self.v]


class IdealDiode(TwoPin):
    """Two straight lines: a resistance R_on while it conducts, a conductance G_off while it blocks.

    Both are written over one quantity s along the characteristic, the current above 0 and the voltage below:
    the instant of the change is located.
    """

    R_on = sn.parameter(1e-3, unit="ohm")
    G_off = sn.parameter(1e-9, unit="S")
    s = sn.variable(about="current while it conducts, voltage while it blocks")

    def equations(self) -> Sequence[Any]:
        conducts = self.s > 0
        return [
            *self.pins(),
            self.v == self.s * sn.switch(conducts, self.R_on, 1),
            self.i == self.s * sn.switch(conducts, 1, self.G_off),
        ]


class NPN(sn.Component):
    """The transistor of Ebers and Moll (Proc. IRE 42 (1954) 1761), in its transport form.

    With I_f = I_s (exp(v_be/V_T) - 1) and I_r = I_s (exp(v_bc/V_T) - 1): i_c = I_f - I_r - I_r/reverse_gain
    and i_b = I_f/gain + I_r/reverse_gain; the emitter takes the rest.
    """

    collector, base, emitter = Pin(), Pin(), Pin()
    saturation = sn.parameter(1e-14, unit="A")
    thermal = sn.parameter(0.02585, unit="V")
    gain = sn.parameter(100.0, unit="1", about="forward current gain")
    reverse_gain = sn.parameter(1.0, unit="1")

    def equations(self) -> Sequence[Any]:
        c, b, e = self.collector, self.base, self.emitter
        forward = junction(b.v - e.v, self.saturation, self.thermal)
        reverse = junction(b.v - c.v, self.saturation, self.thermal)
        return [
            c.i == forward - reverse - reverse / self.reverse_gain,
            b.i == forward / self.gain + reverse / self.reverse_gain,
            c.i + b.i + e.i == 0,
        ]
