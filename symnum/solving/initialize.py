"""Consistent starts: the algebraic unknowns that fit the states, block by block where Newton on all fails."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError, SolveFailed
from symnum.language.homotopy import SHARE
from symnum.lowering.compile import CompiledSystem
from symnum.lowering.written_out import written_out
from symnum.rewriting.expr import Expr, slot
from symnum.rewriting.walk import leaves
from symnum.solving.nonlinear import Equations, solve_in_blocks
from symnum.solving.values import values_at

FloatArray: TypeAlias = NDArray[np.float64]

AGREES = 1e-6  # how far a start that the equations determine may be from what the user wrote
_FIRST, _SHORTEST = 0.25, 1e-4  # steps of the homotopy


def consistent(compiled: CompiledSystem, t: float, u: FloatArray, p: FloatArray) -> FloatArray:
    """``u`` with algebraic unknowns that satisfy their equations; states stay as they are.

    The algebraic equations are solved in the order of the blocks of their Jacobian; where that fails and the
    model offers a simplified form, on a path from that. Raises SolveFailed with the residuals.
    """
    equations = AlgebraicEquations(compiled, t, u.copy(), p.copy())
    if len(equations.columns):
        solve(compiled, equations)
    return equations.u


def solve(compiled: CompiledSystem, equations: AlgebraicEquations) -> None:
    """Solve in place, by homotopy where the model has one and Newton fails."""
    before = equations.values()
    try:
        solve_in_blocks(equations)
    except SolveFailed:
        at = compiled.flat.parameters.find(SHARE)
        if at is None:
            raise
        equations.put(before)
        _along(equations, at)


def _along(equations: AlgebraicEquations, at: int) -> None:
    """From the simplified form (0) to the model (1), each solution the guess of the next."""
    reached, step = 0.0, _FIRST
    equations.p[at] = 0.0
    solve_in_blocks(equations)
    while reached < 1.0:
        known = equations.values()
        equations.p[at] = min(1.0, reached + step)
        try:
            solve_in_blocks(equations)
        except SolveFailed:
            if step < _SHORTEST:
                raise
            equations.put(known)
            step *= 0.5
            continue
        reached, step = float(equations.p[at]), 2.0 * step


class AlgebraicEquations(Equations):
    """The algebraic rows of f in the algebraic entries of u, at one time and for the states in ``u``."""

    def __init__(self, compiled: CompiledSystem, t: float, u: FloatArray, p: FloatArray) -> None:
        self.compiled, self.t, self.u, self.p = compiled, t, u, p
        self.rows = self.columns = np.flatnonzero(compiled.mass == 0)
        self.title = f"{compiled.flat.name}: no consistent start at t = {t:g}"

    def text(self, row: int) -> str:
        return str(self.compiled.flat.equation_texts[self.rows[row]])

    def name(self, column: int) -> str:
        return str(self.compiled.flat.state_names[self.columns[column]])

    def values(self) -> FloatArray:
        found: FloatArray = self.u[self.columns]
        return found

    def put(self, values: FloatArray) -> None:
        self.u[self.columns] = values

    def residual(self) -> FloatArray:
        return self.compiled.rhs(self.t, self.u, self.p)[self.rows]

    def jacobian(self) -> Any:
        return self.compiled.jacobian(self.t, self.u, self.p)[self.rows][:, self.columns]

    def pattern(self) -> Any:
        return self.compiled.sparsity[self.rows][:, self.columns]


def check_given(
    compiled: CompiledSystem, starts: dict[int, float], t: float, u: FloatArray, p: FloatArray
) -> None:
    """A start that the user gave for a quantity which states determine must agree with them.

    An algebraic unknown may have several solutions: its start is a guess that Newton improves. So is that of
    a quantity which algebraic equations without any state determine: no start could be changed to fit it.
    """
    flat = compiled.flat
    explicit = [number for number in starts if flat.position[number] < 0]
    formulas = written_out(flat, [slot("u", number) for number in explicit])
    values = values_at(formulas, t, u, p)
    for number, formula, found in zip(explicit, formulas, values, strict=True):
        given = starts[number]
        if abs(found - given) <= AGREES * max(1.0, abs(given)) or _is_apart_from_states(compiled, formula):
            continue
        raise ModelError(
            f"{flat.name}: the start {flat.number_name(number)} = {given:g} does not fit the equations, "
            f"which give {found:g}. Leave it out, change the states it follows from, or give it as guess= "
            "where the variable is declared."
        )


def _is_apart_from_states(compiled: CompiledSystem, formula: Expr) -> bool:
    """Does a quantity, over entries of u, follow from algebraic unknowns whose equations hold no state?"""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    read = [leaf.data[1] for leaf in leaves((formula,)) if leaf.op == "slot" and leaf.data[0] == "u"]
    is_state = compiled.mass != 0
    if not read or is_state[read].any():
        return False
    held = csr_array(compiled.sparsity)[~is_state]
    label = connected_components(held.T @ held, directed=False)[1]
    return not np.isin(label[read], label[is_state]).any()
