"""Linearization at a point: descriptor pencil, eigenvalues, damping, participation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import LoweringError, ModelError
from symnum.lowering.written_out import over_entries
from symnum.record import record
from symnum.rewriting.derivative import gradient
from symnum.rewriting.expr import Expr
from symnum.rewriting.walk import leaves
from symnum.solving.problem import Problem
from symnum.solving.state_space import StateSpace
from symnum.solving.values import values_at

FloatArray: TypeAlias = NDArray[np.float64]
ComplexArray: TypeAlias = NDArray[np.complex128]


@record
class Mode:
    """One eigenvalue (rad/s) with frequency (Hz), damping ratio and the states that take part most."""

    eigenvalue: complex
    frequency: float
    damping: float
    participation: tuple[tuple[str, float], ...]

    def __repr__(self) -> str:
        most = ", ".join(f"{name} {value:.2f}" for name, value in self.participation[:4])
        return f"<Mode {self.eigenvalue:.4g}: {self.frequency:.4g} Hz, damping {self.damping:.4g}; {most}>"


@record
class Linearization:
    """``E d(x) / dt = A x`` for small deviations x of all unknowns u from the point.

    t, u, p: the point. A, E: (n, n), E diagonal with zeros in algebraic rows. B: (n, inputs), C: (outputs, n)
    and D belong to the inputs and outputs that were asked for. names: of the unknowns;
    states: of those that are differentiated. The algebraic unknowns are eliminated exactly:
    ``reduced = A_ss - A_sa A_aa^-1 A_as``; its eigenvalues are the finite ones of the pencil.
    """

    t: float
    u: FloatArray
    p: FloatArray
    A: FloatArray
    E: FloatArray
    names: tuple[str, ...]
    B: FloatArray
    C: FloatArray
    D: FloatArray
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def differential(self) -> NDArray[np.int64]:
        return np.flatnonzero(np.diag(self.E) != 0)

    @property
    def states(self) -> tuple[str, ...]:
        return tuple(self.names[i] for i in self.differential)

    @cached_property
    def state_space(self) -> StateSpace:
        """The model between inputs and outputs, without the algebraic unknowns."""
        s, a = self.differential, np.flatnonzero(np.diag(self.E) == 0)
        B, C, D = self.B[s], self.C[:, s], self.D
        reduced = self.reduced
        if len(a):
            block = np.linalg.solve(self.A[np.ix_(a, a)], np.hstack([self.A[np.ix_(a, s)], self.B[a]]))
            by_states, by_inputs = block[:, : len(s)], block[:, len(s) :]
            B = B - self.A[np.ix_(s, a)] @ by_inputs
            C, D = C - self.C[:, a] @ by_states, D - self.C[:, a] @ by_inputs
        return StateSpace(reduced, B, C, D, self.states, self.inputs, self.outputs)

    @cached_property
    def reduced(self) -> FloatArray:
        """(n_states, n_states) state matrix without the algebraic unknowns."""
        s = self.differential
        a = np.flatnonzero(np.diag(self.E) == 0)
        if not len(a):
            return self.A[np.ix_(s, s)]
        block = self.A[np.ix_(a, a)]
        if np.linalg.cond(block) > 1e15:
            raise LoweringError(
                "linearize: the algebraic equations do not determine the algebraic unknowns here "
                f"({', '.join(self.names[i] for i in a[:6])}): the system needs index reduction or "
                "another start"
            )
        result: FloatArray = self.A[np.ix_(s, s)] - self.A[np.ix_(s, a)] @ np.linalg.solve(
            block, self.A[np.ix_(a, s)]
        )
        return result

    @cached_property
    def _eigen(self) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
        values, right = np.linalg.eig(self.reduced)
        order = np.lexsort((-values.imag, -values.real.round(12)))
        values, right = values[order].astype(complex), right[:, order].astype(complex)
        return values, right, np.linalg.pinv(right)

    @property
    def eigenvalues(self) -> ComplexArray:
        """(n_states,) in rad per unit of time, the least damped first."""
        return self._eigen[0]

    @property
    def frequencies(self) -> FloatArray:
        """(n_states,) oscillation frequencies, ``|Im| / 2 pi``."""
        result: FloatArray = np.abs(self.eigenvalues.imag) / (2 * np.pi)
        return result

    @property
    def damping(self) -> FloatArray:
        """(n_states,) damping ratios ``-Re / |lambda|``; NaN for a zero eigenvalue."""
        size = np.abs(self.eigenvalues)
        return np.where(size > 1e-9, -self.eigenvalues.real / np.where(size > 0, size, 1.0), np.nan)

    @property
    def participation(self) -> FloatArray:
        """(n_states, n_modes): ``|v_ki w_ik|`` of right and left eigenvectors, columns summing to one.

        Perez-Arriaga, Verghese, Schweppe, IEEE Trans. PAS-101 (1982) 3117.
        """
        _, right, left = self._eigen
        factors = np.abs(right * left.T)
        result: FloatArray = factors / factors.sum(axis=0)
        return result

    def modes(self, oscillating: bool = False) -> list[Mode]:
        """The modes, one of each conjugate pair; ``oscillating`` leaves out the real ones."""
        participation = self.participation
        found = []
        for i, value in enumerate(self.eigenvalues):
            if value.imag < 0 or (oscillating and value.imag == 0):
                continue
            most = np.argsort(-participation[:, i])
            names = tuple(
                (self.states[k], float(participation[k, i])) for k in most if participation[k, i] > 0.01
            )
            found.append(Mode(complex(value), float(self.frequencies[i]), float(self.damping[i]), names))
        return found


def linearize(
    problem: Problem,
    at: float | None = None,
    *,
    inputs: Sequence[Expr | str] = (),
    outputs: Mapping[str, Expr] | Sequence[Expr] = (),
) -> Linearization:
    """The linearization at the problem's consistent start, or at time ``at`` of its solution.

    inputs: parameters that are inputs of the linear model; outputs: expressions, or {name: expression}. Then
    ``.state_space`` has poles, zeros, transfer functions, Bode plots and root loci. All derivatives are exact
    but those of the equations by the inputs, which are differences of fourth order.
    """
    from symnum.solving.solve import solve
    from symnum.solving.start import consistent_start

    if not isinstance(problem, Problem):
        raise ModelError(f"linearize takes a Problem, not {problem!r}; write sn.Problem(system, start)")
    if at is not None and not (isinstance(at, (int, float)) and np.isfinite(at)):
        raise ModelError(f"linearize: at={at!r} is not a time")
    compiled = problem.compiled
    if compiled.flat.delays:
        raise ModelError(f"linearize: {compiled.flat.delays[0].parameter}: delays have infinitely many modes")
    u, p = consistent_start(problem)
    t = problem.span[0]
    if at is not None and at != t:
        if not problem.span[0] < at <= problem.span[1]:
            raise ModelError(
                f"linearize: at={at:g} lies outside the span {problem.span[0]:g} ... {problem.span[1]:g}"
            )
        solution = solve(problem.with_(span=(problem.span[0], float(at))), rtol=1e-9, atol=1e-11)
        if solution.t[-1] < at:
            raise ModelError(f"linearize: an event ends the run at t = {solution.t[-1]:g}, before at={at:g}")
        t, u, p = float(solution.t[-1]), solution.y[:, -1].copy(), solution.segments[-1].p
    jacobian = compiled.jacobian(t, u, p).toarray()
    if not np.isfinite(jacobian).all():
        row = compiled.flat.equation_texts[int(np.argwhere(~np.isfinite(jacobian))[0][0])]
        raise ModelError(f"linearize: the Jacobian is not finite at t = {t:g}, in the equation {row}")
    named = outputs if isinstance(outputs, Mapping) else {str(expr): expr for expr in outputs}
    numbers = [compiled.flat.parameter_index(key, "linearize, inputs") for key in inputs]
    B = _by_inputs(problem, numbers, t, u, p)
    C, D = _by_unknowns(problem, list(named.values()), numbers, t, u, p)
    names = tuple(compiled.flat.parameters[k].name for k in numbers)
    return Linearization(
        t, u, p, jacobian, np.diag(compiled.mass), compiled.states, B, C, D, names, tuple(named)
    )


def _by_inputs(problem: Problem, inputs: Sequence[int], t: float, u: FloatArray, p: FloatArray) -> FloatArray:
    """(n, inputs) derivatives of f by parameters and all that follows from them."""
    found = np.zeros((len(u), len(inputs)))
    for j, number in enumerate(inputs):
        step = 1e-3 * max(1.0, abs(p[number]))  # truncation and round-off of a fourth-order difference meet

        def moved(count: int, number: int = number, step: float = step) -> FloatArray:
            other = p.copy()
            other[number] += count * step
            problem.updated_parameters(other, [number])
            return problem.compiled.rhs(t, u, other)

        found[:, j] = (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * step)
    return found


def _by_unknowns(
    problem: Problem, outputs: Sequence[Expr], inputs: Sequence[int], t: float, u: FloatArray, p: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """C (outputs, n) and D (outputs, inputs): exact derivatives of the outputs."""
    flat = problem.flat
    C, D = np.zeros((len(outputs), len(u))), np.zeros((len(outputs), len(inputs)))
    for i, value in enumerate(flat.with_numbers(list(outputs), "linearize, outputs")):
        entries = over_entries(flat, value)
        read = [leaf for leaf in leaves((entries,)) if leaf.op == "slot"]
        partials = gradient((entries,), read)[0] if read else {}
        for leaf, found in zip(partials, values_at(list(partials.values()), t, u, p), strict=True):
            letter, number = leaf.data
            if letter == "u":
                C[i, number] = found
            elif number in inputs:
                D[i, list(inputs).index(number)] = found
    return C, D
