"""Sums of products: factoring and expanding."""

from __future__ import annotations

from symnum.rewriting.rules.rule import RuleSet, both_ways, pattern, rule

a, b, c = (pattern(name) for name in "abc")

ARITHMETIC = RuleSet(
    "arithmetic",
    level="default",
    valid_over="reals; the order of rounding changes",
    rules=(
        *both_ways(a * b + a * c, a * (b + c)),
        *both_ways(a * b - a * c, a * (b - c)),
        rule(a + a * b, a * (1 + b)),
        rule(a - a * b, a * (1 - b)),
        rule(a * b - a, a * (b - 1)),
        rule(a**2 - b**2, (a - b) * (a + b)),
        rule(a**2 - 1, (a - 1) * (a + 1)),
        rule(1 - a**2, (1 - a) * (1 + a)),
    ),
)
