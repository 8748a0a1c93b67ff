"""MathML as expressions: formulas of an SBML file over leaves that stand for its ids.

An id is the leaf ``quantity(id)`` until the reader substitutes what it means; so the same formula serves
at the start and during the run. ``rate_of(id)`` stands for the csymbol rateOf.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from symnum.errors import ModelError
from symnum.models.chemistry.sbml_document import Element, libsbml, where
from symnum.rewriting.expr import ONE, TIME, ZERO, Expr, Symbol, apply, number, symbol
from symnum.rewriting.expr import node as node_of
from symnum.rewriting.operators import OPERATORS, ceil, equal, floor, ifelse, log, maximum, minimum, sqrt
from symnum.rewriting.walk import leaves, substitute

__all__ = ["Formulas", "ids", "quantity", "rate_of"]

_QUANTITY, _RATE = "quantity", "rate"
_DEEPEST = 60  # function definitions that call each other
_LARGEST_FACTORIAL = 170  # the next one is beyond the range of doubles


def quantity(name: str) -> Expr:
    """The leaf that stands for an id in formulas."""
    return symbol(Symbol(name, _QUANTITY))


def rate_of(name: str) -> Expr:
    """The leaf that stands for the rate of change of an id."""
    return symbol(Symbol(name, _RATE))


def ids(*formulas: Expr) -> dict[str, str]:
    """The ids in formulas, with what is read of each: "quantity" or "rate"."""
    return {leaf.name: leaf.kind for leaf in leaves(formulas) if leaf.kind in (_QUANTITY, _RATE)}


class Formulas:
    """Reads the formulas of one file."""

    def __init__(self, path: Path, model: Element) -> None:
        self.path = path
        library = libsbml()
        self.names = {
            value: name
            for name, value in vars(library).items()
            if name.startswith("AST_") and isinstance(value, int)
        }
        self.avogadro = 6.02214179e23  # SBML Level 3 Version 2 Core, section 3.4.6
        self.functions: dict[str, tuple[tuple[str, ...], Element]] = {}
        self.bodies: dict[str, Expr] = {}
        self.pending: list[str] = []
        for k in range(model.getNumFunctionDefinitions()):
            definition = model.getFunctionDefinition(k)
            count = definition.getNumArguments()
            arguments = tuple(definition.getArgument(i).getName() for i in range(count))
            self.functions[definition.getId()] = arguments, definition

    def of(self, element: Element, math_of: Callable[[Element], Any] | None = None) -> Expr | None:
        """The formula of an element; None where it has none."""
        node = element.getMath() if math_of is None else math_of(element)
        return None if node is None else self.expr(node, element)

    def expr(self, root: Element, element: Element) -> Expr:
        """A tree of libSBML as an expression. Walked without recursion: generated files nest deeply."""
        done: list[Expr] = []
        stack: list[tuple[Element, bool]] = [(root, False)]
        while stack:
            node, children_done = stack.pop()
            count = node.getNumChildren()
            if not children_done and count:
                stack.append((node, True))
                stack += [(node.getChild(k), False) for k in reversed(range(count))]
                continue
            arguments = [done.pop() for _ in range(count)][::-1]
            done.append(self.node(node, arguments, element))
        return done[0]

    def fail(self, element: Element, problem: str) -> NoReturn:
        raise ModelError(f"{where(self.path, element)}: {problem}")

    # ---- nodes ------------------------------------------------------------------------------------
    def node(self, node: Element, arguments: list[Expr], element: Element) -> Expr:
        kind = self.names.get(node.getType(), "AST_UNKNOWN").removeprefix("AST_")
        if kind in ("INTEGER", "REAL", "REAL_E", "RATIONAL"):
            return self.number(node, kind, element)
        if kind == "NAME":
            return quantity(node.getName())
        if kind == "FUNCTION":
            return self.call(node.getName(), arguments, element)
        if kind in _LEAVES:
            return number(self.avogadro) if kind == "NAME_AVOGADRO" else _LEAVES[kind]
        if kind == "FUNCTION_RATE_OF":
            if len(arguments) != 1 or arguments[0].kind != _QUANTITY:
                self.fail(element, "rateOf takes one id")
            return rate_of(arguments[0].name)
        if kind == "FUNCTION_DELAY":
            if len(arguments) != 2:
                self.fail(element, "delay takes a value and a time")
            return arguments[0] if arguments[1] is ZERO else node_of("delay", tuple(arguments))
        make = _FUNCTIONS.get(kind)
        if make is None:
            self.fail(element, f"the MathML element {node.getName() or kind.lower()!r} is not supported")
        try:
            return make(arguments)
        except (IndexError, TypeError, ValueError) as error:
            self.fail(element, f"{kind.lower()} with {len(arguments)} arguments: {error}")
        except (ModelError, ZeroDivisionError, OverflowError) as error:
            self.fail(element, f"{kind.lower()}: {error}")

    def number(self, node: Element, kind: str, element: Element) -> Expr:
        if kind == "RATIONAL":
            return number(node.getNumerator()) / number(node.getDenominator())
        if kind == "REAL_E":  # the decimal text of both parts, so that 1e-3 is exactly 1/1000
            value = float(Decimal(repr(node.getMantissa())).scaleb(node.getExponent()))
        else:
            value = node.getInteger() if kind == "INTEGER" else node.getReal()
        if not math.isfinite(value):
            self.fail(element, f"the number {value} in a formula is not supported: values are finite")
        return number(value)

    def call(self, name: str, arguments: list[Expr], element: Element) -> Expr:
        """A function of the file with its arguments put in."""
        if name not in self.functions:
            self.fail(element, f"there is no function definition {name!r}")
        wanted, definition = self.functions[name]
        if len(wanted) != len(arguments):
            self.fail(element, f"the function {name} takes {len(wanted)} arguments, not {len(arguments)}")
        if name not in self.bodies:
            if name in self.pending:
                circle = " -> ".join([*self.pending[self.pending.index(name) :], name])
                self.fail(definition, f"the function is defined by itself: {circle}")
            if len(self.pending) > _DEEPEST:
                self.fail(definition, f"functions call functions more than {_DEEPEST} deep")
            body = definition.getBody()
            if body is None:
                self.fail(element, f"the function {name} has no formula")
            self.pending.append(name)
            self.bodies[name] = self.expr(body, definition)
            self.pending.pop()
            unknown = ids(self.bodies[name]).keys() - set(wanted)
            if unknown:
                self.fail(definition, f"{sorted(unknown)[0]} is no argument of the function")
        mapping: dict[Expr, Expr] = {}
        for argument, value in zip(wanted, arguments, strict=True):
            mapping[quantity(argument)] = value
            if value.kind == _QUANTITY:
                mapping[rate_of(argument)] = rate_of(value.name)
        return substitute(self.bodies[name], mapping)


def _plain(name: str) -> Callable[[Sequence[Expr]], Expr]:
    def made(arguments: Sequence[Expr]) -> Expr:
        if len(arguments) != OPERATORS[name].arity:
            raise TypeError(f"it takes {OPERATORS[name].arity}")
        return apply(name, *arguments)

    return made


def _of_one(function: Callable[[Expr], Expr]) -> Callable[[Sequence[Expr]], Expr]:
    def made(arguments: Sequence[Expr]) -> Expr:
        (argument,) = arguments
        return function(argument)

    return made


def _sum(arguments: Sequence[Expr]) -> Expr:
    result: Expr = ZERO
    for argument in arguments:
        result = result + argument
    return result


def _product(arguments: Sequence[Expr]) -> Expr:
    result: Expr = ONE
    for argument in arguments:
        result = result * argument
    return result


def _minus(arguments: Sequence[Expr]) -> Expr:
    if len(arguments) == 1:
        return -arguments[0]
    left, right = arguments
    return left - right


def _quotient_of(arguments: Sequence[Expr]) -> Expr:
    left, right = arguments
    if right is ZERO:
        raise ZeroDivisionError("it divides by zero")
    return left / right


def _power(arguments: Sequence[Expr]) -> Expr:
    base, exponent = arguments
    return base**exponent


def _root(arguments: Sequence[Expr]) -> Expr:
    if len(arguments) == 1:
        return sqrt(arguments[0])
    degree, base = arguments
    return _power((base, ONE / degree))


def _logarithm(arguments: Sequence[Expr]) -> Expr:
    if len(arguments) == 1:
        return apply("log10", arguments[0])
    base, value = arguments
    return apply("log10", value) if base is number(10) else log(value) / log(base)


def _factorial(argument: Expr) -> Expr:
    if argument.is_number and isinstance(argument.value, int) and 0 <= argument.value <= _LARGEST_FACTORIAL:
        return number(math.factorial(argument.value))
    raise ModelError(f"only of whole numbers from 0 to {_LARGEST_FACTORIAL}, not of {argument}")


def _truncated(arguments: Sequence[Expr]) -> Expr:
    """The quotient without its fraction, rounded towards zero."""
    ratio = _quotient_of(arguments)
    return ifelse(ratio < 0, ceil(ratio), floor(ratio))


def _remainder(arguments: Sequence[Expr]) -> Expr:
    return arguments[0] - arguments[1] * _truncated(arguments)


def _piecewise(arguments: Sequence[Expr]) -> Expr:
    """Pairs of value and condition, then what holds otherwise."""
    pairs = len(arguments) // 2
    if len(arguments) % 2:
        result = arguments[-1]
    elif pairs:  # nothing is said about the rest: without it the last piece must hold
        raise ModelError("a piecewise without otherwise is not supported")
    else:
        raise ModelError("a piecewise without pieces has no value")
    for k in reversed(range(pairs)):
        result = ifelse(arguments[2 * k + 1], arguments[2 * k], result)
    return result


def _joined(name: str, empty: Expr) -> Callable[[Sequence[Expr]], Expr]:
    def made(arguments: Sequence[Expr]) -> Expr:
        result = empty
        for argument in arguments:
            result = apply(name, result, argument)
        return result

    return made


def _xor(arguments: Sequence[Expr]) -> Expr:
    result: Expr = ZERO
    for argument in arguments:
        result = apply("not", equal(_truth(result), _truth(argument)))
    return result


def _truth(argument: Expr) -> Expr:
    return apply("not", apply("not", argument))


def _implies(arguments: Sequence[Expr]) -> Expr:
    left, right = arguments
    return apply("or", apply("not", left), right)


def _chain(relation: Callable[[Expr, Expr], Expr]) -> Callable[[Sequence[Expr]], Expr]:
    """a < b < c holds when a < b and b < c do."""

    def made(arguments: Sequence[Expr]) -> Expr:
        if len(arguments) < 2:
            raise TypeError("a comparison takes two")
        result: Expr = ONE
        for left, right in pairwise(arguments):
            result = apply("and", result, relation(left, right))
        return result

    return made


def _unequal(left: Expr, right: Expr) -> Expr:
    return apply("not", equal(left, right))


def _inverse(name: str) -> Callable[[Sequence[Expr]], Expr]:
    """The function of the reciprocal: arcsec(x) = arccos(1/x)."""
    return _of_one(lambda x: apply(name, ONE / x))


def _reciprocal(name: str) -> Callable[[Sequence[Expr]], Expr]:
    return _of_one(lambda x: ONE / apply(name, x))


_LEAVES = {
    "NAME_TIME": TIME, "NAME_AVOGADRO": ONE, "CONSTANT_E": number(math.e), "CONSTANT_PI": number(math.pi),
    "CONSTANT_TRUE": ONE, "CONSTANT_FALSE": ZERO,
}  # fmt: skip

_FUNCTIONS: dict[str, Callable[[Sequence[Expr]], Expr]] = {
    "PLUS": _sum, "TIMES": _product, "MINUS": _minus, "DIVIDE": _quotient_of,
    "POWER": _power, "FUNCTION_POWER": _power, "FUNCTION_ROOT": _root,
    "FUNCTION_ABS": _plain("abs"), "FUNCTION_EXP": _plain("exp"), "FUNCTION_LN": _plain("log"),
    "FUNCTION_LOG": _logarithm, "FUNCTION_FLOOR": _plain("floor"), "FUNCTION_CEILING": _plain("ceil"),
    "FUNCTION_FACTORIAL": _of_one(_factorial), "FUNCTION_QUOTIENT": _truncated, "FUNCTION_REM": _remainder,
    "FUNCTION_MAX": lambda arguments: maximum(*arguments),
    "FUNCTION_MIN": lambda arguments: minimum(*arguments),
    "FUNCTION_SIN": _plain("sin"), "FUNCTION_COS": _plain("cos"), "FUNCTION_TAN": _plain("tan"),
    "FUNCTION_SEC": _reciprocal("cos"), "FUNCTION_CSC": _reciprocal("sin"),
    "FUNCTION_COT": _reciprocal("tan"),
    "FUNCTION_SINH": _plain("sinh"), "FUNCTION_COSH": _plain("cosh"), "FUNCTION_TANH": _plain("tanh"),
    "FUNCTION_SECH": _reciprocal("cosh"), "FUNCTION_CSCH": _reciprocal("sinh"),
    "FUNCTION_COTH": _reciprocal("tanh"),
    "FUNCTION_ARCSIN": _plain("asin"), "FUNCTION_ARCCOS": _plain("acos"), "FUNCTION_ARCTAN": _plain("atan"),
    "FUNCTION_ARCSEC": _inverse("acos"), "FUNCTION_ARCCSC": _inverse("asin"),
    "FUNCTION_ARCCOT": _inverse("atan"),
    "FUNCTION_ARCSINH": _plain("asinh"), "FUNCTION_ARCCOSH": _plain("acosh"),
    "FUNCTION_ARCTANH": _plain("atanh"), "FUNCTION_ARCSECH": _inverse("acosh"),
    "FUNCTION_ARCCSCH": _inverse("asinh"), "FUNCTION_ARCCOTH": _inverse("atanh"),
    "FUNCTION_PIECEWISE": _piecewise,
    "LOGICAL_AND": _joined("and", ONE), "LOGICAL_OR": _joined("or", ZERO), "LOGICAL_XOR": _xor,
    "LOGICAL_NOT": _plain("not"), "LOGICAL_IMPLIES": _implies,
    "RELATIONAL_EQ": _chain(equal), "RELATIONAL_NEQ": _chain(_unequal),
    "RELATIONAL_LT": _chain(lambda a, b: apply("<", a, b)),
    "RELATIONAL_LEQ": _chain(lambda a, b: apply("<=", a, b)),
    "RELATIONAL_GT": _chain(lambda a, b: apply("<", b, a)),
    "RELATIONAL_GEQ": _chain(lambda a, b: apply("<=", b, a)),
}  # fmt: skip
