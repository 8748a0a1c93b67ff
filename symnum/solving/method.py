"""Methods as records that check themselves: coefficients, orders, stability, dense output, source.

A record is made from published numbers. What else it states (order, order of the estimate, W-order,
L-stability, stiff accuracy, order of the dense output) is checked against the numbers by `check`, so that
a misprint cannot reach a solver: the tests check the records that come with symnum, `tableaus.find` those
of users. (Checking ours in every process would cost a warm start 3 ms of a hundred.) How it is laid out for
the kernels is written in the step functions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from symnum.codegen.model_functions import FloatArray
from symnum.errors import ModelError
from symnum.record import keyword_record
from symnum.solving.controller import INTEGRAL, Controller

if TYPE_CHECKING:
    from symnum.solving.trees import OrderConditions

__all__ = ["TOLERANCE", "InvalidTableau", "Method", "OutsideMethod", "array", "square"]

# Published coefficients carry 15 to 16 digits, and the conditions multiply a few of them.
TOLERANCE = 1e-12


class InvalidTableau(ModelError):
    """The coefficients of a method contradict what is stated about it."""


def array(values: npt.ArrayLike) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def square(rows: tuple[tuple[float, ...], ...], stages: int) -> FloatArray:
    """A strictly lower triangular matrix from its rows, which may leave the zeros out."""
    matrix = np.zeros((stages, stages))
    for i, row in enumerate(rows):
        matrix[i, : len(row)] = row
    return array(matrix)


@keyword_record
class Method(ABC):
    """What every method states about itself.

    order: on ODEs. embedded: order of the solution that the error estimate compares with. dense: order
    of the dense output. dae: order on index-1 systems M u' = f, for both kinds of components; 0 if not
    usable there. w: order with an arbitrary matrix in place of the Jacobian's differential rows; 0 where
    there is no Jacobian. l_stable: R at infinity is 0, and |R| <= 1 within `angle` degrees of the negative
    axis.
    """

    name: str
    order: int
    embedded: int
    dense: int
    dae: int = 0
    w: int = 0
    l_stable: bool = False
    angle: float = 90.0
    stiffly_accurate: bool = False
    cite: str

    family: ClassVar[str]
    controller: ClassVar[Controller]
    factors: ClassVar[bool] = True  # its steps solve linear systems with M - h alpha J
    own_loop: ClassVar[bool] = False  # runs in a loop of its own, in the place of an `Integrator`

    def __str__(self) -> str:
        return self.name

    @property
    @abstractmethod
    def stages(self) -> int:
        """Number of stages, which is the number of evaluations of f in a step."""

    @property
    def extra_stages(self) -> int:
        """Further stages that only the dense output needs; they are computed when it is asked for."""
        return 0

    @property
    def error_power(self) -> int:
        """The power of h that the error estimate goes with."""
        return self.embedded + 1

    @property
    def sweeps(self) -> int:
        """How often the linear system is solved in each stage."""
        return 1

    @property
    def operators(self) -> int:
        """How many matrices M - h alpha J are factored in a step."""
        return 1

    def keeps(self, algebraic: int) -> bool:
        """May J and factors serve several steps, since the order does not depend on how good they are?

        W-methods need the exact Jacobian of algebraic equations, of which there are so many. That of the
        error estimate must not depend on it either: Rodas23W, say, would refuse all steps with an old one.
        """
        return self.w >= max(self.order, self.embedded) and not algebraic

    @property
    def additive(self) -> bool:
        """Does it treat one part of a split f explicitly and the other implicitly?"""
        return False

    @property
    def held(self) -> int:
        """The tolerance over what errors of a step are held to."""
        return 1

    @property
    def first_same_as_last(self) -> bool:
        """Is the last stage f at the new state, so that the next step can use it?"""
        return False

    @abstractmethod
    def table(self) -> FloatArray:
        """The coefficients in the order that the family's step function reads."""

    @abstractmethod
    def check(self) -> None:
        """Compare everything that the record states with its numbers. InvalidTableau where they disagree."""

    def memory(self, n: int) -> int:
        """Numbers that a run of n unknowns keeps from step to step, beside those of every method."""
        return 0

    def extra_table(self) -> FloatArray:
        """The coefficients of the extra stages in the order that the family's `extend` reads."""
        return np.zeros(0)

    def dense_table(self) -> FloatArray | None:
        """(rows, stages + extra_stages): weights of the stages in the rows of `kernel.dense`.

        None: cubic Hermite.
        """
        return None

    def fail(self, what: str) -> InvalidTableau:
        return InvalidTableau(f"{self.name}: {what}")

    def check_order(
        self, alpha: FloatArray, gamma: FloatArray, b: FloatArray, bhat: FloatArray
    ) -> OrderConditions:
        """Compare `order`, `embedded` and `w` with the coefficients; returns the order conditions."""
        from symnum.solving.trees import order_conditions  # the methods that come with symnum were checked

        conditions = order_conditions(self.order + 1, alpha, gamma)
        defect = conditions.defect(self.order, b)
        if not defect < TOLERANCE:
            raise self.fail(f"not of order {self.order}: an order condition is violated by {defect:.1e}")
        if conditions.defect(self.order + 1, b) < TOLERANCE:
            raise self.fail(f"of higher order than the {self.order} stated")
        defect = conditions.defect(self.embedded, bhat)
        if not defect < TOLERANCE:
            raise self.fail(f"error estimate not of order {self.embedded}: violated by {defect:.1e}")
        if self.w:
            defect = order_conditions(self.w, alpha, gamma, any_jacobian=True).defect(self.w, b)
            if not defect < TOLERANCE:
                raise self.fail(f"not of order {self.w} with any matrix: violated by {defect:.1e}")
        return conditions

    def check_algebra(self, alpha: FloatArray, gamma: FloatArray, b: FloatArray) -> None:
        """The condition that order 3 on index-1 systems adds to those of ODEs. Hairer and Wanner II, VI.4."""
        if (
            self.dae > 2
            and not abs(b @ np.linalg.solve(alpha + gamma, alpha.sum(axis=1) ** 2) - 1.0) < TOLERANCE
        ):
            raise self.fail(f"not of order {self.dae} on index-1 systems")

    def check_dense(self, conditions: OrderConditions, theta: float, weights: FloatArray) -> None:
        """Compare `dense` with the weights of the interpolant at t + theta h."""
        defect = conditions.defect(self.dense, weights, theta)
        if not defect < TOLERANCE:
            raise self.fail(f"dense output not of order {self.dense}: violated by {defect:.1e}")

    def check_stability(self, b: FloatArray, matrix: FloatArray) -> None:
        """Compare `l_stable` and `angle` with R(z) = 1 + z b (I - z B)^-1 1, on a ray and at infinity."""
        if not self.l_stable:
            return
        ones = np.ones(len(b))
        at_infinity = 1.0 - b @ np.linalg.solve(matrix, ones)
        if not abs(at_infinity) < TOLERANCE:
            raise self.fail(f"not L-stable: R at infinity is {at_infinity:.1e}")
        z = -np.exp(-1j * np.radians(self.angle)) * np.logspace(-2, 4, 61)
        systems = np.eye(len(b)) - z[:, None, None] * matrix
        values = 1.0 + z * (np.linalg.solve(systems, ones[:, None].astype(complex))[:, :, 0] @ b)
        if not np.max(np.abs(values)) < 1.0 + TOLERANCE:
            raise self.fail(
                f"not A({self.angle:g})-stable: |R| reaches {np.max(np.abs(values))} at that angle"
            )


@keyword_record
class OutsideMethod(Method):
    """A method of another program, which has its coefficients and chooses its order itself."""

    family = "outside"
    controller = INTEGRAL
    own_loop = True

    @property
    def stages(self) -> int:
        return 0

    def table(self) -> FloatArray:
        return np.zeros(0)

    def check(self) -> None:
        """There is nothing here that could be checked."""
