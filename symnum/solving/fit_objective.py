"""What a fit minimizes: misfits of several trajectories, with gradients and residuals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError, SolveFailed
from symnum.rewriting.expr import Expr
from symnum.solving.effort import Effort
from symnum.solving.problem import Problem, deterministic
from symnum.solving.solution_map import SolutionMap

__all__ = ["Objective", "Penalty", "Trajectory", "flattened", "trajectories_of"]

FloatArray: TypeAlias = NDArray[np.float64]
Loss: TypeAlias = Callable[[FloatArray], tuple[float, Any]]


class Trajectory:
    """One problem with its data: outputs (data, times), what was measured, and the weight of each value.

    Values that are NaN are missing: their weight is zero.
    """

    def __init__(
        self, problem: Problem, data: Mapping[Any, Any], at: Any, weights: Mapping[str, Any], where: str,
        learn: Sequence[Any], options: Mapping[str, Any],
    ) -> None:  # fmt: skip
        if not isinstance(data, Mapping) or not data:
            raise ModelError(f"{where}: data is {{expression: values}}, not {data!r}")
        self.where = where
        self.keys = tuple(data)
        self.given_weights = {key: weights[str(key)] for key in data if str(key) in weights}
        self.mapping = SolutionMap(problem, list(data), at=at, parameters=learn, **options)
        count = len(self.mapping.t)
        shape = len(data), count
        self.data, self.weight = np.empty(shape), np.ones(shape)
        for row, (key, values) in enumerate(data.items()):
            array = _numbers(values, f"{where}: data of {key}")
            if array.shape != (count,):
                raise ModelError(
                    f"{where}: data of {key} have shape {array.shape}; there are {count} times: give as many"
                )
            if np.isinf(array).any():
                raise ModelError(f"{where}: data of {key} are infinite somewhere; a missing value is NaN")
            self.data[row] = array
            if str(key) in weights:
                weight = _numbers(weights[str(key)], f"weights of {key}")
                fine = np.isfinite(weight).all() and (weight >= 0).all()
                if weight.shape not in ((), (count,)) or not fine:
                    raise ModelError(
                        f"{where}: weights of {key}: give one number, or {count} numbers, none negative"
                    )
                self.weight[row] = weight
        missing = np.isnan(self.data)
        self.weight[missing], self.data[missing] = 0.0, 0.0
        self.present = self.weight > 0
        self.count = int(self.present.sum())

    def residuals(self, outputs: FloatArray) -> FloatArray:
        """(outputs, times)"""
        found: FloatArray = self.weight * (outputs - self.data)
        return found

    def failed(self, error: SolveFailed) -> SolveFailed:
        return SolveFailed(f"{self.where}: {error}")


class Penalty:
    """Gaussian beliefs about the learnt numbers: the sum of ((theta - mean)/deviation)^2."""

    def __init__(self, regularize: Any, names: Sequence[str]) -> None:
        self.mean, self.root = np.zeros(len(names)), np.zeros(len(names))
        if regularize is None:
            return
        if isinstance(regularize, Mapping):
            for key, belief in regularize.items():
                if str(key) not in names:
                    raise ModelError(f"regularize: {key} is not learnt; learn it, or leave it out")
                try:
                    mean, deviation = (float(value) for value in belief)
                except (TypeError, ValueError) as error:
                    raise ModelError(f"regularize: {key}: give (mean, deviation), not {belief!r}") from error
                if not (np.isfinite(mean) and 0 < deviation < np.inf):
                    raise ModelError(f"regularize: {key}: the deviation {deviation:g} must be positive")
                place = names.index(str(key))
                self.mean[place], self.root[place] = mean, 1.0 / deviation
            return
        if isinstance(regularize, bool) or not isinstance(regularize, (int, float)) or not regularize >= 0:
            raise ModelError(
                f"regularize={regularize!r}: give the factor of the sum of squares of all that is learnt, or "
                "{parameter: (mean, deviation)}"
            )
        self.root[:] = np.sqrt(float(regularize))

    def residuals(self, theta: FloatArray) -> FloatArray:
        """(m,)"""
        found: FloatArray = self.root * (theta - self.mean)
        return found


class Objective:
    """The mean of the squares of all weighted residuals, or the sum of losses, and the penalty."""

    def __init__(
        self, trajectories: Sequence[Trajectory], loss: Loss | None, penalty: Penalty,
        efforts: Sequence[Effort] | None = None,
    ) -> None:  # fmt: skip
        self.trajectories, self.loss, self.penalty = trajectories, loss, penalty
        self.efforts = [None] * len(trajectories) if efforts is None else list(efforts)
        self.count = sum(trajectory.count for trajectory in trajectories)
        if not self.count:
            raise ModelError("fit: every value of the data is missing")
        self.evaluations = 0
        # residuals count as their root: the squares then add up to the mean
        self.share = 1.0 / np.sqrt(self.count)

    def value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Raises SolveFailed, which says what trajectory could not be computed."""
        self.evaluations += 1
        penalty = self.penalty.residuals(theta)
        total, gradient = float(penalty @ penalty), 2.0 * self.penalty.root * penalty
        for trajectory, effort in zip(self.trajectories, self.efforts, strict=True):
            try:
                value, by_theta = trajectory.mapping.value_and_gradient(
                    self._loss_of(trajectory), theta, effort
                )
            except SolveFailed as error:
                raise trajectory.failed(error) from error
            total += value
            gradient += by_theta
        return total, gradient

    def _loss_of(self, trajectory: Trajectory) -> Loss:
        if self.loss is not None:
            return self.loss

        def mean_square(outputs: FloatArray) -> tuple[float, FloatArray]:
            residual = trajectory.residuals(outputs)
            return float((residual**2).sum()) / self.count, 2.0 * trajectory.weight * residual / self.count

        return mean_square

    def residuals(self, theta: FloatArray) -> FloatArray:
        """All residuals, whose squares add up to the objective: data, then penalties."""
        self.evaluations += 1
        parts = []
        for trajectory in self.trajectories:
            try:
                outputs = trajectory.mapping(theta)
            except SolveFailed as error:
                raise trajectory.failed(error) from error
            parts.append(self.share * trajectory.residuals(outputs)[trajectory.present])
        return np.concatenate([*parts, self.penalty.residuals(theta)])

    def jacobian(self, theta: FloatArray) -> FloatArray:
        """(residuals, m)"""
        parts = []
        for trajectory in self.trajectories:
            derivatives = trajectory.mapping.jacobian(theta, trajectory.present)
            scaled = self.share * trajectory.weight[..., None] * derivatives
            parts.append(scaled[trajectory.present])
        return np.concatenate([*parts, np.diag(self.penalty.root)])


def trajectories_of(
    problem: Any, data: Any, at: Any, weights: Any, learn: Sequence[Any], options: Mapping[str, Any]
) -> list[Trajectory]:
    """One for each problem; several have lists of data and times, or share their times."""
    if weights is not None and not isinstance(weights, Mapping):
        raise ModelError(f"fit: weights is {{expression: weight}}, not {weights!r}")
    named = {str(key): value for key, value in (weights or {}).items()}
    if isinstance(problem, Problem) or not isinstance(problem, Sequence):
        if isinstance(data, Mapping):
            _known_weights(named, {str(key) for key in data})
        return [Trajectory(deterministic(problem, "fit"), data, at, named, "fit", learn, options)]
    count = len(problem)
    if not count:
        raise ModelError("fit: give at least one problem")
    if not (isinstance(data, Sequence) and len(data) == count):
        raise ModelError(f"fit: {count} problems need a list of {count} data, one for each")
    own = isinstance(at, Sequence) and len(at) == count and all(np.ndim(times) for times in at)
    made = []
    for k, (one, measured) in enumerate(zip(problem, data, strict=True)):
        where = f"fit, trajectory {k + 1} of {count}"
        times = at[k] if own else at
        made.append(Trajectory(deterministic(one, where), measured, times, named, where, learn, options))
    known = {str(key) for measured in data for key in measured}
    _known_weights(named, known)
    return made


def _known_weights(named: Mapping[str, Any], known: set[str]) -> None:
    for key in named:
        if key not in known:
            raise ModelError(f"fit: weights of {key}, of which there are no data")


def _numbers(values: Any, what: str) -> FloatArray:
    try:
        return np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{what}: give numbers, not {values!r}") from error


def flattened(learn: Any) -> list[Any]:
    """Parameters one by one: lists, tuples and arrays of them are taken apart."""
    if isinstance(learn, (str, Expr)) or not hasattr(learn, "__iter__"):
        return [learn]
    return [key for part in learn for key in flattened(part)]
