"""Functions of a big model on a GPU: kernels and tables loaded, called on device arrays."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from symnum.codegen import cuda_toolkit
from symnum.codegen.emit_cuda import Argument, CudaProgram, Launch, emit_cuda
from symnum.codegen.function import Function

__all__ = ["CudaFunctions"]

_BLOCK = 128  # threads


class CudaFunctions:
    """IR functions as sequences of kernels; ``functions(name, t, out, u, p, work)`` launches them.

    out, u, p, work are device arrays of doubles, as long as the IR says, ``n_work`` for the last; none may
    be empty.
    """

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self.program: CudaProgram = emit_cuda(functions)
        self.n_work = self.program.n_work
        calls = cuda_toolkit.function_calls(self.program.straight) if self.program.straight else {}
        self._kernels = cuda_toolkit.kernels(self.program.source, calls)

    def ptx(self, name: str, capability: tuple[int, int] = (9, 0)) -> list[str]:
        """PTX of the kernels of one function, in the order of their launches; needs no GPU."""
        return [
            cuda_toolkit.ptx(self._kernels[launch.kernel], _signature(launch), capability)
            for launch in self.program.launches[name]
        ]

    @cached_property
    def _loaded(self) -> dict[str, list[tuple[Any, int, tuple[Any, ...]]]]:
        """For every function its launches: (kernel, threads, arguments with tables on the device)."""
        cuda_toolkit.require_device()
        cuda = cuda_toolkit.cuda()
        compiled: dict[str, Any] = {}
        tables: dict[bytes, Any] = {}

        def placed(argument: Argument) -> Any:
            if not isinstance(argument, np.ndarray):
                return argument
            key = argument.dtype.char.encode() + argument.tobytes()
            if key not in tables:
                tables[key] = cuda.to_device(argument)
            return tables[key]

        loaded: dict[str, list[tuple[Any, int, tuple[Any, ...]]]] = {}
        for name, launches in self.program.launches.items():
            loaded[name] = []
            for launch in launches:
                if launch.kernel not in compiled:
                    compiled[launch.kernel] = cuda.jit(self._kernels[launch.kernel])
                arguments = tuple(placed(argument) for argument in launch.arguments)
                loaded[name].append((compiled[launch.kernel], launch.threads, arguments))
        return loaded

    def __call__(self, name: str, t: float, out: Any, u: Any, p: Any, work: Any) -> None:
        """Launch the kernels of one function; returns before they have finished."""
        block = 8 if cuda_toolkit.simulated() else _BLOCK
        for compiled, threads, arguments in self._loaded[name]:
            cuda_toolkit.launch(compiled, threads, block, threads, t, out, u, p, work, *arguments)


def _signature(launch: Launch) -> Any:
    from numba import types

    vector = types.Array(types.float64, 1, "C")
    kinds: list[Any] = []
    for argument in launch.arguments:
        if isinstance(argument, np.ndarray):
            kinds.append(vector if argument.dtype == np.float64 else types.Array(types.int32, 1, "C"))
        else:
            kinds.append(types.int64 if isinstance(argument, int) else types.float64)
    return types.void(types.int64, types.float64, vector, vector, vector, vector, *kinds)
