"""GENCLS: the classical machine, a constant voltage behind the transient reactance."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import symnum as sn
from symnum.models.power.connectors import Frame, Terminal
from symnum.models.power.constant import ConstantTorque


class GENCLS(sn.Component):
    """The voltage ``vf`` behind ra + j xd1; parameters are on the rating Sn, variables on the system base.

    Angles and speed as in `symnum.models.power.genrou.GENROU`. Source: Kundur 1994, section 12.3.
    """

    terminal = Terminal()
    frame = Frame()
    governor = ConstantTorque()

    Sn = sn.parameter(100.0, unit="MVA", about="rating")
    base = sn.parameter(100.0, unit="MVA", about="system base")
    frequency = sn.parameter(60.0, unit="Hz", about="nominal frequency")
    M = sn.parameter(unit="s", about="mechanical starting time, 2 H")
    D = sn.parameter(0.0, unit="pu", about="damping, torque per speed deviation")
    ra = sn.parameter(0.0, unit="pu", about="stator resistance")
    xd1 = sn.parameter(unit="pu", about="transient reactance")
    vf = sn.parameter(unit="pu", about="voltage behind the transient reactance")

    delta = sn.variable(unit="rad", about="rotor angle relative to the frame")
    slip = sn.variable(unit="rad/s", start=0.0, about="speed above nominal")

    angle = sn.variable(unit="rad", about="rotor angle in the synchronous frame")
    omega = sn.variable(unit="pu", about="speed")
    i_re = sn.variable(unit="pu", about="real part of the current out of the machine")
    i_im = sn.variable(unit="pu", about="imaginary part of the current out of the machine")
    tm = sn.variable(unit="pu", about="mechanical torque")
    te = sn.variable(unit="pu", about="electrical torque")
    p = sn.variable(unit="pu", about="active power delivered")
    q = sn.variable(unit="pu", about="reactive power delivered")

    def equations(self) -> Sequence[Any]:
        rating = self.Sn / self.base
        M, D, ra, xd1 = self.M * rating, self.D * rating, self.ra / rating, self.xd1 / rating
        nominal = 2 * math.pi * self.frequency
        at, frame = self.terminal, self.frame
        e_re, e_im = self.vf * sn.cos(self.delta), self.vf * sn.sin(self.delta)
        squared = ra**2 + xd1**2
        g, b = ra / squared, -xd1 / squared
        return [
            sn.D(self.delta) == self.slip - frame.slip,
            M / nominal * sn.D(self.slip) == self.tm - self.te - D * self.slip / nominal,
            self.i_re == g * (e_re - at.v_re) - b * (e_im - at.v_im),
            self.i_im == b * (e_re - at.v_re) + g * (e_im - at.v_im),
            at.i_re == -self.i_re,
            at.i_im == -self.i_im,
            self.te == e_re * self.i_re + e_im * self.i_im,
            frame.momentum == M * (self.slip - frame.slip),
            self.angle == self.delta + frame.angle,
            self.omega == 1 + self.slip / nominal,
            self.p == at.v_re * self.i_re + at.v_im * self.i_im,
            self.q == at.v_im * self.i_re - at.v_re * self.i_im,
            self.governor.omega == self.omega,
            self.tm == self.governor.tm,
        ]


@dataclass(frozen=True)
class SteadyState:
    """A GENCLS at rest: rotor angle in the synchronous frame, inner voltage, torque on the system base."""

    delta: float
    vf: float
    tm: float


def steady_state(
    voltage: complex, power: complex, *, xd1: float, ra: float = 0.0, Sn: float = 100.0, base: float = 100.0
) -> SteadyState:
    """The machine that delivers ``power`` (P + jQ, system base) at ``voltage`` (pu) at nominal speed."""
    current = (power / voltage).conjugate()
    source = voltage + (ra + 1j * xd1) * base / Sn * current
    return SteadyState(cmath.phase(source), abs(source), (source * current.conjugate()).real)
