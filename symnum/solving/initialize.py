"""Consistent starts: the algebraic unknowns that fit the states, block by block where Newton on all fails."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError, SolveFailed
from symnum.lowering.compile import CompiledSystem
from symnum.lowering.flat import FlatSystem
from symnum.rewriting.expr import TIME, Expr, slot
from symnum.rewriting.walk import evaluate, leaves

FloatArray: TypeAlias = NDArray[np.float64]

_ITERATIONS = 50
_TOLERANCE = 1e-10
_AGREES = 1e-6  # how far a start that the equations determine may be from what the user wrote


def consistent(compiled: CompiledSystem, t: float, u: FloatArray, p: FloatArray) -> FloatArray:
    """``u`` with algebraic unknowns that satisfy their equations; states stay as they are.

    The algebraic equations are solved in the order of the blocks of their Jacobian, each by damped Newton.
    Raises SolveFailed naming the equation with the largest residual.
    """
    algebraic = np.flatnonzero(compiled.mass == 0)
    u = u.copy()
    if not len(algebraic):
        return u
    for rows, columns in block_order(compiled, algebraic):
        _newton(compiled, t, u, p, algebraic[rows], algebraic[columns])
    return u


def block_order(
    compiled: CompiledSystem, algebraic: NDArray[np.int64]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Blocks (rows, columns) of the algebraic part of the Jacobian, each depending on earlier ones only."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components, maximum_bipartite_matching

    pattern = csr_array(compiled.sparsity)[algebraic][:, algebraic]
    column_of = np.asarray(maximum_bipartite_matching(pattern, perm_type="column"))
    if (column_of < 0).any():
        rows = [compiled.flat.equation_texts[algebraic[i]] for i in np.flatnonzero(column_of < 0)[:5]]
        raise ModelError(
            f"{compiled.flat.name}: the algebraic equations are singular: no unknown is left for\n    "
            + "\n    ".join(rows)
            + "\nDo two equations say the same, or is a reference missing, such as the ground of a circuit?"
        )
    permuted = csr_array(pattern[:, column_of])
    count, label = connected_components(permuted, directed=True, connection="strong")
    quotient = csr_array(
        (np.ones(permuted.nnz), (label[permuted.nonzero()[0]], label[permuted.nonzero()[1]])),
        shape=(count, count),
    )
    order = _dependencies_first(quotient, count)
    members = [np.flatnonzero(label == block) for block in order]
    return [(rows, column_of[rows]) for rows in members]


def _dependencies_first(graph: object, count: int) -> list[int]:
    import networkx

    rows, columns = graph.nonzero()  # type: ignore[attr-defined]
    directed = networkx.DiGraph()
    directed.add_nodes_from(range(count))
    directed.add_edges_from((int(c), int(r)) for r, c in zip(rows, columns, strict=True) if r != c)
    return list(networkx.topological_sort(directed))


def _newton(
    compiled: CompiledSystem,
    t: float,
    u: FloatArray,
    p: FloatArray,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
) -> None:
    def residual() -> FloatArray:
        return compiled.rhs(t, u, p)[rows]

    r = residual()
    for _ in range(_ITERATIONS):
        if not np.isfinite(r).all():
            break
        block = compiled.jacobian(t, u, p)[rows][:, columns].toarray()
        step = np.linalg.lstsq(block, -r, rcond=None)[0]
        before, size = u[columns].copy(), float(np.abs(r).max())
        small = np.abs(step).max() <= _TOLERANCE * (1.0 + np.abs(before).max())
        scale = 1.0
        while True:
            u[columns] = before + scale * step
            r = residual()
            if np.isfinite(r).all() and (np.abs(r).max() <= (1 - 0.1 * scale) * size or small):
                break
            scale *= 0.5
            if scale < 1e-6:
                break
        if small and np.isfinite(r).all():
            if np.abs(r).max() <= 1e-6 * max(1.0, size):
                return
            break
    flat = compiled.flat
    worst = int(np.argmax(np.where(np.isfinite(r), np.abs(r), np.inf)))
    value = r[worst]
    unknowns = ", ".join(f"{flat.state_names[c]} = {u[c]:.6g}" for c in columns[:6])
    raise SolveFailed(
        f"{flat.name}: no consistent start at t = {t:g}. Newton stopped with {unknowns}"
        f"{' ...' if len(columns) > 6 else ''}; the worst equation is\n    {flat.equation_texts[rows[worst]]}"
        f"\nwith residual {value:.3g}. Give better guesses for these unknowns, or check the starts "
        "of the states."
    )


def check_given(flat: FlatSystem, starts: dict[int, float], t: float, u: FloatArray, p: FloatArray) -> None:
    """A start that the user gave for a quantity which the equations determine must agree with them."""
    for number, given in starts.items():
        at = flat.position[number]
        if at >= 0 and flat.mass[at]:
            continue
        found = value_of(flat, slot("u", number), t, u, p)
        # an algebraic unknown may have several solutions: its start is a guess that Newton improves
        if at >= 0 or abs(found - given) <= _AGREES * max(1.0, abs(given)):
            continue
        raise ModelError(
            f"{flat.name}: the start {flat.number_name(number)} = {given:g} does not fit the equations, "
            f"which give {found:g}. Leave it out, or change the states it follows from."
        )


def value_of(flat: FlatSystem, expr: Expr, t: float, u: FloatArray, p: FloatArray) -> float:
    """One expression over ``slot("u", number)`` and ``slot("p", parameter)`` at one time."""
    values: dict[Expr, float] = {TIME: t}
    stack: list[tuple[Expr | None, Expr]] = [(None, expr)]
    while True:
        leaf, body = stack[-1]
        waiting: list[tuple[Expr, Expr]] = []
        for x in leaves((body,)):
            if x in values:
                continue
            letter, number = x.data
            if letter == "p":
                values[x] = float(p[number])
            elif flat.position[number] >= 0:
                values[x] = float(u[flat.position[number]])
            else:
                definition = flat.definition(number)
                assert definition is not None
                waiting.append((x, definition))
        if waiting:
            stack += waiting
            continue
        value = float(evaluate(body, values))
        stack.pop()
        if leaf is None:
            return value
        values[leaf] = value
