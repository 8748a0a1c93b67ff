"""Step size control."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["INTEGRAL", "PROPORTIONAL_INTEGRAL", "Controller"]


@dataclass(frozen=True)
class Controller:
    """After an accepted step h changes by safety * error^(-now/k) * error_before^(before/k), within
    [shrink, grow].

    k is the order of the error estimate plus one. After a rejected step it is safety * error^(-1/k), at least
    shrink, and the next accepted step may not grow. Hairer and Wanner II, IV.2.
    """

    safety: float
    now: float
    before: float
    shrink: float
    grow: float


INTEGRAL = Controller(safety=0.85, now=1.0, before=0.0, shrink=0.2, grow=6.0)
PROPORTIONAL_INTEGRAL = Controller(safety=0.9, now=0.7, before=0.4, shrink=0.2, grow=10.0)
