"""Methods for PDEs whose linear part is diagonal in Fourier space."""

from __future__ import annotations

from symnum.solving.fourier_method import AdditiveTableau, ExponentialTableau

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

_B = (82889 / 524892, 0.0, 15625 / 83664, 69875 / 102672, -2260 / 8211, 0.25)

ARK436 = AdditiveTableau(
    name="ARK436",
    order=4,
    embedded=3,
    dense=3,
    l_stable=True,
    stiffly_accurate=True,
    cite="ARK4(3)6L[2]SA: Kennedy and Carpenter, Additive Runge-Kutta schemes, Appl. Numer. Math. 44:139 "
    "(2003)",
    c=(0.0, 0.5, 83 / 250, 31 / 50, 17 / 20, 1.0),
    implicit=(
        (0.0,),
        (0.25, 0.25),
        (8611 / 62500, -1743 / 31250, 0.25),
        (5012029 / 34652500, -654441 / 2922500, 174375 / 388108, 0.25),
        (
            15267082809 / 155376265600, -71443401 / 120774400, 730878875 / 902184768, 2285395 / 8070912, 0.25,
        ),
        _B,
    ),
    explicit=(
        (),
        (0.5,),
        (13861 / 62500, 6889 / 62500),
        (
            -116923316275 / 2393684061468, -2731218467317 / 15368042101831, 9408046702089 / 11113171139209,
        ),
        (
            -451086348788 / 2902428689909, -2682348792572 / 7519795681897, 12662868775082 / 11960479115383,
            3355817975965 / 11060851509271,
        ),
        (
            647845179188 / 3216320057751, 73281519250 / 8382639484533, 552539513391 / 3454668386233,
            3354512671639 / 8306763924573, 4040 / 17871,
        ),
    ),
    b=_B,
    bhat=(
        4586570599 / 29645900160, 0.0, 178811875 / 945068544, 814220225 / 1159782912, -3700637 / 11593932,
        61727 / 225920,
    ),
    middle=((1.0, 1),),
    last=5,
)  # fmt: skip
