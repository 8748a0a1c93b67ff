"""Equations as MathML, which browsers draw without any help; the layout is SymPy's."""

from __future__ import annotations

from functools import cache
from html import escape
from typing import Any

from symnum.rewriting.expr import Expr, Symbol, symbol
from symnum.rewriting.walk import leaves, postorder, substitute

_WHOLE = 10**6  # rational numbers with larger denominators were written as decimal numbers
_DIGITS = 10
_LARGEST = 400  # nodes: larger expressions are shown as text


def equation_mathml(left: Expr, right: Expr) -> str:
    """``left = right`` as MathML, or as preformatted text where it is too large."""
    if sum(1 for _ in postorder((left, right))) > _LARGEST:
        return f"<code>{escape(f'{left} == {right}')}</code>"
    sides = "<mo>=</mo>".join(_mathml(side) for side in (left, right))
    return f'<math displaystyle="true"><mrow>{sides}</mrow></math>'


def _mathml(expr: Expr) -> str:
    derivatives = {leaf: symbol(Symbol(str(leaf), "variable")) for leaf in leaves((expr,)) if leaf.op == "D"}
    plain = substitute(expr, derivatives) if derivatives else expr
    found = plain.to_sympy()
    if hasattr(found, "replace"):  # what comes from a float is shown as one
        found = found.replace(lambda e: bool(e.is_Rational) and e.q > _WHOLE, lambda e: e.evalf(_DIGITS))
    return str(_printer().doprint(found))


@cache
def _printer() -> Any:
    from sympy.printing.mathml import MathMLPresentationPrinter

    class Printer(MathMLPresentationPrinter):  # type: ignore[misc]  # sympy ships no types
        """Names as they are; a derivative as a dotted letter, or d/dt of a longer name."""

        def _print_Symbol(self, found: Any, style: str = "plain") -> Any:
            return self._named(found.name)

        def _named(self, name: str) -> Any:
            if name.startswith("D(") and name.endswith(")"):
                inner = self._named(name[2:-1])
                dotted = len(name) == len("D(x)")
                row = self.dom.createElement("mover" if dotted else "mrow")
                if dotted:
                    row.appendChild(inner)
                    row.appendChild(self._leaf("mo", "\u02d9"))
                    return row
                fraction = self.dom.createElement("mfrac")
                fraction.appendChild(self._leaf("mi", "d"))
                below = self.dom.createElement("mrow")
                below.appendChild(self._leaf("mi", "d"))
                below.appendChild(self._leaf("mi", "t"))
                fraction.appendChild(below)
                row.appendChild(fraction)
                row.appendChild(inner)
                return row
            return self._leaf("mi", name)

        def _leaf(self, kind: str, text: str) -> Any:
            item = self.dom.createElement(kind)
            item.appendChild(self.dom.createTextNode(text))
            return item

    return Printer({"mul_symbol": "dot"})
