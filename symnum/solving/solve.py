"""Solving: a `Problem` becomes a `Solution`. The host's part between stops of the compiled loop."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast, overload

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.lowering.flat import FlatSystem
from symnum.solving.checkpoint import Checkpoint
from symnum.solving.choice import MANY_TIMES, Choice
from symnum.solving.controller import CONTROLLERS, Controller
from symnum.solving.dense import DenseOutput
from symnum.solving.events import Action, Schedule, Values, no_conflict
from symnum.solving.initialize import check_given, consistent
from symnum.solving.integrator import Integrator, Status
from symnum.solving.interruption import Interruption
from symnum.solving.problem import Problem, guard_message
from symnum.solving.solution import Happened, Segment, Solution, failure
from symnum.solving.specialised import LARGEST, TierChoice
from symnum.solving.tableau import Method
from symnum.solving.tableaus import METHODS, find
from symnum.solving.time_crossings import TimeCrossings
from symnum.solving.triggers import Triggers, check_end

if TYPE_CHECKING:
    from symnum.solving.delays import Past
    from symnum.solving.ensemble import Ensemble, EnsembleSolution
    from symnum.solving.progress import Progress
    from symnum.solving.state_selection import StateSelection

    Seed: TypeAlias = int | np.random.SeedSequence | None  # NumPy imports its random numbers when asked for

FloatArray: TypeAlias = NDArray[np.float64]
Times: TypeAlias = float | Sequence[float] | FloatArray

_OUTSIDE = 1e-6  # relative distance beyond its bound at which a start is taken for a mistake
_MAX_STEPS = 1_000_000
_PAUSE = 2000  # steps between looks at the keyboard and the progress bar
_PATIENCE = 0.1  # seconds from which on Ctrl-C is a wish and no exception
_PAUSE_UNKNOWNS = 200_000  # the same times the unknowns
_LOOK = 10  # steps between looks at the states where these are chosen in the run
_TURNED = 0.7  # cosine of the angle from the free directions at which states are changed
_AFRESH = 0.95  # the same, when steps fail
_NO_STEP = (Status.STEP_TOO_SMALL, Status.SINGULAR, Status.NOT_FINITE, Status.NOT_CONVERGED)


@overload
def solve(
    problem: Problem,
    method: str | Method | None = None,
    *,
    rtol: float = 1e-6,
    atol: float | Mapping[Any, float] | FloatArray = 1e-9,
    saveat: Times | None = None,
    dense: bool | None = None,
    max_step: float = np.inf,
    first_step: float | None = None,
    max_steps: int | None = None,
    tstops: Sequence[float] | FloatArray = (),
    controller: str | Controller | None = None,
    progress: bool = False,
    tier: str | None = None,
    on: str = "cpu",
    seed: Seed = None,
    step: float | None = None,
    epsilon: float | None = None,
) -> Solution: ...


@overload
def solve(
    problem: Ensemble,
    method: str | Method | None = None,
    *,
    rtol: float = 1e-6,
    atol: float | Mapping[Any, float] | FloatArray = 1e-9,
    saveat: Times | None = None,
    max_step: float = np.inf,
    first_step: float | None = None,
    max_steps: int | None = None,
    tier: str | None = None,
    threads: int | None = None,
    on: str = "cpu",
    seed: Seed = None,
    step: float | None = None,
    epsilon: float | None = None,
) -> EnsembleSolution: ...


def solve(
    problem: Problem | Ensemble,
    method: str | Method | None = None,
    *,
    rtol: float = 1e-6,
    atol: float | Mapping[Any, float] | FloatArray = 1e-9,
    saveat: Times | None = None,
    dense: bool | None = None,
    max_step: float = np.inf,
    first_step: float | None = None,
    max_steps: int | None = None,
    tstops: Sequence[float] | FloatArray = (),
    controller: str | Controller | None = None,
    progress: bool = False,
    tier: str | None = None,
    threads: int | None = None,
    on: str = "cpu",
    seed: Seed = None,
    step: float | None = None,
    epsilon: float | None = None,
) -> Solution | EnsembleSolution:
    """Integrate a problem, or an ensemble of them, over its span.

    method: a name in `METHODS`, or "CVODE" or "IDA" (with scikit-sundae). Without one it is chosen by the
    structure of the system and its rates, and changed during the run where the system becomes stiff or
    ceases to be (``sol.stats.choice`` says what was used, and why). rtol, atol: the local error of each
    unknown is held near ``atol * nominal + rtol * |u|``; atol may be one number, an array (n,), or
    {variable: number} over 1e-9. saveat: times to keep, or their spacing; without it every step is kept.
    At an event the kept value is the one before. dense: keep what ``sol(t)`` needs (the default without
    saveat). progress: show a bar. tstops: times at which something jumps: steps end there and begin anew.
    step: all steps of this length, with no control of the error. controller: of the steps, "I", "PI" or
    "H211b" (smooth sequences of steps), or a `Controller`, in place of the method's own. tier: "generic"
    for steps that serve every model, "specialised" for steps compiled for this one; without it the run
    changes over when compiling pays (``sol.stats.tier`` says what was used, and why). An `Ensemble` gives
    an `EnsembleSolution`; without saveat it keeps the end alone. threads: how many share its members (all
    processors without it). max_steps: a million without it.
    on: "cuda" solves on a GPU (the `cuda` extra): of an ensemble one member per thread, up to 64 unknowns;
    one large system with an explicit method. Without events, limits and delays; without saveat the end alone.

    A network read by ``.jumps()`` or ``.langevin()`` takes a method of `STOCHASTIC_METHODS` ("SSA" and
    "WeakTrapezoidal" without one), no tolerances, and any number of steps if max_steps is not given. seed: an
    integer or a `numpy.random.SeedSequence`, which makes the run reproducible. epsilon: the relative change
    of propensities that a leap may bring (0.03). step: a fixed step in place of one chosen by epsilon.

    Ctrl-C ends a long run with status "interrupted" and what was computed (a second one raises
    KeyboardInterrupt); `Problem.after` goes on from there.
    Raises SolveFailed, whose ``solution`` is what was reached, when the run cannot go on.
    """
    runs: Any = getattr(problem, "problem", problem)  # of an ensemble; what is neither is refused below
    _check_arguments(runs, max_step, first_step, max_steps)
    if runs.stochastic is not None:
        if on != "cpu":
            raise ModelError(f"on={on!r}: random processes run on='cpu' only")
        return _solve_stochastic(
            problem, method, saveat, dense, max_step, max_steps, progress, threads, seed, step, epsilon
        )
    for name, value in (("seed", seed), ("epsilon", epsilon)):
        if value is not None and not (name == "seed" and runs.hybrid):
            raise ModelError(
                f"{name}=: {runs.flat.name} is no random process; take network.jumps() or network.langevin()"
            )
    if not (method is None or isinstance(method, (str, Method))):
        raise ModelError(f"method={method!r}: give the name of a method, one of {', '.join(METHODS)}")
    chosen = None if method is None else find(method)
    max_steps = _MAX_STEPS if max_steps is None else max_steps
    if tier not in (None, "generic", "specialised"):
        raise ModelError(f"tier={tier!r}: give 'generic', 'specialised' or nothing")
    if isinstance(controller, str):
        if controller not in CONTROLLERS:
            raise ModelError(f"controller={controller!r}: choose one of {', '.join(CONTROLLERS)}")
        controller = CONTROLLERS[controller]
    if on != "cpu":
        from symnum.solving.cuda_solve import check_gpu_options, ensemble_on_gpu, problem_on_gpu

        check_gpu_options(on, {
            "dense": dense, "max_step": None if max_step == np.inf else max_step, "first_step": first_step,
            "tstops": len(tstops) or None, "controller": controller, "progress": progress or None,
            "tier": tier, "threads": threads, "step": step, "hybrid": runs.hybrid or None,
        })  # fmt: skip
        times = np.array([runs.span[1]]) if saveat is None else save_times(saveat, runs.span)
        if isinstance(problem, Problem):
            return problem_on_gpu(problem, chosen, times, rtol=rtol, atol=atol, max_steps=max_steps)
        return ensemble_on_gpu(problem, chosen, times, rtol=rtol, atol=atol)
    if not isinstance(problem, Problem) and not runs.hybrid:
        from symnum.solving.ensemble import solve_ensemble

        if step is not None or controller is not None or len(tstops):
            raise ModelError("step=, controller= and tstops= are for a single problem, not for an ensemble")
        times = np.array([problem.problem.span[1]]) if saveat is None else save_times(saveat, runs.span)
        return solve_ensemble(
            problem, chosen, times, rtol=rtol, atol=tolerances(runs.flat, rtol, atol), max_step=max_step,
            first_step=first_step, max_steps=max_steps, threads=threads, tier=tier,
        )  # fmt: skip
    options: dict[str, Any] = {
        "rtol": rtol, "atol": tolerances(runs.flat, rtol, atol), "max_step": max_step,
        "first_step": first_step, "max_steps": max_steps, "controller": controller,
    }  # fmt: skip
    if step is not None:
        options |= {"first_step": _positive(step, "step"), "adaptive": False}
    if runs.hybrid:
        return _solve_hybrid(problem, chosen, options, saveat, dense, progress, tier, tstops, threads, seed)
    assert isinstance(problem, Problem)
    run = Run(problem, chosen, options, saveat, dense, progress, tier)
    run.stop_at(tstops)
    return run.run()


def _solve_stochastic(
    problem: Any, method: Any, saveat: Times | None, dense: bool | None, max_step: float,
    max_steps: int | None, progress: bool, threads: int | None, seed: Any, step: Any, epsilon: Any,
) -> Solution | EnsembleSolution:  # fmt: skip
    from symnum.solving.stochastic.solve import StochasticOptions, solve_stochastic

    runs = getattr(problem, "problem", problem)
    options = StochasticOptions(
        runs, method, seed=seed, step=step, epsilon=epsilon, max_step=max_step, max_steps=max_steps
    )
    grid = None if saveat is None else save_times(saveat, runs.span)
    if isinstance(problem, Problem):
        return solve_stochastic(problem, options, grid=grid, dense=dense, progress=progress)
    from symnum.solving.stochastic.ensemble import solve_stochastic_ensemble

    grid = np.array([runs.span[1]]) if grid is None else grid
    return solve_stochastic_ensemble(problem, options, grid, threads)


def _solve_hybrid(
    problem: Any, method: Method | None, options: dict[str, Any], saveat: Times | None, dense: bool | None,
    progress: bool, tier: str | None, tstops: Any, threads: int | None, seed: Any,
) -> Solution | EnsembleSolution:  # fmt: skip
    from symnum.solving.stochastic.hybrid import HybridRun, solve_hybrid_ensemble

    if isinstance(problem, Problem):
        run = HybridRun(problem, method, options, saveat, dense, progress, tier, seed)
        run.stop_at(tstops)
        return run.run()
    span = problem.problem.span
    times = np.array([span[1]]) if saveat is None else save_times(saveat, span)
    return solve_hybrid_ensemble(problem, method, options, times, tier, threads, seed)


def _check_arguments(problem: Any, max_step: Any, first_step: Any, max_steps: Any) -> None:
    if not isinstance(problem, Problem):
        raise ModelError(f"solve takes a Problem, not {problem!r}; write sn.Problem(system, start, span)")
    if not problem.flat.n:
        raise ModelError(
            f"{problem.flat.name}: nothing to integrate, the equations give every unknown explicitly; "
            "evaluate them directly, or add an equation that holds a derivative"
        )
    if not (isinstance(max_step, (int, float)) and max_step > 0):
        raise ModelError(f"max_step={max_step!r}: give a positive number")
    if first_step is not None:
        _positive(first_step, "first_step")
    if max_steps is None:
        return
    if isinstance(max_steps, bool) or not isinstance(max_steps, (int, np.integer)) or max_steps < 1:
        raise ModelError(f"max_steps={max_steps!r}: give a positive integer")


def _positive(value: Any, name: str) -> float:
    if not (isinstance(value, (int, float)) and 0 < value < np.inf):
        raise ModelError(f"{name}={value!r}: give a positive, finite number")
    return float(value)


def state_selection(problem: Problem) -> StateSelection:
    """Of a system with states that are chosen in the run; the few that have some import what chooses them."""
    from symnum.solving.state_selection import StateSelection

    return StateSelection(problem.compiled)


def _begin(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """(u, p) to begin with: what initial equations and constraints on states determine is solved for."""
    if problem.resumed is not None:
        return problem.u, problem.p.copy()
    if problem.flat.structure.choices:
        if problem.initial:
            raise ModelError(
                f"{problem.flat.name}: initial= cannot be used where states are chosen in the run; give "
                "starts, or say with state_priority=100 which variables are the states"
            )
        return state_selection(problem).start(problem)
    if problem.initial:
        from symnum.solving.initial_conditions import solved_start

        return solved_start(problem)
    if any(problem.flat.position[number] < 0 for number in problem.starts):
        from symnum.solving.start_fit import fitted_start

        return fitted_start(problem), problem.p.copy()
    return problem.u, problem.p.copy()


def consistent_start(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """(u, p) at the beginning of the span, algebraic unknowns included and checked."""
    t = problem.span[0]
    u, p = _begin(problem)
    u = consistent(problem.compiled, t, u, p)
    _check_start(problem, u, p, problem.compiled.rhs(t, u, p))
    return u, p


def _check_start(problem: Problem, u: FloatArray, p: FloatArray, slopes: FloatArray) -> None:
    """slopes: f at the start, (n,)."""
    flat, t = problem.flat, problem.span[0]
    message = guard_message(flat, p)
    if message is not None:
        raise ModelError(f"{flat.name}: {message}")
    if not math.isfinite(slopes.sum()) and len(bad := np.flatnonzero(~np.isfinite(slopes))):
        rows = "\n    ".join(f"{flat.equation_texts[i]}   gives {slopes[i]}" for i in bad[:5])
        raise ModelError(
            f"{flat.name}: not finite at the start, t = {t:g}:\n    {rows}\n"
            "Is a parameter zero that something is divided by, or a start outside the domain of a function?"
        )
    check_given(flat, problem.starts, t, u, p)
    _check_limits(problem, u, p)


def _check_limits(problem: Problem, u: FloatArray, p: FloatArray) -> None:
    """No state may start outside of its hard limits: nothing would bring it back."""
    flat, model = problem.flat, problem.compiled.model
    if not flat.limits:
        return
    states = np.concatenate([limit.state for limit in flat.limits])
    distance = model.roots(problem.span[0], u, p)[model.functions.n_events :: 2]
    outside = np.flatnonzero(distance > _OUTSIDE * (1.0 + np.abs(u[flat.position[states]])))
    if len(outside):
        labels = [limit.distance.label(row) for limit in flat.limits for row in range(len(limit.state))]
        at = int(outside[0])
        value = u[flat.position[states[at]]]
        raise ModelError(
            f"{flat.name}: {flat.number_name(int(states[at]))} starts at {value:g}, outside of {labels[at]}. "
            "Correct the start or the bounds."
        )


def tolerances(flat: FlatSystem, rtol: float, atol: float | Mapping[Any, float] | FloatArray) -> FloatArray:
    """(n,) absolute tolerances, nominal sizes included, after checking both kinds."""
    if not (isinstance(rtol, (int, float)) and 1e-14 <= rtol < 1):
        raise ModelError(f"rtol={rtol}: give a relative tolerance between 1e-14 and 1")
    nominal = flat.nominal
    if isinstance(atol, Mapping):
        result = 1e-9 * nominal
        for key, value in atol.items():
            at = flat.position[flat.number_of(key, "atol")]
            if at < 0:
                raise ModelError(f"atol: {key} is given by the other unknowns and is not integrated itself")
            result[at] = _numbers(value, f"atol of {key}")
    else:
        result = _numbers(atol, "atol")
        if result.shape not in ((), (flat.n,)):
            raise ModelError(
                f"atol has shape {result.shape}; give one number, {flat.n} numbers or {{variable: number}}"
            )
        result = result * nominal if result.shape == () else result.copy()
    if not (result.min(initial=1.0) > 0 and result.max(initial=1.0) < np.inf):
        raise ModelError(f"atol={atol}: absolute tolerances are positive, finite numbers")
    return result


class Run:
    """One run of a problem: the host's part between stops of the compiled loop."""

    def __init__(
        self,
        problem: Problem,
        method: Method | None,
        options: dict[str, Any],
        saveat: Times | None,
        dense: bool | None,
        progress: bool,
        tier: str | None,
    ) -> None:
        self.problem, self.flat = problem, problem.flat
        self.began = time.perf_counter()
        self.schedule = Schedule.of(self.flat, problem.events, problem.span)
        self.grid = None if saveat is None else save_times(saveat, problem.span)
        self.dense = self.grid is None if dense is None else dense
        self.options = options
        self.choice: Choice | None = None
        self.past: Past | None = None
        if self.flat.delays:
            from symnum.solving.delays import Past

            self.past = Past(self.flat)
            method = method or find("Rodas5P")
        self.pieces: list[DenseOutput] = []  # with delays: the steps since the last event
        if method is None:
            functions = problem.compiled.model.functions
            many = self.dense or self.grid is None or len(self.grid) > MANY_TIMES
            interpolated = many or functions.n_events + functions.n_limits > 0
            self.choice = Choice(functions, problem.span, options["rtol"], interpolated)
            fixed = options["first_step"] if "adaptive" in options else None
            method = self.choice.begin(problem.u, problem.p, fixed)
        self.method, self.methods = method, [method.name]
        self.integrator = self.ready_integrator()
        if self.choice:
            self.integrator.stats.choice = self.choice.reason
        self.selection = state_selection(problem) if self.flat.structure.choices else None
        self.wanted_tier = tier
        self.tier = self.new_tier()
        self.progress: Progress | None = None
        if progress:
            from symnum.solving.progress import Progress

            self.progress = Progress(self.flat.name, problem.span)
        self.times: list[FloatArray] = []
        self.values: list[FloatArray] = []
        self.segment_of: list[int] = []
        self.segments: list[Segment] = []
        self.happened: list[Happened] = []
        self.segment_begin = problem.span[0]
        self.stops: list[float] = []
        # of large systems fewer steps are made before the keyboard is looked at
        self.pause = max(1, min(_PAUSE, _PAUSE_UNKNOWNS // self.flat.n))
        model = problem.compiled.model
        self.triggers = None
        if self.flat.triggers:
            n_events = model.functions.n_events
            self.clock = TimeCrossings(self.flat)
            self.triggers = Triggers(self.flat, lambda t, u, p: model.roots(t, u, p)[:n_events])

    def ready_integrator(self) -> Integrator:
        """One that has done a run of this model before, or a new one."""
        model = self.problem.compiled.model
        if self.method.family == "outside":
            return self.outside_integrator()
        if self.past:
            functions = self.past.wrapped(model.functions, lambda: self.integrator.step_size)
            return Integrator(functions, self.method, **self.options)
        idle: list[Integrator] = model.derived.setdefault(self.method, [])
        try:
            found = idle.pop()  # at once: other threads may do the same
        except IndexError:
            return Integrator(model.functions, self.method, **self.options)
        found.options(**self.options)
        return found

    def outside_integrator(self) -> Integrator:
        """Of another program: it has all that is used of an `Integrator` here."""
        from symnum.solving.sundials import SundialsIntegrator

        if self.past or self.flat.structure.choices or self.flat.triggers:
            raise ModelError(
                f"{self.flat.name}: {self.method} runs no delays, no events that wait for a trigger and no "
                "states that are chosen in the run; use Rodas5P"
            )
        functions = self.problem.compiled.model.functions
        return cast(Integrator, SundialsIntegrator(functions, self.method, **self.options))

    def release(self, integrator: Integrator) -> None:
        """Keep the memory of a run that is over, for the next."""
        if self.past or self.method.family == "outside":  # what they hold is of this run
            return
        if self.flat.n <= LARGEST:  # of large ones the memory counts more than the time to make them
            self.problem.compiled.model.derived[integrator.method].append(integrator)

    def new_tier(self) -> TierChoice | None:
        if self.past or (self.wanted_tier is None and self.flat.n > LARGEST):
            return None
        span = self.problem.span[1] - self.problem.span[0]
        return TierChoice(self.problem.compiled.model, self.method, self.wanted_tier, span)

    def run(self) -> Solution:
        solution = self.finished()
        self.release(self.integrator)
        return solution

    def change_method(self, method: Method, longest: float) -> None:
        """Go on with another method, with a step not longer than that."""
        assert self.choice
        old, at = self.integrator, self.integrator.t
        self.close_segment()
        self.segment_begin = at
        self.method = method
        self.methods.append(method.name)
        self.integrator = self.ready_integrator()
        self.integrator.take_over(old, longest)
        self.release(old)
        self.integrator.stats.choice = self.choice.reason
        self.tier = self.new_tier()
        if self.tier:
            self.tier.begin(self.integrator)

    def stop_at(self, times: Sequence[float] | FloatArray) -> None:
        """Times at which steps end and begin anew."""
        given = _numbers(times, "tstops").reshape(-1)
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
            return self.until_the_end(interruption)

    def until_the_end(self, interruption: Interruption) -> Solution:
        begin, end = self.problem.span
        integrator, choice = self.integrator, self.choice
        integrator.start(begin, *_begin(self.problem))
        if self.past:
            self.past.start(begin, integrator.u, integrator.p)
            self.limit_step()
        self.make_consistent()
        if self.past:
            self.past.first = integrator.u.copy(), integrator.p.copy()
        _check_start(self.problem, integrator.u, integrator.p, integrator.slope())
        if self.tier:
            self.tier.begin(integrator)
        pending, resumed = self.pending(), self.problem.resumed
        if resumed is not None:
            integrator.propose(resumed.step)
        crossing = self.schedule.crossing
        if self.triggers:
            self.triggers.begin(begin, integrator.u, integrator.p)
        first = pending.pop(0)[1] if pending and pending[0][0] == begin else ()
        if self.happen(first):
            return self.solution("terminated")
        if self.grid is None and not self.times:
            self.keep(np.array([begin]), integrator.u[:, None].copy())
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
            pause = _LOOK if self.selection else self.pause
            if choice:
                pause = min(pause, choice.pause(integrator.steps))
            if self.past:
                stop, pause = min(stop, self.past.next_break), 1
                self.past.middle = 0.5 * (integrator.t + stop)
            dense = self.dense or self.past is not None
            status = integrator.advance(stop, saveat=self.grid, dense=dense, pause_after=pause)
            if self.past:
                self.remember(status)
            if self.progress:
                self.progress.show(integrator.t)
            if self.tier:
                self.tier.consider(integrator)
            if status is Status.PAUSED:
                if time.perf_counter() - self.began > _PATIENCE:
                    interruption.watch()
                if interruption.asked:
                    return self.interrupted()
                if self.selection:
                    self.keep(*integrator.saved())
                    self.select_states(_TURNED)
                if choice and (change := choice.changed(integrator)):
                    self.keep(*integrator.saved())
                    self.change_method(*change)
                    integrator = self.integrator
                continue
            self.keep(*integrator.saved())
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
        if self.grid is None and self.times and self.times[-1][-1] == integrator.t:
            self.times[-1][-1] = t
        elif self.grid is not None and t in self.grid:
            self.keep(np.array([t]), integrator.u[:, None].copy())
        integrator.move_to(t)
        self.make_consistent()

    def interrupted(self) -> Solution:
        import logging

        self.keep(*self.integrator.saved())
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
        integrator.limit_step(min(self.options["max_step"], shortest))

    # ---- states chosen in the run -----------------------------------------------------------------
    def select_states(self, turned: float) -> bool:
        """Choose states anew where they have turned away from the free directions."""
        integrator = self.integrator
        assert self.selection is not None
        t, u, p = integrator.t, integrator.u, integrator.p
        if not self.selection.is_needed(t, u, p, turned):
            return False
        self.close_segment()
        self.selection.choose(t, u, p)
        integrator.changed_parameters()
        self.make_consistent()
        self.segment_begin = t
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
            values = [action.values(t, before) for action in actions]
            self.carry_out(actions, values)
            ends = any(action.event.terminal for action in actions)
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
            self.keep(np.array([t]), integrator.u[:, None].copy())
        return ends

    def begin_segment(self) -> None:
        if self.integrator.t > self.problem.span[0]:
            self.close_segment()
        self.segment_begin = self.integrator.t

    def carry_out(self, actions: Sequence[Action], values: Sequence[Values]) -> None:
        integrator, t = self.integrator, self.integrator.t
        changed: list[int] = []
        for action, found in zip(actions, values, strict=True):
            changed += action.apply(found, integrator.u, integrator.p)
            self.happened.append(Happened(t, action.event))
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
    def keep(self, times: FloatArray, values: FloatArray) -> None:
        if len(times):
            self.times.append(times)
            self.values.append(values.T)
            self.segment_of.append(len(self.segments))

    def close_segment(self) -> None:
        integrator = self.integrator
        dense = None
        if self.past:
            dense, self.pieces = DenseOutput.joined(self.pieces, self.flat.n), []
        elif self.dense:
            dense = integrator.dense_output()
        self.segments.append(Segment(self.segment_begin, integrator.p.copy(), dense))

    def solution(self, status: str) -> Solution:
        if self.progress:
            self.progress.close()
        self.close_segment()
        t = _joined(self.times, (0,))
        y = _joined(self.values, (0, self.flat.n)).T
        # what a last event saved belongs to the stretch before it: there is none behind
        segments = [min(k, len(self.segments) - 1) for k in self.segment_of]
        if segments and segments[-1]:
            segment = np.repeat(np.array(segments), [len(times) for times in self.times])
        else:
            segment = np.zeros(len(t), np.int64)
        stats = self.integrator.stats
        if logging := sys.modules.get("logging"):  # not imported: nobody can be listening
            seconds = time.perf_counter() - self.began
            logging.getLogger("symnum").info("%s: %s, %s in %.4f s", self.flat.name, status, stats, seconds)
        return Solution(
            self.flat, tuple(self.segments), t, y, segment, self.past, status, stats, tuple(self.happened),
            ", ".join(dict.fromkeys(self.methods)), self.checkpoint(),
        )  # fmt: skip

    def checkpoint(self) -> Checkpoint | None:
        """Where the run stands; None where that is more than a point: triggers, chosen states, delays."""
        integrator = self.integrator
        if self.triggers is not None or self.selection is not None or self.past is not None:
            return None
        return Checkpoint(integrator.t, integrator.u.copy(), integrator.p.copy(), integrator.next_step)

    def explain(self, status: Status) -> str:
        integrator, flat = self.integrator, self.flat
        at = f"{flat.name}: stopped at t = {integrator.t:.9g} with {self.method.name}"
        row = integrator.worst_row
        if status is Status.NOT_FINITE:
            row = _not_finite_row(self.problem, integrator.t, integrator.u, integrator.p)
        equation = f" in\n    {flat.equation_texts[row]}\n" if 0 <= row < flat.n else " somewhere. "
        hint = " Or does a delay vanish?" if self.past else ""
        if status is Status.STEP_TOO_SMALL:
            return (
                f"{at}: the step size collapsed. The largest error is{equation}"
                "Does the solution blow up, or is there a discontinuity that should be an event?"
                f"{hint}"
            )
        if status is Status.MAX_STEPS_REACHED:
            steps = integrator.stats.steps
            return f"{at}: {steps} steps were not enough; raise max_steps=, or loosen the tolerances"
        if status is Status.NOT_FINITE:
            return f"{at}: not finite{equation}Does a quantity leave the domain of a function there?{hint}"
        if status is Status.SINGULAR:
            return (
                f"{at}: the matrix of a step is singular. The algebraic equations do not determine "
                "the algebraic "
                f"unknowns here: the system may need index reduction.{hint}"
            )
        if status is Status.ZENO:
            names = ", ".join(sorted({str(h.event) for h in self.happened[-5:]}))
            return (
                f"{at}: events follow each other ever faster and would never end (Zeno): "
                f"{names or 'limits'}. "
                "Let the event change the model into one without it, for example at a small speed."
            )
        if status is Status.CHATTER:
            return f"{at}: a limit is hit and released without end; is its bound moving into the state?"
        if status is Status.NOT_CONVERGED:
            return f"{at}: the algebraic unknowns cannot be made consistent; the worst residual is{equation}"
        return f"{at}: {status.name.lower()}"


def _joined(pieces: list[FloatArray], shape_of_none: tuple[int, ...]) -> FloatArray:
    if len(pieces) == 1:
        return pieces[0]
    return np.concatenate(pieces) if pieces else np.zeros(shape_of_none)


def _not_finite_row(problem: Problem, t: float, u: FloatArray, p: FloatArray) -> int:
    """The first row of f that stops being finite a little further along the solution, or -1.

    Within a step one such number spreads to all rows, so that the step itself cannot tell.
    """
    slope = _slope(problem, t, u, p)
    begin, end = problem.span
    for ahead in (end - begin) * np.logspace(-14, 0, 57):
        bad = np.flatnonzero(~np.isfinite(problem.compiled.rhs(t + ahead, u + ahead * slope, p)))
        if len(bad):
            return int(bad[0])
    return -1


def _slope(problem: Problem, t: float, u: FloatArray, p: FloatArray) -> FloatArray:
    """du/dt of all unknowns, the algebraic ones along their equations."""
    compiled = problem.compiled
    slope = np.where(compiled.mass != 0, compiled.rhs(t, u, p), 0.0)
    algebraic = np.flatnonzero(compiled.mass == 0)
    if len(algebraic):
        rows = compiled.jacobian(t, u, p)[algebraic]
        drift = rows @ slope + compiled.time_gradient(t, u, p)[algebraic]
        slope[algebraic] = np.linalg.lstsq(rows[:, algebraic].toarray(), -drift, rcond=None)[0]
    return slope


def _numbers(values: Any, what: str) -> FloatArray:
    try:
        return np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{what}={values!r}: give numbers") from error


def save_times(saveat: Times, span: tuple[float, float]) -> FloatArray:
    """(k,) the times that ``saveat`` stands for: a spacing, or increasing times within the span."""
    begin, end = span
    times = _numbers(saveat, "saveat")
    if times.ndim == 0:
        spacing = float(times)
        if not (np.isfinite(spacing) and spacing > 0):
            raise ModelError(f"saveat={saveat}: a spacing is positive and finite")
        count = int(np.floor((end - begin) / spacing * (1 + 1e-12)))
        spaced: FloatArray = np.minimum(begin + spacing * np.arange(count + 1), end)
        return spaced
    if times.ndim != 1 or not (times[1:] > times[:-1]).all():
        raise ModelError("saveat: give a spacing or increasing times")
    if not len(times):
        return times
    slack = 1e-12 * max(abs(begin), abs(end))
    first, last = times[[0, -1]].tolist()
    if not (first >= begin - slack and last <= end + slack):
        raise ModelError(f"saveat: times {first:g} ... {last:g} leave the span {begin:g} ... {end:g}")
    return times if first >= begin and last <= end else np.clip(times, begin, end)


