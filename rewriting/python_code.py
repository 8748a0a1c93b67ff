"""Expressions as Python functions: for values that are wanted often, one number at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from symnum.rewriting.expr import Expr, Rational
from symnum.rewriting.operators import OPERATORS
from symnum.rewriting.walk import as_float, is_leaf, postorder

__all__ = ["python_function"]

_INFIX = {"<": "<", "<=": "<=", "equal": "=="}
_SMALL = 1 << 53  # whole numbers up to here are exact as doubles


def python_function(
    expr: Expr, arguments: str, leaves: Mapping[Expr, str], scope: Mapping[str, Any] | None = None
) -> Callable[..., float]:
    """A function of ``arguments`` that gives the value of an expression.

    leaves: how each leaf is written, over the arguments and the names in ``scope``. Outside of the domain of
    an operator it raises what Python raises (ZeroDivisionError, OverflowError, ValueError), also where an
    ``ifelse`` would not take that value; `evaluate` then gives what IEEE arithmetic gives.
    """
    lines: list[str] = []
    names: dict[Expr, str] = {}
    functions: dict[str, Any] = {"power": _power, "inf": math.inf, **(scope or {})}
    for part in postorder(expr):
        if part.op == "number":
            names[part] = f"({as_float(part.value)!r})"
            continue
        text = (
            f"({leaves[part]})"
            if is_leaf(part)
            else _operation(part, [names[a] for a in part.args], functions)
        )
        names[part] = f"v{len(lines)}"
        lines.append(f"    {names[part]} = {text}")
    source = "\n".join([f"def value({arguments}):", *lines, f"    return {names[expr]}"])
    exec(compile(source, "<expression>", "exec"), functions)
    made: Callable[..., float] = functions["value"]
    return made


def _operation(part: Expr, args: list[str], functions: dict[str, Any]) -> str:
    if part.op == "+":
        constant, coefficients = part.data
        terms = [_scaled(argument, c) for argument, c in zip(args, coefficients, strict=True)]
        return " + ".join([*([repr(as_float(constant))] if constant else []), *terms])
    if part.op == "*":
        return " * ".join(_raised(argument, e) for argument, e in zip(args, part.data, strict=True))
    if part.op in _INFIX:
        return f"1.0 if {args[0]} {_INFIX[part.op]} {args[1]} else 0.0"
    if part.op == "ifelse":
        return f"{args[1]} if {args[0]} else {args[2]}"
    if part.op in ("and", "or"):
        return f"1.0 if {args[0]} {part.op} {args[1]} else 0.0"
    name = f"f_{part.op}"
    functions[name] = OPERATORS[part.op].python
    return f"{name}({', '.join(args)})"


def _scaled(argument: str, coefficient: Rational) -> str:
    return argument if coefficient == 1 else f"{as_float(coefficient)!r} * {argument}"


def _raised(argument: str, exponent: Rational) -> str:
    if exponent == 1:
        return argument
    if isinstance(exponent, int) and abs(exponent) < _SMALL:
        return f"{argument} ** {exponent}" if exponent > 0 else f"(1.0 / {argument} ** {-exponent})"
    return f"power({argument}, {as_float(exponent)!r})"


def _power(base: float, exponent: float) -> float:
    if base < 0.0:  # Python would give a complex number
        raise ValueError("a fractional power of a negative number")
    return float(base**exponent)
