"""Connection sets: which connectors meet in one node, and what that says about their quantities."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.component import Component, Connector
from symnum.language.connect import Connection
from symnum.language.variables import Declaration, joined
from symnum.lowering.families import IntArray
from symnum.lowering.findings import Finding, with_findings
from symnum.lowering.raw import Sums, Texts

__all__ = ["Nodes", "least_of_sets"]


class Nodes:
    """The nodes of a system, as sets of ends of connectors.

    A connector has an outer end, which other components meet, and an inner one, which is met from within its
    own component: connector c, counted through all components, has the ends 2c and 2c + 1. Flows count
    positive into the component from outside.
    """

    def __init__(self, system_name: str, components: Sequence[Component]) -> None:
        self._name = system_name
        self._components = [component for component in components if component.connectors]
        self._first: dict[str, int] = {}  # the first connector of the component at a path
        self._starts: list[int] = []  # the first connector of each component
        count = 0
        for component in self._components:
            self._first[component.path] = count
            self._starts.append(count)
            count += len(component.connectors)
        self._count = count
        self._met: list[int] = []  # pairs of ends, one after the other
        self._pairs: list[IntArray] = []  # (pairs, 2)

    def join(self, connection: Connection) -> None:
        """Join the outer ends of some connectors; one alone meets itself."""
        ends = [
            2 * self._number(port, "" if port.owner is None else port.owner.path, connection)
            for port in connection.ports
        ]
        for end in ends[1:] or ends:
            self._met += (ends[0], end)

    def join_members(self, connection: Connection, template: Component, homes: list[list[str]]) -> None:
        """Join the connectors that a class connects, in each of its instances.

        homes: for each of the connectors the path of its component in all instances.
        """
        ends: list[IntArray] = []
        for port, paths in zip(connection.ports, homes, strict=True):
            numbers = [self._number(port, path, connection) for path in paths]
            ends.append(2 * np.array(numbers, np.int64) + (port.owner is template))
        self._pairs += [np.stack([ends[0], other], axis=1) for other in ends[1:] or ends]

    def _number(self, port: Connector, path: str, connection: Connection) -> int:
        """The number of a connector of the component at ``path``."""
        first = self._first.get(path)
        if port.owner is None or first is None:
            raise ModelError(
                f"{self._name}: {connection} joins {port!r}, which belongs to no part of the system"
            )
        return first + port.owner.declared.connector_numbers[port.name]

    def equations(self, first: dict[str, tuple[int, int]]) -> tuple[IntArray, Sums]:
        """(pairs, 2) equal potentials, and one row of flows per node.

        first: the numbers of the first unknown and the first parameter of the component at a path.
        """
        pairs = np.concatenate([np.array(self._met, np.int64).reshape(-1, 2), *self._pairs])
        touched = np.zeros(2 * self._count, bool)
        touched[pairs] = True
        if not touched[::2].all():
            self._refuse(int(np.argmin(touched[::2])))
        label = least_of_sets(2 * self._count, pairs)
        ends = np.flatnonzero(touched)
        ends = ends[np.argsort(label[ends], kind="stable")]
        new = np.ones(len(ends), bool)
        new[1:] = label[ends[1:]] != label[ends[:-1]]
        node = np.cumsum(new) - 1
        start = np.flatnonzero(new)
        number, kind, kinds = self._quantities(first)
        number, side = number[ends // 2], 1.0 - 2.0 * (ends % 2)
        kind_of_node = kind[ends[start] // 2]
        equal: list[IntArray] = []
        rows: list[tuple[NDArray[Any], ...]] = []  # of entries: node, number of the quantity, unknown, side
        for which, quantities in enumerate(kinds):
            mine = np.flatnonzero(kind_of_node[node] == which)
            for k, declaration in enumerate(quantities):
                if declaration.role == "potential":
                    others = mine[~new[mine]]
                    equal.append(np.stack([number[start[node[others]]] + k, number[others] + k], axis=1))
                else:
                    rows.append((node[mine], np.full(len(mine), k), number[mine] + k, side[mine]))
        equalities = np.concatenate([np.zeros((0, 2), np.int64), *equal])
        if not rows:
            return equalities, Sums(np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0), ())
        at, quantity, unknown, coefficient = (np.concatenate(part) for part in zip(*rows, strict=True))
        order = np.lexsort((quantity, at))
        at, quantity = at[order], quantity[order]
        begins = np.concatenate([[True], (at[1:] != at[:-1]) | (quantity[1:] != quantity[:-1])])
        indptr = np.concatenate([np.flatnonzero(begins), [len(at)]])
        bounds = np.append(start, len(ends))
        nodes, quantities_ = at[begins], quantity[begins]

        def text(row: int) -> str:
            node = int(nodes[row])
            met = []
            for connector in (ends[bounds[node] : bounds[node + 1]] // 2).tolist():
                place = bisect_right(self._starts, connector) - 1
                part = self._components[place]
                met.append(joined(part.path, list(part.connectors)[connector - self._starts[place]]))
            name = kinds[kind_of_node[node]][int(quantities_[row])].name
            return f"sum of {name} at connect({', '.join(met)})"

        labels = Texts(text, np.arange(len(nodes)))
        return equalities, Sums(indptr, unknown[order], coefficient[order], labels)

    def _quantities(
        self, first: dict[str, tuple[int, int]]
    ) -> tuple[IntArray, IntArray, list[tuple[Declaration, ...]]]:
        """Of every connector the number of its first quantity and its kind; and what each kind has."""
        kinds: dict[tuple[Declaration, ...], int] = {}
        numbers: list[int] = []
        kind: list[int] = []
        of_class: dict[type[Component], tuple[list[int], list[int]]] = {}
        for component in self._components:
            cls = type(component)
            if cls not in of_class:
                own = [kinds.setdefault(c.quantities, len(kinds)) for c in component.connectors.values()]
                of_class[cls] = list(component.declared.connectors.values()), own
            places, own = of_class[cls]
            start = first[component.path][0]
            numbers += [start + place for place in places]
            kind += own
        return np.array(numbers, np.int64), np.array(kind, np.int64), list(kinds)

    def _refuse(self, connector: int) -> None:
        for component in self._components:
            behind = connector - self._first[component.path]
            if behind < len(component.connectors):
                name, prototype = list(component.connectors.items())[behind]
                path = joined(component.path, name)
                error = ModelError(
                    f"{self._name}: the connector {path} ({type(prototype).__name__}) is not connected. "
                    f"Join it with sn.connect({path}, ...), write sn.connect({path}) where nothing hangs on "
                    "it, or leave the component out."
                )
                raise with_findings(error, [Finding("connection", (path, component.path), str(error), "")])


def least_of_sets(n: int, pairs: IntArray) -> IntArray:
    """(n,) for each of 0 ... n - 1 the least number that pairs join it with, directly or through others."""
    label = np.arange(n)
    one, other = pairs.T
    while len(one):
        before = label.copy()
        least = np.minimum(label[one], label[other])
        for ends in (label[one], label[other], one, other):
            np.minimum.at(label, ends, least)
        label = label[label]  # along labels, so that chains halve in every round
        if (label == before).all():
            break
    return label
