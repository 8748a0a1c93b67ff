"""df/dt at fixed u and p, exact, through the scratch values."""

from __future__ import annotations

import numpy as np

from symnum.codegen.distinct import distinct
from symnum.codegen.function import Array, Column, Function, Gather, Item, Loop, Output, compact, prune
from symnum.rewriting.derivative import gradient
from symnum.rewriting.expr import TIME, ZERO, Expr, add, slot
from symnum.rewriting.walk import leaves

__all__ = ["time_gradient"]

_NONE = -1


class _Tangent:
    """Adds to every item the time derivatives of what it writes."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.items: list[Item] = []
        self.n_work = function.n_work + 1
        self.zero = function.n_work  # a place that holds 0, for copies whose scratch does not depend on t
        self.place = {"w": np.full(function.n_work, _NONE), "out": np.full(function.n_out, _NONE)}

    def build(self) -> Function | None:
        for item in self.function.items:
            if isinstance(item, Loop):
                self._loop(item)
            else:
                self._gather(item)
        rest = np.flatnonzero(self.place["out"] == _NONE)
        if len(rest) == self.function.n_out:
            return None
        zero = Loop("zero", 1, (ZERO,), (), (Output("w", np.array([self.zero])),))
        items = [zero, *self.items]
        if len(rest):
            items.append(Loop("constant in time", len(rest), (ZERO,), (), (Output("out", rest),)))
        name = f"{self.function.name}: time gradient"
        return prune(Function(name, tuple(items), self.function.n_out, self.n_work))

    def _output(self, output: Output) -> Output:
        """Where the derivative of an output goes; places that are only added to are cleared first."""
        place = self.place[output.space]
        new = distinct(output.index[place[output.index] == _NONE])
        if output.space == "out":
            place[new] = new
        else:
            place[new] = self.n_work + np.arange(len(new))
            self.n_work += len(new)
        if output.accumulate and len(new):
            self.items.append(Loop("zero", len(new), (ZERO,), (), (Output(output.space, place[new]),)))
        return Output(output.space, place[output.index], output.accumulate)

    def _loop(self, loop: Loop) -> None:
        columns = list(loop.columns)
        tangents: dict[Expr, Expr] = {}
        wanted = [TIME]
        for leaf in leaves(loop.roots):
            if leaf is TIME or leaf.data[0] != "w":
                continue
            index = self.place["w"][columns[leaf.data[1]].index]
            if (index != _NONE).any():
                wanted.append(leaf)
                tangents[leaf] = slot("w", len(columns))
                columns.append(Column("w", np.where(index == _NONE, self.zero, index)))
        roots: list[Expr] = []
        outputs: list[Output] = []
        for row, output in zip(gradient(loop.roots, wanted), loop.outputs, strict=True):
            root = add(partial if leaf is TIME else partial * tangents[leaf] for leaf, partial in row.items())
            if root is not ZERO:
                roots.append(root)
                outputs.append(self._output(output))
        for root, output in zip(loop.roots, loop.outputs, strict=True):
            if output.space == "w":
                roots.append(root)
                outputs.append(output)
        if roots:
            self.items.append(
                compact(Loop(loop.name, loop.count, tuple(roots), tuple(columns), tuple(outputs)))
            )

    def _gather(self, gather: Gather) -> None:
        if gather.output.space == "w":
            self.items.append(gather)
        if gather.space != "w":
            return
        row = np.repeat(np.arange(len(gather.output.index)), np.diff(gather.indptr))
        rows: list[Array] = []
        first: list[Array] = []
        second: list[Array] = []
        number: list[Array] = []
        factors = [(gather.first, gather.second)]
        if gather.second is not None:
            factors.append((gather.second, gather.first))
        for mine, other in factors:
            index = self.place["w"][mine]
            moving = index != _NONE
            rows.append(row[moving])
            first.append(index[moving])
            number.append(gather.coefficient[moving])
            if other is not None:
                second.append(other[moving])
        rows_joined = np.concatenate(rows)
        if not len(rows_joined):
            return
        order = np.argsort(rows_joined, kind="stable")
        present, sizes = np.unique(rows_joined, return_counts=True)
        output = self._output(gather.output._replace(index=gather.output.index[present]))
        self.items.append(Gather(
            gather.name, output, np.concatenate([[0], np.cumsum(sizes)]), "w", np.concatenate(first)[order],
            np.concatenate(second)[order] if second else None, np.concatenate(number)[order],
        ))  # fmt: skip


def time_gradient(function: Function) -> Function | None:
    """A function that writes d(out)/dt, all of it; None when ``function`` does not depend on t."""
    return _Tangent(function).build()
