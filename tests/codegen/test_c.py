"""The C back end: compiled with the machine's compiler, without a warning, and equal to the oracle."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from symnum.codegen.emit_c import CEmitter, compiler
from symnum.codegen.function import Column, Function, Loop, Output
from symnum.codegen.model import CompiledModel, build_model
from symnum.errors import CodegenError
from symnum.rewriting import operators as op
from symnum.rewriting.expr import Expr, slot

try:
    compiler()
except CodegenError as error:  # pragma: no cover - depends on the machine
    pytest.skip(str(error), allow_module_level=True)

STRICT = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic")


def built(model, backend: str) -> CompiledModel:
    directions = np.zeros(model.roots.n_out, int) if model.roots else None
    return build_model(
        model.rhs, model.roots, mass=np.ones(model.n), n_parameters=len(model.p), event_direction=directions,
        backend=backend,
    )  # fmt: skip


def agrees(found, expected) -> bool:
    return bool(np.all(np.abs(found - expected) <= 1e-13 * (1 + np.abs(expected))))


def test_every_model_agrees_with_the_oracle(model) -> None:
    found, expected = built(model, "c"), built(model, "numpy")
    at = (model.t, model.u, model.p)
    assert agrees(found.rhs(*at), expected.rhs(*at))
    assert agrees(found.jacobian(*at).data, expected.jacobian(*at).data)
    assert agrees(found.time_gradient(*at), expected.time_gradient(*at))
    assert agrees(found.roots(*at), expected.roots(*at))


def test_no_compiler_warns(model, tmp_path: Path) -> None:
    source = tmp_path / "model.c"
    source.write_text(built(model, "numpy").source("c"))
    command = [*compiler(), *STRICT, "-c", str(source), "-o", str(tmp_path / "model.o")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def single(*roots: Expr) -> Function:
    columns = tuple(Column("u", np.array([k])) for k in range(3))
    outputs = tuple(Output("out", np.array([k])) for k in range(len(roots)))
    return Function("single", (Loop("single", 1, roots, columns, outputs),), len(roots), 0)


def evaluated(function: Function, u: list[float]) -> list[float]:
    compiled = build_model(function, mass=np.ones(function.n_out), n_parameters=0, backend="c")
    return compiled.rhs(0.0, np.array(u), np.zeros(0)).tolist()


def test_signs_and_parentheses() -> None:
    """What C reads differently from other languages: two minus signs, mixed && and ||."""
    x, y, z = (slot("u", k) for k in range(3))
    minus = -1 * op.exp(-1 * (x + y))
    mixed = op.ifelse(((x < y) & (y < z)) | ((z < x) & ~(x <= y)), x - (y - z), x - y - z)
    chosen = op.ifelse(op.equal(op.floor(x), 1), z, -1 * z)
    function = single(minus, mixed, chosen)
    assert evaluated(function, [1.5, 2.5, 4.0]) == pytest.approx([-np.exp(-4.0), 3.0, 4.0])
    assert evaluated(function, [2.5, 1.5, 2.0]) == pytest.approx([-np.exp(-4.0), 3.0, -2.0])
    assert evaluated(function, [1.5, 2.5, 2.0]) == pytest.approx([-np.exp(-4.0), -3.0, 2.0])


def test_not_a_number_is_passed_on() -> None:
    x, y, z = (slot("u", k) for k in range(3))
    functions = single(op.minimum(x, y), op.maximum(y, x), op.sign(x) + z)
    assert np.isnan(evaluated(functions, [np.nan, 1.0, 0.0])).all()


def test_rejected_code_names_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    from symnum.codegen.emitter import Program, TableBuilder

    broken = Program("void f(", ("f",), TableBuilder(0).build(), 0, 0)
    with pytest.raises(CodegenError, match="compiler rejects"):
        CEmitter().build(broken)
    monkeypatch.setenv("CC", "")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CodegenError, match="needs a C compiler"):
        compiler()
