"""Grids of any size from records: a ring of machines, whose generated code does not grow with it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError
from symnum.models.power import gencls
from symnum.models.power.constant import ConstantTorque
from symnum.models.power.gencls import GENCLS
from symnum.models.power.grid import power_system
from symnum.models.power.network import (
    BranchData,
    BusData,
    GeneratorData,
    LoadData,
    Network,
    ShuntData,
)
from symnum.models.power.powerflow import power_flow


@cache
def ring(n: int) -> sn.System:
    """n buses in a ring, each with a classical machine, a load at every second one, a capacitor at b2."""
    buses = [f"b{i}" for i in range(n)]
    network = Network(
        buses=tuple(BusData(bus) for bus in buses),
        branches=tuple(
            BranchData(f"line{i}", buses[i], buses[(i + 1) % n], r=0.01, x=0.1, b=0.02) for i in range(n)
        ),
        loads=tuple(LoadData(f"load{i}", f"b{i}", p=1.6, q=0.4) for i in range(1, n, 2)),
        shunts=(ShuntData("bank", "b2", g=0.0, b=0.3),),
        generators=(
            GeneratorData("g0", "b0", v=1.02, angle=0.0),
            *(GeneratorData(f"g{i}", f"b{i}", v=1.0, p=0.8 + 0.01 * (i % 3)) for i in range(1, n)),
        ),
    )
    flow = power_flow(network)
    machines = {}
    for g in network.generators:
        rest = gencls.steady_state(flow.voltage[g.bus], flow.generation[g.name], xd1=0.25)
        machines[g.name] = GENCLS(
            g.name, M=8.0, D=1.0, xd1=0.25, vf=rest.vf, delta=rest.delta, governor=ConstantTorque(tm0=rest.tm)
        )
    return power_system("ring", network, flow, machines)


def test_code_does_not_grow_with_the_grid() -> None:
    sizes = {n: len(sn.compile(ring(n), simplify=None).source("llvm").splitlines()) for n in (8, 16, 64)}
    assert max(sizes.values()) < 1.15 * min(sizes.values()), sizes


@pytest.mark.parametrize("n", [8, 64])
def test_stays_at_rest(n: int) -> None:
    system = ring(n)
    solution = sn.solve(sn.Problem(system, span=(0, 5)), rtol=1e-8, atol=1e-10, saveat=[0.0, 5.0])
    for i in range(n):
        np.testing.assert_allclose(np.diff(solution[system[f"g{i}"].angle]), 0.0, atol=1e-7)


def test_one_open_line_keeps_a_ring_together_and_two_do_not() -> None:
    system = ring(8)
    once = [sn.Event(at=0.1, then={system.line3.closed: 0})]
    swing = sn.solve(sn.Problem(system, span=(0, 1), events=once), saveat=[0.0, 1.0])
    assert abs(np.diff(swing[system.g3.delta])).max() > 1e-3
    twice = [*once, sn.Event(at=0.2, then={system.line5.closed: 0})]
    with pytest.raises(ModelError, match="line3 and line5 open, bus b4, b5 has no tie"):
        sn.solve(sn.Problem(system, span=(0, 1), events=twice))
