"""Electric circuits given by their node equations."""

from __future__ import annotations

import math

import symnum as sn
from symnum.rewriting.expr import Expr
from symnum.solving.problem import Problem

D = sn.D


def transistor_amplifier() -> Problem:
    """Two transistors that amplify a sine: eight node voltages, a DAE of index 1 with derivatives in pairs.

    Volts, seconds. Hairer & Wanner II, figure VI.1.4; Test Set, problem TRANSAMP.
    """
    y1, y2, y3, y4, y5, y6, y7, y8 = y = sn.variables("y1 y2 y3 y4 y5 y6 y7 y8")
    supply, thermal, gain, leak, r0, r = sn.parameters(ub=6.0, uf=0.026, alpha=0.99, beta=1e-6, R0=1e3, R=9e3)
    c1, c2, c3, c4, c5 = sn.parameters(C1=1e-6, C2=2e-6, C3=3e-6, C4=4e-6, C5=5e-6)
    signal = 0.1 * sn.sin(200 * math.pi * sn.t)

    def current(voltage: Expr) -> Expr:
        return leak * (sn.exp(voltage / thermal) - 1)

    first, second = current(y2 - y3), current(y5 - y6)
    equations = [
        c1 * (D(y1) - D(y2)) == -(y1 - signal) / r0,
        c1 * (D(y2) - D(y1)) == -(y2 / r + (y2 - supply) / r + (1 - gain) * first),
        c2 * D(y3) == -(y3 / r - first),
        c3 * (D(y4) - D(y5)) == -((y4 - supply) / r + gain * first),
        c3 * (D(y5) - D(y4)) == -(y5 / r + (y5 - supply) / r + (1 - gain) * second),
        c4 * D(y6) == -(y6 / r - second),
        c5 * (D(y7) - D(y8)) == -((y7 - supply) / r + gain * second),
        c5 * (D(y8) - D(y7)) == -y8 / r,
    ]
    start = dict(zip(y, (0.0, 3.0, 3.0, 6.0, 3.0, 3.0, 6.0, 0.0), strict=True))
    return sn.Problem(sn.System("transistor_amplifier", equations), start, span=(0, 0.2))
