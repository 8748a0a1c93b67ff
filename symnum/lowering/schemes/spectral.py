"""Spectral schemes: the solution as one polynomial or one trigonometric sum through all points of an axis.

A derivative is then a dense linear map of the values along the axis; its error falls faster than any power of
the number of points where the solution is smooth. Trefethen, Spectral Methods in MATLAB (SIAM 2000).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.record import record

FloatArray: TypeAlias = NDArray[np.float64]
ComplexArray: TypeAlias = NDArray[np.complex128]


@record
class Fourier:
    """Trigonometric sums on ``points`` equidistant points of a periodic coordinate.

    dealias: products are freed of wave numbers above a third of ``points``, so that what products of two
    resolved waves would fold back onto resolved ones is cut off (the 2/3 rule: Orszag, J. Atmos. Sci. 28
    (1971) 1074). Linear terms with constant coefficients need no such thing. In several dimensions the
    exact Jacobian of that joins every point with every other.
    """

    points: int
    dealias: bool = False

    grid = None
    biased = 0  # derivatives are taken from both sides
    ghosts = 0
    accuracy = 0  # none that stencils could have

    def __post_init__(self) -> None:
        _check(self)

    def places(self, low: float, high: float) -> FloatArray:
        """The points, (points,), ascending."""
        even: FloatArray = low + (high - low) * np.arange(self.points) / self.points
        return even

    def differentiation(self, low: float, high: float, order: int, filtered: bool = False) -> FloatArray:
        """(points, points) values -> values of the derivative of this order; ``filtered``: of the resolved
        third of waves on either side only."""
        symbol = derivative_symbol(wave_numbers(self.points, high - low), order, self.points)
        if filtered:
            symbol = symbol * resolved(self.points)
        column = np.fft.ifft(symbol).real
        index = np.arange(self.points)
        circulant: FloatArray = column[(index[:, None] - index) % self.points]
        return circulant

    def interpolation(self, low: float, high: float, place: float) -> FloatArray:
        """(points,) weights of the values for the value at ``place``."""
        n = self.points
        angle = 2 * np.pi * ((place - low) / (high - low) - np.arange(n) / n)
        waves = np.arange(1, (n - 1) // 2 + 1)
        total: FloatArray = 1 + 2 * np.cos(waves[:, None] * angle).sum(axis=0)
        return (total + (np.cos(n // 2 * angle) if n % 2 == 0 else 0.0)) / n

    def weights(self, low: float, high: float) -> FloatArray:
        """(points,) weights of the integral over the whole range."""
        return np.full(self.points, (high - low) / self.points)


@record
class Chebyshev:
    """One polynomial through ``points`` Chebyshev points, dense at the faces, which are points themselves.

    dealias: products are freed of the upper third of Chebyshev coefficients.
    """

    points: int
    dealias: bool = False

    grid = None
    biased = 0
    ghosts = 0
    accuracy = 0

    def __post_init__(self) -> None:
        _check(self)

    def places(self, low: float, high: float) -> FloatArray:
        """The points, (points,), ascending; the first and the last are the faces."""
        x = (low + high) / 2 + (high - low) / 2 * self._unit()
        x[0], x[-1] = low, high
        return x

    def differentiation(self, low: float, high: float, order: int, filtered: bool = False) -> FloatArray:
        """(points, points) values -> values of the derivative of this order; ``filtered``: of the lower
        two thirds of coefficients only."""
        matrix = self._powers(order) * (2 / (high - low)) ** order
        if not filtered:
            return matrix
        cut: FloatArray = matrix @ self._projection()
        return cut

    def interpolation(self, low: float, high: float, place: float) -> FloatArray:
        """(points,) weights of the values for the value at ``place``. Berrut & Trefethen, SIAM Rev. 46 (2004)
        501."""
        distance = place - self.places(low, high)
        if (distance == 0).any():
            return np.asarray(distance == 0, float)
        parts = self._barycentric() / distance
        return np.asarray(parts / parts.sum(), float)

    def weights(self, low: float, high: float) -> FloatArray:
        """(points,) weights of the integral over the whole range (Clenshaw & Curtis, Numer. Math. 2 (1960)
        197): exact for polynomials of degree below ``points``."""
        n = self.points
        degree = np.arange(0, n, 2)
        moments = np.zeros(n)
        moments[degree] = 2 / (1 - degree**2.0)
        weights: FloatArray = (high - low) / 2 * (moments @ np.linalg.inv(self._polynomials()))
        return weights

    def _angles(self) -> FloatArray:
        angles: FloatArray = np.pi * np.arange(self.points - 1, -1, -1) / (self.points - 1)
        return angles

    def _unit(self) -> FloatArray:
        """The points on [-1, 1], symmetric to the last digit."""
        n = self.points
        unit: FloatArray = np.sin(np.pi * np.arange(1 - n, n, 2) / (2 * (n - 1)))
        return unit

    def _barycentric(self) -> FloatArray:
        signs = np.asarray((-1.0) ** np.arange(self.points), float)
        signs[[0, -1]] /= 2
        return signs

    def _polynomials(self) -> FloatArray:
        """(points, points) T_k at every point, a column for each degree."""
        table: FloatArray = np.cos(np.outer(self._angles(), np.arange(self.points)))
        return table

    def _projection(self) -> FloatArray:
        polynomials = self._polynomials()
        kept = np.arange(self.points) <= 2 * (self.points - 1) // 3
        projection: FloatArray = (polynomials * kept) @ np.linalg.inv(polynomials)
        return projection

    def _powers(self, order: int) -> FloatArray:
        """The derivative on [-1, 1], order by order, the diagonal from the condition that constants have
        none. Weideman & Reddy, ACM Trans. Math. Softw. 26 (2000) 465."""
        n = self.points
        angle = self._angles()
        # x_i - x_j as a product: the difference of neighbours next to a face keeps its digits
        gap = 2 * np.sin((angle[:, None] + angle) / 2) * np.sin((angle - angle[:, None]) / 2)
        np.fill_diagonal(gap, 1.0)
        scale = self._barycentric()
        ratio = scale / scale[:, None]
        matrix = np.eye(n)
        for k in range(1, order + 1):
            matrix = k / gap * (ratio * np.diag(matrix)[:, None] - matrix)
            np.fill_diagonal(matrix, 0.0)
            np.fill_diagonal(matrix, -matrix.sum(axis=1))
        return np.asarray(matrix, float)


Spectral: TypeAlias = Fourier | Chebyshev


def is_spectral(scheme: Any) -> bool:
    """Whether derivatives of a scheme join all points of its axis."""
    return isinstance(scheme, (Fourier, Chebyshev))


def wave_numbers(points: int, length: float) -> FloatArray:
    """(points,) wave numbers of the discrete Fourier transform on a ring of this length, radians per unit."""
    return np.asarray(2 * np.pi / length * np.fft.fftfreq(points, 1 / points), float)


def derivative_symbol(k: FloatArray, order: int, points: int) -> ComplexArray:
    """(points,) (i k)^order. The wave of two points a period has no odd derivative at the points."""
    symbol: ComplexArray = np.asarray((1j * k) ** order, np.complex128)
    if order % 2 and points % 2 == 0:
        symbol[points // 2] = 0.0
    return symbol


def resolved(points: int) -> NDArray[np.bool_]:
    """(points,) which waves the 2/3 rule keeps."""
    kept: NDArray[np.bool_] = abs(np.fft.fftfreq(points, 1 / points)) <= points // 3
    return kept


def _check(scheme: Fourier | Chebyshev) -> None:
    name, points = type(scheme).__name__, scheme.points
    if isinstance(points, bool) or not isinstance(points, (int, np.integer)) or points < 4:
        raise ModelError(f"{name}(points={points!r}): give a number of points, 4 or more")
    if not isinstance(scheme.dealias, bool):
        raise ModelError(f"{name}(dealias={scheme.dealias!r}): give True or False")
