"""Runs of hybrid problems: the integrator's loop with random events that the kernel carries out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from symnum.codegen.model_functions import FloatArray, IntArray
from symnum.errors import SolveFailed
from symnum.solving.ensembles.members import Inputs, Outcome, number_of
from symnum.solving.events import Action
from symnum.solving.integrator import Integrator
from symnum.solving.kernel import library, slot
from symnum.solving.kernel.call import kernel
from symnum.solving.method import Method
from symnum.solving.problem import Problem
from symnum.solving.run import Run
from symnum.solving.solution import failure
from symnum.solving.statistics import Status
from symnum.solving.step_options import StepOptions
from symnum.solving.stochastic.methods import StochasticMethod
from symnum.solving.stochastic.partition import Partition
from symnum.solving.stochastic.simulation import Simulation, StochasticStatus, streams
from symnum.solving.stochastic.solve import Seed, checked_seed, explain
from symnum.solving.stochastic.tables import NetworkTables

__all__ = ["HybridRun", "HybridRuns"]

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
        self, problem: Problem, method: Method | None, options: StepOptions, saveat: Any,
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
        found = HybridIntegrator(self.problem.compiled.model.functions, self.method, self.options)
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
            self.made.keep_point(integrator.t, integrator.u)
        return self.happen(others) if others or self.triggers else False

    def explain(self, status: Status) -> str:
        simulation = self.jumps.simulation
        if status in _OF_EVENTS or (status is Status.NOT_FINITE and self.integrator.fired[:1] == [0]):
            return explain(
                self.problem.hybrid, self.method.name, StochasticStatus(status.value), self.integrator.t,
                simulation.failed,
            )  # fmt: skip
        return super().explain(status)


class HybridRuns:
    """How members of an ensemble of hybrid problems are run, member k with stream k of the seed. A member
    that fails has a status, and NaN from there on."""

    width = 1
    counts_events = True
    how = "one by one, hybrid"

    def __init__(
        self, problem: Problem, method: Method | None, settings: StepOptions, times: FloatArray,
        tier: str | None,
    ) -> None:  # fmt: skip
        self.problem, self.method, self.settings = problem, method, settings
        self.times, self.tier = times, tier
        self._prepare()

    def _prepare(self) -> None:
        """Tables and kernels are made once, before there are threads."""
        Jumps(self.problem, streams(0, 1)[0])

    def options(self) -> dict[str, Any]:
        method = None if self.method is None else self.method.name
        return {"method": str(method), "tier": str(self.tier), **vars(self.settings)}

    def __call__(self, given: Inputs, out: Outcome) -> None:
        assert given.streams is not None
        for member in range(len(given)):
            one = copy.copy(self.problem)
            one.u, one.p = given.starts[member].copy(), given.parameters[member].copy()
            run = HybridRun(
                one, self.method, self.settings, self.times, False, False, self.tier, given.streams[member]
            )
            try:
                found = run.run()
            except SolveFailed as error:
                reached = getattr(error, "solution", None)
                if reached is None:
                    raise
                found = reached
            out.status[member] = number_of(found.status)
            out.y[member, : len(found.t)] = found.y.T
            out.steps[member], out.rejected[member] = found.stats.steps, found.stats.rejected
            out.events[member] = run.jumps.table[slot.S_EVENTS]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()
