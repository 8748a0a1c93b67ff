"""Threads that share big loops: every piece once, the same bits whatever their number."""

from __future__ import annotations

import ctypes
import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.codegen.crew import RUN, crew
from symnum.codegen.function import Column, Function, Gather, Loop, Output
from symnum.codegen.llvm_share import piece
from symnum.codegen.model import CompiledModel, build_model
from symnum.errors import CodegenError, ModelError
from symnum.rewriting.expr import slot

pytestmark = pytest.mark.skipif(crew(2) == 0, reason="this platform has no crew")
TASK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


def run(address: int, task: Any, count: int, grain: int) -> None:
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, TASK, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    entry = ctypes.c_int64.from_address(address + RUN).value
    function(entry)(address, task, None, count, grain)


def test_every_piece_is_done_once_and_by_several_threads() -> None:
    done: list[tuple[int, int, int]] = []

    def task(_: Any, begin: int, end: int) -> None:
        done.append((begin, end, threading.get_ident()))
        time.sleep(0.002)

    for _ in range(5):  # one after the other: the threads fall asleep in between or not
        done.clear()
        run(crew(3), TASK(task), 1000, 64)
        assert sorted(span[:2] for span in done) == [(k, min(k + 64, 1000)) for k in range(0, 1000, 64)]
        assert len({span[2] for span in done}) == 3
        time.sleep(0.005)


def test_who_finds_the_crew_at_work_works_alone() -> None:
    ranges: dict[int, list[tuple[int, int]]] = {}
    inside = threading.Barrier(2, timeout=20)

    def task(_: Any, begin: int, end: int) -> None:
        ranges.setdefault(threading.get_ident(), []).append((begin, end))

    def first(_: Any, begin: int, end: int) -> None:
        if begin == 0:
            inside.wait()  # while the other one is refused
            inside.wait()

    address = crew(2)
    busy = threading.Thread(target=lambda: run(address, TASK(first), 4, 1))
    busy.start()
    inside.wait()
    run(address, TASK(task), 100, 10)
    inside.wait()
    busy.join()
    assert ranges == {threading.get_ident(): [(0, 100)]}


def big(count: int = 40_000) -> Function:
    """Two loops over many copies, one of them through tables, and long sums."""
    rng = np.random.default_rng(1)
    here = np.arange(count)
    u, v, k, w = slot("u", 0), slot("u", 1), slot("p", 2), slot("w", 0)
    first = Loop(
        "products", count, (sn.sin(u) * v + k * u**2,),
        (Column("u", here), Column("u", rng.integers(0, count, count)), Column("p", np.zeros(count, int))),
        (Output("w", here),),
    )  # fmt: skip
    second = Loop("decay", count // 2, (w / (1 + w * w),), (Column("w", here[: count // 2]),),
                  (Output("out", here[: count // 2]),))  # fmt: skip
    lengths = rng.integers(1, 9, count // 2)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    sums = Gather(
        "sums", Output("out", here[count // 2 :]), indptr, "w", rng.integers(0, count, indptr[-1]), None,
        np.where(rng.random(indptr[-1]) < 0.5, 1.0, -1.0),
    )  # fmt: skip
    return Function("rhs", (first, second, sums), count, count)


def compiled(function: Function, threads: int) -> CompiledModel:
    return build_model(function, mass=np.ones(function.n_out), n_parameters=1, threads=threads)


@pytest.mark.parametrize("threads", [2, 5])
def test_the_same_bits_whatever_the_number_of_threads(threads: int) -> None:
    function = big()
    one, many = compiled(function, 1), compiled(function, threads)
    rng = np.random.default_rng(2)
    p = np.array([0.3])
    for _ in range(20):
        u = rng.normal(size=function.n_out)
        np.testing.assert_array_equal(many.rhs(0.0, u, p), one.rhs(0.0, u, p))
        np.testing.assert_array_equal(many.jacobian(0.0, u, p).data, one.jacobian(0.0, u, p).data)
    oracle = build_model(function, mass=np.ones(function.n_out), n_parameters=1, backend="numpy")
    assert many.rhs(0.0, u, p) == pytest.approx(oracle.rhs(0.0, u, p), rel=1e-13, abs=1e-13)


def test_several_callers_at_once() -> None:
    function = big()
    one, many = compiled(function, 1), compiled(function, 3)
    states = np.random.default_rng(3).normal(size=(24, function.n_out))
    p = np.array([0.3])
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda u: many.rhs(0.0, u, p), states))
    for u, values in zip(states, found, strict=True):
        np.testing.assert_array_equal(values, one.rhs(0.0, u, p))


def _in_child(model: CompiledModel, u: Any, connection: Any) -> None:
    connection.send(model.rhs(0.0, u, np.array([0.3])))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no processes that fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_works_alone() -> None:
    function = big()
    model = compiled(function, 2)
    u = np.random.default_rng(4).normal(size=function.n_out)
    expected = model.rhs(0.0, u, np.array([0.3]))
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_in_child, args=(model, u, there))
    child.start()
    assert here.poll(60)
    np.testing.assert_array_equal(here.recv(), expected)
    child.join()


def test_pieces_depend_on_the_work_alone() -> None:
    assert piece(1000, 1e3, True) == 1000  # too little to share
    assert piece(100_000, 2e6, True) % 64 == 0
    assert piece(224, 2e6, False) == 4  # rows: 64 pieces at most
    assert -(-100_000 // piece(100_000, 2e6, True)) <= 64


def test_a_solve_is_the_same_and_options_are_checked() -> None:
    x = sn.variables(" ".join(f"x{k}" for k in range(40)))
    (k,) = sn.parameters(k=2.0)
    equations = [sn.D(a) == k * (b - a) - a**3 for a, b in zip(x, (*x[1:], x[0]), strict=True)]
    system = sn.System("ring", equations)
    start = {a: 1.0 + 0.1 * i for i, a in enumerate(x)}
    one = sn.solve(sn.Problem(system, start))
    many = sn.solve(sn.Problem(sn.compile(system, threads=2), start))
    np.testing.assert_array_equal(many.y, one.y)
    with pytest.raises(ModelError, match="threads=0: give the number of threads"):
        sn.compile(system, threads=0)
    with pytest.raises(CodegenError, match="the back end 'numba' works with one thread"):
        sn.compile(system, threads=2, backend="numba")
