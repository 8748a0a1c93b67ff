"""Optimizers of optax and PyTorch as steps of a search: from a point and its gradient to the next point."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError

__all__ = ["Step", "is_outside", "step_of"]

FloatArray: TypeAlias = NDArray[np.float64]
Step: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]


def is_outside(optimizer: Any) -> bool:
    """Whether it is made as optax's or PyTorch's are, see `step_of`."""
    return _is_optax(optimizer) or (callable(optimizer) and not isinstance(optimizer, str))


def step_of(optimizer: Any, theta: FloatArray) -> Step:
    """(point (m,), gradient (m,)) -> the next point (m,).

    optimizer: a transformation of optax, ``optax.adam(1e-2)``; or what makes an optimizer of PyTorch of a
    list of parameters, ``lambda parameters: torch.optim.Adam(parameters, lr=1e-2)``.
    """
    return _by_optax(optimizer, theta) if _is_optax(optimizer) else _by_torch(optimizer, theta)


def _is_optax(optimizer: Any) -> bool:
    return hasattr(optimizer, "init") and hasattr(optimizer, "update")


def _by_optax(optimizer: Any, theta: FloatArray) -> Step:
    state = optimizer.init(theta)

    def step(point: FloatArray, gradient: FloatArray) -> FloatArray:
        nonlocal state
        change, state = optimizer.update(gradient, state, point)
        found: FloatArray = point + np.asarray(change, float)  # in double precision, whatever JAX is set to
        return found

    return step


def _by_torch(factory: Callable[[Any], Any], theta: FloatArray) -> Step:
    try:
        torch: Any = import_module("torch")
    except ImportError as error:
        raise ModelError("optimizer= makes an optimizer of PyTorch, which is not installed") from error
    parameter = torch.nn.Parameter(torch.tensor(theta))
    made = factory([parameter])
    if not isinstance(made, torch.optim.Optimizer):
        raise ModelError(
            f"optimizer= made a {type(made).__name__} of a list of parameters, not an optimizer of PyTorch"
        )
    if isinstance(made, torch.optim.LBFGS):
        raise ModelError("optimizer=: torch's LBFGS runs the model by itself; choose 'L-BFGS'")

    def step(point: FloatArray, gradient: FloatArray) -> FloatArray:
        with torch.no_grad():
            parameter.copy_(torch.tensor(point))
        parameter.grad = torch.tensor(gradient)
        made.step()
        found: FloatArray = parameter.detach().numpy().copy()
        return found

    return step
