"""Checking equations against the units that were given.

A symbol without a unit and a plain number fit everywhere; where a unit is known on both sides it must agree.
Time is in seconds only beside quantities that have a unit, and never as the argument of a function: a model
without units may hold sin(t) and t**2 + t.
"""

from __future__ import annotations

from fractions import Fraction

from symnum.errors import UnitError
from symnum.language.units import DIMENSIONLESS, Dimension, parse
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr
from symnum.rewriting.walk import leaves

_SAME_UNIT = ("min", "max", "hypot", "<", "<=", "equal", "atan2")
_KEEPS_UNIT = ("abs", "floor", "ceil")
_PLAIN_RESULT = ("sign", "<", "<=", "equal", "atan2", "and", "or", "not")


def check_units(equation: Equation, where: str) -> None:
    """Raise `UnitError` where terms, sides or an argument do not fit; ``where`` names the equation."""
    if not _has_units((equation.lhs, equation.rhs)):
        return
    units: dict[Expr, Dimension | None] = {}
    left, right = _unit(equation.lhs, where, units), _unit(equation.rhs, where, units)
    _agree(equation.lhs, left, equation.rhs, right, where)


def _has_units(expressions: tuple[Expr, ...]) -> bool:
    for leaf in leaves(expressions):
        symbol = leaf
        while symbol.op == "D":
            symbol = symbol.args[0]
        if symbol.op == "symbol" and symbol.data.unit is not None:
            return True
    return False


def _agree(
    a: Expr, unit_a: Dimension | None, b: Expr, unit_b: Dimension | None, where: str, *, scale: bool = True
) -> None:
    if unit_a is None or unit_b is None:
        return
    if unit_a.same(unit_b) and (not scale or unit_a.same_scale(unit_b)):
        return
    if unit_a.same(unit_b):
        factor = unit_b.scale / unit_a.scale
        advice = f"Both measure the same, in different units: write the factor {factor:g} out."
    else:
        advice = "Correct a unit=, or the equation."
    raise UnitError(f"{where}: {a} is in {unit_a}, but {b} is in {unit_b}. {advice}")


def _unit(expr: Expr, where: str, known: dict[Expr, Dimension | None]) -> Dimension | None:
    if expr not in known:
        known[expr] = _unit_of(expr, where, known)
    return known[expr]


def _unit_of(expr: Expr, where: str, known: dict[Expr, Dimension | None]) -> Dimension | None:
    if expr.op == "symbol":
        if expr.kind == "time":
            return parse("s")
        return None if expr.data.unit is None else parse(expr.data.unit)
    if expr.op == "number":
        return None
    if expr.op == "+":
        return _sum_unit(expr, where, known)
    if expr.op == "*":
        return _product_unit(expr, where, known)
    units = [_unit(arg, where, known) for arg in expr.args]
    if expr.op == "D":
        return None if units[0] is None else units[0] / parse("s")
    if expr.op in _SAME_UNIT:
        _agree(expr.args[0], units[0], expr.args[1], units[1], where)
        return DIMENSIONLESS if expr.op in _PLAIN_RESULT else units[0] or units[1]
    if expr.op == "ifelse":
        _agree(expr.args[1], units[1], expr.args[2], units[2], where)
        return units[1] or units[2]
    if expr.op in _KEEPS_UNIT:
        return units[0]
    if expr.op in _PLAIN_RESULT:
        return DIMENSIONLESS
    for arg, unit in zip(expr.args, units, strict=True):
        if unit is not None and not unit.dimensionless and _has_units((arg,)):
            raise UnitError(
                f"{where}: {expr} takes a plain number, but {arg} is in {unit}. Divide by a reference value."
            )
    return DIMENSIONLESS


def _sum_unit(expr: Expr, where: str, known: dict[Expr, Dimension | None]) -> Dimension | None:
    # a number as coefficient may convert a unit (1000*x): then only the dimension can be compared, and the
    # unit of the sum is not known
    plain = all(abs(coefficient) == 1 for _, coefficient in expr.terms())
    first: tuple[Expr, Dimension] | None = None
    for term, _ in expr.terms():
        unit = _unit(term, where, known)
        if unit is None:
            continue
        if first is None:
            first = term, unit
        else:
            _agree(first[0], first[1], term, unit, where, scale=plain)
    if first is None:
        return None
    return first[1] if plain else None


def _product_unit(expr: Expr, where: str, known: dict[Expr, Dimension | None]) -> Dimension | None:
    result = DIMENSIONLESS
    for base, exponent in expr.factors():
        unit = _unit(base, where, known)
        if unit is None:
            return None
        result = result * unit ** Fraction(exponent)
    return result
