"""How a run ended, and what it has cost."""

from __future__ import annotations

import enum

import numpy as np

from symnum.codegen.model_functions import IntArray
from symnum.solving.kernel import slot

__all__ = ["COUNTED", "Statistics", "Status"]


class Status(enum.Enum):
    """How a run came to stand still; the kernels never raise."""

    DONE = slot.DONE  # t_stop is reached
    PAUSED = slot.PAUSED  # pause_after steps are made
    EVENT = slot.EVENT  # just beyond the sign change of the events in `Integrator.fired`
    STEP_TOO_SMALL = slot.STEP_TOO_SMALL  # the error stays too large however short the step
    MAX_STEPS_REACHED = slot.MAX_STEPS_REACHED
    NOT_FINITE = slot.NOT_FINITE  # f is not finite, however short the step
    SINGULAR = slot.SINGULAR  # the matrix of the linear system is, however short the step
    ZENO = slot.ZENO  # events without end in no time
    CHATTER = slot.CHATTER  # limits switch without end in no time
    NEGATIVE_RATE = slot.NEGATIVE_RATE  # of a random event
    NEGATIVE_COUNT = slot.NEGATIVE_COUNT  # after a random event
    UNCOUNTABLE = slot.UNCOUNTABLE  # more molecules than doubles count one by one
    NOT_CONVERGED = slot.NOT_CONVERGED  # no consistent algebraic variables were found after a limit switched


_COUNTERS = {
    "steps": slot.STEPS, "rejected": slot.REJECTED, "rhs_evaluations": slot.RHS_CALLS,
    "jacobians": slot.JACOBIANS, "factorizations": slot.FACTORIZATIONS, "solves": slot.SOLVES,
    "events": slot.EVENTS, "limit_switches": slot.SWITCHES, "newton_iterations": slot.NEWTONS,
    "fallbacks": slot.FALLBACKS,
}  # fmt: skip
# Where the kernels count.
COUNTED: IntArray = np.array([*_COUNTERS.values()])
_PLACE = {name: place for place, name in enumerate(_COUNTERS)}


class Statistics:
    """What a run has cost so far."""

    steps: int
    rejected: int
    rhs_evaluations: int
    jacobians: int
    factorizations: int
    solves: int
    events: int
    limit_switches: int
    newton_iterations: int
    fallbacks: int  # steps of the specialised tier that had to pivot
    pivot_orders: int = 0
    state_selections: int = 0  # how often states were chosen anew: see `state_selection`
    choice: str = "asked for"  # which method, and why
    tier: str = "generic"  # which step function, and why
    linear: str = "none"  # how the linear systems of the last steps were solved
    setup_milliseconds: float = 0.0  # memory, kernels, pivot orders
    solve_milliseconds: float = 0.0  # in the compiled loop

    counts: IntArray = np.zeros(len(_COUNTERS), np.int64)  # replaced, never written to

    def __getattr__(self, name: str) -> int:
        # as numbers only when asked for: a short run takes no longer than making ten of them
        place = _PLACE.get(name)
        if place is None:
            raise AttributeError(f"Statistics has no {name!r}")
        return int(self.counts[place])

    def __repr__(self) -> str:
        names = [name for name in type(self).__annotations__ if name != "counts"]
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"Statistics({values})"
