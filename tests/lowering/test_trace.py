"""NumPy functions traced into systems: compiled, they do to new arrays what the function does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from scipy.integrate import solve_ivp

import symnum as sn
from symnum.errors import ModelError, TraceError

rng = np.random.default_rng(5)
N = 7
DENSE = rng.normal(size=(N, N))
SECOND = sparse.diags([1.0, -2.0, 1.0], [-1, 0, 1], shape=(N, N)).tocsr()
MASK = np.arange(N) % 3 == 0


def in_place(u: Any) -> Any:
    change = np.zeros_like(u)
    change[1:-1] = u[2:] - 2 * u[1:-1] + u[:-2]
    change[0] = 1 - u[0]
    change[-1] += u[-2] ** 2
    return change


def with_out(u: Any) -> Any:
    change = np.empty_like(u)
    np.multiply(u, u, out=change)
    np.add(change, 1.0, out=change)
    return change


def shallow_water_step(state: Any) -> Any:
    """One Lax-Friedrichs step of height and momentum on a ring, minus the state."""
    h, hu = state
    flux = np.stack([hu, hu**2 / h + 0.5 * h**2])
    mean = (np.roll(state, 1, axis=1) + np.roll(state, -1, axis=1)) / 2
    return mean - 0.1 * (np.roll(flux, -1, axis=1) - np.roll(flux, 1, axis=1)) - state


def positive(*shape: int) -> Any:
    return rng.uniform(0.5, 1.5, shape)


CASES: dict[str, tuple[Callable[..., Any], Any]] = {
    "arithmetic": (lambda u: 2 * u - u**2 / (1 + u) + (-u) ** 3 + 1.5, (N,)),
    "functions": (lambda u: np.sin(u) + np.exp(-u) * np.sqrt(u) + np.arctan2(u, 2) + np.hypot(u, 1), (N,)),
    "choices": (
        lambda u: np.where(u > 1, u**2, np.minimum(u, 0.7)) + np.clip(u, 0.6, 1.2) + abs(u - 1),
        (N,),
    ),
    "constant masks": (lambda u: np.where(MASK, u, -u) + u * MASK, (N,)),
    "roll": (lambda u: np.roll(u, 1) - 2 * u + np.roll(u, -1), (N,)),
    "pads": (
        lambda u: np.pad(u, 1)[2:] + np.pad(u, 1, mode="edge")[:-2] + np.pad(u, 2, mode="wrap")[4:],
        (N,),
    ),
    "slices in place": (in_place, (N,)),
    "out=": (with_out, (N,)),
    "dense matrix": (lambda u: DENSE @ u + np.dot(DENSE.T, u) + u @ DENSE, (N,)),
    "sparse matrix": (lambda u: SECOND @ u + SECOND.dot(u**2), (N,)),
    "matrices on both sides": (lambda u: SECOND @ u + u @ SECOND.T + DENSE @ u @ DENSE, (N, N)),
    "sums": (lambda u: u * u.sum() - np.mean(u, axis=0) + u.sum(axis=1, keepdims=True), (5, 6)),
    "a wide sum": (lambda u: u * np.sum(u**2) / np.mean(u), (40,)),
    "differences": (lambda u: np.gradient(u, 0.1) + np.pad(np.diff(u, 2), 1), (N,)),
    "gradients of a plane": (lambda u: np.gradient(u, axis=0) * np.gradient(u, axis=1), (4, 5)),
    "stacks": (lambda u: np.stack([u[1], u[0] * u[1]]), (2, N)),
    "a list": (lambda t, u: [1 + u[0] ** 2 * u[1] - 4 * u[0], 2.5], (2,)),
    "a list of rows": (lambda u: (u[1] * u[0], -u[0]), (2, N)),
    "an array of elements": (lambda t, u: 2 * np.array([u[1] * u[0], np.sin(u[0])]), (2,)),
    "concatenation": (lambda u: np.concatenate([u[:2] ** 2, [1.0], u[3:] * u[2]]), (N,)),
    "broadcasting": (lambda u: u * np.arange(5.0) + u[:, :1] + u[0], (4, 5)),
    "three dimensions": (lambda u: np.transpose(u, (1, 0, 2)) + u[::-1, :, ::-1], (3, 3, 4)),
    "fancy indices": (lambda u: u[np.array([3, 0, 0, 1, 6, 5, 2])] + u[MASK].sum(), (N,)),
    "logic": (lambda u: np.where((u > 0.8) & ~(u > 1.2), 1.0, 0.0) * u, (N,)),
    "shallow water": (shallow_water_step, (2, 30)),
    "a constant": (lambda u: np.ones(N), (N,)),
}

WITH_TIME = ("a list", "an array of elements")


@pytest.mark.parametrize("case", CASES)
def test_the_compiled_function_is_the_function(case: str) -> None:
    function, shape = CASES[case]
    run = None
    system = sn.trace(function, shape, name="traced")
    problem = sn.Problem(system, {"u": positive(*shape)}, span=(0, 1e-6))
    for _ in range(3):
        u = positive(*shape)
        run = sn.solve(problem.with_(start={"u": u}), "Rodas5P", saveat=[0.0])
        found = (run["u[" + ",".join("0" * len(shape)) + "]"], derivative(run, shape))
        exact = function(u) if case not in WITH_TIME else function(0.0, u)
        np.testing.assert_allclose(found[1], exact, rtol=1e-11, atol=1e-12)


def derivative(run: sn.Solution, shape: tuple[int, ...]) -> Any:
    """D(u) of all elements at the start, from the compiled system's own definitions."""
    from symnum.solving.field_values import unknown_values

    first, quantities = run.flat.unknowns.grid("u") or (0, ())
    n = len(run.flat.unknowns)
    numbers = run.flat.representative_numbers(n + np.arange(first, first + len(quantities)))
    return unknown_values(run, numbers)[:, 0].reshape(shape)


def test_a_stiff_solve_against_scipy() -> None:
    """Gray-Scott as users write it, with time, parameters and np.roll."""

    def right(t: Any, state: Any, feed: Any = 0.04, kill: Any = 0.06) -> Any:
        u, v = state

        def laplacian(w: Any) -> Any:
            return np.roll(w, 1, 0) + np.roll(w, -1, 0) + np.roll(w, 1, 1) + np.roll(w, -1, 1) - 4 * w

        reaction = u * v**2
        return np.stack(
            [
                0.2 * laplacian(u) - reaction + feed * (1 - u) + 0.01 * np.sin(t),
                0.1 * laplacian(v) + reaction - (feed + kill) * v,
            ]
        )

    shape = (2, 8, 8)
    system = sn.trace(right, shape, parameters={"feed": 0.04, "kill": 0.06})
    start = rng.uniform(0.2, 0.8, shape)
    run = sn.solve(
        sn.Problem(system, {"u": start}, span=(0, 5), parameters={"kill": 0.05}),
        rtol=1e-9,
        atol=1e-11,
        saveat=[0, 5],
    )
    expected = solve_ivp(
        lambda t, y: right(t, y.reshape(shape), kill=0.05).ravel(),
        (0, 5),
        start.ravel(),
        rtol=1e-10,
        atol=1e-12,
    ).y[:, -1]
    np.testing.assert_allclose(run["u"][-1].ravel(), expected, atol=1e-7)


def test_stencils_are_found_by_shape() -> None:
    """The number of templates does not grow with the grid."""

    def heat(u: Any) -> Any:
        change = np.zeros_like(u)
        change[1:-1, 1:-1] = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1]
        return change

    counts = [len(sn.trace(heat, (n, n)).blocks[0].equations) for n in (6, 40)]
    assert counts[0] == counts[1] <= 2


def decides(u: Any) -> Any:
    if u[0] > 0:
        return u
    return -u


def stores(u: Any) -> Any:
    change = np.zeros(4)
    change[0] = u[0]
    return change


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (decides, r"decides cannot be traced at line \d+, `if u\[0\] > 0:`: a decision on the values"),
        (stores, r"at line \d+, `change\[0\] = u\[0\]`: .*np.zeros_like\(u\)"),
        (lambda u: np.fft.fft(u), "np.fft"),
        (lambda u: np.linalg.solve(np.eye(4), u), "np.solve"),
        (lambda u: u[u > 0], "an index that depends on the values of the array; use np.where"),
        (lambda u: np.sort(u), "np.sort"),
        (lambda u: u[:2], r"returns shape \(2,\) for an argument of shape \(4,\)"),
        (lambda u: u * np.array([1, np.nan, 1, 1]), "a constant that is not finite"),
        (lambda u: [u[:1], u], r"returns a list of parts with the shapes \(1,\), \(4,\)"),
        (lambda u: u + 1j, "values of type complex128"),
        (lambda u: np.outer(u, u) @ np.outer(u, u) @ u, "np.outer"),
    ],
)
def test_what_cannot_be_traced_is_named_with_its_line(function: Callable[..., Any], says: str) -> None:
    with pytest.raises(TraceError, match=says):
        sn.trace(function, 4)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: sn.trace(lambda u: u, (0,)), "give positive whole numbers"),
        (lambda: sn.trace(lambda u: u, 2.5), "give positive whole numbers"),  # type: ignore[arg-type]
        (lambda: sn.trace(lambda a, b, c: a, 3), r"takes \(a, b, c\)"),
    ],
)
def test_bad_calls(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        call()
