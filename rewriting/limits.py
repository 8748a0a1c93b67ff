"""Removable singularities: sin(a)/a, (1 - cos(a))/a**2 and a/expm1(a) get their limits where a is 0."""

from __future__ import annotations

from symnum.rewriting.bounds import Where, intervals
from symnum.rewriting.expr import Expr, Rational, multiply, number
from symnum.rewriting.rules.limits import SERIES, quotient
from symnum.rewriting.walk import postorder, substitute


def with_limits(expr: Expr, where: Where) -> Expr:
    """The same expression with a value also where a quotient f(a)/a stands and a is 0.

    Only where the bounds let a be 0, and not within branches of ``ifelse``: there somebody has taken care.
    """
    changed: dict[Expr, Expr] = {}
    guarded = _guarded(expr)
    for node in postorder(expr):
        if node.op == "*" and node not in guarded:
            new = _limited(node, where)
            if new is not node:
                changed[node] = new
    return substitute(expr, changed) if changed else expr


def _guarded(root: Expr) -> set[Expr]:
    """Nodes that stand in a branch of a selection."""
    found: set[Expr] = set()
    for node in postorder(root):
        if node.op == "ifelse":
            found.update(postorder(node.args[1:]))
    return found


def _limited(product: Expr, where: Where) -> Expr:
    exponents = dict(product.factors())
    for base, power in product.factors():
        if base.op not in SERIES or type(power) is not int:
            continue
        inner = base.args[0]
        parts = _parts(inner)
        known = intervals(inner, where)
        if parts is None or known[inner].is_nonzero:
            continue
        scale, inside = parts
        # f(k*b)**m over b**m is (f(k*b)/(k*b))**m * k**m, whatever k is; under b**m, k must not be 0
        over = [_opposed(exponents.get(b, 0), -e * power) for b, e in inside]
        if not any(over) or (
            power < 0 and not all(o or known[b].is_nonzero for o, (b, _) in zip(over, inside, strict=True))
        ):
            continue
        limited = quotient(base.op, inner, reciprocal=power < 0)
        rest = multiply([(product, 1), (base, -power), *((b, e * power) for b, e in inside)])
        return _limited_factor(rest, where, multiply(((limited, abs(power)), (number(scale), power))))
    return product


def _limited_factor(rest: Expr, where: Where, factor: Expr) -> Expr:
    remaining = _limited(rest, where) if rest.op == "*" else rest
    return multiply(((remaining, 1), (factor, 1)))


def _opposed(given: Rational, wanted: Rational) -> bool:
    """Whether an exponent has the sign of the wanted one and is at least as large."""
    return given <= wanted < 0 or given >= wanted > 0


def _parts(inner: Expr) -> tuple[Rational, list[tuple[Expr, Rational]]] | None:
    """Number and factors of an argument, none where it is a number."""
    if inner.op == "number":
        return None
    scale: Rational = 1
    if inner.op == "+" and len(inner.args) == 1 and not inner.constant:
        scale, inner = inner.data[1][0], inner.args[0]
    factors = list(inner.factors())
    if any(e < 0 for _, e in factors):
        return None
    return scale, factors
