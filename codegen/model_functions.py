"""What a solver knows about a compiled model: sizes, patterns and the addresses of its functions."""

from __future__ import annotations

from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from symnum.codegen.pattern import Pattern
from symnum.errors import CodegenError
from symnum.record import record

__all__ = ["FloatArray", "IntArray", "ModelFunctions", "ShortArray"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
ShortArray: TypeAlias = npt.NDArray[np.int32]


@record
class ModelFunctions:
    """The compiled functions of M u' = f(t, u, p), with M diagonal, entries 0 or 1.

    Every function has the C signature `void f(double t, double *out, const double *u, const double *p,
    double *work)` and is given as an integer address; 0 means that the model does not need it.

    * `setup` is called after every change of p: it writes the parameter-only values into the front of
      `work` and the constant entries of the Jacobian into `out`.
    * `rhs` writes f, (n,).
    * `jacobian` writes the entries of df/du that change, (nnz,) in CSC order, into a buffer prepared by
      `setup`.
    * `time_gradient` writes df/dt, (n,); 0: f does not depend on t.
    * `roots` writes (n_events + 2 n_limits,): the event functions, then for each hard limit the distance
      outside (positive: beyond the bound) and the drive (positive: pushing outwards).

    `work` belongs to one run, (n_work,). A held limit k has p[limit_parameter[k]] = 0, which the
    generated `rhs` multiplies into the row of the limited state; limits of one state share the
    parameter.
    """

    n: int
    n_parameters: int
    n_work: int
    n_events: int
    n_limits: int
    setup: int
    rhs: int
    jacobian: int
    time_gradient: int
    roots: int
    mass: FloatArray  # (n,), 0.0 or 1.0
    pattern: Pattern  # of df/du
    event_direction: IntArray  # (n_events,): +1 up, -1 down, 0 both
    # (n_events,): where a run starts with the event function at exactly zero it counts as
    # 1: above, -1: below, 2: zero, 0: what it was before
    event_side: IntArray
    limit_parameter: IntArray  # (n_limits,)
    owners: tuple[object, ...] = ()  # must live as long as the addresses are used
    # (n, 1 + coordinates): field and place along each coordinate of every unknown, -1 where it has none
    grid: ShortArray | None = None
    # the parameter with which 0 takes those terms out of f that additive methods treat explicitly; -1: none
    explicit_parameter: int = -1
    # (n_events,) bits, what event functions read beside states: 1 time, 2 unknowns without derivative; None:
    # no more than states, or nobody knows
    event_reads: IntArray | None = None

    @property
    def entries(self) -> int:
        """The number of entries of df/du, nnz."""
        return self.pattern.size

    @property
    def indptr(self) -> IntArray:
        """(n + 1,) where the entries of each column begin."""
        return self.pattern.indptr

    @property
    def indices(self) -> IntArray:
        """(nnz,) rows of the entries, sorted in each column; for a large grid found when asked for."""
        return self.pattern.indices

    @cached_property
    def n_algebraic(self) -> int:
        """How many rows have no derivative."""
        return self.n - int(np.count_nonzero(self.mass))

    def __post_init__(self) -> None:
        shapes = (
            ("mass", self.mass.shape, (self.n,)),
            ("pattern", (int(self.pattern.bound[-1]),), (self.n,)),
            ("event_direction", self.event_direction.shape, (self.n_events,)),
            ("event_side", self.event_side.shape, (self.n_events,)),
            ("limit_parameter", self.limit_parameter.shape, (self.n_limits,)),
        )
        for name, found, wanted in shapes:
            if found != wanted:
                raise CodegenError(f"model functions: {name} has shape {found}, expected {wanted}")
        if self.n_events + self.n_limits > 0 and self.roots == 0:
            raise CodegenError("model functions: events or limits, but no roots function")
        if not np.all((self.mass == 0.0) | (self.mass == 1.0)):
            raise CodegenError("model functions: mass entries must be 0 or 1")
