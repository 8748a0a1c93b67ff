"""Load: constant impedance, current and power."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import symnum as sn
from symnum.models.power.connectors import Terminal


class Load(sn.Component):
    """Draws p + jq at the voltage v0; how it depends on voltage is given by shares.

        P = p (p2p + p2i V/v0 + p2z (V/v0)^2) ,    Q = q (q2q + q2i V/v0 + q2z (V/v0)^2)

    The shares count with ``mixed=True`` only. Otherwise the load is a constant impedance, the usual model
    after a disturbance: its current is then linear in the voltage, and the whole network stays linear.
    A share of constant power or current has no solution at a faulted bus, where the voltage is near zero.
    """

    terminal = Terminal()
    mixed = sn.option(False)
    p = sn.parameter(unit="pu", about="active power at v0")
    q = sn.parameter(0.0, unit="pu", about="reactive power at v0")
    v0 = sn.parameter(1.0, unit="pu", about="voltage magnitude at which the load draws p + jq")
    p2p = sn.parameter(0.0, unit="1", about="share of constant active power")
    p2i = sn.parameter(0.0, unit="1", about="share of active power at constant current")
    p2z = sn.parameter(1.0, unit="1", about="share of active power at constant impedance")
    q2q = sn.parameter(0.0, unit="1", about="share of constant reactive power")
    q2i = sn.parameter(0.0, unit="1", about="share of reactive power at constant current")
    q2z = sn.parameter(1.0, unit="1", about="share of reactive power at constant impedance")
    closed = sn.parameter(1.0, unit="1", about="1 in service, 0 shed")

    def equations(self) -> Sequence[Any]:
        at = self.terminal
        g = self.closed * self.p / self.v0**2  # of the impedance that draws p + jq at v0
        b = -self.closed * self.q / self.v0**2
        if self.mixed:
            squared = (at.v_re**2 + at.v_im**2) / self.v0**2
            g *= self.p2p / squared + self.p2i / sn.sqrt(squared) + self.p2z
            b *= self.q2q / squared + self.q2i / sn.sqrt(squared) + self.q2z
        return [at.i_re == g * at.v_re - b * at.v_im, at.i_im == b * at.v_re + g * at.v_im]
