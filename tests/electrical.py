"""Circuits for tests, made of the library's components: a source with an option, and a ladder of sections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import symnum as sn
from symnum.models.electrical.passive import Capacitor, Inductor, Resistor
from symnum.models.electrical.pins import Ground, Pin, TwoPin
from symnum.models.electrical.semiconductors import Diode

__all__ = ["Capacitor", "Diode", "End", "Ground", "Inductor", "Pin", "Resistor", "Section", "Source"]


class Source(TwoPin):
    """A voltage source: constant, or a sine with the option."""

    V = sn.parameter(1.0, unit="V")
    f = sn.parameter(50.0, unit="Hz")
    sine = sn.option(False)

    def equations(self) -> Sequence[Any]:
        shape = sn.sin(2 * math.pi * self.f * sn.t) if self.sine else 1
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
