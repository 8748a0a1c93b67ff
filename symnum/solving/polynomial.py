"""Steady states as roots of polynomials: from expressions to numerators, and all their real roots."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.lowering.flat import FlatSystem
from symnum.lowering.written_out import right_hand_side
from symnum.rewriting.expr import Expr, Symbol, number, slot, symbol
from symnum.rewriting.walk import substitute
from symnum.solving.equilibrium import Equilibrium
from symnum.solving.homotopy import roots_by_homotopy

if TYPE_CHECKING:
    import sympy

__all__ = ["real_roots"]

FloatArray: TypeAlias = NDArray[np.float64]
log = logging.getLogger("symnum")

_MOST_PATHS = 4000
_MOST_UNKNOWNS = 40
_WIDTH = Fraction(1, 10**18)  # of the intervals that isolate the roots of one polynomial, times their scale


def real_roots(equilibrium: Equilibrium) -> Iterator[FloatArray]:
    """(n,) candidates: the real roots of the numerators of G."""
    import sympy

    flat = equilibrium.problem.flat
    if flat.n > _MOST_UNKNOWNS:
        raise ModelError(
            f"{flat.name}: {flat.n} unknowns are too many to find all steady states (at most "
            f"{_MOST_UNKNOWNS}); sn.steady_state finds one from a start"
        )
    names = [symbol(Symbol(f"x{i}", "variable")) for i in range(flat.n)]
    variables = [sympy.Symbol(f"x{i}") for i in range(flat.n)]
    values: dict[Expr, Expr] = {slot("u", i): name for i, name in enumerate(names)}
    values |= {slot("p", i): number(float(value)) for i, value in enumerate(equilibrium.p)}
    rows = substitute(right_hand_side(flat), values)
    equations: list[Any] = []
    replaced = equilibrium.replaced.tolist()
    for i, row in enumerate(rows):
        if i in replaced:
            law = equilibrium.invariants[replaced.index(i)]
            total = Fraction(repr(float(equilibrium.totals[replaced.index(i)])))
            weights = [Fraction(repr(float(w))).limit_denominator(10**9) for w in law]
            equations.append(_sum(weights, variables) - sympy.Rational(total.numerator, total.denominator))
        else:
            equations.append(_numerator(flat, i, row, variables))
    yield from _solved(flat, equations, variables)


def _sum(weights: list[Fraction], variables: list[Any]) -> Any:
    import sympy

    pairs = zip(weights, variables, strict=True)
    return sympy.Add(*(sympy.Rational(w.numerator, w.denominator) * x for w, x in pairs if w))


def _numerator(flat: FlatSystem, i: int, row: Expr, variables: list[Any]) -> Any:
    import sympy

    top = sympy.fraction(sympy.together(row.to_sympy()))[0]
    by_name = {s: variables[int(s.name[1:])] for s in top.free_symbols}
    top = top.xreplace(by_name)
    if not top.is_polynomial(*variables) or top.has(sympy.Float):
        raise ModelError(
            f"{flat.name}: the equation {flat.equation_texts[i]} is not rational in the unknowns; "
            "sn.steady_state finds steady states one by one from starts"
        )
    return sympy.expand(top)


def _solved(flat: FlatSystem, equations: list[Any], variables: list[Any]) -> Iterator[FloatArray]:
    """Linear equations are solved for one variable each, exactly; the rest by exact isolation or homotopy."""
    import sympy

    given: dict[Any, Any] = {}  # eliminated variable: polynomial in the others
    left = [sympy.Poly(equation, *variables) for equation in equations]
    while True:
        left = [poly for poly in left if not poly.is_zero]
        if any(poly.is_ground for poly in left):
            return  # a contradiction: no steady state
        chosen = next(((k, poly) for k, poly in enumerate(left) if poly.total_degree() == 1), None)
        if chosen is None:
            break
        k, poly = chosen
        x = next(v for v in variables if poly.coeff_monomial(v))
        value = sympy.expand(x - poly.as_expr() / poly.coeff_monomial(x))
        given = {key: sympy.expand(old.subs(x, value)) for key, old in given.items()} | {x: value}
        left = [sympy.Poly(p.as_expr().subs(x, value), *variables) for j, p in enumerate(left) if j != k]
    free = [x for x in variables if x not in given]
    left = [sympy.Poly(poly.as_expr(), *free) for poly in left] if free else []
    if len(left) < len(free):
        raise ModelError(
            f"{flat.name}: there are fewer equations than unknowns for the steady states, which then are not "
            "isolated; does the system conserve something that is not linear?"
        )
    back = sympy.lambdify(free, [given.get(x, x) for x in variables], "math")
    for root in _roots(flat, left, free):
        yield np.array([float(value) for value in back(*root)])


def _roots(flat: FlatSystem, polys: list[Any], free: list[Any]) -> Iterator[tuple[float, ...]]:
    import sympy

    if not free:
        yield ()
        return
    if len(free) == 1:
        poly: sympy.Poly = polys[0]
        for other in polys[1:]:
            poly = sympy.gcd(poly, other)
        if poly.degree() < 1:
            return
        for (low, high), _ in poly.intervals(eps=sympy.Rational(_WIDTH.numerator, _WIDTH.denominator)):
            yield (float((low + high) / 2),)
        return
    paths = int(np.prod([float(poly.total_degree()) for poly in polys]))
    if paths > _MOST_PATHS:
        raise ModelError(
            f"{flat.name}: {paths} paths would lead to all steady states (at most {_MOST_PATHS} are "
            "followed); sn.steady_state finds them one by one from starts"
        )
    systems = [
        (
            np.array([monomial for monomial, _ in poly.terms()], np.int64),
            np.array([float(coefficient) for _, coefficient in poly.terms()]),
        )
        for poly in polys
    ]
    roots, lost = roots_by_homotopy(systems)
    if lost:
        log.warning(
            "%s: %d of %d paths to steady states could not be followed to their end; one may be missing",
            flat.name, lost, paths,
        )  # fmt: skip
    for root in roots:
        yield tuple(float(value) for value in root)
