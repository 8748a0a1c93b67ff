"""What circuits are joined by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import symnum as sn


class Pin(sn.Connector):
    """An end of an element: potential, and current into the element."""

    v = sn.potential(unit="V")
    i = sn.flow(unit="A")


class Ground(sn.Component):
    """The potential zero; every circuit needs one."""

    p = Pin()

    def equations(self) -> Sequence[Any]:
        return [self.p.v == 0]


class TwoPin(sn.Component):
    """What all elements with two pins share: the voltage v from p to n, and the current i from p to n."""

    p, n = Pin(), Pin()
    v = sn.variable(unit="V")
    i = sn.variable(unit="A")

    def pins(self) -> list[Any]:
        return [self.v == self.p.v - self.n.v, self.i == self.p.i, self.p.i + self.n.i == 0]


class TwoPort(sn.Component):
    """Two pairs of pins, with a voltage from p to n and a current into p at each; nothing flows between."""

    p1, n1, p2, n2 = Pin(), Pin(), Pin(), Pin()
    v1, v2 = sn.variable(unit="V"), sn.variable(unit="V")
    i1, i2 = sn.variable(unit="A"), sn.variable(unit="A")

    def pins(self) -> list[Any]:
        return [
            self.v1 == self.p1.v - self.n1.v, self.i1 == self.p1.i, self.p1.i + self.n1.i == 0,
            self.v2 == self.p2.v - self.n2.v, self.i2 == self.p2.i, self.p2.i + self.n2.i == 0,
        ]  # fmt: skip
