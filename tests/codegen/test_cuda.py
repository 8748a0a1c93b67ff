"""CUDA without a GPU: device functions on the CPU, kernels in the simulator, PTX and machine code built."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import symnum as sn
from symnum.codegen import cuda_device
from symnum.codegen.cuda_device import DeviceModel, device_model, host_functions
from symnum.codegen.cuda_functions import CudaFunctions
from symnum.codegen.cuda_toolkit import link
from symnum.codegen.emit_cuda import emit_cuda
from symnum.codegen.emit_numpy import evaluate
from symnum.codegen.model import CompiledModel, build_model
from symnum.errors import CodegenError
from symnum.models.power import kundur


def toolkit_missing() -> str:
    """Why NVIDIA's compiler cannot be used here; "" if it can."""
    for name in ("numba_cuda", "cuda", "nvidia"):
        if importlib.util.find_spec(name) is None:
            return f"{name} is not installed: pip install 'symnum-modeling[cuda]'"
    return ""


needs_toolkit = pytest.mark.skipif(
    bool(toolkit_missing()) and not os.environ.get("SYMNUM_TEST_NEEDS_CUDA"), reason=toolkit_missing()
)


def built(model) -> CompiledModel:
    return build_model(model.rhs, mass=np.ones(model.n), n_parameters=len(model.p), backend="numpy")


def device(model) -> DeviceModel:
    compiled = built(model)
    return device_model(compiled.lowered, compiled.functions)


def test_device_functions_agree_with_the_oracle(model):
    """The code that one GPU thread runs, compiled for the CPU, with scratch as small as a thread has it."""
    if model.n > 200:
        pytest.skip("too large for a thread of its own; its operators are tested with one copy")
    made, lowered = device(model), built(model).lowered
    functions = host_functions(made.functions, made)
    work, values = np.full(max(made.n_work, 1), np.nan), np.zeros(len(made.indices))
    scratch, expected = np.full(max(f.n_work for f in lowered.values()) + 1, np.nan), np.zeros(len(values))
    for name in lowered:
        out, wanted = (values, expected) if name in ("setup", "jacobian") else (np.full(model.n, np.nan),) * 2
        if wanted is out:
            wanted = out.copy()
        functions[name](model.t, out, model.u, model.p, work)
        evaluate(lowered[name], model.t, wanted, model.u, model.p, scratch)
        assert np.all(np.abs(out - wanted) <= 1e-13 * (1 + np.abs(wanted))), name
    matrix, mass = np.full((model.n, model.n), np.nan), np.arange(model.n) % 2.0
    functions = host_functions({}, made._replace(mass=mass))
    functions["newton_matrix"](2.5, matrix, values, values, values)
    jacobian = np.zeros_like(matrix)
    jacobian[made.indices, np.repeat(np.arange(model.n), np.diff(made.indptr))] = values
    assert np.array_equal(matrix, 2.5 * np.diag(mass) - jacobian)


def test_a_model_too_large_for_a_thread_is_refused(models, monkeypatch):
    monkeypatch.setattr(cuda_device, "LARGEST", 100)
    with pytest.raises(CodegenError, match="too many for one GPU thread"):
        device(models["machines"]())


def test_kernels_do_not_depend_on_the_number_of_copies(sized):
    small, large = (emit_cuda(built(sized(k)).lowered) for k in (4, 12))
    assert small.source == large.source
    assert [launch.kernel for launch in small.launches["rhs"]] == [x.kernel for x in large.launches["rhs"]]


def test_rows_of_a_grid_share_a_kernel(models):
    program = emit_cuda({"rhs": models["grid"]().rhs})
    assert program.source.count("def ") < len(program.launches["rhs"])


def test_simulated_kernels(repository: Path):
    run_simulated(repository, "tests/codegen/cuda_simulated.py")


def run_simulated(repository: Path, file: str) -> None:
    environment = {
        **os.environ, "NUMBA_ENABLE_CUDASIM": "1", "SYMNUM_TEST_CACHE": os.environ["SYMNUM_CACHE"]
    }  # fmt: skip
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", file],
        cwd=repository, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


@needs_toolkit
@pytest.mark.parametrize("capability", [(8, 0), (9, 0)])
@pytest.mark.parametrize("name", ["machines", "chains", "conditions", "operators many"])
def test_ptx_and_machine_code(models, name, capability):
    functions = CudaFunctions(built(models[name]()).lowered)
    kernels = {launch.kernel for launch in functions.program.launches["rhs"]}
    texts = functions.ptx("rhs", capability)
    assert len(texts) >= len(kernels)
    for text in texts:
        assert f".target sm_{capability[0]}{capability[1]}" in text
        assert ".extern .func" not in text  # libdevice knows every function that we call
        assert link(text, capability).code[:4] == b"\x7fELF"


def test_device_functions_of_the_kundur_system():
    """Every device of the power library, in one thread: against the oracle, near the steady state."""
    problem = sn.Problem(sn.compile(kundur.two_area(pss=True, fault_bus=8), backend="numpy"), span=(0, 1))
    compiled = problem.compiled.model
    made = device_model(compiled.lowered, compiled.functions)
    functions = host_functions(made.functions, made)
    u = problem.u * (1 + 0.1 * np.random.default_rng(1).standard_normal(problem.u.shape)) + 0.01
    work, values, found = np.full(made.n_work, np.nan), np.zeros(len(made.indices)), np.zeros(made.n)
    functions["setup"](0.5, values, u, problem.p, work)
    functions["rhs"](0.5, found, u, problem.p, work)
    functions["jacobian"](0.5, values, u, problem.p, work)
    expected = compiled.jacobian(0.5, u, problem.p)
    scale = abs(expected) @ abs(u) + 1  # what is added up in each row
    assert (abs(found - compiled.rhs(0.5, u, problem.p)) <= 1e-13 * scale).all()
    largest = abs(expected).max(axis=1).toarray().ravel()[expected.indices]
    assert (abs(values - expected.data) <= 1e-13 * largest).all()
