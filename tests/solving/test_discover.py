"""Formulas from learnt terms: the universal differential equation of Rackauckas et al. (2020)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError
from symnum.solving.discover import sparse_regression

x, y = sn.variables("x y")
Discover: Any = sn.discover


def test_sparse_regression_finds_the_terms() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(200, 8)) * 10.0 ** np.arange(-3, 5)
    exact = np.zeros(8)
    exact[[1, 5]] = 300.0, -0.02
    values = matrix @ exact + 0.01 * rng.normal(size=200)
    found = sparse_regression(matrix, values, 0.1)
    assert np.flatnonzero(found).tolist() == [1, 5]
    assert found[[1, 5]] == pytest.approx(exact[[1, 5]], rel=1e-2)
    assert not sparse_regression(matrix, np.zeros(200), 0.1).any()


def universal(shared_data: Path, seed: int, width: int = 8, iterations: int = 150) -> tuple[Any, Any, Any]:
    """Known are 1.3 x and -1.8 y; the two terms of interaction are learnt from 31 points."""
    table = np.loadtxt(shared_data / "neural_hybrid" / "lotka_volterra_ude.csv", delimiter=",", skiprows=1)
    times, first, second = table.T
    f = sn.network("f", [x, y], [width, width], 2, seed=seed)
    system = sn.System("ude", [sn.D(x) == 1.3 * x + f[0], sn.D(y) == -1.8 * y + f[1]])
    problem = sn.Problem(system, {x: first[0], y: second[0]}, (0, 3))
    found = sn.fit(
        problem, {x: first, y: second}, times, f.weights, regularize=1e-7, iterations=iterations,
        method="Tsit5",
    )
    sol = found.solve(saveat=times)
    misfit = float(np.mean((sol.y - table[:, 1:].T) ** 2))
    return found, f, misfit


def check_universal(shared_data: Path, seed: int) -> bool:
    found, f, misfit = universal(shared_data, seed)
    formula = Discover(found, f)
    (a,), (b,) = ([c for c in formula.coefficients if f"_{i}_" in c.name] for i in (0, 1))
    right = formula[0] / x / y, formula[1] / x / y
    fine = all(value.is_number for value in right)
    return (
        misfit <= 1e-4 and fine and abs(formula.coefficients[a] + 0.9) < 0.018
        and abs(formula.coefficients[b] - 0.8) < 0.016
    )  # fmt: skip


def test_lotka_volterra(shared_data: Path) -> None:
    """Misfit at most 1e-4; -0.9 x y and 0.8 x y within 2 per cent; the formula is a system of its own."""
    found, f, misfit = universal(shared_data, 5, 5, 80)
    assert misfit <= 1e-4
    raw = Discover(found, f, refine=False)
    assert raw.refined is None
    assert [float(raw[i] / (x * y)) for i in (0, 1)] == pytest.approx([-0.9, 0.8], rel=0.02)
    formula = Discover(found, f)
    assert [float(formula[i] / (x * y)) for i in (0, 1)] == pytest.approx([-0.9, 0.8], rel=1e-4)
    assert (formula.error < 0.1).all()
    assert "f[0] = -0." in repr(formula)
    assert formula.ranges.shape == (2, 2)
    model = sn.Problem(formula.system, {x: 0.44249296, y: 4.6280594}, (0, 12))
    assert not any("weights" in name for name in model.compiled.parameters)
    truth = sn.System("truth", [sn.D(x) == 1.3 * x - 0.9 * x * y, sn.D(y) == 0.8 * x * y - 1.8 * y])
    exact = sn.solve(sn.Problem(truth, {x: 0.44249296, y: 4.6280594}, (0, 12)), rtol=1e-9)
    later = model.with_(parameters={c: formula.refined[c] for c in formula.coefficients})
    assert sn.solve(later, rtol=1e-9)(12.0)[x] == pytest.approx(exact(12.0)[x], rel=1e-2)  # four times as far


@pytest.mark.slow  # half a minute of fits
def test_lotka_volterra_from_ten_seeds(shared_data: Path) -> None:
    assert sum(check_universal(shared_data, seed) for seed in range(10)) >= 9


def test_wrong_use() -> None:
    f = sn.network("f", [x], [3], 1)
    system = sn.System("s", [sn.D(x) == f[0]])
    times = np.linspace(0, 1, 5)
    found = sn.fit(sn.Problem(system, {x: 1}), {x: np.exp(-times)}, times, f.weights, iterations=5)
    other = sn.network("g", [x], [3], 1)
    for refused, message in (
        (lambda: Discover(found, other), "the equations of s do not hold the network g"),
        (lambda: Discover(found, "f"), "give the network that was learnt"),
        (lambda: Discover(f, f), "takes what sn.fit gave"),
        (lambda: Discover(found, f, threshold=2), "threshold=2"),
        (lambda: Discover(found, f, degree=-1), "degree=-1"),
        (lambda: Discover(found, f, samples=1), "samples=1"),
        (lambda: Discover(found, f, library=[]), "the library is empty"),
        (lambda: Discover(found, f, library=[f[0]]), "which it is to replace"),
        (lambda: Discover(found, f, library=[x, 2 * x]), "cannot be told apart"),
        (lambda: Discover(found, f, library=[sn.log(x - 5)]), "is not finite"),
    ):
        with pytest.raises(ModelError, match=message):
            refused()
    compiled = sn.fit(
        sn.Problem(sn.compile(system), {x: 1}), {x: np.exp(-times)}, times, f.weights, iterations=2
    )
    with pytest.raises(ModelError, match="make the problem of the System itself"):
        Discover(compiled, f)
