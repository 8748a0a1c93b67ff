"""Electrical circuits: passive elements, sources, switches, semiconductors, amplifiers, a motor."""

from symnum.models.electrical.motor import ElectromotiveForce
from symnum.models.electrical.passive import (
    Capacitor,
    Conductor,
    CoupledInductors,
    CurrentSensor,
    IdealTransformer,
    Inductor,
    Resistor,
    Switch,
    VoltageSensor,
)
from symnum.models.electrical.pins import Ground, Pin, TwoPin, TwoPort
from symnum.models.electrical.semiconductors import NPN, Diode, IdealDiode
from symnum.models.electrical.sources import (
    CurrentSource,
    OpAmp,
    SignalCurrent,
    SignalVoltage,
    SineVoltage,
    VoltageControlledCurrent,
    VoltageControlledVoltage,
    VoltageSource,
)

__all__ = [
    "NPN",
    "Capacitor",
    "Conductor",
    "CoupledInductors",
    "CurrentSensor",
    "CurrentSource",
    "Diode",
    "ElectromotiveForce",
    "Ground",
    "IdealDiode",
    "IdealTransformer",
    "Inductor",
    "OpAmp",
    "Pin",
    "Resistor",
    "SignalCurrent",
    "SignalVoltage",
    "SineVoltage",
    "Switch",
    "TwoPin",
    "TwoPort",
    "VoltageControlledCurrent",
    "VoltageControlledVoltage",
    "VoltageSensor",
    "VoltageSource",
]
