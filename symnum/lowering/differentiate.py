"""Total time derivatives of families and sums: once per template, whatever the number of copies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from symnum.lowering.families import AnyArray, Family
from symnum.lowering.raw import Sums
from symnum.record import replace
from symnum.rewriting.derivative import gradient
from symnum.rewriting.expr import TIME, Expr, add, slot


def differentiated(family: Family, n: int) -> Family:
    """d/dt of every copy. Numbers are ``order * n + unknown``: the derivative of number i is i + n.

    Parameters and the numbers of a copy are constant.
    """
    slots = family.unknown_slots()
    known = [slot("u", k) for k in slots]
    partial = gradient((family.root,), [*known, TIME])[0]
    base = len(family.columns)
    terms: list[Expr] = [partial[TIME]] if TIME in partial else []
    extra: list[tuple[str, AnyArray]] = []
    for k in slots:
        if slot("u", k) in partial:
            terms.append(partial[slot("u", k)] * slot("u", base + len(extra)))
            extra.append(("u", np.asarray(family.columns[k], np.int64) + n))
    text, rows = family.origin
    return replace(family, origin=(_derivative_text(text), rows)).with_root(add(terms), extra)


def differentiated_sums(sums: Sums, n: int) -> Sums:
    return Sums(
        sums.indptr, sums.unknown + n, sums.coefficient, tuple(_of_text(label) for label in sums.labels)
    )


def joined_sums(parts: list[Sums]) -> Sums:
    starts = np.cumsum([0, *(int(part.indptr[-1]) for part in parts)])
    return Sums(
        np.concatenate([[0], *(part.indptr[1:] + s for part, s in zip(parts, starts, strict=False))]),
        np.concatenate([part.unknown for part in parts]),
        np.concatenate([part.coefficient for part in parts]),
        tuple(label for part in parts for label in part.labels),
    )


def _derivative_text(text: Callable[[int], str]) -> Callable[[int], str]:
    return lambda row: _of_text(text(row))


def _of_text(text: str) -> str:
    return f"d/dt {text}" if text.startswith("d/dt ") else f"d/dt ({text})"
