"""How members are run whose equations hold no chance: in lanes where that can be, else one by one."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.model_functions import FloatArray
from symnum.errors import SolveFailed
from symnum.lowering.pickling import adopt
from symnum.solving.choice import MANY_TIMES, Choice, choice_for_all, stiff_method
from symnum.solving.ensembles.lanes import Codes, run_lanes
from symnum.solving.ensembles.members import Inputs, Outcome, numbers_of
from symnum.solving.integrator import Integrator
from symnum.solving.kernel import slot
from symnum.solving.method import Method
from symnum.solving.problem import Problem
from symnum.solving.solution import Solution
from symnum.solving.specialised import (
    LaneSteps,
    lane_steps,
    specialised_step,
    stored_steps,
    unfit,
    vector_lanes,
)
from symnum.solving.statistics import Status
from symnum.solving.step_options import StepOptions
from symnum.solving.tableau import ExplicitTableau
from symnum.solving.tableaus import METHODS

__all__ = ["DeterministicRuns"]

# Unknowns up to which trajectories go side by side: beyond, their stages would fall out of the first cache.
_LARGEST_IN_LANES = 32
_LOOKED_AT = 5000  # steps in which a member has to show that it is stiff, before all of them are run
_MANY = 100  # members for which compiling a step pays


class DeterministicRuns:
    """Runs of one ensemble; what they decide on all of its members together is decided here.

    method None: chosen from a few of the members, and where one of them turns out to be stiff after all the
    stiff method goes on from its start. The pivot order is that of the first member, wherever others run.
    """

    counts_events = False

    def __init__(
        self, problem: Problem, method: Method | None, times: FloatArray, all_members: Inputs, *,
        rtol: float, atol: FloatArray, max_step: float, first_step: float | None, max_steps: int,
        tier: str | None,
    ) -> None:  # fmt: skip
        self.problem, self.times = problem, np.ascontiguousarray(times)
        self.rtol, self.atol, self.max_step = rtol, atol, max_step
        self.first_step, self.max_steps, self.tier = first_step or 0.0, max_steps, tier
        self.fallback = None
        if method is None:
            functions = problem.compiled.model.functions
            interpolated = len(times) > MANY_TIMES or functions.n_events + functions.n_limits > 0
            starts, parameters = all_members.starts, all_members.parameters
            method = choice_for_all(functions, problem.span, starts, parameters, rtol, interpolated)
            if method is not stiff_method() and self._become_stiff(method, interpolated, all_members):
                method = stiff_method()
            self.fallback = None if method is stiff_method() else stiff_method()
        self.method = method
        self.first = all_members.part(0, 1)
        self.many = len(all_members) > _MANY

    def _become_stiff(self, explicit: Method, interpolated: bool, all_members: Inputs) -> bool:
        """Do a few members, looked at while they run, come to where the stiff method should go on?"""
        functions = self.problem.compiled.model.functions
        if functions.n_algebraic or self.problem.flat.delays:
            return False
        begin, end = self.problem.span
        choice = Choice(functions, self.rtol, interpolated)
        integrator = Integrator(
            functions, explicit, StepOptions(self.rtol, self.atol, self.max_step, self.first_step or None)
        )
        last = len(all_members) - 1
        for member in sorted({0, last // 2, last}):
            integrator.start(begin, all_members.starts[member], all_members.parameters[member])
            choice.watch(integrator, end)
            integrator.run_to(end, np.array([end]), False, _LOOKED_AT)
            integrator.saved()
            if integrator.wants_change:
                return True
        return False

    @cached_property
    def lanes(self) -> tuple[LaneSteps | None, str]:
        """What runs the members side by side, or why nothing does."""
        why = self._not_in_lanes()
        if why:
            return None, why
        found = lane_steps(*self._steps_of(self.method))
        return found, "" if found else "the matrix of a step is singular at the start"

    @property
    def width(self) -> int:
        return self.lanes[0].lanes if self.lanes[0] else 1

    @property
    def how(self) -> str:
        steps, why = self.lanes
        return f"{steps.lanes} lanes" if steps else f"one by one: {why}"

    def options(self) -> dict[str, Any]:
        return {
            "method": self.method.name, "rtol": self.rtol, "atol": self.atol, "max_step": self.max_step,
            "first_step": self.first_step, "max_steps": self.max_steps, "tier": str(self.tier),
        }  # fmt: skip

    def _steps_of(self, method: Method) -> tuple[Any, ...]:
        """What a step is compiled for, with the numbers that its pivot order is chosen on."""
        begin, end = self.problem.span
        first = self.first
        return self.problem.compiled.model, method, begin, first.starts[0], first.parameters[0], end - begin

    def __call__(self, given: Inputs, out: Outcome) -> None:
        codes = Codes.zeros(len(given))
        alone = np.arange(len(given))
        steps, _ = self.lanes
        if steps is not None:
            run_lanes(self, steps, given, out.y, codes)
            alone = np.flatnonzero(codes.status == slot.REPIVOT)
            out.alone[alone] = True
        self._one_by_one(self.method, alone, given, out, codes)
        if self.fallback is not None:
            # a few were looked at to choose the method, and these are of another kind
            stiff = np.flatnonzero(codes.status == slot.MAX_STEPS_REACHED)
            out.alone[stiff] = steps is not None
            self._one_by_one(self.fallback, stiff, given, out, codes)
        out.status[:] = numbers_of(codes.status)
        out.steps[:], out.rejected[:] = codes.steps, codes.rejected

    def _one_by_one(
        self, method: Method, members: NDArray[np.int64], given: Inputs, out: Outcome, codes: Codes
    ) -> None:
        """The members that cannot run in lanes, one run after the other."""
        problem = self.problem
        if not len(members):
            return
        model = problem.compiled.model
        # by the number of all members: which step is taken must not depend on which others run here
        special = self.tier != "generic" and self.many and not unfit(model, method)
        found = specialised_step(*self._steps_of(method)) if special else None
        whole = problem.events or problem.flat.delays or not model.functions.mass.all()
        if whole or method.own_loop:
            for member in members.tolist():
                self._whole_solve(method, "specialised" if found else "generic", member, given, out, codes)
            return
        integrator = Integrator(
            model.functions, method,
            StepOptions(self.rtol, self.atol, self.max_step, self.first_step or None, self.max_steps),
        )  # fmt: skip
        if found is not None:
            found.put_into(integrator)
        begin, end = problem.span
        for member in members.tolist():
            integrator.start(begin, given.starts[member], given.parameters[member])
            status = integrator.advance(end, saveat=self.times)
            _, states = integrator.saved()
            out.y[member] = np.nan
            out.y[member, : states.shape[1]] = states.T
            codes.status[member] = status.value
            codes.steps[member] = integrator.stats.steps
            codes.rejected[member] = integrator.stats.rejected

    def _whole_solve(
        self, method: Method, tier: str, member: int, given: Inputs, out: Outcome, codes: Codes
    ) -> None:
        """One member with everything that `solve` does: events, consistent algebraic unknowns."""
        from symnum.solving.solve import solve

        problem = self.problem.with_()
        problem.u, problem.p = given.starts[member].copy(), given.parameters[member].copy()
        try:
            found = solve(
                problem, method, rtol=self.rtol, atol=self.atol, saveat=self.times, max_step=self.max_step,
                first_step=self.first_step or None, max_steps=self.max_steps, tier=self.tier or tier,
            )  # fmt: skip
            codes.status[member] = slot.DONE if found.status == "done" else slot.EVENT
        except SolveFailed as error:
            reached: Solution | None = getattr(error, "solution", None)
            if reached is None:
                codes.status[member] = slot.NOT_CONVERGED  # no consistent start
                return
            found = reached
            codes.status[member] = Status[found.status.upper()].value
        out.y[member, : len(found.t)] = found.y.T
        codes.steps[member], codes.rejected[member] = found.stats.steps, found.stats.rejected

    def _not_in_lanes(self) -> str:
        """Why the members have to run one by one; "" where they need not."""
        problem, method = self.problem, self.method
        functions = problem.compiled.model.functions
        if self.tier == "generic":
            return "the generic tier was asked for"
        if problem.events or functions.n_events:
            return "there are events"
        if functions.n_limits:
            return "there are limits"
        if problem.flat.delays:
            return "there are delays"
        if not functions.mass.all():
            return "there are algebraic equations"
        if functions.n > _LARGEST_IN_LANES:
            return f"{functions.n} unknowns are more than {_LARGEST_IN_LANES}"
        if not vector_lanes():
            return "the vectors of this processor are too short"
        begin, end = problem.span
        between = ((self.times > begin) & (self.times < end)).any()
        if between and (method.dense_table() is None or method.extra_stages):
            return f"{method} has no dense output from the stages of its steps alone"
        if method.family not in ("explicit", "rosenbrock"):
            return f"{method} has no steps in lanes"
        if isinstance(method, ExplicitTableau) and method.second:
            return f"{method} has two error estimates"
        return unfit(problem.compiled.model, method)

    # ---- in other processes -----------------------------------------------------------------------
    def __getstate__(self) -> dict[str, Any]:
        """With the code that was compiled here for the steps, for the cache over there."""
        state = {name: value for name, value in self.__dict__.items() if name != "lanes"}
        for name in ("method", "fallback"):
            method: Method | None = state[name]
            if method is not None and METHODS.get(method.name) is method:
                state[name] = method.name
        return {**state, "stored": stored_steps(self.problem.compiled.model, self.method)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        adopt(state.pop("stored"))
        for name in ("method", "fallback"):
            if isinstance(state[name], str):
                state[name] = METHODS[state[name]]
        self.__dict__.update(state)
