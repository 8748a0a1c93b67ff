"""Starts and parameters of a problem at many values of its inputs."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.compiled_pullback import CompiledPullback, compiled_functions
from symnum.codegen.function import Column, Function, Loop, Output
from symnum.rewriting.expr import Expr, as_expr, slot
from symnum.rewriting.walk import leaves, substitute
from symnum.solving.ensembles.ensemble import Ensemble
from symnum.solving.many_points import at_points
from symnum.solving.problem import Problem

__all__ = ["Starts"]

FloatArray: TypeAlias = NDArray[np.float64]


class Starts:
    """inputs: names of parameters, and of variables for their starts.

    Called with points (points, 1 + inputs), whose first column is not looked at, it gives the starts
    (points, n) and the parameters (points, n_p). Starts that are expressions of parameters are compiled;
    where they depend on other starts, or parameters follow others, an `Ensemble` finds them.
    """

    def __init__(self, problem: Problem, inputs: tuple[str, ...]) -> None:
        flat = problem.flat
        self.problem, self.inputs = problem, inputs
        self._of_p: list[tuple[int, int]] = []  # (column of points, place in p)
        self._of_u: list[tuple[int, int]] = []
        for column, name in enumerate(inputs, 1):
            number = flat.parameters.find(name)
            if number is not None:
                self._of_p.append((column, number))
            else:
                self._of_u.append((column, int(flat.position[flat.number_of(name, "surrogate")])))
        expressions = {
            int(flat.position[number]): value
            for number, value in problem.start_expressions().items()
            if flat.position[number] >= 0
        }
        self._places = np.array(list(expressions), np.int64)
        plain = not problem.followers() and all(
            leaf.kind == "parameter" for leaf in leaves(tuple(expressions.values()))
        )
        self._compiled = self._code(list(expressions.values())) if plain and expressions else None
        self._plain = plain

    def _code(self, values: list[Expr]) -> CompiledPullback:
        flat, mapping = self.problem.flat, dict[Expr, Expr]()
        columns: list[Column] = []
        for leaf in leaves(tuple(values)):
            number = flat.parameters.find(leaf.name)
            if number is None:  # it stands in starts alone
                mapping[leaf] = as_expr(self.problem.value(leaf, f"parameter {leaf}"))
                continue
            mapping[leaf] = slot("p", len(columns))
            columns.append(Column("p", np.array([number])))
        roots = substitute(tuple(values), mapping)
        outputs = tuple(Output("out", np.array([k])) for k in range(len(values)))
        loop = Loop("starts", 1, roots, tuple(columns), outputs)
        return compiled_functions({"values": Function("starts", (loop,), len(values), 0)})

    def __call__(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        if not self._plain and self.inputs:
            columns = {name: points[:, 1 + k] for k, name in enumerate(self.inputs)}
            return Ensemble(self.problem, columns).numbers()
        u = np.tile(self.problem.u, (len(points), 1))
        p = np.tile(self.problem.p, (len(points), 1))
        for column, number in self._of_p:
            p[:, number] = points[:, column]
        if self._compiled is not None:
            nothing = np.zeros((len(points), 0))
            time = np.zeros(len(points))
            u[:, self._places] = at_points(self._compiled, "values", time, nothing, p, len(self._places))
        for column, at in self._of_u:
            u[:, at] = points[:, column]
        return u, p
