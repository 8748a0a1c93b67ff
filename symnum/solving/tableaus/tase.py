"""RK-TASE methods: with several operators, singly, and modified singly.

The coefficients of the modified ones are our own: found by optimizing the error constant over the free
parameters left by the order conditions, R at infinity = 0 and the index-1 condition. They are not those that
Calvo, Montijano and Randez printed.
"""

from __future__ import annotations

from symnum.solving.tableau import TaseSumTableau, TaseTableau

__all__ = ["MSRKTASE2", "MSRKTASE3", "MSRKTASE4", "RKTASE2", "RKTASE3", "SRKTASE3"]

MSRKTASE2 = TaseTableau(
    name="MSRKTASE2",
    order=2,
    embedded=1,
    dense=3,
    dae=2,
    w=2,
    l_stable=True,
    cite="own derivation in the class of Calvo, Montijano and Randez (arXiv:2407.01785)",
    alpha=0.3464566929133858,
    a=(
        (),
        (0.4,),
    ),
    b=(-0.25, 1.25),
    beta=(
        (0.6614173228346457, 0.33858267716535434),
        (1.7322834645669292, -0.7322834645669292),
    ),
    err=(
        (0.004727037920453262, -0.3039993485246361),
        (-0.019999006586533034, 0.3192713171907159),
    ),
)

MSRKTASE3 = TaseTableau(
    name="MSRKTASE3",
    order=3,
    embedded=2,
    dense=3,
    dae=3,
    w=3,
    l_stable=True,
    cite="own derivation in the class of Calvo, Montijano and Randez (arXiv:2407.01785)",
    alpha=0.36,
    a=(
        (),
        (0.75,),
        (1.4583333333333333, -0.5833333333333334),
    ),
    b=(0.2698412698412698, 1.1111111111111112, -0.38095238095238093),
    beta=(
        (0.7934545886752902, 1.4130908226494197, -1.2065454113247098),
        (2.890175089332923, -2.7803501786658464, 0.8901750893329231),
        (1.1167076775326896, 0.7665846449346208, -0.8832923224673104),
    ),
    err=(
        (0.6779367852356422, -0.08026427129567539, -0.4706883869558398),
        (-0.5387655602227387, -0.48170733408331373, 0.13158400541716359),
        (0.19531026583184002, -0.10699137631049788, 0.6735858723834197),
    ),
)

MSRKTASE4 = TaseTableau(
    name="MSRKTASE4",
    order=4,
    embedded=3,
    dense=3,
    # algebraic components are of order 2, with an error estimate that is 18 times too small: not for DAEs
    w=4,
    l_stable=True,
    angle=89.7,
    cite="own derivation in the class of Calvo, Montijano and Randez (arXiv:2407.01785)",
    alpha=0.53398,
    a=(
        (),
        (0.47471,),
        (-2.238130086090895, 2.918770086090895),
        (0.5989170453000815, 0.2102585667161967, 0.1908243879837218),
    ),
    b=(0.16195368608337596, 0.5862941233233456, 0.09416293172627707, 0.1575892588670014),
    beta=(
        (0.90314, 2.55648, -3.82238, 1.36276),
        (5.49557, -10.43742, 8.38813, -2.44628),
        (4.829525560538982, -5.039834470489865, -0.4089077406372149, 1.6192166505880983),
        (1.122858678842941, 1.1417798377201251, -1.6521357119690734, 0.38749719540600724),
    ),
    err=(
        (-0.0177530203149276, -0.018988908533974926, 0.008789831499918988, 0.02795209734898354),
        (0.0456840597887166, 0.016945608646761704, -0.012848784773464883, -0.04978088366201342),
        (-0.01769441233867821, 0.021572860870331955, 0.008063541813156574, -0.01194199034481032),
        (-0.007461450356025217, -0.027855091320375457, 0.004320941797646046, 0.030995599878754627),
    ),
)  # fmt: skip

SRKTASE3 = TaseTableau(
    name="SRKTASE3",
    order=3,
    embedded=2,
    dense=3,
    # algebraic components are of order 2, with an error estimate of higher order: not for DAEs
    w=3,
    l_stable=True,
    angle=88.9,
    cite="Calvo, Fu, Montijano and Randez, Singly TASE operators, J. Sci. Comput. 96:17 (2023); own estimate",
    alpha=1.8796148798123993,
    a=(
        (),
        (0.5,),
        (0.0, 0.75),
    ),
    b=(0.2222222222222222, 0.3333333333333333, 0.4444444444444444),
    beta=(
        (3.0, -3.0, 1.0),
        (3.0, -3.0, 1.0),
        (3.0, -3.0, 1.0),
    ),
    err=(
        (-0.011893440805111021, 0.17406056070346, 0.06005510232387325),
        (-0.06057722419420226, -0.2900554507546606, -0.3160339917178038),
        (0.03182097113342952, 0.19729427778296812, 0.21532919552804677),
    ),
)  # fmt: skip

RKTASE2 = TaseSumTableau(
    name="RKTASE2",
    order=2,
    embedded=1,
    dense=3,
    w=2,
    # A-stable; |R| at infinity is 1/2
    cite="Calvo, Montijano, Randez and Rojas, J. Comput. Phys. 436:110316 (2021); Ralston's weights",
    alphas=(3.0, 1.5),
    a=((), (2.0 / 3.0,)),
    b=(0.25, 0.75),
    bhat=(1.0, 0.0),
)

RKTASE3 = TaseSumTableau(
    name="RKTASE3",
    order=3,
    embedded=2,
    dense=3,
    w=3,
    l_stable=True,
    angle=89.0,
    cite="Calvo, Montijano, Randez and Rojas, J. Comput. Phys. 436:110316 (2021); Ralston's weights",
    # the first one, printed as 2.31469, refined until R at infinity is 0
    alphas=(2.314691483334363, 1.87961, 1.58222),
    a=((), (0.5,), (0.0, 0.75)),
    b=(2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0),
    bhat=(0.0, 1.0, 0.0),
)
