"""Coefficients of exponential Rosenbrock methods, and what they are checked for."""

from __future__ import annotations

import numpy as np

from symnum.codegen.model_functions import FloatArray
from symnum.record import keyword_record
from symnum.solving.controller import INTEGRAL
from symnum.solving.method import TOLERANCE, Method, array

__all__ = ["ExponentialTableau"]

# of `kernel.phi`: rows, vectors of the basis and their further components, numbers of the small matrices
_ROWS, _BASIS, _BEHIND, _SMALL = 8, 41, 4, 7 * 42 * 42


@keyword_record
class ExponentialTableau(Method):
    """Exponential Rosenbrock methods of two or three stages, for u' = f(t, u) without a mass matrix.

    v = u + h phi_1 f + h^2 phi_2 df/dt + h sum_i (third_i phi_3 + fourth_i phi_4) D_i, see
    `kernel.step_exponential`; a: of phi_1 D_2 in the third stage. The solution that the error estimate
    compares with leaves phi_4 out, with two stages phi_3. Linear systems with constant coefficients and df/dt
    are solved exactly at the ends of the steps, which are as long as the dense output lets them be.
    """

    c: tuple[float, ...]
    a: float
    third: tuple[float, ...]
    fourth: tuple[float, ...]

    family = "exponential"
    factors = False
    controller = INTEGRAL

    @property
    def stages(self) -> int:
        return len(self.c) + 1

    def memory(self, n: int) -> int:
        return _ROWS * n + _BASIS * (n + _BEHIND) + _SMALL

    def table(self) -> FloatArray:
        two = [np.pad(array(values), (0, 2 - len(values))) for values in (self.c, self.third, self.fourth)]
        return np.concatenate([two[0], [self.a], two[1], two[2]])

    def check(self) -> None:
        """The stiff order conditions: sum_i b_i c_i^2 = 2 phi_3, sum_i b_i c_i^3 = 6 phi_4."""
        if self.c not in ((1.0,), (0.5, 1.0)) or self.stages != len(self.third) + 1 != len(self.fourth) + 1:
            raise self.fail("the nodes are (1) or (1/2, 1), with as many weights")
        if not self._holds(self.order, array(self.fourth)):
            raise self.fail(f"not of order {self.order}")
        if self._holds(self.order + 1, array(self.fourth)):
            raise self.fail(f"of higher order than the {self.order} stated")
        compared = array(self.third) * (self.stages > 2)
        if not self._holds(self.embedded, np.zeros(len(self.c)), compared):
            raise self.fail(f"error estimate not of order {self.embedded}")

    def _holds(self, order: int, fourth: FloatArray, third: FloatArray | None = None) -> bool:
        c, third = array(self.c), array(self.third) if third is None else third
        found = np.zeros(0)
        if order > 2:
            found = np.array([third @ c**2 - 2.0, fourth @ c**2])
        if order > 3:
            found = np.append(found, [third @ c**3, fourth @ c**3 - 6.0])
        return order < 5 and bool(np.all(np.abs(found) < TOLERANCE))
