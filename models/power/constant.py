"""Controls that do nothing: constant field voltage, constant torque, no stabilizer.

They show what a machine asks of its controls. An exciter takes the terminal voltage ``v``, the speed
``omega`` and the stabilizing signal ``vs``, and gives the field voltage ``vf``. A governor takes ``omega``
and gives the torque ``tm``. A stabilizer takes ``omega``, ``v`` and the torques ``te`` and ``tm`` on the
rating of the machine, and gives ``vs``. The machine equates these with its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import symnum as sn


class ConstantField(sn.Component):
    """Field voltage ``vf0``, whatever happens."""

    vf0 = sn.parameter(unit="pu", about="field voltage")
    v = sn.variable(unit="pu", about="terminal voltage (not used)")
    omega = sn.variable(unit="pu", about="speed (not used)")
    vs = sn.variable(unit="pu", about="stabilizing signal (not used)")
    vf = sn.variable(unit="pu", about="field voltage")

    def equations(self) -> Sequence[Any]:
        return [self.vf == self.vf0]


class ConstantTorque(sn.Component):
    """Mechanical torque ``tm0``, whatever happens."""

    tm0 = sn.parameter(unit="pu", about="mechanical torque on the system base")
    omega = sn.variable(unit="pu", about="speed (not used)")
    tm = sn.variable(unit="pu", about="mechanical torque on the system base")

    def equations(self) -> Sequence[Any]:
        return [self.tm == self.tm0]


class NoStabilizer(sn.Component):
    """No stabilizing signal."""

    omega = sn.variable(unit="pu", about="speed (not used)")
    v = sn.variable(unit="pu", about="terminal voltage (not used)")
    te = sn.variable(unit="pu", about="electrical torque on the rating of the machine (not used)")
    tm = sn.variable(unit="pu", about="mechanical torque on the rating of the machine (not used)")
    vs = sn.variable(unit="pu", about="stabilizing signal")

    def equations(self) -> Sequence[Any]:
        return [self.vs == 0]
