"""Gradient, divergence, Laplacian and curl in orthogonal coordinates.

With scale factors h_i and J their product: grad_i f = (1/h_i) df/dq_i, div F = (1/J) sum d(J F_i / h_i)/dq_i,
(curl F)_i = (1/(h_j h_k)) (d(h_k F_k)/dq_j - d(h_j F_j)/dq_k) for cyclic i, j, k (Morse & Feshbach, Methods
of Theoretical Physics, 1953, sections 1.3 and 1.4). Components are those along the unit vectors. Without a
geometry the coordinates of the fields are straight ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from symnum.errors import ModelError
from symnum.language.variables import D
from symnum.record import record
from symnum.rewriting.expr import ONE, ZERO, Expr, Operand, as_expr
from symnum.rewriting.operators import sin
from symnum.rewriting.spatial import depends_on, fields_of


@record
class Geometry:
    """Orthogonal coordinates with their scale factors, and the volume element J.

    J holds the scale factors of directions that nothing depends on, too: r for polar(r).
    """

    coordinates: tuple[Expr, ...]
    scale: tuple[Expr, ...]
    volume: Expr


def cartesian(*coordinates: Expr) -> Geometry:
    """Coordinates along straight lines."""
    return Geometry(coordinates, (ONE,) * len(coordinates), ONE)


def polar(r: Expr, theta: Expr | None = None) -> Geometry:
    """Radius and angle in the plane; without theta for what depends on the radius only."""
    return _orthogonal((r, theta), (ONE, r))


def cylindrical(r: Expr, theta: Expr | None = None, z: Expr | None = None) -> Geometry:
    """Radius, azimuth and height; leave out what nothing depends on."""
    return _orthogonal((r, theta, z), (ONE, r, ONE))


def spherical(r: Expr, theta: Expr | None = None, phi: Expr | None = None) -> Geometry:
    """Radius, angle theta from the axis, azimuth phi; leave out what nothing depends on."""
    if theta is None and phi is not None:
        raise ModelError("spherical: what depends on phi needs the angle theta from the axis as well")
    # without theta the factor sin(theta) of J is a constant and cancels
    return _orthogonal((r, theta, phi), (ONE, r, r if theta is None else r * sin(theta)))


def _orthogonal(coordinates: tuple[Expr | None, ...], scale: tuple[Expr, ...]) -> Geometry:
    volume = ONE
    for factor in scale:
        volume = volume * factor
    kept = [(q, h) for q, h in zip(coordinates, scale, strict=True) if q is not None]
    return Geometry(tuple(q for q, _ in kept), tuple(h for _, h in kept), volume)


def grad(f: Expr, geometry: Geometry | None = None) -> tuple[Expr, ...]:
    """The gradient of f, one component a coordinate."""
    geometry = geometry or _straight((f,), "grad")
    return tuple(_slope(f, q) / h for q, h in zip(geometry.coordinates, geometry.scale, strict=True))


def div(components: Sequence[Operand], geometry: Geometry | None = None) -> Expr:
    """The divergence of a vector field, in flux form (what leaves one cell enters the next)."""
    geometry = geometry or _straight(components, "div")
    _check_length(components, geometry, "div")
    terms = [
        _slope(geometry.volume / h * as_expr(f), q)
        for f, q, h in zip(components, geometry.coordinates, geometry.scale, strict=True)
    ]
    return sum(terms, start=ZERO) / geometry.volume


def laplacian(f: Expr, geometry: Geometry | None = None) -> Expr:
    """div grad f; in straight coordinates the sum of the second derivatives."""
    geometry = geometry or _straight((f,), "laplacian")
    if all(h is ONE for h in geometry.scale) and geometry.volume is ONE:
        return sum((D(f, q, 2) for q in geometry.coordinates if depends_on(f, q)), start=ZERO)
    return div(grad(f, geometry), geometry)


def curl(components: Sequence[Operand], geometry: Geometry | None = None) -> tuple[Expr, ...]:
    """The curl of a vector field in three coordinates; in two, its one component out of the plane."""
    geometry = geometry or _straight(components, "curl")
    _check_length(components, geometry, "curl")
    n = len(geometry.coordinates)
    if n not in (2, 3):
        raise ModelError(f"curl: a vector field with {n} components; it has 2 or 3")
    q, h = geometry.coordinates, geometry.scale
    scaled = [h[i] * as_expr(components[i]) for i in range(n)]

    def component(j: int, k: int) -> Expr:
        return (_slope(scaled[k], q[j]) - _slope(scaled[j], q[k])) / (h[j] * h[k])

    return (component(0, 1),) if n == 2 else (component(1, 2), component(2, 0), component(0, 1))


def _straight(exprs: Sequence[Operand], what: str) -> Geometry:
    """The coordinates of the field over most of them."""
    fields = [u for expr in exprs for u in fields_of(as_expr(expr))]
    if not fields:
        raise ModelError(f"{what}: there is no field here; give the coordinates, sn.cartesian(x, y)")
    return cartesian(*max((u.data.coordinates for u in fields), key=len))


def _slope(f: Expr, q: Expr) -> Expr:
    return D(f, q) if depends_on(f, q) else ZERO


def _check_length(components: Sequence[Operand], geometry: Geometry, what: str) -> None:
    if len(components) != len(geometry.coordinates):
        raise ModelError(
            f"{what}: {len(components)} components in {len(geometry.coordinates)} coordinates "
            f"({', '.join(map(str, geometry.coordinates))}); give one for each"
        )
