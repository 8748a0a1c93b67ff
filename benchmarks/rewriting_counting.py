"""Operations of expressions after different eliminations, and the time of one call of compiled code."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from rewriting_models import (
    Case,
    parameter,
    variable,
)

import symnum as sn
from symnum.codegen.hoist import Split
from symnum.codegen.share import statements
from symnum.rewriting.cost import ADDITION, DIVISION, MULTIPLICATION, SQUARE_ROOT, free_nodes
from symnum.rewriting.expr import Expr, apply, slot
from symnum.rewriting.operators import OPERATORS
from symnum.rewriting.sympy_bridge import from_sympy
from symnum.rewriting.walk import leaves, postorder, substitute

Row = dict[str, Any]

_COSTS = {"add": ADDITION, "sub": ADDITION, "mul": MULTIPLICATION, "neg": 1.0, "div": DIVISION}
_COSTS |= {"sqrt": SQUARE_ROOT, "number": 0.0, "slot": 0.0, "time": 0.0, "truth": 0.0, "real": 0.0}


@contextmanager
def nothing_stored() -> Iterator[None]:
    """Compiled code is kept in an empty place, so that a compile is a whole one."""
    before = os.environ.get("SYMNUM_CACHE")
    with tempfile.TemporaryDirectory() as place:
        os.environ["SYMNUM_CACHE"] = place
        try:
            yield
        finally:
            if before is None:
                del os.environ["SYMNUM_CACHE"]
            else:
                os.environ["SYMNUM_CACHE"] = before


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
    known = {leaf.to_sympy(): leaf for leaf in leaves(roots)}
    known |= {name: variable(f"cse {k}") for k, (name, _) in enumerate(definitions)}
    pairs = [(known[name], from_sympy(value, known)) for name, value in definitions]
    back = [from_sympy(value, known) for value in results]
    total = 0.0
    for expr in (*(value for _, value in pairs), *back):
        total += operations([expr])
    return total, pairs, back


def as_groups(pairs: Sequence[tuple[Expr, Expr]], results: Sequence[Expr]) -> list[Expr]:
    """The output of ``sympy.cse`` as expressions whose definitions stay what they are."""
    named: dict[Expr, Expr] = {}
    for name, value in pairs:
        named[name] = apply("group", substitute(value, named))
    return [substitute(result, named) for result in results]


def call_time(address: int, n_out: int, u: Any, p: Any, n_work: int, setup: int = 0) -> float:
    """Nanoseconds of processor time of one call of a compiled function, the least of many runs."""
    import ctypes

    import numba

    pointers = [ctypes.c_double] + [ctypes.c_void_p] * 4
    function = ctypes.CFUNCTYPE(None, *pointers)(address)
    out, work = np.zeros(max(n_out, 1)), np.zeros(max(n_work, 1))
    if setup:
        ctypes.CFUNCTYPE(None, *pointers)(setup)(0.0, *(a.ctypes.data for a in (out, u, p, work)))

    @numba.njit
    def run(count: int, out: Any, u: Any, p: Any, work: Any) -> None:
        for _ in range(count):
            function(0.0, out.ctypes, u.ctypes, p.ctypes, work.ctypes)

    run(1, out, u, p, work)
    count, best = 1, float("inf")
    while True:
        start = time.thread_time()
        run(count, out, u, p, work)
        spent = time.thread_time() - start
        if spent > 0.005:
            break
        count *= 4
    for _ in range(25):
        start = time.thread_time()
        run(count, out, u, p, work)
        best = min(best, (time.thread_time() - start) / count)
    return best * 1e9


def compiled_times(model: Any, seed: int = 0) -> tuple[float, float]:
    """Nanoseconds of one right-hand side and one Jacobian."""
    f = model.model.functions
    draw = np.random.default_rng(seed)
    u, p = draw.uniform(0.5, 1.5, f.n), draw.uniform(0.5, 1.5, max(f.n_parameters, 1))
    size = max(f.n, len(f.indices))  # setup writes the constant entries of the Jacobian
    return (
        call_time(f.rhs, size, u, p, f.n_work, f.setup),
        call_time(f.jacobian, size, u, p, f.n_work, f.setup),
    )


def as_system(case: Case, rhs: Sequence[Expr] | None = None) -> sn.System:
    """An ordinary system with these right-hand sides."""
    given = {leaf: parameter(leaf.name) for leaf in case.parameters}
    equations = [
        sn.Eq(sn.D(x), substitute(f, given)) for x, f in zip(case.unknowns, rhs or case.rhs, strict=True)
    ]
    return sn.System("case_" + "".join(c for c in case.name if c.isalnum()), equations)
