"""Many trajectories of a stochastic problem, over all cores; the numbers do not depend on how many."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.model_functions import FloatArray
from symnum.errors import ModelError
from symnum.solving.ensemble import Ensemble, EnsembleSolution, EnsembleStatistics, in_parallel
from symnum.solving.kernel import slot
from symnum.solving.stochastic.simulation import Simulation, StochasticStatus, streams
from symnum.solving.stochastic.solve import StochasticOptions, tables_of
from symnum.solving.stochastic.tables import NetworkTables

__all__ = ["solve_stochastic_ensemble"]

_BLOCKS = 16  # pieces of work for each thread, so that none waits long for the last one


def solve_stochastic_ensemble(
    ensemble: Ensemble, options: StochasticOptions, times: FloatArray, threads: int | None
) -> EnsembleSolution:
    """All members at the times of the grid, member k with stream k of the seed.

    The first k members are the same however many follow, and member 0 is what `solve` gives for the problem
    alone with this seed. A member that fails has a status, and NaN from there on.
    """
    began = time.perf_counter()
    problem = ensemble.problem
    if problem.events:
        raise ModelError(
            f"{problem.flat.name}: {problem.events[0]}: ensembles of random processes know no events; solve "
            "the problem once for each seed"
        )
    tables = tables_of(problem)
    u, p = ensemble.numbers()
    members = len(u)
    work = _Members(tables, options, times, problem.span, u, p)
    middle = time.perf_counter()
    count = max(1, min(threads or os.cpu_count() or 1, members))
    block = max(1, min(512, members // (_BLOCKS * count)))
    in_parallel(work, members, count, block)
    end = time.perf_counter()
    names = np.array([StochasticStatus(int(code)).name.lower() for code in np.unique(work.status)])
    stats = EnsembleStatistics(
        work.steps, work.rejected, f"one by one, {work.unit}", count, 0, 1e3 * (middle - began),
        1e3 * (end - middle), work.steps if options.method.exact else work.events,
    )  # fmt: skip
    return EnsembleSolution(
        problem.flat, times, work.y.transpose(0, 2, 1), p,
        names[np.searchsorted(np.unique(work.status), work.status)], stats,
    )  # fmt: skip


class _Members:
    """Blocks of members, each thread with memory of its own."""

    def __init__(
        self, tables: NetworkTables, options: StochasticOptions, times: FloatArray,
        span: tuple[float, float], u: FloatArray, p: FloatArray,
    ) -> None:  # fmt: skip
        members = len(u)
        self.tables, self.options, self.times, self.span, self.p = tables, options, times, span, p
        self.same = bool((p == p[0]).all())
        if bool((u == u[0]).all()):
            self.starts = np.tile(tables.start(u[0]), (members, 1))
        else:
            self.starts = np.array([tables.start(row) for row in u])
        self.streams = streams(options.seed, members)
        self.y: FloatArray = np.full((members, len(times), tables.flat.n), np.nan)
        self.status: NDArray[np.int64] = np.zeros(members, np.int64)
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
        simulation = self.simulation()
        if self.same:
            simulation.trajectories(first, last, self.span, self.starts, self.streams, self.out)
            return
        for member in range(first, last):
            simulation.set_parameters(self.p[member])
            simulation.trajectories(member, member + 1, self.span, self.starts, self.streams, self.out)
