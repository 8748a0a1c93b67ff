"""Complex field equations as pairs of real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from symnum.rewriting.complex_parts import complex_parts, is_complex
from symnum.rewriting.derivative import derivative
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import IMAGINARY, ZERO, Expr, node
from symnum.rewriting.spatial import fields_of
from symnum.rewriting.walk import leaves, substitute


def real_equations(equations: Iterable[Equation]) -> tuple[Equation, ...]:
    """Every complex equation as two: solved for the time derivative of a complex field, or else its parts."""
    found: list[Equation] = []
    for equation in equations:
        residual = equation.lhs - equation.rhs
        if not is_complex(residual):
            found.append(equation)
            continue
        found += _solved(residual) or [part == 0 for part in complex_parts(residual) if part is not ZERO]
    return tuple(found)


def _solved(residual: Expr) -> list[Equation]:
    """D(a) == ..., D(b) == ... for a field a + i b, where the equation holds its time derivative linearly."""
    for u in fields_of(residual):
        rate = node("D", (u,))
        partner = imaginary_part(u)
        if partner is None or rate not in leaves((residual,)):
            continue
        other = node("D", (partner,))
        factor = derivative(residual, rate)
        turned = derivative(residual, other)
        same = complex_parts(turned - IMAGINARY * factor)
        if any(part is not ZERO for part in same) or _rates((factor,)):
            continue
        (rest,) = substitute((residual,), {rate: ZERO, other: ZERO})
        if _rates((rest,)):
            continue
        real, imaginary = complex_parts(-rest / factor)
        return [rate == real, other == imaginary]
    return []


def _rates(exprs: tuple[Expr, ...]) -> bool:
    """Whether a time derivative of a field is left."""
    return any(leaf.op == "D" and leaf.args[0].kind == "field" for leaf in leaves(exprs))


def imaginary_part(u: Expr) -> Expr | None:
    """The field that is the imaginary part where ``u`` is the real one, or None."""
    info = u.data
    if info.whole is None or info.name != f"{info.whole}.real":
        return None
    return node("symbol", (), info._replace(name=f"{info.whole}.imag"))


def complex_fields(fields: Iterable[Expr]) -> dict[str, Expr]:
    """{name: a + i b} of the complex fields whose parts are among ``fields``."""
    found: dict[str, Expr] = {}
    for u in fields:
        partner = imaginary_part(u)
        if partner is not None:
            found[u.data.whole] = u + IMAGINARY * partner
    return found


def real_values(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """{field: start} with complex fields replaced by their parts."""
    found: dict[Any, Any] = {}
    for key, value in values.items():
        if not isinstance(key, Expr) or not is_complex(key):
            found[key] = value
            continue
        real, imaginary = complex_parts(key)
        found[real], found[imaginary] = _start_parts(value)
    return found


def _start_parts(value: Any) -> tuple[Any, Any]:
    if isinstance(value, Expr):
        return complex_parts(value)
    if callable(value):
        function: Callable[..., Any] = value
        return (lambda *x: np.real(function(*x))), (lambda *x: np.imag(function(*x)))
    return np.real(value), np.imag(value)
