"""An instance of a functional mock-up unit, for model exchange: driven through FMPy (BSD licence)."""

from __future__ import annotations

import ctypes
import math
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.outside_calls import OutsideCall, OutsideCalls
from symnum.errors import ModelError, SolveFailed
from symnum.language.hosted import NO_EVENT
from symnum.record import record

__all__ = ["Access", "Interface", "Unit"]

FloatArray: TypeAlias = NDArray[np.float64]

_ROUNDS = 100  # of an event, until its discrete states settle
_SHIFT = float(np.cbrt(np.finfo(float).eps))  # relative: of central differences


@record
class Interface:
    """What is called, and with which references; all of them of real scalars, except ``indicators``, a count.

    folder: the unpacked unit. derivatives, states, inputs, outputs, settable: value references.
    directional: whether the unit gives directional derivatives. steps: whether it is told of every step.
    """

    folder: Path
    version: int
    title: str
    identifier: str
    token: str
    states: tuple[int, ...]
    derivatives: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    settable: tuple[int, ...]
    indicators: int
    directional: bool
    steps: bool


class Access:
    """An instance of a unit: made, initialized, and its variables read and set."""

    def __init__(self, interface: Interface, kind: Any) -> None:
        """kind: the class of FMPy for the version and the kind of use."""
        self.interface = interface
        try:
            self.fmu: Any = kind(
                guid=interface.token, modelIdentifier=interface.identifier,
                unzipDirectory=str(interface.folder), instanceName=interface.title,
            )  # fmt: skip
            self.fmu.instantiate()
        except Exception as error:
            raise ModelError(f"import_fmu: {interface.title} cannot be instantiated: {error}") from error
        self._began = self.steps = self.ended = False

    def __del__(self) -> None:
        fmu = getattr(self, "fmu", None)
        if fmu is not None and getattr(fmu, "component", None):
            fmu.freeInstance()

    def initialize(self, t: float, parameters: Any) -> None:
        """From wherever it stands through initialization at time t."""
        fmu, known = self.fmu, self.interface
        self.ended = False
        if self._began:
            fmu.reset()
        self._began = True
        if known.version == 2:
            fmu.setupExperiment(startTime=t)
        self.set(known.settable, np.asarray(parameters, float).tolist())
        fmu.enterInitializationMode(**({} if known.version == 2 else {"startTime": t}))
        fmu.exitInitializationMode()

    def set(self, references: tuple[int, ...], values: list[float]) -> None:
        """Real variables by their references."""
        if references:
            (self.fmu.setReal if self.interface.version == 2 else self.fmu.setFloat64)(references, values)

    def get(self, references: tuple[int, ...]) -> list[float]:
        """Real variables by their references."""
        if not references:
            return []
        read = self.fmu.getReal if self.interface.version == 2 else self.fmu.getFloat64
        return list(read(references))


class Unit(Access):
    """One instance; `symnum.language.hosted.HostedUnit` says what its functions do."""

    def __init__(self, interface: Interface) -> None:
        from fmpy.fmi2 import FMU2Model
        from fmpy.fmi3 import FMU3Model

        super().__init__(interface, FMU2Model if interface.version == 2 else FMU3Model)
        self.steps = interface.steps
        self._x = np.zeros(len(interface.states))
        self._slope = np.zeros(len(interface.states))
        self._indicators = np.zeros(interface.indicators)

    def begin(self, t: float, parameters: Any) -> tuple[FloatArray, float]:
        self.initialize(t, parameters)
        return self._settled()

    def values(self, t: float, x: FloatArray, inputs: FloatArray) -> FloatArray:
        fmu, known = self.fmu, self.interface
        self._move(t, x, inputs)
        if known.states:
            (fmu.getDerivatives if known.version == 2 else fmu.getContinuousStateDerivatives)(
                _pointer(self._slope), len(known.states)
            )
        if known.indicators:
            fmu.getEventIndicators(_pointer(self._indicators), known.indicators)
        return np.concatenate([self._slope, self.get(known.outputs), self._indicators])

    def slopes(self, t: float, x: FloatArray, inputs: FloatArray) -> FloatArray:
        known = self.interface
        z = np.concatenate([x, inputs])
        rows = (*known.derivatives, *known.outputs)
        found = np.zeros((len(rows), len(z)))
        if known.directional:
            self._move(t, x, inputs)
            for column, reference in enumerate((*known.states, *known.inputs)):
                found[:, column] = self.fmu.getDirectionalDerivative(rows, [reference], [1.0])
            return found
        n = len(known.states)
        for column in range(len(z)):
            sides = []
            h = _SHIFT * max(1.0, abs(z[column]))
            for sign in (1.0, -1.0):
                moved = z.copy()
                moved[column] += sign * h
                sides.append(self.values(t, moved[:n], moved[n:])[: len(rows)])
            found[:, column] = (sides[0] - sides[1]) / (2.0 * h)
        return found

    def event(self, t: float, x: FloatArray, inputs: FloatArray) -> tuple[FloatArray, float]:
        self._move(t, x, inputs)
        self.fmu.enterEventMode()
        return self._settled()

    def stepped(self, t: float, x: FloatArray, inputs: FloatArray) -> bool:
        if not self.interface.steps:
            return False
        self._move(t, x, inputs)
        wanted, ends = self.fmu.completedIntegratorStep()
        self.ended = self.ended or bool(ends)
        return bool(wanted or ends)

    def calls(self) -> OutsideCalls:
        """`values` and `slopes` as calls of the unit's own functions."""
        known, real = self.interface, ctypes.c_uint32
        n, inputs = len(known.states), len(known.inputs)
        rows = (*known.derivatives, *known.outputs)
        point, result = np.zeros(max(n + inputs, 1)), np.zeros(max(len(rows) + known.indicators, 1))
        slopes, one = np.zeros((max(n + inputs, 1), max(len(rows), 1))), np.ones(1)
        owners: list[object] = [self, one]

        def references(numbers: tuple[int, ...]) -> int:
            owners.append((real * len(numbers))(*numbers))
            return ctypes.addressof(owners[-1])  # type: ignore[arg-type]

        def place(array: FloatArray, k: int = 0) -> int:
            return array.ctypes.data + 8 * k

        second = known.version == 2
        prefix, kind = ("fmi2", "Real") if second else ("fmi3", "Float64")
        component = self.fmu.component
        instance = int(component if isinstance(component, int) else component.value)

        def call(name: str, *arguments: int | None) -> OutsideCall:
            function = getattr(self.fmu.dll, prefix + name)
            address = ctypes.cast(function, ctypes.c_void_p).value or 0
            return OutsideCall(f"{known.title}: {prefix}{name}", address, (instance, *arguments))

        def variables(name: str, numbers: tuple[int, ...], at: int) -> OutsideCall:
            count = len(numbers)
            more = () if second else (count,)
            return call(f"{name}{kind}", references(numbers), count, at, *more)

        found = [call("SetTime", None)]
        if n:
            found.append(call("SetContinuousStates", place(point), n))
        if inputs:
            found.append(variables("Set", known.inputs, place(point, n)))
        if n:
            derivatives = "GetDerivatives" if second else "GetContinuousStateDerivatives"
            found.append(call(derivatives, place(result), n))
        if known.outputs:
            found.append(variables("Get", known.outputs, place(result, n)))
        if known.indicators:
            found.append(call("GetEventIndicators", place(result, len(rows)), known.indicators))
        partial = None
        if known.directional:
            unknown, size = references(rows), len(rows)
            partial = tuple(
                call(
                    "GetDirectionalDerivative", unknown, size, references((reference,)), 1, place(one),
                    *(() if second else (1,)), place(slopes, column * size), *(() if second else (size,)),
                )
                for column, reference in enumerate((*known.states, *known.inputs))
                if size
            )  # fmt: skip
        return OutsideCalls(point, result, slopes, tuple(found), partial, tuple(owners))

    def _settled(self) -> tuple[FloatArray, float]:
        """From event mode to continuous time: the states, and the time of the next event."""
        fmu, known = self.fmu, self.interface
        for _ in range(_ROUNDS):
            if known.version == 2:
                again, ends, _, _, planned, following = fmu.newDiscreteStates()
            else:
                again, ends, _, _, planned, following = fmu.updateDiscreteStates()
            self.ended = self.ended or bool(ends)
            if not again or self.ended:
                break
        else:
            raise SolveFailed(f"{known.title}: its discrete states do not settle in {_ROUNDS} rounds")
        fmu.enterContinuousTimeMode()
        if known.states:
            fmu.getContinuousStates(_pointer(self._x), len(known.states))
        return self._x.copy(), float(following) if planned and math.isfinite(following) else NO_EVENT

    def _move(self, t: float, x: FloatArray, inputs: FloatArray) -> None:
        self.fmu.setTime(t)
        if len(x):
            self._x[:] = x
            self.fmu.setContinuousStates(_pointer(self._x), len(x))
        self.set(self.interface.inputs, inputs.tolist())


def _pointer(values: FloatArray) -> Any:
    return values.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
