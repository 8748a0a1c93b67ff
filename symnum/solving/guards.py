"""Guards: what a model says about the values of its parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.lowering.flat import FlatSystem

__all__ = ["guard_message"]


class _UnknownParameter(ModelError, KeyError):
    """A KeyError too, as mappings have it."""

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would show it quoted


class ParameterView(Mapping[str, float]):
    """The values in ``p`` by name, looked up when asked for."""

    def __init__(self, flat: FlatSystem, p: NDArray[np.float64]) -> None:
        self._names, self._p = flat.parameters, p

    def __getitem__(self, name: str) -> float:
        number = self._names.find(name)
        if number is None:
            near = self._names.near(name)
            raise _UnknownParameter(
                f"a guard asks for the parameter {name}, which is not part of the system."
                f"{f' Did you mean {near[0]}?' if near else ''}"
            )
        return float(self._p[number])

    def __iter__(self) -> Iterator[str]:
        return (info.name for info in self._names)

    def __len__(self) -> int:
        return len(self._names)


def guard_message(flat: FlatSystem, p: NDArray[np.float64]) -> str | None:
    """What the first guard that objects says about these parameter values."""
    if not flat.guards:
        return None
    values = ParameterView(flat, p)
    return next((message for guard in flat.guards if (message := guard(values))), None)
