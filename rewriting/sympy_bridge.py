"""SymPy in and out. SymPy is imported when a function here is called, not before."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

from symnum.errors import ModelError
from symnum.rewriting.expr import (
    ONE,
    TIME,
    ZERO,
    Expr,
    Rational,
    Symbol,
    add,
    apply,
    linear,
    multiply,
    node,
    number,
    power,
    rational,
    symbol,
)
from symnum.rewriting.operators import HALF
from symnum.rewriting.pickling import height
from symnum.rewriting.show import text
from symnum.rewriting.walk import leaves, postorder

if TYPE_CHECKING:
    import sympy

_BOOLEAN = frozenset({"<", "<=", "equal", "and", "or", "not"})


# ---- to SymPy -------------------------------------------------------------------------------------
def to_sympy(expr: Expr) -> sympy.Basic:
    """The expression as a SymPy object: leaves become symbols of the same name, without assumptions.

    Where ``D(x)`` occurs, all variables of the expression become functions of time, ``x(t)``. ``expm1``,
    ``log1p``, ``log10`` and ``hypot`` are written out. Comparisons become booleans, ``ifelse`` a Piecewise.
    Raises ModelError for nests so deep that SymPy cannot hold them.
    """
    levels = height(expr)
    try:
        if levels <= DEEPEST:
            return _sympy_form(expr)
    except RecursionError:
        pass
    raise ModelError(
        f"to_sympy: this expression is nested {levels} levels deep, and SymPy, which recurses, cannot hold "
        "it. Convert its parts one by one, or evaluate it with sn.compile."
    )


DEEPEST = 2000
"""Levels beyond which SymPy is not even asked: what it does not refuse takes it minutes."""


def _sympy_form(expr: Expr) -> sympy.Basic:
    import sympy

    time = sympy.Symbol("t")
    dynamic = any(leaf.op == "D" for leaf in leaves(expr))
    done: dict[int, sympy.Basic] = {}
    for item in postorder(expr):
        args = [done[id(arg)] for arg in item.args] if item.op != "D" else []
        if item.op == "D":
            done[id(item)] = sympy.Derivative(sympy.Function(text(item.args[0]))(time), time)
        elif item.kind == "variable" and dynamic:
            done[id(item)] = sympy.Function(item.name)(time)
        elif item.op in ("symbol", "slot"):
            done[id(item)] = sympy.Symbol(text(item))
        elif item.op == "number":
            done[id(item)] = _sympy_number(item.data)
        elif item.op == "ifelse":
            done[id(item)] = sympy.Piecewise((_value(args[1]), _truth(args[0])), (_value(args[2]), True))
        elif item.op in ("and", "or", "not"):
            done[id(item)] = sympy_function(item.op)(*map(_truth, args))
        elif item.op == "+":
            constant, coefficients = item.data
            scaled = [_sympy_number(c) * _value(a) for a, c in zip(args, coefficients, strict=True)]
            done[id(item)] = sympy.Add(_sympy_number(constant), *scaled)
        elif item.op == "*":
            done[id(item)] = sympy.Mul(
                *(_value(a) ** _sympy_number(e) for a, e in zip(args, item.data, strict=True))
            )
        else:
            done[id(item)] = sympy_function(item.op)(*map(_value, args))
    return done[id(expr)]


def _sympy_number(value: Rational) -> sympy.Rational:
    import sympy

    return sympy.Rational(value.numerator, value.denominator)


def _is_condition(value: sympy.Basic) -> bool:
    import sympy

    # to SymPy a symbol may be a number or a condition; here it is a number
    return isinstance(value, sympy.logic.boolalg.Boolean) and not isinstance(value, sympy.Symbol)


def _truth(value: sympy.Basic) -> sympy.Basic:
    """A condition: any number but 0 holds."""
    import sympy

    return value if _is_condition(value) else sympy.Ne(value, 0)


def _value(value: sympy.Basic) -> Any:
    """A number: a condition that holds is 1."""
    import sympy

    if _is_condition(value):
        return sympy.Piecewise((sympy.Integer(1), value), (sympy.Integer(0), True))
    return value


@cache
def sympy_function(op: str) -> Callable[..., sympy.Basic]:
    import sympy

    own: dict[str, Callable[..., sympy.Basic]] = {
        "expm1": lambda a: sympy.exp(a) - 1,
        "log1p": lambda a: sympy.log(1 + a),
        "log10": lambda a: sympy.log(a) / sympy.log(10),
        "hypot": lambda a, b: sympy.sqrt(a**2 + b**2),
        "abs": sympy.Abs,
        "ceil": sympy.ceiling,
        "min": sympy.Min,
        "max": sympy.Max,
        "pow": sympy.Pow,
        "group": lambda a: a,
        "<": sympy.StrictLessThan,
        "<=": sympy.LessThan,
        "equal": sympy.Eq,
        "and": sympy.And,
        "or": sympy.Or,
        "not": sympy.Not,
    }
    function: Callable[..., sympy.Basic] = own.get(op) or getattr(sympy, op)
    return function


# ---- from SymPy -----------------------------------------------------------------------------------
def from_sympy(expr: Any, symbols: Mapping[Any, Expr] | None = None) -> Expr:
    """The SymPy expression as an `Expr`.

    ``symbols`` says what a SymPy symbol or function of time stands for. Others become variables of the same
    name; the symbol ``t`` is time, ``x(t)`` the variable x and ``Derivative(x(t), t)`` its ``D(x)``. Floats
    become the shortest decimals that print them, conditions 1 or 0.

    Raises `ModelError` naming the part that has no counterpart: complex numbers, infinities, integrals,
    matrices, special functions.
    """
    from sympy import Basic, MatrixBase

    if isinstance(expr, MatrixBase) or not isinstance(expr, (Basic, int, float, Fraction)):
        raise _refuse(expr)
    known = dict(symbols or {})
    done: dict[Any, Expr] = {}
    stack = [expr]
    while stack:
        item = stack[-1]
        if item not in done:
            found = known.get(item)
            if found is None:
                found = _leaf(item, known)
            if found is None:
                parts = _parts(item)
                waiting = [part for part in parts if part not in done]
                if waiting:
                    stack.extend(reversed(waiting))
                    continue
                found = _converted(item, [done[part] for part in parts])
            done[item] = found
        stack.pop()
    return done[expr]


def _refuse(item: Any) -> ModelError:
    return ModelError(
        f"the SymPy expression `{item}` ({type(item).__name__}) has no counterpart in symnum. "
        "Rewrite it with real elementary functions (SymPy's .rewrite, .evalf or .doit may do it)."
    )


def _leaf(item: Any, known: Mapping[Any, Expr]) -> Expr | None:
    """Numbers, symbols, functions of time and their derivatives; None for everything else."""
    import sympy
    from sympy.core.function import AppliedUndef

    if isinstance(item, (bool, int, float, Fraction)):
        return number(item)
    if isinstance(item, sympy.Float):
        exact = float(item)
        if math.isfinite(exact) and item._prec <= 53:
            return number(exact)
        return number(_fraction(sympy.Rational(str(item))))
    if isinstance(item, sympy.Rational):
        if not item.is_finite:
            raise _refuse(item)
        return number(_fraction(item))
    if isinstance(item, sympy.NumberSymbol):  # pi, E, ...
        return number(float(item))
    if item is sympy.true or item is sympy.false:
        return ONE if item else ZERO
    if isinstance(item, sympy.Symbol):
        return TIME if item.name == "t" else symbol(Symbol(item.name, "variable"))
    if isinstance(item, AppliedUndef):
        _check_of_time(item, known)
        return symbol(Symbol(item.func.__name__, "variable"))
    if isinstance(item, sympy.Derivative):
        return _derivative_leaf(item, known)
    return None


def _fraction(value: Any) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def _check_of_time(item: Any, known: Mapping[Any, Expr]) -> None:
    arguments = [known.get(a, TIME if str(a) == "t" else None) for a in item.args]
    if len(arguments) != 1 or arguments[0] is not TIME:
        raise ModelError(
            f"the SymPy function `{item}` is not a function of the time t alone. "
            "Write x(t), or say what it stands for: from_sympy(expr, symbols={...})."
        )


def _derivative_leaf(item: Any, known: Mapping[Any, Expr]) -> Expr:
    from sympy.core.function import AppliedUndef

    if isinstance(item.expr, AppliedUndef) and item.derivative_count == 1:
        _check_of_time(item.expr, known)
        base = known.get(item.expr, symbol(Symbol(item.expr.func.__name__, "variable")))
        if base.kind == "variable":
            return node("D", (base,))
    raise ModelError(
        f"the SymPy derivative `{item}` is not the first time derivative of a function x(t). "
        "Call .doit() first, or introduce a variable for each lower derivative."
    )


def _parts(item: Any) -> tuple[Any, ...]:
    """What must be converted before the item itself."""
    import sympy

    if isinstance(item, sympy.Piecewise):
        return tuple(part for branch in item.args for part in branch.args)
    if not isinstance(item, (sympy.Add, sympy.Mul, sympy.Pow)) and item.func not in _functions():
        raise _refuse(item)
    return tuple(item.args)


def _converted(item: Any, args: list[Expr]) -> Expr:
    import sympy

    if isinstance(item, sympy.Add):
        return add(args)
    if isinstance(item, sympy.Mul):
        return multiply((arg, 1) for arg in args)
    if isinstance(item, sympy.Pow):
        return power(*args)
    if isinstance(item, sympy.Piecewise):
        return _piecewise(item, args)
    return _functions()[item.func](*args)


def _piecewise(item: Any, args: list[Expr]) -> Expr:
    """Nested choices; the last branch must hold always."""
    values, conditions = args[::2], args[1::2]
    if conditions[-1] is not ONE:
        raise ModelError(
            f"the SymPy expression `{item}` has no value where none of its conditions holds. "
            "End it with a branch (value, True)."
        )
    result = values[-1]
    for value, condition in zip(values[-2::-1], conditions[-2::-1], strict=True):
        result = apply("ifelse", condition, value, result)
    return result


def _chain(op: str, args: Iterable[Expr]) -> Expr:
    first, *others = args
    for arg in others:
        first = apply(op, first, arg)
    return first


def _reciprocal(op: str) -> Callable[[Expr], Expr]:
    return lambda a: multiply(((apply(op, a), -1),))


def _heaviside(a: Expr, at_zero: Expr) -> Expr:
    return apply("ifelse", a < 0, ZERO, apply("ifelse", a > 0, ONE, at_zero))


def _exclusive_or(*args: Expr) -> Expr:
    first, *others = args
    for arg in others:
        first = (first & ~arg) | (~first & arg)
    return first


@cache
def _functions() -> dict[Any, Callable[..., Expr]]:
    """What each SymPy function becomes."""
    import sympy
    from sympy.codegen import cfunctions

    def same(op: str) -> Callable[..., Expr]:
        return lambda *args: apply(op, *args)

    plain = (
        "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh",
        "atanh", "exp", "log", "sign", "floor", "erf",
    )  # fmt: skip
    table: dict[Any, Callable[..., Expr]] = {getattr(sympy, op): same(op) for op in plain}
    table |= {getattr(cfunctions, op): same(op) for op in ("expm1", "log1p", "log10", "hypot")}
    table |= {
        sympy.Abs: same("abs"),
        sympy.ceiling: same("ceil"),
        sympy.Min: lambda *args: _chain("min", args),
        sympy.Max: lambda *args: _chain("max", args),
        sympy.sec: _reciprocal("cos"),
        sympy.csc: _reciprocal("sin"),
        sympy.cot: _reciprocal("tan"),
        sympy.sech: _reciprocal("cosh"),
        sympy.csch: _reciprocal("sinh"),
        sympy.coth: _reciprocal("tanh"),
        sympy.acot: lambda a: apply("atan", 1 / a),
        sympy.asec: lambda a: apply("acos", 1 / a),
        sympy.acsc: lambda a: apply("asin", 1 / a),
        sympy.acoth: lambda a: apply("atanh", 1 / a),
        sympy.asech: lambda a: apply("acosh", 1 / a),
        sympy.acsch: lambda a: apply("asinh", 1 / a),
        sympy.erfc: lambda a: 1 - apply("erf", a),
        sympy.sinc: lambda a: apply("ifelse", apply("equal", a, ZERO), ONE, apply("sin", a) / a),
        sympy.Heaviside: _heaviside,
        sympy.Mod: lambda a, b: a - b * apply("floor", a / b),
        sympy.StrictLessThan: same("<"),
        sympy.LessThan: same("<="),
        sympy.StrictGreaterThan: lambda a, b: b < a,
        sympy.GreaterThan: lambda a, b: b <= a,
        sympy.Equality: same("equal"),
        sympy.Unequality: lambda a, b: ~apply("equal", a, b),
        sympy.And: lambda *args: _chain("and", args),
        sympy.Or: lambda *args: _chain("or", args),
        sympy.Not: same("not"),
        sympy.Xor: _exclusive_or,
        sympy.ITE: same("ifelse"),
        cfunctions.exp2: lambda a: power(number(2), a),
        cfunctions.log2: lambda a: linear(((apply("log", a), rational(1 / math.log(2))),)),
        cfunctions.Cbrt: lambda a: multiply(((a, Fraction(1, 3)),)),
        cfunctions.Sqrt: lambda a: multiply(((a, HALF),)),
        cfunctions.fma: lambda a, b, c: a * b + c,
    }
    return table
