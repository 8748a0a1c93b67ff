"""Every device alone, against a formula or an ODE written by hand."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

import symnum as sn
from symnum.errors import ModelError
from symnum.models.power import exdc2, gencls, genrou, tgov1
from symnum.models.power.bus import InfiniteBus
from symnum.models.power.connectors import Terminal
from symnum.models.power.constant import ConstantField, ConstantTorque
from symnum.models.power.exdc2 import EXDC2
from symnum.models.power.gencls import GENCLS
from symnum.models.power.genrou import GENROU
from symnum.models.power.ieeest import IEEEST, stabilizer
from symnum.models.power.line import Line
from symnum.models.power.load import Load
from symnum.models.power.network import BranchData
from symnum.models.power.saturation import quadratic_fit
from symnum.models.power.shunt import Fault, Shunt
from symnum.models.power.tgov1 import TGOV1

Array = NDArray[np.float64]
Rates = Callable[[float, Array], list[float]]


class Source(sn.Component):
    """A terminal whose voltage is given: here it turns and pulsates, so that all voltages are met."""

    terminal = Terminal()
    v = sn.variable()
    a = sn.variable()

    def equations(self) -> Sequence[Any]:
        return [
            self.terminal.v_re == self.v * sn.cos(self.a),
            self.terminal.v_im == self.v * sn.sin(self.a),
        ]


CLOCK = sn.variable("clock", start=0.0)
RATE = sn.parameter(1.0, name="rate", unit="1/s")  # times are in s: the sine takes a plain number
TIMES = np.linspace(0.0, 2.0, 21)


def driven(part: Any, *terminals: Any, extra: Sequence[Any] = ()) -> tuple[sn.Solution, list[Any], list[Any]]:
    """The part between moving voltages: the solution, complex voltages and currents at its terminals."""
    sources = [Source(f"source{i}") for i in range(len(terminals))]
    equations: list[Any] = [sn.D(CLOCK) == 1, *extra]
    for i, (source, terminal) in enumerate(zip(sources, terminals, strict=True)):
        equations += [
            sn.connect(source.terminal, terminal),
            source.v == 1 + 0.4 * sn.sin((3 + i) * sn.t),
            source.a == 0.3 * i + sn.t,
        ]
    system = sn.System("driven", equations, parts=[part, *sources])
    solution = sn.solve(sn.Problem(system, span=(0, 2)), saveat=TIMES)
    voltages = [solution[x.v_re] + 1j * solution[x.v_im] for x in terminals]
    currents = [solution[x.i_re] + 1j * solution[x.i_im] for x in terminals]
    return solution, voltages, currents


def test_line_with_tap_and_phase_shift() -> None:
    values = {
        "r": 0.02, "x": 0.2, "b": 0.3, "g": 0.01, "b1": 0.02, "g1": 0.03, "b2": 0.05, "g2": 0.04,
        "tap": 0.93, "phase": 0.4, "guard": 1e-3,
    }  # fmt: skip
    line = Line("line", **values)
    _, (v1, v2), (i1, i2) = driven(line, line.start, line.end)
    expected = BranchData("line", 1, 2, **values).two_port() @ np.array([v1, v2])
    np.testing.assert_allclose([i1, i2], expected, atol=1e-13)
    # the definition itself: ideal transformer, then a pi section
    y = 1 / complex(0.021, 0.201)
    ratio = 0.93 * cmath.exp(0.4j)
    inner = v1 / ratio
    series = y * (inner - v2)
    np.testing.assert_allclose(i2, -series + complex(0.04 + 0.005, 0.05 + 0.15) * v2, atol=1e-12)
    into_start = (series + complex(0.03 + 0.005, 0.02 + 0.15) * inner) / ratio.conjugate()
    np.testing.assert_allclose(i1, into_start, atol=1e-12)


def test_open_line_carries_nothing() -> None:
    line = Line("line", r=0.02, x=0.2, b=0.3, closed=0)
    _, _, currents = driven(line, line.start, line.end)
    np.testing.assert_array_equal(currents, 0.0)


@pytest.mark.parametrize("shares", [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0.3, 0.2, 0.5)], ids=str)
def test_load(shares: tuple[float, float, float]) -> None:
    """S = V conj(I) follows the shares of constant power, current and impedance."""
    p, q, v0 = 1.3, -0.4, 1.05
    p2p, p2i, p2z = shares
    load = Load("load", mixed=True, p=p, q=q, v0=v0, p2p=p2p, p2i=p2i, p2z=p2z, q2q=p2i, q2i=p2z, q2z=p2p)
    _, (v,), (i,) = driven(load, load.terminal)
    power = v * np.conj(i)
    x = abs(v) / v0
    np.testing.assert_allclose(power.real, p * (p2p + p2i * x + p2z * x**2), atol=1e-13)
    np.testing.assert_allclose(power.imag, q * (p2i + p2z * x + p2p * x**2), atol=1e-13)


def test_load_is_an_impedance_by_default() -> None:
    load = Load("load", p=1.3, q=-0.4, v0=1.05)
    _, (v,), (i,) = driven(load, load.terminal)
    np.testing.assert_allclose(i, np.conj(1.3 - 0.4j) / 1.05**2 * v, atol=1e-13)


def test_shunt_and_fault() -> None:
    shunt = Shunt("bank", g=0.1, b=0.8)
    _, (v,), (i,) = driven(shunt, shunt.terminal)
    np.testing.assert_allclose(i, (0.1 + 0.8j) * v, atol=1e-14)
    for active in (0.0, 1.0):
        fault = Fault("fault", r=0.01, x=0.02, active=active)
        _, (v,), (i,) = driven(fault, fault.terminal)
        np.testing.assert_allclose(i, active * v / complex(0.01, 0.02), atol=1e-12)


# ---- saturation -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("e1", "s1", "e2", "s2"), [(1.0, 0.05, 1.2, 0.3), (3.1, 0.27, 2.3, 0.07), (0.75, 0.02, 1.0, 0.2)]
)
def test_saturation_passes_both_points(e1: float, s1: float, e2: float, s2: float) -> None:
    start, slope = quadratic_fit(e1, s1, e2, s2)
    for e, s in ((e1, s1), (e2, s2)):
        assert e > start
        assert slope * (e - start) ** 2 == pytest.approx(s * e)


def test_no_saturation() -> None:
    assert quadratic_fit(1.0, 0.0, 1.2, 1.0)[1] == 0.0
    assert quadratic_fit(0.0, 0.0, 1.0, 1.0)[1] == 0.0
    with pytest.raises(ModelError, match="signs differ"):
        quadratic_fit(1.0, -0.1, 1.2, 0.3)
    with pytest.raises(ModelError, match="no quadratic"):
        quadratic_fit(1.0, 0.3, 1.0, 0.3)


# ---- machines at an infinite bus ------------------------------------------------------------------
REACTANCES = {"ra": 0.003, "xl": 0.15, "xd": 1.8, "xq": 1.7, "xd1": 0.3, "xq1": 0.55, "xd2": 0.25}
TIME_CONSTANTS = {"Td10": 8.0, "Tq10": 0.4, "Td20": 0.03, "Tq20": 0.05}
RATING = {"Sn": 300.0, "base": 100.0}
V, S = 1.02 * cmath.exp(0.3j), 2.2 + 0.9j


def saturation(saturated: bool) -> dict[str, float]:
    start, slope = quadratic_fit(1.0, 0.08, 1.2, 0.35) if saturated else (1.0, 0.0)
    return {"saturation_start": start, "saturation_slope": slope}


def at_infinite_bus(machine: Any, **bus: float) -> sn.System:
    infinite = InfiniteBus("grid", **bus)
    return sn.System(
        "smib", [sn.connect(infinite.terminal, machine.terminal), sn.connect(infinite.frame, machine.frame)]
    )


def genrou_at_rest(saturated: bool) -> tuple[GENROU, genrou.SteadyState]:
    rest = genrou.steady_state(V, S, **REACTANCES, **RATING, **saturation(saturated))
    machine = GENROU(
        "g", **REACTANCES, **TIME_CONSTANTS, **RATING, **saturation(saturated), saturation=saturated,
        M=9.0, D=2.0, delta=rest.delta, e1q=rest.e1q, e1d=rest.e1d, e2d=rest.e2d, e2q=rest.e2q,
        exciter=ConstantField(vf0=rest.vf), governor=ConstantTorque(tm0=rest.tm),
    )  # fmt: skip
    return machine, rest


def genrou_by_hand(saturated: bool, vf: float, tm: float, voltage: complex) -> Rates:
    """The machine's ODE in (delta, omega - 1, e1q, e1d, e2d, e2q), on its own base and in complex form."""
    z, k = REACTANCES, RATING["Sn"] / RATING["base"]
    start, slope = saturation(saturated).values()
    gd, gq = ((z["xd2"] - z["xl"]) / (z[x] - z["xl"]) for x in ("xd1", "xq1"))

    def rates(t: float, y: Array) -> list[float]:
        delta, w, e1q, e1d, e2d, e2q = y
        flux = complex(gq * e1d + (1 - gq) * e2q, gd * e1q + (1 - gd) * e2d)  # psi2q + j psi2d
        v = voltage * cmath.exp(-1j * (delta - math.pi / 2))
        i = (flux - v) / complex(z["ra"], z["xd2"])
        te = (v * i.conjugate()).real + z["ra"] * abs(i) ** 2
        se = slope * max(abs(flux) - start, 0) ** 2 / abs(flux)
        axis = (z["xq"] - z["xl"]) / (z["xd"] - z["xl"])
        # currents in the windings from the voltage drops between the reactances
        drop_d = e1q - e2d - (z["xd1"] - z["xl"]) * i.real
        drop_q = e1d - e2q + (z["xq1"] - z["xl"]) * i.imag
        damper_d = (z["xd1"] - z["xd2"]) / (z["xd1"] - z["xl"]) ** 2 * drop_d
        damper_q = (z["xq1"] - z["xd2"]) / (z["xq1"] - z["xl"]) ** 2 * drop_q
        field = e1q + (z["xd"] - z["xd1"]) * (i.real + damper_d) + se * flux.imag
        other = e1d + (z["xq"] - z["xq1"]) * (-i.imag + damper_q) + se * axis * flux.real
        return [
            2 * math.pi * 60 * w,
            (tm / k - te - 2.0 * w) / 9.0,
            (vf - field) / TIME_CONSTANTS["Td10"],
            -other / TIME_CONSTANTS["Tq10"],
            drop_d / TIME_CONSTANTS["Td20"],
            drop_q / TIME_CONSTANTS["Tq20"],
        ]

    return rates


@pytest.mark.parametrize("saturated", [False, True])
def test_genrou(saturated: bool) -> None:
    """At rest it delivers S at V; after a dip of the grid it moves as the ODE written by hand."""
    machine, rest = genrou_at_rest(saturated)
    dip, times = 0.5, np.linspace(0, 1.5, 31)
    system = at_infinite_bus(machine, v=abs(V), a=cmath.phase(V))
    still = sn.solve(sn.Problem(system, span=(0, 1)), rtol=1e-9, atol=1e-11, saveat=[0.0, 1.0])
    np.testing.assert_allclose(still[machine.p], S.real, atol=1e-9)
    np.testing.assert_allclose(still[machine.q], S.imag, atol=1e-9)
    np.testing.assert_allclose(still[machine.delta], rest.delta, atol=1e-9)

    problem = sn.Problem(system, span=(0, 1.5), parameters={system.grid.v: dip})
    moved = sn.solve(problem, rtol=1e-9, atol=1e-11, saveat=times)
    start = [rest.delta, 0.0, rest.e1q, rest.e1d, rest.e2d, rest.e2q]
    rates = genrou_by_hand(saturated, rest.vf, rest.tm, dip * V / abs(V))
    hand = solve_ivp(rates, (0, 1.5), start, "DOP853", times, rtol=1e-11, atol=1e-12)
    ours = moved[[machine.delta, machine.omega - 1, machine.e1q, machine.e1d, machine.e2d, machine.e2q]]
    assert np.ptp(ours[0]) > 0.2
    np.testing.assert_allclose(ours, hand.y, atol=2e-7)


def test_saturation_raises_the_field_voltage() -> None:
    assert genrou_at_rest(True)[1].vf > genrou_at_rest(False)[1].vf + 0.1


def test_reactances_out_of_order() -> None:
    with pytest.raises(ModelError, match=r"xd1=0\.1"):
        genrou.steady_state(V, S, **{**REACTANCES, "xd1": 0.1})


def test_gencls_swings_with_the_energy_integral() -> None:
    """Without damping, kinetic plus potential energy stays, and that gives the turning points."""
    rest = gencls.steady_state(V, S, xd1=0.3, **RATING)
    governor = ConstantTorque(tm0=rest.tm)
    machine = GENCLS("g", M=9.0, xd1=0.3, **RATING, vf=rest.vf, delta=rest.delta + 0.5, governor=governor)
    system = at_infinite_bus(machine, v=abs(V), a=cmath.phase(V))
    times = np.linspace(0, 3, 601)
    solution = sn.solve(sn.Problem(system, span=(0, 3)), rtol=1e-10, atol=1e-12, saveat=times)
    stiffness = rest.vf * abs(V) / (0.3 / 3)
    angle = solution[machine.delta] - cmath.phase(V)
    np.testing.assert_allclose(solution[machine.te], stiffness * np.sin(angle), atol=1e-10)

    def potential(x: Any) -> Any:
        return -rest.tm * x - stiffness * np.cos(x)

    slip = solution[machine.slip]
    energy = 27.0 / (2 * math.pi * 60) * slip**2 / 2 + potential(angle)
    np.testing.assert_allclose(energy, energy[0], atol=1e-8)
    equilibrium = rest.delta - cmath.phase(V)
    turning = brentq(lambda x: potential(x) - potential(equilibrium + 0.5), -2.0, equilibrium)
    assert angle.min() == pytest.approx(turning, abs=1e-4)
    assert solution[machine.p][0] == pytest.approx(stiffness * math.sin(angle[0]))


# ---- controls, driven by given inputs -------------------------------------------------------------
DC2 = {
    "TR": 0.02, "TA": 0.05, "TB": 0.8, "TC": 0.3, "TE": 0.6, "TF1": 1.2, "KF1": 0.08, "KA": 20.0, "KE": 1.0,
    "VRMIN": 0.5, "VRMAX": 4.0,
}  # fmt: skip


@pytest.mark.parametrize("lead_lag", [False, True])
@pytest.mark.parametrize("saturated", [False, True])
def test_exdc2(saturated: bool, lead_lag: bool) -> None:
    """Voltage and speed swing, the regulator meets both limits: against the same diagram written by hand.

    By hand the limited state is clipped in small explicit steps, so the two agree to the order of that step.
    """
    sat = dict(zip(("saturation_start", "saturation_slope"), quadratic_fit(2.3, 0.1, 3.1, 0.33), strict=True))
    sat = sat if saturated else {"saturation_start": 1.0, "saturation_slope": 0.0}
    limits = {key: DC2[key] for key in ("KA", "KE", "VRMIN", "VRMAX")}
    rest = exdc2.steady_state(vf=1.9, v=1.0, **limits, **sat)
    exciter = EXDC2("avr", **DC2, **sat, saturation=saturated, lead_lag=lead_lag, **rest)
    system = sn.System(
        "avr_alone",
        [
            exciter.v == 1 - 0.3 * sn.sin(4 * sn.t),
            exciter.omega == 1 + 0.01 * sn.sin(2 * sn.t),
            exciter.vs == 0.02 * sn.sin(5 * sn.t),
        ],
        parts=[exciter],
    )
    times = np.linspace(0, 4, 81)
    solution = sn.solve(sn.Problem(system, span=(0, 4)), rtol=1e-9, atol=1e-11, saveat=times)
    expected = exdc2_by_hand(sat, lead_lag, rest, times)
    names = [exciter.sensed, exciter.regulator, exciter.vp, exciter.rate, exciter.vf]
    output = solution[exciter.regulator]
    assert output.max() == pytest.approx(4.0, abs=1e-9)
    assert output.min() == pytest.approx(0.5, abs=1e-9)
    np.testing.assert_allclose(solution[names], expected, atol=2e-3)


def exdc2_by_hand(sat: dict[str, float], lead_lag: bool, rest: dict[str, float], times: Array) -> Array:
    """Heun's method with a step of 1e-4 s and the regulator clipped: sensed, regulator, vp, rate, vf."""
    d = DC2

    def rates(t: float, y: Array) -> Array:
        sensed, lead, regulator, vp, rate = y
        error = rest["vref"] - sensed - d["KF1"] / d["TF1"] * (vp - rate) + 0.02 * math.sin(5 * t)
        through = (d["TC"] / d["TB"] * (error - lead) + lead) if lead_lag else error
        extra = sat["saturation_slope"] * max(vp - sat["saturation_start"], 0) ** 2
        push = (d["KA"] * through - regulator) / d["TA"]
        held = (regulator >= d["VRMAX"] and push > 0) or (regulator <= d["VRMIN"] and push < 0)
        return np.array(
            [
                (1 - 0.3 * math.sin(4 * t) - sensed) / d["TR"],
                (error - lead) / d["TB"],
                0.0 if held else push,
                (regulator - d["KE"] * vp - extra) / d["TE"],
                (vp - rate) / d["TF1"],
            ]
        )

    y = np.array([rest[key] for key in ("sensed", "lead", "regulator", "vp", "rate")])
    h, t = 1e-4, 0.0
    found: list[list[float]] = []
    for k in range(round(times[-1] / h) + 1):
        t = k * h
        if abs(t - times[len(found)]) < h / 2:
            found.append([y[0], y[2], y[3], y[4], y[3] * (1 + 0.01 * math.sin(2 * t))])
        first = rates(t, y)
        ahead = y + h * first
        ahead[2] = min(max(ahead[2], d["VRMIN"]), d["VRMAX"])
        y = y + h / 2 * (first + rates(t + h, ahead))
        y[2] = min(max(y[2], d["VRMIN"]), d["VRMAX"])
    return np.array(found).T


def test_exdc2_dispatch_beyond_its_limits() -> None:
    with pytest.raises(ModelError, match="field voltage 9 needs a regulator output of 9"):
        exdc2.steady_state(vf=9.0, v=1.0, KA=20.0, VRMIN=-3.0, VRMAX=4.0)


def test_tgov1() -> None:
    """A fall of speed opens the valve to its limit; then the turbine follows the exact linear response."""
    rating, settings = {"Sn": 300.0, "base": 100.0}, {"R": 0.05, "VMIN": 0.0, "VMAX": 0.9}
    rest = tgov1.steady_state(tm=2.1, **settings, **rating)
    governor = TGOV1("gov", T1=0.5, T2=2.1, T3=7.0, Dt=0.4, **settings, **rating, **rest)
    fall = governor.omega == 1 - 0.02 * (1 - sn.exp(-RATE * sn.t))
    system = sn.System("governor_alone", [fall], parts=[governor])
    times = np.linspace(0, 8, 81)
    solution = sn.solve(sn.Problem(system, span=(0, 8)), rtol=1e-9, atol=1e-11, saveat=times)
    # free: T1 valve' = tm0 + (1 - exp(-t)) 0.02 * 3/0.05 - valve, with the solution
    gain, t1 = 0.02 * 3 / 0.05, 0.5

    def free(t: Any) -> Any:
        return 2.1 + gain * (1 - np.exp(-t) / (1 - t1) + t1 / (1 - t1) * np.exp(-t / t1))

    reached = brentq(lambda t: free(t) - 2.7, 0.1, 8.0)
    valve = np.where(times < reached, free(times), 2.7)
    np.testing.assert_allclose(solution[governor.valve], valve, atol=1e-7)
    steam = solve_ivp(
        lambda t, y: [((free(t) if t < reached else 2.7) - y[0]) / 7.0],
        (0, 8), [2.1], "DOP853", times, rtol=1e-10, atol=1e-12, max_step=0.05,
    ).y[0]  # fmt: skip
    np.testing.assert_allclose(solution[governor.steam], steam, atol=1e-6)
    torque = 0.3 * (valve - steam) + steam + 0.4 * 3 * 0.02 * (1 - np.exp(-times))
    np.testing.assert_allclose(solution[governor.tm], torque, atol=1e-6)
    with pytest.raises(ModelError, match="torque 3 is outside"):
        tgov1.steady_state(tm=3.0, **settings, **rating)


# ---- the stabilizer: frequency response and limiter -----------------------------------------------
PSS: dict[str, Any] = {
    "A1": 0.06, "A2": 0.002, "A3": 0.05, "A4": 0.001, "A5": 0.03, "A6": 0.0004,
    "T1": 0.5, "T2": 0.04, "T3": 0.3, "T4": 0.06, "T5": 9.0, "T6": 10.0, "KS": 8.0,
    "LSMAX": 0.2, "LSMIN": -0.1,
}  # fmt: skip


def transfer(values: dict[str, Any], s: complex) -> complex:
    """The block diagram, with a block of zero pole as one, and a washout without T5 as a lag."""
    v = values
    found: complex = v["KS"] / (1 + v["T6"] * s) * (v["T5"] * s if v["T5"] else 1)
    if v["A2"]:
        found /= 1 + v["A1"] * s + v["A2"] * s**2
    if v["A4"]:
        found *= (1 + v["A5"] * s + v["A6"] * s**2) / (1 + v["A3"] * s + v["A4"] * s**2)
    for lead, lag in (("T1", "T2"), ("T3", "T4")):
        if v[lag]:
            found *= (1 + v[lead] * s) / (1 + v[lag] * s)
    return found


def alone(pss: IEEEST, part: Callable[[IEEEST], dict[str, Any]], **values: float) -> sn.System:
    inputs = {"omega": 1.0, "v": 1.0, "te": 0.7, "tm": 0.7, **part(pss)}
    return sn.System("pss_alone", [getattr(pss, key) == value for key, value in inputs.items()], parts=[pss])


def named(settings: dict[str, Any], **kwargs: Any) -> IEEEST:
    made = stabilizer(**settings, **kwargs)
    return IEEEST("pss", **made.settings)


@pytest.mark.parametrize(
    "without", [{}, {"A1": 0, "A2": 0}, {"A4": 0}, {"T2": 0}, {"T4": 0, "T2": 0}, {"T5": 0}], ids=str
)
def test_ieeest_frequency_response(without: dict[str, float]) -> None:
    """A small sine of the speed, once the start has died out, shows the transfer function there."""
    values = {**PSS, **without, "T6": 0.5, "LSMAX": 99.0, "LSMIN": -99.0}
    values["T5"] = 0.0 if without == {"T5": 0} else 0.45
    frequency = 7.0
    pss = named(values, mode="speed")
    system = alone(pss, lambda _: {"omega": 1 + 0.01 * sn.sin(frequency * sn.t)})
    times = np.linspace(12, 14, 41)
    solution = sn.solve(sn.Problem(system, span=(0, 14)), rtol=1e-8, atol=1e-11, saveat=times)
    expected = 0.01 * (transfer(values, 1j * frequency) * np.exp(1j * frequency * times)).imag
    np.testing.assert_allclose(solution[pss.vs], expected, atol=1e-7)


@pytest.mark.parametrize(
    ("mode", "key", "rest"),
    [("speed", "omega", 1.0), ("torque", "te", 0.7), ("power", "tm", 0.7), ("voltage", "v", 1.0)],
)
def test_ieeest_inputs(mode: str, key: str, rest: float) -> None:
    """At rest at any input there is no output; a step of the input shows at once through the lead-lags."""
    signal = {"speed": 0.0, "power": 0.0}.get(mode, rest)
    values = {**PSS, "A1": 0.0, "A2": 0.0, "A4": 0.0}
    pss = named(values, mode=mode, signal=signal, tm0=0.7)
    still = sn.solve(sn.Problem(alone(pss, lambda _: {}), span=(0, 5)), saveat=[0.0, 5.0])
    np.testing.assert_allclose(still[pss.vs], 0.0, atol=1e-12)
    pushed = sn.solve(sn.Problem(alone(pss, lambda _: {key: rest + 1e-5}), span=(0, 1)), saveat=[0.0])
    expected = 1e-5 * 8.0 * (0.5 / 0.04) * (0.3 / 0.06) * 0.9
    np.testing.assert_allclose(pushed[pss.vs], expected, rtol=1e-9)


def test_ieeest_output_limits_and_window() -> None:
    pss = named(PSS, mode="speed")
    system = alone(pss, lambda _: {"omega": 1 + 0.1 * sn.sin(5 * sn.t)})
    out = sn.solve(sn.Problem(system, span=(0, 4)), saveat=np.linspace(0, 4, 401))[pss.vs]
    assert out.max() == 0.2
    assert out.min() == -0.1
    windowed = named({**PSS, "VCL": 0.9, "VCU": 1.1}, mode="speed")
    inputs = {"omega": 1 + 0.1 * sn.sin(5 * sn.t), "v": 1 + 0.2 * sn.sin(RATE * sn.t)}
    system = alone(windowed, lambda _: inputs)
    times = np.linspace(0, 4, 401)
    solution = sn.solve(sn.Problem(system, span=(0, 4)), saveat=times)
    outside = abs(0.2 * np.sin(times)) > 0.1 + 1e-9
    assert outside.any()
    assert not solution[windowed.vs][outside].any()
    assert solution[windowed.vs][~outside].any()


def test_ieeest_refuses_what_it_has_no_form_for() -> None:
    with pytest.raises(ModelError, match="A2 = 0 needs A1 = 0"):
        stabilizer(**{**PSS, "A2": 0.0})
    with pytest.raises(ModelError, match="mode is one of speed, torque, power, voltage, not 'frequency'"):
        sn.compile(alone(named(PSS, mode="frequency"), lambda _: {}))
