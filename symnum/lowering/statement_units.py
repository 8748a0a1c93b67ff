"""Whether the units of a statement fit, said in the words of the statement."""

from __future__ import annotations

from symnum.errors import UnitError
from symnum.language.component import Statement
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr, Symbol
from symnum.rewriting.walk import leaves


def check_statement(equation: Equation, owner: str, statement: Statement) -> None:
    """Raise UnitError, which names the statement, where units do not fit."""
    if any(_symbol(leaf).unit is not None for leaf in leaves((equation.lhs, equation.rhs))):
        from symnum.lowering.unit_check import check_units

        try:
            check_units(equation, f"{owner}: {statement}")
        except UnitError as error:
            from symnum.lowering.findings import Finding, with_findings

            symbols = [name_of(leaf) for leaf in leaves((equation.lhs, equation.rhs))]
            names = (str(statement), owner, *symbols)
            raise with_findings(error, [Finding("units", names, str(error), "")]) from None


def name_of(leaf: Expr) -> str:
    """The text of a symbol or of a derivative of one."""
    return f"D({name_of(leaf.args[0])})" if leaf.op == "D" else leaf.name


def _symbol(leaf: Expr) -> Symbol:
    """What is known about a symbol, or about x of ``D(D(x))``."""
    while leaf.op == "D":
        leaf = leaf.args[0]
    found: Symbol = leaf.data
    return found
