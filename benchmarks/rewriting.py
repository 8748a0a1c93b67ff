"""The rewriter against common-subexpression elimination by SymPy, and the symbolic core against its peers.

    pip install symengine        # for the comparison only
    python benchmarks/rewriting.py [--data DATA] [--only cost speed networks size corpus]

``cost``: operations of right-hand side plus Jacobian, counted on the straight-line code that the emitters
spell (a shared value once, parameter-only values outside) in units of one addition, and the time of one call
of the compiled code. ``networks``: the same for published reaction networks. ``speed``: building,
differentiating and substituting against SymPy and symengine. ``size``: time and memory of the rewriter over
system size. One JSON line a row goes to standard output, a table to RESULTS.md.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from symnum.codegen.hoist import Split
from symnum.codegen.share import statements
from symnum.rewriting.cost import ADDITION, DIVISION, MULTIPLICATION, SQUARE_ROOT, free_nodes
from symnum.rewriting.derivative import gradient
from symnum.rewriting.expr import Expr, Symbol, add, slot, symbol
from symnum.rewriting.operators import OPERATORS, cos, ifelse, sin, sqrt
from symnum.rewriting.sympy_bridge import from_sympy
from symnum.rewriting.walk import leaves, postorder, substitute

Row = dict[str, Any]


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


# ---- the cases ------------------------------------------------------------------------------------
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


# ---- counting -------------------------------------------------------------------------------------
_COSTS = {"add": ADDITION, "sub": ADDITION, "mul": MULTIPLICATION, "neg": 1.0, "div": DIVISION}
_COSTS |= {"sqrt": SQUARE_ROOT, "number": 0.0, "slot": 0.0, "time": 0.0, "truth": 0.0, "real": 0.0}


def hoisted(roots: Sequence[Expr], parameters: Iterable[Expr]) -> list[Expr]:
    """The roots over slots, parameter-only parts replaced by slots of their own (what ``setup`` computes)."""
    given = list(parameters)
    unknown = [leaf for leaf in leaves(roots) if leaf not in set(given)]
    named = {leaf: slot("u", k) for k, leaf in enumerate(unknown)}
    named |= {leaf: slot("p", k) for k, leaf in enumerate(given)}
    placed = substitute(tuple(roots), named)
    fixed = free_nodes(placed, [named[leaf] for leaf in given])
    return list(Split(placed, {e: e in fixed for e in postorder(placed)}).roots(0))


def operations(roots: Sequence[Expr], parameters: Iterable[Expr] = ()) -> float:
    """Cost of the emitted code of the roots, in additions."""
    body = statements(hoisted(roots, parameters))
    return sum(_COSTS[s.op] if s.op in _COSTS else OPERATORS[s.op].cost for s in body.statements)


def cse(roots: Sequence[Expr]) -> tuple[float, list[tuple[Expr, Expr]], list[Expr]]:
    """What ``sympy.cse`` makes of the roots: its cost, its definitions and its results."""
    import sympy

    definitions, results = sympy.cse([root.to_sympy() for root in roots])
    pairs = [(from_sympy(name), from_sympy(value)) for name, value in definitions]
    back = [from_sympy(value) for value in results]
    total = 0.0
    for expr in (*(value for _, value in pairs), *back):
        total += operations([expr])
    return total, pairs, back
