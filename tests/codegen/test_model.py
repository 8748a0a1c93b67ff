"""`build_model`: checks of its input, and the cache on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from symnum.codegen import compiled_pullback, passes
from symnum.codegen.function import Column, Function, Loop, Output, digest
from symnum.codegen.model import build_model
from symnum.errors import CodegenError
from symnum.rewriting.expr import slot
from symnum.rewriting.operators import sin

I = np.arange(5)


def pendulum(factor: float = 1.0) -> Function:
    roots = (slot("u", 1), -factor * slot("p", 2) * sin(slot("u", 0)))
    columns = (Column("u", I), Column("u", 5 + I), Column("p", 0 * I))
    return Function(
        "pendulum", (Loop("pendulum", 5, roots, columns, (Output("out", I), Output("out", 5 + I))),), 10, 0
    )


def built(rhs: Function | None = None, roots: Function | None = None, **options):
    settings = {"mass": np.ones(10), "n_parameters": 1, **options}
    return build_model(rhs or pendulum(), roots, **settings)


@pytest.fixture
def lowered(monkeypatch, tmp_path) -> list[object]:
    """An empty cache, and a record of each time the passes ran."""
    monkeypatch.setenv("SYMNUM_CACHE", str(tmp_path / "cache"))
    runs: list[object] = []
    original = passes.lowered

    def watched(rhs, *rest, **options):
        runs.append(rhs)
        return original(rhs, *rest, **options)

    monkeypatch.setattr(passes, "lowered", watched)
    return runs


def events(count: int) -> Function:
    roots = tuple(slot("u", 0) - k for k in range(count))
    outputs = tuple(Output("out", np.array([k])) for k in range(count))
    return Function("events", (Loop("events", 1, roots, (Column("u", np.array([1])),), outputs),), count, 0)


def test_functions_beside_a_model_are_kept_per_processor(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("SYMNUM_CACHE", str(tmp_path))
    compiled_pullback.compiled_functions({"pendulum": pendulum()})
    monkeypatch.setattr(compiled_pullback, "target", lambda: "another processor")
    for _ in range(2):
        compiled_pullback.compiled_functions({"pendulum": pendulum()})
    assert sum(path.name.startswith("pullback-") for path in tmp_path.iterdir()) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mass": np.ones(9)}, "writes 10 rows, but the mass matrix has 9"),
        ({"n_parameters": 0}, r"reads p\[0\], but p has 0 places"),
        ({"event_direction": np.array([1])}, "1 events and 0 limits need 1 root values, .* writes 0"),
        (
            {"roots": events(3), "event_direction": np.array([1]), "limit_parameter": np.array([3])},
            "by parameter 3",
        ),
        ({"roots": events(2), "limit_parameter": np.array([0, 0])}, "need 4 root values"),
        ({"backend": "fortran"}, "unknown back end 'fortran'. Choose one of llvm, numba, numpy"),
        ({"mass": np.full(10, 0.5)}, "mass entries must be 0 or 1"),
    ],
)
def test_input_that_does_not_fit(options, message):
    with pytest.raises(CodegenError, match=message):
        built(**options)


def test_arguments_of_wrong_shape():
    model = built()
    with pytest.raises(CodegenError, match=r"u has shape \(9,\); this model has 10 unknowns"):
        model.rhs(0.0, np.zeros(9), np.zeros(1))
    with pytest.raises(CodegenError, match=r"p has shape \(2,\); this model has 1 parameters"):
        model.jacobian(0.0, np.zeros(10), np.zeros(2))


def test_lists_and_integers_are_accepted():
    model = built()
    assert model.rhs(0, list(range(10)), [2])[:5].tolist() == [5, 6, 7, 8, 9]
    assert model.sparsity.toarray().sum() == 10
    assert not model.time_gradient(0.0, np.zeros(10), np.zeros(1)).any()
    assert model.functions.time_gradient == model.functions.roots == 0


def test_what_the_rewriter_found_is_kept_with_the_code(lowered):
    """Another process may find something else; what is made beside stored code must not notice."""
    x, y = slot("u", 0), slot("u", 1)
    roots = (sin(x) * y + sin(x) * y**3, y + 1)
    columns = (Column("u", I), Column("u", 5 + I))
    loop = Loop("wave", 5, roots, columns, (Output("out", I), Output("out", 5 + I)))
    function = Function("wave", (loop,), 10, 0)

    def factored(given, free):
        return tuple(sin(x) * (y + y**3) if root is roots[0] else root for root in given)

    def never(given, free):
        raise AssertionError("the rewriter searches again")

    first = built(function, simplify=lambda *_: factored, simplify_tag="a")
    second = built(function, simplify=lambda *_: never, simplify_tag="a")
    assert len(lowered) == 1
    assert second.fits
    assert digest(second.lowered.values()) == digest(first.lowered.values())
    assert second.lowered["rhs"].items[0].roots[0] is sin(x) * (y + y**3)
    with pytest.raises(AssertionError, match="searches again"):
        second.rewritten()  # what `explain` asks for: a search of its own


def test_a_second_build_comes_from_disk(lowered):
    first = built()
    second = built()
    assert len(lowered) == 1
    u, p = np.linspace(-1, 1, 10), np.array([9.81])
    assert np.array_equal(first.rhs(0.0, u, p), second.rhs(0.0, u, p))
    assert np.array_equal(first.jacobian(0.0, u, p).toarray(), second.jacobian(0.0, u, p).toarray())
    assert first.rhs(0.0, u, p)[5:] == pytest.approx(-9.81 * np.sin(u[:5]))


@pytest.mark.parametrize(
    "options",
    [
        {"rhs": pendulum(2.0)}, {"n_parameters": 2},
        {"simplify": lambda *_: None, "simplify_tag": "a"}, {"backend": "numpy"},
        {"roots": events(1), "event_direction": np.array([1])},
    ],
)  # fmt: skip
def test_another_model_is_built_anew(lowered, options):
    built()
    built(**options)
    assert len(lowered) == 2


@pytest.mark.parametrize("kind", ["model", "object"])
def test_damaged_files_are_made_again(lowered, kind):
    built()
    damaged = [path for path in Path(os.environ["SYMNUM_CACHE"]).iterdir() if path.name.startswith(kind)]
    assert damaged
    for path in damaged:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
    if kind == "object":  # an object is looked up only when there is no model
        for path in Path(os.environ["SYMNUM_CACHE"]).glob("model-*"):
            path.unlink()
    assert built().rhs(0.0, np.ones(10), np.ones(1))[0] == 1.0
    assert len(lowered) == 2


def test_nothing_can_be_written(lowered, monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setenv("SYMNUM_CACHE", str(blocked / "cache"))
    assert built().rhs(0.0, np.ones(10), np.ones(1))[0] == 1.0
    built()
    assert len(lowered) == 2


SQUARES = """
import sys
import numpy as np
from symnum.codegen.function import Column, Function, Loop, Output, digest
from symnum.codegen.model import build_model
from symnum.rewriting.expr import slot
i = np.arange(50)
columns = (Column("u", i), Column("p", i))
loop = Loop("a", 50, (slot("u", 0) ** 2 * slot("p", 1),), columns, (Output("out", i),))
for _ in range(3):
    model = build_model(Function("squares", (loop,), 50, 0), mass=np.ones(50), n_parameters=50)
    assert np.array_equal(model.rhs(0.0, i * 1.0, np.full(50, 2.0)), 2.0 * i * i)
heavy = {"numba", "scipy", "sympy", "egglog", "networkx", "matplotlib"}
print(sorted(heavy & {name.partition(".")[0] for name in sys.modules}))
"""


def test_processes_racing_on_an_empty_cache(tmp_path):
    environment = {**os.environ, "SYMNUM_CACHE": str(tmp_path / "race")}
    running = [
        subprocess.Popen([sys.executable, "-c", SQUARES], env=environment, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in running:
        _, problems = process.communicate(timeout=120)
        assert process.returncode == 0, problems.decode()
    assert not list((tmp_path / "race").glob("tmp-*"))


def test_threads_share_a_model():
    model = built()
    starts = np.random.default_rng(0).random((64, 10))
    p = np.array([9.81])
    expected = [model.rhs(0.0, u, p) for u in starts]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda u: model.rhs(0.0, u, p), starts))
    assert np.array_equal(expected, found)


def test_neither_building_nor_loading_imports_anything_heavy(tmp_path):
    environment = {**os.environ, "SYMNUM_CACHE": str(tmp_path / "warm")}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", SQUARES], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]"


def test_a_model_outlives_everything_else():
    import gc

    model = built()
    functions = model.functions
    del model
    gc.collect()
    from symnum.codegen.compiled import CompiledFunction

    out = np.zeros(10)
    call = CompiledFunction(functions.rhs, functions.owners)
    call(0.0, out, np.ones(10), np.ones(1), np.zeros(functions.n_work))
    assert out[:5].tolist() == [1.0] * 5
