"""Events of what magnifies errors: the voltage of a blocking diode is its current over 1e-9 S."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq

import symnum as sn
from symnum.models.electrical import Ground, IdealDiode, Inductor, Resistor, SineVoltage


@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-8, 1e-10])
@pytest.mark.parametrize("blocks", [1e-9, 1e-8], ids=str)
def test_a_rectifier_with_an_inductive_load(blocks: float, rtol: float) -> None:
    """It conducts from a zero of the source to the extinction angle (Mohan, Undeland, Robbins, chapter 5)."""
    source, ground = SineVoltage("source", amplitude=10.0, frequency=50.0), Ground("ground")
    diode = IdealDiode("diode", R_on=1e-5, G_off=blocks)
    r, coil = Resistor("r", R=10.0), Inductor("coil", L=0.05)
    joints = [(source.p, diode.p), (diode.n, r.p), (r.n, coil.p), (coil.n, source.n, ground.p)]
    system = sn.System("rectifier", [sn.connect(*joint) for joint in joints])
    solution = sn.solve(sn.Problem(system, {coil.i: 0}, (0, 0.07)), rtol=rtol)
    omega = 100 * math.pi
    lag, decay = math.atan2(omega * 0.05, 10.0), 10.0 / (omega * 0.05)

    def current(angle: float) -> float:
        return math.sin(angle - lag) + math.sin(lag) * math.exp(-angle * decay)

    ends = brentq(current, math.pi, 1.99 * math.pi, xtol=1e-15) / omega
    expected = sorted([0.02, 0.04, 0.06, *(ends + 0.02 * k for k in range(3))])
    found = np.array([h.t for h in solution.events if h.t > 1e-9])
    assert len(found) == len(expected)
    np.testing.assert_allclose(found, expected, atol=1e-8 if rtol < 1e-3 else 1e-6)
