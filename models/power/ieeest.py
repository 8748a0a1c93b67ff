"""IEEEST: a power system stabilizer with one input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import symnum as sn
from symnum.errors import ModelError


class IEEEST(sn.Component):
    """Two filters, two lead-lags, a gain, a washout and a limiter, one after the other.

        F1 = 1/(1 + A1 s + A2 s^2)              F2 = (1 + A5 s + A6 s^2)/(1 + A3 s + A4 s^2)
        L1 = (1 + T1 s)/(1 + T2 s)              L2 = (1 + T3 s)/(1 + T4 s)
        KS ,  WO = T5 s/(1 + T6 s) ,  output within LSMIN..LSMAX

    ``mode`` is the input: "speed" (omega - 1), "torque" (te), "power" (tm - tm0) or "voltage" (v), torques on
    the rating of the machine. Blocks whose pole is zero are no states and are left out by an option:
    ``filter1`` (A1 = A2 = 0), ``filter2`` (A4 = 0), ``lead_lag1`` (T2 = 0), ``lead_lag2`` (T4 = 0). With
    ``washout=False`` (T5 = 0) the washout becomes the lag 1/(1 + T6 s). ``window=True`` gives an output
    only while the terminal voltage lies between VCL and VCU. `stabilizer` sets the options from the values.
    Source: IEEE Std 421.5, type PSS1A, and the PSS/E model of this name.
    """

    mode = sn.option("speed")
    filter1 = sn.option(True)
    filter2 = sn.option(True)
    lead_lag1 = sn.option(True)
    lead_lag2 = sn.option(True)
    washout = sn.option(True)
    window = sn.option(False)
    A1 = sn.parameter(0.0, unit="s", about="first filter, denominator")
    A2 = sn.parameter(0.0, unit="s^2", about="first filter, denominator")
    A3 = sn.parameter(0.0, unit="s", about="second filter, denominator")
    A4 = sn.parameter(0.0, unit="s^2", about="second filter, denominator")
    A5 = sn.parameter(0.0, unit="s", about="second filter, numerator")
    A6 = sn.parameter(0.0, unit="s^2", about="second filter, numerator")
    T1 = sn.parameter(0.0, unit="s", about="first lead-lag, lead")
    T2 = sn.parameter(0.0, unit="s", about="first lead-lag, lag")
    T3 = sn.parameter(0.0, unit="s", about="second lead-lag, lead")
    T4 = sn.parameter(0.0, unit="s", about="second lead-lag, lag")
    T5 = sn.parameter(0.0, unit="s", about="washout, numerator")
    T6 = sn.parameter(unit="s", about="washout, denominator")
    KS = sn.parameter(unit="pu", about="gain")
    LSMAX = sn.parameter(unit="pu", about="upper limit of the output")
    LSMIN = sn.parameter(unit="pu", about="lower limit of the output")
    VCU = sn.parameter(999.0, unit="pu", about="voltage above which there is no output")
    VCL = sn.parameter(-999.0, unit="pu", about="voltage below which there is no output")
    tm0 = sn.parameter(0.0, unit="pu", about="torque from which the mode power counts")

    omega = sn.variable(unit="pu", about="speed")
    v = sn.variable(unit="pu", about="terminal voltage")
    te = sn.variable(unit="pu", about="electrical torque on the rating of the machine")
    tm = sn.variable(unit="pu", about="mechanical torque on the rating of the machine")
    vs = sn.variable(unit="pu", about="stabilizing signal")

    signal = sn.variable(unit="pu", about="input")
    filter1_y = sn.variable(unit="pu", about="first filter, output")
    filter1_x = sn.variable(unit="1/s", about="first filter, rate of the output")
    filter2_x2 = sn.variable(unit="pu", about="second filter, filtered input")
    filter2_x1 = sn.variable(unit="1/s", about="second filter, rate of the filtered input")
    filter2_y = sn.variable(unit="pu", about="second filter, output")
    lead_lag1_x = sn.variable(unit="pu", about="first lead-lag, state")
    lead_lag1_y = sn.variable(unit="pu", about="first lead-lag, output")
    lead_lag2_x = sn.variable(unit="pu", about="second lead-lag, state")
    lead_lag2_y = sn.variable(unit="pu", about="second lead-lag, output")
    washout_x = sn.variable(unit="pu", about="washout, state")
    washout_y = sn.variable(unit="pu", about="washout, output")

    def equations(self) -> Sequence[Any]:
        inputs = {"speed": self.omega - 1, "torque": self.te, "power": self.tm - self.tm0, "voltage": self.v}
        if self.mode not in inputs:
            raise ModelError(f"IEEEST: the mode is one of {', '.join(inputs)}, not {self.mode!r}")
        u1, u2 = self.filter2_y, self.lead_lag1_y
        change = self.KS * self.lead_lag2_y - self.washout_x
        limited = sn.clip(self.washout_y, self.LSMIN, self.LSMAX)
        inside = (self.v > self.VCL) & (self.v < self.VCU)
        return [
            self.signal == inputs[self.mode],
            *self._filter1(self.signal),
            *self._filter2(self.filter1_y),
            *_lead_lag(self.lead_lag1, u1, self.lead_lag1_x, self.lead_lag1_y, self.T1, self.T2),
            *_lead_lag(self.lead_lag2, u2, self.lead_lag2_x, self.lead_lag2_y, self.T3, self.T4),
            self.T6 * sn.D(self.washout_x) == change,
            self.washout_y == (self.T5 / self.T6 * change if self.washout else self.washout_x),
            self.vs == (sn.ifelse(inside, limited, 0) if self.window else limited),
        ]

    def _filter1(self, u: Any) -> list[Any]:
        y, x = self.filter1_y, self.filter1_x
        if not self.filter1:
            return [y == u, x == 0]
        return [sn.D(y) == x, self.A2 * sn.D(x) == u - y - self.A1 * x]

    def _filter2(self, u: Any) -> list[Any]:
        y, x1, x2 = self.filter2_y, self.filter2_x1, self.filter2_x2
        if not self.filter2:
            return [y == u, x1 == 0, x2 == u]
        remainder = u - x2 - self.A3 * x1  # A4 times the second derivative of x2
        return [
            sn.D(x2) == x1,
            self.A4 * sn.D(x1) == remainder,
            y == x2 + self.A5 * x1 + self.A6 / self.A4 * remainder,
        ]


def _lead_lag(present: bool, u: Any, x: Any, y: Any, lead: Any, lag: Any) -> list[Any]:
    """``y = (1 + lead s)/(1 + lag s) u`` with the state x, or ``y = u``."""
    if not present:
        return [y == u, x == u]
    return [lag * sn.D(x) == u - x, y == x + lead / lag * (u - x)]


def stabilizer(*, signal: float = 0.0, **settings: Any) -> IEEEST:
    """An `IEEEST` with the given values, at rest at the input ``signal``, without the blocks of zero pole.

    settings: parameters and options of `IEEEST`. VCU or VCL of zero mean no limit, as in the case files.
    Raises ModelError where the first filter would be of first order (A2 = 0, A1 not): it has no such form.
    """
    value = {name: float(settings.get(name, 0.0)) for name in ("A1", "A2", "A4", "T2", "T4", "T5", "KS")}
    if value["A2"] == 0 and value["A1"] != 0:
        raise ModelError(f"IEEEST: A2 = 0 needs A1 = 0 (no filter), but A1 = {value['A1']}; give both")
    present = {
        "filter1": value["A2"] != 0,
        "filter2": value["A4"] != 0,
        "lead_lag1": value["T2"] != 0,
        "lead_lag2": value["T4"] != 0,
        "washout": value["T5"] != 0,
    }
    limits = {name: settings[name] for name in ("VCL", "VCU") if settings.get(name)}
    others = {name: given for name, given in settings.items() if name not in ("VCL", "VCU")}
    blocks = {
        "filter1": ("filter1_y", "filter1_x"),
        "filter2": ("filter2_x2", "filter2_x1"),
        "lead_lag1": ("lead_lag1_x", ""),
        "lead_lag2": ("lead_lag2_x", ""),
    }
    starts = {"washout_x": value["KS"] * signal}
    for block, (output, rate) in blocks.items():
        if present[block]:
            starts[output] = signal
            if rate:
                starts[rate] = 0.0
    return IEEEST(**{**others, **limits, **present, "window": bool(limits), **starts})
