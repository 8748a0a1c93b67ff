"""What a mechanism is made of: gas species with their thermodynamics, and reactions with their rate laws.

Units everywhere: m, kg, s, K, kmol, J; rate constants in (kmol/m^3)^(1 - order)/s, activation energies in
J/kmol.
"""

from __future__ import annotations

from collections.abc import Mapping

from symnum.record import record

__all__ = ["ATMOSPHERE", "GAS_CONSTANT", "Arrhenius", "GasReaction", "GasSpecies", "ThirdBody"]

GAS_CONSTANT = 8314.46261815324
"""J/(kmol K), exact in the SI of 2019."""
ATMOSPHERE = 101325.0
"""Pa; the reference pressure where a file gives none."""


@record
class GasSpecies:
    """A species with NASA polynomials of seven coefficients.

    cp/R = a0 + a1 T + ... + a4 T^4;  h/(R T) = a0 + a1 T/2 + ... + a4 T^4/5 + a5/T;
    s/R = a0 ln T + a1 T + ... + a4 T^4/4 + a6 at the pressure ``reference``. ``low`` holds below ``middle``,
    ``high`` from there on. (McBride, Gordon, Reno, NASA TM-4513, 1993.)
    """

    name: str
    composition: Mapping[str, float]  # atoms of each element; E: electrons
    weight: float  # kg/kmol
    range: tuple[float, float]  # K
    middle: float  # K
    low: tuple[float, ...]
    high: tuple[float, ...]
    reference: float  # Pa
    line: int


@record
class Arrhenius:
    """k = A T^b exp(-Ea/(R T))."""

    A: float
    b: float
    Ea: float


@record
class ThirdBody:
    """M = sum of efficiency times concentration; ``default`` for species that are not listed."""

    default: float
    efficiencies: Mapping[str, float]


@record
class GasReaction:
    """One reaction of a mechanism.

    reactants, products: {species: count}. orders: exponents of the concentrations in the forward rate, where
    they are not the counts. kind: "elementary", "three-body", "falloff" (k = k_high Pr/(1 + Pr) F) or
    "chemically-activated" (k = k_low F/(1 + Pr)), with Pr = k_low M/k_high, "pressure-dependent-Arrhenius"
    (log k linear in log P between ``levels``). rate: the constant, of falloff reactions that of the
    high-pressure limit, of pressure-dependent ones a law at the lowest pressure. broadening: name and
    constants of F ("Lindemann": 1). levels: (pressure in Pa, laws whose sum holds there), increasing.
    """

    equation: str
    line: int
    reactants: Mapping[str, float]
    products: Mapping[str, float]
    orders: Mapping[str, float]
    reversible: bool
    kind: str
    rate: Arrhenius
    low: Arrhenius | None
    broadening: tuple[str, tuple[float, ...]]
    third_body: ThirdBody | None
    duplicate: bool
    levels: tuple[tuple[float, tuple[Arrhenius, ...]], ...] = ()
