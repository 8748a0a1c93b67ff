"""Model-order reduction: a large system on the few directions in which its solutions vary.

Proper orthogonal decomposition of solutions gives the directions V of ``u = u0 + S V a`` (S: nominal
sizes), and a Galerkin projection their equations. What is linear with constant coefficients in f is projected
exactly. The rest, g, is computed at a few rows of f and interpolated from there in directions U of its own
(empirical interpolation), so that no step of the reduced system touches all unknowns of the large one:

    a' = V^T S^-1 (A u + g),    S^-1 g ~ U (P^T U)^-1 P^T S^-1 g .

Rows are selected by QR with column pivoting of U^T. Sources: Sirovich, Quart. Appl. Math. 45 (1987) 561;
Chaturantabut & Sorensen, SIAM J. Sci. Comput. 32 (2010) 2737; Drmac & Gugercin, SIAM J. Sci. Comput. 38
(2016) A631.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.system import System
from symnum.language.variables import D, variable
from symnum.lowering.written_out import written_out
from symnum.record import record
from symnum.rewriting.expr import Expr, Symbol, add, slot, symbol
from symnum.rewriting.walk import leaves, substitute
from symnum.solving.problem import Problem
from symnum.solving.solution import Sample, Segment, Solution
from symnum.solving.solve import solve

if TYPE_CHECKING:
    from scipy.sparse import csc_array

__all__ = ["ReducedModel", "reduce_order"]

FloatArray = NDArray[np.float64]

_CONSTANT = 1e-12  # relative: entries of the Jacobian that differ by less are taken for constant
_NOISE = 1e-12  # relative: directions with smaller singular values are round-off
_LOOKS = 5  # states at which the Jacobian is compared


@record
class ReducedModel:
    """A problem of few unknowns and the way back to the unknowns of the large one.

    problem: the reduced one, over ``mode0``, ``mode1``, ... full: the problem that it stands for.
    basis (n, r): directions of u. offset (n,): u at ``mode == 0``, the start of the full problem.
    singular_values: of all snapshots, sizes of the directions. sampled: names of the unknowns in whose
    equations the nonlinear part is computed.
    """

    problem: Problem
    full: Problem
    basis: FloatArray
    offset: FloatArray
    singular_values: FloatArray
    sampled: tuple[str, ...]

    def lifted(self, solution: Solution) -> Sample:
        """A solution of the reduced problem in the unknowns of the full one: ``lifted(sol)[expr]``."""
        modes = [f"mode{k}" for k in range(self.basis.shape[1])]
        y = self.offset[:, None] + self.basis @ np.array([solution[name] for name in modes])
        segment = Segment(float(solution.t[0]), self.full.p, None)
        return Sample(self.full.flat, (segment,), solution.t, y, np.zeros(len(solution.t), np.int64))

    def error(self, solution: Solution, **options: Any) -> float:
        """The largest difference from a solution of the full problem, relative to the largest value of that.

        At the times of the solution. Unknowns are compared in units of their nominal sizes. options: of
        `solve`, for the reduced problem.
        """
        if solution.flat is not self.full.flat:
            raise ModelError(
                f"{self.full.flat.name}: this is a solution of another system, {solution.flat.name}"
            )
        found = self.lifted(solve(self.problem, saveat=solution.t, **options))
        size = self.full.flat.nominal[:, None]
        return float(np.abs((found.y - solution.y) / size).max() / np.abs(solution.y / size).max())


def reduce_order(
    problem: Problem, solutions: Solution | Sequence[Solution], states: int, *, samples: int | None = None
) -> ReducedModel:
    """The problem with ``states`` unknowns in place of n, from solutions of it.

    solutions: one or several, whose saved states are the snapshots; between and near their parameters and
    times the reduced problem is good. samples: rows in which the nonlinear part is computed, twice as many as
    states by default. For ordinary differential equations without events.

    Raises ModelError for algebraic equations, events, limits and delays, for solutions of another system, and
    where the solutions vary in fewer directions than there are to be states.
    """
    flat = problem.flat
    _refuse(problem)
    runs = [solutions] if isinstance(solutions, Solution) else list(solutions)
    times, parameters, snapshots = _snapshots(problem, runs)
    size = flat.nominal
    directions, values = _directions((snapshots - problem.u[:, None]) / size[:, None])
    if isinstance(states, bool) or not isinstance(states, (int, np.integer)) or states < 1:
        raise ModelError(f"{flat.name}: states={states!r}: give a number of states, 1 or more")
    if states > directions.shape[1]:
        raise ModelError(
            f"{flat.name}: the solutions vary in {directions.shape[1]} directions, which is fewer than "
            f"{states} states: give more solutions or saved times, or ask for fewer states"
        )
    basis = directions[:, :states]
    linear = _constant_part(problem, times, parameters, snapshots)
    rhs = problem.compiled.rhs
    rest = (
        np.array(
            [rhs(t, u, p) - linear @ u for t, p, u in zip(times, parameters, snapshots.T, strict=True)]
        ).T
        / size[:, None]
    )
    noise = _CONSTANT * (abs(linear) @ np.abs(snapshots) / size[:, None]).max(initial=0.0)
    largest = np.abs(rest).max(initial=0.0)
    constant = np.abs(rest - rest[:, :1]).max(initial=0.0) <= _CONSTANT * largest + noise
    constant = constant and not _moving(problem)
    shapes = _directions(rest)[0][:, : samples or 2 * states] if not constant else None
    rows = _rows(shapes) if shapes is not None else np.zeros(0, np.int64)
    fixed = rest[:, 0] if shapes is None else np.zeros(flat.n)
    projected = basis.T / size  # V^T S^-1
    system = _system(
        problem,
        rows,
        linear,
        offset=projected @ (linear @ problem.u) + basis.T @ fixed,
        operator=projected @ (linear @ (size[:, None] * basis)),
        weights=basis.T @ shapes @ np.linalg.inv(shapes[rows])
        if shapes is not None
        else np.zeros((states, 0)),
        basis=size[:, None] * basis,
    )
    reduced = Problem(system, span=problem.span)
    sampled = tuple(flat.state_names[row] for row in rows)
    return ReducedModel(reduced, problem, size[:, None] * basis, problem.u.copy(), values, sampled)


def _refuse(problem: Problem) -> None:
    flat = problem.flat
    reasons = {
        "algebraic equations": not flat.mass.all(),
        "events": bool(problem.events),
        "limits": bool(flat.limits),
        "delays": bool(flat.delays),
        "random jumps": problem.stochastic is not None or problem.hybrid is not None,
    }
    for what, there in reasons.items():
        if there:
            raise ModelError(
                f"{flat.name}: the order of a system with {what} cannot be reduced; that of ordinary "
                "differential equations without events can"
            )


def _snapshots(problem: Problem, runs: Sequence[Solution]) -> tuple[FloatArray, list[FloatArray], FloatArray]:
    """Times, parameters and states (n, k) of all saved points."""
    flat = problem.flat
    if not runs:
        raise ModelError(f"{flat.name}: give one solution, or several, to reduce its order from")
    for run in runs:
        if not isinstance(run, Solution):
            raise ModelError(f"{flat.name}: {run!r} is no solution: give what sn.solve has returned")
        if run.flat is not flat:
            raise ModelError(
                f"{flat.name}: this is a solution of another system, {run.flat.name}. Make all problems "
                "from one: problem.with_(parameters=...)"
            )
    parameters = [run.segments[k].p for run in runs for k in run.segment]
    return (
        np.concatenate([run.t for run in runs]),
        parameters,
        np.concatenate([run.y for run in runs], axis=1),
    )


def _directions(snapshots: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Left singular vectors above round-off, and all singular values."""
    from scipy.linalg import svd

    left, values, _ = svd(snapshots, full_matrices=False)
    return left[:, values > _NOISE * max(values[0], np.finfo(float).tiny)], values


def _rows(shapes: FloatArray) -> NDArray[np.int64]:
    """The rows from which the shapes (n, m) are interpolated best."""
    from scipy.linalg import qr

    _, _, pivots = qr(shapes.T, mode="economic", pivoting=True)
    rows: NDArray[np.int64] = np.sort(pivots[: shapes.shape[1]]).astype(np.int64)
    return rows


def _constant_part(
    problem: Problem, times: FloatArray, parameters: Sequence[FloatArray], snapshots: FloatArray
) -> csc_array:
    """The entries of df/du that are the same wherever they are looked at.

    An entry that is taken for constant by mistake does no harm: f - A u, the rest, makes up for it.
    """
    places = np.linspace(0, len(times) - 1, min(_LOOKS, len(times))).astype(int)
    found = [problem.compiled.jacobian(times[k], snapshots[:, k], parameters[k]) for k in places]
    found.append(problem.compiled.jacobian(times[0], snapshots[:, 0] + problem.flat.nominal, parameters[0]))
    entries = np.array([matrix.data for matrix in found])
    same = np.ptp(entries, axis=0) <= _CONSTANT * np.abs(entries).max(axis=0)
    constant = found[0].copy()
    constant.data = np.where(same, entries[0], 0.0)
    return constant


def _moving(problem: Problem) -> bool:
    """Whether the right-hand side holds the time, so that a constant rest at the snapshots proves nothing."""
    return bool(problem.compiled.model.functions.time_gradient)


def _system(
    problem: Problem,
    rows: NDArray[np.int64],
    linear: csc_array,
    *,
    offset: FloatArray,
    operator: FloatArray,
    weights: FloatArray,
    basis: FloatArray,
) -> System:
    """a' = offset + operator a + weights g(x), with the unknowns x that the sampled rows read."""
    flat = problem.flat
    n = len(flat.unknowns)
    modes = [variable(f"mode{k}", start=0.0) for k in range(basis.shape[1])]
    written = written_out(flat, [slot("u", n + int(flat.vector[row])) for row in rows])
    entries = linear.tocsr()[rows]
    read: dict[int, Expr] = {}
    places: dict[Expr, Expr] = {}
    for leaf in leaves(written):
        if leaf.op == "slot":
            letter, number = leaf.data
            if letter == "p":
                places[leaf] = symbol(_parameter(problem, number))
            else:
                places[leaf] = read[number] = variable(f"sample{number}")
    equations = []
    rates = [variable(f"rate{k}") for k in range(len(rows))]
    for k, (row, expr, rate) in enumerate(
        zip(rows.tolist(), substitute(written, places), rates, strict=True)
    ):
        columns = entries.indices[entries.indptr[k] : entries.indptr[k + 1]].tolist()
        values = entries.data[entries.indptr[k] : entries.indptr[k + 1]].tolist()
        known = [value * read[at] for at, value in zip(columns, values, strict=True) if value]
        equations.append(
            rate == (expr - add(known)) / flat.nominal[row] if known else rate == expr / flat.nominal[row]
        )
    for at, x in sorted(read.items()):
        terms = [value * mode for value, mode in zip(basis[at].tolist(), modes, strict=True)]
        equations.append(x == problem.u[at] + add(terms))
    for k, mode in enumerate(modes):
        terms = [value * other for value, other in zip(operator[k].tolist(), modes, strict=True)]
        terms += [value * rate for value, rate in zip(weights[k].tolist(), rates, strict=True)]
        equations.append(D(mode) == offset[k] + add(terms))
    return System(f"{flat.name}_reduced", equations)


def _parameter(problem: Problem, number: int) -> Symbol:
    """The parameter with the value that it has in the problem."""
    known = problem.flat.parameters[number]
    return Symbol(known.name, "parameter", known.unit, known.about, float(problem.p[number]))
