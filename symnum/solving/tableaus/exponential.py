"""Exponential Rosenbrock methods."""

from __future__ import annotations

from symnum.solving.exponential_tableau import ExponentialTableau

__all__ = ["EXPRB32", "EXPRB43"]

_CITE = (
    "Hochbruck, Ostermann and Schweitzer, Exponential Rosenbrock-type methods, SIAM J. Numer. Anal. 47:786 "
    "(2009)"
)

EXPRB32 = ExponentialTableau(
    name="exprb32", order=3, embedded=2, dense=3, l_stable=True, cite=_CITE,
    c=(1.0,), a=0.0, third=(2.0,), fourth=(0.0,),
)  # fmt: skip

EXPRB43 = ExponentialTableau(
    name="exprb43", order=4, embedded=3, dense=3, l_stable=True, cite=_CITE,
    c=(0.5, 1.0), a=1.0, third=(16.0, -2.0), fourth=(-48.0, 12.0),
)  # fmt: skip
