"""Electrical components for tests: the smallest library in which connections, options and families occur."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import symnum as sn


class Pin(sn.Connector):
    v = sn.potential(unit="V")
    i = sn.flow(unit="A")


class Ground(sn.Component):
    p = Pin()

    def equations(self) -> Sequence[Any]:
        return [self.p.v == 0]


class TwoPin(sn.Component):
    """What all two-pin elements share. The current i flows from p to n."""

    p, n = Pin(), Pin()
    v = sn.variable(unit="V")
    i = sn.variable(unit="A")

    def pins(self) -> list[Any]:
        return [self.v == self.p.v - self.n.v, self.i == self.p.i, self.p.i + self.n.i == 0]


class Resistor(TwoPin):
    R = sn.parameter(1e3, unit="ohm", about="resistance")

    def equations(self) -> Sequence[Any]:
        return [*self.pins(), self.v == self.R * self.i]


class Capacitor(TwoPin):
    C = sn.parameter(1e-6, unit="F")
    v = sn.variable(unit="V", start=0)

    def equations(self) -> Sequence[Any]:
        return [*self.pins(), self.C * sn.D(self.v) == self.i]


class Inductor(TwoPin):
    L = sn.parameter(1e-3, unit="H")
    i = sn.variable(unit="A", start=0)

    def equations(self) -> Sequence[Any]:
        return [*self.pins(), self.L * sn.D(self.i) == self.v]


class Diode(TwoPin):
    saturation = sn.parameter(1e-12, unit="A")
    thermal = sn.parameter(0.025, unit="V")

    def equations(self) -> Sequence[Any]:
        return [*self.pins(), self.i == self.saturation * (sn.exp(self.v / self.thermal) - 1)]


class Source(TwoPin):
    """A voltage source: constant, or a sine with the option."""

    V = sn.parameter(1.0, unit="V")
    f = sn.parameter(50.0, unit="Hz")
    sine = sn.option(False)

    def equations(self) -> Sequence[Any]:
        shape = sn.sin(2 * 3.141592653589793 * self.f * sn.t) if self.sine else 1
        return [*self.pins(), self.v == self.V * shape]


class Section(sn.Component):
    """One cell of a ladder: a series resistor, then a capacitor to the common node."""

    a, b, common = Pin(), Pin(), Pin()
    r = Resistor(R=1.0)
    c = Capacitor(C=1.0)

    def equations(self) -> Sequence[Any]:
        return [
            sn.connect(self.a, self.r.p),
            sn.connect(self.r.n, self.c.p, self.b),
            sn.connect(self.c.n, self.common),
        ]


def ladder(count: int, **source: Any) -> sn.System:
    """`count` sections behind a source, open at the far end."""
    sections = [Section(f"s{k}", r=Resistor(R=1.0 + 0.001 * k)) for k in range(count)]
    src, ground = Source("src", **source), Ground("ground")
    far = End("far")
    joints = [sn.connect(one.b, two.a) for one, two in pairwise(sections)]
    return sn.System(
        "ladder",
        [
            sn.connect(src.p, sections[0].a),
            *joints,
            sn.connect(sections[-1].b, far.p),
            sn.connect(src.n, ground.p, *(section.common for section in sections)),
        ],
    )


class End(sn.Component):
    """An open end: no current."""

    p = Pin()

    def equations(self) -> Sequence[Any]:
        return [self.p.i == 0]
