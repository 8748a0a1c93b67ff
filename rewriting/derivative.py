"""Exact derivatives by one forward sweep over the graph.

Every node carries a sparse row {leaf: partial derivative}; the row of a node follows from those of its
arguments by the chain rule. A partial that is one product (it was reached on one path only) stays an
unmultiplied chain of factors until a sum or a root asks for it: a chain of n functions then costs n steps,
not n products of growing length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from symnum.errors import LoweringError, ModelError
from symnum.rewriting.expr import ONE, TIME, ZERO, Expr, Rational, apply, linear, multiply, node, number
from symnum.rewriting.operators import OPERATORS
from symnum.rewriting.walk import is_leaf, leaves, postorder


class _Chain:
    """A product not yet multiplied out: ``factor`` times the rest of the chain."""

    __slots__ = ("factor", "rest", "value")

    def __init__(self, factor: Expr, rest: _Chain | None = None) -> None:
        self.factor = factor
        self.rest = rest
        self.value = factor if rest is None else None

    def product(self) -> Expr:
        if self.value is None:
            factors = []
            link: _Chain | None = self
            while link is not None:
                if link.value is not None:
                    factors.append((link.value, 1))
                    break
                factors.append((link.factor, 1))
                link = link.rest
            self.value = multiply(factors)
        return self.value


_Row = dict[Expr, _Chain]
_EMPTY: _Row = {}


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
    rows = _forward(roots, {leaf: {leaf: _Chain(ONE)} for leaf in wrt})
    found = []
    for row in rows:
        entries = [(leaf, row[leaf].product()) for leaf in sorted(row, key=rank.__getitem__)]
        found.append({leaf: value for leaf, value in entries if value is not ZERO})
    return found


def time_derivative(expr: Expr) -> Expr:
    """The total derivative d/dt along a solution: variables become ``D(x)``, ``t`` becomes 1, parameters 0.

    Raises `LoweringError` where a second derivative of a variable would be needed.
    """
    seeds: dict[Expr, _Row] = {}
    for leaf in leaves(expr):
        if leaf is TIME:
            seeds[leaf] = {TIME: _Chain(ONE)}
        elif leaf.kind == "variable":
            seeds[leaf] = {TIME: _Chain(node("D", (leaf,)))}
        elif leaf.op == "D":
            raise LoweringError(
                f"the time derivative of `{expr}` needs the second derivative of {leaf.args[0]}. "
                f"Introduce a variable for {leaf} and write the equation between both."
            )
        elif leaf.op == "slot":
            raise LoweringError(f"the time derivative of a template: {leaf} is no function of time")
    row = _forward((expr,), seeds)[0]
    return row[TIME].product() if TIME in row else ZERO


def _forward(roots: Sequence[Expr], seeds: Mapping[Expr, _Row]) -> list[_Row]:
    """The rows of the roots, given those of the leaves."""
    rows: dict[int, _Row] = {id(leaf): row for leaf, row in seeds.items()}
    for expr in postorder(roots):
        if id(expr) not in rows:
            rows[id(expr)] = _row(expr, rows) if expr.args and expr.op != "D" else _EMPTY
    return [rows[id(root)] for root in roots]


def _row(expr: Expr, rows: Mapping[int, _Row]) -> _Row:
    args = expr.args
    if not any(rows[id(arg)] for arg in args):
        return _EMPTY
    if expr.op == "ifelse":
        return _selected_row(args[0], rows[id(args[1])], rows[id(args[2])])
    if expr.op == "min":
        return _selected_row(apply("<=", *args), rows[id(args[0])], rows[id(args[1])])
    if expr.op == "max":
        return _selected_row(apply("<=", args[1], args[0]), rows[id(args[0])], rows[id(args[1])])
    if expr.op == "*" and all(not rows[id(arg)] or _is_seed(arg, rows[id(arg)]) for arg in args):
        return {arg: _Chain(_reduced(expr, k)) for k, arg in enumerate(args) if rows[id(arg)]}
    parts: dict[Expr, list[tuple[_Chain, Rational]]] = {}
    if expr.op == "+":
        for arg, coefficient in zip(args, expr.data[1], strict=True):
            for leaf, chain in rows[id(arg)].items():
                parts.setdefault(leaf, []).append((chain, coefficient))
    else:
        for position, partial in _partials(expr, rows):
            for leaf, chain in rows[id(args[position])].items():
                if partial is not ONE:
                    chain = _Chain(partial, None if chain.value is ONE else chain)
                parts.setdefault(leaf, []).append((chain, 1))
    row = {}
    for leaf, found in parts.items():
        chain, coefficient = found[0]
        if len(found) > 1:
            total = linear((chain.product(), coefficient) for chain, coefficient in found)
            if total is not ZERO:
                row[leaf] = _Chain(total)
        else:
            if coefficient != 1:
                known = chain.value is not None
                chain = (
                    _Chain(linear(((chain.product(), coefficient),)))
                    if known
                    else _Chain(number(coefficient), chain)
                )
            row[leaf] = chain
    return row


def _is_seed(leaf: Expr, row: _Row) -> bool:
    """Whether the row is that of a leaf by itself: products of leaves are most of a reaction network."""
    chain = row.get(leaf)
    return chain is not None and chain.value is ONE and len(row) == 1


def _selected_row(condition: Expr, then: _Row, otherwise: _Row) -> _Row:
    """Derivatives of a choice are chosen too. Weighted by 1 and 0 instead, a branch that is not taken and has
    an infinite derivative (``sqrt`` at 0) would make the result nan."""
    row = {}
    for leaf in {**then, **otherwise}:
        a = then[leaf].product() if leaf in then else ZERO
        b = otherwise[leaf].product() if leaf in otherwise else ZERO
        value = apply("ifelse", condition, a, b)
        if value is not ZERO:
            row[leaf] = _Chain(value)
    return row


def _partials(expr: Expr, rows: Mapping[int, _Row]) -> Iterator[tuple[int, Expr]]:
    """(argument position, partial derivative with respect to it) of anything but a sum, where it varies."""
    varying = [k for k, arg in enumerate(expr.args) if rows[id(arg)]]
    if expr.op == "*":
        for k in varying:
            yield k, _reduced(expr, k)
    else:
        partials = OPERATORS[expr.op].derivative(*expr.args)
        for k in varying:
            if partials[k] is not ZERO:
                yield k, partials[k]


def _reduced(product: Expr, k: int) -> Expr:
    """The derivative of a product by its base k. What is left of a canonical product is canonical."""
    bases, exponents = product.args, product.data
    exponent = exponents[k]
    if exponent == 1:
        bases, exponents = bases[:k] + bases[k + 1 :], exponents[:k] + exponents[k + 1 :]
    else:
        exponents = (*exponents[:k], _less_one(exponent), *exponents[k + 1 :])
    reduced = bases[0] if exponents == (1,) else node("*", bases, exponents)
    return reduced if exponent == 1 else linear(((reduced, exponent),))


def _less_one(exponent: Rational) -> Rational:
    less = exponent - 1
    return less.numerator if less.denominator == 1 else less
