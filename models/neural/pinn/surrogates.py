"""A network in place of the solution of a system, for times and inputs within ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.neural_network import NeuralNetwork, network
from symnum.models.neural.pinn.residual import Trial
from symnum.models.neural.pinn.samples import Samples, sample
from symnum.models.neural.pinn.starts import Starts
from symnum.record import record, replace
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import TIME, Expr, Symbol, as_expr, symbol
from symnum.rewriting.walk import leaves, substitute
from symnum.solving.problem import Problem, deterministic

__all__ = ["Prediction", "Surrogate", "surrogate"]

FloatArray: TypeAlias = NDArray[np.float64]


@record
class Prediction:
    """What a surrogate gives: ``y`` (n, points) at times ``t`` (points,); ``found[x]`` (points,)."""

    t: FloatArray
    y: FloatArray
    names: tuple[str, ...]

    def __getitem__(self, variable: Expr | str) -> FloatArray:
        name = str(variable)
        if name not in self.names:
            raise ModelError(f"surrogate: {name} is none of its unknowns {', '.join(self.names[:8])}")
        found: FloatArray = self.y[self.names.index(name)]
        return found


@record
class Surrogate:
    """x(t, inputs) of a problem by a network, exact at the start; made by `surrogate`, trained by `train`.

    inputs: names of parameters, and of variables for their starts. low, high: (1 + inputs,) ranges of the
    time and of each input. trial: how outputs become unknowns. rates: (n,) usual sizes of the terms in the
    residual of each equation. weights: those of the network, in one row.
    """

    problem: Problem
    inputs: tuple[str, ...]
    low: FloatArray
    high: FloatArray
    network: NeuralNetwork
    trial: Trial
    rates: FloatArray
    weights: FloatArray
    starts: Starts

    @property
    def unknowns(self) -> tuple[str, ...]:
        return self.problem.flat.state_names

    def __call__(self, t: Any, inputs: Mapping[Any, Any] | None = None) -> Prediction:
        """Unknowns at times and inputs, numbers or arrays (points,); an input that is not given has the value
        of the problem.

        Raises ModelError outside of the ranges: there the network says nothing.
        """
        points = self.points(t, inputs)
        outside = (points < self.low) | (points > self.high)
        if outside.any():
            point, which = np.argwhere(outside)[0]
            name = ("t", *self.inputs)[which]
            raise ModelError(
                f"surrogate of {self.problem.flat.name}: {name} = {points[point, which]:g} is outside of "
                f"{self.low[which]:g} ... {self.high[which]:g}, for which it was made"
            )
        scaled = (2.0 * points - self.high - self.low) / (self.high - self.low)
        since = points[:, 0] - self.trial.span[0]
        rise = since / (self.trial.span[1] - self.trial.span[0])
        if self.trial.fast is not None:
            rise = -np.expm1(-since / self.trial.fast)
            scaled = np.column_stack([scaled, 1.0 - 2.0 * rise])
        outputs = self.network(scaled.T, self.weights)
        differential = (self.problem.flat.mass != 0)[:, None]
        start = self.rows(points)[0].T
        factor = np.where(differential, rise, 1.0)
        base = np.where(differential, start, self.trial.offset[:, None])
        return Prediction(points[:, 0], base + self.trial.scale[:, None] * factor * outputs, self.unknowns)

    def points(self, t: Any, inputs: Mapping[Any, Any] | None = None) -> FloatArray:
        """(points, 1 + inputs) of times and inputs that are numbers or (points,)."""
        given = {str(key): value for key, value in (inputs or {}).items()}
        for name in given:
            if name not in self.inputs:
                raise ModelError(
                    f"surrogate of {self.problem.flat.name}: {name} is no input of it; it has "
                    f"{', '.join(self.inputs) or 'none'}"
                )
        columns = [t, *(given.get(name, self._own(name)) for name in self.inputs)]
        try:
            arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(column, float)) for column in columns))
        except (TypeError, ValueError) as error:
            raise ModelError("surrogate: times and inputs are numbers, or arrays of one length") from error
        if arrays[0].ndim != 1:
            raise ModelError(f"surrogate: times and inputs have shape {arrays[0].shape}; give (points,)")
        return np.stack(arrays, axis=1)

    def _own(self, name: str) -> float:
        return _value(self.problem, name)

    def rows(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Starts (points, n) and parameters (points, n_p) at points (points, 1 + inputs)."""
        return self.starts(points)

    def error(self, samples: Samples, quantiles: Sequence[float] = (0.5, 0.9, 0.99, 1.0)) -> FloatArray:
        """(quantiles, n) of the absolute differences from samples of the solution."""
        found = self(samples.points[:, 0], dict(zip(self.inputs, samples.points.T[1:], strict=True)))
        return np.quantile(np.abs(found.y.T - samples.values), quantiles, axis=0)

    def equations(self, time: Any = TIME) -> list[Equation]:
        """Each unknown as its expression over the time, the inputs and the weights, for another `System`.

        time: what stands for the time of the problem, ``sn.t - 3`` where its time 0 is 3. Inputs are
        parameters of their names; the one of a start is called ``x_start``. Outside of its ranges the
        network says nothing.
        """
        flat = self.problem.flat
        now = as_expr(time)
        rise = self.trial.rise(now)
        here = [now, *(self._input(name) for name in self.inputs)]
        scaled = [
            (2 * value - (low + high)) / (high - low)
            for value, low, high in zip(here, self.low.tolist(), self.high.tolist(), strict=True)
        ]
        if self.trial.fast is not None:
            scaled.append(1 - 2 * rise)
        own = NeuralNetwork(
            self.network.name, tuple(scaled), self.network.sizes, self.network.activation, self.weights,
            f"trained, {hash(self.weights.tobytes()):x}",
        )  # fmt: skip
        starts = self._starts()
        made = []
        for i, name in enumerate(self.unknowns):
            output = self.trial.scale[i].item() * own[i]
            value = starts[i] + rise * output if flat.mass[i] else self.trial.offset[i].item() + output
            made.append(Equation(symbol(Symbol(name, "variable")), value))
        return made

    def _input(self, name: str) -> Expr:
        flat = self.problem.flat
        is_parameter = flat.parameters.find(name) is not None
        default = as_expr(self._own(name))
        return symbol(Symbol(name if is_parameter else f"{name}_start", "parameter", default=default))

    def _starts(self) -> list[Expr]:
        """The start of each unknown over the inputs."""
        flat, problem = self.problem.flat, self.problem
        found = [as_expr(value) for value in problem.u.tolist()]
        for number, value in problem.start_expressions().items():
            if flat.position[number] >= 0:
                replaced = {}
                for leaf in leaves((value,)):
                    if leaf.name in self.inputs:
                        replaced[leaf] = self._input(leaf.name)
                    else:
                        replaced[leaf] = as_expr(problem.value(leaf, f"start of {leaf}"))
                found[flat.position[number]] = substitute((value,), replaced)[0]
        for name in self.inputs:
            if flat.parameters.find(name) is None:
                found[flat.position[flat.number_of(name, "surrogate")]] = self._input(name)
        return found

    def with_weights(self, weights: FloatArray) -> Surrogate:
        return replace(self, weights=weights)

    def __repr__(self) -> str:
        inside = ", ".join(("t", *self.inputs))
        sizes = " -> ".join(map(str, self.network.sizes))
        return (
            f"<Surrogate of {self.problem.flat.name}: ({inside}) -> {len(self.unknowns)} unknowns, {sizes}, "
            f"{self.network.activation}>"
        )


def surrogate(
    problem: Problem,
    over: Mapping[Any, tuple[float, float]] | None = None,
    *,
    hidden: Sequence[int] = (32, 32),
    activation: str = "tanh",
    seed: int = 0,
    fast: float | None = None,
) -> Surrogate:
    """A network, not yet trained, for the solution of a problem over its span and over ranges of inputs.

    over: {parameter, or variable for its start: (low, high)}. Starts of the problem that are expressions of
    an input follow it. hidden, activation, seed: as for `network`. fast: where there is a transient at the
    start that is far shorter than the span, its time; ``exp(-t/fast)`` is then a further input of the
    network, and half of the collocation points lie near the start. Sizes of unknowns and of their rates, by
    which outputs and residuals are scaled, are those of a few runs of the solver.

    Raises ModelError where the system has events, limits, delays or other parts that the residual of its
    equations does not hold.
    """
    deterministic(problem, "surrogate")
    problem.require_unknowns()
    flat = problem.flat
    for holds, what in (
        (bool(problem.events), "events"), (bool(flat.limits), "hard limits"), (bool(flat.delays), "delays"),
        (bool(flat.hosted), "parts that other code computes"), (bool(problem.initial), "initial= equations"),
        (bool(flat.structure.choices), "states that are chosen during a run"),
    ):  # fmt: skip
        if holds:
            raise ModelError(
                f"surrogate: {flat.name} has {what}, which the residual of its equations does not hold; make "
                "a surrogate of each piece between them"
            )
    names, low, high = _ranges(problem, over or {})
    spread = _spread(problem, names, low, high)
    values, slopes = spread.values, spread.slopes
    mass = flat.mass != 0
    begin = spread.starts
    reach = np.where(mass, np.abs(values - begin).max(axis=0), np.ptp(values, axis=0) / 2)
    usual = np.maximum(np.abs(values).max(axis=0), 1e-300)
    scale = np.where(reach > 1e-9 * usual, reach, usual)
    rates = np.sqrt(np.nanmean(np.where(mass, slopes, 0.0) ** 2, axis=0))
    span = problem.span[1] - problem.span[0]
    rates = np.maximum(np.where(mass & (rates > 0), rates, scale / span), _stiffness(problem, spread))
    if fast is not None and not (isinstance(fast, (int, float)) and 0 < fast < span):
        raise ModelError(f"surrogate: fast={fast!r}: give a time above 0 and below the span, {span:g}")
    trial = Trial(scale, (values.max(axis=0) + values.min(axis=0)) / 2, problem.span, fast)
    count = 1 + len(names) + (fast is not None)
    inputs = [symbol(Symbol(f"input_{k}", "parameter")) for k in range(count)]
    made = network(f"{flat.name}_network", inputs, hidden, flat.n, activation=activation, seed=seed)
    return Surrogate(
        problem, names, np.array([problem.span[0], *low]), np.array([problem.span[1], *high]), made, trial,
        rates, made.initial, Starts(problem, names),
    )  # fmt: skip


def _ranges(problem: Problem, over: Any) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    if not isinstance(over, Mapping):
        raise ModelError(f"surrogate: over is {{parameter or variable: (low, high)}}, not {over!r}")
    names, low, high = [], [], []
    for key, pair in over.items():
        name = str(key)
        _value(problem, name)  # says what there is
        try:
            first, last = (float(value) for value in pair)
        except (TypeError, ValueError) as error:
            raise ModelError(f"surrogate: range of {name}: give (low, high), not {pair!r}") from error
        if not (np.isfinite([first, last]).all() and first < last):
            raise ModelError(f"surrogate: range of {name}: {first:g} is not below {last:g}")
        names.append(name)
        low.append(first)
        high.append(last)
    return tuple(names), np.array(low), np.array(high)


def _value(problem: Problem, name: str) -> float:
    """What the problem has for a parameter, or for the start of a state."""
    flat = problem.flat
    number = flat.parameters.find(name)
    if number is not None:
        return float(problem.p[number])
    if flat.unknowns.find(name) is None:
        flat.parameter_index(name, "surrogate")  # says what there is
    at = int(flat.position[flat.number_of(name, "surrogate")])
    if at < 0 or not flat.mass[at]:
        raise ModelError(f"surrogate: {name} follows from other unknowns and has no start")
    return float(problem.u[at])


def _stiffness(problem: Problem, spread: Samples) -> FloatArray:
    """(n,) how much of its residual a usual change of an unknown makes: large terms cancel in stiff ones."""
    parameters = Starts(problem, ())(spread.points)[1]
    diagonal = [
        np.abs(problem.compiled.jacobian(point[0], u, p).diagonal())
        for point, u, p in zip(spread.points[::8], spread.values[::8], parameters[::8], strict=True)
    ]
    found: FloatArray = np.median(diagonal, axis=0) * spread.values.std(axis=0)
    return found


def _spread(problem: Problem, names: tuple[str, ...], low: FloatArray, high: FloatArray) -> Samples:
    """A few runs over the ranges: their ends and middles, each with the others in the middle."""
    middle = (low + high) / 2
    members = [middle]
    for k in range(len(names)):
        for end in (low[k], high[k]):
            members.append(middle.copy())
            members[-1][k] = end
    columns = dict(zip(names, np.array(members).T, strict=True))
    return sample(problem, columns, at=np.linspace(*problem.span, 33))
