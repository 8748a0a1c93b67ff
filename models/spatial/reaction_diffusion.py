"""Reactions that diffuse: fronts of one species, patterns and pulses of two."""

from __future__ import annotations

import math

import symnum as sn
from symnum.language.pde import PDE
from symnum.rewriting.expr import Operand


def fisher(rate: Operand = 1.0, low: float = -40.0, high: float = 40.0) -> PDE:
    """u_t = u_xx + r u (1 - u): a front of invasion (Fisher, Annals of Eugenics 7 (1937) 355).

    From the exact front of Ablowitz & Zeppetella, Bull. Math. Biol. 41 (1979) 835, for r = 1.
    """
    x = sn.coordinate("x", low, high)
    u = sn.field("u", x)
    r = sn.parameter(rate, name="r")
    return sn.PDE(
        "fisher",
        [sn.D(u) == sn.D(u, x, 2) + r * u * (1 - u)],
        boundary=[u.at(x, low) == 1, u.at(x, high) == 0],
        initial={u: (1 + sn.exp(x / math.sqrt(6))) ** -2},
    )


def allen_cahn(width: Operand = 0.1, balance: Operand = 0.25) -> PDE:
    """u_t = u_xx + u (1 - u)(u - a)/eps^2 on [-1, 1], closed ends: two phases, a front between them."""
    x = sn.coordinate("x", -1, 1)
    u = sn.field("u", x)
    eps, a = sn.parameter(width, name="eps"), sn.parameter(balance, name="a")
    return sn.PDE(
        "allen_cahn",
        [sn.D(u) == sn.D(u, x, 2) + u * (1 - u) * (u - a) / eps**2],
        boundary=[sn.D(u, x).at(x, -1) == 0, sn.D(u, x).at(x, 1) == 0],
        initial={u: (1 - sn.tanh(x / (2 * math.sqrt(2) * 0.1))) / 2},
    )


def gray_scott(feed: Operand = 0.04, kill: Operand = 0.06, size: float = 2.5) -> PDE:
    """u_t = Du lap u - u v^2 + F (1 - u), v_t = Dv lap v + u v^2 - (F + k) v on a torus.

    Pearson, Science 261 (1993) 189, with his diffusivities; from a square of v in the middle that is a little
    off centre, so that the pattern has no symmetry to keep.
    """
    x, y = (sn.coordinate(name, 0, size, periodic=True) for name in "xy")
    u, v = sn.fields("u v", x, y)
    f, k, du, dv = sn.parameters(F=feed, k=kill, Du=2e-5, Dv=1e-5)
    plane = sn.cartesian(x, y)
    inside = (abs(x - 0.49 * size) < 0.1 * size) & (abs(y - 0.51 * size) < 0.1 * size)
    return sn.PDE(
        "gray_scott",
        [
            sn.D(u) == du * sn.laplacian(u, plane) - u * v**2 + f * (1 - u),
            sn.D(v) == dv * sn.laplacian(v, plane) + u * v**2 - (f + k) * v,
        ],
        initial={u: sn.ifelse(inside, 0.5, 1.0), v: sn.ifelse(inside, 0.25, 0.0)},
    )


def brusselator(a: Operand = 3.4, b: Operand = 1.0, diffusivity: Operand = 0.02) -> PDE:
    """u_t = B + u^2 v - (A + 1) u + alpha lap u, v_t = A u - u^2 v + alpha lap v on the unit torus.

    Hairer & Wanner, Solving Ordinary Differential Equations II, 2nd ed. 1996, section IV.10, without the
    sudden source.
    """
    x, y = (sn.coordinate(name, 0, 1, periodic=True) for name in "xy")
    u, v = sn.fields("u v", x, y)
    big_a, big_b, alpha = sn.parameters(A=a, B=b, alpha=diffusivity)
    plane = sn.cartesian(x, y)
    return sn.PDE(
        "brusselator",
        [
            sn.D(u) == big_b + u**2 * v - (big_a + 1) * u + alpha * sn.laplacian(u, plane),
            sn.D(v) == big_a * u - u**2 * v + alpha * sn.laplacian(v, plane),
        ],
        initial={u: 22 * y * (1 - y) ** 1.5, v: 27 * x * (1 - x) ** 1.5},
    )


def fitzhugh_nagumo() -> PDE:
    """u_t = Du lap u + u - u^3 - k - v, v_t = Dv lap v + u - v on [-1, 1]^2 with closed faces.

    Klaasen & Troy, SIAM J. Appl. Math. 44 (1984) 96; parameters of Takamoto et al., PDEBench, NeurIPS 2022.
    """
    x, y = (sn.coordinate(name, -1, 1) for name in "xy")
    u, v = sn.fields("u v", x, y)
    du, dv, k = sn.parameters(Du=1e-3, Dv=5e-3, k=5e-3)
    plane = sn.cartesian(x, y)
    closed = [sn.D(q, s).at(s, end) == 0 for q in (u, v) for s in (x, y) for end in (-1, 1)]
    return sn.PDE(
        "fitzhugh_nagumo",
        [
            sn.D(u) == du * sn.laplacian(u, plane) + u - u**3 - k - v,
            sn.D(v) == dv * sn.laplacian(v, plane) + u - v,
        ],
        boundary=closed,
        initial={u: sn.sin(4 * x) * sn.cos(3 * y), v: 0.5 * sn.cos(2 * x + y)},
    )
