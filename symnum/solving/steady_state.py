"""Steady states: one from a start by pseudo-transient continuation, all real ones of small systems."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import SolveFailed
from symnum.record import record
from symnum.rewriting.expr import Expr
from symnum.solving.equilibrium import Equilibrium, solve_linear
from symnum.solving.problem import Problem, deterministic
from symnum.solving.solution import Sample, Segment

__all__ = ["SteadyState", "steady_state", "steady_states"]

FloatArray: TypeAlias = NDArray[np.float64]
ComplexArray: TypeAlias = NDArray[np.complex128]
log = logging.getLogger("symnum")

_ITERATIONS = 500
_CLOSE = 1e-12  # relative size of the last Newton step
_GROWS = 30.0  # times by which the residual may grow in one step
_NEUTRAL = 1e-9  # real parts below this share of the largest eigenvalue have no sign


@record
class SteadyState:
    """A state at which nothing changes: ``state[expr]`` is any expression of the model there.

    y: (n,) the unknowns. residual: the largest entry of f. Eigenvalues are those within the states of equal
    conserved quantities.
    """

    equilibrium: Equilibrium
    sample: Sample
    residual: float

    @property
    def y(self) -> FloatArray:
        return self.sample.y

    @property
    def states(self) -> tuple[str, ...]:
        """The names of the entries of ``y``."""
        return self.sample.flat.state_names

    def __getitem__(self, key: Expr | str) -> Any:
        found = self.sample[key]
        return float(found) if np.ndim(found) == 0 else found

    @cached_property
    def eigenvalues(self) -> ComplexArray:
        """Of the linearization, the largest real part first."""
        return self.equilibrium.eigenvalues(self.y, self.sample.segments[0].p)

    @property
    def stable(self) -> bool | None:
        """Do small deviations decay? None where the linearization does not tell."""
        return stability(self.eigenvalues)

    def __repr__(self) -> str:
        values = zip(self.states[:6], self.y, strict=False)
        shown = ", ".join(f"{name} = {value:.6g}" for name, value in values)
        more = ", ..." if len(self.states) > 6 else ""
        word = {True: "stable", False: "unstable", None: "stability not told by the linearization"}
        return f"<SteadyState {shown}{more}; {word[self.stable]}>"


def stability(eigenvalues: ComplexArray) -> bool | None:
    """Whether all real parts are negative, some is positive, or (None) the largest is zero."""
    if not len(eigenvalues):
        return True
    largest = float(eigenvalues.real.max())
    neutral = _NEUTRAL * float(np.abs(eigenvalues).max())
    return None if abs(largest) <= neutral else largest < 0


def made_state(equilibrium: Equilibrium, u: FloatArray, p: FloatArray) -> SteadyState:
    """The record of a state that was found."""
    flat, t = equilibrium.problem.flat, equilibrium.t
    sample = Sample(flat, (Segment(t, p.copy(), None),), np.asarray(t), u.copy(), np.asarray(0))
    residual = float(np.abs(equilibrium.compiled.rhs(t, u, p)).max())
    return SteadyState(equilibrium, sample, residual)


def steady_state(problem: Problem) -> SteadyState:
    """The steady state that the system goes to from its start, with the conserved quantities of the start.

    Pseudo-transient continuation: implicit Euler steps whose size grows as the residual falls, so that the
    first ones follow the solution and the last ones are Newton's (Kelley, Keyes, SIAM J. Numer. Anal. 35
    (1998) 508). Events and limits are not looked at. Raises SolveFailed where nothing is reached, as on the
    way to an oscillation.
    """
    equilibrium = Equilibrium(deterministic(problem, "steady_state"))
    u = settled(equilibrium, equilibrium.u, equilibrium.p)
    return made_state(equilibrium, u, equilibrium.p)


def settled(equilibrium: Equilibrium, u: FloatArray, p: FloatArray) -> FloatArray:
    """The zero of G that pseudo-transient continuation reaches from ``u``."""
    flat = equilibrium.problem.flat
    mass = equilibrium.mass()
    g, scale = equilibrium.residual(u, p), _scale(u)
    size = float(np.abs(g / scale).max())
    delta = 0.1 / size if size > 0 else 1.0
    for _ in range(_ITERATIONS):
        if size == 0.0:
            return u
        jacobian = equilibrium.jacobian(u, p)
        try:
            step = solve_linear(_shifted(jacobian, mass / delta), g)
        except np.linalg.LinAlgError:
            delta *= 0.3
            continue
        new = u + step
        g_new, scale_new = equilibrium.residual(new, p), _scale(new)
        moved = float(np.abs(step / scale_new).max())
        size_new = float(np.abs(g_new / scale_new).max()) if np.isfinite(g_new).all() else np.inf
        if size_new > _GROWS * size and moved > _CLOSE:
            delta *= 0.2
            if delta * size < 1e-14:
                break
            continue
        u, g, scale = new, g_new, scale_new
        if moved <= _CLOSE and _is_newton(jacobian, mass, delta):
            return u
        growth = 10.0 if moved <= 1e-6 else float(np.clip(1.2 * size / max(size_new, 1e-300), 0.5, 10.0))
        delta, size = min(delta * growth, 1e200), size_new
    worst = int(np.argmax(np.abs(g / scale)))
    raise SolveFailed(
        f"{flat.name}: no steady state was reached from this start in {_ITERATIONS} steps; the equation "
        f"furthest from it is\n    {flat.equation_texts[worst]}\nwith the value {g[worst]:.3g}. Does the "
        "system oscillate or grow? Start nearer, or take the end of a long sn.solve as the start."
    )


def _scale(u: FloatArray) -> FloatArray:
    """Sizes that changes of the unknowns are compared with; small ones count by the largest."""
    found: FloatArray = np.maximum(np.abs(u), 1e-3 * max(float(np.abs(u).max(initial=0.0)), 1e-6))
    return found


def _is_newton(jacobian: Any, mass: FloatArray, delta: float) -> bool:
    """Is the step so long that ``mass / delta`` beside the Jacobian has no effect?"""
    return float(mass.max(initial=0.0)) / delta <= 1e-13 * float(abs(jacobian).max())


def _shifted(jacobian: Any, shift: FloatArray) -> Any:
    """``diag(shift) - jacobian``."""
    if isinstance(jacobian, np.ndarray):
        return np.diag(shift) - jacobian
    from scipy.sparse import diags_array

    return (diags_array(shift) - jacobian).tocsc()


def steady_states(problem: Problem) -> tuple[SteadyState, ...]:
    """All real steady states with the conserved quantities of the start, for small polynomial systems.

    Rational equations are taken for their numerators. What is linear is eliminated exactly; one equation that
    remains is solved by isolating its real roots exactly, several by following all paths of a total-degree
    homotopy (Sommese, Wampler, The Numerical Solution of Systems of Polynomials, 2005). States in which a
    denominator vanishes are left out. Sorted by the first unknown, then the second, and so on.
    Raises ModelError where the equations are no polynomials, or too many paths would have to be followed;
    then `steady_state` finds them one by one.
    """
    from symnum.solving.polynomial import real_roots

    equilibrium = Equilibrium(deterministic(problem, "steady_states"))
    found: list[FloatArray] = []
    for candidate in real_roots(equilibrium):
        u = _polished(equilibrium, candidate)
        if u is None:
            continue
        scale = 1e-7 * np.maximum(np.abs(u), 1e-3 * max(np.abs(u).max(), 1e-12))
        if not any((np.abs(u - other) <= scale).all() for other in found):
            found.append(u)
    found.sort(key=lambda u: np.round(u, 9).tolist())
    return tuple(made_state(equilibrium, u, equilibrium.p) for u in found)


def _polished(equilibrium: Equilibrium, u: FloatArray) -> FloatArray | None:
    """Newton on G from a root of the numerators; None where it is a zero of a denominator."""
    p = equilibrium.p
    begin = u
    for _ in range(8):
        g = equilibrium.residual(u, p)
        if not np.isfinite(g).all():
            return None
        jacobian = equilibrium.jacobian(u, p)
        dense = jacobian if isinstance(jacobian, np.ndarray) else jacobian.toarray()
        if not np.isfinite(dense).all():
            return None
        step = np.linalg.lstsq(dense, -g, rcond=1e-13)[0]
        u = u + step
        if np.abs(step).max() <= 1e-14 * np.abs(u).max():
            break
    u[np.abs(u) < 1e-100] = 0.0
    size = max(float(np.abs(begin).max()), 1e-3 * float(np.abs(equilibrium.u).max()), 1e-6)
    g = equilibrium.residual(u, p)
    scale = np.abs(equilibrium.compiled.jacobian(equilibrium.t, u, p)) @ np.maximum(np.abs(u), 1e-3 * size)
    small = np.abs(g) <= 1e-7 * np.maximum(scale, 1e-12 * max(scale.max(), 1e-300))
    small[equilibrium.replaced] = np.abs(g[equilibrium.replaced]) <= 1e-9 * size
    if np.abs(u - begin).max() > 1e-3 * size or not small.all():
        return None
    return u
