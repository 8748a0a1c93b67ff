"""Sine, cosine and tangent.

Splitting the angle of a difference is what makes networks cheap: ``sin(d_i - d_j)`` over all pairs of n
angles needs the sine and cosine of n angles instead of n*(n - 1) differences. The absolute error stays at one
rounding, but for d_i close to d_j the relative error does not: at level ``strict`` nothing is split.
"""

from __future__ import annotations

from symnum.rewriting.expr import ONE
from symnum.rewriting.operators import cos, sin, tan
from symnum.rewriting.rules.rule import RuleSet, both_ways, pattern, rule

a, b = (pattern(name) for name in "ab")

PARITY = RuleSet(
    "parity",
    level="strict",
    valid_over="reals; exact, as every libm computes odd and even functions",
    rules=(
        rule(sin(-a), -sin(a)),
        rule(cos(-a), cos(a)),
        rule(tan(-a), -tan(a)),
    ),
)

TRIGONOMETRIC = RuleSet(
    "trigonometric",
    level="default",
    valid_over="reals; absolute errors stay at one rounding of the largest term, relative ones grow",
    rules=(
        rule(sin(a + b), sin(a) * cos(b) + cos(a) * sin(b)),
        rule(cos(a + b), cos(a) * cos(b) - sin(a) * sin(b)),
        rule(sin(2 * a), 2 * sin(a) * cos(a)),
        rule(cos(2 * a), 1 - 2 * sin(a) ** 2),
        rule(sin(a) ** 2 + cos(a) ** 2, ONE),
        rule(1 - sin(a) ** 2, cos(a) ** 2),
        rule(1 - cos(a) ** 2, sin(a) ** 2),
        *both_ways(tan(a), sin(a) / cos(a)),
    ),
)
