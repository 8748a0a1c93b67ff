"""Linear waves: a string, a membrane, and sound on staggered cells."""

from __future__ import annotations

import math

import symnum as sn
from symnum.language.pde import PDE
from symnum.rewriting.expr import Operand


def string(speed: Operand = 1.0, length: float = 1.0, mode: int = 1) -> PDE:
    """u_tt = c^2 u_xx between fixed ends, from rest in a mode: sin(k x) cos(k c t), k = mode pi/length."""
    x = sn.coordinate("x", 0, length)
    u = sn.field("u", x)
    c = sn.parameter(speed, name="c")
    return sn.PDE(
        "string",
        [sn.D(u, 2) == c**2 * sn.D(u, x, 2)],
        boundary=[u.at(x, 0) == 0, u.at(x, length) == 0],
        initial={u: sn.sin(mode * math.pi / length * x), sn.D(u): 0},
    )


def membrane(speed: Operand = 1.0, width: float = 1.0, height: float = 1.0) -> PDE:
    """u_tt = c^2 (u_xx + u_yy) in a fixed frame, from rest in its lowest mode, of frequency
    c pi sqrt(1/width^2 + 1/height^2)."""
    x, y = sn.coordinate("x", 0, width), sn.coordinate("y", 0, height)
    u = sn.field("u", x, y)
    c = sn.parameter(speed, name="c")
    shape = sn.sin(math.pi / width * x) * sn.sin(math.pi / height * y)
    return sn.PDE(
        "membrane",
        [sn.D(u, 2) == c**2 * sn.laplacian(u, sn.cartesian(x, y))],
        boundary=[u.at(q, end) == 0 for q, high in ((x, width), (y, height)) for end in (0, high)],
        initial={u: shape, sn.D(u): 0},
    )


def sound(speed: Operand = 1.0, density: Operand = 1.0, width: float = 1.0, height: float = 1.0) -> PDE:
    """Sound in a closed room: p_t = -rho c^2 div v, rho v_t = -grad p, with v on the faces of the cells of p.

    Takes `Staggered` along both coordinates (Arakawa's C grid): what leaves one cell enters the next, and
    energy is kept. From rest, p = cos(pi x/width) cos(pi y/height), a mode of the frequency of `membrane`.
    """
    x, y = sn.coordinate("x", 0, width), sn.coordinate("y", 0, height)
    p, u, v = sn.field("p", x, y), sn.field("u", x, y, faces=x), sn.field("v", x, y, faces=y)
    c, rho = sn.parameter(speed, name="c"), sn.parameter(density, name="rho")
    walls = [(x, width, u, v), (y, height, v, u)]
    return sn.PDE(
        "sound",
        [
            sn.D(p) == -rho * c**2 * (sn.D(u, x) + sn.D(v, y)),
            sn.D(u) == -sn.D(p, x) / rho,
            sn.D(v) == -sn.D(p, y) / rho,
        ],
        boundary=[
            condition
            for q, high, across, along in walls
            for end in (0, high)
            for condition in (
                across.at(q, end) == 0, sn.D(p, q).at(q, end) == 0, sn.D(along, q).at(q, end) == 0,
            )
        ],
        initial={p: sn.cos(math.pi / width * x) * sn.cos(math.pi / height * y), u: 0, v: 0},
    )
