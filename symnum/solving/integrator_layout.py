"""The memory of an integrator: what all runs of a model with a method share, and where everything lies."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from symnum.codegen.model_functions import FloatArray, ModelFunctions
from symnum.solving.kernel import library, slot
from symnum.solving.layout import Layout
from symnum.solving.method import Method
from symnum.solving.tableau import ExplicitTableau

__all__ = ["layout_of"]

_NOTHING: FloatArray = np.empty(0)

_layouts: WeakKeyDictionary[ModelFunctions, dict[Method, Layout]] = WeakKeyDictionary()


def layout_of(model: ModelFunctions, method: Method) -> Layout:
    """What all runs of a model with a method share: addresses, coefficients, where everything lies."""
    known = _layouts.setdefault(model, {})
    if method not in known:
        known[method] = _new_layout(model, method)
    return known[method]


def _new_layout(model: ModelFunctions, method: Method) -> Layout:
    n, events, limits = model.n, model.n_events, model.n_limits
    switchings = events + limits
    dense = method.dense_table()
    rows = 2 if dense is None else len(dense)
    layout = Layout(slot.SIZE)
    numbers = {
        slot.N: n, slot.N_ALGEBRAIC: model.n_algebraic, slot.N_EVENTS: events, slot.N_LIMITS: limits,
        slot.N_ROOTS: events + 2 * limits, slot.PARAMETERS: model.n_parameters,
        slot.SETUP: model.setup, slot.RHS: model.rhs, slot.JACOBIAN: model.jacobian,
        slot.GRADIENT: model.time_gradient, slot.ROOTS: model.roots,
        slot.STAGE_COUNT: method.stages, slot.SWEEPS: method.sweeps,
        slot.EXPLICIT: int(method.family == "explicit"), slot.FSAL: int(method.first_same_as_last),
        slot.HERMITE: int(dense is None), slot.DENSE_ROWS: rows, slot.EXTRA_COUNT: method.extra_stages,
        slot.HIGHEST: method.order,
        slot.TWO_ESTIMATES: int(isinstance(method, ExplicitTableau) and bool(method.second)),
    }  # fmt: skip
    for where, number in numbers.items():
        layout.table[where] = number
    constants = {
        slot.MASS: model.mass, slot.ALGEBRAIC: np.flatnonzero(model.mass == 0.0).astype(np.int32),
        slot.DIRECTION: model.event_direction, slot.SIDE_AT_ZERO: model.event_side,
        slot.LIMIT_PARAMETER: model.limit_parameter,
        slot.INDPTR: model.indptr, slot.INDICES: model.indices,
        slot.TABLE: method.table(), slot.EXTRA_TABLE: method.extra_table(),
        slot.DENSE_TABLE: _NOTHING if dense is None else dense,
    }  # fmt: skip
    for where, array in constants.items():
        layout.constant(where, np.ascontiguousarray(array))
    vectors = (
        slot.U, slot.V, slot.END, slot.F0, slot.F1, slot.ERROR, slot.GT, slot.Y, slot.Z, slot.SLOPE0,
        slot.SLOPE1, slot.ATOL,
    )  # fmt: skip
    parts = {
        slot.FLOATS: slot.FLOATS_SIZE, **dict.fromkeys(vectors, n),
        slot.P: model.n_parameters, slot.WORK: model.n_work, slot.JACOBIAN_VALUES: max(len(model.indices), 1),
        slot.STAGES: (method.stages + method.extra_stages) * n, slot.DENSE: rows * n,
        slot.HISTORY: method.memory(n),
        slot.ROOT_VALUES: events + 2 * limits + switchings, slot.ROOTS_BEFORE: switchings,
        **dict.fromkeys((slot.SIDE, slot.FIRED, slot.FIRED_BEFORE, slot.RETURNS, slot.CAME_FROM), switchings),
        slot.HELD: limits, slot.HIGHEST_SINCE: 4 * events, slot.CLEAR: switchings, slot.LARGEST: events,
        slot.NEARBY: n + 2 * switchings if switchings else 0,
    }  # fmt: skip
    reads = np.zeros(events, np.int64) if model.event_reads is None else model.event_reads
    if reads.any():
        layout.constant(slot.EVENT_READS, reads)
        parts[slot.WATCHED] = 5 * events
    if (reads & 2).any():
        layout.table[slot.RESOLVE] = 1
        parts |= dict.fromkeys((slot.RESOLVE_F, slot.RESOLVE_KEPT, slot.RESOLVE_GT), n)
        parts[slot.RESOLVE_JACOBIAN] = max(len(model.indices), 1)
    if method.additive and model.explicit_parameter >= 0:
        parts |= {slot.P_IMPLICIT: model.n_parameters, slot.WORK_IMPLICIT: model.n_work}
        layout.table[slot.EXPLICIT_PARAMETER] = model.explicit_parameter
    for where, count in parts.items():
        layout.part(where, count)
    functions = {f"step_{method.family}": {slot.STEP: "step"}}
    if method.extra_stages:
        functions[f"step_{method.family}"][slot.EXTEND] = "extend"
    if method.family == "bdf":
        functions["step_bdf"] |= {slot.PROPOSE: "propose", slot.INTERPOLANT: "interpolant"}
    if method.factors:
        functions["linear"] = {slot.FACTOR: "factor", slot.SOLVE: "solve"}
    if switchings:
        functions["locate"] = {
            slot.LOCATE: "locate", slot.COARSE: "coarse", slot.SETTLE_SIDES: "settle_sides",
            slot.MAGNIFIES: "magnifies", slot.APPROACH: "approach",
            slot.SWITCH_FIRED: "switch_fired", slot.SWITCH_OUTSIDE: "switch_outside",
        }  # fmt: skip
    if model.n_algebraic:
        functions["newton"] = {
            slot.REINITIALIZE: "reinitialize", slot.SLOPE_START: "slope_start", slot.SLOPE_END: "slope_end",
        }  # fmt: skip
    for unit, names in functions.items():
        addresses = library.addresses(unit)
        for where, name in names.items():
            layout.table[where] = addresses[name]
    return layout
