"""Modified singly RK-TASE methods.

The coefficients are our own: found by optimizing the error constant over the free parameters left by the
order conditions, R at infinity = 0 and the index-1 condition. They are not those that Calvo, Montijano
and Randez printed.
"""

from __future__ import annotations

from symnum.solving.tableau import TaseTableau

__all__ = ["MSRKTASE2", "MSRKTASE3"]

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
