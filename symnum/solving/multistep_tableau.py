"""Coefficients of multistep methods, and what they are checked for."""

from __future__ import annotations

import numpy as np

from symnum.codegen.model_functions import FloatArray
from symnum.record import keyword_record
from symnum.solving.controller import Controller
from symnum.solving.implicit_tableau import EsdirkTableau
from symnum.solving.method import Method, array

__all__ = ["MultistepTableau"]

# vectors that are kept: differences up to order + 2 and the correction; the starter's stages behind them
_DIFFERENCES = 9
# Errors are held to the tolerance over so much. The errors of many short steps add up: with 1 those at the
# end of ten stiff problems are 8 times the tolerance (geometric mean), with 10 they are about the tolerance.
_HELD = 10
# of the transformation between steps of different lengths
_SCRATCH = 64


@keyword_record
class MultistepTableau(Method):
    """Backward and numerical differentiation formulas of orders 1 to `order`, in quasi-constant steps.

    sum_m (1/m) D^m v - kappa_k gamma_k (v - v0) = h f(t + h, v) with backward differences D^m, m up to k, the
    prediction v0 from the differences before, and gamma_k = sum_m 1/m. The local error is (kappa_k gamma_k +
    1/(k + 1)) D^(k+1) v. kappa: of each order; zeros give the backward differentiation formulas. angles: each
    order is stable within so many degrees of the negative axis. starter: gives runs of fixed steps the values
    that come before them. Shampine and Reichelt, SIAM J. Sci. Comput. 18:1 (1997).
    """

    kappa: tuple[float, ...]
    angles: tuple[float, ...]
    starter: EsdirkTableau

    family = "bdf"
    # the method chooses order and step together; the safety is in how it compares them
    controller = Controller(safety=0.7, now=1.0, before=0.0, shrink=0.2, grow=8.0)

    @property
    def stages(self) -> int:
        return 1

    @property
    def error_power(self) -> int:
        return 2  # a run begins with order 1

    def keeps(self, algebraic: int) -> bool:
        return True

    @property
    def held(self) -> int:
        return _HELD

    def memory(self, n: int) -> int:
        return (_DIFFERENCES + self.starter.stages) * n + _SCRATCH

    def _gamma(self) -> FloatArray:
        return array(np.append(0.0, np.cumsum(1.0 / np.arange(1.0, 8.0))))

    def _errors(self) -> FloatArray:
        """Constants of orders 0 to 7, for errors that may be 1; the formulas behind `order` have no kappa."""
        kappa = np.zeros(8)
        kappa[1 : len(self.kappa) + 1] = self.kappa
        return array(_HELD * (kappa * self._gamma() + 1.0 / np.arange(1.0, 9.0)))

    def table(self) -> FloatArray:
        gamma = self._gamma()
        kappa = np.zeros(8)
        kappa[1 : len(self.kappa) + 1] = self.kappa
        parts = [np.ones(8), gamma, (1.0 - kappa) * gamma, self._errors()]
        return np.concatenate([*parts, self.starter.table()])

    def dense_table(self) -> FloatArray:
        # only their number counts: the weights depend on the order of each step
        return np.zeros((max(self.order - 1, 2), 1))

    def check(self) -> None:
        count = len(self.kappa)
        if self.order < count:
            raise self.fail(f"of higher order than the {self.order} stated: {count} formulas are given")
        if self.order > count or count > 5:
            raise self.fail(f"not of order {self.order}: {count} formulas are given, of at most five")
        if len(self.angles) != count:
            raise self.fail(f"{count} formulas and {len(self.angles)} angles")
        if min(self.angles) != self.angle:
            raise self.fail(f"the smallest angle is {min(self.angles)}, not {self.angle}")
        for k, angle in enumerate(self.angles, 1):
            found = self._angle(k)
            if not angle <= found < angle + 1.0:
                raise self.fail(f"the formula of order {k} is stable up to {found:.2f} degrees, not {angle}")
        self.starter.check()
        if self.starter.order < self.order:
            raise self.fail(f"{self.starter} cannot start it")

    def _angle(self, k: int) -> float:
        """In degrees, from the values of h lambda at which a solution neither grows nor decays."""
        w = 1.0 - np.exp(-1j * np.linspace(1e-3, np.pi, 40001))
        locus = sum(w**m / m for m in range(1, k + 1)) - self.kappa[k - 1] * self._gamma()[k] * w ** (k + 1)
        left = locus[locus.real < -1e-9]
        if not len(left):
            return 90.0
        return float(np.degrees(np.min(np.abs(np.arctan2(np.abs(left.imag), -left.real)))))
