"""Gas dynamics and shallow water: conservation laws with shocks, for `TVD` and `WENO5`.

Toro, Riemann Solvers and Numerical Methods for Fluid Dynamics, 3rd ed. 2009; LeVeque, Finite Volume Methods
for Hyperbolic Problems, 2002.
"""

from __future__ import annotations

from typing import NamedTuple

import symnum as sn
from symnum.language.pde import PDE
from symnum.record import record
from symnum.rewriting.expr import Expr


class Gas(NamedTuple):
    """Density, velocity and pressure."""

    rho: float
    v: float
    p: float


# Left and right state of Toro's tests (table 4.1): Sod, 123 problem, strong shock, two colliding streams.
TUBES = {
    "sod": (Gas(1.0, 0.0, 1.0), Gas(0.125, 0.0, 0.1)),
    "rarefactions": (Gas(1.0, -2.0, 0.4), Gas(1.0, 2.0, 0.4)),
    "blast": (Gas(1.0, 0.0, 1000.0), Gas(1.0, 0.0, 0.01)),
    "collision": (Gas(5.99924, 19.5975, 460.894), Gas(5.99242, -6.19633, 46.0950)),
}


@record
class Flow:
    """Equations with what schemes ask for: the slowest and the fastest wave, as expressions of the fields."""

    model: PDE
    slowest: Expr
    fastest: Expr

    @property
    def speed(self) -> Expr:
        """The largest absolute wave speed."""
        return sn.maximum(abs(self.slowest), abs(self.fastest))


def tube(left: Gas, right: Gas, gamma: float = 1.4) -> Flow:
    """Euler's equations on [-1, 1]: two states that meet at x = 0, waves may leave.

    Fields: density rho, momentum m, energy E per volume.
    """
    x = sn.coordinate("x", -1, 1)
    rho, m, energy = sn.fields("rho m E", x)
    v = m / rho
    p = (gamma - 1) * (energy - m * v / 2)
    sound = sn.sqrt(gamma * p / rho)
    states = {
        rho: (left.rho, right.rho),
        m: (left.rho * left.v, right.rho * right.v),
        energy: tuple(s.p / (gamma - 1) + s.rho * s.v**2 / 2 for s in (left, right)),
    }
    model = sn.PDE(
        "euler",
        [
            sn.D(rho) + sn.D(m, x) == 0,
            sn.D(m) + sn.D(m * v + p, x) == 0,
            sn.D(energy) + sn.D((energy + p) * v, x) == 0,
        ],
        boundary=[sn.D(q, x).at(x, end) == 0 for q in states for end in (-1, 1)],
        initial={q: sn.ifelse(x < 0, *ends) for q, ends in states.items()},
    )
    return Flow(model, v - sound, v + sound)


def dam_break(radius: float = 0.5, gravity: float = 1.0) -> Flow:
    """Shallow water on [-2.5, 2.5]^2: a column of height 2 within a circle, 1 around it, open faces.

    Fields: height h, momenta hu and hv.
    """
    x, y = (sn.coordinate(name, -2.5, 2.5) for name in "xy")
    h, hu, hv = sn.fields("h hu hv", x, y)
    g = sn.parameter(gravity, name="g")
    u, v = hu / h, hv / h
    wave = sn.sqrt(g * h)
    size = sn.sqrt(u**2 + v**2)
    model = sn.PDE(
        "shallow_water",
        [
            sn.D(h) + sn.D(hu, x) + sn.D(hv, y) == 0,
            sn.D(hu) + sn.D(hu * u + g * h**2 / 2, x) + sn.D(hu * v, y) == 0,
            sn.D(hv) + sn.D(hu * v, x) + sn.D(hv * v + g * h**2 / 2, y) == 0,
        ],
        boundary=[sn.D(q, s).at(s, end) == 0 for q in (h, hu, hv) for s in (x, y) for end in (-2.5, 2.5)],
        initial={h: sn.ifelse(x**2 + y**2 < radius**2, 2.0, 1.0), hu: 0, hv: 0},
    )
    return Flow(model, -size - wave, size + wave)
