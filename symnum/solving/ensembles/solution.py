"""The solution of an ensemble."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.model_functions import FloatArray
from symnum.errors import ModelError
from symnum.lowering.flat import FlatSystem
from symnum.record import record
from symnum.rewriting.expr import Expr
from symnum.solving.ensembles.members import MemberRuns, Outcome
from symnum.solving.solution import Sample, Segment

if TYPE_CHECKING:
    import pandas
    import xarray

__all__ = ["EnsembleSolution", "EnsembleStatistics", "statistics"]

_NOTHING: Mapping[str, NDArray[Any]] = MappingProxyType({})
_NUMBERS = 1 << 22  # states that are looked at together


@record
class EnsembleStatistics:
    """What an ensemble has cost: per member (members,), and together."""

    steps: NDArray[np.int64]
    rejected: NDArray[np.int64]
    how: str  # "8 lanes", "one by one: why"; and on what, where an executor ran them
    threads: int  # or workers of the executor
    alone: int  # members that left the lanes for steps that pivot
    setup_milliseconds: float
    solve_milliseconds: float
    events: NDArray[np.int64] | None = None  # reactions that happened, where these are single ones


def statistics(runs: MemberRuns, whole: Outcome, stats: dict[str, Any]) -> EnsembleStatistics:
    """whole: of all members; its ``y`` is not looked at. stats: the fields that have one value for all."""
    return EnsembleStatistics(
        steps=whole.steps, rejected=whole.rejected, alone=int(np.count_nonzero(whole.alone)),
        events=whole.events if runs.counts_events else None, **stats,
    )  # fmt: skip


@record
class EnsembleSolution:
    """All members of an ensemble at the same times.

    t: (m,). y: (members, n, m), NaN beyond the point where a member failed; an array, or the one in the
    store, of which parts are read when they are asked for. status: (members,) names of `Status`,
    "interrupted" for members that were not come to. changes: {name: (members,)} parameters and seeds that
    differ. ``runs[expr]``: (members, m), any expression of the model; of a list (k, members, m), of fields
    (members, m, *points). ``runs.member(k)`` is one of them.
    """

    flat: FlatSystem
    t: FloatArray
    y: Any
    p: FloatArray
    status: NDArray[np.str_]
    stats: EnsembleStatistics
    changes: Mapping[str, NDArray[Any]] = _NOTHING

    @property
    def members(self) -> int:
        return len(self.p)

    @property
    def states(self) -> tuple[str, ...]:
        """The names of the unknowns, the second axis of ``y``."""
        return self.flat.state_names

    @property
    def final(self) -> FloatArray:
        """(n, members) the states at the last time."""
        return np.ascontiguousarray(self.y[:, :, -1].T)

    @property
    def failed(self) -> NDArray[np.int64]:
        """The members that came neither to the end nor to an event that ends a run."""
        return np.flatnonzero((self.status != "done") & (self.status != "terminated"))

    def member(self, k: int) -> Sample:
        """One member: ``member[expr]`` is (m,)."""
        segment = np.zeros(len(self.t), np.int64)
        return Sample(self.flat, (Segment(float(self.t[0]), self.p[k], None),), self.t, self.y[k], segment)

    def __getitem__(self, key: Any) -> FloatArray:
        if isinstance(key, (list, tuple)):
            return np.array([self[item] for item in key])
        together = max(_NUMBERS // max(len(self.t) * self.flat.n, 1), 1)
        pieces = [self._values(key, k, k + together) for k in range(0, self.members, together)]
        return np.concatenate(pieces) if len(pieces) > 1 else pieces[0]

    def _values(self, key: Any, first: int, last: int) -> NDArray[np.float64]:
        """Values of an expression for some of the members."""
        # one sample over these and all times: every member is a stretch with parameters of its own
        own = np.asarray(self.y[first:last])
        members, n, m = own.shape
        segments = tuple(Segment(float(self.t[0]), p, None) for p in self.p[first:last])
        y = np.ascontiguousarray(own.transpose(1, 0, 2)).reshape(n, members * m)
        sample = Sample(self.flat, segments, np.tile(self.t, members), y, np.repeat(np.arange(members), m))
        values = np.asarray(sample[key])
        return values.reshape(members, m, *values.shape[1:])

    def to_dataframe(self, *what: Expr | str) -> pandas.DataFrame:
        """A table with an index of member and time, a column for each changed parameter that is not asked
        for itself, and one for each expression (all unknowns without arguments)."""
        try:
            import pandas
        except ImportError as error:
            raise ModelError('to_dataframe needs pandas: pip install "symnum-modeling[data]"') from error
        values = {str(item): self[item] for item in what or self.states}
        for name, found in values.items():
            if found.ndim > 2:
                raise ModelError(f"to_dataframe: {name} is a field; to_xarray has axes for its coordinates")
        m = len(self.t)
        columns = {name: np.repeat(v, m) for name, v in self.changes.items() if name not in values}
        index = pandas.MultiIndex.from_product([range(self.members), self.t], names=["member", "t"])
        return pandas.DataFrame({**columns, **{name: v.ravel() for name, v in values.items()}}, index=index)

    def to_xarray(self, *what: Expr | str) -> xarray.Dataset:
        """A dataset over ``member`` and ``t``: expressions (all unknowns without arguments), the status, and
        the changed parameters that are not asked for as coordinates of the members."""
        try:
            import xarray
        except ImportError as error:
            raise ModelError('to_xarray needs xarray: pip install "symnum-modeling[data]"') from error
        grids = {str(item): self.member(0).grid_of(item) for item in what or self.states}
        values = {
            str(item): (("member", "t", *(name for name, _ in grids[str(item)])), self[item])
            for item in what or self.states
        }
        points = {name: x for grid in grids.values() for name, x in grid}
        places = {name: ("member", v) for name, v in self.changes.items() if name not in values}
        coordinates = {"member": np.arange(self.members), "t": self.t, "status": ("member", self.status)}
        return xarray.Dataset(values, coords={**coordinates, **points, **places})

    def __len__(self) -> int:
        return self.members

    def __iter__(self) -> Iterator[Sample]:
        return (self.member(k) for k in range(self.members))

    def __repr__(self) -> str:
        failed = len(self.failed)
        return f"<EnsembleSolution {self.flat.name}: {self.members} members, {failed} failed>"
