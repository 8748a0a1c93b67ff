"""Names of unknowns and parameters: single symbols, and whole blocks whose names are made when asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from symnum.language.block import GridNames, Quantities
from symnum.rewriting.expr import Symbol

_SEARCHED = 100_000  # names: beyond, near matches to a misspelt one are not looked for


class Names:
    """Numbers 0, 1, … with their symbols. ``add`` and ``add_block`` number further ones."""

    def __init__(self) -> None:
        self._single: dict[int, Symbol] = {}
        self._number: dict[str, int] = {}
        self._first: list[int] = []
        self._blocks: list[Quantities] = []
        self._count = 0

    def add(self, info: Symbol) -> int:
        self._single[self._count] = info
        self._number[info.name] = self._count
        self._count += 1
        return self._count - 1

    def add_block(self, block: Quantities) -> int:
        """The number of its first quantity."""
        first = self._count
        self._first.append(first)
        self._blocks.append(block)
        if not isinstance(block.names, GridNames):
            self._number.update(zip(block.names, range(first, first + len(block)), strict=True))
        self._count += len(block)
        return first

    def parts(self) -> Iterator[Symbol | Quantities]:
        """What was added, in order."""
        blocks = dict(zip(self._first, self._blocks, strict=True))
        for number in sorted([*self._single, *blocks]):
            yield self._single[number] if number in self._single else blocks[number]

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Symbol:
        found = self._single.get(number)
        if found is not None:
            return found
        if not 0 <= number < self._count:
            raise IndexError(number)
        at = bisect_right(self._first, number) - 1
        block, i = self._blocks[at], number - self._first[at]
        value = float("nan") if block.values is None else float(block.values[i])
        return Symbol(block.names[i], block.kind, block.unit, default=None if np.isnan(value) else value)

    def __iter__(self) -> Iterator[Symbol]:
        return (self[number] for number in range(self._count))

    def find(self, name: str) -> int | None:
        """The number of a name, or None."""
        found = self._number.get(name)
        if found is not None:
            return found
        for first, block in zip(self._first, self._blocks, strict=True):
            inside = block.names.find(name) if isinstance(block.names, GridNames) else None
            if inside is not None:
                return first + inside
        return None

    def grid(self, name: str) -> tuple[int, Quantities] | None:
        """(number of its first point, quantities) of the field with this name."""
        for first, block in zip(self._first, self._blocks, strict=True):
            if block.axes and isinstance(block.names, GridNames) and block.names.name == name:
                return first, block
        return None

    def __contains__(self, name: str) -> bool:
        return name in self._number or (bool(self._blocks) and self.find(name) is not None)

    def near(self, name: str, count: int = 3) -> list[str]:
        """Names that the user may have meant."""
        searched = self._number if len(self._number) < _SEARCHED else ()
        known = [n for n in searched if not n.startswith(("free(", "select("))]
        known += [block.names[0] for block in self._blocks]
        from difflib import get_close_matches

        return get_close_matches(name, known, count)

    def single(self, number: int) -> Symbol | None:
        """The symbol with this number where it stands for itself, None within a block."""
        return self._single.get(number)

    def singles(self) -> Iterator[tuple[int, Symbol]]:
        """The symbols that stand for themselves, with their numbers."""
        return iter(self._single.items())

    def block_values(self) -> NDArray[np.float64]:
        """(count,) the values given with blocks, NaN elsewhere."""
        values = np.full(self._count, np.nan)
        for first, block in zip(self._first, self._blocks, strict=True):
            if block.values is not None:
                values[first : first + len(block)] = block.values
        return values
