"""The default back end: LLVM IR, compiled and loaded by llvmlite. A model on disk needs no more than this."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from symnum.codegen import machine
from symnum.codegen.emitter import Emitter, Loaded, Program, Tables
from symnum.codegen.function import Function

__all__ = ["DATA", "RESERVED", "LlvmEmitter"]

DATA = "symnum_data"  # the global variable that points to the descriptors
RESERVED = 2  # descriptors 0 and 1: addresses of the position and number tables


class LlvmEmitter(Emitter):
    """LLVM IR text through llvmlite; needs neither numba nor a compiler."""

    name = "llvm"
    cached = True

    def emit(self, functions: Mapping[str, Function]) -> Program:
        from symnum.codegen import emit_llvm  # not needed for a model that is on disk

        return emit_llvm.program(functions)

    def build(self, program: Program) -> bytes:
        return machine.cached_object("object", program.source, passes=program.passes, codegen=program.codegen)

    def load(self, names: tuple[str, ...], code: bytes, tables: Tables) -> Loaded:
        loaded = machine.load_object(code)
        descriptors = tables.descriptors.copy()
        descriptors[:RESERVED] = tables.positions.ctypes.data, tables.numbers.ctypes.data
        loaded.write(DATA, np.array([descriptors.ctypes.data], np.uint64))
        owners = (loaded, descriptors, tables)
        return Loaded({name: loaded.address(name) for name in names}, owners)
