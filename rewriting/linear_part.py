"""What is linear with constant coefficients in an expression of fields and their derivatives in space."""

from __future__ import annotations

from symnum.errors import SymnumError
from symnum.record import record
from symnum.rewriting.derivative import derivative
from symnum.rewriting.expr import ZERO, Expr
from symnum.rewriting.spatial import Partial, mixed, partial
from symnum.rewriting.walk import leaves, substitute


@record
class LinearPart:
    """expr == sum(terms[leaf] * leaf) + rest.

    terms: coefficients, of numbers and parameters, by field, derivative of a field in space, or derivative of
    a field in time.
    """

    terms: dict[Expr, Expr]
    rest: Expr


def linear_part(expr: Expr) -> LinearPart:
    """Split an expression around fields that are zero.

    D(3 u^2 + k u, x) gives k D(u, x) and D(3 u^2, x); u (1 - u) gives u and -u^2.
    """
    expr = _opened(expr)
    varying = [leaf for leaf in leaves((expr,)) if _varies(leaf)]
    zeros = dict.fromkeys(varying, ZERO)
    terms: dict[Expr, Expr] = {}
    for leaf in varying:
        if not _is_linear(leaf):
            continue
        slope = derivative(expr, leaf)
        try:
            (slope,) = substitute((slope,), zeros)
        except (SymnumError, ZeroDivisionError):
            continue  # not to be expanded around zero: 1/u, sqrt(u)
        if slope is not ZERO and is_constant(slope):
            terms[leaf] = slope
    rest = expr
    for leaf, coefficient in terms.items():
        rest = rest - coefficient * leaf
    return LinearPart(terms, _multiplied_out(rest) if terms else rest)


def is_constant(expr: Expr) -> bool:
    """Whether an expression holds numbers and parameters only."""
    return all(leaf.kind == "parameter" for leaf in leaves((expr,)))


def _multiplied_out(expr: Expr) -> Expr:
    """What is linear cancels in the remainder where products of sums are opened: u (1 - u) - u is -u^2."""
    from symnum.rewriting.factor import expanded

    (opened,) = expanded((expr,))
    return opened


def _opened(expr: Expr) -> Expr:
    """The expression with derivatives of composite operands split into linear terms and one of the rest."""
    mapping: dict[Expr, Expr] = {}
    for leaf in leaves((expr,)):
        if leaf.kind != "partial" or _is_linear(leaf):
            continue
        info: Partial = leaf.data
        part = linear_part(info.operand)
        total = _differentiated(part.rest, info)
        for inner, coefficient in part.terms.items():
            total = total + coefficient * _differentiated(inner, info)
        mapping[leaf] = total
    (result,) = substitute((expr,), mapping)
    return result


def _differentiated(expr: Expr, info: Partial) -> Expr:
    for x, order in zip(info.coordinates, info.orders, strict=True):
        if expr.kind == "field" or (expr.kind == "partial" and expr.data.operand.kind == "field"):
            expr = partial(expr, x, order)
        elif any(_varies(leaf) for leaf in leaves((expr,))):
            expr = mixed(expr, {x: order})
        else:
            for _ in range(order):
                expr = derivative(expr, x)
    return expr


def _is_linear(leaf: Expr) -> bool:
    """Whether a leaf is a field, or a derivative of one."""
    if leaf.kind == "partial":
        info: Partial = leaf.data
        return info.operand.kind == "field"
    inner = leaf
    while inner.op == "D":
        inner = inner.args[0]
    return inner.kind == "field"


def _varies(leaf: Expr) -> bool:
    """Whether a leaf depends on fields or other unknowns."""
    return leaf.op == "D" or leaf.kind in ("field", "partial", "trace", "integral", "variable")
