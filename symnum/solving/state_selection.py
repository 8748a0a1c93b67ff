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
from symnum.solving.problem import Problem
from symnum.solving.start_fit import StartFit

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

_INDEPENDENT = 1e-8  # relative to the largest: what is left of a column of G when others are taken away


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
        x = np.concatenate([part.x.ravel() for part in self.parts])
        chosen = np.concatenate([part.states.ravel() for part in self.parts])
        fit = StartFit(problem, x, chosen)
        if not fit.solve():
            raise ModelError(fit.explain(np.concatenate([part.rows.ravel() for part in self.parts])))
        u, p = fit.u, problem.p.copy()
        self.choose(problem.span[0], u, p)
        return u, p

    def _texts(self, part: _Parts, k: int) -> str:
        texts = [self.compiled.flat.equation_texts[row] for row in part.rows[k][:5]]
        return "\n".join(f"    {text}" for text in texts)
