"""Models of any size for the code generation benchmark: grid, ladder, network, distinct statements."""

from __future__ import annotations

import numpy as np

import symnum as sn
from symnum.language.block import Block, Column, GridNames, IndexedEquation, Quantities, References
from symnum.rewriting.expr import slot

ALPHA, A, B = sn.parameters(alpha=0.02, A=3.4, B=1.0)


def brusselator(size: int) -> sn.System:
    """size x size points, periodic: wrapped rows and columns are entries of the index tables.

    D(u) = B + u^2 v - (A + 1) u + alpha lap(u), D(v) = A u - u^2 v + alpha lap(v); states u then v.
    """
    grid = np.arange(size * size).reshape(size, size)
    around = [np.roll(grid, shift, axis).ravel() for axis in (0, 1) for shift in (1, -1)]
    u = Quantities("variable", GridNames("u", grid.shape))
    v = Quantities("variable", GridNames("v", grid.shape))
    shared = References((ALPHA, A, B))
    here = grid.ravel()
    equations = []
    for own, sign in ((u, 1), (v, -1)):
        other = v if own is u else u
        columns = [Column(own, here, derivative=True), Column(own, here), Column(other, here)]
        columns += [Column(own, index) for index in around]
        columns += [Column(shared, np.full(len(here), k)) for k in range(3)]
        d, x, y = (slot("u", k) for k in range(3))
        alpha, a, b = (slot("p", 7 + k) for k in range(3))
        diffusion = alpha * (sum(slot("u", 3 + k) for k in range(4)) - 4 * x)
        reaction = b + x**2 * y - (a + 1) * x if sign > 0 else a * y - y**2 * x
        field = own.names

        def label(copy: int, field: object = field) -> str:
            return f"D({field[copy]}) == ..."  # type: ignore[index]

        equations.append(IndexedEquation(d - reaction - diffusion, tuple(columns), label))
    return sn.System(f"brusselator{size}", [Block((u, v, shared), tuple(equations))])
