"""Walks over expression graphs: order, leaves, substitution, values and cost.

Every walk keeps its own stack, so depth is bounded by memory and not by Python's recursion limit, and visits
a shared node once. ``D(x)`` is a leaf: walks do not enter it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, overload

from symnum.errors import ModelError
from symnum.rewriting.expr import TIME, Expr, Rational, in_bulk, node, rebuild
from symnum.rewriting.operators import HALF, OPERATORS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAVES = frozenset({"symbol", "slot", "D"})


def is_leaf(expr: Expr) -> bool:
    """A symbol, a slot of a template or a time derivative ``D(x)``. Numbers are not leaves."""
    return expr.op in LEAVES


def postorder(roots: Expr | Iterable[Expr], closed: Container[Expr] = ()) -> Iterator[Expr]:
    """Every distinct node once, arguments before what uses them, left to right.

    The walk does not enter nodes in ``closed``.
    """
    stack = [roots] if isinstance(roots, Expr) else [*roots]
    stack.reverse()
    seen: set[Expr] = set()
    note = seen.add
    while stack:
        expr = stack[-1]
        if expr in seen:
            stack.pop()
            continue
        args = expr.args
        if args and expr.op != "D" and expr not in closed:
            waiting: list[Expr] = []
            for arg in args:
                if arg not in seen:
                    if arg.args or waiting:
                        waiting.append(arg)
                    else:  # a leaf that nothing comes before
                        note(arg)
                        yield arg
            if waiting:
                waiting.reverse()
                stack += waiting
                continue
        stack.pop()
        note(expr)
        yield expr


def leaves(roots: Expr | Iterable[Expr]) -> tuple[Expr, ...]:
    """The distinct symbols, slots and derivatives in the order in which `postorder` meets them."""
    return tuple(expr for expr in postorder(roots) if expr.op in LEAVES)


# ---- rewriting ------------------------------------------------------------------------------------
def transform(roots: Iterable[Expr], visit: Callable[[Expr], Expr]) -> tuple[Expr, ...]:
    """Rebuild bottom-up: every node, its arguments already transformed, is replaced by ``visit(node)``.

    ``visit`` sees leaves and numbers too and returns its argument where nothing is to change.
    """
    roots = tuple(roots)
    done: dict[Expr, Expr] = {}
    for expr in postorder(roots):
        done[expr] = visit(_rebuilt(expr, done))
    return tuple(done[root] for root in roots)


def _rebuilt(expr: Expr, done: Mapping[Expr, Expr]) -> Expr:
    """The node over the finished arguments; itself when none of them changed."""
    if not expr.args or expr.op == "D":
        return expr
    changed = False
    args = []
    for arg in expr.args:
        new = done[arg]
        changed = changed or new is not arg
        args.append(new)
    return rebuild(expr, tuple(args)) if changed else expr


@overload
def substitute(roots: Expr, mapping: Mapping[Expr, Expr]) -> Expr: ...
@overload
def substitute(roots: Sequence[Expr], mapping: Mapping[Expr, Expr]) -> tuple[Expr, ...]: ...
def substitute(roots: Expr | Sequence[Expr], mapping: Mapping[Expr, Expr]) -> Expr | tuple[Expr, ...]:
    """Replace nodes (leaves or whole subexpressions) by others, all at once; results are not searched again.

    A variable is replaced as a function of time: where ``x`` becomes ``e``, ``D(x)`` becomes the time
    derivative of ``e``, unless ``D(x)`` has its own entry.
    """
    if isinstance(roots, Expr):
        return _substituted((roots,), mapping)[0]
    return _substituted(tuple(roots), mapping)


def _substituted(roots: tuple[Expr, ...], mapping: Mapping[Expr, Expr]) -> tuple[Expr, ...]:
    if not mapping:
        return roots
    done: dict[Expr, Expr] = {}
    with in_bulk():
        for expr in postorder(roots, mapping):
            new = mapping.get(expr)
            if new is None:
                new = _substituted_derivative(expr, mapping) if expr.op == "D" else _rebuilt(expr, done)
            done[expr] = new
    return tuple(done[root] for root in roots)


def _substituted_derivative(expr: Expr, mapping: Mapping[Expr, Expr]) -> Expr:
    new = mapping.get(expr.args[0])
    if new is None:
        return expr
    if new.op == "symbol" and new.kind == "variable":
        return node("D", (new,))
    from symnum.rewriting.derivative import time_derivative  # derivative.py walks too, so not at the top

    return time_derivative(new)


# ---- values ---------------------------------------------------------------------------------------
def as_float(value: Rational) -> float:
    """The nearest double; infinite where the exact number is beyond all doubles."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


@overload
def evaluate(roots: Expr, values: Mapping[Expr, float]) -> float: ...
@overload
def evaluate(roots: Sequence[Expr], values: Mapping[Expr, float]) -> tuple[float, ...]: ...
def evaluate(roots: Expr | Sequence[Expr], values: Mapping[Expr, float]) -> float | tuple[float, ...]:
    """The value in double precision, given those of the leaves (or of whole subexpressions).

    As in IEEE arithmetic nothing raises: ``1/0`` and ``exp(1000)`` are inf, ``log(-1)`` and ``0/0`` are nan.
    Raises `ModelError` for a leaf without a value.
    """
    wanted = (roots,) if isinstance(roots, Expr) else tuple(roots)
    given = {leaf: float(value) for leaf, value in values.items()}
    found: dict[Expr, float] = {}
    for expr in postorder(wanted, given):
        value = given.get(expr)
        found[expr] = _value(expr, found) if value is None else value
    return found[roots] if isinstance(roots, Expr) else tuple(found[root] for root in wanted)


def _value(expr: Expr, found: Mapping[Expr, float]) -> float:
    if expr.op == "number":
        return as_float(expr.data)
    if expr.op in LEAVES:
        raise _unknown_leaf(expr)
    args = [found[arg] for arg in expr.args]
    try:
        if expr.op == "+":
            constant, coefficients = expr.data
            total = as_float(constant)
            for arg, coefficient in zip(args, coefficients, strict=True):
                total += arg if coefficient == 1 else as_float(coefficient) * arg
            return total
        if expr.op == "*":
            top = bottom = 1.0
            for arg, exponent in zip(args, expr.data, strict=True):
                if exponent > 0:
                    top *= _power(arg, exponent)
                else:
                    bottom *= _power(arg, -exponent)
            return top / bottom
        return float(OPERATORS[expr.op].python(*args))
    except (ValueError, OverflowError, ZeroDivisionError):
        return _ieee_value(expr, args)


def _power(base: float, exponent: Rational) -> float:
    if exponent == 1:
        return base
    if exponent == 2:
        return base * base
    return math.sqrt(base) if exponent == HALF else math.pow(base, exponent)


def _ieee_value(expr: Expr, args: list[float]) -> float:
    """The same through NumPy, whose scalars follow IEEE where Python raises."""
    import numpy as np

    with np.errstate(all="ignore"):
        return float(_array_value(expr, [np.asarray(arg) for arg in args]))


@overload
def evaluate_arrays(roots: Expr, values: Mapping[Expr, NDArray[Any] | float]) -> NDArray[Any]: ...
@overload
def evaluate_arrays(
    roots: Sequence[Expr], values: Mapping[Expr, NDArray[Any] | float]
) -> tuple[NDArray[Any], ...]: ...
def evaluate_arrays(
    roots: Expr | Sequence[Expr], values: Mapping[Expr, NDArray[Any] | float]
) -> NDArray[Any] | tuple[NDArray[Any], ...]:
    """`evaluate` on arrays that broadcast together; what depends on no array comes back with shape ().

    Integers become doubles; other floating types (``longdouble``) are kept.
    """
    import numpy as np

    wanted = (roots,) if isinstance(roots, Expr) else tuple(roots)
    given = {}
    for leaf, value in values.items():
        array = np.asarray(value)
        given[leaf] = array if array.dtype.kind in "fc" else array.astype(float)
    found: dict[Expr, NDArray[Any]] = {}
    with np.errstate(all="ignore"):
        for expr in postorder(wanted, given):
            if expr in given:
                found[expr] = given[expr]
            elif expr.op in LEAVES:
                raise _unknown_leaf(expr)
            else:
                found[expr] = _array_value(expr, [found[arg] for arg in expr.args])
    return found[roots] if isinstance(roots, Expr) else tuple(found[root] for root in wanted)


def _array_value(expr: Expr, args: list[NDArray[Any]]) -> NDArray[Any]:
    import numpy as np

    if expr.op == "number":
        return np.asarray(as_float(expr.data))
    if expr.op == "+":
        constant, coefficients = expr.data
        total: NDArray[Any] = np.asarray(as_float(constant))
        for arg, coefficient in zip(args, coefficients, strict=True):
            total = total + (arg if coefficient == 1 else as_float(coefficient) * arg)
        return total
    if expr.op == "*":
        top: NDArray[Any] = np.asarray(1.0)
        bottom = top
        for arg, exponent in zip(args, expr.data, strict=True):
            if exponent > 0:
                top = top * _array_power(arg, exponent)
            else:
                bottom = bottom * _array_power(arg, -exponent)
        return np.asarray(top / bottom)
    operator = OPERATORS[expr.op]
    result = np.asarray(_numpy_function(operator.numpy)(*args))
    return result.astype(float) if operator.boolean else result


def _array_power(base: NDArray[Any], exponent: Rational) -> NDArray[Any]:
    import numpy as np

    if exponent == 1:
        return base
    powered: NDArray[Any]
    if exponent == 2:
        powered = base * base
    elif exponent == HALF:
        powered = np.sqrt(base)
    else:
        powered = np.power(base, float(exponent))
    return powered


def _numpy_function(spelling: str) -> Callable[..., NDArray[np.float64]]:
    import numpy as np

    if spelling.startswith("np."):
        function: Callable[..., NDArray[np.float64]] = getattr(np, spelling.removeprefix("np."))
    else:
        from scipy import special  # NumPy has no erf

        function = getattr(special, spelling)
    return function


def _unknown_leaf(expr: Expr) -> ModelError:
    what = "time" if expr is TIME else f"`{expr}`"
    return ModelError(f"evaluating an expression: {what} has no value. Add it to the values.")


# ---- cost -----------------------------------------------------------------------------------------
def cost(roots: Expr | Iterable[Expr], enough: float = math.inf) -> float:
    """The time of evaluating all roots together, shared nodes once, in units of one double addition. Counting
    ends where it has come to ``enough``.

    Additions, subtractions, multiplications and negations cost 1, a division 4, a square root 5, integer
    powers what repeated squaring takes; the others stand in `OPERATORS`. Leaves and numbers are free.
    """
    total = 0.0
    for expr in postorder(roots):
        total += _node_cost(expr)
        if total >= enough:
            break
    return total


def _node_cost(expr: Expr) -> float:
    if expr.op == "+":
        constant, coefficients = expr.data
        sizes = {abs(c) for c in coefficients}
        common = len(sizes) == 1 and not constant  # c*x + c*y is c*(x + y)
        scalings = (0 if sizes == {1} else 1) if common else sum(abs(c) != 1 for c in coefficients)
        operations = len(coefficients) - 1 + (constant != 0) + scalings
        negation = sizes == {1} and constant <= 0 and max(coefficients) < 0  # nothing to subtract from
        return float(operations + negation)
    if expr.op == "*":
        above = sum(exponent > 0 for exponent in expr.data)
        below = len(expr.data) - above
        powers = sum(_power_cost(abs(exponent)) for exponent in expr.data)
        return float(powers + max(above - 1, 0) + max(below - 1, 0) + (4 if below else 0))
    operator = OPERATORS.get(expr.op)
    return operator.cost if operator else 0


def _power_cost(exponent: Rational) -> float:
    if isinstance(exponent, Fraction) and exponent.denominator == 2:
        whole = exponent.numerator // 2
        return 5 + (1 + _power_cost(whole) if whole else 0)
    if isinstance(exponent, Fraction):
        return OPERATORS["pow"].cost
    return exponent.bit_length() - 1 + exponent.bit_count() - 1
