"""Dynamic state selection: the states ``s = A x`` of parts with constraints, where A follows the motion.

A is an orthonormal basis of the directions that the constraints g(x) = 0 leave free, so that s and g
together determine x as well as can be. When the motion has turned away from them, A is chosen anew and the
run goes on. Parts of one shape are handled together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError, SolveFailed
from symnum.lowering.compile import CompiledSystem
from symnum.lowering.structure import StateChoice
from symnum.rewriting.derivative import gradient
from symnum.rewriting.expr import slot
from symnum.rewriting.walk import leaves
from symnum.solving.problem import Problem
from symnum.solving.values import over_entries, over_numbers, value_function

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

_INDEPENDENT = 1e-8  # relative to the largest: what is left of a column of G when others are taken away
_GIVEN, _DECLARED, _UNGIVEN = 0, 2, 3  # of `Problem.start_rank`: by the problem, by a declaration, a guess
_ITERATIONS = 60
_SHORTEST = 1e-8  # share of a step
_FITS = 1e-10  # relative: residuals below this are zero
_SHOWN = 8


class _Parts:
    """Choices with as many states and constraints, at one level.

    states (N, k) and x (N, m): places in ``u``; parameters (N, k, m): in ``p``; rows (N, m - k): in ``f``.
    entry: (N, m - k, m) the place of d row / d x among the entries of the Jacobian, -1 where there is none.
    """

    def __init__(self, compiled: CompiledSystem, choices: Sequence[StateChoice]) -> None:
        flat = compiled.flat
        self.level = choices[0].level
        self.states = flat.position[np.array([choice.states for choice in choices])]
        self.x = flat.position[np.array([choice.candidates for choice in choices])]
        self.parameters = np.array([choice.parameters for choice in choices])
        self.rows = np.flatnonzero(flat.mass == 0)[np.array([choice.rows for choice in choices])]
        functions = compiled.model.functions
        columns = np.repeat(np.arange(functions.n), np.diff(functions.indptr))
        known = columns * functions.n + functions.indices
        order = np.argsort(known)
        wanted = self.x[:, None, :] * functions.n + self.rows[:, :, None]
        found = np.minimum(np.searchsorted(known[order], wanted), max(len(known) - 1, 0))
        self.entry = np.where(known[order][found] == wanted, order[found], -1)
        numbers = flat.vector[self.x] % len(flat.unknowns)
        self.size = np.array([[flat.unknowns[int(i)].nominal or 1.0 for i in row] for row in numbers])

    def constraints(self, jacobian: FloatArray) -> FloatArray:
        """(N, m - k, m) derivatives of the constraints with respect to x in units of their usual size."""
        values: FloatArray = np.where(self.entry >= 0, jacobian[self.entry], 0.0) * self.size[:, None, :]
        return values

    def free(self, jacobian: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
        """(N, k, m) orthonormal directions that the constraints leave free; (N,) whether they are as many."""
        _, singular, vectors = np.linalg.svd(self.constraints(jacobian))
        regular = singular[:, -1] > _INDEPENDENT * singular[:, 0]
        return vectors[:, singular.shape[1] :], regular


class StateSelection:
    """The choices of one system."""

    def __init__(self, compiled: CompiledSystem) -> None:
        self.compiled = compiled
        shapes: dict[tuple[int, int, int], list[StateChoice]] = {}
        for choice in compiled.flat.structure.choices:
            key = -choice.level, len(choice.states), len(choice.candidates)
            shapes.setdefault(key, []).append(choice)
        # positions before velocities: the constraints on these read those
        self.parts = [_Parts(compiled, shapes[key]) for key in sorted(shapes)]

    # ---- in a run ---------------------------------------------------------------------------------
    def is_needed(self, t: float, u: FloatArray, p: FloatArray, turned: float) -> bool:
        """Whether the cosine of an angle between states and free directions has fallen below ``turned``."""
        jacobian = self.compiled.jacobian(t, u, p).data
        for part in self.parts:
            free, regular = part.free(jacobian)
            now = p[part.parameters] * part.size[:, None, :]
            cosines = np.linalg.svd(now @ free.transpose(0, 2, 1), compute_uv=False)
            if not regular.all() or cosines.min() < turned:
                return True
        return False

    def choose(self, t: float, u: FloatArray, p: FloatArray) -> None:
        """Write A for the present x into ``p`` and s into ``u``."""
        jacobian = self.compiled.jacobian(t, u, p).data
        for part in self.parts:
            free, regular = part.free(jacobian)
            if not regular.all():
                raise SolveFailed(
                    f"{self.compiled.flat.name}: at t = {t:g} the constraints\n"
                    f"{self._texts(part, int(np.argmin(regular)))}\n"
                    "depend on each other (a singular position): they do not determine as many unknowns as "
                    "there are constraints. Start elsewhere, or remove a constraint that says nothing new."
                )
            p[part.parameters] = free / part.size[:, None, :]
        self.follow(u, p)

    def follow(self, u: FloatArray, p: FloatArray) -> None:
        """Write ``s = A x`` into ``u``."""
        for part in self.parts:
            u[part.states] = np.einsum("nkm,nm->nk", p[part.parameters], u[part.x])

    # ---- at the start -----------------------------------------------------------------------------
    def start(self, problem: Problem) -> tuple[FloatArray, FloatArray]:
        """(u, p) that satisfy the constraints and the given starts, of whatever unknowns these are.

        Starts of declarations count where they fit. ModelError where those of the problem do not.
        """
        t = problem.span[0]
        for rank in (_DECLARED, _GIVEN):
            fit = _StartFit(self, problem, rank)
            for usual in (False, True):  # perhaps a guess of zero is a singular place
                if fit.solve(usual):
                    u, p = fit.u, problem.p.copy()
                    self.choose(t, u, p)
                    return u, p
        raise ModelError(fit.explain())

    def _texts(self, part: _Parts, k: int) -> str:
        texts = [self.compiled.flat.equation_texts[row] for row in part.rows[k][:5]]
        return "\n".join(f"    {text}" for text in texts)


class _StartFit:
    """Algebraic equations and given starts, in the algebraic unknowns: more equations than unknowns.

    Gauss-Newton steps of least norm, halved until the residuals shrink: what nothing determines stays near
    its guess. What is written in u as a start of a state is kept.
    """

    def __init__(self, selection: StateSelection, problem: Problem, rank: int) -> None:
        self.selection, self.problem = selection, problem
        compiled = self.compiled = problem.compiled
        flat = compiled.flat
        self.u = problem.u.copy()
        algebraic = np.flatnonzero(flat.mass == 0)
        chosen = np.concatenate([part.states.ravel() for part in selection.parts])
        defining = np.unique(compiled.sparsity[:, chosen].nonzero()[0])  # s == A x, with A not chosen yet
        self.rows = np.setdiff1d(algebraic, defining)
        self.columns = algebraic
        given = {int(i): float(problem.u[i]) for i in algebraic if problem.start_rank[i] <= rank}
        inside = {slot("u", int(flat.vector[i])): value for i, value in given.items()}
        others = {
            slot("u", number): value for number, value in problem.starts.items() if flat.position[number] < 0
        }
        self.given = list((inside | others).items())
        self.functions = [value_function(flat, leaf) for leaf, _ in self.given]
        entries = [over_entries(flat, leaf) for leaf, _ in self.given]
        place = {slot("u", int(i)): k for k, i in enumerate(algebraic)}
        self.partial = []
        for row in gradient(entries, [leaf for leaf in leaves(entries) if leaf in place]):
            numbers = {leaf: over_numbers(flat, value) for leaf, value in row.items()}
            self.partial.append({place[leaf]: value_function(flat, v) for leaf, v in numbers.items()})

    def solve(self, usual: bool) -> bool:
        problem = self.problem
        self.u = problem.u.copy()
        if usual:
            for part in self.selection.parts:
                free = problem.start_rank[part.x] >= _UNGIVEN
                steps = 1.0 + 0.1 * np.arange(part.x.size).reshape(part.x.shape)
                self.u[part.x[free]] = (part.size * steps)[free]
        r = self.residual()
        for _ in range(_ITERATIONS):
            if not np.isfinite(r).all():
                return False
            if np.abs(r).max(initial=0.0) <= _FITS * (1.0 + np.abs(self.u).max()):
                return True
            step = np.linalg.lstsq(self.jacobian(), -r, rcond=None)[0]
            before, size, scale = self.u.copy(), float(np.linalg.norm(r)), 1.0
            while True:
                self.u[self.columns] = before[self.columns] + scale * step
                r = self.residual()
                if np.isfinite(r).all() and np.linalg.norm(r) < (1 - 0.1 * scale) * size:
                    break
                scale *= 0.5
                if scale < _SHORTEST:
                    return False
        return False

    def residual(self) -> FloatArray:
        t, p = self.problem.span[0], self.problem.p
        rows = self.compiled.rhs(t, self.u, p)[self.rows]
        starts = [f(t, self.u, p) - value for f, (_, value) in zip(self.functions, self.given, strict=True)]
        return np.concatenate([rows, starts])

    def jacobian(self) -> FloatArray:
        t, p = self.problem.span[0], self.problem.p
        upper = self.compiled.jacobian(t, self.u, p)[self.rows][:, self.columns].toarray()
        lower = np.zeros((len(self.given), len(self.columns)))
        for row, partial in enumerate(self.partial):
            for k, function in partial.items():
                lower[row, k] = function(t, self.u, p)
        return np.concatenate([upper, lower])

    def explain(self) -> str:
        flat, t, p = self.compiled.flat, self.problem.span[0], self.problem.p
        values = [f(t, self.u, p) for f in self.functions]
        starts = [
            f"    {flat.number_name(leaf.data[1])} = {given:g}, nearest fit {value:.6g}"
            for value, (leaf, given) in zip(values, self.given, strict=True)
        ]
        rows = np.unique(np.concatenate([part.rows.ravel() for part in self.selection.parts]))
        texts = [f"    {flat.equation_texts[row]}" for row in rows[:_SHOWN]]
        return (
            f"{flat.name}: the given starts do not fit the constraints\n" + "\n".join(texts)
            + "\nGiven are\n" + "\n".join(starts[:_SHOWN])
            + "\nLeave some out, change them, or give guesses nearer to a position that fits."
        )  # fmt: skip
