"""Elementary functions of our own in loops: within about an ulp, with the special values of the C library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symnum.codegen.compiled import CompiledFunction
from symnum.codegen.emitter import emitter_for
from symnum.codegen.function import Column, Function, Loop, Output
from symnum.rewriting.expr import slot
from symnum.rewriting.operators import exp, tanh


def evaluated(x: np.ndarray, of: Callable[[Any], Any] = exp) -> np.ndarray:
    """exp(x), or another function, by a loop over the entries."""
    every = np.arange(len(x))
    loop = Loop("each", len(x), (of(slot("u", 0)),), (Column("u", every),), (Output("out", every),))
    function = Function("values", (loop,), len(x), 0)
    emitter = emitter_for("llvm")
    program = emitter.emit({function.name: function})
    assert f"symnum_{of(slot('u', 0)).op}" in program.source
    loaded = emitter.load(program.names, emitter.build(program), program.tables)
    out, none = np.zeros(len(x)), np.zeros(1)
    CompiledFunction(loaded.addresses[function.name], loaded.owners)(0.0, out, x, none, none)
    return out


@pytest.mark.parametrize("width", [1e-8, 1.0, 40.0, 700.0])
def test_exponential(width: float) -> None:
    """Against extended precision, over ranges from the reduced argument to the whole range of doubles."""
    x = np.random.default_rng(7).uniform(-width, width, 20_000)
    exact = np.exp(x.astype(np.longdouble))
    error = np.abs(evaluated(x).astype(np.longdouble) - exact) / np.spacing(exact.astype(float))
    assert float(error.max()) < 1.1


def test_special_values() -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 709.78, 709.79, 1e300, -1e300])
    x = np.concatenate([x, [-745.0, -746.0, -708.5, -740.0, 1.0]])
    found = evaluated(x)
    with np.errstate(over="ignore", under="ignore"):
        expected = np.exp(x)
    assert (np.isnan(found) == np.isnan(expected)).all()
    finite = ~np.isnan(expected)
    np.testing.assert_allclose(found[finite], expected[finite], rtol=3e-16, atol=5e-324)


@pytest.mark.parametrize("width", [1e-300, 1e-8, 0.3, 1.0, 40.0])
def test_hyperbolic_tangent(width: float) -> None:
    x = np.random.default_rng(8).uniform(-width, width, 20_000)
    exact = np.tanh(x.astype(np.longdouble))
    error = np.abs(evaluated(x, tanh).astype(np.longdouble) - exact) / np.spacing(np.abs(exact.astype(float)))
    assert float(error.max()) < 3.0


def test_special_values_of_the_hyperbolic_tangent() -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 22.0, -22.0, 1e300, -1e300, 5e-324, -5e-324])
    found, expected = evaluated(x, tanh), np.tanh(x)
    np.testing.assert_array_equal(found, expected)
    assert (np.signbit(found) == np.signbit(expected))[:2].all()
