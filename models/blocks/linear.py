"""Linear blocks. ``u`` is given by an equation of the system, ``y`` may be used in others."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import symnum as sn
from symnum.errors import ModelError


class Block(sn.Component):
    """One signal in, one out."""

    u, y = sn.variable(), sn.variable()


class Gain(Block):
    """y = k u."""

    k = sn.parameter(1.0)

    def equations(self) -> Sequence[Any]:
        return [self.y == self.k * self.u]


class Integrator(Block):
    """dy/dt = k u."""

    k = sn.parameter(1.0)
    y = sn.variable(start=0.0)

    def equations(self) -> Sequence[Any]:
        return [sn.D(self.y) == self.k * self.u]


class Derivative(Block):
    """y = k s/(1 + T s) u: the derivative of what a low-pass of time constant T lets through."""

    k = sn.parameter(1.0)
    T = sn.parameter(0.01, unit="s")
    x = sn.variable(start=0.0)

    def equations(self) -> Sequence[Any]:
        return [self.T * sn.D(self.x) == self.u - self.x, self.y == self.k * (self.u - self.x) / self.T]


class FirstOrder(Block):
    """T dy/dt + y = k u."""

    k = sn.parameter(1.0)
    T = sn.parameter(1.0, unit="s")
    y = sn.variable(start=0.0)

    def equations(self) -> Sequence[Any]:
        return [self.T * sn.D(self.y) == self.k * self.u - self.y]


class SecondOrder(Block):
    """y = k/(1 + 2 D s/w + (s/w)^2) u."""

    k = sn.parameter(1.0)
    w = sn.parameter(1.0, unit="rad/s", about="natural frequency")
    D = sn.parameter(1.0, unit="1", about="damping")
    y, yd = sn.variable(start=0.0), sn.variable(start=0.0)

    def equations(self) -> Sequence[Any]:
        return [
            sn.D(self.y) == self.yd,
            sn.D(self.yd) == self.w**2 * (self.k * self.u - self.y) - 2 * self.D * self.w * self.yd,
        ]


class LeadLag(Block):
    """y = (1 + T1 s)/(1 + T2 s) u."""

    T1 = sn.parameter(1.0, unit="s")
    T2 = sn.parameter(1.0, unit="s")
    x = sn.variable(start=0.0)

    def equations(self) -> Sequence[Any]:
        share = self.T1 / self.T2
        return [self.T2 * sn.D(self.x) == self.u - self.x, self.y == share * self.u + (1 - share) * self.x]


def TransferFunction(name: str, numerator: Sequence[float], denominator: Sequence[float]) -> Any:
    """y = (b_0 s^m + ... + b_m)/(a_0 s^n + ... + a_n) u with m <= n, highest powers first, as SciPy has it.

    A component in controllable canonical form: states ``x1``, ``x2``, parameters ``a0``, ``b0``, and so on.
    """
    top, bottom = [float(b) for b in numerator], [float(a) for a in denominator]
    if not bottom or bottom[0] == 0:
        raise ModelError(f"TransferFunction {name}: the denominator begins with a coefficient other than 0")
    if not top or len(top) > len(bottom):
        raise ModelError(
            f"TransferFunction {name}: the numerator has one coefficient or more, and not more than the "
            "denominator"
        )
    order = len(bottom) - 1
    top = [0.0] * (order + 1 - len(top)) + top
    given = {f"a{k}": a for k, a in enumerate(bottom)} | {f"b{k}": b for k, b in enumerate(top)}
    return _canonical(order)(name, **given)


@cache
def _canonical(order: int) -> type[sn.Component]:
    """The class of all transfer functions of one order."""

    def equations(self: Any) -> Sequence[Any]:
        x = [getattr(self, f"x{k}") for k in range(1, order + 1)]
        a = [getattr(self, f"a{k}") / self.a0 for k in range(order + 1)]
        b = [getattr(self, f"b{k}") / self.a0 for k in range(order + 1)]
        highest = self.u
        for k, state in enumerate(reversed(x), start=1):
            highest = highest - a[k] * state
        output = b[0] * self.u
        for k, state in enumerate(reversed(x), start=1):
            output = output + (b[k] - b[0] * a[k]) * state
        chain = [sn.D(low) == high for low, high in pairwise(x)]
        last = [sn.D(x[-1]) == highest] if x else []
        return [*chain, *last, self.y == output]

    members: dict[str, Any] = {f"x{k}": sn.variable(start=0.0) for k in range(1, order + 1)}
    members |= {f"{letter}{k}": sn.parameter(0.0) for letter in "ab" for k in range(order + 1)}
    members |= {"equations": equations, "__doc__": f"A transfer function of order {order}."}
    return type(f"TransferFunction{order}", (Block,), members)
