"""Names of unknowns and parameters: single symbols, and whole blocks whose names are made when asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.language.block import GridNames, IntArray, Quantities
from symnum.language.component import Component
from symnum.language.variables import Declaration, joined
from symnum.rewriting.expr import Expr, Symbol

_SEARCHED = 100_000  # names: beyond, near matches to a misspelt one are not looked for


class Names:
    """Numbers 0, 1, … with their symbols. ``add`` and its relatives number further ones.

    kind: "unknowns" or "parameters": which quantities of a component are numbered here.
    """

    def __init__(self, kind: str = "unknowns") -> None:
        self.kind = kind
        self._single: dict[int, Symbol] = {}
        self._number: dict[str, int] = {}
        self._first: list[int] = []
        self._blocks: list[Quantities] = []
        self._grids: list[tuple[int, GridNames]] = []  # names that are made, and the number of the first
        self._component_first: list[int] = []
        self._components: list[Component] = []
        self._at_path: dict[str, int] = {}  # the component at a path
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
        if isinstance(block.names, GridNames):
            self._grids.append((first, block.names))
        else:
            self._number.update(zip(block.names, range(first, first + len(block)), strict=True))
        self._count += len(block)
        return first

    def add_components(self, components: Sequence[Component]) -> list[int]:
        """The number that the first quantity of each has, or would have; symbols are made when asked for."""
        kind, count = self.kind, self._count
        places, starts, known = self._at_path, self._component_first, self._components
        firsts: list[int] = []
        for component in components:  # there may be many thousands
            firsts.append(count)
            declared = component.declared.quantities[kind]
            if declared:
                places[component.path] = len(known)
                starts.append(count)
                known.append(component)
                count += len(declared)
        self._count = count
        return firsts

    def copy(self) -> Names:
        """The same names, to which others can be added."""
        other = Names(self.kind)
        other._single, other._number = dict(self._single), dict(self._number)
        other._first, other._blocks = list(self._first), list(self._blocks)
        other._grids = list(self._grids)
        other._component_first, other._components = list(self._component_first), list(self._components)
        other._at_path, other._count = dict(self._at_path), self._count
        return other

    def parts(self) -> Iterator[Symbol | Quantities]:
        """What was added, in order."""
        parts: dict[int, Symbol | Quantities] = dict(self.singles())
        parts.update(zip(self._first, self._blocks, strict=True))
        for number in sorted(parts):
            yield parts[number]

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Symbol:
        found = self._single.get(number)
        if found is not None:
            return found
        if not 0 <= number < self._count:
            raise IndexError(number)
        single = self._of_component(number)
        if single is not None:
            return single
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
        path, _, inner = name.rpartition(".")
        for _ in range(2) if self._at_path else ():  # r1.R, and r1.p.v of the connector p
            at = self._at_path.get(path)
            if at is not None:
                local = self._components[at].declared.places[self.kind].get(inner)
                if local is not None:
                    return self._component_first[at] + local
            path, _, last = path.rpartition(".")
            inner = f"{last}.{inner}"
        for first, names in self._grids:
            inside = names.find(name)
            if inside is not None:
                return first + inside
        return None

    def grid(self, name: str) -> tuple[int, Quantities] | None:
        """(number of its first point, quantities) of the field with this name."""
        for first, block in zip(self._first, self._blocks, strict=True):
            if block.axes and isinstance(block.names, GridNames) and block.names.name == name:
                return first, block
        return None

    def blocks(self) -> Iterator[tuple[int, Quantities]]:
        """(number of its first member, quantities) of every set that was born in a block."""
        return zip(self._first, self._blocks, strict=True)

    def __contains__(self, name: str) -> bool:
        return self.find(name) is not None

    def first_of(self, names: Sequence[str]) -> str | None:
        """The first of these that is a name here, or None."""
        if not self._at_path and not self._grids and self._number.keys().isdisjoint(names):
            return None  # blocks bring thousands of names at once
        return next((name for name in names if name in self), None)

    def near(self, name: str, count: int = 3) -> list[str]:
        """Names that the user may have meant."""
        searched = list(self._number) if len(self._number) < _SEARCHED else []
        if self._count < _SEARCHED:
            for part, _, _, components in self.columns():
                searched += [joined(component.path, part) for component in components]
        known = [n for n in searched if not n.startswith(("free(", "select("))]
        known += [block.names[0] for block in self._blocks]
        from difflib import get_close_matches

        return get_close_matches(name, known, count)

    def single(self, number: int) -> Symbol | None:
        """The symbol with this number where it stands for itself, None within a block."""
        found = self._single.get(number)
        return self._of_component(number) if found is None else found

    def singles(self) -> Iterator[tuple[int, Symbol]]:
        """The symbols that stand for themselves, with their numbers, in order."""
        found = list(self._single.items())
        for first, component in zip(self._component_first, self._components, strict=True):
            path, settings = component.path, component.settings
            for k, (name, declaration) in enumerate(component.declared.quantities[self.kind]):
                found.append((first + k, _described(path, settings, name, declaration)))
        found.sort(key=itemgetter(0))
        return iter(found)

    def own_symbols(self) -> Iterator[tuple[int, Symbol]]:
        """Those of `singles` that no component has."""
        return iter(self._single.items())

    def given_by_others(self) -> list[Symbol]:
        """Those of `singles` whose default or guess is an expression, in order."""
        found = [
            (number, info) for number, info in self._single.items()
            if isinstance(info.default, Expr) or isinstance(info.guess, Expr)
        ]  # fmt: skip
        for first, component in zip(self._component_first, self._components, strict=True):
            settings = component.settings
            wanted = component.declared.by_others[self.kind]
            for value in settings.values():
                wanted = wanted or isinstance(value, Expr)
            if wanted:
                for k, (name, declaration) in enumerate(component.declared.quantities[self.kind]):
                    info = _described(component.path, settings, name, declaration)
                    if isinstance(info.default, Expr) or isinstance(info.guess, Expr):
                        found.append((first + k, info))
        return [info for _, info in sorted(found, key=itemgetter(0))]

    def columns(self) -> Iterator[tuple[str, Declaration, IntArray, list[Component]]]:
        """For every quantity of a component class: its name within, declaration, numbers, and whose it is."""
        groups: dict[int, list[int]] = {}
        for at, component in enumerate(self._components):
            groups.setdefault(id(component.declared), []).append(at)
        starts = np.array(self._component_first, np.int64)
        for members in groups.values():
            components = [self._components[at] for at in members]
            for k, (name, declaration) in enumerate(components[0].declared.quantities[self.kind]):
                yield name, declaration, starts[members] + k, components

    def depths(self) -> IntArray:
        """(count,) the dots in each name; 0 in blocks."""
        result = np.zeros(self._count, np.int64)
        for number, info in self._single.items():
            result[number] = info.name.count(".")
        known: list[Component] = []
        for name, _, numbers, components in self.columns():
            if components is not known:
                known = components
                outer = np.array([component.path.count(".") for component in components], np.int64)
            result[numbers] = outer + 1 + name.count(".")
        return result

    def _of_component(self, number: int) -> Symbol | None:
        """The symbol with this number where a component has it."""
        at = bisect_right(self._component_first, number) - 1
        if at < 0:
            return None
        component = self._components[at]
        declared = component.declared.quantities[self.kind]
        k = number - self._component_first[at]
        if k >= len(declared):
            return None
        return _described(component.path, component.settings, *declared[k])

    def block_values(self) -> NDArray[np.float64]:
        """(count,) the values given with blocks, NaN elsewhere."""
        values = np.full(self._count, np.nan)
        for first, block in zip(self._first, self._blocks, strict=True):
            if block.values is not None:
                values[first : first + len(block)] = block.values
        return values


def _described(path: str, settings: dict[str, Any], name: str, declaration: Declaration) -> Symbol:
    """The symbol of a quantity of the component at ``path`` or of a connector, which has no settings."""
    connector, dot, _ = name.rpartition(".")
    if dot:
        return declaration.description(joined(path, connector), {})
    return declaration.description(path, settings)
