"""Expressions as MathML, in the subset that SBML takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from xml.sax.saxutils import escape

from symnum.errors import ModelError
from symnum.rewriting.expr import Expr, Rational
from symnum.rewriting.show import number_text

__all__ = ["mathml"]

_HEAD = '<math xmlns="http://www.w3.org/1998/Math/MathML">'
_SYMBOL = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/{0}">{0}</csymbol>'
_LARGEST = 100_000  # parts: a shared graph written as a tree can be longer than all memory

_NAMES = {
    "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin", "acos": "arccos", "atan": "arctan",
    "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "asinh": "arcsinh", "acosh": "arccosh",
    "atanh": "arctanh", "exp": "exp", "log": "ln", "abs": "abs", "floor": "floor", "ceil": "ceiling",
    "min": "min", "max": "max", "pow": "power", "<": "lt", "<=": "leq", "equal": "eq", "and": "and",
    "or": "or", "not": "not",
}  # fmt: skip


def mathml(expr: Expr, name_of: Callable[[Expr], str]) -> str:
    """The <math> element. name_of: the id of a symbol. Raises ModelError for what SBML cannot say."""
    return f"{_HEAD}{_Writer(name_of).text(expr)}</math>"


class _Writer:
    def __init__(self, name_of: Callable[[Expr], str]) -> None:
        self.name_of = name_of
        self.parts = 0

    def text(self, expr: Expr) -> str:
        """Walked without recursion, children first."""
        done: list[str] = []
        stack: list[tuple[Expr, bool]] = [(expr, False)]
        while stack:
            part, ready = stack.pop()
            self.parts += 1
            if self.parts > _LARGEST:
                raise ModelError(
                    f"a formula is too long for SBML: more than {_LARGEST} parts when written out"
                )
            if not part.args or part.op == "D":
                done.append(self.leaf(part))
            elif ready:
                count = len(part.args)
                arguments, done[len(done) - count :] = done[len(done) - count :], []
                done.append(self.node(part, arguments))
            else:
                stack.append((part, True))
                stack += [(argument, False) for argument in reversed(part.args)]
        return done[0]

    def leaf(self, part: Expr) -> str:
        if part.op == "number":
            return number(part.value)
        if part.op == "D":
            return _apply(_SYMBOL.format("rateOf"), [self.leaf(part.args[0])])
        if part.kind == "time":
            return _SYMBOL.format("time")
        return f"<ci>{escape(self.name_of(part))}</ci>"

    def node(self, part: Expr, arguments: list[str]) -> str:
        op = part.op
        if op == "+":
            constant, coefficients = part.data
            terms = [_scaled(argument, c) for argument, c in zip(arguments, coefficients, strict=True)]
            if constant:
                terms.append(number(constant))
            return terms[0] if len(terms) == 1 else _apply("<plus/>", terms)
        if op == "*":
            return _product(arguments, part.data)
        if op == "ifelse":
            condition, then, otherwise = arguments
            return _piecewise([(then, condition)], otherwise)
        if op in _NAMES:
            return _apply(f"<{_NAMES[op]}/>", arguments)
        if op == "group":
            return arguments[0]
        if op == "delay":
            value, lag, *before = arguments
            if before:  # times before the start are told by their sign
                started = _apply("<geq/>", [_SYMBOL.format("time"), number(0)])
                value = _piecewise([(value, started)], before[0])
            return _apply(_SYMBOL.format("delay"), [value, lag])
        if op == "log10":
            return f"<apply><log/><logbase><cn>10</cn></logbase>{arguments[0]}</apply>"
        if op == "expm1":
            return _apply("<minus/>", [_apply("<exp/>", arguments), number(1)])
        if op == "log1p":
            return _apply("<ln/>", [_apply("<plus/>", [number(1), *arguments])])
        if op == "hypot":
            return _apply("<root/>", [_apply("<plus/>", [_power(argument, 2) for argument in arguments])])
        if op == "sign":
            zero = number(0)
            above, below = _apply("<gt/>", [*arguments, zero]), _apply("<lt/>", [*arguments, zero])
            return _piecewise([(number(1), above), (number(-1), below)], zero)
        raise ModelError(f"SBML has no function {op}; it stands in {part}")


def number(value: Rational) -> str:
    """A number: exact as an integer, decimal or ratio."""
    if isinstance(value, int):
        return f'<cn type="integer">{value}</cn>' if abs(value) < 1 << 31 else f"<cn>{float(value)!r}</cn>"
    text = number_text(value)
    if "/" not in text:
        mantissa, e, exponent = text.partition("e")
        return f'<cn type="e-notation">{mantissa}<sep/>{exponent}</cn>' if e else f"<cn>{text}</cn>"
    if max(abs(value.numerator), value.denominator) < 1 << 31:
        return f'<cn type="rational">{value.numerator}<sep/>{value.denominator}</cn>'
    return number(Fraction(repr(float(value))))


def _apply(head: str, arguments: Sequence[str]) -> str:
    return f"<apply>{head}{''.join(arguments)}</apply>"


def _scaled(argument: str, coefficient: Rational) -> str:
    if coefficient == 1:
        return argument
    if coefficient == -1:
        return _apply("<minus/>", [argument])
    return _apply("<times/>", [number(coefficient), argument])


def _power(base: str, exponent: Rational) -> str:
    if exponent == 1:
        return base
    if exponent == Fraction(1, 2):
        return _apply("<root/>", [base])
    return _apply("<power/>", [base, number(exponent)])


def _product(bases: Sequence[str], exponents: Sequence[Rational]) -> str:
    top = [_power(base, e) for base, e in zip(bases, exponents, strict=True) if e > 0]
    bottom = [_power(base, -e) for base, e in zip(bases, exponents, strict=True) if e < 0]
    upper = number(1) if not top else top[0] if len(top) == 1 else _apply("<times/>", top)
    if not bottom:
        return upper
    return _apply("<divide/>", [upper, bottom[0] if len(bottom) == 1 else _apply("<times/>", bottom)])


def _piecewise(pieces: Sequence[tuple[str, str]], otherwise: str) -> str:
    inside = "".join(f"<piece>{value}{condition}</piece>" for value, condition in pieces)
    return f"<piecewise>{inside}<otherwise>{otherwise}</otherwise></piecewise>"
