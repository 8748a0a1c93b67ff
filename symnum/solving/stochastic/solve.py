"""One trajectory of a stochastic problem: the host's part between stops of the compiled loop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.model_functions import FloatArray
from symnum.errors import ModelError
from symnum.language.hybrid_system import HybridSystem
from symnum.language.stochastic_system import StochasticSystem
from symnum.solving.events import Action, Schedule, no_conflict
from symnum.solving.guards import guard_message
from symnum.solving.problem import Problem
from symnum.solving.progress import Progress
from symnum.solving.solution import Happened, Solution, failure
from symnum.solving.solution_builder import SolutionBuilder
from symnum.solving.stochastic.methods import StochasticMethod, find
from symnum.solving.stochastic.molecules import check_molecules
from symnum.solving.stochastic.simulation import (
    Simulation,
    StochasticStatistics,
    StochasticStatus,
    streams,
)
from symnum.solving.stochastic.step_function import StepFunction
from symnum.solving.stochastic.tables import NetworkTables

__all__ = ["Member", "StochasticOptions", "checked_seed", "explain", "solve_stochastic", "tables_of"]

Seed = int | np.random.SeedSequence | None
_PAUSE = 2_000_000  # events between looks at the keyboard and the progress bar


class Member(NamedTuple):
    """What one run of an ensemble differs in: starts (n,), parameters, the words of its random stream."""

    u: FloatArray
    p: FloatArray
    stream: NDArray[np.int64]


class StochasticOptions:
    """The arguments of `solve` that concern random processes, checked."""

    def __init__(
        self, problem: Problem, method: Any, *, seed: Any, step: Any, epsilon: Any, max_step: float,
        max_steps: int | None,
    ) -> None:  # fmt: skip
        system = problem.stochastic
        assert system is not None
        self.method: StochasticMethod = find(method, system.reading)
        self.seed = checked_seed(seed)
        given = {"step": step, "epsilon": epsilon}
        for name, value in given.items():
            if value is None:
                continue
            if name not in self.method.uses:
                raise ModelError(f"{self.method} takes no {name}=")
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < np.inf:
                raise ModelError(f"{name}={value!r}: give a positive number")
        if epsilon is not None and not epsilon < 1:
            raise ModelError(f"epsilon={epsilon}: the relative change of propensities in a leap is below 1")
        self.settings = {
            "epsilon": 0.03 if epsilon is None else float(epsilon),
            "step": step, "max_step": float(max_step), "max_steps": max_steps,
        }  # fmt: skip

    def simulation(self, tables: NetworkTables) -> Simulation:
        return Simulation(tables, self.method, **self.settings)


def checked_seed(seed: Any) -> Seed:
    """The seed, or ModelError."""
    if seed is None or isinstance(seed, np.random.SeedSequence):
        return seed
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool) and seed >= 0:
        return int(seed)
    raise ModelError(f"seed={seed!r}: give an integer from 0, a numpy.random.SeedSequence, or nothing")


def tables_of(problem: Problem) -> NetworkTables:
    """The tables of a problem's network, made once for it and all that are derived from it."""
    system = problem.stochastic
    assert system is not None
    memory: dict[str, NetworkTables] = problem.memory
    if "tables" not in memory:
        memory["tables"] = NetworkTables(problem.flat, system.propensities)
    tables = memory["tables"]
    if len(tables.timed) and system.reading == "jumps":
        _refuse_time(system, tables)
    return tables


def _refuse_time(system: StochasticSystem, tables: NetworkTables) -> None:
    j = int(tables.timed[0])
    raise ModelError(
        f"{system.name}: the rate of {system.propensities.original.reaction(j)} depends on the time itself. "
        "Between two events these methods take propensities as constant, which would be wrong here. Take "
        "network.hybrid(), which integrates them exactly, or change a parameter at given times by events."
    )


def solve_stochastic(
    problem: Problem,
    options: StochasticOptions,
    *,
    grid: FloatArray | None,
    dense: bool | None,
    progress: bool,
    member: Member | None = None,
) -> Solution:
    """One trajectory over the span. grid: times to keep, or None for every event. member: of an ensemble."""
    if member is None:
        member = Member(problem.u, problem.p, streams(options.seed, 1)[0])
    return _Run(problem, options, grid, dense, progress, member).run()


class _Run:
    def __init__(
        self, problem: Problem, options: StochasticOptions, grid: FloatArray | None, dense: bool | None,
        progress: bool, member: Member,
    ) -> None:  # fmt: skip
        began = time.perf_counter()
        self.problem, self.flat, self.grid = problem, problem.flat, grid
        self.dense = grid is None if dense is None else dense
        if self.dense and grid is not None:
            raise ModelError("dense=True needs every event: leave saveat= away")
        self.schedule = Schedule.of(problem)
        self.simulation = options.simulation(tables_of(problem))
        self.method = options.method
        self.stats = StochasticStatistics(self.simulation.unit)
        self.simulation.seed(member.stream)
        self.progress = Progress(self.flat.name, problem.span) if progress else None
        self.u, self.p = member.u, member.p.copy()
        self.made = SolutionBuilder(self.flat, problem.span[0])
        self.stats.setup_milliseconds = 1e3 * (time.perf_counter() - began)

    def run(self) -> Solution:
        began = time.perf_counter()
        begin, end = self.problem.span
        simulation = self.simulation
        simulation.output(self.grid)
        simulation.set_parameters(self.p)
        simulation.set_state(begin, self.u)
        message = guard_message(self.flat, self.p)
        if message is not None:
            raise ModelError(f"{self.flat.name}: {message}")
        pending = list(zip(self.schedule.times, self.schedule.actions, strict=True))
        if pending and pending[0][0] == begin and self.happen(pending.pop(0)[1]):
            return self.solution("terminated", began)
        if self.grid is None and not self.made.times:
            self.made.keep_point(begin, simulation.u)
        while True:
            stop = pending[0][0] if pending else end
            status = simulation.advance(stop, _PAUSE)
            self.made.keep(*simulation.saved())
            if self.progress:
                self.progress.show(simulation.t)
            if status in (StochasticStatus.PAUSED, StochasticStatus.BUFFER_FULL):
                continue
            if status is not StochasticStatus.DONE:
                solution = self.solution(status.name.lower(), began)
                raise failure(self.explain(status), solution)
            if not pending:
                break
            if self.happen(pending.pop(0)[1]):
                return self.solution("terminated", began)
            if simulation.t >= end:
                break
        if self.grid is None and self.made.times[-1][-1] < end:
            self.made.keep_point(end, simulation.u)
        return self.solution("done", began)

    def explain(self, status: StochasticStatus) -> str:
        return explain(
            self.problem.stochastic, self.method.name, status, self.simulation.t, self.simulation.failed
        )

    def happen(self, actions: Sequence[Action]) -> bool:
        """Apply events at the present time; True when one of them ends the run."""
        simulation, t = self.simulation, self.simulation.t
        no_conflict(self.flat, t, actions)
        u = simulation.u.copy()
        before = u.copy(), self.p.copy()
        if t > self.problem.span[0]:
            if self.grid is None and self.made.times[-1][-1] < t:
                self.made.keep_point(t, u)
            self.end_segment()
        changed: list[int] = []
        for action in actions:
            changed += action.apply(action.values(t, before), u, self.p)
            self.made.happened.append(Happened(t, action.event))
        if changed:
            self.problem.updated_parameters(self.p, changed)
            message = guard_message(self.flat, self.p)
            if message is not None:
                raise ModelError(f"{self.flat.name}: {actions[0].event} at t = {t:g}: {message}")
        process = self.problem.stochastic
        assert process is not None
        check_molecules(self.flat, process, u, f"{actions[0].event} at t = {t:g}")
        simulation.set_parameters(self.p)
        simulation.set_state(t, u)
        if self.grid is None:
            self.made.keep_point(t, u)
        return any(action.event.terminal for action in actions)

    def end_segment(self) -> None:
        dense = None
        if self.dense:
            dense = StepFunction(*self.made.in_segment(), np.array([self.simulation.t]))
        self.made.end_segment(self.simulation.t, self.p, dense)

    def solution(self, status: str, began: float) -> Solution:
        if self.progress:
            self.progress.close()
        self.end_segment()
        self.simulation.count(self.stats)
        self.stats.solve_milliseconds = 1e3 * (time.perf_counter() - began)
        return self.made.solution(status, self.stats, self.method.name)


def explain(
    system: StochasticSystem | HybridSystem | None, method: str, status: StochasticStatus, t: float,
    reaction: int,
) -> str:  # fmt: skip
    """The message of a run that stopped at t because of this reaction."""
    assert system is not None
    at = f"{system.name}: stopped at t = {t:.9g} with {method}"
    if status is StochasticStatus.MAX_STEPS_REACHED:
        return f"{at}: max_steps= was not enough; raise it, or leave it away for no limit"
    if status is StochasticStatus.UNCOUNTABLE:
        return (
            f"{at}: a species has more than 2**53 molecules, which cannot be counted one by one any "
            "more. Does it grow without bound? For so many molecules take network.langevin() or "
            "network.system()."
        )
    text = f"{system.propensities.original.reaction(reaction)}"
    if status is StochasticStatus.NEGATIVE_RATE:
        return f"{at}: the rate of\n    {text}\nis negative. Write a reversible reaction as two reactions."
    if status is StochasticStatus.NEGATIVE_COUNT:
        return (
            f"{at}: a reactant is used up, but\n    {text}\nstill happens: its rate does not vanish without "
            "it. Give a rate law that does."
        )
    return f"{at}: the rate of\n    {text}\nis not finite. Is something divided by a species that is used up?"
