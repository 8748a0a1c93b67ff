"""Models of any size for the code generation benchmark: grid, ladder, network, distinct statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import symnum as sn
from symnum.codegen.function import Column as LoopColumn
from symnum.codegen.function import Function, Loop, Output
from symnum.language.block import Block, Column, GridNames, IndexedEquation, Quantities, References
from symnum.models.power.bus import Bus
from symnum.models.power.constant import ConstantTorque
from symnum.models.power.gencls import GENCLS
from symnum.models.power.inertia import CenterOfInertia
from symnum.models.power.line import Line
from symnum.models.power.load import Load
from symnum.rewriting.expr import slot

ALPHA, A, B = sn.parameters(alpha=0.02, A=3.4, B=1.0)


def brusselator(size: int) -> sn.System:
    """size x size points, periodic: wrapped rows and columns are entries of the index tables.

    D(u) = B + u^2 v - (A + 1) u + alpha lap(u), D(v) = A u - u^2 v + alpha lap(v); states u then v.
    """
    grid = np.arange(size * size).reshape(size, size)
    around = [np.roll(grid, shift, axis).ravel() for axis in (0, 1) for shift in (1, -1)]
    u = Quantities("variable", GridNames("u", grid.shape))
    v = Quantities("variable", GridNames("v", grid.shape))
    shared = References((ALPHA, A, B))
    here = grid.ravel()
    equations = []
    for own, sign in ((u, 1), (v, -1)):
        other = v if own is u else u
        columns = [Column(own, here, derivative=True), Column(own, here), Column(other, here)]
        columns += [Column(own, index) for index in around]
        columns += [Column(shared, np.full(len(here), k)) for k in range(3)]
        d, x, y = (slot("u", k) for k in range(3))
        alpha, a, b = (slot("p", 7 + k) for k in range(3))
        diffusion = alpha * (sum(slot("u", 3 + k) for k in range(4)) - 4 * x)
        reaction = b + x**2 * y - (a + 1) * x if sign > 0 else a * y - y**2 * x
        field = own.names

        def label(copy: int, field: object = field) -> str:
            return f"D({field[copy]}) == ..."  # type: ignore[index]

        equations.append(IndexedEquation(d - reaction - diffusion, tuple(columns), label))
    return sn.System(f"brusselator{size}", [Block((u, v, shared), tuple(equations))])


class Pin(sn.Connector):
    v = sn.potential(unit="V")
    i = sn.flow(unit="A")


class TwoPin(sn.Component):
    p, n = Pin(), Pin()

    def joined(self, current: Any) -> list[Any]:
        return [self.p.i == current, self.n.i == -current]


class Resistor(TwoPin):
    R = sn.parameter(1.0, unit="ohm")

    def equations(self) -> Sequence[Any]:
        return self.joined((self.p.v - self.n.v) / self.R)


class Capacitor(TwoPin):
    C = sn.parameter(1.0, unit="F")
    v = sn.variable(unit="V", start=0)

    def equations(self) -> Sequence[Any]:
        return [self.v == self.p.v - self.n.v, *self.joined(self.C * sn.D(self.v))]


class Source(TwoPin):
    V = sn.parameter(1.0, unit="V")
    i = sn.variable(unit="A")

    def equations(self) -> Sequence[Any]:
        return [self.p.v - self.n.v == self.V, *self.joined(self.i)]


class Ground(sn.Component):
    p = Pin()

    def equations(self) -> Sequence[Any]:
        return [self.p.v == 0]


def ladder(sections: int) -> sn.System:
    """A source, then ``sections`` times a resistor in line and a capacitor to ground."""
    source, ground = Source("source"), Ground("ground")
    before, earth, joints = source.p, [source.n, ground.p], []
    for k in range(sections):
        resistor, capacitor = Resistor(f"r{k}", R=1 + 0.001 * k), Capacitor(f"c{k}")
        joints.append(sn.connect(before, resistor.p))
        joints.append(sn.connect(resistor.n, capacitor.p))
        before = capacitor.p
        earth.append(capacitor.n)
    return sn.System(f"ladder{sections}", [*joints, sn.connect(*earth)])


def network(buses: int) -> sn.System:
    """A ring of buses with chords, a load at each, a classical machine at every fifth."""
    rng = np.random.default_rng(7)
    nodes = [Bus(f"bus_{k}", v_re=1.0, v_im=0.0) for k in range(buses)]
    meeting = [[node.terminal] for node in nodes]
    parts: list[Any] = list(nodes)
    for k in range(buses):
        ends = [(k + 1) % buses] + ([(k + 7) % buses] if k % 2 == 0 and buses > 8 else [])
        for number, end in enumerate(ends):
            line = Line(f"line_{k}_{number}", r=0.01, x=float(rng.uniform(0.05, 0.15)), b=0.02)
            parts.append(line)
            meeting[k].append(line.start)
            meeting[end].append(line.end)
        load = Load(f"load_{k}", p=float(rng.uniform(0.05, 0.15)), q=0.02)
        parts.append(load)
        meeting[k].append(load.terminal)
    machines = [
        GENCLS(f"g{k}", M=8.0, D=2.0, xd1=0.3, vf=1.1, delta=0.1, governor=ConstantTorque(tm0=0.5))
        for k in range(0, buses, 5)
    ]
    for number, machine in enumerate(machines):
        meeting[5 * number].append(machine.terminal)
    frame = CenterOfInertia("coi")
    turning = [frame.frame, *(m.frame for m in machines), *(node.frame for node in nodes)]
    joints = [sn.connect(*terminals) for terminals in meeting]
    return sn.System(f"network{buses}", [*joints, sn.connect(*turning)], parts=[*parts, *machines, frame])


def statements(count: int, states: int = 200) -> Function:
    """``count`` distinct statements of one to three operations, in straight-line code: nothing repeats."""
    rng = np.random.default_rng(0)
    values = [slot("u", k) for k in range(states)]
    kind, recent, any_ = rng.integers(0, 5, count), rng.random(count), rng.random(count)
    factor = rng.uniform(0.5, 1.5, count)
    forms = (
        lambda x, y, c: x * y + c,
        lambda x, y, c: x - c * y,
        lambda x, y, c: sn.sin(x) + c * y,
        lambda x, y, c: x / (2 + y * y) + c,
        lambda x, y, c: c * x * y - x,
    )
    for k in range(count):
        x = values[-1 - int(recent[k] * min(len(values), 400))]
        y = values[int(any_[k] * len(values))]
        values.append(forms[kind[k]](x, y, float(factor[k])))
    places = [np.array([k]) for k in range(states)]
    loop = Loop(
        "statements", 1, tuple(values[-states:]),
        tuple(LoopColumn("u", at) for at in places), tuple(Output("out", at) for at in places),
    )  # fmt: skip
    return Function("statements", (loop,), states, 0)
