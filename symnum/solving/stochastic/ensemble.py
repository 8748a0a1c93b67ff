"""Many trajectories of a stochastic problem, over all cores; the numbers do not depend on how many."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.model_functions import FloatArray
from symnum.errors import SolveFailed
from symnum.solving.ensemble import Ensemble, EnsembleSolution, EnsembleStatistics, in_parallel
from symnum.solving.kernel import slot
from symnum.solving.problem import Problem
from symnum.solving.stochastic.simulation import Simulation, StochasticStatus, streams
from symnum.solving.stochastic.solve import Member, StochasticOptions, solve_stochastic, tables_of

__all__ = ["solve_stochastic_ensemble"]

_BLOCKS = 16  # pieces of work for each thread, so that none waits long for the last one


def solve_stochastic_ensemble(
    ensemble: Ensemble, options: StochasticOptions, times: FloatArray, threads: int | None
) -> EnsembleSolution:
    """All members at the times of the grid, member k with stream k of the seed.

    The first k members are the same however many follow, and member 0 is what `solve` gives for the problem
    alone with this seed. A member that fails, or that an event ends, has a status, and NaN from there on.
    With events every member is a run of its own, whose stops go through Python.
    """
    began = time.perf_counter()
    problem = ensemble.problem
    u, p = ensemble.numbers()
    members = len(u)
    work = _Members(problem, options, times, u, p)
    middle = time.perf_counter()
    count = max(1, min(threads or os.cpu_count() or 1, members))
    block = max(1, min(512, members // (_BLOCKS * count)))
    in_parallel(work, members, count, block)
    end = time.perf_counter()
    stats = EnsembleStatistics(
        work.steps, work.rejected, f"one by one, {work.unit}", count, 0, 1e3 * (middle - began),
        1e3 * (end - middle), work.steps if options.method.exact else work.events,
    )  # fmt: skip
    return EnsembleSolution(
        problem.flat, times, work.y.transpose(0, 2, 1), p, work.ended(), stats,
    )  # fmt: skip


class _Members:
    """Blocks of members, each thread with memory of its own."""

    def __init__(
        self, problem: Problem, options: StochasticOptions, times: FloatArray, u: FloatArray, p: FloatArray
    ) -> None:
        members = len(u)
        tables = tables_of(problem)
        self.problem, self.span, self.tables = problem, problem.span, tables
        self.options, self.times, self.u, self.p = options, times, u, p
        self.terminated: NDArray[np.bool_] = np.zeros(members, bool)
        self.same = bool((p == p[0]).all())
        if bool((u == u[0]).all()):
            self.starts = np.tile(tables.start(u[0]), (members, 1))
        else:
            self.starts = np.array([tables.start(row) for row in u])
        self.streams = streams(options.seed, members)
        self.y: FloatArray = np.full((members, len(times), tables.flat.n), np.nan)
        self.status: NDArray[np.int64] = np.full(members, slot.DONE, np.int64)
        self.steps: NDArray[np.int64] = np.zeros(members, np.int64)
        self.events: NDArray[np.int64] = np.zeros(members, np.int64)
        self.rejected: NDArray[np.int64] = np.zeros(members, np.int64)
        self.out: dict[int, NDArray[Any]] = {
            slot.S_OUT: self.y, slot.S_STATUS: self.status, slot.S_STEPS_OUT: self.steps,
            slot.S_EVENTS_OUT: self.events, slot.S_REJECTED_OUT: self.rejected,
        }  # fmt: skip
        self.own = threading.local()
        self.unit = self.simulation().unit

    def simulation(self) -> Simulation:
        """The memory of this thread."""
        found: Simulation | None = getattr(self.own, "simulation", None)
        if found is None:
            found = self.own.simulation = self.options.simulation(self.tables)
            found.output(self.times)
            found.set_parameters(self.p[0])
        return found

    def __call__(self, first: int, last: int) -> None:
        if self.problem.events:
            for member in range(first, last):
                self.with_events(member)
            return
        simulation = self.simulation()
        if self.same:
            simulation.trajectories(first, last, self.span, self.starts, self.streams, self.out)
            return
        for member in range(first, last):
            simulation.set_parameters(self.p[member])
            simulation.trajectories(member, member + 1, self.span, self.starts, self.streams, self.out)

    def with_events(self, member: int) -> None:
        one = Member(self.u[member], self.p[member], self.streams[member])
        try:
            found = solve_stochastic(
                self.problem, self.options, grid=self.times, dense=False, progress=False, member=one
            )
        except SolveFailed as error:
            found = error.solution
        self.y[member, : len(found.t)] = found.y.T
        self.terminated[member] = found.status == "terminated"
        if not self.terminated[member]:
            self.status[member] = StochasticStatus[found.status.upper()].value
        self.steps[member], self.rejected[member] = found.stats.steps, found.stats.rejected
        self.events[member] = found.stats.events

    def ended(self) -> NDArray[np.str_]:
        """(members,) how each run came to stand still."""
        codes, where = np.unique(self.status, return_inverse=True)
        names = np.array([StochasticStatus(int(code)).name.lower() for code in codes])
        return np.where(self.terminated, "terminated", names[where])
