"""The 100 reference expressions (FPBench, AI Feynman) read into expressions."""

import ast
import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

from symnum.rewriting.expr import Expr, Symbol, apply, as_expr, number, power, symbol
from symnum.rewriting.operators import ifelse, sqrt

PI = number(Fraction("3.14159265358979323846264338327950288419716939937510582097494459"))
FUNCTIONS = {"arcsin": "asin", "exp": "exp", "log": "log", "sin": "sin", "cos": "cos", "atan": "atan"}


def load(folder: Path) -> list[dict[str, Any]]:
    """The records of expressions.json."""
    records: list[dict[str, Any]] = json.loads((folder / "expressions" / "expressions.json").read_text())
    return records


def expression(record: dict[str, Any]) -> Expr:
    """The expression of a record, from its s-expression where it has one, else from its infix text."""
    names: dict[str, Expr] = {name: symbol(Symbol(name, "variable")) for name in record["vars"]}
    if record["fpcore"]:
        return _prefix(_read(record["fpcore"]), names)
    return _infix(ast.parse(record["infix"], mode="eval").body, names)


def _read(text: str) -> Any:
    tokens = re.findall(r"[()\[\]]|[^\s()\[\]]+", text)
    stack: list[list[Any]] = [[]]
    for token in tokens:
        if token in "([":
            stack.append([])
        elif token in ")]":
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(token)
    (form,) = stack[0]
    return form


def _prefix(form: Any, names: dict[str, Expr]) -> Expr:
    if isinstance(form, str):
        return names[form] if form in names else PI if form == "PI" else number(Fraction(form))
    head, *rest = form
    if head in ("let", "let*"):
        inner = dict(names)
        for name, value in rest[0]:
            inner[name] = _prefix(value, inner if head == "let*" else names)
        return _prefix(rest[1], inner)
    if head == "!":
        return _prefix(rest[-1], names)
    return _applied(head, [_prefix(arg, names) for arg in rest])


def _applied(head: str, args: list[Expr]) -> Expr:
    first = args[0]
    if head == "-":
        return -first if len(args) == 1 else first - args[1]
    plain = {
        "+": lambda: first + args[1],
        "*": lambda: first * args[1],
        "/": lambda: first / args[1],
        "sqrt": lambda: sqrt(first),
        "pow": lambda: power(first, args[1]),
        "if": lambda: ifelse(*args),
        "cast": lambda: first,
        "<": lambda: first < args[1],
        ">": lambda: first > args[1],
        ">=": lambda: first >= args[1],
    }
    return plain[head]() if head in plain else apply(FUNCTIONS[head], first)


def _infix(tree: ast.expr, names: dict[str, Expr]) -> Expr:
    match tree:
        case ast.Constant(value=value):
            return as_expr(value)
        case ast.Name(id=name):
            return names[name] if name in names else {"pi": PI}[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_infix(operand, names)
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _infix(left, names), _infix(right, names)
            signs = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "pow"}
            return _applied(signs[type(op)], [a, b])
        case ast.Call(func=ast.Name(id=name), args=args):
            return _applied(name, [_infix(arg, names) for arg in args])
    raise AssertionError(ast.dump(tree))
