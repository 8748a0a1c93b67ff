"""Calling compiled functions from the host, by address."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["address_of", "kernel", "model_function"]


def address_of(array: npt.NDArray[np.generic]) -> int:
    """The address of a writable array that is not empty, many times faster than ``array.ctypes``."""
    return ctypes.addressof(ctypes.c_char.from_buffer(array.data))


def kernel(address: int, table: npt.NDArray[np.int64]) -> int:
    """Call a kernel function with its table; returns its status. The GIL is released meanwhile."""
    return _kernel_at(address)(address_of(table))


def model_function(address: int, t: float, out: int, u: int, p: int, work: int) -> None:
    """Call a function of a model at an address with t and the addresses of its arrays."""
    _model_at(address)(t, out, u, p, work)


@functools.lru_cache(maxsize=256)
def _kernel_at(address: int) -> Callable[[int], int]:
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(address)


@functools.lru_cache(maxsize=256)
def _model_at(address: int) -> Callable[[float, int, int, int, int], None]:
    return ctypes.CFUNCTYPE(None, ctypes.c_double, *[ctypes.c_void_p] * 4)(address)
