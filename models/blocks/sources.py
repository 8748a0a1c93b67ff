"""Signals over time, for equations of a system: ``motor.signal == sources.step(at=1, high=5)``."""

from __future__ import annotations

import math

import symnum as sn
from symnum.rewriting.expr import Expr, Operand


def step(at: float, low: Operand = 0.0, high: Operand = 1.0) -> Expr:
    """``low`` before the time ``at``, then ``high``. Give the solver an event or tstops= at that time."""
    return sn.ifelse(sn.t < at, low, high)


def ramp(at: float, slope: Operand = 1.0, until: float = math.inf) -> Expr:
    """0 before ``at``, then rising with ``slope`` until the time ``until``."""
    passed = sn.maximum(sn.t - at, 0)
    return slope * (passed if math.isinf(until) else sn.minimum(passed, until - at))


def sine(frequency: Operand, amplitude: Operand = 1.0, phase: Operand = 0.0, offset: Operand = 0.0) -> Expr:
    """offset + amplitude sin(2 pi frequency t + phase)."""
    return offset + amplitude * sn.sin(2 * math.pi * frequency * sn.t + phase)
