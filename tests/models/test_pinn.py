"""Physics-informed surrogates: exact derivatives, residuals that are those of the solvers, what is learnt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.language.neural_network import ACTIVATIONS
from symnum.models.neural import pinn
from symnum.models.neural.pinn.collocation import causal_weights, resampled, uniform
from symnum.models.neural.pinn.jets import BLOCK, NetworkJets, closed
from symnum.models.neural.pinn.objective import Held, Objective
from symnum.models.neural.pinn.residual import SystemResidual, Trial
from symnum.rewriting.derivative import derivative
from symnum.rewriting.walk import evaluate

x, y, z = sn.variables("x y z")
k = sn.parameter(3.0, name="k")
pendulum = sn.System("pendulum", [sn.D(x) == y, sn.D(y) == -k * sn.sin(x) - 0.2 * y])
problem = sn.Problem(pendulum, {x: 0.8, y: 0.5}, span=(0, 2))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_derivatives_of_a_network_are_those_of_its_formula(activation: str) -> None:
    """Up to the third order, against symbolic derivatives of the network written out."""
    wanted = [(0, 0), (0, 1), (1, 1, 1)]
    derivatives = closed(wanted)
    center, half = np.array([1.0, 0.5]), np.array([2.0, 0.5])
    a, b = sn.variables("a b")
    f = sn.network("f", [(a - 1) / 2, (b - 0.5) * 2], [4, 3], 2, activation=activation, seed=3)
    jets = NetworkJets(f.sizes, activation, derivatives, center, half)
    points = uniform(np.random.default_rng(0), BLOCK, np.zeros(2), np.ones(2))
    found = jets(f.initial, points)
    values = dict(zip(f.weights, f.initial.tolist(), strict=True))
    for place, by in enumerate(derivatives):
        for output, formula in enumerate(f.expressions()):
            for coordinate in by:
                formula = derivative(formula, (a, b)[coordinate])
            for number in (0, 7):
                at = {**values, a: points[number, 0], b: points[number, 1]}
                assert found[0, place, number, output] == pytest.approx(evaluate(formula, at), rel=1e-11)


def test_the_residual_is_that_of_the_right_hand_side() -> None:
    """Of a system with an algebraic unknown, sums of a network block and the time."""
    f = sn.network("f", [x, y], [3], 1, seed=1)
    system = sn.System("all", [
        sn.D(x) == z * y + sn.t, sn.D(y) == f[0] - k * x, z**3 + z == x * y,
    ])  # fmt: skip
    here = sn.Problem(system, {x: 1.0, y: 0.5}, span=(0.0, 4.0))
    flat = here.flat
    n, mass = flat.n, flat.mass
    scale, offset = np.arange(1.0, n + 1), np.full(n, 0.3)
    residual = SystemResidual(here, Trial(scale, offset, here.span))
    rng = np.random.default_rng(0)
    t, u = rng.uniform(0, 4, 6), rng.normal(size=(6, 3, n))
    p = np.tile(here.p, (6, 1))
    found = residual(t, u, p)
    for time, (network, slope, begin), row, parameters in zip(t, u, found, p, strict=True):
        value = np.where(mass != 0, begin + scale * time / 4 * network, offset + scale * network)
        rate = scale * np.where(mass != 0, network / 4 + time / 4 * slope, slope)
        expected = [value, rate, mass * rate - here.compiled.rhs(time, value, parameters)]
        np.testing.assert_allclose(row, expected, rtol=1e-12, atol=1e-12)
    cotangents, direction = rng.normal(size=found.shape), rng.normal(size=u.shape)
    direction[:, 2] = 0
    h = 1e-5
    difference = (residual(t, u + h * direction, p) - residual(t, u - h * direction, p)) / (2 * h)
    pulled = residual.pull(t, u, p, cotangents)
    assert (pulled * direction[:, :2]).sum() == pytest.approx((difference * cotangents).sum(), rel=1e-7)


def test_the_gradient_is_that_of_the_loss() -> None:
    model = pinn.surrogate(problem, {k: (1, 4), x: (0, 1)}, hidden=[6, 5], activation="swish")
    objective = Objective(model)
    rng = np.random.default_rng(2)
    points = uniform(rng, 700, model.low, model.high)  # more than one chunk, and blocks that are not full
    objective.hold(Held(points, rng.normal(size=(700, 3, 2)), rng.random((700, 3, 2))))
    weights, direction = model.weights, rng.normal(size=len(model.weights))
    _, gradient = objective.value_and_gradient(weights)
    h = 1e-5
    ahead, behind = (objective.value_and_gradient(weights + s * h * direction)[0] for s in (1, -1))
    assert gradient @ direction == pytest.approx((ahead - behind) / (2 * h), rel=1e-7)


def test_equations_alone_give_the_solution() -> None:
    model = pinn.surrogate(problem, {k: (1, 4)}, hidden=[16, 16])
    unseen = pinn.sample(problem, {k: [1.3, 2.2, 3.9]}, at=0.1)
    before = model.error(unseen, [1.0]).max()
    found = pinn.train(model, points=200, iterations=900, rounds=2)
    assert found.surrogate.error(unseen, [1.0]).max() < 0.04 < 0.1 * before
    assert found.residual < 0.05
    assert len(found.history) == 900
    assert found.status == "limit"
    at_start = found.surrogate(0.0, {k: [1.0, 2.5, 4.0]})
    assert at_start[x].tolist() == [0.8] * 3
    assert at_start[y].tolist() == [0.5] * 3


def test_an_algebraic_unknown_is_learnt_too() -> None:
    system = sn.System("dae", [sn.D(x) == -z, z**3 + z == x])
    here = sn.Problem(system, {x: 2.0}, span=(0, 2))
    model = pinn.surrogate(here, {x: (1, 3)}, hidden=[12])
    found = pinn.train(model, points=200, iterations=400, rounds=2).surrogate
    unseen = pinn.sample(here, {x: [1.1, 2.5]}, at=0.2)
    assert found.error(unseen, [1.0]).max() < 0.01


def test_samples_slopes_and_physics_each_help() -> None:
    """Few samples, as the paper compares: values, values with slopes, and with the equations."""
    samples = pinn.sample(problem, {k: [1.0, 2.5, 4.0]}, at=np.linspace(0, 2, 4))
    unseen = pinn.sample(problem, {k: [1.4, 2.0, 3.2]}, at=0.1)
    model = pinn.surrogate(problem, {k: (1, 4)}, hidden=[16, 16])
    errors = [
        np.sqrt((pinn.train(model, samples=samples, iterations=400, rounds=2, **options)
                 .surrogate.error(unseen, [0.5]) ** 2).mean())
        for options in ({"points": 0}, {"points": 0, "slopes": 1.0}, {"points": 200, "slopes": 1.0})
    ]  # fmt: skip
    assert errors[2] < errors[1] < errors[0]


@pytest.mark.parametrize("options", [{"optimizer": "Adam"}, {"causal": 1.0}], ids=str)
def test_adam_and_causal_weights_train_too(options: dict[str, Any]) -> None:
    model = pinn.surrogate(problem, hidden=[16, 16])
    found = pinn.train(model, points=128, iterations=400, rounds=4, **options)
    unseen = pinn.sample(problem, at=0.1)
    assert found.surrogate.error(unseen, [1.0]).max() < 0.05


def test_points_with_large_residuals_are_retained() -> None:
    rng = np.random.default_rng(0)
    low, high = np.zeros(2), np.array([1.0, 2.0])
    points = uniform(rng, 50, low, high)
    for axis in range(2):  # one in each cell of the axis
        assert sorted((points[:, axis] / high[axis] * 50).astype(int)) == list(range(50))
    sizes = np.where(np.arange(50) < 5, 10.0, 1.0)
    again = resampled(points, sizes, uniform(rng, 50, low, high))
    assert (again[:5] == points[:5]).all()
    assert not (again[5:] == points[5:]).any()
    assert ((again >= low) & (again <= high)).all()


def test_causal_weights_follow_the_losses_before() -> None:
    t, losses = np.array([0.1, 0.4, 0.6, 0.6, 0.9]), np.array([1.0, 2.0, 3.0, 5.0, 7.0])
    found = causal_weights(t, losses, (0.0, 1.0), 0.5, 4)
    np.testing.assert_allclose(found, np.exp([0.0, -0.5, -1.5, -1.5, -3.5]))


def test_a_surrogate_stands_in_place_of_the_system() -> None:
    model = pinn.surrogate(problem, {k: (1, 4), y: (0, 1)}, hidden=[8, 8])
    model = pinn.train(model, points=100, iterations=50, rounds=1).surrogate
    work = sn.variable("work")
    system = sn.System("with_surrogate", [*model.equations(), sn.D(work) == x * y])
    sol = sn.solve(sn.Problem(system, {work: 0}, span=(0, 2), parameters={k: 1.7, "y_start": 0.3}),
                   rtol=1e-8, atol=1e-10, saveat=0.25)  # fmt: skip
    expected = model(sol.t, {k: 1.7, y: 0.3})
    np.testing.assert_allclose(sol[x], expected[x], rtol=1e-12)
    np.testing.assert_allclose(sol[y], expected[y], rtol=1e-12)
    t = np.linspace(0, 2, 2001)
    fine = model(t, {k: 1.7, y: 0.3})
    assert sol[work][-1] == pytest.approx(np.trapezoid(fine[x] * fine[y], t), abs=1e-6)


def test_what_does_not_fit_is_said() -> None:
    model = pinn.surrogate(problem, {k: (1, 4)}, hidden=[4])
    with pytest.raises(sn.ModelError, match=r"k = 5 is outside of 1 \.\.\. 4"):
        model(1.0, {k: 5})
    with pytest.raises(sn.ModelError, match=r"t = 2\.5 is outside"):
        model(2.5)
    with pytest.raises(sn.ModelError, match="x is no input of it; it has k"):
        model(1.0, {x: 1})
    with pytest.raises(sn.ModelError, match="range of k: 4 is not below 1"):
        pinn.surrogate(problem, {k: (4, 1)})
    with pytest.raises(sn.ModelError, match="has no parameter called q"):
        pinn.surrogate(problem, {"q": (4, 1)})
    with pytest.raises(sn.ModelError, match="pendulum has events"):
        pinn.surrogate(sn.Problem(pendulum, {x: 1, y: 0}, events=[sn.Event(when=x, then={y: -y})]))
    with pytest.raises(sn.ModelError, match="nothing to learn from"):
        pinn.train(model, points=0)
    with pytest.raises(sn.ModelError, match="choose L-BFGS or Adam"):
        pinn.train(model, optimizer="SGD")
    with pytest.raises(sn.ModelError, match="iterations=0"):
        pinn.train(model, iterations=0)
    with pytest.raises(sn.ModelError, match="the surrogate has 2 coordinates"):
        pinn.train(model, samples=pinn.sample(problem, at=0.5))
