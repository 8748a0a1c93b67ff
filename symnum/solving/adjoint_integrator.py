"""An integrator that keeps its steps and runs backwards over them: the discrete adjoint, in compiled code."""

from __future__ import annotations

import numpy as np

from symnum.codegen.compiled_pullback import CompiledPullback
from symnum.codegen.model_functions import FloatArray, IntArray, ModelFunctions
from symnum.errors import ModelError
from symnum.record import record, replace
from symnum.solving.integrator import Integrator
from symnum.solving.kernel import library, slot
from symnum.solving.kernel.call import address_of, model_function
from symnum.solving.large_system import kind_for
from symnum.solving.layout import Layout
from symnum.solving.method import Method
from symnum.solving.statistics import Status
from symnum.solving.step_options import StepOptions

__all__ = ["AdjointIntegrator", "Stretch"]


@record
class Stretch:
    """Steps between two events, or between an event and an end of the run.

    times: (k + 1,) where steps begin and end. states: (k + 1, n); with checkpoints only every so many of
    them, (., n), and the last. parameters: (n_parameters,). nodes: for each time that was met on purpose the
    number of steps up to it.
    """

    times: FloatArray
    states: FloatArray
    parameters: FloatArray
    nodes: IntArray
    every: int

    @property
    def steps(self) -> int:
        return len(self.times) - 1


class AdjointIntegrator(Integrator):
    """Forwards with every step kept, backwards with the vector-Jacobian products of the model.

    pullback: those of the right-hand side, the Jacobian and the time derivative.
    """

    _keeps = False  # the Jacobian of every step is differentiated

    def __init__(
        self, model: ModelFunctions, method: Method, pullback: CompiledPullback, options: StepOptions
    ) -> None:
        if method.family not in ("explicit", "rosenbrock"):
            raise ModelError(
                f"{method}: gradients by the adjoint need an explicit Runge-Kutta or a Rosenbrock method, "
                "such as Tsit5, Vern7, Rodas4P or Rodas5P"
            )
        implicit = method.family != "explicit"
        if implicit and kind_for(model, method, "auto") in ("factored", "krylov"):
            options = replace(options, linear="sparse")  # the adjoint needs factors of the matrix itself
        super().__init__(model, method, options)
        n, entries = model.n, model.entries
        layout = Layout(slot.D_SIZE)
        numbers = {
            slot.D_ADVANCE: self._advance, slot.D_PARAMETER_COUNT: model.n_parameters,
            slot.D_EFFORT_ORDER: method.error_power, slot.D_RHS_PULLBACK: pullback.address("rhs"),
            slot.D_JACOBIAN_PULLBACK: pullback.address("jacobian"),
            slot.D_GRADIENT_PULLBACK: pullback.address("time_gradient") if model.time_gradient else 0,
        }  # fmt: skip
        if implicit:
            numbers[slot.D_SOLVE_TRANSPOSED] = library.addresses("linear_transposed")["solve"]
        for where, number in numbers.items():
            layout.table[where] = number
        parts = {
            slot.D_LAMBDA: n, slot.D_PARAMETERS: model.n_parameters + 1,
            slot.D_INPUT: n + max(n, entries), slot.D_OUTPUT: n + model.n_parameters,
            slot.D_WORK: pullback.n_work + 1, slot.D_OMEGA: n, slot.D_ENTRIES: entries + 1,
            slot.D_ARGUMENTS: method.stages * n, slot.D_BARS: method.stages * n,
        }  # fmt: skip
        for where, count in parts.items():
            layout.part(where, count)
        self._adjoint = layout.new()
        self._adjoint.table[slot.D_RUN] = address_of(self._integers)
        self._kernels = library.addresses("adjoint")
        self._pullback = pullback  # holds the code

    def _entry(self, address: int) -> tuple[int, IntArray]:
        if address in self._kernels.values():
            return address, self._adjoint.table
        return super()._entry(address)

    # ---- forwards ---------------------------------------------------------------------------------
    def keep_steps(self, stops: FloatArray, every: int) -> tuple[Status, Stretch]:
        """Run to the last of the increasing ``stops``, which steps meet exactly, or until an event.

        every: keep the state behind every so many steps only.
        """
        table = self._adjoint.table
        stops = np.ascontiguousarray(stops)
        steps = np.zeros(len(stops), np.int64)
        table[slot.D_STOPS], table[slot.D_STOP_STEPS] = address_of(stops), address_of(steps)
        table[slot.D_STOP_COUNT], table[slot.D_STOP_NEXT] = len(stops), 0
        before = self.steps
        self._set(slot.PAUSE_LEFT, -1 if every == 1 else every)
        self._set(slot.KEEP_DENSE, 0)
        self._floats[slot.T_STOP] = stops[-1]
        self._output.begin(None)
        times, states = [np.array([self.t])], [self.u[None].copy()]
        while True:
            status = self._run(self._kernels["record"])
            if status == slot.BUFFER_FULL:
                self._output.drain()
                continue
            t, u = self._output.saved()
            times.append(t)
            states.append(u.T if every == 1 else u.T[-1:])
            if status != slot.PAUSED:
                break
            self._set(slot.PAUSE_LEFT, every)
        done = int(table[slot.D_STOP_NEXT])
        nodes = steps[:done] - before
        return Status(status), Stretch(
            np.concatenate(times), np.concatenate(states), self.p.copy(), nodes, every
        )

    # ---- backwards --------------------------------------------------------------------------------
    def pull_back(
        self, stretch: Stretch, places: IntArray, cotangents: FloatArray, adjoint: FloatArray,
        effort: FloatArray | None = None,
    ) -> tuple[FloatArray, FloatArray, float]:  # fmt: skip
        """From the cotangent of the end of a stretch to those of its start (n,) and parameters (n_p,).

        places: (steps + 1,) the row of ``cotangents`` (., n) that the state behind each number of steps
        has besides, or -1. effort: (steps,) weights of the roots of error estimates, see `Effort`; their sum
        is returned, and its derivatives are added.
        """
        table = self._adjoint.table
        self.p[:] = stretch.parameters
        self.changed_parameters()
        places, cotangents = np.ascontiguousarray(places), np.ascontiguousarray(cotangents)
        if not len(cotangents):
            cotangents = np.zeros((1, self.model.n))
        self._adjoint.floats(slot.D_LAMBDA)[:] = adjoint
        self._adjoint.floats(slot.D_PARAMETERS)[:] = 0.0
        table[slot.D_COTANGENTS] = address_of(cotangents)
        total = stretch.steps
        spent = np.zeros(1)
        table[slot.D_EFFORT_SUM] = address_of(spent)
        if effort is None and not adjoint.any():  # steps behind the last cotangent have no share
            nodes = np.flatnonzero(places >= 0)
            live = nodes[(cotangents[places[nodes]] != 0.0).any(axis=1)]
            total = int(live[-1]) if len(live) else 0
        first = 0 if stretch.every == 1 else max(total - 1, 0) // stretch.every * stretch.every
        last = total
        while True:
            states = stretch.states if stretch.every == 1 else self._again(stretch, first, last)
            times = np.ascontiguousarray(stretch.times[first : last + 1])
            own = places[first : last + 1].copy()
            if first > 0:
                own[0] = -1  # it belongs to the steps before
            states = np.ascontiguousarray(states)
            table[slot.D_TIMES], table[slot.D_STATES] = address_of(times), address_of(states)
            table[slot.D_PLACES], table[slot.D_AT] = address_of(own), last - first
            table[slot.D_EFFORT] = 0
            if effort is not None and last > first:
                weights = np.ascontiguousarray(effort[first:last])
                table[slot.D_EFFORT] = address_of(weights)
            self._swept(self._kernels[self.method.family])
            if first == 0:
                break
            first, last = first - stretch.every, first
        found = self._adjoint.floats(slot.D_PARAMETERS)[: self.model.n_parameters].copy()
        return self._adjoint.floats(slot.D_LAMBDA).copy(), found, float(spent[0])

    def _again(self, stretch: Stretch, first: int, last: int) -> FloatArray:
        """The states of steps between two checkpoints, made anew with the lengths that they had."""
        states = np.empty((last - first + 1, self.model.n))
        states[0] = stretch.states[first // stretch.every]
        times = np.ascontiguousarray(stretch.times[first : last + 1])
        table = self._adjoint.table
        table[slot.D_TIMES], table[slot.D_STATES] = address_of(times), address_of(states)
        table[slot.D_AT], table[slot.D_STOP_COUNT] = 1, last - first
        self._swept(self._kernels["replay"])
        return states

    def _swept(self, kernel: int) -> None:
        status = self._run(kernel)
        if status != slot.DONE:
            raise ModelError(
                f"the adjoint of {self.method} stopped at t = {self.t:.9g}: "
                f"{Status(status).name.lower().replace('_', ' ')}; choose a smaller tolerance"
            )

    def pulled(
        self, name: str, t: float, u: FloatArray, p: FloatArray, cotangent: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """The product of a cotangent with the derivatives of a function: (n,) by u, (n_p,) by p."""
        address, n = self._pullback.address(name), self.model.n
        found = np.zeros(n + self.model.n_parameters)
        if address:
            arrays = np.concatenate([u, cotangent]), np.append(p, 0.0), np.zeros(self._pullback.n_work + 1)
            model_function(address, t, address_of(found), *map(address_of, arrays))
        return found[:n], found[n:]

    def state(self, stretch: Stretch, node: int) -> FloatArray:
        """(n,) the state behind so many steps."""
        states, every = stretch.states, stretch.every
        if every > 1 and node % every and node < stretch.steps:
            self.p[:] = stretch.parameters
            self.changed_parameters()
            states, node = self._again(stretch, node // every * every, node), -1
        elif every > 1:
            node = -1 if node == stretch.steps else node // every
        found: FloatArray = states[node]
        return found
