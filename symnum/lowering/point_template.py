"""Expressions of fields, written out for the points of a region: one template over columns of indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.block import Column, Numbered
from symnum.lowering.axis import Axis, is_staggered
from symnum.lowering.stencil import Room, biased_places, centered_places, exact_weights, point_weights
from symnum.record import record, replace
from symnum.rewriting.derivative import derivative
from symnum.rewriting.expr import TIME, ZERO, Expr, number, slot
from symnum.rewriting.spatial import Integral, Partial, Trace
from symnum.rewriting.walk import leaves, substitute

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@record
class FieldGrid:
    """A field on its grid. ``rate`` holds its time derivative where that is an unknown of its own."""

    field: Expr
    axes: tuple[Axis, ...]
    values: Numbered
    rate: Numbered | None
    ghosts: tuple[tuple[int, Numbered], ...] = ()  # (axis, values beyond its two faces), low ones first

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(axis.n for axis in self.axes)

    def ghost_shape(self, a: int) -> tuple[int, ...]:
        """The shape of the values beyond the faces of axis ``a``."""
        return tuple(2 * x.ghosts if k == a else x.n for k, x in enumerate(self.axes))

    def numbers(self, index: Sequence[IntArray]) -> IntArray:
        """The place of each point among the values, followed by those beyond the faces of each axis."""
        inside = [axis.wrapped(i) for axis, i in zip(self.axes, index, strict=True)]
        clipped = [np.clip(i, 0, axis.n - 1) for axis, i in zip(self.axes, inside, strict=True)]
        result = np.asarray(np.ravel_multi_index(clipped, self.shape), np.int64)
        before = int(np.prod(self.shape))
        for a, values in self.ghosts:
            axis = self.axes[a]
            low, high = inside[a] < 0, inside[a] >= axis.n
            outside = low | high
            if outside.any():
                layer = np.where(low, inside[a] + axis.ghosts, inside[a] - axis.n + axis.ghosts)
                parts = [layer[outside] if k == a else clipped[k][outside] for k in range(len(self.axes))]
                result[outside] = before + np.ravel_multi_index(parts, self.ghost_shape(a))
            before += len(values)
        return result


@record
class Position:
    """Points along one axis: ``index`` (count,) plus ``offset`` steps, with ``room`` around the index."""

    index: IntArray
    offset: Fraction
    room: Room

    def moved(self, place: Fraction) -> Position:
        """The position ``place`` steps from the index."""
        return replace(self, offset=place)


At = Mapping[Expr, Position]


class PointTemplate:
    """Collects the slots of one template while expressions are written out for ``count`` points.

    grids: the fields. symbols: ordinary variables and parameters, with the numbered set and the place in it.
    integrals, fluxes: the unknowns that integrals and fluxes through faces were given. on_face: the template
    is a boundary condition, whose one-sided derivatives take the full order of the scheme.
    """

    def __init__(
        self,
        count: int,
        grids: Mapping[Expr, FieldGrid],
        axes: Mapping[Expr, Axis],
        symbols: Mapping[Expr, tuple[Numbered, int]],
        integrals: Mapping[Expr, FieldGrid],
        fluxes: Mapping[Expr, FieldGrid],
        on_face: bool = False,
    ) -> None:
        self.count = count
        self.grids = grids
        self.axes = axes
        self.symbols = symbols
        self.integrals = integrals
        self.fluxes = fluxes
        self.on_face = on_face
        self.columns: list[Column] = []
        self.reach: dict[Expr, tuple[Fraction, Fraction]] = {}  # offsets used along each axis
        self._known: dict[Any, Expr] = {}
        self._values: dict[Any, Expr] = {}
        self._alive: list[Any] = []  # objects known by their id

    # ---- values -----------------------------------------------------------------------------------
    def value(self, expr: Expr, at: At) -> Expr:
        """``expr`` at a position, over slots."""
        key = (id(expr), tuple((id(x), id(p.index), p.offset) for x, p in at.items()))
        if key not in self._values:
            mapping = {leaf: self._leaf(leaf, at) for leaf in leaves((expr,)) if leaf is not TIME}
            (self._values[key],) = substitute((expr,), mapping)
            self._alive += [expr, *(p.index for p in at.values())]
        return self._values[key]

    def _leaf(self, leaf: Expr, at: At) -> Expr:
        if leaf.op == "slot":
            return leaf
        if leaf.op == "D":
            return self._rate(leaf, at)
        kind = leaf.kind
        if kind == "field":
            return self._field(leaf, at)
        if kind == "coordinate":
            return self._coordinate(leaf, at)
        if kind == "partial":
            return self._partial(leaf, at)
        if kind == "trace":
            return self._trace(leaf.data, at)
        if kind == "integral":
            return self.point(self.integrals[leaf].values, self._index(self.integrals[leaf], at), False)
        of, place = self.symbols[leaf]
        return self.point(of, np.full(self.count, place), False)

    def moving(self, grid: FieldGrid, at: At) -> Expr:
        """The time derivative of the values of a field themselves, whether or not it has a rate."""
        return self.point(grid.values, self._index(grid, at), True)

    def _rate(self, leaf: Expr, at: At) -> Expr:
        inner = leaf.args[0]
        if inner.op == "D":
            grid = self.grids[inner.args[0]]
            assert grid.rate is not None
            return self.point(grid.rate, self._whole(grid, at, str(leaf)), True)
        if inner.kind == "variable":
            of, place = self.symbols[inner]
            return self.point(of, np.full(self.count, place), True)
        grid = self.grids[inner]
        if grid.rate is not None:
            return self._sampled(grid, at, rate=True)
        return self.point(grid.values, self._whole(grid, at, str(leaf)), True)

    def _whole(self, grid: FieldGrid, at: At, what: str) -> IntArray:
        for axis in grid.axes:
            if (at[axis.coordinate].offset - axis.shift).denominator != 1:
                raise ModelError(
                    f"{what} is needed between points of the grid; take it out of the derivative"
                )
        return self._index(grid, at)

    def _field(self, leaf: Expr, at: At) -> Expr:
        return self._sampled(self.grids[leaf], at, rate=False)

    def _sampled(self, grid: FieldGrid, at: At, *, rate: bool) -> Expr:
        """A field at a position; between points by interpolation."""
        for axis in grid.axes:
            position = self._at(axis.coordinate, at, str(grid.field))
            if (position.offset - axis.shift).denominator != 1:
                field = grid.field if not rate else _rate_of(grid.field)
                return self._combined(field, axis, 0, bool(axis.shift), position, at)
        if rate:
            assert grid.rate is not None
            return self.point(grid.rate, self._index(grid, at))
        return self.point((grid.values, *(of for _, of in grid.ghosts)), self._index(grid, at))

    def _coordinate(self, leaf: Expr, at: At) -> Expr:
        position = self._at(leaf, at, str(leaf))
        return self._number(self.axes[leaf].places(position.index, position.offset))

    def _at(self, coordinate: Expr, at: At, what: str) -> Position:
        if coordinate not in at:
            raise ModelError(
                f"{what} varies with {coordinate}, but its equation does not. Say where: "
                f"{what}.at({coordinate}, ...), or take the integral"
            )
        return at[coordinate]

    def _index(self, grid: FieldGrid, at: At) -> IntArray:
        """The number of each point within the grid of a field."""
        parts = []
        for axis in grid.axes:
            position = self._at(axis.coordinate, at, str(grid.field))
            low, high = self.reach.get(axis.coordinate, (Fraction(0), Fraction(0)))
            self.reach[axis.coordinate] = min(low, position.offset), max(high, position.offset)
            parts.append(position.index + int(position.offset - axis.shift))
            if is_staggered(axis) and not axis.periodic:
                first, last = int(parts[-1].min()) + axis.ghosts, int(parts[-1].max()) - axis.ghosts
                if first < 0 or last >= axis.n:
                    raise ModelError(
                        f"the derivatives of {grid.field} in {axis.coordinate} reach beyond the faces, where "
                        "Staggered has one cell more; write them as first derivatives of fields between"
                    )
        return grid.numbers(parts) if parts else np.zeros(self.count, np.int64)

    # ---- derivatives ------------------------------------------------------------------------------
    def _partial(self, leaf: Expr, at: At) -> Expr:
        info: Partial = leaf.data
        coordinate, order = info.coordinates[0], info.orders[0]
        axis = self.axes[coordinate]
        if leaf in self.fluxes:
            return self._flux_difference(self.fluxes[leaf], axis, at)
        position = self._at(coordinate, at, str(leaf))
        rest = info.operand
        if len(info.coordinates) > 1:
            rest = _without_first(leaf)
        if info.side:
            places = biased_places(axis.scheme.biased, info.side, position.room)
            return self._weighted(rest, axis, order, places, position, at)
        halves = position.offset.denominator == 1 and _differentiates(rest, coordinate)
        if is_staggered(axis):
            # odd derivatives from places between those of the equation, even ones from places like them
            halves = (position.offset.denominator == 1) == (order % 2 == 1)
        return self._combined(rest, axis, order, halves, position, at)

    def _flux_difference(self, fluxes: FieldGrid, axis: Axis, at: At) -> Expr:
        """(flux through the high face - flux through the low face) / width of the cell."""
        assert axis.step is not None
        here = [at[other.coordinate].index for other in fluxes.axes]
        ahead = [
            i + 1 if other.coordinate is axis.coordinate else i
            for other, i in zip(fluxes.axes, here, strict=True)
        ]
        low, high = (self.point(fluxes.values, fluxes.numbers(index)) for index in (here, ahead))
        return (high - low) / axis.step

    def _combined(self, expr: Expr, axis: Axis, order: int, halves: bool, position: Position, at: At) -> Expr:
        try:
            room = position.room
            closure = axis.scheme.accuracy
            if not self.on_face and not (room.below is None and room.above is None):
                closure = axis.scheme.closure(order)
            places = centered_places(
                position.offset, order, axis.scheme.accuracy, halves, room, closure
            )
        except ModelError as error:
            raise ModelError(f"the derivatives of {expr} in {axis.coordinate}: {error}") from error
        return self._weighted(expr, axis, order, places, position, at)

    def _weighted(
        self, expr: Expr, axis: Axis, order: int, places: Sequence[Fraction], position: Position, at: At
    ) -> Expr:
        total = ZERO
        for weight, place in zip(self._weights(axis, order, places, position), places, strict=True):
            if weight is not ZERO:
                total = total + weight * self.value(expr, {**at, axis.coordinate: position.moved(place)})
        return total

    def _weights(self, axis: Axis, order: int, places: Sequence[Fraction], position: Position) -> list[Expr]:
        """Numbers on an even grid, else a slot with the numbers of each point."""
        if axis.step is not None:
            exact = exact_weights(tuple(places), position.offset, order)
            return [number(float(w) / axis.step**order) if w else ZERO for w in exact]
        nodes = np.stack([axis.places(position.index, place) for place in places], axis=1)
        found = point_weights(nodes, axis.places(position.index, position.offset), order)
        return [self._number(found[:, k]) if found[:, k].any() else ZERO for k in range(found.shape[1])]

    def _trace(self, info: Trace, at: At) -> Expr:
        """The operand at a place; between points by interpolation of the scheme's order."""
        axis = self.axes[info.coordinate]
        distance = np.abs(axis.x - info.place)
        nearest = int(np.argmin(distance))
        width = axis.scheme.accuracy + 1
        if distance[nearest] <= 1e-9 * (axis.x[-1] - axis.x[0]) or axis.n < width:
            fixed = Position(np.full(self.count, nearest), Fraction(0), Room(nearest, axis.n - 1 - nearest))
            return self.value(info.operand, {**at, info.coordinate: fixed})
        first = min(max(nearest - width // 2, 0), axis.n - width)
        nodes = axis.x[None, first : first + width]
        weights = point_weights(nodes, np.array([info.place]), 0)[0]
        total = ZERO
        for k, weight in enumerate(weights.tolist(), start=first):
            fixed = Position(np.full(self.count, k), Fraction(0), Room(k, axis.n - 1 - k))
            total = total + weight * self.value(info.operand, {**at, info.coordinate: fixed})
        return total

    # ---- slots ------------------------------------------------------------------------------------
    def point(self, of: Numbered | tuple[Numbered, ...], index: IntArray, derivative_: bool = False) -> Expr:
        """The slot that reads ``of`` at these places, several sets counted one after the other."""
        sets = of if isinstance(of, tuple) else (of,)
        if not derivative_ and len(sets) > 1 and int(index.max()) < len(sets[0]):
            sets = sets[:1]
        of = sets if len(sets) > 1 else sets[0]
        letter = "p" if sets[0].kind == "parameter" else "u"
        key = (tuple(map(id, sets)), index.tobytes(), derivative_)
        if key not in self._known:
            self._known[key] = slot(letter, len(self.columns))
            self.columns.append(Column(of, index, derivative_))
        return self._known[key]

    def _number(self, values: FloatArray) -> Expr:
        if len(values) and (values == values[0]).all():
            return number(float(values[0]))
        key = ("c", values.tobytes())
        if key not in self._known:
            self._known[key] = slot("c", len(self.columns))
            self.columns.append(Column(None, values))
        return self._known[key]

    def in_time(self, root: Expr) -> Expr:
        """The time derivative of a template: unknowns become their rates."""
        total = derivative(root, TIME) if TIME in leaves((root,)) else ZERO
        rates = {id(grid.values): grid.rate for grid in self.grids.values() if grid.rate is not None}
        for leaf in leaves((root,)):
            if leaf.op != "slot" or leaf.data[0] != "u":
                continue
            column = self.columns[leaf.data[1]]
            assert column.of is not None
            assert not isinstance(column.of, tuple)
            rate = rates.get(id(column.of))
            index = np.asarray(column.index, np.int64)
            moving = self.point(column.of, index, True) if rate is None else self.point(rate, index, False)
            total = total + derivative(root, leaf) * moving
        return total


def _rate_of(field: Expr) -> Expr:
    from symnum.rewriting.expr import node

    return node("D", (field,))


def _without_first(leaf: Expr) -> Expr:
    """A mixed derivative without its first coordinate."""
    from symnum.rewriting.spatial import mixed

    info: Partial = leaf.data
    return mixed(info.operand, dict(zip(info.coordinates[1:], info.orders[1:], strict=True)))


def _differentiates(expr: Expr, coordinate: Expr) -> bool:
    """Whether an expression holds a derivative in the coordinate: then it is a flux, between the points."""
    for leaf in leaves((expr,)):
        if leaf.kind == "partial":
            info: Partial = leaf.data
            if coordinate in info.coordinates or _differentiates(info.operand, coordinate):
                return True
    return False


def integrals_of(exprs: Sequence[Expr]) -> tuple[Expr, ...]:
    """The integrals within expressions, innermost first."""
    found: dict[Expr, None] = {}

    def visit(expr: Expr) -> None:
        for leaf in leaves((expr,)):
            inner = leaf.args[0] if leaf.op == "D" else leaf
            if inner.kind in ("partial", "trace", "integral"):
                info: Partial | Trace | Integral = inner.data
                visit(info.operand)
            if leaf.kind == "integral":
                found.setdefault(leaf, None)

    for expr in exprs:
        visit(expr)
    return tuple(found)
