"""A system of partial differential equations as on paper: equations, conditions on the faces, a start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from symnum.errors import ModelError, UnknownName
from symnum.language.complex_equations import complex_fields, real_equations, real_values
from symnum.language.event import Event, checked_events
from symnum.language.neural_network import with_networks_written_out
from symnum.language.variables import checked_name
from symnum.record import record
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr, Symbol, symbol
from symnum.rewriting.spatial import Trace, fields_of, spatial_leaves
from symnum.rewriting.walk import leaves, substitute


@record
class Condition:
    """A boundary condition: ``residual`` is zero on the face of ``coordinate`` at its low or high end.

    ``residual`` is written over the fields themselves, without ``.at``.
    """

    equation: Equation
    residual: Expr
    field: Expr
    coordinate: Expr
    high: bool

    @property
    def face(self) -> str:
        info = self.coordinate.data
        return f"{self.coordinate} = {info.high if self.high else info.low:g}"

    @property
    def fixes_value(self) -> bool:
        """Whether the condition gives the field itself, with no derivative in it (Dirichlet)."""
        return all(leaf.kind not in ("partial", "integral") for leaf in leaves(self.residual))


class PDE:
    """Equations in fields, with conditions on the faces of their domain.

    equations: one for each field (and for each ordinary unknown that appears); a field without a time
    derivative is given by an elliptic equation. boundary: ``u.at(x, 0) == g``, ``D(u, x).at(x, 1) == 0``,
    any expression of both; as many for each field and coordinate as derivatives are taken in it, none in a
    periodic coordinate. initial: {field or D(field): expression of the coordinates, array over the grid, or
    function of coordinate arrays}, and numbers for ordinary unknowns. events: as for a `System`; they read
    fields as ``u.at(x, 0.3)`` and ``integral(u, x)``.

    >>> import symnum as sn
    >>> x = sn.coordinate("x", 0, 1)
    >>> u = sn.field("u", x)
    >>> PDE("heat", [sn.D(u) == sn.D(u, x, 2)], boundary=[u.at(x, 0) == 0, u.at(x, 1) == 0])
    <PDE heat: u(x), 1 equations, 2 boundary conditions>
    """

    def __init__(
        self,
        name: str,
        equations: Iterable[Equation],
        *,
        boundary: Iterable[Equation] = (),
        initial: Mapping[Expr, Any] | None = None,
        events: Iterable[Event] = (),
    ) -> None:
        self.name = checked_name(name, "PDE: ")
        self.events, watched = _watched(checked_events(events, name))
        self.equations = with_networks_written_out(
            real_equations((*_checked_equations(equations, f"{name}: the equations"), *watched))
        )
        found: dict[Expr, None] = {}
        for equation in self.equations:
            held = [u for side in (equation.lhs, equation.rhs) for u in fields_of(side)]
            # the one that the equation gives first: the order of leaves means nothing
            held.sort(key=lambda u: not max(_time_order(equation.lhs, u), _time_order(equation.rhs, u)))
            found.update(dict.fromkeys(held))
        self.fields = tuple(found)
        if not self.fields:
            raise ModelError(f"{name}: no equation holds a field; u = sn.field('u', x) makes one")
        self.coordinates = tuple(dict.fromkeys(x for u in self.fields for x in u.data.coordinates))
        self._check_names()
        self.equation_of = _assigned(name, self.equations, self.fields)
        self.conditions = _conditions(
            self,
            with_networks_written_out(
                real_equations(_checked_equations(boundary, f"{name}: the boundary conditions"))
            ),
        )
        self.initial, self.defaults = _checked_initial(name, initial or {}, self.fields, self.equations)

    def _check_names(self) -> None:
        kinds: dict[str, Expr] = {}
        for leaf in (
            leaf for e in self.equations for side in (e.lhs, e.rhs) for leaf in spatial_leaves(side)
        ):
            inner = leaf.args[0] if leaf.op == "D" else leaf
            if inner.kind in ("field", "coordinate", "variable", "parameter"):
                other = kinds.setdefault(inner.name, inner)
                if other is not inner:
                    raise ModelError(
                        f"{self.name}: two different symbols are called {inner.name}; rename one of them"
                    )

    def __getattr__(self, name: str) -> Expr:
        """A field or coordinate by its name."""
        fields = self.__dict__.get("fields", ())
        for item in (*fields, *self.__dict__.get("coordinates", ())):
            if item.name == name:
                found: Expr = item
                return found
        wholes = complex_fields(fields)
        if name in wholes:
            return wholes[name]
        raise UnknownName(f"{self.__dict__.get('name', 'PDE')}: there is no field or coordinate {name}")

    def order_in(self, field: Expr, coordinate: Expr) -> int:
        """How often the field is differentiated in the coordinate, in any of the equations."""
        return max(_order(side, field, coordinate) for e in self.equations for side in (e.lhs, e.rhs))

    def time_order(self, field: Expr) -> int:
        """0 for an elliptic equation, 1, or 2."""
        return max(_time_order(side, field) for e in self.equations for side in (e.lhs, e.rhs))

    def conditions_on(self, field: Expr, coordinate: Expr, high: bool) -> tuple[Condition, ...]:
        return tuple(
            c for c in self.conditions if c.field is field and c.coordinate is coordinate and c.high is high
        )

    def __repr__(self) -> str:
        fields = ", ".join(f"{u}({', '.join(map(str, u.data.coordinates))})" for u in self.fields)
        return (
            f"<PDE {self.name}: {fields}, {len(self.equations)} equations, "
            f"{len(self.conditions)} boundary conditions>"
        )

    def _repr_latex_(self) -> str:
        from symnum.rewriting.show import latex

        lines = [
            f"{latex(e.lhs)} &= {latex(e.rhs)}"
            for e in (*self.equations, *(c.equation for c in self.conditions))
        ]
        return r"$$\begin{aligned}" + r" \\ ".join(lines) + r"\end{aligned}$$"


def _checked_equations(equations: Any, what: str) -> tuple[Equation, ...]:
    if isinstance(equations, Equation) or not isinstance(equations, Iterable):
        raise ModelError(f"{what} are a list, not {equations!r}; write [...] around them")
    found = tuple(equations)
    for item in found:
        if not isinstance(item, Equation):
            raise ModelError(f"{what}: {item!r} is no equation; write left == right")
    return found


def _order(expr: Expr, field: Expr, coordinate: Expr) -> int:
    """The highest derivative of the field in the coordinate, through nested derivatives."""
    highest = 0
    for leaf in leaves(expr):
        inner = leaf.args[0] if leaf.op == "D" else leaf
        if inner.kind == "partial" and field in fields_of(inner.data.operand):
            own = dict(zip(inner.data.coordinates, inner.data.orders, strict=True)).get(coordinate, 0)
            highest = max(highest, own + _order(inner.data.operand, field, coordinate))
    return highest


def _time_order(expr: Expr, field: Expr) -> int:
    highest = 0
    for leaf in spatial_leaves(expr):
        order, inner = 0, leaf
        while inner.op == "D":
            order, inner = order + 1, inner.args[0]
        if inner is field:
            highest = max(highest, order)
    return highest


def _assigned(name: str, equations: tuple[Equation, ...], fields: tuple[Expr, ...]) -> dict[Expr, Equation]:
    """The equation that determines each field: the one with its time derivative, else by exclusion."""
    result: dict[Expr, Equation] = {}
    rest = []
    for equation in equations:
        held = fields_of(equation.lhs - equation.rhs)
        timed = [u for u in held if max(_time_order(equation.lhs, u), _time_order(equation.rhs, u))]
        local = [leaf for leaf in leaves((equation.lhs, equation.rhs)) if _is_local(leaf)]
        if not timed:
            if local and any(leaf.op == "D" for leaf in leaves((equation.lhs, equation.rhs))):
                field = next(u for u in held)
                x = field.data.coordinates[0]
                raise ModelError(
                    f"{name}: {equation}: {field} varies with {x}, but its equation does not. Say where: "
                    f"{field}.at({x}, ...), or take sn.integral({field}, {x})"
                )
            if local:
                rest.append(equation)
            continue
        free = [u for u in timed if u not in result]
        if len(timed) > 1:
            raise ModelError(
                f"{name}: {equation} holds the time derivatives of {' and '.join(sorted(map(str, timed)))}; "
                "solve the equations for one time derivative each"
            )
        if not free:
            raise ModelError(f"{name}: two equations give D({timed[0]}): {result[timed[0]]} and {equation}")
        result[free[0]] = equation
    missing = [u for u in fields if u not in result]
    if len(rest) != len(missing):
        extra = "; ".join(map(str, rest))
        raise ModelError(
            f"{name}: {len(missing)} fields without time derivative "
            f"({', '.join(map(str, missing)) or 'none'}) and {len(rest)} equations without one "
            f"({extra or 'none'}). Each field needs one equation"
        )
    for u in missing:
        weight = [
            max(sum(_order(side, u, x) for x in u.data.coordinates) for side in (e.lhs, e.rhs)) for e in rest
        ]
        holding = [k for k, e in enumerate(rest) if u in fields_of(e.lhs - e.rhs)]
        if any(v.data.faces for v in fields):
            # on a staggered grid each equation has its place: what lies there is what it determines
            holding = [k for k, e in enumerate(rest) if _place(e) == set(u.data.faces)] or holding
        if not holding:
            raise ModelError(f"{name}: no equation is left that determines {u}")
        best = max(holding, key=weight.__getitem__)
        result[u] = rest.pop(best)
    return result


def _place(equation: Equation) -> set[Expr]:
    """The coordinates between whose cells most terms of an equation lie."""
    counts: dict[frozenset[Expr], int] = {}
    for leaf in leaves((equation.lhs, equation.rhs)):
        inner, moved = leaf, frozenset[Expr]()
        while inner.kind == "partial":
            moved ^= {
                x for x, k in zip(inner.data.coordinates, inner.data.orders, strict=True) if k % 2
            }
            inner = inner.data.operand
        if inner.kind == "field":
            place = moved ^ frozenset(inner.data.faces)
            counts[place] = counts.get(place, 0) + 1
    most = max(counts.items(), key=lambda item: item[1], default=(frozenset[Expr](), 0))
    return set(most[0])


def _is_local(leaf: Expr) -> bool:
    """Whether a leaf varies over the domain, so that its equation holds at every point of a grid."""
    inner = leaf.args[0] if leaf.op == "D" else leaf
    return inner.kind in ("field", "partial")


def _conditions(pde: PDE, boundary: tuple[Equation, ...]) -> tuple[Condition, ...]:
    made: list[Condition] = []
    for equation in boundary:
        made.append(_condition(pde, equation, made))
    return tuple(made)


def _condition(pde: PDE, equation: Equation, before: list[Condition]) -> Condition:
    residual = equation.lhs - equation.rhs
    traces = [leaf for leaf in leaves((residual,)) if leaf.kind == "trace"]
    if not traces:
        raise ModelError(
            f"{pde.name}: {equation} is no boundary condition: it names no face. Write u.at(x, 0) == value"
        )
    faces = {(leaf.data.coordinate, leaf.data.place) for leaf in traces}
    if len(faces) > 1:
        named = " and ".join(f"{x} = {place:g}" for x, place in sorted(faces, key=str))
        raise ModelError(f"{pde.name}: {equation} joins the faces {named}; a condition belongs to one face")
    ((coordinate, place),) = faces
    info = coordinate.data
    if info.periodic:
        raise ModelError(f"{pde.name}: {equation}: {coordinate} is periodic and has no faces")
    if place not in (info.low, info.high):
        raise ModelError(
            f"{pde.name}: {equation}: {coordinate} = {place:g} is no face; {coordinate} runs from "
            f"{info.low:g} to {info.high:g}"
        )
    from symnum.rewriting.walk import substitute

    (inside,) = substitute((residual,), {leaf: _operand(leaf.data) for leaf in traces})
    held = [u for u in fields_of(inside) if u in pde.fields]
    strangers = [u for u in fields_of(inside) if u not in pde.fields]
    if strangers:
        raise ModelError(f"{pde.name}: {equation}: no equation holds the field {strangers[0]}")
    held = [u for u in held if coordinate in u.data.coordinates]
    high = place == info.high

    def wanting(u: Expr) -> bool:
        own = [c for c in before if c.field is u and c.coordinate is coordinate]
        return len(own) < pde.order_in(u, coordinate)

    chosen = next((u for u in held if wanting(u)), held[0])
    return Condition(equation, inside, chosen, coordinate, high)


def _operand(trace: Trace) -> Expr:
    return trace.operand


def _watched(events: tuple[Event, ...]) -> tuple[tuple[Event, ...], list[Equation]]:
    """Events over ordinary unknowns, in place of what they read of fields, and the equations of these."""
    known: dict[Expr, Expr] = {}

    def over_unknowns(exprs: Sequence[Expr]) -> Sequence[Expr]:
        for leaf in leaves(tuple(exprs)):
            if leaf.kind in ("trace", "integral"):
                known.setdefault(leaf, symbol(Symbol(str(leaf), "variable")))
        return substitute(tuple(exprs), known)

    changed = tuple(event.map_expressions(over_unknowns) for event in events)
    return changed, [Equation(unknown, leaf) for leaf, unknown in known.items()]


def _checked_initial(
    name: str, initial: Mapping[Expr, Any], fields: tuple[Expr, ...], equations: tuple[Equation, ...]
) -> tuple[dict[Expr, Any], dict[Expr, Any]]:
    """Of fields, and of ordinary variables."""
    if not isinstance(initial, Mapping):
        raise ModelError(f"{name}: initial is {{field: expression of the coordinates}}, not {initial!r}")
    given = real_values(initial)
    held = [leaf for e in equations for side in (e.lhs, e.rhs) for leaf in spatial_leaves(side)]
    ordinary = {leaf for leaf in held if leaf.op == "symbol" and leaf.kind == "variable"}
    for key in given:
        inner = key.args[0] if isinstance(key, Expr) and key.op == "D" else key
        if not isinstance(inner, Expr) or (inner not in fields and key not in ordinary):
            listed = ", ".join(map(str, (*fields, *sorted(ordinary, key=str))))
            raise ModelError(f"{name}: initial holds {key}, which is none of the unknowns {listed}")
    defaults = {key: value for key, value in given.items() if key in ordinary}
    return {key: value for key, value in given.items() if key not in ordinary}, defaults
