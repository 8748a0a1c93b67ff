"""Diffusion alone and with sorption."""

from __future__ import annotations

import math

import symnum as sn
from symnum.language.pde import PDE
from symnum.rewriting.expr import Operand


def heat(diffusivity: Operand = 0.1, length: float = 1.0) -> PDE:
    """u_t = a u_xx on a rod with cold ends, from a half sine wave that decays at the rate a (pi/length)^2."""
    x = sn.coordinate("x", 0, length)
    u = sn.field("u", x)
    a = sn.parameter(diffusivity, name="a")
    return sn.PDE(
        "heat",
        [sn.D(u) == a * sn.D(u, x, 2)],
        boundary=[u.at(x, 0) == 0, u.at(x, length) == 0],
        initial={u: sn.sin(math.pi / length * x)},
    )


def sorption() -> PDE:
    """Transport in a porous medium whose grains take up the solute by Freundlich's law.

    u_t = D/R(u) u_xx with R = 1 + (1 - phi)/phi rho k n u^(n - 1); u = 1 at the inlet, u = D u_x at the
    outlet. Parameters and conditions of the data set of that name in Takamoto et al., PDEBench, NeurIPS 2022.
    The start is small and not zero, where R is infinite.
    """
    x = sn.coordinate("x", 0, 1)
    u = sn.field("u", x)
    diffusion, phi, rho, k, n = sn.parameters(D=5e-4, phi=0.29, rho=2880, k=3.5e-4, n=0.874)
    retardation = 1 + (1 - phi) / phi * rho * k * n * u ** (n - 1)
    return sn.PDE(
        "sorption",
        [sn.D(u) == diffusion / retardation * sn.D(u, x, 2)],
        boundary=[u.at(x, 0) == 1, u.at(x, 1) == diffusion * sn.D(u, x).at(x, 1)],
        initial={u: 0.1},
    )
