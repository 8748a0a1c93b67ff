"""Conservation laws on cells: fluxes through faces as unknowns, and the cells beyond the domain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from symnum.errors import ModelError
from symnum.language.block import GridNames, Quantities
from symnum.language.pde import Condition
from symnum.lowering.axis import Axis, is_staggered
from symnum.lowering.point_template import FieldGrid, Position
from symnum.lowering.stencil import Room
from symnum.rewriting.derivative import derivative
from symnum.rewriting.expr import ZERO, Expr, node
from symnum.rewriting.operators import absolute
from symnum.rewriting.spatial import Field, Partial, field_leaf, fields_of
from symnum.rewriting.walk import leaves, substitute

if TYPE_CHECKING:
    from symnum.lowering.discretize import Discretizer


def is_flux(leaf: Expr, axes: Mapping[Expr, Axis]) -> bool:
    """Whether a leaf is D(F, x) of an F without derivatives, along a coordinate with cells."""
    if leaf.kind != "partial":
        return False
    info: Partial = leaf.data
    axis = axes[info.coordinates[0]]
    if info.orders != (1,) or not axis.scheme.ghosts or is_staggered(axis):
        return False
    return all(inner.kind not in ("partial", "trace", "integral") for inner in leaves((info.operand,)))


def face_fluxes(build: Discretizer, residual: Expr, u: Expr) -> dict[Expr, FieldGrid]:
    """An unknown for the flux through every face, for each D(F, x) of an equation; faces count from low."""
    leaves_ = [leaf for leaf in leaves((residual,)) if is_flux(leaf, build.axes)]
    return {leaf: _fluxes(build, leaf, residual, u, number) for number, leaf in enumerate(leaves_)}


def _fluxes(build: Discretizer, leaf: Expr, residual: Expr, u: Expr, number: int) -> FieldGrid:
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
    faces = _Faces(build, grid, axis)
    flux = axis.scheme.flux(
        faces, info.operand, u, tuple(held), faces.template.value(scale, faces.before), speed
    )
    name = f"{u.name}.flux_{x.name}_{number}"
    values = faces.stored(name, flux, f"flux of {leaf}", name)
    return FieldGrid(leaf, faces.axes, values, None)


class _Faces:
    """All faces of a grid across one axis, in one template; see `conservation.Faces`."""

    def __init__(self, build: Discretizer, grid: FieldGrid, axis: Axis) -> None:
        self.build, self.grid, self.axis = build, grid, axis
        count = axis.n if axis.periodic else axis.n + 1
        self.axes = tuple(_across(axis, count) if other is axis else other for other in grid.axes)
        self.shape = tuple(other.n for other in self.axes)
        index = np.indices(self.shape).reshape(len(self.shape), -1)
        self.before = {
            other.coordinate: Position(row - (other is axis), Fraction(0), Room())
            for other, row in zip(grid.axes, index, strict=True)
        }
        self.template = build.template(index.shape[1])

    def at(self, expr: Expr, k: int) -> Expr:
        return self.template.value(expr, self._moved(Fraction(k)))

    def on_face(self, expr: Expr, states: Mapping[Expr, Expr]) -> Expr:
        (given,) = substitute((expr,), dict(states))
        return self.template.value(given, self._moved(Fraction(1, 2)))

    def in_cells(self, expr: Expr) -> Expr:
        if not fields_of(expr) or expr.kind == "field":
            return expr
        return self.build.cell_values(expr, self.grid, self.axis)

    def kept(self, key: object, value: Callable[[_Faces], Expr]) -> Expr:
        known, whole = self.build.face_values, (key, self.axis.coordinate)
        if whole not in known:
            other = _Faces(self.build, self.grid, self.axis)
            name = f"face_{len(known)}"
            known[whole] = other.stored(name, value(other), f"{name} in {self.axis.coordinate}", name)
        return self.template.point(known[whole], np.arange(self.template.count))

    def stored(self, name: str, value: Expr, label: str, group: str) -> Quantities:
        """Unknowns over all faces that equal ``value``."""
        unknowns = Quantities("variable", GridNames(name, self.shape))
        self.build.quantities.append(unknowns)
        here = self.template.point(unknowns, np.arange(self.template.count))
        self.build.add(here - value, self.template, lambda _: label, group)
        return unknowns

    def _moved(self, place: Fraction) -> dict[Expr, Position]:
        x = self.axis.coordinate
        return {**self.before, x: self.before[x].moved(place)}


def _across(axis: Axis, count: int) -> Axis:
    """The axis of the faces between cells."""
    assert axis.step is not None
    low = axis.x[0] - axis.step / 2
    return Axis(axis.coordinate, low + axis.step * np.arange(count), axis.periodic, axis.step, axis.scheme)


def cell_values(build: Discretizer, expr: Expr, grid: FieldGrid, axis: Axis) -> Expr:
    """A field that holds an expression in every cell, those beyond the faces of an axis included."""
    number = len(build.cell_fields)
    name = f"cell_{number}"
    leaf = field_leaf(Field(name, "field", tuple(other.coordinate for other in grid.axes)))
    values = Quantities("variable", GridNames(name, grid.shape))
    a = grid.axes.index(axis)
    ghosts: tuple[tuple[int, Quantities], ...] = ()
    if axis.ghosts:
        ghosts = (
            (a, Quantities("variable", GridNames(f"{name}.beyond_{axis.coordinate}", grid.ghost_shape(a)))),
        )
    build.quantities += [values, *(of for _, of in ghosts)]
    made = FieldGrid(leaf, grid.axes, values, None, ghosts)
    build.grids[leaf] = made
    parts: list[tuple[Quantities, np.ndarray]] = [
        (values, np.indices(grid.shape).reshape(len(grid.shape), -1))
    ]
    for _, of in ghosts:
        index = np.indices(grid.ghost_shape(a)).reshape(len(grid.shape), -1)
        layer = index[a]
        index[a] = np.where(layer < axis.ghosts, layer - axis.ghosts, layer - axis.ghosts + axis.n)
        parts.append((of, index))
    for of, index in parts:
        template = build.template(index.shape[1])
        at = {
            other.coordinate: Position(row, Fraction(0), Room())
            for other, row in zip(grid.axes, index, strict=True)
        }
        root = template.point(of, np.arange(index.shape[1])) - template.value(expr, at)
        build.add(root, template, lambda _: f"value of {expr} in a cell", name)
    return leaf


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
            f"{what}: the flux couples {u} with {', '.join(map(str, coupled))}, so that its wave speed "
            f"cannot be told from it. Give it: {type(scheme).__name__}({scheme.points}, speed=...), the "
            "largest characteristic speed as an expression of the fields"
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
                    f"{build.where}: {condition.equation}: with cells a condition holds fields and their "
                    f"first derivatives in {axis.coordinate}, not {leaf}"
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
                other.numbers(
                    [place if k == b else _row(grid, index, axis_) for k, axis_ in enumerate(other.axes)]
                ),
            )
            for place in (beyond, mirror)
        )
        mapping[leaf] = (outer - inner) / distance if leaf.kind == "partial" else (outer + inner) / 2
    (residual,) = substitute((condition.residual,), mapping)
    face = Position(np.full(count, axis.n if condition.high else 0), Fraction(-1, 2), Room())
    at = {
        other.coordinate: face if k == a else Position(row, other.shift, Room())
        for k, (other, row) in enumerate(zip(grid.axes, index, strict=True))
    }
    root = template.value(residual, at)
    build.add(root, template, lambda _: f"{condition.equation}, beyond the face")


def _row(grid: FieldGrid, index: np.ndarray, axis: Axis) -> np.ndarray:
    row: np.ndarray = index[grid.axes.index(axis)]
    return row
