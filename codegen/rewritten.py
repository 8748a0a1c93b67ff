"""What the rewriter made of the templates of a model, kept with its code.

The rewriter searches for a time, so that it may find something else in another process. What is made later
beside the code of a model (steps compiled for it, kernels for a GPU, exported text) has to come from the same
functions, to the last place of scratch; so the results are kept, and not searched for again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from symnum.codegen import cache
from symnum.codegen.function import template_text
from symnum.rewriting.expr import Expr

if TYPE_CHECKING:
    from symnum.codegen.passes import Rewrite, Simplify

__all__ = ["Rewritten"]


class Rewritten:
    """A `Simplify` that remembers what another one returned; ``kept`` are its results as plain values."""

    def __init__(self, simplify: Simplify, kept: dict[str, Any] | None = None) -> None:
        self._simplify = simplify
        self.kept = {} if kept is None else kept

    def __call__(self, roots: tuple[Expr, ...], copies: int) -> Rewrite | None:
        rewrite = self._simplify(roots, copies)  # whether searching pays is the same in every process
        return None if rewrite is None else partial(self._remembered, rewrite)

    def _remembered(
        self, rewrite: Rewrite, roots: tuple[Expr, ...], free: frozenset[Expr]
    ) -> tuple[Expr, ...]:
        given = " ".join(sorted(f"{leaf.data[0]}{leaf.data[1]}" for leaf in free))
        key = cache.digest(template_text(roots), given)
        if key not in self.kept:
            simpler = tuple(rewrite(roots, free))
            self.kept[key] = None if simpler == roots else _written(simpler)
            return simpler
        found = self.kept[key]
        if found is None:  # nothing was found
            return roots
        from symnum.rewriting.node_table import nodes_of  # not needed for a model that is on disk

        rows, numbers = found
        nodes = nodes_of(rows)
        return tuple([nodes[number] for number in numbers])

    def forgetting(self) -> Rewritten:
        """One that has to search again."""
        return Rewritten(self._simplify)


def _written(roots: tuple[Expr, ...]) -> tuple[list[list[Any]], list[int]]:
    from symnum.rewriting.node_table import NodeTable

    table = NodeTable()
    numbers = [table.add(root) for root in roots]
    return table.rows, numbers
