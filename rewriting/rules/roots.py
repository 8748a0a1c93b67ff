"""Square roots and absolute values."""

from __future__ import annotations

from symnum.rewriting.operators import absolute, sqrt
from symnum.rewriting.rules.rule import RuleSet, nonnegative, pattern, rule

a, b = (pattern(name) for name in "ab")

ABSOLUTE = RuleSet(
    "absolute",
    level="strict",
    valid_over="reals; exact",
    rules=(
        rule(absolute(-a), absolute(a)),
        rule(absolute(a), a, assume=nonnegative(a)),
        rule(absolute(absolute(a)), absolute(a)),
        rule(absolute(a) ** 2, a**2),
    ),
)

# sqrt(a)*sqrt(b) -> sqrt(a*b) without an assumption would give a number where both are negative and the left
# side has none; the other way round it would lose one.
ROOTS = RuleSet(
    "roots",
    level="default",
    valid_over="reals; overflow of a**2 may disappear",
    rules=(
        rule(sqrt(a**2), absolute(a)),
        rule(sqrt(a**2 * b), absolute(a) * sqrt(b), assume=nonnegative(b)),
        rule(sqrt(a) * sqrt(b), sqrt(a * b), assume=nonnegative(a)),
        rule(absolute(a) * absolute(b), absolute(a * b)),
    ),
)
