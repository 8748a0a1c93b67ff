"""Starts from bad guesses: models on which Newton alone fails, and what is said where there is no start."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import SolveFailed

D = sn.D
exp, sqrt = sn.exp, sn.sqrt


def unknowns(*guesses: float) -> tuple[sn.Expr, ...]:
    return tuple(sn.variable(name, guess=guess) for name, guess in zip("xyz", guesses, strict=False))


def diode(v: float, i: float) -> list[sn.Equation]:
    x, y = unknowns(v, i)
    return [y == 1e-14 * (exp(x / 0.02585) - 1), x + 1e3 * y == 5]


def rosenbrock() -> list[sn.Equation]:
    x, y = unknowns(-1.2, 1)
    return [10 * (y - x**2) == 0, x == 1 + 0 * y]


def badly_scaled() -> list[sn.Equation]:
    """M. J. D. Powell's, in More, Garbow, Hillstrom, ACM TOMS 7 (1981) 17, number 3."""
    x, y = unknowns(0, 1)
    return [1e4 * x * y == 1, exp(-x) + exp(-y) == 1.0001]


def freudenstein_roth() -> list[sn.Equation]:
    """Number 2 there: Newton's residual has a minimum at (11.41, -0.897) that is no solution."""
    x, y = unknowns(0.5, -2)
    return [-13 + x + ((5 - y) * y - 2) * y == 0, -29 + x + ((y + 1) * y - 14) * y == 0]


def helical_valley() -> list[sn.Equation]:
    """Number 7 there."""
    x, y, z = unknowns(-1, 0, 0)
    angle = sn.atan2(y, x) / (2 * math.pi)
    return [10 * (z - 10 * angle) == 0, 10 * (sqrt(x**2 + y**2) - 1) == 0, z == 0 * x]


def of_one(equation: Any, guess: float) -> list[sn.Equation]:
    (x,) = unknowns(guess)
    return [equation(x)]


def reactor() -> list[sn.Equation]:
    """A stirred tank with an exothermic reaction that has ignited; the guess is cold."""
    x, y = unknowns(300, 1)
    rate = 1e10 * exp(-8750 / x) * y
    return [rate == 1 - y, 350 + 200 * rate == x]


def acid() -> list[sn.Equation]:
    """Acetic acid with some hydrochloric acid in water: concentrations over eleven orders of magnitude."""
    x, y, z = unknowns(1, 1, 1)
    return [x * y == 1e-14, x - y + 1e-3 - z == 0, x * z == 1.8e-5 * (0.1 - z)]


def crossing() -> list[sn.Equation]:
    x, y = unknowns(1e6, -1e6)
    return [x**2 + y**2 == 1, x == y**3]


def exchanger() -> list[sn.Equation]:
    """A counter-flow heat exchanger by its logarithmic mean; guessed at the temperatures of the inlets."""
    x, y = unknowns(90, 20)  # outlets of the hot and of the cold side
    one, other = 90 - y, x - 20
    heat = 2.0 * (90 - x)
    return [heat == 3.0 * (y - 20), heat == 4.0 * (one - other) / sn.log(one / other)]


MODELS = {
    "diode from above": diode(5, 0),
    "diode from below": diode(-3, 1),
    "rosenbrock": rosenbrock(),
    "badly scaled": badly_scaled(),
    "freudenstein-roth": freudenstein_roth(),
    "helical valley": helical_valley(),
    "colebrook": of_one(lambda x: 1 / sqrt(x) == -2 * sn.log10(1e-4 / 3.7 + 2.51 / (1e5 * sqrt(x))), 1),
    "kepler": of_one(lambda x: x - 0.99 * sn.sin(x) == 0.1, 0),
    "arctangent": of_one(lambda x: sn.atan(x) == 0.5, 100),
    "root": of_one(lambda x: sqrt(x) == 2, -1),
    "logarithm": of_one(lambda x: sn.log(x) == 3, -5),
    "newton's cycle": of_one(lambda x: x**3 - 2 * x + 2 == 0, 0),
    "van der waals": of_one(lambda x: (3 + 3 / x**2) * (3 * x - 1) == 8 * 1.2, 50),
    "boiling point": of_one(lambda x: 10 ** (8.07131 - 1730.63 / (x - 39.724)) == 760, 1000),
    "reactor": reactor(),
    "acid": acid(),
    "saturation": of_one(lambda x: sn.tanh(10 * x) == 0.9, 2),
    "overflow": of_one(lambda x: exp(exp(x)) == 5, 6),
    "circle and cubic": crossing(),
    "heat exchanger": exchanger(),
}


def start(equations: list[sn.Equation]) -> Any:
    s = sn.variable("s")
    return sn.solve(sn.Problem(sn.System("m", [D(s) == 0, *equations]), {s: 0}, (0, 1)))


@pytest.mark.parametrize("name", MODELS)
def test_a_start_is_found(name: str) -> None:
    solution = start(MODELS[name])
    for equation in MODELS[name]:
        left, right = (float(np.atleast_1d(solution[side])[0]) if isinstance(side, sn.Expr) else float(side)
                       for side in (equation.lhs, equation.rhs))  # fmt: skip
        assert abs(left - right) <= 1e-7 * max(abs(left), abs(right), 1e-6)


def test_the_heat_exchanger_has_the_effectiveness_of_its_transfer_units() -> None:
    """1 - exp(-NTU (1 - C)) over 1 - C exp(-NTU (1 - C)), with NTU = 2 and C = 2/3 (Kays, London)."""
    solution = start(MODELS["heat exchanger"])
    decay = math.exp(-2.0 * (1 - 2 / 3))
    effectiveness = (1 - decay) / (1 - 2 / 3 * decay)
    assert solution["x"][0] == pytest.approx(90 - effectiveness * 70, rel=1e-8)


@pytest.mark.parametrize(
    ("equations", "says"),
    [
        (of_one(lambda x: x**2 + 1 == 0, 1), r"1 == 0: x\*\*2 \+ 1 == 0\n.*\n *x: 1 -> 0\n"),
        (of_one(lambda x: exp(x) == -1, 3), r"== 0: exp\(x\) == -1\n.*\n *x: 3 -> "),
    ],
)
def test_where_there_is_no_start_the_equation_and_the_guess_are_named(
    equations: list[sn.Equation], says: str
) -> None:
    with pytest.raises(SolveFailed, match=says):
        start(equations)


def test_exciter_and_governor_are_started_from_a_power_flow() -> None:
    """Voltage 1.03 at 20 degrees and a power of 0.8 + 0.25 i, from which all states and references follow.

    One-axis machine, exciter with saturation, turbine and governor at rest; against the phasor diagram.
    """
    xd, xd1, xq = 1.8, 0.3, 1.7
    ka, ke = 20.0, 1.0
    v, angle, power, reactive = 1.03, math.radians(20), 0.8, 0.25
    delta, e1, field, regulator, torque, valve = sn.variables("delta e1 efd vr tm gate")
    vd, vq, id_, iq, air_gap = (sn.variable(n, guess=0.5) for n in ("vd", "vq", "i_d", "i_q", "te"))
    omega = sn.variable("omega")
    vref, pref = sn.parameters(vref=1.0, pref=0.5)
    equations = [
        D(delta) == 377 * omega,
        6 * D(omega) == torque - air_gap,
        8 * D(e1) == field - e1 - (xd - xd1) * id_,
        0.5 * D(field) == regulator - ke * field - 0.01 * exp(field) * field,
        0.05 * D(regulator) == ka * (vref - v) - regulator,
        0.5 * D(torque) == valve - torque,
        0.2 * D(valve) == pref - omega / 0.05 - valve,
        vd == v * sn.sin(delta - angle), vq == v * sn.cos(delta - angle),
        vd == xq * iq, vq == e1 - xd1 * id_,
        air_gap == vd * id_ + vq * iq,
    ]  # fmt: skip
    # the power flow gives two conditions; angle and power are then no longer free
    unknown = {delta: 1.5, e1: 0.1, field: 5.0, regulator: 5.0, torque: 0.0, valve: 3.0, omega: 0.3,
               vref: 0.0, pref: 0.0}  # fmt: skip
    at_rest = [D(each) == 0 for each in (delta, e1, field, regulator, torque, valve)]
    wanted = [*at_rest, D(omega) == 0, air_gap == power, vq * id_ - vd * iq == reactive]
    problem = sn.Problem(sn.System("machine", equations), span=(0, 5), initial=wanted, solve_for=unknown)
    solution = sn.solve(problem, rtol=1e-8, atol=1e-10)
    phasor = v * np.exp(1j * angle)
    current = np.conj((power + 1j * reactive) / phasor)
    rotor = np.angle(phasor + 1j * xq * current)
    turned = current * np.exp(-1j * (rotor - math.pi / 2))
    emf = v * math.cos(rotor - angle) + xd * turned.real
    assert solution[delta][0] == pytest.approx(rotor, abs=1e-8)
    assert solution[field][0] == pytest.approx(emf, abs=1e-8)
    assert solution[vref][0] == pytest.approx(v + (ke + 0.01 * math.exp(emf)) * emf / ka, abs=1e-8)
    assert solution[pref][0] == pytest.approx(power, abs=1e-8)
    np.testing.assert_allclose(solution[delta], rotor, atol=1e-6)  # it stays there
