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

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache
from operator import attrgetter
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from weakref import ref
from zlib import crc32

from symnum.errors import ModelError
from symnum.rewriting.arrow import Arrow
from symnum.rewriting.equation import Equation

if TYPE_CHECKING:
    import sympy

Rational: TypeAlias = int | Fraction
Number: TypeAlias = int | float | Fraction
Operand: TypeAlias = "Expr | Number"

_REPR_LIMIT = 20_000  # characters: a shared graph written as a tree can be longer than all memory
_MASK = (1 << 60) - 1
_MINUS_ONE = 0x5BD1E995
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
    state_priority: float | None = None  # variable: how much it is wanted as a state, 0 without one


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

    ``key`` is a 60-bit structural hash that is the same in every process; it orders terms and factors.
    """

    __slots__ = ("__weakref__", "args", "blind", "data", "key", "op")

    op: str
    args: tuple[Expr, ...]
    data: Any
    key: int
    blind: Any  # a note that `shape` keeps on the node, or None

    # NumPy must not try to make arrays of us: ``np.float64(2) * x`` then calls ``x.__rmul__``.
    __array_ufunc__ = None
    # Nor SymPy numbers: ``sympy.Symbol("a") * x`` then calls ``x.__rmul__`` too.
    _op_priority = 1000.0

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

    # By identity, which interning makes the same as by structure: a hash in Python would be most of the cost
    # of building. It differs between processes, so nothing may depend on the order of a set of expressions.
    __hash__ = object.__hash__

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

    def at(self, coordinate: Expr, place: Number) -> Expr:
        """The value at a place along a coordinate of space: ``u.at(x, 0)``, ``D(u, x).at(x, 1)``."""
        from symnum.rewriting.spatial import trace

        return trace(self, coordinate, place)

    # Copies and pickles keep the identity: they go through the interning table again.
    def __copy__(self) -> Expr:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Expr:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return node, (self.op, self.args, self.data)

    # ---- arithmetic -------------------------------------------------------------------------------
    def __add__(self, other: Operand) -> Expr:
        right = other if other.__class__ is Expr else _coerce(other)
        return NotImplemented if right is None else _plus(self, right)

    def __radd__(self, other: Operand) -> Expr:
        left = _coerce(other)
        return NotImplemented if left is None else _plus(left, self)

    def __sub__(self, other: Operand) -> Expr:
        right = other if other.__class__ is Expr else _coerce(other)
        return NotImplemented if right is None else linear(((self, 1), (right, -1)))

    def __rsub__(self, other: Operand) -> Expr:
        left = _coerce(other)
        return NotImplemented if left is None else linear(((left, 1), (self, -1)))

    def __mul__(self, other: Operand) -> Expr:
        right = other if other.__class__ is Expr else _coerce(other)
        return NotImplemented if right is None else _times(self, right)

    def __rmul__(self, other: Operand) -> Expr:
        left = _coerce(other)
        return NotImplemented if left is None else _times(left, self)

    def __truediv__(self, other: Operand) -> Expr:
        right = other if other.__class__ is Expr else _coerce(other)
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
        return scaled(self, -1)

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

    # ---- reactions --------------------------------------------------------------------------------
    def __rshift__(self, other: Operand | None) -> Arrow:
        return Arrow(self, other)

    def __rrshift__(self, other: Operand | None) -> Arrow:
        return Arrow(other, self)


# ---- interning ------------------------------------------------------------------------------------
# (op, data, arguments) -> node. The place of a node that nobody uses any more stays behind, and keeps the
# arguments, until the next sweep or until an equal node takes it.
_Identity: TypeAlias = tuple[str, Any, "tuple[Expr, ...]"]
_TABLE: dict[_Identity, ref[Expr]] = {}
_LOCK = RLock()  # reentrant: what is freed below it may run code of a user
_LEAST_SWEPT = 1 << 16
_sweep_at = _LEAST_SWEPT


def _sweep() -> None:
    """Clear the places of nodes that nobody uses any more. The table at most doubles between two sweeps."""
    global _sweep_at
    with _LOCK:
        waiting = [identity for identity, entry in list(_TABLE.items()) if entry() is None]
        while waiting:
            identity = waiting.pop()
            entry = _TABLE.get(identity)
            if entry is not None and entry() is None:
                del _TABLE[identity]
                below = [(arg.op, arg.data, arg.args) for arg in identity[2]]
                del identity  # the last that held the arguments: each may be dead from here on
                waiting += [found for found in below if (entry := _TABLE.get(found)) and entry() is None]
        _sweep_at = max(2 * len(_TABLE), _LEAST_SWEPT)


@contextmanager
def in_bulk() -> Iterator[None]:
    """Where many nodes are made: the search for garbage in cycles, which they never form, takes no part. It
    would be up to half of the time, for each new node brings several small objects for it to look at."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _data_key(data: Any) -> int:
    """A hash of operator data that does not depend on the process (``hash(str)`` does)."""
    kind = type(data)
    if kind is int:
        return _MINUS_ONE if data == -1 else data  # Python's hash(-1) is that of -2
    if data is None:
        return 0
    if isinstance(data, tuple):
        if isinstance(data, Symbol) and data.state_priority is None:
            data = data[:-1]  # without one a symbol keeps the key, and stored code its place, of before
        return hash(tuple([_data_key(item) for item in data]))
    if kind is Fraction:
        return hash((_data_key(data.numerator), data.denominator))
    if isinstance(data, Expr):
        return data.key
    return crc32(str(data).encode())


_numbers_key = lru_cache(maxsize=1 << 14)(_data_key)  # coefficients and exponents repeat


@lru_cache(maxsize=256)
def _name_key(op: str) -> int:
    return crc32(op.encode())


def node(op: str, args: tuple[Expr, ...] = (), data: Any = None) -> Expr:
    """The one node with this operator, arguments and data. No simplification: see `apply`."""
    identity = (op, data, args)
    entry = _TABLE.get(identity)
    if entry is not None:
        found = entry()
        if found is not None:
            return found
    data_key = _numbers_key(data) if op == "+" or op == "*" else _data_key(data)
    found = _new(Expr)
    found.op, found.args, found.data, found.blind = op, args, data, None
    found.key = hash((_name_key(op), data_key, *map(_by_key, args))) & _MASK
    entry = ref(found)
    winner = _TABLE.setdefault(identity, entry)
    if winner is entry:
        if len(_TABLE) > _sweep_at:
            _sweep()
        return found
    with _LOCK:  # the place is that of a dead node, or another thread was faster
        known = _TABLE.setdefault(identity, entry)()
        if known is not None:
            return known
        _TABLE[identity] = entry
    return found


_by_key = attrgetter("key")
_new = object.__new__


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
_UNIT = (0, (1, 1))
_MINUS = (0, (-1,))


def linear(parts: Iterable[tuple[Expr, Rational]], constant: Rational = 0) -> Expr:
    """``constant + sum(coefficient * term)`` in canonical form."""
    total: dict[Expr, Rational] = {}
    known = total.get
    for term, coefficient in parts:
        op = term.op
        if op == "+":
            inner, coefficients = term.data
            if inner:
                constant += coefficient * inner
            for sub, sub_coefficient in zip(term.args, coefficients, strict=True):
                total[sub] = known(sub, 0) + coefficient * sub_coefficient
        elif op == "number":
            constant += coefficient * term.data
        else:
            total[term] = known(term, 0) + coefficient
    return _collected(total, constant)


def add(terms: Iterable[Expr]) -> Expr:
    """The sum of any number of terms, in one go (``sum()`` builds every partial sum)."""
    total: dict[Expr, Rational] = {}
    known = total.get
    constant: Rational = 0
    for term in terms:
        op = term.op
        if op == "+":
            inner, coefficients = term.data
            if inner:
                constant += inner
            for sub, coefficient in zip(term.args, coefficients, strict=True):
                total[sub] = known(sub, 0) + coefficient
        elif op == "number":
            constant += term.data
        else:
            total[term] = known(term, 0) + 1
    return _collected(total, constant)


def _collected(total: dict[Expr, Rational], constant: Rational) -> Expr:
    """The sum with these coefficients, zeros among them."""
    constant = constant if type(constant) is int else _whole(constant)
    terms = sorted([term for term, coefficient in total.items() if coefficient], key=_by_key)
    if not terms:
        return node("number", (), constant)
    coefficients = [total[term] for term in terms]
    if len(terms) == 1 and constant == 0 and coefficients[0] == 1:
        return terms[0]
    exact = tuple([c if type(c) is int else _whole(c) for c in coefficients])
    return node("+", tuple(terms), (constant, exact))


def scaled(expr: Expr, factor: Rational) -> Expr:
    """``factor * expr`` for a factor other than 0 and 1."""
    op = expr.op
    if op == "+" or op == "number":
        return linear(((expr, factor),))
    return node("+", (expr,), _MINUS if factor == -1 else (0, (factor,)))


def _plus(a: Expr, b: Expr) -> Expr:
    if a.op in _SUMMED or b.op in _SUMMED or a is b:
        return add((a, b))
    return node("+", (a, b) if a.key < b.key else (b, a), _UNIT)


_SUMMED = frozenset({"number", "+"})


def _whole(value: Rational) -> Rational:
    return value.numerator if type(value) is Fraction and value.denominator == 1 else value


def _times(a: Expr, b: Expr) -> Expr:
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
    coefficient: Rational = 1
    total: dict[Expr, Rational] = {}
    pending = list(parts)
    for base, exponent in pending:  # grows on the way
        op = base.op
        if op not in _OPEN:
            total[base] = total.get(base, 0) + exponent
        elif exponent == 0:
            continue
        elif op == "number":
            folded = base.data if exponent == 1 else _number_power(base.data, exponent)
            if folded is not None:
                coefficient *= folded
            else:  # 2**(3/2) is 2 * 2**(1/2)
                whole = exponent // 1
                coefficient *= _number_power(base.data, whole) or 0
                _merge(total, base, exponent - whole, pending)
        elif op == "*" and type(exponent) is int:
            pending.extend([(b, e * exponent) for b, e in zip(base.args, base.data, strict=True)])
        elif op == "+" and len(base.args) == 1 and base.data[0] == 0 and type(exponent) is int:
            pending += (number(base.data[1][0]), exponent), (base.args[0], exponent)
        else:
            _merge(total, base, exponent, pending)
    if coefficient == 0:
        return ZERO
    bases = [base for base, exponent in total.items() if exponent]
    if not bases:
        return node("number", (), _whole(coefficient))
    if len(bases) == 1 and total[bases[0]] == 1:
        product = bases[0]
    else:
        bases.sort(key=_by_key)
        product = node("*", tuple(bases), tuple([_whole(total[base]) for base in bases]))
    return product if coefficient == 1 else scaled(product, _whole(coefficient))


_OPEN = frozenset({"number", "+", "*"})  # bases that may fold or open up


def _merge(
    total: dict[Expr, Rational], base: Expr, exponent: Rational, pending: list[tuple[Expr, Rational]]
) -> None:
    """Add an exponent of a base. One that becomes whole opens the base up: sqrt(x*y)*sqrt(x*y) is x*y."""
    merged = _whole(total.pop(base, 0) + exponent)
    if merged != exponent and (type(merged) is int or base.op == "number"):
        pending.append((base, merged))
    else:
        total[base] = merged


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
            return _rounded_power(base, exponent)
        return _whole(Fraction(base) ** exponent)
    if base < 0:
        return None
    root = Fraction(base)
    top = _exact_root(root.numerator, exponent.denominator)
    bottom = _exact_root(root.denominator, exponent.denominator)
    if top is None or bottom is None:
        return None
    return _number_power(_whole(Fraction(top, bottom)), exponent.numerator)


def _rounded_power(base: Rational, exponent: int) -> Rational:
    try:
        return rational(float(base) ** exponent)
    except (OverflowError, ModelError):
        raise ModelError(
            f"{float(base):g}**{exponent} is too large for a double. Write the model in other units."
        ) from None


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
