"""The equations of a steady state: f = 0, with what the system conserves in place of what says nothing."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.solving.problem import Problem
from symnum.solving.start import consistent_start

__all__ = ["Equilibrium", "solve_linear"]

FloatArray: TypeAlias = NDArray[np.float64]
ComplexArray: TypeAlias = NDArray[np.complex128]

_POINTS = 4  # random points at which a combination of equations must vanish to be taken for conserved
_NOTHING = 1e-11  # relative size of a combination that vanishes
_SPARSE = 200  # unknowns from which on matrices are factored sparsely


class Equilibrium:
    """``G(u) = 0`` for the steady states of a problem, square and regular where the steady state is.

    Linear combinations L of the states that nothing changes (``L f = 0`` for all u) make f = 0 singular. They
    are found from the Jacobian at random points, and take the place of as many equations: G has the rows
    ``L u - totals`` there, so that steady states are those with the totals of the start.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.compiled = problem, problem.compiled
        self.u, self.p = consistent_start(problem)
        self.t = problem.span[0]
        self.states = np.flatnonzero(self.compiled.mass)
        self._check_time()
        self.invariants = self._invariants()
        self.totals = self.invariants @ self.u
        self.replaced = _pivots(self.invariants)

    @property
    def n(self) -> int:
        return len(self.u)

    def _check_time(self) -> None:
        flat = self.problem.flat
        if flat.delays:
            raise ModelError(f"{flat.name}: steady states of delay equations are not supported")
        rng = np.random.default_rng(0)
        for _ in range(2):
            moved = self.compiled.time_gradient(self.t + rng.random(), self._near(rng), self.p)
            row = np.flatnonzero(moved)
            if len(row):
                raise ModelError(
                    f"{flat.name}: the equation {flat.equation_texts[int(row[0])]} depends on time, so "
                    "there is no steady state"
                )

    def _near(self, rng: np.random.Generator) -> FloatArray:
        """A random state of the size of the start, positive where the start is not negative."""
        scale = np.maximum(np.abs(self.u), 0.1 * max(np.abs(self.u).max(initial=0.0), 1e-3))
        found: FloatArray = np.where(self.u < 0, -1.0, 1.0) * scale * rng.uniform(0.3, 1.7, self.n)
        return found

    def _invariants(self) -> FloatArray:
        """(k, n) weights of the states, in reduced form, with the combinations that f leaves alone."""
        from scipy.linalg import qr, solve_triangular

        rng = np.random.default_rng(1)
        m = len(self.states)
        table = np.zeros((m, m + 8))  # random combinations of the columns of Jacobians, and f
        for _ in range(_POINTS):
            u = self._near(rng)
            jacobian = self.compiled.jacobian(self.t, u, self.p)[self.states]
            f = self.compiled.rhs(self.t, u, self.p)[self.states]
            if np.isfinite(jacobian.data).all() and np.isfinite(f).all():
                table += jacobian @ (np.abs(u)[:, None] * rng.normal(size=(self.n, m + 8)))
                table += np.outer(f, rng.normal(size=m + 8))
        size = np.abs(table).max(axis=1, initial=0.0)
        size[size == 0] = 1.0
        upper, order = qr((table / size[:, None]).T, mode="r", pivoting=True)
        diagonal = np.abs(np.diag(upper))
        rank = int((diagonal > _NOTHING * max(diagonal.max(initial=0.0), 1e-300)).sum())
        weights = np.zeros((m - rank, m))
        if rank < m:
            inner = solve_triangular(upper[:rank, :rank], upper[:rank, rank:])
            weights[:, order[:rank]], weights[:, order[rank:]] = -inner.T, np.eye(m - rank)
        result = np.zeros((m - rank, self.n))
        result[:, self.states] = _reduced(weights / size)
        return result

    # ---- values -----------------------------------------------------------------------------------
    def residual(self, u: FloatArray, p: FloatArray) -> FloatArray:
        """(n,) G(u)."""
        f = self.compiled.rhs(self.t, u, p)
        f[self.replaced] = self.invariants @ u - self.totals
        return f

    def jacobian(self, u: FloatArray, p: FloatArray) -> Any:
        """(n, n) dG/du, dense below `_SPARSE` unknowns."""
        jacobian = self.compiled.jacobian(self.t, u, p)
        if self.n < _SPARSE:
            dense = jacobian.toarray()
            dense[self.replaced] = self.invariants
            return dense
        from scipy.sparse import csr_array

        rows = jacobian.tolil()
        rows[self.replaced] = csr_array(self.invariants)
        return rows.tocsc()

    def mass(self) -> FloatArray:
        """(n,) 1 where a row of G is the derivative of a state."""
        mass = self.compiled.mass.copy()
        mass[self.replaced] = 0.0
        return mass

    def eigenvalues(self, u: FloatArray, p: FloatArray) -> ComplexArray:
        """Those of the linearization within the states of equal totals, the largest real part first."""
        if not len(self.states):
            return np.zeros(0, complex)
        jacobian = self.compiled.jacobian(self.t, u, p).toarray()
        s, a = self.states, np.flatnonzero(self.compiled.mass == 0)
        reduced = jacobian[np.ix_(s, s)]
        if len(a):
            inner = np.linalg.lstsq(jacobian[np.ix_(a, a)], jacobian[np.ix_(a, s)], rcond=None)[0]
            reduced = reduced - jacobian[np.ix_(s, a)] @ inner
        if len(self.invariants):
            basis = np.linalg.qr(self.invariants[:, s].T, mode="complete")[0][:, len(self.invariants) :]
            reduced = basis.T @ reduced @ basis
        found = np.linalg.eigvals(reduced).astype(complex)
        return np.asarray(found[np.lexsort((-found.imag, -found.real.round(12)))])


def solve_linear(matrix: Any, right: FloatArray) -> FloatArray:
    """matrix^-1 right, for dense and sparse matrices; LinAlgError where it is singular."""
    if isinstance(matrix, np.ndarray):
        return np.asarray(np.linalg.solve(matrix, right), float)
    from scipy.sparse.linalg import splu

    try:
        solution: FloatArray = splu(matrix.tocsc()).solve(right)
    except RuntimeError as error:
        raise np.linalg.LinAlgError(str(error)) from error
    return solution


def _reduced(rows: FloatArray) -> FloatArray:
    """Row echelon form, reduced, with pivots at the largest entries; what is nearly whole is made so."""
    rows = rows.copy()
    for r in range(len(rows)):
        column = int(np.argmax(np.abs(rows[r])))
        rows[r] /= rows[r, column]
        others = np.arange(len(rows)) != r
        rows[others] -= np.outer(rows[others, column], rows[r])
    rows[np.abs(rows) < 1e-9] = 0.0
    for r in range(len(rows)):
        smallest = np.abs(rows[r][rows[r] != 0]).min()
        whole = rows[r] / smallest
        if np.abs(whole - np.round(whole)).max() < 1e-7:
            rows[r] = np.round(whole)
    return rows


def _pivots(rows: FloatArray) -> NDArray[np.int64]:
    """One column for each row, with nonzero minor: by elimination with column pivoting."""
    from scipy.linalg import qr

    if not len(rows):
        return np.zeros(0, np.int64)
    return np.asarray(qr(rows, mode="r", pivoting=True)[1][: len(rows)], np.int64)
