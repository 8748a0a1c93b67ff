"""`solve` against published end values, exact solutions and scipy, through the public names only."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import symnum as sn
from symnum.errors import ModelError, SolveFailed
from symnum.models.classic import kinetics, oscillators

D = sn.D
REFERENCE = json.loads((Path(__file__).parents[1] / "data" / "ivp_reference_values.json").read_text())
x, y = sn.variables("x y")


CASES: dict[str, tuple[str, Any]] = {
    "robertson": ("rober", kinetics.robertson),
    "robertson, DAE": ("rober", lambda: kinetics.robertson(algebraic=True)),
    "robertson to 40": ("rober_40", kinetics.robertson),
    "hires": ("hires", kinetics.hires),
    "orego": ("orego", kinetics.oregonator),
    "vdpol": ("vdpol", oscillators.van_der_pol),
    "vdpol, mild": ("vdpol_mild", lambda: oscillators.van_der_pol(1e-3)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("method", "rtol", "digits"), [("Rodas5P", 1e-9, 6.5), ("Rodas4P", 1e-8, 5.5)])
def test_published_end_values(case: str, method: str, rtol: float, digits: float) -> None:
    name, make = CASES[case]
    reference = REFERENCE[name]
    problem = make().with_(span=tuple(reference["span"]))
    atol = rtol * {"rober": 1e-9, "rober_40": 1e-6}.get(name, 1e-3)
    solution = sn.solve(problem, method, rtol=rtol, atol=atol, saveat=[problem.span[1]])
    names = ["A", "B", "C"] if "rober" in name else [unknown.name for unknown in problem.flat.unknowns]
    np.testing.assert_allclose([solution[n][-1] for n in names], reference["values"], rtol=10.0**-digits)


def test_a_method_of_low_order_reaches_its_own_accuracy() -> None:
    problem = kinetics.hires()
    for method in ("ROS34PW2", "MSRKTASE2", "MSRKTASE3"):
        solution = sn.solve(problem, method, rtol=1e-7, atol=1e-9, saveat=[321.8122])
        ends = [solution[f"y{k}"][-1] for k in range(1, 9)]
        np.testing.assert_allclose(ends, REFERENCE["hires"]["values"], rtol=1e-3, err_msg=method)


@pytest.mark.parametrize("method", ["KenCarp4", "Kvaerno5"])
def test_esdirk_methods_keep_jacobians_and_factors(method: str) -> None:
    problem = kinetics.hires()
    solution = sn.solve(problem, method, rtol=1e-7, atol=1e-10, saveat=[321.8122])
    ends = [solution[f"y{k}"][-1] for k in range(1, 9)]
    np.testing.assert_allclose(ends, REFERENCE["hires"]["values"], rtol=1e-4)
    stats = solution.stats
    tries = stats.steps + stats.rejected
    assert stats.jacobians < 0.5 * tries
    assert stats.factorizations < 0.9 * tries


def test_a_smooth_orbit_with_the_explicit_method() -> None:
    """The Arenstorf orbit of the restricted three-body problem closes (Hairer, Norsett, Wanner I, II.0)."""
    mu = 0.012277471
    a, b = sn.variables("a b")
    d1, d2 = ((a + mu) ** 2 + b**2) ** 1.5, ((a - (1 - mu)) ** 2 + b**2) ** 1.5
    system = sn.System(
        "arenstorf",
        [
            D(a, 2) == a + 2 * D(b) - (1 - mu) * (a + mu) / d1 - mu * (a - (1 - mu)) / d2,
            D(b, 2) == b - 2 * D(a) - (1 - mu) * b / d1 - mu * b / d2,
        ],
    )
    start = {a: 0.994, b: 0.0, D(a): 0.0, D(b): -2.0015851063790824}
    solution = sn.solve(sn.Problem(system, start, (0, 17.065216560157964)), "Tsit5", rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(solution.y[:2, -1], [0.994, 0.0], atol=1e-4)


def test_saved_times_and_dense_output_agree() -> None:
    system = sn.System("s", [D(x) == y, D(y) == -x])
    problem = sn.Problem(system, {x: 1, y: 0}, (0, 10))
    grid = np.linspace(0, 10, 101)
    for method in sn.METHODS:
        at_steps = sn.solve(problem, method, rtol=1e-7, atol=1e-9)
        on_grid = sn.solve(problem, method, rtol=1e-7, atol=1e-9, saveat=grid)
        np.testing.assert_array_equal(on_grid.t, grid)
        np.testing.assert_allclose(at_steps(grid)[x], on_grid[x], atol=1e-10, err_msg=method)
        np.testing.assert_allclose(on_grid[x], np.cos(grid), atol=3e-4, err_msg=method)


def test_every_step_is_kept_with_both_ends_of_the_span() -> None:
    solution = sn.solve(sn.Problem(sn.System("s", [D(x) == -x]), {x: 1}, (1, 3)))
    assert (solution.t[0], solution.t[-1]) == (1.0, 3.0)
    assert (np.diff(solution.t) > 0).all()
    assert solution.y.shape == (1, len(solution.t))
    assert solution.status == "done"
    assert solution.stats.steps == len(solution.t) - 1


@pytest.mark.parametrize(
    ("saveat", "expected"),
    [
        (0.25, [0, 0.25, 0.5, 0.75, 1]),
        (0.3, [0, 0.3, 0.6, 0.9]),
        ([0.5], [0.5]),
        ([1], [1]),
        ([], []),
        ([0], [0]),
    ],
)
def test_the_grid_of_saved_times(saveat: Any, expected: list[float]) -> None:
    solution = sn.solve(sn.Problem(sn.System("s", [D(x) == -x]), {x: 1}), saveat=saveat, rtol=1e-9)
    np.testing.assert_allclose(solution.t, expected, atol=1e-15)
    np.testing.assert_allclose(solution[x], np.exp(-np.array(expected)), rtol=1e-8)


def test_time_enters_exactly() -> None:
    """u' = cos(t) with a fast and a slow part, driven by time alone: f_t of the Rosenbrock methods."""
    system = sn.System("s", [D(x) == -1000 * (x - sn.cos(sn.t)) - sn.sin(sn.t), D(y) == 2 * sn.t])
    solution = sn.solve(sn.Problem(system, {x: 1, y: 0}, (0, 5)), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(solution[x], np.cos(solution.t), atol=1e-8)
    np.testing.assert_allclose(solution[y], solution.t**2, atol=1e-8)


def test_tolerances_by_variable_and_by_nominal_size() -> None:
    small = sn.variable("small", nominal=1e-6)
    system = sn.System(
        "s", [D(small) == 1e-6 * sn.cos(sn.t) - small / 5, D(x) == 1e-6 * sn.cos(sn.t) - x / 5]
    )
    problem = sn.Problem(system, {small: 0, x: 0}, (0, 20))
    tight = sn.solve(problem, rtol=1e-10, atol=1e-16, saveat=[20])
    coarse = sn.solve(problem.with_(), rtol=1e-4, atol=1e-4, saveat=[20])
    exact = solve_ivp(lambda t, u: 1e-6 * np.cos(t) - u / 5, (0, 20), [0.0], rtol=1e-12, atol=1e-20).y[0, -1]
    assert tight[small][-1] == pytest.approx(exact, rel=1e-7)
    assert coarse[small][-1] == pytest.approx(exact, rel=1e-3)
    by_name = sn.solve(problem, rtol=1e-4, atol={small: 1e-12, x: 1.0}, saveat=[20])
    assert by_name.stats.steps > 5


def test_the_largest_step_and_the_first_are_kept_to() -> None:
    problem = sn.Problem(sn.System("s", [D(x) == -x]), {x: 1}, (0, 1))
    solution = sn.solve(problem, max_step=0.01)
    assert np.diff(solution.t).max() <= 0.01 * (1 + 1e-9)
    assert sn.solve(problem, first_step=1e-5).t[1] == pytest.approx(1e-5)


def test_progress_is_drawn_on_request_only(capsys: pytest.CaptureFixture[str]) -> None:
    problem = sn.Problem(sn.System("bar", [D(x) == -x]), {x: 1}, (0, 1))
    sn.solve(problem)
    assert capsys.readouterr().err == ""
    sn.solve(problem, progress=True)
    drawn = capsys.readouterr().err
    assert "bar |" in drawn
    assert drawn.endswith("\n")
    assert "100.0 %" in drawn


def test_a_run_is_logged_and_not_printed(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO, logger="symnum"):
        sn.solve(sn.Problem(sn.System("logged", [D(x) == -x]), {x: 1}))
    assert "logged: done" in caplog.text
    assert capsys.readouterr() == ("", "")


def test_the_failed_run_carries_what_was_reached() -> None:
    problem = sn.Problem(sn.System("s", [D(x) == x**2]), {x: 1}, (0, 2))
    with pytest.raises(
        SolveFailed, match=r"s: stopped at t = 1\.0000.* with Rodas5P: the step size collapsed"
    ) as caught:
        sn.solve(problem)
    reached = caught.value.solution
    assert reached.t[-1] == pytest.approx(1.0, abs=1e-3)
    inside = reached.t < 0.9
    np.testing.assert_allclose(reached[x][inside], 1 / (1 - reached.t[inside]), rtol=1e-4)


def test_a_row_that_leaves_its_domain_is_named() -> None:
    system = sn.System("s", [D(x) == -1, D(y) == sn.log(x)])
    with pytest.raises(SolveFailed, match=r"not finite in\n    D\(y\) == log\(x\)"):
        sn.solve(sn.Problem(system, {x: 1, y: 0}, (0, 2)))


def test_a_definition_that_leaves_its_domain_through_algebraic_unknowns_is_named() -> None:
    system = sn.System("s", [D(x) == -sn.sqrt(y), y + y**3 == x])
    with pytest.raises(SolveFailed, match=r"not finite in\n    D\(x\) == -sqrt\(y\)"):
        sn.solve(sn.Problem(system, {x: 1}, (0, 3)))


def test_explicit_methods_refuse_algebraic_equations() -> None:
    system = sn.System("s", [D(x) == -y, y + sn.exp(y) == x])
    with pytest.raises(ModelError, match="Use Rodas5P"):
        sn.solve(sn.Problem(system, {x: 1}), "Tsit5")


def test_methods_are_found_in_any_case_and_records_are_taken() -> None:
    problem = sn.Problem(sn.System("s", [D(x) == -x]), {x: 1})
    assert sn.solve(problem, "tsit5").method == "Tsit5"
    assert sn.solve(problem, sn.METHODS["Rodas4P"]).method == "Rodas4P"


def test_repeated_solves_are_the_same_and_leave_the_problem_alone() -> None:
    problem = sn.Problem(sn.System("s", [D(x) == -x]), {x: 1}, events=[sn.Event(at=0.5, then={x: 2})])
    before = problem.u.copy(), problem.p.copy()
    first, second = sn.solve(problem), sn.solve(problem)
    np.testing.assert_array_equal(first.y, second.y)
    np.testing.assert_array_equal(first.t, second.t)
    np.testing.assert_array_equal(problem.u, before[0])
    np.testing.assert_array_equal(problem.p, before[1])


def test_solutions_keep_their_numbers_when_the_memory_of_their_run_is_used_again() -> None:
    def run(rtol: float, **options: Any) -> sn.Solution:
        return sn.solve(circle, "Rodas5P", rtol=rtol, atol=rtol, **options)

    x, y = sn.variables("x y")
    circle = sn.Problem(sn.System("circle", [D(x) == -y, D(y) == x]), {x: 1, y: 0}, span=(0, 3))
    first = run(1e-8, saveat=[1.0, 2.0, 3.0])
    kept = first.y.copy(), first.stats.steps, first.segments[0].p.copy()
    loose, again = run(1e-3), run(1e-8, saveat=[1.0, 2.0, 3.0])
    assert loose.stats.steps < kept[1] == again.stats.steps == first.stats.steps
    assert (first.y == kept[0]).all()
    assert (again.y == kept[0]).all()
    assert first.y[0] == pytest.approx(np.cos(first.t), abs=1e-7)
    assert loose(1.5)[x] == pytest.approx(np.cos(1.5), abs=1e-2)


def test_threads_do_not_share_the_memory_of_a_run() -> None:
    x, y = sn.variables("x y")
    circle = sn.Problem(sn.System("circle", [D(x) == -y, D(y) == x]), {x: 1, y: 0}, span=(0, 200))
    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(lambda _: sn.solve(circle, "Rodas5P", rtol=1e-7, tier="generic").y, range(16)))
    assert all((end == ends[0]).all() for end in ends)
    assert ends[0][0, -1] == pytest.approx(np.cos(200.0), abs=1e-3)


def test_a_system_whose_unknowns_all_are_explicit_in_time() -> None:
    """As of a driven circuit of resistances or an inverse model: exact at all times, with events."""
    (k,) = sn.parameters(k=2.0)
    events = [sn.Event(at=1, then={k: 5}), sn.Event(when=y - 30, crossing="up", then={k: 1})]
    system = sn.System("formula", [x == k * sn.t + sn.sin(500 * sn.t), y == 2 * D(x)], events=events[:1])
    assert sn.explain(system).degrees_of_freedom == 0
    solution = sn.solve(sn.Problem(system, span=(0, 10)))
    assert len(solution.t) > 200
    t = np.linspace(0, 10, 777)
    rate = np.where(t > 1, 5, 2)
    np.testing.assert_allclose(solution(t)[x], rate * t + np.sin(500 * t), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(solution(t)[y], 2 * (rate + 500 * np.cos(500 * t)), rtol=1e-12, atol=1e-9)
    line = sn.System("line", [x == k * sn.t, y == 2 * x], events=events)
    found = sn.solve(sn.Problem(line, span=(0, 10)))
    np.testing.assert_allclose([h.t for h in found.events], [1, 3], rtol=1e-12)
    assert found[y][-1] == pytest.approx(20)
