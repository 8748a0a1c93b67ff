"""Signal blocks: each takes ``u`` from an equation of the system and gives ``y``."""

from symnum.models.blocks.control import PID, SampledPID
from symnum.models.blocks.linear import (
    Block,
    Derivative,
    FirstOrder,
    Gain,
    Integrator,
    LeadLag,
    SecondOrder,
    TransferFunction,
)
from symnum.models.blocks.nonlinear import DeadZone, Limiter, Table
from symnum.models.blocks.sources import ramp, sine, step

__all__ = [
    "PID",
    "Block",
    "DeadZone",
    "Derivative",
    "FirstOrder",
    "Gain",
    "Integrator",
    "LeadLag",
    "Limiter",
    "SampledPID",
    "SecondOrder",
    "Table",
    "TransferFunction",
    "ramp",
    "sine",
    "step",
]
