"""How a run ended, and what it has cost."""

from __future__ import annotations

import enum

from symnum.solving.kernel import slot

__all__ = ["Statistics", "Status"]


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
    NOT_CONVERGED = slot.NOT_CONVERGED  # no consistent algebraic variables were found after a limit switched


class Statistics:
    """What a run has cost so far."""

    steps: int = 0
    rejected: int = 0
    rhs_evaluations: int = 0
    jacobians: int = 0
    factorizations: int = 0
    solves: int = 0
    events: int = 0
    limit_switches: int = 0
    newton_iterations: int = 0
    pivot_orders: int = 0
    state_selections: int = 0  # how often states were chosen anew: see `state_selection`
    fallbacks: int = 0  # steps of the specialised tier that had to pivot
    choice: str = "asked for"  # which method, and why
    tier: str = "generic"  # which step function, and why
    linear: str = "none"  # how the linear systems of the last steps were solved
    setup_milliseconds: float = 0.0  # memory, kernels, pivot orders
    solve_milliseconds: float = 0.0  # in the compiled loop

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in type(self).__annotations__)
        return f"Statistics({values})"
