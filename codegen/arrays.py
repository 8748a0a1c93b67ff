"""Arrays as keys: equal arrays get the same number; what was found of an array is remembered."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["Arrays", "Remembered"]

T = TypeVar("T")

_LARGE = 512  # entries from which it pays to remember


class Remembered(Generic[T]):
    """A function of an array that is evaluated once for each large array, as long as that lives.

    The columns of a grid go through many passes; to read each of them once more takes a millisecond.
    """

    def __init__(self, function: Callable[[npt.NDArray[Any]], T]) -> None:
        self._function = function
        self._known: dict[int, tuple[weakref.ref[npt.NDArray[Any]], T]] = {}  # by id

    def __call__(self, array: npt.NDArray[Any]) -> T:
        """The value for an array, which must not change afterwards."""
        if len(array) < _LARGE:
            return self._function(array)
        key = id(array)
        known = self._known.get(key)
        if known is None or known[0]() is not array:
            return self.remember(array, self._function(array))
        return known[1]

    def remember(self, array: npt.NDArray[Any], value: T) -> T:
        """Note the value of an array that is known from elsewhere."""
        key = id(array)
        self._known[key] = weakref.ref(array, lambda _: self._known.pop(key, None)), value
        return value


class Arrays:
    """Numbers arrays by their content: type, length and bits.

    Columns of large models differ in their first or last entries nearly always, so that hardly any is read
    whole; hashing their bytes was a tenth of the time to compile a grid.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], list[tuple[int, npt.NDArray[Any]]]] = {}
        self._count = 0

    def number(self, array: npt.NDArray[Any]) -> int:
        """The number of a one-dimensional array. The array is kept and must not change."""
        bits = array.view(np.int64) if array.dtype == np.float64 else array  # 0.0 is not -0.0; NaN is NaN
        size = len(bits)
        few = (int(bits[0]), int(bits[size // 3]), int(bits[-1])) if size else ()
        same = self._known.setdefault((array.dtype.char, size, few), [])
        for number, other in same:
            if other is bits or np.array_equal(other, bits):
                return number
        same.append((self._count, bits))
        self._count += 1
        return self._count - 1
