"""Whether a problem can be solved in Fourier space, and when that is done without being asked for."""

from __future__ import annotations

import numpy as np

from symnum.errors import ModelError
from symnum.lowering.fourier_form import FourierForm, fourier_form
from symnum.rewriting.expr import Expr
from symnum.solving.method import Method
from symnum.solving.problem import Problem
from symnum.solving.step_options import StepOptions
from symnum.solving.tableaus.fourier import ETDRK4

__all__ = ["fourier_choice", "fourier_form_of"]

# Stable steps of an explicit method from which ETDRK4 is taken, see `fourier_choice`.
_MANY_STEPS = 300.0
_STABLE = 3.0  # the length of the stability interval of explicit methods of such an order, roughly
_TIGHTEST = 1e-9  # relative tolerance below which methods of higher order need less


def fourier_form_of(problem: Problem, method: Method) -> FourierForm:
    """The problem as u' = L u + N(u, t) with L diagonal. ModelError where it is none of that form."""
    found = _form(problem)
    if isinstance(found, str):
        raise ModelError(f"{problem.flat.name}: {method} works in Fourier space: {found}. Or use Rodas5P.")
    return found


def fourier_choice(problem: Problem, options: StepOptions) -> tuple[Method, str] | None:
    """ETDRK4 and the reason, where it pays: the rates of the linear part would hold explicit steps back."""
    if options.linear != "auto" or options.controller is not None or options.rtol < _TIGHTEST:
        return None
    form = _form(problem)
    if isinstance(form, str):
        return None
    parameters: dict[Expr, float] = {}
    for leaf in form.parameters:
        number = problem.flat.parameters.find(leaf.name)
        if number is not None:
            parameters[leaf] = float(problem.p[number])
    fastest = max(float(np.max(np.abs(c.rates(form.grid, parameters)))) for c in form.components)
    steps = fastest * (problem.span[1] - problem.span[0]) / _STABLE
    if not _MANY_STEPS < steps < np.inf:
        return None
    return ETDRK4, (
        f"ETDRK4: the linear part is diagonal in Fourier space, where explicit steps would need {steps:.1e}"
    )


def _form(problem: Problem) -> FourierForm | str:
    """The form, or why there is none; known to all problems of the same system."""
    memory = problem.memory
    if "fourier form" not in memory:
        memory["fourier form"] = _made(problem)
    found: FourierForm | str = memory["fourier form"]
    return found


def _made(problem: Problem) -> FourierForm | str:
    flat, origin = problem.flat, problem.compiled.origin
    if origin is None:
        return "it needs a system that sn.discretize has made in this process"
    if any(event.at is None for event in problem.events) or flat.triggers or flat.limits or flat.delays:
        return "it knows no events on conditions, no limits and no delays"
    if not flat.mass.all():
        return "there are algebraic equations"
    try:
        return fourier_form(origin.pde, origin.axes)
    except ModelError as error:
        return str(error)
