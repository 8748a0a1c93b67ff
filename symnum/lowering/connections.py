"""Connection sets: which connectors meet in one node, and what that says about their quantities."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from symnum.errors import ModelError
from symnum.language.component import Component
from symnum.language.variables import Declaration, joined
from symnum.lowering.findings import Finding, with_findings
from symnum.lowering.raw import Sums

_End = tuple[str, int, tuple[Declaration, ...]]


class Nodes:
    """The nodes of a system, by union-find over the ends of connectors.

    A connector has an outer end, which other components meet, and an inner one, which is met from within its
    own component. Flows count positive into the component from outside.
    """

    def __init__(self, system_name: str) -> None:
        self._name = system_name
        self._parent: dict[str, str] = {}

    def join(self, ports: list[tuple[str, int]]) -> None:
        """Join (path, side) of some connectors: side +1 from outside, -1 from within their component."""
        first = self._root(_end(*ports[0]))
        for port in ports[1:]:
            self._parent[self._root(_end(*port))] = first

    def _root(self, end: str) -> str:
        parent = self._parent
        parent.setdefault(end, end)
        while parent[end] != end:
            parent[end] = parent[parent[end]]
            end = parent[end]
        return end

    def equations(
        self, components: Iterable[Component], number: Callable[[str], int]
    ) -> tuple[list[tuple[int, int]], Sums]:
        """Pairs of equal potentials, and one row of flows per node; ``number`` of a quantity by its name."""
        equalities: list[tuple[int, int]] = []
        indptr, unknown, coefficient, labels = [0], [], [], []
        for ends in self._sets(components):
            met = ", ".join(path for path, _, _ in ends)
            for declaration in ends[0][2]:
                ids = [number(joined(path, declaration.name)) for path, _, _ in ends]
                if declaration.role == "potential":
                    equalities += [(ids[0], other) for other in ids[1:]]
                else:
                    unknown += ids
                    coefficient += [float(side) for _, side, _ in ends]
                    indptr.append(len(unknown))
                    labels.append(f"sum of {declaration.name} at connect({met})")
        flows = Sums(
            indptr=np.array(indptr, np.int64),
            unknown=np.array(unknown, np.int64),
            coefficient=np.array(coefficient, float),
            labels=tuple(labels),
        )
        return equalities, flows

    def _sets(self, components: Iterable[Component]) -> Iterable[list[_End]]:
        sets: dict[str, list[_End]] = {}
        for component in components:
            for name, prototype in component.connectors.items():
                path = joined(component.path, name)
                if path not in self._parent:
                    error = ModelError(
                        f"{self._name}: the connector {path} ({type(prototype).__name__}) is not connected. "
                        f"Join it with sn.connect({path}, ...), or leave the component out."
                    )
                    finding = Finding("connection", (path, component.path), str(error), "")
                    raise with_findings(error, [finding])
                for side in (1, -1):
                    end = _end(path, side)
                    if end in self._parent:
                        sets.setdefault(self._root(end), []).append((path, side, prototype.quantities))
        return sets.values()


def _end(path: str, side: int) -> str:
    return path if side > 0 else path + "|"
