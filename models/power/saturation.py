"""Magnetic saturation as a quadratic above a threshold."""

from __future__ import annotations

import math

from symnum.errors import ModelError
from symnum.rewriting.expr import Expr
from symnum.rewriting.operators import ifelse


def quadratic_fit(e1: float, s1: float, e2: float, s2: float) -> tuple[float, float]:
    """(A, B) of ``S(E) E = B (E - A)^2`` for E > A, through S(e1) = s1 and S(e2) = s2.

    S is the extra excitation as a share of E. s1 = 0 or e1 = 0 means no saturation: (A, B) = (e2, 0). s2 = 0
    is read as 2 at e2 + 2, the convention of the case files that give zeros for "none".
    """
    if s2 == 0:
        e2, s2 = e2 + 2, 2.0
    if s1 * e1 / (s2 * e2) < 0:
        raise ModelError(f"saturation through S({e1}) = {s1} and S({e2}) = {s2}: the signs differ")
    ratio = math.sqrt(s1 * e1 / (s2 * e2))
    if ratio == 0:
        return e2, 0.0
    if ratio == 1 or e1 == e2:
        raise ModelError(f"saturation through S({e1}) = {s1} and S({e2}) = {s2}: no quadratic passes both")
    return e2 - (e1 - e2) / (ratio - 1), s2 * e2 * (ratio - 1) ** 2 / (e1 - e2) ** 2


def excess(flux: Expr, start: Expr, slope: Expr) -> Expr:
    """``S(E) E``: the extra excitation at flux or voltage ``E``."""
    return ifelse(flux > start, slope * (flux - start) ** 2, 0)
