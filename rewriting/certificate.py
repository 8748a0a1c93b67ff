"""Certificates: why a rewritten expression equals the original, in steps that can be checked by themselves.

A certificate holds rule applications from the original expressions to a meeting form, others from the
results to a second meeting form, and the claim that both meet: an identity of rational functions,
exponentials, trigonometric functions and roots, which `signature` decides by exact arithmetic. Rules stand in
it by name; `check` looks them up and shares no code with the search: neither e-graph, cost nor matching.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from symnum.errors import ModelError
from symnum.rewriting.bounds import Where, intervals
from symnum.rewriting.expr import Expr, Rational, linear, multiply, rebuild
from symnum.rewriting.match import Matcher
from symnum.rewriting.precise import settled_values
from symnum.rewriting.rules import RULE_SETS
from symnum.rewriting.rules.limits import LIMITS
from symnum.rewriting.rules.rule import Rule, RuleSet
from symnum.rewriting.signature import agree
from symnum.rewriting.term import EXPR
from symnum.rewriting.verify import mismatch
from symnum.rewriting.walk import leaves, postorder, substitute

_KNOWN = (*RULE_SETS, LIMITS)

STEPS = 400
"""Rule applications in one direction beyond which no certificate is made."""

NORMALIZING = ("absolute", "selection", "exponential", "merging", "powers", "merging powers", "limits")
"""Rule sets with laws that `signature` does not know; each of their rules leads to a shorter form."""

TOLERANCE = 1e-22
PLACES = 12


class Step(NamedTuple):
    """``at``, wherever it occurs, becomes ``new`` by one rule.

    rules, number: the rule is number ``number`` of the set ``rules``. binding: (name of the pattern variable,
    expression). ``at`` is a number times the left side plus a rest, or the left side times a rest; ``new`` is
    the same with the right side.
    """

    rules: str
    number: int
    binding: tuple[tuple[str, Expr], ...]
    at: Expr
    new: Expr

    def __str__(self) -> str:
        rule = _rule(self.rules, self.number)
        text = f"{rule.left} -> {rule.right}" if rule else "unknown rule"
        conditions = ", ".join(f"{a.variable} {a.fact}" for a in rule.assume) if rule else ""
        return f"{self.at} = {self.new}   [{text}{'; ' + conditions if conditions else ''}]"


@dataclass(frozen=True)
class Certificate:
    """Why ``after`` equals ``before``, within the bounds ``where``.

    forward: steps from ``before``; backward: steps from ``after``. The two ends agree by `signature`.
    """

    before: tuple[Expr, ...]
    after: tuple[Expr, ...]
    forward: tuple[Step, ...]
    backward: tuple[Step, ...]
    where: tuple[tuple[Expr, float, float], ...] = ()

    @property
    def bounds(self) -> dict[Expr, tuple[float, float]]:
        return {leaf: (low, high) for leaf, low, high in self.where}

    def __str__(self) -> str:
        lines = [f"from the original: {step}" for step in self.forward]
        lines += [f"from the result: {step}" for step in self.backward]
        return "\n".join([*lines, "then equal by exact arithmetic modulo a prime"])


def explain(before: tuple[Expr, ...], after: tuple[Expr, ...], where: Where) -> Certificate | None:
    """A certificate, or None when the two cannot be brought together by the rules and exact arithmetic."""
    bounds = tuple((leaf, float(low), float(high)) for leaf, (low, high) in where.items())
    if agree(before, after):
        return Certificate(before, after, (), (), bounds)
    forward, left = _normalized(before, where)
    backward, right = _normalized(after, where)
    if left is None or right is None or not agree(left, right):
        return None
    return Certificate(before, after, tuple(forward), tuple(backward), bounds)


def _normalized(roots: tuple[Expr, ...], where: Where) -> tuple[list[Step], tuple[Expr, ...] | None]:
    steps: list[Step] = []
    state = roots
    while (step := _next_step(state, where)) is not None:
        steps.append(step)
        state = _replaced(state, step.at, step.new)
        if len(steps) == STEPS:
            return steps, None
    return steps, state


def _next_step(roots: tuple[Expr, ...], where: Where) -> Step | None:
    matcher = Matcher(EXPR)
    for node in postorder(roots):
        if not node.args:
            continue
        for rules in _KNOWN:
            if rules.name not in NORMALIZING:
                continue
            for number, rule in enumerate(rules.rules):
                for new, binding in _applications(matcher, rules, rule, node):
                    if new is node or _weight(new) >= _weight(node):
                        continue
                    if rule.assume:
                        known = intervals(list(binding.values()), where)
                        if not all(known[binding[v]].fact(fact) for fact, v in rule.assume):
                            continue
                    named = tuple((v.name, value) for v, value in binding.items())
                    return Step(rules.name, number, named, node, new)
    return None


def _applications(
    matcher: Matcher[Expr], rules: RuleSet, rule: Rule, node: Expr
) -> Iterable[tuple[Expr, Mapping[Expr, Expr]]]:
    """What the rule makes of the node, with its bindings.

    A limit is read from its condition: the factors of an argument such as 3*x are spread over those of the
    quotient, where no pattern would find the argument again.
    """
    if rules is not LIMITS:
        yield from matcher.applications(rule, node)
    elif node.op == "ifelse" and node.args[0].op == "equal":
        binding = dict.fromkeys(leaves(rule.left), node.args[0].args[0])
        left, right = substitute((rule.left, rule.right), binding)
        if left is node:
            yield right, binding


def _weight(expr: Expr) -> int:
    """Transcendental and branching nodes count most: every step must remove some, so that steps end."""
    return sum(1 if node.op in ("+", "*", "number", "symbol", "slot") else 100 for node in postorder(expr))


def _replaced(roots: tuple[Expr, ...], old: Expr, new: Expr) -> tuple[Expr, ...]:
    done: dict[Expr, Expr] = {}
    for node in postorder(roots):
        if node is old:
            done[node] = new
        elif node.args and node.op != "D":
            done[node] = rebuild(node, tuple(done[arg] for arg in node.args))
        else:
            done[node] = node
    return tuple(done[root] for root in roots)


# ---- checking -------------------------------------------------------------------------------------
def check(certificate: Certificate) -> bool:
    """Whether a certificate proves what it claims. Never raises for a wrong one.

    Every step: the rule exists, both sides with the variables replaced account for the change exactly
    (modulo a prime), its conditions hold by interval arithmetic, both sides agree in high precision. The
    ends: equal modulo a prime. At last original and result are compared at points in the domain, where a
    value that got lost would show.
    """
    try:
        ends = []
        for roots, steps in (
            (certificate.before, certificate.forward),
            (certificate.after, certificate.backward),
        ):
            state = roots
            for step in steps:
                if not _step_holds(step, certificate.bounds):
                    return False
                state = _replaced(state, step.at, step.new)
            ends.append(state)
        if len(ends[0]) != len(ends[1]) or not agree(*ends):
            return False
        return mismatch(certificate.before, certificate.after, where=certificate.bounds) is None
    except (ModelError, ValueError, TypeError, KeyError, ArithmeticError):
        return False


def _rule(rules: str, number: int) -> Rule | None:
    for known in _KNOWN:
        if known.name == rules and 0 <= number < len(known.rules):
            return known.rules[number]
    return None


def _step_holds(step: Step, where: Where) -> bool:
    rule = _rule(step.rules, step.number)
    if rule is None:
        return False
    binding = {v: dict(step.binding)[v.name] for v in leaves((rule.left, rule.right))}
    left, right = substitute((rule.left, rule.right), binding)
    if rule.assume:
        known = intervals(list(binding.values()), where)
        if not all(known[binding[v]].fact(fact) for fact, v in rule.assume):
            return False
    return _accounts_for(step, left, right) and _equal_in_high_precision(left, right, where)


def _accounts_for(step: Step, left: Expr, right: Expr) -> bool:
    """at - new is a number times left - right, or at/new is left/right."""
    sizes: set[Rational] = {1}
    for _, coefficient in step.at.terms():
        sizes.add(coefficient if coefficient > 0 else -coefficient)
    scales = [sign * size for size in sizes for sign in (1, -1)]
    for scale in scales:
        if agree([step.at - step.new], [linear(((left, scale), (right, -scale)))]):
            return True
    return agree([multiply(((step.at, 1), (right, 1)))], [multiply(((step.new, 1), (left, 1)))])


def _equal_in_high_precision(left: Expr, right: Expr, where: Where) -> bool:
    from symnum.rewriting.accuracy import sample

    unknown = leaves((left, right))
    points = sample(unknown, where)[:PLACES]
    # log(exp(a)) of a small a needs many digits: as many are taken as it takes
    for before, after in settled_values([left, right], points):
        if before == before and not abs(before - after) <= abs(before) * TOLERANCE + 1e-300:
            return False
    return True
