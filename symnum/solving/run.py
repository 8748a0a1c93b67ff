"""One run of a problem: the host's part between stops of the compiled loop."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from symnum.errors import ModelError
from symnum.solving.checkpoint import Checkpoint
from symnum.solving.choice import MANY_TIMES, Choice
from symnum.solving.dense import DenseOutput
from symnum.solving.events import Action, Schedule, Values, no_conflict
from symnum.solving.guards import guard_message
from symnum.solving.initialize import consistent
from symnum.solving.integrator import Integrator
from symnum.solving.integrator_pool import give_back, integrator_for
from symnum.solving.interruption import Interruption
from symnum.solving.method import Method
from symnum.solving.options import FloatArray, Times, numbers, save_times
from symnum.solving.problem import Problem
from symnum.solving.solution import Happened, Solution, failure
from symnum.solving.solution_builder import SolutionBuilder
from symnum.solving.specialised import LARGEST, TierChoice
from symnum.solving.start import check_start, starting_point, state_selection
from symnum.solving.statistics import Status
from symnum.solving.step_options import StepOptions
from symnum.solving.straight import PAUSE, Leg
from symnum.solving.tableaus import find
from symnum.solving.time_crossings import TimeCrossings
from symnum.solving.triggers import Triggers, check_end
from symnum.solving.why_stopped import why_stopped

if TYPE_CHECKING:
    from symnum.solving.delays import Past
    from symnum.solving.progress import Progress

__all__ = ["Run", "in_fourier_space"]

_PATIENCE = 0.1  # seconds from which on Ctrl-C is a wish and no exception
_PAUSE_UNKNOWNS = 200_000  # the same times the unknowns
_LOOK = 10  # steps between looks at the states where these are chosen in the run
_TURNED = 0.7  # cosine of the angle from the free directions at which states are changed
_AFRESH = 0.95  # the same, when steps fail
_NO_STEP = (Status.STEP_TOO_SMALL, Status.SINGULAR, Status.NOT_FINITE, Status.NOT_CONVERGED)


class Run:
    """One run of a problem: the host's part between stops of the compiled loop."""

    def __init__(
        self,
        problem: Problem,
        method: Method | None,
        options: StepOptions,
        saveat: Times | None,
        dense: bool | None,
        progress: bool,
        tier: str | None,
        leg: Leg | None = None,
    ) -> None:
        """leg: what has been made of the run already."""
        self.problem, self.flat = problem, problem.flat
        self.began = time.perf_counter()
        self.schedule = Schedule.of(problem)
        self.grid = None if saveat is None else save_times(saveat, problem.span)
        self.dense = self.grid is None if dense is None else dense
        self.options = options
        self.choice: Choice | None = None
        self.reason = "asked for"
        self.leg = leg
        self.past: Past | None = None
        if self.flat.delays:
            from symnum.solving.delays import Past

            self.past = Past(self.flat)
            method = method or find("Rodas5P")
        self.hosted = problem.compiled.hosted
        self.pieces: list[DenseOutput] = []  # with delays: the steps since the last event
        if leg is not None:
            method, self.choice = leg.integrator.method, leg.choice
            self.reason, self.began = leg.reason, leg.began
        elif method is None and (found := in_fourier_space(problem, options, tier)):
            method, self.reason = found
        elif method is None:
            functions = problem.compiled.model.functions
            many = self.dense or self.grid is None or len(self.grid) > MANY_TIMES
            interpolated = many or functions.n_events + functions.n_limits > 0
            self.choice = Choice(functions, options.rtol, interpolated)
            method, self.reason = self.choice.begin(problem.span, problem.u, problem.p, options.fixed)
        self.method, self.methods = method, [method.name]
        self.integrator = self.ready_integrator() if leg is None else leg.integrator
        self.integrator.stats.choice = self.reason
        self.selection = state_selection(problem) if self.flat.structure.choices else None
        self.wanted_tier = tier
        self.tier = self.new_tier()
        self.progress: Progress | None = None
        if progress:
            from symnum.solving.progress import Progress

            self.progress = Progress(self.flat.name, problem.span)
        self.made = SolutionBuilder(self.flat, problem.span[0])
        self.stops: list[float] = []
        # of large systems fewer steps are made before the keyboard is looked at
        self.pause = max(1, min(PAUSE, _PAUSE_UNKNOWNS // self.flat.n))
        model = problem.compiled.model
        self.triggers = None
        if self.flat.triggers:
            n_events = model.functions.n_events
            self.clock = TimeCrossings(self.flat)
            self.triggers = Triggers(self.flat, lambda t, u, p: model.roots(t, u, p)[:n_events])

    def ready_integrator(self) -> Integrator:
        if self.past:
            if self.method.own_loop:
                raise ModelError(f"{self.flat.name}: {self.method} runs no delays; use Rodas5P")
            functions = self.problem.compiled.model.functions
            wrapped = self.past.wrapped(functions, lambda: self.integrator.step_size)
            return Integrator(wrapped, self.method, self.options)
        return integrator_for(self.problem, self.method, self.options)

    def release(self, integrator: Integrator) -> None:
        if not self.past:
            give_back(self.problem, integrator, self.options)

    def new_tier(self) -> TierChoice | None:
        if self.past or self.flat.hosted or (self.wanted_tier is None and self.flat.n > LARGEST):
            return None
        span = self.problem.span[1] - self.problem.span[0]
        return TierChoice(self.problem.compiled.model, self.method, self.wanted_tier, span)

    def run(self) -> Solution:
        solution = self.finished()
        self.release(self.integrator)
        return solution

    def change_method(self, method: Method, longest: float, why: str) -> None:
        """Go on with another method, with a step not longer than that."""
        self.reason += why
        old = self.integrator
        self.begin_segment()
        self.method = method
        self.methods.append(method.name)
        self.integrator = self.ready_integrator()
        self.integrator.take_over(old, longest)
        self.release(old)
        self.integrator.stats.choice = self.reason
        self.tier = self.new_tier()
        if self.tier:
            self.tier.begin(self.integrator)

    def stop_at(self, times: Sequence[float] | FloatArray) -> None:
        """Times at which steps end and begin anew."""
        given = numbers(times, "tstops").reshape(-1)
        if not np.isfinite(given).all():
            raise ModelError(f"tstops={times!r}: give finite times")
        self.stops = given.tolist()

    def pending(self) -> list[tuple[float, tuple[Action, ...]]]:
        """What happens at given times, in order; a run that goes on has seen those of its begin."""
        begin, end = self.problem.span
        found: dict[float, tuple[Action, ...]] = {t: () for t in self.stops if begin < t < end}
        found |= dict(zip(self.schedule.times, self.schedule.actions, strict=True))
        if self.problem.resumed is not None:
            found.pop(begin, None)
        return sorted(found.items())

    def finished(self) -> Solution:
        with Interruption() as interruption:
            try:
                return self.until_the_end(interruption)
            except Exception as error:  # guards are the user's own functions and raise what they like
                if self.made.times and getattr(error, "solution", None) is None:
                    with suppress(AttributeError):  # a class with __slots__
                        error.solution = self.solution("stopped")  # type: ignore[attr-defined]
                raise

    def until_the_end(self, interruption: Interruption) -> Solution:
        if self.leg is not None:
            return self.take_over(self.leg, interruption)
        begin, end = self.problem.span
        integrator, choice = self.integrator, self.choice
        integrator.start(begin, *starting_point(self.problem))
        if choice and self.options.adaptive:
            choice.watch(integrator, end)
        if self.past:
            self.past.start(begin, integrator.u, integrator.p)
            self.limit_step()
        self.make_consistent()
        if self.past:
            self.past.first = integrator.u.copy(), integrator.p.copy()
        check_start(self.problem, integrator.u, integrator.p, integrator.slope())
        if self.tier:
            self.tier.begin(integrator)
        pending, resumed = self.pending(), self.problem.resumed
        if resumed is not None:
            integrator.propose(resumed.step)
        if self.triggers:
            self.triggers.begin(begin, integrator.u, integrator.p)
        first = pending.pop(0)[1] if pending and pending[0][0] == begin else ()
        if self.happen(first):
            return self.solution("terminated")
        if self.grid is None and not self.made.times:
            self.made.keep_point(begin, integrator.u)
        return self.go_on(pending, interruption)

    def take_over(self, leg: Leg, interruption: Interruption) -> Solution:
        """Go on with a run that has been stopped on its way, in which nothing has happened so far."""
        begin, integrator = self.problem.span[0], self.integrator
        if not integrator.steps:
            check_start(self.problem, self.problem.u, self.problem.p, integrator.slope())
        if self.tier:
            self.tier.counted = integrator.stats.solve_milliseconds
            self.tier.begin(integrator)
        if self.grid is None:
            self.made.keep_point(begin, self.problem.u)
        return self.go_on([], interruption, Status(leg.status))

    def go_on(
        self, pending: list[tuple[float, tuple[Action, ...]]], interruption: Interruption,
        stopped: Status | None = None,
    ) -> Solution:  # fmt: skip
        """From stop to stop. pending: what happens at given times. stopped: how the run has come to stand."""
        end, crossing = self.problem.span[1], self.schedule.crossing
        integrator, choice = self.integrator, self.choice
        while True:
            stop = pending[0][0] if pending else end
            if pending and not pending[0][1]:
                # of what jumps there no stage may see the other side
                stop = max(math.nextafter(stop, -math.inf), integrator.t)
            due = stop  # what is pending
            alarm = math.inf
            if self.triggers:
                stop = max(min(stop, self.triggers.next_time), integrator.t)
                alarm = self.clock.next(integrator.t, end, integrator.u, integrator.p)
                if pending and pending[0][0] <= alarm:
                    alarm = math.inf
                # what jumps at that time jumps behind this step
                stop = min(stop, max(math.nextafter(alarm, -math.inf), integrator.t))
            pause = 1 if self.hosted and self.hosted.steps else _LOOK if self.selection else self.pause
            if self.past:
                stop, pause = min(stop, self.past.next_break), 1
                self.past.middle = 0.5 * (integrator.t + stop)
            dense = self.dense or self.past is not None
            if stopped is None:
                status = integrator.advance(stop, saveat=self.grid, dense=dense, pause_after=pause)
            else:
                status, stopped = stopped, None
            if self.past:
                self.remember(status)
            if self.progress:
                self.progress.show(integrator.t)
            if self.tier:
                self.tier.consider(integrator)
            wanted = []
            if self.hosted and self.hosted.steps:
                wanted = self.hosted.stepped(integrator.t, integrator.u)
            if status is Status.PAUSED and wanted:
                self.keep_saved()
                if self.happen(self.hosted_events(wanted)):
                    return self.solution("terminated")
                continue
            if status is Status.PAUSED:
                if time.perf_counter() - self.began > _PATIENCE:
                    interruption.watch()
                if interruption.asked:
                    return self.interrupted()
                if self.selection:
                    self.keep_saved()
                    self.select_states(_TURNED)
                if choice and (change := choice.changed(integrator)):
                    self.keep_saved()
                    self.change_method(*change)
                    integrator = self.integrator
                continue
            self.keep_saved()
            if status in _NO_STEP and self.selection and self.select_states(_AFRESH):
                continue
            actions: tuple[Action, ...] = ()
            fired: list[int] = []
            if status is Status.EVENT:
                fired = integrator.fired
                actions = tuple(crossing[i] for i in fired if i < len(crossing))
            elif status is Status.DONE and pending and pending[0][0] == integrator.t:
                actions = pending.pop(0)[1]
            elif status is Status.DONE and pending and due == integrator.t:
                self.begin_anew(pending.pop(0)[0])
            elif status is Status.DONE and math.nextafter(alarm, -math.inf) <= integrator.t < end:
                self.begin_anew(alarm)
            elif status is not Status.DONE:
                raise failure(self.explain(status), self.solution(status.name.lower()))
            if self.triggers and self.triggers.arrive(
                integrator.t, integrator.u, integrator.p, integrator.sides, fired
            ):
                integrator.changed_parameters()
            if self.happen(actions):
                return self.solution("terminated")
            if integrator.t >= end:
                return self.solution("done")

    def begin_anew(self, t: float) -> None:
        """Go on at a stop, to which the steps have come as close as numbers do."""
        integrator = self.integrator
        if self.grid is None and self.made.times and self.made.times[-1][-1] == integrator.t:
            self.made.times[-1][-1] = t
        elif self.grid is not None and t in self.grid:
            self.made.keep_point(t, integrator.u)
        integrator.move_to(t)
        self.make_consistent()

    def interrupted(self) -> Solution:
        import logging

        self.keep_saved()
        logging.getLogger("symnum").warning(
            "%s: interrupted at t = %.9g; the solution reaches up to there", self.flat.name, self.integrator.t
        )
        return self.solution("interrupted")

    # ---- delays -----------------------------------------------------------------------------------
    def remember(self, status: Status) -> None:
        """Add the last step to the past; at a stop, read the past as it is from here on."""
        past, integrator = self.past, self.integrator
        assert past is not None
        if past.error:
            raise past.error
        piece = integrator.dense_output()
        past.add(piece, integrator.p)
        self.pieces.append(piece)
        if status is not Status.PAUSED:
            past.middle = None
            past.fill(integrator.t, integrator.u, integrator.p)
            if past.passed(integrator.t, integrator.u, integrator.p):
                integrator.changed_parameters()
                self.make_consistent()

    def limit_step(self) -> None:
        assert self.past is not None
        integrator = self.integrator
        shortest = self.past.shortest(integrator.t, integrator.u, integrator.p)
        integrator.limit_step(min(self.options.max_step, shortest))

    # ---- states chosen in the run -----------------------------------------------------------------
    def select_states(self, turned: float) -> bool:
        """Choose states anew where they have turned away from the free directions."""
        integrator = self.integrator
        assert self.selection is not None
        t, u, p = integrator.t, integrator.u, integrator.p
        if not self.selection.is_needed(t, u, p, turned):
            return False
        self.begin_segment()
        self.selection.choose(t, u, p)
        integrator.changed_parameters()
        self.make_consistent()
        integrator.stats.state_selections += 1
        return True

    # ---- events -----------------------------------------------------------------------------------
    def happen(self, actions: Sequence[Action]) -> bool:
        """Apply events at the present time, then the triggers that are due; True when one ends the run."""
        integrator, triggers = self.integrator, self.triggers
        t = integrator.t
        no_conflict(self.flat, t, actions)
        ends, count = False, 0
        if actions:
            before = integrator.u.copy(), integrator.p.copy()
            self.begin_segment()
            if self.hosted:
                self.hosted.event(t, *before, [at for action in actions for at, _ in action.parameters])
            values = [action.values(t, before) for action in actions]
            self.carry_out(actions, values)
            ends = any(action.event.terminal for action in actions)
            ends = ends or bool(self.hosted and self.hosted.ended)
        while triggers is not None:
            if actions or count:
                triggers.jump(t, integrator.u, integrator.p)
            chosen = triggers.due(t, integrator.u, integrator.p)
            if chosen is None:
                break
            if not actions and not count:
                self.begin_segment()
            count += 1
            check_end(count, t, chosen.trigger.event)
            action = chosen.trigger.action
            found = chosen.values
            if found is None:
                found = action.values(t, (integrator.u, integrator.p))
            self.carry_out([action], [found])
            ends = ends or action.event.terminal
        if (actions or count) and self.grid is None:
            self.made.keep_point(t, integrator.u)
        return ends

    def hosted_events(self, wanted: list[int]) -> list[Action]:
        """An action for each hosted part that wants an event: that of its planned ones."""
        planned = {at: action for action in self.schedule.crossing for at, _ in action.parameters}
        return [planned[at] for at in wanted]

    def carry_out(self, actions: Sequence[Action], values: Sequence[Values]) -> None:
        integrator, t = self.integrator, self.integrator.t
        changed: list[int] = []
        for action, found in zip(actions, values, strict=True):
            changed += action.apply(found, integrator.u, integrator.p)
            self.made.happened.append(Happened(t, action.event))
        if changed:
            self.problem.updated_parameters(integrator.p, changed)
            message = guard_message(self.flat, integrator.p)
            if message is not None:
                raise ModelError(f"{self.flat.name}: {actions[0].event} at t = {t:g}: {message}")
        if self.selection and any(action.states for action in actions):
            self.selection.choose(t, integrator.u, integrator.p)
        if self.past:
            self.past.jumped(t, integrator.u, integrator.p)
            self.past.fill(t, integrator.u, integrator.p)
            self.limit_step()
        integrator.changed_parameters()
        self.make_consistent()

    def make_consistent(self) -> None:
        """Algebraic unknowns that fit: Newton in the compiled core, block by block where that fails."""
        integrator = self.integrator
        if self.flat.mass.all():
            return
        guess = integrator.u.copy()
        if integrator.reinitialize().converged:
            return
        integrator.u[:] = consistent(self.problem.compiled, integrator.t, guess, integrator.p)
        integrator.changed_parameters()

    # ---- results ----------------------------------------------------------------------------------
    def keep_saved(self) -> None:
        times, values = self.integrator.saved()
        self.made.keep(times, values.T)

    def begin_segment(self) -> None:
        """A stretch with other parameters, states or another method begins where the integrator stands."""
        if self.integrator.t > self.problem.span[0]:
            self.end_segment()

    def end_segment(self) -> None:
        dense = None
        if self.past:
            dense, self.pieces = DenseOutput.joined(self.pieces, self.flat.n), []
        elif self.dense:
            dense = self.integrator.dense_output()
        self.made.end_segment(self.integrator.t, self.integrator.p, dense)

    def solution(self, status: str) -> Solution:
        if self.progress:
            self.progress.close()
        if logging := sys.modules.get("logging"):  # not imported: nobody can be listening
            seconds, stats = time.perf_counter() - self.began, self.integrator.stats
            logging.getLogger("symnum").info("%s: %s, %s in %.4f s", self.flat.name, status, stats, seconds)
        self.end_segment()
        methods = ", ".join(dict.fromkeys(self.methods))
        return self.made.solution(status, self.integrator.stats, methods, self.past, self.checkpoint())

    def checkpoint(self) -> Checkpoint | None:
        """Where the run stands; None where that is more than a point: triggers, chosen states, delays."""
        integrator = self.integrator
        if self.triggers is not None or self.selection is not None or self.past is not None:
            return None
        return Checkpoint(integrator.t, integrator.u.copy(), integrator.p.copy(), integrator.next_step)

    def explain(self, status: Status) -> str:
        return why_stopped(status, self.problem, self.integrator, self.made.happened)


def in_fourier_space(
    problem: Problem, options: StepOptions, tier: str | None
) -> tuple[Method, str] | None:
    """`fourier_choice`, imported for what a field was made into: others do without the time it takes."""
    if problem.compiled.origin is None or tier is not None:
        return None
    from symnum.solving.fourier_choice import fourier_choice

    return fourier_choice(problem, options)
