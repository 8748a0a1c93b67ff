"""Vector-Jacobian products of a compiled model as machine code, kept with the model and on disk."""

from __future__ import annotations

import marshal
from collections.abc import Mapping

import numpy as np

from symnum.codegen import cache
from symnum.codegen.emitter import Emitter, Tables, emitter_for
from symnum.codegen.function import Function, digest
from symnum.codegen.machine import target
from symnum.codegen.model import CompiledModel, code_version
from symnum.codegen.pullback import pullback
from symnum.record import record

__all__ = ["CompiledPullback", "compiled_functions", "model_pullback"]


@record
class CompiledPullback:
    """Addresses by name; 0: the derivative is zero.

    Functions have the signature of those of a model. Pullbacks read u (n + n_out,), the unknowns and then
    the cotangents, and write (n + n_parameters,). n_work: the scratch that any of them needs.
    """

    addresses: dict[str, int]
    n_work: int
    owners: tuple[object, ...]

    def address(self, name: str) -> int:
        return self.addresses.get(name, 0)


def model_pullback(model: CompiledModel) -> CompiledPullback:
    """Of the right-hand side ("rhs"), of its time derivative ("time_gradient"), and of the Jacobian.

    Cotangents of "jacobian" are those of its (nnz,) entries.
    """
    found: CompiledPullback | None = model.derived.get("pullback")
    if found is None:
        found = model.derived["pullback"] = _made_for(model)
    return found


def _made_for(model: CompiledModel) -> CompiledPullback:
    emitter = emitter_for("llvm")
    key = model.key("pullback")
    data = cache.fetch("pullback", key)
    if data is None:
        n, n_parameters = model.functions.n, model.functions.n_parameters
        made = {name: pullback(f, n, n_parameters) for name, f in model.as_differentiated().items()}
        data = _built(emitter, {name: f for name, f in made.items() if f is not None})
        cache.store("pullback", key, data)
    return _loaded(emitter, data)


def compiled_functions(functions: Mapping[str, Function]) -> CompiledPullback:
    """Machine code of a few functions by their names."""
    emitter = emitter_for("llvm")
    key = cache.digest(*functions, digest(functions.values()), emitter.name, target(), code_version())
    data = cache.fetch("pullback", key)
    if data is None:
        data = _built(emitter, functions)
        cache.store("pullback", key, data)
    return _loaded(emitter, data)


def _built(emitter: Emitter, functions: Mapping[str, Function]) -> bytes:
    program = emitter.emit(functions)
    tables = program.tables
    arrays = tables.descriptors, tables.positions, tables.numbers
    head = program.names, program.n_work, emitter.build(program)
    return marshal.dumps((*head, tuple(a.tobytes() for a in arrays)), 4)


def _loaded(emitter: Emitter, data: bytes) -> CompiledPullback:
    names, n_work, code, arrays = marshal.loads(data)
    kinds = (np.int64, np.int32, np.float64)
    tables = Tables(*(np.frombuffer(a, kind).copy() for a, kind in zip(arrays, kinds, strict=True)))
    loaded = emitter.load(tuple(names), code, tables)
    return CompiledPullback(loaded.addresses, n_work, loaded.owners)
