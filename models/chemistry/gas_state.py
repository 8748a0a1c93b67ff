"""One state of a gas: thermodynamics and rates, evaluated by compiled code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.language.system import System
from symnum.lowering.lower import lower
from symnum.lowering.values import Values
from symnum.models.chemistry.gas_reaction import GAS_CONSTANT, GasReaction, GasSpecies

__all__ = ["Evaluator", "GasState"]

FloatArray: TypeAlias = NDArray[np.float64]


class GasState:
    """Properties at one temperature, pressure and composition; per species in the order of the mechanism.

    T (K), P (Pa), Y (n_species,), density (kg/m^3), moles (kmol/kg), concentrations (kmol/m^3).
    cp_R, h_RT, s_R: heat capacity, enthalpy and entropy at the reference pressure over R, R T and R.
    forward_rate_constants, reverse_rate_constants (0 for irreversible reactions), in kmol, m^3, s; without
    the concentration of a third body. rates_of_progress: forward minus reverse, kmol/(m^3 s).
    production_rates: kmol/(m^3 s) of each species.
    """

    def __init__(
        self, start: Mapping[str, Any], species: Sequence[GasSpecies], values: Mapping[str, FloatArray]
    ) -> None:
        self.T: float = start["T"]
        self.P: float = start["P"]
        self.Y: FloatArray = start["Y"]
        self.moles: float = start["moles"]
        self.density: float = start["density"]
        self._weight = np.array([entry.weight for entry in species])
        self._reference = np.array([entry.reference for entry in species])
        self.concentrations: FloatArray = self.density * self.Y / self._weight
        self.cp_R, self.h_RT = values["cp_R"], values["h_RT"]
        gibbs = values["mu"] + np.log(self._reference / (GAS_CONSTANT * self.T))
        self.s_R: FloatArray = self.h_RT - gibbs
        self.forward_rate_constants, self.reverse_rate_constants = values["kf"], values["kr"]
        self.rates_of_progress: FloatArray = self.density * values["rate"]
        self.production_rates: FloatArray = self.density * values["wdot"]

    @property
    def mole_fractions(self) -> FloatArray:
        """(n_species,)."""
        fractions: FloatArray = self.Y / self._weight / self.moles
        return fractions

    @property
    def cp(self) -> float:
        """Heat capacity at constant pressure, J/(kg K)."""
        return float(GAS_CONSTANT * (self.Y / self._weight) @ self.cp_R)

    @property
    def cv(self) -> float:
        """Heat capacity at constant volume, J/(kg K)."""
        return self.cp - GAS_CONSTANT * self.moles

    @property
    def enthalpy(self) -> float:
        """J/kg."""
        return float(GAS_CONSTANT * self.T * (self.Y / self._weight) @ self.h_RT)

    @property
    def entropy(self) -> float:
        """J/(kg K), that of mixing included."""
        x = self.mole_fractions
        present = x > 0
        mixing = np.log(x[present] * self.P / self._reference[present])
        total = self.Y / self._weight @ self.s_R - self.moles * float(x[present] @ mixing)
        return float(GAS_CONSTANT * total)

    def __repr__(self) -> str:
        return f"<GasState {self.T:g} K, {self.P:g} Pa, {self.density:g} kg/m^3>"


class Evaluator:
    """Evaluates the variables of a reactor in any state; compiled once."""

    def __init__(
        self, species: Sequence[GasSpecies], reactions: Sequence[GasReaction], system: System
    ) -> None:
        self._species = species
        self._flat = lower(system)
        names = [entry.name for entry in species]
        every = range(len(reactions))
        reversible = [j for j in every if reactions[j].reversible]
        self._keys = {
            **{what: [f"{what}[{name}]" for name in names] for what in ("cp_R", "h_RT", "mu", "wdot")},
            **(
                {"kf": [f"kf[{j}]" for j in every], "rate": [f"rate[{j}]" for j in every]}
                if reactions
                else {}
            ),
            "kr": [f"kr[{j}]" for j in reversible],
        }
        self._reversible = np.array(reversible, np.int64)
        self._n_reactions = len(reactions)
        self._parameters = self._flat.parameters.block_values()

    @cached_property
    def _values(self) -> Values:
        return Values(self._flat, [key for keys in self._keys.values() for key in keys])

    def at(self, start: Mapping[str, Any]) -> GasState:
        """The properties of a state {T, P, Y, moles, density}."""
        flat = self._flat
        u, p = np.zeros(flat.n), self._parameters.copy()
        u[flat.position[flat.number_of("T", "at")]] = start["T"]
        u[flat.position[flat.number_of("moles", "at")]] = start["moles"]
        for name, value in zip((entry.name for entry in self._species), start["Y"], strict=True):
            u[flat.position[flat.number_of(f"Y_{name}", "at")]] = value
        p[flat.parameter_index("P", "at")] = start["P"]
        flatly = self._values(0.0, u, p)
        ends = np.cumsum([len(keys) for keys in self._keys.values()])
        found = dict(zip(self._keys, np.split(flatly, ends[:-1]), strict=True))
        reverse = np.zeros(self._n_reactions)
        reverse[self._reversible] = found["kr"]
        none = np.zeros(0)
        return GasState(start, self._species, {"kf": none, "rate": none, **found, "kr": reverse})
