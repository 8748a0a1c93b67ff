"""Matching a rule against a term, modulo the order of terms and factors.

Works through the term interface, so for every storage. A sum or product in a rule may match a part of a
longer one; what is left over is put back. Inside a match everything must be used up: of several pattern
variables standing alone the last takes all that remains. A number in front of a whole sum passes through:
``1 - sin(a)**2`` matches ``3 - 3*sin(x)**2``.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Generic, TypeVar

from symnum.rewriting.expr import Expr, Rational
from symnum.rewriting.rules.rule import Rule
from symnum.rewriting.term import TermInterface

T = TypeVar("T")
Binding = dict[Expr, Any]
"""Pattern variable -> the term that it stands for."""

MANY = 24
"""Terms or factors beyond which a node is not matched in part: the number of ways explodes."""


def is_variable(pattern: Expr) -> bool:
    return pattern.op == "symbol"


class Matcher(Generic[T]):
    """Matches and replacements over one kind of term."""

    def __init__(self, terms: TermInterface[T]) -> None:
        self.terms = terms

    def applications(self, rule: Rule, term: T) -> Iterator[tuple[T, Binding]]:
        """(the term after the rule, what the variables stand for) for every way to apply it at the top."""
        for binding, scale, rest in self._top(rule.left, term):
            right = self.instance(rule.right, binding)
            terms = self.terms
            if rest is None:
                yield right, binding
            elif rest[0] == "+":
                parts, coefficients, constant = rest[1]
                data = constant, (scale, *coefficients)
                yield terms.rebuild("+", (right, *parts), data), binding
            else:
                bases, exponents = rest[1]
                yield terms.rebuild("*", (right, *bases), (1, *exponents)), binding

    def instance(self, pattern: Expr, binding: Binding) -> T:
        """A side of a rule with its variables replaced."""
        if is_variable(pattern):
            found: T = binding[pattern]
            return found
        args = tuple(self.instance(arg, binding) for arg in pattern.args)
        return self.terms.rebuild(pattern.op, args, pattern.data)

    def _top(self, pattern: Expr, term: T) -> Iterator[tuple[Binding, Rational, Any]]:
        operation = self.terms.operation(term)
        if pattern.op == "+" and operation == "+":
            args, (constant, coefficients) = self.terms.arguments(term), self.terms.metadata(term)
            if len(args) > MANY:
                return
            subject = list(zip(args, coefficients, strict=True))
            p_constant, p_coefficients = pattern.data
            wanted = list(zip(pattern.args, p_coefficients, strict=True))
            for binding, scale, left in self._terms(wanted, subject, {}, None):
                after = constant - scale * p_constant
                if p_constant and not _towards_zero(constant, after):
                    continue
                if not left and not after and scale == 1:
                    yield binding, 1, None
                else:
                    parts = tuple(t for t, _ in left), tuple(c for _, c in left), after
                    yield binding, scale, ("+", parts)
        elif pattern.op == "*" and operation == "*":
            bases, exponents = self.terms.arguments(term), self.terms.metadata(term)
            if len(bases) > MANY:
                return
            factors = list(zip(bases, exponents, strict=True))
            for binding, rest in self._factors(list(pattern.factors()), factors, {}):
                kept = tuple(b for b, _ in rest), tuple(e for _, e in rest)
                yield binding, 1, (("*", kept) if rest else None)
        elif pattern.op not in ("+", "*"):
            for binding in self._match(pattern, term, {}):
                yield binding, 1, None

    def _match(self, pattern: Expr, term: T, binding: Binding) -> Iterator[Binding]:
        """The whole term against the whole pattern."""
        terms = self.terms
        if is_variable(pattern):
            bound = binding.get(pattern)
            if bound is None:
                yield {**binding, pattern: term}
            elif terms.same(bound, term):
                yield binding
            return
        operation = terms.operation(term)
        if pattern.op == "number":
            if operation == "number" and terms.metadata(term) == pattern.data:
                yield binding
            return
        if pattern.op != operation:
            return
        if pattern.op == "+":
            constant, coefficients = terms.metadata(term)
            subject = list(zip(terms.arguments(term), coefficients, strict=True))
            yield from self._whole_sum(pattern, subject, constant, binding)
        elif pattern.op == "*":
            factors = list(zip(terms.arguments(term), terms.metadata(term), strict=True))
            yield from self._whole_product(pattern, factors, binding)
        else:
            yield from self._arguments(pattern.args, terms.arguments(term), binding)

    def _arguments(
        self, patterns: tuple[Expr, ...], args: tuple[T, ...], binding: Binding
    ) -> Iterator[Binding]:
        if not patterns:
            yield binding
            return
        for found in self._match(patterns[0], args[0], binding):
            yield from self._arguments(patterns[1:], args[1:], found)

    def _whole_sum(
        self, pattern: Expr, subject: list[tuple[T, Rational]], constant: Rational, binding: Binding
    ) -> Iterator[Binding]:
        p_constant, coefficients = pattern.data
        wanted = list(zip(pattern.args, coefficients, strict=True))
        free = [(p, c) for p, c in wanted if is_variable(p) and p not in binding]
        if not free:
            for found, scale, left in self._terms(wanted, subject, binding, 1):
                if not left and constant == p_constant and scale == 1:
                    yield found
            return
        last, coefficient = free[-1]
        if len(subject) > MANY:
            return
        for found, _, left in self._terms([w for w in wanted if w[0] is not last], subject, binding, 1):
            remaining = _whole(Fraction(constant - p_constant) / coefficient)
            if left or remaining:
                whole = remaining, tuple(_whole(Fraction(c) / coefficient) for _, c in left)
                rest = self.terms.rebuild("+", tuple(t for t, _ in left), whole)
                yield {**found, last: rest}

    def _whole_product(
        self, pattern: Expr, factors: list[tuple[T, Rational]], binding: Binding
    ) -> Iterator[Binding]:
        wanted = list(pattern.factors())
        free = [p for p, e in wanted if is_variable(p) and p not in binding and e == 1]
        if not free or len(factors) > MANY:
            for found, left in self._factors(wanted, factors, binding):
                if not left:
                    yield found
            return
        last = free[-1]
        for found, left in self._factors([w for w in wanted if w[0] is not last], factors, binding):
            if left:
                rest = self.terms.rebuild("*", tuple(b for b, _ in left), tuple(e for _, e in left))
                yield {**found, last: rest}

    def _terms(
        self,
        wanted: list[tuple[Expr, Rational]],
        subject: list[tuple[T, Rational]],
        binding: Binding,
        scale: Rational | None,
    ) -> Iterator[tuple[Binding, Rational, list[tuple[T, Rational]]]]:
        """Assign each wanted term one of the subject, with coefficients in one ratio (``scale``)."""
        if not wanted:
            yield binding, 1 if scale is None else scale, subject
            return
        # the most specific first: a variable of its own matches anything
        pick = min(range(len(wanted)), key=lambda k: is_variable(wanted[k][0]))
        pattern, coefficient = wanted[pick]
        others = wanted[:pick] + wanted[pick + 1 :]
        for k, (term, found) in enumerate(subject):
            rest = subject[:k] + subject[k + 1 :]
            if is_variable(pattern) and pattern not in binding and scale is not None:
                ratio = _whole(Fraction(found) / (scale * coefficient))
                value = term if ratio == 1 else self.terms.rebuild("+", (term,), (0, (ratio,)))
                yield from self._terms(others, rest, {**binding, pattern: value}, scale)
                continue
            ratio = _whole(Fraction(found) / coefficient)
            if scale is None or ratio == scale:
                for bound in self._match(pattern, term, binding):
                    yield from self._terms(others, rest, bound, ratio)

    def _factors(
        self, wanted: list[tuple[Expr, Rational]], factors: list[tuple[T, Rational]], binding: Binding
    ) -> Iterator[tuple[Binding, list[tuple[T, Rational]]]]:
        if not wanted:
            yield binding, factors
            return
        pick = min(range(len(wanted)), key=lambda k: is_variable(wanted[k][0]))
        pattern, exponent = wanted[pick]
        others = wanted[:pick] + wanted[pick + 1 :]
        for k, (base, found) in enumerate(factors):
            rest = factors[:k] + factors[k + 1 :]
            if is_variable(pattern) and pattern not in binding and exponent == 1:
                value = base if found == 1 else self.terms.rebuild("*", (base,), (found,))
                yield from self._factors(others, rest, {**binding, pattern: value})
            elif found == exponent:
                for bound in self._match(pattern, base, binding):
                    yield from self._factors(others, rest, bound)


def _towards_zero(before: Rational, after: Rational) -> bool:
    return bool(abs(Fraction(after)) < abs(Fraction(before)))


def _whole(value: Rational) -> Rational:
    return value.numerator if value.denominator == 1 else value
