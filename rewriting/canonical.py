"""Canonical builders: the one form in which a sum, a product, a power or a call is kept.

* a **sum** is a constant and a map term -> coefficient; numbers are distributed over sums, so coefficients
  live in sums only (``2*x`` is a sum of one term);
* a **product** is a map base -> rational exponent (``x*x`` is ``{x: 2}``, ``1/x`` is ``{x: -1}``);
* everything else is an operator over arguments, folded where its value is known exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from symnum.rewriting.interning import Symbol, by_key, node
from symnum.rewriting.rational import Number, Rational, number_power, rational, times_number, whole

if TYPE_CHECKING:
    from symnum.rewriting.expr import Expr


def number(value: Number) -> Expr:
    return node("number", (), rational(value))


def symbol(info: Symbol) -> Expr:
    return node("symbol", (), info)


def slot(letter: str, index: int) -> Expr:
    """Leaf ``index`` of a template; the letter is its class: u, d, p, c, w (see `shape`)."""
    return node("slot", (), (letter, index))


_UNIT = (0, (1, 1))
_MINUS = (0, (-1,))


def linear(parts: Iterable[tuple[Expr, Rational]], constant: Rational = 0) -> Expr:
    """``constant + sum(coefficient * term)`` in canonical form."""
    total: dict[Expr, Rational] = {}
    for term, coefficient in parts:
        op = term.op
        if op == "+":
            inner, coefficients = term.data
            if inner:
                constant += coefficient * inner
            for sub, sub_coefficient in zip(term.args, coefficients, strict=True):
                product = times_number(coefficient, sub_coefficient)
                total[sub] = total[sub] + product if sub in total else product
        elif op == "number":
            constant += coefficient * term.data
        else:
            total[term] = total[term] + coefficient if term in total else coefficient
    return _collected(total, constant)


def add(terms: Iterable[Expr]) -> Expr:
    """The sum of any number of terms, in one go (``sum()`` builds every partial sum)."""
    total: dict[Expr, Rational] = {}
    constant: Rational = 0
    for term in terms:
        op = term.op
        if op == "+":
            inner, coefficients = term.data
            if inner:
                constant += inner
            for sub, coefficient in zip(term.args, coefficients, strict=True):
                total[sub] = total[sub] + coefficient if sub in total else coefficient
        elif op == "number":
            constant += term.data
        else:
            total[term] = total[term] + 1 if term in total else 1
    return _collected(total, constant)


def _collected(total: dict[Expr, Rational], constant: Rational) -> Expr:
    """The sum with these coefficients, zeros among them."""
    constant = constant if type(constant) is int else whole(constant)
    terms = sorted([term for term, coefficient in total.items() if coefficient], key=by_key)
    if not terms:
        return node("number", (), constant)
    coefficients = [total[term] for term in terms]
    if len(terms) == 1 and constant == 0 and coefficients[0] == 1:
        return terms[0]
    exact = tuple([c if type(c) is int else whole(c) for c in coefficients])
    return node("+", tuple(terms), (constant, exact))


def scaled(expr: Expr, factor: Rational) -> Expr:
    """``factor * expr`` for a factor other than 0 and 1."""
    op = expr.op
    if op == "+" or op == "number":
        return linear(((expr, factor),))
    return node("+", (expr,), _MINUS if factor == -1 else (0, (factor,)))


def plus(a: Expr, b: Expr) -> Expr:
    if a.op in _SUMMED or b.op in _SUMMED or a is b:
        return add((a, b))
    return node("+", (a, b) if a.key < b.key else (b, a), _UNIT)


_SUMMED = frozenset({"number", "+"})


def times(a: Expr, b: Expr) -> Expr:
    """The product of two expressions; most factors are leaves or functions, for which it is soon found."""
    if b.op not in _OPEN:
        if a.op == "*":
            return _with_factor(a, b)
        if a.op not in _OPEN and a is not b:
            return node("*", (a, b) if a.key < b.key else (b, a), _ONES)
    elif b.op == "*" and a.op not in _OPEN:
        return _with_factor(b, a)
    return multiply(((a, 1), (b, 1)))


_ONES = (1, 1)
_LINEAR = tuple([(1,) * n for n in range(12)])  # exponents of most products: one object for all of them


def _with_factor(product: Expr, factor: Expr) -> Expr:
    """A product with one more base that does not open up."""
    bases, exponents = product.args, product.data
    key, place = factor.key, 0
    for base in bases:
        if base is factor:
            return multiply(((product, 1), (factor, 1)))
        if base.key > key:
            break
        place += 1
    count = len(bases)
    bases = (*bases[:place], factor, *bases[place:])
    if count < 11 and exponents == _LINEAR[count]:
        return node("*", bases, _LINEAR[count + 1])
    return node("*", bases, (*exponents[:place], 1, *exponents[place:]))


def multiply(parts: Iterable[tuple[Expr, Rational]]) -> Expr:
    """``product(base ** exponent)`` in canonical form."""
    product, coefficient = multiplied(parts)
    return product if coefficient == 1 else scaled(product, coefficient)


def multiplied(
    parts: Iterable[tuple[Expr, Rational]], coefficient: Rational = 1
) -> tuple[Expr, Rational]:
    """``coefficient * product(base ** exponent)`` as a product and its coefficient."""
    total: dict[Expr, Rational] = {}
    pending = [*parts]
    for base, exponent in pending:  # grows on the way
        op = base.op
        if op not in _OPEN:
            total[base] = total[base] + exponent if base in total else exponent
        elif exponent == 0:
            continue
        elif op == "*" and type(exponent) is int:
            if exponent != 1:
                pending += [(b, e * exponent) for b, e in zip(base.args, base.data, strict=True)]
                continue
            for b, e in zip(base.args, base.data, strict=True):
                if b not in total:
                    total[b] = e  # a base of a product, as it stands there, does not open up
                elif b.op in _OPEN:
                    pending.append((b, e))
                else:
                    total[b] += e
        elif op == "+" and len(base.args) == 1 and base.data[0] == 0 and type(exponent) is int:
            scale = base.data[1][0]
            folded = scale if exponent == 1 else number_power(scale, exponent)
            coefficient = times_number(coefficient, folded or 0)
            pending.append((base.args[0], exponent))
        elif op == "number":
            folded = base.data if exponent == 1 else number_power(base.data, exponent)
            if folded is not None:
                coefficient *= folded
            else:  # 2**(3/2) is 2 * 2**(1/2)
                floor = exponent // 1
                coefficient *= number_power(base.data, floor) or 0
                _merge(total, base, exponent - floor, pending)
        else:
            _merge(total, base, exponent, pending)
    if coefficient == 0:
        return node("number", (), 0), 1
    bases = [base for base, exponent in total.items() if exponent]
    if not bases:
        return node("number", (), whole(coefficient)), 1
    if len(bases) == 1 and total[bases[0]] == 1:
        return bases[0], whole(coefficient)
    bases.sort(key=by_key)
    exponents = [total[base] for base in bases]
    exact = tuple([e if type(e) is int else whole(e) for e in exponents])
    return node("*", tuple(bases), exact), whole(coefficient)


_OPEN = frozenset({"number", "+", "*"})  # bases that may fold or open up


def _merge(
    total: dict[Expr, Rational], base: Expr, exponent: Rational, pending: list[tuple[Expr, Rational]]
) -> None:
    """Add an exponent of a base. One that becomes whole opens the base up: sqrt(x*y)*sqrt(x*y) is x*y."""
    if base not in total:
        total[base] = exponent
        return
    merged = whole(total.pop(base) + exponent)
    if merged != exponent and (type(merged) is int or base.op == "number"):
        pending.append((base, merged))
    else:
        total[base] = merged


def power(base: Expr, exponent: Expr) -> Expr:
    """``base ** exponent``; rational exponents become products, others the operator ``pow``."""
    if exponent.op == "number":
        return multiply(((base, exponent.data),))
    if base.op == "number" and base.data == 1:
        return base
    return node("pow", (base, exponent))


# Operator name -> its exact folds, or None. operators.py fills it: it stands above this file.
FOLDS: dict[str, Callable[..., Expr | None] | None] = {}


def apply(op: str, *args: Expr) -> Expr:
    """The operator over arguments, with its exact folds: ``sin(0)``, ``min(2, 3)``, ``ifelse(1, a, b)``."""
    if not FOLDS:
        import symnum.rewriting.operators  # noqa: F401 - fills FOLDS
    fold = FOLDS[op]
    if fold is not None:
        folded = fold(*args)
        if folded is not None:
            return folded
    return node(op, args)


def rebuild(expr: Expr, args: tuple[Expr, ...]) -> Expr:
    """The same operator over other arguments, in canonical form."""
    if expr.op == "+":
        constant, coefficients = expr.data
        return linear(zip(args, coefficients, strict=True), constant)
    if expr.op == "*":
        return multiply(zip(args, expr.data, strict=True))
    if expr.op == "pow":
        return power(*args)
    if not args:
        return expr
    if expr.op in ("D", "delay"):  # what the solver knows, and no operator does
        return node(expr.op, args)
    return apply(expr.op, *args)
