"""What a solve may import: with a warm cache, with an empty one, and when the steppers are made."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.codegen import cache
from symnum.solving.kernel import library

HEAVY = {"numba", "scipy", "sympy", "networkx", "egglog", "matplotlib"}
# What takes milliseconds of every process, and is not needed for a model that is in the cache.
NOT_NEEDED = HEAVY | {"numpy.random", "numpy.polynomial", "symnum.language.reaction_network"}

ROBERTSON = """
import symnum as sn
a, b, c = sn.variables("a b c")
k1, k2, k3 = sn.parameters(k1=0.04, k2=3e7, k3=1e4)
D = sn.D
system = sn.System("robertson", [D(a) == -k1*a + k3*b*c, D(b) == k1*a - k3*b*c - k2*b**2, D(c) == k2*b**2])
problem = sn.Problem(system, {a: 1, b: 0, c: 0}, span=(0, 1e4))
"""
# More unknowns than are solved densely, so that a pivot order is chosen; an event and a follower beside them.
CHAIN = """
import symnum as sn
D = sn.D
x = sn.variables(" ".join(f"x{i}" for i in range(40)))
(k,) = sn.parameters(k=3.0)
chain = [D(x[0]) == k*(x[1] - x[0])]
chain += [D(x[i]) == k*x[i-1] - 2*k*x[i] + k*x[i+1] - sn.sin(x[i])*x[i-1]/(1 + x[i]**2) for i in range(1, 39)]
system = sn.System("chain", [*chain, 0 == x[38]**3 - x[39]*(1 + x[39]**2)])
half = sn.Event(when=x[3] - 0.5, then={x[0]: 1.5})
problem = sn.Problem(system, {v: 1/(1 + i) for i, v in enumerate(x)}, span=(0, 2), events=[half])
"""
LORENZ = """
import symnum as sn
x, y, z = sn.variables("x y z")
D = sn.D
system = sn.System("lorenz", [D(x) == 10*(y - x), D(y) == x*(28 - z) - y, D(z) == x*y - 8/3*z])
problem = sn.Problem(system, {x: 1, y: 0, z: 0}, span=(0, 5))
"""
# Units of the kernel library; a fast path that needs one more would have to build it in the processes below.
NEEDED = ("loop", "locate", "newton", "linear", "analysis", "step_explicit", "step_rosenbrock")
MODELS = [(ROBERTSON, "Rodas5P"), (CHAIN, "Rodas5P"), (LORENZ, "Tsit5")]


def modules_after(code: str, **environment: str) -> set[str]:
    """Modules of a fresh interpreter after it ran the code, without warnings."""
    process = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True, text=True, timeout=300, env=dict(os.environ) | environment,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    return set(process.stdout.splitlines()[-1].split())


def solved(model: str, method: str) -> str:
    return f"{model}\nsolution = sn.solve(problem, {method!r})\nassert solution.t[-1] == problem.span[1]"


@pytest.fixture
def own_cache(tmp_path, monkeypatch) -> Path:
    """A cache of its own that holds the steppers of this process's cache, and no models."""
    for unit in NEEDED:
        library.addresses(unit)
    source = cache.directory()
    if source is None:
        pytest.skip("without a cache directory every process makes the steppers anew")
    target = tmp_path / "cache"
    target.mkdir(mode=0o700)
    for path in (*source.glob("object-*"), *source.glob("text-*")):
        shutil.copy2(path, target)
    monkeypatch.setenv("SYMNUM_CACHE", str(target))
    return target


@pytest.mark.parametrize(("model", "method"), MODELS, ids=["robertson", "chain", "lorenz"])
def test_a_small_model_needs_nothing_heavy(own_cache, model, method):
    code = solved(model, method)
    assert not modules_after(code) & HEAVY  # no models in the cache
    assert len(list(own_cache.glob("model-*"))) == 1
    warm = modules_after(code)
    assert not warm & NOT_NEEDED
    # neither what only makes models, nor modules of others that cost milliseconds and are easily let in
    assert not warm & {"symnum.codegen.passes", "symnum.rewriting.schedule", "numpy.ma", "difflib", "logging"}


def test_the_first_use_says_why_it_takes_long(own_cache):
    for path in (*own_cache.glob("text-*"), *own_cache.glob("object-*")):
        path.unlink()
    process = subprocess.run(
        [sys.executable, "-c", solved(LORENZ, "Tsit5")],
        capture_output=True, text=True, timeout=300, env=dict(os.environ),
    )  # fmt: skip
    assert (process.returncode, process.stdout) == (0, "")
    assert process.stderr.count("\n") == 1
    assert "compiles its steppers" in process.stderr
    # what the method does not need is not made
    kept = {unit: cache.fetch("text", cache.digest(library._sources(), unit)) for unit in library.UNITS}
    assert kept["step_explicit"] is not None
    assert kept["step_rosenbrock"] is kept["linear"] is kept["analysis"] is None


@pytest.mark.parametrize("sources", ["these", "others"])
def test_texts_packed_into_a_wheel_are_used_with_their_own_sources_only(tmp_path, monkeypatch, sources):
    monkeypatch.setenv("SYMNUM_CACHE", str(tmp_path / "cache"))
    packed = {"sources": library._sources() if sources == "these" else "0", "texts": {"step_tase": "packed"}}
    monkeypatch.setattr(library, "_PACKED", tmp_path / "texts.json")
    monkeypatch.setattr(library, "_made", lambda unit: f"{unit}, made")
    (tmp_path / "texts.json").write_text(json.dumps(packed))
    library._packed.cache_clear()
    try:
        assert library.text("step_tase") == ("packed" if sources == "these" else "step_tase, made")
    finally:
        library._packed.cache_clear()


def test_the_second_solve_takes_over_the_pivot_orders_of_the_first():
    space: dict[str, Any] = {}
    exec(CHAIN, space)
    first, second = (sn.solve(space["problem"], "Rodas5P") for _ in range(2))
    assert first.stats.pivot_orders > 0
    assert second.stats.pivot_orders == 0
    np.testing.assert_allclose(second.y[:, -1], first.y[:, -1], rtol=1e-9)
