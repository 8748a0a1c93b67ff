"""An ensemble: a problem and what changes from member to member."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.model_functions import FloatArray, IntArray
from symnum.errors import ModelError
from symnum.rewriting.expr import Expr
from symnum.solving.guards import guard_message
from symnum.solving.problem import Problem

__all__ = ["Ensemble"]

_SEED = "seed"


class Ensemble:
    """A problem and what changes from member to member.

    changes: {parameter, variable or name: (members,) numbers}, a pandas DataFrame whose columns are named
    so, or a NumPy array with named fields; a parameter gets these values, a variable starts there. Random
    processes also take "seed", (members,) integers: member k is then what `solve` gives for ``seed=`` the
    k-th of them. Everything else is as in the problem. Parameters and starts that the problem gives as
    expressions of a changed parameter follow it. members: how many, for a stochastic problem that is
    repeated as it is. `Ensemble.product` combines all values with each other.
    """

    def __init__(self, problem: Problem, changes: Any = None, *, members: int | None = None) -> None:
        if not isinstance(problem, Problem):
            raise ModelError(f"Ensemble takes a Problem, not {problem!r}: sn.Problem(system, start, span)")
        if problem.initial:
            raise ModelError("Ensemble: initial= equations are solved for single problems only; give starts")
        if problem.flat.structure.choices:
            raise ModelError(
                f"Ensemble: {problem.flat.name} chooses its states anew in a run, which ensembles cannot do. "
                "Solve the members one by one, or say with state_priority=100 which variables are the states."
            )
        if members is not None and (isinstance(members, bool) or not isinstance(members, (int, np.integer))):
            raise ModelError(f"Ensemble: members={members!r} is no whole number")
        if members is not None and members < 1:
            raise ModelError(f"Ensemble: members={members}; give 1 or more")
        given = _columns(changes)
        if not given and (members is None or not (problem.stochastic or problem.hybrid)):
            raise ModelError("Ensemble: say what changes, {parameter or variable: array of numbers}")
        self.problem = problem
        self.seeds: NDArray[np.int64] | None = None
        if _SEED in given and problem.flat.parameters.find(_SEED) is None and not _is_unknown(problem, _SEED):
            self.seeds = _checked_seeds(problem, given.pop(_SEED))
        self.changes = {key: _checked_column(key, values) for key, values in given.items()}
        every: dict[Any, Any] = dict(self.changes)
        if self.seeds is not None:
            every[_SEED] = self.seeds
        lengths = {len(column) for column in every.values()}
        if len(lengths) > 1:
            told = ", ".join(f"{key}: {len(column)}" for key, column in every.items())
            raise ModelError(f"Ensemble: arrays of different lengths ({told}); each member needs one of each")
        if members is not None and lengths and lengths != {members}:
            raise ModelError(f"Ensemble: members={members}, but the arrays hold {lengths.pop()} numbers")
        if problem.flat.hosted:
            raise ModelError(
                f"Ensemble: {problem.flat.hosted[0].path} is computed by other code, of which there is one: "
                "solve the problems one after the other, Problem.with_(parameters=...)"
            )
        for key in self.changes:
            if not self._is_parameter(key):
                self._number_of(key)  # what is neither raises, here and not when members are run
        self.members: int = lengths.pop() if lengths else int(members or 0)
        self._numbers: tuple[FloatArray, FloatArray] | None = None

    @classmethod
    def product(cls, problem: Problem, values: Mapping[Any, Any]) -> Ensemble:
        """Every value of each with every value of the others, the last one changing fastest.

        With k, l, ... values given, ``runs[x].reshape(k, l, ..., -1)`` has one axis for each, then the times.
        """
        if not isinstance(values, Mapping) or not values:
            raise ModelError("Ensemble.product: give {parameter, variable or name: (k,) numbers}")
        axes = [np.asarray(axis) for axis in values.values()]
        for key, axis in zip(values, axes, strict=True):
            if axis.ndim != 1 or not len(axis):
                raise ModelError(f"Ensemble.product: {key} has shape {axis.shape}; give (k,) numbers")
        grids = np.meshgrid(*axes, indexing="ij")
        return cls(problem, {key: grid.ravel() for key, grid in zip(values, grids, strict=True)})

    def parameters(self) -> dict[str, FloatArray]:
        """{name: (members,) values} of the changes that are parameters, and of the seeds."""
        found: dict[str, Any] = {str(key): v for key, v in self.changes.items() if self._is_parameter(key)}
        return found if self.seeds is None else found | {_SEED: self.seeds}

    def numbers(self) -> tuple[FloatArray, FloatArray]:
        """(members, n) starts, not yet consistent, and (members, n_parameters) parameters; for reading."""
        if self._numbers is None:
            u, p = self._rows()
            self._check(p)
            self._numbers = u, p
        return self._numbers

    def streams(self, seed: Any) -> IntArray:
        """(members, 4) states of the members' random streams."""
        from symnum.solving.stochastic.simulation import streams
        from symnum.solving.stochastic.solve import checked_seed

        if self.seeds is None:
            return streams(checked_seed(seed), self.members)
        if seed is not None:
            raise ModelError("seed=: the ensemble has a seed for each member; give one or the other")
        return np.concatenate([streams(int(own), 1) for own in self.seeds])

    def _rows(self) -> tuple[FloatArray, FloatArray]:
        problem, flat = self.problem, self.problem.flat
        parameters = {k: v for k, v in self.changes.items() if self._is_parameter(k)}
        starts = {k: v for k, v in self.changes.items() if k not in parameters}
        p = np.tile(problem.p, (self.members, 1))
        u = np.tile(problem.u, (self.members, 1))
        if self._plain(parameters, starts):
            for key, column in parameters.items():
                p[:, flat.parameter_index(key, "Ensemble")] = column
            for key, column in starts.items():
                u[:, flat.position[self._number_of(key)]] = column
            return u, p
        for member in range(self.members):
            one = problem.with_(
                start={k: float(v[member]) for k, v in starts.items()},
                parameters={k: float(v[member]) for k, v in parameters.items()},
            )
            u[member], p[member] = one.u, one.p
        return u, p

    def _check(self, p: FloatArray) -> None:
        """What the model says about the values of its parameters."""
        flat = self.problem.flat
        for member in range(self.members if flat.guards else 0):
            message = guard_message(flat, p[member])
            if message:
                raise ModelError(f"{flat.name}, member {member} of the ensemble: {message}")

    def _is_parameter(self, key: Any) -> bool:
        flat = self.problem.flat
        if isinstance(key, str):
            return flat.parameters.find(key) is not None
        return isinstance(key, Expr) and key.op == "symbol" and flat.parameters.find(key.name) is not None

    def _number_of(self, key: Any) -> int:
        return self.problem.flat.number_of(key, "Ensemble", "parameter or variable")

    def _plain(self, parameters: Mapping[Any, Any], starts: Mapping[Any, Any]) -> bool:
        """Does nothing follow from what changes, so that columns can be written as they are?"""
        flat = self.problem.flat
        probe = {k: float(v[0]) for k, v in parameters.items()}
        changed = self.problem.with_(parameters=probe)
        places = [flat.parameter_index(key, "Ensemble") for key in parameters]
        others = np.setdiff1d(np.arange(len(self.problem.p)), places)
        shifted = self.problem.with_(parameters={k: v + 1.0 for k, v in probe.items()})
        follows = self.problem.dependent_parameters()
        if follows or not np.array_equal(changed.p[others], shifted.p[others]):
            return False
        if not np.array_equal(changed.u, shifted.u):
            return False
        return all(flat.position[self._number_of(key)] >= 0 for key in starts)

    def __repr__(self) -> str:
        return f"<Ensemble of {self.members}: {self.problem.flat.name}>"


def _columns(changes: Any) -> dict[Any, Any]:
    """{key: values} of a mapping, a table with columns or an array with named fields."""
    if changes is None:
        return {}
    if isinstance(changes, np.ndarray):
        if changes.dtype.names is None:
            raise ModelError(
                "Ensemble: an array without names does not say what changes; give {parameter or variable: "
                "array}"
            )
        return {name: changes[name] for name in changes.dtype.names}
    keys: Iterable[Any]
    if isinstance(changes, Mapping):
        keys = changes
    elif hasattr(changes, "columns") and hasattr(changes, "__getitem__"):
        keys = changes.columns
    else:
        raise ModelError(
            "Ensemble: changes are {parameter or variable: array}, a DataFrame or a NumPy array with named "
            f"fields, not a {type(changes).__name__}"
        )
    found: dict[Any, Any] = {}
    for key in keys:
        name = key.name if isinstance(key, Expr) and key.op == "symbol" else key
        if name in found:
            raise ModelError(f"Ensemble: {name} is given twice")
        found[name] = changes[key]
    return found


def _is_unknown(problem: Problem, name: str) -> bool:
    return problem.flat.unknowns.find(name) is not None


def _checked_column(key: Any, values: Any) -> FloatArray:
    try:
        column = np.array(values, float)
    except (TypeError, ValueError) as error:
        raise ModelError(f"Ensemble: the values of {key} are not numbers") from error
    if column.ndim != 1 or not len(column):
        raise ModelError(f"Ensemble: {key} has shape {column.shape}; give (members,) numbers")
    bad = np.flatnonzero(~np.isfinite(column))
    if len(bad):
        raise ModelError(f"Ensemble: member {bad[0]} has {key} = {column[bad[0]]}")
    return column


def _checked_seeds(problem: Problem, values: Any) -> NDArray[np.int64]:
    if not (problem.stochastic or problem.hybrid):
        raise ModelError(f"Ensemble: seed: {problem.flat.name} is no random process, nor has it a {_SEED!r}")
    seeds = np.asarray(values)
    if seeds.ndim != 1 or not len(seeds) or seeds.dtype.kind not in "iu" or seeds.min() < 0:
        raise ModelError(f"Ensemble: seed: give (members,) integers from 0, not {values!r}")
    return seeds.astype(np.int64)
