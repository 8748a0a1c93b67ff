"""Integrators for runs: those of earlier runs of a model serve again, as their memory takes time to make."""

from __future__ import annotations

from typing import cast

from symnum.errors import ModelError
from symnum.solving.fourier_method import FourierMethod
from symnum.solving.integrator import Integrator
from symnum.solving.method import Method
from symnum.solving.problem import Problem
from symnum.solving.specialised import LARGEST
from symnum.solving.step_options import StepOptions

__all__ = ["give_back", "integrator_for"]


def integrator_for(problem: Problem, method: Method, options: StepOptions) -> Integrator:
    """One that has done a run of this model before, or a new one."""
    if method.own_loop:
        return _with_own_loop(problem, method, options)
    model = problem.compiled.model
    if options.linear != "auto":
        return Integrator(model.functions, method, options)
    idle: list[Integrator] = model.derived.setdefault(method, [])
    try:
        found = idle.pop()  # at once: other threads may do the same
    except IndexError:
        return Integrator(model.functions, method, options)
    found.prepare(options)
    return found


def give_back(problem: Problem, integrator: Integrator, options: StepOptions) -> None:
    """Keep the memory of a run that is over, for the next."""
    if integrator.method.own_loop or options.linear != "auto":
        return  # what they hold is of this run
    if problem.flat.n <= LARGEST:  # of large ones the memory counts more than the time to make them
        problem.compiled.model.derived.setdefault(integrator.method, []).append(integrator)


def _with_own_loop(problem: Problem, method: Method, options: StepOptions) -> Integrator:
    """Of another program, or in Fourier space: it has all that runs use of an `Integrator`."""
    flat = problem.flat
    if flat.delays or flat.structure.choices or flat.triggers:
        raise ModelError(
            f"{flat.name}: {method} runs no delays, no events that wait for a trigger and no "
            "states that are chosen in the run; use Rodas5P"
        )
    if options.linear != "auto":
        raise ModelError(f"linear=: {method} chooses its linear solver by itself")
    if isinstance(method, FourierMethod):
        from symnum.solving.fourier_choice import fourier_form_of
        from symnum.solving.fourier_integrator import FourierIntegrator

        return cast(Integrator, FourierIntegrator(fourier_form_of(problem, method), flat, method, options))
    from symnum.solving.sundials import SundialsIntegrator

    return cast(Integrator, SundialsIntegrator(problem.compiled.model.functions, method, options))
