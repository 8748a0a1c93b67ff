"""A trajectory between its events: what was saved last."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from symnum.codegen.model_functions import FloatArray
from symnum.record import record

__all__ = ["StepFunction"]


@record
class StepFunction:
    """The value at t is the one saved at the last time not behind t.

    times: (k,) not decreasing. states: (k, n). ``end``: (1,) how far it reaches.
    """

    times: FloatArray
    states: FloatArray
    end: FloatArray

    def __call__(self, t: npt.ArrayLike) -> FloatArray:
        """(n, m) at m times."""
        which = np.searchsorted(self.times, np.asarray(t, float), side="right") - 1
        values: FloatArray = self.states[np.maximum(which, 0)].T
        return values

    def extended(self, flat: FloatArray) -> FloatArray:
        """(n, m) at times (m,), those behind the last one included: nothing changes there."""
        return self(flat)
