"""Numbers of molecules: what the unknowns of a random process are."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.model_functions import FloatArray
from symnum.errors import ModelError
from symnum.language.hybrid_system import HybridSystem
from symnum.language.stochastic_system import StochasticSystem
from symnum.lowering.flat import FlatSystem

__all__ = ["check_molecules", "in_molecules"]

_COUNTABLE = 2.0**53  # beyond it a double misses whole numbers


def in_molecules(
    flat: FlatSystem, process: StochasticSystem | HybridSystem, u: FloatArray, given: Container[int],
    value: Callable[[Any, str], float],
) -> FloatArray:  # fmt: skip
    """(n,) starts as numbers of molecules: declared ones are concentrations where the process has a volume.

    given: the entries that the user gave as numbers of molecules. value: the number that an expression of
    parameters has. Writes to ``u``; ModelError where a start is no number of molecules.
    """
    whole = _whole(flat, process)
    for leaf, volume in process.propensities.volumes():
        at = int(flat.position[flat.number_of(leaf, "start")])
        if at >= 0 and at not in given:
            size = value(volume, "volume")
            if not size > 0:
                raise ModelError(f"{flat.name}: the volume {volume} = {size:g} must be positive")
            u[at] *= size
            if whole[at]:
                u[at] = np.round(u[at])
    check_molecules(flat, process, u, "the start")
    return u


def check_molecules(
    flat: FlatSystem, process: StochasticSystem | HybridSystem, u: FloatArray, where: str
) -> None:
    """Raise ModelError where these unknowns are no numbers of molecules."""
    bad = np.flatnonzero(~(u >= 0))
    what = "negative"
    if not len(bad):
        bad, what = np.flatnonzero(_whole(flat, process) & (u != np.round(u))), "no whole number"
    if not len(bad):
        bad = np.flatnonzero(_whole(flat, process) & (u > _COUNTABLE))
        what = "above 2**53 and cannot be counted one by one"
    if len(bad):
        raise ModelError(
            f"{flat.name}, {where}: {_species_at(flat, process, int(bad[0]))} = {u[bad[0]]:.9g} is {what}; "
            "the species are numbers of molecules. Declared starts are converted from concentrations, "
            "and rounded, where the reading is given a volume=, which may be 1."
        )


def _whole(flat: FlatSystem, process: StochasticSystem | HybridSystem) -> NDArray[np.bool_]:
    """(n,) the unknowns that change by whole molecules only."""
    if isinstance(process, StochasticSystem):
        return np.full(flat.n, process.reading == "jumps")
    result = np.ones(flat.n, bool)
    if process.fast is None:
        return result
    change = process.propensities.network.change
    for i in np.unique(change.species[process.fast[change.reaction]]).tolist():
        result[flat.position[flat.number_of(process.species[i], "start")]] = False
    return result


def _species_at(flat: FlatSystem, process: StochasticSystem | HybridSystem, position: int) -> str:
    """The species at a place of ``u``, which a rate may be equal to and share the place with."""
    for leaf in process.propensities.network.species:
        if flat.position[flat.number_of(leaf, "start")] == position:
            return leaf.name
    return flat.state_names[position]
