"""Equality of expressions by exact arithmetic modulo a prime: the independent check of algebraic rewriting.

An expression is evaluated in a finite field at random places (Schwartz 1980; Gonnet 1984 for exponentials).
Two different rational functions of degree d agree at a random place with probability d/p, here p > 2**61, so
that agreement at several places is a proof for every practical purpose. The real functions are represented
by maps of the field with the same laws:

* ``exp``: the argument modulo q = (p - 1)/2 as exponent of an element of order q;
* ``sin``, ``cos``: the argument modulo m = (p + 1)/12 as exponent of a rotation of order m;
* ``sqrt``: x**((p + 1)/4), at places where x is a square; it is multiplicative, and so is
  ``abs(x) = sqrt(x**2)``, for -1 is not a square modulo p = 3 (mod 4);
* every other function: a random function of its argument's residue (equal arguments, equal values).

An exponential or angle with functions inside has no argument modulo q or m that knows their laws. So two
representations are tried, and one that agrees is enough: with such functions as above (``exp(2*sin(x))`` is
``exp(sin(x))**2``), and with them as random functions of the residue (``exp(sin(2*x))`` is
``exp(2*sin(x)*cos(x))``).

Laws beyond these (``log(a*b)``, branches) are not seen: such expressions count as different unless rules have
brought them together first (`certificate`). Order relations do not exist in a field: ``sqrt(x**2) = x`` is
false here, and whether a value is defined is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from hashlib import blake2b

from symnum.rewriting.expr import Expr, Rational
from symnum.rewriting.walk import postorder

Q = 1152921504606872081
P = 2305843009213744163
M = 192153584101145347
"""Three primes, P = 2*Q + 1 = 12*M - 1: found by search from 2**60 upwards."""

PLACES = 3
DRAWS = 600
"""Places tried before giving up: one with s independent square roots is good with probability 2**-s."""

_Residues = tuple[int, int, int]  # modulo P, Q, M


class _BadPlace(Exception):
    """A denominator vanishes here, or a root does not exist."""


def agree(one: Sequence[Expr], other: Sequence[Expr]) -> bool:
    """Whether the expressions are pairwise equal as functions in the sense above."""
    if all(a is b for a, b in zip(one, other, strict=True)):
        return True
    return _agree(one, other, deep=False) or _agree(one, other, deep=True)


def _agree(one: Sequence[Expr], other: Sequence[Expr], deep: bool) -> bool:
    good = 0
    for seed in range(DRAWS):
        try:
            values = residues([*one, *other], seed, deep=deep)
        except _BadPlace:
            continue
        if values[: len(one)] != values[len(one) :]:
            return False
        good += 1
        if good == PLACES:
            return True
    return False


def residues(roots: Sequence[Expr], seed: int, *, deep: bool) -> list[int]:
    """The residues modulo P of the roots at one random place.

    deep: functions of functions keep their laws; otherwise they are random functions of the residue.
    """
    found: dict[Expr, _Residues] = {}
    algebraic: set[Expr] = set()  # no function inside
    for expr in postorder(roots):
        args = () if expr.op == "D" else expr.args
        plain = expr.op in ("+", "group") or (expr.op == "*" and all(type(e) is int for e in expr.data))
        if not args or (plain and all(arg in algebraic for arg in args)):
            algebraic.add(expr)
        elif expr.op in _PERIODIC and not deep and args[0] not in algebraic:
            value = found[args[0]][0]
            found[expr] = _each(lambda modulus, k: _random(modulus, seed, expr.op, value))  # noqa: B023
            continue
        found[expr] = _residues(expr, [found[arg] for arg in args], seed)
    return [found[root][0] for root in roots]


def _residues(expr: Expr, args: list[_Residues], seed: int) -> _Residues:
    op = expr.op
    if op == "group":
        return args[0]
    if not args and op != "number":
        return _each(lambda modulus, k: _random(modulus, seed, "leaf", expr.key))
    if op == "number":
        return _each(lambda modulus, k: _number(expr.data, modulus))
    if op == "+":
        constant, coefficients = expr.data
        return _each(
            lambda modulus, k: (
                _number(constant, modulus)
                + sum(_number(c, modulus) * a[k] for a, c in zip(args, coefficients, strict=True))
            )
            % modulus
        )
    if op == "*":

        def product(modulus: int, k: int) -> int:
            value = 1
            for base, arg, exponent in zip(expr.args, args, expr.data, strict=True):
                number = base.op == "number"  # it is a square or it is not: another place is no help
                value = value * _power(arg[k], exponent, modulus, seed, number) % modulus
            return value

        return _each(product)
    opaque = _each(lambda modulus, k: _random(modulus, seed, op, *(a[k] for a in args)))
    known = _KNOWN.get(op)
    if known is None:
        return opaque
    return known(args, seed), opaque[1], opaque[2]


def _each(function: Callable[[int, int], int]) -> _Residues:
    return function(P, 0), function(Q, 1), function(M, 2)


def _random(modulus: int, seed: int, *parts: object) -> int:
    digest = blake2b(repr((modulus, seed, parts)).encode(), digest_size=16).digest()
    return int.from_bytes(digest, "little") % modulus


def _inverse(value: int, modulus: int) -> int:
    if value % modulus == 0:
        raise _BadPlace
    return pow(value, -1, modulus)


def _number(value: Rational, modulus: int) -> int:
    if isinstance(value, int):
        return value % modulus
    return value.numerator % modulus * _inverse(value.denominator, modulus) % modulus


def _power(base: int, exponent: Rational, modulus: int, seed: int, number: bool) -> int:
    if isinstance(exponent, Fraction):
        if exponent.denominator == 2 and modulus == P and not number:
            base = _root(base)
        else:
            base = _random(modulus, seed, "root", base, exponent.denominator)
        exponent = exponent.numerator
    if exponent < 0:
        base, exponent = _inverse(base, modulus), -exponent
    return pow(base, exponent, modulus)


def _root(value: int) -> int:
    root = pow(value, (P + 1) // 4, P)
    if root * root % P != value:
        raise _BadPlace
    return root


_GENERATOR = 4  # a square, hence of order Q


def _exp(argument: int) -> int:
    return pow(_GENERATOR, argument, P)


def _rotation(argument: int) -> tuple[int, int]:
    """(cos, sin): a rotation of order M to the power of the argument."""
    result, square = (1, 0), _ROTATION
    while argument:
        if argument & 1:
            result = _turned(result, square)
        square = _turned(square, square)
        argument >>= 1
    return result


def _turned(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return (a[0] * b[0] - a[1] * b[1]) % P, (a[0] * b[1] + a[1] * b[0]) % P


def _first_rotation() -> tuple[int, int]:
    """From the rational parametrization of the circle; the twelfth power leaves an order that divides M."""
    t = 2
    bottom = pow(1 + t * t, -1, P)
    point = ((1 - t * t) * bottom % P, 2 * t * bottom % P)
    square = _turned(point, point)
    fourth = _turned(square, square)
    return _turned(fourth, _turned(fourth, fourth))


_ROTATION = _first_rotation()


def _half(value: int) -> int:
    return value * ((P + 1) // 2) % P


def _cosh(args: list[_Residues], seed: int) -> int:
    e = _exp(args[0][1])
    return _half(e + pow(e, -1, P))


def _sinh(args: list[_Residues], seed: int) -> int:
    e = _exp(args[0][1])
    return _half(e - pow(e, -1, P))


def _log(value: int, seed: int) -> int:
    return _random(P, seed, "log", value)


_PERIODIC = frozenset({"exp", "expm1", "sinh", "cosh", "tanh", "sin", "cos", "tan"})

_KNOWN: dict[str, Callable[[list[_Residues], int], int]] = {
    "exp": lambda args, seed: _exp(args[0][1]),
    "expm1": lambda args, seed: (_exp(args[0][1]) - 1) % P,
    "cosh": _cosh,
    "sinh": _sinh,
    "tanh": lambda args, seed: _sinh(args, seed) * _inverse(_cosh(args, seed), P) % P,
    "cos": lambda args, seed: _rotation(args[0][2])[0],
    "sin": lambda args, seed: _rotation(args[0][2])[1],
    "tan": lambda args, seed: _rotation(args[0][2])[1] * _inverse(_rotation(args[0][2])[0], P) % P,
    "log": lambda args, seed: _log(args[0][0], seed),
    "log1p": lambda args, seed: _log((args[0][0] + 1) % P, seed),
    "log10": lambda args, seed: _log(args[0][0], seed) * _inverse(_log(10, seed), P) % P,
    "abs": lambda args, seed: _root(args[0][0] * args[0][0] % P),
    "hypot": lambda args, seed: _root((args[0][0] ** 2 + args[1][0] ** 2) % P),
}
