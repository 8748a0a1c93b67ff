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
from symnum.rewriting.canonical import multiplied
from symnum.rewriting.expr import (
    ONE,
    TIME,
    ZERO,
    Expr,
    Rational,
    apply,
    in_bulk,
    linear,
    node,
    scaled,
)
from symnum.rewriting.operators import OPERATORS
from symnum.rewriting.rational import one_less, times_number
from symnum.rewriting.walk import LEAVES, leaves, postorder


class _Chain:
    """A product not yet multiplied out: ``factor`` times the rest of the chain.

    A factor that is the rest of a product, or a number, is (coefficient, bases, exponents): most never become
    nodes of their own.
    """

    __slots__ = ("factor", "rest", "scale", "value")

    def __init__(self, factor: Expr | _Factors, rest: _Chain | Expr) -> None:
        self.factor = factor
        self.rest = rest
        self.value: Expr | None = None
        self.scale: Rational = 1

    def term(self) -> tuple[Expr, Rational]:
        """The product, without its coefficient, and that."""
        if self.value is None and self.rest is ONE and isinstance(self.factor, tuple) and self.factor[1]:
            self.scale, bases, exponents = self.factor  # canonical, as the product was
            self.value = bases[0] if exponents == (1,) else node("*", bases, exponents)
        elif self.value is None:
            factors: list[tuple[Expr, Rational]] = []
            scale: Rational = 1
            link: _Chain | Expr = self
            while isinstance(link, _Chain) and link.value is None:
                factor = link.factor
                if isinstance(factor, tuple):
                    scale = times_number(scale, factor[0])
                    factors += zip(factor[1], factor[2], strict=True)
                else:
                    factors.append((factor, 1))
                link = link.rest
            last, other = _term(link)
            scale = times_number(scale, other)
            if factors:
                factors.append((last, 1))
                self.value, self.scale = multiplied(factors, scale)
            else:
                self.value, self.scale = last, scale
        return self.value, self.scale


_Factors: TypeAlias = tuple[Rational, tuple[Expr, ...], tuple[Rational, ...]]
_Partial: TypeAlias = _Chain | Expr
_Row: TypeAlias = dict[Expr, _Partial]
_EMPTY: _Row = {}

_FEW = 12  # leaves up to which looking for each in a row is faster than sorting the row


def _term(partial: _Partial) -> tuple[Expr, Rational]:
    return partial.term() if isinstance(partial, _Chain) else (partial, 1)


def _product(partial: _Partial) -> Expr:
    if isinstance(partial, _Chain):
        product, scale = partial.term()
        return product if scale == 1 else scaled(product, scale)
    return partial


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
        if leaf.op not in LEAVES:
            raise ModelError(
                f"derivative with respect to `{leaf}`, which is an expression. "
                "Differentiate with respect to a variable, a parameter, t or D(x)."
            )
    seeds: dict[Expr, _Row] = {leaf: {leaf: ONE} for leaf in wrt}
    rank = {leaf: k for k, leaf in enumerate(wrt)} if len(wrt) > _FEW else {}
    found = []
    with in_bulk():
        for row in _forward(roots, seeds):
            entries: dict[Expr, Expr] = {}
            for leaf in sorted(row, key=rank.__getitem__) if rank else [leaf for leaf in wrt if leaf in row]:
                value = _product(row[leaf])
                if value is not ZERO:
                    entries[leaf] = value
            found.append(entries)
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


def _forward(roots: Sequence[Expr], rows: dict[Expr, _Row]) -> list[_Row]:
    """The rows of the roots, given those of the leaves, to which all others are added."""
    for expr in postorder(roots):
        if expr not in rows:
            rows[expr] = _row(expr, rows) if expr.args and expr.op != "D" else _EMPTY
    return [rows[root] for root in roots]


def _row(expr: Expr, rows: Mapping[Expr, _Row]) -> _Row:
    op, args = expr.op, expr.args
    if op == "*":
        varying = [k for k, arg in enumerate(args) if rows[arg]]
        for k in varying:
            if args[k] not in rows[args[k]]:
                break
        else:  # a product of leaves, as most are in a reaction network
            return {args[k]: _reduced(expr, k) for k in varying}
        parts = [_times_rest(expr, k, rows[args[k]]) for k in varying]
        return parts[0] if len(parts) == 1 else _merged(parts)
    if op == "+":
        return _sum_row(expr, rows)
    if len(args) == 1:
        inner = rows[args[0]]
        return _chained(OPERATORS[op].derivative(args[0])[0], inner) if inner else _EMPTY
    inner_rows = [rows[arg] for arg in args]
    if not any(inner_rows):
        return _EMPTY
    if op == "ifelse":
        return _selected_row(args[0], inner_rows[1], inner_rows[2])
    if op == "min":
        return _selected_row(apply("<=", *args), *inner_rows)
    if op == "max":
        return _selected_row(apply("<=", args[1], args[0]), *inner_rows)
    partials = OPERATORS[op].derivative(*args)
    return _merged([_chained(p, inner) for p, inner in zip(partials, inner_rows, strict=True) if inner])


def _chained(partial: Expr, inner: _Row) -> _Row:
    """The row of a function of one varying argument."""
    if partial is ONE:
        return inner
    if partial is ZERO:
        return _EMPTY
    return {leaf: partial if link is ONE else _Chain(partial, link) for leaf, link in inner.items()}


def _times_rest(product: Expr, k: int, inner: _Row) -> _Row:
    """The row that the base k of a product, with this row, contributes to that of the product."""
    rest = _rest(product, k)
    if rest[0] != 1:
        return {leaf: _Chain(rest, link) for leaf, link in inner.items()}
    return {
        leaf: _reduced(product, k) if link is ONE else _Chain(rest, link) for leaf, link in inner.items()
    }


def _merged(parts: list[_Row]) -> _Row:
    """The sum of rows."""
    row: _Row = {}
    several: dict[Expr, list[_Partial]] = {}
    for part in parts:
        for leaf, partial in part.items():
            if leaf not in row:
                row[leaf] = partial
            elif leaf in several:
                several[leaf].append(partial)
            else:
                several[leaf] = [row[leaf], partial]
    for leaf, found in several.items():
        total = linear([_term(partial) for partial in found])
        if total is ZERO:
            del row[leaf]
        else:
            row[leaf] = total
    return row


def _sum_row(expr: Expr, rows: Mapping[Expr, _Row]) -> _Row:
    if len(expr.args) == 1:
        return _scaled_row(rows[expr.args[0]], expr.data[1][0])
    # (partial, coefficient), or a list of several of them
    parts: dict[Expr, Any] = {}
    for arg, coefficient in zip(expr.args, expr.data[1], strict=True):
        for leaf, partial in rows[arg].items():
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
            total = _sum([_scaled_term(p, c) for p, c in found])
            if total is not ZERO:
                row[leaf] = total
        else:
            partial, coefficient = found
            row[leaf] = partial if coefficient == 1 else _Chain((coefficient, (), ()), partial)
    return row


def _scaled_term(partial: _Partial, coefficient: Rational) -> tuple[Expr, Rational]:
    if isinstance(partial, _Chain):
        product, scale = partial.term()
        return product, times_number(scale, coefficient)
    return partial, coefficient


def _scaled_row(row: _Row, coefficient: Rational) -> _Row:
    if coefficient == 1:
        return row
    factor = (coefficient, (), ())
    return {leaf: _Chain(factor, partial) for leaf, partial in row.items()}


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
    coefficient, bases, exponents = _rest(product, k)
    left = bases[0] if exponents == (1,) else node("*", bases, exponents)
    return left if coefficient == 1 else scaled(left, coefficient)


def _rest(product: Expr, k: int) -> _Factors:
    """The derivative of a product by its base k, as factors."""
    bases, exponents = product.args, product.data
    exponent = exponents[k]
    if exponent == 1:
        return 1, bases[:k] + bases[k + 1 :], exponents[:k] + exponents[k + 1 :]
    return exponent, bases, (*exponents[:k], one_less(exponent), *exponents[k + 1 :])
