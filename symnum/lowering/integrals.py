"""Integrals over coordinates: an unknown for each value, given by a weighted sum over the grid."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from symnum.language.block import GridNames, IndexedSums, Quantities
from symnum.lowering.point_template import FieldGrid, Position
from symnum.lowering.stencil import Room
from symnum.rewriting.expr import Expr
from symnum.rewriting.spatial import spatial_leaves

if TYPE_CHECKING:
    from symnum.lowering.discretize import Discretizer


def integral_unknowns(build: Discretizer, leaf: Expr) -> FieldGrid:
    """An unknown for each value of an integral, and the sum that gives it."""
    info = leaf.data
    around = (
        tuple(
            dict.fromkeys(
                x
                for part in spatial_leaves(info.operand)
                if part.kind == "field"
                for x in part.data.coordinates
            )
        )
        or info.coordinates
    )
    kept = tuple(x for x in around if x not in info.coordinates)
    number = len(build.integrals)
    axes = tuple(build.axes[x] for x in around)
    shape = tuple(axis.n for axis in axes)
    density = Quantities("variable", GridNames(f"integrand_{number}", shape))
    outer = tuple(build.axes[x] for x in kept)
    outer_shape = tuple(axis.n for axis in outer)
    names: Any = GridNames(f"integral_{number}", outer_shape) if outer else [f"integral_{number}"]
    result = Quantities("variable", names, np.zeros(len(names)))
    build.quantities += [density, result]
    index = np.indices(shape).reshape(len(shape), -1)
    at = {axis.coordinate: Position(row, Fraction(0), Room()) for axis, row in zip(axes, index, strict=True)}
    count = index.shape[1]
    template = build.template(count)
    value = template.value(build.spectral.plain(info.operand), at)
    here = template.point(density, np.arange(count))
    build.add(here - value, template, lambda _: f"integrand of {leaf}")
    weight = np.ones(count)
    for axis, row in zip(axes, index, strict=True):
        if axis.coordinate in info.coordinates:
            weight *= axis.widths()[row]
    rows = np.zeros(count, np.int64)
    if outer:
        kept_rows = [row for axis, row in zip(axes, index, strict=True) if axis.coordinate in kept]
        rows = np.asarray(np.ravel_multi_index(kept_rows, outer_shape), np.int64)
    order = np.argsort(rows, kind="stable")
    per_row = np.bincount(rows, minlength=len(names))
    starts = np.concatenate([[0], np.cumsum(per_row)])
    unknown = np.insert(order, starts[1:], count + np.arange(len(names)))
    coefficient = np.insert(weight[order], starts[1:], -1.0)
    indptr = starts + np.arange(len(names) + 1)
    build.sums.append(IndexedSums((density, result), indptr, unknown, coefficient, lambda _: str(leaf)))
    return FieldGrid(leaf, outer, result, None)
