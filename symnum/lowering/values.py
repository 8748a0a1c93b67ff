"""Compiled evaluation of variables that the equations give explicitly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.compiled import CompiledFunction
from symnum.codegen.emitter import emitter_for
from symnum.lowering.flat import FlatSystem
from symnum.lowering.functions import values_of
from symnum.rewriting.expr import Expr

__all__ = ["Values"]


class Values:
    """Variables of a system as one function of (t, u, p): ``values(t, u, p)``, in the order of keys."""

    def __init__(self, flat: FlatSystem, keys: Sequence[Expr | str]) -> None:
        self._sizes = flat.n, len(flat.parameters)
        numbers = np.array([flat.number_of(key, "values") for key in keys], np.int64)
        function = values_of(flat, numbers)
        emitter = emitter_for("llvm")
        program = emitter.emit({function.name: function})
        loaded = emitter.load(program.names, emitter.build(program), program.tables)
        self._call = CompiledFunction(loaded.addresses[function.name], loaded.owners)
        self._n_out, self._n_work = len(keys), program.n_work

    def __call__(self, t: float, u: NDArray[Any], p: NDArray[Any]) -> NDArray[np.float64]:
        """(n_keys,) at time t, unknowns u (n,) and parameters p."""
        states, parameters = np.ascontiguousarray(u, float), np.ascontiguousarray(p, float)
        if (states.shape, parameters.shape) != ((self._sizes[0],), (self._sizes[1],)):
            raise ValueError(f"u has shape {states.shape}, p {parameters.shape}; needed are {self._sizes}")
        out, work = np.zeros(self._n_out), np.zeros(self._n_work)
        self._call(t, out, states, parameters, work)
        return out
