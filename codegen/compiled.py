"""Calling generated functions from Python."""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt

__all__ = ["SIGNATURE", "CompiledFunction"]

SIGNATURE = ctypes.CFUNCTYPE(
    None, ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)
"""``void f(double t, double *out, const double *u, const double *p, double *work)``"""


class CompiledFunction:
    """A function by its address. The caller answers for the sizes; `CompiledModel` checks them.

    ``owners``: what holds the code and its tables.
    """

    def __init__(self, address: int, owners: tuple[object, ...]) -> None:
        self.address = address
        self._owners = owners
        self._call = SIGNATURE(address)

    def __call__(
        self,
        t: float,
        out: npt.NDArray[np.float64],
        u: npt.NDArray[np.float64],
        p: npt.NDArray[np.float64],
        work: npt.NDArray[np.float64],
    ) -> None:
        """Call on contiguous double arrays; writes ``out`` and ``work``."""
        self._call(t, out.ctypes.data, u.ctypes.data, p.ctypes.data, work.ctypes.data)
