"""Nonlinear equations, solved block by block: Newton with damping, a trust region where that stops."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError, SolveFailed

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

_ITERATIONS = 50
_TOLERANCE = 1e-10
_SHORTEST = 1e-14  # share of a Newton step: where the slope nearly vanishes the whole step is far too long
_NEARER = 40  # halvings of a guess at which the equations are not finite, towards zero
_EVALUATIONS = 300  # of the trust region
_SPARSE = 300  # unknowns of a block from which on its matrix is factored sparsely
_FEW = 50  # unknowns of a block that is tried from other guesses as well
_SHOWN = 8  # equations and unknowns of a message


class Equations(Protocol):
    """n equations in n unknowns. title: what is solved for what, for messages."""

    title: str

    def text(self, row: int) -> str: ...
    def name(self, column: int) -> str: ...
    def values(self) -> FloatArray: ...
    def put(self, values: FloatArray) -> None: ...
    def residual(self) -> FloatArray: ...
    def jacobian(self) -> Any: ...
    def pattern(self) -> Any: ...


def solve_in_blocks(equations: Equations) -> None:
    """Solve in place, each block of the pattern after those that it depends on.

    SolveFailed lists the residuals of the block that could not be solved, its unknowns and their guesses.
    """
    for rows, columns in block_order(equations):
        _Block(equations, rows, columns).solve()


def block_order(equations: Equations) -> list[tuple[IntArray, IntArray]]:
    """Blocks (rows, columns), each depending on earlier ones only."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components, maximum_bipartite_matching

    pattern = csr_array(equations.pattern())
    column_of = np.asarray(maximum_bipartite_matching(pattern, perm_type="column"))
    if (column_of < 0).any():
        rows = [equations.text(int(i)) for i in np.flatnonzero(column_of < 0)[:5]]
        raise ModelError(
            f"{equations.title}: the equations are singular: no unknown is left for\n    "
            + "\n    ".join(rows)
            + "\nDo two equations say the same, or is a reference missing, such as the ground of a circuit?"
        )
    permuted = csr_array(pattern[:, column_of])
    count, label = connected_components(permuted, directed=True, connection="strong")
    upper, lower = (label[index] for index in permuted.nonzero())
    order = _dependencies_first(upper, lower, count)
    members = [np.flatnonzero(label == block) for block in order]
    return [(rows, column_of[rows]) for rows in members]


def _dependencies_first(upper: IntArray, lower: IntArray, count: int) -> list[int]:
    import networkx

    directed = networkx.DiGraph()
    directed.add_nodes_from(range(count))
    directed.add_edges_from((int(c), int(r)) for r, c in zip(upper, lower, strict=True) if r != c)
    return list(networkx.topological_sort(directed))


class _Block:
    def __init__(self, equations: Equations, rows: IntArray, columns: IntArray) -> None:
        self.equations, self.rows, self.columns = equations, rows, columns
        self.guess = equations.values()[columns]

    def residual(self, at: FloatArray | None = None) -> FloatArray:
        if at is not None:
            values = self.equations.values()
            values[self.columns] = at
            self.equations.put(values)
        return self.equations.residual()[self.rows]

    def jacobian(self) -> Any:
        """Dense in small blocks, (n, n)."""
        found = self.equations.jacobian()[self.rows][:, self.columns]
        return found.toarray() if len(self.rows) < _SPARSE else found.tocsc()

    def newton_step(self, r: FloatArray) -> FloatArray | None:
        """The step where residuals are ``r``, that of least squares in a small singular block."""
        matrix = self.jacobian()
        if not np.isfinite(matrix if isinstance(matrix, np.ndarray) else matrix.data).all():
            return None
        if isinstance(matrix, np.ndarray):
            return np.asarray(np.linalg.lstsq(matrix, -r, rcond=None)[0], float)
        from scipy.sparse.linalg import splu

        try:
            step: FloatArray = splu(matrix).solve(-r)
        except RuntimeError:  # singular
            return None
        return step if np.isfinite(step).all() else None

    def solve(self) -> None:
        self.make_finite()
        size = float(np.abs(self.residual()).max(initial=0.0))
        if self.newton():
            return
        stopped = self.equations.values()[self.columns]
        if self.trust_region() and self.newton(limit=size):
            return
        if len(self.columns) == 1 and self.bracketed() and self.newton(limit=size):
            return
        if 1 < len(self.columns) <= _FEW and self.from_elsewhere(size):
            return
        self.residual(stopped)
        raise SolveFailed(self.explain(stopped))

    def make_finite(self) -> None:
        """A guess at which an exponential overflows is brought nearer to zero, as far as is needed."""
        for halvings in range(_NEARER):
            if np.isfinite(self.residual(self.guess * 0.5**halvings)).all():
                return
        self.residual(self.guess)

    def newton(self, limit: float | None = None) -> bool:
        """Newton steps, halved until the largest residual shrinks. limit: a residual that counts as large."""
        x = self.equations.values()[self.columns]
        r = self.residual()
        for _ in range(_ITERATIONS):
            if not np.isfinite(r).all():
                return False
            step = self.newton_step(r)
            if step is None:
                return False
            size = float(np.abs(r).max())
            small = bool(np.abs(step).max() <= _TOLERANCE * (1.0 + np.abs(x).max()))
            scale, before = 1.0, x
            while True:
                x = before + scale * step
                r = self.residual(x)
                if np.isfinite(r).all() and (np.abs(r).max() <= (1 - 0.1 * scale) * size or small):
                    break
                scale *= 0.5
                if scale < _SHORTEST:
                    return False
            if small:
                return bool(np.abs(r).max() <= 1e-6 * max(1.0, size if limit is None else min(size, limit)))
        return False

    def trust_region(self) -> bool:
        """A reflective trust region from the guess; a start for Newton where it finds a small residual."""
        from scipy.optimize import least_squares

        self.residual(self.guess)
        self.make_finite()
        if not np.isfinite(self.residual()).all():
            return False
        guess = self.equations.values()[self.columns]

        def residual(x: FloatArray) -> FloatArray:
            found = self.residual(x)
            return np.where(np.isfinite(found), found, 1e30)

        def jacobian(x: FloatArray) -> Any:
            self.residual(x)
            matrix = self.jacobian()
            if isinstance(matrix, np.ndarray):
                return np.nan_to_num(matrix, posinf=1e30, neginf=-1e30)
            matrix.data = np.nan_to_num(matrix.data, posinf=1e30, neginf=-1e30)
            return matrix

        try:
            with np.errstate(all="ignore"):
                found = least_squares(
                    residual, guess, jacobian, x_scale="jac", max_nfev=_EVALUATIONS, ftol=1e-15, xtol=1e-15,
                    gtol=1e-15,
                )  # fmt: skip
        except (ValueError, np.linalg.LinAlgError):  # overflow on the way
            return False
        return bool(np.isfinite(self.residual(found.x)).all())

    def bracketed(self) -> bool:
        """One unknown: the root nearest to the guess between two points with residuals of different sign."""
        from scipy.optimize import brentq

        guess = float(self.guess[0])

        def residual(x: float) -> float:
            return float(self.residual(np.array([x]))[0])

        away = np.logspace(-6, 12, 109)
        points = np.unique(np.concatenate([-away, [0.0], away, guess + away, guess - away, [guess]]))
        with np.errstate(all="ignore"):
            values = np.array([residual(x) for x in points.tolist()])
            left, right = values[:-1], values[1:]
            change = np.isfinite(left) & np.isfinite(right) & (np.sign(left) * np.sign(right) <= 0)
            places = np.flatnonzero(change)
            for k in places[np.argsort(np.abs(points[places] - guess), kind="stable")].tolist():
                root = brentq(residual, points[k], points[k + 1], xtol=1e-300, rtol=1e-14)
                # at a pole the sign changes too
                if abs(residual(root)) <= 1e-3 * max(abs(values[k]), abs(values[k + 1])):
                    return True
        return False

    def from_elsewhere(self, size: float) -> bool:
        """Newton and the trust region from other guesses: nearer to zero, of other sizes, of other signs."""
        guess = self.guess
        one = np.where(guess < 0, -1.0, 1.0)
        tried = [0.0 * guess, one, 0.1 * guess, 10.0 * guess, 0.01 * one, 100.0 * one, -guess]
        try:
            for self.guess in tried:
                self.make_finite()
                if self.newton(limit=size) or (self.trust_region() and self.newton(limit=size)):
                    return True
        finally:
            self.guess = guess
        return False

    def explain(self, x: FloatArray) -> str:
        equations = self.equations
        r = self.residual()
        order = np.argsort(-np.where(np.isfinite(r), np.abs(r), np.inf), kind="stable")
        lines = [f"    {r[k]:.3g} == 0: {equations.text(int(self.rows[k]))}" for k in order[:_SHOWN]]
        if len(order) > _SHOWN:
            lines.append(f"    ... and {len(order) - _SHOWN} more, with smaller residuals")
        names = [
            f"    {equations.name(int(c))}: {guess:.6g} -> {value:.6g}"
            for c, guess, value in zip(self.columns[:_SHOWN], self.guess, x, strict=False)
        ]
        if len(self.columns) > _SHOWN:
            names.append(f"    ... and {len(self.columns) - _SHOWN} more")
        dependence = self.dependence()
        advice = "Give better guesses for these unknowns (start= or guess=), or check the states."
        if dependence:
            advice = f"Do two of them say the same, as where a loop is held more than once? Else: {advice}"
        what = "one equation was" if len(order) == 1 else f"a block of {len(order)} equations was"
        return (
            f"{equations.title}: {what} not solved. Residuals:\n" + "\n".join(lines)
            + "\nUnknowns, guess -> where Newton stopped:\n" + "\n".join(names) + dependence + "\n" + advice
        )  # fmt: skip

    def dependence(self) -> str:
        """What the matrix says where Newton stopped."""
        from scipy.sparse import csc_array

        from symnum.lowering.null_space import dependent_parts

        matrix = csc_array(self.jacobian())
        if not np.isfinite(matrix.data).all():
            return ""
        found = dependent_parts(matrix)
        if found is None:
            return ""
        names = ", ".join(self.equations.name(int(self.columns[k])) for k in found[1][:_SHOWN])
        return f"\nThere the equations depend on each other and do not determine {names}."
