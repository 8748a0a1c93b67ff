"""Hyperbolic functions."""

from __future__ import annotations

from symnum.rewriting.expr import ONE
from symnum.rewriting.operators import cosh, exp, sinh, tanh
from symnum.rewriting.rules.rule import RuleSet, pattern, rule

a = pattern("a")

HYPERBOLIC_PARITY = RuleSet(
    "hyperbolic parity",
    level="strict",
    valid_over="reals; exact, as every libm computes odd and even functions",
    rules=(
        rule(sinh(-a), -sinh(a)),
        rule(cosh(-a), cosh(a)),
        rule(tanh(-a), -tanh(a)),
    ),
)

HYPERBOLIC = RuleSet(
    "hyperbolic",
    level="default",
    valid_over="reals; whatever overflows on one side has no use on the other",
    rules=(
        rule(cosh(a) ** 2 - sinh(a) ** 2, ONE),
        rule(1 + sinh(a) ** 2, cosh(a) ** 2),
        rule(1 - tanh(a) ** 2, 1 / cosh(a) ** 2),
        rule(sinh(2 * a), 2 * sinh(a) * cosh(a)),
        rule(sinh(a) / cosh(a), tanh(a)),
        rule(exp(a) + exp(-a), 2 * cosh(a)),
        rule(exp(a) - exp(-a), 2 * sinh(a)),
        rule(cosh(a) + sinh(a), exp(a)),
    ),
)
