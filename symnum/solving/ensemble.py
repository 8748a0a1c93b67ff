"""Ensembles: one problem with many parameters and starts, several trajectories at once in vector lanes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.model_functions import FloatArray
from symnum.errors import ModelError, SolveFailed
from symnum.lowering.flat import FlatSystem
from symnum.record import record, replace
from symnum.rewriting.expr import Expr
from symnum.solving.choice import MANY_TIMES, choice_for_all, stiff_method
from symnum.solving.integrator import Integrator
from symnum.solving.kernel import library, slot
from symnum.solving.kernel.call import kernel
from symnum.solving.method import Method
from symnum.solving.problem import Problem
from symnum.solving.solution import Sample, Segment, Solution
from symnum.solving.specialised import LaneSteps, lane_steps, specialised_step, unfit, vector_lanes
from symnum.solving.statistics import Status
from symnum.solving.tableau import ExplicitTableau

__all__ = ["Ensemble", "EnsembleSolution", "EnsembleStatistics", "in_parallel", "solve_ensemble"]

# Unknowns up to which trajectories go side by side: beyond, their stages would fall out of the first cache.
_LARGEST_IN_LANES = 32
_BLOCK = 512  # members that a thread takes at once


class Ensemble:
    """A problem and what changes from member to member.

    changes: {parameter, variable or name: (members,) numbers}; a parameter gets these values, a variable
    starts there. Everything else is as in the problem. Parameters and starts that the problem gives as
    expressions of a changed parameter follow it. members: how many, for a stochastic problem that is
    repeated as it is.
    """

    def __init__(
        self, problem: Problem, changes: Mapping[Any, Any] | None = None, *, members: int | None = None
    ) -> None:
        if not isinstance(problem, Problem):
            raise ModelError(f"Ensemble takes a Problem, not {problem!r}: sn.Problem(system, start, span)")
        if problem.initial:
            raise ModelError("Ensemble: initial= equations are solved for single problems only; give starts")
        if problem.flat.structure.choices:
            raise ModelError(
                f"Ensemble: {problem.flat.name} chooses its states anew in a run, which ensembles cannot do. "
                "Solve the members one by one, or say with state_priority=100 which variables are the states."
            )
        if members is not None and (isinstance(members, bool) or not isinstance(members, (int, np.integer))):
            raise ModelError(f"Ensemble: members={members!r} is no whole number")
        if members is not None and members < 1:
            raise ModelError(f"Ensemble: members={members}; give 1 or more")
        if not changes and (members is None or not (problem.stochastic or problem.hybrid)):
            raise ModelError("Ensemble: say what changes, {parameter or variable: array of numbers}")
        self.problem = problem
        columns: dict[Any, FloatArray] = {}
        for key, values in (changes or {}).items():
            try:
                column = np.asarray(values, float)
            except (TypeError, ValueError) as error:
                raise ModelError(f"Ensemble: the values of {key} are not numbers") from error
            if column.ndim != 1 or not len(column):
                raise ModelError(f"Ensemble: {key} has shape {column.shape}; give (members,) numbers")
            bad = np.flatnonzero(~np.isfinite(column))
            if len(bad):
                raise ModelError(f"Ensemble: member {bad[0]} has {key} = {column[bad[0]]}")
            columns[key] = column
        lengths = {len(column) for column in columns.values()}
        if len(lengths) > 1:
            told = ", ".join(f"{key}: {len(column)}" for key, column in columns.items())
            raise ModelError(f"Ensemble: arrays of different lengths ({told}); each member needs one of each")
        if members is not None and lengths and lengths != {members}:
            raise ModelError(f"Ensemble: members={members}, but the arrays hold {lengths.pop()} numbers")
        self.members: int = lengths.pop() if lengths else int(members or 0)
        self.changes = columns

    def numbers(self) -> tuple[FloatArray, FloatArray]:
        """(members, n) starts, not yet consistent, and (members, n_parameters) parameters."""
        problem, flat = self.problem, self.problem.flat
        parameters = {k: v for k, v in self.changes.items() if self._is_parameter(k)}
        starts = {k: v for k, v in self.changes.items() if k not in parameters}
        p = np.tile(problem.p, (self.members, 1))
        u = np.tile(problem.u, (self.members, 1))
        if self._plain(parameters, starts):
            for key, column in parameters.items():
                p[:, flat.parameter_index(key, "Ensemble")] = column
            for key, column in starts.items():
                u[:, flat.position[flat.number_of(key, "Ensemble")]] = column
            return u, p
        for member in range(self.members):
            one = problem.with_(
                start={k: float(v[member]) for k, v in starts.items()},
                parameters={k: float(v[member]) for k, v in parameters.items()},
            )
            u[member], p[member] = one.u, one.p
        return u, p

    def _is_parameter(self, key: Any) -> bool:
        flat = self.problem.flat
        if isinstance(key, str):
            return flat.parameters.find(key) is not None
        return isinstance(key, Expr) and key.op == "symbol" and flat.parameters.find(key.name) is not None

    def _plain(self, parameters: Mapping[Any, Any], starts: Mapping[Any, Any]) -> bool:
        """Does nothing follow from what changes, so that columns can be written as they are?"""
        flat = self.problem.flat
        probe = {k: float(v[0]) for k, v in parameters.items()}
        changed = self.problem.with_(parameters=probe)
        places = [flat.parameter_index(key, "Ensemble") for key in parameters]
        others = np.setdiff1d(np.arange(len(self.problem.p)), places)
        shifted = self.problem.with_(parameters={k: v + 1.0 for k, v in probe.items()})
        follows = self.problem.dependent_parameters()
        if follows or not np.array_equal(changed.p[others], shifted.p[others]):
            return False
        if not np.array_equal(changed.u, shifted.u):
            return False
        return all(flat.position[flat.number_of(key, "Ensemble")] >= 0 for key in starts)

    def __repr__(self) -> str:
        return f"<Ensemble of {self.members}: {self.problem.flat.name}>"


@record
class EnsembleStatistics:
    """What an ensemble has cost: per member (members,), and together."""

    steps: NDArray[np.int64]
    rejected: NDArray[np.int64]
    how: str  # "8 lanes", "one by one: why"
    threads: int
    alone: int  # members that left the lanes for steps that pivot
    setup_milliseconds: float
    solve_milliseconds: float
    events: NDArray[np.int64] | None = None  # reactions that happened, where these are single ones


@record
class EnsembleSolution:
    """All members of an ensemble at the same times.

    t: (m,). y: (members, n, m), NaN beyond the point where a member failed. status: (members,) names of
    `Status`. ``runs[expr]``: (members, m), any expression of the model. ``runs.member(k)`` is one of them.
    """

    flat: FlatSystem
    t: FloatArray
    y: FloatArray
    p: FloatArray
    status: NDArray[np.str_]
    stats: EnsembleStatistics

    @property
    def members(self) -> int:
        return len(self.y)

    @property
    def final(self) -> FloatArray:
        """(n, members) the states at the last time."""
        return np.ascontiguousarray(self.y[:, :, -1].T)

    @property
    def failed(self) -> NDArray[np.int64]:
        """The members that did not arrive."""
        return np.flatnonzero(self.status != "done")

    def member(self, k: int) -> Sample:
        """One member: ``member[expr]`` is (m,)."""
        segment = np.zeros(len(self.t), np.int64)
        return Sample(self.flat, (Segment(float(self.t[0]), self.p[k], None),), self.t, self.y[k], segment)

    def __getitem__(self, key: Any) -> FloatArray:
        # one sample over all members and times: every member is a stretch with parameters of its own
        members, n, m = self.y.shape
        segments = tuple(Segment(float(self.t[0]), p, None) for p in self.p)
        y = np.ascontiguousarray(self.y.transpose(1, 0, 2)).reshape(n, members * m)
        sample = Sample(self.flat, segments, np.tile(self.t, members), y, np.repeat(np.arange(members), m))
        values = np.asarray(sample[key])
        return values.reshape(*values.shape[:-1], members, m)

    def __len__(self) -> int:
        return self.members

    def __iter__(self) -> Iterator[Sample]:
        return (self.member(k) for k in range(self.members))

    def __repr__(self) -> str:
        failed = len(self.failed)
        return f"<EnsembleSolution {self.flat.name}: {self.members} members, {failed} failed>"


@record
class EnsembleTask:
    """Everything that both ways of running an ensemble need."""

    problem: Problem
    method: Method
    times: FloatArray
    starts: FloatArray
    parameters: FloatArray
    rtol: float
    atol: FloatArray
    max_step: float
    first_step: float
    max_steps: int
    y: FloatArray  # (members, m, n), written by the runs
    status: NDArray[np.int64]
    steps: FloatArray
    rejected: FloatArray


def solve_ensemble(
    ensemble: Ensemble,
    method: Method | None,
    times: FloatArray,
    *,
    rtol: float,
    atol: FloatArray,
    max_step: float,
    first_step: float | None,
    max_steps: int,
    threads: int | None,
    tier: str | None,
) -> EnsembleSolution:
    """Integrate all members. times: (m,) increasing, within the span. A member that fails has a status, and
    NaN where it did not come to; the others are not affected. Results do not depend on ``threads``."""
    began = time.perf_counter()
    problem, flat = ensemble.problem, ensemble.problem.flat
    starts, parameters = ensemble.numbers()
    members, m = len(starts), len(times)
    chosen = method is None
    if method is None:
        functions = problem.compiled.model.functions
        interpolated = m > MANY_TIMES or functions.n_events + functions.n_limits > 0
        method = choice_for_all(functions, problem.span, starts, parameters, rtol, interpolated)
    task = EnsembleTask(
        problem, method, times, starts, parameters, rtol, atol, max_step, first_step or 0.0, max_steps,
        np.full((members, m, flat.n), np.nan),
        np.zeros(members, np.int64), np.zeros(members), np.zeros(members),
    )  # fmt: skip
    count = max(1, min(threads or os.cpu_count() or 1, -(-members // _BLOCK)))
    why = _not_in_lanes(task, tier)
    steps = None
    if not why:
        span = problem.span[1] - problem.span[0]
        steps = lane_steps(
            problem.compiled.model, method, problem.span[0], starts[0], parameters[0], span
        )
        why = "" if steps else "the matrix of a step is singular at the start"
    middle = time.perf_counter()
    alone = np.arange(members)
    if steps is not None:
        in_parallel(_Lanes(task, steps), members, count, _BLOCK)
        alone = np.flatnonzero(task.status == slot.REPIVOT)
    if len(alone):
        _one_by_one(task, alone, tier)
    if chosen and method is not stiff_method():
        # a few were looked at to choose the method, and these are of another kind
        stiff = np.flatnonzero(task.status == slot.MAX_STEPS_REACHED)
        if len(stiff):
            _one_by_one(replace(task, method=stiff_method()), stiff, tier)
            alone = np.union1d(alone, stiff)
    status = _NAMES[task.status]
    end = time.perf_counter()
    how = f"{steps.lanes} lanes" if steps else f"one by one: {why}"
    stats = EnsembleStatistics(
        task.steps.astype(np.int64), task.rejected.astype(np.int64), how,
        count if steps else 1, len(alone) if steps else 0, 1e3 * (middle - began), 1e3 * (end - middle),
    )  # fmt: skip
    return EnsembleSolution(flat, times, task.y.transpose(0, 2, 1), parameters, status, stats)


_CODES = {status.value: status.name.lower() for status in Status}
_NAMES = np.array([_CODES.get(code, "") for code in range(1 + max(_CODES))])
"""Names of `Status` by their values, "" in between."""


def _not_in_lanes(task: EnsembleTask, tier: str | None) -> str:
    """Why the members have to run one by one; "" where they need not."""
    functions = task.problem.compiled.model.functions
    if tier == "generic":
        return "the generic tier was asked for"
    if task.problem.events or functions.n_events:
        return "there are events"
    if functions.n_limits:
        return "there are limits"
    if task.problem.flat.delays:
        return "there are delays"
    if not functions.mass.all():
        return "there are algebraic equations"
    if functions.n > _LARGEST_IN_LANES:
        return f"{functions.n} unknowns are more than {_LARGEST_IN_LANES}"
    if not vector_lanes():
        return "the vectors of this processor are too short"
    begin, end = task.problem.span
    between = ((task.times > begin) & (task.times < end)).any()
    if between and (task.method.dense_table() is None or task.method.extra_stages):
        return f"{task.method} has no dense output from the stages of its steps alone"
    if isinstance(task.method, ExplicitTableau) and task.method.second:
        return f"{task.method} has two error estimates"
    return unfit(task.problem.compiled.model, task.method)


def in_parallel(work: Any, members: int, threads: int, block: int) -> None:
    """``work(first, last)`` on blocks of members; the loops release the interpreter's lock."""
    if threads == 1:
        work(0, members)
        return
    blocks = iter([(k, min(k + block, members)) for k in range(0, members, block)])
    lock = threading.Lock()
    failures: list[BaseException] = []

    def loop() -> None:
        while True:
            with lock:
                members_now = next(blocks, None)
            if members_now is None or failures:
                return
            try:
                work(*members_now)
            except BaseException as error:
                failures.append(error)

    crew = [threading.Thread(target=loop) for _ in range(threads)]
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    if failures:
        raise failures[0]


class _Lanes:
    """Members side by side: the memory and the call of `kernel.lanes`."""

    def __init__(self, task: EnsembleTask, steps: LaneSteps) -> None:
        self.task, self.steps = task, steps
        self.call = library.addresses("lanes")["ensemble"]

    def __call__(self, first: int, last: int) -> None:
        task, steps, width = self.task, self.steps, self.steps.lanes
        method, functions = task.method, task.problem.compiled.model.functions
        n = functions.n
        table, keep = np.zeros(slot.L_SIZE, np.int64), []

        def point(where: int, array: NDArray[Any]) -> None:
            keep.append(array)
            table[where] = array.ctypes.data

        numbers = {
            slot.L_LANES: width, slot.L_N: n, slot.L_PARAMETERS: functions.n_parameters,
            slot.L_STAGES: method.stages, slot.L_FSAL: int(method.first_same_as_last),
            slot.L_EXPLICIT: int(method.family == "explicit"), slot.L_FIRST: first, slot.L_LAST: last,
            slot.L_COUNT: len(task.times), slot.L_MAX_STEPS: task.max_steps,
            slot.L_BEGIN_LANES: steps.begin, slot.L_RUN: steps.run,
        }  # fmt: skip
        for where, number in numbers.items():
            table[where] = number
        for where, array in (
            (slot.L_STARTS, task.starts), (slot.L_VALUES, task.parameters), (slot.L_TIMES, task.times),
            (slot.L_SAVED, task.y), (slot.L_STATUS, task.status), (slot.L_STEPS_OUT, task.steps),
            (slot.L_REJECTED_OUT, task.rejected),
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
        atol[:] = np.repeat(task.atol, width)
        point(slot.L_ATOL, atol)
        point(slot.L_MEMBER, np.zeros(width, np.int64))
        point(slot.L_POSITION, np.zeros(width, np.int64))
        dense = method.dense_table()
        if dense is None or method.extra_stages:  # only the ends of steps are asked for
            dense = np.zeros((2, method.stages))
        dense = np.ascontiguousarray(dense)
        point(slot.L_DENSE, dense)
        table[slot.L_DENSE_ROWS] = len(dense)
        span = task.problem.span
        point(slot.L_FLOATS, np.array([
            *span, task.rtol, task.max_step, task.first_step, float(method.error_power),
        ]))  # fmt: skip
        kernel(self.call, table)


def _aligned(size: int) -> FloatArray:
    """Zeros that begin with a cache line: a vector across two lines costs twice."""
    memory = np.zeros(size + 8)
    first = -(memory.ctypes.data // 8) % 8
    return memory[first : first + size]


def _one_by_one(task: EnsembleTask, members: NDArray[np.int64], tier: str | None) -> None:
    """The members that cannot run in lanes, one run after the other."""
    problem = task.problem
    if problem.events or problem.flat.delays or not problem.compiled.model.functions.mass.all():
        for member in members:
            _whole_solve(task, int(member), tier)
        return
    model, method = task.problem.compiled.model, task.method
    begin, end = task.problem.span
    integrator = Integrator(
        model.functions, method, rtol=task.rtol, atol=task.atol, max_step=task.max_step,
        first_step=task.first_step or None, max_steps=task.max_steps,
    )  # fmt: skip
    if tier != "generic" and not unfit(model, method) and len(members) > 100:
        found = specialised_step(model, method, begin, task.starts[0], task.parameters[0], end - begin)
        if found is not None:
            integrator.specialise(found.step, found.function, found.factors)
    for member in members:
        integrator.start(begin, task.starts[member], task.parameters[member])
        status = integrator.advance(end, saveat=task.times)
        _, states = integrator.saved()
        task.y[member] = np.nan
        task.y[member, : states.shape[1]] = states.T
        task.status[member] = status.value
        task.steps[member], task.rejected[member] = integrator.stats.steps, integrator.stats.rejected


def _whole_solve(task: EnsembleTask, member: int, tier: str | None) -> None:
    """One member with everything that `solve` does: events, consistent algebraic unknowns."""
    from symnum.solving.solve import solve

    problem = task.problem.with_()
    problem.u, problem.p = task.starts[member].copy(), task.parameters[member].copy()
    try:
        found = solve(
            problem, task.method, rtol=task.rtol, atol=task.atol, saveat=task.times, max_step=task.max_step,
            first_step=task.first_step or None, max_steps=task.max_steps, tier=tier,
        )  # fmt: skip
        task.status[member] = slot.DONE if found.status == "done" else slot.EVENT
    except SolveFailed as error:
        reached: Solution | None = getattr(error, "solution", None)
        if reached is None:
            task.status[member] = slot.NOT_CONVERGED  # no consistent start
            return
        found = reached
        task.status[member] = Status[found.status.upper()].value
    task.y[member, : len(found.t)] = found.y.T
    task.steps[member], task.rejected[member] = found.stats.steps, found.stats.rejected
