"""The export back end: C99 that any compiler takes, with index tables as constants of the file.

One function per IR function; loops over copies are loops. Long straight-line code is cut into functions,
which keeps the time of the compiler proportional to its length.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from symnum.codegen.emitter import Emitter, Loaded, Program, TableBuilder, Tables, addressing
from symnum.codegen.function import Array, Column, Function, Gather, Loop, Output, item_outputs
from symnum.codegen.share import Body, Statement, chunks, statements
from symnum.errors import CodegenError
from symnum.rewriting.operators import OPERATORS

__all__ = ["SIGNATURE", "CEmitter", "compiler", "declared", "shared_library"]

SIGNATURE = "double t, double *out, const double *u, const double *p, double *work"
"""The arguments of every generated function."""

_CHUNK = 1000  # statements in a function: optimizers are worse than linear in its length
_WIDTH = 100  # characters up to which an expression that is used once is written where it is used
_UNUSED = "    (void)t; (void)out; (void)u; (void)p; (void)work;"

# (text, precedence of the result, least precedence of the operands); && within || keeps its parentheses,
# which compilers ask for
_INFIX = {
    "add": ("{} + {}", 4, (4, 5)), "sub": ("{} - {}", 4, (4, 5)), "mul": ("{} * {}", 5, (5, 6)),
    "div": ("{} / {}", 5, (5, 6)), "neg": ("-{}", 6, (7,)), "<": ("{} < {}", 3, (4, 4)),
    "<=": ("{} <= {}", 3, (4, 4)), "equal": ("{} == {}", 2, (4, 4)), "truth": ("{} != 0.0", 2, (4,)),
    "not": ("!{}", 6, (9,)), "and": ("{} && {}", 1, (2, 2)), "or": ("{} || {}", 0, (2, 2)),
    "real": ("({} ? 1.0 : 0.0)", 9, (2,)), "ifelse": ("({} ? {} : {})", 9, (2, 2, 2)),
    "sqrt": ("sqrt({})", 9, (0,)),
    "min": ("smaller({}, {})", 9, (0, 0)), "max": ("larger({}, {})", 9, (0, 0)),
    "sign": ("sign({})", 9, (0,)),
}  # fmt: skip

# NaN is passed on, as by every other back end.
_HELPERS = {
    "min": "static double smaller(double a, double b)\n{\n    return a <= b || a != a ? a : b;\n}\n",
    "max": "static double larger(double a, double b)\n{\n    return a >= b || a != a ? a : b;\n}\n",
    "sign": "static double sign(double a)\n{\n    return a > 0.0 ? 1.0 : a < 0.0 ? -1.0 : a;\n}\n",
}


def declared(kind: str, name: str, values: Iterable[float]) -> str:
    """A constant array; one zero stands for an empty one, which C does not have."""
    literals = [_literal(value) if isinstance(value, float) else str(value) for value in values] or ["0"]
    lines = [", ".join(literals[k : k + 12]) for k in range(0, len(literals), 12)]
    listed = ",\n    ".join(lines)
    return f"static const {kind} {name}[{len(literals)}] = {{\n    {listed}\n}};"


def _literal(value: float) -> str:
    return repr(value).replace("inf", "INFINITY").replace("nan", "NAN")


class _Source:
    """The text of one file while it grows."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self.taken: set[str] = set(functions)
        self.tables: list[str] = []
        self.known: dict[tuple[str, bytes], str] = {}
        self.parts: list[str] = []
        self.used: set[str] = set()
        self.scratch = max((f.n_work for f in functions.values()), default=0)
        self.n_work = self.scratch

    def name(self, *parts: str) -> str:
        """A C identifier that nothing else has; the prefix keeps it apart from names of the C library."""
        base = "table_" + re.sub(r"[^0-9a-zA-Z]+", "_", "_".join(parts)).strip("_")
        unique, k = base, 1
        while unique in self.taken:
            k += 1
            unique = f"{base}_{k}"
        self.taken.add(unique)
        return unique

    def table(self, name: str, values: Array) -> str:
        kind = "double" if values.dtype == np.float64 else "int"
        key = (kind, values.tobytes())
        if key not in self.known:
            self.known[key] = self.name(name)
            self.tables.append(declared(kind, self.known[key], values.tolist()))
        return self.known[key]

    # ---- places -----------------------------------------------------------------------------------
    def read(self, where: str, column: Column, k: int) -> str:
        if column.space == "c":
            if (column.index == column.index[0]).all():
                return _literal(float(column.index[0]))
            return f"{self.table(f'{where}_c{k}', column.index)}[i]"
        array = "work" if column.space == "w" else column.space
        return f"{array}[{self.position(f'{where}_{column.space}{k}', column.index)}]"

    def position(self, name: str, index: Array) -> str:
        kind, base, stride = addressing(index)
        if kind == "uniform":
            return str(base)
        if kind == "table":
            return f"{self.table(name, index)}[i]"
        step = "i" if kind == "unit" else f"{stride} * i"
        return f"{base} + {step}" if base else step

    def write(self, where: str, output: Output, k: int, text: str) -> str:
        array = "work" if output.space == "w" else "out"
        equals = "+=" if output.accumulate else "="
        return f"{array}[{self.position(f'{where}_to{k}', output.index)}] {equals} {text};"

    # ---- items ------------------------------------------------------------------------------------
    def loop(self, function: str, loop: Loop) -> list[str]:
        where = f"{function}_{loop.name}"
        body = statements(loop.roots)
        slots = {k: self.read(where, column, k) for k, column in enumerate(loop.columns)}
        lines, spelled = self.spell(body, range(len(body.statements)), slots, {}, set(body.roots))
        for k, output in enumerate(loop.outputs):
            lines.append(self.write(where, output, k, spelled[body.roots[k]][0]))
        return [f"for (int i = 0; i < {loop.count}; ++i) {{", *(f"    {line}" for line in lines), "}"]

    def straight(self, function: str, loop: Loop) -> list[str]:
        """Lines for a loop of one copy; long ones become functions of their own."""
        where = f"{function}_{loop.name}"
        body = statements(loop.roots)
        slots = {k: self.read(where, column, k) for k, column in enumerate(loop.columns)}
        pieces = []
        for chunk in chunks(body, _CHUNK):
            self.n_work = max([self.n_work, *(self.scratch + place + 1 for place in chunk.spills.values())])
            loads = {}
            for value, place in chunk.loads.items():
                read = f"work[{self.scratch + place}]"
                loads[value] = f"({read} != 0.0)" if body.statements[value].boolean else read
            kept = {value for _, value in chunk.roots} | set(chunk.spills)
            lines, spelled = self.spell(body, chunk.values, slots, loads, kept)
            for value, place in chunk.spills.items():
                text = spelled[value][0]
                stored = f"({text} ? 1.0 : 0.0)" if body.statements[value].boolean else text
                lines.append(f"work[{self.scratch + place}] = {stored};")
            for k, value in chunk.roots:
                lines.append(self.write(where, loop.outputs[k], k, spelled[value][0]))
            pieces.append(lines)
        if len(pieces) == 1:
            return ["{", *(f"    {line}" for line in pieces[0]), "}"]
        calls = []
        for lines in pieces:
            name = self.name(function, loop.name, "part")
            body_text = "\n".join(f"    {line}" for line in lines)
            self.parts.append(f"static void {name}({SIGNATURE})\n{{\n{_UNUSED}\n{body_text}\n}}")
            calls.append(f"{name}(t, out, u, p, work);")
        return calls

    def gather(self, function: str, gather: Gather) -> list[str]:
        where = f"{function}_{gather.name}"
        array = "work" if gather.space == "w" else gather.space
        starts = self.table(f"{where}_rows", gather.indptr)
        term = f"{array}[{self.table(f'{where}_first', gather.first)}[k]]"
        if gather.second is not None:
            term += f" * {array}[{self.table(f'{where}_second', gather.second)}[k]]"
        if not (gather.coefficient == 1.0).all():
            term = f"{self.table(f'{where}_coefficients', gather.coefficient)}[k] * {term}"
        return [
            f"for (int i = 0; i < {len(gather.output.index)}; ++i) {{",
            "    double total = 0.0;",
            f"    for (int k = {starts}[i]; k < {starts}[i + 1]; ++k)",
            f"        total += {term};",
            f"    {self.write(where, gather.output, 0, 'total')}",
            "}",
        ]

    def function(self, name: str, function: Function) -> str:
        lines = []
        for item in function.items:
            count = item.count if isinstance(item, Loop) else len(item_outputs(item)[0].index)
            comment = re.sub(r"[^\x20-\x7e]|\*/", " ", item.name)
            lines.append(f"/* {comment}: {count} {'copy' if count == 1 else 'copies'} */")
            if isinstance(item, Gather):
                lines += self.gather(name, item)
            elif item.count == 1:
                lines += self.straight(name, item)
            else:
                lines += self.loop(name, item)
        body = "\n".join([_UNUSED, *(f"    {line}" for line in lines)])
        return f"void {name}({SIGNATURE})\n{{\n{body}\n}}"

    # ---- statements -------------------------------------------------------------------------------
    def spell(
        self, body: Body, values: Iterable[int], slots: Mapping[int, str], loads: Mapping[int, str],
        kept: set[int],
    ) -> tuple[list[str], dict[int, tuple[str, int]]]:  # fmt: skip
        """Declarations for some values of a body, and (text, precedence) of each of them.

        Values used once are written in place; ``kept`` values count as used once more.
        """
        wanted = list(values)
        uses = dict.fromkeys([*loads, *wanted], 0)
        for value in kept:
            uses[value] += 1
        for value in wanted:
            for arg in body.statements[value].args:
                uses[arg] += 1
        lines: list[str] = []
        spelled: dict[int, tuple[str, int]] = {}

        def name(value: int, text: str, precedence: int, keep: bool) -> None:
            if keep:
                spelled[value] = (text, precedence)
            else:
                kind = "int" if body.statements[value].boolean else "double"
                lines.append(f"const {kind} v{value} = {text};")
                spelled[value] = (f"v{value}", 9)

        for value, text in loads.items():
            name(value, text, 9, uses[value] <= 1)
        for value in wanted:
            statement = body.statements[value]
            if statement.op == "number":
                assert isinstance(statement.data, float)
                literal = _literal(statement.data)
                spelled[value] = (literal, 6 if literal.startswith("-") else 9)
            elif statement.op == "time":
                spelled[value] = ("t", 9)
            elif statement.op == "slot":
                assert isinstance(statement.data, tuple)
                name(value, slots[statement.data[1]], 9, uses[value] <= 1)
            else:
                text, precedence = self.operation(statement, [spelled[arg] for arg in statement.args])
                name(value, text, precedence, uses[value] <= 1 and len(text) <= _WIDTH)
        return lines, spelled

    def operation(self, statement: Statement, args: list[tuple[str, int]]) -> tuple[str, int]:
        op = statement.op
        if op in _HELPERS:
            self.used.add(op)
        if op in _INFIX:
            pattern, precedence, least = _INFIX[op]
        else:
            arity = len(args)
            pattern, precedence, least = f"{OPERATORS[op].c}({', '.join(['{}'] * arity)})", 9, (0,) * arity
        texts = [
            text if inner >= bound else f"({text})" for (text, inner), bound in zip(args, least, strict=True)
        ]
        return pattern.format(*texts), precedence


class CEmitter(Emitter):
    """C99 source that includes nothing but ``math.h``."""

    name = "c"
    cached = False

    def emit(self, functions: Mapping[str, Function]) -> Program:
        source = _Source(functions)
        written = [source.function(name, function) for name, function in functions.items()]
        head = (
            "/* Generated by symnum. Functions are f(t, out, u, p, work).\n"
            f"   After a change of p call setup; work holds {source.n_work} doubles. */\n#include <math.h>"
        )
        helpers = [_HELPERS[op].rstrip() for op in _HELPERS if op in source.used]
        text = "\n\n".join([head, *helpers, *source.tables, *source.parts, *written]) + "\n"
        return Program(text, tuple(functions), TableBuilder(0).build(), source.n_work, 0)

    def build(self, program: Program) -> bytes:
        """A shared library, made by the C compiler of this machine. CodegenError where there is none."""
        with tempfile.TemporaryDirectory(prefix="symnum-") as folder:
            source, library = Path(folder, "model.c"), Path(folder, "model.so")
            source.write_text(program.source)
            shared_library(source, library)
            return library.read_bytes()

    def load(self, names: tuple[str, ...], code: bytes, tables: Tables) -> Loaded:
        with tempfile.TemporaryDirectory(prefix="symnum-") as folder:
            path = Path(folder, "model.so")
            path.write_bytes(code)
            library = ctypes.CDLL(str(path))  # stays mapped when the file is gone
        addresses = {name: ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in names}
        return Loaded(addresses, (library,))


def shared_library(source: Path, library: Path, *options: str) -> None:
    """Compile a file of C99. CodegenError with what the compiler says where it does not take it."""
    given = ["-std=c99", "-O2", "-shared", "-fPIC", *options, "-o", str(library), str(source), "-lm"]
    done = subprocess.run([*compiler(), *given], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CodegenError(f"the C compiler rejects the generated code: {done.stderr[:2000]}")


def compiler() -> list[str]:
    """The command of the C compiler: $CC, or cc, gcc or clang. CodegenError where there is none."""
    chosen = os.environ.get("CC", "").split()
    if chosen:
        return chosen
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            return [name]
    raise CodegenError("the back end c needs a C compiler; install gcc or clang, or name one in CC")
