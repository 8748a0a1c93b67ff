"""What a set of expressions costs to evaluate as the emitters spell it.

The unit is one double addition (table: `operators.OPERATORS`). All roots count together and a shared node
counts once. Beyond `walk.cost` this knows two things that decide between equal formulas:

* a subexpression of ``free`` leaves only (parameters) is hoisted: it is computed once per change of the
  parameters, and so are the free terms of a sum and the free factors of a product, as one value;
* a power of the same base (``x**2``, ``sqrt(x)``) is computed once for all products that contain it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from symnum.errors import ModelError
from symnum.rewriting.expr import Expr, Rational
from symnum.rewriting.operators import HALF, OPERATORS
from symnum.rewriting.walk import is_leaf, postorder

HOISTED = 0.01
"""Weight of what is computed only when parameters change: it breaks ties, no more."""

ADDITION = MULTIPLICATION = NEGATION = 1.0
DIVISION = 4.0
SQUARE_ROOT = 5.0


class CostTable(NamedTuple):
    """Costs of one operation each on one target, in additions; ``functions`` by operator name."""

    division: float
    square_root: float
    functions: Mapping[str, float]


CPU = CostTable(DIVISION, SQUARE_ROOT, {name: operator.cost for name, operator in OPERATORS.items()})
"""The shipped table: one core of an AMD Zen 5, see `operators`."""

TARGETS = ("cpu", "native")
"""``cpu`` is the shipped table, the same everywhere; ``native`` is what
`symnum.rewriting.calibrate` has measured on this machine."""


def cost_table(target: str) -> CostTable:
    """The table of a target. ModelError for an unknown one, and for ``native`` before it was measured."""
    if target == "cpu":
        return CPU
    if target == "native":
        from symnum.rewriting.calibrate import stored

        return stored()
    known = ", ".join((*TARGETS, "accuracy"))
    raise ModelError(f"simplify: there is no target {target!r}. Choose one of {known}.")


_Power = tuple[int, Rational]  # (key of the base, exponent)


def dag_cost(roots: Iterable[Expr], free: Iterable[Expr] = (), table: CostTable = CPU) -> float:
    """Cost of evaluating all roots together, in additions; ``free`` leaves are parameters."""
    order = [*postorder(roots)]
    return ordered_cost(order, free_among(order, free), table)


def ordered_cost(order: Iterable[Expr], fixed: set[Expr], table: CostTable = CPU) -> float:
    """`dag_cost` of nodes in postorder, of which ``fixed`` are the free ones."""
    nothing: set[Expr] = set()
    total = 0.0
    powers: set[_Power] = set()
    prepared: set[_Power] = set()
    for expr in order:
        if is_leaf(expr) or expr.op == "number":
            continue
        if expr in fixed:
            total += HOISTED * node_cost(expr, nothing, prepared, table)
        else:
            total += node_cost(expr, fixed, powers, table)
    return total


def free_nodes(roots: tuple[Expr, ...], free: Iterable[Expr]) -> set[Expr]:
    """The nodes that depend on nothing but ``free`` leaves and numbers, numbers included."""
    return free_among(postorder(roots), free)


def free_among(order: Iterable[Expr], free: Iterable[Expr]) -> set[Expr]:
    """`free_nodes` of nodes in postorder."""
    given = set(free)
    fixed: set[Expr] = set()
    for expr in order:
        if expr in given or expr.op == "number" or (
            not is_leaf(expr) and all(arg in fixed for arg in expr.args)
        ):
            fixed.add(expr)
    return fixed


def node_cost(expr: Expr, fixed: set[Expr], powers: set[_Power], table: CostTable = CPU) -> float:
    """Cost of one node, its arguments given. ``powers`` collects the (base key, exponent) already paid
    for."""
    if expr.op == "+":
        return _sum_cost(expr, fixed)
    if expr.op == "*":
        return _product_cost(expr, fixed, powers, table)
    return table.functions.get(expr.op, 0.0)


def _sum_cost(expr: Expr, fixed: set[Expr]) -> float:
    constant, coefficients = expr.data
    sizes = [abs(c) for a, c in zip(expr.args, coefficients, strict=True) if a not in fixed]
    hoisted = len(sizes) < len(coefficients)
    scalings = len(set(sizes) - {1})  # a*c + b*c is spelled (a + b)*c
    additions = len(sizes) - 1 + (hoisted or bool(constant))
    # -x - y has no term to subtract from; in -2*x the sign goes into the number, in -p*x into p
    negation = not scalings and not hoisted and constant <= 0 and max(coefficients) < 0
    if negation and len(coefficients) == 1 and expr.args[0].op == "*":
        negation = not any(base in fixed and base.op != "number" for base in expr.args[0].args)
    return ADDITION * additions + MULTIPLICATION * scalings + (NEGATION if negation else 0.0)


def _product_cost(expr: Expr, fixed: set[Expr], powers: set[_Power], table: CostTable) -> float:
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
        total += _power_cost(base.key, abs(exponent), powers, table)
    above += hoisted
    total += MULTIPLICATION * (max(above - 1, 0) + max(below - 1, 0))
    return total + (table.division if below else 0.0)


def _power_cost(base: int, exponent: Rational, powers: set[_Power], table: CostTable) -> float:
    """``x ** exponent`` for a positive exponent: squarings, square roots, or the library's pow."""
    if exponent == 1 or (base, exponent) in powers:
        return 0.0
    powers.add((base, exponent))
    if isinstance(exponent, Fraction):
        if exponent.denominator != 2:
            return table.functions["pow"]
        root = _power_cost(base, HALF, powers, table) if exponent != HALF else table.square_root
        whole = exponent.numerator // 2
        return root + (MULTIPLICATION + _power_cost(base, whole, powers, table) if whole else 0.0)
    highest = 1 << (exponent.bit_length() - 1)
    if exponent == highest:
        return MULTIPLICATION + _power_cost(base, exponent // 2, powers, table)
    parts = (highest, exponent - highest)
    return MULTIPLICATION + sum(_power_cost(base, part, powers, table) for part in parts)
