"""Heat in lumped bodies: storage, conduction, convection, radiation."""

from symnum.models.thermal.heat import (
    Convection,
    FixedTemperature,
    HeatCapacitor,
    HeatPath,
    HeatPort,
    HeatSource,
    Radiation,
    SignalHeat,
    SignalTemperature,
    ThermalConductor,
)

__all__ = [
    "Convection",
    "FixedTemperature",
    "HeatCapacitor",
    "HeatPath",
    "HeatPort",
    "HeatSource",
    "Radiation",
    "SignalHeat",
    "SignalTemperature",
    "ThermalConductor",
]
