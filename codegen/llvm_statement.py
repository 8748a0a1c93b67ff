"""One statement as LLVM text, on doubles or on vectors of them."""

from __future__ import annotations

import struct
from typing import NamedTuple

from symnum.codegen.share import Statement
from symnum.rewriting.operators import OPERATORS

__all__ = ["DOUBLES", "Numbers", "literal", "scalar_function", "spelled"]

# `contract` allows fused multiply-add. Never nnan or ninf: solvers reject a step by its NaN.
_ARITHMETIC = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_COMPARE = {"<": "olt", "<=": "ole", "equal": "oeq"}
_INTRINSICS = {"sqrt": "llvm.sqrt.f64", "min": "llvm.minimum.f64", "max": "llvm.maximum.f64"}


class Numbers(NamedTuple):
    """The types of numbers and of truth values: of one trajectory, or of several side by side."""

    lanes: int

    @property
    def type(self) -> str:
        return "double" if self.lanes == 1 else f"<{self.lanes} x double>"

    @property
    def truth(self) -> str:
        return "i1" if self.lanes == 1 else f"<{self.lanes} x i1>"

    def constant(self, value: float) -> str:
        return literal(value) if self.lanes == 1 else f"splat (double {literal(value)})"


DOUBLES = Numbers(1)


def literal(value: float) -> str:
    """A double, to the last bit."""
    return f"0x{struct.pack('>d', value).hex().upper()}"


def scalar_function(op: str) -> str:
    """The LLVM intrinsic or libm function of an operator on doubles."""
    return _INTRINSICS.get(op) or OPERATORS[op].llvm


def spelled(
    name: str, statement: Statement, args: list[str], numbers: Numbers = DOUBLES
) -> list[str] | None:
    """Lines that put one operation into ``name``; None where it is the call of a function.

    Slots and numbers are handled by the caller.
    """
    op, number, truth = statement.op, numbers.type, numbers.truth
    zero = numbers.constant(0.0)
    if op in _ARITHMETIC:
        return [f"{name} = {_ARITHMETIC[op]} contract {number} {args[0]}, {args[1]}"]
    if op == "neg":
        return [f"{name} = fneg {number} {args[0]}"]
    if op in _COMPARE:
        return [f"{name} = fcmp {_COMPARE[op]} {number} {args[0]}, {args[1]}"]
    if op == "truth":
        return [f"{name} = fcmp une {number} {args[0]}, {zero}"]
    if op == "real":
        return [f"{name} = uitofp {truth} {args[0]} to {number}"]
    if op in ("and", "or"):
        return [f"{name} = {op} {truth} {args[0]}, {args[1]}"]
    if op == "not":
        return [f"{name} = xor {truth} {args[0]}, {'true' if numbers.lanes == 1 else 'splat (i1 true)'}"]
    if op == "ifelse":
        return [f"{name} = select {truth} {args[0]}, {number} {args[1]}, {number} {args[2]}"]
    if op == "sign":  # nan and zeros stay themselves
        minus, one = numbers.constant(-1.0), numbers.constant(1.0)
        return [
            f"{name}.p = fcmp ogt {number} {args[0]}, {zero}",
            f"{name}.n = fcmp olt {number} {args[0]}, {zero}",
            f"{name}.s = select {truth} {name}.n, {number} {minus}, {number} {args[0]}",
            f"{name} = select {truth} {name}.p, {number} {one}, {number} {name}.s",
        ]
    return None
