"""Parts of a system that other code computes: their numbers, and functions that ask that code.

The compiled functions of such a system read hidden parameters (see `symnum.language.hosted`). Here each is
wrapped in a function of the host that sets these for the point at which it is called.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.compiled import SIGNATURE
from symnum.codegen.model_functions import ModelFunctions
from symnum.codegen.outside_calls import OutsidePart, asking_functions
from symnum.errors import SolveFailed
from symnum.language.hosted import HostedUnit
from symnum.lowering.families import IntArray
from symnum.lowering.flat import FlatSystem, Hosted
from symnum.lowering.raw import RawSystem
from symnum.record import replace

__all__ = ["HostedUnits", "held_unknowns", "hosted_parts"]

FloatArray: TypeAlias = NDArray[np.float64]

_AHEAD = 1e-6  # relative: the step of differences in time


def held_unknowns(raw: RawSystem) -> IntArray:
    """Inputs and outputs of hosted parts: they stay in ``u``, where the host finds them."""
    found = [
        _number(raw.unknowns.find(f"{part.path}.{name}"))
        for part in raw.hosted
        for name in (*part.inputs, *part.outputs)
    ]
    return np.array(found, np.int64)


def hosted_parts(raw: RawSystem) -> tuple[Hosted, ...]:
    """The numbers of the quantities of each hosted part."""
    found = []
    for part in raw.hosted:

        def parameters(names: Sequence[str], path: str = part.path) -> IntArray:
            return np.array([_number(raw.parameters.find(f"{path}.{name}")) for name in names], np.int64)

        rows, columns = len(part.states) + len(part.outputs), len(part.states) + len(part.inputs)
        z = [_number(raw.unknowns.find(f"{part.path}.{name}")) for name in (*part.states, *part.inputs)]
        reads = np.array(part.reads, np.int64).reshape(-1, 2)
        found.append(
            Hosted(
                part.path, part.unit, len(part.states), np.array(z, np.int64),
                parameters([f"hidden_value_{k}" for k in range(rows + part.indicators)]),
                parameters([f"hidden_point_{k}" for k in range(columns)]),
                parameters([f"hidden_slope_{row}_{column}" for row, column in part.reads]), reads,
                parameters([*(f"hidden_new_{k}" for k in range(len(part.states))), "hidden_new_next"]),
                int(parameters(["hidden_next"])[0]), parameters(part.settable),
            )
        )  # fmt: skip
    return tuple(found)


def _number(found: int | None) -> int:
    assert found is not None
    return found


class HostedUnits:
    """The code of all hosted parts of a compiled system. It has a state: one run goes at a time.
    """

    def __init__(self, flat: FlatSystem) -> None:
        self.flat, self.parts = flat, flat.hosted
        self.units: list[HostedUnit] = [part.unit() for part in flat.hosted]
        self._error: Exception | None = None
        self._status = np.zeros(2, np.int64)  # of C functions: number of the call that failed, and its status
        self._called: list[str] = []
        self._fresh = np.ones(1, np.int64)  # asked before any run
        self._places: list[tuple[IntArray, FloatArray]] = []
        for part in self.parts:
            pairs = [flat.without_sign(int(flat.structure.representative[x])) for x in part.z.tolist()]
            places = flat.position[np.array([number for number, _ in pairs], np.int64)]
            assert (places >= 0).all()
            self._places.append((places, np.array([sign for _, sign in pairs], float)))

    @property
    def error(self) -> Exception | None:
        """What was raised last, or the status that a C function gave."""
        call, status = self._status.tolist()
        if self._error is None and call:
            return SolveFailed(f"{self._called[call - 1]} failed with status {status}")
        return self._error

    @property
    def steps(self) -> bool:
        """Whether a part is to be told of steps."""
        return any(unit.steps for unit in self.units)

    @property
    def ended(self) -> bool:
        """Whether a part has asked for the end of the run."""
        return any(unit.ended for unit in self.units)

    def begin(self, t: float, u: FloatArray, p: FloatArray, declared: NDArray[np.bool_]) -> None:
        """Initialize. declared: (n,) the starts that nobody gave: those are the unit's own, in ``u``."""
        self._error = None
        self._status[:] = 0
        for j, (part, unit) in enumerate(zip(self.parts, self.units, strict=True)):
            x, following = unit.begin(t, p[part.settable])
            places, sign = (each[: part.states] for each in self._places[j])
            u[places] = np.where(declared[places], sign * x, u[places])
            p[part.next] = following
        self._fresh[0] = 0

    def event(self, t: float, u: FloatArray, p: FloatArray, changed: Sequence[int]) -> None:
        """Set the new values of those parts whose events set the parameters ``changed``."""
        for j, (part, unit) in enumerate(zip(self.parts, self.units, strict=True)):
            if part.next in changed:
                x, following = unit.event(t, *self._point(j, u))
                p[part.new] = [*x, following]

    def stepped(self, t: float, u: FloatArray) -> list[int]:
        """Parts that want an event behind this step, by the parameter that tells of their next one."""
        return [
            part.next
            for j, (part, unit) in enumerate(zip(self.parts, self.units, strict=True))
            if unit.stepped(t, *self._point(j, u))
        ]

    def fill(self, t: float, u: FloatArray, p: FloatArray, slopes: bool) -> None:
        """Write the hidden parameters for this point into ``p``."""
        self._begun(t, p)
        for j, (part, unit) in enumerate(zip(self.parts, self.units, strict=True)):
            x, inputs = self._point(j, u)
            p[part.values] = unit.values(t, x, inputs)
            p[part.points] = np.concatenate([x, inputs])
            if slopes and len(part.reads):
                p[part.slopes] = unit.slopes(t, x, inputs)[part.reads[:, 0], part.reads[:, 1]]

    def _begun(self, t: float, p: FloatArray) -> None:
        if self._fresh[0]:
            for part, unit in zip(self.parts, self.units, strict=True):
                unit.begin(t, p[part.settable])
            self._fresh[0] = 0

    def _point(self, j: int, u: FloatArray) -> tuple[FloatArray, FloatArray]:
        places, sign = self._places[j]
        z = sign * u[places]
        return z[: self.parts[j].states], z[self.parts[j].states :]

    # ---- functions for the kernel -----------------------------------------------------------------
    def wrapped(self, model: ModelFunctions) -> ModelFunctions:
        """The functions of the model with the hidden parameters set before each call."""
        found = [unit.calls() for unit in self.units]
        asked = [calls for calls in found if calls is not None]
        made = self._wrapped_in_python(model)
        if len(asked) < len(found):
            return made
        self._called = [c.name for calls in asked for c in (*calls.calls, *(calls.slope_calls or ()))]
        slopes = all(calls.slope_calls is not None for calls in asked)
        parts = [
            OutsidePart(calls, *self._places[j], part.points, part.values, part.slopes, part.reads)
            for j, (calls, part) in enumerate(zip(asked, self.parts, strict=True))
        ]
        functions = {"rhs": (model.rhs, model.n, False)}
        if slopes:
            functions["jacobian"] = (model.jacobian, model.entries, True)
        if model.roots:
            functions["roots"] = (model.roots, model.n_events + 2 * model.n_limits, False)

        def begin(t: float, out: int, u: int, p: int, work: int) -> None:
            try:
                self._begun(t, _view(p, model.n_parameters))
            except Exception as error:
                self._error = error

        first = SIGNATURE(begin)
        addresses = asking_functions(
            parts, functions, model.setup, np.zeros(max(model.entries, 1)), self._fresh,
            ctypes.cast(first, ctypes.c_void_p).value or 0, self._status,
        )  # fmt: skip
        return replace(made, **addresses, owners=(*made.owners, first, parts))

    def _wrapped_in_python(self, model: ModelFunctions) -> ModelFunctions:
        setup = SIGNATURE(model.setup)
        n, n_p = model.n, model.n_parameters
        constants = np.zeros(max(model.entries, 1))
        keep: list[Any] = [setup, constants, self]

        def guarded(size: int, body: Callable[..., None]) -> int:
            def call(t: float, out: int, u: int, p: int, work: int) -> None:
                try:
                    body(t, out, u, p, work)
                except Exception as error:  # it cannot pass through the kernel
                    self._error = error
                    _view(out, size)[:] = math.nan

            keep.append(SIGNATURE(call))
            return ctypes.cast(keep[-1], ctypes.c_void_p).value or 0

        def plain(address: int, size: int, slopes: bool) -> int:
            function = SIGNATURE(address)
            keep.append(function)

            def body(t: float, out: int, u: int, p: int, work: int) -> None:
                self.fill(t, _view(u, n), _view(p, n_p), slopes)
                setup(t, out if slopes else constants.ctypes.data, u, p, work)
                function(t, out, u, p, work)

            return guarded(size, body)

        rhs = plain(model.rhs, n, False)
        function = SIGNATURE(rhs)

        def gradient(t: float, out: int, u: int, p: int, work: int) -> None:
            """By differences of second order ahead."""
            h = _AHEAD * max(1.0, abs(t))
            rows = np.zeros((3, n))
            for k in range(3):
                function(t + k * h, rows[k].ctypes.data, u, p, work)
            _view(out, n)[:] = (-3.0 * rows[0] + 4.0 * rows[1] - rows[2]) / (2.0 * h)
            self.fill(t, _view(u, n), _view(p, n_p), False)

        return replace(
            model, rhs=rhs, jacobian=plain(model.jacobian, model.entries, True),
            time_gradient=guarded(n, gradient),
            roots=plain(model.roots, model.n_events + 2 * model.n_limits, False) if model.roots else 0,
            owners=(*model.owners, *keep),
        )  # fmt: skip


def _view(address: int, size: int) -> FloatArray:
    if not size:
        return np.empty(0)
    return np.ctypeslib.as_array((ctypes.c_double * size).from_address(address))
