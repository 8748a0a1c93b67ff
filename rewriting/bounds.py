"""Intervals: what the declared bounds of the leaves say about every subexpression.

Plain interval arithmetic over the real numbers, rounded outwards by one unit in the last place of every
result, so that a strict sign is a proof. An expression that may be undefined within the bounds gets the whole
line: nothing is concluded from it. Bounds of a leaf are a closed pair.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from symnum.errors import ModelError
from symnum.rewriting.expr import Expr, Rational, as_expr
from symnum.rewriting.walk import as_float, is_leaf, postorder

Where: TypeAlias = Mapping[Expr, tuple[float, float]]
"""Declared bounds of leaves, both ends included: ``{x: (0, 1), k: (1e-3, math.inf)}``."""


class Interval(NamedTuple):
    """Where the values of an expression lie; ``nonzero`` may hold though 0 lies between the ends."""

    low: float
    high: float
    nonzero: bool = False

    @property
    def positive(self) -> bool:
        return self.low > 0 or (self.low == 0 and self.nonzero)

    @property
    def nonnegative(self) -> bool:
        return self.low >= 0

    @property
    def is_nonzero(self) -> bool:
        return self.nonzero or self.low > 0 or self.high < 0

    def fact(self, name: str) -> bool:
        """``positive``, ``nonnegative`` or ``nonzero``: whether it is proved."""
        return {"positive": self.positive, "nonnegative": self.nonnegative, "nonzero": self.is_nonzero}[name]


LINE = Interval(-math.inf, math.inf)
_CONDITIONS = frozenset({"<", "<=", "equal", "and", "or", "not"})


def checked(where: Where) -> dict[Expr, Interval]:
    """Declared bounds as intervals. ModelError when they are empty or not numbers."""
    found = {}
    for leaf, bounds in where.items():
        try:
            low, high = (float(bound) for bound in bounds)
        except (TypeError, ValueError):
            raise ModelError(f"bounds of {leaf}: {bounds!r} is not a pair of numbers (low, high)") from None
        if not low <= high:
            raise ModelError(f"bounds of {leaf}: {low:g} is not below {high:g}. Give them as (low, high).")
        found[as_expr(leaf)] = Interval(low, high)
    return found


def intervals(roots: Expr | Iterable[Expr], where: Where) -> dict[Expr, Interval]:
    """The interval of every node of the roots."""
    given = checked(where)
    found: dict[Expr, Interval] = {}
    for expr in postorder(roots):
        if expr in given:
            found[expr] = given[expr]
        elif is_leaf(expr):
            found[expr] = LINE
        else:
            found[expr] = _tightened(_interval(expr, [found[arg] for arg in expr.args]))
    return found


def _tightened(found: Interval) -> Interval:
    return LINE if math.isnan(found.low) or math.isnan(found.high) else found


def _out(low: float, high: float, nonzero: bool = False) -> Interval:
    """Rounded outwards. 0 as an end stays: signs are decided by the operands, not by a rounded result."""
    return Interval(
        low if low == 0 else math.nextafter(low, -math.inf),
        high if high == 0 else math.nextafter(high, math.inf),
        nonzero,
    )


def _interval(expr: Expr, args: list[Interval]) -> Interval:
    if expr.op == "number":
        value = as_float(expr.data)
        exact = expr.data == value
        return Interval(value, value) if exact else _out(value, value, nonzero=True)
    if expr.op == "+":
        constant, coefficients = expr.data
        total = _interval_of(constant)
        for arg, coefficient in zip(args, coefficients, strict=True):
            total = _sum(total, _scaled(arg, coefficient))
        return total
    if expr.op == "*":
        product = Interval(1.0, 1.0)
        for arg, exponent in zip(args, expr.data, strict=True):
            product = _product(product, _power(arg, exponent))
        return product
    if expr.op == "ifelse":
        return _hull(args[1], args[2])
    if expr.op in _CONDITIONS:
        return Interval(0.0, 1.0)
    known = _FUNCTIONS.get(expr.op)
    return known(*args) if known is not None else LINE


def _interval_of(value: Rational) -> Interval:
    number = as_float(value)
    return Interval(number, number) if value == number else _out(number, number, nonzero=True)


def _sum(a: Interval, b: Interval) -> Interval:
    low, high = a.low + b.low, a.high + b.high
    if math.isnan(low) or math.isnan(high):
        return LINE
    strict = (a.positive and b.nonnegative) or (b.positive and a.nonnegative)
    return _out(max(low, 0.0) if a.nonnegative and b.nonnegative else low, high, strict)


def _scaled(a: Interval, factor: Rational) -> Interval:
    return a if factor == 1 else _product(a, _interval_of(factor))


def _product(a: Interval, b: Interval) -> Interval:
    ends = [_times(x, y) for x in a[:2] for y in b[:2]]
    nonzero = a.is_nonzero and b.is_nonzero
    same = (a.nonnegative and b.nonnegative) or (a.high <= 0 and b.high <= 0)
    found = _out(min(ends), max(ends), nonzero)
    return Interval(max(found.low, 0.0), found.high, nonzero) if same else found


def _times(x: float, y: float) -> float:
    return 0.0 if x == 0 or y == 0 else x * y  # 0*inf: the infinite end is never taken


def _power(a: Interval, exponent: Rational) -> Interval:
    if exponent < 0:
        below = _power(a, -exponent)
        if below.positive or below.high < 0:
            low = 1 / below.high if below.high else -math.inf
            high = 1 / below.low if below.low else math.inf
            return _out(low, high, nonzero=True)
        return Interval(-math.inf, math.inf, nonzero=True)
    if type(exponent) is int:
        if exponent % 2:
            return _monotone(lambda v: _whole_power(v, exponent))(a)
        ends = [_whole_power(v, exponent) for v in a[:2]]
        low = 0.0 if a.low <= 0 <= a.high else min(ends)
        found = _out(low, max(ends), a.is_nonzero)
        return Interval(max(found.low, 0.0), found.high, found.nonzero)
    # A root has no value for a negative base, and no negative value.
    low = 0.0 if a.low <= 0 else float(a.low ** float(exponent))
    high = math.inf if a.high == math.inf else max(a.high, 0.0) ** float(exponent)
    found = _out(low, high, a.is_nonzero)
    return Interval(max(found.low, 0.0), found.high, found.nonzero)


def _whole_power(value: float, exponent: int) -> float:
    try:
        return float(value**exponent)
    except OverflowError:
        return math.inf if value > 0 or exponent % 2 == 0 else -math.inf


def _hull(a: Interval, b: Interval) -> Interval:
    return Interval(min(a.low, b.low), max(a.high, b.high), a.is_nonzero and b.is_nonzero)


def _monotone(function: Callable[[float], float]) -> Callable[[Interval], Interval]:
    def image(a: Interval) -> Interval:
        return _out(function(a.low), function(a.high), a.is_nonzero and function(0.0) == 0.0)

    return image


def _exp(value: float) -> float:
    return math.exp(value) if value < 709 else math.inf


def _log(a: Interval) -> Interval:
    low = math.log(a.low) if a.low > 0 else -math.inf
    high = math.log(a.high) if 0 < a.high < math.inf else math.inf
    return _out(low, high)


def _above(bound: float) -> Callable[[Interval], Interval]:
    return lambda a: Interval(bound, math.inf, nonzero=True)


def _exponential(a: Interval) -> Interval:
    found = _out(_exp(a.low), _exp(a.high))
    return Interval(max(found.low, 0.0), found.high, nonzero=True)


def _absolute(a: Interval) -> Interval:
    low = 0.0 if a.low <= 0 <= a.high else min(abs(a.low), abs(a.high))
    return Interval(low, max(abs(a.low), abs(a.high)), a.is_nonzero)


_FUNCTIONS: dict[str, Callable[..., Interval]] = {
    "group": lambda a: a,
    "exp": _exponential,
    "expm1": _monotone(lambda v: _exp(v) - 1 if v > 1 else math.expm1(v)),
    "log": _log,
    "cosh": _above(1.0),
    "sin": lambda a: Interval(-1.0, 1.0),
    "cos": lambda a: Interval(-1.0, 1.0),
    "tanh": _monotone(math.tanh),
    "atan": _monotone(math.atan),
    "erf": _monotone(math.erf),
    "abs": _absolute,
    "hypot": lambda a, b: Interval(0.0, math.inf, a.is_nonzero or b.is_nonzero),
    "min": lambda a, b: Interval(min(a.low, b.low), min(a.high, b.high), a.is_nonzero and b.is_nonzero),
    "max": lambda a, b: Interval(max(a.low, b.low), max(a.high, b.high), a.is_nonzero and b.is_nonzero),
    "sign": lambda a: Interval(-1.0 if a.low < 0 else 0.0, 1.0 if a.high > 0 else 0.0, a.is_nonzero),
}
