"""TGOV1: a steam turbine with governor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import symnum as sn
from symnum.errors import ModelError


class TGOV1(sn.Component):
    """Droop, valve and reheater.

        T1 d valve/dt  = (pref - (omega - 1))/R - valve         held inside VMIN..VMAX
        T3 d steam/dt  = valve - steam
        tm             = (T2/T3) (valve - steam) + steam - Dt (omega - 1)

    R, VMIN, VMAX and Dt are on the turbine's rating Sn, all variables on the system base. tm is a torque
    that is taken equal to the power.
    Source: IEEE PES-TR1, Dynamic Models for Turbine-Governors in Power System Studies, 2013, section 2.2.
    """

    Sn = sn.parameter(100.0, unit="MVA", about="rating of the turbine")
    base = sn.parameter(100.0, unit="MVA", about="system base")
    R = sn.parameter(unit="pu", about="droop, speed per power")
    VMAX = sn.parameter(unit="pu", about="upper limit of the valve")
    VMIN = sn.parameter(unit="pu", about="lower limit of the valve")
    T1 = sn.parameter(unit="s", about="time constant of the valve")
    T2 = sn.parameter(unit="s", about="lead time constant of the turbine")
    T3 = sn.parameter(unit="s", about="lag time constant of the turbine")
    Dt = sn.parameter(0.0, unit="pu", about="damping of the turbine")
    pref = sn.parameter(unit="pu", about="load reference, in speed")

    omega = sn.variable(unit="pu", about="speed")
    tm = sn.variable(unit="pu", about="mechanical torque")
    valve = sn.variable(unit="pu", about="valve position")
    steam = sn.variable(unit="pu", about="state of the reheater")

    def equations(self) -> Sequence[Any]:
        rating = self.Sn / self.base
        deviation = self.omega - 1
        return [
            self.T1 * sn.D(self.valve) == rating / self.R * (self.pref - deviation) - self.valve,
            self.T3 * sn.D(self.steam) == self.valve - self.steam,
            self.tm
            == self.T2 / self.T3 * (self.valve - self.steam) + self.steam - self.Dt * rating * deviation,
            sn.Limit(self.valve, low=self.VMIN * rating, high=self.VMAX * rating),
        ]


def steady_state(
    *, tm: float, R: float, VMIN: float, VMAX: float, Sn: float = 100.0, base: float = 100.0
) -> dict[str, float]:
    """Starts and pref of a `TGOV1` that gives ``tm`` (system base) at nominal speed, as keywords for it.

    Raises ModelError where the valve would have to stand outside its limits.
    """
    rating = Sn / base
    if not VMIN * rating <= tm <= VMAX * rating:
        raise ModelError(
            f"TGOV1: the torque {tm:.4g} is outside the limits of the valve, {VMIN * rating:.4g} and "
            f"{VMAX * rating:.4g} on the system base. Check the dispatch, or VMIN and VMAX."
        )
    return {"valve": tm, "steam": tm, "pref": tm * R / rating}
