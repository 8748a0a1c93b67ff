"""Oscillators, a chaotic flow, and the equation that shows where stiff methods lose their order."""

from __future__ import annotations

import math

import symnum as sn
from symnum.solving.problem import Problem

D = sn.D


def van_der_pol(eps: float = 1e-6, end: float = 2.0) -> Problem:
    """Relaxation oscillations, in the scaling in which a period takes about 1.6: eps y'' = (1 - y^2) y' - y.

    Parameter eps. Hairer & Wanner II, (IV.1.5'); Test Set, problem VDPOL, is eps=1e-6.
    """
    y, speed = sn.variables("y speed")
    (small,) = sn.parameters(eps=eps)
    equations = [D(y) == speed, D(speed) == ((1 - y**2) * speed - y) / small]
    return sn.Problem(sn.System("van_der_pol", equations), {y: 2.0, speed: 0.0}, span=(0, end))


def lorenz(end: float = 20.0) -> Problem:
    """The chaotic flow of Lorenz, J. Atmos. Sci. 20 (1963) 130. Parameters sigma, rho, beta."""
    x, y, z = sn.variables("x y z")
    sigma, rho, beta = sn.parameters(sigma=10.0, rho=28.0, beta=8 / 3)
    equations = [D(x) == sigma * (y - x), D(y) == x * (rho - z) - y, D(z) == x * y - beta * z]
    return sn.Problem(sn.System("lorenz", equations), {x: 1.0, y: 0.0, z: 0.0}, span=(0, end))


def prothero_robinson(rate: float = -1e6, end: float = 10.0) -> Problem:
    """y' = rate (y - phi(t)) + phi'(t) with phi = sin(pi/4 + t), which is the solution whatever the rate.

    Parameter rate. Prothero & Robinson, Math. Comp. 28 (1974) 145.
    """
    (y,) = sn.variables("y")
    (stiffness,) = sn.parameters(rate=rate)
    phase = math.pi / 4 + sn.t
    system = sn.System("prothero_robinson", [D(y) == stiffness * (y - sn.sin(phase)) + sn.cos(phase)])
    return sn.Problem(system, {y: math.sin(math.pi / 4)}, span=(0, end))
