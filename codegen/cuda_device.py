"""Device functions: IR functions as code that one GPU thread runs from beginning to end.

An ensemble has one trajectory per thread, so its models are small, and what is a loop over copies elsewhere
is written out here: every position is then a constant, and a thread's state can live in registers. Scratch
becomes SSA values; only what ``setup`` keeps between calls lies in ``work``.

The code is made with llvmlite's builder, so that it can be put into the module of a numba-cuda kernel
(`cuda_toolkit`) and, with the names of libm instead of those of libdevice, into a module for the CPU, where
the simulator and the tests run it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from symnum.codegen import machine
from symnum.codegen.compiled import CompiledFunction
from symnum.codegen.function import Array, Function, Gather, Item, Loop
from symnum.codegen.model_functions import ModelFunctions
from symnum.codegen.share import Body, Statement, statements
from symnum.errors import CodegenError

__all__ = [
    "DeviceFunction",
    "DeviceModel",
    "define_function",
    "define_newton_matrix",
    "device_model",
    "host_functions",
]

Builder: TypeAlias = Any  # llvmlite has no types

LARGEST = 20_000  # operations of one function, beyond which a thread per trajectory makes no sense
_INLINED = 400  # operations up to which a call is replaced by the body, so that arguments stay in registers

_ARITHMETIC = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_COMPARE = {"<": "<", "<=": "<=", "equal": "=="}
# operator -> (libdevice, libm)
_CALLS = {
    "sqrt": ("__nv_sqrt", "sqrt"), "abs": ("__nv_fabs", "fabs"), "floor": ("__nv_floor", "floor"),
    "ceil": ("__nv_ceil", "ceil"),
    **{name: (f"__nv_{name}", name) for name in (
        "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh",
        "atanh", "exp", "expm1", "log", "log1p", "log10", "erf", "hypot", "pow",
    )},
}  # fmt: skip


class DeviceFunction(NamedTuple):
    """Items that one thread works off; ``keeps_scratch``: others read what they write to scratch."""

    items: tuple[Item, ...]
    keeps_scratch: bool


class DeviceModel(NamedTuple):
    """What the threads of an ensemble need: functions by name, sizes, mass (n,) and the pattern of df/du.

    ``n_work``: numbers a thread keeps between calls.
    """

    functions: Mapping[str, DeviceFunction]
    n: int
    n_parameters: int
    n_work: int
    mass: Array
    indptr: Array
    indices: Array


def device_model(functions: Mapping[str, Function], model: ModelFunctions) -> DeviceModel:
    """The device side of a compiled model with these lowered functions. CodegenError if it is too large."""
    made = {name: DeviceFunction(function.items, name == "setup") for name, function in functions.items()}
    size = max(_size(code) for code in made.values())
    if size > LARGEST:
        raise CodegenError(
            f"the model has {size} operations, too many for one GPU thread (at most {LARGEST}). "
            "Integrate it by itself with its right-hand side on the GPU, or run the ensemble on the CPU."
        )
    return DeviceModel(
        made, model.n, model.n_parameters, functions["setup"].n_work,
        model.mass, model.indptr, model.indices,
    )  # fmt: skip


def _size(code: DeviceFunction) -> int:
    size = 0
    for item in code.items:
        if isinstance(item, Gather):
            size += 2 * len(item.first)
        else:
            size += item.count * len(statements(item.roots).statements)
    return size


# ---- one function -------------------------------------------------------------------------------------
class _Thread:
    """The straight-line code of one function while it grows."""

    def __init__(self, module: Any, builder: Builder, arguments: Sequence[Any], device: bool) -> None:
        from llvmlite import ir

        self.double, self.index = ir.DoubleType(), ir.IntType(64)
        self.constant = ir.Constant
        self.call_type = ir.FunctionType
        self.declare = ir.Function
        self.module, self.builder, self.device = module, builder, device
        self.time = arguments[0]
        self.pointers = dict(zip(("out", "u", "p", "w"), arguments[1:], strict=True))
        self.values: dict[tuple[str, int], Any] = {}  # what a place holds now
        self.written: dict[tuple[str, int], None] = {}

    def number(self, value: float) -> Any:
        return self.constant(self.double, float(value))

    def address(self, space: str, place: int) -> Any:
        index = self.constant(self.index, int(place))
        # the element type matters only where pointers have lost theirs
        return self.builder.gep(self.pointers[space], [index], inbounds=True, source_etype=self.double)

    def read(self, space: str, place: int) -> Any:
        key = (space, int(place))
        if key not in self.values:
            self.values[key] = self.builder.load(self.address(*key), typ=self.double, align=8)
        return self.values[key]

    def write(self, space: str, place: int, value: Any, accumulate: bool) -> None:
        key = (space, int(place))
        self.values[key] = self.builder.fadd(self.read(*key), value) if accumulate else value
        self.written[key] = None

    def store(self, spaces: Sequence[str]) -> None:
        """Write the results to memory; no place is read after that."""
        for space, place in self.written:
            if space in spaces:
                self.builder.store(self.values[space, place], self.address(space, place), align=8)

    # ---- items --------------------------------------------------------------------------------
    def loop(self, loop: Loop) -> None:
        body = statements(loop.roots)
        for i in range(loop.count):
            slots = {}
            for k, column in enumerate(loop.columns):
                value = column.index[i]
                slots[k] = self.number(value) if column.space == "c" else self.read(column.space, value)
            results = self.body(body, slots)
            for output, result in zip(loop.outputs, results, strict=True):
                self.write(output.space, output.index[i], result, output.accumulate)

    def gather(self, gather: Gather) -> None:
        for row, place in enumerate(gather.output.index):
            total = None
            for k in range(gather.indptr[row], gather.indptr[row + 1]):
                term = self.read(gather.space, gather.first[k])
                if gather.second is not None:
                    term = self.builder.fmul(term, self.read(gather.space, gather.second[k]))
                if gather.coefficient[k] != 1.0:
                    term = self.builder.fmul(self.number(gather.coefficient[k]), term)
                total = term if total is None else self.builder.fadd(total, term)
            result = self.number(0.0) if total is None else total
            self.write(gather.output.space, place, result, gather.output.accumulate)

    def body(self, body: Body, slots: Mapping[int, Any]) -> list[Any]:
        values: list[Any] = []
        for statement in body.statements:
            if statement.op == "number":
                assert isinstance(statement.data, float)
                values.append(self.number(statement.data))
            elif statement.op == "slot":
                assert isinstance(statement.data, tuple)
                values.append(slots[statement.data[1]])
            elif statement.op == "time":
                values.append(self.time)
            else:
                values.append(self.operation(statement, [values[arg] for arg in statement.args]))
        return [values[root] for root in body.roots]

    def operation(self, statement: Statement, args: list[Any]) -> Any:
        op, build = statement.op, self.builder
        if op in _ARITHMETIC:
            return getattr(build, _ARITHMETIC[op])(*args)
        if op in _COMPARE:
            return build.fcmp_ordered(_COMPARE[op], *args)
        if op in _CALLS:
            return build.call(self.external(_CALLS[op][0 if self.device else 1], len(args)), args)
        if op == "neg":
            return build.fsub(self.number(-0.0), args[0])  # NVVM's dialect of LLVM has no fneg
        if op == "truth":
            return build.fcmp_unordered("!=", args[0], self.number(0.0))
        if op == "real":
            return build.uitofp(args[0], self.double)
        if op in ("and", "or"):
            return (build.and_ if op == "and" else build.or_)(*args)
        if op == "not":
            return build.not_(args[0])
        if op == "ifelse":
            return build.select(*args)
        if op in ("min", "max"):  # not a number if either argument is not
            first = build.fcmp_ordered("<=" if op == "min" else ">=", *args)
            return build.select(build.or_(first, build.fcmp_unordered("uno", args[0], args[0])), *args)
        if op == "sign":  # nan and zeros stay themselves
            zero, x = self.number(0.0), args[0]
            rest = build.select(build.fcmp_ordered("<", x, zero), self.number(-1.0), x)
            return build.select(build.fcmp_ordered(">", x, zero), self.number(1.0), rest)
        raise CodegenError(f"the CUDA back end cannot evaluate `{op}`")

    def external(self, name: str, arity: int) -> Any:
        if name in self.module.globals:
            return self.module.globals[name]
        return self.declare(self.module, self.call_type(self.double, [self.double] * arity), name)


def _begin(module: Any, name: str, pointers: Sequence[Any], size: int, linkage: str) -> tuple[Any, Builder]:
    from llvmlite import ir

    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [ir.DoubleType(), *pointers]), name)
    function.linkage = linkage
    function.attributes.add("alwaysinline" if size <= _INLINED else "noinline")
    for argument in function.args[1:]:
        argument.add_attribute("noalias")
    return function, ir.IRBuilder(function.append_basic_block("entry"))


def define_function(
    module: Any,
    name: str,
    code: DeviceFunction,
    pointers: Sequence[Any],
    *,
    device: bool,
    linkage: str = "internal",
) -> Any:
    """Add ``void name(double t, double *out, double *u, double *p, double *work)`` to an llvmlite module.

    ``pointers``: the four pointer types. ``device``: call libdevice, not libm. Returns the llvmlite function.
    """
    made, builder = _begin(module, name, pointers, _size(code), linkage)
    thread = _Thread(module, builder, made.args, device)
    for item in code.items:
        if isinstance(item, Loop):
            thread.loop(item)
        else:
            thread.gather(item)
    thread.store(("out", "w") if code.keeps_scratch else ("out",))
    builder.ret_void()
    return made


def define_newton_matrix(
    module: Any, name: str, model: DeviceModel, pointers: Sequence[Any], *, linkage: str = "internal"
) -> Any:
    """Add ``void name(double scale, double *matrix, double *values)``: matrix = scale*M - J, (n, n) by rows.

    ``values``: the entries of J in the order of its pattern.
    """
    from llvmlite import ir

    double, index = ir.DoubleType(), ir.IntType(64)
    made, builder = _begin(module, name, pointers, model.n**2, linkage)
    scale, matrix, values = made.args

    def address(pointer: Any, place: int) -> Any:
        return builder.gep(pointer, [ir.Constant(index, place)], inbounds=True, source_etype=double)

    column_of = np.repeat(np.arange(model.n), np.diff(model.indptr))
    entries = {(int(row), int(column_of[k])): k for k, row in enumerate(model.indices)}
    for row in range(model.n):
        for column in range(model.n):
            value = scale if row == column and model.mass[row] else ir.Constant(double, 0.0)
            if (row, column) in entries:
                entry = builder.load(address(values, entries[row, column]), typ=double, align=8)
                value = builder.fsub(value, entry)
            builder.store(value, address(matrix, row * model.n + column), align=8)
    builder.ret_void()
    return made


# ---- the same code on the CPU ---------------------------------------------------------------------------
def host_functions(
    functions: Mapping[str, DeviceFunction], model: DeviceModel | None = None
) -> dict[str, CompiledFunction]:
    """Device functions compiled for the CPU, callable from Python, for the simulator and for tests.

    With a model there is ``newton_matrix`` too; it takes two more arguments, which it ignores.
    """
    from llvmlite import ir

    module = ir.Module("device functions")
    pointer = ir.PointerType()  # without the type pointed to, as LLVM wants it today
    for name, code in functions.items():
        define_function(module, name, code, [pointer] * 4, device=False, linkage="external")
    if model is not None:
        define_newton_matrix(module, "newton_matrix", model, [pointer] * 2, linkage="external")
    text = "\n".join(line for line in str(module).split("\n") if not line.startswith("target "))
    loaded = machine.load_object(machine.compile_text(text))
    names = [*functions, *(["newton_matrix"] if model is not None else [])]
    return {name: CompiledFunction(loaded.address(name), (loaded,)) for name in names}
