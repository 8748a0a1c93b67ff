"""A mechanism of gas-phase reactions: its species, reactions, reactors and properties."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.system import System
from symnum.models.chemistry.gas_block import GasBlock
from symnum.models.chemistry.gas_reaction import GAS_CONSTANT, GasReaction, GasSpecies
from symnum.models.chemistry.gas_state import Evaluator, GasState
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr, Symbol, symbol

__all__ = ["Mechanism"]

FloatArray: TypeAlias = NDArray[np.float64]
Composition: TypeAlias = Mapping[str, float] | str | FloatArray

_KINDS = ("constant volume", "constant pressure")
_ENERGY = ("adiabatic", "isothermal")


class Mechanism:
    """An ideal gas of species that react. ``sn.read("gri30.yaml")`` gives one.

    species, reactions: what the file says. ``reactor`` makes a system to integrate, ``at`` evaluates
    thermodynamics and rates in one state.
    """

    def __init__(
        self, name: str, species: tuple[GasSpecies, ...], reactions: tuple[GasReaction, ...]
    ) -> None:
        self.name = name
        self.species = species
        self.reactions = reactions
        self._number = {entry.name: i for i, entry in enumerate(species)}

    @property
    def species_names(self) -> tuple[str, ...]:
        """The names of the species, in order."""
        return tuple(entry.name for entry in self.species)

    @cached_property
    def molar_masses(self) -> FloatArray:
        """(n_species,) kg/kmol."""
        return np.array([entry.weight for entry in self.species])

    def __reduce__(self) -> tuple[Any, ...]:
        return Mechanism, (self.name, self.species, self.reactions)  # without what was compiled

    def __repr__(self) -> str:
        return f"<Mechanism {self.name}: {len(self.species)} species, {len(self.reactions)} reactions>"

    # ---- composition ------------------------------------------------------------------------------
    def mass_fractions(self, X: Composition | None = None, Y: Composition | None = None) -> FloatArray:
        """(n_species,) mass fractions from amounts X or masses Y, which need not sum to 1.

        Each is {species: number}, a text such as ``"CH4:1, O2:2, N2:7.52"``, or all numbers in order.
        """
        if (X is None) == (Y is None):
            raise ModelError(f"{self.name}: give the composition by X (amounts) or by Y (masses)")
        given = self._numbers(X if Y is None else Y, "X" if Y is None else "Y")
        masses = given * self.molar_masses if Y is None else given
        fractions: FloatArray = masses / masses.sum()
        return fractions

    def _numbers(self, given: Any, what: str) -> FloatArray:
        if isinstance(given, str):
            pairs = [entry.rpartition(":") for entry in given.split(",") if entry.strip()]
            try:
                amounts = [(name.strip(), float(value)) for name, _, value in pairs]
            except ValueError as error:
                raise ModelError(f"{self.name}: {what}={given!r} is not 'species:number, ...'") from error
            if len(dict(amounts)) != len(amounts):
                raise ModelError(f"{self.name}: {what}={given!r} names a species twice")
            given = dict(amounts)
        values = np.zeros(len(self.species))
        if isinstance(given, Mapping):
            for name, value in given.items():
                if name not in self._number:
                    raise ModelError(
                        f"{self.name} has no species {name!r}; {what} takes {self._some_names()}"
                    )
                values[self._number[name]] = self._number_of(value, f"{what}[{name!r}]")
        else:
            try:
                values = np.asarray(given, float)
            except (TypeError, ValueError) as error:
                raise ModelError(f"{self.name}: {what}={given!r} is not made of numbers") from error
            if values.shape != (len(self.species),):
                raise ModelError(f"{self.name}: {what} has shape {values.shape}, not ({len(self.species)},)")
        if not (np.isfinite(values).all() and (values >= 0).all() and values.sum() > 0):
            raise ModelError(
                f"{self.name}: {what}={given!r}: amounts are finite and not negative, one positive"
            )
        return values

    def _number_of(self, value: Any, what: str) -> float:
        """A number of Python's or NumPy's as a float, or ModelError."""
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            raise ModelError(f"{self.name}: {what}={value!r} is not a number")
        return float(value)

    def _some_names(self) -> str:
        names = self.species_names
        return ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")

    # ---- reactors ---------------------------------------------------------------------------------
    def reactor(
        self,
        kind: str = "constant volume",
        *,
        T: float | None = None,
        P: float | None = None,
        X: Composition | None = None,
        Y: Composition | None = None,
        energy: str = "adiabatic",
    ) -> System:
        """A closed, well-mixed reactor as a system in time (s).

        kind: "constant volume" or "constant pressure". energy: "adiabatic" or "isothermal" (T is then a
        parameter). T (K), P (Pa) and the composition X or Y: the start; without them it is given to the
        problem. Unknowns: ``T``, the mass fractions ``Y_CH4`` etc. and ``moles``, the kmol in a kg, which
        follows from these. ``P`` and ``density`` (kg/m^3): that which is held is a parameter, the other
        one a variable. A[j], b[j], Ea[j] (A_low[j], A_high[j] etc. of falloff reactions): parameters, in
        kmol, m, s, J. kf[j], kr[j], rate[j] (per mass: kmol/(kg s)) and wdot[species]: variables.
        """
        if kind not in _KINDS:
            raise ModelError(f"reactor of kind {kind!r}; known: {', '.join(_KINDS)}")
        if energy not in _ENERGY:
            raise ModelError(f"energy={energy!r}; known: {', '.join(_ENERGY)}")
        if not self.reactions:
            raise ModelError(f"{self.name} has no reactions; a reactor would stay as it is")
        system = self._system(kind, energy)
        if T is None and P is None and X is None and Y is None:
            return system
        start = self._start(T, P, X, Y)
        held = ("T", "moles", "density" if kind == "constant volume" else "P")
        defaults = {system[name]: start[name] for name in held}
        fractions = zip(self.species_names, start["Y"].tolist(), strict=True)
        defaults |= {system[f"Y_{name}"]: value for name, value in fractions}
        return System(system.name, [*system.blocks, *system.equations], defaults=defaults)

    def _system(self, kind: str, energy: str) -> System:
        volume, adiabatic = kind == "constant volume", energy == "adiabatic"
        temperature = _symbol("T", "variable" if adiabatic else "parameter", "K")
        density = _symbol("density", "parameter" if volume else "variable", "kg/m^3")
        pressure = _symbol("P", "variable" if volume else "parameter", "Pa")
        moles = _symbol("moles", "variable", None)
        fractions = [_symbol(f"Y_{name}", "variable", None) for name in self.species_names]
        gas = GasBlock(
            self.species, self.reactions, temperature, pressure, density, moles, fractions
        )
        if adiabatic:
            gas.energy(volume)
        block = gas.block()
        state = GAS_CONSTANT * temperature * moles
        law = Equation(pressure, density * state) if volume else Equation(density, pressure / state)
        return System(_identifier(self.name), [block, law])

    def _start(
        self, T: float | None, P: float | None, X: Composition | None, Y: Composition | None
    ) -> dict[str, Any]:
        for what, value in (("T", T), ("P", P)):
            if value is None or not 0 < self._number_of(value, what) < np.inf:
                raise ModelError(f"{self.name}: {what}={value}: a start takes T in K and P in Pa, positive")
        assert T is not None
        assert P is not None
        fractions = self.mass_fractions(X, Y)
        moles = float((fractions / self.molar_masses).sum())
        return {"T": T, "P": P, "Y": fractions, "moles": moles, "density": P / (GAS_CONSTANT * T * moles)}

    # ---- properties -------------------------------------------------------------------------------
    def at(
        self, *, T: float, P: float, X: Composition | None = None, Y: Composition | None = None
    ) -> GasState:
        """Thermodynamics and rates at T (K), P (Pa) and a composition, by compiled code."""
        return self._evaluator.at(self._start(T, P, X, Y))

    @cached_property
    def _evaluator(self) -> Evaluator:
        return Evaluator(self.species, self.reactions, self._system("constant pressure", "adiabatic"))


def _symbol(name: str, kind: str, unit: str | None) -> Expr:
    return symbol(Symbol(name, kind, unit))


def _identifier(name: str) -> str:
    """The name of a phase as the name of a system."""
    cleaned = re.sub(r"\W", "_", name)
    return cleaned if cleaned[:1].isalpha() else f"gas_{cleaned}"
