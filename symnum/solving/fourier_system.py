"""The tables that the kernels of steps in Fourier space work with: waves, transforms, pointwise functions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.model_functions import FloatArray, IntArray
from symnum.errors import ModelError
from symnum.language.system import System
from symnum.lowering.compile import CompiledSystem
from symnum.lowering.compile import compile as compile_system
from symnum.lowering.flat import FlatSystem
from symnum.lowering.fourier_form import FourierForm, Orders, Output
from symnum.rewriting.expr import Expr
from symnum.solving.field_waves import FieldWaves
from symnum.solving.fourier_method import ComplexArray, FourierMethod, Rows
from symnum.solving.kernel import modal_slot as slot
from symnum.solving.kernel.call import address_of, model_function

__all__ = ["FourierSystem"]


class FourierSystem:
    """A form with its memory, for the states of a flat system (n,) and its parameters."""

    def __init__(self, form: FourierForm, flat: FlatSystem, method: FourierMethod) -> None:
        self.form, self.flat, self.method = form, flat, method
        self.n, self.count = form.grid.points, len(form.components)
        self.table: IntArray = np.zeros(slot.N_MODAL, np.int64)
        self.floats: FloatArray = np.zeros(slot.N_MODAL_FLOATS)
        self._held: dict[int, NDArray[np.generic]] = {}  # by place: what addresses lead to
        self._weights: dict[float, list[NDArray[np.generic]]] = {}
        self._symbols: dict[tuple[Orders, complex, bool], int] = {}
        self.fields = FieldWaves(form, flat)
        self._hold(slot.M_FLOATS, self.floats)
        self._set(slot.M_POINTS, self.n)
        self._set(slot.M_COMPONENTS, self.count)
        self._set(slot.M_STAGES, method.stages)
        self.state = self._vectors(slot.M_STATE, 1)[0]
        self._vectors(slot.M_NEXT, 1)
        self._vectors(slot.M_ARGUMENT, 1)
        self.terms = self._vectors(slot.M_TERMS, method.stages + 1)
        self._kept = np.zeros((2, self.count, 2, self.n))
        self._hold(slot.M_OPPOSITE, form.grid.opposite())
        self._hold(slot.M_REAL, np.array([c.imaginary is None for c in form.components], np.int64))
        self._hold(slot.M_NODES, np.array(method.c))
        self.atol = np.ones(self.count)
        self._hold(slot.M_ATOL, self.atol)
        self._transforms()
        self.pointwise: CompiledSystem | None = None
        if form.pointwise is not None:
            self._functions(form.pointwise)
        self.rates: ComplexArray = np.zeros((self.count, self.n), np.complex128)

    def _set(self, place: int, value: int) -> None:
        self.table[place] = value

    def _hold(self, place: int, array: NDArray[np.generic]) -> None:
        self._held[place] = array
        self._set(place, address_of(array))

    def _vectors(self, place: int, count: int) -> FloatArray:
        array = np.zeros((count, self.count, 2, self.n))
        self._hold(place, array)
        return array

    # ---- tables -----------------------------------------------------------------------------------
    def _transforms(self) -> None:
        shape = self.form.grid.shape
        rows = []
        for k, n in enumerate(shape):
            factors = np.array(_factors(n), np.int64)
            twiddles = _twiddles(n, factors.tolist())
            before, behind = int(np.prod(shape[:k])), int(np.prod(shape[k + 1 :]))
            row = np.array(
                [n, before, behind, address_of(factors), len(factors), address_of(twiddles)], np.int64
            )
            for part, array in enumerate((factors, twiddles, row)):
                self._held[-1 - 3 * k - part] = array
            rows.append(address_of(row))
        self._set(slot.M_AXES, len(shape))
        self._hold(slot.M_AXIS_TABLE, np.array(rows, np.int64))
        self._hold(slot.M_SCRATCH, np.zeros(2 * self.n))

    def _functions(self, pointwise: System) -> None:
        form, n = self.form, self.n
        compiled = self.pointwise = compile_system(pointwise)
        functions, own = compiled.model.functions, compiled.flat
        pairs = max(len(form.inputs), len(form.outputs))
        order = own.position[own.structure.representative[: 2 * n * pairs]]
        assert np.array_equal(order, np.arange(own.n))
        none = -1
        inputs = np.full((len(form.inputs), slot.N_INPUT), none, np.int64)
        for row, (first, second) in zip(inputs, form.inputs, strict=True):
            row[slot.I_FIRST] = first.component
            row[slot.I_FIRST_SYMBOL] = self._symbol(first.orders, 1.0 / n, cut=False)
            if second is not None:
                row[slot.I_SECOND] = second.component
                row[slot.I_SECOND_SYMBOL] = self._symbol(second.orders, 1.0 / n, cut=False)
        outputs = np.full((len(form.outputs), slot.N_OUTPUT), none, np.int64)
        for row, (one, other) in zip(outputs, form.outputs, strict=True):
            row[slot.O_COMPLEX] = other is not None and _is_whole(one, other)
            row[slot.O_FIRST] = one.component
            row[slot.O_FIRST_SYMBOL] = self._symbol(one.orders, 1j if one.imaginary else 1.0, cut=True)
            if other is not None:
                row[slot.O_SECOND] = other.component
                factor = 1j if other.imaginary else 1.0
                row[slot.O_SECOND_SYMBOL] = self._symbol(other.orders, factor, cut=True)
        self._set(slot.M_INPUTS, len(inputs))
        self._set(slot.M_OUTPUTS, len(outputs))
        self._hold(slot.M_OUTPUT_TABLE, outputs)
        if len(inputs):
            self._hold(slot.M_INPUT_TABLE, inputs)
        self._hold(slot.M_U, np.zeros((pairs, 2, n)))
        self._hold(slot.M_OUT, np.zeros((pairs, 2, n)))
        self._parameters = np.zeros(max(len(own.parameters), 1))
        self._hold(slot.M_P, self._parameters)
        self._work = np.zeros(functions.n_work + 1)
        self._hold(slot.M_WORK, self._work)
        self._set(slot.M_RHS, functions.rhs)
        names = [info.name for info in own.parameters]
        found = [self.flat.parameters.find(name) for name in names]
        assert all(k is not None for k in found)
        self._from = np.array(found, np.int64)

    def _symbol(self, orders: Orders, factor: complex, *, cut: bool) -> int:
        """The address of what a derivative multiplies waves by, times a factor."""
        key = (orders, factor, cut)
        if key not in self._symbols:
            grid = self.form.grid
            values = factor * grid.symbol(orders) * (grid.kept() if cut else 1.0)
            array = np.array([values.real, values.imag])
            self._held[-1000 - len(self._symbols)] = array
            self._symbols[key] = address_of(array)
        return self._symbols[key]

    # ---- numbers ----------------------------------------------------------------------------------
    def put_state(self, u: FloatArray) -> None:
        waves = self.fields.of(u)
        self.state[:, 0], self.state[:, 1] = waves.real, waves.imag
        self._set(slot.M_HAVE_FIRST, 0)

    def put_tolerances(self, rtol: float, atol: FloatArray) -> None:
        """atol: (n,) of the states; a component has their mean. Waves are larger by the number of points."""
        self.floats[slot.M_RTOL] = rtol
        for k, (real, _) in enumerate(self.fields.places):
            self.atol[k] = self.n * float(np.mean(atol[real]))

    def put_parameters(self, p: FloatArray) -> None:
        form = self.form
        values: dict[Expr, float] = {}
        for leaf in form.parameters:
            number = self.flat.parameters.find(leaf.name)
            assert number is not None
            values[leaf] = float(p[number])
        self._put_rates(values)
        if self.pointwise is not None:
            self._parameters[: len(self._from)] = p[self._from]
            functions = self.pointwise.model.functions
            constant = np.zeros(len(functions.indices) + 1)
            model_function(
                functions.setup, 0.0, address_of(constant), int(self.table[slot.M_U]),
                int(self.table[slot.M_P]), int(self.table[slot.M_WORK]),
            )  # fmt: skip
        self._set(slot.M_HAVE_FIRST, 0)

    def _put_rates(self, parameters: Mapping[Expr, float]) -> None:
        self.rates = np.array([c.rates(self.form.grid, parameters) for c in self.form.components])
        self._weights.clear()
        if not np.isfinite(self.rates).all():
            raise ModelError(f"{self.flat.name}: the coefficients of its linear terms are not finite")

    def put_step(self, h: float) -> None:
        """The weights of steps of this length."""
        if h not in self._weights:
            while len(self._weights) >= _REMEMBERED:
                del self._weights[next(iter(self._weights))]
            self._weights[h] = self._laid_out(self.method.weights(h * self.rates.ravel(), h))
        self._hold(slot.M_WEIGHTS, self._weights[h][0])

    def _laid_out(self, rows: Rows) -> list[NDArray[np.generic]]:
        """Addresses of weights, followed by what they lead to; equal weights are there once."""
        addresses = np.zeros((len(rows), len(rows[0])), np.int64)
        arrays: list[NDArray[np.generic]] = [addresses]
        known: dict[bytes, int] = {}
        for i, row in enumerate(rows):
            for j, weight in enumerate(row):
                if weight is None or not weight.any():
                    continue
                key = weight.tobytes()
                if key not in known:
                    parts = np.array([weight.real, weight.imag]).reshape(2, self.count, self.n)
                    array = np.ascontiguousarray(parts.transpose(1, 0, 2))
                    arrays.append(array)
                    known[key] = address_of(array)
                addresses[i, j] = known[key]
        return arrays

    def keep(self, wanted: bool) -> None:
        """Whether steps leave behind what `step_record` gives."""
        self._set(slot.M_KEPT, address_of(self._kept) if wanted else 0)

    def step_record(self) -> ComplexArray:
        """(5, components, points): of the last step the state before, N at begin, middle and end, the state
        after."""
        middle = sum((weight * self.terms[k] for weight, k in self.method.middle), np.zeros_like(self.state))
        parts = np.array([*self._kept, middle, self.terms[self.method.last], self.state])
        return np.asarray(parts[:, :, 0] + 1j * parts[:, :, 1])

    def waves(self) -> ComplexArray:
        return np.asarray(self.state[:, 0] + 1j * self.state[:, 1])

    def slope(self) -> ComplexArray:
        """L u + N at the state, whose N is that of the first stage."""
        first = self.terms[0]
        return np.asarray(self.rates * self.waves() + first[:, 0] + 1j * first[:, 1])


# sets of weights that are kept
_REMEMBERED = 8


def _is_whole(one: Output, other: Output) -> bool:
    """Whether two terms are the parts of one complex term."""
    same = (one.component, one.orders) == (other.component, other.orders)
    return same and not one.imaginary and other.imaginary


def _factors(n: int) -> list[int]:
    """Fours first, then a two, then odd primes."""
    found = []
    for r in (4, 2):
        while n % r == 0:
            found.append(r)
            n //= r
    r = 3
    while n > 1:
        while n % r == 0:
            found.append(r)
            n //= r
        r += 2
    return found


def _twiddles(n: int, factors: list[int]) -> FloatArray:
    """For each factor r of a length r m: exp(-2 pi i p k/(r m)) for p < m, 0 < k < r; of factors without a
    pass of their own also the r roots of one."""
    parts = []
    for r in factors:
        m = n // r
        # the product is reduced first, so that angles keep their digits
        turns = np.outer(np.arange(m), np.arange(1, r)) % n / n
        parts.append(np.exp(-2j * np.pi * turns).ravel())
        if r > 5:
            parts.append(np.exp(-2j * np.pi * np.arange(r) / r))
        n = m
    whole = np.concatenate(parts)
    return np.array([whole.real, whole.imag]).T.ravel().copy()
