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

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

from symnum.rewriting.arrow import Arrow
from symnum.rewriting.canonical import (
    add,
    apply,
    linear,
    multiply,
    number,
    plus,
    power,
    rebuild,
    scaled,
    slot,
    symbol,
    times,
)
from symnum.rewriting.equation import Equation
from symnum.rewriting.interning import Node, Symbol, in_bulk, node
from symnum.rewriting.rational import Number, Rational, rational

if TYPE_CHECKING:
    import sympy

Operand: TypeAlias = "Expr | Number | complex"

__all__ = [  # the whole vocabulary for building expressions: other rooms need no other module for it
    "IMAGINARY",
    "ONE",
    "TIME",
    "ZERO",
    "Expr",
    "Number",
    "Operand",
    "Rational",
    "Symbol",
    "add",
    "apply",
    "as_expr",
    "in_bulk",
    "linear",
    "multiply",
    "node",
    "number",
    "power",
    "rational",
    "rebuild",
    "scaled",
    "slot",
    "symbol",
]

_REPR_LIMIT = 20_000  # characters: a shared graph written as a tree can be longer than all memory


class Expr(Node):
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

    __slots__ = ()

    # SymPy numbers must not take us for theirs: ``sympy.Symbol("a") * x`` then calls ``x.__rmul__``.
    _op_priority = 1000.0

    # NumPy calls this for ``np.sin(x)`` and for all arithmetic of its arrays and numbers with us.
    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        from symnum.rewriting.numpy_functions import applied  # NumPy is loaded: it called

        return applied(ufunc, method, inputs, options)

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
            raise TypeError(
                f"{self} is an expression, not a number. In equations write sn.exp(x), not math.exp(x); "
                "elsewhere substitute values first."
            )
        return float(self.data)

    def __iter__(self) -> Iterator[Expr]:
        raise TypeError(f"{self} is a scalar expression and cannot be unpacked or iterated over")

    def __repr__(self) -> str:
        from symnum.rewriting.show import text

        return text(self, limit=_REPR_LIMIT)

    def _repr_latex_(self) -> str | None:
        from symnum.rewriting.show import latex, too_deep

        return None if too_deep(self) else f"${latex(self)}$"  # a notebook shows the text instead

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
        from symnum.rewriting.pickling import reduced

        return reduced(self)

    # ---- arithmetic -------------------------------------------------------------------------------
    def __add__(self, other: Operand) -> Expr:
        right = other if other.__class__ is Expr else _coerce(other)
        return NotImplemented if right is None else plus(self, right)

    def __radd__(self, other: Operand) -> Expr:
        left = _coerce(other)
        return NotImplemented if left is None else plus(left, self)

    def __sub__(self, other: Operand) -> Expr:
        right = other if other.__class__ is Expr else _coerce(other)
        return NotImplemented if right is None else linear(((self, 1), (right, -1)))

    def __rsub__(self, other: Operand) -> Expr:
        left = _coerce(other)
        return NotImplemented if left is None else linear(((left, 1), (self, -1)))

    def __mul__(self, other: Operand) -> Expr:
        right = other if other.__class__ is Expr else _coerce(other)
        return NotImplemented if right is None else times(self, right)

    def __rmul__(self, other: Operand) -> Expr:
        left = _coerce(other)
        return NotImplemented if left is None else times(left, self)

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


ZERO = number(0)
ONE = number(1)
TIME = symbol(Symbol("t", "time", about="time"))
IMAGINARY = symbol(Symbol("i", "imaginary", about="the imaginary unit"))  # see `complex_parts`


def _coerce(value: object) -> Expr | None:
    if isinstance(value, Expr):
        return value
    if isinstance(value, (int, float, Fraction)):
        return number(value)
    if isinstance(value, complex):
        return number(value.real) + number(value.imag) * IMAGINARY
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 and type(value).__module__ == "numpy":
        return _coerce(value.item())
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
