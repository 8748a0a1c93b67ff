"""Formulas in the notation that model files share: ``kcat*S/(Km + S)``, ``if(t > 10, a, b)``, ``2^n``.

    formula    = or
    or         = and ("||" and)*
    and        = comparison ("&&" comparison)*
    comparison = sum (("<" | "<=" | ">" | ">=" | "==" | "!=") sum)?
    sum        = product (("+" | "-") product)*
    product    = signed (("*" | "/") signed)*
    signed     = ("-" | "+" | "!")* power
    power      = atom ("^" signed)?              right to left; -x^2 is -(x^2)
    atom       = number | name | name "(" [formula ("," formula)*] ")" | "(" formula ")"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import e, pi

from symnum.errors import ModelError
from symnum.rewriting import operators
from symnum.rewriting.expr import TIME, Expr, add, apply, as_expr, number

__all__ = ["formula"]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>\|\||&&|<=|>=|==|!=|[-+*/^()<>,!]))"
)
_COMPARISONS: dict[str, Callable[[Expr, Expr], Expr]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: (a <= b) & (a >= b),
    "!=": lambda a, b: ~((a <= b) & (a >= b)),
}
_DEEPEST = 60  # brackets within brackets: each costs Python eight calls

_SAME_NAME = (
    "exp log10 sqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh floor ceil sign"
)
_FUNCTIONS: dict[str, tuple[int, Callable[..., Expr]]] = {
    **{name: (1, getattr(operators, name)) for name in _SAME_NAME.split()},
    "ln": (1, operators.log),
    "log2": (1, lambda x: operators.log(x) / operators.log(number(2))),
    "abs": (1, operators.absolute),
    "rint": (1, lambda x: operators.floor(x + number(0.5))),
    "if": (3, operators.ifelse),
    "min": (-1, lambda *x: _folded("min", x)),
    "max": (-1, lambda *x: _folded("max", x)),
    "sum": (-1, lambda *x: add(x)),
    "avg": (-1, lambda *x: add(x) / len(x)),
    "time": (0, lambda: TIME),
}
"""Name -> (number of arguments, or -1 for one and more; the operator)."""
_NUMBERS = {"_pi": number(pi), "_e": number(e)}


def _folded(op: str, args: tuple[Expr, ...]) -> Expr:
    result = args[0]
    for arg in args[1:]:
        result = apply(op, result, arg)
    return result


def formula(text: str, name: Callable[[str], Expr | None] | Mapping[str, Expr], where: str) -> Expr:
    """The expression that a text says. ``name`` gives the meaning of a name (None: unknown).

    A name may be followed by empty brackets. Raises ModelError, which begins with ``where``.
    """
    parser = _Parser(text, name.get if isinstance(name, Mapping) else name, where)
    try:
        return parser.parsed()
    except ModelError as error:
        if str(error).startswith(where.partition(", line")[0]):
            raise  # of this file already, perhaps of another line
        raise parser.about(str(error)) from error


class _Parser:
    def __init__(self, text: str, name: Callable[[str], Expr | None], where: str) -> None:
        self.text, self.name, self.where = text, name, where
        self.tokens: list[tuple[str, str]] = []
        self.at = 0
        self.depth = 0
        position = 0
        text = text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self.error(f"cannot read {text[position:].strip()[:20]!r}")
            self.tokens.append((match.lastgroup or "", match.group(match.lastgroup or 0)))
            position = match.end()

    def error(self, problem: str) -> ModelError:
        return ModelError(f"{self.where}: {problem} in the formula {self.shown()!r}")

    def about(self, problem: str) -> ModelError:
        return ModelError(f"{self.where}: the formula {self.shown()!r}: {problem}")

    def shown(self) -> str:
        return self.text if len(self.text) <= 200 else self.text[:200] + "…"

    def parsed(self) -> Expr:
        result = self.either()
        if self.at < len(self.tokens):
            raise self.error(f"{self.tokens[self.at][1]!r} is one too many")
        return result

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, *signs: str) -> str:
        """The next token if it is one of these, else nothing."""
        found = self.peek()
        if found in signs:
            self.at += 1
            return found
        return ""

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            following = repr(self.peek()) if self.peek() else "the end"
            raise self.error(f"{sign!r} is missing before {following}")

    def either(self) -> Expr:
        result = self.both()
        while self.take("||"):
            result = result | self.both()
        return result

    def both(self) -> Expr:
        result = self.comparison()
        while self.take("&&"):
            result = result & self.comparison()
        return result

    def comparison(self) -> Expr:
        left = self.sum()
        sign = self.take(*_COMPARISONS)
        return _COMPARISONS[sign](left, self.sum()) if sign else left

    def sum(self) -> Expr:
        terms = [self.product()]
        while sign := self.take("+", "-"):
            term = self.product()
            terms.append(term if sign == "+" else -term)
        return add(terms)

    def product(self) -> Expr:
        result = self.signed()
        while sign := self.take("*", "/"):
            factor = self.signed()
            result = result * factor if sign == "*" else result / factor
        return result

    def signed(self) -> Expr:
        sign = self.take("-", "+", "!")
        if not sign:
            return self.power()
        self.deeper()
        inner = self.signed()
        self.depth -= 1
        return -inner if sign == "-" else ~inner if sign == "!" else inner

    def power(self) -> Expr:
        base = self.atom()
        if not self.take("^"):
            return base
        self.deeper()
        exponent = self.signed()
        self.depth -= 1
        return base**exponent

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.error("too many brackets and signs within each other")

    def atom(self) -> Expr:
        if self.at == len(self.tokens):
            raise self.error("something is missing at the end")
        kind, token = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return as_expr(float(token))
        if kind == "name":
            return self.named(token)
        if token != "(":
            raise self.error(f"{token!r} stands where a number or a name should")
        self.deeper()
        result = self.either()
        self.expect(")")
        self.depth -= 1
        return result

    def named(self, token: str) -> Expr:
        arguments: list[Expr] | None = None
        if self.take("("):
            arguments = []
            self.deeper()
            while not self.take(")"):
                if arguments:
                    self.expect(",")
                arguments.append(self.either())
            self.depth -= 1
        found = self.name(token)
        if found is None and arguments is None:
            found = _NUMBERS.get(token)
        if found is not None:
            if arguments:
                raise self.error(f"{token} takes no arguments")
            return found
        if arguments is None:
            raise self.error(f"nothing is called {token}")
        if token not in _FUNCTIONS:
            raise self.error(f"unknown function {token}")
        count, function = _FUNCTIONS[token]
        if len(arguments) != count if count >= 0 else not arguments:
            wanted = "at least 1" if count < 0 else str(count)
            raise self.error(f"{token} takes {wanted} arguments, not {len(arguments)}")
        return function(*arguments)
