"""Dense networks with their derivatives by coordinates, at many points at once.

A jet is what a quantity has of derivatives at a point: itself, its derivatives by coordinates, and theirs,
as far as they are asked for. Layers are linear in it: products of matrices for all points. What an activation
does to it is an expression (the chain rule of any order) whose code is generated, with its exact pullback.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.compiled_pullback import CompiledPullback, compiled_functions
from symnum.codegen.function import Column, Function, Loop, Output
from symnum.codegen.pullback import pullback
from symnum.language.neural_network import ACTIVATIONS
from symnum.rewriting.derivative import derivative
from symnum.rewriting.expr import Expr, add, slot
from symnum.rewriting.walk import leaves
from symnum.solving.many_points import at_points

__all__ = ["BLOCK", "Derivative", "NetworkJets", "closed"]

FloatArray: TypeAlias = NDArray[np.float64]
Derivative: TypeAlias = tuple[int, ...]  # the coordinates by which is differentiated, in increasing order

BLOCK = 16  # points that lie together: the copies of a generated loop are their units


def closed(wanted: Sequence[Derivative]) -> tuple[Derivative, ...]:
    """The derivatives and all those that the chain rule makes them of, short ones first.

    >>> closed([(0,), (1, 1)])
    ((), (0,), (1,), (1, 1))
    """
    found: set[Derivative] = {()}
    for one in wanted:
        for chosen in range(1 << len(one)):
            found.add(tuple(c for k, c in enumerate(sorted(one)) if chosen >> k & 1))
    return tuple(sorted(found, key=lambda one: (len(one), one)))


def composed(activation: str, derivatives: tuple[Derivative, ...]) -> tuple[Expr, ...]:
    """The jet of the activation of what has the jet ``slot("u", 0)``, ``slot("u", 1)``, ..."""
    place = {one: k for k, one in enumerate(derivatives)}
    found: list[Expr] = []
    for one in derivatives:
        if not one:
            found.append(ACTIVATIONS[activation](slot("u", 0)))
            continue
        before, last = found[place[one[:-1]]], one[-1]
        terms = []
        for leaf in leaves((before,)):
            raised = tuple(sorted((*derivatives[leaf.data[1]], last)))
            terms.append(derivative(before, leaf) * slot("u", place[raised]))
        found.append(add(terms))
    return tuple(found)


@cache
def _activation(activation: str, derivatives: tuple[Derivative, ...], copies: int) -> CompiledPullback:
    """Code of `composed` for that many numbers side by side, and its pullback."""
    count = len(derivatives)
    copy = np.arange(copies)
    places = [k * copies + copy for k in range(count)]
    loop = Loop(
        "activation", copies, composed(activation, derivatives),
        tuple(Column("u", place) for place in places), tuple(Output("out", place) for place in places),
    )  # fmt: skip
    values = Function("values", (loop,), count * copies, 0)
    backwards = pullback(values, count * copies, 0)
    assert backwards is not None
    return compiled_functions({"values": values, "pullback": backwards})


class NetworkJets:
    """A dense network of scaled coordinates, ``(x - center)/half``, with derivatives by the coordinates.

    sizes: of all layers, inputs first. derivatives: `closed`. fast: (begin, time) of a further input at the
    end, ``2 exp(-(x_0 - begin)/time) - 1`` of the first coordinate. Weights lie in one row as those of a
    `NeuralNetwork` do.
    """

    def __init__(
        self, sizes: tuple[int, ...], activation: str, derivatives: tuple[Derivative, ...],
        center: FloatArray, half: FloatArray, fast: tuple[float, float] | None = None,
    ) -> None:  # fmt: skip
        self.sizes, self.activation, self.derivatives = sizes, activation, derivatives
        self.center, self.half, self.fast = center, half, fast
        self.count = sum(a * b + b for a, b in pairwise(sizes))
        self._kept: list[tuple[FloatArray, FloatArray]] = []  # of each layer: its input, its sum

    def layers(self, weights: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
        """Views of the matrices (outputs, inputs) and biases of each layer."""
        found, first = [], 0
        for a, b in pairwise(self.sizes):
            middle = first + a * b
            found.append((weights[first:middle].reshape(b, a), weights[middle : middle + b]))
            first = middle + b
        return found

    def __call__(self, weights: FloatArray, points: FloatArray) -> FloatArray:
        """(blocks, derivatives, BLOCK, outputs) at points (blocks * BLOCK, coordinates)."""
        blocks, jets = len(points) // BLOCK, len(self.derivatives)
        now = np.zeros((blocks, jets, BLOCK, self.sizes[0]))
        coordinates = points.shape[1]
        now[:, 0, :, :coordinates] = ((points - self.center) / self.half).reshape(blocks, BLOCK, -1)
        for k, one in enumerate(self.derivatives):
            if len(one) == 1:
                now[:, k, :, one[0]] = 1.0 / self.half[one[0]]
        if self.fast is not None:
            begin, time = self.fast
            layer = (2.0 * np.exp(-(points[:, 0] - begin) / time)).reshape(blocks, BLOCK)
            for k, one in enumerate(self.derivatives):
                if not any(one):  # by the first coordinate alone
                    now[:, k, :, coordinates] = layer * (-1.0 / time) ** len(one)
            now[:, 0, :, coordinates] -= 1.0
        self._kept = []
        layers = self.layers(weights)
        for number, (matrix, bias) in enumerate(layers):
            total = (now.reshape(-1, now.shape[-1]) @ matrix.T).reshape(blocks, jets, BLOCK, -1)
            total[:, 0] += bias
            self._kept.append((now, total))
            if number == len(layers) - 1:
                return total
            now = self._activated("values", total.reshape(blocks, -1)).reshape(total.shape)
        raise AssertionError("a network has a layer")

    def pull(self, weights: FloatArray, cotangents: FloatArray) -> FloatArray:
        """(weights,) the product of cotangents of what was computed last with its derivatives by weights."""
        blocks, jets = cotangents.shape[:2]
        gradient = np.empty(self.count)
        layers, places = self.layers(weights), self.layers(gradient)
        now = np.ascontiguousarray(cotangents)
        for number in range(len(layers) - 1, -1, -1):
            before, total = self._kept[number]
            if number < len(layers) - 1:
                given = np.concatenate([total.reshape(blocks, -1), now.reshape(blocks, -1)], axis=1)
                now = self._activated("pullback", given).reshape(total.shape)
            by_matrix, by_bias = places[number]
            flat = now.reshape(-1, now.shape[-1])
            np.matmul(flat.T, before.reshape(-1, before.shape[-1]), out=by_matrix)
            by_bias[:] = now[:, 0].sum(axis=(0, 1))
            if number:
                now = (flat @ layers[number][0]).reshape(blocks, jets, BLOCK, -1)
        return gradient

    def _activated(self, name: str, given: FloatArray) -> FloatArray:
        size = given.shape[1] // (2 if name == "pullback" else 1)
        compiled = _activation(self.activation, self.derivatives, size // len(self.derivatives))
        times, parameters = np.zeros(len(given)), np.zeros((len(given), 0))
        return at_points(compiled, name, times, given, parameters, size)
