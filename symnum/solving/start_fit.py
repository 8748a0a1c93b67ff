"""Starts that are given for other unknowns than the states: states and algebraic unknowns that fit them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import SolveFailed
from symnum.lowering.written_out import over_entries
from symnum.rewriting.derivative import gradient
from symnum.rewriting.expr import slot
from symnum.rewriting.walk import leaves
from symnum.solving.initialize import AGREES, consistent
from symnum.solving.problem import Problem
from symnum.solving.values import ValueFunction, over_numbers, value_function

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

_GIVEN, _DECLARED, _UNGIVEN = 0, 2, 3  # of `Problem.start_rank`: by the problem, by a declaration, a guess
_ITERATIONS = 60
_SHORTEST = 1e-8  # share of a step
_FITS = 1e-10  # relative: residuals below this are zero
_SHOWN = 8


def fitted_start(problem: Problem) -> FloatArray:
    """u in which given starts of unknowns that follow from others hold, as far as declared starts may move.

    Where they cannot be met u stays as it was; what does not fit is found when the start is checked.
    """
    fit = StartFit(problem, np.zeros(0, np.int64), np.zeros(0, np.int64))
    if fit.holds_already() or not fit.solve():
        return problem.u
    return fit.u


class StartFit:
    """Algebraic equations and given starts in algebraic unknowns and states: more equations than unknowns.

    held: algebraic entries of u whose starts hold if they can (other starts of algebraic unknowns are
    guesses). chosen: states that follow from others and are left out. Starts of the problem hold; those of
    declarations where they fit. Gauss-Newton steps of least norm, halved until the residuals shrink: what
    nothing determines stays near its guess.
    """

    def __init__(self, problem: Problem, held: IntArray, chosen: IntArray) -> None:
        self.problem, self.held = problem, held
        compiled = self.compiled = problem.compiled
        flat = compiled.flat
        self.u = problem.u.copy()
        algebraic = np.flatnonzero(flat.mass == 0)
        defining = np.unique(compiled.sparsity[:, chosen].nonzero()[0])  # s == A x, with A not chosen yet
        self.rows = np.setdiff1d(algebraic, defining)
        movable = (flat.mass != 0) & (problem.start_rank > _GIVEN)
        movable[chosen] = False
        self.columns = np.concatenate([algebraic, np.flatnonzero(movable)])
        self.pinned = np.concatenate(
            [held, np.flatnonzero(movable)]
        )  # entries of u with a start of their own
        self.others = [number for number in problem.starts if flat.position[number] < 0]
        leaf_of = [slot("u", number) for number in self.others]
        self.functions: list[ValueFunction] = [value_function(flat, leaf) for leaf in leaf_of]
        entries = [over_entries(flat, leaf) for leaf in leaf_of]
        self.place = {int(i): k for k, i in enumerate(self.columns)}
        wanted = [leaf for leaf in leaves(entries) if leaf.op == "slot" and leaf.data[0] == "u"]
        self.partial: list[dict[int, ValueFunction]] = []
        for row in gradient(entries, [leaf for leaf in wanted if leaf.data[1] in self.place]):
            numbers = {self.place[leaf.data[1]]: over_numbers(flat, value) for leaf, value in row.items()}
            self.partial.append({k: value_function(flat, value) for k, value in numbers.items()})
        self.fixed = self.pinned[:0]

    def holds_already(self) -> bool:
        """Whether the given starts follow from those of the states, which then stay as they are."""
        problem, t = self.problem, self.problem.span[0]
        try:
            u = consistent(self.compiled, t, problem.u, problem.p)
        except SolveFailed:
            return False
        return all(
            abs(function(t, u, problem.p) - problem.starts[number])
            <= AGREES * max(1.0, abs(problem.starts[number]))
            for number, function in zip(self.others, self.functions, strict=True)
        )

    def solve(self) -> bool:
        """Whether a fit was found: with the declared starts, without them, from usual sizes for zeros."""
        rank = self.problem.start_rank
        for highest in (_DECLARED, _GIVEN):
            self.fixed = self.pinned[rank[self.pinned] <= highest]
            for usual in (False, True) if len(self.held) else (False,):
                if self.newton(usual):
                    return True
        return False

    def newton(self, usual: bool) -> bool:
        problem = self.problem
        self.u = problem.u.copy()
        if usual:  # a guess of zero may be a singular place
            free = self.held[problem.start_rank[self.held] >= _UNGIVEN]
            numbers = self.compiled.flat.vector[free] % len(self.compiled.flat.unknowns)
            size = [self.compiled.flat.unknowns[int(k)].nominal or 1.0 for k in numbers]
            self.u[free] = np.array(size) * (1.0 + 0.1 * np.arange(len(free)))
        r = self.residual()
        for _ in range(_ITERATIONS):
            if not np.isfinite(r).all():
                return False
            if np.abs(r).max(initial=0.0) <= _FITS * (1.0 + np.abs(self.u).max()):
                return True
            matrix = self.jacobian()
            if not np.isfinite(matrix).all():
                return False
            step = np.linalg.lstsq(matrix, -r, rcond=None)[0]
            before, size_before, scale = self.u.copy(), float(np.linalg.norm(r)), 1.0
            while True:
                self.u[self.columns] = before[self.columns] + scale * step
                r = self.residual()
                if np.isfinite(r).all() and np.linalg.norm(r) < (1 - 0.1 * scale) * size_before:
                    break
                scale *= 0.5
                if scale < _SHORTEST:
                    return False
        return False

    def residual(self) -> FloatArray:
        problem, t = self.problem, self.problem.span[0]
        rows = self.compiled.rhs(t, self.u, problem.p)[self.rows]
        own = self.u[self.fixed] - problem.u[self.fixed]
        given = [problem.starts[number] for number in self.others]
        others = [f(t, self.u, problem.p) - v for f, v in zip(self.functions, given, strict=True)]
        return np.concatenate([rows, own, others])

    def jacobian(self) -> FloatArray:
        t, p = self.problem.span[0], self.problem.p
        upper = self.compiled.jacobian(t, self.u, p)[self.rows][:, self.columns].toarray()
        own = np.zeros((len(self.fixed), len(self.columns)))
        own[np.arange(len(self.fixed)), [self.place[int(i)] for i in self.fixed]] = 1.0
        others = np.zeros((len(self.others), len(self.columns)))
        for row, partial in enumerate(self.partial):
            for k, function in partial.items():
                others[row, k] = function(t, self.u, p)
        return np.concatenate([upper, own, others])

    def explain(self, constraints: IntArray) -> str:
        """What was given, and where the search ended. constraints: rows of f to be shown."""
        flat, problem, t = self.compiled.flat, self.problem, self.problem.span[0]
        starts = [(flat.state_names[i], problem.u[i], self.u[i]) for i in self.fixed.tolist()]
        for number, function in zip(self.others, self.functions, strict=True):
            starts.append((flat.number_name(number), problem.starts[number], function(t, self.u, problem.p)))
        shown = [f"    {name} = {given:g}, nearest fit {found:.6g}" for name, given, found in starts[:_SHOWN]]
        texts = [f"    {flat.equation_texts[row]}" for row in np.unique(constraints)[:_SHOWN]]
        return "\n".join(
            [f"{flat.name}: the given starts do not fit the constraints", *texts, "Given are", *shown,
             "Leave some out, change them, or give guesses nearer to a position that fits."]
        )  # fmt: skip
