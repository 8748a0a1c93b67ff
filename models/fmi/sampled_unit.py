"""An instance of a functional mock-up unit for co-simulation: a block that is sampled."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError, SolveFailed
from symnum.models.fmi.unit import Access, Interface

__all__ = ["SampledUnit", "checked_step"]

FloatArray: TypeAlias = NDArray[np.float64]

_SAME = 1e-9  # of a step: how far from its planned time a sample is met


class SampledUnit(Access):
    """`symnum.language.hosted.HostedUnit` with no states: at every sample it takes the step behind it.

    The step from one sample to the next goes with the inputs of its beginning, and outputs are held until
    the next one.
    """

    def __init__(self, interface: Interface, step: float) -> None:
        from fmpy.fmi2 import FMU2Slave
        from fmpy.fmi3 import FMU3Slave

        super().__init__(interface, FMU2Slave if interface.version == 2 else FMU3Slave)
        self.step = step
        self._start, self._count = 0.0, 0
        self._inputs: FloatArray | None = None
        self._first = np.zeros(len(interface.inputs))
        self._outputs = np.zeros(len(interface.outputs))

    def begin(self, t: float, parameters: Any) -> tuple[FloatArray, float]:
        self.initialize(t, parameters)
        self._start, self._count, self._inputs = t, 0, None
        self._outputs[:] = self.get(self.interface.outputs)
        return np.zeros(0), t + self.step

    def values(self, t: float, x: FloatArray, inputs: FloatArray) -> FloatArray:
        if self._inputs is None and t <= self._start + _SAME * self.step:
            self._first = inputs.copy()  # the last ones asked for at the start: those that are consistent
        return self._outputs.copy()

    def slopes(self, t: float, x: FloatArray, inputs: FloatArray) -> FloatArray:
        return np.zeros((len(self._outputs), len(inputs)))

    def event(self, t: float, x: FloatArray, inputs: FloatArray) -> tuple[FloatArray, float]:
        begin = self._start + self._count * self.step
        self.set(self.interface.inputs, (self._first if self._inputs is None else self._inputs).tolist())
        found = self.fmu.doStep(begin, self.step)
        if found is not None and found[2] and not found[1]:
            raise SolveFailed(
                f"{self.interface.title} returned early from a step at t = {begin + self.step:g}"
            )
        self.ended = found is not None and bool(found[1])
        self._count += 1
        self._inputs = inputs.copy()
        self._outputs[:] = self.get(self.interface.outputs)
        return x, self._start + (self._count + 1) * self.step

    def calls(self) -> None:
        return None

    def stepped(self, t: float, x: FloatArray, inputs: FloatArray) -> bool:
        return False


def checked_step(step: Any, default: Any, title: str) -> float:
    """The time between samples: as given, else as the unit proposes it."""
    value = step if step is not None else default
    if value is None or not 0.0 < float(value) < np.inf:
        raise ModelError(
            f"import_fmu: step={step!r}: {title} is used for co-simulation; give the time between two samples"
        )
    return float(value)
