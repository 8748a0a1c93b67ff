"""Random functions in the IR: all passes and back ends must agree with plain evaluation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from symnum.codegen.compiled_pullback import compiled_functions
from symnum.codegen.emit_numpy import evaluate
from symnum.codegen.function import Array, Column, Function, Gather, Item, Loop, Output
from symnum.codegen.jacobian import jacobian
from symnum.codegen.model import build_model
from symnum.codegen.pullback import pullback
from symnum.rewriting.expr import TIME, Expr, slot
from symnum.rewriting.operators import cos, exp, sin, sqrt
from symnum.solving.kernel.call import model_function

N, P = 9, 5


class Maker:
    """Builds a random function from a seed; all of it analytic and tame near u = 1."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.items: list[Item] = []
        self.n_work = 0

    def place(self, size: int, count: int) -> Array:
        kind = self.rng.integers(4)
        if kind == 0:
            return np.full(count, self.rng.integers(size))
        if kind == 1 and size > count:
            return self.rng.integers(size - count + 1) + np.arange(count)
        return self.rng.integers(0, size, count)

    def columns(self, count: int) -> list[Column]:
        sizes = {"u": N, "p": P, "w": self.n_work}
        spaces = ["u", "u", "p", "c"] + ["w"] * 3 * (self.n_work > 0)
        columns: list[Column] = []
        for space in self.rng.choice(spaces, self.rng.integers(1, 6)):
            if space == "c":
                numbers = self.rng.choice([1.0, -1.0, 0.5, 0.3], count)
                columns.append(Column("c", numbers))
            else:
                columns.append(Column(str(space), self.place(sizes[str(space)], count)))
        return columns

    def roots(self, columns: list[Column], number: int) -> tuple[Expr, ...]:
        known = [slot(column.space, k) for k, column in enumerate(columns)]
        known.append(TIME if self.rng.random() < 0.2 else known[0])
        for _ in range(self.rng.integers(1, 9)):
            a, b = (known[self.rng.integers(len(known))] for _ in range(2))
            choice = self.rng.integers(8)
            known.append([
                a + b, a * b, a - 0.5 * b, sin(a), cos(a * b), a / (2 + sin(b)), 1 / sqrt(1 + a * a),
                exp(sin(a)) * 2 - b,
            ][choice])  # fmt: skip
        return tuple(known[-number:])

    def loop(self, outputs: tuple[Output, ...], count: int) -> None:
        columns = self.columns(count)
        roots = self.roots(columns, len(outputs))
        roots += roots[:1] * (len(outputs) - len(roots))
        self.items.append(Loop(f"loop {len(self.items)}", count, roots, tuple(columns), outputs))

    def scratch(self) -> None:
        count, number = int(self.rng.choice([1, 2, 5, 40])), int(self.rng.integers(1, 4))
        first = self.n_work
        places = first + self.rng.permutation(count * number).reshape(number, count)
        self.loop(tuple(Output("w", places[k]) for k in range(number)), count)
        if self.rng.random() < 0.4:
            # added by copies that all read older scratch
            self.loop((Output("w", self.rng.choice(places.ravel(), 6), accumulate=True),), 6)
        self.n_work += count * number

    def gather(self, output: Output) -> None:
        rows = len(output.index)
        indptr = np.concatenate([[0], np.cumsum(self.rng.integers(0, 16, rows))])
        size, space = (self.n_work, "w") if self.n_work and self.rng.random() < 0.7 else (N, "u")
        first, second = (self.rng.integers(0, size, indptr[-1]) for _ in range(2))
        signs = [1.0, -1.0] if self.rng.random() < 0.5 else [1.0, -1.0, 0.25]
        numbers = self.rng.choice(signs, indptr[-1])
        pair = second if self.rng.random() < 0.5 else None
        self.items.append(Gather(f"gather {len(self.items)}", output, indptr, space, first, pair, numbers))

    def function(self) -> Function:
        for _ in range(self.rng.integers(0, 4)):
            self.scratch()
            if self.rng.random() < 0.4:
                rows = int(self.rng.integers(1, 25))
                self.gather(Output("w", self.n_work + np.arange(rows)))
                self.n_work += rows
        order = self.rng.permutation(N)
        cut = int(self.rng.integers(1, N))
        self.loop((Output("out", order[:cut]),), cut)
        self.gather(Output("out", order[cut:]))
        if self.rng.random() < 0.5:
            self.loop((Output("out", self.rng.integers(0, N, 30), accumulate=True),), 30)
        return Function("random", tuple(self.items), N, self.n_work)


def value(function: Function, t: complex, u: Array, p: Array) -> Array:
    kind = np.result_type(np.asarray(t), u, float)
    out = np.full(N, np.nan, kind)
    evaluate(function, t, out, u, p, np.full(function.n_work, np.nan, kind))
    return out


def derivatives(function: Function, t: float, u: Array, p: Array) -> tuple[Array, Array, Array]:
    """f, df/du and df/dt by complex steps."""
    step = 1e-30
    columns = [value(function, t, u + step * 1j * np.eye(N)[k], p).imag / step for k in range(N)]
    return value(function, t, u, p), np.stack(columns, 1), value(function, t + step * 1j, u, p).imag / step


def check(seed: int, backend: str) -> None:
    function = Maker(seed).function()
    rng = np.random.default_rng(seed + 1)
    u, p, t = 0.5 + rng.random(N), 0.5 + rng.random(P), 0.4
    model = build_model(function, mass=np.ones(N), n_parameters=P, backend=backend)
    found = model.rhs(t, u, p), model.jacobian(t, u, p).toarray(), model.time_gradient(t, u, p)
    expected = derivatives(function, t, u, p)
    # Some of these functions magnify rounding errors: what a change in the last digit of the input does
    # is allowed.
    shaken = [derivatives(function, t, u * (1 + 2e-16 * s), p * (1 - 2e-16 * s)) for s in (1, -1, 2, -2)]
    for k in range(3):
        spread = max(np.abs(other[k] - expected[k]).max() for other in shaken)
        allowed = 1e-13 * (1 + np.abs(expected[k]).max()) + 30 * spread
        assert np.abs(found[k] - expected[k]).max() <= allowed


@settings(max_examples=60)
@given(st.integers(0, 10**6))
def test_passes(seed):
    check(seed, "numpy")


@settings(max_examples=15)
@given(st.integers(0, 10**6))
def test_llvm(seed):
    check(seed, "llvm")


def pulled(function: Function, t: complex, u: Array, p: Array, weights: Array, compiled: bool) -> Array:
    """The product of weights with the derivatives by u and p, (N + P,), by the made function."""
    made = pullback(function, N, P)
    if made is None:
        return np.zeros(N + P)
    given, out, work = np.concatenate([u, weights]), np.full(N + P, np.nan), np.full(made.n_work + 1, np.nan)
    if not compiled:
        evaluate(made, t, out, given, p, work)
        return out
    code = compiled_functions({"pullback": made})
    work = np.zeros(code.n_work + 1)
    model_function(code.addresses["pullback"], t, *(a.ctypes.data for a in (out, given, p, work)))
    return out


def check_pullbacks(seed: int, compiled: bool) -> None:
    """Of a function and of the entries of its Jacobian, against complex steps."""
    function = Maker(seed).function()
    rng = np.random.default_rng(seed + 1)
    u, p, t = 0.5 + rng.random(N), 0.5 + rng.random(P), 0.4
    for one in (function, jacobian(function, N).function):
        if one.n_out == 0:
            continue
        weights = rng.standard_normal(one.n_out)

        def weighted(u: Array, p: Array, one: Function = one, weights: Array = weights) -> complex:
            out = np.zeros(one.n_out, complex)
            evaluate(one, t, out, u, p, np.zeros(one.n_work, complex))
            return complex(out @ weights)

        def exact(u: Array, p: Array, weighted: Callable[..., complex] = weighted) -> Array:
            by_u = [weighted(u + 1e-30j * e, p).imag / 1e-30 for e in np.eye(N)]
            by_p = [weighted(u + 0j, p + 1e-30j * e).imag / 1e-30 for e in np.eye(P)]
            return np.array([*by_u, *by_p])

        found, expected = pulled(one, t, u, p, weights, compiled), exact(u, p)
        shaken = [exact(u * (1 + 2e-16 * s), p * (1 - 2e-16 * s)) for s in (1, -1, 2, -2)]
        spread = max(np.abs(other - expected).max() for other in shaken)
        assert np.abs(found - expected).max() <= 1e-12 * (1 + np.abs(expected).max()) + 30 * spread


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_pullbacks(seed):
    check_pullbacks(seed, compiled=False)


@settings(max_examples=15)
@given(st.integers(0, 10**6))
def test_compiled_pullbacks(seed):
    check_pullbacks(seed, compiled=True)
