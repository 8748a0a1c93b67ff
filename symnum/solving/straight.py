"""Runs that nothing interrupts: from the start to the end in one call of the compiled loop.

Of a small problem the loop takes some ten microseconds, and much of what `Run` keeps for events, pauses and
changes of the method would take longer. What solves of one problem with the same options have in common is
therefore made once and kept with it, for the problems derived from it too. Whatever stops the loop before the
end is left to `Run`, which goes on from there.
"""

from __future__ import annotations

import sys
import time
from typing import Any, NamedTuple

import numpy as np

from symnum.solving.checkpoint import Checkpoint
from symnum.solving.choice import MANY_TIMES, Choice
from symnum.solving.integrator import Integrator
from symnum.solving.kernel import slot
from symnum.solving.method import Method
from symnum.solving.options import FloatArray
from symnum.solving.problem import Problem
from symnum.solving.solution import Segment, Solution
from symnum.solving.specialised import LARGEST, TierChoice
from symnum.solving.step_options import StepOptions

__all__ = ["PAUSE", "Leg", "Straight", "is_straight"]

_INFO = 20  # logging.INFO
PAUSE = 2000  # steps between looks at the keyboard and the progress bar
_REMEMBERED = 500  # numbers of a start and its parameters that are compared faster than a Jacobian is made


class Leg(NamedTuple):
    """Where a run stands that `Run` is to go on with."""

    integrator: Integrator
    choice: Choice | None
    reason: str  # of the method
    status: int
    began: float


def is_straight(problem: Problem) -> bool:
    """Is there nothing in this problem that could stop a run on its way, or that its start follows from?"""
    known = problem.straight
    if known is None:
        flat = problem.flat
        known = problem.straight = not (
            problem.stochastic or problem.hybrid or problem.events or problem.initial or problem.resumed
            or flat.events or flat.triggers or flat.limits or flat.delays or flat.hosted or flat.guards
            or flat.structure.choices or flat.n > LARGEST or not flat.mass.all()
            or any(flat.position[number] < 0 for number in problem.starts)
        )  # fmt: skip
    return known


class Straight:
    """Solves of one problem, and of those derived from it, with the same options."""

    def __init__(
        self, problem: Problem, method: Method | None, options: StepOptions, tier: str | None
    ) -> None:
        self.model = problem.compiled.model
        self.method, self.options, self.tier = method, options, tier
        self.choices: tuple[Choice, ...] = ()  # for output at few times, and at many
        if method is None:
            functions, rtol = self.model.functions, options.rtol
            self.choices = Choice(functions, rtol, False), Choice(functions, rtol, True)
        self.idle: dict[Method, list[Integrator]] = {}
        self.begun: dict[Choice, tuple[tuple[Any, ...], tuple[Method, str]]] = {}

    def first(self, choice: Choice, problem: Problem) -> tuple[Method, str]:
        """The method to begin with, and why: known from the last run if that began in the same way."""
        start = problem.span, problem.u.tobytes(), problem.p.tobytes()
        known = self.begun.get(choice)
        if known is not None and known[0] == start:
            return known[1]
        found = choice.begin(problem.span, problem.u, problem.p, self.options.fixed)
        if len(problem.u) + len(problem.p) <= _REMEMBERED:
            self.begun[choice] = start, found
        return found

    def ready(self, method: Method) -> Integrator:
        try:
            return self.idle[method].pop()  # at once: other threads may do the same
        except (KeyError, IndexError):
            return Integrator(self.model.functions, method, self.options)

    def run(self, problem: Problem, grid: FloatArray | None, dense: bool) -> Solution | Leg:
        """The solution, or where the loop was stopped."""
        began = time.perf_counter()
        begin, end = problem.span
        u, p, choice, reason = problem.u, problem.p, None, "asked for"
        if self.method is not None:
            method = self.method
        else:
            choice = self.choices[dense or grid is None or len(grid) > MANY_TIMES]
            method, reason = self.first(choice, problem)
        integrator = self.ready(method)
        integrator.start(begin, u, p)
        stats = integrator.new_statistics()
        stats.choice = reason
        if choice is not None and self.options.fixed is None:
            choice.watch(integrator, end)
        settled = integrator.settled
        if not settled:
            tier = TierChoice(self.model, method, self.tier, end - begin)
            tier.begin(integrator)
            if not tier.open:
                integrator.settled = stats.tier
        else:
            stats.tier = settled
        status = integrator.run_to(end, grid, dense, PAUSE)
        if not settled:
            tier.consider(integrator)
        if status != slot.DONE:
            return Leg(integrator, choice, reason, status, began)
        solution = _solution(problem, integrator, grid is None, dense)
        self.idle.setdefault(method, []).append(integrator)
        return solution


_loggers: list[Any] = []


def _logger() -> Any:
    """Once `logging` is imported; before that nobody can be listening."""
    if not _loggers and (logging := sys.modules.get("logging")):
        _loggers.append(logging.getLogger("symnum"))
    return _loggers[0] if _loggers else None


def _solution(problem: Problem, integrator: Integrator, every: bool, dense: bool) -> Solution:
    begin, end = problem.span
    t, y = integrator.saved()
    if every:
        t, y = np.append(begin, t), np.concatenate([problem.u[:, None], y], axis=1)
    p = problem.p.copy()
    kept = integrator.dense_output() if dense else None
    stats = integrator.stats
    if (logger := _logger()) is not None and logger.isEnabledFor(_INFO):
        logger.info("%s: done, %s", problem.flat.name, stats)
    return Solution(
        problem.flat, (Segment(begin, p, kept),), t, y, np.zeros(len(t), np.int64), None, "done", stats, (),
        integrator.method.name, Checkpoint(end, integrator.u.copy(), p, integrator.next_step),
    )  # fmt: skip
