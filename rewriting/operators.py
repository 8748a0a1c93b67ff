"""The primitives, one row each: arity, derivative, exact folds, cost and spelling per back end.

``+``, ``*``, ``number``, ``symbol`` and ``slot`` are built into `Expr`. ``D`` (the time derivative of an
unknown) is a leaf to everything but lowering. All others stand in `OPERATORS`; the public functions of the
same names are below.

Derivatives hold wherever they exist. At a kink (``abs(0)``, a branch of ``ifelse``) they are those of one
side. Booleans are 1 and 0.

Costs are in units of one double addition, measured on one core of an AMD Zen 5 (throughput of the scalar
libm functions under numba 0.68).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from symnum.rewriting.canonical import FOLDS
from symnum.rewriting.expr import (
    ONE,
    ZERO,
    Expr,
    Number,
    Operand,
    apply,
    as_expr,
    linear,
    multiply,
    node,
    number,
    power,
    rational,
)

HALF = rational(Fraction(1, 2))


class Operator(NamedTuple):
    """One primitive.

    ``derivative(*args)`` gives the partial derivatives with respect to each argument.
    ``python`` evaluates on floats; ``numpy`` names the vectorized function; ``llvm`` is an LLVM intrinsic
    (``llvm.…``), a libm function or ``""`` where the emitter has its own code; ``c`` is the C spelling.
    """

    arity: int
    derivative: Callable[..., tuple[Expr, ...]]
    cost: float
    python: Callable[..., float]
    numpy: str
    llvm: str
    c: str
    fold: Callable[..., Expr | None] | None = None
    boolean: bool = False


def _at_zero(value: int) -> Callable[[Expr], Expr | None]:
    return lambda a: number(value) if a is ZERO else None


def _fold_exact(function: Callable[..., int]) -> Callable[..., Expr | None]:
    """Fold when all arguments are numbers and the result is exact."""

    def fold(*args: Expr) -> Expr | None:
        return number(function(*(a.data for a in args))) if all(a.op == "number" for a in args) else None

    return fold


def _flat(*args: Expr) -> tuple[Expr, ...]:
    return (ZERO,) * len(args)


def _square(a: Expr) -> Expr:
    return multiply(((a, 2),))


def _ratio(top: Expr, bottom: Expr) -> Expr:
    return multiply(((top, 1), (bottom, -1)))


def _one_minus_square(a: Expr) -> Expr:
    return linear(((_square(a), -1),), 1)


def _fold_min(a: Expr, b: Expr) -> Expr | None:
    if a is b:
        return a
    return (a if a.data <= b.data else b) if a.op == b.op == "number" else None


def _fold_max(a: Expr, b: Expr) -> Expr | None:
    if a is b:
        return a
    return (a if a.data >= b.data else b) if a.op == b.op == "number" else None


def _fold_ifelse(condition: Expr, a: Expr, b: Expr) -> Expr | None:
    if condition.op == "number":
        return a if condition.data else b
    return a if a is b else None


def _truth(a: Expr) -> Expr | None:
    """1 or 0 of a number, a condition itself; None for what may have other values than 1 and 0."""
    if a.op == "number":
        return ONE if a.data else ZERO
    return a if a.op in _CONDITIONS else None


_CONDITIONS = frozenset({"<", "<=", "equal", "and", "or", "not"})


def _fold_and(a: Expr, b: Expr) -> Expr | None:
    if a is ZERO or b is ZERO:
        return ZERO
    if a.op == "number" or a is b:
        return _truth(b)
    return _truth(a) if b.op == "number" else None


def _fold_or(a: Expr, b: Expr) -> Expr | None:
    for one, other in ((a, b), (b, a)):
        if one is ZERO:
            return _truth(other)
        if one.op == "number":
            return ONE
    return _truth(a) if a is b else None


def _fold_not(a: Expr) -> Expr | None:
    if a.op == "number":
        return ZERO if a.data else ONE
    return _truth(a.args[0]) if a.op == "not" else None


def _fold_group(a: Expr) -> Expr | None:
    """A parenthesis is kept only where it holds sums or products apart."""
    return None if a.op in ("+", "*") else a


def _fold_atan2(y: Expr, x: Expr) -> Expr | None:
    return ZERO if y is ZERO and x.op == "number" and x.data > 0 else None


def _sign(value: Number) -> int:
    return (value > 0) - (value < 0)


def _d_pow(a: Expr, b: Expr) -> tuple[Expr, ...]:
    return b * power(a, b - 1), node("pow", (a, b)) * apply("log", a)


def _d_hypot(a: Expr, b: Expr) -> tuple[Expr, ...]:
    length = apply("hypot", a, b)
    return a / length, b / length


def _d_atan2(y: Expr, x: Expr) -> tuple[Expr, ...]:
    squared = _square(x) + _square(y)
    return x / squared, -y / squared


OPERATORS: dict[str, Operator] = {
    "sin": Operator(
        1, lambda a: (apply("cos", a),), 15, math.sin, "np.sin", "llvm.sin.f64", "sin", _at_zero(0)
    ),
    "cos": Operator(
        1, lambda a: (-apply("sin", a),), 15, math.cos, "np.cos", "llvm.cos.f64", "cos", _at_zero(1)
    ),
    "tan": Operator(
        1, lambda a: (_square(apply("tan", a)) + 1,), 18, math.tan, "np.tan", "tan", "tan", _at_zero(0)
    ),
    "asin": Operator(
        1,
        lambda a: (multiply(((_one_minus_square(a), -HALF),)),),
        15, math.asin, "np.arcsin", "asin", "asin", _at_zero(0),
    ),
    "acos": Operator(
        1,
        lambda a: (-multiply(((_one_minus_square(a), -HALF),)),),
        15, math.acos, "np.arccos", "acos", "acos",
    ),
    "atan": Operator(
        1,
        lambda a: (_ratio(ONE, _square(a) + 1),),
        15, math.atan, "np.arctan", "atan", "atan", _at_zero(0),
    ),
    "atan2": Operator(2, _d_atan2, 20, math.atan2, "np.arctan2", "atan2", "atan2", _fold_atan2),
    "sinh": Operator(
        1, lambda a: (apply("cosh", a),), 20, math.sinh, "np.sinh", "sinh", "sinh", _at_zero(0)
    ),
    "cosh": Operator(
        1, lambda a: (apply("sinh", a),), 20, math.cosh, "np.cosh", "cosh", "cosh", _at_zero(1)
    ),
    "tanh": Operator(
        1,
        lambda a: (_one_minus_square(apply("tanh", a)),),
        20, math.tanh, "np.tanh", "tanh", "tanh", _at_zero(0),
    ),
    "asinh": Operator(
        1,
        lambda a: (multiply(((_square(a) + 1, -HALF),)),),
        20, math.asinh, "np.arcsinh", "asinh", "asinh", _at_zero(0),
    ),
    "acosh": Operator(
        1,
        lambda a: (multiply(((a - 1, -HALF), (a + 1, -HALF))),),
        20, math.acosh, "np.arccosh", "acosh", "acosh",
    ),
    "atanh": Operator(
        1,
        lambda a: (_ratio(ONE, _one_minus_square(a)),),
        20, math.atanh, "np.arctanh", "atanh", "atanh", _at_zero(0),
    ),
    "exp": Operator(
        1, lambda a: (apply("exp", a),), 8, math.exp, "np.exp", "llvm.exp.f64", "exp", _at_zero(1)
    ),
    "expm1": Operator(
        1, lambda a: (apply("exp", a),), 10, math.expm1, "np.expm1", "expm1", "expm1", _at_zero(0)
    ),
    "log": Operator(
        1,
        lambda a: (_ratio(ONE, a),),
        8, math.log, "np.log", "llvm.log.f64", "log",
        lambda a: ZERO if a is ONE else None,
    ),
    "log1p": Operator(
        1,
        lambda a: (_ratio(ONE, a + 1),),
        10, math.log1p, "np.log1p", "log1p", "log1p", _at_zero(0),
    ),
    "log10": Operator(
        1,
        lambda a: (_ratio(number(1 / math.log(10)), a),),
        10, math.log10, "np.log10", "log10", "log10",
        lambda a: ZERO if a is ONE else None,
    ),
    "erf": Operator(
        1,
        lambda a: (number(2 / math.sqrt(math.pi)) * apply("exp", -_square(a)),),
        20, math.erf, "erf", "erf", "erf", _at_zero(0),
    ),
    "hypot": Operator(2, _d_hypot, 12, math.hypot, "np.hypot", "hypot", "hypot"),
    "pow": Operator(2, _d_pow, 20, math.pow, "np.power", "pow", "pow"),
    "abs": Operator(
        1,
        lambda a: (apply("sign", a),),
        1, math.fabs, "np.abs", "llvm.fabs.f64", "fabs", _fold_exact(abs),
    ),
    "sign": Operator(
        1, _flat, 2, lambda a: _sign(a) if a == a else a, "np.sign", "", "", _fold_exact(_sign)
    ),
    "floor": Operator(
        1, _flat, 1, math.floor, "np.floor", "llvm.floor.f64", "floor", _fold_exact(math.floor)
    ),
    "ceil": Operator(1, _flat, 1, math.ceil, "np.ceil", "llvm.ceil.f64", "ceil", _fold_exact(math.ceil)),
    "min": Operator(
        2,
        lambda a, b: (apply("<=", a, b), apply("<", b, a)),
        1, lambda a, b: a if a <= b or a != a else b, "np.minimum", "", "", _fold_min,
    ),
    "max": Operator(
        2,
        lambda a, b: (apply("<=", b, a), apply("<", a, b)),
        1, lambda a, b: a if a >= b or a != a else b, "np.maximum", "", "", _fold_max,
    ),
    "ifelse": Operator(
        3,
        lambda c, a, b: (ZERO, apply("ifelse", c, ONE, ZERO), apply("ifelse", c, ZERO, ONE)),
        2, lambda c, a, b: a if c else b, "np.where", "", "", _fold_ifelse,
    ),
    "<": Operator(
        2, _flat, 1, lambda a, b: float(a < b), "np.less", "", "<",
        _fold_exact(lambda a, b: int(a < b)), boolean=True,
    ),
    "<=": Operator(
        2, _flat, 1, lambda a, b: float(a <= b), "np.less_equal", "", "<=",
        _fold_exact(lambda a, b: int(a <= b)), boolean=True,
    ),
    "equal": Operator(
        2, _flat, 1, lambda a, b: float(a == b), "np.equal", "", "==",
        lambda a, b: ONE if a is b else (ZERO if a.op == b.op == "number" else None), boolean=True,
    ),
    "and": Operator(
        2, _flat, 1, lambda a, b: float(bool(a) and bool(b)), "np.logical_and", "", "&&",
        _fold_and, boolean=True,
    ),
    "or": Operator(
        2, _flat, 1, lambda a, b: float(bool(a) or bool(b)), "np.logical_or", "", "||",
        _fold_or, boolean=True,
    ),
    "not": Operator(
        1, _flat, 1, lambda a: float(not a), "np.logical_not", "", "!", _fold_not, boolean=True
    ),
    # A parenthesis: the value itself. Sums and products do not flatten through it, so that a partial sum or
    # product that several expressions share stays one node (`simplify` sets it, emitters pass it through).
    "group": Operator(1, lambda a: (ONE,), 0, float, "np.positive", "", "", _fold_group),
}  # fmt: skip
FOLDS.update({name: operator.fold for name, operator in OPERATORS.items()})


def sin(x: Operand) -> Expr:
    return apply("sin", as_expr(x))


def cos(x: Operand) -> Expr:
    return apply("cos", as_expr(x))


def tan(x: Operand) -> Expr:
    return apply("tan", as_expr(x))


def asin(x: Operand) -> Expr:
    return apply("asin", as_expr(x))


def acos(x: Operand) -> Expr:
    return apply("acos", as_expr(x))


def atan(x: Operand) -> Expr:
    return apply("atan", as_expr(x))


def atan2(y: Operand, x: Operand) -> Expr:
    """The angle of the point (x, y), in (-pi, pi]."""
    return apply("atan2", as_expr(y), as_expr(x))


def sinh(x: Operand) -> Expr:
    return apply("sinh", as_expr(x))


def cosh(x: Operand) -> Expr:
    return apply("cosh", as_expr(x))


def tanh(x: Operand) -> Expr:
    return apply("tanh", as_expr(x))


def asinh(x: Operand) -> Expr:
    return apply("asinh", as_expr(x))


def acosh(x: Operand) -> Expr:
    return apply("acosh", as_expr(x))


def atanh(x: Operand) -> Expr:
    return apply("atanh", as_expr(x))


def exp(x: Operand) -> Expr:
    return apply("exp", as_expr(x))


def expm1(x: Operand) -> Expr:
    """``exp(x) - 1`` without cancellation near 0."""
    return apply("expm1", as_expr(x))


def log(x: Operand) -> Expr:
    """The natural logarithm."""
    return apply("log", as_expr(x))


def log1p(x: Operand) -> Expr:
    """``log(1 + x)`` without cancellation near 0."""
    return apply("log1p", as_expr(x))


def log10(x: Operand) -> Expr:
    return apply("log10", as_expr(x))


def sqrt(x: Operand) -> Expr:
    """``x ** (1/2)``, exact where it is rational."""
    return multiply(((as_expr(x), HALF),))


def erf(x: Operand) -> Expr:
    return apply("erf", as_expr(x))


def hypot(x: Operand, y: Operand) -> Expr:
    """``sqrt(x**2 + y**2)`` without overflow."""
    return apply("hypot", as_expr(x), as_expr(y))


def absolute(x: Operand) -> Expr:
    return apply("abs", as_expr(x))


def sign(x: Operand) -> Expr:
    """-1, 0 or 1."""
    return apply("sign", as_expr(x))


def floor(x: Operand) -> Expr:
    return apply("floor", as_expr(x))


def ceil(x: Operand) -> Expr:
    return apply("ceil", as_expr(x))


def minimum(*xs: Operand) -> Expr:
    """The least of one or more expressions."""
    result = as_expr(xs[0])
    for x in xs[1:]:
        result = apply("min", result, as_expr(x))
    return result


def maximum(*xs: Operand) -> Expr:
    """The greatest of one or more expressions."""
    result = as_expr(xs[0])
    for x in xs[1:]:
        result = apply("max", result, as_expr(x))
    return result


def clip(x: Operand, low: Operand, high: Operand) -> Expr:
    """``x`` held between ``low`` and ``high``."""
    return minimum(maximum(x, low), high)


def ifelse(condition: Operand, then: Operand, otherwise: Operand) -> Expr:
    """``then`` where the condition holds, else ``otherwise``. Both are always defined expressions."""
    return apply("ifelse", as_expr(condition), as_expr(then), as_expr(otherwise))


def equal(a: Operand, b: Operand) -> Expr:
    """1 where both are equal, else 0 (``==`` builds an `Equation`)."""
    return apply("equal", as_expr(a), as_expr(b))
