"""Unknown functions of time, parameters, time itself and its derivative."""

from __future__ import annotations

import keyword
from math import isfinite
from typing import Any, NoReturn, overload

from symnum.errors import ModelError, UnitError
from symnum.rewriting.complex_parts import complex_parts, is_complex
from symnum.rewriting.expr import IMAGINARY, TIME, Expr, Operand, Symbol, as_expr, node, symbol
from symnum.rewriting.walk import leaves, postorder

t: Expr = TIME

_EXACT = 2.0**53  # floats beyond are all whole, but not all whole numbers are floats


class Declaration:
    """A variable, parameter or option in the body of a component or connector class.

    It takes its name from the attribute; on an instance it gives the symbol with the hierarchical name.
    """

    def __init__(
        self,
        role: str,
        default: Any,
        unit: str | None,
        about: str | None,
        guess: Any = None,
        nominal: float | None = None,
        state_priority: float | None = None,
    ) -> None:
        check_unit(unit)
        self.role = role  # variable | parameter | option | potential | flow
        self.default = default
        self.unit = unit
        self.about = about
        self.guess = guess
        self.nominal = nominal
        self.state_priority = state_priority
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = self.name or name  # a second one is refused by `check_name`

    def check_name(self, owner: type, name: str) -> None:
        """Refuse a declaration that stands under two names."""
        if self.name != name:
            raise ModelError(
                f"{owner.__name__}.{name} is the declaration that is already called {self.name}: "
                "write a second declaration for a second quantity"
            )

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        if self.role == "option":
            return instance.settings.get(self.name, self.default)
        return self.symbol(instance.path, instance.settings)

    def symbol(self, path: str, settings: dict[str, Any]) -> Expr:
        """The symbol of this quantity in the instance at ``path``."""
        return symbol(self.description(path, settings))

    def description(self, path: str, settings: dict[str, Any]) -> Symbol:
        """What the symbol in the instance at ``path`` holds."""
        value = settings.get(self.name, self.default)
        kind = "parameter" if self.role == "parameter" else "variable"
        name = joined(path, self.name)
        return Symbol(name, kind, self.unit, self.about, value, self.guess, self.nominal, self.state_priority)

    def default_in(self, part: str, component: Any) -> Any:
        """The default of the quantity ``part`` of a component; what its connectors have cannot be set."""
        return self.default if "." in part else component.settings.get(self.name, self.default)

    def _refuse(self, *_: Any) -> NoReturn:
        raise ModelError(
            f"{self!r}: a class body only declares quantities; "
            f"compute with self.{self.name or '...'} in equations(), "
            "or give the value when the component is made"
            + ("" if self.name else '. In a system without classes: sn.variable("x"), sn.parameters(k=2.0)')
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __pow__ = __rpow__ = __neg__ = __abs__ = __float__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse

    def __repr__(self) -> str:
        return f"<{self.role} {self.name or 'without a name'}>"


def joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def checked_name(name: Any, of: str = "") -> str:
    """The name, or ModelError: identifiers, joined by dots where a hierarchy is meant."""
    if not isinstance(name, str):
        raise ModelError(f"{of}{name!r} is not a name but a {type(name).__name__}: write it in quotes")
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in name.split(".")):
        raise ModelError(
            f"{of}{name!r} is not a name: use letters, digits and _, no digit first, and no keyword of Python"
        )
    if name == TIME.name:
        raise ModelError(f"{of}the name {name} belongs to the time, sn.t; choose another one")
    return name


def check_unit(unit: Any) -> None:
    """Raise UnitError where a unit cannot be read."""
    if unit is None:
        return
    if not isinstance(unit, str):
        raise UnitError(f'unit={unit!r} is a {type(unit).__name__}: write the unit as text, like "m/s^2"')
    from symnum.language.units import parse  # most first models are without units

    parse(unit)


def checked_expr(value: Any, what: str) -> Expr:
    """An expression from what the user wrote for ``what``, or ModelError."""
    try:
        return as_expr(value)
    except TypeError as error:
        raise ModelError(
            f"{what}: {value!r} is a {type(value).__name__}, not a number or an expression"
        ) from error
    except ModelError as error:
        raise ModelError(f"{what}: {error}") from error


def checked_value(value: Any, what: str) -> Operand | None:
    """None, an expression, or a finite number in its plainest type, or ModelError."""
    if value is None or isinstance(value, Expr):
        return value
    if type(value) is int:
        return value
    if type(value) is float and isfinite(value):
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    exact = checked_expr(value, what)
    if is_complex(exact):
        raise ModelError(f"{what}: {value!r} is a complex number; only fields may be complex")
    if not exact.is_number:
        return exact
    return float(exact) if not isinstance(exact.value, int) else exact.value


@overload
def variable(
    name: str,
    *,
    unit: str | None = None,
    start: Operand | None = None,
    guess: Operand | None = None,
    nominal: float | None = None,
    state_priority: float | None = None,
    about: str | None = None,
) -> Expr: ...
@overload
def variable(
    name: None = None,
    *,
    unit: str | None = None,
    start: Operand | None = None,
    guess: Operand | None = None,
    nominal: float | None = None,
    state_priority: float | None = None,
    about: str | None = None,
) -> Any: ...
def variable(
    name: str | None = None,
    *,
    unit: str | None = None,
    start: Operand | None = None,
    guess: Operand | None = None,
    nominal: float | None = None,
    state_priority: float | None = None,
    about: str | None = None,
) -> Any:
    """An unknown function of time.

    start: its value at the beginning of a simulation (a state) or where Newton begins (an algebraic unknown).
    guess: where Newton begins; unlike a start it is never held against the equations.
    nominal: its usual size; the absolute tolerance of a solution is meant for 1 and is multiplied by it.
    state_priority: where constraints leave fewer states than unknowns with derivatives, those with the
    higher number stay states (0 without one); a matter of accuracy and speed, not of the result. From 100 on
    they do so even where others should take over on the way, as the angle of a crank at its dead point.
    In the body of a component class leave the name out: it is taken from the attribute.
    """
    what = f"variable {name}" if name else "variable"
    start, guess = checked_value(start, f"{what}, start"), checked_value(guess, f"{what}, guess")
    if nominal is not None:
        size = checked_expr(nominal, f"{what}, nominal")
        if not (size.is_number and size.value > 0):
            raise ModelError(f"{what}, nominal={nominal}: the usual size of a variable is a positive number")
        nominal = float(size)
    if state_priority is not None:
        wanted = checked_expr(state_priority, f"{what}, state_priority")
        if not wanted.is_number:
            raise ModelError(f"{what}, state_priority={state_priority}: give a number")
        state_priority = float(wanted)
    if name is None:
        return Declaration("variable", start, unit, about, guess, nominal, state_priority)
    check_unit(unit)
    checked = checked_name(name, "variable: ")
    return symbol(Symbol(checked, "variable", unit, about, start, guess, nominal, state_priority))


def variables(names: str, *, unit: str | None = None) -> tuple[Expr, ...]:
    """Unknown functions of time: ``x, y = variables("x y")``. Always a tuple."""
    return tuple(variable(name, unit=unit) for name in _split(names))


@overload
def parameter(
    default: Operand | None = None, *, name: str, unit: str | None = None, about: str | None = None
) -> Expr: ...
@overload
def parameter(
    default: Operand | None = None, *, name: None = None, unit: str | None = None, about: str | None = None
) -> Any: ...
def parameter(
    default: Operand | None = None,
    *,
    name: str | None = None,
    unit: str | None = None,
    about: str | None = None,
) -> Any:
    """A quantity that is constant between events, with its usual value (a number or parameters).

    In the body of a component class leave the name out: it is taken from the attribute.
    """
    default = checked_value(default, f"parameter {name}" if name else "parameter")
    if name is None:
        return Declaration("parameter", default, unit, about)
    check_unit(unit)
    return symbol(Symbol(checked_name(name, "parameter: "), "parameter", unit, about, default))


def parameters(names: str = "", /, **values: Operand) -> tuple[Expr, ...]:
    """Parameters without and with values: ``a, s = parameters("a", s=10)``. Always a tuple, in that order."""
    plain = [parameter(name=name) for name in _split(names)]
    return (*plain, *(parameter(value, name=name) for name, value in values.items()))


def _split(names: str) -> list[str]:
    if not isinstance(names, str):
        raise ModelError(f'names are one text, like "x y z", not {names!r}')
    found = names.replace(",", " ").split()
    for name in found:
        if found.count(name) > 1:
            raise ModelError(f"the name {name} stands twice in {names!r}")
    return found


def D(expr: Operand, *by: Any, order: int | None = None) -> Expr:
    """A derivative. ``D(x)`` and ``D(x, 2)``: in time, of an expression by the chain rule.

    In space, with a coordinate: ``D(u, x)``, ``D(u, x, 2)``, ``D(u, x, 2, y)``; of any expression of fields:
    ``D(k * D(u, x), x)``.
    """
    result = checked_expr(expr, "D")
    steps: list[tuple[Expr, int]] = []
    for item in by if order is None else (*by, order):
        if isinstance(item, Expr) and item.kind == "coordinate":
            steps.append((item, 0))
            continue
        if isinstance(item, bool) or not isinstance(item, int) or item < 1:
            raise ModelError(
                f"D({expr}, {', '.join(map(repr, by))}): the order of a derivative is 1, 2, 3, ..., and what "
                f"it is taken in is a coordinate of space; {item!r} is neither"
            )
        if steps and not steps[-1][1]:
            steps[-1] = steps[-1][0], item
        elif steps:
            raise ModelError(f"D({expr}, {', '.join(map(repr, by))}): an order follows a coordinate")
        else:
            steps.append((TIME, item))
    for coordinate, times in steps or [(TIME, 1)]:
        if coordinate is TIME:
            for _ in range(times):
                result = _time_step(result)
        else:
            from symnum.rewriting.spatial import partial

            result = partial(result, coordinate, times or 1)
    return result


def _time_step(expr: Expr) -> Expr:
    from symnum.rewriting.derivative import time_derivative

    if is_complex(expr):
        real, imaginary = complex_parts(expr)
        return _time_step(real) + IMAGINARY * _time_step(imaginary)
    if expr.op == "D" or expr.kind in ("variable", "field"):
        return node("D", (expr,))
    if any(part.op == "delay" for part in postorder(expr)):
        raise ModelError(
            f"D({expr}): the derivative of a delay. Give the derivative a name of its own and delay that: "
            "v == D(x), then delay(v, lag)."
        )
    for leaf in leaves((expr,)):
        if leaf.op == "D":
            raise ModelError(
                f"D({expr}): the derivative of an expression that holds derivatives. "
                "Give the inner derivative a name of its own: v == D(x), then D(v)."
            )
        if leaf.kind in ("partial", "trace", "integral"):
            raise ModelError(
                f"D({expr}): the time derivative of {leaf}. Give it a field of its own: w == {leaf}, "
                "then D(w)."
            )
    return time_derivative(expr)
