"""What a set of expressions costs to evaluate as the emitters spell it.

The unit is one double addition (table: `operators.OPERATORS`). All roots count together and a shared node counts
once. Beyond `walk.cost` this knows two things that decide between equal formulas:

* a subexpression of ``free`` leaves only (parameters) is hoisted: it is computed once per change of the
  parameters, and so are the free terms of a sum and the free factors of a product, as one value;
* a power of the same base (``x**2``, ``sqrt(x)``) is computed once for all products that contain it.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from symnum.rewriting.expr import Expr, Rational
from symnum.rewriting.operators import OPERATORS
from symnum.rewriting.walk import is_leaf, postorder

HOISTED = 0.01
"""Weight of what is computed only when parameters change: it breaks ties, no more."""

ADDITION = MULTIPLICATION = NEGATION = 1.0
DIVISION = 4.0
SQUARE_ROOT = 5.0


def dag_cost(roots: Iterable[Expr], free: Iterable[Expr] = ()) -> float:
    """Cost of evaluating all roots together, in additions; ``free`` leaves are parameters."""
    fixed = free_nodes(tuple(roots := tuple(roots)), free)
    total = 0.0
    powers: set[tuple[int, Rational]] = set()
    for expr in postorder(roots):
        if is_leaf(expr) or expr.op == "number":
            continue
        total += node_cost(expr, fixed, powers) if expr not in fixed else HOISTED * node_cost(expr, set(), set())
    return total


def free_nodes(roots: tuple[Expr, ...], free: Iterable[Expr]) -> set[Expr]:
    """The nodes that depend on nothing but ``free`` leaves and numbers, numbers included."""
    given = set(free)
    fixed: set[Expr] = set()
    for expr in postorder(roots):
        if expr in given or expr.op == "number" or (
            not is_leaf(expr) and all(arg in fixed for arg in expr.args)
        ):
            fixed.add(expr)
    return fixed


def node_cost(expr: Expr, fixed: set[Expr], powers: set[tuple[int, Rational]]) -> float:
    """Cost of one node, its arguments given. ``powers`` collects the (base key, exponent) already paid for."""
    if expr.op == "+":
        return _sum_cost(expr, fixed)
    if expr.op == "*":
        return _product_cost(expr, fixed, powers)
    operator = OPERATORS.get(expr.op)
    return operator.cost if operator is not None else 0.0


def _sum_cost(expr: Expr, fixed: set[Expr]) -> float:
    constant, coefficients = expr.data
    moving = [abs(c) for a, c in zip(expr.args, coefficients, strict=True) if a not in fixed]
    hoisted = len(moving) < len(coefficients)
    sizes = set(moving)
    if len(sizes) == 1 and not constant and not hoisted:
        scalings = 0 if sizes == {1} else 1  # c*x + c*y is spelled c*(x + y)
    else:
        scalings = sum(size != 1 for size in moving)
    additions = len(moving) - 1 + (hoisted or bool(constant))
    # -x - y has no term to subtract from
    negation = sizes == {1} and not hoisted and constant <= 0 and max(coefficients) < 0
    return ADDITION * additions + MULTIPLICATION * scalings + (NEGATION if negation else 0.0)


def _product_cost(expr: Expr, fixed: set[Expr], powers: set[tuple[int, Rational]]) -> float:
    above = below = 0
    hoisted = False
    total = 0.0
    for base, exponent in zip(expr.args, expr.data, strict=True):
        if base in fixed:
            hoisted = True
            continue
        if exponent > 0:
            above += 1
        else:
            below += 1
        size = abs(exponent)
        if size != 1 and (base.key, size) not in powers:
            powers.add((base.key, size))
            total += power_cost(size)
    above += hoisted
    total += MULTIPLICATION * (max(above - 1, 0) + max(below - 1, 0))
    return total + (DIVISION if below else 0.0)


def power_cost(exponent: Rational) -> float:
    """Cost of ``x ** exponent`` for a positive rational exponent: squarings, square roots, or the library's pow."""
    if isinstance(exponent, Fraction):
        if exponent.denominator != 2:
            return OPERATORS["pow"].cost
        whole = exponent.numerator // 2
        return SQUARE_ROOT + (MULTIPLICATION + power_cost(whole) if whole else 0.0)
    return MULTIPLICATION * (exponent.bit_length() - 1 + exponent.bit_count() - 1)
