"""The oracle: evaluates the IR with NumPy, item by item, without generating anything.

Slow and plain, so that the other back ends can be held against it. `evaluate` also takes complex or long
double arguments, for derivatives by complex step and for error estimates.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping

import numpy as np

from symnum.codegen.compiled import SIGNATURE
from symnum.codegen.emitter import Emitter, Loaded, Program, TableBuilder, Tables
from symnum.codegen.function import Array, Function, Gather, Loop, digest, reads
from symnum.errors import CodegenError
from symnum.rewriting.expr import TIME, Expr, slot
from symnum.rewriting.walk import evaluate_arrays

__all__ = ["NumpyEmitter", "evaluate"]


def evaluate(function: Function, t: float | complex, out: Array, u: Array, p: Array, work: Array) -> None:
    """``out`` (n_out,) and ``work`` (n_work,) are written as compiled code would write them."""
    spaces = {"u": u, "p": p, "w": work, "out": out}
    for item in function.items:
        if isinstance(item, Loop):
            _loop(item, t, spaces)
        else:
            _gather(item, spaces)


def _loop(loop: Loop, t: float | complex, spaces: Mapping[str, Array]) -> None:
    values: dict[Expr, Array | float] = {TIME: np.asarray(t)}
    for k, column in enumerate(loop.columns):
        values[slot(column.space, k)] = (
            column.index if column.space == "c" else spaces[column.space][column.index]
        )
    results = evaluate_arrays(loop.roots, values)
    for output, result in zip(loop.outputs, results, strict=True):
        target = spaces[output.space]
        if output.accumulate:
            np.add.at(target, output.index, np.broadcast_to(result, output.index.shape))
        else:
            target[output.index] = result


def _gather(gather: Gather, spaces: Mapping[str, Array]) -> None:
    source, target = spaces[gather.space], spaces[gather.output.space]
    terms = gather.coefficient * source[gather.first]
    if gather.second is not None:
        terms = terms * source[gather.second]
    rows = np.zeros(len(gather.output.index), terms.dtype)
    np.add.at(rows, np.repeat(np.arange(len(rows)), np.diff(gather.indptr)), terms)
    if gather.output.accumulate:
        np.add.at(target, gather.output.index, rows)
    else:
        target[gather.output.index] = rows


_EMITTED: dict[str, Function] = {}
"""Functions by digest: there is no machine code in which they could be kept."""


class NumpyEmitter(Emitter):
    """Evaluates the IR directly; its addresses call back into Python."""

    name = "numpy"
    cached = False

    def emit(self, functions: Mapping[str, Function]) -> Program:
        keys = []
        for function in functions.values():
            keys.append(digest(function))
            _EMITTED[keys[-1]] = function
        n_work = max((f.n_work for f in functions.values()), default=0)
        return Program("\n".join(keys), tuple(functions), TableBuilder(0).build(), n_work)

    def build(self, program: Program) -> bytes:
        return program.source.encode()

    def load(self, names: tuple[str, ...], code: bytes, tables: Tables) -> Loaded:
        functions = [_EMITTED[key] for key in code.decode().split("\n")]
        callbacks = {name: SIGNATURE(_callback(f)) for name, f in zip(names, functions, strict=True)}
        addresses = {
            name: ctypes.cast(callback, ctypes.c_void_p).value or 0 for name, callback in callbacks.items()
        }
        return Loaded(addresses, (callbacks,))


def _callback(function: Function) -> Callable[[float, int, int, int, int], None]:
    sizes = {"u": 0, "p": 0}
    for item in function.items:
        for space, index in reads(item):
            if space in sizes:
                sizes[space] = max(sizes[space], int(index.max()) + 1)

    def view(address: int, size: int) -> Array:
        if size and not address:
            raise CodegenError(f"function {function.name!r} was called with a null pointer")
        return np.ctypeslib.as_array((ctypes.c_double * size).from_address(address)) if size else np.zeros(0)

    def call(t: float, out: int, u: int, p: int, work: int) -> None:
        evaluate(
            function,
            t,
            view(out, function.n_out),
            view(u, sizes["u"]),
            view(p, sizes["p"]),
            view(work, function.n_work),
        )

    return call
