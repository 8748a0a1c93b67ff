"""The other programs' side of `training.py`: one problem and one program in a process.

    python training_worker.py PROBLEM PROGRAM ITERATIONS

Trains twice from the same weights, the first time for everything to be compiled; prints one line of JSON with
the seconds of both, CPU time of the second, and the losses on the way.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
from training_problems import TrainingProblem, training_problem

Train = Callable[[int], list[float]]
_MOST_STEPS = 16_384
_MOST_MEMORY = 8 << 30  # bytes


def diffrax(problem: TrainingProblem, solver: str) -> Train:
    """Equinox's MLP, optax's Adam, and diffrax's default adjoint: checkpoints through the steps."""
    import diffrax as dx
    import equinox as eqx
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    import optax

    first, *_, last = problem.sizes
    mlp = eqx.nn.MLP(
        first, last, problem.sizes[1], len(problem.sizes) - 2, jnp.tanh, dtype=jnp.float64,
        key=jax.random.PRNGKey(0),
    )  # fmt: skip
    for k, (matrix, bias) in enumerate(_layers(problem)):
        mlp = eqx.tree_at(
            lambda m, k=k: (m.layers[k].weight, m.layers[k].bias), mlp, (jnp.array(matrix), jnp.array(bias))
        )
    data, scale = jnp.asarray(problem.data), jnp.asarray(problem.scale)[:, None]
    optimizer = optax.adam(problem.rate)

    def right(t: Any, u: Any, network: Any) -> Any:
        return problem.right(u, lambda inputs: network(jnp.stack(inputs)), jnp)

    def loss(network: Any) -> Any:
        found = dx.diffeqsolve(
            dx.ODETerm(right), getattr(dx, solver)(), 0.0, float(problem.times[-1]), None,
            jnp.asarray(problem.start), network, saveat=dx.SaveAt(ts=jnp.asarray(problem.times)),
            max_steps=_MOST_STEPS,
            stepsize_controller=dx.PIDController(rtol=problem.rtol, atol=jnp.asarray(problem.atol)),
        )  # fmt: skip
        return jnp.mean(((found.ys.T - data) / scale) ** 2)

    @eqx.filter_jit
    def step(network: Any, state: Any) -> Any:
        value, gradient = eqx.filter_value_and_grad(loss)(network)
        updates, state = optimizer.update(gradient, state)
        return eqx.apply_updates(network, updates), state, value

    def train(iterations: int) -> list[float]:
        network, losses = mlp, []
        state = optimizer.init(eqx.filter(mlp, eqx.is_array))
        for _ in range(iterations):
            network, state, value = step(network, state)
            losses.append(float(value))
        return losses

    return train


def torchdiffeq(problem: TrainingProblem, adjoint: bool) -> Train:
    """dopri5, by backpropagation through its operations or by the continuous adjoint."""
    import resource

    import torch
    from torchdiffeq import odeint, odeint_adjoint

    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    # backpropagation keeps every operation of every step
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    xp = SimpleNamespace(stack=lambda parts: torch.stack(list(parts)))
    data, scale = torch.tensor(problem.data), torch.tensor(problem.scale)[:, None]
    times = torch.tensor(np.append(0.0, problem.times))
    start, rtol = torch.tensor(problem.start), problem.rtol
    # its continuous adjoint takes one number
    atol = float(problem.atol.min()) if adjoint else torch.tensor(problem.atol)

    class Right(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers: list[Any] = []
            for matrix, bias in _layers(problem):
                linear = torch.nn.Linear(matrix.shape[1], matrix.shape[0])
                with torch.no_grad():
                    linear.weight[:], linear.bias[:] = torch.tensor(matrix), torch.tensor(bias)
                layers += [linear, torch.nn.Tanh()]
            self.network = torch.nn.Sequential(*layers[:-1])

        def forward(self, t: Any, u: Any) -> Any:
            return problem.right(u, lambda inputs: self.network(torch.stack(inputs)), xp)

    solve = odeint_adjoint if adjoint else odeint

    def train(iterations: int) -> list[float]:
        right, losses = Right(), []
        optimizer = torch.optim.Adam(right.parameters(), lr=problem.rate)
        for _ in range(iterations):
            optimizer.zero_grad()
            found = solve(right, start, times, rtol=rtol, atol=atol, method="dopri5")
            value = (((found[1:].T - data) / scale) ** 2).mean()
            value.backward()
            optimizer.step()
            losses.append(float(value.detach()))
        return losses

    return train


def _layers(problem: TrainingProblem) -> list[tuple[Any, Any]]:
    found, first = [], 0
    for a, b in pairwise(problem.sizes):
        middle = first + a * b
        found.append((problem.theta[first:middle].reshape(b, a), problem.theta[middle : middle + b]))
        first = middle + b
    return found


PROGRAMS: dict[str, Callable[[TrainingProblem], Train]] = {
    "diffrax Tsit5": partial(diffrax, solver="Tsit5"),
    "diffrax Kvaerno5": partial(diffrax, solver="Kvaerno5"),
    "torchdiffeq": partial(torchdiffeq, adjoint=False),
    "torchdiffeq, adjoint": partial(torchdiffeq, adjoint=True),
}


def main() -> None:
    # what programs print does not get between the answers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    train = PROGRAMS[sys.argv[2]](training_problem(sys.argv[1]))
    iterations = int(sys.argv[3])
    began = time.perf_counter()
    train(2)
    first = time.perf_counter() - began
    cpu, began = time.process_time(), time.perf_counter()
    losses = train(iterations)
    answer = {
        "first": first, "seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu,
        "losses": losses,
    }  # fmt: skip
    print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
