"""Methods for PDEs whose linear part is diagonal in Fourier space."""

from __future__ import annotations

from symnum.solving.fourier_method import AdditiveTableau, ExponentialTableau
from symnum.solving.tableaus.esdirk import KENCARP4

__all__ = ["ARK436", "ETDRK4"]

_HALF = ((0.5, 1, 0.5),)
_MIDDLE = ((2.0, 2, 1.0), (-4.0, 3, 1.0))
_LAST = ((4.0, 3, 1.0), (-1.0, 2, 1.0))

# The error estimate puts part of the last weight on the slope at the end of the step, as Balac & Mahe,
# Comput. Phys. Commun. 184 (2013) 1211, do in the interaction picture: at z = 0 it is h (N_4 - N_5)/10.
ETDRK4 = ExponentialTableau(
    name="ETDRK4",
    order=4,
    embedded=3,
    dense=3,
    cite="Cox and Matthews, J. Comput. Phys. 176:430 (2002); Kassam and Trefethen, SIAM J. Sci. Comput. "
    "26:1214 (2005)",
    c=(0.0, 0.5, 0.5, 1.0),
    a=(
        (_HALF,),
        ((), _HALF),
        # phi_1(z/2) (exp(z/2) - 1)/2 = phi_1(z) - phi_1(z/2)
        (((1.0, 1, 1.0), (-1.0, 1, 0.5)), (), ((1.0, 1, 0.5),)),
    ),
    b=(((1.0, 1, 1.0), (-3.0, 2, 1.0), (4.0, 3, 1.0)), _MIDDLE, _MIDDLE, _LAST),
    d=((2.4, 3, 1.0), (-0.6, 2, 1.0)),
    middle=((0.5, 1), (0.5, 2)),
    last=3,
)  # fmt: skip

# KenCarp4 with its explicit part for N: both go through one factored matrix there, and through none here.
ARK436 = AdditiveTableau(
    name="ARK436",
    order=4,
    embedded=3,
    dense=3,
    l_stable=True,
    stiffly_accurate=True,
    cite=f"ARK4(3)6L[2]SA: {KENCARP4.cite}",
    c=(0.0, 0.5, 0.332, 0.62, 0.85, 1.0),
    implicit=KENCARP4.a,
    explicit=KENCARP4.a_explicit,
    b=KENCARP4.a[-1],
    bhat=KENCARP4.bhat,
    middle=((1.0, 1),),
    last=5,
)
