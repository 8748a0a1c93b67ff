"""Exact numbers: what a Python or NumPy number stands for, and powers that stay rational.

A float enters as the shortest decimal that prints it, which rounds back to the same float.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias

from symnum.errors import ModelError

Rational: TypeAlias = int | Fraction
Number: TypeAlias = int | float | Fraction

_BIG = 1 << 2048  # an exact power beyond this many digits is rounded to a float: nobody means them


class Ratio(Fraction):
    """A fraction that knows its hash: that of `Fraction` takes longer than all else that interning does."""

    __slots__ = ("_hash",)

    _hash: int

    def __hash__(self) -> int:  # type: ignore[override]  # the stubs say that `Complex` has none
        try:
            return self._hash
        except AttributeError:
            self._hash = super().__hash__()
            return self._hash

    def __repr__(self) -> str:
        return f"Fraction({self.numerator}, {self.denominator})"

    def __reduce__(self) -> tuple[object, tuple[int, int]]:
        return _ratio, (self.numerator, self.denominator)


@lru_cache(maxsize=1 << 14)
def _ratio(numerator: int, denominator: int) -> Ratio:
    """The same object each time, as long as it is in use: comparing it to itself is no arithmetic."""
    return Ratio(numerator, denominator)


def whole(value: Rational) -> Rational:
    """The number as nodes keep it: an integer where it is one."""
    if value.__class__ is not Fraction:
        return value
    return value.numerator if value.denominator == 1 else _ratio(value.numerator, value.denominator)


@lru_cache(maxsize=1 << 12)
def _times(a: Rational, b: Rational) -> Rational:
    return whole(a * b)


def times_number(a: Rational, b: Rational) -> Rational:
    """``a * b``. Few fractions meet in a model, and multiplying two takes longer than looking them up."""
    return a * b if a.__class__ is b.__class__ is int else _times(a, b)


@lru_cache(maxsize=1 << 12)
def one_less(value: Rational) -> Rational:
    """``value - 1``: the exponent of a derivative."""
    return whole(value - 1)


@lru_cache(maxsize=1 << 12)
def _exact(value: float) -> Rational:
    if value.is_integer() and abs(value) < 2**53:
        return int(value)
    return whole(Fraction(repr(value)))


def rational(value: Number) -> Rational:
    """The exact rational that a Python or NumPy number stands for."""
    if type(value) is int:
        return value
    if isinstance(value, Fraction):
        return whole(value)
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ModelError(
                f"{value} cannot be part of an expression. "
                "Leave the limit or the term out instead of making it infinite."
            )
        return _exact(value)
    raise TypeError(f"{value!r} is not a real number")


def number_power(base: Rational, exponent: Rational) -> Rational | None:
    """``base ** exponent`` when it is rational, else None."""
    if base == 1:
        return 1
    if base == 0:
        if exponent < 0:
            raise ModelError("division by zero while building an expression")
        return 0
    if type(exponent) is int:
        size = max(abs(base.numerator), base.denominator).bit_length() * abs(exponent)
        if size > 4096:
            return _rounded_power(base, exponent)
        return whole(Fraction(base) ** exponent)
    if base < 0:
        return None
    root = Fraction(base)
    top = _exact_root(root.numerator, exponent.denominator)
    bottom = _exact_root(root.denominator, exponent.denominator)
    if top is None or bottom is None:
        return None
    return number_power(whole(Fraction(top, bottom)), exponent.numerator)


def _rounded_power(base: Rational, exponent: int) -> Rational:
    try:
        return rational(float(base) ** exponent)
    except (OverflowError, ModelError):
        raise ModelError(
            f"{float(base):g}**{exponent} is too large for a double. Write the model in other units."
        ) from None


def _exact_root(value: int, degree: int) -> int | None:
    if value >= _BIG or degree > 64:
        return None
    guess = round(value ** (1.0 / degree)) if value < 2**900 else -1
    return next((g for g in (guess - 1, guess, guess + 1) if g >= 0 and g**degree == value), None)
