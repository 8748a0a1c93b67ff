"""From field equations to a `System`: every field becomes a grid of unknowns, every equation a few templates.

Points of a face belong to its boundary conditions, as many layers of points as there are conditions; all
others to the equation. Along each coordinate the interior is one region and each point next to a face, where
stencils are one-sided, another; a region is one template whatever the number of its points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.block import (
    Block,
    GridNames,
    IndexedEquation,
    IndexedSums,
    Numbered,
    Quantities,
    References,
)
from symnum.language.pde import PDE, Condition
from symnum.language.system import System
from symnum.lowering.axis import Axis, face_axis, is_staggered, make_axis
from symnum.lowering.conditions import check_conditions
from symnum.lowering.fluxes import cell_values, face_fluxes, ghost_rows
from symnum.lowering.integrals import integral_unknowns
from symnum.lowering.point_template import At, FieldGrid, PointTemplate, Position, integrals_of
from symnum.lowering.spectral import SpectralTerms
from symnum.lowering.stencil import Room
from symnum.record import record
from symnum.rewriting.derivative import derivative
from symnum.rewriting.expr import ZERO, Expr
from symnum.rewriting.operators import maximum, minimum
from symnum.rewriting.spatial import one_sided, spatial_leaves
from symnum.rewriting.walk import evaluate_arrays, leaves, substitute

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

_FREE = -1  # points that belong to the equation of a field


def discretize(pde: PDE, schemes: Mapping[Expr, Any]) -> System:
    """The method of lines: a system over the points of a grid.

    schemes: {coordinate: scheme}, see `Central`, `Upwind`. The unknowns are called u[0], u[1], ... (u[i,j] in
    two coordinates); solutions give a field as an array over times and points, ``sol[u]``.
    """
    if not isinstance(pde, PDE):
        raise ModelError(f"discretize takes a PDE, not {pde!r}; write sn.PDE(name, equations, boundary=...)")
    axes = _axes(pde, schemes)
    system = Discretizer(pde, axes).system()
    system.origin = OnGrid(pde, axes)
    return system


@record
class OnGrid:
    """What a system was discretized from."""

    pde: PDE
    axes: dict[Expr, Axis]


def _axes(pde: PDE, schemes: Mapping[Expr, Any]) -> dict[Expr, Axis]:
    if not isinstance(schemes, Mapping):
        raise ModelError(f"discretize: schemes are {{coordinate: scheme}}, not {schemes!r}")
    for x in schemes:
        if x not in pde.coordinates:
            raise ModelError(
                f"discretize: {x} is no coordinate of {pde.name}; "
                f"it has {', '.join(map(str, pde.coordinates))}"
            )
    missing = [x for x in pde.coordinates if x not in schemes]
    if missing:
        raise ModelError(
            f"discretize: {pde.name} has no scheme for {', '.join(map(str, missing))}; "
            f"write sn.discretize(pde, {{{missing[0]}: sn.Central(points=100)}})"
        )
    for x, scheme in schemes.items():
        if not all(hasattr(scheme, name) for name in ("points", "accuracy", "biased", "grid")):
            raise ModelError(f"discretize: {scheme!r} for {x} is no scheme; see sn.Central, sn.Fourier")
    return {x: make_axis(x, schemes[x]) for x in pde.coordinates}


@record
class Region:
    """Points of a grid that share one template: positions along each axis, flattened, (count,) each."""

    at: At
    count: int


class Discretizer:
    def __init__(self, pde: PDE, axes: Mapping[Expr, Axis]) -> None:
        self.pde = pde
        self.axes = axes
        self.where = pde.name
        self.quantities: list[Numbered] = []
        self.equations: dict[str, list[IndexedEquation]] = {}
        self.sums: list[IndexedSums] = []
        self.integrals: dict[Expr, FieldGrid] = {}
        self.fluxes: dict[Expr, FieldGrid] = {}
        self.face_values: dict[Any, Quantities] = {}
        self.cell_fields: dict[Any, Expr] = {}
        self.symbols = self._symbols()
        self.grids = {u: self._grid(u) for u in pde.fields}
        self.spectral = SpectralTerms(self)

    def system(self) -> System:
        residuals = [e.lhs - e.rhs for e in self.pde.equations]
        for leaf in integrals_of([*residuals, *(c.residual for c in self.pde.conditions)]):
            self.integrals[leaf] = integral_unknowns(self, leaf)
        check_conditions(self.pde, self.axes)
        for u in self.pde.fields:
            equation = self.pde.equation_of[u]
            residual = self._upwinded(self.spectral.equation(equation.lhs - equation.rhs, u), u)
            self.fluxes |= face_fluxes(self, residual, u)
            self._field_equation(u, residual, str(equation))
            for a, values in self.grids[u].ghosts:
                assert isinstance(values, Quantities)
                ghost_rows(self, u, a, values)
        own = set(map(id, self.pde.equation_of.values()))
        for equation in self.pde.equations:
            if id(equation) not in own:
                residual = self.spectral.plain(equation.lhs - equation.rhs)
                self._template_rows(residual, Region({}, 1), _texts(str(equation)))
        points = tuple(self.equations.pop("points", ()))
        blocks = [Block(tuple(self.quantities), points, tuple(self.sums))]
        blocks += [Block((), tuple(equations)) for equations in self.equations.values()]
        return System(self.pde.name, blocks, events=self.pde.events, defaults=self.pde.defaults)

    # ---- what there is ----------------------------------------------------------------------------
    def _symbols(self) -> dict[Expr, tuple[Numbered, int]]:
        """Ordinary variables and parameters of the equations, each in a set of those of its kind."""
        found: dict[str, dict[Expr, None]] = {"variable": {}, "parameter": {}}
        equations = (*self.pde.equations, *(c.equation for c in self.pde.conditions))
        for side in (side for e in equations for side in (e.lhs, e.rhs)):
            for leaf in spatial_leaves(side):
                inner = leaf
                while inner.op == "D":
                    inner = inner.args[0]
                if inner.kind in found:
                    found[inner.kind][inner] = None
        result: dict[Expr, tuple[Numbered, int]] = {}
        for symbols in found.values():
            if symbols:
                shared = References(tuple(symbols))
                self.quantities.append(shared)
                result |= {symbol: (shared, k) for k, symbol in enumerate(symbols)}
        return result

    def _grid(self, u: Expr) -> FieldGrid:
        axes = tuple(self._axis(u, x) for x in u.data.coordinates)
        shape = tuple(axis.n for axis in axes)
        shown = tuple((str(axis.coordinate), axis.x) for axis in axes)
        order = self.pde.time_order(u)
        if order > 2:
            raise ModelError(f"{self.where}: D({u}, {order}): give D({u}, 2) a field of its own")
        sets = []
        for name, key in (
            (u.name, u),
            (f"D({u.name})", next((k for k in self.pde.initial if _is_rate(k, u)), None)),
        ):
            values = self._start(u, key, axes) if key is not None else None
            sets.append(
                Quantities(
                    "variable", GridNames(name, shape), values, u.data.unit if key is u else None, shown
                )
            )
        self.quantities += sets[: 2 if order == 2 else 1]
        ghosts: list[tuple[int, Numbered]] = []
        for a, axis in enumerate(axes):
            if axis.ghosts:
                if order > 1:
                    raise ModelError(
                        f"{self.where}: the time derivative of {u} is of order {order}; schemes with cells "
                        "need order 1 at most"
                    )
                beyond = tuple(2 * axis.ghosts if k == a else n for k, n in enumerate(shape))
                names = GridNames(f"{u.name}.beyond_{axis.coordinate}", beyond)
                ghosts.append((a, Quantities("variable", names)))
        self.quantities += [values for _, values in ghosts]
        return FieldGrid(u, axes, sets[0], sets[1] if order == 2 else None, tuple(ghosts))

    def _axis(self, u: Expr, x: Expr) -> Axis:
        """Where a field lies along a coordinate: at the points of its scheme, or on faces between cells."""
        axis = self.axes[x]
        if x not in u.data.faces:
            return axis
        if not is_staggered(axis):
            raise ModelError(
                f"{self.where}: {u} lies on the faces of {x}, which is for sn.Staggered(points), not for "
                f"{type(axis.scheme).__name__}"
            )
        return face_axis(axis)

    def _start(self, u: Expr, key: Expr, axes: tuple[Axis, ...]) -> FloatArray | None:
        given = self.pde.initial.get(key)
        if given is None:
            return None
        shape = tuple(axis.n for axis in axes)
        mesh = np.meshgrid(*(axis.x for axis in axes), indexing="ij")
        if isinstance(given, Expr):
            known = dict(zip(u.data.coordinates, mesh, strict=True))
            other = [leaf for leaf in leaves((given,)) if leaf not in known]
            if other:
                raise ModelError(
                    f"{self.where}: the initial value of {key} is {given}; it may hold the coordinates "
                    f"{', '.join(map(str, known))} and numbers only, not {other[0]}"
                )
            (values,) = evaluate_arrays((given,), known)
        else:
            values = given(*mesh) if callable(given) else given
        try:
            array = np.asarray(np.broadcast_to(np.asarray(values, float), shape), float).ravel()
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"{self.where}: the initial value of {key} does not fit the grid, which has shape {shape}"
            ) from error
        if not np.isfinite(array).all():
            raise ModelError(f"{self.where}: the initial value of {key} is not finite everywhere")
        return array

    # ---- regions ----------------------------------------------------------------------------------
    def _owners(self, u: Expr) -> tuple[IntArray, list[tuple[Condition, int]]]:
        """Which condition, and in which layer, every point belongs to; conditions on values come first."""
        grid = self.grids[u]
        owner = np.full(grid.shape, _FREE)
        layers: list[tuple[Condition, int]] = []
        for x in u.data.coordinates:
            for high in (False, True):
                if not grid.axes[u.data.coordinates.index(x)].ghosts:
                    layers += [(c, k) for k, c in enumerate(self.pde.conditions_on(u, x, high))]
        layers.sort(key=lambda entry: (not entry[0].fixes_value, entry[1]))
        for number, (condition, layer) in reversed(list(enumerate(layers))):
            a = u.data.coordinates.index(condition.coordinate)
            at = grid.axes[a].n - 1 - layer if condition.high else layer
            if not 0 <= at < grid.axes[a].n:
                raise ModelError(
                    f"{self.where}: {grid.axes[a].n} points in {condition.coordinate} are too few"
                )
            owner[(slice(None),) * a + (at,)] = number
        return owner, layers

    def _regions(
        self, u: Expr, mask: NDArray[np.bool_], reach: Mapping[Expr, tuple[int, int]]
    ) -> Iterator[Region]:
        """The points where ``mask`` holds, by their distance from the faces as far as stencils reach."""
        grid = self.grids[u]
        segments: list[list[tuple[slice, Room]]] = []
        for axis in grid.axes:
            low, high = reach.get(axis.coordinate, (0, 0))
            if axis.periodic or axis.ghosts or axis.shift or low + high >= axis.n:
                single = (
                    []
                    if axis.periodic or axis.ghosts or axis.shift
                    else [(slice(i, i + 1), Room(i, axis.n - 1 - i)) for i in range(axis.n)]
                )
                segments.append(single or [(slice(0, axis.n), Room())])
                continue
            own = [(slice(i, i + 1), Room(i, axis.n - 1 - i)) for i in range(low)]
            own.append((slice(low, axis.n - high), Room()))
            own += [(slice(i, i + 1), Room(i, axis.n - 1 - i)) for i in range(axis.n - high, axis.n)]
            segments.append(own)
        for combination in product(*segments):
            part = mask[tuple(piece for piece, _ in combination)]
            if not part.any():
                continue
            inside = np.nonzero(part)
            at = {
                axis.coordinate: Position(np.asarray(index + piece.start, np.int64), axis.shift, room)
                for axis, index, (piece, room) in zip(grid.axes, inside, combination, strict=True)
            }
            yield Region(at, len(inside[0]))

    # ---- equations --------------------------------------------------------------------------------
    def _field_equation(self, u: Expr, residual: Expr, text: str) -> None:
        owner, layers = self._owners(u)
        if not (owner == _FREE).any():
            raise ModelError(
                f"{self.where}: every point of {u} lies on a face; give the grid of "
                f"{', '.join(map(str, u.data.coordinates))} more points"
            )
        self.field_rows(u, residual, text, owner == _FREE)
        for number, (condition, _) in enumerate(layers):
            self._condition_rows(u, condition, owner == number)

    def field_rows(
        self, u: Expr, residual: Expr, text: str, mask: NDArray[np.bool_] | None = None
    ) -> None:
        """An equation of a field at the points where ``mask`` holds, or at all."""
        grid = self.grids[u]
        everywhere = np.ones(grid.shape, bool) if mask is None else mask
        for region in self._regions(u, everywhere, self._reach(u, residual)):
            self._template_rows(residual, region, _label(text, grid, region))
            if grid.rate is not None:
                self._rate_rows(grid, region)

    def _reach(self, u: Expr, residual: Expr) -> dict[Expr, tuple[int, int]]:
        """How far the stencils of an equation reach below and above a point with room on all sides."""
        middle = {
            axis.coordinate: Position(np.array([axis.n // 2]), axis.shift, Room())
            for axis in self.grids[u].axes
        }
        trial = self.template(1)
        trial.value(residual, middle)
        return {x: (int(-low), int(high)) for x, (low, high) in trial.reach.items()}

    def _condition_rows(self, u: Expr, condition: Condition, mask: NDArray[np.bool_]) -> None:
        """The condition at its points; a derivative is taken at the face, whatever the layer of the point."""
        grid = self.grids[u]
        axis = self.axes[condition.coordinate]
        face = axis.n - 1 if condition.high else 0
        residual = self.spectral.plain(condition.residual)
        for region in self._regions(u, mask, self._condition_reach(u, condition, residual)):
            on_face = Position(np.full(region.count, face), Fraction(0), Room(face, axis.n - 1 - face))
            if is_staggered(axis):
                end = axis.n if condition.high else 0
                on_face = Position(np.full(region.count, end), Fraction(-1, 2), Room())
            place = Region({**region.at, condition.coordinate: on_face}, region.count)
            label = _label(str(condition.equation), grid, region)
            root, template = self._template_rows(residual, place, label, on_face=True)
            if grid.rate is not None:
                rate_label = _label(f"time derivative of {condition.equation}", grid, region)
                self.add(template.in_time(root), template, rate_label)

    def _condition_reach(
        self, u: Expr, condition: Condition, residual: Expr
    ) -> dict[Expr, tuple[int, int]]:
        at = {
            axis.coordinate: Position(np.array([axis.n // 2]), axis.shift, Room())
            for axis in self.grids[u].axes
        }
        trial = self.template(1)
        trial.value(residual, at)
        return {
            x: (int(-low), int(high))
            for x, (low, high) in trial.reach.items()
            if x is not condition.coordinate
        }

    def _rate_rows(self, grid: FieldGrid, region: Region) -> None:
        """D(u) == rate, where the rate is an unknown of its own."""
        template = self.template(region.count)
        rate = template.value(_time(grid.field), region.at)
        moving = template.moving(grid, region.at)
        self.add(moving - rate, template, _label(f"D({grid.field})", grid, region))

    def template(self, count: int, on_face: bool = False) -> PointTemplate:
        """An empty template for ``count`` points."""
        return PointTemplate(count, self.grids, self.axes, self.symbols, self.integrals, self.fluxes, on_face)

    def cell_values(self, expr: Expr, grid: FieldGrid, axis: Axis) -> Expr:
        """A field that holds an expression in every cell, the same one whoever asks."""
        key = (expr, grid.axes, axis)
        if key not in self.cell_fields:
            self.cell_fields[key] = cell_values(self, expr, grid, axis)
        return self.cell_fields[key]

    def _template_rows(
        self, residual: Expr, region: Region, label: Callable[[int], str], on_face: bool = False
    ) -> tuple[Expr, PointTemplate]:
        template = self.template(region.count, on_face)
        try:
            root = template.value(residual, region.at)
        except ModelError as error:
            raise ModelError(f"{self.where}: {error}") from error
        self.add(root, template, label)
        return root, template

    def add(
        self, root: Expr, template: PointTemplate, label: Callable[[int], str], group: str = "points"
    ) -> None:
        """Take over an equation ``0 == root``. Those of one group may share a loop over the same points."""
        self.equations.setdefault(group, []).append(IndexedEquation(root, tuple(template.columns), label))

    # ---- upwinding --------------------------------------------------------------------------------
    def _upwinded(self, residual: Expr, u: Expr) -> Expr:
        """First derivatives along upwind axes are taken from where the solution comes from."""
        for leaf in leaves((residual,)):
            if leaf.kind != "partial" or leaf.data.operand.kind != "field" or leaf.data.orders != (1,):
                continue
            (x,) = leaf.data.coordinates
            if not self.axes[x].scheme.biased:
                continue
            factor = derivative(residual, leaf)
            rate = derivative(residual, _time(u))
            if rate is ZERO or leaf in leaves((factor,)) or leaf.data.operand is not u:
                raise ModelError(
                    f"{self.where}: no velocity for the upwind derivative {leaf} in "
                    f"{self.pde.equation_of[u]}. The factor of D({u}, {x}) in the equation for D({u}) is the "
                    "velocity; where there is none, use Central, or a scheme for conservation laws"
                )
            velocity = factor / rate
            before, behind = one_sided(leaf, -1), one_sided(leaf, 1)
            moved = maximum(velocity, 0) * before + minimum(velocity, 0) * behind
            (rest,) = substitute((residual,), {leaf: ZERO})
            residual = rest + rate * moved
        return residual


def _time(u: Expr) -> Expr:
    from symnum.language.variables import D

    return D(u)


def _is_rate(key: Expr, u: Expr) -> bool:
    return key.op == "D" and key.args[0] is u


def _texts(text: str) -> Callable[[int], str]:
    return lambda _: text


def _label(text: str, grid: FieldGrid, region: Region) -> Callable[[int], str]:
    index = [region.at[axis.coordinate].index for axis in grid.axes]

    def label(copy: int) -> str:
        return f"{text}, at {grid.field}[{','.join(str(int(i[copy])) for i in index)}]"

    return label
