"""The readable back end: Python source for numba that can be printed, edited and run by itself.

One function per IR function; loops over copies are loops, index tables are module-level arrays. Long
straight-line code is cut into functions, yet numba needs 10-30 ms per statement for it: the llvm back end
is the one for production.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from symnum.codegen.emitter import Emitter, Loaded, Program, TableBuilder, Tables, addressing
from symnum.codegen.function import Array, Column, Function, Gather, Loop, Output, item_outputs
from symnum.codegen.share import Body, Statement, chunks, statements
from symnum.errors import CodegenError
from symnum.rewriting.operators import OPERATORS

__all__ = ["NumbaEmitter"]

_CHUNK = 100  # numba's cost per statement rises beyond this
_WIDTH = 100  # characters up to which an expression that is used once is written where it is used
_DECORATOR = '@njit(error_model="numpy")'  # division by zero gives inf, as everywhere else

# (text, precedence of the result, least precedence of the operands)
_INFIX = {
    "add": ("{} + {}", 4, (4, 4)), "sub": ("{} - {}", 4, (4, 5)), "mul": ("{} * {}", 5, (5, 6)),
    "div": ("{} / {}", 5, (5, 6)), "neg": ("-{}", 6, (7,)), "<": ("{} < {}", 3, (4, 4)),
    "<=": ("{} <= {}", 3, (4, 4)), "equal": ("{} == {}", 3, (4, 4)), "truth": ("{} != 0.0", 3, (4,)),
    "not": ("not {}", 2, (3,)), "and": ("{} and {}", 1, (2, 2)), "or": ("{} or {}", 0, (1, 1)),
    "real": ("(1.0 if {} else 0.0)", 9, (0,)), "ifelse": ("({1} if {0} else {2})", 9, (0, 0, 0)),
    "sqrt": ("np.sqrt({})", 9, (0,)),
}  # fmt: skip


def _call(op: str) -> tuple[str, int, tuple[int, ...]]:
    operator = OPERATORS[op]
    name = operator.numpy if operator.numpy.startswith("np.") else f"math.{operator.numpy}"
    return f"{name}({', '.join(['{}'] * operator.arity)})", 9, (0,) * operator.arity


class _Names:
    """Python names, each given out once."""

    def __init__(self) -> None:
        self.taken: set[str] = {"math", "np", "njit", "t", "out", "u", "p", "work", "i", "k", "total"}

    def new(self, *parts: str) -> str:
        name = re.sub(r"\W+", "_", "_".join(parts)).strip("_")
        if not name or name[0].isdigit() or keyword.iskeyword(name):
            name = f"_{name}"
        unique, k = name, 1
        while unique in self.taken:
            k += 1
            unique = f"{name}_{k}"
        self.taken.add(unique)
        return unique


class _Source:
    """The text of one module while it grows."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self.names = _Names()
        self.public = {name: self.names.new(name) for name in functions}
        self.tables: list[str] = []
        self.known: dict[tuple[str, bytes], str] = {}
        self.parts: list[str] = []
        self.scratch = max((f.n_work for f in functions.values()), default=0)
        self.n_work = self.scratch

    def table(self, name: str, values: Array) -> str:
        """The name of a module-level array with these values."""
        kind = "float64" if values.dtype == np.float64 else "int32"
        key = (kind, values.tobytes())
        if key not in self.known:
            self.known[key] = self.names.new(name)
            literals = [repr(value) for value in values.tolist()]
            lines = [", ".join(literals[k : k + 16]) for k in range(0, len(literals), 16)]
            listed = ",\n    ".join(lines)
            self.tables.append(f"{self.known[key]} = np.array([{listed}], dtype=np.{kind})")
        return self.known[key]

    # ---- loops --------------------------------------------------------------------------------
    def read(self, where: str, column: Column, k: int) -> str:
        """What a slot reads in copy i."""
        if column.space == "c":
            if (column.index == column.index[0]).all():
                return repr(float(column.index[0]))
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
        return f"{array}[{self.position(f'{where}_to{k}', output.index)}] {equals} {text}"

    def loop(self, function: str, loop: Loop) -> list[str]:
        where = f"{function}_{loop.name}"
        body = statements(loop.roots)
        slots = {k: self.read(where, column, k) for k, column in enumerate(loop.columns)}
        values = range(len(body.statements))
        lines, spelled = _spell(body, values, slots, {}, set(body.roots))
        for k, output in enumerate(loop.outputs):
            lines.append(self.write(where, output, k, spelled[body.roots[k]][0]))
        return [f"for i in range({loop.count}):", *(f"    {line}" for line in lines)]

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
            lines, spelled = _spell(body, chunk.values, slots, loads, kept)
            for value, place in chunk.spills.items():
                text = spelled[value][0]
                stored = f"(1.0 if {text} else 0.0)" if body.statements[value].boolean else text
                lines.append(f"work[{self.scratch + place}] = {stored}")
            for k, value in chunk.roots:
                lines.append(self.write(where, loop.outputs[k], k, spelled[value][0]))
            pieces.append(lines)
        if len(pieces) == 1:
            return pieces[0]
        calls = []
        for lines in pieces:
            name = self.names.new(function, loop.name, "part")
            body_text = "\n".join(f"    {line}" for line in lines)
            self.parts.append(f"{_DECORATOR}\ndef {name}(t, out, u, p, work):\n{body_text}")
            calls.append(f"{name}(t, out, u, p, work)")
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
            f"for i in range({len(gather.output.index)}):",
            "    total = 0.0",
            f"    for k in range({starts}[i], {starts}[i + 1]):",
            f"        total += {term}",
            f"    {self.write(where, gather.output, 0, 'total')}",
        ]

    def function(self, name: str, function: Function) -> str:
        lines = []
        for item in function.items:
            count = item.count if isinstance(item, Loop) else len(item_outputs(item)[0].index)
            lines.append(f"# {item.name}: {count} {'copy' if count == 1 else 'copies'}".replace("\n", " "))
            if isinstance(item, Gather):
                lines += self.gather(self.public[name], item)
            elif item.count == 1:
                lines += self.straight(self.public[name], item)
            else:
                lines += self.loop(self.public[name], item)
        body = "\n".join(f"    {line}" for line in lines or ["pass"])
        return f"{_DECORATOR}\ndef {self.public[name]}(t, out, u, p, work):\n{body}"


def _spell(
    body: Body, values: Any, slots: Mapping[int, str], loads: Mapping[int, str], kept: set[int]
) -> tuple[list[str], dict[int, tuple[str, int]]]:
    """Assignments for some values of a body, and (text, precedence) of each of them.

    Values used once are written in place; ``kept`` values count as used once more.
    """
    uses = dict.fromkeys([*loads, *values], 0)
    for value in kept:
        uses[value] += 1
    for value in values:
        for arg in body.statements[value].args:
            uses[arg] += 1
    lines: list[str] = []
    spelled: dict[int, tuple[str, int]] = {}

    def name(value: int, text: str, precedence: int, keep: bool) -> None:
        if keep:
            spelled[value] = (text, precedence)
        else:
            lines.append(f"v{value} = {text}")
            spelled[value] = (f"v{value}", 9)

    for value, text in loads.items():
        name(value, text, 9, uses[value] <= 1)
    for value in values:
        statement = body.statements[value]
        if statement.op == "number":
            number = repr(statement.data).replace("inf", "np.inf").replace("nan", "np.nan")
            spelled[value] = (number, 6 if number.startswith("-") else 9)
        elif statement.op == "time":
            spelled[value] = ("t", 9)
        elif statement.op == "slot":
            assert isinstance(statement.data, tuple)
            name(value, slots[statement.data[1]], 9, uses[value] <= 1)
        else:
            text, precedence = _operation(statement, [spelled[arg] for arg in statement.args])
            name(value, text, precedence, uses[value] <= 1 and len(text) <= _WIDTH)
    return lines, spelled


def _operation(statement: Statement, args: list[tuple[str, int]]) -> tuple[str, int]:
    pattern, precedence, least = _INFIX.get(statement.op) or _call(statement.op)
    texts = [
        text if inner >= bound else f"({text})" for (text, inner), bound in zip(args, least, strict=True)
    ]
    return pattern.format(*texts), precedence


class NumbaEmitter(Emitter):
    """``@njit`` source; importing it or ``exec`` is enough to use it."""

    name = "numba"
    cached = False

    def emit(self, functions: Mapping[str, Function]) -> Program:
        source = _Source(functions)
        written = [source.function(name, function) for name, function in functions.items()]
        head = (
            '"""Generated by symnum. Functions are f(t, out, u, p, work).\n\nAfter a change of p call setup; '
            f'work holds {source.n_work} doubles.\n"""\n\nimport math\n\n'
            "import numpy as np\nfrom numba import njit"
        )
        text = "\n\n".join([head, "\n".join(source.tables), *source.parts, *written]) + "\n"
        return Program(text, tuple(functions), TableBuilder(0).build(), source.n_work)

    def build(self, program: Program) -> bytes:
        return program.source.encode()

    def load(self, names: tuple[str, ...], code: bytes, tables: Tables) -> Loaded:
        namespace: dict[str, Any] = {}
        exec(compile(code, "<generated by symnum>", "exec"), namespace)
        compiled = {}
        for name in names:
            try:
                compiled[name] = _c_function(namespace[name])
            except Exception as error:  # numba raises errors of many kinds
                raise CodegenError(
                    f"numba cannot compile the generated function {name!r}: {error}"
                ) from error
        return Loaded({name: int(f.address) for name, f in compiled.items()}, (namespace, compiled))


def _c_function(function: Callable[..., None]) -> Any:
    """A numba function over pointers as a C function."""
    import numba

    pointer = numba.types.CPointer(numba.types.float64)  # type: ignore[no-untyped-call]
    signature = numba.types.void(numba.types.float64, pointer, pointer, pointer, pointer)

    def call(t: float, out: Any, u: Any, p: Any, work: Any) -> None:
        function(t, out, u, p, work)

    return numba.cfunc(signature)(call)
