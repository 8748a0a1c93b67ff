"""Dense neural networks as terms of equations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from importlib import import_module
from itertools import pairwise
from typing import Any, TypeAlias, overload
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.block import (
    Block,
    Column,
    GridNames,
    IndexedEquation,
    IndexedSums,
    Quantities,
    References,
)
from symnum.language.variables import checked_name
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr, Symbol, add, as_expr, slot, symbol
from symnum.rewriting.operators import cosh, log, sin, tanh
from symnum.rewriting.walk import leaves, substitute

__all__ = ["ACTIVATIONS", "NeuralNetwork", "is_weight", "network", "networks_in", "with_networks_written_out"]

FloatArray: TypeAlias = NDArray[np.float64]

# Written so that neither the functions nor their derivatives overflow.
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "tanh": tanh,
    "sin": sin,
    "softplus": lambda s: s / 2 + log(2 * cosh(s / 2)),
    "swish": lambda s: s * (1 + tanh(s / 2)) / 2,
}
_IN_NUMPY: dict[str, Callable[[FloatArray], FloatArray]] = {
    "tanh": np.tanh,
    "sin": np.sin,
    "softplus": lambda s: np.logaddexp(0.0, s),
    "swish": lambda s: s * (1 + np.tanh(s / 2)) / 2,
}

# The network that an output belongs to: its symbol says everything that determines the network.
_OF_OUTPUT: WeakKeyDictionary[Expr, NeuralNetwork] = WeakKeyDictionary()


class NeuralNetwork:
    """A dense network; ``f[i]`` is output number i, to be used in the equations of a `System`.

    weights: the symbols of its parameters ``f.weights[0]`` ..., layer by layer first the matrix (outputs,
    inputs) row by row, then the biases. initial: their values (count,). sizes: of all layers, inputs first.
    """

    def __init__(
        self, name: str, inputs: tuple[Expr, ...], sizes: tuple[int, ...], activation: str,
        initial: FloatArray, origin: str,
    ) -> None:  # fmt: skip
        self.name, self.inputs, self.sizes, self.activation = name, inputs, sizes, activation
        self.initial = initial
        given = ", ".join(map(str, inputs))
        about = f"output of the network {' -> '.join(map(str, sizes))}, {activation}, {origin}, of {given}"
        self.outputs = tuple(
            symbol(Symbol(f"{name}[{i}]", "variable", about=about)) for i in range(sizes[-1])
        )
        self.weights = tuple(
            symbol(Symbol(f"{name}.weights[{i}]", "parameter", default=as_expr(value)))
            for i, value in enumerate(initial.tolist())
        )
        inside = tuple(symbol(Symbol(f"{name}.input[{i}]", "variable")) for i in range(sizes[0]))
        self.equations = tuple(Equation(one, value) for one, value in zip(inside, inputs, strict=True))
        self.block = self._block(References(inside), References(self.outputs))
        for output in self.outputs:
            _OF_OUTPUT[output] = self

    def __getitem__(self, i: int) -> Expr:
        if isinstance(i, bool) or not isinstance(i, int):
            raise ModelError(f"network {self.name}: outputs are numbered, not {i!r}")
        if not -len(self.outputs) <= i < len(self.outputs):
            raise ModelError(
                f"network {self.name}: it has {len(self.outputs)} outputs, there is no {self.name}[{i}]"
            )
        return self.outputs[i]

    def __len__(self) -> int:
        return len(self.outputs)

    def _block(self, inputs: References, outputs: References) -> Block:
        """Layers as tables: products of weights and values, their sums, the activations."""
        name = self.name
        weights = Quantities("parameter", GridNames(f"{name}.weights", (len(self.initial),)), self.initial)
        quantities: list[Quantities | References] = [weights, inputs, outputs]
        equations: list[IndexedEquation] = []
        sums: list[IndexedSums] = []
        before: Quantities | References = inputs
        first, last = 0, len(self.sizes) - 2
        for layer, (a, b) in enumerate(pairwise(self.sizes)):
            products = Quantities("variable", GridNames(f"{name}.product{layer}", (b, a)))
            totals = Quantities("variable", GridNames(f"{name}.sum{layer}", (b,)))
            after: Quantities | References = outputs
            if layer < last:
                after = Quantities("variable", GridNames(f"{name}.layer{layer}", (b,)))
                quantities.append(after)
            quantities += [products, totals]
            k, row = np.arange(a * b), np.arange(b)
            label = _label(f"layer {layer} of the network {name}")
            equations.append(IndexedEquation(
                slot("u", 2) - slot("p", 0) * slot("u", 1),
                (Column(weights, first + k), Column(before, k % a), Column(products, k)), label,
            ))  # fmt: skip
            terms = np.concatenate([k.reshape(b, a), a * b + row[:, None]], axis=1).ravel()
            coefficients = np.tile(np.append(np.ones(a), -1.0), b)
            sums.append(IndexedSums(
                (products, totals), np.arange(b + 1) * (a + 1), terms, coefficients, label, written_out=True
            ))  # fmt: skip
            argument = slot("u", 0) + slot("p", 1)
            value = ACTIVATIONS[self.activation](argument) if layer < last else argument
            equations.append(IndexedEquation(
                slot("u", 2) - value,
                (Column(totals, row), Column(weights, first + a * b + row), Column(after, row)), label,
            ))  # fmt: skip
            first, before = first + a * b + b, after
        return Block(tuple(quantities), tuple(equations), tuple(sums))

    def expressions(self, inputs: Sequence[Expr] | None = None) -> tuple[Expr, ...]:
        """The outputs written out over the inputs and the weights: as long as there are weights."""
        now, first = list(self.inputs if inputs is None else inputs), 0
        for layer, (a, b) in enumerate(pairwise(self.sizes)):
            weights, biases = self.weights[first:], self.weights[first + a * b :]
            now = [
                add([biases[row], *(weights[row * a + k] * now[k] for k in range(a))]) for row in range(b)
            ]
            if layer < len(self.sizes) - 2:
                now = [ACTIVATIONS[self.activation](value) for value in now]
            first += a * b + b
        return tuple(now)

    # ---- numbers ----------------------------------------------------------------------------------
    def layers(self, weights: Any = None) -> list[tuple[FloatArray, FloatArray]]:
        """(matrix (outputs, inputs), biases (outputs,)) of each layer, as PyTorch and Equinox have them.

        weights: (count,), the initial ones without it.
        """
        flat = self.initial if weights is None else np.asarray(weights, float)
        if flat.shape != self.initial.shape:
            raise ModelError(
                f"network {self.name}: weights have shape {flat.shape}; it has {self.initial.shape}"
            )
        found, first = [], 0
        for a, b in pairwise(self.sizes):
            matrix = flat[first : first + a * b].reshape(b, a)
            found.append((matrix.copy(), flat[first + a * b : first + a * b + b].copy()))
            first += a * b + b
        return found

    def flat(self, layers: Sequence[tuple[Any, Any]]) -> FloatArray:
        """(count,) the weights in one row from matrices and biases: the inverse of `layers`."""
        shapes = [((b, a), (b,)) for a, b in pairwise(self.sizes)]
        given = [(np.asarray(matrix, float), np.asarray(bias, float)) for matrix, bias in layers]
        if [(matrix.shape, bias.shape) for matrix, bias in given] != shapes:
            raise ModelError(f"network {self.name}: its layers have matrices and biases of shapes {shapes}")
        return np.concatenate([np.append(matrix.ravel(), bias) for matrix, bias in given])

    def weights_of(self, module: Any) -> FloatArray:
        """(count,) the weights that a PyTorch module or an Equinox tree (any tree of JAX) holds.

        Its arrays, in their order, are the matrix (outputs, inputs) and the biases (outputs,) of each layer,
        as in a ``torch.nn.Sequential`` of ``Linear`` or in ``equinox.nn.MLP``; its activation is not looked
        at. Raises ModelError where the shapes are not those of this network.
        """
        return self.flat(self._paired([np.asarray(one, float) for one in _arrays_of(module, self.name)[0]]))

    def module_with(self, module: Any, weights: Any = None) -> Any:
        """A copy of a PyTorch module or an Equinox tree that holds these weights, (count,); see `weights_of`.

        Without ``weights`` the initial ones. Numbers take the type and the device of those they replace.
        """
        self.weights_of(module)  # the shapes fit
        parts = [part for layer in self.layers(weights) for part in layer]
        return _arrays_of(module, self.name)[1](parts)

    def _paired(self, arrays: Sequence[FloatArray]) -> list[tuple[FloatArray, FloatArray]]:
        expected = [shape for a, b in pairwise(self.sizes) for shape in ((b, a), (b,))]
        if [array.shape for array in arrays] != expected:
            raise ModelError(
                f"network {self.name}: the module holds arrays of shapes {[a.shape for a in arrays]}; the "
                f"layers {' -> '.join(map(str, self.sizes))} have {expected}"
            )
        return list(zip(arrays[::2], arrays[1::2], strict=True))

    @overload
    def __call__(self, values: Sequence[Expr]) -> tuple[Expr, ...]: ...

    @overload
    def __call__(self, values: Any, weights: Any = None) -> FloatArray: ...

    def __call__(self, values: Any, weights: Any = None) -> Any:
        """The outputs (outputs, ...) for values of the inputs (inputs, ...), in NumPy.

        Of expressions (inputs,) the outputs are expressions over them and `weights`, written out: the same
        network may so stand at several places, and in the equations of a `Component`.
        """
        if isinstance(values, (list, tuple)) and any(isinstance(value, Expr) for value in values):
            if len(values) != self.sizes[0]:
                raise ModelError(
                    f"network {self.name}: it has {self.sizes[0]} inputs, but {len(values)} are given"
                )
            if weights is not None:
                raise ModelError(
                    f"network {self.name}: its outputs of expressions hold its weights as parameters; give "
                    "their values to the Problem, parameters={...}"
                )
            return self.expressions([as_expr(value) for value in values])
        now = np.asarray(values, float)
        if now.ndim < 1 or now.shape[0] != self.sizes[0]:
            raise ModelError(f"network {self.name}: give values of {self.sizes[0]} inputs, (inputs, ...)")
        layers = self.layers(weights)
        for number, (matrix, bias) in enumerate(layers):
            now = np.tensordot(matrix, now, 1) + bias.reshape(-1, *[1] * (now.ndim - 1))
            if number < len(layers) - 1:
                now = _IN_NUMPY[self.activation](now)
        return now

    def __repr__(self) -> str:
        return f"<NeuralNetwork {self.name}: {' -> '.join(map(str, self.sizes))}, {self.activation}>"


def network(
    name: str,
    inputs: Sequence[Any],
    hidden: Sequence[int],
    outputs: int,
    *,
    activation: str = "tanh",
    seed: int = 0,
    scale: float = 1.0,
) -> NeuralNetwork:
    """A dense network of symbolic inputs, whose outputs ``f[0]``, ``f[1]``, ... are terms of equations.

    inputs: expressions; scale them to order one. hidden: sizes of the layers between; without any the
    network is linear. activation: "tanh", "softplus", "swish" or "sin", on all layers but the last.
    Weights begin as normal numbers of variance 2/(inputs + outputs) of their layer, biases with 0 (Glorot,
    Bengio, AISTATS 2010); scale multiplies those of the last layer: a small one makes a small term at first.
    They are parameters in one block, ``f.weights``, for `fit` and for ``Problem(..., parameters=...)``.

    The systems in whose equations an output stands hold the network by themselves; its code is made of
    loops over each layer, whatever their sizes. In field equations it is written out once for all points, in
    the equations of a `Component` once for all instances of the class, which share its weights.
    """
    checked_name(name, "network: ")
    if isinstance(inputs, (str, Expr)) or not isinstance(inputs, Sequence) or not len(inputs):
        raise ModelError(f"network {name}: inputs is a list of expressions, not {inputs!r}")
    given = tuple(as_expr(value) for value in inputs)
    for size in (*hidden, outputs):
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
            raise ModelError(f"network {name}: {size!r} is no size of a layer; give whole numbers, 1 or more")
    if activation not in ACTIVATIONS:
        raise ModelError(
            f"network {name}: activation={activation!r}: choose one of {', '.join(ACTIVATIONS)}"
        )
    if not (isinstance(scale, (int, float)) and np.isfinite(scale)):
        raise ModelError(f"network {name}: scale={scale!r}: give a finite number")
    sizes = (len(given), *(int(size) for size in hidden), int(outputs))
    rng = np.random.default_rng(seed)
    parts = []
    for number, (a, b) in enumerate(pairwise(sizes)):
        size = np.sqrt(2.0 / (a + b)) * (scale if number == len(sizes) - 2 else 1.0)
        parts += [size * rng.normal(size=a * b), np.zeros(b)]
    origin = f"seed {seed}, scale {scale:g}"
    return NeuralNetwork(name, given, sizes, activation, np.concatenate(parts), origin)


def is_weight(leaf: Expr) -> bool:
    """Whether a symbol is a weight of a network: no quantity of a component may have brackets in its name."""
    return leaf.kind == "parameter" and ".weights[" in leaf.name


def networks_in(equations: Sequence[Equation]) -> list[NeuralNetwork]:
    """The networks whose outputs stand in equations, or in the inputs of such networks."""
    found: list[NeuralNetwork] = []
    waiting = [side for equation in equations for side in (equation.lhs, equation.rhs)]
    while waiting:
        inputs: list[Expr] = []
        for leaf in leaves(waiting):
            while leaf.op == "D":
                leaf = leaf.args[0]  # what is differentiated is what counts
            one = _OF_OUTPUT.get(leaf)
            if one is not None and one not in found:
                found.append(one)
                inputs += one.inputs
        waiting = inputs
    return found


def with_networks_written_out(equations: Sequence[Equation]) -> tuple[Equation, ...]:
    """Equations with expressions in place of networks: one template then serves all points of a grid."""
    for one in networks_in(equations):
        replaced = dict(zip(one.outputs, one.expressions(), strict=True))
        sides = substitute([side for e in equations for side in (e.lhs, e.rhs)], replaced)
        equations = [
            e if e.lhs is left and e.rhs is right else Equation(left, right)
            for e, left, right in zip(equations, sides[::2], sides[1::2], strict=True)
        ]
    return tuple(equations)


def _arrays_of(module: Any, name: str) -> tuple[list[Any], Callable[[list[FloatArray]], Any]]:
    """The arrays of a module of PyTorch or a tree of JAX, and what makes a copy of it with others."""
    if hasattr(module, "load_state_dict"):
        state = {key: value.detach().cpu() for key, value in module.state_dict().items()}

        def of_torch(parts: list[FloatArray]) -> Any:
            copied = deepcopy(module)
            copied.load_state_dict(
                {key: old.new_tensor(part) for (key, old), part in zip(state.items(), parts, strict=True)}
            )
            return copied

        return list(state.values()), of_torch
    try:
        jax: Any = import_module("jax")
    except ImportError as error:
        raise ModelError(
            f"network {name}: {type(module).__name__} is no module of PyTorch, and JAX is not installed: "
            "give matrices and biases by flat([(matrix, biases), ...])"
        ) from error
    leaves_, structure = jax.tree_util.tree_flatten(module)
    places = [k for k, leaf in enumerate(leaves_) if isinstance(leaf, (jax.Array, np.ndarray))]

    def of_jax(parts: list[FloatArray]) -> Any:
        replaced = list(leaves_)
        for k, part in zip(places, parts, strict=True):
            replaced[k] = jax.numpy.asarray(part, leaves_[k].dtype)
        return jax.tree_util.tree_unflatten(structure, replaced)

    return [leaves_[k] for k in places], of_jax


def _label(text: str) -> Callable[[int], str]:
    return lambda copy: f"{text}, row {copy}"
