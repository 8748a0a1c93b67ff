"""Solutions: any expression, names, lists; dense output; tables; figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError

x, y, z = sn.variables("x y z")
(k,) = sn.parameters(k=2.0)
D = sn.D


@pytest.fixture(scope="module")
def solution() -> sn.Solution:
    system = sn.System("model", [D(x) == -k * x, y == x**2, z + z**3 == y])
    return sn.solve(sn.Problem(system, {x: 1.5}, (0, 2)), rtol=1e-9, atol=1e-11)


def test_values_by_symbol_name_expression_and_list(solution: sn.Solution) -> None:
    decay = 1.5 * np.exp(-2 * solution.t)
    np.testing.assert_allclose(solution[x], decay, rtol=1e-7)
    np.testing.assert_array_equal(solution["x"], solution[x])
    np.testing.assert_allclose(solution[y], decay**2, rtol=1e-7)
    np.testing.assert_allclose(solution[D(x)], -2 * decay, rtol=1e-7)
    np.testing.assert_array_equal(solution[k], np.full(len(solution.t), 2.0))
    np.testing.assert_array_equal(solution["k"], solution[k])
    np.testing.assert_allclose(solution[z**3 + z - y], 0, atol=1e-9)
    np.testing.assert_array_equal(solution[sn.t], solution.t)
    np.testing.assert_allclose(
        solution[sn.sin(x) + k * sn.t], np.sin(solution[x]) + 2 * solution.t, rtol=1e-14
    )
    np.testing.assert_array_equal(solution[sn.t * 0 + 3], np.full(len(solution.t), 3.0))
    many = solution[[x, "y", D(x), k, 1]]
    assert many.shape == (5, len(solution.t))
    np.testing.assert_array_equal(many[4], np.ones(len(solution.t)))
    assert solution[x, y].shape == (2, len(solution.t))


def test_sympy_expressions_are_taken(solution: sn.Solution) -> None:
    np.testing.assert_allclose(solution[(x * y).to_sympy()], solution[x] * solution[y], rtol=1e-14)


def test_values_between_the_steps(solution: sn.Solution) -> None:
    times = np.array([0.0, 0.123, 1.0, 2.0])
    sample = solution(times)
    np.testing.assert_allclose(sample[x], 1.5 * np.exp(-2 * times), rtol=1e-6)
    np.testing.assert_allclose(sample[[x, y]], [sample[x], sample[x] ** 2])
    one = solution(0.5)
    assert np.ndim(one[x]) == 0
    assert one[x] == pytest.approx(1.5 * np.exp(-1), rel=1e-6)
    assert one[D(x)] == pytest.approx(-3 * np.exp(-1), rel=1e-6)
    assert one[k] == 2.0
    assert one.y.shape == (2,)
    at_steps = solution(solution.t)
    np.testing.assert_allclose(at_steps[x], solution[x], rtol=1e-12)


def test_on_both_sides_of_an_event() -> None:
    system = sn.System("s", [D(x) == k], events=[sn.Event(at=1, then={x: 10, k: 0})])
    solution = sn.solve(sn.Problem(system, {x: 0}, (0, 2)))
    np.testing.assert_allclose(solution([0.5, 1.0, 1.0 + 1e-9, 1.5])[x], [1, 2, 10, 10], atol=1e-6)
    np.testing.assert_allclose(solution([0.5, 1.0, 1.0 + 1e-9, 1.5])[k], [2, 2, 0, 0])


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda s: s["w"], "solution: model has no variable called w"),
        (lambda s: s[sn.variable("w")], "solution: model has no variable called w"),
        (lambda s: s[sn.parameter(1, name="w")], "solution: model has no parameter called w"),
        (lambda s: s["kk"], "Did you mean k"),
        (lambda s: s[D(z)], r"z is not a state of model, so D\(z\) is not part of the model"),
        (lambda s: s[x == 1], "ask for a variable, an expression or a name"),
        (lambda s: s[object()], "ask for a variable, an expression or a name"),
        (lambda s: s(2.5), "t must lie within the solution, 0 ... 2"),
        (lambda s: s([-0.1, 1]), "t must lie within the solution, 0 ... 2"),
        (lambda s: s(float("nan")), "t must lie within the solution"),
        (lambda s: s("now"), "give a time or times"),
        (lambda s: s([[0.0], [1.0]]), "one time or a list of times"),
        (lambda s: s.plot("w"), "solution: model has no variable called w"),
        (lambda s: s.to_dataframe("w"), "solution: model has no variable called w"),
    ],
)
def test_a_bad_question_says_what_is_wrong(ask: Any, says: str, solution: sn.Solution) -> None:
    with pytest.raises(ModelError, match=says):
        ask(solution)


def test_without_kept_steps_there_is_no_dense_output() -> None:
    problem = sn.Problem(sn.System("s", [D(x) == -x]), {x: 1})
    with pytest.raises(ModelError, match="solve without saveat=, or with dense=True"):
        sn.solve(problem, saveat=0.1)(0.5)
    both = sn.solve(problem, saveat=0.1, dense=True, rtol=1e-9)
    assert both(0.55)[x] == pytest.approx(np.exp(-0.55), rel=1e-6)
    with pytest.raises(ModelError, match="sol"):
        sn.solve(problem, dense=False)(0.5)


def test_dense_output_reaches_over_the_run_whatever_was_saved() -> None:
    problem = sn.Problem(sn.System("m", [D(x) == -x]), {x: 1}, (0, 1))
    for saveat in ([0.5], []):
        sparse = sn.solve(problem, rtol=1e-9, saveat=saveat, dense=True)
        np.testing.assert_allclose(sparse([0, 0.2, 1])[x], np.exp([0, -0.2, -1]), rtol=1e-7)
        assert "done" in repr(sparse)
    ended = sn.System("m", [D(x) == -x], events=[sn.Event(at=0, terminal=True)])
    with pytest.raises(ModelError, match="ended where it began"):
        sn.solve(sn.Problem(ended, {x: 1}))(0.0)


def test_tables(solution: sn.Solution) -> None:
    pandas = pytest.importorskip("pandas")
    table = solution.to_dataframe()
    assert isinstance(table, pandas.DataFrame)
    assert list(table.columns) == ["x", "z"]
    assert table.index.name == "t"
    np.testing.assert_array_equal(table["x"], solution[x])
    chosen = solution.to_dataframe(y, 2 * x, D(x))
    assert list(chosen.columns) == ["y", "2*x", "D(x)"]
    np.testing.assert_array_equal(chosen["2*x"], 2 * solution[x])


def test_datasets(solution: sn.Solution) -> None:
    pytest.importorskip("xarray")
    dataset = solution.to_xarray(x, y)
    np.testing.assert_array_equal(dataset["y"].values, solution[y])
    np.testing.assert_array_equal(dataset.coords["t"].values, solution.t)


def test_a_figure_has_a_labelled_line_for_each_expression(solution: sn.Solution) -> None:
    import matplotlib.pyplot as plt

    axes = solution.plot(x, x + y, linewidth=3)
    assert [line.get_label() for line in axes.lines] == ["x", "x + y"]
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), solution[x + y])
    assert axes.lines[0].get_linewidth() == 3
    same = solution.plot(ax=axes)
    assert same is axes
    assert len(axes.lines) == 4
    plt.close(axes.figure)


def test_of_many_unknowns_those_that_vary_most_are_named() -> None:
    import matplotlib.pyplot as plt

    many = sn.variables(" ".join(f"x{i}" for i in range(30)))
    system = sn.System("many", [sn.D(leaf) == -i * leaf for i, leaf in enumerate(many)])
    axes = sn.solve(sn.Problem(system, dict.fromkeys(many, 1)), saveat=0.1).plot()
    named = [line.get_label() for line in axes.lines if not line.get_label().startswith("_")]
    assert named == [f"x{i}" for i in range(20, 30)]
    assert len(axes.lines) == 30
    assert axes.get_legend().get_title().get_text() == "10 of 30, those that vary most"
    plt.close(axes.figure)


def test_the_summary_names_the_model_and_the_method(solution: sn.Solution) -> None:
    assert (
        repr(solution) == f"<Solution of model: done at t = 2, {len(solution.t)} times, 2 unknowns, Rodas5P>"
    )
    assert solution.states == ("x", "z")
    assert repr(solution(1.5)) == "<Sample of model at t = 1.5: ask for sample[variable]>"
    assert repr(solution([0.5, 1.0])) == "<Sample of model at 2 times: ask for sample[variable]>"


def test_families_of_components_are_observed_one_by_one(electrical: Any) -> None:
    """Definitions of a class hold for each of its instances, through several levels."""
    system = electrical.ladder(30, V=3.0)
    solution = sn.solve(sn.Problem(system, span=(0, 5)), rtol=1e-8, atol=1e-10, saveat=[5.0])
    for j in (0, 7, 29):
        before = 3.0 if j == 0 else solution[f"s{j - 1}.c.v"][0]
        current = (before - solution[f"s{j}.c.v"][0]) / (1 + 0.001 * j)
        assert solution[f"s{j}.r.i"][0] == pytest.approx(current, rel=1e-10)
        assert solution[f"s{j}.a.i"][0] == pytest.approx(current, rel=1e-10)
    total = solution["src.p.i"][0]
    assert total == pytest.approx(-solution["s0.r.i"][0], rel=1e-12)
    assert solution["ground.p.i"][0] == pytest.approx(0, abs=1e-10)
