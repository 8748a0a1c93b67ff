"""Potentials: equations without time, solved by `symnum.steady_state`."""

from __future__ import annotations

from collections.abc import Callable

import symnum as sn
from symnum.language.pde import PDE
from symnum.rewriting.expr import Expr, Operand


def poisson(
    source: Operand | Callable[[Expr, Expr], Operand] = 1.0, width: float = 1.0, height: float = 1.0
) -> PDE:
    """-(u_xx + u_yy) = source in a grounded box; source: a number, or a function of x and y."""
    x, y = sn.coordinate("x", 0, width), sn.coordinate("y", 0, height)
    u = sn.field("u", x, y)
    density = source(x, y) if callable(source) else source
    return sn.PDE(
        "poisson",
        [-sn.laplacian(u, sn.cartesian(x, y)) == density],
        boundary=[u.at(q, end) == 0 for q, high in ((x, width), (y, height)) for end in (0, high)],
    )
