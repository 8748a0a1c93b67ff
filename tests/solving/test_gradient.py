"""Discrete adjoints: against complex steps through the same steps, forward sensitivities, differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError, SolveFailed

x, y, z = sn.variables("x y z")
k, a = sn.parameters(k=0.7, a=2.0)
b = sn.parameter(3 * k, name="b")
SolutionMap: Any = sn.SolutionMap
METHODS = [m for m in sn.METHODS.values() if m.family in ("explicit", "rosenbrock")]


def lotka_volterra() -> tuple[sn.Problem, list[sn.Expr]]:
    q = sn.parameters(q0=1.1, q1=0.4, q2=0.4, q3=0.1)
    pulse = 1 + sn.sin(sn.t) / 5  # depends on time
    system = sn.System("lv", [sn.D(x) == q[0] * x * pulse - q[1] * x * y, sn.D(y) == q[3] * x * y - q[2] * y])
    return sn.Problem(system, {x: 10, y: 5}, span=(0, 6)), list(q)


def steps_by_hand(method: Any, times: Any, theta: Any) -> Any:
    """The Lotka-Volterra problem through the same steps in complex arithmetic, (2,) at the end."""

    def f(t: Any, u: Any) -> Any:
        pulse = 1 + np.sin(t) / 5
        return np.array([
            theta[0] * u[0] * pulse - theta[1] * u[0] * u[1], theta[3] * u[0] * u[1] - theta[2] * u[1]
        ])  # fmt: skip

    def jacobian(t: Any, u: Any) -> Any:
        pulse = 1 + np.sin(t) / 5
        return np.array([
            [theta[0] * pulse - theta[1] * u[1], -theta[1] * u[0]],
            [theta[3] * u[1], theta[3] * u[0] - theta[2]],
        ])  # fmt: skip

    s, table = method.stages, method.table()
    u = np.array(theta[4:], complex)
    for t, h in zip(times[:-1], np.diff(times), strict=True):
        stages: list[Any] = []
        if method.family == "explicit":
            c, rows, b = table[:s], table[s : s + s * s].reshape(s, s), table[s + s * s : 2 * s + s * s]
            for i in range(s):
                stages.append(f(t + c[i] * h, u + h * sum(rows[i, j] * stages[j] for j in range(i))))
            u = u + h * sum(b[i] * stages[i] for i in range(s))
            continue
        c, d = table[1 : 1 + s], table[1 + s : 1 + 2 * s]
        rest = table[1 + 2 * s :]
        rows, others = rest[: s * s].reshape(s, s), rest[s * s : 2 * s * s].reshape(s, s)
        m = rest[2 * s * s : 2 * s * s + s]
        W = np.eye(2) / (h * table[0]) - jacobian(t, u)
        f_t = np.array([theta[0] * u[0] * np.cos(t) / 5, 0])
        for i in range(s):
            argument = u + sum(rows[i, j] * stages[j] for j in range(i))
            right = f(t + c[i] * h, argument) + sum(others[i, j] * stages[j] for j in range(i)) / h
            stages.append(np.linalg.solve(W, right + h * d[i] * f_t))
        u = u + sum(m[i] * stages[i] for i in range(s))
    return u


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_exact_for_the_steps_that_were_made(method: Any) -> None:
    """Complex steps through the same steps, at loose tolerances: equal to rounding, for every method."""
    problem, q = lotka_volterra()
    mapping = SolutionMap(problem, at=[6.0], parameters=[*q, x, y], method=method, rtol=1e-3, atol=1e-5)
    theta = mapping.theta
    record = mapping._recorder.run(*mapping._entry.point(theta))
    times = record.stretches[0].times
    assert 3 <= len(times) < 400
    found = mapping.jacobian()[:, 0]
    assert mapping()[:, 0] == pytest.approx(steps_by_hand(method, times, theta).real, rel=1e-10)
    for j in range(6):
        shifted = theta.astype(complex)
        shifted[j] += 1e-30j
        exact = steps_by_hand(method, times, shifted).imag / 1e-30
        assert found[:, j] == pytest.approx(exact, rel=1e-8, abs=1e-9 * np.abs(exact).max())


def agree(problem: sn.Problem, outputs: list[Any] | None, keys: list[Any], at: Any, method: str) -> Any:
    """A random combination of outputs, against differences of fourth order at tight tolerances."""
    mapping = SolutionMap(problem, outputs, at=at, parameters=keys, method=method, rtol=1e-11, atol=1e-13)
    values, pull = mapping.vjp()
    weights = np.random.default_rng(1).normal(size=values.shape)
    found, theta = pull(weights), mapping.theta
    for j in range(len(theta)):
        h = np.zeros_like(theta)
        h[j] = 4e-4 * max(abs(theta[j]), 0.1)
        low, high = (mapping(theta - h) * weights).sum(), (mapping(theta + h) * weights).sum()
        lower, higher = (mapping(theta - 2 * h) * weights).sum(), (mapping(theta + 2 * h) * weights).sum()
        exact = (8 * (high - low) - (higher - lower)) / (12 * h[j])
        assert found[j] == pytest.approx(exact, rel=1e-7, abs=1e-8 * np.abs(found).max())
    return mapping


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P"])
def test_expressions_starts_and_checkpoints(method: str) -> None:
    problem, q = lotka_volterra()
    outputs = [x * y * q[0] + sn.t, x, sn.D(y)]
    mapping = agree(problem, outputs, [*q, x, y], np.linspace(0, 6, 13), method)
    weights = np.ones(mapping().shape)
    expected = mapping.vjp()[1](weights)
    for every in (2, 7, 10_000):
        sparse = SolutionMap(
            problem, outputs, at=np.linspace(0, 6, 13), parameters=[*q, x, y], method=method, rtol=1e-11,
            atol=1e-13, keep_every=every,
        )  # fmt: skip
        values, pull = sparse.vjp()
        assert values == pytest.approx(mapping(), rel=1e-13)
        assert pull(weights) == pytest.approx(expected, rel=1e-11)


def test_forward_sensitivities_agree() -> None:
    problem, q = lotka_volterra()
    times = np.linspace(1, 6, 6)
    forward = sn.sensitivities(problem, q, "Rodas5P", rtol=1e-11, atol=1e-12, saveat=times)
    for method in ("Vern7", "Rodas5P"):
        mapping = SolutionMap(problem, [x, y], at=times, parameters=q, method=method, rtol=1e-11, atol=1e-12)
        found = mapping.jacobian()
        for j in range(4):
            scale = np.abs(forward.dy[j]).max()
            assert found[:, :, j] == pytest.approx(forward.dy[j], rel=1e-8, abs=1e-8 * scale)


def test_algebraic_unknowns_and_dependent_parameters() -> None:
    """b = 3k follows k, x starts at 2a, z is algebraic and implicit."""
    system = sn.System(
        "dae", [sn.D(x) == -k * x + 0.1 * b, sn.D(y) == k * x - y * z, z + z**3 == a * y + sn.sin(sn.t)]
    )
    problem = sn.Problem(system, {x: 2 * a, y: 0.5, z: 0.5}, span=(0, 3))
    agree(problem, [x, y, z, x * b + a * sn.D(y)], [k, a, y], np.linspace(0, 3, 7), "Rodas5P")


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P"])
def test_events(method: str) -> None:
    """At given times, with parameters that change and others that follow; and where x passes a line."""
    dosed = sn.System(
        "dosed", [sn.D(x) == -k * x + a, sn.D(y) == b * x - y],
        events=[
            sn.Event(at=[1.0, 2.0], then={x: x + k * y, a: k * a}), sn.Event(at=1.5, then={k: 2 * k + 0.1}),
            sn.Event(at=0, then={y: y + x}),
        ],
    )  # fmt: skip
    problem = sn.Problem(dosed, {x: 1, y: 0}, span=(0, 3), events=[sn.Event(at=2.5, then={y: y * y})])
    agree(problem, [x, y * b], [k, a, x, y], np.linspace(0, 3, 13), method)
    switch = sn.System(
        "switch", [sn.D(x) == b - k * x, sn.D(y) == x * y / 5 - a * y],
        events=[sn.Event(when=x - a + 0.1 * sn.t, crossing="up", then={k: 2 * k, x: x + y * a + sn.t / 9})],
    )  # fmt: skip
    agree(sn.Problem(switch, {x: 0, y: 0.5}, span=(0, 2)), [x, y], [k, a, x, y], [0.25, 1.8, 2.0], method)


def check_network(path: Path, name: str, end: float, atol: float) -> None:
    """The adjoint against forward sensitivities, for a sum of observables."""
    network = sn.read(path)
    problem = sn.Problem(network.system(), span=(0, end))
    observables = list(network.observables[:3])
    mapping = SolutionMap(
        problem, observables, at=[end], parameters=[name], method="Rodas5P", rtol=1e-8, atol=atol
    )
    values, pull = mapping.vjp()
    forward = sn.sensitivities(problem, [name], "Rodas5P", rtol=1e-8, atol=atol, saveat=[end])
    exact = sum(forward.sensitivity(what, name)[-1] for what in observables)
    assert exact != 0.0
    assert pull(np.ones_like(values))[0] == pytest.approx(exact, rel=1e-5)


def test_a_network_with_sums(shared_data: Path) -> None:
    """9 species, 18 reactions: families with tables, sums of rates."""
    check_network(shared_data / "bng_net" / "multistate" / "multistate.net", "kAp", 1.0, 1e-6)


@pytest.mark.slow  # the code of the joint system takes ten seconds
def test_a_network_with_sparse_factors(shared_data: Path) -> None:
    """356 species, 3749 reactions."""
    check_network(shared_data / "bng_net" / "egfr_net" / "egfr_net.net", "kp1", 2.0, 1e-3)


def test_gradients_of_expressions_and_of_data() -> None:
    """x = x0 e^(-kt): the loss sum x^2, and a misfit with a missing value, in closed form."""
    problem = sn.Problem(sn.System("decay", [sn.D(x) == -k * x]), {x: 2}, span=(0, 2))
    t = np.array([0.5, 1.0, 2.0])
    exact = 2 * np.exp(-0.7 * t)
    found = sn.gradient(problem, x**2, [k, x], at=t, rtol=1e-10, atol=1e-12)
    assert found.value == pytest.approx((exact**2).sum(), rel=1e-9)
    assert found[k] == pytest.approx((-2 * t * exact**2).sum(), rel=1e-8)
    assert found["x"] == pytest.approx((exact**2).sum(), rel=1e-8)  # d/dx0 = 2 x^2/x0
    found = sn.gradient(problem, {x: [1.0, np.nan, 0.5]}, [k], at=t, rtol=1e-10, atol=1e-12)
    residual = np.array([exact[0] - 1, 0, exact[2] - 0.5])
    assert found.value == pytest.approx((residual**2).sum(), rel=1e-8)
    assert found.gradient == pytest.approx([(-2 * residual * t * exact).sum()], rel=1e-7)
    with pytest.raises(ModelError, match="a is not among the parameters k"):
        found[a]
    mapping = SolutionMap(problem, [x], at=t, parameters=[k, x], rtol=1e-11, atol=1e-13)
    product = mapping.hessian_product(lambda v: ((v**2).sum(), 2 * v), [1.0, 0.0])
    expected = [(4 * t**2 * exact**2).sum(), (-2 * t * exact**2).sum()]
    assert product == pytest.approx(expected, rel=1e-7)
    assert not mapping.hessian_product(lambda v: (v.sum(), 1 + 0 * v), [0.0, 0.0]).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parameters": []}, "give a list of parameters"),
        ({"parameters": [k, "k"]}, "stands twice"),
        ({"parameters": ["q"]}, "no parameter called q"),
        ({"parameters": [b]}, "b follows from others, it is 3\\*k"),
        ({"outputs": x}, "give a list of expressions"),
        ({"at": []}, "at least one time"),
        ({"at": [2.0]}, "leave the span"),
        ({"method": "KenCarp4"}, "need an explicit Runge-Kutta or a Rosenbrock method"),
        ({"keep_every": 0}, "keep_every=0"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], message: str) -> None:
    problem = sn.Problem(sn.System("s", [sn.D(x) == k - b * x]), {x: 0})
    with pytest.raises(ModelError, match=message):
        SolutionMap(problem, **{"at": 0.5, "parameters": [k], **options})


def test_wrong_values_and_what_fails() -> None:
    problem = sn.Problem(sn.System("blow", [sn.D(x) == k * x**2]), {x: 1}, span=(0, 2))
    mapping = SolutionMap(problem, at=[1.0], parameters=[k])
    for refused, message in (
        (lambda: mapping([1.0, 2.0]), "give 1 numbers, for k"),
        (lambda: mapping.vjp()[1]([1.0]), "cotangents have shape"),
        (lambda: mapping.value_and_gradient(lambda v: v.sum()), "return the value and its derivatives"),
        (lambda: sn.gradient(problem, "x", [k], at=[1.0]), "give an expression of the model, or data"),
        (lambda: sn.gradient(problem, {x: [1, 2]}, [k], at=[1.0]), "there are 1 times"),
        (lambda: sn.gradient(problem, {x: [np.nan]}, [k], at=[1.0]), "every value is missing"),
    ):
        with pytest.raises(ModelError, match=message):
            refused()
    with pytest.raises(SolveFailed, match="blow: stopped at t = "):
        mapping([3.0])
    assert mapping()[0, 0] == pytest.approx(1 / 0.3, rel=1e-4)  # and it still works


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (sn.System("s", [sn.D(x) == k - x, sn.Limit(x, high=0.5)]), "hard limit"),
        (sn.System("s", [sn.D(x) == k - x], events=[sn.Event(trigger=x > 0.5, then={x: 0})]), "trigger="),
    ],
)
def test_what_has_no_gradient(system: sn.System, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        SolutionMap(sn.Problem(system, {x: 0}), at=[1.0], parameters=[k])


def test_a_terminal_event_before_the_last_time() -> None:
    system = sn.System("s", [sn.D(x) == k], events=[sn.Event(when=x - 0.5, terminal=True)])
    problem = sn.Problem(system, {x: 0}, span=(0, 2))
    with pytest.raises(ModelError, match=r"ends the run at t = 0\.714"):
        SolutionMap(problem, at=[1.0], parameters=[k])()
    assert SolutionMap(problem, at=[0.5], parameters=[k]).jacobian()[0, 0, 0] == pytest.approx(0.5)


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P"])
def test_states_that_only_events_change(method: str) -> None:
    """x' = 0 has a derivative by nothing; an event at 1 makes x = x0 k^2 of it."""
    held = sn.variable("held")
    k = sn.parameter(3.0, name="k")
    system = sn.System("holds", [sn.D(held) == 0], events=[sn.Event(at=1.0, then={held: held * k**2})])
    found = sn.gradient(
        sn.Problem(system, {held: 2.0}, span=(0, 2)), held, [k, held], at=[0.5, 1.5], method=method
    )
    assert found.value == pytest.approx(20.0)
    assert found.gradient == pytest.approx([12.0, 10.0])
