"""Runs of hybrid problems: the integrator's loop with random events that the kernel carries out."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.model_functions import FloatArray, IntArray
from symnum.errors import SolveFailed
from symnum.solving.ensemble import Ensemble, EnsembleSolution, EnsembleStatistics, in_parallel
from symnum.solving.events import Action
from symnum.solving.integrator import Integrator
from symnum.solving.kernel import library, slot
from symnum.solving.kernel.call import kernel
from symnum.solving.method import Method
from symnum.solving.problem import Problem
from symnum.solving.run import Run
from symnum.solving.solution import failure
from symnum.solving.statistics import Status
from symnum.solving.stochastic.methods import StochasticMethod
from symnum.solving.stochastic.partition import Partition
from symnum.solving.stochastic.simulation import Simulation, StochasticStatus, streams
from symnum.solving.stochastic.solve import Seed, checked_seed, explain
from symnum.solving.stochastic.tables import NetworkTables

__all__ = ["HybridRun", "solve_hybrid_ensemble"]

_HYBRID = StochasticMethod(
    name="hybrid",
    reading="hybrid",
    unit="hybrid",
    about="",
    cite="A. Alfonsi et al., ESAIM: Proc. 14 (2005) 1",
)
_OF_EVENTS = (Status.NEGATIVE_RATE, Status.NEGATIVE_COUNT)


class Jumps:
    """The random events of one run: tables, a stream, and where the integrator's memory is."""

    def __init__(self, problem: Problem, stream: IntArray) -> None:
        system, flat = problem.hybrid, problem.flat
        assert system is not None
        if "tables" not in problem.memory:
            problem.memory["tables"] = NetworkTables(
                flat, system.propensities, others=1 + len(system.extents)
            )
        tables: NetworkTables = problem.memory["tables"]
        sums = np.arange(tables.entries - tables.species + 1)
        self.threshold = flat.parameter_index(system.threshold, "hybrid")
        self.simulation = Simulation(tables, _HYBRID)
        self.simulation.place(
            {
                slot.S_PERMUTATION: tables.counted.astype(np.int32),
                slot.S_PLACES: tables.position.astype(np.int32),
                slot.S_MEMBER_START: np.searchsorted(tables.members.reaction, sums).astype(np.int32),
                slot.S_MEMBER: tables.members.species.astype(np.int32),
                slot.S_WEIGHT: tables.members.count,
            }
        )
        hazard = int(flat.position[flat.number_of(system.hazard, "hybrid")])
        for where, value in (
            (slot.S_ROW, len(tables.counted)), (slot.S_HAZARD, hazard),
            (slot.S_THRESHOLD, self.threshold), (slot.S_LOOP, library.addresses("loop")["advance"]),
        ):  # fmt: skip
            self.simulation.table[where] = value
        self.simulation.seed(stream)
        self.partition = Partition(system, flat, tables, self.simulation, stream)
        # before the kernel draws from the stream itself
        self.first_threshold = float(np.random.default_rng(stream.view(np.uint64)).exponential())

    @property
    def table(self) -> IntArray:
        """What the kernel takes."""
        return self.simulation.table

    def jump(self) -> Status:
        """One random event at the present point of the integrator; it has to be told."""
        status = kernel(library.addresses("hybrid")["jump"], self.table)
        return Status.EVENT if status == slot.OK else Status(status)


class HybridIntegrator(Integrator):
    """An integrator that carries out random events in its loop, unless each of them is to be seen."""

    jumps: Jumps | None = None
    each = False

    def connect(self, jumps: Jumps, each: bool) -> None:
        """From now on the events are those of ``jumps``."""
        self.jumps, self.each = jumps, each
        jumps.table[slot.S_RUN] = self._integers.ctypes.data

    def _entry(self, address: int) -> tuple[int, IntArray]:
        if address == self._advance and self.jumps is not None and not self.each:
            return library.addresses("hybrid")["advance"], self.jumps.table
        return super()._entry(address)


class HybridRun(Run):
    """A run whose first event function is that of the random events. seed: or the words of a stream."""

    def __init__(
        self, problem: Problem, method: Method | None, options: dict[str, Any], saveat: Any,
        dense: bool | None, progress: bool, tier: str | None, seed: Seed | IntArray,
    ) -> None:  # fmt: skip
        stream = seed if isinstance(seed, np.ndarray) else streams(checked_seed(seed), 1)[0]
        self.jumps = Jumps(problem, stream)
        mine = copy.copy(problem)
        mine.p = problem.p.copy()
        mine.u = problem.u.copy()
        mine.p[self.jumps.threshold] = self.jumps.first_threshold
        self.jumps.partition.settle(mine.u, mine.p)
        self.jumps.simulation.set_parameters(mine.p)
        # when the run changes to a specialised step depends on the clock, and the last digits on that
        super().__init__(mine, method, options, saveat, dense, progress, tier or "generic")

    def ready_integrator(self) -> Integrator:
        found = HybridIntegrator(self.problem.compiled.model.functions, self.method, **self.options)
        found.connect(self.jumps, self.grid is None or self.dense)
        return found

    def release(self, integrator: Integrator) -> None:
        """Nothing is kept: the memory is connected with that of the events."""

    def happen(self, actions: Sequence[Action]) -> bool:
        system, partition, integrator = self.problem.hybrid, self.jumps.partition, self.integrator
        assert system is not None
        own = [action for action in actions if action.event is system.jump or action.event in system.bounds]
        others = [action for action in actions if action not in own]
        done = partition.passed  # the kernel has carried out an event, after which the partition changes
        if not own and not done:
            ends = super().happen(actions)
            if actions:
                self.jumps.simulation.set_parameters(integrator.p)
                partition.settle(integrator.u, integrator.p)
                integrator.changed_parameters()
            return ends
        if self.dense or self.grid is None:
            self.begin_segment()
        if own and own[0].event is system.jump and not done:
            status = self.jumps.jump()
            if status is not Status.EVENT:
                raise failure(self.explain(status), self.solution(status.name.lower()))
        if partition.passed or any(action.event in system.bounds for action in own):
            partition.settle(integrator.u, integrator.p)
        integrator.changed_parameters()
        self.make_consistent()
        if self.grid is None:
            self.keep(np.array([integrator.t]), integrator.u[:, None].copy())
        return self.happen(others) if others or self.triggers else False

    def explain(self, status: Status) -> str:
        simulation = self.jumps.simulation
        if status in _OF_EVENTS or (status is Status.NOT_FINITE and self.integrator.fired[:1] == [0]):
            return explain(
                self.problem.hybrid, self.method.name, StochasticStatus(status.value), self.integrator.t,
                simulation.failed,
            )  # fmt: skip
        return super().explain(status)


def solve_hybrid_ensemble(
    ensemble: Ensemble, method: Method | None, options: dict[str, Any], times: FloatArray,
    tier: str | None, threads: int | None, seed: Seed,
) -> EnsembleSolution:  # fmt: skip
    """All members at the times of the grid, member k with stream k of the seed. Results do not depend on
    ``threads``. A member that fails has a status, and NaN from there on."""
    began = time.perf_counter()
    problem = ensemble.problem
    u, p = ensemble.numbers()
    members = len(u)
    stream = streams(checked_seed(seed), members)
    y = np.full((members, len(times), problem.flat.n), np.nan)
    status: NDArray[Any] = np.full(members, "done", dtype="<U24")
    steps, rejected, events = (np.zeros(members, np.int64) for _ in range(3))
    Jumps(problem, stream[0])  # tables and kernels are made once, before the threads

    def work(first: int, last: int) -> None:
        for member in range(first, last):
            one = copy.copy(problem)
            one.u, one.p = u[member].copy(), p[member].copy()
            run = HybridRun(one, method, options, times, False, False, tier, stream[member])
            try:
                found = run.run()
            except SolveFailed as error:
                reached = getattr(error, "solution", None)
                if reached is None:
                    raise
                found = reached
                status[member] = found.status
            y[member, : len(found.t)] = found.y.T
            steps[member], rejected[member] = found.stats.steps, found.stats.rejected
            events[member] = run.jumps.table[slot.S_EVENTS]

    middle = time.perf_counter()
    count = max(1, min(threads or os.cpu_count() or 1, members))
    in_parallel(work, members, count, 1)
    end = time.perf_counter()
    stats = EnsembleStatistics(
        steps, rejected, "one by one, hybrid", count, 0, 1e3 * (middle - began), 1e3 * (end - middle), events
    )
    return EnsembleSolution(problem.flat, times, y.transpose(0, 2, 1), p, status, stats)
