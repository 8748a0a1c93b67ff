"""Conservation laws on cells: fluxes through faces as unknowns of their own, and the cells beyond the domain."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from symnum.errors import ModelError
from symnum.language.block import GridNames, Quantities
from symnum.language.pde import Condition
from symnum.lowering.axis import Axis
from symnum.lowering.point_template import FieldGrid, Position
from symnum.lowering.stencil import Room
from symnum.rewriting.derivative import derivative
from symnum.rewriting.expr import ZERO, Expr, node
from symnum.rewriting.operators import absolute
from symnum.rewriting.spatial import Partial, fields_of
from symnum.rewriting.walk import leaves, substitute

if TYPE_CHECKING:
    from symnum.lowering.discretize import Discretizer


def is_flux(leaf: Expr, axes: Mapping[Expr, Axis]) -> bool:
    """Whether a leaf is D(F, x) of an F without derivatives, along a coordinate with cells."""
    if leaf.kind != "partial":
        return False
    info: Partial = leaf.data
    if info.orders != (1,) or not axes[info.coordinates[0]].scheme.ghosts:
        return False
    return all(inner.kind not in ("partial", "trace", "integral") for inner in leaves((info.operand,)))


def face_fluxes(build: Discretizer, residual: Expr, u: Expr) -> dict[Expr, FieldGrid]:
    """An unknown for the flux through every face, for each D(F, x) of an equation; faces count from low."""
    found = {}
    for leaf in leaves((residual,)):
        if is_flux(leaf, build.axes):
            found[leaf] = _fluxes(build, leaf, residual, u)
    return found


def _fluxes(build: Discretizer, leaf: Expr, residual: Expr, u: Expr) -> FieldGrid:
    info: Partial = leaf.data
    (x,) = info.coordinates
    grid = build.grids[u]
    axis = build.axes[x]
    what = f"{build.where}: {leaf} in {build.pde.equation_of[u]}"
    rate = derivative(residual, node("D", (u,)))
    scale = derivative(residual, leaf)
    if rate is not ZERO:
        scale = scale / rate
    if rate is ZERO or scale is ZERO or fields_of(scale):
        raise ModelError(
            f"{what} is no flux of {u}. A conservation law reads D({u}) + D(F, {x}) == ..., with a factor of "
            "D(F) that holds no field; write what depends on the fields into F, or take Central or Upwind"
        )
    speed = _speed(build, info.operand, u, x, scale, what)
    held = dict.fromkeys((u, *fields_of(info.operand)))
    for expr in (speed, *(axis.scheme.speeds or ())):
        held.update(dict.fromkeys(fields_of(expr)))
    faces = axis.n if axis.periodic else axis.n + 1
    a = grid.axes.index(axis)
    shape = tuple(faces if k == a else other.n for k, other in enumerate(grid.axes))
    number = build.count_fluxes()
    values = Quantities("variable", GridNames(f"{u.name}.flux_{number}", shape))
    build.quantities.append(values)
    index = np.indices(shape).reshape(len(shape), -1)
    count = index.shape[1]
    at = {
        other.coordinate: Position(row - (k == a), Fraction(0), Room())
        for k, (other, row) in enumerate(zip(grid.axes, index, strict=True))
    }
    template = build.template(count)

    def in_cell(expr: Expr, k: int) -> Expr:
        return template.value(expr, {**at, x: at[x].moved(Fraction(k))})

    def on_face(expr: Expr, states: Mapping[Expr, Expr]) -> Expr:
        (given,) = substitute((expr,), dict(states))
        return template.value(given, {**at, x: at[x].moved(Fraction(1, 2))})

    flux = axis.scheme.flux(in_cell, on_face, info.operand, u, tuple(held), template.value(scale, at), speed)
    build.add(template.point(values, np.arange(count)) - flux, template, lambda _: f"flux of {leaf}")
    face_axes = tuple(_faces(axis, faces) if k == a else other for k, other in enumerate(grid.axes))
    return FieldGrid(leaf, face_axes, values, None)


def _faces(axis: Axis, faces: int) -> Axis:
    """The axis of the faces of cells."""
    assert axis.step is not None
    low = axis.x[0] - axis.step / 2
    return Axis(axis.coordinate, low + axis.step * np.arange(faces), axis.periodic, axis.step, axis.scheme)


def _speed(build: Discretizer, flux: Expr, u: Expr, x: Expr, scale: Expr, what: str) -> Expr:
    """The largest wave speed: as given, or |dF/du| of a scalar law."""
    scheme = build.axes[x].scheme
    given: Expr | None = scheme.speed
    if given is not None:
        return given
    if scheme.speeds is not None:
        return ZERO
    coupled = [q for q in fields_of(flux) if q is not u and build.pde.time_order(q)]
    if coupled:
        raise ModelError(
            f"{what}: the flux couples {u} with {', '.join(map(str, coupled))}, so that its wave speed cannot be "
            f"told from it. Give it: {type(scheme).__name__}({scheme.points}, speed=...), the largest "
            "characteristic speed as an expression of the fields"
        )
    return absolute(scale * derivative(flux, u))


def ghost_rows(build: Discretizer, u: Expr, a: int, values: Quantities) -> None:
    """The cells beyond both faces of axis ``a``, layer by layer, from the condition on each face."""
    grid = build.grids[u]
    axis = grid.axes[a]
    for high in (False, True):
        (condition,) = build.pde.conditions_on(u, axis.coordinate, high)
        for layer in range(axis.ghosts):
            _ghost_layer(build, condition, grid, a, values, layer)


def _ghost_layer(
    build: Discretizer, condition: Condition, grid: FieldGrid, a: int, values: Quantities, layer: int
) -> None:
    axis = grid.axes[a]
    assert axis.step is not None
    shape = tuple(1 if k == a else other.n for k, other in enumerate(grid.axes))
    index = np.indices(shape).reshape(len(shape), -1)
    count = index.shape[1]
    mirror = np.full(count, axis.n - 1 - layer if condition.high else layer)
    beyond = np.full(count, axis.n + layer if condition.high else -1 - layer)
    template = build.template(count)
    distance = (2 * layer + 1) * axis.step * (1 if condition.high else -1)
    mapping: dict[Expr, Expr] = {}
    for leaf in leaves((condition.residual,)):
        operand = leaf.data.operand if leaf.kind == "partial" else leaf
        if operand.kind != "field" or leaf.op == "D":
            if leaf.kind == "partial":
                raise ModelError(
                    f"{build.where}: {condition.equation}: with cells a condition holds fields and their first "
                    f"derivatives in {axis.coordinate}, not {leaf}"
                )
            continue
        if leaf.kind == "partial" and leaf.data.orders != (1,):
            raise ModelError(f"{build.where}: {condition.equation}: {leaf} is no first derivative")
        other = build.grids[operand]
        if axis not in other.axes:
            continue
        b = other.axes.index(axis)
        outer, inner = (
            template.point(
                (other.values, *(of for _, of in other.ghosts)),
                other.numbers([place if k == b else _row(grid, index, axis_) for k, axis_ in enumerate(other.axes)]),
            )
            for place in (beyond, mirror)
        )
        mapping[leaf] = (outer - inner) / distance if leaf.kind == "partial" else (outer + inner) / 2
    (residual,) = substitute((condition.residual,), mapping)
    face = Position(np.full(count, axis.n if condition.high else 0), Fraction(-1, 2), Room())
    at = {
        other.coordinate: face if k == a else Position(row, Fraction(0), Room())
        for k, (other, row) in enumerate(zip(grid.axes, index, strict=True))
    }
    root = template.value(residual, at)
    build.add(root, template, lambda _: f"{condition.equation}, beyond the face")


def _row(grid: FieldGrid, index: np.ndarray, axis: Axis) -> np.ndarray:
    row: np.ndarray = index[grid.axes.index(axis)]
    return row
