"""``solve(..., on="cuda")``: an ensemble with one trajectory per thread, or one big system."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from symnum.codegen.model_functions import FloatArray
from symnum.errors import ModelError
from symnum.solving.choice import choice_for_all
from symnum.solving.cuda.ensemble import solve_ensemble_cuda
from symnum.solving.cuda.integrate import solve_cuda
from symnum.solving.ensembles.ensemble import Ensemble
from symnum.solving.ensembles.solution import EnsembleSolution, EnsembleStatistics
from symnum.solving.method import Method
from symnum.solving.problem import Problem
from symnum.solving.solution import Segment, Solution
from symnum.solving.start import consistent_start
from symnum.solving.statistics import Statistics, Status
from symnum.solving.tableau import ExplicitTableau
from symnum.solving.tableaus import find

__all__ = ["ensemble_on_gpu", "problem_on_gpu"]


def problem_on_gpu(
    problem: Problem, method: Method | None, times: FloatArray, *, rtol: float, atol: Any, max_steps: int
) -> Solution:
    """One system with an explicit method (Tsit5 without one); its vectors stay on the GPU."""
    began = time.perf_counter()
    _, p = consistent_start(problem)
    method = find("Tsit5") if method is None else method
    run = solve_cuda(problem, method, rtol=rtol, atol=atol, saveat=times, max_steps=max_steps)
    stats = Statistics()
    stats.steps, stats.rejected, stats.tier = run.steps, run.rejected, "on a GPU"
    stats.solve_milliseconds = 1e3 * (time.perf_counter() - began)
    segments = (Segment(problem.span[0], p, None),)
    return Solution(
        problem.flat, segments, run.t, run.y, np.zeros(len(run.t), np.int64),
        status="done", stats=stats, method=method.name,
    )  # fmt: skip


def ensemble_on_gpu(
    ensemble: Ensemble, method: Method | None, times: FloatArray, *, rtol: float, atol: Any, max_steps: int
) -> EnsembleSolution:
    """All members, each by a thread. Without a method: Tsit5, or Rodas5P where members are stiff."""
    began = time.perf_counter()
    problem, functions = ensemble.problem, ensemble.problem.compiled.model.functions
    starts, parameters = ensemble.numbers()
    if functions.n_algebraic:
        starts = np.array([_consistent(problem, u, p) for u, p in zip(starts, parameters, strict=True)])
    if method is None:
        chosen = choice_for_all(functions, problem.span, starts, parameters, rtol, False)
        method = find("Tsit5") if isinstance(chosen, ExplicitTableau) else chosen
    middle = time.perf_counter()
    run = solve_ensemble_cuda(problem, parameters, starts, method, rtol, atol, times, max_steps=max_steps)
    names = {code: Status(code).name.lower() for code in set(run.status.tolist())}
    status = np.array([names[code] for code in run.status.tolist()])
    stats = EnsembleStatistics(
        run.steps.astype(np.int64), run.rejected.astype(np.int64), "on a GPU", 1, 0,
        1e3 * (middle - began), 1e3 * (time.perf_counter() - middle),
    )  # fmt: skip
    return EnsembleSolution(problem.flat, run.t, run.y, parameters, status, stats, ensemble.parameters())


def _consistent(problem: Problem, u: FloatArray, p: FloatArray) -> FloatArray:
    """The algebraic unknowns of one member."""
    member = problem.with_()
    member.u, member.p = u, p
    return consistent_start(member)[0]


def check_gpu_options(on: Any, options: dict[str, Any]) -> None:
    """ModelError for a device that does not exist, and for options that a GPU has no use for."""
    if on != "cuda":
        raise ModelError(f"on={on!r}: solve on 'cpu', or on 'cuda', a GPU of NVIDIA's")
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ModelError(f"on='cuda': {', '.join(f'{name}=' for name in given)} works on='cpu' only")
