"""Reverse mode: from a function of the unknowns and parameters to its vector-Jacobian product.

Items are differentiated once per template, as in the forward passes; a loop becomes a loop that adds to the
cotangents of what it reads, a gather becomes the transposed gather. Values in scratch are computed anew
before the sweep. A. Griewank, A. Walther, Evaluating Derivatives (SIAM 2008), section 3.2.
"""

from __future__ import annotations

import numpy as np

from symnum.codegen.distinct import distinct
from symnum.codegen.function import (
    Array,
    Column,
    Function,
    Gather,
    Item,
    Loop,
    Output,
    compact,
    item_outputs,
    prune,
)
from symnum.record import replace
from symnum.rewriting.derivative import gradient
from symnum.rewriting.expr import TIME, ZERO, Expr, add, slot
from symnum.rewriting.walk import leaves

__all__ = ["pullback"]


def pullback(function: Function, n: int, n_parameters: int) -> Function | None:
    """(n + n_parameters,) the product of cotangents of ``out`` with the derivatives by u and by p.

    The function made reads ``u`` (n + n_out,): the unknowns, then the cotangents of the outputs. None
    where nothing depends on unknowns or parameters. Places of ``out`` that the function does not write
    have no derivative.
    """
    return _Sweep(function, n, n_parameters).build()


class _Sweep:
    def __init__(self, function: Function, n: int, n_parameters: int) -> None:
        self.function, self.n, self.n_out = function, n, n + n_parameters
        self.items: list[Item] = []
        self.added = np.zeros(function.n_work, bool)  # scratch whose cotangent is added to

    def build(self) -> Function | None:
        function = self.function
        for item in reversed(function.items):
            if isinstance(item, Loop):
                self.loop(item)
            else:
                self.gather(item)
        if not any(output.space == "out" for item in self.items for output in item_outputs(item)):
            return None
        zeros: list[Item] = [Loop("zero", self.n_out, (ZERO,), (), (Output("out", np.arange(self.n_out)),))]
        read = np.zeros(2 * function.n_work, bool)
        for item in self.items:
            for space, index in _scratch_reads(item):
                read[index] |= space == "w"
        needed = np.flatnonzero(read[function.n_work :] | self.added)
        if len(needed):
            zeros.append(
                Loop("zero cotangents", len(needed), (ZERO,), (), (Output("w", function.n_work + needed),))
            )
        items = (*zeros, *self.forward(), *self.items)
        name = f"{function.name}: pullback"
        return prune(Function(name, items, self.n_out, 2 * function.n_work, function.n_prepared))

    def forward(self) -> list[Item]:
        """What writes scratch."""
        found: list[Item] = []
        for item in self.function.items:
            inside = [k for k, output in enumerate(item_outputs(item)) if output.space == "w"]
            if not inside:
                continue
            if isinstance(item, Loop):
                item = replace(
                    item, roots=tuple(item.roots[k] for k in inside),
                    outputs=tuple(item.outputs[k] for k in inside),
                )  # fmt: skip
                item = compact(item)
            found.append(item)
        return found

    def cotangent(self, output: Output) -> Column:
        """Where the cotangent of an output is read."""
        if output.space == "out":
            return Column("u", self.n + output.index)
        return Column("w", self.function.n_work + output.index)

    def adding(self, space: str, index: Array) -> Output:
        """Where the cotangent of what was read is added to."""
        if space == "w":
            self.added[index] = True
            return Output("w", self.function.n_work + index, True)
        return Output("out", index if space == "u" else self.n + index, True)

    def loop(self, loop: Loop) -> None:
        columns = list(loop.columns)
        wanted = [leaf for leaf in leaves(loop.roots) if leaf is not TIME and leaf.data[0] != "c"]
        terms: dict[Expr, list[Expr]] = {leaf: [] for leaf in wanted}
        for row, output in zip(gradient(loop.roots, wanted), loop.outputs, strict=True):
            if not row:
                continue
            column = self.cotangent(output)
            incoming = slot(column.space, len(columns))
            columns.append(column)
            for leaf, partial in row.items():
                terms[leaf].append(partial * incoming)
        roots: list[Expr] = []
        outputs: list[Output] = []
        for leaf, products in terms.items():
            root = add(products) if products else ZERO
            if root is not ZERO:
                roots.append(root)
                outputs.append(self.adding(leaf.data[0], loop.columns[leaf.data[1]].index))
        if roots:
            made = Loop(loop.name, loop.count, tuple(roots), tuple(columns), tuple(outputs))
            self.items.append(compact(made))

    def gather(self, gather: Gather) -> None:
        terms = len(gather.first)
        if not terms:
            return
        incoming = self.cotangent(gather.output)
        row = np.repeat(np.arange(len(gather.output.index)), np.diff(gather.indptr))
        if gather.second is None:
            order = np.argsort(gather.first, kind="stable")
            places = distinct(gather.first)
            indptr = np.searchsorted(gather.first[order], np.append(places, np.iinfo(np.int32).max))
            self.items.append(Gather(
                gather.name, self.adding(gather.space, places), indptr, incoming.space,
                incoming.index[row[order]], None, gather.coefficient[order],
            ))  # fmt: skip
            return
        columns = (
            Column("c", gather.coefficient), Column(incoming.space, incoming.index[row]),
            Column(gather.space, gather.first), Column(gather.space, gather.second),
        )  # fmt: skip
        share = slot("c", 0) * slot(incoming.space, 1)
        roots = (share * slot(gather.space, 3), share * slot(gather.space, 2))
        outputs = (self.adding(gather.space, gather.first), self.adding(gather.space, gather.second))
        self.items.append(compact(Loop(gather.name, terms, roots, columns, outputs)))


def _scratch_reads(item: Item) -> list[tuple[str, Array]]:
    if isinstance(item, Gather):
        if item.space != "w":
            return []
        return [("w", item.first)] if item.second is None else [("w", item.first), ("w", item.second)]
    return [(column.space, column.index) for column in item.columns if column.space == "w"]
