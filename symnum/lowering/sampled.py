"""Partial derivatives of all equations at one random point, for what structure alone does not tell."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.lowering.families import Family, IntArray
from symnum.lowering.raw import Sums
from symnum.record import record
from symnum.rewriting.derivative import gradient
from symnum.rewriting.expr import TIME, Expr, slot
from symnum.rewriting.walk import evaluate_arrays

FloatArray = NDArray[np.float64]


@record
class Entries:
    """``value[k] = d equation[k] / d unknown[k]``; one entry per (equation, slot), several may add up."""

    equation: IntArray
    unknown: IntArray
    value: FloatArray


def sampled_entries(
    families: list[Family],
    sums: Sums,
    wanted: NDArray[np.bool_],
    between: tuple[float, float] = (0.4, 1.6),
) -> Entries:
    """The derivatives with respect to the ``wanted`` numbers, all unknowns and parameters drawn at random.

    The usual values are positive, where logarithms and roots are defined. What is not finite there is
    replaced by a random number, as if it were generic.
    """
    random = np.random.default_rng(0)
    unknowns = random.uniform(*between, len(wanted))
    most = max((int(c.max(initial=0)) for f in families for c, x in zip(f.columns, f.letters, strict=True)
                if x == "p"), default=0)  # fmt: skip
    parameters = random.uniform(0.4, 1.6, most + 1)  # sizes and rates: seldom negative
    equations, numbers, values = [], [], []
    first = 0
    for family in families:
        slots = [k for k in family.unknown_slots() if wanted[family.columns[k]].any()]
        environment: dict[Expr, Any] = {TIME: 0.7}
        for k, (letter, column) in enumerate(zip(family.letters, family.columns, strict=True)):
            index = np.asarray(column, np.int64) if letter != "c" else None
            table = {"u": unknowns, "p": parameters}.get(letter)
            environment[slot(letter, k)] = column if table is None or index is None else table[index]
        partial = gradient((family.root,), [slot("u", k) for k in slots])[0] if slots else {}
        for k in slots:
            if slot("u", k) not in partial:
                continue
            with np.errstate(all="ignore"):
                (value,) = evaluate_arrays((partial[slot("u", k)],), environment)
            found = np.array(np.broadcast_to(np.asarray(value, float), (family.count,)))
            bad = ~np.isfinite(found)
            found[bad] = random.uniform(0.4, 1.6, int(bad.sum()))
            held = wanted[family.columns[k]]
            equations.append(first + np.flatnonzero(held))
            numbers.append(np.asarray(family.columns[k], np.int64)[held])
            values.append(found[held])
        first += family.count
    held = wanted[sums.unknown]
    equations.append(first + np.repeat(np.arange(sums.count), np.diff(sums.indptr))[held])
    numbers.append(sums.unknown[held])
    values.append(np.asarray(sums.coefficient, float)[held])
    return Entries(np.concatenate(equations), np.concatenate(numbers), np.concatenate(values))
