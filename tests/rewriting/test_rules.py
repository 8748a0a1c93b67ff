"""Every rule: true at random points, and found by the e-graph in the form in which it is written."""

import numpy as np
import pytest

from symnum.errors import ModelError
from symnum.rewriting.binary import Binary
from symnum.rewriting.egraph import Limits, saturate
from symnum.rewriting.expr import Expr, Symbol, symbol
from symnum.rewriting.operators import exp, sin
from symnum.rewriting.rules import RULE_SETS, RuleSet, rule_sets
from symnum.rewriting.rules.rule import LEVELS, Rule, pattern, pattern_variables, positive, rule
from symnum.rewriting.walk import evaluate_arrays, substitute

RULES = [pytest.param(s, r, id=f"{s.name}: {r.left} -> {r.right}") for s in RULE_SETS for r in s.rules]
POINTS = 400


@pytest.mark.parametrize(("rules", "tested"), RULES)
def test_both_sides_agree_wherever_the_left_side_has_a_value(rules: RuleSet, tested: Rule) -> None:
    random = np.random.default_rng(0)
    values: dict[Expr, np.ndarray] = {}
    for variable in sorted(pattern_variables(tested.left), key=lambda v: v.name):
        if variable.name == "condition":
            values[variable] = random.integers(0, 2, POINTS).astype(np.longdouble)
        else:
            spread = 1 if rules.name == "hyperbolic" else 2  # cosh(a)**2 - sinh(a)**2 cancels
            values[variable] = random.normal(0, spread, POINTS).astype(np.longdouble)
            values[variable][:8] = (0, 1, -1, 0, 2, -2, 1, 0)  # where a division or a root would show
            random.shuffle(values[variable])
    keep = np.ones(POINTS, bool)
    for fact, variable in tested.assume:
        value = values[variable]
        keep &= {"positive": value > 0, "nonnegative": value >= 0, "nonzero": value != 0}[fact]
    both = evaluate_arrays([tested.left, tested.right], values)
    left, right = (np.broadcast_to(side, (POINTS,)) for side in both)
    keep &= np.isfinite(left)
    assert keep.sum() > 20
    assert np.all(np.abs(left[keep] - right[keep]) <= 1e-15 * (1 + np.abs(left[keep])))


@pytest.mark.parametrize(("rules", "tested"), RULES)
def test_the_egraph_applies_it(rules: RuleSet, tested: Rule) -> None:
    """The left side over fresh leaves is found equal to the right side."""
    replaced: dict[Expr, Expr] = {}
    for variable in pattern_variables(tested.left):
        leaf = symbol(Symbol(f"leaf_{variable.name}", "variable"))
        assumed = any(a.variable is variable for a in tested.assume)
        replaced[variable] = exp(exp(leaf)) ** 2 + 1 if assumed else leaf  # provably positive
    left, right = substitute((tested.left, tested.right), replaced)
    found = list(saturate(Binary([left, right]), rules.level, Limits(5.0, 3000, iterations=4)))
    assert found[-1].roots[0] == found[-1].roots[1]


def test_a_rule_is_checked_when_it_is_written() -> None:
    a, b = pattern("a"), pattern("b")
    with pytest.raises(ModelError, match="b does not occur on the left"):
        rule(sin(a), sin(a) + b)
    with pytest.raises(ModelError, match="b does not occur on the left"):
        rule(sin(a), a, assume=positive(b))
    with pytest.raises(ModelError, match="matches everything"):
        rule(a + b - b, a)


def test_levels_include_each_other() -> None:
    strict, default, fast = ({s.name for s in rule_sets(level)} for level in LEVELS)
    assert strict < default < fast
    assert fast == {s.name for s in RULE_SETS}
    assert len(fast) == len(RULE_SETS)
