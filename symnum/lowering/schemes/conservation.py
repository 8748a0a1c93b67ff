"""Schemes for conservation laws D(u) + D(F, x) == ...: what leaves one cell through a face enters the next.

Unknowns belong to cells; two layers of cells or three beyond each face take their values from the boundary
condition there, by reflection: its value is the mean of a cell and its mirror image, its derivative their
difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Protocol

from symnum.errors import ModelError
from symnum.language.variables import checked_expr
from symnum.record import record
from symnum.rewriting.expr import ONE, ZERO, Expr, number
from symnum.rewriting.operators import absolute, ifelse, maximum, minimum


class Faces(Protocol):
    """What a scheme builds the fluxes through all faces from."""

    def at(self, expr: Expr, k: int) -> Expr:
        """An expression in cell 0, which lies before the face, in cell 1 behind it, -1, 2, ..."""

    def on_face(self, expr: Expr, states: Mapping[Expr, Expr]) -> Expr:
        """An expression at the face, with these values for its fields."""

    def in_cells(self, expr: Expr) -> Expr:
        """The same expression, worked out once in every cell."""

    def kept(self, key: object, value: Callable[[Faces], Expr]) -> Expr:
        """A value worked out once at every face, for all equations that ask for ``key``."""


def _minmod(a: Expr, b: Expr) -> Expr:
    return ifelse(a * b > 0, ifelse(absolute(a) < absolute(b), a, b), ZERO)


def _van_leer(a: Expr, b: Expr) -> Expr:
    return ifelse(a * b > 0, 2 * a * b / (a + b), ZERO)


def _monotonized_central(a: Expr, b: Expr) -> Expr:
    return _minmod(_minmod(2 * a, 2 * b), (a + b) / 2)


def _superbee(a: Expr, b: Expr) -> Expr:
    one, other = _minmod(2 * a, b), _minmod(a, 2 * b)
    return ifelse(absolute(one) > absolute(other), one, other)


LIMITERS: dict[str, Callable[[Expr, Expr], Expr]] = {
    "minmod": _minmod,
    "van Leer": _van_leer,
    "MC": _monotonized_central,
    "superbee": _superbee,
    "none": lambda a, b: ZERO,
}


class _Cells:
    """What derivatives other than those of fluxes need: central differences of second order."""

    grid = None
    biased = 0
    accuracy = 2

    def closure(self, derivative: int) -> int:
        """Order of one-sided stencils; cells beyond the faces make them unnecessary."""
        return 2


@record
class TVD(_Cells):
    """Second order without new extrema on ``points`` cells: limited linear reconstruction, a two-wave flux.

    limiter: "minmod", "van Leer", "MC", "superbee", or "none" for first order. speed: the largest wave speed
    as an expression of the fields (a scalar law needs none): the flux is that of Lax and Friedrichs with the
    local speed. speeds=(slowest, fastest), signed: the flux of Harten, Lax & van Leer (SIAM Rev. 25 (1983)
    35). Limiters: Sweby, SIAM J. Numer. Anal. 21 (1984) 995.
    """

    points: int
    limiter: str = "van Leer"
    speed: Expr | None = None
    speeds: tuple[Expr, Expr] | None = None

    ghosts = 2

    def __post_init__(self) -> None:
        _check(self)
        if self.limiter not in LIMITERS:
            raise ModelError(f"TVD(limiter={self.limiter!r}): choose one of {', '.join(LIMITERS)}")
        if self.speed is not None and self.speeds is not None:
            raise ModelError("TVD: give speed=, the largest one, or speeds=(slowest, fastest), not both")

    def flux(
        self, faces: Faces, flux: Expr, u: Expr, fields: tuple[Expr, ...], scale: Expr, speed: Expr
    ) -> Expr:
        """The flux through a face, for D(u) + scale * D(flux, x) == ..."""
        left = {q: faces.kept((self, q, "before"), self._state(q, -1)) for q in fields}
        right = {q: faces.kept((self, q, "behind"), self._state(q, 1)) for q in fields}
        flux_left, flux_right = faces.on_face(flux, left), faces.on_face(flux, right)
        jump = right[u] - left[u]
        if self.speeds is None:
            fastest = maximum(faces.on_face(speed, left), faces.on_face(speed, right))
            return (flux_left + flux_right) / 2 - fastest / scale * jump / 2
        slow, fast = self.speeds
        low = minimum(minimum(faces.on_face(slow, left), faces.on_face(slow, right)), 0)
        high = maximum(maximum(faces.on_face(fast, left), faces.on_face(fast, right)), 0)
        mixed = (high * flux_left - low * flux_right + low * high / scale * jump) / (high - low)
        return ifelse(high - low > 0, mixed, flux_left)

    def _state(self, q: Expr, side: int) -> Callable[[Faces], Expr]:
        """The value at the face, reconstructed in the cell on one side of it."""
        limited = LIMITERS[self.limiter]

        def state(faces: Faces) -> Expr:
            far, here, across = (faces.at(q, k) for k in ((-1, 0, 1) if side < 0 else (2, 1, 0)))
            return here + limited(here - far, across - here) / 2

        return state


@record
class WENO5(_Cells):
    """Fifth order where the solution is smooth, without oscillations at shocks, on ``points`` cells.

    Finite differences of point values with local Lax-Friedrichs splitting (Jiang & Shu, J. Comput. Phys. 126
    (1996) 202) and the weights of Borges, Carmona, Costa & Don (J. Comput. Phys. 227 (2008) 3191). speed: the
    largest wave speed as an expression of the fields; a scalar law needs none.
    """

    points: int
    speed: Expr | None = None

    ghosts = 3
    speeds = None

    def __post_init__(self) -> None:
        _check(self)

    def flux(
        self, faces: Faces, flux: Expr, u: Expr, fields: tuple[Expr, ...], scale: Expr, speed: Expr
    ) -> Expr:
        """The flux through a face, for D(u) + scale * D(flux, x) == ..."""
        spread = faces.kept((self, speed), lambda on: _largest(on, on.in_cells(speed))) / scale
        flux = faces.in_cells(flux)
        forward = [(faces.at(flux, k) + spread * faces.at(u, k)) / 2 for k in (-2, -1, 0, 1, 2)]
        backward = [(faces.at(flux, k) - spread * faces.at(u, k)) / 2 for k in (3, 2, 1, 0, -1)]
        return _weno(*forward) + _weno(*backward)


def _largest(faces: Faces, speed: Expr) -> Expr:
    """The largest speed in the cells that a flux is made from."""
    fastest = faces.at(speed, -2)
    for k in range(-1, 4):
        fastest = maximum(fastest, faces.at(speed, k))
    return fastest


# Keep 0/0 out of the weights, and round-off of the values from deciding between equally smooth parabolas.
_SMALL = number(Fraction(1, 10**40))
_ROUND_OFF = number(Fraction(1, 10**13))


def _weno(a: Expr, b: Expr, c: Expr, d: Expr, e: Expr) -> Expr:
    """The value at the face between c and d, from the smoothest of three parabolas."""
    candidates = (
        (2 * a - 7 * b + 11 * c) / 6,
        (-b + 5 * c + 2 * d) / 6,
        (2 * c + 5 * d - e) / 6,
    )
    wide, narrow = Fraction(13, 12), Fraction(1, 4)
    roughness = (
        wide * (a - 2 * b + c) ** 2 + narrow * (a - 4 * b + 3 * c) ** 2,
        wide * (b - 2 * c + d) ** 2 + narrow * (b - d) ** 2,
        wide * (c - 2 * d + e) ** 2 + narrow * (3 * c - 4 * d + e) ** 2,
    )
    small = _SMALL + _ROUND_OFF * c**2
    difference = absolute(roughness[0] - roughness[2])
    ideal = (Fraction(1, 10), Fraction(6, 10), Fraction(3, 10))
    weights = [
        share * (ONE + (difference / (rough + small)) ** 2)
        for share, rough in zip(ideal, roughness, strict=True)
    ]
    total = weights[0] + weights[1] + weights[2]
    return sum((w * q for w, q in zip(weights, candidates, strict=True)), start=ZERO) / total


def _check(scheme: Any) -> None:
    name, points = type(scheme).__name__, scheme.points
    if isinstance(points, bool) or not isinstance(points, int) or points < 4:
        raise ModelError(f"{name}(points={points!r}): give a number of cells, 4 or more")
    if scheme.speed is not None:
        object.__setattr__(scheme, "speed", checked_expr(scheme.speed, f"{name}(speed=)"))
    if scheme.speeds is not None:
        if not (isinstance(scheme.speeds, (tuple, list)) and len(scheme.speeds) == 2):
            raise ModelError(f"{name}(speeds={scheme.speeds!r}): give the slowest and the fastest wave")
        pair = tuple(checked_expr(speed, f"{name}(speeds=)") for speed in scheme.speeds)
        object.__setattr__(scheme, "speeds", pair)
