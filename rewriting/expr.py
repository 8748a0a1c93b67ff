"""Expressions: interned, n-ary and exact.

An `Expr` is one node of a directed acyclic graph. Equal expressions are the same object, so comparing is
an identity test and a dictionary of nodes is a common-subexpression table. Three choices make the form
canonical without any rewriting pass:

* a **sum** is a constant and a map term -> coefficient; numbers are distributed over sums, so coefficients
  live in sums only (``2*x`` is a sum of one term);
* a **product** is a map base -> rational exponent (``x*x`` is ``{x: 2}``, ``1/x`` is ``{x: -1}``);
* numbers are exact: ``int`` or ``Fraction``. A float enters as the shortest decimal that prints it, which
  rounds back to the same float.

Everything else is an operator name with arguments; the names are listed in `symnum.rewriting.operators`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from weakref import WeakValueDictionary
from zlib import crc32

from symnum.errors import ModelError
from symnum.rewriting.equation import Equation

if TYPE_CHECKING:
    import sympy

Rational: TypeAlias = int | Fraction
Number: TypeAlias = int | float | Fraction
Operand: TypeAlias = "Expr | Number"

_REPR_LIMIT = 20_000  # characters: a shared graph written as a tree can be longer than all memory
_MASK = (1 << 64) - 1
_BIG = 1 << 2048  # an exact power beyond this many digits is rounded to a float: nobody means them


class Symbol(NamedTuple):
    """What is known about a named leaf. Part of its identity: two declarations that differ are two leaves."""

    name: str
    kind: str  # "variable" | "parameter" | "time"
    unit: str | None = None
    about: str | None = None
    default: Operand | None = None  # parameter: its value; variable: its start
    guess: Operand | None = None  # variable: where Newton begins when it is not a start
    nominal: float | None = None  # variable: its usual size; the absolute tolerance is a multiple of it


class Expr:
    """One interned node: ``op``, ``args`` and what the operator needs besides (``data``).

    ===========  =============================  ==========================================================
    op           args                           data
    ===========  =============================  ==========================================================
    ``number``   ()                             the value, int or Fraction
    ``symbol``   ()                             its `Symbol`
    ``slot``     ()                             (class letter, number): a leaf of a template, see `shape`
    ``+``        terms                          (constant, coefficients)
    ``*``        bases                          exponents
    others       as `operators.OPERATORS` says  None
    ===========  =============================  ==========================================================

    ``key`` is a 64-bit structural hash that is the same in every process; it orders terms and factors.
    """

    __slots__ = ("__weakref__", "args", "blind", "data", "key", "op")

    op: str
    args: tuple[Expr, ...]
    data: Any
    key: int
    blind: Any  # a note that `shape` keeps on the node, or None

    # NumPy must not try to make arrays of us: ``np.float64(2) * x`` then calls ``x.__rmul__``.
    __array_ufunc__ = None

    # ---- what it is -------------------------------------------------------------------------------
    @property
    def is_number(self) -> bool:
        return self.op == "number"

    @property
    def value(self) -> Rational:
        """The exact value of a number."""
        if self.op != "number":
            raise TypeError(f"{self} is not a number: it has no value of its own")
        value: Rational = self.data
        return value

    @property
    def name(self) -> str:
        """The name of a symbol."""
        if self.op != "symbol":
            raise AttributeError(f"{self} is an expression, not a named symbol")
        name: str = self.data.name
        return name

    @property
    def kind(self) -> str:
        """``variable``, ``parameter`` or ``time`` for a symbol, else the empty string."""
        kind: str = self.data.kind if self.op == "symbol" else ""
        return kind

    def terms(self) -> Iterator[tuple[Expr, Rational]]:
        """(term, coefficient) of a sum, without its constant; any other node is one term."""
        if self.op == "+":
            yield from zip(self.args, self.data[1], strict=True)
        elif self.op != "number":
            yield self, 1

    def factors(self) -> Iterator[tuple[Expr, Rational]]:
        """(base, exponent) of a product; any other node is one factor."""
        if self.op == "*":
            yield from zip(self.args, self.data, strict=True)
        else:
            yield self, 1

    @property
    def constant(self) -> Rational:
        """The constant of a sum; the value of a number; 0 of anything else."""
        if self.op == "+":
            constant: Rational = self.data[0]
            return constant
        return self.data if self.op == "number" else 0

    def __hash__(self) -> int:
        return hash(self.key)

    def __bool__(self) -> bool:
        if self.op == "number":
            return bool(self.data)
        raise TypeError(
            f"the truth of `{self}` is not known while the model is being written. "
            "Use sn.ifelse(condition, a, b) instead of `if`, and & | ~ instead of and, or, not."
        )

    def __float__(self) -> float:
        if self.op != "number":
            raise TypeError(f"{self} is an expression, not a number: substitute values first")
        return float(self.data)

    def __iter__(self) -> Iterator[Expr]:
        raise TypeError(f"{self} is a scalar expression and cannot be unpacked or iterated over")

    def __repr__(self) -> str:
        from symnum.rewriting.show import text

        return text(self, limit=_REPR_LIMIT)

    def _repr_latex_(self) -> str:
        from symnum.rewriting.show import latex

        return f"${latex(self)}$"

    def to_sympy(self) -> sympy.Basic:
        """The same expression as a SymPy object; symbols keep their names."""
        from symnum.rewriting.sympy_bridge import to_sympy

        return to_sympy(self)

    # Copies and pickles keep the identity: they go through the interning table again.
    def __copy__(self) -> Expr:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Expr:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return node, (self.op, self.args, self.data)

    # ---- arithmetic -------------------------------------------------------------------------------
    def __add__(self, other: Operand) -> Expr:
        right = _coerce(other)
        return NotImplemented if right is None else add((self, right))

    def __radd__(self, other: Operand) -> Expr:
        left = _coerce(other)
        return NotImplemented if left is None else add((left, self))

    def __sub__(self, other: Operand) -> Expr:
        right = _coerce(other)
        return NotImplemented if right is None else linear(((self, 1), (right, -1)))

    def __rsub__(self, other: Operand) -> Expr:
        left = _coerce(other)
        return NotImplemented if left is None else linear(((left, 1), (self, -1)))

    def __mul__(self, other: Operand) -> Expr:
        right = _coerce(other)
        return NotImplemented if right is None else multiply(((self, 1), (right, 1)))

    def __rmul__(self, other: Operand) -> Expr:
        left = _coerce(other)
        return NotImplemented if left is None else multiply(((left, 1), (self, 1)))

    def __truediv__(self, other: Operand) -> Expr:
        right = _coerce(other)
        return NotImplemented if right is None else multiply(((self, 1), (right, -1)))

    def __rtruediv__(self, other: Operand) -> Expr:
        left = _coerce(other)
        return NotImplemented if left is None else multiply(((left, 1), (self, -1)))

    def __pow__(self, other: Operand) -> Expr:
        exponent = _coerce(other)
        return NotImplemented if exponent is None else power(self, exponent)

    def __rpow__(self, other: Operand) -> Expr:
        base = _coerce(other)
        return NotImplemented if base is None else power(base, self)

    def __neg__(self) -> Expr:
        return linear(((self, -1),))

    def __pos__(self) -> Expr:
        return self

    def __abs__(self) -> Expr:
        return apply("abs", self)

    # ---- relations --------------------------------------------------------------------------------
    def __eq__(self, other: object) -> Equation:  # type: ignore[override]  # builds the equation
        right = _coerce(other)
        return NotImplemented if right is None else Equation(self, right)

    def __ne__(self, other: object) -> bool:
        return self is not _coerce(other)

    def __lt__(self, other: Operand) -> Expr:
        return apply("<", self, as_expr(other))

    def __le__(self, other: Operand) -> Expr:
        return apply("<=", self, as_expr(other))

    def __gt__(self, other: Operand) -> Expr:
        return apply("<", as_expr(other), self)

    def __ge__(self, other: Operand) -> Expr:
        return apply("<=", as_expr(other), self)

    def __and__(self, other: Operand) -> Expr:
        return apply("and", self, as_expr(other))

    def __or__(self, other: Operand) -> Expr:
        return apply("or", self, as_expr(other))

    def __invert__(self) -> Expr:
        return apply("not", self)


# ---- interning ------------------------------------------------------------------------------------
_TABLE: WeakValueDictionary[tuple[str, tuple[Expr, ...], Any], Expr] = WeakValueDictionary()
_LOCK = Lock()


def _mix(h: int, x: int) -> int:
    h = ((h ^ (x & _MASK)) * 0x9E3779B97F4A7C15) & _MASK
    return h ^ (h >> 29)


def _stable(data: Any) -> int:
    """A hash of operator data that does not depend on the process (``hash(str)`` does)."""
    if data is None:
        return 0
    if isinstance(data, str):
        return crc32(data.encode())
    if isinstance(data, Expr):
        return data.key
    if isinstance(data, tuple):
        h = len(data)
        for item in data:
            h = _mix(h, _stable(item))
        return h
    return hash(data) & _MASK  # numbers: Python defines their hash by value


@lru_cache(maxsize=256)
def _name_hash(op: str) -> int:
    return _mix(0x51ED270B, crc32(op.encode()))


def node(op: str, args: tuple[Expr, ...] = (), data: Any = None) -> Expr:
    """The one node with this operator, arguments and data. No simplification: see `apply`."""
    entry = (op, args, data)
    found = _TABLE.get(entry)
    if found is not None:
        return found
    key = _name_hash(op)
    for arg in args:
        key = _mix(key, arg.key)
    key = _mix(key, _stable(data))
    with _LOCK:
        found = _TABLE.get(entry)
        if found is None:
            found = object.__new__(Expr)
            found.op, found.args, found.data, found.key, found.blind = op, args, data, key, None
            _TABLE[entry] = found
    return found


@lru_cache(maxsize=4096)
def _exact(value: float) -> Rational:
    if value.is_integer() and abs(value) < 2**53:
        return int(value)
    return _whole(Fraction(repr(value)))


def rational(value: Number) -> Rational:
    """The exact rational that a Python or NumPy number stands for."""
    if type(value) is int:
        return value
    if isinstance(value, Fraction):
        return value.numerator if value.denominator == 1 else value
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ModelError(
                f"{value} cannot be part of an expression. "
                "Leave the limit or the term out instead of making it infinite."
            )
        return _exact(value)
    raise TypeError(f"{value!r} is not a real number")


def number(value: Number) -> Expr:
    return node("number", (), rational(value))


ZERO = number(0)
ONE = number(1)


def symbol(info: Symbol) -> Expr:
    return node("symbol", (), info)


def slot(letter: str, index: int) -> Expr:
    """Leaf ``index`` of a template; the letter is its class: u, d, p, c, w (see `shape`)."""
    return node("slot", (), (letter, index))


TIME = symbol(Symbol("t", "time", about="time"))


def _coerce(value: object) -> Expr | None:
    if isinstance(value, Expr):
        return value
    if isinstance(value, (int, float, Fraction)):
        return number(value)
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 and type(value).__module__ == "numpy":
        return number(value.item())
    if hasattr(value, "free_symbols") and type(value).__module__.startswith("sympy"):
        from symnum.rewriting.sympy_bridge import from_sympy

        return from_sympy(value)
    return None


def as_expr(value: object) -> Expr:
    """An expression from an expression, a number or a SymPy expression."""
    found = _coerce(value)
    if found is None:
        raise TypeError(f"{value!r} of type {type(value).__name__} cannot be used in an expression")
    return found


# ---- canonical builders ---------------------------------------------------------------------------
def _order(item: tuple[Expr, Rational]) -> int:
    return item[0].key


def linear(parts: Iterable[tuple[Expr, Rational]], constant: Rational = 0) -> Expr:
    """``constant + sum(coefficient * term)`` in canonical form."""
    total: dict[Expr, Rational] = {}
    for term, coefficient in parts:
        if term.op == "number":
            constant += coefficient * term.data
        elif term.op == "+":
            inner, coefficients = term.data
            constant += coefficient * inner
            for sub, sub_coefficient in zip(term.args, coefficients, strict=True):
                total[sub] = total.get(sub, 0) + coefficient * sub_coefficient
        else:
            total[term] = total.get(term, 0) + coefficient
    items = [(term, _whole(c)) for term, c in total.items() if c]
    constant = _whole(constant)
    if not items:
        return node("number", (), constant)
    if len(items) == 1 and constant == 0 and items[0][1] == 1:
        return items[0][0]
    items.sort(key=_order)
    return node("+", tuple(i[0] for i in items), (constant, tuple(i[1] for i in items)))


def add(terms: Iterable[Expr]) -> Expr:
    """The sum of any number of terms, in one go (``sum()`` builds every partial sum)."""
    return linear((term, 1) for term in terms)


def _whole(value: Rational) -> Rational:
    return value.numerator if type(value) is Fraction and value.denominator == 1 else value


def multiply(parts: Iterable[tuple[Expr, Rational]]) -> Expr:
    """``product(base ** exponent)`` in canonical form."""
    coefficient: Rational = 1
    total: dict[Expr, Rational] = {}
    stack = list(parts)
    stack.reverse()
    while stack:
        base, exponent = stack.pop()
        if exponent == 0:
            continue
        if base.op == "number":
            folded = _number_power(base.data, exponent)
            if folded is None:
                total[base] = total.get(base, 0) + exponent
            else:
                coefficient *= folded
        elif base.op == "*" and (exponent == 1 or type(exponent) is int):
            stack.extend((b, e * exponent) for b, e in zip(base.args, base.data, strict=True))
        elif base.op == "+" and len(base.args) == 1 and base.data[0] == 0 and type(exponent) is int:
            folded = _number_power(base.data[1][0], exponent)
            if folded is None:
                total[base] = total.get(base, 0) + exponent
            else:
                coefficient *= folded
                stack.append((base.args[0], exponent))
        else:
            merged = total.pop(base, 0) + exponent
            if merged != exponent and type(_whole(merged)) is int and base.op in ("*", "+", "number"):
                stack.append((base, _whole(merged)))  # sqrt(x*y)*sqrt(x*y): the base opens up again
            elif merged:
                total[base] = merged
    if coefficient == 0:
        return ZERO
    items = [(base, _whole(e)) for base, e in total.items() if e]
    if not items:
        return node("number", (), _whole(coefficient))
    if len(items) == 1 and items[0][1] == 1:
        product = items[0][0]
    else:
        items.sort(key=_order)
        product = node("*", tuple(i[0] for i in items), tuple(i[1] for i in items))
    return product if coefficient == 1 else linear(((product, coefficient),))


def _number_power(base: Rational, exponent: Rational) -> Rational | None:
    """``base ** exponent`` when it is rational, else None."""
    if base == 1:
        return 1
    if base == 0:
        if exponent < 0:
            raise ModelError("division by zero while building an expression")
        return 0
    if type(exponent) is int:
        size = max(abs(base.numerator), base.denominator).bit_length() * abs(exponent)
        if size > 4096:
            return rational(float(base) ** exponent)
        return _whole(Fraction(base) ** exponent)
    if base < 0:
        return None
    root = Fraction(base)
    top = _exact_root(root.numerator, exponent.denominator)
    bottom = _exact_root(root.denominator, exponent.denominator)
    if top is None or bottom is None:
        return None
    return _number_power(_whole(Fraction(top, bottom)), exponent.numerator)


def _exact_root(value: int, degree: int) -> int | None:
    if value >= _BIG or degree > 64:
        return None
    guess = round(value ** (1.0 / degree)) if value < 2**900 else -1
    return next((g for g in (guess - 1, guess, guess + 1) if g >= 0 and g**degree == value), None)


def power(base: Expr, exponent: Expr) -> Expr:
    """``base ** exponent``; rational exponents become products, others the operator ``pow``."""
    if exponent.op == "number":
        return multiply(((base, exponent.data),))
    if base is ONE:
        return ONE
    return node("pow", (base, exponent))


def apply(op: str, *args: Expr) -> Expr:
    """The operator over arguments, with its exact folds: ``sin(0)``, ``min(2, 3)``, ``ifelse(1, a, b)``."""
    from symnum.rewriting.operators import OPERATORS

    operator = OPERATORS[op]
    if operator.fold is not None:
        folded = operator.fold(*args)
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
    if expr.op == "D":
        return node("D", args)
    return apply(expr.op, *args)
