"""Every back end against the oracle: right-hand side, Jacobian, df/dt and roots of every model in the IR."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.sparse import csc_array

from symnum.codegen.emit_numpy import evaluate
from symnum.codegen.emitter import BACKENDS
from symnum.codegen.function import Array, Column, Function, Loop, Output
from symnum.codegen.hoist import hoist
from symnum.codegen.jacobian import jacobian
from symnum.codegen.model import CompiledModel, build_model
from symnum.codegen.time_gradient import time_gradient
from symnum.errors import CodegenError
from symnum.rewriting.expr import slot
from symnum.rewriting.walk import cost, leaves, postorder

QUICK = ("lorenz", "timed", "steady")  # what numba compiles in a second or two


def oracle(function: Function, model) -> Array:
    out = np.full(function.n_out, np.nan)
    evaluate(function, model.t, out, model.u, model.p, np.full(function.n_work, np.nan))
    return out


def compiled(model, backend: str, **options) -> CompiledModel:
    roots = np.zeros(model.roots.n_out, int) if model.roots else None
    return build_model(
        model.rhs, model.roots, mass=np.ones(model.n), n_parameters=len(model.p), event_direction=roots,
        backend=backend, **options,
    )  # fmt: skip


def agrees(found: Array, expected: Array) -> bool:
    return bool(np.all(np.abs(found - expected) <= 1e-13 * (1 + np.abs(expected))))


def check(model, backend: str) -> None:
    built = compiled(model, backend)
    at = (model.t, model.u, model.p)
    assert agrees(built.rhs(*at), oracle(model.rhs, model))
    plan = jacobian(model.rhs, model.n)
    pattern = plan.pattern
    values = oracle(plan.function, model)
    expected = csc_array((values, pattern.indices, pattern.indptr), shape=(model.n, model.n))
    found = built.jacobian(*at)
    assert np.array_equal(found.indptr, expected.indptr)
    assert np.array_equal(found.indices, expected.indices)
    assert agrees(found.data, expected.data)
    gradient = time_gradient(model.rhs)
    assert (built.functions.time_gradient == 0) == (gradient is None)
    assert agrees(built.time_gradient(*at), oracle(gradient, model) if gradient else np.zeros(model.n))
    if model.roots:
        assert agrees(built.roots(*at), oracle(model.roots, model))


def test_llvm(model):
    check(model, "llvm")


def test_numpy(model):
    check(model, "numpy")


@pytest.mark.parametrize("name", QUICK)
def test_numba_on_small_models(models, name):
    check(models[name](), "numba")


@pytest.mark.slow
def test_numba(model):
    check(model, "numba")


@pytest.mark.parametrize("backend", BACKENDS)
def test_emission_is_deterministic(models, backend):
    model = models["machines"]()
    first, second = (compiled(m, backend="llvm").source(backend) for m in (model, models["machines"]()))
    assert first == second


def test_llvm_text_does_not_depend_on_the_number_of_copies(sized):
    small, large = (compiled(sized(k), "numpy").source("llvm") for k in (4, 12))
    # the places of what does not repeat are literals; everything else is the same
    small, large = (re.sub(r"(ptr %(out|[uprw])), i64 \d+", r"\1, i64 ?", text) for text in (small, large))
    assert small == large


def test_llvm_text_of_an_irregular_network_hardly_grows(models):
    from symnum.codegen.emitter import Program

    def program(n: int) -> Program:
        return compiled(models["network"](n, 5 * n), "numpy").program("llvm")

    small, large = program(200), program(2000)
    assert len(large.source) < 1.5 * len(small.source)
    assert len(large.tables.positions) > 8 * len(small.tables.positions)


def test_numba_source_runs_by_itself(models):
    model = models["timed"]()
    namespace: dict[str, object] = {}
    built = compiled(model, "numpy")
    exec(built.source("numba"), namespace)
    work = np.zeros(built.program("numba").n_work)
    values, found = np.zeros(len(built.functions.indices)), np.zeros(model.n)
    namespace["setup"](model.t, values, model.u, model.p, work)
    namespace["rhs"](model.t, found, model.u, model.p, work)
    namespace["jacobian"](model.t, values, model.u, model.p, work)
    assert agrees(found, oracle(model.rhs, model))
    assert agrees(values, built.jacobian(model.t, model.u, model.p).data)
    assert "# source: 8 copies" in built.source("numba")


def test_jacobian_needs_only_what_changes(model):
    """After a change of u the buffer that setup prepared is brought up to date completely."""
    built = compiled(model, "llvm")
    functions = built.functions
    values, work = np.zeros(len(functions.indices)), np.zeros(functions.n_work)
    calls = built._compiled
    calls["setup"](model.t, values, model.u, model.p, work)
    calls["jacobian"](model.t, values, model.u, model.p, work)
    other = model.u * 1.01
    calls["rhs"](model.t, np.zeros(model.n), model.u, model.p, work)  # shares the scratch
    calls["jacobian"](2 * model.t, values, other, model.p, work)
    assert np.array_equal(values, built.jacobian(2 * model.t, other, model.p).data)


def test_generated_code_writes_only_where_it_may(model):
    """Guard zones around every buffer stay untouched, and nothing is read before it is written."""
    built = compiled(model, "llvm")
    functions = built.functions
    results = []
    for filler in (np.nan, -1.0):

        def guarded(size: int, filler: float = filler) -> tuple[Array, Array]:
            whole = np.full(size + 32, filler)
            whole[:16] = whole[-16:] = 12345.0
            return whole, whole[16 : 16 + size]

        buffers = [guarded(size) for size in (len(functions.indices), model.n, functions.n_work)]
        (_, values), (_, out), (_, work) = buffers
        for name, target in (("setup", values), ("jacobian", values), ("rhs", out)):
            built._compiled[name](model.t, target, model.u, model.p, work)
        for whole, _ in buffers:
            assert (whole[:16] == 12345.0).all()
            assert (whole[-16:] == 12345.0).all()
        results.append((values.copy(), out.copy()))
    assert np.array_equal(results[0][0], results[1][0])
    assert np.array_equal(results[0][1], results[1][1])
    assert np.isfinite(results[0][0]).all()


def test_not_a_number_is_passed_on(models):
    """Solvers reject a step by its NaN, so no operation may lose it."""
    model = models["conditions"]()
    built = compiled(model, "llvm")
    u = model.u.copy()
    u[0] = np.nan
    count = len(model.p)
    found = built.rhs(model.t, u, model.p).reshape(-1, count)[:, 0]
    assert np.isnan(found[[1, 2, 3, 6]]).all()  # min, max, abs and sign, clip


def test_extreme_numbers(models):
    x = slot("u", 0)
    roots = (1e-300 * x, 1e300 * x, x / 3, x + 1e-9, x - 1e16)
    loop = Loop("extreme", 1, roots, (Column("u", np.array([0])),),
                tuple(Output("out", np.array([k])) for k in range(5)))  # fmt: skip
    for backend in ("llvm", "numpy"):
        built = build_model(Function("f", (loop,), 5, 0), mass=np.ones(5), n_parameters=0, backend=backend)
        found = built.rhs(0.0, np.array([1.1, 0, 0, 0, 0]), np.zeros(0))
        assert found.tolist() == [1.1 * 1e-300, 1.1 * 1e300, 1.1 * (1 / 3), 1.1 + 1e-9, 1.1 - 1e16]


# ---- hoisting --------------------------------------------------------------------------------------
def test_parameter_only_work_moves_to_setup(models):
    model = models["machines"]()
    setup, moved = hoist({"rhs": model.rhs, "jacobian": jacobian(model.rhs, model.n).function}, "jacobian")
    lines = next(item for item in moved["rhs"].items if item.name == "lines")
    assert cost(lines.roots) < cost(next(item.roots for item in model.rhs.items if item.name == "lines"))
    assert not any("/" in str(root) for root in lines.roots)  # 1/(g*g + x*x) is a value of setup
    assert setup.n_work > 0
    # all derivatives of the lines are parameter-only: the Jacobian does not compute any of them
    assert all(item.name != "lines" for item in moved["jacobian"].items)


def test_everything_constant_leaves_nothing_to_do(models):
    i = np.arange(9)
    loop = Loop("linear", 9, (slot("p", 0) * slot("u", 1) / slot("c", 2),),
                (Column("p", i), Column("u", i), Column("c", 1.0 + i)), (Output("out", i),))  # fmt: skip
    rhs = Function("linear", (loop,), 9, 0)
    setup, moved = hoist({"rhs": rhs, "jacobian": jacobian(rhs, 9).function}, "jacobian")
    assert moved["jacobian"].items == ()
    assert setup.n_out == 9


@pytest.mark.parametrize("backend", BACKENDS)
def test_infinite_numbers_are_spelled(backend):
    """In a column that is the same in all copies, and in others. (Expressions refuse them.)"""
    given = (np.full(3, np.inf), np.array([np.inf, -np.inf, 2.0]), np.array([np.nan, 1.0, -1.0]))
    columns = (Column("u", np.arange(3)), *(Column("c", numbers) for numbers in given))
    roots = tuple(slot("u", 0) * slot("c", k) for k in (1, 2, 3))
    outputs = tuple(Output("out", np.arange(3) + 3 * k) for k in range(3))
    function = Function("far", (Loop("far", 3, roots, columns, outputs),), 9, 0)
    built = build_model(function, mass=np.ones(9), n_parameters=0, backend=backend)
    u = np.append([1.0, -2.0, 3.0], np.zeros(6))
    found = built.rhs(0.0, u, np.zeros(0))
    expected = np.concatenate([u[:3] * numbers for numbers in given])
    assert np.array_equal(found, expected, equal_nan=True)


def test_one_value_for_uniform_columns():
    i = np.arange(50)
    loop = Loop("a", 50, (slot("u", 0) * slot("p", 1) / slot("p", 2),),
                (Column("u", i), Column("p", 0 * i), Column("p", 0 * i + 1)),
                (Output("out", i),))  # fmt: skip
    rhs = Function("f", (loop,), 50, 0)
    setup, _ = hoist({"rhs": rhs, "jacobian": jacobian(rhs, 50).function}, "jacobian")
    assert setup.n_work == 1


def test_equal_values_are_kept_once(models):
    model = models["ladder"]()
    alone, _ = hoist({"jacobian": model.rhs}, "jacobian")
    twice, _ = hoist({"jacobian": model.rhs, "again": model.rhs}, "jacobian")
    assert alone.n_work == twice.n_work > 0


# ---- simplify --------------------------------------------------------------------------------------
def test_simplify_sees_every_template_with_its_free_slots(models):
    seen = []

    def rewrite(roots, free):
        seen.append((roots, free))
        return roots

    def simplify(roots, copies):
        assert copies >= 1
        return rewrite

    model = models["machines"]()
    built = compiled(model, "numpy", simplify=simplify, simplify_tag="watch")
    assert agrees(built.rhs(model.t, model.u, model.p), oracle(model.rhs, model))
    machine = next(item for item in model.rhs.items if item.name == "machines")
    roots, free = max(seen, key=lambda call: len(call[0]))
    assert len(roots) > len(machine.roots)  # partial derivatives and scratch together
    assert {leaf.data[0] for leaf in free} == {"p", "w"}
    # what only depends on parameters is a leaf already
    assert not any(set(leaves(e)) <= free for e in postorder(roots) if cost(e) >= 2)


def test_what_simplify_returns_is_what_is_compiled(models):
    model = models["machines"]()
    built = compiled(
        model,
        "numpy",
        simplify=lambda *_: lambda roots, free: tuple(2 * root for root in roots),
        simplify_tag="double",
    )
    states = 3 * sum(item.count for item in model.rhs.items if item.name == "machines")
    found = built.rhs(model.t, model.u, model.p)[:states]
    assert agrees(found, 2 * oracle(model.rhs, model)[:states])


def test_simplify_must_keep_the_number_of_roots(models):
    with pytest.raises(CodegenError, match=r"machines.*returned 1"):
        compiled(
            models["machines"](),
            "numpy",
            simplify=lambda *_: lambda roots, free: roots[:1],
            simplify_tag="bad",
        )
