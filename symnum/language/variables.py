"""Unknown functions of time, parameters, time itself and its derivative."""

from __future__ import annotations

import keyword
from typing import Any, overload

from symnum.errors import ModelError
from symnum.language.units import parse
from symnum.rewriting.expr import TIME, Expr, Operand, Symbol, as_expr, node, symbol
from symnum.rewriting.walk import leaves

t: Expr = TIME


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
    ) -> None:
        if unit is not None:
            parse(unit)
        self.role = role  # variable | parameter | option | potential | flow
        self.default = default
        self.unit = unit
        self.about = about
        self.guess = guess
        self.nominal = nominal
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        if self.name and self.name != name:
            raise ModelError(
                f"{owner.__name__}.{name} is the declaration that is already called {self.name}: "
                "write a second declaration for a second quantity"
            )
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        if self.role == "option":
            return instance.settings.get(self.name, self.default)
        return self.symbol(instance.path, instance.settings)

    def symbol(self, path: str, settings: dict[str, Any]) -> Expr:
        """The symbol of this quantity in the instance at ``path``."""
        value = settings.get(self.name, self.default)
        kind = "parameter" if self.role == "parameter" else "variable"
        return symbol(Symbol(joined(path, self.name), kind, self.unit, self.about, value, self.guess, self.nominal))

    def __repr__(self) -> str:
        return f"<{self.role} {self.name or 'without a name'}>"


def joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _checked_name(name: str) -> str:
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in name.split(".")):
        raise ModelError(f"{name!r} is not a name: use letters, digits and _, not starting with a digit")
    return name


def _checked_value(value: Operand | None, what: str) -> Operand | None:
    if value is None or isinstance(value, Expr):
        return value
    exact = as_expr(value)  # refuses NaN, infinity and what is no number
    return float(exact) if not isinstance(exact.value, int) else exact.value


@overload
def variable(
    name: str,
    *,
    unit: str | None = None,
    start: Operand | None = None,
    guess: Operand | None = None,
    nominal: float | None = None,
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
    about: str | None = None,
) -> Any: ...
def variable(
    name: str | None = None,
    *,
    unit: str | None = None,
    start: Operand | None = None,
    guess: Operand | None = None,
    nominal: float | None = None,
    about: str | None = None,
) -> Any:
    """An unknown function of time.

    start: its value at the beginning of a simulation (a state) or where Newton begins (an algebraic unknown).
    guess: where Newton begins; unlike a start it is never held against the equations.
    nominal: its usual size; the absolute tolerance of a solution is meant for 1 and is multiplied by it.
    In the body of a component class leave the name out: it is taken from the attribute.
    """
    start, guess = _checked_value(start, "start"), _checked_value(guess, "guess")
    if nominal is not None and not (0 < float(as_expr(nominal)) < float("inf")):
        raise ModelError(f"nominal={nominal}: the usual size of a variable is a positive number")
    if name is None:
        return Declaration("variable", start, unit, about, guess, nominal)
    if unit is not None:
        parse(unit)
    return symbol(Symbol(_checked_name(name), "variable", unit, about, start, guess, nominal))


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
    default = _checked_value(default, "value")
    if name is None:
        return Declaration("parameter", default, unit, about)
    if unit is not None:
        parse(unit)
    return symbol(Symbol(_checked_name(name), "parameter", unit, about, default))


def parameters(names: str = "", /, **values: Operand) -> tuple[Expr, ...]:
    """Parameters without and with values: ``a, s = parameters("a", s=10)``. Always a tuple, in that order."""
    plain = [parameter(name=name) for name in _split(names)]
    return (*plain, *(parameter(value, name=name) for name, value in values.items()))


def _split(names: str) -> list[str]:
    found = names.replace(",", " ").split()
    for name in found:
        if found.count(name) > 1:
            raise ModelError(f"the name {name} stands twice in {names!r}")
    return found


def D(expr: Operand, order: int = 1) -> Expr:  # noqa: N802 - the field's notation for d/dt
    """The derivative with respect to time, ``D(x)`` or ``D(x, 2)``; of an expression by the chain rule."""
    from symnum.rewriting.derivative import time_derivative

    if order < 1 or order != int(order):
        raise ModelError(f"D({expr}, {order}): the order of a derivative is 1, 2, 3, ...")
    result = as_expr(expr)
    for _ in range(order):
        if result.op == "D" or (result.op == "symbol" and result.kind == "variable"):
            result = node("D", (result,))
        elif any(leaf.op == "D" for leaf in leaves((result,))):
            raise ModelError(
                f"D({result}): the derivative of an expression that holds derivatives. "
                "Give the inner derivative a name of its own: v == D(x), then D(v)."
            )
        else:
            result = time_derivative(result)
    return result
