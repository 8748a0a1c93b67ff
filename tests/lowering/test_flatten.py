"""Flattening: names, connections, components of components, aliases, units."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import LoweringError, ModelError, UnbalancedSystem
from symnum.models.electrical import Capacitor, Ground, Pin, Resistor, VoltageSource

x, y, z = sn.variables("x y z")


def test_a_composite_may_connect_its_pins_inside_and_outside(electrical: ModuleType) -> None:
    """Two resistors in a box, the box in a circuit: the voltage divides."""

    class Divider(sn.Component):
        top, bottom, tap = electrical.Pin(), electrical.Pin(), electrical.Pin()
        upper = electrical.Resistor(R=2.0)
        lower = electrical.Resistor(R=1.0)

        def equations(self) -> list[Any]:
            return [
                sn.connect(self.top, self.upper.p),
                sn.connect(self.upper.n, self.lower.p, self.tap),
                sn.connect(self.lower.n, self.bottom),
            ]

    d, src, ground = Divider("d"), electrical.Source("src", V=9.0), electrical.Ground("ground")
    load, c = electrical.Resistor("load", R=1.0), electrical.Capacitor("c", C=0.1)
    system = sn.System(
        "divider",
        [
            sn.connect(src.p, d.top),
            sn.connect(d.tap, load.p, c.p),
            sn.connect(src.n, d.bottom, load.n, c.n, ground.p),
        ],
    )
    solution = sn.solve(sn.Problem(system, span=(0, 10)), rtol=1e-9, atol=1e-12)
    # Thevenin: 3 V behind 2/3 ohm, loaded with 1 ohm: 1.8 V, time constant 0.1 * 0.4
    np.testing.assert_allclose(solution[c.v], 1.8 * (1 - np.exp(-solution.t / 0.04)), atol=1e-8)
    np.testing.assert_allclose(solution[d.top.i], (9 - solution[c.v]) / 2, atol=1e-9)
    np.testing.assert_allclose(solution[d.top.i + d.bottom.i + d.tap.i], 0, atol=1e-9)
    np.testing.assert_allclose(solution[src.i], -solution[d.top.i], atol=1e-12)
    assert sn.compile(system).states == ("c.v",)


def test_options_choose_the_equations_and_parameters_do_not(electrical: ModuleType) -> None:
    circuits = []
    for name, settings in (("dc", {}), ("ac", {"sine": True, "f": 2.0})):
        src = electrical.Source(f"{name}_src", V=2.0, **settings)
        r, c = electrical.Resistor(f"{name}_r", R=1.0), electrical.Capacitor(f"{name}_c", C=0.1)
        ground = electrical.Ground(f"{name}_ground")
        circuits += [sn.connect(src.p, r.p), sn.connect(r.n, c.p), sn.connect(c.n, src.n, ground.p)]
    system = sn.System("two", circuits)
    solution = sn.solve(sn.Problem(system, span=(0, 2)), rtol=1e-10, atol=1e-12)
    t, tau, w = solution.t, 0.1, 2 * np.pi * 2.0
    np.testing.assert_allclose(solution["dc_c.v"], 2 * (1 - np.exp(-t / tau)), atol=1e-8)
    gain = 2 / (1 + (w * tau) ** 2)
    exact = gain * (np.sin(w * t) - w * tau * np.cos(w * t) + w * tau * np.exp(-t / tau))
    np.testing.assert_allclose(solution["ac_c.v"], exact, atol=1e-8)


def test_global_parameters_are_shared_by_all_components() -> None:
    gravity = sn.parameter(9.81, name="gravity")

    class Ball(sn.Component):
        height = sn.variable(start=0)
        speed = sn.variable(start=0)
        factor = sn.parameter(1.0)

        def equations(self) -> list[Any]:
            return [sn.D(self.height) == self.speed, sn.D(self.speed) == -gravity * self.factor]

    system = sn.System("balls", parts=[Ball("a"), Ball("b", factor=2.0), Ball("c", factor=gravity)])
    solution = sn.solve(sn.Problem(system, span=(0, 2), parameters={gravity: 1.5}))
    ends = [solution[f"{name}.height"][-1] for name in "abc"]
    np.testing.assert_allclose(ends, [-3.0, -6.0, -4.5], rtol=1e-9)


def test_a_global_symbol_is_not_mistaken_for_the_classes_own_of_the_same_name() -> None:
    rate = sn.parameter(3.0, name="rate")

    class Decay(sn.Component):
        rate = sn.parameter(3.0)
        level = sn.variable(start=1.0)

        def equations(self) -> list[Any]:
            return [sn.D(self.level) == -self.rate * self.level + rate]

    problem = sn.Problem(sn.System("s", parts=[Decay("d")]), span=(0, 60), parameters={rate: 6.0})
    assert sn.solve(problem)["d.level"][-1] == pytest.approx(2.0, rel=1e-6)


def test_values_given_as_expressions_of_parameters() -> None:
    f, w = sn.parameters(f=2.0, w=1.0)

    class Oscillator(sn.Component):
        frequency = sn.parameter(2 * f)
        omega = sn.parameter(w)
        x = sn.variable(start=3 * f)
        v = sn.variable(start=0)

        def equations(self) -> list[Any]:
            return [sn.D(self.x) == self.v, sn.D(self.v) == -(self.omega**2) * self.x]

    o = Oscillator("o", omega=2 * f)
    system = sn.System("s", parts=[o])
    problem = sn.Problem(system, span=(0, 1))
    assert problem.u[0] == 6.0
    solution = sn.solve(problem.with_(parameters={f: 0.5}), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(solution[o.x], 1.5 * np.cos(solution.t), atol=1e-9)


def test_equal_potentials_are_one_unknown_and_stay_available(electrical: ModuleType) -> None:
    src, a, b = (
        electrical.Source("src", V=4.0),
        electrical.Capacitor("a", C=1.0),
        electrical.Resistor("b", R=2.0),
    )
    ground = electrical.Ground("ground")
    system = sn.System("s", [sn.connect(src.p, b.p), sn.connect(b.n, a.p), sn.connect(src.n, a.n, ground.p)])
    solution = sn.solve(sn.Problem(system, span=(0, 1)))
    for one, other in ((b.n.v, a.p.v), (a.v, a.p.v), (a.n.v, ground.p.v), (b.i, b.p.i), (a.i, b.i)):
        np.testing.assert_array_equal(solution[one], solution[other])


def test_a_state_and_its_alias() -> None:
    system = sn.System("s", [sn.D(x) == -y, y == x, z == 2 * y + 1])
    solution = sn.solve(sn.Problem(system, {x: 1}, span=(0, 1)), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        solution[[y, z, sn.D(y)]],
        [np.exp(-solution.t), 1 + 2 * np.exp(-solution.t), -np.exp(-solution.t)],
        atol=1e-8,
    )
    by_alias = sn.solve(sn.Problem(system, {y: 1}, span=(0, 1)), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(by_alias.y, solution.y)


def test_aliases_with_different_starts_are_refused() -> None:
    system = sn.System("s", [sn.D(x) == -y, y == x])
    with pytest.raises(ModelError, match="several equal or opposite variables that have different starts"):
        sn.Problem(system, {x: 1, y: 2})


def test_two_states_that_are_equal_leave_too_many_equations() -> None:
    with pytest.raises(LoweringError, match=r"D\(y\) == 2"):
        sn.compile(sn.System("s", [sn.D(x) == 1, sn.D(y) == 2, x == y]))


def test_an_open_connector_is_named(electrical: ModuleType) -> None:
    r, ground = electrical.Resistor("r"), electrical.Ground("ground")
    with pytest.raises(
        ModelError, match=r"the connector r\.n \(Pin\) is not connected. Join it with sn.connect"
    ):
        sn.compile(sn.System("s", [sn.connect(r.p, ground.p)]))


def test_an_open_inner_connector_is_named(electrical: ModuleType) -> None:
    class Half(sn.Component):
        a = electrical.Pin()
        r = electrical.Resistor()

        def equations(self) -> list[Any]:
            return [sn.connect(self.a, self.r.p)]

    half, ground = Half("half"), electrical.Ground("ground")
    with pytest.raises(ModelError, match=r"half\.r\.n \(Pin\) is not connected"):
        sn.compile(sn.System("s", [sn.connect(half.a, ground.p)]))


def test_a_connector_alone_is_left_open() -> None:
    class Tapped(sn.Component):
        """Two resistors; what hangs on the second carries no current, in here as outside."""

        a, b = Pin(), Pin()
        one, two = Resistor(R=0.5), Resistor()

        def equations(self) -> list[Any]:
            one, two = self.one, self.two
            return [sn.connect(self.a, one.p), sn.connect(one.n, self.b, two.p), sn.connect(two.n)]

    source, half, c = VoltageSource("v", V=2.0), Tapped("half"), Capacitor("c", C=1.0)
    last, ground = Resistor("last"), Ground("ground")
    joints = [(source.p, half.a), (half.b, c.p, last.p), (last.n,), (c.n, source.n, ground.p)]
    system = sn.System("s", [sn.connect(*joint) for joint in joints])
    solution = sn.solve(sn.Problem(system, {c.v: 0.0}, (0, 1)), rtol=1e-9)
    for end in (last.n, half.two.n):
        np.testing.assert_allclose(solution[end.v], solution[c.v])
        np.testing.assert_allclose(solution[end.i], 0, atol=1e-15)
    np.testing.assert_allclose(solution[c.v], 2 * (1 - np.exp(-2 * solution.t)), atol=1e-7)


def test_a_component_that_is_no_part_is_named(electrical: ModuleType) -> None:
    with pytest.raises(
        ModelError, match=r"r\.R belongs to a component that is not part of the system; add it to parts="
    ):
        sn.compile(sn.System("s", [sn.D(x) == -electrical.Resistor("r").R * x]))


def test_a_stale_instance_of_a_part_is_noticed(electrical: ModuleType) -> None:
    old, ground = electrical.Capacitor("c", C=5.0), electrical.Ground("ground")
    c = electrical.Capacitor("c", C=7.0)
    with pytest.raises(ModelError, match=r"two different symbols are called c\.C"):
        sn.compile(sn.System("s", [sn.connect(c.p, c.n, ground.p), sn.D(x) == old.C], parts=[c]))


def test_a_sum_over_many_components_is_a_row_of_a_table(electrical: ModuleType) -> None:
    """Forty parallel resistors: the node's current law is wide, and its size leaves the code as it is."""
    sizes = []
    for count in (20, 40):
        src, ground = electrical.Source("src", V=1.0), electrical.Ground("ground")
        series, c = electrical.Resistor("series", R=1.0), electrical.Capacitor("c", C=1.0)
        loads = [electrical.Resistor(f"r{k}", R=float(k + 1)) for k in range(count)]
        system = sn.System(
            "star",
            [
                sn.connect(src.p, series.p),
                sn.connect(series.n, *(r.p for r in loads), c.p),
                sn.connect(src.n, ground.p, c.n, *(r.n for r in loads)),
            ],
        )
        model = sn.compile(system)
        sizes.append(len(model.source("llvm")))
        solution = sn.solve(sn.Problem(system, span=(0, 100)), rtol=1e-9, atol=1e-12)
        conductance = sum(1 / (k + 1) for k in range(count))
        assert solution[c.v][-1] == pytest.approx(1 / (1 + conductance), rel=1e-8)
        np.testing.assert_allclose(solution[series.i - c.i - sum(r.i for r in loads)], 0, atol=1e-9)
    assert abs(sizes[1] - sizes[0]) < 100


def test_a_parallel_pair_of_sources_is_unbalanced(electrical: ModuleType) -> None:
    one, two, ground = electrical.Source("one"), electrical.Source("two", V=2.0), electrical.Ground("ground")
    with pytest.raises(UnbalancedSystem, match=r"two\.v == |one\.v == "):
        sn.compile(sn.System("s", [sn.connect(one.p, two.p), sn.connect(one.n, two.n, ground.p)]))


def test_a_name_that_two_things_want_is_refused() -> None:
    class Box(sn.Component):
        inner = sn.variable(start=1)

        def equations(self) -> list[Any]:
            return [sn.D(self.inner) == -self.inner]

    twin = sn.variable("box.inner", start=5)
    with pytest.raises(ModelError, match=r"two different symbols are called box\.inner"):
        sn.compile(sn.System("s", [sn.D(x) == twin], parts=[Box("box")]))
