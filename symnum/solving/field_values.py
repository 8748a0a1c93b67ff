"""Fields in solutions: their values over all points of the grid, and start values given as functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.distinct import distinct
from symnum.errors import ModelError
from symnum.language.block import Quantities
from symnum.lowering.flat import FlatSystem
from symnum.rewriting.expr import IMAGINARY, TIME, Expr, slot
from symnum.rewriting.walk import evaluate_arrays, leaves

if TYPE_CHECKING:
    from symnum.solving.solution import Sample

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]


def holds_field(expr: Expr) -> bool:
    """Whether an expression varies over a grid."""
    return any(_field(leaf) is not None or leaf.kind == "coordinate" for leaf in leaves((expr,)))


def grid_of(sample: Sample, expr: Expr) -> tuple[tuple[str, FloatArray], ...]:
    """Name and points of every coordinate of an expression of fields."""
    return tuple(_axes(expr, _grids(sample.flat, expr)).items())


def _grids(flat: FlatSystem, expr: Expr) -> dict[Expr, tuple[int, Quantities]]:
    """The fields of an expression, those over most coordinates first, then as they were declared."""
    found = {leaf: _grid(flat, leaf) for leaf in leaves((expr,)) if _field(leaf) is not None}
    return dict(sorted(found.items(), key=lambda item: (-len(item[1][1].axes), item[1][0])))


def _axes(expr: Expr, grids: Mapping[Expr, tuple[int, Quantities]]) -> dict[str, FloatArray]:
    """Name and points of every coordinate; ModelError where two fields lie at different points."""
    axes: dict[str, FloatArray] = {}
    for leaf, (_, quantities) in grids.items():
        for name, x in quantities.axes:
            if not np.array_equal(x, axes.setdefault(name, x)):
                other = next(q for q, (_, of) in grids.items() if dict(of.axes).get(name) is axes[name])
                raise ModelError(
                    f"solution[{expr}]: {other} and {leaf} do not lie at the same places in {name}; look at "
                    "each by itself, or take means of neighbours on a staggered grid"
                )
    return axes


def values_on_grid(sample: Sample, expr: Expr) -> FloatArray:
    """An expression of fields: (times, *points), or (*points) for one time."""
    flat = sample.flat
    grids = _grids(flat, expr)
    if not grids:
        raise ModelError(f"solution[{expr}]: name a field as well, which says on which grid")
    axes = _axes(expr, grids)
    order = list(axes)
    times = np.ndim(sample.t)
    found: dict[Expr, Any] = {}
    for leaf in leaves((expr,)):
        if leaf is IMAGINARY:
            found[leaf] = np.array(1j)
        elif leaf in grids:
            first, quantities = grids[leaf]
            numbers = np.arange(first, first + len(quantities))
            if leaf.op == "D" and not quantities.names[0].startswith("D("):
                numbers = len(flat.unknowns) + numbers
            values = unknown_values(sample, flat.representative_numbers(numbers))
            shape = tuple(len(x) for _, x in quantities.axes)
            if times:
                values = values.T
            own = [name for name, _ in quantities.axes]
            grid_values = values.reshape(*values.shape[:times], *shape)
            found[leaf] = _spread(grid_values, times, own, order)
        elif leaf.kind == "coordinate":
            if leaf.name not in axes:
                raise ModelError(f"solution[{expr}]: none of its fields depends on {leaf}")
            found[leaf] = _spread(axes[leaf.name], 0, [leaf.name], order)
        else:
            value = sample.t if leaf is TIME else sample[leaf]
            found[leaf] = np.reshape(value, (*np.shape(value), *(1,) * len(order)))
    (result,) = evaluate_arrays((expr,), found)
    full = (*np.shape(sample.t), *(len(x) for x in axes.values()))
    kind = complex if np.iscomplexobj(result) else float
    return np.array(np.broadcast_to(result, full), kind)


def _grid(flat: FlatSystem, leaf: Expr) -> tuple[int, Quantities]:
    """(number of the first point, quantities) of a field, or of its rate where that is an unknown."""
    field = _field(leaf)
    assert field is not None
    name = field.name
    found = (flat.unknowns.grid(f"D({name})") if leaf.op == "D" else None) or flat.unknowns.grid(name)
    if found is None:
        near = flat.unknowns.near(name)
        hint = f" Did you mean {near[0].partition('[')[0]}?" if near else ""
        raise ModelError(f"solution: {flat.name} has no field called {name}.{hint}")
    return found


def unknown_values(sample: Sample, numbers: IntArray) -> FloatArray:
    """(len(numbers), times) values of unknowns by number, whether they are in ``y`` or given explicitly."""
    flat = sample.flat
    times = np.shape(sample.t)
    result = np.empty((len(numbers), *times))
    position = flat.position[numbers]
    result[position >= 0] = sample.y[position[position >= 0]]
    missing = np.flatnonzero(position < 0)
    if not len(missing):
        return result
    part, copy = flat.definition_places(numbers[missing])
    for g in distinct(part):
        rows = missing[part == g]
        if g < 0:  # given by a sum
            for row in rows.tolist():
                result[row] = sample._evaluate(slot("u", int(numbers[row])))
            continue
        family = flat.structure.definitions[g]
        copies = copy[part == g]
        found: dict[Expr, Any] = {TIME: sample.t}
        for k, (letter, column) in enumerate(zip(family.letters, family.columns, strict=True)):
            chosen = column[copies]
            if letter == "u":
                found[slot("u", k)] = unknown_values(sample, np.asarray(chosen, np.int64))
            elif letter == "p":
                values = [np.broadcast_to(sample._parameter(int(p)), times) for p in chosen]
                found[slot("p", k)] = np.array(values)
            else:
                found[slot("c", k)] = np.reshape(chosen, (-1, *(1,) * len(times)))
        (value,) = evaluate_arrays((family.root,), found)
        result[rows] = np.broadcast_to(value, (len(rows), *times))
    return result


def start_on_grid(quantities: Quantities, value: Any, what: str) -> FloatArray:
    """(points,) start values from a number, an array, an expression of coordinates or a function of them."""
    shape = tuple(len(x) for _, x in quantities.axes)
    mesh = np.meshgrid(*(x for _, x in quantities.axes), indexing="ij")
    if isinstance(value, Expr) and not value.is_number:
        by_name = dict(zip((name for name, _ in quantities.axes), mesh, strict=True))
        known: dict[Expr, Any] = {}
        for leaf in leaves((value,)):
            if leaf.kind != "coordinate" or leaf.name not in by_name:
                raise ModelError(
                    f"{what} is {value}: it may hold the coordinates {', '.join(by_name)} and numbers, "
                    f"not {leaf}"
                )
            known[leaf] = by_name[leaf.name]
        (values,) = evaluate_arrays((value,), known)
    else:
        values = _called(value, mesh)
    try:
        array = np.asarray(np.broadcast_to(np.asarray(values, float), shape), float).ravel()
    except (TypeError, ValueError) as error:
        raise ModelError(f"{what} does not fit the grid, which has shape {shape}") from error
    if not np.isfinite(array).all():
        raise ModelError(f"{what} is not finite at every point")
    return array


def _called(value: Any, mesh: Sequence[FloatArray]) -> Any:
    function: Callable[..., Any] | None = value if callable(value) else None
    return value if function is None else function(*mesh)


def _spread(values: FloatArray, times: int, own: list[str], order: list[str]) -> FloatArray:
    """Axes of a field placed among all axes of an expression; those it lacks have length one."""
    lead = values.shape[:times]
    by_name = dict(zip(own, range(times, values.ndim), strict=True))
    moved = values.transpose(*range(times), *(by_name[name] for name in order if name in by_name))
    sizes = iter(moved.shape[times:])
    return moved.reshape(*lead, *(next(sizes) if name in by_name else 1 for name in order))


def _field(leaf: Expr) -> Expr | None:
    """The field that a leaf is, or is the time derivative of."""
    inner = leaf.args[0] if leaf.op == "D" else leaf
    return inner if inner.kind == "field" else None
