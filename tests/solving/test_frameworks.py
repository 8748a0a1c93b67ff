"""Solutions inside of graphs of PyTorch and JAX, against the closed form x0 e^(-kt)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError

T = np.array([0.5, 1.0, 2.0])


def decay() -> Any:
    (x,) = sn.variables("x")
    k = sn.parameter(0.7, name="k")
    problem = sn.Problem(sn.System("decay", [sn.D(x) == -k * x]), {x: 2}, span=(0, 2))
    return sn.SolutionMap(problem, [x], at=T, parameters=[k, x], rtol=1e-10, atol=1e-12)


def loss_and_gradient(rate: float, start: float) -> tuple[float, list[float]]:
    """Of the sum of sin(x) over the times, for the parameters rate = exp(q) and start."""
    values = start * np.exp(-rate * T)
    by_q = (np.cos(values) * -T * values * rate).sum()
    return np.sin(values).sum(), [by_q, (np.cos(values) * values / start).sum()]


def test_torch() -> None:
    torch = pytest.importorskip("torch")
    solution = decay().as_torch()
    q = torch.tensor([np.log(0.9), 1.5], dtype=torch.float64, requires_grad=True)
    loss = torch.sin(solution(torch.stack([torch.exp(q[0]), q[1]]))).sum()
    loss.backward()
    value, gradient = loss_and_gradient(0.9, 1.5)
    assert loss.item() == pytest.approx(value, rel=1e-8)
    assert q.grad.tolist() == pytest.approx(gradient, rel=1e-7)
    single = torch.tensor([0.9, 1.5], requires_grad=True)
    assert solution(single).dtype == torch.float32
    at = torch.tensor([0.9, 1.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(solution, at)
    with pytest.raises(ModelError, match="tensor of floating-point numbers"):
        solution([0.9, 1.5])
    with pytest.raises(ModelError, match="give 2 numbers, for k, x"):
        solution(torch.tensor([0.9]))


def test_jax() -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    solution = decay().as_jax()

    def loss(q: Any) -> Any:
        return jnp.sin(solution(jnp.stack([jnp.exp(q[0]), q[1]]))).sum()

    q = jnp.array([np.log(0.9), 1.5])
    value, gradient = loss_and_gradient(0.9, 1.5)
    for both in (jax.value_and_grad(loss), jax.jit(jax.value_and_grad(loss))):
        found, by_q = both(q)
        assert float(found) == pytest.approx(value, rel=1e-8)
        assert np.asarray(by_q) == pytest.approx(gradient, rel=1e-7)
    many = jax.vmap(jax.grad(loss))(jnp.stack([q, q + 0.1]))
    assert np.asarray(many[0]) == pytest.approx(gradient, rel=1e-7)
    other = loss_and_gradient(0.9 * np.exp(0.1), 1.6)[1]
    assert np.asarray(many[1]) == pytest.approx(other, rel=1e-7)
    with pytest.raises(ModelError, match="theta has shape"):
        solution(jnp.ones(3))


@pytest.mark.parametrize(("method", "name"), [("as_torch", "torch"), ("as_jax", "jax")])
def test_what_is_not_installed(method: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from symnum.solving import frameworks

    def absent(module: str) -> Any:
        raise ImportError(module)

    monkeypatch.setattr(frameworks, "import_module", absent)
    with pytest.raises(ModelError, match=f"pip install {name}"):
        getattr(decay(), method)()


def test_weights_of_torch_modules() -> None:
    torch = pytest.importorskip("torch")
    x, y = sn.variables("x y")
    f = sn.network("f", [x, y], [5, 4], 3, seed=2)
    torch.manual_seed(1)
    linear, tanh = torch.nn.Linear, torch.nn.Tanh
    module = torch.nn.Sequential(linear(2, 5), tanh(), linear(5, 4), tanh(), linear(4, 3)).double()
    weights, given = f.weights_of(module), np.random.default_rng(0).normal(size=(2, 7))
    expected = module(torch.tensor(given.T)).detach().numpy().T
    assert f(given, weights) == pytest.approx(expected, rel=1e-13)
    back = f.module_with(module, 2 * weights)
    assert f(given, 2 * weights) == pytest.approx(back(torch.tensor(given.T)).detach().numpy().T, rel=1e-13)
    assert f.weights_of(module).tolist() == weights.tolist()  # the module itself is as it was
    assert f.weights_of(f.module_with(module)).tolist() == f.initial.tolist()
    with pytest.raises(ModelError, match=r"the module holds arrays of shapes .*\(3, 2\).* 2 -> 5 -> 4 -> 3"):
        f.weights_of(linear(2, 3))


def test_weights_of_equinox_trees() -> None:
    jax, equinox = pytest.importorskip("jax"), pytest.importorskip("equinox")
    jax.config.update("jax_enable_x64", True)
    x, y = sn.variables("x y")
    f = sn.network("f", [x, y], [5, 5], 3, seed=2)
    tree = equinox.nn.MLP(2, 3, 5, 2, jax.numpy.tanh, key=jax.random.key(1))
    weights, given = f.weights_of(tree), np.random.default_rng(0).normal(size=(2, 7))
    assert f(given, weights) == pytest.approx(np.asarray(jax.vmap(tree)(given.T)).T, rel=1e-13)
    back = f.module_with(tree, 2 * weights)
    assert f(given, 2 * weights) == pytest.approx(np.asarray(jax.vmap(back)(given.T)).T, rel=1e-13)
    assert f.weights_of(f.module_with(tree)).tolist() == f.initial.tolist()
    with pytest.raises(ModelError, match="network f: the module holds arrays of shapes"):
        f.weights_of(equinox.nn.Linear(2, 3, key=jax.random.key(1)))


def fitted_by(optimizer: Any, **options: Any) -> Any:
    """k and the start of x' = -kx from its exact values, k within bounds."""
    (x,) = sn.variables("x")
    k = sn.parameter(0.4, name="k")
    problem = sn.Problem(sn.System("decay", [sn.D(x) == -k * x]), {x: 1.5}, span=(0, 2))
    data = {x: 2 * np.exp(-0.7 * T)}
    return sn.fit(problem, data, T, [k, x], optimizer=optimizer, target=1e-10, iterations=800, **options)


def test_fits_with_optimizers_of_optax() -> None:
    optax = pytest.importorskip("optax")
    found = fitted_by(optax.adam(3e-2))
    assert found.status == "target"
    assert found.theta == pytest.approx([0.7, 2.0], abs=1e-4)
    held = fitted_by(optax.adam(3e-2), bounds={"k": (0, 0.6)}, patience=50)
    assert held["k"] == 0.6
    assert held.status == "no progress"
    assert (np.diff(held.history) <= 0).all()


def test_fits_with_optimizers_of_torch() -> None:
    torch = pytest.importorskip("torch")
    found = fitted_by(lambda parameters: torch.optim.Adam(parameters, lr=3e-2))
    assert found.status == "target"
    assert found.theta == pytest.approx([0.7, 2.0], abs=1e-4)
    for optimizer, message in (
        (torch.optim.LBFGS, "choose 'L-BFGS'"), (lambda parameters: 1, "made a int of a list of parameters"),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=message):
            fitted_by(optimizer)
