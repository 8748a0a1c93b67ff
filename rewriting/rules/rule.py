"""What a rewrite rule is: two expressions over pattern variables, and what must hold for them.

A rule is written as algebra: ``rule(sin(a + b), sin(a) * cos(b) + cos(a) * sin(b))``. Both sides are ordinary
expressions, so the canonical form applies to them: what it does by itself (commutativity, like terms, like
bases, signs, exact numbers) needs no rule and cannot be written as one. Any expression may stand for a
pattern variable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from symnum.errors import ModelError
from symnum.rewriting.expr import Expr, Symbol, symbol

Fact: TypeAlias = Literal["positive", "nonnegative", "nonzero"]
FACTS: tuple[Fact, ...] = ("positive", "nonnegative", "nonzero")
Level: TypeAlias = Literal["strict", "default", "fast"]

LEVELS: tuple[Level, ...] = ("strict", "default", "fast")
"""From bit-for-bit to algebra that real numbers allow: each level includes the ones before it."""


class Assumption(NamedTuple):
    """A fact that must be *proved* about what a pattern variable stands for before the rule applies."""

    fact: Fact
    variable: Expr


class Rule(NamedTuple):
    """``left`` may be replaced by ``right`` wherever the assumptions are proved."""

    left: Expr
    right: Expr
    assume: tuple[Assumption, ...] = ()


@dataclass(frozen=True)
class RuleSet:
    """The rules of one algebra.

    ``level`` is the lowest level that uses them; ``valid_over`` says for which values and in which sense they
    hold (rounding, overflow), for the reader.
    """

    name: str
    level: Level
    valid_over: str
    rules: tuple[Rule, ...]


def pattern(name: str) -> Expr:
    """A pattern variable: it matches any expression, and the same one wherever it stands in a rule."""
    return symbol(Symbol(name, "pattern"))


def positive(variable: Expr) -> Assumption:
    """``variable > 0``."""
    return Assumption("positive", variable)


def nonnegative(variable: Expr) -> Assumption:
    """``variable >= 0``."""
    return Assumption("nonnegative", variable)


def nonzero(variable: Expr) -> Assumption:
    """``variable != 0``."""
    return Assumption("nonzero", variable)


def rule(left: Expr, right: Expr, *, assume: Assumption | tuple[Assumption, ...] = ()) -> Rule:
    """``left -> right``. ModelError when ``right`` or an assumption uses a variable that ``left`` lacks."""
    assumptions = (assume,) if isinstance(assume, Assumption) else assume
    known = pattern_variables(left)
    used = pattern_variables(right) | {a.variable for a in assumptions}
    if not used <= known:
        missing = ", ".join(sorted(v.name for v in used - known))
        raise ModelError(f"rule {left} -> {right}: {missing} does not occur on the left")
    if left.op in ("symbol", "number"):
        raise ModelError(f"rule {left} -> {right}: the canonical form of the left side matches everything")
    return Rule(left, right, assumptions)


def both_ways(
    left: Expr, right: Expr, *, assume: Assumption | tuple[Assumption, ...] = ()
) -> tuple[Rule, Rule]:
    """``left -> right`` and ``right -> left`` under the same assumptions."""
    return rule(left, right, assume=assume), rule(right, left, assume=assume)


def pattern_variables(expr: Expr) -> frozenset[Expr]:
    """The pattern variables in one side of a rule."""
    if expr.op == "symbol":
        return frozenset((expr,))
    return frozenset().union(*(pattern_variables(arg) for arg in expr.args))
