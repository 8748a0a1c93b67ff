"""Calling compiled functions from the host, by address."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["kernel", "model_function"]


def kernel(address: int, table: npt.NDArray[np.int64]) -> int:
    """Call a kernel function with its table; returns its status. The GIL is released meanwhile."""
    return int(_kernel_at(address)(table.ctypes.data))


def model_function(address: int, t: float, *arrays: npt.NDArray[np.float64]) -> None:
    """Call a function of a model with t and (out, u, p, work)."""
    _prototype(None, ctypes.c_double, *[ctypes.c_void_p] * 4)(address)(t, *(a.ctypes.data for a in arrays))


_prototype = functools.cache(ctypes.CFUNCTYPE)


@functools.lru_cache(maxsize=256)
def _kernel_at(address: int) -> Callable[[int], int]:
    return _prototype(ctypes.c_int64, ctypes.c_void_p)(address)
