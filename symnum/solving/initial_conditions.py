"""Equations that hold at the start: they determine states without a start, and parameters."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.lowering.compile import CompiledSystem
from symnum.lowering.written_out import over_entries
from symnum.rewriting.derivative import gradient
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import slot
from symnum.rewriting.walk import leaves
from symnum.solving.initialize import AlgebraicEquations, solve
from symnum.solving.problem import Problem
from symnum.solving.values import ValueFunction, over_numbers, value_function

FloatArray: TypeAlias = NDArray[np.float64]

_DIFFERENCE = 6e-6  # relative: about the third root of the precision, best for central differences


def solved_start(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """(u, p) in which the algebraic equations and the problem's initial equations hold."""
    equations = _StartEquations(problem.compiled, problem)
    solve(problem.compiled, equations)
    return equations.u, equations.p


class _StartEquations(AlgebraicEquations):
    """The algebraic equations and the initial ones, in algebraic unknowns, free states and parameters."""

    def __init__(self, compiled: CompiledSystem, problem: Problem) -> None:
        super().__init__(compiled, problem.span[0], problem.u.copy(), problem.p.copy())
        flat = compiled.flat
        self.problem = problem
        self.title = f"{flat.name}: no start at t = {self.t:g} that fits the initial equations"
        self.free_states = np.array(sorted(problem.free_states), np.int64)
        self.free_parameters = np.array(sorted(problem.free_parameters), np.int64)
        self.columns = np.concatenate([self.rows, self.free_states])
        self.equations: tuple[Equation, ...] = problem.initial
        free = len(self.free_states) + len(self.free_parameters)
        if free != len(self.equations):
            names = [flat.state_names[i] for i in self.free_states]
            names += [flat.parameters[int(i)].name for i in self.free_parameters]
            raise ModelError(
                f"{flat.name}: {len(self.equations)} initial equations for {free} free quantities "
                f"({', '.join(names) or 'none'}). Free are states without a start, and what solve_for= names."
            )
        residuals = flat.with_numbers([equation.residual for equation in self.equations], "initial")
        self.functions: list[ValueFunction] = [value_function(flat, residual) for residual in residuals]
        entries = [over_entries(flat, residual) for residual in residuals]
        known = [slot("u", int(i)) for i in self.columns] + [slot("p", int(i)) for i in self.free_parameters]
        place = {leaf: k for k, leaf in enumerate(known)}
        self.partial: list[dict[int, ValueFunction]] = []
        for row in gradient(entries, [leaf for leaf in leaves(entries) if leaf in place]):
            self.partial.append(
                {place[leaf]: value_function(flat, over_numbers(flat, value)) for leaf, value in row.items()}
            )

    # ---- the nonlinear problem ----------------------------------------------------------------------
    def text(self, row: int) -> str:
        m = len(self.rows)
        return super().text(row) if row < m else f"initially {self.equations[row - m]}"

    def name(self, column: int) -> str:
        m = len(self.columns)
        if column < m:
            return super().name(column)
        return self.compiled.flat.parameters[int(self.free_parameters[column - m])].name

    def values(self) -> FloatArray:
        return np.concatenate([self.u[self.columns], self.p[self.free_parameters]])

    def put(self, values: FloatArray) -> None:
        m = len(self.columns)
        self.u[self.columns] = values[:m]
        self.p[self.free_parameters] = values[m:]
        if len(self.free_parameters):
            self.problem.updated_parameters(self.p, self.free_parameters.tolist())

    def residual(self) -> FloatArray:
        rows = super().residual()
        return np.concatenate([rows, [function(self.t, self.u, self.p) for function in self.functions]])

    def jacobian(self) -> Any:
        from scipy.sparse import csr_array, hstack, vstack

        upper = hstack([super().jacobian(), csr_array(self._by_parameters())])
        lower = np.zeros((len(self.equations), len(self.columns) + len(self.free_parameters)))
        for row, partial in enumerate(self.partial):
            for k, function in partial.items():
                lower[row, k] = function(self.t, self.u, self.p)
        return csr_array(vstack([upper, csr_array(lower)]))

    def _by_parameters(self) -> FloatArray:
        """(algebraic rows, free parameters) derivatives by central differences."""
        found = np.zeros((len(self.rows), len(self.free_parameters)))
        for k, number in enumerate(self.free_parameters.tolist()):
            size = _DIFFERENCE * max(1.0, abs(self.p[number]))
            sides = []
            for sign in (1.0, -1.0):
                moved = self.p.copy()
                moved[number] += sign * size
                self.problem.updated_parameters(moved, [number])
                sides.append(self.compiled.rhs(self.t, self.u, moved)[self.rows])
            found[:, k] = (sides[0] - sides[1]) / (2 * size)
        return found

    def pattern(self) -> Any:
        from scipy.sparse import csr_array, hstack, vstack

        by_parameters = csr_array(np.ones((len(self.rows), len(self.free_parameters))))
        lower = np.zeros((len(self.equations), len(self.columns) + len(self.free_parameters)))
        for row, partial in enumerate(self.partial):
            lower[row, list(partial)] = 1.0
        upper = hstack([super().pattern().astype(float), by_parameters])
        return csr_array(vstack([upper, csr_array(lower)]))
