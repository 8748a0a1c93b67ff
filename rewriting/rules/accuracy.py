"""Rules that keep digits. They are applied where a measurement shows that they do, never for speed.

Most remove a cancellation: the left side subtracts two numbers that are nearly equal somewhere, the right
side has the difference of the arguments instead. Sources: Hamming, Numerical Methods for Scientists and
Engineers, 1986, chapter 3; Goldberg, ACM Computing Surveys 23 (1991) 5; for the logistic function and its
integral the splitting by sign that every statistics library uses.
"""

from __future__ import annotations

from symnum.rewriting.expr import power
from symnum.rewriting.operators import (
    HALF,
    absolute,
    atan,
    cos,
    cosh,
    exp,
    expm1,
    hypot,
    log,
    log1p,
    maximum,
    sin,
    sinh,
    sqrt,
    tan,
)
from symnum.rewriting.rules.rule import RuleSet, nonnegative, nonzero, pattern, positive, rule

a, b, c = (pattern(name) for name in "abc")

ACCURACY = RuleSet(
    "accuracy",
    level="default",
    valid_over="reals",
    rules=(
        # exponentials and logarithms near 1
        rule(exp(a) - 1, expm1(a)),
        rule(exp(a) - exp(-a), 2 * sinh(a)),
        rule(exp(a) + exp(-a) - 2, 4 * sinh(HALF * a) ** 2),
        rule(exp(a) - exp(b), exp(b) * expm1(a - b)),
        rule(exp(a) / expm1(a), -1 / expm1(-a)),
        rule(log(a + 1), log1p(a)),
        rule(log(a), log1p(a - 1), assume=positive(a)),
        rule(log(a) - log(b), log1p((a - b) / b), assume=(positive(a), positive(b))),
        rule(log(a / b), log1p((a - b) / b)),
        rule(power(a, b) - 1, expm1(b * log(a)), assume=positive(a)),
        rule(power(a + 1, b) - 1, expm1(b * log1p(a)), assume=positive(a)),
        # the logistic function and softplus
        rule(exp(a) / (exp(a) + 1), 1 / (exp(-a) + 1)),
        rule(log(exp(a) + 1), maximum(a, 0) + log1p(exp(-absolute(a)))),
        rule(log1p(exp(a)), maximum(a, 0) + log1p(exp(-absolute(a)))),
        # differences of trigonometric functions
        rule(1 - cos(a), 2 * sin(HALF * a) ** 2),
        rule(1 - cos(a) ** 2, sin(a) ** 2),
        rule(1 - sin(a) ** 2, cos(a) ** 2),
        rule(sin(a) - sin(b), 2 * cos(HALF * (a + b)) * sin(HALF * (a - b))),
        rule(cos(a) - cos(b), -2 * sin(HALF * (a + b)) * sin(HALF * (a - b))),
        rule(tan(a) - tan(b), sin(a - b) / (cos(a) * cos(b))),
        rule(atan(a) - atan(b), atan((a - b) / (1 + a * b)), assume=(nonnegative(a), nonnegative(b))),
        rule(sin(HALF * a) ** 2 / sin(a), HALF * tan(HALF * a)),
        rule(cosh(a) - 1, 2 * sinh(HALF * a) ** 2),
        # differences of roots, quotients and squares
        rule(sqrt(a) - sqrt(b), (a - b) / (sqrt(a) + sqrt(b))),
        rule(sqrt(a) - b, (a - b**2) / (sqrt(a) + b), assume=positive(b)),
        rule(sqrt(a) - 1, (a - 1) / (sqrt(a) + 1)),
        rule(1 / a - 1 / b, (b - a) / (a * b)),
        rule(1 / sqrt(a) - 1 / sqrt(b), (b - a) / (sqrt(a) * sqrt(b) * (sqrt(a) + sqrt(b)))),
        rule(a / b - c / b, (a - c) / b),
        rule(a**2 - b**2, (a - b) * (a + b)),
        rule(a**2 - 1, (a - 1) * (a + 1)),
        rule(sqrt(a**2 + b**2), hypot(a, b)),
        rule(sqrt(a**2 + 1), hypot(a, 1)),
        rule(sqrt(a**2), absolute(a)),
        rule(exp(a) ** 2 - 1, expm1(2 * a)),
        rule(expm1(2 * a) / expm1(a), exp(a) + 1, assume=nonzero(a)),
        rule(a * b + a * c, a * (b + c)),
        rule(a + a * b, a * (1 + b)),
        rule(a * (b + c), a * b + a * c),
    ),
)
