"""Every back end agrees on models as users have them: reaction networks from files, a grid of cells."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import symnum as sn
from symnum.codegen.cuda_device import device_model, host_functions
from symnum.codegen.emit_numpy import evaluate
from symnum.codegen.emitter import BACKENDS
from symnum.language.block import Block, Column, GridNames, IndexedEquation, Quantities, References
from symnum.lowering.compile import CompiledSystem
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


@pytest.mark.parametrize("backend", [
    pytest.param(name, marks=pytest.mark.slow) if name == "numba" else name
    for name in BACKENDS if name != "numpy"
])  # fmt: skip
@pytest.mark.parametrize("name", NAMES)
def test_back_ends_agree(name: str, backend: str, shared_data: Path) -> None:
    """Right-hand side and Jacobian, to 1e-13 of what is added up in each row."""
    oracle, other = compiled(name, shared_data, "numpy"), compiled(name, shared_data, backend)
    u, p = point(oracle)
    expected, found = oracle.jacobian(0.5, u, p), other.jacobian(0.5, u, p)
    scale = abs(expected) @ abs(u) + 1
    assert (abs(other.rhs(0.5, u, p) - oracle.rhs(0.5, u, p)) <= 1e-13 * scale).all()
    largest = abs(expected).max(axis=1).toarray().ravel() + 1
    difference = abs(found - expected).max(axis=1).toarray().ravel()
    assert (difference <= 1e-13 * largest).all()


@pytest.mark.parametrize("name", ["Motivating_example"])
def test_the_code_of_a_gpu_thread_agrees(name: str, shared_data: Path) -> None:
    """As it is compiled for a thread that integrates one member of an ensemble."""
    oracle = compiled(name, shared_data, "numpy")
    model = oracle.model
    made = device_model(model.lowered, model.functions)
    functions = host_functions(made.functions, made)
    u, p = point(oracle)
    work, values = np.zeros(max(made.n_work, 1)), np.zeros(len(made.indices))
    out = np.zeros(oracle.flat.n)
    functions["setup"](0.5, values, u, p, work)
    functions["rhs"](0.5, out, u, p, work)
    functions["jacobian"](0.5, values, u, p, work)
    scratch = np.zeros(max(f.n_work for f in model.lowered.values()) + 1)
    expected, slopes = np.zeros(len(values)), np.zeros(oracle.flat.n)
    for function, target in (("setup", expected), ("rhs", slopes), ("jacobian", expected)):
        evaluate(model.lowered[function], 0.5, target, u, p, scratch)
    assert out == pytest.approx(slopes, rel=1e-12, abs=1e-12)
    assert values == pytest.approx(expected, rel=1e-12, abs=1e-12)
