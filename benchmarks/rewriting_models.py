"""Expressions for the benchmarks of the rewriter: machines, gene circuits, networks of any size."""

from __future__ import annotations

import random
from typing import NamedTuple

from symnum.rewriting.derivative import gradient
from symnum.rewriting.expr import Expr, Symbol, add, apply, symbol
from symnum.rewriting.operators import cos, ifelse, sin, sqrt


class Case(NamedTuple):
    """Right-hand sides, unknowns and parameters."""

    name: str
    rhs: list[Expr]
    unknowns: list[Expr]
    parameters: list[Expr]

    def everything(self) -> list[Expr]:
        """Right-hand sides and the nonzero entries of the Jacobian."""
        rows = gradient(self.rhs, self.unknowns)
        return [*self.rhs, *(entry for row in rows for entry in row.values())]


def variable(name: str) -> Expr:
    return symbol(Symbol(name, "variable"))


def parameter(name: str) -> Expr:
    return symbol(Symbol(name, "parameter"))


def repressilator() -> Case:
    """Elowitz and Leibler 2000: three genes in a ring, each repressing the next."""
    m = [variable(f"m{k}") for k in range(3)]
    protein = [variable(f"p{k}") for k in range(3)]
    alpha, alpha0, beta, n = (parameter(name) for name in ("alpha", "alpha0", "beta", "n"))
    rhs = [alpha0 + alpha / (1 + protein[k - 1] ** n) - m[k] for k in range(3)]
    rhs += [-beta * (protein[k] - m[k]) for k in range(3)]
    return Case("repressilator", rhs, [*m, *protein], [alpha, alpha0, beta, n])


def machine() -> Case:
    """A round-rotor synchronous machine of sixth order with quadratic saturation (GENROU), in the network."""
    names = "delta omega e1q e1d e2d e2q vr vi"
    unknowns = [variable(name) for name in names.split()]
    delta, omega, e1q, e1d, e2d, e2q, vr, vi = unknowns
    texts = "wb M D Td1 Tq1 Td2 Tq2 xd xq xd1 xq1 x2 xl ra A B vf tm"
    parameters = [parameter(name) for name in texts.split()]
    wb, M, D, Td1, Tq1, Td2, Tq2, xd, xq, xd1, xq1, x2, xl, ra, A, B, vf, tm = parameters
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
    gqd = (xq - xl) / (xd - xl)
    damper = e1d + (xq - xq1) * (gq2 * e1d - gq2 * e2q - gq1 * i_q) + saturation * gqd * psi_q
    rhs = [
        wb * (omega - 1),
        (tm - torque - D * (omega - 1)) / M,
        (vf - field) / Td1,
        -damper / Tq1,
        (-e2d + e1q - (xd1 - xl) * i_d) / Td2,
        (-e2q + e1d + (xq1 - xl) * i_q) / Tq2,
        i_d * sin(delta) + i_q * cos(delta),
        i_q * sin(delta) - i_d * cos(delta),
    ]
    return Case("machine (GENROU)", rhs, unknowns, parameters)


def machine_states() -> Case:
    """The six state equations of the machine and their derivatives by the states; voltages come from outside.

    The case closest to the prototype whose figures are the goal: it had 437 operations after ``sympy.cse``
    for right-hand side and Jacobian, this has 430.
    """
    whole = machine()
    return Case("machine, states only", whole.rhs[:6], whole.unknowns[:6], whole.parameters)


def network(n: int) -> Case:
    """Classical machines in a reduced network: n swing equations over all angle differences."""
    angle = [variable(f"angle{k}") for k in range(n)]
    speed = [variable(f"speed{k}") for k in range(n)]
    E = [parameter(f"E{k}") for k in range(n)]
    P, H, D = ([parameter(f"{letter}{k}") for k in range(n)] for letter in "PHD")
    G, B = ([[parameter(f"{letter}{i}_{j}") for j in range(n)] for i in range(n)] for letter in "GB")
    wb = parameter("wb")
    rhs = [wb * speed[k] for k in range(n)]
    for i in range(n):
        power = E[i] ** 2 * G[i][i] + add(
            E[i] * E[j] * (B[i][j] * sin(angle[i] - angle[j]) + G[i][j] * cos(angle[i] - angle[j]))
            for j in range(n)
            if j != i
        )
        rhs.append((P[i] - power - D[i] * speed[i]) / (2 * H[i]))
    flat = [entry for table in (G, B) for row in table for entry in row]
    return Case(f"{n}-machine network", rhs, [*angle, *speed], [*E, *P, *H, *D, *flat, wb])


def mass_action(n_species: int, n_reactions: int, seed: int = 0) -> Case:
    """A random network of first- and second-order reactions."""
    draw = random.Random(seed)
    x = [variable(f"x{k}") for k in range(n_species)]
    k = [parameter(f"k{j}") for j in range(n_reactions)]
    terms: list[list[Expr]] = [[] for _ in x]
    for rate in k:
        consumed = [draw.randrange(n_species) for _ in range(draw.choice((1, 2, 2)))]
        made = [draw.randrange(n_species) for _ in range(draw.choice((1, 2)))]
        flow = rate
        for species in consumed:
            flow = flow * x[species]
        for species in consumed:
            terms[species].append(-flow)
        for species in made:
            terms[species].append(flow)
    return Case(f"mass action {n_species}/{n_reactions}", [add(t) for t in terms], x, k)


def varied(count: int) -> Case:
    """Equations that are no polynomials and no two of one shape: products of functions in changing order."""
    draw = random.Random(count)
    x = [variable(f"x{k}") for k in range(count)]
    p = [parameter(f"p{k}") for k in range(20)]
    functions = (sin, cos, OPERATOR_EXP, lambda e: 1 / (1 + e**2), sqrt_of_square_plus_one)
    rhs = []
    for k in range(count):
        terms = []
        for _ in range(draw.randint(2, 6)):
            a, b = x[draw.randrange(max(0, k - 30), k + 1)], x[draw.randrange(max(0, k - 30), k + 1)]
            function = draw.choice(functions)
            terms.append(draw.choice(p) * function(a - draw.randint(1, 9) * b) * draw.choice((a, b, a * b)))
        rhs.append(add(terms))
    return Case(f"varied {count}", rhs, x, p)


def OPERATOR_EXP(e: Expr) -> Expr:
    return apply("exp", -(e**2))


def sqrt_of_square_plus_one(e: Expr) -> Expr:
    return sqrt(e**2 + 1)


def large_network(n_species: int) -> Case:
    return mass_action(n_species, 4 * n_species)
