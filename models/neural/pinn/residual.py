"""The residual of a compiled system along a trial function, as generated code with its pullback."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.compiled_pullback import CompiledPullback, compiled_functions
from symnum.codegen.function import Column, Function, Gather, Item, Loop, Output
from symnum.codegen.pullback import pullback
from symnum.record import record, replace
from symnum.rewriting.derivative import derivative
from symnum.rewriting.expr import TIME, Expr, slot
from symnum.rewriting.operators import exp
from symnum.rewriting.walk import substitute
from symnum.solving.many_points import at_points
from symnum.solving.problem import Problem

__all__ = ["SystemResidual", "Trial"]

FloatArray: TypeAlias = NDArray[np.float64]


@record
class Trial:
    """What the outputs N of a network stand for: x = x_0 + scale r(t) N with r(t_0) = 0 holds at the start
    whatever N is; algebraic unknowns, whose starts follow from the equations, are offset + scale N.

    scale, offset: (n,). span: (t_0, t_0 + T). r = (t - t_0)/T, or 1 - exp(-(t - t_0)/fast): N then is smooth
    where a fast transient at the start is not.
    """

    scale: FloatArray
    offset: FloatArray
    span: tuple[float, float]
    fast: float | None = None

    def rise(self, time: Expr) -> Expr:
        """r at a time."""
        begin, end = self.span
        if self.fast is None:
            return (time - begin) / (end - begin)
        return 1 - exp(-(time - begin) / self.fast)


class SystemResidual:
    """M x' - f(t, x, p) of a problem where x is a trial function of a network.

    Called at points with the outputs of the network (points, n), their time derivatives, the starts of the
    states (points, n) and parameters (points, n_p) it gives (points, 3, n): the unknowns, their time
    derivatives and the residual.
    """

    def __init__(self, problem: Problem, trial: Trial) -> None:
        flat = problem.flat
        self.n, self.n_parameters = flat.n, len(flat.parameters)
        rhs = problem.compiled.model.as_differentiated()["rhs"]
        values = _residual(rhs, flat.mass, trial)
        functions = {"values": values}
        backwards = pullback(values, 3 * self.n, self.n_parameters)
        if backwards is not None:
            functions["pullback"] = backwards
        self._compiled: CompiledPullback = compiled_functions(functions)

    def __call__(self, t: FloatArray, u: FloatArray, p: FloatArray) -> FloatArray:
        """(points, 3, n) from ``u`` (points, 3, n): outputs, their time derivatives, starts."""
        given = u.reshape(len(t), 3 * self.n)
        return at_points(self._compiled, "values", t, given, p, 3 * self.n).reshape(-1, 3, self.n)

    def pull(self, t: FloatArray, u: FloatArray, p: FloatArray, cotangents: FloatArray) -> FloatArray:
        """(points, 2, n) cotangents of the outputs and of their time derivatives."""
        n = self.n
        given = np.concatenate([u.reshape(len(t), -1), cotangents.reshape(len(t), -1)], axis=1)
        found = at_points(self._compiled, "pullback", t, given, p, 3 * n + self.n_parameters)
        return found[:, : 2 * n].reshape(-1, 2, n)


def _residual(rhs: Function, mass: FloatArray, trial: Trial) -> Function:
    """The trial function into scratch, the right-hand side of it, and the residual."""
    n = len(mass)
    first_work, first_f = 2 * n, 2 * n + rhs.n_work
    items: list[Item] = []
    stages: list[tuple[int, tuple[int, ...]]] = [(1, tuple(np.flatnonzero(mass != 0).tolist()))]
    stages.append((0, tuple(np.flatnonzero(mass == 0).tolist())))
    for differential, chosen in stages:
        if not chosen:
            continue
        i = np.array(chosen)
        network, slope, start, scale = slot("u", 0), slot("u", 1), slot("u", 2), slot("c", 3)
        columns = [Column("u", i), Column("u", n + i), Column("u", 2 * n + i), Column("c", trial.scale[i])]
        if differential:
            rise = trial.rise(TIME)
            value = start + scale * rise * network
            derived = scale * (derivative(rise, TIME) * network + rise * slope)
        else:
            columns[2] = Column("c", trial.offset[i])
            value, derived = slot("c", 2) + scale * network, scale * slope
        outputs = [Output("w", i), Output("w", n + i), Output("out", i), Output("out", n + i)]
        items.append(
            Loop("trial function", len(i), (value, derived) * 2, tuple(columns), tuple(outputs))
        )
    items += [_moved(item, first_work, first_f) for item in rhs.items]
    every = np.arange(n)
    items.append(Loop(
        "residual", n, (slot("c", 2) * slot("w", 0) - slot("w", 1),),
        (Column("w", n + every), Column("w", first_f + every), Column("c", mass)),
        (Output("out", 2 * n + every),),
    ))  # fmt: skip
    return Function(f"{rhs.name}: residual", tuple(items), 3 * n, first_f + n)


def _moved(item: Item, work: int, out: int) -> Item:
    """The same item where the unknowns lie at the front of scratch, and what it wrote behind them."""

    def read(space: str, index: NDArray[np.generic]) -> tuple[str, NDArray[np.generic]]:
        if space == "u":
            return "w", index
        return space, index + work if space == "w" else index

    def written(output: Output) -> Output:
        return Output("w", output.index + (out if output.space == "out" else work), output.accumulate)

    if isinstance(item, Gather):
        space, first = read(item.space, item.first)
        second = None if item.second is None else read(item.space, item.second)[1]
        return replace(item, output=written(item.output), space=space, first=first, second=second)
    columns = tuple(Column(*read(c.space, c.index)) for c in item.columns)
    names = {slot("u", k): slot("w", k) for k, c in enumerate(item.columns) if c.space == "u"}
    roots = substitute(item.roots, names)
    return Loop(item.name, item.count, roots, columns, tuple(map(written, item.outputs)))
