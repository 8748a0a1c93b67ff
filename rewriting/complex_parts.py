"""Complex expressions: the imaginary unit is a leaf, and real and imaginary part are split off.

Only field equations may hold complex quantities: what is solved are the parts. ``1j * u`` makes an expression
with the leaf `IMAGINARY`; every name stands for a real quantity, a complex field for the sum of two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from symnum.errors import ModelError
from symnum.rewriting.expr import IMAGINARY, ONE, ZERO, Expr, Operand, as_expr, linear, multiply, rebuild
from symnum.rewriting.operators import absolute, atan2, cos, cosh, exp, ifelse, log, sin, sinh, sqrt
from symnum.rewriting.walk import leaves, postorder

Parts: TypeAlias = tuple[Expr, Expr]


def is_complex(expr: Expr) -> bool:
    """Whether an expression holds the imaginary unit."""
    return IMAGINARY in leaves((expr,))


def complex_parts(expr: Expr) -> Parts:
    """(real part, imaginary part); ModelError for what has none that is known here."""
    if not is_complex(expr):
        return expr, ZERO
    found: dict[Expr, Parts] = {}
    for inner in postorder((expr,)):
        found[inner] = _parts(inner, [found[arg] for arg in inner.args] if inner.op != "D" else [])
    return found[expr]


def real(expr: Operand) -> Expr:
    """The real part."""
    return complex_parts(as_expr(expr))[0]


def imag(expr: Operand) -> Expr:
    """The imaginary part."""
    return complex_parts(as_expr(expr))[1]


def conj(expr: Operand) -> Expr:
    """The complex conjugate."""
    a, b = complex_parts(as_expr(expr))
    return a - IMAGINARY * b


def modulus_squared(a: Expr, b: Expr) -> Expr:
    """a^2 + b^2."""
    return a**2 + b**2


def _parts(expr: Expr, args: list[Parts]) -> Parts:
    if expr is IMAGINARY:
        return ZERO, ONE
    if not args or all(b is ZERO for _, b in args):
        return (expr if not args else rebuild(expr, tuple(a for a, _ in args))), ZERO
    if expr.op == "+":
        constant, coefficients = expr.data
        terms = list(zip(args, coefficients, strict=True))
        return linear([(a, c) for (a, _), c in terms], constant), linear([(b, c) for (_, b), c in terms])
    if expr.op == "*":
        total: Parts = ONE, ZERO
        for (a, b), exponent, base in zip(args, expr.data, expr.args, strict=True):
            total = _product(total, _power(a, b, exponent, base))
        return total
    rule = _RULES.get(expr.op)
    if rule is None:
        raise ModelError(f"{expr}: the real and imaginary part of {expr.op}(...) of a complex number")
    return rule(args)


def _product(x: Parts, y: Parts) -> Parts:
    (a, b), (c, d) = x, y
    if b is ZERO and d is ZERO:
        return a * c, ZERO
    return a * c - b * d, a * d + b * c


def _power(a: Expr, b: Expr, exponent: object, base: Expr) -> Parts:
    if b is ZERO:
        return multiply([(a, exponent)]), ZERO  # type: ignore[list-item]  # as the expression holds it
    if not isinstance(exponent, int):
        raise ModelError(f"({base})^({exponent}): complex numbers have whole powers only")
    total: Parts = ONE, ZERO
    for _ in range(abs(exponent)):
        total = _product(total, (a, b))
    if exponent > 0:
        return total
    size = modulus_squared(a, b) ** -exponent
    return total[0] / size, -total[1] / size


def _exp(args: list[Parts]) -> Parts:
    ((a, b),) = args
    return exp(a) * cos(b), exp(a) * sin(b)


def _sin(args: list[Parts]) -> Parts:
    ((a, b),) = args
    return sin(a) * cosh(b), cos(a) * sinh(b)


def _cos(args: list[Parts]) -> Parts:
    ((a, b),) = args
    return cos(a) * cosh(b), -sin(a) * sinh(b)


def _sinh(args: list[Parts]) -> Parts:
    ((a, b),) = args
    return sinh(a) * cos(b), cosh(a) * sin(b)


def _cosh(args: list[Parts]) -> Parts:
    ((a, b),) = args
    return cosh(a) * cos(b), sinh(a) * sin(b)


def _log(args: list[Parts]) -> Parts:
    ((a, b),) = args
    return log(modulus_squared(a, b)) / 2, atan2(b, a)


def _abs(args: list[Parts]) -> Parts:
    ((a, b),) = args
    return (absolute(b) if a is ZERO else sqrt(modulus_squared(a, b))), ZERO


def _ifelse(args: list[Parts]) -> Parts:
    (condition, imaginary), (a, b), (c, d) = args
    if imaginary is not ZERO:
        raise ModelError(f"ifelse({condition} ...): a condition is not complex")
    return ifelse(condition, a, c), ifelse(condition, b, d)


_RULES: dict[str, Callable[[list[Parts]], Parts]] = {
    "exp": _exp, "sin": _sin, "cos": _cos, "sinh": _sinh, "cosh": _cosh, "log": _log, "abs": _abs,
    "ifelse": _ifelse,
}  # fmt: skip
