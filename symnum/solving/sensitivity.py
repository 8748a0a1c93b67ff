"""Forward sensitivities: how a solution changes with parameters, along the whole run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.lowering.compile import CompiledSystem, compile_flat
from symnum.lowering.flat import FlatSystem
from symnum.lowering.tangent import Tangent, tangent
from symnum.record import record, replace
from symnum.rewriting.derivative import derivative
from symnum.rewriting.expr import ZERO, Expr, Symbol, add, as_expr, node, symbol
from symnum.rewriting.walk import leaves
from symnum.solving.options import tolerances
from symnum.solving.problem import Problem, deterministic
from symnum.solving.solution import Solution
from symnum.solving.solve import solve

__all__ = ["SensitivitySolution", "sensitivities", "tangent_problem"]

FloatArray: TypeAlias = NDArray[np.float64]

_COMPILED: WeakKeyDictionary[CompiledSystem, dict[Any, tuple[Tangent, CompiledSystem]]] = WeakKeyDictionary()


@record
class SensitivitySolution:
    """A solution with its derivatives by some parameters.

    ``sol.t`` and ``sol[x]`` are those of the solution; ``sol.sensitivity(x, k)`` is dx/dk at every time.
    solution: the run of the joint system, its first ``len(states)`` rows those of the model.
    followers: derivatives of parameters by parameters, as `Tangent` has them.
    """

    solution: Solution
    parameters: tuple[str, ...]
    states: tuple[str, ...]
    followers: dict[tuple[str, str], Expr]

    @property
    def t(self) -> FloatArray:
        """(k,) the times."""
        return self.solution.t

    @property
    def y(self) -> FloatArray:
        """(n, k) the unknowns of the model."""
        found: FloatArray = self.solution.y[: len(self.states)]
        return found

    @property
    def dy(self) -> FloatArray:
        """(m, n, k) their derivatives by the m parameters."""
        n = len(self.states)
        found: FloatArray = self.solution.y[n:].reshape(len(self.parameters), n, -1)
        return found

    def __getitem__(self, key: Any) -> FloatArray:
        return self.solution[key]

    def sensitivity(self, what: Expr | str, parameter: Expr | str) -> FloatArray:
        """(k,) the derivative of an expression of the model by a parameter, at every time."""
        name = parameter if isinstance(parameter, str) else str(parameter)
        if name not in self.parameters:
            raise ModelError(
                f"sensitivity: {name} is not among the parameters {', '.join(self.parameters)} of this run; "
                "name it in sn.sensitivities(problem, [...])"
            )
        if isinstance(what, str):
            known = self.solution.flat.parameters.find(what)
            expr = symbol(Symbol(what, "variable" if known is None else "parameter"))
        else:
            expr = as_expr(what)
        terms: list[Expr] = []
        for leaf in leaves((expr,)):
            if leaf.kind == "time":
                continue
            if leaf.kind == "parameter":
                inner = self.followers.get((leaf.name, name), ZERO)
            elif leaf.op == "D":
                inner = _derivative(leaf, name)
            else:
                inner = symbol(Symbol(f"d({leaf.name})/d({name})", "variable"))
            if inner is not ZERO:
                terms.append(derivative(expr, leaf) * inner)
        if not terms:
            return np.zeros(len(self.t))
        return self.solution[add(terms)]

    def __repr__(self) -> str:
        return f"<Sensitivities of {self.solution.flat.name} by {', '.join(self.parameters)}>"


def _derivative(leaf: Expr, name: str) -> Expr:
    """The derivative by a parameter of ``D(x)``, which is that of x differentiated."""
    inner = leaf.args[0]
    if inner.op == "D":
        return node("D", (_derivative(inner, name),))
    return node("D", (symbol(Symbol(f"d({inner.name})/d({name})", "variable")),))


def sensitivities(
    problem: Problem,
    parameters: Sequence[Expr | str],
    method: Any = None,
    *,
    rtol: float = 1e-6,
    atol: Any = 1e-9,
    **options: Any,
) -> SensitivitySolution:
    """Solve a problem together with the derivatives of its solution by some parameters.

    The equations ``M S' = J S + df/dp`` of S = du/dp come from the symbolic derivatives of the model and are
    integrated with it, in one system with an exact sparse Jacobian and under the same error control: the
    absolute tolerance of du/dp is that of u over the size of p. Starts that are expressions of a parameter,
    and parameters that follow from one, are taken into account; so are events at given times and, in systems
    without algebraic unknowns, events when= with the shift of their moment.
    Other options are those of `solve`. Raises LoweringError for hard limits, delays and other events.
    Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, section I.14.
    """
    deterministic(problem, "sensitivities")
    made, joint = tangent_problem(problem, parameters)
    base = tolerances(problem.flat, rtol, atol)
    size = [abs(problem.p[problem.flat.parameter_index(name, "sensitivities")]) for name in made.names]
    scaled = [base / (value or 1.0) for value in size]
    solution = solve(joint, method, rtol=rtol, atol=np.concatenate([base, *scaled]), **options)
    return SensitivitySolution(solution, made.names, problem.flat.state_names, made.followers)


def tangent_problem(problem: Problem, parameters: Sequence[Expr | str]) -> tuple[Tangent, Problem]:
    """The joint system of a problem and its derivatives, compiled once per set of parameters."""
    flat = problem.flat
    if isinstance(parameters, (str, Expr)) or not len(parameters):
        raise ModelError(f"sensitivities: give a list of parameters, not {parameters!r}")
    numbers = [flat.parameter_index(key, "sensitivities") for key in parameters]
    if len(set(numbers)) < len(numbers):
        raise ModelError("sensitivities: a parameter stands twice in the list")
    values, starts = problem.followers(), problem.start_expressions()
    for number in numbers:
        given = values.get(number)
        if given is not None:
            raise ModelError(
                f"sensitivities: {flat.parameters[number].name} follows from others, it is {given}; take the "
                "derivatives by those, or give it a number in the problem"
            )
    key = (
        tuple(numbers), tuple(sorted(values.items(), key=lambda item: item[0])),
        tuple(sorted(starts.items(), key=lambda item: item[0])), tuple(map(id, problem.events)),
    )  # fmt: skip
    memory = _COMPILED.setdefault(problem.compiled, {})
    if key not in memory:
        made = tangent(replace(flat, events=problem.events), numbers, values, starts)
        memory[key] = made, compile_flat(made.flat, problem.defaults, problem.compiled.simplify)
    made, compiled = memory[key]
    return made, _with_numbers(problem, made, compiled)


def _with_numbers(problem: Problem, made: Tangent, compiled: CompiledSystem) -> Problem:
    joint: FlatSystem = made.flat
    start: dict[Any, Any] = dict(problem.given_start)
    for at, name in enumerate(problem.flat.state_names):
        if problem.flat.vector[at] < len(problem.flat.unknowns):
            start[name] = float(problem.u[at])
        if problem.flat.mass[at]:
            for q, derivatives in enumerate(made.starts):
                own = joint.state_names[made.columns[q, at]]
                start[own] = problem.value(derivatives.get(at, ZERO), f"start of {own}")
    return Problem(compiled, start, problem.span, problem.given_parameters)
