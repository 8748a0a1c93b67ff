"""Derivatives along spectral axes: unknowns of their own, each a sum over all points of the axis.

They are given explicitly, so that the system keeps the fields alone for unknowns; what a derivative applies
to, where it is more than a field, is worked out at every point first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.block import GridNames, IndexedSums, Quantities
from symnum.lowering.axis import Axis
from symnum.lowering.point_template import FieldGrid
from symnum.lowering.schemes.spectral import is_spectral
from symnum.rewriting.expr import ZERO, Expr
from symnum.rewriting.linear_part import is_constant, linear_part
from symnum.rewriting.spatial import Field, Partial, Trace, field_leaf, mixed, spatial_leaves
from symnum.rewriting.walk import leaves, substitute

if TYPE_CHECKING:
    from symnum.lowering.discretize import Discretizer

FloatArray = NDArray[np.float64]

_MOST_MIXED = 600  # points that may all depend on each other: their Jacobian has the square of it in entries


class SpectralTerms:
    """Rewrites expressions so that no derivative along a spectral axis is left in them."""

    def __init__(self, build: Discretizer) -> None:
        self.build = build
        self.axes = {x: axis for x, axis in build.axes.items() if is_spectral(axis.scheme)}
        self.made: dict[Any, Expr] = {}

    def plain(self, expr: Expr) -> Expr:
        """``expr`` with spectral derivatives replaced; nothing is cut off."""
        return self._replaced(expr, filtered=False) if self.axes else expr

    def equation(self, residual: Expr, u: Expr) -> Expr:
        """The residual of a field with spectral derivatives replaced, and its products freed of aliases."""
        cut = [x for x in u.data.coordinates if x in self.axes and self.axes[x].scheme.dealias]
        if not cut:
            return self.plain(residual)
        points = int(np.prod([self.axes[x].scheme.points for x in cut]))
        if len(cut) > 1 and points > _MOST_MIXED:
            raise ModelError(
                f"{self.build.where}: dealias=True along {' and '.join(map(str, cut))} makes each of "
                f"{points} values of {u} depend on all others, a full Jacobian of {points}**2 entries. "
                f"Take fewer points ({_MOST_MIXED} at most), or dealias=True along one coordinate only."
            )
        part = linear_part(residual)
        total = ZERO
        for leaf, coefficient in part.terms.items():
            total = total + coefficient * self.plain(leaf)
        rest = part.rest
        for leaf in leaves((rest,)):
            slope = self._constant_slope(rest, leaf)
            if slope is not None:
                total = total + slope * self._partial(leaf, filtered=True)
                (rest,) = substitute((rest,), {leaf: ZERO})
        if rest is ZERO:
            return total
        for leaf in leaves((rest,)):
            if leaf.op == "D":
                raise ModelError(
                    f"{self.build.where}: {leaf} has a factor that is not constant in the equation for {u}, "
                    f"so that products cannot be freed of aliases; divide by the factor, or take "
                    f"{type(self.axes[cut[0]].scheme).__name__}(..., dealias=False)"
                )
        inner = self._replaced(rest, filtered=False)
        around = self._around(inner)
        if not around:
            return total + inner  # the same everywhere
        return total + self._mapped(inner, {x: 0 for x in cut if x in around}, u, True)

    def _constant_slope(self, expr: Expr, leaf: Expr) -> Expr | None:
        """The constant factor of a derivative of products along spectral axes, or None."""
        from symnum.rewriting.derivative import derivative

        if leaf.kind != "partial" or not any(x in self.axes for x in leaf.data.coordinates):
            return None
        slope = derivative(expr, leaf)
        return slope if is_constant(slope) else None

    def _replaced(self, expr: Expr, *, filtered: bool) -> Expr:
        mapping: dict[Expr, Expr] = {}
        for leaf in leaves((expr,)):
            if leaf.kind == "partial":
                mapping[leaf] = self._partial(leaf, filtered=filtered)
            elif leaf.kind == "trace":
                mapping[leaf] = self._trace(leaf)
        (result,) = substitute((expr,), mapping)
        return result

    def _partial(self, leaf: Expr, *, filtered: bool) -> Expr:
        """A derivative: along spectral axes by a matrix, along the others as before."""
        info: Partial = leaf.data
        operand = info.operand
        orders = dict(zip(info.coordinates, info.orders, strict=True))
        while operand.kind == "partial" and all(x in self.axes for x in (*orders, *operand.data.coordinates)):
            for x, order in zip(operand.data.coordinates, operand.data.orders, strict=True):
                orders[x] = orders.get(x, 0) + order
            operand = operand.data.operand
        inner = self._replaced(operand, filtered=False)
        mine = {x: order for x, order in orders.items() if x in self.axes}
        others = {x: order for x, order in orders.items() if x not in self.axes}
        if not mine:
            # a name stands for the operand, whatever it was made of
            return leaf if inner is operand else mixed(inner, others, info.side)
        if filtered:
            mine |= {x: 0 for x in self._around(operand) if x in self._dealiased() and x not in mine}
        result = self._mapped(inner, mine, leaf, filtered)
        return mixed(result, others, info.side) if others else result

    def _dealiased(self) -> tuple[Expr, ...]:
        return tuple(x for x, axis in self.axes.items() if axis.scheme.dealias)

    def _mapped(self, operand: Expr, orders: Mapping[Expr, int], what: Expr, filtered: bool) -> Expr:
        """A field that holds derivatives of an operand, along one spectral axis after the other."""
        result = self._field(operand, what)
        for x, order in orders.items():
            axis = self.axes[x]
            cut = filtered and axis.scheme.dealias
            key = (result, x, order, cut)
            if key not in self.made:
                info = x.data
                matrix = axis.scheme.differentiation(info.low, info.high, order, cut)
                self.made[key] = self._summed(result, x, matrix, what)
            result = self.made[key]
        return result

    def _trace(self, leaf: Expr) -> Expr:
        """A value at a place along a spectral axis: by interpolation through all of its points."""
        info: Trace = leaf.data
        x = info.coordinate
        inner = self._replaced(info.operand, filtered=False)
        if x not in self.axes:
            return leaf if inner is info.operand else inner.at(x, info.place)
        axis = self.axes[x]
        at = np.flatnonzero(abs(axis.x - info.place) <= 1e-12 * (x.data.high - x.data.low))
        if len(at):
            return inner.at(x, info.place)
        key = (inner, x, info.place)
        if key not in self.made:
            weights = axis.scheme.interpolation(x.data.low, x.data.high, info.place)
            self.made[key] = self._summed(self._field(inner, leaf), x, weights[None], leaf)
        return self.made[key]

    # ---- unknowns ---------------------------------------------------------------------------------
    def _around(self, expr: Expr) -> tuple[Expr, ...]:
        """The coordinates that an expression varies with, in the order of the equations."""
        held: set[Expr] = set()
        for leaf in spatial_leaves(expr):
            if leaf.kind == "coordinate":
                held.add(leaf)
            elif leaf.kind == "field":
                held |= set(leaf.data.coordinates)
        return tuple(x for x in self.build.axes if x in held)

    def _field(self, expr: Expr, what: Expr) -> Expr:
        """A field equal to the expression at every point: itself, or one made for it."""
        if expr.kind == "field":
            return expr
        key = (expr, "values")
        if key not in self.made:
            build = self.build
            leaf, _ = self._unknowns(self._around(expr), build.axes)
            build.field_rows(leaf, leaf - expr, f"values in {what}")
            self.made[key] = leaf
        return self.made[key]

    def _unknowns(self, around: Sequence[Expr], axes: Mapping[Expr, Axis]) -> tuple[Expr, FieldGrid]:
        """A field over these axes, with unknowns for its values."""
        build = self.build
        name = f"spectral_{len(self.made)}"
        chosen = tuple(axes[x] for x in around)
        for axis in chosen:
            if axis.ghosts:
                raise ModelError(
                    f"{build.where}: a spectral scheme in one coordinate and {type(axis.scheme).__name__} in "
                    f"{axis.coordinate} do not go together; take Central or Upwind there"
                )
        names: Any = GridNames(name, tuple(axis.n for axis in chosen)) if chosen else [name]
        values = Quantities("variable", names)
        build.quantities.append(values)
        leaf = field_leaf(Field(name, "field", tuple(around)))
        grid = FieldGrid(leaf, chosen, values, None)
        build.grids[leaf] = grid
        return leaf, grid

    def _summed(self, operand: Expr, x: Expr, matrix: FloatArray, what: Expr) -> Expr:
        """A field with ``matrix`` applied to the operand along ``x``; one row leaves no coordinate."""
        build = self.build
        source = build.grids[operand]
        a = [axis.coordinate for axis in source.axes].index(x)
        kept = len(matrix) > 1
        around = [axis.coordinate for axis in source.axes if kept or axis.coordinate is not x]
        leaf, grid = self._unknowns(around, build.axes)
        rows, columns = np.nonzero(matrix)
        # numbers of the points of one line, and of where each line begins
        lines = np.moveaxis(np.arange(len(source.values)).reshape(source.shape), a, 0)
        lines = lines.reshape(len(lines), -1)
        target = np.arange(len(grid.values)).reshape(grid.shape)
        target = (np.moveaxis(target, a, 0) if kept else target[None]).reshape(len(matrix), -1)
        row = np.concatenate([target[rows].ravel(), target.ravel()])
        unknown = np.concatenate([lines[columns].ravel(), len(source.values) + target.ravel()])
        weight = np.repeat(matrix[rows, columns], lines.shape[1])
        coefficient = np.concatenate([weight, np.full(target.size, -1.0)])
        order = np.argsort(row, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=target.size))])
        build.sums.append(
            IndexedSums(
                (source.values, grid.values), starts, unknown[order], coefficient[order], lambda _: str(what),
                written_out=True,
            )
        )  # fmt: skip
        return leaf
