"""Certificates: those of results are accepted, corrupted ones are not; exact equality modulo primes."""

import random
from collections.abc import Callable

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from symnum.rewriting.certificate import Certificate, check, explain
from symnum.rewriting.expr import ONE, Expr, Symbol, add, as_expr, number, symbol
from symnum.rewriting.operators import absolute, cos, exp, expm1, ifelse, log, log1p, sin, sinh, sqrt, tan
from symnum.rewriting.schedule import simplify
from symnum.rewriting.signature import M, P, Q, agree

x, y, z = VARIABLES = tuple(symbol(Symbol(name, "variable")) for name in "xyz")


def test_the_moduli_are_primes_of_the_needed_kind() -> None:
    assert all(sympy.isprime(n) for n in (P, Q, M))
    assert P == 2 * Q + 1 == 12 * M - 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (sin(x + y), sin(x) * cos(y) + cos(x) * sin(y)),
        (cos(2 * x), 1 - 2 * sin(x) ** 2),
        (sin(3 * x), 3 * sin(x) - 4 * sin(x) ** 3),
        (tan(x) * cos(x), sin(x)),
        (exp(x) * exp(y), exp(x + y)),
        (expm1(x) + 1, exp(x)),
        (sinh(x), (exp(x) - exp(-x)) / 2),
        (sqrt(x) * sqrt(y), sqrt(x * y)),
        (sqrt(x**2), absolute(x)),
        ((x**2 - y**2) / (x - y), x + y),
        (log1p(x - 1), log(x)),
        (log(x * y + x), log(x * (y + 1))),
    ],
)
def test_equal_functions(one: Expr, other: Expr) -> None:
    assert agree([one], [other])
    assert agree([exp(one)], [exp(other)])
    assert not agree([one], [other * number(1 + 2**-40)])
    assert not agree([one], [other + number(2**-60)])


@pytest.mark.parametrize(
    ("one", "other"),
    [(sqrt(x**2), x), (absolute(x), x), (sin(x) ** 2, sin(x)), (x + y, x - y), (exp(x * y), exp(x) * exp(y))],
)
def test_different_functions(one: Expr, other: Expr) -> None:
    assert not agree([one], [other])


@pytest.mark.parametrize(
    ("before", "level"),
    [
        (log(exp(x) * exp(y)) + log(exp(x)), "fast"),
        (ifelse(x < y, x * z, y * z), "default"),
        ((x - 1) / (x**2 - 1), "default"),
        (x * y + x * z + sin(x) ** 2 + cos(x) ** 2, "default"),
        (absolute(exp(x)) + absolute(-y), "strict"),
        (log(exp(x**3)), "fast"),
    ],
)
def test_a_certificate_comes_with_the_result(before: Expr, level: str) -> None:
    after, certificate = simplify(before, level, certificate=True)
    assert after is not before
    assert certificate.before == (before,)
    assert certificate.after == (after,)
    assert check(certificate)
    assert "exact arithmetic" in str(certificate)


def test_conditions_are_part_of_it() -> None:
    """log(x) + log(y) -> log(x*y) needs both positive, and the checker asks for the proof."""
    before = log(x) + log(y) + 1
    where = {x: (0.5, 2.0), y: (1.0, 3.0)}
    after, certificate = simplify(before, "fast", where=where, certificate=True)
    assert after is log(x * y) + 1
    assert certificate.forward
    assert check(certificate)
    unfounded = Certificate(certificate.before, certificate.after, certificate.forward, certificate.backward)
    assert not check(unfounded)
    assert simplify(before, "fast") is before


def corrupted(certificate: Certificate, draw: random.Random) -> Certificate:
    """The same with one thing changed that makes it wrong."""
    before, after = certificate.before, certificate.after
    k = draw.randrange(len(after))
    wrong = list(after)
    kind = draw.randrange(5)
    if kind == 0:
        wrong[k] = wrong[k] + number(draw.choice((1, -1, 2**-30)))
    elif kind == 1:
        wrong[k] = wrong[k] * number(1 + draw.choice((1, -3, 2**-20))) + x
    elif kind == 2:
        wrong[k] = wrong[k] + draw.choice(VARIABLES) * draw.choice((1, -1))
    elif kind == 3 and certificate.forward:
        step = certificate.forward[0]
        bad = step._replace(new=step.new + number(draw.choice((1, -2))))
        return Certificate(before, after, (bad, *certificate.forward[1:]), certificate.backward)
    else:
        wrong[k] = sin(wrong[k]) + 2
    return Certificate(before, tuple(wrong), certificate.forward, certificate.backward)


def _expressions() -> st.SearchStrategy[Expr]:
    leaf = st.sampled_from([*VARIABLES, number(2), ONE])
    one: list[Callable[[Expr], Expr]] = [sin, cos, exp, absolute]
    one += [lambda a: sqrt(a**2 + 1), lambda a: log(exp(a))]
    two: list[Callable[[Expr, Expr], Expr]] = [
        lambda a, b: a + b,
        lambda a, b: a * b,
        lambda a, b: a / (b**2 + 1),
        lambda a, b: a * b + a,
        lambda a, b: ifelse(a < b, a * b, b),
    ]
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(lambda f, a: f(a), st.sampled_from(one), inner),
            st.builds(lambda f, a, b: f(a, b), st.sampled_from(two), inner, inner),
        ),
        max_leaves=8,
    )


def both_ways_hold(before: Expr, seed: int, wrong_ones: int) -> None:
    _, certificate = simplify(before, "fast", certificate=True, nodes=2000)
    assert check(certificate)
    draw = random.Random(seed)
    for _ in range(wrong_ones):
        assert not check(corrupted(certificate, draw))


@settings(max_examples=60)
@given(_expressions(), st.integers(0, 10**6))
def test_results_are_accepted_and_corruptions_are_not(before: Expr, seed: int) -> None:
    both_ways_hold(before, seed, 2)


@pytest.mark.slow
@settings(max_examples=10_000)
@given(_expressions(), st.integers(0, 10**6))
def test_ten_thousand_results_and_corruptions(before: Expr, seed: int) -> None:
    both_ways_hold(before, seed, 1)


def test_nothing_in_common_is_not_explained() -> None:
    assert explain((x + y,), (x - y,), {}) is None
    assert explain((log(x * y),), (log(x) + log(y),), {}) is None


def test_a_value_that_is_lost_is_found() -> None:
    """Equal as rational functions, but the result has no value at 0."""
    before, after = x * y + 1, x * (y + 1 / x)
    assert agree([before], [after])
    assert not check(Certificate((before,), (after,), (), ()))


def test_many_roots_at_once() -> None:
    roots = [add(sin(a - b) * z for b in VARIABLES if b is not a) for a in VARIABLES]
    found, certificate = simplify(roots, certificate=True)
    assert check(certificate)
    assert len(found) == 3
    assert as_expr(found[0]) in certificate.after
