"""The binary form: what the e-graph works on.

Pattern matching wants operators of fixed arity, so sums and products become balanced trees of ``Add`` and
``Mul`` with ``Neg``, ``Inv`` and ``Sqrt`` for signs, quotients and roots. What depends on free leaves
(parameters) only is gathered in a subtree of its own, so that it can be hoisted whole. On the way back
`raised` builds ordinary expressions, and their canonical form is restored by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from symnum.rewriting.cost import free_nodes
from symnum.rewriting.expr import ONE, Expr, Rational, apply, linear, multiply, number, power
from symnum.rewriting.operators import HALF, OPERATORS
from symnum.rewriting.walk import is_leaf, postorder

ARITY = {"Add": 2, "Mul": 2, "Neg": 1, "Inv": 1, "Sqrt": 1} | {
    name: o.arity for name, o in OPERATORS.items() if name != "group"
}
COMMUTATIVE = frozenset({"Add", "Mul", "min", "max", "hypot", "and", "or", "equal"})


class BinaryNode(NamedTuple):
    """``Num`` (value), ``Leaf`` (its number) or an operator over earlier nodes."""

    op: str
    args: tuple[int, ...] = ()
    payload: Rational = 0


class Binary:
    """Expressions in binary form, shared nodes once.

    ``nodes`` in order, arguments first; ``roots`` node numbers; ``leaves`` the expression behind each
    ``Leaf``;
    ``free`` the node numbers that depend on free leaves and numbers only.
    """

    def __init__(self, roots: Iterable[Expr], free: Iterable[Expr] = ()) -> None:
        self.nodes: list[BinaryNode] = []
        self.leaves: list[Expr] = []
        self.free: set[int] = set()
        self._ids: dict[BinaryNode, int] = {}
        self._of: dict[Expr, int] = {}
        wanted = tuple(roots)
        fixed = free_nodes(wanted, free)
        for expr in postorder(wanted):
            self._of[expr] = self._lower(expr, fixed)
        self.roots = tuple(self._of[root] for root in wanted)

    def id_of(self, expr: Expr) -> int:
        """The node that stands for a subexpression of the roots."""
        return self._of[expr]

    def known(self) -> tuple[Expr, ...]:
        """The expressions behind the roots' nodes."""
        return tuple(self._of)

    def bare(self) -> Binary:
        """The same nodes and roots without the expressions behind them, for another process."""
        copied = Binary(())
        copied.nodes, copied.free, copied.roots = self.nodes, self.free, self.roots
        return copied

    def _node(self, op: str, *args: int, payload: Rational = 0) -> int:
        node = BinaryNode(op, args, payload)
        found = self._ids.get(node)
        if found is None:
            found = self._ids[node] = len(self.nodes)
            self.nodes.append(node)
            if op == "Num" or (args and all(arg in self.free for arg in args)):
                self.free.add(found)
        return found

    def _number(self, value: Rational) -> int:
        return self._node("Num", payload=value)

    def _lower(self, expr: Expr, fixed: set[Expr]) -> int:
        if expr.op == "number":
            return self._number(expr.data)
        if is_leaf(expr):
            leaf = self._node("Leaf", payload=len(self.leaves))
            self.leaves.append(expr)
            if expr in fixed:
                self.free.add(leaf)
            return leaf
        if expr.op == "+":
            return self._lower_sum(expr, fixed)
        if expr.op == "*":
            return self._lower_product(expr, fixed)
        if expr.op == "group":
            return self._of[expr.args[0]]
        return self._node(expr.op, *(self._of[arg] for arg in expr.args))

    def _lower_sum(self, expr: Expr, fixed: set[Expr]) -> int:
        constant, coefficients = expr.data
        scale: Rational = 1
        sizes = {abs(c) for c in coefficients} | ({abs(constant)} if constant else set())
        if len(sizes) == 1:
            (scale,) = sizes
        hoisted: list[tuple[int, bool]] = []
        moving: list[tuple[int, bool]] = []
        if constant:
            size = abs(constant) if scale == 1 else abs(constant) / Fraction(scale)
            hoisted.append((self._number(size), constant < 0))
        for term, coefficient in zip(expr.args, coefficients, strict=True):
            size = abs(coefficient)
            value = self._of[term]
            if size != scale:
                value = self._node("Mul", self._number(size), value)
            (hoisted if term in fixed else moving).append((value, coefficient < 0))
        if hoisted:
            moving.insert(0, self._balanced_sum(hoisted))
        value, negative = self._balanced_sum(moving)
        if scale != 1:
            value = self._node("Mul", self._number(scale), value)
        return self._node("Neg", value) if negative else value

    def _balanced_sum(self, parts: Sequence[tuple[int, bool]]) -> tuple[int, bool]:
        """One (node, is negative) from several; a sign common to all is taken outside."""
        if len(parts) == 1:
            return parts[0]
        half = (len(parts) + 1) // 2
        left, minus_left = self._balanced_sum(parts[:half])
        right, minus_right = self._balanced_sum(parts[half:])
        if minus_left == minus_right:
            return self._node("Add", left, right), minus_left
        if minus_left:
            left, right = right, left
        return self._node("Add", left, self._node("Neg", right)), False

    def _lower_product(self, expr: Expr, fixed: set[Expr]) -> int:
        hoisted: list[int] = []
        above: list[int] = []
        below: list[int] = []
        for base, exponent in zip(expr.args, expr.data, strict=True):
            value = self._power(self._of[base], abs(exponent))
            if base in fixed:
                hoisted.append(value if exponent > 0 else self._node("Inv", value))
            else:
                (above if exponent > 0 else below).append(value)
        factors = [self._balanced_product(part) for part in (hoisted, above) if part]
        if below:
            factors.append(self._node("Inv", self._balanced_product(below)))
        value = factors[-1]
        for factor in reversed(factors[:-1]):
            value = self._node("Mul", factor, value)
        return value

    def _balanced_product(self, factors: Sequence[int]) -> int:
        if len(factors) == 1:
            return factors[0]
        half = (len(factors) + 1) // 2
        left, right = self._balanced_product(factors[:half]), self._balanced_product(factors[half:])
        return self._node("Mul", left, right)

    def _power(self, base: int, exponent: Rational) -> int:
        if exponent == 1:
            return base
        if isinstance(exponent, Fraction):
            if exponent.denominator != 2:
                return self._node("pow", base, self._number(exponent))
            root = self._node("Sqrt", base)
            whole = exponent.numerator // 2
            return self._node("Mul", self._power(base, whole), root) if whole else root
        if exponent % 2:
            return self._node("Mul", self._power(base, exponent - 1), base)
        half = self._power(base, exponent // 2)
        return self._node("Mul", half, half)


Scaled = tuple[Expr, Rational]
"""An expression and the number it is to be multiplied by.

Numbers distribute over sums, so ``-(a - b)`` as an expression of its own is ``b - a``, which shares nothing
with
``a - b``. As long as numbers travel beside the expression, the sum stays the same object.
"""


def raised(
    order: Iterable[tuple[int, BinaryNode]],
    leaves: Sequence[Expr],
    *,
    grouped: bool = False,
    free: Callable[[int], bool] = lambda identity: False,
) -> dict[int, Expr]:
    """Canonical expressions from binary nodes given as (number, node), arguments before their users.

    grouped: put what has several users into a parenthesis (operator ``group``) wherever a sum or product of
    more terms would swallow it, except where ``free`` says that it costs nothing.
    """
    chosen = list(order)
    users: dict[int, int] = {}
    for _, node in chosen:
        for arg in dict.fromkeys(node.args):
            users[arg] = users.get(arg, 0) + 1
    shared: set[Expr] = set()
    built: dict[int, Scaled] = {}
    for identity, node in chosen:
        args = [built[arg] for arg in node.args]
        swallows = _SWALLOWS.get(node.op) if grouped else None
        if swallows is not None:
            args = [(apply("group", e) if e in shared and e.op == swallows else e, f) for e, f in args]
        built[identity] = _raised_node(node, args, leaves)
        expr = built[identity][0]
        if grouped and users.get(identity, 0) > 1 and not free(identity) and _worth_a_group(expr):
            shared.add(expr)
    return {identity: _plain(scaled) for identity, scaled in built.items()}


_SWALLOWS = {"Add": "+", "Mul": "*", "Inv": "*"}


def _worth_a_group(expr: Expr) -> bool:
    """A sum, a product of several factors, or a reciprocal; powers are shared by themselves."""
    return expr.op == "+" or (expr.op == "*" and (len(expr.args) > 1 or expr.data[0] < 0))


def _plain(scaled: Scaled) -> Expr:
    expr, factor = scaled
    return expr if factor == 1 else linear(((expr, factor),))


def _raised_node(node: BinaryNode, args: list[Scaled], leaves: Sequence[Expr]) -> Scaled:
    build = _BUILDERS.get(node.op)
    if build is not None:
        return build(args)
    if node.op == "Num":
        return ONE, node.payload
    if node.op == "Leaf":
        return leaves[int(node.payload)], 1
    return apply(node.op, *(_plain(arg) for arg in args)), 1


def _raised_sum(args: list[Scaled]) -> Scaled:
    return linear(args), 1


def _raised_product(args: list[Scaled]) -> Scaled:
    (left, left_factor), (right, right_factor) = args
    return _split(multiply(((left, 1), (right, 1))), left_factor * right_factor)


def _raised_inverse(args: list[Scaled]) -> Scaled:
    ((expr, factor),) = args
    return _split(multiply(((expr, -1),)), multiply(((number(factor), -1),)).value)


def _raised_root(args: list[Scaled]) -> Scaled:
    return _split(multiply(((_plain(args[0]), HALF),)), 1)


def _raised_power(args: list[Scaled]) -> Scaled:
    return _split(power(_plain(args[0]), _plain(args[1])), 1)


def _split(expr: Expr, factor: Rational) -> Scaled:
    """Take the coefficient out of a one-term sum, so that it does not hide the term."""
    if expr.op == "number":
        return ONE, factor * expr.data
    if expr.op == "+" and len(expr.args) == 1 and not expr.data[0]:
        return expr.args[0], factor * expr.data[1][0]
    return expr, factor


_BUILDERS: dict[str, Callable[[list[Scaled]], Scaled]] = {
    "Add": _raised_sum,
    "Mul": _raised_product,
    "Neg": lambda args: (args[0][0], -args[0][1]),
    "Inv": _raised_inverse,
    "Sqrt": _raised_root,
    "pow": _raised_power,
}
