"""Finite differences on points that include the faces: central ones, and upwind ones for transport."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.record import record

Spacing: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]] | Sequence[float] | NDArray[Any]


@record
class Central:
    """Central differences of even ``order`` on ``points`` points, those on the faces included.

    Next to a face stencils are one-sided, and those of order 6 and 8 less accurate (`closure`): diffusion is
    then of order 5 to 6 and transport of order 4; in periodic coordinates all orders are kept. Fluxes,
    D(k * D(u, x), x), are taken halfway between points: what leaves one cell enters the next. grid: None for
    equal spacing; else the points themselves (ascending, from face to face), or a function that maps [0, 1]
    onto itself and packs points where it is flat.
    """

    points: int
    order: int = 2
    grid: Spacing | None = None

    biased = 0  # first derivatives are taken from both sides
    ghosts = 0  # points lie on the faces

    def __post_init__(self) -> None:
        _check_points(self, self.points)
        if self.order not in (2, 4, 6, 8):
            raise ModelError(f"Central(order={self.order}): the order is 2, 4, 6 or 8")

    @property
    def accuracy(self) -> int:
        """Order of all derivatives that are not biased."""
        return self.order

    def closure(self, derivative: int) -> int:
        """Order of one-sided stencils of a derivative next to a face."""
        return closure(self.order, derivative)


@record
class Upwind:
    """First derivatives from the side that the solution comes from, of order 1, 2 or 3; others central.

    The velocity is the factor of D(u, x) in the equation for D(u). Order 3 takes one point from ahead.
    """

    points: int
    order: int = 1
    grid: Spacing | None = None

    def __post_init__(self) -> None:
        _check_points(self, self.points)
        if self.order not in (1, 2, 3):
            raise ModelError(f"Upwind(order={self.order}): the order is 1, 2 or 3")

    ghosts = 0

    @property
    def biased(self) -> int:
        return self.order

    @property
    def accuracy(self) -> int:
        return 2 if self.order < 3 else 4

    def closure(self, derivative: int) -> int:
        """Order of one-sided stencils of a derivative next to a face."""
        return closure(self.accuracy, derivative)


@record
class Staggered:
    """Fields in ``points`` cells, and those with ``faces=`` on the faces between them; second order.

    A first derivative of what lies in cells is needed on faces and one of what lies on faces in cells, where
    both are differences of neighbours; what is needed elsewhere is the mean of two neighbours. The
    arrangement for waves and flow (Arakawa and Lamb's C grid, Methods Comput. Phys. 17 (1977) 173; Harlow and
    Welch, Phys. Fluids 8 (1965) 2182): no checkerboards, and D(F, x) with F on faces loses nothing.
    """

    points: int

    grid = None
    biased = 0
    ghosts = 1  # cells beyond the faces, given by the conditions there
    staggered = True
    accuracy = 2

    def __post_init__(self) -> None:
        _check_points(self, self.points)

    def closure(self, derivative: int) -> int:
        """Order of one-sided stencils; cells beyond the faces make them unnecessary."""
        return 2


def closure(accuracy: int, derivative: int) -> int:
    """The highest order of one-sided stencils with which the whole operator stays stable.

    Found from the eigenvalues of the operators on 21 to 81 points: with closures of order 5 and more the
    second derivative has complex ones, so that waves grow, and the first derivative has some in the right
    half-plane with a closure of order 4 (of order 5 where the inside is of order 8). So has the third
    derivative with any closure where the inside is of order 6 or 8.
    """
    if derivative % 2 and derivative > 1 and accuracy > 4:
        raise ModelError(
            f"derivatives of order {derivative} have no stable one-sided stencils of order {accuracy} next "
            "to a face; take order 2 or 4, or a periodic coordinate"
        )
    if derivative % 2 == 0:
        return min(accuracy, 4)
    return min(accuracy, 4 if accuracy == 8 else 3)


def _check_points(scheme: object, points: Any) -> None:
    if isinstance(points, bool) or not isinstance(points, (int, np.integer)) or points < 3:
        raise ModelError(f"{type(scheme).__name__}(points={points!r}): give a number of points, 3 or more")
