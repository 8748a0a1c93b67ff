"""Leaves of field equations: coordinates, fields, derivatives in space, values on a face, integrals.

All are symbols to every pass that works on expressions; only discretization looks inside. What a derivative
in space applies to is kept in its data and not among its arguments, since it cannot be evaluated pointwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from symnum.errors import ModelError
from symnum.rewriting.complex_parts import complex_parts, is_complex
from symnum.rewriting.derivative import derivative
from symnum.rewriting.expr import IMAGINARY, ZERO, Expr, Number, node
from symnum.rewriting.walk import leaves

_SHOWN = 60  # characters of an operand within a name


class Coordinate(NamedTuple):
    """An independent variable of space: ``low <= x <= high``; ``periodic``: both ends are one point."""

    name: str
    kind: str  # "coordinate"
    low: float
    high: float
    periodic: bool
    unit: str | None = None
    about: str | None = None


class Field(NamedTuple):
    """An unknown function of time and of ``coordinates``.

    whole: the name of the complex field that it is the real or imaginary part of, or None. faces: the
    coordinates in which it lies between cells.
    """

    name: str
    kind: str  # "field"
    coordinates: tuple[Expr, ...]
    unit: str | None = None
    about: str | None = None
    whole: str | None = None
    faces: tuple[Expr, ...] = ()


class Partial(NamedTuple):
    """The derivative of ``operand``, ``orders[k]`` times in ``coordinates[k]``.

    side: 0; -1 or 1 where a scheme takes it from the points before or behind.
    """

    name: str
    kind: str  # "partial"
    operand: Expr
    coordinates: tuple[Expr, ...]
    orders: tuple[int, ...]
    side: int = 0


class Trace(NamedTuple):
    """``operand`` where ``coordinate`` has the value ``place``."""

    name: str
    kind: str  # "trace"
    operand: Expr
    coordinate: Expr
    place: float


class Integral(NamedTuple):
    """``operand`` integrated over the whole range of each of ``coordinates``."""

    name: str
    kind: str  # "integral"
    operand: Expr
    coordinates: tuple[Expr, ...]


def _leaf(info: Coordinate | Field | Partial | Trace | Integral) -> Expr:
    return node("symbol", (), info)


def coordinate_leaf(info: Coordinate) -> Expr:
    return _leaf(info)


def field_leaf(info: Field) -> Expr:
    return _leaf(info)


def complex_field(info: Field) -> Expr:
    """The sum of two real fields, name.real + i name.imag."""
    name = info.name
    real, imaginary = (
        field_leaf(info._replace(name=f"{name}.{part}", whole=name)) for part in ("real", "imag")
    )
    return real + IMAGINARY * imaginary


def spatial_leaves(expr: Expr) -> tuple[Expr, ...]:
    """All leaves of an expression, those inside derivatives, traces and integrals included."""
    found: dict[Expr, None] = {}
    stack = [expr]
    while stack:
        for leaf in leaves(stack.pop()):
            if leaf not in found:
                found[leaf] = None
                if leaf.op == "D":
                    stack.append(leaf.args[0])
                elif leaf.kind in ("partial", "trace", "integral"):
                    stack.append(leaf.data.operand)
    return tuple(found)


def fields_of(expr: Expr) -> tuple[Expr, ...]:
    """The fields that an expression depends on."""
    return tuple(leaf for leaf in spatial_leaves(expr) if leaf.kind == "field")


def depends_on(expr: Expr, coordinate: Expr) -> bool:
    """Whether an expression varies with a coordinate, by itself or through a field."""
    for leaf in leaves(expr):
        if leaf is coordinate:
            return True
        inner = leaf.args[0] if leaf.op == "D" else leaf
        if inner.kind == "field" and coordinate in inner.data.coordinates:
            return True
        if inner.kind == "partial" and depends_on(inner.data.operand, coordinate):
            return True
        if inner.kind in ("trace", "integral"):
            info: Trace | Integral = inner.data
            removed = (info.coordinate,) if isinstance(info, Trace) else info.coordinates
            if coordinate not in removed and depends_on(info.operand, coordinate):
                return True
    return False


def partial(expr: Expr, coordinate: Expr, order: int = 1) -> Expr:
    """The derivative ``order`` times in a coordinate; of what holds no field, worked out here."""
    if not depends_on(expr, coordinate):
        raise ModelError(
            f"D({_short(expr)}, {coordinate}): {_short(expr)} does not depend on {coordinate}; "
            "a field depends on the coordinates it was declared with"
        )
    if is_complex(expr):
        return _by_parts(
            expr, lambda part: partial(part, coordinate, order) if depends_on(part, coordinate) else ZERO
        )
    if not fields_of(expr):
        for _ in range(order):
            expr = derivative(expr, coordinate)
        return expr
    if expr.kind == "partial" and expr.data.operand.kind == "field":
        inner: Partial = expr.data
        orders = dict(zip(inner.coordinates, inner.orders, strict=True))
        orders[coordinate] = orders.get(coordinate, 0) + order
        return mixed(inner.operand, orders)
    if expr.kind == "field":
        return mixed(expr, {coordinate: order})
    for _ in range(order):
        expr = mixed(expr, {coordinate: 1})
    return expr


def mixed(operand: Expr, orders: dict[Expr, int], side: int = 0) -> Expr:
    """The derivative ``orders[x]`` times in each coordinate x."""
    listed = operand.data.coordinates if operand.kind == "field" else tuple(orders)
    ordered = sorted(orders.items(), key=lambda entry: listed.index(entry[0]))
    by = ", ".join(f"{x}" if n == 1 else f"{x}, {n}" for x, n in ordered)
    name = f"D({_short(operand)}, {by})"
    return _leaf(
        Partial(name, "partial", operand, tuple(x for x, _ in ordered), tuple(n for _, n in ordered), side)
    )


def one_sided(leaf: Expr, side: int) -> Expr:
    """The same derivative, taken from the points before (-1) or behind (1)."""
    return _leaf(leaf.data._replace(side=side))


def trace(expr: Expr, coordinate: Expr, place: Number) -> Expr:
    """``expr`` where the coordinate has this value."""
    if not isinstance(coordinate, Expr) or coordinate.kind != "coordinate":
        raise ModelError(f"{_short(expr)}.at({coordinate}, {place}): the first argument is a coordinate")
    if not depends_on(expr, coordinate):
        raise ModelError(
            f"{_short(expr)}.at({coordinate}, {place}): {_short(expr)} does not depend on {coordinate}"
        )
    if is_complex(expr):
        return _by_parts(
            expr, lambda part: trace(part, coordinate, place) if depends_on(part, coordinate) else part
        )
    try:
        value = float(place)
    except TypeError as error:
        raise ModelError(f"{_short(expr)}.at({coordinate}, {place}): the place is a number") from error
    info: Coordinate = coordinate.data
    if not info.low <= value <= info.high:
        raise ModelError(
            f"{_short(expr)}.at({coordinate}, {value:g}): {coordinate} runs from {info.low:g} "
            f"to {info.high:g}"
        )
    return _leaf(Trace(f"{_short(expr)}.at({coordinate}, {value:g})", "trace", expr, coordinate, value))


def _by_parts(expr: Expr, operator: Callable[[Expr], Expr]) -> Expr:
    """A linear operator applied to real and imaginary part."""
    real, imaginary = map(operator, complex_parts(expr))
    return real + IMAGINARY * imaginary


def integral_leaf(expr: Expr, coordinates: tuple[Expr, ...]) -> Expr:
    if is_complex(expr):
        return _by_parts(expr, lambda part: ZERO if part is ZERO else integral_leaf(part, coordinates))
    by = ", ".join(map(str, coordinates))
    return _leaf(Integral(f"integral({_short(expr)}, {by})", "integral", expr, coordinates))


def _short(expr: Expr) -> str:
    text = str(expr)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
