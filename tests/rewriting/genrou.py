"""A synchronous machine (sixth order, quadratic saturation) as plain expressions: what real models ask of simplify."""

from symnum.rewriting.derivative import gradient
from symnum.rewriting.expr import Expr, Symbol, symbol
from symnum.rewriting.operators import cos, ifelse, sin, sqrt

STATES = [
    symbol(Symbol(name, "variable"))
    for name in ("delta", "omega", "e1q", "e1d", "e2d", "e2q", "vr", "vi", "vf", "tm")
]
PARAMETERS = [
    symbol(Symbol(name, "parameter"))
    for name in (
        "wb", "M", "D", "Td1", "Tq1", "Td2", "Tq2", "xd", "xq", "xd1", "xq1", "x2", "xl", "ra", "A", "B"
    )
]  # fmt: skip


def right_hand_side() -> list[Expr]:
    """Six state equations and the current into the network, written as in a textbook."""
    delta, omega, e1q, e1d, e2d, e2q, vr, vi, vf, tm = STATES
    wb, M, D, Td1, Tq1, Td2, Tq2, xd, xq, xd1, xq1, x2, xl, ra, A, B = PARAMETERS
    vd = vr * sin(delta) - vi * cos(delta)
    vq = vr * cos(delta) + vi * sin(delta)
    gd1, gq1 = (x2 - xl) / (xd1 - xl), (x2 - xl) / (xq1 - xl)
    gd2, gq2 = (xd1 - x2) / (xd1 - xl) ** 2, (xq1 - x2) / (xq1 - xl) ** 2
    psi_d = gd1 * e1q + gd2 * (xd1 - xl) * e2d
    psi_q = gq1 * e1d + (1 - gq1) * e2q
    psi = sqrt(psi_d**2 + psi_q**2)
    saturation = ifelse(psi > A, B * (psi - A) ** 2 / psi, 0)
    determinant = ra**2 + x2**2
    i_d = (x2 * (psi_d - vq) + ra * (psi_q - vd)) / determinant
    i_q = (ra * (psi_d - vq) - x2 * (psi_q - vd)) / determinant
    torque = (ra * i_q + vq) * i_q + (ra * i_d + vd) * i_d
    field = e1q + (xd - xd1) * (gd1 * i_d - gd2 * e2d + gd2 * e1q) + saturation * psi_d
    damper = e1d + (xq - xq1) * (gq2 * e1d - gq2 * e2q - gq1 * i_q) + saturation * (xq - xl) / (xd - xl) * psi_q
    return [
        wb * (omega - 1),
        (tm - torque - D * (omega - 1)) / M,
        (vf - field) / Td1,
        -damper / Tq1,
        (-e2d + e1q - (xd1 - xl) * i_d) / Td2,
        (-e2q + e1d + (xq1 - xl) * i_q) / Tq2,
        i_d * sin(delta) + i_q * cos(delta),
        i_q * sin(delta) - i_d * cos(delta),
    ]


def with_jacobian() -> list[Expr]:
    """The right-hand side followed by all nonzero partial derivatives."""
    equations = right_hand_side()
    return [*equations, *(entry for row in gradient(equations, STATES) for entry in row.values())]
