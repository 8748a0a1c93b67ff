"""Structure: which unknowns are states, which are given explicitly, which stay implicit."""

from __future__ import annotations

from symnum.lowering.families import Family, IntArray
from symnum.lowering.raw import Sums
from symnum.record import record


@record
class StateChoice:
    """States ``s = A x`` of a part with constraints on x, where A is chosen (anew) in a run.

    states: (k,) numbers of s. candidates: (m,) numbers of x. parameters: (k, m) numbers of the entries of A.
    rows: (m - k,) the constraints, by their place among the residuals. level: 1 for the highest derivatives.
    """

    states: IntArray
    candidates: IntArray
    parameters: IntArray
    rows: IntArray
    level: int


@record
class Structure:
    """The outcome, in the numbers of `families` (n + i is the derivative of unknown i).

    representative: (n,) the unknown that stands for each one. opposite: (n,) the unknown of which it is the
    opposite by an alias, or -1. definitions: explicit families in an order in
    which each reads only earlier ones, apart from sums. sum_rows / sum_targets: rows of ``sums`` solved for
    one unknown. residuals, residual_sums: the implicit equations. states, implicit:
    numbers.
    """

    representative: IntArray
    opposite: IntArray
    states: IntArray
    implicit: IntArray
    definitions: tuple[Family, ...]
    sums: Sums
    sum_rows: IntArray
    sum_targets: IntArray
    residuals: tuple[Family, ...]
    residual_sums: IntArray
    choices: tuple[StateChoice, ...] = ()
