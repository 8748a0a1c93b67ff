"""Networks in equations: values against NumPy, derivatives against complex steps, fits with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError

x, y, z = sn.variables("x y z")
Network: Any = sn.network


def by_hand(f: Any, inputs: Any, weights: Any) -> Any:
    """The same network in complex arithmetic."""
    act = {
        "tanh": np.tanh, "sin": np.sin, "softplus": lambda s: np.log(1 + np.exp(s)),
        "swish": lambda s: s / (1 + np.exp(-s)),
    }[f.activation]  # fmt: skip
    first = 0
    for number, (a, b) in enumerate(zip(f.sizes[:-1], f.sizes[1:], strict=True)):
        matrix, bias = weights[first : first + a * b].reshape(b, a), weights[first + a * b :][:b]
        inputs = matrix @ inputs + bias
        if number < len(f.sizes) - 2:
            inputs = act(inputs)
        first += a * b + b
    return inputs


@pytest.mark.parametrize("activation", ["tanh", "sin", "softplus", "swish"])
@pytest.mark.parametrize("hidden", [(), (5,), (7, 4)])
def test_values_and_jacobians(activation: str, hidden: tuple[int, ...]) -> None:
    f = Network("f", [x * y, y + sn.t], hidden, 2, activation=activation, seed=3)
    system = sn.System("s", [sn.D(x) == f[0] - x, sn.D(y) == 2 * f[1]])
    problem = sn.Problem(system, {x: 0.3, y: -0.7})
    compiled, p = problem.compiled, problem.p
    assert problem.flat.n == 2  # nothing of the network is integrated
    assert len(f) == 2
    rng = np.random.default_rng(0)
    weights = rng.normal(size=len(f.weights))  # biases, too
    for symbol, value in zip(f.weights, weights, strict=True):
        p[problem.flat.parameters.find(symbol.name)] = value

    def right(u: Any) -> Any:
        out = by_hand(f, np.array([u[0] * u[1], u[1] + 0.4]), weights.astype(complex))
        return np.array([out[0] - u[0], 2 * out[1]])

    u = np.array([0.3, -0.7])
    assert compiled.rhs(0.4, u, p) == pytest.approx(right(u).real, rel=1e-12, abs=1e-13)
    assert f(np.array([u[0] * u[1], u[1] + 0.4]), weights) == pytest.approx(
        by_hand(f, np.array([u[0] * u[1], u[1] + 0.4]), weights), rel=1e-12, abs=1e-13
    )
    exact = np.stack([right(u + 1e-30j * e).imag / 1e-30 for e in np.eye(2)], axis=1)
    assert compiled.jacobian(0.4, u, p).toarray() == pytest.approx(exact, rel=1e-11, abs=1e-13)


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P"])
def test_gradients_by_weights(method: str) -> None:
    """The adjoint against differences, in an equation and in an index-1 DAE."""
    f = Network("f", [x, y], [6], 1, seed=1)
    ode = sn.System("ode", [sn.D(x) == y - f[0], sn.D(y) == -sn.sin(x)])
    dae = sn.System("dae", [sn.D(x) == z - x, sn.D(y) == -y + z, z + z**3 / 5 == f[0] + x])
    for system in (ode, dae) if method == "Rodas5P" else (ode,):
        start = {x: 0.5, y: 0.2} if system is ode else {x: 0.5, y: 0.2, z: 0.4}
        problem = sn.Problem(system, start, (0, 2))
        mapping = sn.SolutionMap(
            problem, [x, y], at=[0.7, 2.0], parameters=f.weights, method=method, rtol=1e-11, atol=1e-13
        )
        values, pull = mapping.vjp()
        weights = np.ones_like(values)
        found, theta = pull(weights), mapping.theta
        assert theta == pytest.approx(f.initial)
        for j in range(0, len(theta), 3):
            h = np.zeros_like(theta)
            h[j] = 1e-3
            near = (mapping(theta + h) - mapping(theta - h)).sum()
            far = (mapping(theta + 2 * h) - mapping(theta - 2 * h)).sum()
            assert found[j] == pytest.approx((8 * near - far) / 12e-3, rel=1e-7, abs=1e-9)


def test_networks_of_networks_and_systems_made_of_systems() -> None:
    g = Network("g", [x], [3], 1, seed=2)
    f = Network("f", [g[0], x], [3], 1, seed=4)
    system = sn.System("s", [sn.D(x) == f[0]])
    assert {"f.weights[0]", "g.weights[0]"} <= set(sn.compile(system).parameters)
    moved = system.substitute({x: y})
    slope = sn.compile(moved).rhs(0.0, [0.3], sn.Problem(moved, {y: 0.3}).p)
    inner = g(np.array([0.3]))
    assert slope == pytest.approx(f(np.array([inner[0], 0.3])), rel=1e-12)
    other = Network("f", [x], [3], 1, seed=5)
    with pytest.raises(ModelError, match=r"two different symbols are called f\[0\]"):
        sn.System("s", [sn.D(x) == f[0] + other[0]])


def test_weights_come_and_go_as_layers() -> None:
    f = Network("f", [x, y], [4, 3], 2)
    layers = f.layers()
    assert [(m.shape, b.shape) for m, b in layers] == [((4, 2), (4,)), ((3, 4), (3,)), ((2, 3), (2,))]
    assert (f.flat(layers) == f.initial).all()
    assert (Network("f", [x, y], [4, 3], 2).initial == f.initial).all()
    assert not (Network("f", [x, y], [4, 3], 2, seed=1).initial == f.initial).all()
    assert f(np.zeros((2, 5))).shape == (2, 5)


def test_a_network_learns_a_term() -> None:
    """x' = -x + f(x) from a trajectory of x' = -x + sin(2 x)/2; the term is found where the data are."""
    truth = sn.Problem(sn.System("truth", [sn.D(x) == -x + sn.sin(2 * x) / 2]), {x: 2.0}, (0, 6))
    times = np.linspace(0, 6, 31)
    data = sn.solve(truth, rtol=1e-9, saveat=times)[x]
    f = Network("f", [x], [8], 1, seed=0)
    problem = sn.Problem(sn.System("learnt", [sn.D(x) == -x + f[0]]), {x: 2.0}, (0, 6))
    found = sn.fit(problem, {x: data}, times, learn=f.weights, target=1e-7)
    assert found.loss < 1e-6
    seen = np.linspace(0.2, 1.9, 20)
    assert f(seen[None], found.theta)[0] == pytest.approx(np.sin(2 * seen) / 2, abs=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("1f", [x], [3], 1), "is not a name"),
        (("f", [], [3], 1), "inputs is a list"),
        (("f", x, [3], 1), "inputs is a list"),
        (("f", [x], [0], 1), "no size of a layer"),
        (("f", [x], [3], 1.5), "no size of a layer"),
    ],
)
def test_wrong_arguments(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Network(*arguments)


def test_wrong_use() -> None:
    f = Network("f", [x], [3], 1)
    for refused, message in (
        (lambda: Network("f", [x], [3], 1, activation="relu"), "choose one of tanh, sin, softplus, swish"),
        (lambda: Network("f", [x], [3], 1, scale=np.inf), "finite number"),
        (lambda: f[1], r"there is no f\[1\]"),
        (lambda: f["0"], "outputs are numbered"),
        (lambda: f.layers([1.0]), "weights have shape"),
        (lambda: f.flat([(np.ones((2, 2)), np.ones(2))]), "matrices and biases of shapes"),
        (lambda: f(np.ones(3)), "give values of 1 inputs"),
    ):
        with pytest.raises(ModelError, match=message):
            refused()


def test_a_network_in_a_field_equation() -> None:
    """u_t = 0.1 u_xx + f(u): values against NumPy at every point, the gradient against differences."""
    xi = sn.coordinate("xi", 0, 1)
    u = sn.field("u", xi)
    f = Network("f", [u, xi], [4], 1, seed=2)
    heat: Any = sn.PDE(
        "heat", [sn.D(u) == 0.1 * sn.D(u, xi, 2) + f[0]], boundary=[u.at(xi, 0) == 0, u.at(xi, 1) == 0],
        initial={u: xi * (1 - xi)},
    )  # fmt: skip
    plain: Any = sn.PDE(
        "plain", [sn.D(u) == 0.1 * sn.D(u, xi, 2)], boundary=[u.at(xi, 0) == 0, u.at(xi, 1) == 0],
        initial={u: xi * (1 - xi)},
    )  # fmt: skip
    rods = [sn.Problem(sn.discretize(pde, {xi: sn.Central(21)}), span=(0, 0.5)) for pde in (heat, plain)]
    values = np.random.default_rng(0).normal(size=rods[0].flat.n)
    with_term, without = (rod.compiled.rhs(0.0, values, rod.p) for rod in rods)
    place = np.linspace(0, 1, 21)[1:-1]
    assert with_term - without == pytest.approx(f(np.stack([values, place]))[0], abs=1e-11)
    mapping = sn.SolutionMap(
        rods[0], at=[0.5], parameters=f.weights, method="Rodas5P", rtol=1e-10, atol=1e-12
    )
    outputs, pull = mapping.vjp()
    found, theta = pull(np.ones_like(outputs)), mapping.theta
    assert theta == pytest.approx(f.initial)
    for j in (0, 5, 9, 13, 16):
        h = np.zeros_like(theta)
        h[j] = 1e-3
        near = (mapping(theta + h) - mapping(theta - h)).sum()
        far = (mapping(theta + 2 * h) - mapping(theta - 2 * h)).sum()
        assert found[j] == pytest.approx((8 * near - far) / 12e-3, rel=1e-6, abs=1e-9)


class Governor(sn.Component):
    """Two states with a learnt law, which all members share."""

    v, w = sn.variable(), sn.variable()
    T = sn.parameter(2.0)

    def equations(self) -> Any:
        law = Network("law", [self.v, self.w], [4], 2, seed=1)
        return [sn.D(self.v) == law[0] - self.v / self.T, sn.D(self.w) == law[1] - self.w]


def two_governors() -> tuple[Any, Any, Any]:
    a, b = Governor("a"), Governor("b", T=3.0)
    start = {a.v: 1.0, a.w: 0.2, b.v: -0.4, b.w: 0.5}
    law = Network("law", [x, y], [4], 2, seed=1)  # the same weights over other inputs
    return sn.Problem(sn.System("two", parts=[a, b]), start, (0, 1)), (a, b), law


def test_members_of_a_component_share_a_network() -> None:
    problem, _, law = two_governors()
    rng = np.random.default_rng(3)
    weights, p = rng.normal(size=len(law.weights)), problem.p
    for symbol, value in zip(law.weights, weights, strict=True):
        p[problem.flat.parameters.find(symbol.name)] = value
    assert problem.flat.n == 4

    def right(u: Any) -> Any:
        parts = [
            by_hand(law, u[k : k + 2], weights) - u[k : k + 2] / np.array([T, 1.0])
            for k, T in ((0, 2.0), (2, 3.0))
        ]
        return np.concatenate(parts)

    u = np.array([1.0, 0.2, -0.4, 0.5])
    assert problem.compiled.rhs(0.0, u, p) == pytest.approx(right(u), rel=1e-12)
    exact = np.stack([right(u + 1e-30j * e).imag / 1e-30 for e in np.eye(4)], axis=1)
    assert problem.compiled.jacobian(0.0, u, p).toarray() == pytest.approx(exact, rel=1e-11, abs=1e-13)


def test_what_the_members_share_is_learnt_from_all_of_them() -> None:
    problem, (a, b), law = two_governors()
    mapping = sn.SolutionMap(
        problem, [a.v, b.w], at=[0.5, 1.0], parameters=law.weights, rtol=1e-11, atol=1e-13
    )
    values, pull = mapping.vjp()
    found, theta = pull(np.ones_like(values)), mapping.theta
    for j in range(0, len(theta), 4):
        h = np.zeros_like(theta)
        h[j] = 1e-3
        near = (mapping(theta + h) - mapping(theta - h)).sum()
        far = (mapping(theta + 2 * h) - mapping(theta - 2 * h)).sum()
        assert found[j] == pytest.approx((8 * near - far) / 12e-3, rel=1e-8, abs=1e-9)


def test_one_network_at_several_places() -> None:
    """Of other inputs its outputs are expressions over the same weights."""
    f = Network("f", [x, y], [3], 1, seed=4)
    (swapped,) = f([y, 2 * x])
    problem = sn.Problem(sn.System("s", [sn.D(x) == f[0], sn.D(y) == swapped - y]), {x: 0.3, y: -0.7})
    slope = problem.compiled.rhs(0.0, np.array([0.3, -0.7]), problem.p)
    assert slope == pytest.approx([f([0.3, -0.7])[0], f([-0.7, 0.6])[0] + 0.7], rel=1e-13)
    assert len(problem.p) == len(f.weights)
    alone = sn.Problem(sn.System("alone", [sn.D(x) == f([x, -x])[0]]), {x: 0.3})
    assert alone.compiled.rhs(0.0, np.array([0.3]), alone.p) == pytest.approx(f([0.3, -0.3]), rel=1e-13)
    with pytest.raises(ModelError, match="network f: it has 2 inputs, but 1 are given"):
        f([x])
    with pytest.raises(ModelError, match="hold its weights as parameters"):
        f([x, y], f.initial)
