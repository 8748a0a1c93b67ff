"""Rate laws other than mass action: Michaelis-Menten, Hill, and sums and multiples of them."""

from __future__ import annotations

from symnum.errors import ModelError
from symnum.language.variables import checked_expr
from symnum.rewriting.expr import Expr, Operand

__all__ = ["Hill", "MichaelisMenten", "RateLaw"]


class RateLaw:
    """An expression that is the whole rate of a reaction, not a constant that reactants multiply.

    ``sn.Reaction(law, S >> P)`` takes it as it is. ``leak + law``, ``E * law`` and ``law / 2`` are rate laws
    again. ``law.expr`` is the expression.
    """

    __slots__ = ("expr",)

    def __init__(self, expr: Operand) -> None:
        self.expr = checked_expr(expr, "RateLaw")

    def __add__(self, other: Operand | RateLaw) -> RateLaw:
        return RateLaw(self.expr + _plain(other))

    __radd__ = __add__

    def __mul__(self, other: Operand | RateLaw) -> RateLaw:
        return RateLaw(self.expr * _plain(other))

    __rmul__ = __mul__

    def __truediv__(self, other: Operand | RateLaw) -> RateLaw:
        return RateLaw(self.expr / _plain(other))

    def __repr__(self) -> str:
        return str(self.expr)

    def _repr_latex_(self) -> str | None:
        return self.expr._repr_latex_()


def _plain(value: Operand | RateLaw) -> Expr:
    return value.expr if isinstance(value, RateLaw) else checked_expr(value, "a term of a rate law")


def _read(value: Operand, what: str) -> Expr:
    """What a law reads, which comes first and is no number."""
    found = checked_expr(value, what)
    if found.is_number:
        raise ModelError(f"{what}: {found} is a number; the species comes first, then vmax and the constant")
    return found


def MichaelisMenten(substrate: Operand, vmax: Operand, Km: Operand) -> RateLaw:
    """``vmax * S / (Km + S)``. vmax: the rate at saturation; Km: the substrate that gives half of it.

    Michaelis, Menten, Biochem. Z. 49 (1913) 333.
    """
    S = _read(substrate, "MichaelisMenten, substrate")
    top, half = checked_expr(vmax, "MichaelisMenten, vmax"), checked_expr(Km, "MichaelisMenten, Km")
    return RateLaw(top * S / (half + S))


def Hill(regulator: Operand, vmax: Operand, K: Operand, n: Operand, *, repressing: bool = False) -> RateLaw:
    """``vmax * X**n / (K**n + X**n)``; repressing: ``vmax * K**n / (K**n + X**n)``.

    vmax: the rate at saturation (repressing: without regulator); K: the regulator that gives half of it;
    n: the Hill coefficient. The regulator is no reactant: nothing of it is used up. Hill, J. Physiol. 40
    (1910) iv.
    """
    X, top = _read(regulator, "Hill, regulator"), checked_expr(vmax, "Hill, vmax")
    half, steepness = checked_expr(K, "Hill, K"), checked_expr(n, "Hill, n")
    if half.is_number and half.value <= 0:
        raise ModelError(f"Hill: K = {half} is the regulator at half of the effect; it must be positive")
    numerator = half**steepness if repressing else X**steepness
    return RateLaw(top * numerator / (half**steepness + X**steepness))
