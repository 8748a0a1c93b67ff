"""Waves that travel one way in one dimension: advection, Burgers, Korteweg-de Vries, Kuramoto-Sivashinsky."""

from __future__ import annotations

import math

import symnum as sn
from symnum.language.pde import PDE
from symnum.rewriting.expr import Operand


def advection(speed: Operand = 0.4) -> PDE:
    """u_t + (c u)_x = 0 on a ring of length 1; the profile exp(sin 2 pi x) travels unchanged."""
    x = sn.coordinate("x", 0, 1, periodic=True)
    u = sn.field("u", x)
    c = sn.parameter(speed, name="c")
    start = sn.exp(sn.sin(2 * math.pi * x))
    return sn.PDE("advection", [sn.D(u) + sn.D(c * u, x) == 0], initial={u: start})


def burgers(viscosity: Operand = 0.01 / math.pi) -> PDE:
    """u_t + (u^2/2)_x = nu u_xx on [-1, 1] with u = 0 at the ends, from -sin(pi x): steepest at x = 0."""
    x = sn.coordinate("x", -1, 1)
    u = sn.field("u", x)
    nu = sn.parameter(viscosity, name="nu")
    return sn.PDE(
        "burgers",
        [sn.D(u) + sn.D(u**2 / 2, x) == nu * sn.D(u, x, 2)],
        boundary=[u.at(x, -1) == 0, u.at(x, 1) == 0],
        initial={u: -sn.sin(math.pi * x)},
    )


def korteweg_de_vries(*solitons: tuple[float, float], length: float = 40.0) -> PDE:
    """u_t + 6 u u_x + u_xxx = 0 on a ring, from solitons (speed c, place): (c/2) sech^2(sqrt(c)/2 (x - x0)).

    Zabusky & Kruskal, Phys. Rev. Lett. 15 (1965) 240. The product is written in flux form, which keeps the
    mass; solitons start well apart.
    """
    x = sn.coordinate("x", -length / 2, length / 2, periodic=True)
    u = sn.field("u", x)
    start: Operand = 0
    for speed, place in solitons or ((1.0, 0.0),):
        start = start + speed / 2 / sn.cosh(math.sqrt(speed) / 2 * (x - place)) ** 2
    equation = sn.D(u) + sn.D(3 * u**2, x) + sn.D(u, x, 3) == 0
    return sn.PDE("korteweg_de_vries", [equation], initial={u: start})


def kuramoto_sivashinsky(length: float = 32 * math.pi) -> PDE:
    """u_t + (u^2/2)_x + u_xx + u_xxxx = 0 on a ring, chaotic; the start of Kassam & Trefethen 2005."""
    x = sn.coordinate("x", 0, length, periodic=True)
    u = sn.field("u", x)
    wave = 2 * math.pi / length * x
    equation = sn.D(u) + sn.D(u**2 / 2, x) + sn.D(u, x, 2) + sn.D(u, x, 4) == 0
    return sn.PDE("kuramoto_sivashinsky", [equation], initial={u: sn.cos(wave) * (1 + sn.sin(wave))})
