"""How a run makes its steps: what integrators of every kind are given beside a model and a method."""

from __future__ import annotations

import math

from symnum.codegen.model_functions import FloatArray
from symnum.errors import ModelError
from symnum.record import record
from symnum.solving.controller import Controller

__all__ = ["StepOptions"]


@record
class StepOptions:
    """Tolerances and lengths of steps, checked.

    rtol, atol: an error estimate e is accepted when the root mean square of e_i/(atol_i + rtol |u_i|) is
    at most 1; atol has shape (n,). first_step: None to have it chosen. adaptive=False: steps of
    first_step throughout. controller: of the steps, in place of the method's own. linear: how the linear
    systems of the steps are solved, see `solve`.
    """

    rtol: float
    atol: FloatArray
    max_step: float = math.inf
    first_step: float | None = None
    max_steps: int = 10**7
    adaptive: bool = True
    controller: Controller | None = None
    linear: str = "auto"

    def __post_init__(self) -> None:
        if not (self.rtol > 0.0 and (self.atol > 0.0).all()):
            raise ModelError("rtol and atol must be positive")
        if self.first_step is not None and not self.first_step > 0.0:
            raise ModelError(f"first_step must be positive, not {self.first_step}")
        if self.first_step is None and not self.adaptive:
            raise ModelError("adaptive=False needs first_step, the size of all steps")
        if not self.max_step > 0.0:
            raise ModelError(f"max_step must be positive, not {self.max_step}")

    @property
    def fixed(self) -> float | None:
        """The length of all steps, where they have one."""
        return None if self.adaptive else self.first_step
