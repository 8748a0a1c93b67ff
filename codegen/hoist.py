"""What depends on parameters only is computed once per change of the parameters, not once per call.

`hoist` moves such work of several functions into one function, ``setup``, whose results stay in the front
of scratch: whole items, single roots, and inside the others every largest parameter-only subexpression that
is worth a load. Of a sum or a product the parameter-only terms or factors count as one subexpression. Equal
values are kept once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from symnum.codegen.arrays import Arrays
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
from symnum.rewriting.expr import ONE, TIME, Expr, Rational, linear, multiply, rebuild, slot
from symnum.rewriting.walk import cost, leaves, postorder, substitute

__all__ = ["Split", "hoist", "parameter_only", "parameter_only_columns", "parameter_only_scratch"]


def parameter_only_columns(loop: Loop, changing: npt.NDArray[np.bool_]) -> list[bool]:
    """For each column whether what it reads depends on parameters and numbers only, in every copy.

    ``changing`` (n_work,): the places of scratch that change with u or t.
    """
    return [
        column.space in ("p", "c") or (column.space == "w" and not changing[column.index].any())
        for column in loop.columns
    ]


def parameter_only(roots: Iterable[Expr], fixed: list[bool]) -> dict[Expr, bool]:
    """For every node under the roots whether it is parameter-only, given which columns are."""
    found: dict[Expr, bool] = {}
    for expr in postorder(roots):
        if expr.op == "slot":
            found[expr] = fixed[expr.data[1]]
        else:
            found[expr] = expr is not TIME and all(map(found.__getitem__, expr.args))
    return found


def parameter_only_scratch(function: Function) -> npt.NDArray[np.bool_]:
    """For each place of scratch whether it depends on parameters only (or was prepared by ``setup``)."""
    changing = np.zeros(function.n_work, bool)
    for item in function.items:
        if isinstance(item, Gather):
            if item.output.space == "w":
                moves = item.space == "u"
                if item.space == "w":
                    moves = bool(changing[item.first].any())
                    moves = moves or (item.second is not None and bool(changing[item.second].any()))
                changing[item.output.index] |= moves
            continue
        if all(output.space != "w" for output in item.outputs):
            continue
        fixed = parameter_only(item.roots, parameter_only_columns(item, changing))
        for root, output in zip(item.roots, item.outputs, strict=True):
            if output.space == "w":
                changing[output.index] |= not fixed[root]
    return ~changing


_WORTH = 2.0
"""Cost of a subexpression from which a load through a table is cheaper."""

_WORTH_ONCE = 1.0
"""The same in straight-line code, where the place is known: one load instead of two and an operation."""


def _worth(loop: Loop) -> float:
    return _WORTH if loop.count > 1 else _WORTH_ONCE


def hoist(functions: Mapping[str, Function], persistent: str) -> tuple[Function, dict[str, Function]]:
    """(setup, functions that use it). The result of the function named ``persistent`` is kept between calls.

    ``setup`` writes the parameter-only values to the front of scratch and the parameter-only places of the
    persistent result to ``out``; the functions then only write what changes. Their own scratch follows the
    front.
    """
    front = _Front()
    own = {name: _Move(front, function, name == persistent).items for name, function in functions.items()}
    moved = {name: _dense(prune(_behind(functions[name], items, front.size))) for name, items in own.items()}
    setup = Function("setup", tuple(front.items), functions[persistent].n_out, front.size)
    return setup, moved


class _Front:
    """The values that ``setup`` keeps, and its items."""

    def __init__(self) -> None:
        self.size = 0
        self.items: list[Item] = []
        self.known: dict[object, Array] = {}
        self.arrays = Arrays()

    def allocate(self, count: int) -> Array:
        self.size += count
        return np.arange(self.size - count, self.size)

    def values(self, loop: Loop, roots: Sequence[Expr], stores: Sequence[tuple[Expr, Output]]) -> list[Array]:
        """Places (count,) of the values of ``roots`` in each copy; ``stores`` go where they say."""
        places = []
        each: list[tuple[Expr, Output]] = list(stores)
        once: list[tuple[Expr, Output]] = []
        names = [(column.space, self.arrays.number(column.index)) for column in loop.columns]
        for root in roots:
            key, uniform = self._key(loop, root, names)
            if key not in self.known:
                self.known[key] = self.allocate(1 if uniform else loop.count)
                (once if uniform else each).append((root, Output("w", self.known[key])))
            places.append(np.broadcast_to(self.known[key], loop.count))
        if each:
            self._append(loop, loop.count, loop.columns, each)
        if once:
            self._append(loop, 1, tuple(Column(c.space, c.index[:1]) for c in loop.columns), once)
        return places

    @staticmethod
    def _key(loop: Loop, root: Expr, names: list[tuple[str, int]]) -> tuple[object, bool]:
        """(what the value is, whether it is the same in all copies); slots are named by what they read.

        The same value is so found again in another loop whose columns stand in another order.
        """
        used = sorted({leaf.data[1] for leaf in leaves(root)}, key=lambda k: names[k])
        uniform = all((loop.columns[k].index == loop.columns[k].index[0]).all() for k in used)
        merged = {names[k]: loop.columns[k].index[:1].tobytes() if uniform else names[k][1] for k in used}
        place = {name: number for number, name in enumerate(merged)}
        renamed = {slot(names[k][0], k): slot(names[k][0], place[names[k]]) for k in used}
        columns = tuple((space, data) for (space, _), data in merged.items())
        return (substitute(root, renamed), columns, 1 if uniform else loop.count), uniform

    def _append(
        self, loop: Loop, count: int, columns: tuple[Column, ...], written: Sequence[tuple[Expr, Output]]
    ) -> None:
        roots, outputs = zip(*written, strict=True)
        self.items.append(compact(Loop(loop.name, count, roots, columns, outputs)))

    def gather(self, gather: Gather, output: Output | None) -> Array:
        """Move a gather to setup; returns the places of its rows unless ``output`` says where they go."""
        second = gather.second.tobytes() if gather.second is not None else b""
        key = (
            gather.space,
            gather.indptr.tobytes(),
            gather.first.tobytes(),
            second,
            gather.coefficient.tobytes(),
        )
        if output is not None:
            self.items.append(replace(gather, output=output))
            return output.index
        if key not in self.known:
            self.known[key] = self.allocate(len(gather.output.index))
            self.items.append(replace(gather, output=Output("w", self.known[key])))
        return self.known[key]


class _Move:
    """The items of one function after its parameter-only work has moved to setup.

    Places of scratch in ``items``: k >= 0 is place k of the front, -1 - k is place k of the function's own
    scratch.
    """

    def __init__(self, front: _Front, function: Function, persistent: bool) -> None:
        self.front = front
        self.persistent = persistent
        self.place = -1 - np.arange(function.n_work)
        # Places that are added to keep their first value with the function: setup runs less often than it
        # does.
        self.added = {"w": np.zeros(function.n_work, bool), "out": np.zeros(function.n_out, bool)}
        for item in function.items:
            for output in item_outputs(item):
                if output.accumulate:
                    self.added[output.space][output.index] = True
        self.adds = any(places.any() for places in self.added.values())
        self.items: list[Item] = []
        for item in function.items:
            if isinstance(item, Gather):
                self._gather(item)
            else:
                self._loop(item)

    def _movable(self, output: Output) -> bool:
        kept = output.space == "w" or self.persistent
        return kept and not (self.adds and self.added[output.space][output.index].any())

    def _own(self, output: Output) -> Output:
        return output._replace(index=-1 - output.index) if output.space == "w" else output

    def _gather(self, gather: Gather) -> None:
        fixed = gather.space == "p"
        if gather.space == "w":
            second = self.place[gather.second] if gather.second is not None else None
            gather = replace(gather, first=self.place[gather.first], second=second)
            fixed = bool((gather.first >= 0).all()) and (second is None or bool((second >= 0).all()))
        if not (fixed and self._movable(gather.output)):
            self.items.append(replace(gather, output=self._own(gather.output)))
        elif gather.output.space == "w":
            self.place[gather.output.index] = self.front.gather(gather, None)
        else:
            self.front.gather(gather, gather.output)

    def _loop(self, loop: Loop) -> None:
        columns = tuple(
            Column("w", self.place[column.index]) if column.space == "w" else column
            for column in loop.columns
        )
        loop = replace(loop, columns=columns)
        fixed = [
            column.space in ("p", "c") or (column.space == "w" and bool((column.index >= 0).all()))
            for column in columns
        ]
        known = parameter_only(loop.roots, fixed)
        moved: list[tuple[Expr, Output]] = []
        stores: list[tuple[Expr, Output]] = []
        kept: list[tuple[Expr, Output]] = []
        for root, output in zip(loop.roots, loop.outputs, strict=True):
            if not (known[root] and self._movable(output)):
                kept.append((root, self._own(output)))
            elif output.space == "w":
                moved.append((root, output))
            else:
                stores.append((root, output))
        split = Split(tuple(root for root, _ in kept), known, _worth(loop))
        places = self.front.values(loop, [root for root, _ in moved] + split.values, stores)
        for (_, output), place in zip(moved, places, strict=False):
            self.place[output.index] = place
        if not kept:
            return
        new = tuple(Column("w", place) for place in places[len(moved) :])
        outputs = tuple(output for _, output in kept)
        roots = split.roots(len(columns))
        self.items.append(compact(Loop(loop.name, loop.count, roots, columns + new, outputs)))


class Split:
    """Finds the largest parameter-only subexpressions of the roots."""

    def __init__(self, roots: tuple[Expr, ...], fixed: dict[Expr, bool], worth: float = _WORTH_ONCE) -> None:
        """``fixed``: whether each node is parameter-only. What costs less than ``worth`` stays put."""
        self._roots = roots
        self._worth = worth
        self.values: list[Expr] = []  # what setup is to compute
        self._number: dict[Expr, int] = {}
        self._fixed = fixed
        self._order = list(postorder(roots))
        for expr in self._order:
            if not self._fixed[expr]:
                for part in self._parts(expr):
                    self._consider(part)
        for root in roots:
            if self._fixed[root]:
                self._consider(root)

    def _consider(self, expr: Expr) -> None:
        if expr not in self._number and leaves(expr) and cost(expr) >= self._worth:
            self._number[expr] = len(self.values)
            self.values.append(expr)

    def _parts(self, expr: Expr) -> list[Expr]:
        """The parameter-only operands of a changing node, those of a sum or product taken together."""
        if expr.op == "+":
            sums = [self._sum(expr)[0]]
            alone = _is_scaled_term(expr)
            scaling = [(term, c) for term, c in expr.terms() if self._scales(term, c, alone)]
            return sums + [self._product(term, c)[0] for term, c in scaling]
        if expr.op == "*":
            return [self._product(expr, 1)[0]]
        return [arg for arg in expr.args if self._fixed[arg]]

    def _sum(self, expr: Expr) -> tuple[Expr, list[tuple[Expr, Rational]]]:
        """(parameter-only part with the constant, the other terms) of a sum."""
        inside = [(term, c) for term, c in expr.terms() if self._fixed[term]]
        other = [(term, c) for term, c in expr.terms() if not self._fixed[term]]
        return linear(inside, expr.constant), other

    def _scales(self, term: Expr, coefficient: Rational, alone: bool) -> bool:
        """Whether a coefficient can be multiplied into the parameter-only factors of its term. A sign is
        worth it where there is no other term to subtract from."""
        if coefficient == 1 or (coefficient == -1 and not alone):
            return False
        return term.op == "*" and not self._fixed[term] and any(self._fixed[base] for base in term.args)

    def _product(self, expr: Expr, coefficient: Rational) -> tuple[Expr, list[tuple[Expr, Rational]]]:
        """(parameter-only factors times the coefficient, the other factors) of a product."""
        inside = [(base, e) for base, e in expr.factors() if self._fixed[base]]
        other = [(base, e) for base, e in expr.factors() if not self._fixed[base]]
        product = multiply(inside) if inside else ONE
        return linear(((product, coefficient),)), other

    def roots(self, first: int) -> tuple[Expr, ...]:
        """The roots over slots ``first``, ``first + 1``, ... for the values."""
        if not self.values:
            return self._roots
        done: dict[Expr, Expr] = {}

        def replaced(part: Expr) -> Expr:
            number = self._number.get(part)
            return part if number is None else slot("w", first + number)

        for expr in self._order:
            if self._fixed[expr]:
                done[expr] = replaced(expr)
            elif expr.op == "+":
                part, other = self._sum(expr)
                terms: list[tuple[Expr, Rational]] = [(replaced(part), 1)]
                alone = _is_scaled_term(expr)
                for term, coefficient in other:
                    if self._scales(term, coefficient, alone):
                        scaled, factors = self._product(term, coefficient)
                        if scaled in self._number:
                            rest = multiply((done[base], e) for base, e in factors)
                            terms.append((multiply(((replaced(scaled), 1), (rest, 1))), 1))
                            continue
                    terms.append((done[term], coefficient))
                done[expr] = linear(terms)
            elif expr.op == "*":
                part, factors = self._product(expr, 1)
                parts: list[tuple[Expr, Rational]] = [(replaced(part), 1)]
                done[expr] = multiply(parts + [(done[base], e) for base, e in factors])
            else:
                done[expr] = rebuild(expr, tuple(done[arg] for arg in expr.args)) if expr.args else expr
        return tuple(done[root] for root in self._roots)


def _is_scaled_term(total: Expr) -> bool:
    """A number times one term, which the canonical form has as a sum."""
    return len(total.args) == 1 and not total.data[0]


# ---- scratch --------------------------------------------------------------------------------------
def _behind(function: Function, items: Sequence[Item], front: int) -> Function:
    """The function with its own scratch (negative places in ``items``) behind the front."""

    def placed(index: Array) -> Array:
        return np.where(index < 0, front - 1 - index, index)

    return _renumbered(
        replace(function, items=(), n_prepared=front, n_work=front + function.n_work), items, placed
    )


def _dense(function: Function) -> Function:
    """The function without gaps in its scratch."""
    used = [o.index for item in function.items for o in item_outputs(item) if o.space == "w"]
    kept = distinct(np.concatenate([np.arange(function.n_prepared), *used])).astype(np.int64)
    number = np.zeros(function.n_work, np.int64)
    number[kept] = np.arange(len(kept))
    if len(kept) == function.n_work:
        return function
    shrunk = replace(function, items=(), n_work=len(kept))
    return _renumbered(shrunk, function.items, lambda index: number[index])


def _renumbered(function: Function, items: Sequence[Item], placed: Callable[[Array], Array]) -> Function:
    """``function`` with these items, every place of scratch passed through ``placed``."""

    def output(o: Output) -> Output:
        return o._replace(index=placed(o.index)) if o.space == "w" else o

    new: list[Item] = []
    for item in items:
        if isinstance(item, Gather):
            if item.space == "w":
                second = placed(item.second) if item.second is not None else None
                item = replace(item, first=placed(item.first), second=second)
            new.append(replace(item, output=output(item.output)))
        else:
            columns = tuple(Column(c.space, placed(c.index)) if c.space == "w" else c for c in item.columns)
            new.append(replace(item, columns=columns, outputs=tuple(output(o) for o in item.outputs)))
    return replace(function, items=tuple(new))
