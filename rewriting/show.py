"""Expressions as text and as LaTeX.

`text` is Python: with the leaves and the functions of symnum in scope, evaluating it gives the expression
back.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from symnum.errors import ModelError
from symnum.rewriting.expr import Expr, Rational, Symbol, symbol
from symnum.rewriting.operators import HALF
from symnum.rewriting.pickling import height
from symnum.rewriting.walk import leaves, postorder, substitute

# Python's binding strengths, weakest first
_COMPARE, _OR, _AND, _SUM, _PRODUCT, _UNARY, _POWER, _ATOM = range(8)

_INFIX = {"<": _COMPARE, "<=": _COMPARE, "and": _AND, "or": _OR}
_SIGNS = {"and": "&", "or": "|"}
_CALLS = {"min": "minimum", "max": "maximum"}  # the builtins would ask for the truth of a comparison


class _Operand(NamedTuple):
    """An expression to be written where ``strength`` binds: in parentheses when it binds less itself."""

    expr: Expr
    strength: int = _COMPARE


_Piece = str | _Operand


def text(expr: Expr, limit: int | None = None) -> str:
    """The expression as Python would write it: ``k*x**2/(1 + y) - sqrt(z)``.

    Sums and products are ordered for reading: by name, powers before the plain variable, constants last.
    Shared subexpressions are written out wherever they occur; beyond ``limit`` characters the text ends in
    ``…``.
    """
    order = _Order(expr)
    written: list[str] = []
    length = 0
    stack: list[_Piece] = [_Operand(expr)]
    while stack:
        piece = stack.pop()
        if isinstance(piece, str):
            written.append(piece)
            length += len(piece)
            if limit is not None and length > limit:
                return "".join(written)[:limit] + "…"
            continue
        strength, pieces = _written(piece.expr, order)
        if strength < piece.strength:
            pieces = ["(", *pieces, ")"]
        stack.extend(reversed(pieces))
    return "".join(written)


def number_text(value: Rational) -> str:
    """The shortest decimal where there is one that is exact (``0.1``, ``1e-08``), else ``1/3``."""
    if isinstance(value, int) and abs(value) < 10**16:
        return str(value)
    try:
        decimal = repr(float(value))
    except OverflowError:
        return str(value)
    return decimal if Fraction(decimal) == value else str(value)


def _written(expr: Expr, order: _Order) -> tuple[int, list[_Piece]]:
    """The binding strength of the text of a node, and the text in pieces."""
    op, args = expr.op, expr.args
    if op == "number":
        return _number_strength(expr.data), [number_text(expr.data)]
    if op == "symbol":
        return _ATOM, [expr.name]
    if op == "slot":
        letter, index = expr.data
        return _ATOM, [f"{letter}[{index}]"]
    if op == "+":
        return _sum(expr, order)
    if op == "*":
        return _product(1, expr, order)
    if op == "pow":
        return _POWER, [_Operand(args[0], _ATOM), "**", _Operand(args[1], _ATOM)]
    if op in _INFIX:
        strength = _INFIX[op]
        return strength, [
            _Operand(args[0], strength + 1), f" {_SIGNS.get(op, op)} ", _Operand(args[1], strength + 1)
        ]  # fmt: skip
    if op == "group":
        return _ATOM, ["(", _Operand(args[0]), ")"]
    if op == "not":
        return _UNARY, ["~", _Operand(args[0], _UNARY)]
    pieces: list[_Piece] = [_CALLS.get(op, op), "("]
    for k, arg in enumerate(args):
        pieces += [", ", _Operand(arg)] if k else [_Operand(arg)]
    return _ATOM, [*pieces, ")"]


def _number_strength(value: Rational) -> int:
    if "/" in number_text(value):
        return _PRODUCT
    return _UNARY if value < 0 else _ATOM


def _sum(expr: Expr, order: _Order) -> tuple[int, list[_Piece]]:
    constant, coefficients = expr.data
    if len(expr.args) == 1 and not constant:
        return _product(coefficients[0], expr.args[0], order)
    terms: list[tuple[Expr, Rational]] = sorted(
        zip(expr.args, coefficients, strict=True), key=lambda term: order.of_term(term[0])
    )
    lead = next((k for k, term in enumerate(terms) if term[1] > 0), 0)
    terms.insert(0, terms.pop(lead))  # b - a rather than -a + b
    pieces: list[_Piece] = []
    if constant > 0 and terms[0][1] < 0:
        pieces.append(number_text(constant))
        constant = 0
    for term, coefficient in terms:
        if pieces:
            pieces.append(" - " if coefficient < 0 else " + ")
            coefficient = _magnitude(coefficient)
        pieces += _product(coefficient, term, order)[1]
    if constant:
        pieces.append((" - " if constant < 0 else " + ") + number_text(abs(constant)))
    return _SUM, pieces


def _product(coefficient: Rational, expr: Expr, order: _Order) -> tuple[int, list[_Piece]]:
    """``coefficient * expr`` as one fraction.

    A number goes into a sum that it is multiplied with. So that the text evaluates back, it is kept apart:
    ``2*((a + b)/c)``, not ``2*(a + b)/c``; ``1/(a + b)/3``, not ``1/(3*(a + b))``.
    """
    factors: list[tuple[Expr, Rational]] = sorted(
        expr.factors(), key=lambda factor: order.of_factor(factor[0])
    )
    base, exponent = factors[0]
    if coefficient == 1 and len(factors) == 1 and exponent > 0:
        if exponent == 1:
            return _written(base, order)[0], [_Operand(base)]
        return _ATOM if exponent == HALF else _POWER, _power(base, exponent)
    above, _, below = number_text(_magnitude(coefficient)).partition("/")
    top = [_power(base, exponent) for base, exponent in factors if exponent > 0]
    bottom = [_power(base, -exponent) for base, exponent in factors if exponent < 0]
    pieces: list[_Piece] = ["-"] if coefficient < 0 else []
    if top and coefficient != 1 and _opens_with_sum(factors, 1):
        pieces += [above, "*("] if above != "1" else ["("]
        pieces += [*_fraction(top, bottom), ")"]
    else:
        top = top if above == "1" else [[above], *top]
        if below and not _opens_with_sum(factors, -1):
            bottom = [[below], *bottom]
            below = ""
        pieces += _fraction(top, bottom)
    if below:
        pieces.append("/" + below)
    return _UNARY if coefficient == -1 and len(factors) == 1 and not bottom else _PRODUCT, pieces


def _opens_with_sum(factors: list[tuple[Expr, Rational]], sign: int) -> bool:
    """Whether the numerator (sign 1) or the denominator (sign -1) begins with a plain sum."""
    first = next(((base, exponent) for base, exponent in factors if exponent * sign > 0), None)
    return first is not None and first[0].op == "+" and first[1] == sign


def _fraction(top: list[list[_Piece]], bottom: list[list[_Piece]]) -> list[_Piece]:
    pieces: list[_Piece] = _joined(top) if top else ["1"]
    if bottom:
        pieces += ["/", *_joined(bottom)] if len(bottom) == 1 else ["/(", *_joined(bottom), ")"]
    return pieces


def _magnitude(value: Rational) -> Rational:
    return -value if value < 0 else value


def _joined(factors: list[list[_Piece]]) -> list[_Piece]:
    pieces = list(factors[0])
    for factor in factors[1:]:
        pieces += ["*", *factor]
    return pieces


def _power(base: Expr, exponent: Rational) -> list[_Piece]:
    """``base ** exponent`` as a factor; the exponent is positive."""
    if exponent == 1:
        return [_Operand(base, _UNARY)]
    if exponent == HALF:
        return ["sqrt(", _Operand(base), ")"]
    shown = number_text(exponent)
    return [_Operand(base, _ATOM), "**", f"({shown})" if "/" in shown else shown]


class _Order:
    """Reading order of terms and factors; everything below one root is looked through once."""

    def __init__(self, root: Expr) -> None:
        self._first: dict[int, tuple[tuple[int, int | str], ...]] = {}  # least leaf name below each node
        for expr in postorder(root):
            names = [name for arg in expr.args if (name := self._first.get(id(arg)))]
            if expr.op == "symbol":
                names = [natural(expr.name)]
            elif expr.op == "slot":
                names = [((1, expr.data[0]), (0, expr.data[1]))]
            elif expr.op == "D":
                names = [natural(text(expr.args[0]))]
            self._first[id(expr)] = min(names, default=())
        self._root = root  # nodes are known by their id: keep them alive

    def of_term(self, term: Expr) -> tuple[object, ...]:
        degree = sum(exponent for _, exponent in term.factors())
        first = self._first[id(term)]
        names = sorted(self._first.get(id(base), ()) for base, _ in term.factors())
        return not first, first, -degree, _rank(term), names, term.key

    def of_factor(self, base: Expr) -> tuple[object, ...]:
        return _rank(base), self._first[id(base)], base.key


def _rank(expr: Expr) -> int:
    """Numbers, parameters, variables, functions, sums."""
    if expr.op == "number":
        return 0
    if expr.op in ("symbol", "slot", "D"):
        return 1 if expr.kind == "parameter" or (expr.op == "slot" and expr.data[0] in "pc") else 2
    return 4 if expr.op == "+" else 3


@lru_cache(maxsize=65536)
def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """Sorts ``x2`` before ``x10``."""
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in re.findall(r"\d+|\D+", name))


# ---- LaTeX ----------------------------------------------------------------------------------------
_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta",
    "θ": "theta", "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi",
    "ρ": "rho", "σ": "sigma", "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega",
    "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma",
    "Υ": "Upsilon", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip
_GREEK_NAMES = frozenset({*_GREEK.values(), "varepsilon", "vartheta", "varphi"})


def latex(expr: Expr) -> str:
    """The expression in LaTeX, through SymPy; ``g1.omega`` is omega with the subscript g1, ``D(x)`` x dot.

    Rationals with a denominator above 100 are shown as decimals.
    Raises ModelError for nests that are `too_deep`: SymPy recurses.
    """
    if too_deep(expr):
        raise ModelError(
            f"latex: an expression nested {height(expr)} levels deep cannot be set in LaTeX. "
            "Its text is str(expression)."
        )
    import sympy

    from symnum.rewriting.sympy_bridge import to_sympy

    dotted = {leaf: symbol(Symbol(text(leaf), "variable")) for leaf in leaves(expr) if leaf.op == "D"}
    converted = to_sympy(substitute(expr, dotted))
    long = {value: sympy.Float(float(value)) for value in converted.atoms(sympy.Rational) if value.q > 100}
    converted = converted.xreplace(long)
    written: str = sympy.latex(
        converted, symbol_names={leaf: name_latex(leaf.name) for leaf in converted.atoms(sympy.Symbol)}
    )
    return written


_DEEPEST = 60
"""Levels that SymPy's printer comes through within Python's usual limit of recursion, with room for the
caller's own; nobody reads deeper fractions."""


def too_deep(expr: Expr) -> bool:
    """Whether an expression is nested too deeply to be set in LaTeX."""
    return height(expr) > _DEEPEST


def name_latex(name: str) -> str:
    r"""The name of a leaf in LaTeX.

    >>> print(name_latex("omega"), name_latex("v_d"), name_latex("g1.omega"), name_latex("D(x)"))
    \omega v_{d} \omega_{\mathrm{g1}} \dot{x}
    """
    if name.startswith("D("):
        return r"\dot{" + name_latex(name[2:-1]) + "}"
    *owners, own = name.replace("[", "_").replace("]", "").split(".")
    head, *below = own.split("_")
    if trailing := re.fullmatch(r"(.*\D)(\d+)", head):
        head, below = trailing[1], [trailing[2], *below]
    subscripts = [_word(part) for part in below if part]
    if owners:
        subscripts.append(_word(".".join(owners)))
    return _word(head or own) + ("_{" + ",".join(subscripts) + "}" if subscripts else "")


def _word(word: str) -> str:
    word = _GREEK.get(word, word)
    if word in _GREEK_NAMES:
        return "\\" + word
    if word.isdecimal() or (len(word) == 1 and word.isalpha()):
        return word
    return r"\mathrm{" + word.replace("_", r"\_") + "}"
