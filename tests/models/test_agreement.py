"""Every back end agrees on models as users have them: networks from files, ready-made systems, fields."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import symnum as sn
from symnum.codegen.cuda_device import device_model, host_functions
from symnum.codegen.emit_numpy import evaluate
from symnum.codegen.emitter import BACKENDS
from symnum.codegen.pullback import pullback
from symnum.language.block import Block, Column, GridNames, IndexedEquation, Quantities, References
from symnum.lowering.compile import CompiledSystem, compile_flat
from symnum.models.blocks import control, linear, nonlinear
from symnum.models.classic import circuits, kinetics, mechanics, oscillators
from symnum.models.electrical import motor, passive, pins, semiconductors, sources
from symnum.models.mechanical import planar, rotational, translational
from symnum.models.spatial import compressible, diffusion, reaction_diffusion, schroedinger, transport
from symnum.models.thermal import heat
from symnum.rewriting.expr import slot

Array = NDArray[np.float64]
NETWORKS = ["Motivating_example", "egfr_net", "bcr"]
NAMES = [*NETWORKS, "cells"]


def cells() -> sn.System:
    """The Brusselator on 48 x 48 periodic cells, of whose substances the first diffuses."""
    (k,) = sn.parameters(k=0.02)
    shape = 48, 48
    here = np.arange(48 * 48)
    grid = here.reshape(shape)
    u, v, shared = (
        Quantities("variable", GridNames("u", shape)), Quantities("variable", GridNames("v", shape)),
        References((k,)),
    )  # fmt: skip
    around = [np.roll(grid, shift, axis).ravel() for axis in (0, 1) for shift in (1, -1)]
    d, x, y = (slot("u", i) for i in range(3))
    flux = slot("p", 7) * (sum(slot("u", 3 + i) for i in range(4)) - 4 * x)
    first = IndexedEquation(
        d - (1 + x**2 * y - 4.4 * x + flux),
        (Column(u, here, derivative=True), Column(u, here), Column(v, here), *(Column(u, a) for a in around),
         Column(shared, np.zeros(len(here), np.int64))),
        lambda copy: f"D({u.names[copy]})",
    )  # fmt: skip
    second = IndexedEquation(
        d - (3.4 * x - x**2 * y),
        (Column(v, here, derivative=True), Column(u, here), Column(v, here)),
        lambda copy: f"D({v.names[copy]})",
    )
    return sn.System("cells", [Block((u, v, shared), (first, second))])


def rectifier() -> sn.System:
    """Four diodes, a coil and a smoothed load; a transistor stage beside it on the same ground."""
    source, ground = sources.SineVoltage("source", amplitude=10.0, frequency=50.0), pins.Ground("ground")
    diodes = [semiconductors.Diode(f"d{k}") for k in range(4)]
    coil, smooth = passive.Inductor("coil", L=1e-3), passive.Capacitor("smooth", C=1e-4)
    load, drop = passive.Resistor("load", R=100.0), passive.Resistor("drop", R=0.1)
    supply, stage = sources.VoltageSource("supply", V=12.0), semiconductors.NPN("stage")
    base, collector = passive.Resistor("base", R=1e5), passive.Resistor("collector", R=1e3)
    joints = [
        (source.p, drop.p), (drop.n, diodes[0].p, diodes[2].n), (source.n, diodes[1].p, diodes[3].n),
        (diodes[0].n, diodes[1].n, coil.p), (coil.n, smooth.p, load.p),
        (diodes[2].p, diodes[3].p, smooth.n, load.n, supply.n, stage.emitter, ground.p),
        (supply.p, base.p, collector.p), (base.n, stage.base), (collector.n, stage.collector),
    ]  # fmt: skip
    return sn.System("rectifier", [sn.connect(*joint) for joint in joints])


def drive() -> sn.System:
    """A motor that a controller runs through gear and spring; its losses warm it."""
    signal, r = sources.SignalVoltage("signal"), passive.Resistor("r", R=0.5)
    emf, ground = motor.ElectromotiveForce("emf", k=0.1), pins.Ground("ground")
    rotor, gear = rotational.Inertia("rotor", J=2e-3), rotational.Gear("gear", ratio=5.0)
    spring, damper = rotational.TorsionSpring("spring", c=40.0), rotational.RotationalDamper("damper", d=0.3)
    wheel, brake = rotational.Inertia("wheel", J=0.3), rotational.SignalTorque("brake")
    pid, filtered = control.PID("pid", k=2.0, Ti=0.5, Td=0.05), linear.SecondOrder("filtered", w=50.0)
    bounded = nonlinear.Limiter("bounded", low=-24.0, high=24.0)
    case, loss = heat.HeatCapacitor("case", C=200.0), heat.SignalHeat("loss")
    air, fin = heat.FixedTemperature("air", T=293.0), heat.Convection("fin")
    glow = heat.Radiation("glow", Gr=0.01)
    joints = [
        (signal.p, r.p), (r.n, emf.p), (signal.n, emf.n, ground.p), (emf.shaft, rotor.a), (rotor.b, gear.a),
        (gear.b, spring.a, damper.a), (spring.b, damper.b, wheel.a), (wheel.b, brake.shaft),
        (case.port, loss.port, fin.a, glow.a), (fin.b, glow.b, air.port),
    ]  # fmt: skip
    equations = [
        filtered.u == wheel.omega, pid.u == filtered.y, pid.set == 10 * sn.tanh(sn.t), bounded.u == pid.y,
        signal.signal == bounded.y, brake.signal == -0.1 * wheel.omega * sn.sqrt(1 + wheel.omega**2),
        loss.signal == r.v * r.i, fin.conductance == 2.0 + 0.1 * abs(rotor.omega),
    ]  # fmt: skip
    parts = [pid, filtered, bounded]
    return sn.System("drive", [*(sn.connect(*joint) for joint in joints), *equations], parts=parts)


def train() -> sn.System:
    """Wagons with springs, dampers and dry friction: families of ten and more."""
    wagons = [translational.Mass(f"m{k}", m=1.0 + 0.1 * k) for k in range(12)]
    links = [translational.SpringDamper(f"l{k}", c=50.0 + k, d=2.0) for k in range(11)]
    wall, slide = translational.Fixed("wall"), translational.Friction("slide")
    pull = translational.Force("pull", F=3.0)
    joints: list[tuple[Any, ...]] = [(wall.flange, slide.a), (slide.b, wagons[0].a)]
    joints += [(wagons[k].b, links[k].a) for k in range(11)]
    joints += [(links[k].b, wagons[k + 1].a) for k in range(11)]
    joints.append((wagons[-1].b, pull.flange))
    return sn.System("train", [sn.connect(*joint) for joint in joints])


def crank() -> sn.System:
    """A slider-crank: a closed loop of bodies, of index 3 as written."""
    world, pin, arm = planar.World("world"), planar.Revolute("pin"), planar.Rod("arm", rx=0.3)
    elbow, rod, wrist = planar.Revolute("elbow"), planar.Rod("rod", rx=1.0), planar.Revolute("wrist")
    slide, wheel = planar.Prismatic("slide"), planar.Body("wheel", m=1.0, J=0.2)
    piston = planar.Body("piston", m=0.5, J=0.1)
    joints = [
        (world.frame, pin.a, slide.a), (pin.b, arm.a, wheel.frame), (arm.b, elbow.a), (elbow.b, rod.a),
        (rod.b, wrist.a), (wrist.b, slide.b, piston.frame),
    ]  # fmt: skip
    return sn.System("crank", [sn.connect(*joint) for joint in joints])


def on_grid(model: sn.PDE, scheme: Any) -> sn.System:
    return sn.discretize(model, dict.fromkeys(model.coordinates, scheme))


def tube() -> sn.System:
    flow = compressible.tube(*compressible.TUBES["sod"])
    return on_grid(flow.model, sn.TVD(40, "van Leer", speeds=(flow.slowest, flow.fastest)))


def dam() -> sn.System:
    flow = compressible.dam_break()
    return on_grid(flow.model, sn.TVD(16, speed=flow.speed))


FIELDS: dict[str, Callable[[], sn.System]] = {
    "heat": lambda: on_grid(diffusion.heat(), sn.Central(41, 4)),
    "sorption": lambda: on_grid(diffusion.sorption(), sn.Central(41)),
    "fisher": lambda: on_grid(reaction_diffusion.fisher(), sn.Central(61)),
    "allen_cahn": lambda: on_grid(reaction_diffusion.allen_cahn(), sn.Central(41)),
    "gray_scott": lambda: on_grid(reaction_diffusion.gray_scott(), sn.Central(12)),
    "brusselator": lambda: on_grid(reaction_diffusion.brusselator(), sn.Central(12)),
    "fitzhugh_nagumo": lambda: on_grid(reaction_diffusion.fitzhugh_nagumo(), sn.Central(41)),
    "advection": lambda: on_grid(transport.advection(), sn.Upwind(40, 3)),
    "burgers": lambda: on_grid(transport.burgers(), sn.Central(41, 4)),
    "korteweg_de_vries": lambda: on_grid(transport.korteweg_de_vries((1.0, 0.0)), sn.Central(40)),
    "solitons": lambda: on_grid(schroedinger.modulated(), sn.Central(40, 4)),
    "tube": tube,
    "dam": dam,
}
SYSTEMS: dict[str, Callable[[], sn.System]] = {
    "rectifier": rectifier, "drive": drive, "train": train, "crank": crank, **FIELDS,
}  # fmt: skip
CLASSIC: dict[str, Callable[[], sn.Problem]] = {
    "transistor_amplifier": circuits.transistor_amplifier, "robertson": kinetics.robertson,
    "hires": kinetics.hires, "oregonator": kinetics.oregonator, "pollution": kinetics.pollution,
    "arenstorf": mechanics.arenstorf, "pleiades": mechanics.pleiades, "pendulum": mechanics.pendulum,
    "van_der_pol": oscillators.van_der_pol, "lorenz": oscillators.lorenz,
    "prothero_robinson": oscillators.prothero_robinson,
}  # fmt: skip
READY_MADE = [*SYSTEMS, *CLASSIC]


@cache
def ready_made(name: str) -> tuple[CompiledSystem, sn.Problem | None]:
    if name in CLASSIC:
        problem = CLASSIC[name]()
        return problem.compiled, problem
    return sn.compile(SYSTEMS[name]()), None


@cache
def remade(name: str, backend: str) -> CompiledSystem:
    """The default back end with rewritten expressions, the others with those that were written."""
    made, _ = ready_made(name)
    return made if backend == "llvm" else compile_flat(made.flat, made.defaults, None, backend)


def beside_the_start(name: str) -> tuple[Array, Array]:
    """Unknowns near the declared starts, where every function is defined; the model's parameters."""
    made, problem = ready_made(name)
    if problem is None:
        given = {} if name in FIELDS else dict.fromkeys(made.states, 0.3)
        problem = sn.Problem(made, given)
    draw = np.random.default_rng(5).standard_normal(len(problem.u))
    return problem.u + 0.02 * draw * np.maximum(np.abs(problem.u), 0.1), problem.p


@cache
def system(name: str, folder: Path) -> sn.System:
    if name == "cells":
        return cells()
    found: sn.System = sn.read(folder / "bng_net" / name / f"{name}.net").system()
    return found


@cache
def compiled(name: str, folder: Path, backend: str) -> CompiledSystem:
    """The default back end with rewritten expressions, the others with those that were written."""
    return sn.compile(
        system(name, folder), backend=backend, simplify="default" if backend == "llvm" else None
    )


def point(model: CompiledSystem) -> tuple[Array, Array]:
    """Any unknowns, and the parameters that the model has."""
    names = model.states
    p = sn.Problem(model, dict.fromkeys(names, 1.0)).p
    return np.random.default_rng(3).uniform(0.1, 2.0, len(names)), p


OTHERS = [
    pytest.param(name, marks=pytest.mark.slow) if name == "numba" else name
    for name in BACKENDS if name != "numpy"
]  # fmt: skip


def agree(oracle: CompiledSystem, other: CompiledSystem, u: Array, p: Array) -> None:
    """Right-hand side, Jacobian and time derivative, to 1e-13 of what is added up in each row."""
    expected, found = oracle.jacobian(0.5, u, p), other.jacobian(0.5, u, p)
    right = oracle.rhs(0.5, u, p)
    assert np.isfinite(right).all()
    assert np.isfinite(expected.data).all()
    scale = abs(expected) @ abs(u) + 1 + abs(right)
    assert (abs(other.rhs(0.5, u, p) - right) <= 1e-13 * scale).all()
    largest = abs(expected).max(axis=1).toarray().ravel() + 1
    difference = abs(found - expected).max(axis=1).toarray().ravel()
    assert (difference <= 1e-13 * largest).all()
    gradient = oracle.time_gradient(0.5, u, p)
    assert (abs(other.time_gradient(0.5, u, p) - gradient) <= 1e-13 * (scale + abs(gradient))).all()


@pytest.mark.parametrize("backend", OTHERS)
@pytest.mark.parametrize("name", NAMES)
def test_back_ends_agree(name: str, backend: str, shared_data: Path) -> None:
    oracle, other = compiled(name, shared_data, "numpy"), compiled(name, shared_data, backend)
    agree(oracle, other, *point(oracle))


@pytest.mark.parametrize("backend", OTHERS)
@pytest.mark.parametrize("name", READY_MADE)
def test_back_ends_agree_on_ready_made_systems(name: str, backend: str) -> None:
    agree(remade(name, "numpy"), remade(name, backend), *beside_the_start(name))


@pytest.mark.parametrize("name", READY_MADE)
def test_products_with_the_jacobian_from_the_left(name: str) -> None:
    """Reverse mode of the right-hand side against the Jacobian, which is made by forward mode."""
    oracle = remade(name, "numpy")
    u, p = beside_the_start(name)
    n = len(u)
    made = pullback(oracle.model.as_differentiated()["rhs"], n, len(p))
    assert made is not None
    weights = np.random.default_rng(2).standard_normal(n)
    found, work = np.full(n + len(p), np.nan), np.full(made.n_work, np.nan)
    evaluate(made, 0.5, found, np.concatenate([u, weights]), p, work)
    matrix = oracle.jacobian(0.5, u, p)
    scale = abs(matrix).T @ abs(weights) + 1e-300
    assert (abs(found[:n] - matrix.T @ weights) <= 1e-12 * scale).all()


@pytest.mark.parametrize("name", ["Motivating_example", *(n for n in READY_MADE if n not in FIELDS)])
def test_the_code_of_a_gpu_thread_agrees(name: str, request: pytest.FixtureRequest) -> None:
    """As it is compiled for a thread that integrates one member of an ensemble."""
    if name in READY_MADE:
        oracle = remade(name, "numpy")
        u, p = beside_the_start(name)
    else:
        oracle = compiled(name, request.getfixturevalue("shared_data"), "numpy")
        u, p = point(oracle)
    model = oracle.model
    made = device_model(model.lowered, model.functions)
    functions = host_functions(made.functions, made)
    work, values = np.zeros(max(made.n_work, 1)), np.zeros(len(made.indices))
    out = np.zeros(oracle.flat.n)
    functions["setup"](0.5, values, u, p, work)
    functions["rhs"](0.5, out, u, p, work)
    functions["jacobian"](0.5, values, u, p, work)
    scratch = np.zeros(max(f.n_work for f in model.lowered.values()) + 1)
    expected, slopes = np.zeros(len(values)), np.zeros(oracle.flat.n)
    for function, target in (("setup", expected), ("rhs", slopes), ("jacobian", expected)):
        evaluate(model.lowered[function], 0.5, target, u, p, scratch)
    scale = abs(slopes) + abs(oracle.jacobian(0.5, u, p)) @ abs(u) + 1
    assert (abs(out - slopes) <= 1e-12 * scale).all()
    assert values == pytest.approx(expected, rel=1e-12, abs=1e-12 * (1 + abs(expected).max()))
