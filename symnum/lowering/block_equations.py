"""Equations of blocks: families and sums that were written as tables are taken over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from symnum.language.block import Block, GridNames, IndexedSums, Numbered, References
from symnum.lowering.families import AnyArray, Family, IntArray
from symnum.lowering.numbering import Numbering
from symnum.lowering.raw import Sums
from symnum.record import replace


class BlockEquations:
    """Numbers the quantities of blocks and writes their equations to ``numbering.raw``."""

    def __init__(self, numbering: Numbering) -> None:
        self.numbering = numbering
        self.raw = numbering.raw
        self.numbers: dict[int, IntArray] = {}  # by id of the quantities
        self.first: dict[int, int] = {}  # the first number of those that are numbered through
        self.sums: list[tuple[IndexedSums, IntArray]] = []

    def place(self, block: Block) -> None:
        """Number the quantities of a block and the symbols that it refers to."""
        for quantities in block.quantities:
            if isinstance(quantities, References):
                self.numbers[id(quantities)] = np.array(
                    [self.numbering.number_declared(leaf) for leaf in quantities.symbols], np.int64
                )
                continue
            names = quantities.names
            self.numbering.must_be_new(*(names[:1] if isinstance(names, GridNames) else names))
            table = self.raw.parameters if quantities.kind == "parameter" else self.raw.unknowns
            first = self.first[id(quantities)] = table.add_block(quantities)
            self.numbers[id(quantities)] = np.arange(first, first + len(quantities))

    def write(self, block: Block, owner: int) -> None:
        """Take over the tables of a block."""
        for equation in block.equations:
            columns: list[AnyArray] = []
            letters = ""
            for column in equation.columns:
                if column.of is None:
                    letters += "c"
                    columns.append(np.asarray(column.index, float))
                else:
                    sets = column.of if isinstance(column.of, tuple) else (column.of,)
                    letters += "p" if sets[0].kind == "parameter" else "u"
                    number = self.taken(sets, np.asarray(column.index, np.int64))
                    columns.append(-1 - number if column.derivative else number)
            count = len(columns[0])
            members = np.arange(count)
            self.raw.families.append(
                Family(
                    equation.root, letters, tuple(columns), owner, members, (equation.label, members),
                    np.broadcast_to(np.int64(-1), count),
                )
            )  # fmt: skip
        for sums in block.sums:
            number = np.concatenate([self.numbers[id(q)] for q in sums.of])
            size = len(number)
            derivative = sums.unknown >= size
            unknown = number[np.where(derivative, sums.unknown - size, sums.unknown)]
            self.sums.append((sums, np.where(derivative, -1 - unknown, unknown)))

    def taken(self, sets: Sequence[Numbered], index: IntArray) -> IntArray:
        """The numbers of a set, or of several one after the other, at these places."""
        first = self.first.get(id(sets[0])) if len(sets) == 1 else None
        if first is not None and len(index) and int(index.min()) >= 0 and int(index.max()) < len(sets[0]):
            return index if first == 0 else index + first
        numbers = [self.numbers[id(numbered)] for numbered in sets]
        every = numbers[0] if len(numbers) == 1 else np.concatenate(numbers)
        if len(index) and index.min() == index.max():  # one parameter for all copies
            return np.broadcast_to(every[index[:1]], len(index))
        return np.asarray(every[index])

    def with_sums(self, flows: Sums) -> Sums:
        """The rows of flows, followed by the sums of the blocks."""
        if not self.sums:
            return replace(flows, written_out=np.zeros(flows.count, bool))
        indptr, unknown, coefficient = [flows.indptr], [flows.unknown], [flows.coefficient]
        labels = list(flows.labels)
        written_out = [np.zeros(flows.count, bool)]
        for sums, numbers in self.sums:
            indptr.append(indptr[-1][-1] + sums.indptr[1:])
            unknown.append(numbers)
            coefficient.append(sums.coefficient)
            labels += [sums.label(row) for row in range(len(sums.indptr) - 1)]
            written_out.append(np.full(len(sums.indptr) - 1, sums.written_out))
        return Sums(
            indptr=np.concatenate(indptr),
            unknown=np.concatenate(unknown),
            coefficient=np.concatenate(coefficient),
            labels=tuple(labels),
            written_out=np.concatenate(written_out),
        )
