"""NumPy's functions on expressions: ``np.sin(x)``, ``np.array([1.0, 2.0]) * x``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symnum.rewriting import operators
from symnum.rewriting.expr import Expr, as_expr


def _power(base: Expr, exponent: Expr) -> Expr:
    return base**exponent


SYMBOLIC: dict[str, Callable[..., Expr]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "true_divide": lambda a, b: a / b,
    "power": _power,
    "float_power": _power,
    "negative": lambda a: -a,
    "positive": lambda a: a,
    "square": lambda a: a**2,
    "reciprocal": lambda a: 1 / a,
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b,
    "logical_and": lambda a, b: a & b,
    "logical_or": lambda a, b: a | b,
    "logical_not": lambda a: ~a,
    "arcsin": operators.asin,
    "arccos": operators.acos,
    "arctan": operators.atan,
    "arctan2": operators.atan2,
    "arcsinh": operators.asinh,
    "arccosh": operators.acosh,
    "arctanh": operators.atanh,
    "fabs": operators.absolute,
    "fmin": operators.minimum,
    "fmax": operators.maximum,
    **{
        name: getattr(operators, name)
        for name in (
            "sin",
            "cos",
            "tan",
            "sinh",
            "cosh",
            "tanh",
            "exp",
            "expm1",
            "log",
            "log1p",
            "log10",
            "sqrt",
            "absolute",
            "sign",
            "floor",
            "ceil",
            "minimum",
            "maximum",
            "hypot",
        )
    },
}


def applied(ufunc: Any, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """``ufunc(*inputs)``, an expression, or an array of expressions where an input is an array.

    Raises TypeError for what has no symbolic counterpart, as NumPy does.
    """
    name = ufunc.__name__
    function = (lambda a, b: a == b) if name == "equal" else SYMBOLIC.get(name)
    if method != "__call__" or options or function is None:
        what = name if method == "__call__" else f"{name}.{method}"
        raise TypeError(
            f"np.{what} has no symbolic counterpart{' with options' if options and function else ''}. "
            "The functions for expressions are those of symnum: sn.sin, sn.sqrt, sn.maximum, sn.ifelse, ..."
        )
    if not any(isinstance(entry, (np.ndarray, list, tuple)) for entry in inputs):
        return function(*(entry if isinstance(entry, Expr) else as_expr(entry) for entry in inputs))
    spread = np.broadcast_arrays(*map(_array, inputs))
    result = np.empty(spread[0].shape, object)
    for place in np.ndindex(result.shape):
        result[place] = function(*(as_expr(part[place]) for part in spread))
    return result if result.ndim else result[()]


def _array(entry: Any) -> np.ndarray[Any, np.dtype[Any]]:
    if not isinstance(entry, Expr):
        return np.asarray(entry)
    single = np.empty((), object)
    single[()] = entry
    return single
