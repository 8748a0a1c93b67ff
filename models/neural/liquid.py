"""Neurons whose time constants depend on what they see, as differential equations and in closed form.

LTC: R. Hasani, M. Lechner, A. Amini, D. Rus, R. Grosu, Liquid time-constant networks, AAAI 2021. CfC:
R. Hasani, M. Lechner, A. Amini, L. Liebenwein, A. Ray, M. Tschaikowski, G. Teschl, D. Rus, Closed-form
continuous-time neural networks, Nature Machine Intelligence 4 (2022) 992, arXiv 2106.13898.

>>> import symnum as sn
>>> from symnum.models.neural import LiquidTimeConstants
>>> cell = LiquidTimeConstants("cell", [sn.sin(sn.t)], neurons=2)
>>> sol = sn.solve(sn.Problem(sn.System("wired", cell.equations), {x: 0 for x in cell.states}, span=(0, 5)))
>>> sol[cell[0]].shape == sol.t.shape
True
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import symnum as sn
from symnum.errors import ModelError

__all__ = ["ClosedForm", "LiquidTimeConstants"]

FloatArray: TypeAlias = NDArray[np.float64]


class LiquidTimeConstants:
    """dx_i/dt = -(1/tau_i + f_i) x_i + f_i A_i with f = sigmoid(network(x, inputs)), equation (1) of LTC.

    states: the neurons x; ``cell[i]`` is neuron number i. inputs: expressions, of order one. equations: for a
    `System`. weights: the symbols of all that may be learnt: those of the network, tau (1 at first) and A
    (alternately 1 and -1). Every x_i stays between the least and the greatest of 0, A_i and its start.
    """

    def __init__(
        self, name: str, inputs: Sequence[Any], neurons: int, *, hidden: Sequence[int] = (), seed: int = 0
    ) -> None:
        self.name = name
        self.states = _neurons(name, neurons)
        self.network = sn.network(f"{name}_f", [*self.states, *inputs], hidden, neurons, seed=seed)
        self.tau = tuple(sn.parameter(1.0, name=f"{name}_tau{i}") for i in range(neurons))
        self.A = tuple(sn.parameter(1.0 - 2.0 * (i % 2), name=f"{name}_A{i}") for i in range(neurons))
        gates = [_sigmoid(self.network[i]) for i in range(neurons)]
        self.equations = [
            sn.D(x) == -(1 / tau + gate) * x + gate * A
            for x, tau, gate, A in zip(self.states, self.tau, gates, self.A, strict=True)
        ]
        self.weights = (*self.network.weights, *self.tau, *self.A)

    def __getitem__(self, i: int) -> sn.Expr:
        return self.states[i]

    def run(self, values: Any, at: Any, start: Any = 0.0, weights: Any = None) -> FloatArray:
        """(neurons, times, ...) the neurons at the times of a series, in closed form.

        values: (inputs, times, ...) of the inputs, of one series or of several side by side. at: (times,)
        increasing, at any distances. start: (neurons, ...) at the first time. weights: (count,) of
        ``cell.weights``, their initial values without it.
        Between two times f is held at the last state and the mean of the inputs at both, where the equation
        is linear: x -> X + (x - X) exp(-(1/tau + f) dt), X = f A/(1/tau + f). Exact where f does not change;
        the error is proportional to the distance of the times otherwise, and none makes it unstable.
        """
        n = len(self.states)
        values, at = _series(values, at, len(self.network.inputs) - n, self.name)
        signs = 1.0 - 2.0 * (np.arange(n) % 2)
        flat = _given(weights, np.concatenate([self.network.initial, np.ones(n), signs]), self.name)
        inner, tau, A = flat[: -2 * n], flat[-2 * n : -n], flat[-n:]
        column = (n, *[1] * (values.ndim - 2))
        tau, A = tau.reshape(column), A.reshape(column)
        found = np.empty((n, *values.shape[1:]))
        found[:, 0] = x = np.broadcast_to(_column(start, n, values.ndim - 1), found[:, 0].shape)
        for k, gap in enumerate(np.diff(at)):
            seen = (values[:, k] + values[:, k + 1]) / 2
            f = (1 + np.tanh(self.network(np.concatenate([x, seen]), inner) / 2)) / 2
            rate = 1 / tau + f
            rest = f * A / rate
            x = found[:, k + 1] = rest + (x - rest) * np.exp(-rate * gap)
        return found


class ClosedForm:
    """A closed-form continuous-time cell: no differential equation is left to be solved, CfC equation (10).

    x(t) = sigmoid(-f t) g + (1 - sigmoid(-f t)) h, where t is the time since the last sample. f, and g and h
    behind a tanh, are the heads of one network of the state at the last sample and of the inputs.

    held: the states at the last sample; ``cell[i]`` is x_i(t). equations and ``events(times)``: for a
    `System`, in which the cell is sampled at these times. weights: those of the network, to be learnt from
    series with `vjp`.
    """

    def __init__(
        self, name: str, inputs: Sequence[Any], neurons: int, *, hidden: Sequence[int] = (16,), seed: int = 0
    ) -> None:
        self.name = name
        self.held = _neurons(name, neurons)
        self.last = sn.variable(f"{name}_last", about="time of the last sample")
        self.network = sn.network(f"{name}_heads", [*self.held, *inputs], hidden, 3 * neurons, seed=seed)
        self.weights = self.network.weights
        self.equations = [sn.D(x) == 0 for x in (*self.held, self.last)]
        # written out: events and observations may hold them, which no network's own code reaches
        f, g, h = (self.network.expressions()[k * neurons : (k + 1) * neurons] for k in range(3))
        self.outputs: tuple[sn.Expr, ...] = tuple(
            _mixed(_sigmoid(-f[i] * (sn.t - self.last)), sn.tanh(g[i]), sn.tanh(h[i])) for i in range(neurons)
        )

    def __getitem__(self, i: int) -> sn.Expr:
        return self.outputs[i]

    def events(self, times: Sequence[float]) -> list[sn.Event]:
        """The samples: at each time the state becomes what the cell says there."""
        now = dict(zip(self.held, self.outputs, strict=True))
        return [sn.Event(at=[float(time) for time in times], then={**now, self.last: sn.t})]

    def run(self, values: Any, at: Any, start: Any = 0.0, weights: Any = None) -> FloatArray:
        """(neurons, times, ...) the states at the samples of a series; see `LiquidTimeConstants.run`.

        The state at a time is that at the time before, moved on with the inputs at this time.
        """
        return self.vjp(values, at, start, weights)[0]

    def vjp(
        self, values: Any, at: Any, start: Any = 0.0, weights: Any = None
    ) -> tuple[FloatArray, Callable[[Any], FloatArray]]:
        """The same, and what makes cotangents of the weights, (count,), of those of its shape."""
        n = len(self.held)
        values, at = _series(values, at, len(self.network.inputs) - n, self.name)
        shape = values.shape[1:]
        series = values.reshape(len(values), len(at), -1)
        layers = self.network.layers(_given(weights, self.network.initial, self.name))
        found = np.empty((n, *series.shape[1:]))
        first = np.broadcast_to(_column(start, n, values.ndim - 1), (n, *shape[1:]))
        found[:, 0] = x = first.reshape(n, -1)
        steps: list[tuple[float, list[FloatArray], FloatArray, FloatArray, FloatArray]] = []
        for k, gap in enumerate(np.diff(at), 1):
            seen = [np.concatenate([x, series[:, k]])]
            for number, (matrix, bias) in enumerate(layers):
                now = matrix @ seen[-1] + bias[:, None]
                seen.append(np.tanh(now) if number < len(layers) - 1 else now)
            f, g, h = np.split(seen.pop(), 3)
            share, g, h = (1 - np.tanh(f * gap / 2)) / 2, np.tanh(g), np.tanh(h)
            found[:, k] = x = _mixed(share, g, h)
            steps.append((gap, seen, share, g, h))

        def pull(cotangents: Any) -> FloatArray:
            given = np.asarray(cotangents, float).reshape(found.shape)
            total = [(np.zeros_like(matrix), np.zeros_like(bias)) for matrix, bias in layers]
            bar = np.zeros_like(given[:, 0])
            for k in range(len(steps), 0, -1):
                bar = bar + given[:, k]
                gap, seen, share, g, h = steps[k - 1]
                back = np.concatenate([
                    bar * (g - h) * -gap * share * (1 - share), bar * share * (1 - g**2),
                    bar * (1 - share) * (1 - h**2),
                ])  # fmt: skip
                for number in range(len(layers) - 1, -1, -1):
                    if number < len(layers) - 1:
                        back = back * (1 - seen[number + 1] ** 2)
                    total[number][0][:] += back @ seen[number].T
                    total[number][1][:] += back.sum(axis=1)
                    back = layers[number][0].T @ back
                bar = back[:n]
            return self.network.flat(total)

        return found.reshape(n, *shape), pull


def _sigmoid(s: sn.Expr) -> sn.Expr:
    return (1 + sn.tanh(s / 2)) / 2  # overflows nowhere


def _mixed(share: Any, g: Any, h: Any) -> Any:
    return share * g + (1 - share) * h


def _neurons(name: str, neurons: int) -> tuple[sn.Expr, ...]:
    if isinstance(neurons, bool) or not isinstance(neurons, int) or neurons < 1:
        raise ModelError(f"{name}: neurons={neurons!r}: give a whole number, 1 or more")
    return tuple(sn.variable(f"{name}_x{i}") for i in range(neurons))


def _series(values: Any, at: Any, inputs: int, name: str) -> tuple[FloatArray, FloatArray]:
    values, at = np.asarray(values, float), np.asarray(at, float)
    if at.ndim != 1 or len(at) < 1 or not (np.isfinite(at).all() and (np.diff(at) > 0).all()):
        raise ModelError(f"{name}: at= needs finite, increasing times")
    if values.ndim < 2 or values.shape[:2] != (inputs, len(at)):
        raise ModelError(
            f"{name}: values have shape {values.shape}; {inputs} inputs at {len(at)} times are "
            f"({inputs}, {len(at)}), or ({inputs}, {len(at)}, series)"
        )
    missing = ~np.isfinite(values.reshape(inputs, len(at), -1)).all(axis=(0, 2))
    if missing.any():
        first = at[np.argmax(missing)]
        raise ModelError(
            f"{name}: a value at t = {first:g} is missing; leave the time out, any gap is allowed"
        )
    return values, at


def _column(start: Any, n: int, dimensions: int) -> FloatArray:
    given = np.asarray(start, float)
    return given if given.ndim in (0, dimensions) else given.reshape(n, *[1] * (dimensions - 1))


def _given(weights: Any, initial: FloatArray, name: str) -> FloatArray:
    flat: FloatArray = initial if weights is None else np.asarray(weights, float)
    if flat.shape != initial.shape:
        raise ModelError(f"{name}: weights have shape {flat.shape}; it has {initial.shape}")
    return flat
