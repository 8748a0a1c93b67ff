"""The default back end: LLVM IR, compiled and loaded by llvmlite. A model on disk needs no more than this."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from symnum.codegen import machine
from symnum.codegen.emitter import Emitter, Loaded, Program, Tables
from symnum.codegen.function import Function

__all__ = ["DATA", "RESERVED", "LlvmEmitter"]

DATA = "symnum_data"  # the global variable that points to the descriptors
RESERVED = 3  # descriptors 0, 1, 2: addresses of the position and number tables and of the crew


class LlvmEmitter(Emitter):
    """LLVM IR text through llvmlite; needs neither numba nor a compiler."""

    name = "llvm"
    cached = True
    parallel = True

    def emit(self, functions: Mapping[str, Function]) -> Program:
        from symnum.codegen import emit_llvm  # not needed for a model that is on disk

        return emit_llvm.program(functions)

    def build(self, program: Program) -> bytes:
        return machine.cached_object("object", program.source, passes=program.passes, codegen=program.codegen)

    def load(self, names: tuple[str, ...], code: bytes, tables: Tables) -> Loaded:
        loaded = machine.load_object(code)
        descriptors = tables.descriptors.copy()
        crew = 0
        if self.threads > 1:
            from symnum.codegen.crew import crew as crew_of

            crew = crew_of(self.threads)
        descriptors[:RESERVED] = tables.positions.ctypes.data, tables.numbers.ctypes.data, crew
        loaded.write(DATA, np.array([descriptors.ctypes.data], np.uint64))
        owners = (loaded, descriptors, tables)
        return Loaded({name: loaded.address(name) for name in names}, owners)
