"""Values in any precision, by mpmath: what rounding is measured against and what checks rely on."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from symnum.rewriting.expr import Expr, Rational
from symnum.rewriting.walk import postorder

DIGITS = 60
"""Enough for cancellation of forty digits in what a double is to hold."""


def precise_values(
    roots: Sequence[Expr], points: Sequence[Mapping[Expr, Any]], digits: int = DIGITS
) -> list[list[Any]]:
    """Values (mpf) of the roots at each point; nan where one is not real or not defined.

    points: leaf -> anything that mpmath takes for a number; doubles are taken exactly.
    """
    mpmath: Any = importlib.import_module("mpmath")
    functions = _functions(mpmath)
    order = list(postorder(roots))
    results = []
    with mpmath.workdps(digits):
        for point in points:
            found: dict[Expr, Any] = {}
            for expr in order:
                given = point.get(expr)
                if given is not None:
                    found[expr] = mpmath.mpf(given)
                    continue
                try:
                    value = _value(mpmath, functions, expr, [found[arg] for arg in expr.args])
                except (ZeroDivisionError, ValueError, OverflowError, TypeError):
                    value = mpmath.nan
                found[expr] = mpmath.nan if isinstance(value, mpmath.mpc) else value
            results.append([found[root] for root in roots])
    return results


def settled_values(roots: Sequence[Expr], points: Sequence[Mapping[Expr, Any]]) -> list[list[Any]]:
    """`precise_values` with as many digits as it takes until more do not change them; nan where none do.

    ``log(1 + exp(-300))`` is 0 in sixty digits.
    """
    found = []
    for point in points:
        (before,) = precise_values(roots, [point])
        for digits in (3 * DIGITS, 14 * DIGITS, 20 * DIGITS):
            (after,) = precise_values(roots, [point], digits)
            # two zeros may both be too few digits: only the last round believes them
            settled = all(
                a != a or (abs(a - b) <= abs(a) * 1e-25 and (a != 0 or digits == 20 * DIGITS))
                for a, b in zip(after, before, strict=True)
            )
            before = after
            if settled:
                break
        else:
            nan = before[0] * float("nan")
            before = [nan for _ in roots]
        found.append(before)
    return found


def _value(mpmath: Any, functions: Mapping[str, Callable[..., Any]], expr: Expr, args: list[Any]) -> Any:
    if expr.op == "number":
        return _mpf(mpmath, expr.data)
    if expr.op == "+":
        constant, coefficients = expr.data
        total = _mpf(mpmath, constant)
        for arg, coefficient in zip(args, coefficients, strict=True):
            total += _mpf(mpmath, coefficient) * arg
        return total
    if expr.op == "*":
        product = mpmath.mpf(1)
        for arg, exponent in zip(args, expr.data, strict=True):
            product *= _power(mpmath, arg, exponent)
        return product
    if expr.op == "ifelse":
        return args[1] if args[0] else args[2]
    if any(mpmath.isnan(arg) for arg in args):
        return mpmath.nan
    return functions[expr.op](*args)


def _power(mpmath: Any, base: Any, exponent: Rational) -> Any:
    if isinstance(exponent, int):
        return base**exponent
    return mpmath.nan if base < 0 else base ** _mpf(mpmath, exponent)


def _mpf(mpmath: Any, value: Rational) -> Any:
    exact = Fraction(value)
    return mpmath.mpf(exact.numerator) / exact.denominator


def _functions(mpmath: Any) -> dict[str, Callable[..., Any]]:
    own: dict[str, Callable[..., Any]] = {
        "group": lambda a: a,
        "abs": abs,
        "min": min,
        "max": max,
        "pow": lambda a, b: a**b,
        "<": lambda a, b: mpmath.mpf(a < b),
        "<=": lambda a, b: mpmath.mpf(a <= b),
        "equal": lambda a, b: mpmath.mpf(a == b),
        "and": lambda a, b: mpmath.mpf(bool(a) and bool(b)),
        "or": lambda a, b: mpmath.mpf(bool(a) or bool(b)),
        "not": lambda a: mpmath.mpf(not a),
    }
    names = (
        "sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh exp expm1 log log1p log10 erf "
        "hypot sign floor ceil"
    )
    return own | {name: getattr(mpmath, name) for name in names.split()}
