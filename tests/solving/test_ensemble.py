"""Ensembles: lanes against single solves and exact solutions, single failures, what runs one by one."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError
from symnum.models.classic.kinetics import robertson
from symnum.rewriting.expr import symbol
from symnum.solving.specialised import vector_lanes

D = sn.D
x, y, z = sn.variables("x y z")


def lorenz() -> tuple[sn.Problem, Any]:
    (r,) = sn.parameters(r=28.0)
    system = sn.System("lorenz", [D(x) == 10 * (y - x), D(y) == x * (r - z) - y, D(z) == x * y - 8 / 3 * z])
    return sn.Problem(system, {x: 1, y: 0, z: 0}, (0, 1)), r


def slow_reaction() -> tuple[sn.Problem, Any]:
    problem = robertson(1e5)
    return problem, symbol(problem.flat.parameters[0])


def functions() -> tuple[sn.Problem, Any]:
    """Every kind of function that lanes spell on their own, time, and a value that only setup computes."""
    (w,) = sn.parameters(w=2.0)
    hoisted = sn.exp(sn.sin(w)) + w**0.3
    right = sn.sin(w * sn.t) * sn.exp(-x) + sn.atan(y) + sn.maximum(x, y) * sn.tanh(z) / hoisted
    equations = [
        D(x) == right, D(y) == sn.ifelse(x > 0.2, -y, sn.log(1 + x**2)) - sn.sign(y) * 0.1 * y**2,
        D(z) == sn.cos(z) - sn.absolute(x) * sn.tan(0.3 * y) + sn.atan2(x, 1 + y**2),
    ]  # fmt: skip
    return sn.Problem(sn.System("functions", equations), {x: 0.1, y: 0.7, z: 0.3}, (0, 2)), w


MODELS = {"lorenz": lorenz, "robertson": slow_reaction, "functions": functions}
VALUES = {"lorenz": (0.0, 21.0), "robertson": (0.02, 0.08), "functions": (0.5, 3.0)}


def needs_lanes() -> None:
    if not vector_lanes():
        pytest.skip("no wide vectors on this processor")


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P", "Rodas4P"])
@pytest.mark.parametrize("name", MODELS)
def test_lanes_give_what_single_solves_give(name: str, method: str) -> None:
    needs_lanes()
    if name == "robertson" and method == "Tsit5":
        pytest.skip("stiff")
    problem, parameter = MODELS[name]()
    values = np.linspace(*VALUES[name], 21)
    end = problem.span[1]
    saveat = np.array([0.0, 0.1, 0.15, 0.5, 1.0]) * end
    runs = sn.solve(sn.Ensemble(problem, {parameter: values}), method, rtol=1e-7, atol=1e-10, saveat=saveat)
    assert runs.stats.how == f"{vector_lanes()} lanes"
    assert runs.y.shape == (21, 3, 5)
    assert (runs.status == "done").all()
    for member in (0, 7, 20):
        one = problem.with_(parameters={parameter: values[member]})
        sol = sn.solve(one, method, rtol=1e-7, atol=1e-10, saveat=saveat, tier="generic")
        assert runs.y[member] == pytest.approx(sol.y, rel=2e-5, abs=1e-8)
        assert abs(runs.stats.steps[member] - sol.stats.steps) <= 0.02 * sol.stats.steps + 2
        first, *_, last = map(symbol, problem.flat.unknowns)
        asked = first * parameter + last
        assert runs[asked][member] == pytest.approx(sol[asked], rel=2e-5, abs=1e-7)
        assert runs.member(member)[asked] == pytest.approx(runs[asked][member], rel=1e-14)


def test_starts_and_parameters_against_an_exact_solution() -> None:
    (k,) = sn.parameters(k=1.0)
    problem = sn.Problem(sn.System("decay", [D(x) == -k * x]), {x: 1.0}, (0, 3))
    rates, starts = np.linspace(0.1, 2.0, 37), np.linspace(1.0, -5.0, 37)
    runs = sn.solve(sn.Ensemble(problem, {k: rates, x: starts}), "Tsit5", rtol=1e-9, atol=1e-12, saveat=0.5)
    assert runs.t == pytest.approx(np.arange(7) * 0.5)
    exact = starts[:, None] * np.exp(-rates[:, None] * runs.t)
    assert runs[x] == pytest.approx(exact, rel=1e-7, abs=1e-9)
    assert runs.final[0] == pytest.approx(exact[:, -1], rel=1e-7, abs=1e-9)
    assert len(runs) == 37
    assert len(list(runs)) == 37


def test_results_do_not_depend_on_threads_or_neighbours() -> None:
    problem, k = slow_reaction()
    values = np.linspace(0.02, 0.08, 1500)
    one, two = (
        sn.solve(sn.Ensemble(problem, {k: values}), "Rodas5P", threads=threads) for threads in (1, 2)
    )
    assert np.array_equal(one.y, two.y)
    turned = sn.solve(sn.Ensemble(problem, {k: values[::-1]}), "Rodas5P", threads=2)
    assert np.array_equal(one.y, turned.y[::-1])


def test_a_failing_member_does_not_take_others_along() -> None:
    (a,) = sn.parameters(a=1.0)
    system = sn.System("blow", [D(x) == a * x**2, D(y) == sn.sqrt(2 - a) - y])
    problem = sn.Problem(system, {x: 1, y: 0}, (0, 1))
    values = np.full(40, 0.5)
    values[[3, 17]] = 1.5  # x reaches infinity at t = 1/a
    values[29] = 2.5  # the square root of a negative number, from the start
    runs = sn.solve(sn.Ensemble(problem, {a: values}), "Tsit5", rtol=1e-8, atol=1e-10, saveat=[0.0, 0.5, 1.0])
    assert runs.failed.tolist() == [3, 17, 29]
    assert runs.status[29] == "not_finite"
    fine = np.setdiff1d(np.arange(40), runs.failed)
    assert runs[x][fine, -1] == pytest.approx(np.full(37, 2.0), rel=1e-6)
    assert runs[x][3, 1] == pytest.approx(1 / (1 - 0.75), rel=1e-6)
    assert np.isnan(runs[x][[3, 17, 29], -1]).all()
    short = sn.solve(sn.Ensemble(problem, {a: values}), "Tsit5", rtol=1e-10, atol=1e-12, max_steps=5)
    assert "max_steps_reached" in short.status


def test_a_member_that_an_event_ends_has_not_failed() -> None:
    (a,) = sn.parameters(a=1.0)
    half = sn.Event(when=x - 0.5, crossing="down", then={}, terminal=True)
    problem = sn.Problem(sn.System("fading", [D(x) == -a * x], events=[half]), {x: 1}, (0, 1))
    runs = sn.solve(sn.Ensemble(problem, {a: [0.1, 1.0, 0.5]}), saveat=[0.0, 0.5, 1.0], rtol=1e-8)
    assert runs.status.tolist() == ["done", "terminated", "done"]
    assert runs.status[1] == sn.solve(problem).status
    assert runs.failed.tolist() == []
    assert runs[x][1, 1] == pytest.approx(np.exp(-0.5), rel=1e-6)
    assert np.isnan(runs[x][1, 2])  # ln 2 < 1


def test_rates_beyond_all_numbers_choose_a_method_silently() -> None:
    (a,) = sn.parameters(a=1.0)
    problem = sn.Problem(sn.System("blow", [D(x) == a * x**2]), {x: 1}, (0, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs = sn.solve(sn.Ensemble(problem, {a: [1e308, 0.5]}), saveat=[1.0], rtol=1e-8)
    assert runs.failed.tolist() == [0]
    assert runs[x][1, 0] == pytest.approx(2.0, rel=1e-5)


def test_a_bad_pivot_order_leaves_the_lanes() -> None:
    """The pivot order is chosen on the first member; the diagonal of the last ones vanishes."""
    needs_lanes()
    (c,) = sn.parameters(c=1.0)
    fast = 1e12
    system = sn.System("turn", [D(x) == -fast * (c * x + y - 1), D(y) == -fast * (y - x)])
    problem = sn.Problem(system, {x: 0, y: 0}, (0, 1))
    values = np.array([1.0] * 9 + [0.0] * 3)
    runs = sn.solve(sn.Ensemble(problem, {c: values}), "Rodas5P", rtol=1e-6, atol=1e-9)
    assert runs.stats.alone == 3
    assert (runs.status == "done").all()
    assert runs[x][:, -1] == pytest.approx(1 / (1 + values), rel=1e-6)
    assert runs[y][:, -1] == pytest.approx(1 / (1 + values), rel=1e-6)


def test_events_limits_and_algebra_run_one_by_one() -> None:
    h, v = sn.variables("h v")
    (bounce,) = sn.parameters(bounce=0.8)
    event = sn.Event(when=h, crossing="down", then={v: -bounce * v})
    system = sn.System("ball", [D(h) == v, D(v) == -9.81], events=[event])
    problem = sn.Problem(system, {h: 1, v: 0}, (0, 0.8))
    values = np.array([0.5, 0.8, 0.9])
    runs = sn.solve(sn.Ensemble(problem, {bounce: values}), "Tsit5", saveat=0.1, rtol=1e-8, atol=1e-10)
    assert runs.stats.how == "one by one: there are events"
    fall = np.sqrt(2 / 9.81)
    after = 0.8 - fall
    expected = values * 9.81 * fall * after - 0.5 * 9.81 * after**2
    assert runs[h][:, -1] == pytest.approx(expected, rel=1e-6)

    runs, other = (
        sn.solve(sn.Ensemble(problem, {"k1": [0.03, 0.05]}), "Rodas5P", rtol=1e-8, atol=1e-10)
        for problem in (robertson(100, algebraic=True), robertson(100))
    )
    for variable in "ABC":
        assert runs[variable] == pytest.approx(other[variable], rel=1e-5, abs=1e-11)


def test_parameters_that_follow_others_follow_in_every_member() -> None:
    a = sn.parameter(1.0, name="a")
    b = sn.parameter(2 * a, name="b")
    problem = sn.Problem(sn.System("following", [D(x) == b]), {x: a}, (0, 1))
    runs = sn.solve(sn.Ensemble(problem, {a: [1.0, 2.0, 5.0]}), "Tsit5")
    assert runs[x][:, 0] == pytest.approx([3.0, 6.0, 15.0])


@pytest.mark.parametrize(("changes", "message"), [
    ({}, "say what changes"), ({"r": [1.0, np.nan]}, "member 1 has r"), ({"r": 3.0}, "shape"),
    ({"r": [1.0], "x": [1.0, 2.0]}, "different lengths"), ({"r": ["one"]}, "not numbers"),
    ({"nothing": [1.0]}, "nothing"),
])  # fmt: skip
def test_bad_ensembles_are_refused(changes: Any, message: str) -> None:
    problem, _ = lorenz()
    with pytest.raises(ModelError, match=message):
        sn.solve(sn.Ensemble(problem, changes))
