"""The solution at given times as a differentiable function of parameters and starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.compiled_pullback import CompiledPullback, compiled_functions
from symnum.codegen.function import Column, Function, Loop, Output
from symnum.codegen.pullback import pullback
from symnum.errors import ModelError
from symnum.lowering.written_out import over_entries
from symnum.rewriting.expr import TIME, Expr, Symbol, as_expr, slot, symbol
from symnum.rewriting.walk import leaves, substitute
from symnum.solving.differential import Differential
from symnum.solving.effort import Effort, check_estimate
from symnum.solving.kernel.call import address_of, model_function
from symnum.solving.method import Method
from symnum.solving.options import Times, save_times, tolerances
from symnum.solving.problem import Problem, deterministic
from symnum.solving.recorded_run import Recorder, RunRecord, adjoint_method

__all__ = ["SolutionMap"]

FloatArray: TypeAlias = NDArray[np.float64]
Pullback: TypeAlias = Callable[[Any], FloatArray]

_SHARE = 1e-3  # of the size of a parameter: differences of fourth order along a direction


class SolutionMap:
    """theta -> outputs at given times, with exact derivatives of the steps that were made.

    problem: whose other numbers stay as they are. outputs: expressions of the model; all of its unknowns
    that are integrated without it. at: times, or their spacing; steps end there, and an output at an event
    is the one before it. parameters: what theta (m,) holds: parameters, and variables for their starts.
    method: an explicit Runge-Kutta or a Rosenbrock method, chosen by the rates at the start without it.
    keep_every: keep the state behind every so many steps only and make the others anew when they are needed.

    Derivatives are those of the computed numbers with the lengths of the steps taken as given (the discrete
    adjoint): they are exact up to rounding for a frozen sequence of steps, and as close to those of the exact
    solution as the tolerances say. Where a moment of an event depends on parameters, its shift is taken
    into account to the accuracy of the solution. A. Sandu, "On the properties of Runge-Kutta discrete
    adjoints", ICCS 2006; D. Daescu, A. Sandu, G. Carmichael, Atmos. Environ. 37 (2003) 5097.
    """

    def __init__(
        self,
        problem: Problem,
        outputs: Sequence[Any] | None = None,
        *,
        at: Times,
        parameters: Sequence[Any],
        method: str | Method | None = None,
        rtol: float = 1e-6,
        atol: Any = 1e-9,
        keep_every: int = 1,
        max_steps: int = 1_000_000,
    ) -> None:
        self.problem = deterministic(problem, "SolutionMap")
        if isinstance(keep_every, bool) or not isinstance(keep_every, int) or keep_every < 1:
            raise ModelError(f"keep_every={keep_every!r}: give a whole number of steps, 1 or more")
        self.rtol, self.atol = rtol, atol
        self.t: FloatArray = save_times(at, problem.span)
        if not len(self.t):
            raise ModelError("at=: give at least one time")
        self._entry = _Entry(problem, parameters)
        self.parameters: tuple[str, ...] = self._entry.names
        self._exit = _Exit(problem, outputs)
        self.outputs: tuple[str, ...] = self._exit.names
        self.method = adjoint_method(problem, method, rtol)
        self._recorder = Recorder(
            problem, self.t, self.method, rtol=rtol, atol=tolerances(problem.flat, rtol, atol),
            every=keep_every, max_steps=max_steps,
        )  # fmt: skip

    @property
    def theta(self) -> FloatArray:
        """(m,) the values that the problem has."""
        return self._entry.theta.copy()

    def __call__(self, theta: Any = None) -> FloatArray:
        """(outputs, times); ``theta`` (m,), that of the problem without it."""
        return self._run(theta)[1]

    def vjp(self, theta: Any = None) -> tuple[FloatArray, Pullback]:
        """The outputs, and what turns cotangents (outputs, times) into a gradient (m,)."""
        theta = self._checked(theta)
        found, values = self._run(theta)

        def pull(cotangents: Any) -> FloatArray:
            array = np.asarray(cotangents, float)
            if array.shape != values.shape:
                raise ModelError(f"cotangents have shape {array.shape}; the outputs have {values.shape}")
            by_u, by_p = self._exit.pull(self.t, found, array)
            return self._entry.pull(theta, *self._recorder.pull_back(found, by_u, by_p)[:2])

        return values, pull

    def value_and_gradient(
        self, loss: Callable[[FloatArray], tuple[float, Any]], theta: Any = None, effort: Effort | None = None
    ) -> tuple[float, FloatArray]:
        """A scalar of the outputs and its gradient (m,).

        loss: (outputs, times) -> the value and its derivatives by each of these numbers. effort: what is
        added to it for the steps that the solver makes. Raises ModelError for an effort of methods whose
        error estimate is not differentiated.
        """
        if effort is not None:
            check_estimate(self.method)
        theta = self._checked(theta)
        found, values = self._run(theta)
        try:
            value, cotangents = loss(values)
        except (TypeError, ValueError) as error:
            raise ModelError(
                "loss: return the value and its derivatives by the outputs, (outputs, times), as a pair"
            ) from error
        array = np.asarray(cotangents, float)
        if array.shape != values.shape:
            raise ModelError(f"cotangents have shape {array.shape}; the outputs have {values.shape}")
        by_u, by_p = self._exit.pull(self.t, found, array)
        *parts, spent = self._recorder.pull_back(found, by_u, by_p, effort)
        return float(value) + spent, self._entry.pull(theta, *parts)

    def jacobian(self, theta: Any = None, wanted: Any = None) -> FloatArray:
        """(outputs, times, m) the derivatives of every output at every time, one adjoint for each.

        wanted: (outputs, times) of truth values; the others are left at zero.
        """
        values, pull = self.vjp(theta)
        result = np.zeros((*values.shape, len(self.parameters)))
        one = np.zeros(values.shape)
        chosen = np.ones(values.shape, bool) if wanted is None else np.asarray(wanted, bool)
        for place in zip(*np.nonzero(np.broadcast_to(chosen, values.shape)), strict=True):
            one[place] = 1.0
            result[place] = pull(one)
            one[place] = 0.0
        return result

    def hessian_product(
        self, loss: Callable[[FloatArray], tuple[float, Any]], direction: Any, theta: Any = None
    ) -> FloatArray:
        """(m,) the Hessian of a scalar of the outputs times a direction (m,).

        By differences of fourth order of gradients along the direction, in steps of a thousandth of theta,
        which leaves eight digits or so at tight tolerances.
        """
        theta, along = self._checked(theta), self._checked(direction, "direction")
        size = float(np.max(np.abs(along) / np.maximum(np.abs(theta), 1e-3)))
        if size == 0.0:
            return np.zeros(len(theta))
        h = _SHARE / size
        gradients = [self.value_and_gradient(loss, theta + k * h * along)[1] for k in (1, -1, 2, -2)]
        found: FloatArray = (8 * (gradients[0] - gradients[1]) - (gradients[2] - gradients[3])) / (12 * h)
        return found

    def as_torch(self) -> Callable[[Any], Any]:
        """The same as a function of a PyTorch tensor, see `frameworks.torch_function`."""
        from symnum.solving.frameworks import torch_function

        return torch_function(self)

    def as_jax(self) -> Callable[[Any], Any]:
        """The same as a function of a JAX array, see `frameworks.jax_function`."""
        from symnum.solving.frameworks import jax_function

        return jax_function(self)

    def _run(self, theta: Any) -> tuple[RunRecord, FloatArray]:
        found = self._recorder.run(*self._entry.point(self._checked(theta)))
        return found, self._exit.values(self.t, found)

    def _checked(self, theta: Any, what: str = "theta") -> FloatArray:
        if theta is None:
            return self.theta
        array = np.array(theta, float)
        if array.shape != (len(self.parameters),) or not np.isfinite(array).all():
            raise ModelError(
                f"{what} has shape {array.shape} or is not finite; give {len(self.parameters)} numbers, for "
                f"{', '.join(self.parameters[:8])}{' ...' if len(self.parameters) > 8 else ''}"
            )
        return array

    def __repr__(self) -> str:
        return (
            f"<SolutionMap of {self.problem.flat.name}: {len(self.parameters)} parameters -> "
            f"{len(self.outputs)} outputs at {len(self.t)} times, {self.method}>"
        )


class _Entry:
    """From theta to the start and the parameters of a run, and back with cotangents."""

    def __init__(self, problem: Problem, keys: Sequence[Any]) -> None:
        flat = problem.flat
        if isinstance(keys, (str, Expr)) or not len(keys):
            raise ModelError(f"parameters: give a list of parameters and variables, not {keys!r}")
        self.problem = problem
        of_p: list[tuple[int, int]] = []  # (place in theta, place in p)
        of_u: list[tuple[int, int]] = []
        names = []
        for place, key in enumerate(keys):
            name = key if isinstance(key, str) else str(key)
            number = flat.parameters.find(name)
            names.append(name)
            if number is not None:
                of_p.append((place, number))
                continue
            known = flat.unknowns.find(name)
            if known is None:
                flat.parameter_index(key, "parameters")  # says what there is
            at = int(flat.position[flat.number_of(key, "parameters")])
            if at < 0 or not flat.mass[at]:
                raise ModelError(f"parameters: {name} follows from other unknowns and has no start")
            of_u.append((place, at))
        if len({*names}) < len(names):
            raise ModelError("parameters: one stands twice in the list")
        self.names = tuple(names)
        self.of_p = np.array(of_p, np.int64).reshape(-1, 2).T
        self.of_u = np.array(of_u, np.int64).reshape(-1, 2).T
        self.theta = np.empty(len(names))
        self.theta[self.of_p[0]] = problem.p[self.of_p[1]]
        self.theta[self.of_u[0]] = problem.u[self.of_u[1]]
        self._starts = {int(flat.position[k]): value for k, value in problem.start_expressions().items()}
        own, learned = {at for _, at in of_u}, {number for _, number in of_p}
        self.followers: list[tuple[int, Differential]] = []
        for number, value in problem.followers().items():
            if number in learned:
                raise ModelError(
                    f"parameters: {flat.parameters[number].name} follows from others, it is {value}; take "
                    "those, or give it a number in the problem"
                )
            self.followers.append((number, Differential(self._over_p(value, own))))
        self.starts = [
            (at, Differential(self._over_p(value, own)))
            for at, value in self._starts.items()
            if at >= 0 and at not in own
        ]

    def _over_p(self, value: Expr, own: set[int]) -> Expr:
        """An expression of parameters and starts over ``slot("p", number)``."""
        flat, mapping = self.problem.flat, dict[Expr, Expr]()
        for leaf in leaves((value,)):
            number = flat.parameters.find(leaf.name) if leaf.kind == "parameter" else None
            if number is not None:
                mapping[leaf] = slot("p", number)
            elif leaf.kind == "parameter":
                mapping[leaf] = as_expr(self.problem.value(leaf, f"parameter {leaf}"))
            else:
                known = flat.unknowns.find(leaf.name)
                own_number = -1 if known is None else int(flat.structure.representative[known])
                number, sign = flat.without_sign(own_number) if own_number >= 0 else (-1, 1)
                at = -1 if number < 0 else int(flat.position[number])
                if at in own:
                    raise ModelError(
                        f"parameters: the start of {leaf} also determines {value}; make the start a "
                        "parameter of the model and learn that"
                    )
                start = self._starts.get(at) if at >= 0 else None
                if start is not None:
                    mapping[leaf] = sign * self._over_p(start, own)
                else:
                    mapping[leaf] = as_expr(self.problem.value(leaf, f"parameter {leaf}"))
        return substitute((value,), mapping)[0]

    def point(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(u, p) at the start."""
        u, p = self.problem.u.copy(), self.problem.p.copy()
        p[self.of_p[1]] = theta[self.of_p[0]]
        for number, follower in self.followers:
            p[number] = follower.value(0.0, u, p)
        for at, start in self.starts:
            u[at] = start.value(0.0, u, p)
        u[self.of_u[1]] = theta[self.of_u[0]]
        return u, p

    def pull(self, theta: FloatArray, by_u: FloatArray, by_p: FloatArray) -> FloatArray:
        if self.starts or self.followers:
            u, p = self.point(theta)
            by_u, by_p = by_u.copy(), by_p.copy()
            for at, start in self.starts:
                start.pull(0.0, u, p, float(by_u[at]), by_u, by_p)
            for number, follower in reversed(self.followers):
                weight, by_p[number] = float(by_p[number]), 0.0
                follower.pull(0.0, u, p, weight, by_u, by_p)
        result = np.empty(len(theta))
        result[self.of_p[0]] = by_p[self.of_p[1]]
        result[self.of_u[0]] = by_u[self.of_u[1]]
        return result


class _Exit:
    """From the states at the times to the outputs, and back with cotangents."""

    def __init__(self, problem: Problem, outputs: Sequence[Any] | None) -> None:
        flat = problem.flat
        self.flat = flat
        if outputs is None:
            self.names = flat.state_names
            self.rows: list[int] | None = list(range(flat.n))
            return
        if isinstance(outputs, (str, Expr)) or not len(outputs):
            raise ModelError(f"outputs: give a list of expressions of the model, not {outputs!r}")
        exprs = tuple(_expression(flat, output) for output in outputs)
        self.names = tuple(map(str, outputs))
        over = tuple(over_entries(flat, value) for value in flat.with_numbers(exprs, "outputs"))
        self.rows = None
        if all(value.op == "slot" and value.data[0] == "u" for value in over):
            self.rows = [value.data[1] for value in over]
            return
        self.compiled = _compiled(over, flat.n, len(flat.parameters))

    def values(self, t: FloatArray, found: RunRecord) -> FloatArray:
        if self.rows is not None:
            return found.states[self.rows]
        result, work = np.empty((len(t), len(self.names))), np.zeros(self.compiled.n_work + 1)
        states, parameters = _by_time(found)
        for k, time in enumerate(t.tolist()):
            arrays = address_of(result[k]), address_of(states[k]), address_of(parameters[k]), address_of(work)
            model_function(self.compiled.addresses["values"], time, *arrays)
        return result.T

    def pull(
        self, t: FloatArray, found: RunRecord, cotangents: FloatArray
    ) -> tuple[FloatArray, FloatArray | None]:
        """Of the states (n, times) and of the parameters (times, n_p), None where outputs read none."""
        n, n_parameters = self.flat.n, len(self.flat.parameters)
        if self.rows is not None:
            by_u = np.zeros((n, len(t)))
            np.add.at(by_u, self.rows, cotangents)
            return by_u, None
        address = self.compiled.address("pullback")
        result, work = np.zeros((len(t), n + n_parameters)), np.zeros(self.compiled.n_work + 1)
        states, parameters = _by_time(found)
        given = np.ascontiguousarray(np.hstack([states[:, :n], cotangents.T]))
        for k, time in enumerate(t.tolist() if address else []):
            arrays = address_of(result[k]), address_of(given[k]), address_of(parameters[k]), address_of(work)
            model_function(address, time, *arrays)
        return result[:, :n].T, result[:, n:]


def _by_time(found: RunRecord) -> tuple[FloatArray, FloatArray]:
    """(times, n) and (times, n_p + 1); one more so that there is an address."""
    parameters = np.array([np.append(found.parameters(k), 0.0) for k in range(len(found.where))])
    return np.ascontiguousarray(found.states.T), parameters


def _expression(flat: Any, output: Any) -> Expr:
    if isinstance(output, str):
        kind = "variable" if flat.parameters.find(output) is None else "parameter"
        return symbol(Symbol(output, kind))
    return as_expr(output)


def _compiled(over: tuple[Expr, ...], n: int, n_parameters: int) -> CompiledPullback:
    """The outputs as one piece of code, and its pullback."""
    columns: list[Column] = []
    mapping: dict[Expr, Expr] = {}
    for leaf in leaves(over):
        if leaf is not TIME:
            mapping[leaf] = slot(leaf.data[0], len(columns))
            columns.append(Column(leaf.data[0], np.array([leaf.data[1]])))
    stored = tuple(Output("out", np.array([k])) for k in range(len(over)))
    loop = Loop("outputs", 1, substitute(over, mapping), tuple(columns), stored)
    values = Function("values", (loop,), len(over), 0)
    functions = {"values": values}
    backwards = pullback(values, n, n_parameters)
    if backwards is not None:
        functions["pullback"] = backwards
    return compiled_functions(functions)
