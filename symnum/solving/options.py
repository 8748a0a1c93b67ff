"""What a user gives beside a problem, checked and as numbers: tolerances, times to save at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.lowering.flat import FlatSystem

__all__ = ["FloatArray", "Times", "numbers", "positive", "save_times", "tolerances"]

FloatArray: TypeAlias = NDArray[np.float64]
Times: TypeAlias = float | Sequence[float] | FloatArray


def positive(value: Any, name: str) -> float:
    if not (isinstance(value, (int, float)) and 0 < value < np.inf):
        raise ModelError(f"{name}={value!r}: give a positive, finite number")
    return float(value)


def tolerances(flat: FlatSystem, rtol: float, atol: float | Mapping[Any, float] | FloatArray) -> FloatArray:
    """(n,) absolute tolerances, nominal sizes included, after checking both kinds."""
    if not (isinstance(rtol, (int, float)) and 1e-14 <= rtol < 1):
        raise ModelError(f"rtol={rtol}: give a relative tolerance between 1e-14 and 1")
    nominal = flat.nominal
    if isinstance(atol, Mapping):
        result = 1e-9 * nominal
        for key, value in atol.items():
            at = flat.position[flat.without_sign(flat.number_of(key, "atol"))[0]]
            if at < 0:
                raise ModelError(f"atol: {key} is given by the other unknowns and is not integrated itself")
            result[at] = numbers(value, f"atol of {key}")
    else:
        result = numbers(atol, "atol")
        if result.shape not in ((), (flat.n,)):
            raise ModelError(
                f"atol has shape {result.shape}; give one number, {flat.n} numbers or {{variable: number}}"
            )
        result = result * nominal if result.shape == () else result.copy()
    if not (result.min(initial=1.0) > 0 and result.max(initial=1.0) < np.inf):
        raise ModelError(f"atol={atol}: absolute tolerances are positive, finite numbers")
    return result


def numbers(values: Any, what: str) -> FloatArray:
    try:
        return np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{what}={values!r}: give numbers") from error


def save_times(saveat: Times, span: tuple[float, float]) -> FloatArray:
    """(k,) the times that ``saveat`` stands for: a spacing, or increasing times within the span."""
    begin, end = span
    times = numbers(saveat, "saveat")
    if times.ndim == 0:
        spacing = float(times)
        if not (np.isfinite(spacing) and spacing > 0):
            raise ModelError(f"saveat={saveat}: a spacing is positive and finite")
        count = int(np.floor((end - begin) / spacing * (1 + 1e-12)))
        spaced: FloatArray = np.minimum(begin + spacing * np.arange(count + 1), end)
        return spaced
    if times.ndim != 1 or (len(times) > 1 and not (times[1:] > times[:-1]).all()):
        raise ModelError("saveat: give a spacing or increasing times")
    if not len(times):
        return times
    slack = 1e-12 * max(abs(begin), abs(end))
    first, last = float(times[0]), float(times[-1])
    if not (first >= begin - slack and last <= end + slack):
        raise ModelError(f"saveat: times {first:g} ... {last:g} leave the span {begin:g} ... {end:g}")
    return times if first >= begin and last <= end else np.clip(times, begin, end)
