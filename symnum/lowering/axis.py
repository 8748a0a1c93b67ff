"""The points of a grid along one coordinate."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.lowering.schemes.spectral import is_spectral
from symnum.record import record
from symnum.rewriting.expr import Expr

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@record
class Axis:
    """Points x[0] < x[1] < ... of a coordinate; ``step`` is their distance where it is the same throughout.

    Unless periodic the first and the last point lie on the faces; with ``ghosts`` the points are the centres
    of cells, and so many layers of cells lie beyond each face.
    """

    coordinate: Expr
    x: FloatArray
    periodic: bool
    step: float | None
    scheme: Any
    ghosts: int = 0
    shift: Fraction = Fraction(0)  # where the points of a field lie from the centres of cells, in steps

    @property
    def n(self) -> int:
        return len(self.x)

    def wrapped(self, index: IntArray) -> IntArray:
        """Indices of the points at these positions, which may lie beyond the ends of a periodic axis."""
        return index % self.n if self.periodic else index

    def places(self, index: IntArray, offset: Fraction) -> FloatArray:
        """Where ``offset`` steps from the points lies, halfway between neighbours where it is a half."""
        if self.step is not None:
            even: FloatArray = self.x[0] + self.step * (index + float(offset))
            return even
        below = int(np.floor(float(offset)))
        if offset.denominator == 1:
            return self._unwrapped(index + below)
        return (self._unwrapped(index + below) + self._unwrapped(index + below + 1)) / 2

    def _unwrapped(self, index: IntArray) -> FloatArray:
        """Coordinates of points on a periodic axis without a jump at its ends."""
        if not self.periodic:
            return self.x[index]
        info = self.coordinate.data
        turns = np.floor_divide(index, self.n)
        unwrapped: FloatArray = self.x[index % self.n] + turns * (info.high - info.low)
        return unwrapped

    def widths(self) -> FloatArray:
        """Weights of the integral: of the scheme, the trapezoidal rule, or the midpoint rule over cells."""
        if is_spectral(self.scheme):
            info = self.coordinate.data
            spectral: FloatArray = self.scheme.weights(info.low, info.high)
            return spectral
        if self.step is not None and (self.periodic or self.scheme.ghosts):
            return np.full(self.n, self.step)
        info = self.coordinate.data
        if self.periodic:
            ahead = np.append(self.x[1:], self.x[0] + info.high - info.low) - self.x
            return (ahead + np.roll(ahead, 1)) / 2
        gaps = np.diff(self.x)
        return (np.append(gaps, 0.0) + np.insert(gaps, 0, 0.0)) / 2


def face_axis(cells: Axis) -> Axis:
    """The faces of cells as points, both ends included; around a periodic coordinate the low face of each."""
    assert cells.step is not None
    count = cells.n if cells.periodic else cells.n + 1
    x = cells.x[0] + cells.step * (np.arange(count) - 0.5)
    return Axis(cells.coordinate, x, cells.periodic, cells.step, cells.scheme, 0, Fraction(-1, 2))


def is_staggered(axis: Axis) -> bool:
    return getattr(axis.scheme, "staggered", False)


def make_axis(coordinate: Expr, scheme: Any) -> Axis:
    """The grid of a scheme along a coordinate, or ModelError."""
    info = coordinate.data
    span = info.high - info.low
    periodic = info.periodic
    if is_spectral(scheme):
        x = scheme.places(info.low, info.high)
        return Axis(coordinate, x, periodic, x[1] - x[0] if periodic else None, scheme)
    if scheme.ghosts:
        step = span / scheme.points
        x = info.low + step * (np.arange(scheme.points) + 0.5)
        return Axis(coordinate, x, periodic, step, scheme, 0 if periodic else scheme.ghosts)
    if scheme.grid is None:
        cells = scheme.points if periodic else scheme.points - 1
        x = info.low + span * np.arange(scheme.points) / cells
        if not periodic:
            x[-1] = info.high
        return Axis(coordinate, x, periodic, span / cells, scheme)
    if callable(scheme.grid):
        unit = np.arange(scheme.points) / (scheme.points if periodic else scheme.points - 1)
        x = info.low + span * np.asarray(scheme.grid(unit), float)
    else:
        x = np.asarray(scheme.grid, float)
    what = f"the grid of {coordinate}"
    if x.shape != (scheme.points,):
        raise ModelError(f"{what} has shape {x.shape}; points={scheme.points} were announced")
    if not (np.isfinite(x).all() and (np.diff(x) > 0).all()):
        raise ModelError(f"{what} must ascend")
    ends = (x[0], x[-1])
    if periodic:
        if not (info.low <= ends[0] and ends[1] < info.high):
            raise ModelError(
                f"{what} runs from {ends[0]:g} to {ends[1]:g}; a periodic one stays below {info.high:g}"
            )
    elif max(abs(ends[0] - info.low), abs(ends[1] - info.high)) > 1e-12 * span:
        raise ModelError(
            f"{what} runs from {ends[0]:g} to {ends[1]:g}, but must begin and end on the faces "
            f"{info.low:g} and {info.high:g}"
        )
    return Axis(coordinate, x, periodic, None, scheme)
