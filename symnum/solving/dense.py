"""Evaluation of a solution between its steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from symnum.codegen.model_functions import FloatArray
from symnum.record import record

__all__ = ["DenseOutput"]


@record
class DenseOutput:
    """The interpolants of k steps, y = (1 - theta) u + theta (v + (1 - theta) (r_1 + theta (r_2 + theta
    r_3))).

    theta = (t - start)/length; a step that an event cut short counts up to `end`. `sol(t)` gives (n,)
    for a number and (n, m) for m times, the state before an event at the event's own time. Outside of
    the steps: ValueError.
    """

    start: FloatArray  # (k,)
    length: FloatArray  # (k,)
    end: FloatArray  # (k,)
    u: FloatArray  # (k, n)
    v: FloatArray  # (k, n)
    rows: FloatArray  # (k, 2 or 3, n)

    @classmethod
    def from_records(cls, records: FloatArray, n: int) -> DenseOutput:
        """From the kernel's records [start, length, end, u, v, rows]."""
        return cls(
            start=records[:, 0].copy(),
            length=records[:, 1].copy(),
            end=records[:, 2].copy(),
            u=records[:, 3 : 3 + n],
            v=records[:, 3 + n : 3 + 2 * n],
            rows=records[:, 3 + 2 * n :].reshape(len(records), (records.shape[1] - 3) // max(n, 1) - 2, n),
        )

    @classmethod
    def joined(cls, pieces: Sequence[DenseOutput], n: int) -> DenseOutput:
        """The steps of several pieces of n unknowns, one after the other."""
        if not pieces:
            return cls.from_records(np.empty((0, 3 + 4 * n)), n)
        names = ("start", "length", "end", "u", "v", "rows")
        return cls(**{name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in names})

    def __call__(self, t: npt.ArrayLike) -> FloatArray:
        times = np.asarray(t, dtype=np.float64)
        if times.size == 0:
            return np.empty((self.u.shape[1], 0))
        if len(self.start) == 0:
            raise ValueError("no steps were kept for dense output")
        first, last = self.start[0], self.end[-1]
        if np.any(~((times >= first) & (times <= last))):
            raise ValueError(f"dense output reaches from t = {first} to {last} only")
        values = self.extended(times.reshape(-1))
        return values[:, 0] if times.ndim == 0 else values

    def extended(self, flat: FloatArray) -> FloatArray:
        """(n, m) at times (m,), those outside by the polynomial of the first or the last step."""
        # the first step whose end is not before t
        k = np.minimum(np.searchsorted(self.end, flat, side="left"), len(self.end) - 1)
        theta = ((flat - self.start[k]) / self.length[k])[:, None]
        inner = self.rows[k, -1]
        for row in range(self.rows.shape[1] - 2, -1, -1):
            inner = self.rows[k, row] + theta * inner
        values: FloatArray = (1.0 - theta) * self.u[k] + theta * (self.v[k] + (1.0 - theta) * inner)
        return values.T
