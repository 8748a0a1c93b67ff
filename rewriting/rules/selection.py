"""``ifelse``: one selection instead of two."""

from __future__ import annotations

from symnum.rewriting.operators import ifelse
from symnum.rewriting.rules.rule import RuleSet, pattern, rule

a, b, c, d = (pattern(name) for name in "abcd")
condition = pattern("condition")

SELECTION = RuleSet(
    "selection",
    level="strict",
    valid_over="all doubles; exact",
    rules=(
        rule(ifelse(~condition, a, b), ifelse(condition, b, a)),
        rule(ifelse(condition, a * c, b * c), c * ifelse(condition, a, b)),
        rule(ifelse(condition, a, b) + ifelse(condition, c, d), ifelse(condition, a + c, b + d)),
        rule(ifelse(condition, a, b) * ifelse(condition, c, d), ifelse(condition, a * c, b * d)),
    ),
)
