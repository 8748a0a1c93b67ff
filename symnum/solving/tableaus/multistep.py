"""Multistep methods."""

from __future__ import annotations

from symnum.solving.multistep_tableau import MultistepTableau
from symnum.solving.tableaus.esdirk import KVAERNO5

__all__ = ["BDF"]

BDF = MultistepTableau(
    name="BDF",
    order=5,
    embedded=5,
    dense=5,
    dae=5,
    l_stable=True,
    angle=51.0,
    cite="Shampine and Reichelt, The MATLAB ODE suite, SIAM J. Sci. Comput. 18:1 (1997)",
    kappa=(-0.1850, -1.0 / 9.0, -0.0823, -0.0415, 0.0),
    angles=(90.0, 90.0, 80.0, 66.0, 51.0),
    starter=KVAERNO5,
)
