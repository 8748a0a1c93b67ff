"""The exact sparse Jacobian of a function: from the derivatives found by `Sweep` to items that compute them.

Values that are needed once, in their final place, are stored there directly; the others go through scratch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from symnum.codegen.function import Array, Column, Function, Gather, Item, Loop, Output, compact, prune
from symnum.codegen.pattern import Ordering, Pattern
from symnum.codegen.sums import NONE, SPACES, Terms, place, space_of, sum_items
from symnum.codegen.sweep import Entries, Partials, Sums, Sweep
from symnum.record import record
from symnum.rewriting.expr import ONE, Expr, linear, rational, slot

__all__ = ["JacobianPlan", "jacobian"]


@record
class JacobianPlan:
    """df/du in CSC form: ``function`` writes all its values; rows are sorted in each column."""

    pattern: Pattern
    function: Function


class _Assembly:
    """From the sweep to the items of the Jacobian: what is needed, where it is stored."""

    def __init__(self, sweep: Sweep, n: int) -> None:
        self.sweep = sweep
        self.function = sweep.function
        self.entries = sweep.result.take(np.lexsort((sweep.result.row, sweep.result.column)))
        parts = [*(block.entries.places for block in sweep.blocks), self.entries.places]
        ordering = sweep.ordering or Ordering(parts, n)
        # CSC positions of each block, then of the others
        self.pattern, self.places = ordering.placed()
        if sweep.ordering is not None:
            self.places.append(np.zeros(0, np.int32))
        # first value -> (coefficient, places) of stores straight into the result
        self.direct: dict[int, list[tuple[float, Array]]] = {}
        self.uses = np.zeros(sweep.n_values, np.int64)
        self.copied_blocks: list[tuple[Entries, Array]] = []  # with their places
        self.items: list[Item] = []
        self.n_work = self.function.n_work
        self.where = np.full(sweep.n_values, NONE, np.int64)  # final place of each value
        self.where[: self.n_work] = np.arange(self.n_work)

    def build(self) -> Function:
        copied = self._direct_stores()
        self._count_uses(copied)
        steps = iter(self.sweep.steps)
        step = next(steps, None)
        for number, item in enumerate(self.function.items):
            while isinstance(step, Sums) and step.item <= number:
                self._sum(step)
                step = next(steps, None)
            partials = None
            if isinstance(step, Partials) and step.item == number:
                partials, step = step, next(steps, None)
            self._item(item, partials)
        while isinstance(step, Sums):
            self._sum(step)
            step = next(steps, None)
        self._copies(copied)
        name = f"{self.function.name}: jacobian"
        return prune(Function(name, tuple(self.items), self.pattern.size, self.n_work))

    def allocate(self, count: int) -> int:
        first = self.n_work
        self.n_work += count
        return first

    def _direct_stores(self) -> npt.NDArray[np.bool_]:
        """Decide which values go straight to their final place; returns the entries that must be copied."""
        for block, places in zip(self.sweep.blocks, self.places, strict=False):
            if block.value != NONE and _uniform(block.entries.coefficient):
                stores = self.direct.setdefault(block.value, [])
                stores.append((float(block.entries.coefficient[0]), places))
            else:
                self.copied_blocks.append((block.entries, places))
        at = self.places[-1]
        copied = np.ones(len(self.entries.row), bool)
        position = np.arange(len(copied))
        order = np.lexsort((position, self.entries.coefficient, self.entries.reference))
        sorted_reference = self.entries.reference[order]
        for step in self.sweep.steps:
            if isinstance(step, Sums):
                columns = [(step.first, step.count)]
            else:
                count = self._count(step)
                columns = [(first, count) for first in step.first.values()]
            for first, count in columns:
                begin, end = np.searchsorted(sorted_reference, [first, first + count])
                uses = order[begin:end]
                if isinstance(step, Sums):  # single rows can be stored directly
                    plain = uses[self.entries.coefficient[uses] == 1.0]
                    values, firsts = np.unique(self.entries.reference[plain], return_index=True)
                    places = np.full(count, NONE, np.int64)
                    places[values - first] = at[plain[firsts]]
                    self.direct[first] = [(1.0, places)]
                    copied[plain[firsts]] = False
                elif len(uses) and len(uses) % count == 0:
                    times = len(uses) // count
                    table = uses.reshape(count, times)
                    every = np.broadcast_to(np.arange(first, first + count)[:, None], table.shape)
                    coefficient = self.entries.coefficient[table]
                    if (self.entries.reference[table] == every).all() and (
                        coefficient == coefficient[0]
                    ).all():
                        stores = self.direct.setdefault(first, [])
                        stores += [(float(coefficient[0, k]), at[table[:, k]]) for k in range(times)]
                        copied[uses] = False
        return copied

    def _count(self, step: Partials) -> int:
        item = self.function.items[step.item]
        assert isinstance(item, Loop)
        return item.count

    def _count_uses(self, copied: npt.NDArray[np.bool_]) -> None:
        """How often each value must be read from scratch; sums that nothing needs count nothing."""
        self._use(self.entries.reference[copied])
        for entries, _ in self.copied_blocks:
            self._use(entries.reference)
        for step in reversed(self.sweep.steps):
            if isinstance(step, Sums):
                needed = self._live_sums(step)[step.terms.row]
                self._use(step.terms.a[needed])
                self._use(step.terms.b[needed])

    def _use(self, references: Array) -> None:
        if _is_one(references):
            if references[0] != NONE and space_of(references[:1])[0] == 0:
                self.uses[references[0]] += len(references)
            return
        scratch = references[(references != NONE) & (space_of(references) == 0)]
        self.uses += np.bincount(scratch, minlength=len(self.uses))

    def _live_sums(self, step: Sums) -> npt.NDArray[np.bool_]:
        live: npt.NDArray[np.bool_] = self.uses[step.first : step.first + step.count] > 0
        live |= self.direct[step.first][0][1] != NONE
        return live

    def _values(self, step: Partials, count: int) -> list[tuple[Expr, int, bool]]:
        """(root, first value, whether it is read from scratch) of the values that something needs."""
        found = []
        for root, first in step.first.items():
            stored = bool((self.uses[first : first + count] > 0).any())
            if stored or first in self.direct:
                found.append((root, first, stored))
        return found

    def _item(self, item: Item, partials: Partials | None) -> None:
        if isinstance(item, Gather):
            if item.output.space == "w":
                self.items.append(item)
            return
        roots = [root for root, output in zip(item.roots, item.outputs, strict=True) if output.space == "w"]
        outputs = [output for output in item.outputs if output.space == "w"]
        for root, first, stored in self._values(partials, item.count) if partials else ():
            if stored:
                base = self.allocate(item.count)
                self.where[first : first + item.count] = base + np.arange(item.count)
                roots.append(root)
                outputs.append(Output("w", base + np.arange(item.count)))
            for coefficient, places in self.direct.get(first, ()):
                roots.append(coefficient * root if coefficient != 1.0 else root)
                outputs.append(Output("out", places))
        if roots:
            self.items.append(
                compact(Loop(item.name, item.count, tuple(roots), item.columns, tuple(outputs)))
            )

    def _sum(self, step: Sums) -> None:
        places = self.direct[step.first][0][1]
        stored = self.uses[step.first : step.first + step.count] > 0
        rows = np.flatnonzero(stored)
        if len(rows):
            base = self.allocate(len(rows))
            self.where[step.first + rows] = base + np.arange(len(rows))
            self._emit_sums(step, rows, "w", base + np.arange(len(rows)))
        # a value that is also read elsewhere is copied from scratch rather than computed twice
        both = np.flatnonzero(stored & (places != NONE))
        if len(both):
            mine = Terms(
                np.arange(len(both)), np.ones(len(both)), self.where[step.first + both],
                np.full(len(both), NONE, np.int64),
            )  # fmt: skip
            self.items += sum_items(step.name, "out", places[both], mine, self.allocate)
        rows = np.flatnonzero(~stored & (places != NONE))
        if len(rows):
            self._emit_sums(step, rows, "out", places[rows])

    def _emit_sums(self, step: Sums, rows: Array, space: str, target: Array) -> None:
        number = np.full(step.count, NONE, np.int64)
        number[rows] = np.arange(len(rows))
        terms = step.terms.take(number[step.terms.row] != NONE)
        terms = terms._replace(row=number[terms.row], a=self._placed(terms.a), b=self._placed(terms.b))
        self.items += sum_items(step.name, space, target, terms, self.allocate)

    def _placed(self, references: Array) -> Array:
        """References with values replaced by their places."""
        if _is_one(references):
            return np.broadcast_to(self._placed(references[:1].copy()), len(references))
        placed = references.copy()
        scratch = (references != NONE) & (space_of(references) == 0)
        placed[scratch] = self.where[references[scratch]]
        return placed

    def _copies(self, copied: npt.NDArray[np.bool_]) -> None:
        """Entries that are numbers, places of u or p, or values used in several ways."""
        references = self._placed(self.entries.reference)
        changing = self.sweep.is_changing(self.entries.reference)
        for kind in (False, True):
            rows = np.flatnonzero(copied & (changing == kind))
            if len(rows):
                none = np.full(len(rows), NONE, np.int64)
                terms = Terms(np.arange(len(rows)), self.entries.coefficient[rows], references[rows], none)
                places = self.places[-1][rows]
                self.items += sum_items(self.function.name, "out", places, terms, self.allocate)
        for entries, places in self.copied_blocks:
            self.items.append(self._block(entries, places))

    def _block(self, entries: Entries, places: Array) -> Loop:
        """coefficient * reference for a whole block."""
        columns: list[Column] = []
        root = ONE
        if entries.reference[0] != NONE:
            space = SPACES[int(space_of(entries.reference[0]))]
            placed = self._placed(entries.reference)
            one = _is_one(placed)
            index = place(placed[:1] if one else placed)
            columns.append(Column(space, np.broadcast_to(index, len(placed)) if one else index))
            root = slot(space, 0)
        if _uniform(entries.coefficient):
            root = linear([(root, rational(float(entries.coefficient[0])))])
        else:
            root = slot("c", len(columns)) * root
            columns.append(Column("c", entries.coefficient))
        name = f"{self.function.name}: block"
        return Loop(name, len(places), (root,), tuple(columns), (Output("out", places),))


def _uniform(coefficient: Array) -> bool:
    return _is_one(coefficient) or bool((coefficient == coefficient[0]).all())


def _is_one(array: Array) -> bool:
    """Whether an array is one value spread over all copies, in memory too."""
    return array.strides == (0,) and len(array) > 0


def jacobian(function: Function, n: int) -> JacobianPlan:
    """d(out)/du of a function of ``n`` unknowns, exact; parameters and time are held fixed.

    The plan's function recomputes the scratch values it needs and reads nothing of ``function``'s.
    """
    assembly = _Assembly(Sweep(function, n), n)
    return JacobianPlan(assembly.pattern, assembly.build())
