"""Exponentials and logarithms.

One way only. ``exp(a)*exp(b) -> exp(a + b)`` loses an overflow; the other way would trade a number for
inf/inf.
"""

from __future__ import annotations

from symnum.rewriting.operators import exp, log
from symnum.rewriting.rules.rule import RuleSet, nonnegative, pattern, positive, rule

a, b = (pattern(name) for name in "ab")

EXPONENTIAL = RuleSet(
    "exponential",
    level="default",
    valid_over="reals; whatever overflows or underflows on one side does so on the other",
    rules=(
        rule(exp(-a), 1 / exp(a)),
        rule(exp(2 * a), exp(a) ** 2),
        rule(log(exp(a)), a),
        rule(exp(log(a)), a, assume=positive(a)),
    ),
)

MERGING = RuleSet(
    "merging",
    level="fast",
    valid_over="reals; overflows of intermediate results may disappear, the relative error of exp may grow",
    rules=(
        rule(exp(a) * exp(b), exp(a + b)),
        rule(exp(a) / exp(b), exp(a - b)),
        rule(exp(a) ** 2, exp(2 * a)),
        rule(1 / exp(a), exp(-a)),
        rule(log(a) + log(b), log(a * b), assume=(positive(a), positive(b))),
        rule(log(a) - log(b), log(a / b), assume=(positive(a), positive(b))),
        rule(log(a**2), 2 * log(a), assume=positive(a)),
        rule(log(1 / a), -log(a), assume=nonnegative(a)),
    ),
)
