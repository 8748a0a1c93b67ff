"""Exact derivatives by one forward sweep over the graph.

Every node carries a sparse row {leaf: partial derivative}; the row of a node follows from those of its
arguments by the chain rule. A partial that is one product (it was reached on one path only) stays an
unmultiplied chain of factors until a sum or a root asks for it: a chain of n functions then costs n steps,
not n products of growing length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from symnum.errors import LoweringError, ModelError
from symnum.rewriting.expr import (
    ONE,
    TIME,
    ZERO,
    Expr,
    Rational,
    add,
    apply,
    in_bulk,
    linear,
    multiply,
    node,
    number,
    scaled,
)
from symnum.rewriting.operators import OPERATORS
from symnum.rewriting.walk import is_leaf, leaves, postorder


class _Chain:
    """A product not yet multiplied out: ``factor`` times the rest of the chain."""

    __slots__ = ("factor", "rest", "value")

    def __init__(self, factor: Expr, rest: _Chain | Expr) -> None:
        self.factor = factor
        self.rest = rest
        self.value: Expr | None = None

    def product(self) -> Expr:
        if self.value is None:
            factors = []
            link: _Chain | Expr = self
            while isinstance(link, _Chain) and link.value is None:
                factors.append((link.factor, 1))
                link = link.rest
            factors.append((_product(link), 1))
            self.value = multiply(factors)
        return self.value


_Partial: TypeAlias = _Chain | Expr
_Row: TypeAlias = dict[Expr, _Partial]
_EMPTY: _Row = {}


def _product(partial: _Partial) -> Expr:
    return partial if partial.__class__ is Expr else partial.product()  # type: ignore[union-attr]


def derivative(expr: Expr, leaf: Expr, order: int = 1) -> Expr:
    """The partial derivative of the given order with respect to a symbol, a slot, ``t`` or ``D(x)``.

    All other leaves are held fixed; see `time_derivative` for the total derivative. Raises `ModelError` when
    ``leaf`` is no leaf.
    """
    if order < 0:
        raise ModelError(f"derivative of {expr}: the order is {order}, but it must be 0 or more")
    for _ in range(order):
        expr = gradient((expr,), (leaf,))[0].get(leaf, ZERO)
    return expr


def gradient(roots: Sequence[Expr], wrt: Iterable[Expr]) -> list[dict[Expr, Expr]]:
    """For each root the partial derivatives that are not identically zero, {leaf: derivative}.

    Rows list their leaves in the order of ``wrt``. Shared subexpressions are differentiated once.
    """
    wrt = tuple(wrt)
    for leaf in wrt:
        if not is_leaf(leaf):
            raise ModelError(
                f"derivative with respect to `{leaf}`, which is an expression. "
                "Differentiate with respect to a variable, a parameter, t or D(x)."
            )
    rank = {leaf: k for k, leaf in enumerate(wrt)}
    found = []
    with in_bulk():
        for row in _forward(roots, {leaf: {leaf: ONE} for leaf in wrt}):
            entries = [(leaf, _product(row[leaf])) for leaf in sorted(row, key=rank.__getitem__)]
            found.append({leaf: value for leaf, value in entries if value is not ZERO})
    return found


def time_derivative(expr: Expr) -> Expr:
    """The total derivative d/dt along a solution: variables become ``D(x)``, ``t`` becomes 1, parameters 0.

    Raises `LoweringError` where a second derivative of a variable would be needed.
    """
    seeds: dict[Expr, _Row] = {}
    for leaf in leaves(expr):
        if leaf is TIME:
            seeds[leaf] = {TIME: ONE}
        elif leaf.kind in ("variable", "field"):
            seeds[leaf] = {TIME: node("D", (leaf,))}
        elif leaf.op == "D":
            raise LoweringError(
                f"the time derivative of `{expr}` needs the second derivative of {leaf.args[0]}. "
                f"Introduce a variable for {leaf} and write the equation between both."
            )
        elif leaf.op == "slot":
            raise LoweringError(f"the time derivative of a template: {leaf} is no function of time")
    row = _forward((expr,), seeds)[0]
    return _product(row[TIME]) if TIME in row else ZERO


def _forward(roots: Sequence[Expr], seeds: Mapping[Expr, _Row]) -> list[_Row]:
    """The rows of the roots, given those of the leaves."""
    rows: dict[int, _Row] = {id(leaf): row for leaf, row in seeds.items()}
    # products of such leaves are most of a reaction network
    plain = {id(leaf) for leaf, row in seeds.items() if len(row) == 1 and row.get(leaf) is ONE}
    for expr in postorder(roots):
        if id(expr) not in rows:
            rows[id(expr)] = _row(expr, rows, plain) if expr.args and expr.op != "D" else _EMPTY
    return [rows[id(root)] for root in roots]


def _row(expr: Expr, rows: Mapping[int, _Row], plain: set[int]) -> _Row:
    op, args = expr.op, expr.args
    if op == "+":
        return _sum_row(expr, rows)
    varying = [k for k, arg in enumerate(args) if rows[id(arg)]]
    if not varying:
        return _EMPTY
    if op == "*":
        if all(id(args[k]) in plain for k in varying):
            return {args[k]: _reduced(expr, k) for k in varying}
        partials = [(k, _reduced(expr, k)) for k in varying]
    elif op == "ifelse":
        return _selected_row(args[0], rows[id(args[1])], rows[id(args[2])])
    elif op == "min":
        return _selected_row(apply("<=", *args), rows[id(args[0])], rows[id(args[1])])
    elif op == "max":
        return _selected_row(apply("<=", args[1], args[0]), rows[id(args[0])], rows[id(args[1])])
    else:
        known = OPERATORS[op].derivative(*args)
        partials = [(k, known[k]) for k in varying if known[k] is not ZERO]
    parts: dict[Expr, list[_Partial]] = {}
    for k, partial in partials:
        for leaf, inner in rows[id(args[k])].items():
            if partial is not ONE:
                inner = partial if inner is ONE else _Chain(partial, inner)
            parts.setdefault(leaf, []).append(inner)
    row: _Row = {}
    for leaf, found in parts.items():
        total = found[0] if len(found) == 1 else add(map(_product, found))
        if total is not ZERO:
            row[leaf] = total
    return row


def _sum_row(expr: Expr, rows: Mapping[int, _Row]) -> _Row:
    # (partial, coefficient), or a list of several of them
    parts: dict[Expr, Any] = {}
    for arg, coefficient in zip(expr.args, expr.data[1], strict=True):
        for leaf, partial in rows[id(arg)].items():
            known = parts.get(leaf)
            if known is None:
                parts[leaf] = (partial, coefficient)
            elif known.__class__ is list:
                known.append((partial, coefficient))
            else:
                parts[leaf] = [known, (partial, coefficient)]
    row: _Row = {}
    for leaf, found in parts.items():
        if found.__class__ is list:
            total = _sum([(p if p.__class__ is Expr else p.product(), c) for p, c in found])
            if total is not ZERO:
                row[leaf] = total
            continue
        partial, coefficient = found
        if coefficient != 1:
            opened = partial.__class__ is Expr
            partial = scaled(partial, coefficient) if opened else _Chain(number(coefficient), partial)
        row[leaf] = partial
    return row


def _sum(parts: list[tuple[Expr, Rational]]) -> Expr:
    """`linear`, with a short way for the most frequent sum: two different products."""
    if len(parts) == 2:
        (a, p), (b, q) = parts
        if a is not b and a.op not in _SUMMED and b.op not in _SUMMED:
            return node("+", (a, b), (0, (p, q))) if a.key < b.key else node("+", (b, a), (0, (q, p)))
    return linear(parts)


_SUMMED = frozenset({"number", "+"})


def _selected_row(condition: Expr, then: _Row, otherwise: _Row) -> _Row:
    """Derivatives of a choice are chosen too. Weighted by 1 and 0 instead, a branch that is not taken and has
    an infinite derivative (``sqrt`` at 0) would make the result nan."""
    row: _Row = {}
    for leaf in {**then, **otherwise}:
        a = _product(then[leaf]) if leaf in then else ZERO
        b = _product(otherwise[leaf]) if leaf in otherwise else ZERO
        value = apply("ifelse", condition, a, b)
        if value is not ZERO:
            row[leaf] = value
    return row


def _reduced(product: Expr, k: int) -> Expr:
    """The derivative of a product by its base k. What is left of a canonical product is canonical."""
    bases, exponents = product.args, product.data
    exponent = exponents[k]
    if exponent == 1:
        bases, exponents = bases[:k] + bases[k + 1 :], exponents[:k] + exponents[k + 1 :]
        return bases[0] if exponents == (1,) else node("*", bases, exponents)
    less = exponent - 1
    exponents = (*exponents[:k], less.numerator if less.denominator == 1 else less, *exponents[k + 1 :])
    return scaled(bases[0] if exponents == (1,) else node("*", bases, exponents), exponent)
