"""Forward sensitivities against exact solutions, complex steps and differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import symnum as sn
from symnum.errors import LoweringError, ModelError

x, y, z = sn.variables("x y z")
k, a = sn.parameters(k=0.7, a=2.0)
b = sn.parameter(3 * k, name="b")
Sensitivities: Any = sn.sensitivities


def differences(problem: sn.Problem, what: sn.Expr, name: str, value: float, times: Any) -> Any:
    """Central differences of fourth order of tight solutions."""
    h = 2e-3 * value

    def at(shift: float) -> Any:
        moved = problem.with_(parameters={name: value + shift})
        return sn.solve(moved, "Rodas5P", rtol=1e-12, atol=1e-13, saveat=times)[what]

    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)


def test_a_chain_of_decays_has_an_exact_solution() -> None:
    """x = e^(-kt), y = k t e^(-kt): dx/dk = -t e^(-kt), dy/dk = (t - k t^2) e^(-kt), to 1e-8."""
    system = sn.System("chain", [sn.D(x) == -k * x, sn.D(y) == k * (x - y)])
    problem = sn.Problem(system, {x: 1, y: 0}, span=(0, 4))
    found = sn.sensitivities(problem, [k], rtol=1e-10, atol=1e-13, saveat=0.5)
    t, decay = found.t, np.exp(-0.7 * found.t)
    assert found[x] == pytest.approx(decay, rel=1e-9)
    assert found.sensitivity(x, k) == pytest.approx(-t * decay, rel=1e-8)
    assert found.sensitivity("y", "k") == pytest.approx((t - 0.7 * t**2) * decay, rel=1e-8, abs=1e-11)
    assert found.sensitivity(k * x**2, k) == pytest.approx((1 - 1.4 * t) * decay**2, rel=1e-8, abs=1e-10)
    assert found.dy.shape == (1, 2, len(t))
    assert found.y.shape == (2, len(t))


def test_a_linear_system_by_the_exponential_of_a_block_matrix() -> None:
    """d expm(A t)/dp u0 stands in expm of [[A, 0], [dA/dp, A]]."""
    rng = np.random.default_rng(3)
    A, dA = rng.normal(size=(2, 4, 4))
    us = sn.variables("u0 u1 u2 u3")
    rows = [sum(((A[i, j] + (k - 0.7) * dA[i, j]) * us[j] for j in range(4)), sn.Expr.__pos__(us[0]) * 0)
            for i in range(4)]  # fmt: skip
    system = sn.System("linear", [sn.D(u) == row for u, row in zip(us, rows, strict=True)])
    start = [1.0, -0.5, 0.25, 2.0]
    problem = sn.Problem(system, dict(zip(us, start, strict=True)), span=(0, 1))
    found = sn.sensitivities(problem, [k], rtol=1e-11, atol=1e-13, saveat=[1.0])
    exact = expm(np.block([[A, np.zeros((4, 4))], [dA, A]])) @ np.array([*start, 0, 0, 0, 0])
    assert found.y[:, -1] == pytest.approx(exact[:4], rel=1e-9)
    assert found.dy[0, :, -1] == pytest.approx(exact[4:], rel=1e-8)


def test_an_oscillator_by_complex_steps() -> None:
    """The Brusselator; Im u(k + i h)/h has no cancellation (Squire, Trapp, SIAM Rev. 40 (1998) 110)."""
    q, w = sn.parameters(q=1.0, w=2.5)
    system = sn.System("b", [sn.D(x) == q + x**2 * y - (w + 1) * x, sn.D(y) == w * x - x**2 * y])
    problem = sn.Problem(system, {x: 1.2, y: 2.0}, span=(0, 6))
    found = sn.sensitivities(problem, [q, w], "Rodas5P", rtol=1e-10, atol=1e-12, saveat=1.0)
    for name, dq, dw in (("q", 1e-30j, 0), ("w", 0, 1e-30j)):

        def f(t: float, u: Any, dq: complex = dq, dw: complex = dw) -> list[complex]:
            rate = u[0] ** 2 * u[1]
            return [1 + dq + rate - (3.5 + dw) * u[0], (2.5 + dw) * u[0] - rate]

        start = np.array([1.2, 2.0], complex)
        run = solve_ivp(f, (0, 6), start, "DOP853", rtol=1e-12, atol=1e-13, t_eval=found.t)
        for leaf, exact in ((x, run.y[0].imag / 1e-30), (y, run.y[1].imag / 1e-30)):
            scale = np.abs(exact).max()
            assert found.sensitivity(leaf, name) == pytest.approx(exact, rel=1e-7, abs=1e-8 * scale)


def test_algebraic_unknowns_dependent_parameters_and_starts() -> None:
    """b = 3k follows k, x starts at 2a, z is algebraic and implicit."""
    system = sn.System(
        "dae", [sn.D(x) == -k * x + 0.1 * b, sn.D(y) == k * x - y * z, z + z**3 == a * y + sn.sin(sn.t)]
    )
    problem = sn.Problem(system, {x: 2 * a, y: 0.5, z: 0.5}, span=(0, 3))
    assert not problem.flat.mass.all()
    found = sn.sensitivities(problem, [k, a], rtol=1e-10, atol=1e-12, saveat=0.5)
    for name, value in (("k", 0.7), ("a", 2.0)):
        for what in (x, y, z, x * b + a * sn.D(y)):
            exact = differences(problem, what, name, value, 0.5)
            scale = np.abs(exact).max()
            assert found.sensitivity(what, name) == pytest.approx(exact, abs=2e-8 * scale)


def test_events_at_given_times() -> None:
    """A dose that depends on parameters, and parameters that change: b = 3k, a becomes k."""
    system = sn.System(
        "dosed", [sn.D(x) == -k * x + a, sn.D(y) == b * x - y],
        events=[
            sn.Event(at=[1.0, 2.0], then={x: x + k * y, a: k * a}), sn.Event(at=1.5, then={k: 2 * k + 0.1}),
        ],
    )  # fmt: skip
    problem = sn.Problem(system, {x: 1, y: 0}, span=(0, 3), events=[sn.Event(at=2.5, then={y: y * y})])
    found = sn.sensitivities(problem, [k, a], rtol=1e-11, atol=1e-13, saveat=0.25)
    for name, value in (("k", 0.7), ("a", 2.0)):
        for what in (x, y):
            exact = differences(problem, what, name, value, 0.25)
            assert found.sensitivity(what, name) == pytest.approx(exact, rel=1e-7, abs=1e-8)


def test_a_bouncing_ball() -> None:
    """Exact through two bounces: at t1 = sqrt(2 h/g) with v1 = g t1, and at t2 = t1 + 2 e v1/g."""
    import sympy

    g, h, e = sn.parameters(g=9.81, h=2.0, e=0.8)
    system = sn.System(
        "ball", [sn.D(x) == y, sn.D(y) == -g],
        events=[sn.Event(when=x, crossing="down", then={x: 0, y: -e * y})], defaults={x: h, y: 0},
    )  # fmt: skip
    problem = sn.Problem(system, span=(0, 2.0))
    found = sn.sensitivities(problem, [g, h, e], rtol=1e-10, atol=1e-12, saveat=[0.5, 1.0, 1.6, 1.9])
    s = sympy.symbols("g h e", positive=True)
    t1 = sympy.sqrt(2 * s[1] / s[0])
    v1 = s[0] * t1
    t2 = t1 + 2 * s[2] * v1 / s[0]
    numbers = dict(zip(s, (9.81, 2.0, 0.8), strict=True))
    for k, t in enumerate(found.t):
        if t < float(t1.subs(numbers)):
            height = s[1] - s[0] * t**2 / 2
        elif t < float(t2.subs(numbers)):
            height = s[2] * v1 * (t - t1) - s[0] * (t - t1) ** 2 / 2
        else:
            height = s[2] ** 2 * v1 * (t - t2) - s[0] * (t - t2) ** 2 / 2
        assert found[x][k] == pytest.approx(float(height.subs(numbers)), rel=1e-8)
        for name, leaf in zip(("g", "h", "e"), s, strict=True):
            exact = float(sympy.diff(height, leaf).subs(numbers))
            assert found.sensitivity(x, name)[k] == pytest.approx(exact, rel=1e-7, abs=1e-9)


def test_an_event_that_depends_on_parameters_and_changes_one() -> None:
    """Where x passes a, k doubles (b = 3k follows), x gets a part of y and of the time."""
    system = sn.System(
        "switch", [sn.D(x) == b - k * x, sn.D(y) == x * y / 5 - a * y],
        events=[sn.Event(when=x - a + 0.1 * sn.t, crossing="up", then={k: 2 * k, x: x + y * a + sn.t / 9})],
    )  # fmt: skip
    problem = sn.Problem(system, {x: 0, y: 0.5}, span=(0, 2))
    found = sn.sensitivities(problem, [k, a], rtol=1e-11, atol=1e-13, saveat=[0.25, 1.8, 2.0])
    assert len(found.solution.events) == 1
    for name, value in (("k", 0.7), ("a", 2.0)):
        for what in (x, y):
            exact = differences(problem, what, name, value, [0.25, 1.8, 2.0])
            assert found.sensitivity(what, name) == pytest.approx(exact, rel=1e-7, abs=1e-8)


def test_a_network_keeps_its_families(shared_data: Path) -> None:
    """356 species, 3749 reactions: as many loops as shapes, and derivatives that agree with differences."""
    network = sn.read(shared_data / "bng_net" / "egfr_net" / "egfr_net.net")
    problem = sn.Problem(network.system(), span=(0, 2))
    name = "kp1"
    value = float(problem.p[problem.flat.parameters.find(name)])
    found = sn.sensitivities(problem, [name], "Rodas5P", rtol=1e-8, atol=1e-3, saveat=[2.0])
    assert len(found.solution.flat.structure.definitions) <= 3 * len(problem.flat.structure.definitions)
    largest = 0
    for observable in network.observables[:3]:
        high, low = (
            sn.solve(moved, "Rodas5P", rtol=1e-9, atol=1e-4, saveat=[2.0])[observable][-1]
            for moved in (problem.with_(parameters={name: value * (1 + h)}) for h in (1e-3, -1e-3))
        )
        exact = (high - low) / (2e-3 * value)
        largest = max(largest, abs(exact * value))
        assert found.sensitivity(observable, name)[-1] == pytest.approx(exact, rel=1e-4, abs=1e-3 / value)
    assert largest > 1.0


def test_eliminated_species_have_sensitivities_too() -> None:
    A, B = sn.species("A B")
    network = sn.ReactionNetwork("n", [sn.Reaction(k, A >> B)], starts={A: a, B: 1})
    for eliminate in (False, True):
        problem = sn.Problem(network.system(eliminate=eliminate), span=(0, 2))
        found = sn.sensitivities(problem, [k, a], rtol=1e-10, atol=1e-12, saveat=0.5)
        decay = np.exp(-0.7 * found.t)
        assert found.sensitivity(A, k) == pytest.approx(-2 * found.t * decay, rel=1e-8, abs=1e-12)
        assert found.sensitivity(B, k) == pytest.approx(2 * found.t * decay, rel=1e-8, abs=1e-12)
        assert found.sensitivity(A, a) == pytest.approx(decay, rel=1e-8)


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (sn.System("s", [sn.D(x) == k - x, sn.Limit(x, high=0.5)]), "hard limits"),
        (
            sn.System("s", [sn.D(x) == k - x], events=[sn.Event(trigger=x > 0.5, then={x: 0})]),
            "across an event with a trigger=",
        ),
    ],
)
def test_what_cannot_be_differentiated_is_refused(system: sn.System, message: str) -> None:
    with pytest.raises(LoweringError, match=message):
        sn.sensitivities(sn.Problem(system, {x: 0}), [k])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ([], "give a list of parameters"),
        (k, "give a list of parameters"),
        ([k, "k"], "stands twice"),
        (["q"], "no parameter called q"),
        ([x], "x is not a parameter"),
        ([b], "b follows from others, it is 3\\*k"),
    ],
)
def test_wrong_parameters(parameters: Any, message: str) -> None:
    problem = sn.Problem(sn.System("s", [sn.D(x) == k - b * x]), {x: 0})
    with pytest.raises(ModelError, match=message):
        Sensitivities(problem, parameters)


def test_asking_for_what_was_not_computed() -> None:
    found = sn.sensitivities(sn.Problem(sn.System("s", [sn.D(x) == k - a * x]), {x: 0}), [k])
    with pytest.raises(ModelError, match="a is not among the parameters k"):
        found.sensitivity(x, a)
    assert "by k" in repr(found)
    assert not found.sensitivity(sn.t, k).any()
    assert (found.sensitivity("k", k) == 1).all()


def test_a_stochastic_problem_has_no_derivatives() -> None:
    A, B = sn.species("A B")
    network = sn.ReactionNetwork("n", [sn.Reaction(k, A >> B)], starts={A: 10, B: 0})
    problem = sn.Problem(network.jumps())
    for refused in (lambda: sn.sensitivities(problem, [k]), lambda: sn.continuation(problem, k, (0, 1))):
        with pytest.raises(ModelError, match="n is stochastic"):
            refused()
    with pytest.raises(ModelError, match="n is stochastic"):
        sn.steady_state(problem)
