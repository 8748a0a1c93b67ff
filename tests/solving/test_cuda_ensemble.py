"""Ensembles and large systems on a GPU, without one: the simulator, PTX, machine code and refusals."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import symnum as sn
from symnum.codegen.cuda_toolkit import link
from symnum.errors import CodegenError, ModelError
from symnum.solving.cuda import ensemble as cuda_ensemble
from symnum.solving.cuda import kernel as cuda_kernel
from symnum.solving.cuda.ensemble import CudaEnsemble, solve_ensemble_cuda
from symnum.solving.cuda.integrate import solve_cuda
from symnum.solving.tableaus import find

D = sn.D
x, y = sn.variables("x y")
(k,) = sn.parameters(k=1.0)
MISSING = [name for name in ("numba_cuda", "cuda", "nvidia") if importlib.util.find_spec(name) is None]
needs_toolkit = pytest.mark.skipif(
    bool(MISSING) and not os.environ.get("SYMNUM_TEST_NEEDS_CUDA"),
    reason=f"{', '.join(MISSING)} not installed: pip install 'symnum-modeling[cuda]'",
)


def oscillator(**options) -> sn.Problem:
    system = sn.System("oscillator", [D(x) == k * y, D(y) == -x - 0.1 * y + sn.sin(sn.t)])
    return sn.Problem(system, {x: 1, y: 0}, span=(0, 10), **options)


def solve(problem: sn.Problem, method: str = "Tsit5", count: int = 2, **options):
    return solve_ensemble_cuda(problem, np.ones((count, 1)), np.ones((count, 2)), method, **options)


def test_simulated_solvers(repository: Path):
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
         "tests/solving/cuda_simulated.py"],
        cwd=repository, capture_output=True, text=True, check=False,
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "SYMNUM_TEST_CACHE": os.environ["SYMNUM_CACHE"]},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_elimination_in_the_kernel_exchanges_rows(n):
    """The lines of the kernel as they stand, on matrices whose diagonal is zero or tiny."""
    lines = [*cuda_kernel._factor(n), *cuda_kernel._solve(n), "return singular"]
    text = "def solve(matrix, exchanged, y):\n" + "\n".join(f"    {line}" for line in lines)
    namespace: dict = {}
    exec(text, namespace)
    rng = np.random.default_rng(n)
    for diagonal in (0.0, 1e-13) if n > 1 else (2.0,):
        matrix = rng.standard_normal((n, n))
        np.fill_diagonal(matrix, diagonal)
        right = rng.standard_normal(n)
        y = right.copy()
        assert not namespace["solve"](matrix.ravel().copy(), np.full(n * n, np.nan), y)
        assert np.allclose(y, np.linalg.solve(matrix, right), rtol=1e-11)
    matrix[:, 0] = 0.0
    assert namespace["solve"](matrix.ravel().copy(), np.full(n * n, np.nan), right)


@needs_toolkit
@pytest.mark.parametrize("capability", [(8, 0), (9, 0)])
@pytest.mark.parametrize("method", ["Tsit5", "Rodas4P"])
def test_machine_code_of_a_small_model_uses_no_local_memory(method, capability):
    system = sn.System("oscillator", [D(x) == y, D(y) == 1000 * (1 - x**2) * y - k * x])
    problem = sn.Problem(system, {x: 2, y: 0}, span=(0, 1))
    text = CudaEnsemble.of(problem.compiled.model, find(method)).ptx(capability)
    assert f".target sm_{capability[0]}{capability[1]}" in text
    assert ".extern .func" not in text
    assert ".local" not in text
    linked = link(text, capability)
    assert linked.code[:4] == b"\x7fELF"
    assert 0 < linked.registers < 255
    assert (linked.stack, linked.spills) == (0, 0)


def test_without_a_gpu_the_error_says_what_to_do():
    from numba import cuda

    if cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(CodegenError, match=r"no usable GPU.*symnum-modeling\[cuda\]"):
        solve(oscillator())
    with pytest.raises(CodegenError, match="no usable GPU"):
        solve_cuda(oscillator())


def test_events_are_refused():
    timed = oscillator(events=[sn.Event(at=1.0, then={x: 0})])
    for call in (solve, solve_cuda):
        with pytest.raises(ModelError, match=r"events.*do not work on a GPU"):
            call(timed)


def test_methods_are_checked():
    with pytest.raises(ModelError, match="MSRKTASE2 has no CUDA kernel; use Tsit5"):
        solve(oscillator(), "MSRKTASE2")
    with pytest.raises(ModelError, match="Rodas5P is not explicit"):
        solve_cuda(oscillator(), "Rodas5P")
    cubic = sn.Problem(sn.System("cubic", [D(x) == -y, y**3 + y == x]), {x: 1})
    with pytest.raises(ModelError, match="Tsit5 cannot solve a system with algebraic"):
        solve_ensemble_cuda(cubic, np.zeros((2, 0)), np.ones((2, 2)))
    with pytest.raises(ModelError, match="cannot solve algebraic"):
        solve_cuda(cubic)


def test_shapes_and_times_are_checked():
    problem = oscillator()
    with pytest.raises(ModelError, match=r"starts have shape \(2, 3\); give \(members, 2\)"):
        solve_ensemble_cuda(problem, np.ones((2, 1)), np.ones((2, 3)))
    with pytest.raises(ModelError, match=r"parameters have shape \(3, 1\); give \(2, 1\)"):
        solve_ensemble_cuda(problem, np.ones((3, 1)), np.ones((2, 2)))
    with pytest.raises(ModelError, match="parameters of member 1 are not finite"):
        solve_ensemble_cuda(problem, np.array([[1.0], [np.nan]]), np.ones((2, 2)))
    for times in ([0.0, 11.0], [1.0, 1.0], [-1.0], []):
        with pytest.raises(ModelError, match=r"increasing times within the span 0 \.\.\. 10"):
            solve(problem, saveat=np.array(times))
        with pytest.raises(ModelError, match=r"increasing times within the span 0 \.\.\. 10"):
            solve_cuda(problem, saveat=times)
    with pytest.raises(ModelError, match="step=-1"):
        solve_cuda(problem, step=-1.0)


def test_a_model_too_large_for_a_thread_is_refused(monkeypatch):
    monkeypatch.setattr(cuda_ensemble, "LARGEST", 1)
    with pytest.raises(CodegenError, match="2 unknowns are too many for one GPU thread"):
        solve(oscillator(), "Rodas4P")


def test_what_a_gpu_has_no_use_for_is_refused():
    with pytest.raises(ModelError, match="on='tpu': solve on 'cpu', or on 'cuda'"):
        sn.solve(oscillator(), on="tpu")
    with pytest.raises(ModelError, match="on='cuda': progress=, tier= works on='cpu' only"):
        sn.solve(oscillator(), on="cuda", tier="generic", progress=True)
    with pytest.raises(ModelError, match="is not explicit; on a GPU large systems need an explicit method"):
        sn.solve(oscillator(), "Rodas5P", on="cuda")
