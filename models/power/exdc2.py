"""EXDC2: a DC exciter with voltage regulator, the IEEE type DC2A with constant limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import symnum as sn
from symnum.errors import ModelError
from symnum.models.power.saturation import excess


class EXDC2(sn.Component):
    """From the voltage error to the field voltage, in the order of the block diagram.

        TR   d sensed/dt    = v - sensed                              measurement
        error               = vref - sensed - washout + vs
        TB   d lead/dt      = error - lead ;  compensated = (TC/TB) (error - lead) + lead
        TA   d regulator/dt = KA compensated - regulator              held inside VRMIN..VRMAX
        TE   d vp/dt        = regulator - KE vp - S(vp)               exciter, with its saturation S
        TF1  d rate/dt      = vp - rate ;  washout = (KF1/TF1) (vp - rate)
        vf                  = omega vp                                 it is driven by the machine's shaft

    The limits of the regulator stop the state itself (no wind-up). ``lead_lag=False`` leaves the lead-lag
    block out (TB = 0); saturation takes part with ``saturation=True`` only.
    Source: IEEE Std 421.5, type DC2A; the ANDES model EXDC2 for the constant limits and the speed factor.
    """

    lead_lag = sn.option(True)
    saturation = sn.option(False)
    TR = sn.parameter(unit="s", about="time constant of the voltage measurement")
    TA = sn.parameter(unit="s", about="time constant of the regulator")
    TB = sn.parameter(1.0, unit="s", about="lag time constant before the regulator")
    TC = sn.parameter(1.0, unit="s", about="lead time constant before the regulator")
    TE = sn.parameter(unit="s", about="time constant of the exciter")
    TF1 = sn.parameter(unit="s", about="time constant of the stabilizing feedback")
    KF1 = sn.parameter(unit="s", about="gain of the stabilizing feedback")
    KA = sn.parameter(unit="pu", about="gain of the regulator")
    KE = sn.parameter(1.0, unit="pu", about="self-excitation")
    VRMAX = sn.parameter(unit="pu", about="upper limit of the regulator")
    VRMIN = sn.parameter(unit="pu", about="lower limit of the regulator")
    saturation_start = sn.parameter(1.0, unit="pu", about="voltage where saturation begins")
    saturation_slope = sn.parameter(0.0, unit="pu", about="curvature of the saturation")
    vref = sn.parameter(unit="pu", about="voltage reference")

    v = sn.variable(unit="pu", about="terminal voltage")
    omega = sn.variable(unit="pu", about="speed")
    vs = sn.variable(unit="pu", about="stabilizing signal")
    vf = sn.variable(unit="pu", about="field voltage")

    sensed = sn.variable(unit="pu", about="measured voltage")
    lead = sn.variable(unit="pu", about="state of the lead-lag block")
    regulator = sn.variable(unit="pu", about="regulator output")
    vp = sn.variable(unit="pu", about="exciter voltage at nominal speed")
    rate = sn.variable(unit="pu", about="state of the stabilizing feedback")
    error = sn.variable(unit="pu", about="voltage error")

    def equations(self) -> Sequence[Any]:
        washout = self.KF1 / self.TF1 * (self.vp - self.rate)
        saturated = excess(self.vp, self.saturation_start, self.saturation_slope) if self.saturation else 0
        if self.lead_lag:
            compensated = self.TC / self.TB * (self.error - self.lead) + self.lead
            lead = self.TB * sn.D(self.lead) == self.error - self.lead
        else:
            compensated = self.error
            lead = self.lead == self.error
        return [
            self.TR * sn.D(self.sensed) == self.v - self.sensed,
            self.error == self.vref - self.sensed - washout + self.vs,
            lead,
            self.TA * sn.D(self.regulator) == self.KA * compensated - self.regulator,
            self.TE * sn.D(self.vp) == self.regulator - self.KE * self.vp - saturated,
            self.TF1 * sn.D(self.rate) == self.vp - self.rate,
            self.vf == self.omega * self.vp,
            sn.Limit(self.regulator, low=self.VRMIN, high=self.VRMAX),
        ]


def steady_state(
    *,
    vf: float,
    v: float,
    KA: float,
    VRMIN: float,
    VRMAX: float,
    KE: float = 1.0,
    vs: float = 0.0,
    saturation_start: float = 1.0,
    saturation_slope: float = 0.0,
) -> dict[str, float]:
    """Starts and vref of an `EXDC2` that gives ``vf`` at terminal voltage ``v``, as keywords for it.

    Raises ModelError where the regulator would have to stand outside its limits.
    """
    regulator = KE * vf + saturation_slope * max(vf - saturation_start, 0.0) ** 2
    if not VRMIN <= regulator <= VRMAX:
        raise ModelError(
            f"EXDC2: the field voltage {vf:.4g} needs a regulator output of {regulator:.4g}, outside its "
            f"limits VRMIN={VRMIN} and VRMAX={VRMAX}. Check the dispatch, or the limits."
        )
    error = regulator / KA
    return {
        "sensed": v,
        "lead": error,
        "regulator": regulator,
        "vp": vf,
        "rate": vf,
        "vref": v + error - vs,
    }
