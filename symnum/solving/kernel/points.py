"""One function of a model at many points. Kernel code: see `pointers`."""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Integers, at, call_model, compiled, floats

__all__ = ["points"]


@compiled
def points(a: Integers) -> int:
    """Row k of the result from row k of the unknowns and of the parameters, at time k."""
    t = floats(a[slot.F_T])
    out = floats(a[slot.F_OUT])
    u = floats(a[slot.F_U])
    p = floats(a[slot.F_P])
    work = floats(a[slot.F_WORK])
    for k in range(a[slot.F_COUNT]):
        call_model(
            a[slot.F_FUNCTION], t[k], at(out, k * a[slot.F_OUT_ROW]), at(u, k * a[slot.F_U_ROW]),
            at(p, k * a[slot.F_P_ROW]), work,
        )  # fmt: skip
    return slot.DONE
