"""The cubic Schroedinger equation i psi_t + psi_xx / 2 + |psi|^2 psi = 0 on a ring.

Solitons: Zakharov & Shabat, Sov. Phys. JETP 34 (1972) 62. Breather: Akhmediev & Korneev, Theor. Math. Phys.
69 (1986) 1089.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import symnum as sn
from symnum.language.pde import PDE
from symnum.record import record
from symnum.rewriting.expr import Expr, Operand
from symnum.solving.solution import Solution


@record
class Soliton:
    """eta sech(eta (x - x0 - v t)) exp(i (v x + (eta^2 - v^2) t / 2 + phase))."""

    eta: float
    v: float = 0.0
    place: float = 0.0
    phase: float = 0.0

    def at(self, x: Expr, time: Operand = 0) -> Expr:
        """psi at a time; x on the line, not the ring."""
        size = self.eta / sn.cosh(self.eta * (x - self.place - self.v * time))
        angle = self.v * x + (self.eta**2 - self.v**2) / 2 * time + self.phase
        return size * sn.exp(1j * angle)


def solitons(found: Sequence[Soliton], length: float = 32.0) -> PDE:
    """Solitons that start well apart, in the middle of a ring of this length."""
    x = sn.coordinate("x", -length / 2, length / 2, periodic=True)
    return _equation(x, sum(soliton.at(x) for soliton in found))


def collision(one: Soliton, other: Soliton) -> tuple[float, float]:
    """How far ``one`` is moved, and its phase turned (radians), when it has passed through ``other``.

    With lambda = (v + i eta)/2 and r = (lambda_1 - conj(lambda_2))/(lambda_1 - lambda_2): ln |r|^2/eta_1
    and 2 arg r for the faster one, both with the other sign for the slower.
    """
    first, second = (complex(s.v, s.eta) / 2 for s in (one, other))
    if one.v == other.v:
        raise sn.ModelError(f"solitons of the same speed {one.v:g} do not pass through each other")
    ratio = (first - second.conjugate()) / (first - second)
    forwards = math.copysign(1.0, one.v - other.v)
    return forwards * 2 * math.log(abs(ratio)) / one.eta, forwards * 2 * math.atan2(ratio.imag, ratio.real)


def modulated(amplitude: float = 1e-4, a: float = 0.25) -> PDE:
    """A plane wave of height 1 with a small ripple at the wave number of the breather with this a < 1/2.

    It grows at the rate b = sqrt(8 a (1 - 2 a)) until it has the shape of the breather, and comes back.
    """
    x = _period(a)
    wave = 2 * math.sqrt(1 - 2 * a)
    return _equation(x, 1 + (1 + 1j) * amplitude * sn.cos(wave * x))


def breather(a: float = 0.25, begin: float = -4.0) -> PDE:
    """The Akhmediev breather from time ``begin`` before its peak, where |psi| = 1 + 2 sqrt(2 a)."""
    x = _period(a)
    return _equation(x, breather_at(x, a, begin))


def breather_at(x: Expr, a: float, time: float) -> Expr:
    """psi of the breather at a time from its peak."""
    wave, rate = 2 * math.sqrt(1 - 2 * a), math.sqrt(8 * a * (1 - 2 * a))
    below = math.sqrt(2 * a) * sn.cos(wave * x) - math.cosh(rate * time)
    above = 2 * (1 - 2 * a) * math.cosh(rate * time) + 1j * rate * math.sinh(rate * time)
    return (1 + above / below) * sn.exp(1j * time)


def _period(a: float) -> Expr:
    half = math.pi / (2 * math.sqrt(1 - 2 * a))
    return sn.coordinate("x", -half, half, periodic=True)


def _equation(x: Expr, start: Operand) -> PDE:
    psi = sn.field("psi", x, complex=True)
    equation = 1j * sn.D(psi) + sn.D(psi, x, 2) / 2 + abs(psi) ** 2 * psi == 0
    return sn.PDE("schroedinger", [equation], initial={psi: start})


def invariants(solution: Solution, model: PDE) -> dict[str, NDArray[np.float64]]:
    """Mass, momentum and energy over time, from trigonometric interpolation of the grid values.

    mass = integral of |psi|^2, momentum = integral of Im(psi* psi_x), energy = integral of
    |psi_x|^2 / 2 - |psi|^4 / 2.
    """
    psi = solution[model.psi]
    n = psi.shape[-1]
    info = model.x.data
    length = info.high - info.low
    wave_numbers = 2j * np.pi / length * np.fft.fftfreq(n, 1 / n)
    slope = np.fft.ifft(wave_numbers * np.fft.fft(psi, axis=-1), axis=-1)
    step = length / n
    return {
        "mass": step * (abs(psi) ** 2).sum(axis=-1),
        "momentum": step * (psi.conj() * slope).imag.sum(axis=-1),
        "energy": step * (abs(slope) ** 2 / 2 - abs(psi) ** 4 / 2).sum(axis=-1),
    }
