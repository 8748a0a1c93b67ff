"""Thermal components, each against a closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.models.thermal import heat

TIGHT = {"rtol": 1e-9, "atol": 1e-10}


def solved(joints: list[Any], end: float, start: dict[Any, float], extra: list[Any] | None = None) -> Any:
    system = sn.System("heat", [*(sn.connect(*joint) for joint in joints), *(extra or [])])
    return sn.solve(sn.Problem(system, start, (0, end)), **TIGHT)


def test_a_body_cools_through_a_wall() -> None:
    body, wall, air = (
        heat.HeatCapacitor("body", C=10.0),
        heat.ThermalConductor("wall", G=2.0),
        heat.FixedTemperature("air", T=280.0),
    )
    sol = solved([(body.port, wall.a), (wall.b, air.port)], 20, {body.T: 350})
    np.testing.assert_allclose(sol[body.T], 280 + 70 * np.exp(-sol.t / 5), rtol=1e-9)


def test_two_bodies_come_to_the_mean() -> None:
    one, two, path = (
        heat.HeatCapacitor("a", C=1.0),
        heat.HeatCapacitor("b", C=3.0),
        heat.ThermalConductor("p", G=0.6),
    )
    sol = solved([(one.port, path.a), (path.b, two.port)], 8, {one.T: 400, two.T: 300})
    np.testing.assert_allclose(sol[one.T - two.T], 100 * np.exp(-sol.t * 0.6 * (1 + 1 / 3)), atol=1e-6)
    np.testing.assert_allclose(sol[one.T + 3 * two.T], 1300, rtol=1e-12)


def test_a_body_radiates_into_the_cold() -> None:
    """dT/dt = -k T^4 has 1/T^3 = 1/T0^3 + 3 k t."""
    body, sky, ray = (
        heat.HeatCapacitor("body", C=100.0),
        heat.FixedTemperature("sky", T=0.0),
        heat.Radiation("r", Gr=2.0),
    )
    sol = solved([(body.port, ray.a), (ray.b, sky.port)], 50, {body.T: 800})
    k = 2.0 * heat.STEFAN_BOLTZMANN / 100
    np.testing.assert_allclose(sol[body.T], (800.0**-3 + 3 * k * sol.t) ** (-1 / 3), rtol=1e-8)


def test_sources_and_signals() -> None:
    body, source = heat.HeatCapacitor("body", C=4.0), heat.HeatSource("q", Q=8.0)
    sol = solved([(body.port, source.port)], 3, {body.T: 300})
    np.testing.assert_allclose(sol[body.T], 300 + 2 * sol.t, rtol=1e-10)
    flow, wind, air = heat.SignalHeat("flow"), heat.Convection("wind"), heat.SignalTemperature("air")
    extra = [flow.signal == 8 * sn.t, wind.conductance == 2.0, air.signal == 300 + 0 * sn.t]
    sol = solved([(body.port, flow.port, wind.a), (wind.b, air.port)], 3, {body.T: 300}, extra)
    exact = 300 + 4 * (sol.t - 2 * (1 - np.exp(-sol.t / 2)))
    np.testing.assert_allclose(sol[body.T], exact, rtol=1e-9)


def test_two_bodies_in_contact_are_one() -> None:
    """Touching without a resistance: one temperature, capacities add; starts that differ are refused."""
    one, two, source = (
        heat.HeatCapacitor("a", C=1.0),
        heat.HeatCapacitor("b", C=3.0),
        heat.HeatSource("q", Q=8.0),
    )
    sol = solved([(one.port, two.port, source.port)], 2, {one.T: 300, two.T: 300})
    np.testing.assert_allclose(sol[two.T], 300 + 2 * sol.t, rtol=1e-10)
    with pytest.raises(sn.SymnumError, match="different starts"):
        solved([(one.port, two.port, source.port)], 2, {one.T: 300, two.T: 310})
