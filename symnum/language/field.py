"""What field equations are written in: coordinates of space, fields, integrals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from symnum.errors import ModelError
from symnum.language.variables import check_unit, checked_expr, checked_name
from symnum.rewriting.expr import Expr, Number, Operand
from symnum.rewriting.spatial import (
    Coordinate,
    Field,
    complex_field,
    coordinate_leaf,
    depends_on,
    field_leaf,
    integral_leaf,
)


def coordinate(
    name: str,
    low: Number,
    high: Number,
    *,
    periodic: bool = False,
    unit: str | None = None,
    about: str | None = None,
) -> Expr:
    """A coordinate of space from ``low`` to ``high``; periodic: the two ends are one point.

    >>> coordinate("x", 0, 1)
    x
    """
    what = f"coordinate {checked_name(name, 'coordinate: ')}"
    bounds = []
    for bound in (low, high):
        value = checked_expr(bound, what)
        if not value.is_number:
            raise ModelError(
                f"{what}: {value} is no number. Scale the coordinate to a fixed range: x = length * xi"
            )
        bounds.append(float(value))
    if not bounds[0] < bounds[1]:
        raise ModelError(f"{what}: {bounds[0]:g} ... {bounds[1]:g} is no range; low < high")
    check_unit(unit)
    return coordinate_leaf(Coordinate(name, "coordinate", bounds[0], bounds[1], bool(periodic), unit, about))


def field(
    name: str,
    *coordinates: Expr,
    complex: bool = False,
    faces: Expr | Iterable[Expr] = (),
    unit: str | None = None,
    about: str | None = None,
) -> Expr:
    """An unknown function of time and of coordinates: ``u = field("u", x, y)``.

    complex: ``psi = field("psi", x, complex=True)`` is the sum of two real fields, psi.real + i psi.imag;
    equations hold ``1j``, `conj`, `abs`, `real` and `imag`, and solutions give complex arrays.
    faces: coordinates in which the field lies on the faces between cells, such as the velocity that crosses
    them: ``u = field("u", x, y, faces=x)``; these coordinates take the scheme `Staggered`.
    """
    what = f"field {checked_name(name, 'field: ')}"
    check_unit(unit)
    along = _checked_coordinates(coordinates, what)
    single = isinstance(faces, (Expr, str)) or not isinstance(faces, Iterable)
    listed: tuple[Any, ...] = (faces,) if single else tuple(faces)
    across = _checked_coordinates(listed, f"{what}: faces=") if listed else ()
    for x in across:
        if x not in along:
            raise ModelError(f"{what}: faces={x}: the field does not depend on {x}")
    info = Field(name, "field", along, unit, about, None, across)
    return complex_field(info) if complex else field_leaf(info)


def fields(
    names: str, *coordinates: Expr, complex: bool = False, unit: str | None = None
) -> tuple[Expr, ...]:
    """Several fields over the same coordinates: ``u, v = fields("u v", x)``. Always a tuple."""
    listed = names.replace(",", " ").split()
    return tuple(field(name, *coordinates, complex=complex, unit=unit) for name in listed)


def integral(expr: Operand, *coordinates: Expr) -> Expr:
    """The integral over the whole range of each coordinate, by the trapezoidal rule on its grid."""
    operand = checked_expr(expr, "integral")
    by = _checked_coordinates(coordinates, f"integral({operand})")
    for x in by:
        if not depends_on(operand, x):
            raise ModelError(f"integral({operand}, {x}): {operand} does not depend on {x}")
    return integral_leaf(operand, by)


def _checked_coordinates(coordinates: Iterable[Expr], what: str) -> tuple[Expr, ...]:
    found = tuple(coordinates)
    if not found:
        raise ModelError(f'{what}: give at least one coordinate, like sn.coordinate("x", 0, 1)')
    for item in found:
        if not isinstance(item, Expr) or item.kind != "coordinate":
            raise ModelError(
                f"{what}: {item!r} is no coordinate; make one with sn.coordinate(name, low, high)"
            )
    names = [item.name for item in found]
    if len(set(names)) < len(names):
        raise ModelError(f"{what}: the coordinates {', '.join(names)} are not all different")
    return found
