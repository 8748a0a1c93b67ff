"""Nonlinear blocks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import symnum as sn
from symnum.errors import ModelError
from symnum.models.blocks.linear import Block


class Limiter(Block):
    """y = u within [low, high], else the bound."""

    low, high = sn.parameter(-1.0), sn.parameter(1.0)

    def equations(self) -> Sequence[Any]:
        return [self.y == sn.clip(self.u, self.low, self.high)]


class DeadZone(Block):
    """y = 0 within [low, high], else what exceeds the bound."""

    low, high = sn.parameter(-1.0), sn.parameter(1.0)

    def equations(self) -> Sequence[Any]:
        return [self.y == self.u - sn.clip(self.u, self.low, self.high)]


def Table(name: str, u: Sequence[float], y: Sequence[float]) -> Any:
    """y(u) by straight lines between points with increasing u; beyond the ends along the outermost lines.

    A component with parameters ``u0`` ..., ``y0`` ....
    """
    points = [float(value) for value in u]
    if len(points) < 2 or len(points) != len(y) or any(b <= a for a, b in pairwise(points)):
        raise ModelError(f"Table {name}: give as many y as u, at least two points, and u increasing")
    given = {f"u{k}": value for k, value in enumerate(points)}
    given |= {f"y{k}": float(value) for k, value in enumerate(y)}
    return _table(len(points))(name, **given)


@cache
def _table(count: int) -> type[sn.Component]:
    """The class of all tables with as many points."""

    def equations(self: Any) -> Sequence[Any]:
        u = [getattr(self, f"u{k}") for k in range(count)]
        y = [getattr(self, f"y{k}") for k in range(count)]
        slopes = [(y[k + 1] - y[k]) / (u[k + 1] - u[k]) for k in range(count - 1)]
        value = y[0] + slopes[0] * (self.u - u[0])
        for k in range(1, count - 1):  # each corner adds its change of slope
            value = value + (slopes[k] - slopes[k - 1]) * sn.maximum(self.u - u[k], 0)
        return [self.y == value]

    members: dict[str, Any] = {f"{letter}{k}": sn.parameter(0.0) for letter in "uy" for k in range(count)}
    members |= {"equations": equations, "__doc__": f"A table of {count} points."}
    return type(f"Table{count}", (Block,), members)
