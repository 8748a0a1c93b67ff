"""Gradients of scalars and of sums of squares of a solution by the discrete adjoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.record import record
from symnum.rewriting.expr import Expr
from symnum.solving.method import Method
from symnum.solving.options import Times
from symnum.solving.problem import Problem
from symnum.solving.solution_map import SolutionMap

__all__ = ["Gradient", "gradient", "sum_of_squares"]

FloatArray: TypeAlias = NDArray[np.float64]
Loss: TypeAlias = Callable[[FloatArray], tuple[float, FloatArray]]


@record
class Gradient:
    """A value and its derivatives ``gradient`` (m,) by the parameters, ``found[k]`` by one of them."""

    value: float
    gradient: FloatArray
    parameters: tuple[str, ...]

    def __getitem__(self, parameter: Expr | str) -> float:
        name = parameter if isinstance(parameter, str) else str(parameter)
        if name not in self.parameters:
            raise ModelError(f"gradient: {name} is not among the parameters {', '.join(self.parameters)}")
        return float(self.gradient[self.parameters.index(name)])

    def __repr__(self) -> str:
        return f"<Gradient of {self.value:.9g} by {', '.join(self.parameters)}>"


def gradient(
    problem: Problem,
    loss: Any,
    parameters: Sequence[Any],
    *,
    at: Times,
    method: str | Method | None = None,
    rtol: float = 1e-6,
    atol: Any = 1e-9,
    keep_every: int = 1,
) -> Gradient:
    """A scalar of the solution and its derivatives by parameters and starts, at the cost of few runs.

    loss: an expression of the model, whose values at the times ``at`` are added up; or data, {expression:
    values (times,)}, for the sum of the squares of the differences, in which NaN means that a value is
    missing. parameters: parameters, and variables for their starts. Other options are those of `SolutionMap`,
    which serves those who need more than one gradient, losses of other forms, Jacobians or products with
    the Hessian. Raises ModelError for what has no gradient (hard limits, delays, triggers), SolveFailed where
    the run cannot go on.
    """
    if isinstance(loss, Mapping):
        mapping = SolutionMap(
            problem, list(loss), at=at, parameters=parameters, method=method, rtol=rtol, atol=atol,
            keep_every=keep_every,
        )  # fmt: skip
        value, found = mapping.value_and_gradient(sum_of_squares(loss, len(mapping.t)))
    elif isinstance(loss, Expr):
        mapping = SolutionMap(
            problem, [loss], at=at, parameters=parameters, method=method, rtol=rtol, atol=atol,
            keep_every=keep_every,
        )  # fmt: skip
        value, found = mapping.value_and_gradient(lambda y: (float(y.sum()), np.ones_like(y)))
    else:
        raise ModelError(
            f"gradient: loss is {loss!r}; give an expression of the model, or data as {{expression: "
            "values}; sn.SolutionMap takes losses of any form"
        )
    return Gradient(value, found, mapping.parameters)


def sum_of_squares(data: Mapping[Any, Any], times: int) -> Loss:
    """The loss of outputs (data, times) in the order of ``data``; NaN is left out."""
    wanted = np.empty((len(data), times))
    for row, (key, values) in zip(wanted, data.items(), strict=True):
        array = np.asarray(values, float)
        if array.shape != (times,):
            raise ModelError(
                f"data of {key} have shape {array.shape}; there are {times} times: give ({times},)"
            )
        if np.isinf(array).any():
            raise ModelError(f"data of {key} are infinite somewhere; a missing value is NaN")
        row[:] = array
    present = ~np.isnan(wanted)
    if not present.any():
        raise ModelError("data: every value is missing")
    wanted = np.where(present, wanted, 0.0)

    def loss(y: FloatArray) -> tuple[float, FloatArray]:
        residual = np.where(present, y - wanted, 0.0)
        return float((residual**2).sum()), 2.0 * residual

    return loss
