"""Whether boundary conditions suit an equation and its scheme: their number, and agreement at corners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symnum.errors import ModelError
from symnum.language.pde import PDE, Condition
from symnum.lowering.axis import Axis
from symnum.lowering.schemes.spectral import Chebyshev, Fourier
from symnum.rewriting.derivative import derivative
from symnum.rewriting.expr import ZERO, Expr
from symnum.rewriting.spatial import fields_of
from symnum.rewriting.walk import evaluate, leaves, substitute

_CORNER_TOLERANCE = 1e-9


def check_conditions(pde: PDE, axes: Mapping[Expr, Axis]) -> None:
    """As many conditions as derivatives; with cells one on each face. ModelError names field and face."""
    for u in pde.fields:
        for x in u.data.coordinates:
            _check_ends(pde.name, u, x, axes[x].scheme)
            given = [c for c in pde.conditions if c.field is u and c.coordinate is x]
            if axes[x].ghosts and not x.data.periodic:
                _check_faces(pde.name, u, x, given)
                if x in u.data.faces:
                    _check_crossing(pde.name, u, x, given)
            elif not x.data.periodic:
                _check_count(pde.name, u, x, given, pde.order_in(u, x))
        _check_corners(pde.name, u, [c for c in pde.conditions if c.field is u and c.fixes_value])


def _check_ends(where: str, u: Expr, x: Expr, scheme: object) -> None:
    """A Fourier grid joins the two faces, Chebyshev points are packed at them."""
    info = x.data
    if isinstance(scheme, Fourier) and not info.periodic:
        raise ModelError(
            f"{where}: {u} is not periodic in {x}: its faces {x} = {info.low:g} and {x} = {info.high:g} are "
            f"two places, and on a Fourier grid they are one. Take Chebyshev({scheme.points}), or declare "
            f"sn.coordinate({x.name!r}, {info.low:g}, {info.high:g}, periodic=True)"
        )
    if isinstance(scheme, Chebyshev) and info.periodic:
        raise ModelError(
            f"{where}: {u} is periodic in {x}, and Chebyshev points are for two faces, {x} = {info.low:g} "
            f"and {x} = {info.high:g}; take Fourier({scheme.points})"
        )


def _check_corners(where: str, u: Expr, fixed: Sequence[Condition]) -> None:
    """Two faces that give the value of a field must agree where they meet, as far as numbers say."""
    for one in fixed:
        for other in fixed:
            if one.coordinate.name >= other.coordinate.name:
                continue
            ends = {
                c.coordinate: (c.coordinate.data.high if c.high else c.coordinate.data.low)
                for c in (one, other)
            }
            values = [_prescribed(c, u, ends) for c in (one, other)]
            if None in values:
                continue
            a, b = (float(v) for v in values if v is not None)
            if abs(a - b) > _CORNER_TOLERANCE * (1 + abs(a) + abs(b)):
                raise ModelError(
                    f"{where}: the conditions {one.equation} and {other.equation} give {u} the values {a:g} "
                    f"and {b:g} where the faces {one.face} and {other.face} meet"
                )


def _check_faces(where: str, u: Expr, x: Expr, given: list[Condition]) -> None:
    for place, high in ((x.data.low, False), (x.data.high, True)):
        here = [c for c in given if c.high is high]
        if len(here) != 1:
            listed = "; ".join(str(c.equation) for c in here) or "none"
            raise ModelError(
                f"{where}: a scheme with cells needs one condition for {u} on each face, and on "
                f"{x} = {place:g} there are {len(here)}: {listed}. Where nothing is known, "
                f"D({u}, {x}).at({x}, {place:g}) == 0 lets waves leave"
            )


def _check_crossing(where: str, u: Expr, x: Expr, given: list[Condition]) -> None:
    """A field that lies on the face itself is given there."""
    for condition in given:
        for leaf in leaves((condition.residual,)):
            if leaf.kind == "partial" and u in fields_of(leaf.data.operand):
                raise ModelError(
                    f"{where}: {condition.equation}: {u} lies on the faces of {x}, so that a condition there "
                    f"gives {u} itself: {u}.at({x}, ...) == ..."
                )


def _check_count(where: str, u: Expr, x: Expr, given: list[Condition], order: int) -> None:
    if len(given) == order:
        return
    faces = f"{x} = {x.data.low:g} and {x} = {x.data.high:g}"
    listed = "; ".join(str(c.equation) for c in given) or "none"
    need = (
        f"{where}: {u} is differentiated {order} times in {x}, so it takes {order} conditions on "
        f"the faces {faces}"
    )
    if len(given) < order:
        bare = [
            f"{x} = {place:g}"
            for place, high in ((x.data.low, False), (x.data.high, True))
            if not any(c.high is high for c in given)
        ]
        hint = f" Nothing is said about {u} at {' or '.join(bare)}." if bare else ""
        raise ModelError(f"{need}; given: {listed}.{hint}")
    crowded = [c.face for c in given if sum(o.high is c.high for o in given) > 1]
    hint = f" There is more than one on {crowded[0]}." if crowded else ""
    raise ModelError(f"{need}, and {len(given)} are given: {listed}. Leave one out.{hint}")


def _prescribed(condition: Condition, u: Expr, ends: Mapping[Expr, float]) -> float | None:
    """The number that a condition gives a field at an edge, or None where it is not one number."""
    slope = derivative(condition.residual, u)
    if slope is ZERO or u in leaves((slope,)):
        return None
    (rest,) = substitute((condition.residual,), {u: ZERO})
    value = -rest / slope
    if any(leaf not in ends for leaf in leaves((value,))):
        return None
    return evaluate(value, {leaf: ends[leaf] for leaf in leaves((value,))})
