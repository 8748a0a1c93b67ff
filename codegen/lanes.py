"""Straight-line LLVM text of small functions, for one trajectory or for several side by side.

A number is a ``double`` or, with lanes, a vector of doubles: one per trajectory. Loops and sums of the IR
are unrolled, and scratch lives in registers, so that LLVM can merge everything into the step around it.
"""

from __future__ import annotations

import ctypes
import functools
import platform
from collections.abc import Iterable

from symnum.codegen.function import Function, Loop
from symnum.codegen.llvm_statement import Numbers, scalar_function, spelled
from symnum.codegen.share import Statement, statements

__all__ = ["Lanes", "vector_library"]

# What LLVM turns into vector instructions by itself.
_INSTRUCTIONS = ("sqrt", "min", "max", "abs", "floor", "ceil")
_VECTOR_PREFIX = {4: "_ZGVdN4", 8: "_ZGVeN8"}  # AVX2 and AVX-512 in the vector ABI of x86-64


@functools.cache
def vector_library() -> ctypes.CDLL | None:
    """glibc's vector math, its symbols visible to generated code; None elsewhere."""
    if platform.machine() not in ("x86_64", "AMD64") or platform.system() != "Linux":
        return None
    try:
        return ctypes.CDLL("libmvec.so.1", mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return None


def _symbol(op: str) -> str:
    """The libm name of an operator: llvm.sin.f64 and sin both are sin."""
    return scalar_function(op).removeprefix("llvm.").removesuffix(".f64")


class Lanes:
    """Collects the functions of one module whose numbers are vectors of ``lanes`` doubles (1: doubles)."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.numbers = Numbers(lanes)
        self.type, self.truth = self.numbers.type, self.numbers.truth
        self.functions: list[str] = []
        self.declared: dict[str, str] = {}

    # ---- spelling -------------------------------------------------------------------------------
    def number(self, value: float) -> str:
        return self.numbers.constant(value)

    def declare(self, result: str, symbol: str, kinds: str) -> None:
        """Make a function without side effects known."""
        self.declared[symbol] = f"declare {result} @{symbol}({kinds}) nounwind willreturn memory(none)"

    def load(self, lines: list[str], name: str, pointer: str, place: int) -> str:
        """Read number ``place`` behind ``pointer`` into ``name``."""
        lines.append(f"{name}.a = getelementptr inbounds double, ptr {pointer}, i64 {place * self.lanes}")
        lines.append(f"{name} = load {self.type}, ptr {name}.a, align 8")
        return name

    def store(self, lines: list[str], name: str, value: str, pointer: str, place: int) -> None:
        """Write ``value`` to number ``place`` behind ``pointer``; ``name`` is for the address."""
        lines.append(f"{name} = getelementptr inbounds double, ptr {pointer}, i64 {place * self.lanes}")
        lines.append(f"store {self.type} {value}, ptr {name}, align 8")

    def text(self) -> str:
        return "\n\n".join(["\n".join(self.declared.values()), *self.functions])

    # ---- functions of the model -------------------------------------------------------------------
    def model_function(self, name: str, function: Function, attributes: str, keep: int = 0) -> int:
        """``void name(T t, T *out, T *u, T *p, T *w)``; returns the number of its statements.

        keep: places of scratch in front that stay in memory for others; the rest is local.
        """
        lines: list[str] = []
        memory: dict[tuple[str, int], str] = {}
        written: set[tuple[str, int]] = set()
        serial = 0

        def read(space: str, place: int) -> str:
            nonlocal serial
            if (space, place) not in memory:
                serial += 1
                memory[space, place] = self.load(lines, f"%r{serial}", f"%{space}", place)
            return memory[space, place]

        def write(space: str, place: int, value: str, accumulate: bool) -> None:
            nonlocal serial
            if accumulate:
                serial += 1
                before = read(space, place)
                lines.append(f"%r{serial} = fadd contract {self.type} {before}, {value}")
                value = f"%r{serial}"
            memory[space, place] = value
            written.add((space, place))

        for item in function.items:
            if isinstance(item, Loop):
                body = statements(item.roots)
                for copy in range(item.count):
                    value: list[str] = []
                    for statement in body.statements:
                        if statement.op == "slot":
                            assert isinstance(statement.data, tuple)
                            column = item.columns[statement.data[1]]
                            if column.space == "c":
                                value.append(self.number(float(column.index[copy])))
                            else:
                                value.append(read(column.space, int(column.index[copy])))
                        elif statement.op == "number":
                            assert isinstance(statement.data, float)
                            value.append(self.number(statement.data))
                        elif statement.op == "time":
                            value.append("%t")
                        else:
                            serial += 1
                            value.append(f"%r{serial}")
                            lines += self._spell(f"%r{serial}", statement, [value[k] for k in statement.args])
                    results = [value[root] for root in body.roots]
                    for output, result in zip(item.outputs, results, strict=True):
                        write(output.space, int(output.index[copy]), result, output.accumulate)
            else:
                for row, place in enumerate(item.output.index):
                    total = self.number(0.0)
                    for k in range(int(item.indptr[row]), int(item.indptr[row + 1])):
                        serial += 3
                        term = read(item.space, int(item.first[k]))
                        if item.second is not None:
                            factor = read(item.space, int(item.second[k]))
                            lines.append(f"%g{serial} = fmul contract {self.type} {term}, {factor}")
                            term = f"%g{serial}"
                        weight = self.number(float(item.coefficient[k]))
                        lines.append(f"%h{serial} = fmul contract {self.type} {term}, {weight}")
                        lines.append(f"%s{serial} = fadd contract {self.type} {total}, %h{serial}")
                        total = f"%s{serial}"
                    write(item.output.space, int(place), total, item.output.accumulate)
        for space, place in sorted(written):
            if space == "out" or place < keep:
                self.store(lines, f"%{space}{place}", memory[space, place], f"%{space}", place)
        self.functions.append("\n".join([
            f"define internal void @{name}({self.type} %t, ptr noalias %out, ptr noalias readonly %u, "
            f"ptr noalias readonly %p, ptr noalias %w) {attributes} {{",
            *(f"  {line}" for line in lines), "  ret void", "}",
        ]))  # fmt: skip
        return len(lines)

    def _spell(self, name: str, statement: Statement, args: list[str]) -> list[str]:
        """Lines that put one operation into ``name``."""
        lines = spelled(name, statement, args, self.numbers)
        return self._call(name, statement.op, args) if lines is None else lines

    def _call(self, name: str, op: str, args: list[str]) -> list[str]:
        """A function of libm: by LLVM's intrinsic, by glibc's vector library, or lane by lane."""
        scalar = scalar_function(op)
        given = ", ".join(f"{self.type} {arg}" for arg in args)
        kinds = ", ".join([self.type] * len(args))
        vector = ""
        if self.lanes == 1:
            vector = scalar
        elif op in _INSTRUCTIONS and scalar.startswith("llvm."):
            vector = scalar.removesuffix(".f64") + f".v{self.lanes}f64"
        elif self.lanes in _VECTOR_PREFIX:
            wanted = f"{_VECTOR_PREFIX[self.lanes]}{'v' * len(args)}_{_symbol(op)}"
            library = vector_library()
            vector = wanted if library is not None and hasattr(library, wanted) else ""
        if vector:
            self.declare(self.type, vector, kinds)
            return [f"{name} = call contract {self.type} @{vector}({given})"]
        self.declare("double", scalar, ", ".join(["double"] * len(args)))
        lines, collected = [], "poison"
        for lane in range(self.lanes):
            for k, arg in enumerate(args):
                lines.append(f"{name}.e{lane}.{k} = extractelement {self.type} {arg}, i64 {lane}")
            inner = ", ".join(f"double {name}.e{lane}.{k}" for k in range(len(args)))
            lines.append(f"{name}.c{lane} = call double @{scalar}({inner})")
            target = name if lane == self.lanes - 1 else f"{name}.i{lane}"
            lines.append(
                f"{target} = insertelement {self.type} {collected}, double {name}.c{lane}, i64 {lane}"
            )
            collected = target
        return lines

    # ---- sums -----------------------------------------------------------------------------------
    def tree(self, lines: list[str], prefix: str, values: Iterable[str]) -> str:
        """The sum of some values in a balanced tree."""
        level, serial = list(values) or [self.number(0.0)], 0
        while len(level) > 1:
            paired = []
            for k in range(0, len(level) - 1, 2):
                serial += 1
                lines.append(f"{prefix}{serial} = fadd contract {self.type} {level[k]}, {level[k + 1]}")
                paired.append(f"{prefix}{serial}")
            level = paired + level[len(level) - len(level) % 2 :]
        return level[0]
