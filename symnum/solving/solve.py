"""Solving: a `Problem` becomes a `Solution`, an `Ensemble` an `EnsembleSolution`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np

from symnum.errors import ModelError
from symnum.solving.controller import CONTROLLERS, Controller
from symnum.solving.method import Method
from symnum.solving.options import FloatArray, Times, positive, save_times, tolerances
from symnum.solving.problem import Problem
from symnum.solving.run import Run, in_fourier_space
from symnum.solving.solution import Solution
from symnum.solving.step_options import StepOptions
from symnum.solving.straight import Straight, is_straight
from symnum.solving.tableaus import find

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from symnum.solving.ensembles.ensemble import Ensemble
    from symnum.solving.ensembles.members import Inputs, MemberRuns
    from symnum.solving.ensembles.solution import EnsembleSolution

    Seed: TypeAlias = int | np.random.SeedSequence | None  # NumPy imports its random numbers when asked for


_MAX_STEPS = 1_000_000
_POINTS_ALONG_TIME = 200  # of a solution whose unknowns all are explicit in time: no error asks for more
_KEPT = 32  # sets of options of which a problem remembers what they share


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
    linear: str | None = None,
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
    progress: bool = False,
    tier: str | None = None,
    threads: int | None = None,
    executor: Executor | Any = None,
    store: str | Path | None = None,
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
    linear: str | None = None,
    threads: int | None = None,
    executor: Executor | Any = None,
    store: str | Path | None = None,
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
    changes over when compiling pays (``sol.stats.tier`` says what was used, and why). linear: how a single
    problem's stages are solved, "dense" or "sparse" by factors, "factored" by approximate ones along the
    lines of a grid (methods that keep their order with any Jacobian), "krylov" (GMRES) or "bicgstab" by
    iteration; chosen from the pattern without it. An `Ensemble` gives an `EnsembleSolution`; without
    saveat it keeps the end alone. threads: how many share its members (all processors without it).
    executor: runs them instead, any `concurrent.futures.Executor` or the client of a Dask cluster. store:
    a folder, "runs.zarr", that results are written to while they come (the `scale` extra); members that
    are there are not run again. Results depend on none of these. max_steps: a million without it.
    on: "cuda" solves on a GPU (the `cuda` extra): of an ensemble one member per thread, up to 64 unknowns;
    one large system with an explicit method. Without events, limits and delays; without saveat the end alone.

    A network read by ``.jumps()`` or ``.langevin()`` takes a method of `STOCHASTIC_METHODS` ("SSA" and
    "WeakTrapezoidal" without one), no tolerances, and any number of steps if max_steps is not given. seed: an
    integer or a `numpy.random.SeedSequence`, which makes the run reproducible. epsilon: the relative change
    of propensities that a leap may bring (0.03). step: a fixed step in place of one chosen by epsilon.

    Ctrl-C ends a long run with status "interrupted" and what was computed (a second one raises
    KeyboardInterrupt); `Problem.after` goes on from there. Of an ensemble the members that were not come to
    are interrupted.
    Raises SolveFailed, whose ``solution`` is what was reached, when the run cannot go on.
    """
    key: Any = None
    if isinstance(problem, Problem) and problem.along_time and max_step == np.inf:
        max_step = (problem.span[1] - problem.span[0]) / _POINTS_ALONG_TIME
    if (
        isinstance(problem, Problem) and on == "cpu" and seed is None and epsilon is None and not progress
        and not len(tstops) and linear is None and executor is None and store is None and is_straight(problem)
    ):  # fmt: skip
        tolerance = _as_key(atol)
        key = (method, rtol, tolerance, max_step, first_step, max_steps, controller, tier, step)
        known = _known(problem, key)
        if known is not None:
            return _straight(known, problem, saveat, dense)
    runs: Any = getattr(problem, "problem", problem)  # of an ensemble; what is neither is refused below
    _check_arguments(runs, max_step, first_step, max_steps)
    where = {"threads": threads, "executor": executor, "store": store}  # the members of an ensemble are run
    if isinstance(problem, Problem):
        for name in ("executor", "store"):
            if where[name] is not None:
                raise ModelError(f"{name}=: this is for an Ensemble; a single problem is one run")
    where["progress"] = progress
    if runs.stochastic is not None:
        if on != "cpu":
            raise ModelError(f"on={on!r}: random processes run on='cpu' only")
        return _solve_stochastic(
            problem, method, saveat, dense, max_step, max_steps, where, seed, step, epsilon
        )
    for name, value in (("seed", seed), ("epsilon", epsilon)):
        if value is not None and not (name == "seed" and runs.hybrid):
            raise ModelError(
                f"{name}=: {runs.flat.name} is no random process; take network.jumps() or network.langevin()"
            )
    chosen = None if method is None else find(method)
    max_steps = _MAX_STEPS if max_steps is None else max_steps
    if tier not in (None, "generic", "specialised"):
        raise ModelError(f"tier={tier!r}: give 'generic', 'specialised' or nothing")
    if isinstance(controller, str):
        if controller not in CONTROLLERS:
            raise ModelError(f"controller={controller!r}: choose one of {', '.join(CONTROLLERS)}")
        controller = CONTROLLERS[controller]
    if on != "cpu":
        from symnum.solving.cuda.solve import check_gpu_options, ensemble_on_gpu, problem_on_gpu

        check_gpu_options(on, {
            "dense": dense, "max_step": None if max_step == np.inf else max_step, "first_step": first_step,
            "tstops": len(tstops) or None, "controller": controller, "progress": progress or None,
            "tier": tier, "linear": linear, "threads": threads, "executor": executor, "store": store,
            "step": step, "hybrid": runs.hybrid or None,
        })  # fmt: skip
        times = _times(saveat, runs.span)
        if isinstance(problem, Problem):
            return problem_on_gpu(problem, chosen, times, rtol=rtol, atol=atol, max_steps=max_steps)
        return ensemble_on_gpu(problem, chosen, times, rtol=rtol, atol=atol, max_steps=max_steps)
    if not isinstance(problem, Problem) and not runs.hybrid:
        from symnum.solving.ensembles.deterministic import DeterministicRuns

        if step is not None or controller is not None or linear is not None or len(tstops):
            raise ModelError(
                "step=, controller=, linear= and tstops= are for a single problem, not for an ensemble"
            )

        def made(inputs: Inputs) -> MemberRuns:
            return DeterministicRuns(
                runs, chosen, _times(saveat, runs.span), inputs, rtol=rtol,
                atol=tolerances(runs.flat, rtol, atol), max_step=max_step, first_step=first_step,
                max_steps=max_steps, tier=tier,
            )  # fmt: skip

        return _solve_ensemble(problem, made, None, where)
    options = StepOptions(
        rtol, tolerances(runs.flat, rtol, atol), max_step,
        first_step if step is None else positive(step, "step"), max_steps, adaptive=step is None,
        controller=controller, linear=linear or "auto",
    )  # fmt: skip
    if runs.hybrid:
        return _solve_hybrid(problem, chosen, options, saveat, dense, where, tier, tstops, seed)
    assert isinstance(problem, Problem)
    if key is not None and not (chosen.own_loop if chosen else in_fourier_space(runs, options, tier)):
        new = Straight(problem, chosen, options, tier)
        _keep(problem, key, new)
        return _straight(new, problem, saveat, dense)
    run = Run(problem, chosen, options, saveat, dense, progress, tier)
    run.stop_at(tstops)
    return run.run()


def _as_key(atol: Any) -> Any:
    """An absolute tolerance as what it is in a dictionary of options."""
    if isinstance(atol, np.ndarray):
        return atol.shape, atol.tobytes()
    return tuple(atol.items()) if isinstance(atol, Mapping) else atol


def _known(problem: Problem, key: Any) -> Straight | None:
    """What solves of the problem with these options have in common, if there was one before."""
    try:
        found: Straight | None = problem.memory.setdefault("straight", {}).get(key)
    except TypeError:  # not hashable: no option is like that
        return None
    return found


def _keep(problem: Problem, key: Any, new: Straight) -> None:
    kept = problem.memory["straight"]
    if len(kept) >= _KEPT:
        kept.clear()
    try:
        kept[key] = new
    except TypeError:
        return


def _straight(known: Straight, problem: Problem, saveat: Times | None, dense: bool | None) -> Solution:
    """A run without stops; where it is stopped all the same, `Run` goes on with it."""
    grid = None if saveat is None else save_times(saveat, problem.span)
    dense = grid is None if dense is None else dense
    done = known.run(problem, grid, dense)
    if isinstance(done, Solution):
        return done
    method = done.integrator.method
    return Run(problem, method, known.options, grid, dense, False, known.tier, done).run()


def _times(saveat: Times | None, span: tuple[float, float]) -> FloatArray:
    """What an ensemble keeps: without saveat the end alone."""
    return np.array([span[1]]) if saveat is None else save_times(saveat, span)


def _solve_ensemble(
    ensemble: Ensemble, made: Callable[[Inputs], MemberRuns], seed: Seed, where: dict[str, Any]
) -> EnsembleSolution:
    """made: how members are run, given all of them. where: see `run_ensemble`."""
    from symnum.solving.ensembles.run import run_ensemble

    return run_ensemble(ensemble, made, seed, **where)


def _solve_stochastic(
    problem: Any, method: Any, saveat: Times | None, dense: bool | None, max_step: float,
    max_steps: int | None, where: dict[str, Any], seed: Any, step: Any, epsilon: Any,
) -> Solution | EnsembleSolution:  # fmt: skip
    from symnum.solving.stochastic.solve import StochasticOptions, solve_stochastic

    runs = getattr(problem, "problem", problem)
    options = StochasticOptions(
        runs, method, seed=seed, step=step, epsilon=epsilon, max_step=max_step, max_steps=max_steps
    )
    if isinstance(problem, Problem):
        grid = None if saveat is None else save_times(saveat, runs.span)
        return solve_stochastic(problem, options, grid=grid, dense=dense, progress=where["progress"])
    from symnum.solving.stochastic.ensemble import StochasticRuns

    times = _times(saveat, runs.span)
    return _solve_ensemble(problem, lambda _: StochasticRuns(runs, options, times), seed, where)


def _solve_hybrid(
    problem: Any, method: Method | None, options: StepOptions, saveat: Times | None, dense: bool | None,
    where: dict[str, Any], tier: str | None, tstops: Any, seed: Any,
) -> Solution | EnsembleSolution:  # fmt: skip
    from symnum.solving.stochastic.hybrid import HybridRun, HybridRuns

    if isinstance(problem, Problem):
        run = HybridRun(problem, method, options, saveat, dense, where["progress"], tier, seed)
        run.stop_at(tstops)
        return run.run()
    runs = problem.problem
    times = _times(saveat, runs.span)
    return _solve_ensemble(problem, lambda _: HybridRuns(runs, method, options, times, tier), seed, where)


def _check_arguments(problem: Any, max_step: Any, first_step: Any, max_steps: Any) -> None:
    if not isinstance(problem, Problem):
        raise ModelError(f"solve takes a Problem, not {problem!r}; write sn.Problem(system, start, span)")
    problem.require_unknowns()
    if not (isinstance(max_step, (int, float)) and max_step > 0):
        raise ModelError(f"max_step={max_step!r}: give a positive number")
    if first_step is not None:
        positive(first_step, "first_step")
    if max_steps is None:
        return
    if isinstance(max_steps, bool) or not isinstance(max_steps, (int, np.integer)) or max_steps < 1:
        raise ModelError(f"max_steps={max_steps!r}: give a positive integer")
