"""Members of an ensemble side by side in the lanes of vectors: memory and call of `kernel.lanes`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.model_functions import FloatArray
from symnum.solving.ensembles.members import Inputs
from symnum.solving.kernel import library, slot
from symnum.solving.kernel.call import kernel
from symnum.solving.specialised import LaneSteps

if TYPE_CHECKING:
    from symnum.solving.ensembles.deterministic import DeterministicRuns

__all__ = ["Codes", "run_lanes"]


class Codes(NamedTuple):
    """What the kernel counts, (k,) each: values of `Status`, steps, and steps that were rejected."""

    status: NDArray[np.int64]
    steps: FloatArray
    rejected: FloatArray

    @classmethod
    def zeros(cls, members: int) -> Codes:
        return cls(np.zeros(members, np.int64), np.zeros(members), np.zeros(members))


def run_lanes(runs: DeterministicRuns, steps: LaneSteps, given: Inputs, y: FloatArray, codes: Codes) -> None:
    """All members of ``given``; those that need another order of pivots keep the status REPIVOT."""
    width, method, functions = steps.lanes, runs.method, runs.problem.compiled.model.functions
    n = functions.n
    table, keep = np.zeros(slot.L_SIZE, np.int64), []

    def point(where: int, array: NDArray[Any]) -> None:
        keep.append(array)
        table[where] = array.ctypes.data

    numbers = {
        slot.L_LANES: width, slot.L_N: n, slot.L_PARAMETERS: functions.n_parameters,
        slot.L_STAGES: method.stages, slot.L_FSAL: int(method.first_same_as_last),
        slot.L_EXPLICIT: int(method.family == "explicit"), slot.L_FIRST: 0, slot.L_LAST: len(given),
        slot.L_COUNT: len(runs.times), slot.L_MAX_STEPS: runs.max_steps,
        slot.L_BEGIN_LANES: steps.begin, slot.L_RUN: steps.run,
    }  # fmt: skip
    for where, number in numbers.items():
        table[where] = number
    for where, array in (
        (slot.L_STARTS, given.starts), (slot.L_VALUES, given.parameters), (slot.L_TIMES, runs.times),
        (slot.L_SAVED, y), (slot.L_STATUS, codes.status), (slot.L_STEPS_OUT, codes.steps),
        (slot.L_REJECTED_OUT, codes.rejected),
    ):  # fmt: skip
        point(where, array)
    sizes = {
        **dict.fromkeys((slot.L_U, slot.L_V, slot.L_Y, slot.L_F0, slot.L_F1, slot.L_ERROR,
                         slot.L_GRADIENT), n),
        slot.L_JACOBIAN: len(functions.indices), slot.L_P: functions.n_parameters,
        slot.L_WORK: steps.prepared, slot.L_K: method.stages * n, slot.L_LU: steps.factors,
        **dict.fromkeys((slot.L_T, slot.L_FRESH, slot.L_H, slot.L_STEP, slot.L_T1, slot.L_NEXT,
                         slot.L_BEFORE, slot.L_SHRUNK, slot.L_ACCEPTED, slot.L_ACTIVE, slot.L_TAKEN,
                         slot.L_REFUSED, slot.L_ATTENTION), 1),
    }  # fmt: skip
    for where, size in sizes.items():
        point(where, _aligned(max(size, 1) * width))
    atol = _aligned(n * width)
    atol[:] = np.repeat(runs.atol, width)
    point(slot.L_ATOL, atol)
    point(slot.L_MEMBER, np.zeros(width, np.int64))
    point(slot.L_POSITION, np.zeros(width, np.int64))
    dense = method.dense_table()
    if dense is None or method.extra_stages:  # only the ends of steps are asked for
        dense = np.zeros((2, method.stages))
    dense = np.ascontiguousarray(dense)
    point(slot.L_DENSE, dense)
    table[slot.L_DENSE_ROWS] = len(dense)
    span = runs.problem.span
    point(slot.L_FLOATS, np.array([
        *span, runs.rtol, runs.max_step, runs.first_step, float(method.error_power),
    ]))  # fmt: skip
    kernel(library.addresses("lanes")["ensemble"], table)


def _aligned(size: int) -> FloatArray:
    """Zeros that begin with a cache line: a vector across two lines costs twice."""
    memory = np.zeros(size + 8)
    first = -(memory.ctypes.data // 8) % 8
    return memory[first : first + size]
