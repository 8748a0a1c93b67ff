"""Runs that nothing interrupts go another, shorter way than the others, and have to come to the same."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import symnum as sn
from symnum.models.classic.kinetics import robertson
from symnum.solving.straight import is_straight

D = sn.D
x, y = sn.variables("x y")
(k,) = sn.parameters(k=1.5)


def prey(span=(0, 10), **options):
    system = sn.System("prey", [D(x) == k * x - x * y, D(y) == x * y - 3 * y])
    return sn.Problem(system, {x: 1, y: 1}, span, **options)


@pytest.mark.parametrize("method", [None, "Tsit5", "DOP853", "Rodas5P", "Kvaerno5", "MSRKTASE3"])
@pytest.mark.parametrize("output", [{}, {"saveat": [0, 0.5, 7, 10]}, {"saveat": 3, "dense": True}])
def test_the_same_numbers_as_a_run_that_could_be_stopped(method, output):
    straight = prey()
    never = sn.Event(when=x + y + 100, then={k: 0})  # does not fire
    watched = sn.Problem(straight.compiled, {x: 1, y: 1}, (0, 10), events=[sn.Event(at=10, then={k: 2})])
    assert is_straight(straight)
    assert not is_straight(watched)
    assert not is_straight(prey(events=[never]))
    options = {"rtol": 1e-7, "atol": 1e-9, "tier": "generic"} | output
    for _ in range(2):  # with memory that was used before as well
        found, wanted = sn.solve(straight, method, **options), sn.solve(watched, method, **options)
        assert found.method == wanted.method
        assert found.stats.steps == wanted.stats.steps
        np.testing.assert_array_equal(found.t, wanted.t[: len(found.t)])
        np.testing.assert_array_equal(found.y, wanted.y[:, : len(found.t)])
        if "saveat" not in output or output.get("dense"):
            times = np.linspace(0, 10, 37)
            np.testing.assert_array_equal(found(times).y, wanted(times).y)


def test_derived_problems_share_what_is_ready_and_nothing_else():
    problem = prey()
    first = sn.solve(problem, saveat=[10])
    faster = problem.with_(parameters={k: 2}, start={x: 2})
    sn.solve(faster, saveat=[10])
    alone = sn.solve(sn.Problem(problem.compiled, {x: 2, y: 1}, (0, 10), {k: 2}), saveat=[10])
    np.testing.assert_array_equal(sn.solve(faster, saveat=[10]).y, alone.y)
    np.testing.assert_array_equal(sn.solve(problem, saveat=[10]).y, first.y)
    assert first.stats.steps == sn.solve(problem, saveat=[10]).stats.steps
    shorter = sn.solve(problem.with_(span=(0, 3)), saveat=[3])
    assert shorter.end.t == 3
    rest = sn.solve(problem.after(shorter, 10), saveat=[10])
    np.testing.assert_allclose(rest.y, first.y, rtol=1e-4)


def test_what_stops_a_run_is_seen_to():
    robertson_problem = robertson(40)
    for _ in range(2):
        changed = sn.solve(robertson_problem, rtol=1e-4, atol=1e-9)
        assert changed.method == "Tsit5, Rodas5P"
        assert (np.diff(changed.t) > 0).all()
        assert changed.t[0] == 0
    long = prey((0, 4000))
    for output in ({}, {"saveat": [1000, 4000]}):
        found = sn.solve(long, "Tsit5", rtol=1e-9, atol=1e-9, **output)  # more steps than go without a look
        assert found.stats.steps > 50_000
        assert found.t[-1] == 4000
        assert len(found.t) == (2 if output else found.stats.steps + 1)
    for _ in range(2):
        with pytest.raises(sn.SolveFailed, match="5 steps were not enough") as stopped:
            sn.solve(prey(), "Tsit5", max_steps=5)
        assert len(stopped.value.solution.t) == 6
    endless = sn.Problem(sn.System("s", [D(x) == x**2]), {x: 1}, (0, 2))
    for _ in range(2):
        with pytest.raises(sn.SolveFailed, match="blow up"):
            sn.solve(endless)
    root = sn.Problem(sn.System("s", [D(x) == sn.sqrt(x)]), {x: -1}, (0, 2))
    for _ in range(2):
        with pytest.raises(sn.ModelError, match="not finite at the start"):
            sn.solve(root, "Tsit5")


def test_threads_do_not_share_memory():
    problem = prey()
    rates = np.linspace(1, 2, 40)
    problems = [problem.with_(parameters={k: rate}) for rate in rates]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: sn.solve(one, saveat=[10]).y[:, 0], problems))
    np.testing.assert_array_equal(found, [sn.solve(one, saveat=[10]).y[:, 0] for one in problems])


def test_bad_options_are_refused_the_second_time_too():
    problem = prey()
    for _ in range(2):
        sn.solve(problem, rtol=1e-5, atol=np.array([1e-8, 1e-9]))
        sn.solve(problem, rtol=1e-5, atol={x: 1e-8})
        with pytest.raises(sn.ModelError, match="atol"):
            sn.solve(problem, atol=-1.0)
        with pytest.raises(sn.ModelError, match="rtol"):
            sn.solve(problem, rtol=[1e-3])
        with pytest.raises(sn.ModelError, match="saveat"):
            sn.solve(problem, saveat=[20])
