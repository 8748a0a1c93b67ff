"""Fits against closed forms of regression, and against the numbers that data were made with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError, SolveFailed

x, y = sn.variables("x y")
Fit: Any = sn.fit


def predators(values: Any = (1.0, 0.5, 0.5, 0.2)) -> tuple[sn.System, list[sn.Expr]]:
    q = [sn.parameter(float(v), name=f"q{i}") for i, v in enumerate(values)]
    system = sn.System("predators", [sn.D(x) == q[0] * x - q[1] * x * y, sn.D(y) == q[3] * x * y - q[2] * y])
    return system, q


TRUE = [1.1, 0.4, 0.4, 0.1]


@pytest.mark.parametrize("optimizer", ["least squares", "L-BFGS"])
def test_parameters_and_starts_are_found_again(optimizer: str) -> None:
    system, q = predators()
    truth = sn.Problem(system, {x: 10, y: 5}, (0, 8), dict(zip(q, TRUE, strict=True)))
    times = np.linspace(0.5, 8, 16)
    made = sn.solve(truth, "Vern7", rtol=1e-11, atol=1e-12, saveat=times)
    data = {x: made[x], x * y: made[x * y]}
    data[x][3] = np.nan  # missing
    guess = sn.Problem(system, {x: 8, y: 6}, (0, 8))
    found = Fit(guess, data, times, [q, x, y], optimizer=optimizer, rtol=1e-9, atol=1e-11, iterations=2000)
    assert found.theta == pytest.approx([*TRUE, 10, 5], rel=1e-3 if optimizer == "L-BFGS" else 1e-7)
    assert found.loss < (1e-6 if optimizer == "L-BFGS" else 1e-15)
    assert found["q0"] == found[q[0]] == found.theta[0]
    assert (np.diff(found.history) <= 0).all()
    assert found.solve(saveat=times)[y] == pytest.approx(made[y], rel=1e-2)


def test_trajectories_with_times_of_their_own() -> None:
    system, q = predators()
    starts = ((10.0, 5.0), (4.0, 3.0), (7.0, 1.0))
    times = [np.linspace(0.5, 4, 5), np.array([0.3, 2.0, 2.1, 6.0]), np.array([1.0, 5.0])]
    data, guesses = [], []
    for (a, b), at in zip(starts, times, strict=True):
        truth = sn.Problem(system, {x: a, y: b}, (0, 6), dict(zip(q, TRUE, strict=True)))
        made = sn.solve(truth, "Vern7", rtol=1e-11, atol=1e-12, saveat=at)
        data.append({x: made[x], y: made[y]})
        guesses.append(sn.Problem(system, {x: a, y: b}, (0, 6)))
    found = Fit(guesses, data, times, q, rtol=1e-9, atol=1e-11)
    assert found.theta == pytest.approx(TRUE, rel=1e-7)
    assert [p.given_start["y"] for p in found.problems] == [5, 3, 1]
    with pytest.raises(ModelError, match=r"fit, trajectory 3 of 3: data of y have shape \(3,\)"):
        Fit(guesses, [*data[:2], {y: [1, 2, 3]}], times, q)
    with pytest.raises(ModelError, match="3 problems need a list of 3 data"):
        Fit(guesses, data[:2], times, q)


def line() -> tuple[sn.Problem, Any, Any, Any]:
    """x = x0 + k t: fits of it are linear regression."""
    k = sn.parameter(0.0, name="k")
    t = np.linspace(0, 3, 13)
    noise = np.random.default_rng(5).normal(size=13)
    return sn.Problem(sn.System("line", [sn.D(x) == k]), {x: 0}, (0, 3)), k, t, 1 + 2 * t + 0.3 * noise


def test_confidence_of_linear_regression() -> None:
    """np.polyfit has the line and its covariance; scipy.stats the interval of the slope."""
    from scipy.stats import linregress
    from scipy.stats import t as student

    problem, k, t, values = line()
    found = Fit(problem, {x: values}, t, [k, x])
    line_of, covariance = np.polyfit(t, values, 1, cov=True)
    assert found.theta == pytest.approx(line_of, rel=1e-8)
    assert found.covariance() == pytest.approx(covariance, rel=1e-6)
    width = student.ppf(0.975, 11) * linregress(t, values).stderr
    assert found.intervals()[0] == pytest.approx([found[k] - width, found[k] + width], rel=1e-6)
    shown = np.array([0.0, 1.0, 2.9])
    middle, half = found.band([x], shown, 0.9)
    assert middle[0] == pytest.approx(np.polyval(line_of, shown), rel=1e-8)
    spread = covariance[0, 0] * shown**2 + 2 * covariance[0, 1] * shown + covariance[1, 1]
    assert half[0] == pytest.approx(student.ppf(0.95, 11) * np.sqrt(spread), rel=1e-5)
    with pytest.raises(ModelError, match="confidence=1"):
        found.band([x], shown, 1)
    residuals = values - np.polyval(line_of, t)
    assert found.loss == pytest.approx((residuals**2).mean(), rel=1e-8)


@pytest.mark.parametrize("optimizer", ["least squares", "L-BFGS"])
def test_weights_penalties_and_bounds(optimizer: str) -> None:
    """Against the normal equations of weighted ridge regression, and the edge of the bounds."""
    problem, k, t, values = line()
    weight = np.linspace(0.5, 2, 13)
    matrix = np.stack([t, np.ones(13)], axis=1) * weight[:, None]
    found = Fit(problem, {x: values}, t, [k, x], weights={x: weight}, regularize=0.1, optimizer=optimizer)
    normal = matrix.T @ matrix / 13 + 0.1 * np.eye(2)
    exact = np.linalg.solve(normal, matrix.T @ (weight * values) / 13)
    assert found.theta == pytest.approx(exact, rel=1e-5)
    believed = Fit(problem, {x: values}, t, [k, x], regularize={k: (3.0, 0.01)}, optimizer=optimizer)
    matrix = np.stack([t, np.ones(13)], axis=1)
    normal = matrix.T @ matrix / 13 + np.diag([1e4, 0])
    exact = np.linalg.solve(normal, matrix.T @ values / 13 + np.array([3e4, 0]))
    assert believed.theta == pytest.approx(exact, rel=1e-5)
    bounded = Fit(problem, {x: values}, t, [k, x], bounds={k: (-1, 1.5)}, optimizer=optimizer)
    assert bounded.theta == pytest.approx([1.5, (values - 1.5 * t).mean()], rel=1e-4)


def test_a_loss_of_its_own() -> None:
    """The sum of absolute values is smallest at the median."""
    problem, _, t, values = line()

    def loss(outputs: Any) -> tuple[float, Any]:
        distance = outputs - (values - 2 * t)
        smooth = np.sqrt(distance**2 + 1e-8)
        return smooth.sum(), distance / smooth

    found = Fit(problem, {x: values}, t, [x], loss=loss)
    assert found[x] == pytest.approx(np.median(values - 2 * t), abs=1e-3)
    with pytest.raises(ModelError, match="needs data without a loss of its own"):
        Fit(problem, {x: values}, t, [x], loss=loss, optimizer="least squares")
    with pytest.raises(ModelError, match="only fits to data have an uncertainty"):
        found.covariance()


def test_a_stiff_problem() -> None:
    """The rates of Robertson's reactions, over eight orders of magnitude, from its own solution."""
    a, b, c = sn.variables("a b c")
    k = [sn.parameter(v, name=f"k{i}") for i, v in enumerate((0.04, 3e7, 1e4))]
    system = sn.System("robertson", [
        sn.D(a) == -k[0] * a + k[2] * b * c, sn.D(b) == k[0] * a - k[2] * b * c - k[1] * b**2,
        sn.D(c) == k[1] * b**2,
    ])  # fmt: skip
    start, times = {a: 1, b: 0, c: 0}, np.geomspace(1e-2, 1e4, 25)
    problem = sn.Problem(system, start, (0, 1e4))
    made = sn.solve(problem, "Rodas5P", rtol=1e-10, atol=1e-14, saveat=times)
    guess = problem.with_(parameters={k[0]: 0.06, k[1]: 2e7, k[2]: 2e4})
    found = Fit(
        guess, {a: made[a], b: made[b], c: made[c]}, times, k, weights={b: 1e4}, method="Rodas5P", rtol=1e-8,
        atol=1e-12,
    )  # fmt: skip
    assert found.theta == pytest.approx([0.04, 3e7, 1e4], rel=1e-5)


def test_a_damped_spiral(shared_data: Path) -> None:
    """u' = A u^3 by a network of the cubes: mean square of the misfit at most 5e-3 on 30 points."""
    table = np.loadtxt(shared_data / "neural_hybrid" / "damped_spiral.csv", delimiter=",", skiprows=1)
    times, first, second = table.T
    f: Any = sn.network("f", [x**3 / 8, y**3 / 8], [8], 2)
    problem = sn.Problem(sn.System("spiral", [sn.D(x) == f[0], sn.D(y) == f[1]]), {x: 2, y: 0}, (0, 1.5))
    found = Fit(problem, {x: first, y: second}, times, f.weights, regularize=1e-6, iterations=60, target=1e-3)
    assert np.mean((found.solve(saveat=times).y - table[:, 1:].T) ** 2) <= 5e-3


@pytest.mark.parametrize("optimizer", ["least squares", "L-BFGS"])
def test_points_where_the_run_fails_are_survived(optimizer: str) -> None:
    """x' = k x^2 blows up at t = 1/k; the data end just before."""
    k = sn.parameter(0.1, name="k")
    problem = sn.Problem(sn.System("blow", [sn.D(x) == k * x**2]), {x: 1}, (0, 1))
    t = np.linspace(0, 1, 11)
    found = Fit(problem, {x: 1 / (1 - 0.9 * t)}, t, [k], optimizer=optimizer)
    assert found[k] == pytest.approx(0.9, rel=1e-4)
    two = [problem, problem.with_(start={x: 20.0})]
    with pytest.raises(SolveFailed, match="trajectory 2 of 2: blow: stopped at t = "):
        Fit(two, [{x: t}, {x: t}], t, [k])


def test_nothing_is_lost(tmp_path: Path) -> None:
    system, q = predators()
    truth = sn.Problem(system, {x: 10, y: 5}, (0, 8), dict(zip(q, TRUE, strict=True)))
    times = np.linspace(0.5, 8, 16)
    data = {x: sn.solve(truth, rtol=1e-10, saveat=times)[x]}
    guess = sn.Problem(system, {x: 10, y: 5}, (0, 8))
    path = tmp_path / "fit.npz"

    def interrupt(iteration: int, loss: float) -> None:
        if iteration == 3:
            raise KeyboardInterrupt

    part = Fit(guess, data, times, q, checkpoint=path, progress=interrupt)
    assert part.status == "interrupted"
    assert part.loss < part.history[0]
    seen: list[float] = []
    rest = Fit(guess, data, times, q, checkpoint=path, progress=lambda _, loss: seen.append(loss), rtol=1e-9)
    assert seen[0] == pytest.approx(part.loss, rel=1e-2)  # it goes on from there
    assert rest.theta == pytest.approx(TRUE, rel=1e-5)
    assert Fit(guess, data, times, q, target=rest.loss * 2 + 1e-3).status == "target"
    assert Fit(guess, data, times, q, iterations=2).status == "limit"
    assert Fit(guess, data, times, q, optimizer="L-BFGS", iterations=2).status == "limit"
    stuck = Fit(guess, {x: np.ones(16)}, times, q, optimizer="L-BFGS", patience=3)
    assert stuck.status in ("no progress", "converged")
    with pytest.raises(ModelError, match="it is of a fit of q0, q1, q2, q3"):
        Fit(guess, data, times, [q[0]], checkpoint=path)
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="this is no file of a fit"):
        Fit(guess, data, times, q, checkpoint=path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learn": []}, "learn= is empty"),
        ({"learn": ["q"]}, "no parameter called q"),
        ({"data": [1.0]}, "data is"),
        ({"data": {x: [1.0]}}, "there are 2 times"),
        ({"data": {x: ["a", "b"]}}, "data of x: give numbers"),
        ({"data": {x: [1.0, np.inf]}}, "a missing value is NaN"),
        ({"data": {x: [np.nan, np.nan]}}, "every value of the data is missing"),
        ({"at": [0.5, 2.0]}, "leave the span"),
        ({"optimizer": "Adam"}, "choose one of least squares, L-BFGS"),
        ({"iterations": 0}, "iterations=0"),
        ({"bounds": {"x": (0, 1)}}, "bounds: x is not learnt"),
        ({"bounds": {"k": (1, 0)}}, "1 is not below 0"),
        ({"regularize": -1.0}, "regularize=-1.0"),
        ({"regularize": {"k": 1.0}}, "give \\(mean, deviation\\)"),
        ({"weights": {"y": 1.0}}, "weights of y, of which there are no data"),
        ({"weights": {"x": [-1.0, 1.0]}}, "none negative"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], message: str) -> None:
    problem, k, _, _ = line()
    given = {"data": {x: [0.5, 1.0]}, "at": [0.5, 1.0], "learn": [k], **options}
    if given["at"][-1] == 2.0:
        problem = sn.Problem(problem.compiled, {x: 0}, (0, 1))
    with pytest.raises(ModelError, match=message):
        Fit(problem, **given)


def test_what_data_do_not_determine() -> None:
    a, b = sn.parameters(a=1.0, b=1.0)
    problem = sn.Problem(sn.System("twice", [sn.D(x) == a * b]), {x: 0})
    found = Fit(problem, {x: [0.5, 1.0, 1.4, 2.1]}, [0.25, 0.5, 0.75, 1.0], [a, b])
    with pytest.raises(ModelError, match=r"do not determine these apart from each other: [ab], [ab]"):
        found.covariance()
    with pytest.raises(ModelError, match="2 values are too few for the uncertainty of 2 parameters"):
        Fit(problem, {x: [0.5, 1.0]}, [0.5, 1.0], [a, b]).covariance()
    with pytest.raises(ModelError, match="c was not learnt"):
        found["c"]


def test_the_profile_of_a_straight_line_is_its_interval() -> None:
    """x' = b: a linear regression, whose profile is a parabola and whose interval is Student's."""
    b = sn.parameter(0.0, name="b")
    times = np.linspace(0, 2, 9)
    data = 1 + 0.7 * times + 0.1 * np.random.default_rng(2).normal(size=9)
    found = Fit(sn.Problem(sn.System("line", [sn.D(x) == b]), {x: 0}, (0, 2)), {x: data}, times, [b, x])
    profile = found.profile(b, points=5)
    low, high = found.intervals()[0]
    assert profile.interval == pytest.approx([low, high], abs=2e-4 * (high - low))
    spread = np.sum((times - times.mean()) ** 2)
    assert profile.losses == pytest.approx(
        found.loss + (profile.values - found[b]) ** 2 * spread / 9, rel=1e-9
    )
    assert profile.theta[:, 1] == pytest.approx(data.mean() - profile.values * times.mean(), abs=1e-7)
    assert (np.diff(profile.values) > 0).all()
    with pytest.raises(ModelError, match="c was not learnt; learnt were b, x"):
        found.profile("c")
    with pytest.raises(ModelError, match="points=1"):
        found.profile(b, points=1)


def test_profiles_of_a_rate() -> None:
    """Against the closed form of x = x0 e^(-kt), where the best x0 of each k is a linear regression."""
    from scipy.optimize import brentq
    from scipy.stats import t as student

    k = sn.parameter(1.0, name="k")
    times = np.array([0.2, 0.8, 1.5, 2.5, 4.0])
    data = np.array([1.9, 0.9, 0.75, 0.1, 0.2])
    problem = sn.Problem(sn.System("decay", [sn.D(x) == -k * x]), {x: 2}, (0, 4))
    found = Fit(problem, {x: data}, times, [k, x], rtol=1e-10, atol=1e-12)

    def least(rate: float) -> float:
        curve = np.exp(-rate * times)
        return float(np.sum((data - curve * (curve @ data) / (curve @ curve)) ** 2)) / len(data)

    profile = found.profile("k")
    for value, loss in zip(profile.values, profile.losses, strict=True):
        assert loss == pytest.approx(least(value), rel=1e-7)
    threshold = least(found[k]) * (1 + student.ppf(0.975, 3) ** 2 / 3)
    assert profile.threshold == pytest.approx(threshold, rel=1e-7)
    exact = [
        brentq(lambda rate: least(rate) - threshold, *ends) for ends in ((0.05, found[k]), (found[k], 9))
    ]
    assert profile.interval == pytest.approx(exact, rel=1e-3)
    assert not np.allclose(profile.interval, found.intervals()[0], rtol=0.02)  # it is not linear
    assert profile.plot().get_xlabel() == "k"
    unfinished = Fit(problem, {x: data}, times, [k, x], iterations=1)
    with pytest.raises(ModelError, match=r"less than .* that the fit found: it was no minimum"):
        unfinished.profile(k)


def test_profiles_show_what_the_data_do_not_bound() -> None:
    """Only the product of two rates is known: one is held by its bound below, by nothing above."""
    a, b = sn.parameters(a=1.0, b=0.5)
    times = np.linspace(0.5, 3, 6)
    data = 2 * np.exp(-0.7 * times) + 0.02 * np.random.default_rng(5).normal(size=6)
    problem = sn.Problem(sn.System("product", [sn.D(x) == -a * b * x]), {x: 2}, (0, 3))
    found = Fit(problem, {x: data}, times, [a, b], bounds={a: (0.01, np.inf)})
    profile = found.profile(a, points=3)
    assert profile.interval.tolist() == [0.01, np.inf]
    assert profile.losses == pytest.approx(found.loss, rel=1e-5)


def test_an_optimizer_of_another_program_whose_step_ends_where_runs_fail() -> None:
    """One that jumps to where x' = x^2 - k blows up, and then goes down the gradient, which is
    clipped as optax does it: the half of a step that can be run may stand at a cliff."""
    k = sn.parameter(1.0, name="k")
    problem = sn.Problem(sn.System("blows", [sn.D(x) == x**2 - k]), {x: 0.9}, (0, 3))
    at = np.linspace(0.5, 3, 6)
    data = {x: sn.solve(problem.with_(parameters={k: 1.3}), rtol=1e-10, atol=1e-12, saveat=at)[x]}

    class Jumps:
        """As optax has it: init and update."""

        def init(self, theta: Any) -> int:
            return 0

        def update(self, gradient: Any, state: int, theta: Any) -> tuple[Any, int]:
            return (-50.0 - theta if state == 0 else -np.clip(0.2 * gradient, -0.05, 0.05)), state + 1

    found = Fit(problem, data, at, [k], optimizer=Jumps(), iterations=300, target=1e-12)
    assert found.status == "target"
    assert found[k] == pytest.approx(1.3, abs=1e-5)
    assert found.evaluations == len(found.history) + 1  # the points that failed are iterations, too
    with pytest.raises(ModelError, match=r"choose one of least squares, L-BFGS, or give one of optax or Py"):
        Fit(problem, data, at, [k], optimizer="adam")


def test_weights_that_mean_nothing_at_first_do_not_run_away() -> None:
    """Cubes of states saturate units of this network: by their effect alone those would move by 1e10."""
    times = np.linspace(0, 1.5, 31)[1:]
    matrix = np.array([[-0.1, 2.0], [-2.0, -0.1]])
    right = np.array([x**3, y**3]) @ matrix
    truth = sn.System("truth", [sn.D(x) == right[0], sn.D(y) == right[1]])
    exact = sn.solve(sn.Problem(truth, {x: 2, y: 0}, (0, 1.5)), rtol=1e-10, saveat=times)
    f = sn.network("f", [x**3, y**3], [16, 16], 2, seed=3)
    problem = sn.Problem(sn.System("spiral", [sn.D(x) == f[0], sn.D(y) == f[1]]), {x: 2, y: 0}, (0, 1.5))
    found = sn.fit(problem, {x: exact[x], y: exact[y]}, times, f.weights, method="Tsit5", iterations=60)
    assert found.loss < 1e-3
    assert np.abs(found.theta).max() < 100
