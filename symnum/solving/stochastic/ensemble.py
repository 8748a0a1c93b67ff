"""How members of an ensemble of random processes are run; the numbers do not depend on where."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.model_functions import FloatArray
from symnum.errors import SolveFailed
from symnum.solving.ensembles.members import Inputs, Outcome, number_of, numbers_of
from symnum.solving.kernel import slot
from symnum.solving.problem import Problem
from symnum.solving.stochastic.simulation import Simulation
from symnum.solving.stochastic.solve import Member, StochasticOptions, solve_stochastic, tables_of

__all__ = ["StochasticRuns"]


class StochasticRuns:
    """Member k with stream k of the seed.

    The first k members are the same however many follow, and member 0 is what `solve` gives for the problem
    alone with this seed. A member that fails, or that an event ends, has a status, and NaN from there on.
    With events every member is a run of its own, whose stops go through Python.
    """

    width = 1
    counts_events = True

    def __init__(self, problem: Problem, chosen: StochasticOptions, times: FloatArray) -> None:
        self.problem, self.chosen, self.times = problem, chosen, times
        self.tables = tables_of(problem)
        self.own = threading.local()
        self.unit = self.simulation().unit

    @property
    def how(self) -> str:
        return f"one by one, {self.unit}"

    def options(self) -> dict[str, Any]:
        return {"method": self.chosen.method.name, **self.chosen.settings}

    def simulation(self) -> Simulation:
        """The memory of this thread."""
        found: Simulation | None = getattr(self.own, "simulation", None)
        if found is None:
            found = self.own.simulation = self.chosen.simulation(self.tables)
            found.output(self.times)
            found.set_parameters(self.problem.p)
        return found

    def __call__(self, given: Inputs, out: Outcome) -> None:
        streams = given.streams
        assert streams is not None
        if self.problem.events:
            for member in range(len(given)):
                one = Member(given.starts[member], given.parameters[member], streams[member])
                self.with_events(one, out.part(member, member + 1))
            return
        u, p = given.starts, given.parameters
        if bool((u == u[0]).all()):
            starts = np.tile(self.tables.start(u[0]), (len(u), 1))
        else:
            starts = np.array([self.tables.start(row) for row in u])
        status: NDArray[np.int64] = np.full(len(u), slot.DONE, np.int64)
        into: dict[int, NDArray[Any]] = {
            slot.S_OUT: out.y, slot.S_STATUS: status, slot.S_STEPS_OUT: out.steps,
            slot.S_EVENTS_OUT: out.events, slot.S_REJECTED_OUT: out.rejected,
        }  # fmt: skip
        simulation, span = self.simulation(), self.problem.span
        same = np.append(0, np.flatnonzero((p[1:] != p[:-1]).any(axis=1)) + 1).tolist()
        for first, last in zip(same, [*same[1:], len(p)], strict=True):  # members with the same parameters
            simulation.set_parameters(p[first])
            simulation.trajectories(first, last, span, starts, streams, into)
        if self.chosen.method.exact:
            out.events[:] = out.steps
        out.status[:] = numbers_of(status)

    def with_events(self, one: Member, out: Outcome) -> None:
        try:
            found = solve_stochastic(
                self.problem, self.chosen, grid=self.times, dense=False, progress=False, member=one
            )
        except SolveFailed as error:
            found = error.solution
        out.y[0, : len(found.t)] = found.y.T
        out.status[:] = number_of(found.status)
        out.steps[:], out.rejected[:] = found.stats.steps, found.stats.rejected
        out.events[:] = found.stats.steps if self.chosen.method.exact else found.stats.events

    def __getstate__(self) -> dict[str, Any]:
        return {"problem": self.problem, "chosen": self.chosen, "times": self.times}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # tables and memory are made anew
