"""Imported functional mock-up units against the systems that they were exported from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.codegen.emit_c import compiler
from symnum.errors import CodegenError, ModelError
from symnum.models.fmi import import_fmu
from symnum.models.fmi.unit import Unit

pytest.importorskip("fmpy", reason="the extra fmi is not installed")
try:
    compiler()
except CodegenError as error:
    pytest.skip(str(error), allow_module_level=True)

D = sn.D
VERSIONS = ["2.0", "3.0"]
x, v, w = sn.variables("x v w")
mu, force = sn.parameters(mu=1.0, force=0.0)
grid = np.linspace(0, 5, 101)
tight = {"rtol": 1e-9, "atol": 1e-11, "saveat": grid}


@pytest.fixture(scope="module", params=VERSIONS)
def oscillator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Van der Pol's oscillator with a force and the power that it takes."""
    system = sn.System("VanDerPol", [D(x) == v, D(v) == mu * (1 - x**2) * v - x + force])
    problem = sn.Problem(system, {x: 2, v: 0}, (0, 5))
    path = tmp_path_factory.mktemp("units") / "oscillator.fmu"
    sn.export_fmu(problem, path, version=request.param, inputs=[force], outputs={"power": force * v})
    return import_fmu(path)


def test_inputs_outputs_and_parameters(oscillator: Any) -> None:
    """The unit in a system of ours: it drives a filter that drives it."""
    unit = oscillator("unit", mu=0.5)
    filtered = sn.variable("filtered", start=0.0)
    equations = [unit.force == -filtered, D(filtered) == unit.x - filtered + 0.1 * unit.power]
    system = sn.System("loop", equations, parts=[unit])
    found = sn.solve(sn.Problem(system, span=(0, 5)), "Rodas5P", **tight)
    own = [D(x) == v, D(v) == 0.5 * (1 - x**2) * v - x - w, D(w) == x - w - 0.1 * w * v]
    reference = sn.solve(sn.Problem(sn.System("own", own), {x: 2, v: 0, w: 0}, (0, 5)), "Rodas5P", **tight)
    for one, other in ((unit.x, x), (unit.v, v), (filtered, w), (unit.power, -w * v)):
        assert np.allclose(found[one], reference[other], rtol=1e-6, atol=1e-7)


def test_the_jacobian_is_that_of_the_unit(oscillator: Any) -> None:
    unit = oscillator("unit")
    model = sn.compile(sn.System("alone", [unit.force == 0.3], parts=[unit]))
    u = np.zeros(len(model.states))
    place = {name: i for i, name in enumerate(model.states)}
    u[place["unit.x"]], u[place["unit.v"]], u[place["unit.force"]] = 0.7, -0.4, 0.3
    problem = sn.Problem(sn.System("alone", [unit.force == 0.3], parts=[unit]))
    jacobian = model.jacobian(0.0, u, problem.p).toarray()
    row = jacobian[place["unit.v"]]
    assert row[place["unit.x"]] == pytest.approx(-2 * 0.7 * -0.4 - 1, abs=1e-7)
    assert row[place["unit.v"]] == pytest.approx(1 - 0.7**2, abs=1e-7)
    assert row[place["unit.force"]] == pytest.approx(1.0, abs=1e-7)
    assert model.rhs(0.0, u, problem.p)[place["unit.v"]] == pytest.approx(
        (1 - 0.49) * -0.4 - 0.7 + 0.3, abs=1e-12
    )


def test_two_instances_and_given_starts(oscillator: Any) -> None:
    one, two = oscillator("one"), oscillator("two", mu=3.0)
    system = sn.System("pair", [one.force == two.x, two.force == 0], parts=[one, two])
    problem = sn.Problem(system, {one.x: 1.0, two.x: -1.0}, (0, 5))
    found = sn.solve(problem, "Rodas5P", **tight)
    again = sn.solve(problem, "Rodas5P", **tight)
    assert np.array_equal(found.y, again.y)
    a, b, c, d = sn.variables("a b c d")
    own = [D(a) == b, D(b) == (1 - a**2) * b - a + c, D(c) == d, D(d) == 3 * (1 - c**2) * d - c]
    starts = {a: 1, b: 0, c: -1, d: 0}
    reference = sn.solve(sn.Problem(sn.System("own", own), starts, (0, 5)), "Rodas5P", **tight)
    for name, other in ((one.x, a), (one.v, b), (two.x, c), (two.v, d)):
        assert np.allclose(found[name], reference[other], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("version", VERSIONS)
def test_events_of_the_unit(version: str, tmp_path: Path) -> None:
    """A bouncing ball with an impulse at a planned time: bounces where they are by the formula."""
    h, speed = sn.variables("h speed")
    (e,) = sn.parameters(e=0.8)
    bounce = sn.Event(when=h, crossing="down", then={h: 0, speed: -e * speed})
    kick = sn.Event(at=0.25, then={speed: speed + 1.0})
    ball = sn.System("Ball", [D(h) == speed, D(speed) == -10.0], events=[bounce, kick])
    problem = sn.Problem(ball, {h: 1, speed: 0}, (0, 1.5))
    made = import_fmu(sn.export_fmu(problem, tmp_path / "ball.fmu", version=version))
    unit = made("unit", e=0.5)
    found = sn.solve(sn.Problem(sn.System("drop", parts=[unit]), span=(0, 1.25)), rtol=1e-9, atol=1e-11)
    # from 0.25: height 0.6875, speed -1.5; it lands after s with 5 s^2 + 1.5 s = 0.6875; at 1.3 it is Zeno
    s = (-1.5 + np.sqrt(1.5**2 + 20 * 0.6875)) / 10
    lands, up = 0.25 + s, 0.5 * (1.5 + 10 * s)
    times = [happened.t for happened in found.events]
    expected = [0.25, lands, lands + 0.2 * up]
    assert np.allclose(times[:3], expected, atol=1e-7)
    t = np.linspace(lands, min(1.25, lands + 0.2 * up), 50)[1:-1]
    assert np.allclose(found(t)[unit.h], up * (t - lands) - 5 * (t - lands) ** 2, atol=1e-6)


def test_steps_call_the_unit_and_not_the_interpreter(
    oscillator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = oscillator("unit", mu=0.5)
    problem = sn.Problem(sn.System("loop", [unit.force == -unit.v], parts=[unit]), span=(0, 5))
    expected = sn.solve(problem, "Rodas5P", **tight).y
    for name in ("values", "slopes"):
        monkeypatch.setattr(Unit, name, None)
    for method in ("Rodas5P", "KenCarp4"):
        found = sn.solve(problem, method, **tight)
        assert np.abs(found.y - expected).max() < 1e-6
    own = [D(x) == v, D(v) == 0.5 * (1 - x**2) * v - x - v]
    reference = sn.solve(sn.Problem(sn.System("own", own), {x: 2, v: 0}, (0, 5)), "Rodas5P", **tight)
    assert np.allclose(found[unit.x], reference[x], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["machines", "impulses", "bridge"])
def test_units_with_triggers(version: str, name: str, hybrid: Any, tmp_path: Path) -> None:
    """Discrete states, planned events, steps that want one, and a unit that ends the run."""
    problem = getattr(hybrid, name)()
    path = sn.export_fmu(problem, tmp_path / f"{name}.fmu", version=version, rtol=1e-10, atol=1e-12)
    unit = import_fmu(path)("unit")
    end = problem.span[1]
    own = sn.solve(problem, rtol=1e-10, atol=1e-12)
    times = np.linspace(0, own.t[-1], 101)[:-1]
    away = np.array([happened.t for happened in own.events])
    times = times[np.abs(times[:, None] - away).min(axis=1) > 1e-6]
    imported = sn.Problem(sn.System("s", parts=[unit]), span=(0, end))
    found = sn.solve(imported, "Rodas5P", rtol=1e-9, atol=1e-11)
    assert found.status == own.status
    assert found.t[-1] == pytest.approx(own.t[-1], abs=1e-8)
    names = [state for state, mass in zip(problem.flat.state_names, problem.flat.mass, strict=True) if mass]
    for state in names:
        assert np.abs(found(times)[getattr(unit, state)] - own(times)[state]).max() < 1e-6


@pytest.mark.parametrize("version", VERSIONS)
def test_why_a_unit_fails_is_said(version: str, tmp_path: Path) -> None:
    """y^2 = 1 - x has no solution beyond x = 1."""
    y = sn.variable("y")
    root = sn.Problem(sn.System("root", [D(x) == 1 + 0 * y, y**2 == 1 - x]), {x: 0, y: 1}, (0, 2))
    path = sn.export_fmu(root, tmp_path / "root.fmu", version=version)
    unit = import_fmu(path)("unit")
    with pytest.raises(sn.SolveFailed, match=r"The imported code said: root: fmi.Get.* failed with status 3"):
        sn.solve(sn.Problem(sn.System("s", parts=[unit]), span=(0, 2)), "Rodas5P")


@pytest.mark.parametrize("version", VERSIONS)
def test_co_simulation_is_a_sampled_block(version: str, tmp_path: Path) -> None:
    """A lag that is sampled: between samples exact for the held input, which is that of the last sample."""
    lag = sn.Problem(sn.System("lag", [D(x) == force - x]), {x: 0.5}, (0, 1))
    step = 0.125
    made = import_fmu(sn.export_fmu(lag, tmp_path / "lag.fmu", version=version, inputs=[force]), step=step)
    unit, integral = made("unit"), sn.variable("integral", start=0.0)
    system = sn.System("sampled", [unit.force == sn.cos(sn.t), D(integral) == unit.x], parts=[unit])
    problem = sn.Problem(system, span=(0, 1.1))
    value, total, expected = 0.5, 0.0, []
    for k in range(8):
        expected.append(value)
        total += step * value
        value = np.cos(k * step) + (value - np.cos(k * step)) * np.exp(-step)
    for _ in range(2):  # the second run begins anew
        found = sn.solve(problem, rtol=1e-9, atol=1e-11)
        middles = step * (np.arange(8) + 0.5)
        assert np.allclose(found(middles)[unit.x], expected, atol=1e-5)
        assert found(1.0 - 1e-9)[integral] == pytest.approx(total, abs=1e-5)
    with pytest.raises(ModelError, match="step=-1"):
        import_fmu(tmp_path / "lag.fmu", step=-1)


def test_what_cannot_be_imported_says_why(oscillator: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no file"):
        import_fmu(tmp_path / "none.fmu")
    (tmp_path / "text.fmu").write_text("no archive")
    with pytest.raises(ModelError, match=r"text\.fmu"):
        import_fmu(tmp_path / "text.fmu")
    plain = sn.Problem(sn.System("plain", [D(x) == -x]), {x: 1}, (0, 1))
    source = sn.export_fmu(plain, tmp_path / "source.fmu", binary=False)
    with pytest.raises(ModelError, match="no binary for"):
        import_fmu(source)
    unit = oscillator("unit")
    system = sn.System("open", parts=[unit])
    with pytest.raises(sn.SymnumError, match=r"unit\.force"):
        sn.compile(system)
    whole = sn.System("whole", [unit.force == 0], parts=[unit])
    with pytest.raises(ModelError, match="unit is computed by other code"):
        sn.export_fmu(sn.Problem(whole, span=(0, 1)), tmp_path / "again.fmu")
    with pytest.raises(ModelError, match="unit is computed by other code"):
        sn.compile(whole).save(tmp_path / "whole.model")
