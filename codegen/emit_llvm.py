"""The text of the default back end: LLVM IR.

The text does not depend on the number of copies in a loop: counts, bases, strides and tables are read at
run time from descriptors, to which the one global variable points. So one object serves every size of a
model. Loops over equal templates with equal addressing share one body.

What does not repeat is straight-line code with literal positions, cut into internal functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from symnum.codegen.backend_llvm import DATA, RESERVED
from symnum.codegen.dense_layer import Layer, LayerBack, Step, with_layers
from symnum.codegen.emitter import Addressing, Program, TableBuilder, addressing
from symnum.codegen.function import Array, Function, Gather, Loop
from symnum.codegen.llvm_functions import DECLARED, VECTORIZABLE
from symnum.codegen.llvm_gather import GATHER_KERNELS, kernel_name
from symnum.codegen.llvm_layer import DECLARED as LAYER_DECLARED
from symnum.codegen.llvm_layer import LAYER_KERNELS, layer_call
from symnum.codegen.llvm_share import SHARE, SHARE_ROWS, piece
from symnum.codegen.llvm_statement import literal, scalar_function, spelled
from symnum.codegen.rows import Rows, row_offsets, rows_of
from symnum.codegen.share import Body, Chunk, Statement, chunks, statements
from symnum.rewriting.expr import Expr
from symnum.rewriting.walk import cost

__all__ = ["program"]

SELDOM = "setup"  # the function whose compile time matters more than its run time

# Attribute groups. Vectorizing straight-line code takes most of its compile time and gains nothing.
_PLAIN, _LOOP, _STRAIGHT = "#2", "#3", "#4"
_CHUNK = 200  # statements per internal function: code quality per compile time is best at 100-400
_IN_ROWS = 512  # copies from which rows are looked for
_VECTORIZED = 32  # copies from which vector code is worth twice the compile time
_SMALL = 30_000  # characters of text whose parts are worth inlining
_OPTIMIZED = 2000  # straight-line statements up to which LLVM's passes are worth their time

_POINTERS = {"u": "%u", "p": "%p", "w": "%r", "out": "%out"}

# Scratch comes twice, to read (%r) and to write (%w): no item reads a place that it writes.
_PARAMETERS = (
    "double %t, ptr noalias %out, ptr noalias readonly %u, ptr noalias readonly %p, "
    "ptr noalias readonly %r, ptr noalias %w, ptr noalias readonly %d, "
    "ptr noalias readonly %x, ptr noalias readonly %k"
)
_CALLER = "double %t, ptr %out, ptr %u, ptr %p, ptr %w"
_ARGUMENTS = f"{_CALLER}, ptr %w"
_FIRST = 2  # descriptors of a loop before those of its columns: copies (or rows), and how many are a piece


class _Kinds(NamedTuple):
    """What a loop body depends on: two loops with equal kinds share their body."""

    roots: tuple[Expr, ...]
    columns: tuple[tuple[str, str], ...]  # (space, addressing kind)
    outputs: tuple[tuple[str, str, bool], ...]  # (space, addressing kind, accumulate)
    rows: bool  # copies come in rows, see `rows_of`


class _Module:
    """The text of one module while it grows."""

    def __init__(self, scratch: int) -> None:
        self.functions: list[str] = []
        self.declared: set[str] = set()
        self.elementary: set[str] = set()  # functions of our own that loops call
        self.bodies: dict[_Kinds, str] = {}
        self.kernels: set[str] = set()
        self.layers: set[type] = set()
        self.metadata: list[str] = []
        self.tables = TableBuilder(RESERVED)
        self.scratch = scratch
        self.n_work = scratch
        self.plain = False  # leave straight-line code to the instruction selector alone
        self.seldom = False  # the same for loops: this function is not worth optimizing

    # ---- statements ---------------------------------------------------------------------------
    def spell(
        self, k: int, statement: Statement, value: list[str], *, in_loop: bool = False
    ) -> list[str]:
        """Lines that put statement k into %v{k}; slots and numbers are handled by the caller."""
        op = statement.op
        args = [value[arg] for arg in statement.args]
        name = f"%v{k}"
        lines = spelled(name, statement, args)
        if lines is not None:
            return lines
        if in_loop and op in VECTORIZABLE:
            self.elementary.add(op)
            self.declared.update(DECLARED)
            return [f"{name} = call double @{VECTORIZABLE[op][0]}(double {args[0]})"]
        symbol = scalar_function(op)
        declared = f"declare double @{symbol}({', '.join(['double'] * len(args))})"
        self.declared.add(declared if declared in DECLARED else f"{declared} #1")
        return [f"{name} = call contract double @{symbol}({', '.join(f'double {arg}' for arg in args)})"]

    # ---- straight-line code -------------------------------------------------------------------
    def straight(self, loop: Loop, body: Body) -> list[str]:
        """Internal functions for a loop of one copy; returns their calls."""
        calls = []
        for chunk in chunks(body, _CHUNK):
            name = f"part{len(self.functions)}"
            attributes = _PLAIN if self.plain or self.seldom else _STRAIGHT
            lines = [
                f"; {_comment(loop.name)}",
                f"define internal void @{name}({_PARAMETERS}) {attributes} {{",
            ]
            lines += [f"  {line}" for line in self.chunk(loop, body, chunk)]
            self.functions.append("\n".join([*lines, "  ret void", "}"]))
            calls.append(f"call void @{name}({_ARGUMENTS}, ptr %d, ptr %x, ptr %k)")
        return calls

    def chunk(self, loop: Loop, body: Body, chunk: Chunk) -> list[str]:
        lines: list[str] = []
        value = [""] * len(body.statements)
        for k, place in chunk.loads.items():
            self.load(lines, f"%s{k}", "%r", self.scratch + place)
            value[k] = f"%s{k}"
            if body.statements[k].boolean:
                lines.append(f"%sb{k} = fcmp une double %s{k}, 0.0")
                value[k] = f"%sb{k}"
        for k in chunk.values:
            statement = body.statements[k]
            if statement.op == "slot":
                assert isinstance(statement.data, tuple)
                column = loop.columns[statement.data[1]]
                if column.space == "c":
                    value[k] = literal(float(column.index[0]))
                else:
                    value[k] = f"%v{k}"
                    self.load(lines, value[k], _POINTERS[column.space], int(column.index[0]))
            elif statement.op == "number":
                assert isinstance(statement.data, float)
                value[k] = literal(statement.data)
            elif statement.op == "time":
                value[k] = "%t"
            else:
                lines += self.spell(k, statement, value)
                value[k] = f"%v{k}"
        for k, place in chunk.spills.items():
            spilled = value[k]
            if body.statements[k].boolean:
                lines.append(f"%sr{k} = uitofp i1 {spilled} to double")
                spilled = f"%sr{k}"
            self.n_work = max(self.n_work, self.scratch + place + 1)
            lines.append(f"%sp{k} = getelementptr inbounds double, ptr %w, i64 {self.scratch + place}")
            lines.append(f"store double {spilled}, ptr %sp{k}, align 8")
        for number, k in chunk.roots:
            output = loop.outputs[number]
            pointer = "%w" if output.space == "w" else "%out"
            lines.append(
                f"%o{number} = getelementptr inbounds double, ptr {pointer}, i64 {int(output.index[0])}"
            )
            stored = value[k]
            if output.accumulate:
                lines.append(f"%ob{number} = load double, ptr %o{number}, align 8")
                lines.append(f"%os{number} = fadd contract double %ob{number}, {stored}")
                stored = f"%os{number}"
            lines.append(f"store double {stored}, ptr %o{number}, align 8")
        return lines

    @staticmethod
    def load(lines: list[str], name: str, pointer: str, place: int) -> None:
        lines.append(f"{name}.a = getelementptr inbounds double, ptr {pointer}, i64 {place}")
        lines.append(f"{name} = load double, ptr {name}.a, align 8")

    # ---- loops --------------------------------------------------------------------------------
    def loop(self, loop: Loop) -> list[str]:
        columns = [Addressing("uniform", 0, 0) if c.space == "c" and _constant(c.index)
                   else Addressing("unit", 0, 1) if c.space == "c" else addressing(c.index)
                   for c in loop.columns]  # fmt: skip
        outputs = [addressing(output.index) for output in loop.outputs]
        rows = None
        if loop.count >= _IN_ROWS:
            places = [*columns, *outputs]
            indices = [*(c.index for c in loop.columns), *(o.index for o in loop.outputs)]
            rows = rows_of(indices, [place.kind == "table" for place in places])
            if rows is not None:
                places = [
                    place if step is None else Addressing("row" if step == 1 else "strided row", 0, step)
                    for place, step in zip(places, rows.stride, strict=True)
                ]
                columns, outputs = places[: len(columns)], places[len(columns) :]
        kinds = _Kinds(
            loop.roots,
            tuple((c.space, a.kind) for c, a in zip(loop.columns, columns, strict=True)),
            tuple((o.space, a.kind, o.accumulate) for o, a in zip(loop.outputs, outputs, strict=True)),
            rows is not None,
        )
        if kinds not in self.bodies:  # optimized or not: it comes to be used as it is there
            self.bodies[kinds] = f"loop{len(self.bodies)}"
            self.functions.append(self.loop_body(self.bodies[kinds], loop.name, kinds))
        count = loop.count if rows is None else len(rows.start) - 1
        alone = any(output.accumulate for output in loop.outputs)
        work = loop.count * (len(loop.outputs) + cost(loop.roots))
        described = [count, count if alone else piece(count, work, rows is None)]
        for column, place in zip(loop.columns, columns, strict=True):
            if column.space == "c":
                values = column.index[:1] if place.kind == "uniform" else column.index
                described += [self.tables.numbers(values), 0]
            else:
                described += self.described(place, column.index, rows)
        for output, place in zip(loop.outputs, outputs, strict=True):
            described += self.described(place, output.index, rows)
        if rows is not None:
            described.append(self.tables.positions(rows.start))
        start = self.tables.describe(*described)
        return [
            f"%d{start} = getelementptr inbounds i64, ptr %d, i64 {start}",
            f"call void @share(ptr @{self.bodies[kinds]}, {_CALLER}, ptr %d{start}, ptr %x, ptr %k, "
            "ptr %crew)",
        ]

    def described(self, place: Addressing, index: Array, rows: Rows | None) -> list[int]:
        """The two descriptors of one addressing."""
        if rows is not None and place.kind.endswith("row"):
            return [self.tables.positions(row_offsets(rows, index, place.stride)), place.stride]
        return [self.tables.positions(index), 0] if place.kind == "table" else [place.base, place.stride]

    def loop_body(self, name: str, comment: str, kinds: _Kinds) -> str:
        body = statements(kinds.roots)
        group = len(self.metadata)
        parallel = not any(accumulate for _, _, accumulate in kinds.outputs)
        access = f", !llvm.access.group !{group}" if parallel else ""
        mark = f", !llvm.loop !{group + 2}" if parallel else ""
        if parallel:  # no copy reads what another writes: LLVM may vectorize without proving it
            self.metadata += [
                f"!{group} = distinct !{{}}",
                f'!{group + 1} = !{{!"llvm.loop.parallel_accesses", !{group}}}',
                f"!{group + 2} = distinct !{{!{group + 2}, !{group + 1}}}",
            ]
        head: list[str] = []
        row: list[str] = []
        inner: list[str] = []
        value = [""] * len(body.statements)
        for k, statement in enumerate(body.statements):
            if statement.op == "slot":
                assert isinstance(statement.data, tuple)
                number = statement.data[1]
                space, kind = kinds.columns[number]
                value[k] = f"%v{k}"
                pointer = "%k" if space == "c" else _POINTERS[space]
                lines = head if kind == "uniform" else inner
                at = _FIRST + 2 * number
                address = self.place(head, row, inner, f"c{number}", kind, pointer, at, access)
                lines.append(f"%v{k} = load double, ptr {address}, align 8{access if lines is inner else ''}")
            elif statement.op == "number":
                assert isinstance(statement.data, float)
                value[k] = literal(statement.data)
            elif statement.op == "time":
                value[k] = "%t"
            else:
                inner += self.spell(k, statement, value, in_loop=not self.seldom)
                value[k] = f"%v{k}"
        first = _FIRST + 2 * len(kinds.columns)
        for number, (space, kind, accumulate) in enumerate(kinds.outputs):
            pointer = "%w" if space == "w" else "%out"
            address = self.place(head, row, inner, f"o{number}", kind, pointer, first + 2 * number, access)
            stored = value[body.roots[number]]
            if accumulate:
                inner.append(f"%ob{number} = load double, ptr {address}, align 8")
                inner.append(f"%os{number} = fadd contract double %ob{number}, {stored}")
                stored = f"%os{number}"
            inner.append(f"store double {stored}, ptr {address}, align 8{access}")
        begin, before, end = ("%from", "entry", "%to") if not kinds.rows else ("%first", "row", "%last")
        around, after = ["  br label %copy"], ["done:", "  ret void"]
        if kinds.rows:
            head += _table("%starts", first + 2 * len(kinds.outputs))
            around = ["  br label %row", "row:", "  %g = phi i64 [ %from, %entry ], [ %g.next, %done ]",
                      "  %g.next = add nuw nsw i64 %g, 1", *_entry("%first", "%starts", "%g", "zext nneg"),
                      *_entry("%last", "%starts", "%g.next", "zext nneg"), *(f"  {line}" for line in row),
                      "  br label %copy"]  # fmt: skip
            after = ["done:", "  %g.more = icmp ult i64 %g.next, %to",
                     "  br i1 %g.more, label %row, label %end", "end:", "  ret void"]  # fmt: skip
        return "\n".join([
            f"; {_comment(comment)}",
            f"define internal void @{name}({_PARAMETERS}, i64 %from, i64 %to) "
            f"{_PLAIN if self.seldom else _LOOP} {{", "entry:",
            *(f"  {line}" for line in head), *around, "copy:",
            f"  %i = phi i64 [ {begin}, %{before} ], [ %next, %copy ]", *(f"  {line}" for line in inner),
            "  %next = add nuw nsw i64 %i, 1", f"  %more = icmp ult i64 %next, {end}",
            f"  br i1 %more, label %copy, label %done{mark}", *after, "}",
        ])  # fmt: skip

    @staticmethod
    def place(
        head: list[str], row: list[str], inner: list[str],
        name: str, kind: str, pointer: str, at: int, access: str,
    ) -> str:  # fmt: skip
        """Lines that find the place of one column in copy %i (of row %g); returns the pointer to it."""
        if kind.endswith("row"):
            head += _table(f"%{name}.t", at)
            row += _entry(f"%{name}.b", f"%{name}.t", "%g", "sext")
            row.append(f"%{name}.q = getelementptr double, ptr {pointer}, i64 %{name}.b")  # may lie outside
            return _stepped(head, inner, name, at, strided=kind == "strided row")
        head.append(f"%{name}.d = getelementptr inbounds i64, ptr %d, i64 {at}")
        head.append(f"%{name}.b = load i64, ptr %{name}.d, align 8")
        if kind == "table":
            head.append(f"%{name}.t = getelementptr inbounds i32, ptr %x, i64 %{name}.b")
            inner.append(f"%{name}.i = getelementptr inbounds i32, ptr %{name}.t, i64 %i")
            inner.append(f"%{name}.j = load i32, ptr %{name}.i, align 4{access}")
            inner.append(f"%{name}.k = zext nneg i32 %{name}.j to i64")
            inner.append(f"%{name}.a = getelementptr inbounds double, ptr {pointer}, i64 %{name}.k")
            return f"%{name}.a"
        head.append(f"%{name}.q = getelementptr inbounds double, ptr {pointer}, i64 %{name}.b")
        if kind == "uniform":
            return f"%{name}.q"
        return _stepped(head, inner, name, at, strided=kind == "strided")

    # ---- gathers ------------------------------------------------------------------------------
    def gather(self, gather: Gather) -> list[str]:
        signed = bool(np.all(np.abs(gather.coefficient) == 1.0))
        kernel = kernel_name(signed, gather.second is not None, gather.output.accumulate)
        self.kernels.add(kernel)
        order = np.arange(len(gather.first))
        count = len(gather.output.index)
        grain = count if gather.output.accumulate else piece(count, 2 * len(gather.first), False)
        described = [count, grain, self.tables.positions(gather.output.index)]
        if signed:  # per row first the positive terms, then the negative ones
            row = np.repeat(np.arange(len(gather.output.index)), np.diff(gather.indptr))
            negative = gather.coefficient < 0
            order = np.lexsort((order, negative, row))
            bounds = np.bincount(2 * row + negative, minlength=2 * len(gather.output.index))
            described.append(self.tables.positions(np.concatenate([[0], np.cumsum(bounds)])))
        else:
            described.append(self.tables.positions(gather.indptr))
        described.append(self.tables.positions(gather.first[order]))
        described.append(0 if gather.second is None else self.tables.positions(gather.second[order]))
        described.append(0 if signed else self.tables.numbers(gather.coefficient))
        start = self.tables.describe(*described)
        source = _POINTERS[gather.space].replace("%r", "%w")
        target = "%w" if gather.output.space == "w" else "%out"
        return [
            f"; {_comment(gather.name)}",
            f"%d{start} = getelementptr inbounds i64, ptr %d, i64 {start}",
            f"call void @share_rows(ptr @{kernel}, ptr {target}, ptr {source}, ptr %d{start}, ptr %x, "
            "ptr %k, ptr %crew)",
        ]

    def layer(self, layer: Layer | LayerBack) -> list[str]:
        self.layers.add(type(layer))
        self.declared.update(LAYER_DECLARED)
        start = self.tables.describe(layer.rows, layer.columns, *(place.first for place in layer.places))
        pointers = [_POINTERS[place.space].replace("%r", "%w") for place in layer.places]
        return [f"; {_comment(layer.name)}", *layer_call(layer, pointers, start)]

    # ---- functions ----------------------------------------------------------------------------
    def function(self, name: str, steps: Sequence[Step], bodies: Mapping[int, Body]) -> str:
        lines: list[str] = []
        for item in steps:
            if isinstance(item, (Layer, LayerBack)):
                lines += self.layer(item)
            elif isinstance(item, Gather):
                lines += self.gather(item)
            elif item.count == 1:
                lines += self.straight(item, bodies[id(item)])
            else:
                lines += self.loop(item)
        return "\n".join([
            f"define void @{name}(double %t, ptr noalias %out, ptr noalias readonly %u, "
            "ptr noalias readonly %p, "
            "ptr noalias %w) #0 {",
            f"  %d = load ptr, ptr @{DATA}, align 8", "  %x = load ptr, ptr %d, align 8",
            "  %kp = getelementptr inbounds ptr, ptr %d, i64 1", "  %k = load ptr, ptr %kp, align 8",
            "  %cp = getelementptr inbounds ptr, ptr %d, i64 2", "  %crew = load ptr, ptr %cp, align 8",
            *(f"  {line}" for line in lines), "  ret void", "}",
        ])  # fmt: skip

    def text(self) -> str:
        kernels = [GATHER_KERNELS[name] for name in sorted(self.kernels)]
        kernels += [text for kind, text in LAYER_KERNELS.items() if kind in self.layers]
        return "\n\n".join([
            f"@{DATA} = global ptr null", "\n".join(sorted(self.declared)), *kernels,
            *(VECTORIZABLE[op][1] for op in sorted(self.elementary)),
            *([SHARE] if self.bodies else []), *([SHARE_ROWS] if self.kernels else []), *self.functions,
            "attributes #0 = { nounwind }\nattributes #1 = { nounwind willreturn memory(none) }\n"
            "attributes #2 = { nounwind noinline optnone }\nattributes #3 = { nounwind noinline }\n"
            "attributes #4 = { nounwind noimplicitfloat }\n"
            "attributes #5 = { nounwind alwaysinline memory(none) }",
            "\n".join(self.metadata),
        ])  # fmt: skip


def _table(name: str, at: int) -> list[str]:
    """Lines for the pointer to the table of positions that descriptor ``at`` names."""
    return [
        f"{name}.d = getelementptr inbounds i64, ptr %d, i64 {at}",
        f"{name}.n = load i64, ptr {name}.d, align 8",
        f"{name} = getelementptr inbounds i32, ptr %x, i64 {name}.n",
    ]


def _entry(name: str, table: str, number: str, widen: str) -> list[str]:
    """Lines that read entry ``number`` of a table of positions."""
    return [
        f"{name}.p = getelementptr inbounds i32, ptr {table}, i64 {number}",
        f"{name}.v = load i32, ptr {name}.p, align 4",
        f"{name} = {widen} i32 {name}.v to i64",
    ]


def _stepped(head: list[str], inner: list[str], name: str, at: int, *, strided: bool) -> str:
    """Lines for the pointer %{name}.q advanced to copy %i; descriptor ``at`` + 1 holds a stride."""
    step = "%i"
    if strided:
        head.append(f"%{name}.e = getelementptr inbounds i64, ptr %d, i64 {at + 1}")
        head.append(f"%{name}.s = load i64, ptr %{name}.e, align 8")
        inner.append(f"%{name}.m = mul nsw i64 %i, %{name}.s")
        step = f"%{name}.m"
    inner.append(f"%{name}.a = getelementptr double, ptr %{name}.q, i64 {step}")
    return f"%{name}.a"


def _constant(values: Array) -> bool:
    return bool(np.all(values == values[0]))


def _effort(functions: Mapping[str, Function], size: int, plain: bool) -> tuple[int, int]:
    """(level of LLVM passes, level of instruction selection) for functions of ``size`` characters.

    Our statements are already shared and in SSA form. Passes pay where most of the work is in loops that can
    be vectorized, and where the text is so small that inlining its parts counts.
    """
    work = {True: 0.0, False: 0.0}  # in long loops, elsewhere
    for function in functions.values():
        for item in function.items:
            if isinstance(item, Loop):
                work[item.count >= _VECTORIZED] += item.count * (len(item.outputs) + cost(item.roots))
            else:
                work[len(item.output.index) >= _VECTORIZED] += len(item.first)
    if work[True] > work[False]:
        return 2, 2
    if plain:
        return 0, 0
    return (1, 1) if size < _SMALL else (0, 1)


def _comment(name: str) -> str:
    return name.replace("\n", " ")


def program(functions: Mapping[str, Function]) -> Program:
    """LLVM text and tables of functions that share parameters and scratch."""
    module = _Module(max((f.n_work for f in functions.values()), default=0))
    # What setup writes other functions read: nothing is left out there.
    steps = {name: f.items if name == SELDOM else with_layers(f) for name, f in functions.items()}
    bodies = {
        id(item): statements(item.roots)
        for items in steps.values() for item in items if isinstance(item, Loop) and item.count == 1
    }  # fmt: skip
    total = sum(len(body.statements) for body in bodies.values())
    module.plain = total > _OPTIMIZED
    for name in sorted(functions, key=lambda name: name == SELDOM):  # last: it may share optimized bodies
        module.seldom = name == SELDOM
        module.functions.append(module.function(name, steps[name], bodies))
    text = module.text()
    passes, codegen = _effort(functions, len(text), module.plain)
    return Program(text, tuple(functions), module.tables.build(), module.n_work, passes, codegen)
