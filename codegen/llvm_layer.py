"""Products with the matrices of dense layers in LLVM IR, forwards and back; see `dense_layer`.

Four rows at a time in vectors of eight doubles: each value of the vector is loaded once for four rows, and
with vectors of four lanes there are eight independent sums, as many as hide the latency of an addition.
Descriptors: rows, columns. Pointers are at the first place of each array. The order of the additions does
not depend on anything but the sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symnum.codegen.dense_layer import Layer, LayerBack

__all__ = ["DECLARED", "LAYER_KERNELS", "layer_call"]

_LANES = 8
_VECTOR = f"<{_LANES} x double>"
_ZERO = "splat (double 0.0)"


def _at(name: str, pointer: str, index: str, kind: str) -> list[str]:
    return [
        f"%{name}.a = getelementptr inbounds double, ptr {pointer}, i64 {index}",
        f"%{name} = load {kind}, ptr %{name}.a, align 8",
    ]


def _fma(name: str, kind: str, a: str, b: str, c: str) -> str:
    suffix = f"v{_LANES}f64" if kind == _VECTOR else "f64"
    return f"{name} = call {kind} @llvm.fmuladd.{suffix}({kind} {a}, {kind} {b}, {kind} {c})"


def _splat(name: str, value: str) -> list[str]:
    return [
        f"%{name}.i = insertelement {_VECTOR} poison, double {value}, i64 0",
        f"%{name} = shufflevector {_VECTOR} %{name}.i, {_VECTOR} poison, <{_LANES} x i32> zeroinitializer",
    ]


def _loop(
    name: str,
    before: str,
    begin: str,
    end: str,
    step: int,
    phis: list[tuple[str, str, str, str]],
    body: list[str],
    after: str,
) -> list[str]:
    """A loop over %{name} that goes on at the label ``after`` whether it runs or not.

    phis: (type, name, first value, name of the next value). Behind the loop %{name}.{phi} is the last value.
    """
    return [
        f"%{name}.any = icmp slt i64 {begin}, {end}",
        f"br i1 %{name}.any, label %{name}.body, label %{after}",
        f"{name}.body:",
        f"%{name} = phi i64 [ {begin}, %{before} ], [ %{name}.next, %{name}.body ]",
        *(
            f"%{phi} = phi {kind} [ {first}, %{before} ], [ {later}, %{name}.body ]"
            for kind, phi, first, later in phis
        ),
        *body,
        f"%{name}.next = add nuw nsw i64 %{name}, {step}",
        f"%{name}.more = icmp slt i64 %{name}.next, {end}",
        f"br i1 %{name}.more, label %{name}.body, label %{after}",
    ]


def _forward_rows(label: str, count: int, row: str, done: str) -> list[str]:
    """Blocks, entered at ``label``, that compute ``count`` outputs from %{row} on and go to ``done``."""
    lines = [f"{label}:"]
    for r in range(count):
        lines += [
            f"%{label}.r{r} = add nuw nsw i64 %{row}, {r}",
            f"%{label}.o{r} = mul nuw nsw i64 %{label}.r{r}, %columns",
            f"%{label}.m{r} = getelementptr inbounds double, ptr %matrix, i64 %{label}.o{r}",
        ]
    name = f"{label}.c"
    body = _at(f"{label}.x", "%vector", f"%{name}", _VECTOR)
    for r in range(count):
        body += _at(f"{label}.w{r}", f"%{label}.m{r}", f"%{name}", _VECTOR)
        body.append(_fma(f"%{label}.n{r}", _VECTOR, f"%{label}.w{r}", f"%{label}.x", f"%{label}.s{r}"))
    phis = [(_VECTOR, f"{label}.s{r}", _ZERO, f"%{label}.n{r}") for r in range(count)]
    lines += _loop(name, label, "0", "%whole", _LANES, phis, body, f"{label}.sum")
    lines.append(f"{label}.sum:")
    for r in range(count):
        lines.append(f"%{label}.v{r} = phi {_VECTOR} [ {_ZERO}, %{label} ], [ %{label}.n{r}, %{name}.body ]")
    for r in range(count):
        lines.append(
            f"%{label}.t{r} = call reassoc double @llvm.vector.reduce.fadd.v{_LANES}f64"
            f"(double 0.0, {_VECTOR} %{label}.v{r})"
        )
    rest = f"{label}.e"
    body = _at(f"{label}.y", "%vector", f"%{rest}", "double")
    for r in range(count):
        body += _at(f"{label}.u{r}", f"%{label}.m{r}", f"%{rest}", "double")
        body.append(_fma(f"%{label}.k{r}", "double", f"%{label}.u{r}", f"%{label}.y", f"%{label}.p{r}"))
    phis = [("double", f"{label}.p{r}", f"%{label}.t{r}", f"%{label}.k{r}") for r in range(count)]
    lines += _loop(rest, f"{label}.sum", "%whole", "%columns", 1, phis, body, f"{label}.store")
    lines.append(f"{label}.store:")
    for r in range(count):
        lines.append(
            f"%{label}.q{r} = phi double [ %{label}.t{r}, %{label}.sum ], [ %{label}.k{r}, %{rest}.body ]"
        )
    for r in range(count):
        lines += [
            f"%{label}.z{r} = getelementptr inbounds double, ptr %output, i64 %{label}.r{r}",
            f"store double %{label}.q{r}, ptr %{label}.z{r}, align 8",
        ]
    return [*lines, f"br label %{done}"]


def _back_rows(label: str, count: int, row: str, done: str) -> list[str]:
    """Blocks that add the shares of ``count`` rows from %{row} on and go to ``done``."""
    lines = [f"{label}:"]
    for r in range(count):
        lines += [
            f"%{label}.r{r} = add nuw nsw i64 %{row}, {r}",
            f"%{label}.o{r} = mul nuw nsw i64 %{label}.r{r}, %columns",
            f"%{label}.m{r} = getelementptr inbounds double, ptr %matrix, i64 %{label}.o{r}",
            f"%{label}.b{r} = getelementptr inbounds double, ptr %matrix_bar, i64 %{label}.o{r}",
            *_at(f"{label}.g{r}", "%incoming", f"%{label}.r{r}", "double"),
            *_splat(f"{label}.h{r}", f"%{label}.g{r}"),
        ]
    for name, kind, begin, end, step, before, after, share in (
        (f"{label}.c", _VECTOR, "0", "%whole", _LANES, label, f"{label}.rest", "h"),
        (f"{label}.e", "double", "%whole", "%columns", 1, f"{label}.rest", done, "g"),
    ):
        body = _at(f"{name}.x", "%vector", f"%{name}", kind) + _at(
            f"{name}.s0", "%vector_bar", f"%{name}", kind
        )
        for r in range(count):
            body += _at(f"{name}.w{r}", f"%{label}.m{r}", f"%{name}", kind)
            body += _at(f"{name}.f{r}", f"%{label}.b{r}", f"%{name}", kind)
            body.append(
                _fma(f"%{name}.s{r + 1}", kind, f"%{label}.{share}{r}", f"%{name}.w{r}", f"%{name}.s{r}")
            )
            body.append(_fma(f"%{name}.d{r}", kind, f"%{label}.{share}{r}", f"%{name}.x", f"%{name}.f{r}"))
        body += [f"store {kind} %{name}.d{r}, ptr %{name}.f{r}.a, align 8" for r in range(count)]
        body.append(f"store {kind} %{name}.s{count}, ptr %{name}.s0.a, align 8")
        lines += _loop(name, before, begin, end, step, [], body, after)
        if share == "h":
            lines.append(f"{label}.rest:")
    return lines


_Rows = Callable[[str, int, str, str], list[str]]


def _kernel(name: str, pointers: tuple[str, ...], rows: _Rows) -> str:
    lines = [
        "entry:", "%rows = load i64, ptr %d, align 8",
        "%d1 = getelementptr inbounds i64, ptr %d, i64 1", "%columns = load i64, ptr %d1, align 8",
        f"%whole = and i64 %columns, -{_LANES}", "%fours = and i64 %rows, -4", "br label %four?",
        "four?:", "%i = phi i64 [ 0, %entry ], [ %i4, %four.done ]",
        "%i.on = icmp slt i64 %i, %fours", "br i1 %i.on, label %four, label %one?",
        *rows("four", 4, "i", "four.done"),
        "four.done:", "%i4 = add nuw nsw i64 %i, 4", "br label %four?",
        "one?:", "%j = phi i64 [ %fours, %four? ], [ %j1, %one.done ]",
        "%j.on = icmp slt i64 %j, %rows", "br i1 %j.on, label %one, label %end",
        *rows("one", 1, "j", "one.done"),
        "one.done:", "%j1 = add nuw nsw i64 %j, 1", "br label %one?",
        "end:", "ret void",
    ]  # fmt: skip
    text = "\n".join(line if line.endswith(":") else f"  {line}" for line in lines).replace("?", ".next")
    given = ", ".join(f"ptr %{pointer}" for pointer in pointers)
    return f"define internal void @{name}({given}, ptr noalias readonly %d) #0 {{\n{text}\n}}"


def layer_call(layer: Layer | LayerBack, bases: Sequence[str], start: int) -> list[str]:
    """Lines that call the kernel of a layer; its descriptors begin at ``start``, its arrays lie in bases."""
    lines, pointers = [f"%d{start} = getelementptr inbounds i64, ptr %d, i64 {start}"], []
    for k, base in enumerate(bases):
        pointer = f"%d{start}.{k}"
        lines += [
            f"{pointer}.d = getelementptr inbounds i64, ptr %d{start}, i64 {2 + k}",
            f"{pointer}.b = load i64, ptr {pointer}.d, align 8",
            f"{pointer} = getelementptr inbounds double, ptr {base}, i64 {pointer}.b",
        ]
        pointers.append(f"ptr {pointer}")
    return [*lines, f"call void @{_NAMES[type(layer)]}({', '.join(pointers)}, ptr %d{start})"]


_NAMES: dict[type, str] = {Layer: "layer", LayerBack: "layer_back"}
LAYER_KERNELS: dict[type, str] = {
    kind: _kernel(_NAMES[kind], kind._fields[3:], rows)
    for kind, rows in ((Layer, _forward_rows), (LayerBack, _back_rows))
}
"""Kind of layer -> LLVM text of its kernel."""

DECLARED = (
    f"declare {_VECTOR} @llvm.fmuladd.v{_LANES}f64({_VECTOR}, {_VECTOR}, {_VECTOR})",
    f"declare double @llvm.vector.reduce.fadd.v{_LANES}f64(double, {_VECTOR})",
    "declare double @llvm.fmuladd.f64(double, double, double)",
)
