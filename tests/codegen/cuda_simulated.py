"""Run by `test_cuda` in a process in which numba simulates the GPU: kernels against the oracle."""

from __future__ import annotations

import numpy as np
import pytest

import symnum as sn
from symnum.codegen import cuda_toolkit
from symnum.codegen.cuda_functions import CudaFunctions
from symnum.codegen.emit_numpy import evaluate
from symnum.codegen.function import Column, Function, Loop, Output
from symnum.codegen.model import build_model
from symnum.models.mechanical import translational
from symnum.models.power import kundur
from symnum.models.spatial import diffusion, reaction_diffusion, schroedinger, transport
from symnum.models.thermal import heat
from symnum.rewriting.expr import slot


def on_device(values):
    return cuda_toolkit.cuda().to_device(np.array(values if len(values) else [0.0], float))


def test_kernels_agree_with_the_oracle(model):
    assert cuda_toolkit.simulated()
    built = build_model(model.rhs, mass=np.ones(model.n), n_parameters=len(model.p), backend="numpy")
    lowered = built.lowered
    kernels = CudaFunctions(lowered)
    u, p, work = on_device(model.u), on_device(model.p), on_device(np.full(kernels.n_work, np.nan))
    expected_work, size = np.full(kernels.n_work, np.nan), lowered["jacobian"].n_out
    buffers = {name: np.full(function.n_out, np.nan) for name, function in lowered.items()}
    buffers["setup"] = buffers["jacobian"] = np.zeros(size)  # one buffer, which setup prepares
    found = {name: on_device(buffer) for name, buffer in buffers.items()}
    found["setup"] = found["jacobian"]
    for name in lowered:
        kernels(name, model.t, found[name], u, p, work)
        evaluate(lowered[name], model.t, buffers[name], model.u, model.p, expected_work)
    for name in lowered:
        if lowered[name].n_out:
            result = found[name].copy_to_host()
            assert np.all(np.abs(result - buffers[name]) <= 1e-13 * (1 + np.abs(buffers[name]))), name


def test_copies_that_add_to_one_place():
    i = np.arange(12)
    start = Loop("start", 3, (slot("c", 0),), (Column("c", [1.0, 2.0, 4.0]),), (Output("out", i[:3]),))
    more = Loop("more", 12, (slot("u", 0),), (Column("u", i),), (Output("out", i % 3, accumulate=True),))
    kernels = CudaFunctions({"f": Function("f", (start, more), 3, 0)})
    assert "atomic" in kernels.program.source
    u, out = 1.0 + i, on_device(np.zeros(3))
    kernels("f", 0.0, out, on_device(u), on_device([]), on_device([]))
    assert np.allclose(out.copy_to_host(), [1 + 22, 2 + 26, 4 + 30], rtol=1e-15)


def test_one_copy_adds_to_what_kernels_wrote():
    """Runs of single copies are functions of one thread: they read results of the kernels before them."""
    i = np.arange(4)
    many = Loop("many", 4, (2 * slot("u", 0),), (Column("u", i),), (Output("out", i),))
    one = Loop("one", 1, (slot("u", 0),), (Column("u", [3]),), (Output("out", [1], accumulate=True),))
    kernels = CudaFunctions({"f": Function("f", (many, one), 4, 0)})
    out = on_device(np.zeros(4))
    kernels("f", 0.0, out, on_device([1.0, 2.0, 3.0, 5.0]), on_device([]), on_device([]))
    assert np.array_equal(out.copy_to_host(), [2, 9, 6, 10])


def agree(problem: sn.Problem) -> None:
    """Right-hand side as kernels, one copy of a class a thread, against the oracle near the start."""
    compiled = problem.compiled.model
    kernels = CudaFunctions({name: compiled.lowered[name] for name in ("setup", "rhs")})
    values = problem.u * (1 + 0.1 * np.random.default_rng(1).standard_normal(problem.u.shape)) + 0.01
    u, p, work = on_device(values), on_device(problem.p), on_device(np.full(kernels.n_work, np.nan))
    found = on_device(np.zeros(len(values)))
    kernels("setup", 0.5, on_device(np.zeros(compiled.functions.entries)), u, p, work)
    kernels("rhs", 0.5, found, u, p, work)
    expected = compiled.rhs(0.5, values, problem.p)
    scale = abs(compiled.jacobian(0.5, values, problem.p)) @ abs(values) + 1  # what is added up in each row
    assert (abs(found.copy_to_host() - expected) <= 1e-13 * scale).all()


def test_kernels_of_the_kundur_system():
    agree(sn.Problem(sn.compile(kundur.two_area(pss=True, fault_bus=8), backend="numpy"), span=(0, 1)))


@pytest.mark.parametrize(
    ("model", "scheme"),
    [
        (reaction_diffusion.gray_scott(), sn.Central(8)),
        (diffusion.sorption(), sn.Central(21)),
        (transport.burgers(), sn.Central(21, 4)),
        (schroedinger.modulated(), sn.Central(16, 4)),
    ],
    ids=["gray_scott", "sorption", "burgers", "schroedinger"],
)
def test_kernels_of_fields(model, scheme):
    system = sn.discretize(model, dict.fromkeys(model.coordinates, scheme))
    agree(sn.Problem(sn.compile(system, backend="numpy"), span=(0, 1)))


def test_kernels_of_a_train():
    """Masses, springs and dampers in a row, on a wall that rubs and in the sun."""
    wagons = [translational.Mass(f"m{k}", m=1.0 + 0.1 * k) for k in range(6)]
    links = [translational.SpringDamper(f"l{k}", c=50.0 + k, d=2.0) for k in range(5)]
    wall, slide = translational.Fixed("wall"), translational.Friction("slide")
    body, ray = heat.HeatCapacitor("body", C=10.0), heat.Radiation("ray", Gr=1.0)
    sun, pull = heat.FixedTemperature("sun", T=500.0), translational.Force("pull", F=3.0)
    joints = [(wall.flange, slide.a), (slide.b, wagons[0].a), (wagons[-1].b, pull.flange)]
    joints += [(wagons[k].b, links[k].a) for k in range(5)]
    joints += [(links[k].b, wagons[k + 1].a) for k in range(5)]
    joints += [(body.port, ray.a), (ray.b, sun.port)]
    made = sn.compile(sn.System("train", [sn.connect(*joint) for joint in joints]), backend="numpy")
    agree(sn.Problem(made, dict.fromkeys(made.states, 0.3), span=(0, 1)))
