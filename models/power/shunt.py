"""Shunts: fixed admittances from a bus to earth, and faults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import symnum as sn
from symnum.models.power.connectors import Terminal


class Shunt(sn.Component):
    """A capacitor bank or reactor, ``I = closed (g + jb) V``."""

    terminal = Terminal()
    g = sn.parameter(0.0, unit="pu", about="conductance")
    b = sn.parameter(0.0, unit="pu", about="susceptance, positive for a capacitor")
    closed = sn.parameter(1.0, unit="1", about="1 in service, 0 tripped")

    def equations(self) -> Sequence[Any]:
        g, b, at = self.closed * self.g, self.closed * self.b, self.terminal
        return [at.i_re == g * at.v_re - b * at.v_im, at.i_im == b * at.v_re + g * at.v_im]


class Fault(sn.Component):
    """A three-phase fault to earth through r + jx, ``I = active V/(r + jx)``; events switch ``active``.

    r + jx must not be zero: a fault without any impedance leaves the voltage at the bus undetermined. In
    this formulation 1e-8 is as harmless to the solver as 1e-2.
    """

    terminal = Terminal()
    r = sn.parameter(0.0, unit="pu", about="fault resistance")
    x = sn.parameter(1e-4, unit="pu", about="fault reactance")
    active = sn.parameter(0.0, unit="1", about="1 while the fault is on, else 0")

    def equations(self) -> Sequence[Any]:
        g = self.active * self.r / (self.r**2 + self.x**2)
        b = -self.active * self.x / (self.r**2 + self.x**2)
        at = self.terminal
        return [at.i_re == g * at.v_re - b * at.v_im, at.i_im == b * at.v_re + g * at.v_im]
