"""The equations that stand in a system itself: grouped by shape into families."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symnum.errors import ModelError
from symnum.lowering.families import Family, compacted
from symnum.lowering.numbering import Numbering
from symnum.lowering.statement_units import check_statement, name_of
from symnum.record import replace
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr, slot
from symnum.rewriting.shape import residual_template
from symnum.rewriting.walk import leaves, substitute


class OwnEquations:
    """Writes the families of ``equations`` to ``numbering.raw``."""

    def __init__(self, numbering: Numbering, equations: Sequence[Equation]) -> None:
        self.numbering, self.equations = numbering, equations
        self.raw = numbering.raw

    def write(self, owner: int) -> None:
        self.number_in_reading_order()
        grouped: dict[Expr, list[tuple[tuple[Expr, ...], Equation]]] = {}
        letters_of: dict[Expr, str] = {}
        for equation in self.equations:
            check_statement(equation, self.raw.name, equation)
            residual = equation.residual
            if residual.is_number:
                raise ModelError(
                    f"{self.raw.name}: the equation {equation} holds no unknown and is "
                    f"{'always true' if residual.value == 0 else 'never true'}; remove it"
                )
            template = residual_template(residual, _classify)
            root = template.roots[0]
            grouped.setdefault(root, []).append((template.leaves, equation))
            letters_of[root] = "".join(
                _classify(leaf) if leaf.op != "number" else "c" for leaf in template.leaves
            )
        for number_, (root, rows) in enumerate(grouped.items()):
            letters = letters_of[root]
            columns: list[Any] = []
            for k, letter in enumerate(letters):
                found = [leaves_[k] for leaves_, _ in rows]
                if letter == "c":
                    columns.append(np.array([float(leaf) for leaf in found]))
                    continue
                if letter == "p":
                    numbers = [self.numbering.number_of(leaf, leaf.name) for leaf in found]
                else:
                    numbers = [self.numbering.number_of_unknown(leaf, lambda s: s.name) for leaf in found]
                columns.append(np.array(numbers, np.int64))
            (body,) = substitute(
                (root,), {slot("d", k): slot("u", k) for k, x in enumerate(letters) if x == "d"}
            )
            equations = [equation for _, equation in rows]
            count = len(rows)
            family = Family(
                body, letters.replace("d", "u"), tuple(columns), owner + number_, np.arange(count),
                (_text_of(equations), np.arange(count)), np.full(count, -1),
            )  # fmt: skip
            self.raw.families.append(compacted(_with_literals(family, [leaves_ for leaves_, _ in rows])))

    def number_in_reading_order(self) -> None:
        """Unknowns in the order of the equations: D(x) on a left side first, then the rest."""
        equations = self.equations
        sides = [side for equation in equations for side in (equation.lhs, equation.rhs)]
        for side in [equation.lhs for equation in equations] + sides:
            derivatives = [leaf for leaf in leaves((side,)) if leaf.op == "D"]
            for leaf in sorted(derivatives, key=name_of):
                while leaf.op == "D":
                    leaf = leaf.args[0]
                self.numbering.number_of(leaf, leaf.name)
        for side in sides:
            symbols = [leaf for leaf in leaves((side,)) if leaf.op == "symbol" and leaf.kind != "time"]
            for leaf in sorted(symbols, key=name_of):
                self.numbering.number_of(leaf, leaf.name)


def _text_of(equations: Sequence[Equation]) -> Callable[[int], str]:
    """Texts are made when one is asked for: there are thousands of equations, and few are ever shown."""
    return lambda row: str(equations[row])


def _classify(leaf: Expr) -> str:
    if leaf.op == "D":
        return "d"
    return "p" if leaf.kind == "parameter" else "u"


def _with_literals(family: Family, rows: list[tuple[Expr, ...]]) -> Family:
    """Numbers that are the same in every copy are written into the root, exactly."""
    mapping = {
        slot("c", k): rows[0][k]
        for k, letter in enumerate(family.letters)
        if letter == "c" and all(row[k] is rows[0][k] for row in rows)
    }
    return replace(family, root=substitute((family.root,), mapping)[0]) if mapping else family
