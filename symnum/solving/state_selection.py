"""Dynamic state selection: the states ``s = A x`` of parts with constraints, where A follows the motion.

A is an orthonormal basis of the directions that the constraints g(x) = 0 leave free, so that s and g
together determine x as well as can be. When the motion has turned away from them, A is chosen anew and the
run goes on.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError, SolveFailed
from symnum.lowering.compile import CompiledSystem
from symnum.lowering.structure import StateChoice
from symnum.solving.initialize import consistent
from symnum.solving.problem import Problem

FloatArray: TypeAlias = NDArray[np.float64]

_INDEPENDENT = 1e-8  # relative to the largest: what is left of a column of G when others are taken away
_AGREES = 1e-6  # how far a start that the constraints determine may be from what the user wrote
_UNGIVEN = 3  # of `Problem.start_rank`: from here on a start is only a guess


class StateSelection:
    """The choices of one system, as places in ``u``, ``p`` and ``f``."""

    def __init__(self, compiled: CompiledSystem) -> None:
        self.compiled = compiled
        flat = compiled.flat
        algebraic = np.flatnonzero(flat.mass == 0)
        # positions before velocities: the constraints on these read those
        self.choices: list[StateChoice] = sorted(flat.structure.choices, key=lambda c: -c.level)
        self.states = [flat.position[choice.states] for choice in self.choices]
        self.x = [flat.position[choice.candidates] for choice in self.choices]
        self.rows = [algebraic[choice.rows] for choice in self.choices]
        numbers = flat.vector % len(flat.unknowns)
        self.size = [np.array([flat.unknowns[int(numbers[i])].nominal or 1.0 for i in x]) for x in self.x]

    # ---- in a run ---------------------------------------------------------------------------------
    def is_needed(self, t: float, u: FloatArray, p: FloatArray, turned: float) -> bool:
        """Whether the cosine of an angle between states and free directions has fallen below ``turned``."""
        jacobian = self.compiled.jacobian(t, u, p)
        for k, choice in enumerate(self.choices):
            free = _free_directions(jacobian[self.rows[k]][:, self.x[k]].toarray() * self.size[k])
            now = p[choice.parameters] * self.size[k]
            if free.shape != now.shape or np.linalg.svd(now @ free.T)[1].min() < turned:
                return True
        return False

    def choose(self, t: float, u: FloatArray, p: FloatArray) -> None:
        """Write A for the present x into ``p`` and s into ``u``."""
        jacobian = self.compiled.jacobian(t, u, p)
        for k, choice in enumerate(self.choices):
            free = _free_directions(jacobian[self.rows[k]][:, self.x[k]].toarray() * self.size[k])
            if len(free) != len(choice.states):
                raise SolveFailed(
                    f"{self.compiled.flat.name}: at t = {t:g} the constraints\n{self._constraints(k)}\n"
                    "depend on each other (a singular position): they do not determine as many unknowns as "
                    "there are constraints. Start elsewhere, or remove a constraint that says nothing new."
                )
            p[choice.parameters] = free / self.size[k]
        self.follow(u, p)

    def follow(self, u: FloatArray, p: FloatArray) -> None:
        """Write ``s = A x`` into ``u``."""
        for states, x, choice in zip(self.states, self.x, self.choices, strict=True):
            u[states] = p[choice.parameters] @ u[x]

    # ---- at the start -----------------------------------------------------------------------------
    def start(self, problem: Problem) -> tuple[FloatArray, FloatArray]:
        """(u, p) that satisfy the constraints; as many given starts are kept as there is freedom for.

        A given start that the constraints determine must agree with them: ModelError.
        """
        t, u, p = problem.span[0], problem.u.copy(), problem.p.copy()
        for k, choice in enumerate(self.choices):
            p[choice.parameters] = 0.0
            p[choice.parameters[np.arange(len(choice.states)), self._held(k, problem, u, p)]] = 1.0
            self.follow(u, p)
            if k + 1 == len(self.choices) or self.choices[k + 1].level < choice.level:
                u = consistent(self.compiled, t, u, p)  # the next level reads these values
                for x in self.x[k + 1 :]:
                    u[x] = problem.u[x]
        self._check_given(problem, u)
        self.choose(t, u, p)
        return u, p

    def _held(self, k: int, problem: Problem, u: FloatArray, p: FloatArray) -> NDArray[np.int64]:
        """The x that keep their starts: the others, those without a given start first, are solved for."""
        x, rank = self.x[k], problem.start_rank[self.x[k]]
        guessed = rank >= _UNGIVEN
        solved = self._solved(k, problem.span[0], u, p, rank)
        if solved is None or (
            (rank[solved] < _UNGIVEN).any() and len(np.setdiff1d(np.flatnonzero(guessed), solved))
        ):
            # perhaps a guess of zero is a singular place: try a usual size
            before = u[x].copy()
            u[x[guessed]] = self.size[k][guessed] * (1.0 + 0.1 * np.arange(int(guessed.sum())))
            again = self._solved(k, problem.span[0], u, p, rank)
            if again is not None and (solved is None or guessed[again].sum() > guessed[solved].sum()):
                solved = again
            else:
                u[x] = before
        if solved is not None:
            return np.setdiff1d(np.arange(len(x)), solved)
        raise SolveFailed(
            f"{self.compiled.flat.name}: at the start the constraints\n{self._constraints(k)}\ndo not "
            f"determine unknowns (a singular position). Give other starts or guesses for "
            f"{', '.join(self.compiled.states[i] for i in x[:6])}."
        )

    def _solved(
        self, k: int, t: float, u: FloatArray, p: FloatArray, rank: NDArray[np.int64]
    ) -> NDArray[np.int64] | None:
        """As many x as there are constraints, independent in these, or None where there are fewer."""
        left = self.compiled.jacobian(t, u, p)[self.rows[k]][:, self.x[k]].toarray() * self.size[k]
        smallest = _INDEPENDENT * np.abs(left).max(initial=0.0)
        solved: list[int] = []
        for given in sorted(set(rank.tolist()), reverse=True):
            while len(solved) < len(left):
                norm = np.linalg.norm(left, axis=0)
                norm[rank != given] = -1.0
                norm[solved] = -1.0
                best = int(np.argmax(norm))
                if norm[best] <= smallest:
                    break
                solved.append(best)
                direction = left[:, best] / norm[best]
                left = left - np.outer(direction, direction @ left)
        return np.array(solved, np.int64) if len(solved) == len(left) else None

    def _check_given(self, problem: Problem, u: FloatArray) -> None:
        for k, x in enumerate(self.x):
            for i in x[problem.start_rank[x] < _UNGIVEN].tolist():
                given, found = problem.u[i], u[i]
                if abs(found - given) > _AGREES * max(1.0, abs(given)):
                    flat = self.compiled.flat
                    name = flat.state_names[i]
                    raise ModelError(
                        f"{flat.name}: the start {name} = {given:g} does not fit the constraints\n"
                        f"{self._constraints(k)}\nwhich give {found:g} with the other starts. Leave it out, "
                        "or change the others."
                    )

    def _constraints(self, k: int) -> str:
        texts = [self.compiled.flat.equation_texts[row] for row in self.rows[k][:5]]
        return "\n".join(f"    {text}" for text in texts)


def _free_directions(constraints: FloatArray) -> FloatArray:
    """(m - rank, m) orthonormal rows that span the null space of a (k, m) matrix."""
    _, singular, vectors = np.linalg.svd(constraints)
    rank = int((singular > _INDEPENDENT * singular.max(initial=0.0)).sum())
    free: FloatArray = vectors[rank:]
    return free
