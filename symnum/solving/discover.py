"""From a learnt term back to a formula: sparse regression over candidate terms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.neural_network import NeuralNetwork
from symnum.language.system import System
from symnum.record import record
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import ONE, ZERO, Expr, Symbol, add, as_expr, symbol
from symnum.rewriting.walk import leaves, substitute
from symnum.solving.fit import Fit, fit
from symnum.solving.problem import Problem

__all__ = ["Formula", "discover", "sparse_regression"]

FloatArray: TypeAlias = NDArray[np.float64]


@record
class Formula:
    """What stands in place of the outputs of a network.

    expressions: one for each output, with numbers. system: the model with them, whose coefficients are
    parameters. coefficients: {parameter: number}. error: for each output the root mean square of its distance
    to the network where the data are, relative to that of the network. ranges: (inputs, 2) the values of the
    inputs there; beyond them neither is known to hold. refined: the fit of the coefficients, or None.
    """

    network: NeuralNetwork
    expressions: tuple[Expr, ...]
    system: System
    coefficients: dict[Expr, float]
    error: FloatArray
    ranges: FloatArray
    refined: Fit | None

    def __getitem__(self, i: int) -> Expr:
        return self.expressions[i]

    def __repr__(self) -> str:
        lines = [
            f"{self.network.name}[{i}] = {expr}   (differs by {error:.2g})"
            for i, (expr, error) in enumerate(zip(self.expressions, self.error, strict=True))
        ]
        return "\n".join(lines)


def discover(
    fitted: Fit,
    network: NeuralNetwork,
    *,
    library: Sequence[Any] | None = None,
    degree: int = 2,
    threshold: float = 0.1,
    samples: int = 200,
    refine: bool = True,
) -> Formula:
    """Replace a learnt network by a sum of few terms.

    The outputs are sampled along the fitted trajectories, ``samples`` times each, and written as sums over
    the library by sequentially thresholded least squares: terms whose share of an output stays below
    ``threshold`` are left out, and the rest is fitted again. refine: then fit the coefficients, and what
    else was learnt, to the data. library: expressions of the model; without it all products of the inputs
    up to ``degree``.
    Raises ModelError where candidates cannot be told apart on these trajectories.
    Brunton, Proctor, Kutz, PNAS 113 (2016) 3932; Rackauckas et al., arXiv 2001.04385.
    """
    if not isinstance(fitted, Fit):
        raise ModelError(f"discover takes what sn.fit gave, not {fitted!r}")
    if not isinstance(network, NeuralNetwork):
        raise ModelError(f"discover: give the network that was learnt, not {network!r}")
    system = fitted.problem.system
    if system is None:
        raise ModelError("discover: make the problem of the System itself, not of what sn.compile gave")
    if network.block not in system.blocks:
        raise ModelError(
            f"discover: the equations of {system.name} do not hold the network {network.name}. In those of a "
            "Component it is written out; give what is learnt there as an output of a network of the system"
        )
    if not 0 <= threshold < 1:
        raise ModelError(f"threshold={threshold!r}: give a part of the output, between 0 and 1")
    terms = _candidates(network, library, degree)
    inputs, outputs, matrix = _sampled(fitted, network, terms, samples)
    values = np.stack([sparse_regression(matrix, row, threshold) for row in outputs])
    while True:
        made = _Sum(system, network, terms, values)
        if not refine or not made.places:
            refined = None
            break
        refined = _refined(fitted, network, made)
        for own, place in made.places.items():
            values[place] = refined[own]
        # what the data leave of a term may be next to nothing
        shares = np.abs(values) * np.linalg.norm(matrix, axis=0)
        small = (values != 0) & (shares < threshold * np.linalg.norm(outputs, axis=1)[:, None])
        if not small.any():
            break
        values[small] = 0.0
    coefficients = {own: float(values[place]) for own, place in made.places.items()}
    numbers = {own: as_expr(value) for own, value in coefficients.items()}
    distance = np.linalg.norm(outputs - values @ matrix.T, axis=1)
    sizes = np.linalg.norm(outputs, axis=1)
    error = np.divide(distance, sizes, out=np.zeros_like(sizes), where=sizes > 0)
    expressions = substitute(made.expressions, numbers)
    ranges = np.stack([inputs.min(axis=1), inputs.max(axis=1)], axis=1)
    return Formula(network, expressions, made.system, coefficients, error, ranges, refined)


def sparse_regression(matrix: FloatArray, values: FloatArray, threshold: float) -> FloatArray:
    """(terms,) coefficients of few columns of the matrix (samples, terms) whose sum is near ``values``.

    Columns whose coefficient times their norm is below ``threshold`` times the norm of the values are
    dropped, and the rest is fitted again until nothing changes. Columns must be independent.
    """
    sizes, total = np.linalg.norm(matrix, axis=0), float(np.linalg.norm(values))
    active = sizes > 0
    found = np.zeros(matrix.shape[1])
    while total > 0 and active.any():
        found[:] = 0.0
        scaled = matrix[:, active] / sizes[active]
        found[active] = np.linalg.lstsq(scaled, values, rcond=None)[0] / sizes[active]
        kept = active & (np.abs(found) * sizes >= threshold * total)
        if (kept == active).all():
            break
        active = kept
    return np.where(active, found, 0.0)


def _candidates(network: NeuralNetwork, library: Sequence[Any] | None, degree: int) -> list[Expr]:
    if library is not None:
        terms = [as_expr(term) for term in library]
    else:
        if isinstance(degree, bool) or not isinstance(degree, int) or degree < 0:
            raise ModelError(f"degree={degree!r}: give a whole number")
        terms = []
        for power in range(degree + 1):
            for factors in combinations_with_replacement(network.inputs, power):
                term = ONE
                for factor in factors:
                    term = term * factor
                terms.append(term)
    terms = list(dict.fromkeys(terms))
    if not terms:
        raise ModelError("discover: the library is empty")
    for term in terms:
        for leaf in leaves((term,)):
            if leaf in network.outputs:
                raise ModelError(f"discover: the candidate {term} holds {leaf}, which it is to replace")
    return terms


def _sampled(
    fitted: Fit, network: NeuralNetwork, terms: Sequence[Expr], samples: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Inputs (inputs, k), outputs (outputs, k) and candidates (k, terms) along the trajectories."""
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 2:
        raise ModelError(f"samples={samples!r}: give a whole number, 2 or more")
    inputs, outputs, columns = [], [], []
    for number, trajectory in enumerate(fitted.objective.trajectories):
        seen = trajectory.mapping.t[trajectory.present.any(axis=0)]
        if not len(seen):
            continue
        times = np.linspace(seen[0], seen[-1], samples) if len(seen) > 1 else seen
        sol = fitted.solve(number, saveat=times)
        inputs.append(np.stack([_along(sol, value) for value in network.inputs]))
        outputs.append(np.stack([_along(sol, value) for value in network.outputs]))
        columns.append(np.stack([_along(sol, term) for term in terms], axis=1))
    matrix = np.concatenate(columns)
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=0))
    if len(bad):
        raise ModelError(f"discover: the candidate {terms[bad[0]]} is not finite on a trajectory")
    sizes = np.linalg.norm(matrix, axis=0)
    scaled = matrix / np.where(sizes > 0, sizes, 1.0)
    if np.linalg.matrix_rank(scaled, tol=1e-8) < int(np.count_nonzero(sizes)):
        raise ModelError(
            f"discover: the {len(terms)} candidates cannot be told apart on these trajectories; leave some "
            "out, lower degree=, or fit more trajectories"
        )
    return np.concatenate(inputs, axis=1), np.concatenate(outputs, axis=1), matrix


def _along(sol: Any, value: Expr) -> FloatArray:
    """(k,)"""
    if value.is_number:
        return np.full(len(sol.t), float(value))
    found: FloatArray = np.asarray(sol[value], float)
    return found


class _Sum:
    """The system with sums of terms in place of the outputs of a network; coefficients are parameters.

    values: (outputs, terms), zero where a term is left out. places: {coefficient: its place in values}.
    """

    def __init__(
        self, system: System, network: NeuralNetwork, terms: Sequence[Expr], values: FloatArray
    ) -> None:
        self.places: dict[Expr, tuple[int, int]] = {}
        sums: list[list[Expr]] = [[] for _ in range(len(network))]
        for i, j in zip(*(places.tolist() for places in np.nonzero(values)), strict=True):
            name, about = f"{network.name}_coefficient_{i}_{j}", f"of {terms[j]} in {network[i]}"
            own = symbol(Symbol(name, "parameter", about=about, default=as_expr(float(values[i, j]))))
            self.places[own] = i, j
            sums[i].append(own * terms[j])
        self.expressions = tuple(add(parts) if parts else ZERO for parts in sums)
        replaced = dict(zip(network.outputs, self.expressions, strict=True))
        kept = [equation for equation in system.equations if equation not in network.equations]
        sides = substitute([side for equation in kept for side in (equation.lhs, equation.rhs)], replaced)
        equations = [Equation(sides[k], sides[k + 1]) for k in range(0, len(sides), 2)]
        blocks = [block for block in system.blocks if block is not network.block]
        self.system = System(
            system.name, [*equations, *system.connections, *system.limits, *blocks],
            parts=system.parts.values(), events=system.events, defaults=system.defaults, guards=system.guards,
        )  # fmt: skip


def _refined(fitted: Fit, network: NeuralNetwork, made: _Sum) -> Fit:
    """The coefficients, and what else was learnt, fitted to the data from what was found."""
    weights = {leaf.name for leaf in network.weights}
    problems, data, times, weight = [], [], [], dict[Any, Any]()
    for problem, trajectory in zip(fitted.problems, fitted.objective.trajectories, strict=True):
        assert problem.system is not None
        more = [event for event in problem.events if event not in problem.system.events]
        given = {k: v for k, v in problem.given_parameters.items() if str(k) not in weights}
        problems.append(Problem(made.system, problem.given_start, problem.span, given, events=more))
        data.append({
            key: np.where(present, values, np.nan)
            for key, values, present in zip(
                trajectory.keys, trajectory.data, trajectory.present, strict=True
            )
        })  # fmt: skip
        times.append(trajectory.mapping.t)
        weight |= trajectory.given_weights
    others = [name for name in fitted.parameters if name not in weights]
    mapping = fitted.objective.trajectories[0].mapping
    return fit(
        problems, data, times, [*made.places, *others], weights=weight or None, method=mapping.method,
        rtol=mapping.rtol, atol=mapping.atol,
    )  # fmt: skip
