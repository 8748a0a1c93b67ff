"""A PDE on a Fourier grid as u' = L u + N(u, t), where L is a number for every wave.

What is linear with constant coefficients goes into L. The rest is worked out at the points of the grid: from
fields and their derivatives, which come from the waves, to terms that may be differentiated once more. These
pointwise functions are a system of their own, so that they are compiled like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.complex_equations import imaginary_part
from symnum.language.pde import PDE
from symnum.language.system import System
from symnum.language.variables import D
from symnum.lowering.axis import Axis
from symnum.lowering.schemes.spectral import Fourier, derivative_symbol, resolved, wave_numbers
from symnum.record import record
from symnum.rewriting.derivative import derivative
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import ZERO, Expr
from symnum.rewriting.factor import expanded
from symnum.rewriting.linear_part import LinearPart, is_constant, linear_part
from symnum.rewriting.spatial import Field, Partial, field_leaf
from symnum.rewriting.walk import evaluate_arrays, leaves, substitute

__all__ = ["Component", "FourierForm", "Input", "Output", "WaveGrid", "fourier_form"]

ComplexArray = NDArray[np.complex128]
Orders = tuple[int, ...]  # of the derivatives along each axis


@record
class WaveGrid:
    """The waves of a grid: ``shape`` points on rings of these ``lengths``; ``cut``: by the 2/3 rule."""

    shape: tuple[int, ...]
    lengths: tuple[float, ...]
    cut: tuple[bool, ...]

    @property
    def points(self) -> int:
        return int(np.prod(self.shape))

    def symbol(self, orders: Orders) -> ComplexArray:
        """(points,) what a derivative multiplies each wave by."""
        result: ComplexArray = np.ones((), np.complex128)
        for n, length, order in zip(self.shape, self.lengths, orders, strict=True):
            result = np.multiply.outer(result, derivative_symbol(wave_numbers(n, length), order, n))
        return result.ravel()

    def kept(self) -> NDArray[np.float64]:
        """(points,) 1 for waves that the 2/3 rule leaves in products, else 0."""
        result = np.ones(())
        for n, cut in zip(self.shape, self.cut, strict=True):
            result = np.multiply.outer(result, resolved(n) if cut else np.ones(n))
        return np.asarray(result, float).ravel()

    def opposite(self) -> NDArray[np.int32]:
        """(points,) the place of the opposite wave."""
        index = np.indices(self.shape)
        turned = [-part % n for part, n in zip(index, self.shape, strict=True)]
        found: NDArray[np.int32] = np.ravel_multi_index(turned, self.shape).ravel().astype(np.int32)
        return found


@record
class Component:
    """A real field, or a complex one with both parts; (derivatives, coefficient, the same times i) in L."""

    real: Expr
    imaginary: Expr | None
    linear: tuple[tuple[Orders, Expr, Expr], ...]

    def rates(self, grid: WaveGrid, parameters: Mapping[Expr, float]) -> ComplexArray:
        """(points,) L for numbers in place of the parameters, {leaf: value}."""
        total = np.zeros(grid.points, np.complex128)
        for orders, real, imaginary in self.linear:
            a, b = evaluate_arrays((real, imaginary), parameters)
            total += (a + 1j * b) * grid.symbol(orders)
        return total


@record
class Input:
    """A derivative of a component that the pointwise functions read; of a complex one both parts."""

    component: int
    orders: Orders


@record
class Output:
    """A term of N: the derivative of a pointwise function in the equation of a component, there times i."""

    component: int
    imaginary: bool
    orders: Orders


@record
class FourierForm:
    """The parts of u' = L u + N(u, t).

    inputs: what is read, two real quantities to a pair (one complex component, or one or two real ones).
    outputs: two terms to a pair, the second may be missing. pointwise: a system whose unknowns are the
    ``inputs`` at all points, pair by pair, and whose right-hand sides are the ``outputs``; None if N is zero.
    """

    grid: WaveGrid
    components: tuple[Component, ...]
    inputs: tuple[tuple[Input, Input | None], ...]
    outputs: tuple[tuple[Output, Output | None], ...]
    pointwise: System | None
    parameters: tuple[Expr, ...]  # those in L


def fourier_form(pde: PDE, axes: Mapping[Expr, Axis]) -> FourierForm:
    """The form of a PDE on a grid. ModelError, with the reason, where there is none."""
    _check(pde, axes)
    parts = {u: _solved(pde, u) for u in pde.fields}
    build = _Build(pde, axes, parts)
    return build.form()


def _check(pde: PDE, axes: Mapping[Expr, Axis]) -> None:
    for x, axis in axes.items():
        if not isinstance(axis.scheme, Fourier):
            raise ModelError(
                f"the scheme of {x} is {type(axis.scheme).__name__}; take sn.Fourier in every coordinate"
            )
    for u in pde.fields:
        if set(u.data.coordinates) != set(axes):
            raise ModelError(f"{u} does not depend on all of {', '.join(map(str, axes))}")
        if u.data.coordinates != tuple(axes):
            raise ModelError(f"give the coordinates of {u} in the order {', '.join(map(str, axes))}")
        if pde.time_order(u) != 1:
            raise ModelError(f"the equation for {u} is of order {pde.time_order(u)} in time, not 1")
    if len(pde.equations) > len(pde.fields):
        raise ModelError("there are ordinary equations beside those of the fields")


def _solved(pde: PDE, u: Expr) -> LinearPart:
    """D(u) = sum(terms) + rest."""
    equation = pde.equation_of[u]
    part = linear_part(equation.lhs - equation.rhs)
    rate = part.terms.pop(D(u), ZERO)
    strangers = [leaf for leaf in (*part.terms, *leaves((part.rest,))) if leaf.op == "D"]
    if rate is ZERO or strangers:
        raise ModelError(f"D({u}) must stand in its equation alone, with a constant factor: {equation}")
    for leaf in leaves((part.rest,)):
        if leaf.kind in ("trace", "integral", "variable"):
            raise ModelError(f"{leaf} in the equation for {u} is not of the point where the equation holds")
    return LinearPart({leaf: -c / rate for leaf, c in part.terms.items()}, -part.rest / rate)


class _Build:
    def __init__(self, pde: PDE, axes: Mapping[Expr, Axis], parts: Mapping[Expr, LinearPart]) -> None:
        self.pde, self.axes, self.coordinates = pde, axes, tuple(axes)
        # {field: {(field, orders): coefficient}} of L, and what is left for N
        self.linear: dict[Expr, dict[tuple[Expr, Orders], Expr]] = {}
        self.rest: dict[Expr, Expr] = {}
        for u, part in parts.items():
            self.linear[u] = {self._placed(leaf): c for leaf, c in part.terms.items()}
            self.rest[u] = part.rest

    def form(self) -> FourierForm:
        components = self._components()
        at = {c.real: (k, 0) for k, c in enumerate(components)}
        at |= {c.imaginary: (k, 1) for k, c in enumerate(components) if c.imaginary is not None}
        outputs = self._outputs(at)
        expressions = [expr for pair in outputs for _, expr in pair]
        inputs, names = self._inputs(expressions, components, at)
        pointwise = None
        if outputs:
            given = substitute(tuple(expressions), names) if names else tuple(expressions)
            pointwise = self._pointwise(given, [len(pair) for pair in outputs], len(inputs))
        grid = WaveGrid(
            tuple(axis.n for axis in self.axes.values()),
            tuple(x.data.high - x.data.low for x in self.axes),
            tuple(axis.scheme.dealias for axis in self.axes.values()),
        )
        held = [c for one in components for _, *pair in one.linear for c in pair]
        return FourierForm(
            grid, components, inputs,
            tuple((pair[0][0], pair[1][0] if len(pair) > 1 else None) for pair in outputs),
            pointwise, tuple(leaf for leaf in leaves(tuple(held))),
        )  # fmt: skip

    def _placed(self, leaf: Expr) -> tuple[Expr, Orders]:
        """A field, or a derivative of one, as field and orders."""
        if leaf.kind == "field":
            return leaf, (0,) * len(self.coordinates)
        info: Partial = leaf.data
        orders = dict(zip(info.coordinates, info.orders, strict=True))
        return info.operand, tuple(orders.get(x, 0) for x in self.coordinates)

    # ---- what is linear ---------------------------------------------------------------------------
    def _components(self) -> tuple[Component, ...]:
        found, done = [], set()
        for u in self.pde.fields:
            if u in done:
                continue
            partner = imaginary_part(u)
            if partner in self.linear and (both := self._complex(u, partner)):
                found.append(both)
                done |= {u, partner}
            else:
                found.append(self._real(u))
                done.add(u)
        return tuple(found)

    def _complex(self, a: Expr, b: Expr) -> Component | None:
        """Both parts as one, where L turns one into the other as a factor does."""
        orders = dict.fromkeys(o for u in (a, b) for v, o in self.linear[u] if v in (a, b))
        taken: list[tuple[Orders, Expr, Expr]] = []
        for o in orders:
            aa, ab, ba, bb = (self.linear[u].get((v, o), ZERO) for u in (a, b) for v in (a, b))
            differences = expanded((aa - bb, ab + ba))
            if all(d is ZERO for d in differences):
                taken.append((o, aa, ba))
            elif any(o):
                return None
        for u in (a, b):
            self._to_rest(u, {(v, o) for o, _, _ in taken for v in (a, b)})
        return Component(a, b, tuple(taken))

    def _real(self, u: Expr) -> Component:
        mine = {(v, o): c for (v, o), c in self.linear[u].items() if v is u}
        self._to_rest(u, set(mine))
        return Component(u, None, tuple((o, c, ZERO) for (_, o), c in mine.items()))

    def _to_rest(self, u: Expr, taken: set[tuple[Expr, Orders]]) -> None:
        """Terms without derivatives that L does not hold are left to N; others are too stiff for it."""
        for (v, orders), coefficient in self.linear[u].items():
            if (v, orders) in taken:
                continue
            if any(orders):
                term = ", ".join(f"{x}, {k}" for x, k in zip(self.coordinates, orders, strict=True) if k)
                raise ModelError(
                    f"the linear part is not diagonal in Fourier space: D({v}, {term}) stands in the "
                    f"equation for {u}"
                )
            self.rest[u] = self.rest[u] + coefficient * v

    # ---- what is not ------------------------------------------------------------------------------
    def _outputs(
        self, at: Mapping[Expr, tuple[int, int]]
    ) -> list[list[tuple[Output, Expr]]]:
        """Terms of N by pairs, the parts of a complex component together where they are alike."""
        found: dict[tuple[int, Orders], dict[int, Expr]] = {}
        for u, rest in self.rest.items():
            component, part = at[u]
            for orders, expr in self._terms(u, rest).items():
                found.setdefault((component, orders), {})[part] = expr
        pairs: list[list[tuple[Output, Expr]]] = []
        single: list[tuple[Output, Expr]] = []
        for (component, orders), parts in found.items():
            terms = [(Output(component, bool(part), orders), expr) for part, expr in sorted(parts.items())]
            if len(terms) == 2:
                pairs.append(terms)
            else:
                single += terms
        return pairs + [single[k : k + 2] for k in range(0, len(single), 2)]

    def _terms(self, u: Expr, rest: Expr) -> dict[Orders, Expr]:
        """{orders: pointwise function} whose derivatives sum up to the rest of an equation."""
        none = (0,) * len(self.coordinates)
        found: dict[Orders, Expr] = {}
        for leaf in leaves((rest,)):
            if leaf.kind != "partial" or leaf.data.operand.kind == "field":
                continue
            slope = derivative(rest, leaf)
            if not is_constant(slope):
                raise ModelError(
                    f"{leaf} has a factor that is not constant in the equation for {u}; work the derivative "
                    "out by hand, so that fields alone are differentiated"
                )
            orders, operand = none, leaf
            while operand.kind == "partial" and operand.data.operand.kind != "field":
                inner, more = self._placed(operand)
                operand, orders = inner, tuple(a + b for a, b in zip(orders, more, strict=True))
            nested = [x for x in leaves((operand,)) if x.kind == "partial" and x.data.operand.kind != "field"]
            if nested:
                raise ModelError(
                    f"{nested[0]} is differentiated within {leaf}; give it a field of its own, or work the "
                    "derivative out by hand"
                )
            found[orders] = found.get(orders, ZERO) + slope * operand
            (rest,) = substitute((rest,), {leaf: ZERO})
        if rest is not ZERO:
            found[none] = found.get(none, ZERO) + rest
        return found

    def _inputs(
        self, expressions: Sequence[Expr], components: Sequence[Component], at: Mapping[Expr, tuple[int, int]]
    ) -> tuple[tuple[tuple[Input, Input | None], ...], dict[Expr, Expr]]:
        """What the functions read by pairs, and the name that each has in them."""
        read = [leaf for leaf in leaves(tuple(expressions)) if leaf.kind in ("field", "partial")]
        whole: dict[tuple[int, Orders], int] = {}
        single: dict[tuple[int, Orders], int] = {}
        for leaf in read:
            u, orders = self._placed(leaf)
            component = at[u][0]
            group = whole if components[component].imaginary is not None else single
            group.setdefault((component, orders), len(group))
        ones = [Input(*key) for key in single]
        pairs: list[tuple[Input, Input | None]] = [(Input(*key), None) for key in whole]
        pairs += [
            (ones[k], ones[k + 1] if k + 1 < len(ones) else None) for k in range(0, len(ones), 2)
        ]
        names: dict[Expr, Expr] = {}
        for leaf in read:
            u, orders = self._placed(leaf)
            component, part = at[u]
            number = (
                2 * whole[component, orders] + part
                if (component, orders) in whole
                else 2 * len(whole) + single[component, orders]
            )
            names[leaf] = self._name(number)
        return tuple(pairs), names

    def _name(self, number: int) -> Expr:
        return field_leaf(Field(f"fourier_{number}", "field", self.coordinates))

    def _pointwise(self, given: Sequence[Expr], sizes: Sequence[int], pairs: int) -> System:
        from symnum.lowering.discretize import Discretizer

        right: list[Expr] = []
        rest = list(given)
        for size in sizes:
            right += [*rest[:size], ZERO][:2]
            del rest[:size]
        right += [ZERO] * (2 * pairs - len(right))
        equations = [Equation(D(self._name(k)), expr) for k, expr in enumerate(right)]
        start = {self._name(k): 0.0 for k in range(len(right))}
        pde = PDE(f"{self.pde.name}_pointwise", equations, initial=start)
        pde.fields = tuple(start)  # transforms go through the unknowns in this order
        return Discretizer(pde, self.axes).system()
