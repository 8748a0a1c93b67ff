"""Values and slopes of solutions, to learn from and to measure errors by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import SolveFailed
from symnum.record import record
from symnum.solving.ensembles.ensemble import Ensemble
from symnum.solving.options import Times, save_times
from symnum.solving.problem import Problem, deterministic
from symnum.solving.solve import solve

__all__ = ["Samples", "sample"]

FloatArray: TypeAlias = NDArray[np.float64]


@record
class Samples:
    """points: (points, 1 + inputs) times and inputs. values, slopes: (points, n) of all unknowns; the slopes
    of algebraic ones are NaN. starts: (points, n).
    """

    points: FloatArray
    values: FloatArray
    slopes: FloatArray
    starts: FloatArray

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        return f"<Samples: {len(self)} points of {self.values.shape[1]} unknowns>"


def sample(
    problem: Problem,
    inputs: Mapping[Any, Any] | None = None,
    *,
    at: Times,
    rtol: float = 1e-8,
    atol: Any = 1e-10,
    **options: Any,
) -> Samples:
    """Solutions of a problem by the solver, at times and for inputs {parameter or variable: (members,)}.

    at: times, or their spacing. Other options are those of `solve`.
    """
    deterministic(problem, "sample")
    times = save_times(at, problem.span)
    columns = {str(key): np.asarray(column, float) for key, column in (inputs or {}).items()}
    if columns:
        ensemble = Ensemble(problem, columns)
        members, (starts, parameters) = ensemble.members, ensemble.numbers()
        found = solve(ensemble, saveat=times, rtol=rtol, atol=atol, **options)
        values = found.y
    else:
        members, starts, parameters = 1, problem.u[None], problem.p[None]
        values = solve(problem, saveat=times, rtol=rtol, atol=atol, **options).y[None]
    values = np.moveaxis(values, 1, 2)
    if not np.isfinite(values).all():
        raise SolveFailed(f"sample: a run of {problem.flat.name} did not reach the end")
    points = np.empty((members, len(times), 1 + len(columns)))
    points[..., 0] = times
    for k, column in enumerate(columns.values()):
        points[..., 1 + k] = column[:, None]
    mass = problem.flat.mass != 0
    slopes = np.array([
        [problem.compiled.rhs(t, u, p) for t, u in zip(times, rows, strict=True)]
        for rows, p in zip(values, parameters, strict=True)
    ])  # fmt: skip
    size = members * len(times)
    return Samples(
        points.reshape(size, -1), values.reshape(size, -1), np.where(mass, slopes, np.nan).reshape(size, -1),
        np.repeat(starts, len(times), axis=0),
    )  # fmt: skip
