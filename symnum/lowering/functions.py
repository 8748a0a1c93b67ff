"""From structure to functions: explicit unknowns are substituted or become scratch, copies become loops."""

from __future__ import annotations

import numpy as np

from symnum.codegen.arrays import Arrays
from symnum.codegen.distinct import distinct
from symnum.codegen.function import Column, Function, Gather, Item, Loop, Output
from symnum.lowering.families import AnyArray, Family, IntArray, greatest, inlined, split_by
from symnum.lowering.flat import FlatSystem
from symnum.record import record, replace
from symnum.rewriting.expr import ZERO, Expr, slot
from symnum.rewriting.walk import leaves, substitute

_TINY = 4.5  # operations: cheaper to repeat than to store and load
_NEVER = 1 << 30  # a level that no loop reaches
_FEW = 4  # copies: fewer are written out as straight-line code


@record
class Functions:
    """``rhs`` (n,) and ``roots`` (events, then distance and drive of each limit; None without any)."""

    rhs: Function
    roots: Function | None


def functions_of(flat: FlatSystem) -> Functions:
    builder = _Builder(flat)
    limits = builder.limit_outputs(len(flat.crossings))
    outputs = builder.right_hand_side()
    rhs = builder.function("rhs", outputs, flat.n, sums=True)
    events = builder.event_outputs()
    if not events and not limits:
        return Functions(rhs, None)
    n_out = len(flat.crossings) + 2 * len(flat.limit_parameter)
    return Functions(rhs, builder.function("roots", [*events, *limits], n_out, sums=False))


def values_of(flat: FlatSystem, numbers: IntArray) -> Function:
    """The unknowns with these numbers as a function, (len(numbers),)."""
    builder = _Builder(flat, numbers)
    every = np.arange(len(numbers))
    label = (lambda row: flat.number_name(int(numbers[row])), every)
    rows = builder.expanded(Family(slot("u", 0), "u", (numbers,), -10, every, label, every))
    return builder.function("values", rows, len(numbers), sums=False)


class _Builder:
    def __init__(self, flat: FlatSystem, also: IntArray | None = None) -> None:
        """also: numbers that are read beside those of the equations."""
        self.flat = flat
        self.n = len(flat.unknowns)
        outside = flat.position < 0
        # below this number all unknowns stand in u; up to it they may do so in their order
        self.outside = int(outside.argmax()) if outside.any() else 2 * self.n
        self.in_order_below = self.outside if self.first_places_match() else 0
        self.parts: list[Family] = []
        self.costs: dict[tuple[Expr, str], float] = {}
        # tables by number, which a system that reads nothing but its states has no use for
        self.size = 2 * self.n if also is not None or self.reads_outside() else 0
        self.part_of = np.full(self.size, -1, np.int64)
        self.row_of = np.zeros(self.size, np.int64)
        self.uses = self.count_uses()
        self.sum_target, self.sum_factor = self.solved_sums()
        solved = np.flatnonzero((self.sum_target >= 0) & (self.sum_target < self.n))
        self.sum_row = np.full(self.size, -1, np.int64)  # of what a sum gives into scratch
        self.sum_row[self.sum_target[solved]] = solved
        for group in flat.structure.definitions:
            for part in self.expanded(group):
                if self.size:
                    self.part_of[part.target] = len(self.parts)
                    self.row_of[part.target] = np.arange(part.count)
                self.parts.append(part)
        self.node_of = np.where(self.sum_row >= 0, len(self.parts) + self.sum_row, self.part_of)

    def solved_sums(self) -> tuple[IntArray, AnyArray]:
        """Per row of the sums the number it is solved for, or -1, and what its terms are multiplied by."""
        structure = self.flat.structure
        sums = structure.sums
        target = np.full(sums.count, -1, np.int64)
        target[structure.sum_rows] = structure.sum_targets
        factor = np.ones(sums.count)
        row = np.repeat(np.arange(sums.count), self.sum_length)
        own = target[row] == sums.unknown
        factor[row[own]] = -1.0 / sums.coefficient[own]
        return target, factor

    @property
    def sum_length(self) -> IntArray:
        """Terms of each row of the sums."""
        return np.diff(self.flat.structure.sums.indptr)

    def reads_outside(self) -> bool:
        """Whether anything is read that does not stand in ``u``; what is watched may always do so."""
        structure = self.flat.structure
        if structure.sums.count or self.flat.limits or self.flat.crossings:
            return True
        families = (*structure.definitions, *structure.residuals)
        return any(family.slots_from(self.outside) for family in families)

    def first_places_match(self) -> bool:
        return bool((self.flat.position[: self.outside] == np.arange(self.outside)).all())

    def count_uses(self) -> IntArray:
        """How often each unknown is read that does not stand in ``u``."""
        structure = self.flat.structure
        uses = np.zeros(self.size, np.int64)
        distances = [limit.distance for limit in self.flat.limits]
        for family in (*structure.definitions, *structure.residuals, *distances):
            for k in family.slots_from(self.outside):
                np.add.at(uses, np.asarray(family.columns[k], np.int64), 1)
        # sums read scratch: two uses, so that nothing is taken for a single consumer
        np.add.at(uses, structure.sums.unknown, 2)
        return uses

    # ---- substitution -----------------------------------------------------------------------------
    def expanded(self, family: Family) -> list[Family]:
        """The family with explicit unknowns substituted where that is cheap, split where copies differ."""
        waiting, done = [family], []
        while waiting:
            current = waiting.pop()
            producers: dict[int, tuple[Family, IntArray]] = {}
            for k in current.slots_from(self.outside):
                column = np.asarray(current.columns[k], np.int64)
                pieces = split_by(current, self.treatment(current, column))
                if len(pieces) > 1:
                    waiting += [piece for _, piece in reversed(pieces)]
                    break
                g = pieces[0][0]
                if g >= 0:
                    producers[k] = self.parts[g], self.row_of[column]
            else:
                if producers:
                    waiting.append(inlined(current, producers))
                else:
                    done.append(current)
        return done

    def treatment(self, consumer: Family, column: IntArray) -> IntArray:
        """Per copy: -1 read from ``u``, -2 from scratch, else the part whose expression is substituted."""
        producer = np.where(self.flat.position[column] >= 0, -1, self.part_of[column])
        result = np.where(self.sum_row[column] >= 0, -2, producer)
        for g in distinct(producer[producer >= 0]).tolist():
            rows = np.flatnonzero(producer == g)
            if not self.worth_inlining(consumer, column, rows, self.parts[g]):
                result[rows] = -2
        return result

    def worth_inlining(self, consumer: Family, column: IntArray, rows: IntArray, producer: Family) -> bool:
        if int(self.uses[column[rows]].max()) <= 1 or self.cost(producer) <= _TINY:
            return True
        if consumer.count < _FEW:
            return producer.count < _FEW  # straight-line code shares what is common
        same_owner = consumer.owner == producer.owner >= 0
        members = producer.member[self.row_of[column[rows]]]
        return same_owner and bool((members == consumer.member[rows]).all())

    def cost(self, part: Family) -> float:
        """Operations per call: what holds parameters only is computed when they change."""
        from symnum.rewriting.cost import dag_cost  # most models have no scratch to decide about

        key = part.root, part.letters
        if key not in self.costs:
            free = [slot(letter, k) for k, letter in enumerate(part.letters) if letter in "pc"]
            self.costs[key] = dag_cost((part.root,), free)
        return self.costs[key]

    # ---- what is computed -------------------------------------------------------------------------
    def right_hand_side(self) -> list[Family]:
        """Families with ``target`` = row of the result."""
        flat = self.flat
        rows = []
        for part in self.parts:
            chosen = part.target >= self.n
            state = np.where(chosen, part.target - self.n, 0)
            chosen = chosen & (flat.position[state] >= 0)
            if chosen.any():
                here = part.select(np.flatnonzero(chosen))
                rows.append(replace(here, target=flat.position[here.target - self.n]))
        states = flat.structure.states
        promoted = states[flat.position[self.n + states] >= 0]
        if len(promoted):
            label = (lambda row: f"D({flat.unknowns[int(promoted[row])].name})", np.arange(len(promoted)))
            rows.append(
                Family(slot("u", 0), "u", (self.n + promoted,), -6, promoted, label, flat.position[promoted])
            )
        rows = [piece for family in rows for piece in self.limited(family)]
        algebraic = np.flatnonzero(flat.mass == 0)
        start = 0
        for family in flat.structure.residuals:
            here = replace(family, target=algebraic[start : start + family.count])
            rows += self.expanded(here)
            start += family.count
        return rows

    def limited(self, family: Family) -> list[Family]:
        """Rows of limited states are multiplied by the parameter that frees or holds them."""
        if not self.flat.limits:
            return [family]
        free = np.full(self.flat.n, -1, np.int64)
        start = 0
        for limit in self.flat.limits:
            ids = self.flat.limit_parameter[start : start + len(limit.state)]
            free[self.flat.position[limit.state]] = ids
            start += len(limit.state)
        pieces = []
        for held, piece in split_by(family, (free[family.target] >= 0).astype(np.int64)):
            if held:
                k = len(piece.columns)
                piece = piece.with_root(slot("p", k) * piece.root, [("p", free[piece.target])])
            pieces.append(piece)
        return pieces

    def limit_outputs(self, first: int) -> list[Family]:
        """Distance and drive of each limit, at ``first + 2 j`` and ``first + 2 j + 1``."""
        rows: list[Family] = []
        at = first
        for limit in self.flat.limits:
            places = at + 2 * np.arange(len(limit.state))
            rows += self.expanded(replace(limit.distance, target=places))
            derivative = self.n + limit.state
            for piece_id in distinct(self.part_of[derivative]):
                members = np.flatnonzero(self.part_of[derivative] == piece_id)
                if piece_id < 0:  # the derivative is itself an unknown
                    drive = Family(
                        limit.side * slot("u", 0), "u", (derivative[members],), -7, members,
                        (limit.distance.label, members), places[members] + 1,
                    )  # fmt: skip
                else:
                    part = self.parts[piece_id].select(self.row_of[derivative[members]])
                    drive = replace(part, target=places[members] + 1).with_root(limit.side * part.root)
                rows.append(drive)
            at += 2 * len(limit.state)
        return rows

    def event_outputs(self) -> list[Family]:
        rows = []
        for i, (watched, _, _) in enumerate(self.flat.crossings):
            (expr,) = self.flat.with_numbers((watched,), f"Event, {watched}")
            rows += self.expanded(scalar_family(expr, np.array([i])))
        return rows

    # ---- items ------------------------------------------------------------------------------------
    def function(self, name: str, outputs: list[Family], n_out: int, *, sums: bool) -> Function:
        wanted: set[int] = set().union(*(self.nodes_read(family) for family in outputs))
        if sums:
            final = np.zeros(self.flat.structure.sums.count, bool)
            final[self.sum_outputs()[0]] = True
            flows = self.flat.structure.sums.unknown[np.repeat(final, self.sum_length)]
            wanted |= set(distinct(self.node_of[flows[~self.is_zero(flows)]]).tolist())
        wanted.discard(-1)
        scratch = np.full(self.size, -1, np.int64)
        placed: list[tuple[int, int, Family]] = []
        summed: dict[int, list[int]] = {}  # rows of the sums by level
        depth: dict[int, int] = {}
        latest: dict[int, int] = {}
        size = 0
        for node in [*self.in_order(wanted), *(-1 - k for k in range(len(outputs)))]:
            below = self.below(node) if node >= 0 else self.nodes_read(outputs[-1 - node])
            level = 1 + max((depth[h] for h in below), default=-1)
            for h in below:
                latest[h] = min(latest.get(h, _NEVER), level - 1)
            if node < 0:
                placed.append((level, -1, outputs[-1 - node]))
                continue
            depth[node] = level
            if node < len(self.parts):
                family = self.parts[node]
                scratch[family.target] = np.arange(size, size + family.count)
                placed.append((level, node, replace(family, target=scratch[family.target])))
                size += family.count
            else:
                row = node - len(self.parts)
                scratch[self.sum_target[row]] = size
                summed.setdefault(level, []).append(row)
                size += 1
        pieces = _gathered(
            [
                _Piece(level, latest.get(g, _NEVER), family, "out" if g < 0 else "w")
                for level, g, family in placed
            ]
        )
        items: list[Item] = []
        for level in sorted({*(piece.level for piece in pieces), *summed}):
            together = [(piece.family, piece.space) for piece in pieces if piece.level == level]
            items += self.fused(f"{name}_{level}", scratch, together)
            if level in summed:
                rows = np.array(summed[level], np.int64)
                places = scratch[self.sum_target[rows]]
                factor = self.sum_factor[rows]
                items += self.gathers(f"{name}_{level}_sums", "w", rows, places, factor, scratch)
        if sums and len(self.sum_outputs()[0]):
            items += self.gathers("sums", "out", *self.sum_outputs(), scratch)
        return Function(name, tuple(items), n_out, size)

    def in_order(self, wanted: set[int]) -> list[int]:
        """The nodes and all they read, each after what it reads. A node is a part, or a sum into scratch."""
        done: dict[int, None] = {}
        for first in sorted(wanted):
            stack = [(first, iter(sorted(self.below(first))))] if first not in done else []
            while stack:
                node, below = stack[-1]
                following = next((h for h in below if h not in done), None)
                if following is None:
                    done[node] = None
                    stack.pop()
                else:
                    stack.append((following, iter(sorted(self.below(following)))))
        return list(done)

    def below(self, node: int) -> set[int]:
        """The nodes that a node reads."""
        if node < len(self.parts):
            return self.nodes_read(self.parts[node])
        row = node - len(self.parts)
        entries = self.flat.structure.sums.unknown[self.flat.structure.sums.row(row)]
        entries = entries[(entries != self.sum_target[row]) & ~self.is_zero(entries)]
        return set(distinct(self.node_of[entries[self.flat.position[entries] < 0]]).tolist())

    def nodes_read(self, family: Family) -> set[int]:
        found: set[int] = set()
        for k in family.slots_from(self.outside):
            column = family.columns[k]
            read = self.node_of[column[self.flat.position[column] < 0]]
            found |= set(np.flatnonzero(np.bincount(read[read >= 0])).tolist())
        return found

    def fused(self, name: str, scratch: IntArray, pieces: list[tuple[Family, str]]) -> list[Item]:
        """One loop per set of families over the same copies; what has few copies is written out once."""
        arrays, together = Arrays(), dict[tuple[int, int], list[tuple[Family, str]]]()
        single: list[tuple[Family, str]] = []
        for family, space in pieces:
            if family.count < _FEW:
                single += [(family.select(np.array([copy])), space) for copy in range(family.count)]
            else:
                together.setdefault((family.owner, arrays.number(family.member)), []).append((family, space))
        loops: list[Item] = [
            self.loop(f"{name}_{i}", scratch, group) for i, group in enumerate(together.values())
        ]
        if single:
            loops.append(self.loop(f"{name}_scalar", scratch, single))
        return loops

    def loop(self, name: str, scratch: IntArray, pieces: list[tuple[Family, str]]) -> Loop:
        columns: list[Column] = []
        arrays, known = Arrays(), dict[tuple[str, int], Expr]()
        roots, outputs = [], []
        for family, space in pieces:
            mapping = {}
            for k, (letter, column) in enumerate(zip(family.letters, family.columns, strict=True)):
                where, index = self.place(letter, column, scratch)
                entry = (where, arrays.number(index))
                if entry not in known:
                    known[entry] = slot(where, len(columns))
                    columns.append(Column(where, index))
                mapping[slot(letter, k)] = known[entry]
            roots.append(substitute((family.root,), mapping)[0])
            outputs.append(Output(space, family.target))
        return Loop(name, pieces[0][0].count, tuple(roots), tuple(columns), tuple(outputs))

    def place(self, letter: str, column: AnyArray, scratch: IntArray) -> tuple[str, AnyArray]:
        if letter != "u":
            return letter, column
        if greatest(column) < self.in_order_below:
            return "u", column
        position = self.flat.position[column]
        return ("u", position) if (position >= 0).all() else ("w", scratch[column])

    def is_zero(self, numbers: IntArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which of the unknowns are defined to be zero (the flow of a component that draws none)."""
        zero = np.array([part.root is ZERO for part in self.parts] + [False])
        return np.where(self.flat.position[numbers] >= 0, False, zero[self.part_of[numbers]])

    def sum_outputs(self) -> tuple[IntArray, IntArray, AnyArray]:
        """(row of the sums, row of the result, factor) of every sum that is part of the right-hand side.

        Sums that stay implicit are residuals; a sum solved for a derivative gives that row of f.
        """
        structure, flat = self.flat.structure, self.flat
        residual = structure.residual_sums
        explicit = np.flatnonzero(self.sum_target >= self.n)
        last = np.flatnonzero(flat.mass == 0)
        last = last[len(last) - len(residual) :]
        places = np.concatenate([flat.position[self.sum_target[explicit] - self.n], last])
        rows = np.concatenate([explicit, residual])
        return rows, places, self.sum_factor[rows]

    def gathers(
        self, name: str, space: str, rows: IntArray, places: IntArray, factor: AnyArray, scratch: IntArray
    ) -> list[Item]:
        """Sums into ``space[places]``: flows in scratch are summed first, those in ``u`` are added."""
        sums, position = self.flat.structure.sums, self.flat.position
        length = self.sum_length[rows]
        start = np.repeat(sums.indptr[rows] - np.concatenate([[0], np.cumsum(length)[:-1]]), length)
        entry = start + np.arange(int(length.sum()))
        row = np.repeat(np.arange(len(rows)), length)
        unknown = sums.unknown[entry]
        value = factor[row] * sums.coefficient[entry]
        kept = (self.sum_target[rows[row]] != unknown) & ~self.is_zero(unknown) & (value != 0)
        inside = position[unknown] >= 0
        items: list[Item] = []
        for source, chosen in (("w", kept & ~inside), ("u", kept & inside)):
            if not chosen.any() and (source == "u" or (space == "w" and inside[kept].all())):
                continue
            indptr = np.concatenate([[0], np.cumsum(np.bincount(row[chosen], minlength=len(rows)))])
            first = (position if source == "u" else scratch)[unknown[chosen]]
            output = Output(space, places, accumulate=source == "u" and bool(items))
            items.append(
                Gather(f"{name}_{source}", output, indptr, source, first, None, value[chosen])
            )
        return items


@record
class _Piece:
    """A family that is computed at a level (a loop reads lower levels only) and may wait until ``latest``."""

    level: int
    latest: int
    family: Family
    space: str


def _gathered(pieces: list[_Piece]) -> list[_Piece]:
    """Families over the same copies move up to one level where they may wait: one loop then serves all."""
    arrays, top = Arrays(), dict[tuple[int, int], int]()
    for piece in pieces:
        key = piece.family.owner, arrays.number(piece.family.member)
        top[key] = max(top.get(key, 0), piece.level)
    moved = []
    for piece in pieces:
        level = top[piece.family.owner, arrays.number(piece.family.member)]
        wait = piece.family.count >= _FEW and level <= piece.latest
        moved.append(replace(piece, level=level) if wait else piece)
    return moved


def scalar_family(expr: Expr, target: IntArray) -> Family:
    """One copy of an expression over ``slot("u", number)`` and ``slot("p", parameter)``."""
    mapping: dict[Expr, Expr] = {}
    letters = ""
    columns: list[AnyArray] = []
    for leaf in leaves((expr,)):
        if leaf.op == "slot":
            letter, index = leaf.data
            mapping[leaf] = slot(letter, len(columns))
            letters += letter
            columns.append(np.array([index], np.int64))
    (root,) = substitute((expr,), mapping)
    text = str(expr)
    zero = np.zeros(1, np.int64)
    return Family(root, letters, tuple(columns), -8, zero, (lambda _: text, zero), target)
