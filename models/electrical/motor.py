"""Between circuits and shafts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import symnum as sn
from symnum.models.electrical.pins import TwoPin
from symnum.models.mechanical.rotational import Shaft


class ElectromotiveForce(TwoPin):
    """An ideal motor or generator: v = k omega, and k i as torque on its shaft, without loss."""

    shaft = Shaft()
    k = sn.parameter(1.0, unit="V*s", about="volts per rad/s, newton metres per ampere")
    omega = sn.variable(unit="rad/s", about="speed of the shaft")

    def equations(self) -> Sequence[Any]:
        return [
            *self.pins(),
            sn.D(self.shaft.phi) == self.omega,
            self.v == self.k * self.omega,
            self.shaft.tau == -self.k * self.i,
        ]
