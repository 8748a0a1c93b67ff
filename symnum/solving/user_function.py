"""A right-hand side written as a Python function, as the functions that solvers call by address."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from symnum.codegen.model_functions import FloatArray, IntArray, ModelFunctions
from symnum.codegen.pattern import Pattern
from symnum.errors import ModelError
from symnum.record import record

__all__ = ["Callbacks", "UserFunctions", "UserModel", "column_groups", "pattern_of"]

# Values of a function of the user: (n,) from (t, y, *args).
Function: TypeAlias = Callable[..., Any]

_ROUND_OFF = float(np.sqrt(np.finfo(float).eps))
_SIGNATURE = ctypes.CFUNCTYPE(None, ctypes.c_double, *[ctypes.c_void_p] * 4)


@record
class UserFunctions:
    """What a user gives. sign: -1 runs time backwards, with s = -t in place of t.

    jacobian: df/dy, or None for differences over the pattern (indptr, indices). typical: (n,) sizes below
    which differences are not taken relative to y.
    """

    fun: Function
    n: int
    args: tuple[Any, ...]
    sign: float
    jacobian: Function | None
    indptr: IntArray
    indices: IntArray
    events: tuple[Function, ...]
    directions: IntArray
    mass: FloatArray
    typical: FloatArray
    vectorized: bool = False


@record
class UserModel:
    """functions: as solvers take them. p: their parameters. callbacks: what Python does of them."""

    functions: ModelFunctions
    p: FloatArray
    callbacks: Callbacks


def pattern_of(sparsity: Any, n: int) -> tuple[IntArray, IntArray]:
    """(indptr, indices) in CSC order of what is not zero in a matrix, dense or sparse; None: everything."""
    if sparsity is None:
        return np.arange(n + 1, dtype=np.int64) * n, np.tile(np.arange(n, dtype=np.int64), n)
    from scipy.sparse import csc_array

    # explicit zeros belong to a pattern that is given as a sparse matrix
    matrix = csc_array(sparsity)
    if matrix.shape != (n, n):
        raise ModelError(f"the pattern of the Jacobian has shape {matrix.shape}, not ({n}, {n})")
    matrix.sum_duplicates()
    matrix.sort_indices()
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)


def column_groups(indptr: IntArray, indices: IntArray) -> IntArray:
    """(n,) the group of each column; columns of one group have no row in common.

    Curtis, Powell and Reid, J. Inst. Math. Applic. 13:117 (1974); the fullest columns first.
    """
    n = len(indptr) - 1
    group = np.zeros(n, np.int64)
    taken: list[npt.NDArray[np.bool_]] = []
    for column in np.argsort(-np.diff(indptr), kind="stable"):
        rows = indices[indptr[column] : indptr[column + 1]]
        k = next((k for k, used in enumerate(taken) if not used[rows].any()), len(taken))
        if k == len(taken):
            taken.append(np.zeros(n, bool))
        taken[k][rows] = True
        group[column] = k
    return group


class Callbacks:
    """The functions of a model that call Python, and what went wrong in them.

    No exception can pass through compiled code: one of arithmetic or of a domain gives NaN, so that the
    step is shortened, and is in `refused`; any other one ends the run at once, and is in `fatal`.
    """

    def __init__(self, user: UserFunctions) -> None:
        self.user = user
        self.refused: Exception | None = None
        self.fatal: BaseException | None = None
        self.group = column_groups(user.indptr, user.indices)
        self.columns = np.repeat(np.arange(user.n), np.diff(user.indptr))
        self._views: dict[tuple[int, int], FloatArray] = {}

    def model(self) -> UserModel:
        """All functions as callbacks."""
        return UserModel(self.functions(), np.zeros(0), self)

    def functions(self, **compiled: Any) -> ModelFunctions:
        """compiled: fields of `ModelFunctions` that are there already."""
        user = self.user
        made = {
            "setup": self._nothing, "rhs": self._rhs, "jacobian": self._jacobian,
            "time_gradient": self._time_gradient, "roots": self._roots,
        }  # fmt: skip
        owners: list[Any] = [self, *compiled.pop("owners", ())]
        addresses = {}
        for name, function in made.items():
            if name in compiled:
                addresses[name] = compiled.pop(name)
            elif name == "roots" and not user.events:
                addresses[name] = 0
            else:
                owners.append(_SIGNATURE(function))
                addresses[name] = ctypes.cast(owners[-1], ctypes.c_void_p).value or 0
        return ModelFunctions(
            n=user.n, n_work=0, n_events=len(user.events), n_limits=0, mass=user.mass,
            pattern=Pattern.of(user.indptr, user.indices), event_direction=user.directions,
            event_side=np.zeros(len(user.events), np.int64), limit_parameter=np.zeros(0, np.int64),
            owners=tuple(owners), **({"n_parameters": 0} | compiled), **addresses,
        )  # fmt: skip

    def evaluate(self, t: float, y: FloatArray) -> FloatArray:
        """(n,) the right-hand side in the time of the solver."""
        user = self.user
        value = np.asarray(user.fun(user.sign * t, y.copy(), *user.args))
        if value.shape != (user.n,):
            value = value.reshape(-1)
            if value.shape != (user.n,):
                raise ModelError(f"fun returned {value.size} values for {user.n} unknowns")
        if value.dtype.kind == "c":
            raise ModelError("fun returned complex values; split them into real and imaginary parts")
        result: FloatArray = user.sign * value.astype(float, copy=False)
        return result

    def differences(self, t: float, y: FloatArray) -> FloatArray:
        """(nnz,) the Jacobian by differences, one evaluation for each group of columns."""
        user, group = self.user, self.group
        base = self.evaluate(t, y)
        shift = (y + _ROUND_OFF * np.maximum(np.abs(y), user.typical)) - y
        count = int(group.max(initial=-1)) + 1
        moved = np.repeat(y[:, None], count, axis=1)
        moved[np.arange(user.n), group] += shift
        if user.vectorized:
            values = user.sign * np.asarray(user.fun(user.sign * t, moved, *user.args), float)
        else:
            values = np.stack([self.evaluate(t, column) for column in moved.T], axis=1)
        change = values[user.indices, group[self.columns]] - base[user.indices]
        result: FloatArray = change / shift[self.columns]
        return result

    def given_jacobian(self, t: float, y: FloatArray) -> FloatArray:
        """(nnz,) the entries of what the user's function gives."""
        user = self.user
        assert user.jacobian is not None
        matrix = user.jacobian(user.sign * t, y.copy(), *user.args)
        if hasattr(matrix, "tocsc"):
            matrix = matrix.tocsc()
            matrix.sort_indices()
            same = len(matrix.indices) == len(user.indices) and (matrix.indices == user.indices).all()
            if same and (matrix.indptr == user.indptr).all():
                return user.sign * np.asarray(matrix.data, float)
        if matrix.shape != (user.n, user.n):
            raise ModelError(f"jac returned shape {matrix.shape}, not ({user.n}, {user.n})")
        values = np.asarray(matrix[user.indices, self.columns], float).reshape(-1)
        whole = matrix.count_nonzero() if hasattr(matrix, "tocsc") else np.count_nonzero(matrix)
        if np.count_nonzero(values) != whole:
            raise ModelError("jac has entries outside of its pattern: give jac_sparsity= with all of them")
        return user.sign * values

    # --- as compiled code calls them --------------------------------------------------------------------
    def _view(self, address: int, size: int) -> FloatArray:
        known = self._views.get((address, size))
        if known is None:
            if len(self._views) > 1000:
                self._views.clear()
            memory: Any = (ctypes.c_double * size).from_address(address)
            known = np.frombuffer(memory)
            self._views[address, size] = known
        return known

    def _guarded(self, out: int, size: int, evaluate: Callable[[], Any]) -> None:
        if not size:
            return
        target = self._view(out, size)
        if self.fatal is None:
            try:
                target[:] = evaluate()
                return
            except (ArithmeticError, ValueError) as error:
                self.refused = error
            except BaseException as error:
                self.fatal = error
        target[:] = np.nan

    def _nothing(self, t: float, out: int, u: int, p: int, work: int) -> None:
        pass

    def _rhs(self, t: float, out: int, u: int, p: int, work: int) -> None:
        n = self.user.n
        self._guarded(out, n, lambda: self.evaluate(t, self._view(u, n)))

    def _jacobian(self, t: float, out: int, u: int, p: int, work: int) -> None:
        user = self.user
        entries = self.differences if user.jacobian is None else self.given_jacobian
        self._guarded(out, len(user.indices), lambda: entries(t, self._view(u, user.n)))

    def _time_gradient(self, t: float, out: int, u: int, p: int, work: int) -> None:
        n = self.user.n

        def difference() -> FloatArray:
            y = self._view(u, n)
            shift = (t + _ROUND_OFF * max(abs(t), 1e-3)) - t
            return (self.evaluate(t + shift, y) - self.evaluate(t, y)) / shift

        self._guarded(out, n, difference)

    def _roots(self, t: float, out: int, u: int, p: int, work: int) -> None:
        user = self.user

        def values() -> Sequence[float]:
            y = self._view(u, user.n)
            return [float(event(user.sign * t, y.copy(), *user.args)) for event in user.events]

        self._guarded(out, len(user.events), values)
