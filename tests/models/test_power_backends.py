"""Every back end agrees on the power systems, and their derivatives with differences."""

from __future__ import annotations

import cmath
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

import symnum as sn
from symnum.codegen.emitter import BACKENDS
from symnum.lowering.compile import CompiledSystem
from symnum.models.power import genrou, kundur
from symnum.models.power.bus import Bus, InfiniteBus
from symnum.models.power.constant import ConstantField, ConstantTorque
from symnum.models.power.genrou import GENROU
from symnum.models.power.line import Line
from symnum.models.power.load import Load

Array = NDArray[np.float64]


def saturated_machine() -> sn.System:
    """A saturated machine and a load of all three kinds, behind a line."""
    values = {"ra": 0.003, "xl": 0.15, "xd": 1.8, "xq": 1.7, "xd1": 0.3, "xq1": 0.55, "xd2": 0.25}
    saturation = {"saturation_start": 0.8, "saturation_slope": 0.4}
    rest = genrou.steady_state(1.02 * cmath.exp(0.3j), 2.2 + 0.9j, **values, **saturation, Sn=300.0)
    g = GENROU(
        "g", **values, **saturation, saturation=True, Sn=300, M=9, D=2,
        Td10=8, Tq10=0.4, Td20=0.03, Tq20=0.05,
        delta=rest.delta, e1q=rest.e1q, e1d=rest.e1d, e2d=rest.e2d, e2q=rest.e2q,
        exciter=ConstantField(vf0=rest.vf), governor=ConstantTorque(tm0=rest.tm),
    )  # fmt: skip
    grid, bus = InfiniteBus("grid"), Bus("bus", v_re=1.0, v_im=0.3)
    line = Line("line", r=0.01, x=0.1, b=0.2, tap=0.97, phase=0.1)
    load = Load("load", mixed=True, p=0.8, q=0.3, p2p=0.2, p2i=0.3, p2z=0.5, q2q=0.5, q2i=0.3, q2z=0.2)
    return sn.System(
        "saturated_machine",
        [
            sn.connect(g.terminal, load.terminal, bus.terminal, line.start),
            sn.connect(line.end, grid.terminal),
            sn.connect(g.frame, grid.frame, bus.frame),
        ],
    )


@cache
def system(name: str) -> sn.System:
    if name == "saturated machine":
        return saturated_machine()
    return kundur.two_area(pss=name == "kundur_pss4", fault_bus=8)


@cache
def compiled(name: str, backend: str) -> CompiledSystem:
    """The default back end with rewritten expressions, the others with those that were written."""
    return sn.compile(system(name), backend=backend, simplify="default" if backend == "llvm" else None)


def points(name: str, count: int) -> list[tuple[Array, Array]]:
    """Unknowns off the steady state, and parameters with the fault on in half of them."""
    rng = np.random.default_rng(1)
    problem = sn.Problem(system(name), span=(0, 1))
    found = []
    for k in range(count):
        near = problem.u * (1 + 0.1 * rng.standard_normal(problem.u.shape))
        u, p = near + 0.01 * rng.standard_normal(near.shape), problem.p.copy()
        names = problem.compiled.parameters
        if "fault.active" in names:
            p[names.index("fault.active")] = k % 2
        found.append((u, p))
    return found


NAMES = ["kundur_full", "kundur_pss4", "saturated machine"]


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "numpy"])
@pytest.mark.parametrize("name", NAMES)
def test_back_ends_agree(name: str, backend: str) -> None:
    """Right-hand side, Jacobian and df/dt, to 1e-13 of the largest term involved."""
    oracle, other = compiled(name, "numpy"), compiled(name, backend)
    assert oracle.states == other.states
    for u, p in points(name, 4):
        expected, found = oracle.jacobian(0.5, u, p).toarray(), other.jacobian(0.5, u, p).toarray()
        scale = abs(expected) @ abs(u) + 1  # what is added up in each row
        assert (abs(other.rhs(0.5, u, p) - oracle.rhs(0.5, u, p)) <= 1e-13 * scale).all()
        assert (abs(found - expected) <= 1e-13 * abs(expected).max(axis=1, keepdims=True)).all()
        np.testing.assert_array_equal(other.time_gradient(0.5, u, p), oracle.time_gradient(0.5, u, p))


@pytest.mark.parametrize("name", NAMES)
def test_jacobian_against_differences(name: str) -> None:
    """Central differences of sixth order, whose error is near 1e-12 here."""
    model = compiled(name, "llvm")
    weights, h = {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}, 3e-3
    for u, p in points(name, 2):
        p[[name.endswith("LSMAX") for name in model.parameters]] = 1e9  # no kink within the differences
        p[[name.endswith("LSMIN") for name in model.parameters]] = -1e9
        exact = model.jacobian(0.0, u, p).toarray()
        numeric = np.zeros_like(exact)
        for j in range(len(u)):
            for k, weight in weights.items():
                ahead, behind = u.copy(), u.copy()
                ahead[j] += k * h
                behind[j] -= k * h
                numeric[:, j] += weight / h * (model.rhs(0.0, ahead, p) - model.rhs(0.0, behind, p))
        assert abs(exact - numeric).max() < 1e-9 * abs(exact).max()
