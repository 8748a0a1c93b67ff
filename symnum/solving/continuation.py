"""Steady states followed over a parameter by pseudo-arclength, with folds, Hopf and branch points located.

Keller, in: Applications of Bifurcation Theory, Academic Press 1977; Govaerts, Numerical Methods for
Bifurcations of Dynamical Equilibria, SIAM 2000, chapters 2 to 5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.lowering.compile import compile_flat
from symnum.lowering.tangent import tangent
from symnum.record import replace
from symnum.rewriting.expr import Expr
from symnum.solving.branch import Bifurcation, Branch
from symnum.solving.equilibrium import Equilibrium, solve_linear
from symnum.solving.problem import Problem, deterministic
from symnum.solving.solution import Sample, Segment
from symnum.solving.steady_state import SteadyState, settled

__all__ = ["continuation"]

FloatArray: TypeAlias = NDArray[np.float64]
ComplexArray: TypeAlias = NDArray[np.complex128]

_NEWTON = 8
_CLOSE = 1e-11  # relative size of the last correction of a point
_TURN = 0.95  # cosine of the angle between neighbouring tangents from which steps become shorter
_SMALLEST = 1e-9  # step, as a share of the span of the parameter
_LOCATED = 1e-12  # step of arclength down to which a bifurcation is located
_NEUTRAL = 1e-10


class _Point(NamedTuple):
    """A point on the curve: z = (u, parameter), the tangent in scaled variables, eigenvalues."""

    z: FloatArray
    tangent: FloatArray
    eigenvalues: ComplexArray
    orientation: int  # sign of the determinant of the bordered Jacobian

    @property
    def unstable(self) -> int:
        size = float(np.abs(self.eigenvalues).max(initial=0.0))
        return int((self.eigenvalues.real > _NEUTRAL * size).sum())


def continuation(
    problem: Problem,
    parameter: Expr | str,
    span: tuple[float, float],
    *,
    start: SteadyState | None = None,
    max_step: float = 0.02,
    max_points: int = 2000,
) -> Branch:
    """Follow the steady states of a problem over a parameter, around folds, through ``span``.

    The curve begins at the steady state that the start of the problem goes to, or at ``start``, with the
    parameter as it is in the problem, and is followed both ways until the parameter leaves the span, the
    curve closes or ends, or ``max_points`` are reached. Conserved quantities keep the values of the start.
    max_step: the longest step, as a share of the span (the unknowns are measured by their own size).
    Folds, Hopf points (a pair of eigenvalues crosses the imaginary axis) and branch points are located to
    some 1e-10 of the span. Events and limits are not looked at. Raises ModelError for a parameter that
    follows from others or a span that does not hold its value, SolveFailed where there is no first point.
    """
    curve = _Curve(problem, parameter, span)
    if start is None:
        u = settled(curve.equilibrium, curve.equilibrium.u, curve.equilibrium.p)
    elif isinstance(start, SteadyState) and len(start.y) == curve.n:
        u = start.y.copy()
        curve.equilibrium.totals = curve.equilibrium.invariants @ u
    else:
        raise ModelError(f"continuation: start={start!r} is not a steady state of this problem")
    if not (isinstance(max_step, (int, float)) and 0 < max_step <= 1):
        raise ModelError(f"continuation: max_step={max_step!r} is a share of the span, above 0 and at most 1")
    return curve.branch(u, max_step, max_points)


class _Curve:
    def __init__(self, problem: Problem, parameter: Expr | str, span: tuple[float, float]) -> None:
        self.equilibrium = Equilibrium(deterministic(problem, "continuation"))
        self.problem, flat = problem, problem.flat
        self.at = flat.parameter_index(parameter, "continuation")
        self.name = flat.parameters[self.at].name
        given = problem.followers().get(self.at)
        if given is not None:
            raise ModelError(f"continuation: {self.name} follows from others, it is {given}; vary those")
        try:
            self.low, self.high = sorted(float(value) for value in span)
        except (TypeError, ValueError) as error:
            raise ModelError(f"continuation: span={span!r}: give two values of {self.name}") from error
        self.value = float(problem.p[self.at])
        if not self.low <= self.value <= self.high or self.low == self.high:
            raise ModelError(
                f"continuation: {self.name} is {self.value:g} in the problem, outside of "
                f"{self.low:g} ... {self.high:g}; the curve begins there"
            )
        self.n = self.equilibrium.n
        # the derivative by the parameter: the tangent system without events and limits, at S = 0
        plain = replace(
            flat, events=(), limits=(), limit_parameter=flat.limit_parameter[:0],
            structure=replace(flat.structure, choices=()),
        )  # fmt: skip
        made = tangent(plain, [self.at], problem.followers(), {})
        self.joint = compile_flat(made.flat, problem.defaults, problem.compiled.simplify)
        self.rows = made.rows[0]
        start = dict.fromkeys(made.flat.state_names, 0.0)
        known = {name: float(v) for name, v in zip(flat.state_names, problem.u, strict=True)}
        self.joint_problem = Problem(
            self.joint, {**problem.given_start, **start, **known}, problem.span, problem.given_parameters
        )

    # ---- the equations ----------------------------------------------------------------------------
    def p(self, value: float) -> FloatArray:
        p = self.equilibrium.p.copy()
        p[self.at] = value
        self.problem.updated_parameters(p, [self.at])
        return p

    def by_parameter(self, z: FloatArray) -> FloatArray:
        """(n,) dG/d(parameter)."""
        p = self.joint_problem.p.copy()
        p[self.at] = z[-1]
        self.joint_problem.updated_parameters(p, [self.at])
        u = np.concatenate([z[:-1], np.zeros(self.n)])
        found: FloatArray = self.joint.rhs(self.equilibrium.t, u, p)[self.rows]
        found[self.equilibrium.replaced] = 0.0
        return found

    def bordered(self, z: FloatArray, row: FloatArray) -> Any:
        """[[G_u, G_lambda], [row]] in scaled variables."""
        jacobian = self.equilibrium.jacobian(z[:-1], self.p(z[-1]))
        column = self.by_parameter(z) * self.scale[-1]
        if isinstance(jacobian, np.ndarray):
            matrix = np.empty((self.n + 1, self.n + 1))
            matrix[:-1, :-1] = jacobian * self.scale[:-1]
            matrix[:-1, -1], matrix[-1] = column, row
            size = np.abs(matrix[:-1]).max(axis=1)
            size[size == 0] = 1.0
            self.row_size = size
            matrix[:-1] /= size[:, None]
            return matrix
        from scipy.sparse import block_array, csr_array, diags_array

        scaled = jacobian @ diags_array(self.scale[:-1])
        self.row_size = np.ones(self.n)
        return block_array(
            [[scaled, csr_array(column[:, None])], [csr_array(row[None, :-1]), csr_array(row[None, -1:])]]
        ).tocsc()

    def solved(self, matrix: Any, g: FloatArray, last: float) -> FloatArray:
        return solve_linear(matrix, np.append(g / self.row_size, last))

    def corrected(
        self, begin: FloatArray, direction: FloatArray, length: float
    ) -> tuple[FloatArray, int] | None:
        """The point of the curve in the plane at ``length`` along ``direction``, and the iterations."""
        z = begin + length * direction * self.scale
        for iteration in range(1, _NEWTON + 1):
            g = self.equilibrium.residual(z[:-1], self.p(z[-1]))
            plane = float(direction @ ((z - begin) / self.scale)) - length
            if not np.isfinite(g).all():
                return None
            try:
                step = self.solved(self.bordered(z, direction), -g, -plane)
            except np.linalg.LinAlgError:
                return None
            if not np.isfinite(step).all():
                return None
            z = z + step * self.scale
            if np.abs(step).max() <= _CLOSE:
                return z, iteration
        return (z, _NEWTON) if np.abs(step).max() <= 1e3 * _CLOSE else None

    def point(self, z: FloatArray, direction: FloatArray) -> _Point:
        """The point with its tangent, which points along ``direction``."""
        matrix = self.bordered(z, direction)
        along = self.solved(matrix, np.zeros(self.n), 1.0)
        along /= np.linalg.norm(along)
        eigenvalues = self.equilibrium.eigenvalues(z[:-1], self.p(z[-1]))
        return _Point(z, along, eigenvalues, self.orientation(self.bordered(z, along)))

    def orientation(self, matrix: Any) -> int:
        if isinstance(matrix, np.ndarray):
            return int(np.linalg.slogdet(matrix)[0])
        from scipy.sparse.linalg import splu

        factors = splu(matrix)
        signs = np.sign(factors.L.diagonal()).prod() * np.sign(factors.U.diagonal()).prod()
        return int(signs) * _parity(factors.perm_r) * _parity(factors.perm_c)

    # ---- following --------------------------------------------------------------------------------
    def branch(self, u: FloatArray, max_step: float, max_points: int) -> Branch:
        width = self.high - self.low
        self.largest = np.abs(u)
        self.scale = np.append(self.sizes(u), width)
        z = np.append(u, self.value)
        towards = np.zeros(self.n + 1)
        towards[-1] = 1.0
        try:
            first = self.point(z, towards)
        except np.linalg.LinAlgError:
            first = self.point(z, np.ones(self.n + 1) / np.sqrt(self.n + 1))
        parts, stops = [], []
        for sign in (-1.0, 1.0):
            begin = _Point(first.z, sign * first.tangent, first.eigenvalues, 0)
            points, found, stop = self.follow(begin, max_step, max_points)
            parts.append((points, found))
            stops.append(stop)
            if stop == "closed":
                stops = ["closed", "closed"]
                break
        if len(parts) == 2:
            back, on = parts
            points = [*reversed(back[0][1:]), *on[0]]
            found = [*reversed(back[1]), *on[1]]
        else:
            points, found = parts[0]
        return self.made(points, found, (stops[0], stops[1]))

    def follow(
        self, begin: _Point, max_step: float, max_points: int
    ) -> tuple[list[_Point], list[Bifurcation], str]:
        at = self.point(begin.z, begin.tangent)
        direction = at.tangent * self.scale
        points = [at]
        found: list[Bifurcation] = []
        step = 0.2 * max_step
        while len(points) < max_points:
            corrected = self.corrected(at.z, at.tangent, step)
            following = None if corrected is None else self.point(corrected[0], at.tangent)
            turned = 1.0 if following is None else float(following.tangent @ at.tangent)
            if following is None or turned < 0.6 or (turned < _TURN and step > 1e-3 * max_step):
                step *= 0.5
                if step < _SMALLEST:
                    return points, found, "no further point"
                continue
            assert corrected is not None
            outside = not self.low <= following.z[-1] <= self.high
            if outside:
                following, step = self.at_bound(at, following, step)
            found += self.located(at, following, step)
            points.append(following)
            if outside:
                return points, found, f"{self.name} = {following.z[-1]:g}"
            if len(points) > 5 and self.is_back(following, begin.z, direction, step):
                return points, found, "closed"
            at = following
            if corrected[1] <= 4 and turned > 0.5 * (1 + _TURN):
                step = min(1.4 * step, max_step)
            elif corrected[1] >= 6:
                step *= 0.6
            at = self.rescaled(at, self.sizes(at.z[:-1]))
        return points, found, f"{max_points} points"

    def rescaled(self, at: _Point, size: FloatArray) -> _Point:
        """The same point with the unknowns measured by their present sizes."""
        along = at.tangent * self.scale
        self.scale = np.append(size, self.scale[-1])
        along = along / self.scale
        return at._replace(tangent=along / np.linalg.norm(along))

    def at_bound(self, at: _Point, following: _Point, step: float) -> tuple[_Point, float]:
        """The point at which the parameter leaves the span."""
        bound = self.low if following.z[-1] < self.low else self.high
        length = self.root(at, 0.0, step, lambda point: point.z[-1] - bound)
        point = self.on(at, length)
        return (following, step) if point is None else (point, length)

    def sizes(self, u: FloatArray) -> FloatArray:
        """What changes of the unknowns are compared with: their size, and that which they have had."""
        self.largest = np.maximum(self.largest, np.abs(u))
        least = 1e-2 * max(float(self.largest.max(initial=0.0)), 1e-6)
        return np.maximum(np.maximum(np.abs(u), 0.2 * self.largest), least)

    def is_back(self, point: _Point, begin: FloatArray, direction: FloatArray, step: float) -> bool:
        """Has the curve closed?"""
        along = direction / self.scale
        gap = np.linalg.norm((point.z - begin) / self.scale)
        return bool(gap < 0.75 * step and point.tangent @ along > 0.9 * np.linalg.norm(along))

    def on(self, at: _Point, length: float) -> _Point | None:
        corrected = self.corrected(at.z, at.tangent, length)
        return None if corrected is None else self.point(corrected[0], at.tangent)

    # ---- bifurcations -----------------------------------------------------------------------------
    def located(self, at: _Point, following: _Point, step: float) -> list[Bifurcation]:
        """What happens between two neighbouring points, in order."""
        found: list[tuple[float, Bifurcation]] = []
        change = following.unstable - at.unstable
        if at.tangent[-1] * following.tangent[-1] < 0:
            length = self.root(at, 0.0, step, lambda point: point.tangent[-1])
            point = self.on(at, length)
            if point is not None:
                found.append((length, self.bifurcation("fold", point)))
                before, after = self.on(at, 0.999 * length), self.on(at, length + 0.001 * (step - length))
                if before is not None and after is not None:
                    change -= after.unstable - before.unstable
        elif at.orientation * following.orientation < 0:
            length = self.root(at, 0.0, step, _signed_gap)
            point = self.beside(at, length, step)
            if point is not None:
                found.append((length, self.bifurcation("branch point", point)))
                change = 0 if abs(change) == 1 else change
        if abs(change) >= 2:
            length = self.crossing(at, at.unstable, following.unstable, step)
            point = self.on(at, length)
            if point is not None and self.pair(point) is not None:
                found.append((length, self.bifurcation("Hopf", point)))
        found.sort(key=lambda entry: entry[0])
        return [entry[1] for entry in found]

    def beside(self, at: _Point, length: float, step: float) -> _Point | None:
        """The point at a branch point, where equations are singular: the mean of its neighbours."""
        gap = 1e-4 * step
        one, other = self.on(at, length - gap), self.on(at, length + gap)
        if one is None or other is None:
            return one or other
        z = 0.5 * (one.z + other.z)
        return other._replace(z=z, eigenvalues=self.equilibrium.eigenvalues(z[:-1], self.p(z[-1])))

    def crossing(self, at: _Point, before: int, after: int, step: float) -> float:
        """Where a pair of eigenvalues crosses: by halving, then on its real part."""
        low, high = 0.0, step
        for _ in range(12):
            middle = 0.5 * (low + high)
            point = self.on(at, middle)
            if point is None:
                break
            if point.unstable == before:
                low = middle
            else:
                high = middle
        one, other = self.on(at, low), self.on(at, high)
        if one is not None and other is not None:
            real = [self.nearest(point).real for point in (one, other)]
            if real[0] * real[1] < 0:
                return self.root(at, low, high, lambda point: float(self.nearest(point).real))
        return 0.5 * (low + high)

    def nearest(self, point: _Point) -> complex:
        """The complex eigenvalue nearest to the imaginary axis."""
        complex_ones = point.eigenvalues[point.eigenvalues.imag > 0]
        if not len(complex_ones):
            return complex(1.0)
        return complex(complex_ones[np.argmin(np.abs(complex_ones.real))])

    def pair(self, point: _Point) -> complex | None:
        """The pair on the imaginary axis, if there is one."""
        found = self.nearest(point)
        size = float(np.abs(point.eigenvalues).max(initial=0.0))
        return found if found.imag > 0 and abs(found.real) <= 1e-5 * size else None

    def root(self, at: _Point, low: float, high: float, value: Callable[[_Point], float]) -> float:
        """The arclength in between at which a function of the point changes its sign."""
        from scipy.optimize import brentq

        def at_length(length: float) -> float:
            point = self.on(at, length)
            return 0.0 if point is None else value(point)  # no point where equations are singular: the root

        ends = at_length(low), at_length(high)
        if ends[0] * ends[1] >= 0:
            return low if abs(ends[0]) < abs(ends[1]) else high
        return float(brentq(at_length, low, high, xtol=_LOCATED * high, rtol=8.9e-16))

    def bifurcation(self, kind: str, point: _Point) -> Bifurcation:
        t = self.equilibrium.t
        segment = Segment(t, self.p(point.z[-1]), None)
        sample = Sample(self.problem.flat, (segment,), np.asarray(t), point.z[:-1].copy(), np.asarray(0))
        pair = self.pair(point) if kind == "Hopf" else None
        frequency = 0.0 if pair is None else float(pair.imag)
        return Bifurcation(kind, self.name, float(point.z[-1]), sample, point.eigenvalues, frequency)

    def made(self, points: list[_Point], found: list[Bifurcation], stops: tuple[str, str]) -> Branch:
        t = self.equilibrium.t
        segments = tuple(Segment(t, self.p(point.z[-1]), None) for point in points)
        y = np.array([point.z[:-1] for point in points]).T
        sample = Sample(self.problem.flat, segments, np.full(len(points), t), y, np.arange(len(points)))
        values = np.array([point.z[-1] for point in points])
        unstable = np.array([point.unstable for point in points])
        return Branch(self.name, sample, values, unstable, tuple(found), stops)


def _signed_gap(point: _Point) -> float:
    """The smallest real eigenvalue in size, with a sign that changes where two branches cross."""
    real = np.abs(point.eigenvalues[point.eigenvalues.imag == 0].real)
    return point.orientation * float(real.min(initial=1.0))


def _parity(permutation: NDArray[np.int32]) -> int:
    """The sign of a permutation."""
    seen = np.zeros(len(permutation), bool)
    sign = 1
    for begin in range(len(permutation)):
        length, at = 0, begin
        while not seen[at]:
            seen[at] = True
            at = int(permutation[at])
            length += 1
        if length and length % 2 == 0:
            sign = -sign
    return sign
