"""A problem as plain data and functions: all that a simulator outside of symnum needs."""

from __future__ import annotations

import numpy as np

from symnum.codegen.function import Function
from symnum.codegen.model_functions import FloatArray, IntArray
from symnum.errors import ModelError
from symnum.lowering.flat import FlatSystem
from symnum.record import record
from symnum.solving.exported_events import ExportedEvents, Value
from symnum.solving.method import Method
from symnum.solving.problem import Problem
from symnum.solving.start import consistent_start
from symnum.solving.tableau import ExplicitTableau, RosenbrockTableau

_FUNCTIONS = ("setup", "rhs", "jacobian", "time_gradient", "roots", "actions", "followers",
              "conditions", "timing", "lines")  # fmt: skip
_DENSE_BELOW = 100  # unknowns up to which the factors may fill completely
_ROOM = 4  # the factors may have this many times the entries that were found in advance
_MAX_STEPS = 10_000_000


@record
class Simulator:
    """What an exported file is written from.

    functions: all of `_FUNCTIONS`, those without use empty. values: numbers and tables under the names that
    the solver texts in ``templates`` use, the same in every language.
    """

    name: str
    method: Method
    states: tuple[str, ...]
    parameters: tuple[str, ...]
    functions: dict[str, Function]
    values: dict[str, Value]
    unchecked: bool  # whether checks of parameter values were left behind

    @property
    def explicit(self) -> bool:
        return self.method.family == "explicit"


def simulator_of(
    problem: Problem, method: Method, rtol: float, atol: FloatArray, saved: FloatArray
) -> Simulator:
    """The simulator of a problem. saved: (k,) times of the output. ModelError for what it cannot do."""
    flat, model = problem.flat, problem.compiled.model
    functions = model.functions
    if flat.structure.choices:
        raise ModelError(
            f"export: {flat.name} chooses its states anew in a run, which simulators cannot do. "
            "Say with state_priority=100 which variables are the states."
        )
    if flat.delays:
        raise ModelError(f"export: {flat.delays[0].parameter}: simulators know no delays")
    if flat.hosted:
        raise ModelError(f"export: {flat.hosted[0].path} is computed by other code, which is not exported")
    u, p = consistent_start(problem)
    events = ExportedEvents.of(problem)
    made = {
        **events.functions,
        "time_gradient": Function("time_gradient", (), flat.n, 0),
        "roots": Function("roots", (), functions.n_events + 2 * functions.n_limits, 0),
    } | model.lowered  # fmt: skip
    values: dict[str, Value] = {
        "N": flat.n, "PARAMETERS": len(p), "ENTRIES": len(functions.indices), "EVENTS": functions.n_events,
        "LIMITS": functions.n_limits, "ALGEBRAIC": int((flat.mass == 0).sum()), "BEGIN": problem.span[0],
        "END": problem.span[1], "SAVED": len(saved), "MAX_STEPS": _MAX_STEPS, "RELATIVE_TOLERANCE": rtol,
        "ABSOLUTE_TOLERANCE": atol, "START": u, "PARAMETER_VALUE": p, "MASS": flat.mass,
        "COLUMN_START": functions.indptr, "ROW_INDEX": functions.indices, "SAVE_AT": saved,
        "EVENT_DIRECTION": functions.event_direction, "LIMIT_PARAMETER": functions.limit_parameter,
        **events.values, **_method_values(method, flat),
    }  # fmt: skip
    if method.family != "explicit":
        values |= _linear_values(flat.n, functions.indptr, functions.indices)
    names = tuple(info.name for info in flat.parameters)
    ordered = {name: made[name] for name in _FUNCTIONS}
    return Simulator(flat.name, method, flat.state_names, names, ordered, values, bool(flat.guards))


def _method_values(method: Method, flat: FlatSystem) -> dict[str, Value]:
    dense = method.dense_table()
    known = isinstance(method, (ExplicitTableau, RosenbrockTableau))
    unlike = method.family == "explicit" and not method.first_same_as_last
    if not known or dense is None or method.extra_stages or unlike:
        raise ModelError(f"export: simulators run Rodas5P or Tsit5, not {method}; choose one with method=")
    if method.family == "explicit" and not flat.mass.all():
        count = int((flat.mass == 0).sum())
        raise ModelError(f"export: {method} cannot solve algebraic equations, and {flat.name} has {count}")
    s, order, controller = method.stages, method.error_power, method.controller
    table = method.table()
    result: dict[str, Value] = {
        "STAGES": s, "DENSE_ROWS": len(dense), "METHOD_DENSE": dense,
        "EXPLICIT": int(method.family == "explicit"), "FIRST_SAME_AS_LAST": int(method.first_same_as_last),
        "ERROR_ORDER": float(order), "SAFETY": controller.safety, "EXPONENT": controller.now / order,
        "EXPONENT_BEFORE": controller.before / order,
        "SHRINK": controller.shrink, "GROW": controller.grow,
    }  # fmt: skip
    if method.family == "explicit":
        c, a, _, e = np.split(table, np.cumsum([s, s * s, s]))
        return result | {"METHOD_C": c, "METHOD_A": a.reshape(s, s), "METHOD_E": e}
    gamma, c, d, a, coupling, m, e = np.split(table, np.cumsum([1, s, s, s * s, s * s, s]))
    return result | {
        "METHOD_GAMMA": float(gamma[0]), "METHOD_C": c, "METHOD_D": d, "METHOD_A": a.reshape(s, s),
        "METHOD_COUPLING": coupling.reshape(s, s), "METHOD_B": m, "METHOD_E": e,
    }  # fmt: skip


def _linear_values(n: int, indptr: IntArray, indices: IntArray) -> dict[str, Value]:
    """The pattern of M - J, an order of its columns with little fill, and the rows to prefer as pivots."""
    from scipy.sparse import csc_matrix
    from scipy.sparse.linalg import splu

    columns = np.repeat(np.arange(n), np.diff(indptr))
    here = np.arange(n)
    keys, place = np.unique(np.concatenate([columns * n + indices, here * n + here]), return_inverse=True)
    starts, rows = np.searchsorted(keys, np.arange(n + 1) * n), keys % n
    # numbers without meaning: what counts is the pattern, with a heavy diagonal as short steps have it
    numbers = 1.0 + np.random.default_rng(0).random(len(keys))
    numbers[place[len(indices) :]] += 4.0
    matrix = csc_matrix((numbers, rows, starts), shape=(n, n))
    found = [
        splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.01, options={"SymmetricMode": True}),
        splu(matrix, permc_spec="COLAMD", diag_pivot_thresh=0.1),
    ]
    best = min(found, key=lambda lu: lu.L.nnz + lu.U.nnz)
    order = np.argsort(best.perm_c)
    preferred = np.empty(n, np.int64)
    preferred[order] = np.argsort(best.perm_r)
    room = _ROOM * (best.L.nnz + best.U.nnz)
    if n <= _DENSE_BELOW or room > n * n:
        room = n * n
    return {
        "MATRIX_ENTRIES": len(keys), "MATRIX_START": starts, "MATRIX_ROWS": rows,
        "TO_MATRIX": place[: len(indices)], "DIAGONAL": place[len(indices) :], "COLUMN_ORDER": order,
        "PREFERRED_ROW": preferred, "ROOM": int(room + n),
    }  # fmt: skip
