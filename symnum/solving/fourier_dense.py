"""Values between steps in Fourier space: exact in the linear part, with N as a parabola through the step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from symnum.codegen.model_functions import FloatArray
from symnum.solving.fourier_method import ComplexArray, phi_functions

if TYPE_CHECKING:
    from symnum.solving.fourier_system import FourierSystem

__all__ = ["FourierDense", "FourierSteps"]


class FourierDense:
    """The steps of one stretch of a run, in the place of a `DenseOutput`.

    start, length, end: (k,). records: of each step the state before, N at begin, middle and end, the state
    after. At t + theta h the state is exp(theta z) u + h sum_j j! theta^(j+1) phi_(j+1)(theta z) c_j with
    N = c_0 + c_1 theta + c_2 theta^2, which is what ETDRK4 itself computes at theta = 1; what other methods
    differ from it there is added in proportion to theta.
    """

    def __init__(
        self, system: FourierSystem, times: list[tuple[float, float, float]], records: list[ComplexArray]
    ) -> None:
        # not the system itself: a solution outlives the memory of its run, and goes to other processes
        self.fields, self.rates, self.records = system.fields, system.rates, records
        table = np.array(times).reshape(-1, 3)
        self.start, self.length, self.end = table[:, 0], table[:, 1], table[:, 2]

    def __call__(self, t: npt.ArrayLike) -> FloatArray:
        times = np.asarray(t, dtype=np.float64)
        values = self.extended(times.reshape(-1))
        return values[:, 0] if times.ndim == 0 else values

    def extended(self, flat: FloatArray) -> FloatArray:
        """(n, m) at times (m,), those outside by the first or the last step."""
        found = np.empty((self.fields.n, len(flat)))
        which = np.minimum(np.searchsorted(self.end, flat, side="left"), len(self.end) - 1)
        for column, (k, t) in enumerate(zip(which.tolist(), flat.tolist(), strict=True)):
            found[:, column] = self._at(k, (t - self.start[k]) / self.length[k])
        return found

    def _at(self, k: int, theta: float) -> FloatArray:
        before, first, middle, last, after = self.records[k]
        h = float(self.length[k])
        if theta == 1.0:
            return self.fields.states(after)
        slope = -3.0 * first + 4.0 * middle - last
        curve = 2.0 * first - 4.0 * middle + 2.0 * last

        def at(theta: float) -> ComplexArray:
            phi = phi_functions(theta * h * self.rates)
            inner = phi[1] * first + theta * (phi[2] * slope + 2.0 * theta * phi[3] * curve)
            return np.asarray(phi[0] * before + theta * h * inner)

        return self.fields.states(at(theta) + theta * (after - at(1.0)))


class FourierSteps:
    """Collects the steps of one stretch."""

    def __init__(self, system: FourierSystem) -> None:
        self.system = system
        self.times: list[tuple[float, float, float]] = []
        self.records: list[ComplexArray] = []

    def add(self, start: float, length: float, end: float) -> None:
        self.times.append((start, length, end))
        self.records.append(self.system.step_record())

    def last(self, times: FloatArray) -> FloatArray:
        """(n, m) at times (m,) within the last step."""
        return FourierDense(self.system, self.times[-1:], self.records[-1:]).extended(times)

    def take(self) -> FourierDense:
        """What was collected since the last time."""
        times, self.times = self.times, []
        records, self.records = self.records, []
        return FourierDense(self.system, times, records)
