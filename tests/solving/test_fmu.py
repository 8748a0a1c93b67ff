"""Functional mock-up units: valid, and the same trajectories by FMPy's solvers, by their own and here.

FMPy (BSD licence) is an independent importer; the published trajectories are those of the Modelica
Association's reference units, by explicit Euler steps.
"""

from __future__ import annotations

import ctypes
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.codegen.emit_c import compiler
from symnum.errors import CodegenError, ModelError
from symnum.models.power import kundur

fmpy = pytest.importorskip("fmpy", reason="the extra fmi is not installed")
validation = pytest.importorskip("fmpy.validation")
try:
    compiler()
except CodegenError as error:
    pytest.skip(str(error), allow_module_level=True)

D = sn.D
VERSIONS = ["2.0", "3.0"]
KINDS = ["ModelExchange", "CoSimulation"]
h, v, x, x0, x1 = sn.variables("h v x x0 x1")
k, mu = sn.parameters(k=1.0, mu=1.0)


def ball() -> sn.Problem:
    """The ball of the reference units: it lies still from a speed of v_min on."""
    g, e, least = sn.parameters(g=-9.81, e=0.7, v_min=0.1)
    rests = -e * v < least
    bounce = {h: 0, v: sn.ifelse(rests, 0, -e * v), g: sn.ifelse(rests, 0, g)}
    events = [sn.Event(when=h, crossing="down", then=bounce)]
    return sn.Problem(sn.System("BouncingBall", [D(h) == v, D(v) == g], events=events), {h: 1, v: 0}, (0, 3))


def dahlquist() -> sn.Problem:
    return sn.Problem(sn.System("Dahlquist", [D(x) == -k * x]), {x: 1}, (0, 10))


def van_der_pol() -> sn.Problem:
    equations = [D(x0) == x1, D(x1) == mu * (1 - x0**2) * x1 - x0]
    return sn.Problem(sn.System("VanDerPol", equations), {x0: 2, x1: 0}, (0, 20))


def simulated(path: Path, kind: str, end: float, interval: float, **options: Any) -> Any:
    options = {"solver": "CVode", "relative_tolerance": 1e-9, **options}
    return fmpy.simulate_fmu(str(path), fmi_type=kind, stop_time=end, output_interval=interval, **options)


def worst(found: Any, problem: sn.Problem, grid: Any, away: tuple[float, ...] = ()) -> float:
    """The largest difference of a state from the solution here; at a jump both sides are right."""
    own = sn.solve(problem, rtol=1e-10, atol=1e-12, saveat=grid).y
    places = np.searchsorted(found["time"], grid - 1e-12)
    fine = np.all([np.abs(grid - t) > 1e-6 for t in away], axis=0) if away else np.full(len(grid), True)
    names = problem.flat.state_names
    return max(
        float(np.abs(found[name][places] - one)[fine].max()) for name, one in zip(names, own, strict=True)
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_units_are_valid_and_agree(version: str, tmp_path: Path) -> None:
    for problem in (ball(), dahlquist(), van_der_pol()):
        name = f"{problem.flat.name}.fmu"
        path = sn.export_fmu(problem, tmp_path / name, version=version, rtol=1e-9, atol=1e-11)
        assert validation.validate_fmu(str(path)) == []
        end = problem.span[1]
        grid = np.linspace(0, end, 101)[:-1]
        for kind in KINDS:
            assert worst(simulated(path, kind, end, end / 100), problem, grid) < 1e-6


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "name", ["relay", "sampled", "machines", "impulses", "stick_slip", "rectifier", "bridge"]
)
def test_triggers(version: str, name: str, hybrid: Any, tmp_path: Path) -> None:
    """Discrete states, event iteration and times that the unit plans itself."""
    problem = getattr(hybrid, name)()
    path = sn.export_fmu(problem, tmp_path / f"{name}.fmu", version=version, rtol=1e-9, atol=1e-11)
    assert validation.validate_fmu(str(path)) == []
    own = sn.solve(problem, rtol=1e-10, atol=1e-12)
    end = float(own.t[-1])  # events end some of them
    grid = np.linspace(0, problem.span[1], 101)
    grid = grid[grid < end - 1e-6]
    for kind in KINDS:
        found = simulated(path, kind, problem.span[1], problem.span[1] / 100)
        assert found["time"][-1] == pytest.approx(end, abs=1.01 * problem.span[1] / 100)
        assert worst(found, problem, grid, tuple(happened.t for happened in own.events)) < 1e-6


@pytest.mark.parametrize("version", VERSIONS)
def test_published_trajectories(version: str, tmp_path: Path, shared_data: Path) -> None:
    """By the same Euler steps to round-off; the ball, whose steps are cut at events, within such a step."""
    for problem, step in ((dahlquist(), 0.1), (van_der_pol(), 0.01)):
        name = problem.flat.name
        path = sn.export_fmu(problem, tmp_path / f"{name}.fmu", version=version)
        rows = np.genfromtxt(shared_data / "fmi" / name / f"{name}_out.csv", delimiter=",", names=True)
        end = float(rows["time"][-1])
        found = simulated(path, "ModelExchange", end, step, solver="Euler", step_size=step)
        for column in rows.dtype.names[1:]:
            np.testing.assert_allclose(found[column], rows[column], atol=1e-12)
    rows = np.genfromtxt(shared_data / "fmi/BouncingBall/BouncingBall_out.csv", delimiter=",", names=True)
    path = sn.export_fmu(ball(), tmp_path / "BouncingBall.fmu", version=version)
    for kind in KINDS:
        found = simulated(path, kind, 3.0, 0.01)
        heights = np.interp(rows["time"], found["time"], found["h"])
        # the published steps of 1e-3 find the ground up to a step late, at every bounce
        assert np.abs(heights - rows["h"])[rows["time"] < 0.5].max() < 1e-2
        assert abs(heights[-1] - rows["h"][-1]) < 1e-2


@pytest.mark.parametrize("version", VERSIONS)
def test_a_power_system(version: str, tmp_path: Path) -> None:
    """Algebraic equations are solved within the unit; two events in time."""
    grid = kundur.two_area(fault_bus=8)
    events = [sn.Event(at=1.0, then={grid.fault.active: 1}), sn.Event(at=1.1, then={grid.fault.active: 0})]
    problem = sn.Problem(grid, span=(0, 5), events=events)
    path = sn.export_fmu(problem, tmp_path / "Kundur.fmu", version=version, rtol=1e-8, atol=1e-10)
    assert validation.validate_fmu(str(path)) == []
    times = np.linspace(0, 5, 251)[:-1]
    for kind in KINDS:
        assert worst(simulated(path, kind, 5.0, 0.02), problem, times, away=(1.0, 1.1)) < 1e-6


@pytest.mark.parametrize("version", VERSIONS)
def test_directional_derivatives(version: str, tmp_path: Path) -> None:
    """Through an algebraic equation, against closed forms: z + z^3 = x y, x' = -z, y' = k x."""
    y, z = sn.variables("y z")
    equations = [D(x) == -z, D(y) == k * x, z + z**3 == x * y]
    problem = sn.Problem(sn.System("s", equations), {x: 2, y: 5, z: 2}, (0, 1))
    path = sn.export_fmu(problem, tmp_path / "s.fmu", version=version, outputs={"product": x * z}, inputs=[k])
    description = fmpy.read_model_description(str(path))
    number = {variable.name: variable.valueReference for variable in description.modelVariables}
    assert next(v for v in description.modelVariables if v.name == "k").causality == "input"
    folder = fmpy.extract(str(path), str(tmp_path / "unit"))
    module = fmpy.fmi2.FMU2Model if version == "2.0" else fmpy.fmi3.FMU3Model
    token = description.guid if version == "2.0" else description.instantiationToken
    unit = module(guid=token, unzipDirectory=folder, modelIdentifier="s", instanceName="s")
    unit.instantiate()
    if version == "2.0":
        unit.setupExperiment(startTime=0.0)
        unit.enterInitializationMode()
    else:
        unit.enterInitializationMode(startTime=0.0)
    unit.exitInitializationMode()
    unknown = [number[name] for name in ("der(x)", "der(y)", "z", "product")]
    slope = 1 / (1 + 3 * 4)  # dz/d(x y) at z = 2
    for name, seed, expected in (
        ("x", 1.0, [-5 * slope, 1.0, 5 * slope, 2 + 2 * 5 * slope]),
        ("y", 3.0, [-6 * slope, 0.0, 6 * slope, 2 * 6 * slope]),
        ("k", 1.0, [0.0, 2.0, 0.0, 0.0]),
    ):
        found = unit.getDirectionalDerivative(unknown, [number[name]], [seed])
        np.testing.assert_allclose(found, expected, atol=1e-9 if name != "k" else 1e-8)
    unit.terminate()
    unit.freeInstance()


def test_a_state_is_saved_and_restored(tmp_path: Path) -> None:
    path = sn.export_fmu(van_der_pol(), tmp_path / "VanDerPol.fmu", version="2.0")
    description = fmpy.read_model_description(str(path))
    folder = fmpy.extract(str(path), str(tmp_path / "unit"))
    units = [
        fmpy.fmi2.FMU2Slave(
            guid=description.guid, unzipDirectory=folder, modelIdentifier="VanDerPol", instanceName=name
        )
        for name in ("one", "two")
    ]
    for unit in units:  # two at a time: neither sees the other
        unit.instantiate()
        unit.setupExperiment(startTime=0.0)
        unit.enterInitializationMode()
        unit.exitInitializationMode()
    one, two = units
    one.doStep(0.0, 1.0)
    kept = one.serializeFMUState(one.getFMUState())
    one.doStep(1.0, 1.0)
    later = one.getReal([1, 2])
    assert two.getReal([1, 2]) == [2.0, 0.0]
    two.setFMUState(two.deserializeFMUState(kept))
    two.doStep(1.0, 1.0)
    assert two.getReal([1, 2]) == later
    for unit in units:
        unit.freeInstance()


def test_what_is_in_the_archive_and_what_it_needs(tmp_path: Path) -> None:
    path = sn.export_fmu(dahlquist(), tmp_path / "Dahlquist.fmu")
    with zipfile.ZipFile(path) as unit:
        names = unit.namelist()
        assert {"modelDescription.xml", "sources/Dahlquist.c", "sources/buildDescription.xml"} <= set(names)
        library = Path(unit.extract(next(n for n in names if n.startswith("binaries/")), tmp_path))
    version = ctypes.CDLL(str(library)).fmi3GetVersion
    version.restype = ctypes.c_char_p
    assert version() == b"3.0"
    bare = sn.export_fmu(dahlquist(), tmp_path / "bare.fmu", binary=False)
    assert not any(n.startswith("binaries/") for n in zipfile.ZipFile(bare).namelist())


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    late = sn.Problem(sn.System("late", [D(x) == -sn.delay(x, 1)]), {x: 1})
    for model, name, options, says in (
        (late, "late.fmu", {}, "know no delays"),
        (dahlquist(), "a b.fmu", {}, "identifier in C"),
        (dahlquist(), "a.fmu", {"version": "1.0"}, "choose one of 2.0, 3.0"),
        (dahlquist(), "a.fmu", {"inputs": ["q"]}, "the input q is not a parameter"),
        (dahlquist(), "a.fmu", {"outputs": {"x": x}}, "called like a variable"),
    ):
        with pytest.raises(ModelError, match=says):
            sn.export_fmu(model, tmp_path / name, **options)
