"""Compartments: well-mixed volumes and the species in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.variables import checked_expr, checked_name
from symnum.rewriting.expr import Expr, Operand

__all__ = ["Compartment", "common", "placed"]


class Compartment:
    """A well-mixed volume with species in it.

    volume: a positive number, a parameter, or a variable that other equations determine. species: those
    whose value is a concentration. amounts: those whose value is an amount.
    """

    __slots__ = ("amounts", "name", "species", "volume")

    def __init__(
        self, name: str, volume: Operand = 1, species: Iterable[Expr] = (), *, amounts: Iterable[Expr] = ()
    ) -> None:
        self.name = checked_name(name, "Compartment: ")
        self.volume = checked_expr(volume, f"Compartment {name}, volume")
        if self.volume.is_number and self.volume.value <= 0:
            raise ModelError(f"Compartment {name}: the volume {self.volume} is not positive")
        if not (self.volume.is_number or self.volume.kind in ("parameter", "variable")):
            raise ModelError(
                f"Compartment {name}: the volume is {self.volume}; give a number, a parameter or a variable "
                "(and an equation for it)"
            )
        self.species = _listed(species, f"Compartment {name}, species")
        self.amounts = _listed(amounts, f"Compartment {name}, amounts")

    def __repr__(self) -> str:
        return f"<Compartment {self.name}: volume {self.volume}, {len(self.species + self.amounts)} species>"


def _listed(species: Iterable[Expr], where: str) -> tuple[Expr, ...]:
    if isinstance(species, Expr) or not isinstance(species, Iterable):
        raise ModelError(f"{where}: species are a list, not {species!r}; write [...] around them")
    found = tuple(species)
    for leaf in found:
        if not (isinstance(leaf, Expr) and leaf.kind == "variable"):
            raise ModelError(f"{where}: {leaf} is not a species")
    return found


def placed(
    name: str, compartments: Sequence[Compartment], species: Sequence[Expr], free: NDArray[np.bool_]
) -> dict[int, tuple[Compartment, bool]]:
    """{number of a species: (its compartment, whether its value is an amount)} of a network.

    free: (n_species,) those that reactions change; each of them needs a place if there are compartments.
    """
    number = {leaf.name: i for i, leaf in enumerate(species)}
    found: dict[int, tuple[Compartment, bool]] = {}
    for compartment in compartments:
        if not isinstance(compartment, Compartment):
            raise ModelError(f"{name}: {compartment!r} among the compartments is not a Compartment")
        for leaf, amount in (
            *((leaf, False) for leaf in compartment.species),
            *((leaf, True) for leaf in compartment.amounts),
        ):
            i = number.get(leaf.name)
            if i is None:
                continue  # a compartment may serve several networks
            if i in found:
                raise ModelError(
                    f"{name}: {leaf} is placed twice, in {found[i][0].name} and in {compartment.name}"
                )
            found[i] = compartment, amount
    lost = [i for i in np.flatnonzero(free).tolist() if i not in found]
    if compartments and lost:
        raise ModelError(
            f"{name}: {species[lost[0]]} lies in no compartment; every species that reactions change "
            "needs one"
        )
    return found


def common(places: Mapping[int, tuple[Compartment, bool]], species: Iterable[int]) -> Compartment | None:
    """The one compartment in which these species lie; those that lie nowhere do not count."""
    found = {id(compartment): compartment for compartment, _ in (places[i] for i in species if i in places)}
    return next(iter(found.values())) if len(found) == 1 else None
