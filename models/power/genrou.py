"""GENROU: a synchronous machine with round rotor, two circuits on each axis.

The rotor is described by transient and sub-transient quantities of both axes, the stator by its phasor
equations (transformer voltages and the effect of speed neglected). The form with fluxes ``e2d``, ``e2q`` of
the damper windings is that of Sauer, Pai & Chow, Power System Dynamics and Stability, 2nd ed. 2018,
section 3.5, with the saturation of the air-gap flux as the PSS/E model of this name has it.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import symnum as sn
from symnum.errors import ModelError
from symnum.models.power.connectors import Frame, Terminal
from symnum.models.power.constant import ConstantField, ConstantTorque, NoStabilizer
from symnum.models.power.saturation import excess


class GENROU(sn.Component):
    """Parameters are on the machine's own rating Sn, all variables on the system base.

    The rotor angle ``delta`` is relative to the frame (the centre of inertia), ``angle`` to the synchronous
    frame. The speed is kept as ``slip`` in rad/s, its deviation from nominal: near the steady state a
    tolerance then means as much for it as for the angles. ``omega`` is the speed in pu.

    The sub-transient reactances of both axes are equal, ``xd2``, so that the stator is a voltage source
    behind ra + j xd2. Saturation is quadratic above ``saturation_start`` (see `saturation.quadratic_fit`) and
    takes part with ``saturation=True`` only.
    """

    terminal = Terminal()
    frame = Frame()
    exciter = ConstantField()
    governor = ConstantTorque()
    stabilizer = NoStabilizer()
    saturation = sn.option(False)

    Sn = sn.parameter(100.0, unit="MVA", about="rating")
    base = sn.parameter(100.0, unit="MVA", about="system base")
    frequency = sn.parameter(60.0, unit="Hz", about="nominal frequency")
    M = sn.parameter(unit="s", about="mechanical starting time, 2 H")
    D = sn.parameter(0.0, unit="pu", about="damping, torque per speed deviation")
    ra = sn.parameter(0.0, unit="pu", about="stator resistance")
    xl = sn.parameter(unit="pu", about="leakage reactance")
    xd = sn.parameter(unit="pu", about="synchronous reactance, d axis")
    xq = sn.parameter(unit="pu", about="synchronous reactance, q axis")
    xd1 = sn.parameter(unit="pu", about="transient reactance, d axis")
    xq1 = sn.parameter(unit="pu", about="transient reactance, q axis")
    xd2 = sn.parameter(unit="pu", about="sub-transient reactance, both axes")
    Td10 = sn.parameter(unit="s", about="transient open-circuit time constant, d axis")
    Tq10 = sn.parameter(unit="s", about="transient open-circuit time constant, q axis")
    Td20 = sn.parameter(unit="s", about="sub-transient open-circuit time constant, d axis")
    Tq20 = sn.parameter(unit="s", about="sub-transient open-circuit time constant, q axis")
    saturation_start = sn.parameter(1.0, unit="pu", about="flux where saturation begins")
    saturation_slope = sn.parameter(0.0, unit="pu", about="curvature of the saturation")

    delta = sn.variable(unit="rad", about="rotor angle relative to the frame")
    slip = sn.variable(unit="rad/s", start=0.0, about="speed above nominal")
    e1q = sn.variable(unit="pu", about="transient voltage, q axis")
    e1d = sn.variable(unit="pu", about="transient voltage, d axis")
    e2d = sn.variable(unit="pu", about="flux of the damper winding, d axis")
    e2q = sn.variable(unit="pu", about="flux of the damper winding, q axis")

    angle = sn.variable(unit="rad", about="rotor angle in the synchronous frame")
    omega = sn.variable(unit="pu", about="speed")
    v = sn.variable(unit="pu", about="terminal voltage")
    v_d = sn.variable(unit="pu", about="terminal voltage, d axis")
    v_q = sn.variable(unit="pu", about="terminal voltage, q axis")
    i_d = sn.variable(unit="pu", about="current out of the machine, d axis")
    i_q = sn.variable(unit="pu", about="current out of the machine, q axis")
    psi2d = sn.variable(unit="pu", about="sub-transient flux, d axis")
    psi2q = sn.variable(unit="pu", about="sub-transient flux, q axis")
    vf = sn.variable(unit="pu", about="field voltage")
    tm = sn.variable(unit="pu", about="mechanical torque")
    te = sn.variable(unit="pu", about="electrical torque")
    p = sn.variable(unit="pu", about="active power delivered")
    q = sn.variable(unit="pu", about="reactive power delivered")

    def equations(self) -> Sequence[Any]:
        rating = self.Sn / self.base
        M, D = self.M * rating, self.D * rating
        ra, xl, x2 = self.ra / rating, self.xl / rating, self.xd2 / rating
        xd, xq, xd1, xq1 = self.xd / rating, self.xq / rating, self.xd1 / rating, self.xq1 / rating
        gd1, gq1 = (x2 - xl) / (xd1 - xl), (x2 - xl) / (xq1 - xl)
        gd2, gq2 = (xd1 - x2) / (xd1 - xl) ** 2, (xq1 - x2) / (xq1 - xl) ** 2
        nominal = 2 * math.pi * self.frequency

        sine, cosine = sn.sin(self.delta), sn.cos(self.delta)
        at, frame = self.terminal, self.frame
        # the source (psi2q + j psi2d) behind ra + j x2 drives the current into the terminal voltage
        drop_d, drop_q = self.psi2q - self.v_d, self.psi2d - self.v_q
        squared = ra**2 + x2**2
        saturated_d, saturated_q = self._saturation(xl, xd, xq)
        field_current = self.e1q + (xd - xd1) * (gd1 * self.i_d + gd2 * (self.e1q - self.e2d)) + saturated_d
        damper_current = self.e1d + (xq - xq1) * (gq2 * (self.e1d - self.e2q) - gq1 * self.i_q) + saturated_q
        return [
            sn.D(self.delta) == self.slip - frame.slip,
            M / nominal * sn.D(self.slip) == self.tm - self.te - D * self.slip / nominal,
            self.Td10 * sn.D(self.e1q) == self.vf - field_current,
            self.Tq10 * sn.D(self.e1d) == -damper_current,
            self.Td20 * sn.D(self.e2d) == self.e1q - self.e2d - (xd1 - xl) * self.i_d,
            self.Tq20 * sn.D(self.e2q) == self.e1d - self.e2q + (xq1 - xl) * self.i_q,
            self.psi2d == gd1 * self.e1q + (1 - gd1) * self.e2d,
            self.psi2q == gq1 * self.e1d + (1 - gq1) * self.e2q,
            self.v_d == at.v_re * sine - at.v_im * cosine,
            self.v_q == at.v_re * cosine + at.v_im * sine,
            self.i_d == ra / squared * drop_d + x2 / squared * drop_q,
            self.i_q == ra / squared * drop_q - x2 / squared * drop_d,
            at.i_re == -self.i_d * sine - self.i_q * cosine,
            at.i_im == self.i_d * cosine - self.i_q * sine,
            # (v + ra i) x i: air-gap torque, equal to the power across the air gap
            self.te == (self.v_q + ra * self.i_q) * self.i_q + (self.v_d + ra * self.i_d) * self.i_d,
            frame.momentum == M * (self.slip - frame.slip),
            self.angle == self.delta + frame.angle,
            self.omega == 1 + self.slip / nominal,
            self.v == sn.sqrt(at.v_re**2 + at.v_im**2),
            self.p == self.v_d * self.i_d + self.v_q * self.i_q,
            self.q == self.v_q * self.i_d - self.v_d * self.i_q,
            self.exciter.v == self.v,
            self.exciter.omega == self.omega,
            self.exciter.vs == self.stabilizer.vs,
            self.vf == self.exciter.vf,
            self.governor.omega == self.omega,
            self.tm == self.governor.tm,
            self.stabilizer.omega == self.omega,
            self.stabilizer.v == self.v,
            self.stabilizer.te == self.te / rating,
            self.stabilizer.tm == self.tm / rating,
        ]

    def _saturation(self, xl: Any, xd: Any, xq: Any) -> tuple[Any, Any]:
        """The extra excitation in the d and in the q axis."""
        if not self.saturation:
            return 0, 0
        flux = sn.sqrt(self.psi2d**2 + self.psi2q**2)
        share = excess(flux, self.saturation_start, self.saturation_slope) / flux
        return share * self.psi2d, share * (xq - xl) / (xd - xl) * self.psi2q


@dataclass(frozen=True)
class SteadyState:
    """A GENROU at rest in the synchronous frame: its states, field voltage and torque (system base)."""

    delta: float
    e1q: float
    e1d: float
    e2d: float
    e2q: float
    vf: float
    tm: float


def steady_state(
    voltage: complex,
    power: complex,
    *,
    xl: float,
    xd: float,
    xq: float,
    xd1: float,
    xq1: float,
    xd2: float,
    ra: float = 0.0,
    Sn: float = 100.0,
    base: float = 100.0,
    saturation_start: float = 1.0,
    saturation_slope: float = 0.0,
) -> SteadyState:
    """The machine that delivers ``power`` (P + jQ, system base) at ``voltage`` (pu) at nominal speed.

    The keywords are the parameters of `GENROU`. Raises ModelError where the reactances are out of order.
    """
    if not xl < xd2 <= min(xd1, xq1) or not (xd1 <= xd and xq1 <= xq):
        raise ModelError(
            f"GENROU: the reactances must obey xl < xd2 <= xd1, xq1 and xd1 <= xd, xq1 <= xq; they are "
            f"xl={xl}, xd2={xd2}, xd1={xd1}, xq1={xq1}, xd={xd}, xq={xq}"
        )
    scale = base / Sn
    ra, xl, xd, xq, xd1, xq1, xd2 = (scale * x for x in (ra, xl, xd, xq, xd1, xq1, xd2))
    current = (power / voltage).conjugate()
    source = voltage + (ra + 1j * xd2) * current
    flux = abs(source)
    share = saturation_slope * max(flux - saturation_start, 0.0) ** 2 / flux
    ratio = (xq - xl) / (xd - xl)
    # the q axis is where the flux behind the saturated xq points
    between = cmath.phase(source) - cmath.phase(current) if current else 0.0
    a, b = flux * (1 + share * ratio), abs(current) * (xd2 - xq)
    delta = cmath.phase(source) + math.atan(b * math.cos(between) / (b * math.sin(between) - a))
    turn = cmath.exp(-1j * (delta - math.pi / 2))
    i_d, i_q = (current * turn).real, (current * turn).imag
    psi2q, psi2d = (source * turn).real, (source * turn).imag
    vf = (1 + share) * psi2d + (xd - xd2) * i_d
    v_d, v_q = (voltage * turn).real, (voltage * turn).imag
    return SteadyState(
        delta=delta,
        e1q=vf - (xd - xd1) * i_d - share * psi2d,
        e1d=(xq - xq1) * i_q - share * ratio * psi2q,
        e2d=vf - (xd - xl) * i_d - share * psi2d,
        e2q=(xq - xl) * i_q - share * ratio * psi2q,
        vf=vf,
        tm=(v_q + ra * i_q) * i_q + (v_d + ra * i_d) * i_d,
    )
