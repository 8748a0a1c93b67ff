"""Chemical kinetics: rates so far apart that solvers for stiff systems were made for them."""

from __future__ import annotations

import symnum as sn
from symnum.solving.problem import Problem

D = sn.D


def robertson(end: float = 1e11, *, algebraic: bool = False) -> Problem:
    """Three species A, B, C; an autocatalytic chain whose slow part takes 1e11 time units.

    algebraic: with the conservation law in place of the third equation, a DAE of index 1.
    Parameters k1 (A -> B), k2 (2 B -> B + C), k3 (B + C -> A + C).
    Robertson, in Walsh (ed.), Numerical Analysis, an Introduction, 1966; Hairer & Wanner II, (IV.1.4).
    """
    a, b, c = sn.variables("A B C")
    k1, k2, k3 = sn.parameters(k1=0.04, k2=3e7, k3=1e4)
    third = a + b + c == 1 if algebraic else D(c) == k2 * b**2
    equations = [D(a) == -k1 * a + k3 * b * c, D(b) == k1 * a - k3 * b * c - k2 * b**2, third]
    start = {a: 1.0, b: 0.0} if algebraic else {a: 1.0, b: 0.0, c: 0.0}
    return sn.Problem(sn.System("robertson", equations), start, span=(0, end))


def hires() -> Problem:
    """Growth of plants under light of high irradiance: eight concentrations y1 ... y8 of phytochrome.

    Schaefer, J. Math. Biol. 2 (1975) 41; Test Set, problem HIRES.
    """
    y1, y2, y3, y4, y5, y6, y7, y8 = y = sn.variables("y1 y2 y3 y4 y5 y6 y7 y8")
    binding = 280 * y6 * y8
    equations = [
        D(y1) == -1.71 * y1 + 0.43 * y2 + 8.32 * y3 + 0.0007,
        D(y2) == 1.71 * y1 - 8.75 * y2,
        D(y3) == -10.03 * y3 + 0.43 * y4 + 0.035 * y5,
        D(y4) == 8.32 * y2 + 1.71 * y3 - 1.12 * y4,
        D(y5) == -1.745 * y5 + 0.43 * y6 + 0.43 * y7,
        D(y6) == -binding + 0.69 * y4 + 1.71 * y5 - 0.43 * y6 + 0.69 * y7,
        D(y7) == binding - 1.81 * y7,
        D(y8) == -binding + 1.81 * y7,
    ]
    start = dict.fromkeys(y, 0.0) | {y1: 1.0, y8: 0.0057}
    return sn.Problem(sn.System("hires", equations), start, span=(0, 321.8122))


def oregonator() -> Problem:
    """The Belousov-Zhabotinsky reaction: three concentrations on a limit cycle of six orders of magnitude.

    Parameters s, w, q. Field & Noyes, J. Chem. Phys. 60 (1974) 1877; Hairer & Wanner II, (IV.10.6).
    """
    y1, y2, y3 = sn.variables("y1 y2 y3")
    s, w, q = sn.parameters(s=77.27, w=0.161, q=8.375e-6)
    equations = [
        D(y1) == s * (y2 + y1 * (1 - q * y1 - y2)),
        D(y2) == (y3 - (1 + y1) * y2) / s,
        D(y3) == w * (y1 - y3),
    ]
    return sn.Problem(sn.System("oregonator", equations), {y1: 1.0, y2: 2.0, y3: 3.0}, span=(0, 360))


POLLUTANTS = "NO2 NO O3P O3 HO2 OH HCHO CO ALD MEO2 C2O3 CO2 PAN CH3O HNO3 O1D SO2 SO4 NO3 N2O5"  # y1 ... y20


def pollution() -> Problem:
    """Air pollution: 20 species and 25 reactions of mass action, k1 ... k25, over an hour (time in minutes).

    Verwer, SIAM J. Sci. Comput. 15 (1994) 1243; Test Set, problem POLLU.
    """
    starts = {"NO": 0.2, "O3": 0.04, "HCHO": 0.1, "CO": 0.3, "ALD": 0.01, "SO2": 0.007}
    names = POLLUTANTS.split()
    species = [sn.variable(name, start=starts.get(name, 0.0)) for name in names]
    (
        no2, no, o3p, o3, ho2, oh, hcho, co, ald, meo2, c2o3, co2, pan, ch3o, hno3, o1d, so2, so4, no3, n2o5,
    ) = species  # fmt: skip
    table = [
        (0.35, no2 >> no + o3p),
        (26.6, no + o3 >> no2),
        (1.23e4, ho2 + no >> no2 + oh),
        (8.6e-4, hcho >> 2 * ho2 + co),
        (8.2e-4, hcho >> co),
        (1.5e4, hcho + oh >> ho2 + co),
        (1.3e-4, ald >> meo2 + ho2 + co),
        (2.4e4, ald + oh >> c2o3),
        (1.65e4, c2o3 + no >> no2 + meo2 + co2),
        (9e3, c2o3 + no2 >> pan),
        (0.022, pan >> c2o3 + no2),
        (1.2e4, meo2 + no >> ch3o + no2),
        (1.88, ch3o >> hcho + ho2),
        (1.63e4, no2 + oh >> hno3),
        (4.8e6, o3p >> o3),
        (3.5e-4, o3 >> o1d),
        (0.0175, o3 >> o3p),
        (1e8, o1d >> 2 * oh),
        (4.44e11, o1d >> o3p),
        (1240.0, so2 + oh >> so4 + ho2),
        (2.1, no3 >> no),
        (5.78, no3 >> no2 + o3p),
        (0.0474, no2 + o3 >> no3),
        (1780.0, no3 + no2 >> n2o5),
        (3.12, n2o5 >> no3 + no2),
    ]
    constants = sn.parameters(**{f"k{i}": value for i, (value, _) in enumerate(table, 1)})
    reactions = [sn.Reaction(k, change) for k, (_, change) in zip(constants, table, strict=True)]
    return sn.Problem(sn.ReactionNetwork("pollution", reactions).system(), span=(0, 60))
