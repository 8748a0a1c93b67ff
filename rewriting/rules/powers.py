"""Powers with exponents that are no numbers. All need a positive base: elsewhere they may have no value."""

from __future__ import annotations

from symnum.rewriting.expr import power
from symnum.rewriting.operators import exp, log
from symnum.rewriting.rules.rule import RuleSet, pattern, positive, rule

a, b, c = (pattern(name) for name in "abc")

POWERS = RuleSet(
    "powers",
    level="default",
    valid_over="positive bases; one rounding more or less",
    rules=(
        rule(power(a, b - 1), power(a, b) / a, assume=positive(a)),
        rule(power(a, b + 1), a * power(a, b), assume=positive(a)),
        rule(power(a, -b), 1 / power(a, b), assume=positive(a)),
    ),
)

MERGING_POWERS = RuleSet(
    "merging powers",
    level="fast",
    valid_over="positive bases; overflows of intermediate results may disappear",
    rules=(
        rule(power(a, b) * power(a, c), power(a, b + c), assume=positive(a)),
        rule(power(a, b) / power(a, c), power(a, b - c), assume=positive(a)),
        rule(power(a, b) * power(c, b), power(a * c, b), assume=(positive(a), positive(c))),
        rule(power(power(a, b), c), power(a, b * c), assume=positive(a)),
        rule(power(exp(a), b), exp(a * b)),
        rule(log(power(a, b)), b * log(a), assume=positive(a)),
        rule(exp(a * log(b)), power(b, a), assume=positive(b)),
    ),
)
