"""The centre of inertia, whose rotation carries the frame of all phasors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import symnum as sn
from symnum.models.power.connectors import Frame


class CenterOfInertia(sn.Component):
    """Turns the frame: its speed is the mean of the machines' speeds, weighted by inertia.

    The mean itself is not written here: the momenta of all machines against the frame sum to zero where
    their connectors meet. ``angle`` starts at the weighted mean of the rotor angles, so that it is the angle
    of the centre of inertia, and the rotor angles of the machines are those relative to it.
    """

    frame = Frame()
    frequency = sn.parameter(60.0, unit="Hz", about="nominal frequency")
    angle = sn.variable(unit="rad", start=0.0, about="angle ahead of the synchronous frame")
    slip = sn.variable(unit="rad/s", guess=0.0, about="speed above nominal")
    omega = sn.variable(unit="pu", about="speed")

    def equations(self) -> Sequence[Any]:
        return [
            sn.D(self.angle) == self.slip,
            self.slip == self.frame.slip,
            self.frame.angle == self.angle,
            self.frame.momentum == 0,
            self.omega == 1 + self.slip / (2 * math.pi * self.frequency),
        ]
