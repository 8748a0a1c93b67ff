"""A run that can be followed backwards: its steps, its events, and the cotangents through both."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from symnum.codegen.compiled_pullback import model_pullback
from symnum.codegen.model_functions import FloatArray, IntArray
from symnum.errors import ModelError, SolveFailed
from symnum.lowering.written_out import over_entries
from symnum.record import record
from symnum.rewriting.expr import Expr
from symnum.solving.adjoint_integrator import AdjointIntegrator, Stretch
from symnum.solving.choice import Choice
from symnum.solving.differential import Differential
from symnum.solving.effort import Effort
from symnum.solving.events import Action, Schedule, no_conflict
from symnum.solving.initialize import consistent
from symnum.solving.method import Method
from symnum.solving.problem import Problem
from symnum.solving.solution import Happened
from symnum.solving.start import check_start
from symnum.solving.statistics import Status
from symnum.solving.step_options import StepOptions
from symnum.solving.tableaus import find
from symnum.solving.why_stopped import why_stopped

__all__ = ["Recorder", "RunRecord", "adjoint_method"]


def adjoint_method(problem: Problem, method: str | Method | None, rtol: float) -> Method:
    """The method asked for, or one that the adjoint knows, by the rates at the start."""
    if method is not None:
        return find(method)
    model = problem.compiled.model.functions
    chosen, _ = Choice(model, rtol, False).begin(problem.span, problem.u, problem.p)
    return chosen if chosen.family in ("explicit", "rosenbrock") else find("Rodas5P")


@record
class Jump:
    """What happens between two stretches, at time t: actions, and numbers of the crossings (at= has none).

    u, p: before; u1, p1: behind, algebraic unknowns made consistent.
    """

    t: float
    actions: tuple[Action, ...]
    crossed: tuple[int, ...]
    u: FloatArray
    p: FloatArray
    u1: FloatArray
    p1: FloatArray


@record
class RunRecord:
    """Stretches of steps with what happened between them.

    times: (m,) those asked for. states: (n, m), at an event the one before it. where: for each time (stretch,
    steps up to it).
    """

    stretches: tuple[Stretch, ...]
    jumps: tuple[Jump, ...]
    states: FloatArray
    where: tuple[tuple[int, int], ...]
    steps: int

    def parameters(self, k: int) -> FloatArray:
        """(n_p,) those in force at a time."""
        return self.stretches[self.where[k][0]].parameters


class Recorder:
    """Runs of one problem for different starts and parameters, and their adjoints.

    times: (m,) increasing, within the span; steps end there. Raises ModelError for what has no derivative or
    none that is known here: hard limits, delays, triggers, states chosen in the run.
    """

    def __init__(
        self, problem: Problem, times: FloatArray, method: Method, *, rtol: float, atol: FloatArray,
        every: int = 1, max_steps: int = 1_000_000,
    ) -> None:  # fmt: skip
        self.problem, self.flat, self.times, self.every = problem, problem.flat, times, every
        _refuse(problem)
        model = problem.compiled.model
        self.integrator = AdjointIntegrator(
            model.functions, method, model_pullback(model), StepOptions(rtol, atol, max_steps=max_steps)
        )
        self.schedule = Schedule.of(problem)
        self.known: dict[Expr, Differential] = {}
        self.followers = [
            (number, below, Differential(value)) for number, value, below in problem.dependent_parameters()
        ]

    # ---- forwards ---------------------------------------------------------------------------------
    def run(self, u: FloatArray, p: FloatArray) -> RunRecord:
        """From (u, p) at the begin of the span. Raises SolveFailed where a run cannot go on."""
        integrator, begin = self.integrator, self.problem.span[0]
        integrator.start(begin, u, p)
        self.make_consistent()
        check_start(self.problem, integrator.u, integrator.p, integrator.slope())
        last = float(self.times[-1])
        due = [(t, a) for t, a in zip(self.schedule.times, self.schedule.actions, strict=True) if t <= last]
        stretches: list[Stretch] = []
        jumps: list[Jump] = []
        states = np.empty((self.flat.n, len(self.times)))
        where: list[tuple[int, int]] = []
        if due and due[0][0] == begin:
            stretches.append(_standing(begin, integrator.u, integrator.p))
            jumps.append(self.happen(due.pop(0)[1], ()))
        while True:
            at = integrator.t
            if not where and self.times[0] == at:
                states[:, 0] = integrator.u
                where.append((len(stretches), 0))
            if due and due[0][0] <= at:  # at the very moment of another event
                stretches.append(_standing(at, integrator.u, integrator.p))
                jumps.append(self.happen(due.pop(0)[1], ()))
                continue
            stop = due[0][0] if due else last
            wanted = self.times[(self.times > at) & (self.times <= stop)]
            stops = wanted if len(wanted) and wanted[-1] == stop else np.append(wanted, stop)
            if stop <= at:  # the only time is the begin
                stretches.append(_standing(at, integrator.u, integrator.p))
                return self.finished(stretches, jumps, states, where)
            status, stretch = integrator.keep_steps(stops, self.every)
            if status not in (Status.DONE, Status.EVENT):
                raise SolveFailed(self.explain(status, jumps))
            where += [(len(stretches), node) for node in stretch.nodes[: len(wanted)].tolist()]
            stretches.append(stretch)
            if status is Status.EVENT:
                fired = tuple(integrator.fired)
                jumps.append(self.happen([self.schedule.crossing[i] for i in fired], fired))
            elif due:
                jumps.append(self.happen(due.pop(0)[1], ()))
            else:
                return self.finished(stretches, jumps, states, where)
            if len(where) == len(self.times):
                jumps.pop()  # nothing that is asked for comes behind it
                return self.finished(stretches, jumps, states, where)
            if any(action.event.terminal for action in jumps[-1].actions):
                raise ModelError(
                    f"{self.flat.name}: {jumps[-1].actions[0].event} ends the run at t = {integrator.t:g}, "
                    f"before t = {last:g}, which a gradient is asked for"
                )

    def finished(
        self, stretches: list[Stretch], jumps: list[Jump], states: FloatArray, where: list[tuple[int, int]]
    ) -> RunRecord:
        """Fill in the states at the times asked for."""
        for k, (number, node) in enumerate(where):
            states[:, k] = self.integrator.state(stretches[number], node)
        return RunRecord(tuple(stretches), tuple(jumps), states, tuple(where), self.integrator.steps)

    def happen(self, actions: Sequence[Action], crossed: tuple[int, ...]) -> Jump:
        integrator = self.integrator
        t, u, p = integrator.t, integrator.u.copy(), integrator.p.copy()
        no_conflict(self.flat, t, actions)
        if len(crossed) > 1:
            raise ModelError(
                f"{self.flat.name}: {' and '.join(str(action.event) for action in actions)} happen at one "
                f"moment, t = {t:g}: no derivative exists there"
            )
        changed: list[int] = []
        values = [action.values(t, (u, p)) for action in actions]
        for action, found in zip(actions, values, strict=True):
            changed += action.apply(found, integrator.u, integrator.p)
        if changed:
            self.problem.updated_parameters(integrator.p, changed)
        integrator.changed_parameters()
        self.make_consistent()
        return Jump(t, tuple(actions), crossed, u, p, integrator.u.copy(), integrator.p.copy())

    def make_consistent(self) -> None:
        integrator = self.integrator
        if self.flat.mass.all():
            return
        guess = integrator.u.copy()
        if not integrator.reinitialize().converged:
            integrator.u[:] = consistent(self.problem.compiled, integrator.t, guess, integrator.p)
            integrator.changed_parameters()

    def explain(self, status: Status, jumps: Sequence[Jump]) -> str:
        happened = [Happened(jump.t, action.event) for jump in jumps for action in jump.actions]
        return why_stopped(status, self.problem, self.integrator, happened)

    # ---- backwards --------------------------------------------------------------------------------
    def pull_back(
        self,
        found: RunRecord,
        cotangents: FloatArray,
        by_p: FloatArray | None,
        effort: Effort | None = None,
    ) -> tuple[FloatArray, FloatArray, float]:
        """From cotangents of the states (n, m) to those of the start (n,) and of the parameters (n_p,).

        by_p: (m, n_p) what the outputs at each time add for the parameters in force, if anything. effort:
        what is added to the loss for the steps, and returned.
        """
        spent, whole = 0.0, (self.problem.span[0], float(self.times[-1]))
        adjoint, total = np.zeros(self.flat.n), np.zeros(self.integrator.model.n_parameters)
        rows = np.ascontiguousarray(cotangents.T)
        for number in range(len(found.stretches) - 1, -1, -1):
            stretch = found.stretches[number]
            if number < len(found.jumps):
                adjoint, total = self.through(found.jumps[number], adjoint, total)
            places = np.full(stretch.steps + 1, -1, np.int64)
            for k, (where, node) in enumerate(found.where):
                if where == number:
                    places[node] = k
                    if by_p is not None:
                        total += by_p[k]
            shares = None if effort is None else effort.shares(stretch.times, whole)
            adjoint, share, value = self.integrator.pull_back(stretch, places, rows, adjoint, shares)
            total += share
            spent += value
        t, first = self.problem.span[0], found.stretches[0]
        adjoint, share = self.through_consistency(t, first.states[0], first.parameters, adjoint)
        return adjoint, total + share, spent

    def through(self, jump: Jump, adjoint: FloatArray, total: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Through an event, with the shift of its moment where that depends on anything.

        Galan, Feehery, Barton, Appl. Numer. Math. 31 (1999) 17.
        """
        integrator = self.integrator
        t, u, p = jump.t, jump.u, jump.p
        by_time = 0.0
        if jump.crossed:
            by_time -= float(adjoint @ self.problem.compiled.rhs(t, jump.u1, jump.p1))
        adjoint, share = self.through_consistency(t, jump.u1, jump.p1, adjoint)
        total = total + share
        changed = [at for action in jump.actions for at, _ in action.parameters]
        self.unfollow(jump.p1, changed, total)
        by_u, by_p = adjoint.copy(), total.copy()
        targets = [(action.states, adjoint, by_u) for action in jump.actions]
        targets += [(action.parameters, total, by_p) for action in jump.actions]
        for places, _, old in targets:
            for at, _ in places:
                old[at] = 0.0
        for places, incoming, _ in targets:
            for at, value in places:
                by_time += self.differential(value).pull(t, u, p, float(incoming[at]), by_u, by_p)
        if not jump.crossed:
            return by_u, by_p
        slope = self.problem.compiled.rhs(t, u, p)
        by_time += float(by_u @ slope)
        (watched,) = self.flat.with_numbers([self.flat.crossings[jump.crossed[0]][0]], "event")
        crossing = self.differential(watched)
        h_u, h_p = np.zeros_like(u), np.zeros_like(p)
        rate = crossing.pull(t, u, p, 1.0, h_u, h_p)
        rate += float(h_u @ slope)
        if not (math.isfinite(rate) and rate != 0.0):
            raise ModelError(
                f"{self.flat.name}: {jump.actions[0].event} is only touched at t = {t:g}: no derivative there"
            )
        assert integrator.model.n_algebraic == 0
        return by_u - by_time / rate * h_u, by_p - by_time / rate * h_p

    def unfollow(self, p: FloatArray, changed: Sequence[int], total: FloatArray) -> None:
        """Parameters that followed those that an event changed hand their cotangents on to these."""
        moved, passed = set(changed), []
        for number, below, differential in self.followers:
            if number not in moved and moved.intersection(below):
                moved.add(number)
                passed.append((number, differential))
        nothing = np.zeros(0)
        for number, differential in reversed(passed):
            weight, total[number] = float(total[number]), 0.0
            differential.pull(0.0, nothing, p, weight, nothing, total)

    def through_consistency(
        self, t: float, u: FloatArray, p: FloatArray, adjoint: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Through algebraic unknowns that follow from the others: 0 = g(x, z, p)."""
        mass = self.flat.mass
        algebraic: IntArray = np.flatnonzero(mass == 0)
        if not len(algebraic) or not adjoint[algebraic].any():
            return np.where(mass != 0, adjoint, 0.0), np.zeros(len(p))
        from scipy.sparse.linalg import spsolve

        block = self.problem.compiled.jacobian(t, u, p)[algebraic][:, algebraic]
        weights = np.zeros(len(u))
        weights[algebraic] = -spsolve(block.T.tocsc(), adjoint[algebraic])
        by_u, by_p = self.integrator.pulled("rhs", t, u, p, weights)
        return np.where(mass != 0, adjoint + by_u, 0.0), by_p

    def differential(self, value: Expr) -> Differential:
        """Of an expression over numbers of unknowns."""
        if value not in self.known:
            self.known[value] = Differential(over_entries(self.flat, value))
        return self.known[value]


def _standing(t: float, u: FloatArray, p: FloatArray) -> Stretch:
    """No step at all."""
    return Stretch(np.array([t]), u[None].copy(), p.copy(), np.zeros(0, np.int64), 1)


def _refuse(problem: Problem) -> None:
    flat = problem.flat
    reasons = (
        (bool(flat.delays), "it has delays"),
        (bool(flat.hosted), "it has parts that other code computes"),
        (bool(flat.limits), "when a hard limit (sn.Limit) holds depends on the parameters; write a smooth "
         "saturation instead"),
        (bool(flat.triggers), "it has events with a trigger=; those with "
         "at= or when= have derivatives"),
        (bool(flat.structure.choices), "its states are chosen during the run (its index was reduced)"),
        (problem.resumed is not None, "the problem goes on from another solution; take the first problem"),
        (bool(problem.initial), "its start is determined by initial= equations; give the starts"),
        (any(flat.position[number] < 0 for number in problem.starts), "a start is given for a variable that "
         "follows from others; give those of the states"),
        (not flat.mass.all() and any(e.when is not None and e.then for e in flat.events),
         "events when= happen at moments that depend on the parameters, and it has algebraic unknowns"),
    )  # fmt: skip
    for holds, reason in reasons:
        if holds:
            raise ModelError(f"{flat.name}: no gradient of this problem: {reason}")
