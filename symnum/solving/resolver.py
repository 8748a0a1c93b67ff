"""Values of parameters: numbers, or expressions of other parameters and of starts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.variables import joined
from symnum.lowering.flat import FlatSystem
from symnum.rewriting.expr import Expr, as_expr, slot
from symnum.rewriting.walk import evaluate, leaves, substitute

__all__ = ["ParameterResolver"]

FloatArray: TypeAlias = NDArray[np.float64]
Values: TypeAlias = Mapping[Any, Any]


class ParameterResolver:
    """Parameter values by name; they may be expressions of other parameters and of starts.

    A variable in the value of a parameter stands for its start (``starts``: by name, over the declared ones).
    """

    def __init__(self, flat: FlatSystem, given: Values, starts: Values) -> None:
        self.flat = flat
        self.starts = starts
        self.given: dict[str, Any] = {}
        self.known: dict[str, float] = {}
        self.pending: list[str] = []
        self.dependent: list[tuple[int, Expr, tuple[int, ...]]] = []
        for key, value in given.items():
            self.given[flat.parameters[flat.parameter_index(key, "parameters")].name] = value

    def values(self) -> FloatArray:
        """(n_parameters,) every parameter's number; ModelError names those without one."""
        flat = self.flat
        result = flat.parameters.block_values()
        inside = {flat.parameters.find(name): value for name, value in self.given.items()}
        chosen = {i: (info.name, inside.get(i, info.default)) for i, info in flat.parameters.own_symbols()}
        for part, declaration, of_part, components in flat.parameters.columns():
            defaults = [declaration.default_in(part, component) for component in components]
            if all(type(default) in (int, float) for default in defaults):
                result[of_part] = defaults  # checked where they were given
                continue
            for i, component, default in zip(of_part.tolist(), components, defaults, strict=True):
                chosen[i] = joined(component.path, part), inside.get(i, default)
        chosen |= {i: (flat.parameters[i].name, value) for i, value in inside.items() if i is not None}
        for i, (name, value) in chosen.items():
            if value is None:
                continue
            result[i] = self.of(name, value)
            if isinstance(value, Expr) and not value.is_number:
                numbers = [flat.parameters.find(below) for below in self._below(value)]
                self.dependent.append((i, value, tuple(k for k in numbers if k is not None)))
        resolved = {
            name: place for place, name in enumerate(self.known)
        }  # what others follow from comes first
        self.dependent.sort(key=lambda entry: resolved[flat.parameters[entry[0]].name])
        missing = [flat.parameters[int(i)].name for i in np.flatnonzero(np.isnan(result))[:9]]
        if missing:
            raise ModelError(
                f"{flat.name}: no value for the parameter{'s' * (len(missing) > 1)} {', '.join(missing[:8])}"
                f"{' ...' if len(missing) > 8 else ''}. Give it: Problem(..., "
                f"parameters={{{missing[0]}: ...}})."
            )
        return result

    def _below(self, value: Expr) -> set[str]:
        return {leaf.name for leaf in leaves((value,)) if leaf.op == "symbol"}

    def of(self, name: str, value: Any) -> float:
        if name in self.known:
            return self.known[name]
        if name in self.pending:
            circle = " -> ".join([*self.pending[self.pending.index(name) :], name])
            raise ModelError(f"{self.flat.name}: the parameter {name} is defined by itself: {circle}")
        self.pending.append(name)
        self.known[name] = self.evaluate(value, f"parameter {name}")
        self.pending.pop()
        return self.known[name]

    def evaluate(self, value: Any, what: str) -> float:
        """A number from a number or an expression of parameters."""
        if type(value) is float and math.isfinite(value):  # as the thousands of weights of a network are
            return value
        try:
            expr = as_expr(value)
        except TypeError as error:
            raise ModelError(f"{self.flat.name}: {what} is {value!r}, which is not a number") from error
        except ModelError as error:
            raise ModelError(f"{self.flat.name}: {what} is {value!r}: it must be finite") from error
        environment: dict[Expr, float] = {}
        for leaf in leaves((expr,)):
            if leaf.kind == "variable" and what.startswith("parameter "):
                environment[leaf] = self.start_of(leaf, what)
                continue
            if leaf.op != "symbol" or leaf.kind != "parameter":
                raise ModelError(
                    f"{self.flat.name}: {what} is {expr}, but may hold parameters and numbers only, "
                    f"not {leaf}"
                )
            number = self.flat.parameters.find(leaf.name)
            default = leaf.data.default if number is None else self.flat.parameters[number].default
            inner = self.given.get(leaf.name, default)
            if inner is None:
                raise ModelError(f"{self.flat.name}: {what} is {expr}, but {leaf.name} has no value")
            environment[leaf] = self.of(leaf.name, inner)
        result = evaluate(expr, environment)
        if not np.isfinite(result):
            raise ModelError(f"{self.flat.name}: {what} = {expr} is {result}: it must be finite")
        return float(result)

    def start_of(self, leaf: Expr, what: str) -> float:
        """The start of a variable that the value of a parameter is made of."""
        number = self.flat.unknowns.find(leaf.name)
        declared = leaf.data.default if number is None else self.flat.unknowns[number].default
        value = self.starts.get(leaf.name, declared)
        if value is None:
            raise ModelError(f"{self.flat.name}: {what} follows from the start of {leaf}, which has none")
        return self.of(leaf.name, value)

    def follow(self, p: FloatArray, changed: Sequence[int]) -> None:
        moved = set(changed)
        for i, value, below in self.dependent:
            if i not in moved and moved.intersection(below):
                environment = {}
                for leaf in leaves((value,)):
                    number = self.flat.parameters.find(leaf.name)
                    environment[leaf] = self.known[leaf.name] if number is None else float(p[number])
                p[i] = evaluate(value, environment)
                if not np.isfinite(p[i]):
                    name = self.flat.parameters[i].name
                    raise ModelError(
                        f"{self.flat.name}: the parameter {name} = {value} has become {p[i]}: it "
                        "must be finite"
                    )
                moved.add(i)

    def over_numbers(self) -> list[tuple[int, Expr, tuple[int, ...]]]:
        """``dependent`` with parameters as slots; what is no parameter of the system is a number."""
        result = []
        for i, value, below in self.dependent:
            mapping: dict[Expr, Expr] = {}
            for leaf in leaves((value,)):
                number = self.flat.parameters.find(leaf.name)
                mapping[leaf] = as_expr(self.known[leaf.name]) if number is None else slot("p", number)
            result.append((i, substitute((value,), mapping)[0], below))
        return result
