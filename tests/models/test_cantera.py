"""Cantera mechanisms: properties, rates and ignition against Cantera's own numbers."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.models.chemistry.cantera import read_cantera
from symnum.models.chemistry.mechanism import Mechanism

DATA = Path(__file__).parents[1] / "data"
CASES = (
    "h2o2_V_1000K_1atm", "h2o2_V_1200K_1atm", "h2o2_P_1100K_10atm", "ch4air_V_1400K_1atm",
    "ch4air_V_1600K_10atm", "ch4air_P_1800K_1atm",
)  # fmt: skip
SPECIES_PROPERTIES = (("cp_R", "cp_R"), ("h_RT", "h_RT"), ("forward_rate_constants", "kf"))
RATES = (
    ("reverse_rate_constants", "kr"), ("rates_of_progress", "rop_net"), ("production_rates", "wdot")
)  # fmt: skip


@cache
def mechanism(path: Path) -> Mechanism:
    return read_cantera(path)


@pytest.fixture(scope="module")
def kinds() -> Mechanism:
    return mechanism(DATA / "gas_kinds.yaml")


@pytest.mark.parametrize("name", ["h2o2", "gri30"])
def test_states(shared_data: Path, name: str) -> None:
    """Thermodynamics and rate constants to 1e-8, reverse constants and rates to 1e-6 of the largest."""
    folder = shared_data / "cantera"
    gas = mechanism(folder / "mech" / f"{name}.yaml")
    reference = json.loads((folder / f"states_{name}.json").read_text())
    assert list(gas.species_names) == reference["species"]
    assert len(gas.reactions) == len(reference["reactions"])
    for point in reference["points"]:
        state = gas.at(T=point["T"], P=point["P"], Y=point["Y"])
        for mine, theirs in SPECIES_PROPERTIES:
            np.testing.assert_allclose(getattr(state, mine), point[theirs], rtol=1e-8, err_msg=theirs)
        at_pressure = state.s_R - np.log(state.P / 101325.0)  # theirs is at the pressure of the state
        np.testing.assert_allclose(at_pressure, point["s_R"], rtol=1e-8)
        for mine, theirs in (("cp", "cp_mass"), ("enthalpy", "enthalpy_mass"), ("entropy", "entropy_mass"),
                             ("density", "density")):  # fmt: skip
            assert getattr(state, mine) == pytest.approx(point[theirs], rel=1e-8)
        for mine, theirs in RATES:
            scale = np.abs(point[theirs]).max()
            np.testing.assert_allclose(
                getattr(state, mine) / scale, np.array(point[theirs]) / scale, atol=1e-6
            )


def test_kinds_of_reactions(kinds: Mechanism) -> None:
    """Every kind of rate law, units with numbers, third bodies of one species: against Cantera."""
    for point in json.loads((DATA / "gas_kinds.json").read_text())["points"]:
        state = kinds.at(T=point["T"], P=point["P"], Y=point["Y"])
        for mine, theirs in (("density",) * 2, ("cp",) * 2, ("enthalpy",) * 2, ("entropy",) * 2,
                             ("forward_rate_constants", "kf"), ("reverse_rate_constants", "kr"),
                             ("rates_of_progress", "rop"), ("production_rates", "wdot")):  # fmt: skip
            np.testing.assert_allclose(getattr(state, mine), point[theirs], rtol=1e-11, err_msg=theirs)


@pytest.mark.parametrize("kind", ["constant volume", "constant pressure"])
def test_jacobian_is_exact(kinds: Mechanism, kind: str) -> None:
    """Every column against central differences, with an error far below any wrong term."""
    reactor = kinds.reactor(
        kind, T=1500.0, P=3e5, X="H2:2, O2:1.5, OH:0.1, H:0.2, O:0.1, H2O:1, HO2:0.1, AR:1"
    )
    problem = sn.Problem(reactor)
    compiled = problem.compiled
    u, p = problem.u, problem.p
    exact = compiled.jacobian(0.0, u, p).toarray()
    for k in range(len(u)):
        step = 1e-5 * max(abs(u[k]), 1e-4)
        shift = np.eye(len(u))[k] * step
        numeric = (compiled.rhs(0.0, u + shift, p) - compiled.rhs(0.0, u - shift, p)) / (2 * step)
        scale = np.abs(exact).max(axis=1) + np.abs(numeric) + 1e-30
        np.testing.assert_allclose(
            exact[:, k] / scale, numeric / scale, atol=2e-7, err_msg=compiled.states[k]
        )


@pytest.mark.parametrize("name", CASES)
def test_ignition(shared_data: Path, name: str) -> None:
    """Delay within 0.1 %, temperature off the front within 0.1 K, at the end within 0.05 K."""
    folder = shared_data / "cantera"
    case = json.loads((folder / "index.json").read_text())[name]
    gas = mechanism(folder / case["mechanism"])
    kind = "constant volume" if "_V_" in name else "constant pressure"
    reactor = gas.reactor(kind, T=case["T0"], P=case["P0_Pa"], X=case["mixture_molar"])
    sol = sn.solve(sn.Problem(reactor, span=(0, case["t_end"])), rtol=1e-7, atol=1e-13)
    # factors of many dense equations should serve many steps
    assert sol.method == ("BDF" if len(gas.species_names) >= 50 else "Rodas5P")
    trace = np.genfromtxt(folder / f"{name}.csv", delimiter=",", names=True, deletechars="")
    delay = case["tau_max_dTdt"]
    near = delay + np.linspace(-0.01, 0.01, 4001) * delay
    slope = np.diff(sol(near)["T"])
    assert near[slope.argmax()] == pytest.approx(delay, rel=1e-3)
    assert sol["T"][-1] == pytest.approx(case["T_end"], abs=0.05)
    found = sol(trace["t"])
    front = np.abs(trace["t"] - delay) < 0.02 * delay
    np.testing.assert_allclose(found["T"][~front], trace["T"][~front], atol=0.1)
    held, free = ("density", "P") if kind == "constant volume" else ("P", "density")
    column = {"P": "P", "density": "rho"}
    np.testing.assert_allclose(found[free][~front], trace[column[free]][~front], rtol=1e-4)
    np.testing.assert_allclose(found[held][~front], trace[column[held]][~front], rtol=1e-9)
    for species in gas.species_names[:10]:
        off = np.abs(found[f"Y_{species}"] - trace[f"Y_{species}"])[~front]
        assert off.max() < 1e-4 * max(1e-3, trace[f"Y_{species}"].max()), species
    assert (np.abs(sum(found[f"Y_{name}"] for name in gas.species_names) - 1) < 1e-9).all()


def test_closed_reactors_keep_elements_and_energy(kinds: Mechanism) -> None:
    """Atoms in all; internal energy at constant volume, enthalpy at constant pressure."""
    mixture: dict[str, Any] = {"T": 1400.0, "P": 2e5, "X": "H2:2, O2:1, AR:4"}
    atoms = np.array([[s.composition.get(e, 0.0) for s in kinds.species] for e in ("H", "O", "Ar")])
    per_mass = atoms / kinds.molar_masses
    for kind, energy in (("constant volume", "adiabatic"), ("constant pressure", "adiabatic"),
                         ("constant pressure", "isothermal")):  # fmt: skip
        reactor = kinds.reactor(kind, **mixture, energy=energy)
        sol = sn.solve(sn.Problem(reactor, span=(0, 1e-3)), rtol=1e-8, atol=1e-14)
        Y = sol[[reactor[f"Y_{name}"] for name in kinds.species_names]]
        np.testing.assert_allclose(
            per_mass @ Y, np.tile((per_mass @ Y[:, 0])[:, None], Y.shape[1]), rtol=1e-9
        )
        ends = [kinds.at(T=sol["T"][i], P=sol["P"][i], Y=np.maximum(Y[:, i], 0)) for i in (0, -1)]
        if energy == "isothermal":
            assert sol["T"][-1] == 1400.0
            continue
        assert sol["T"][-1] > 1500  # heat was released
        volume = kind == "constant volume"
        kept = [end.enthalpy - volume * end.P / end.density for end in ends]
        assert kept[1] == pytest.approx(kept[0], abs=1e-6 * abs(ends[1].cp * ends[1].T))


def test_start_and_parameters_may_be_changed(kinds: Mechanism) -> None:
    """A new start keeps moles consistent; rate constants are parameters."""
    reactor = kinds.reactor("constant volume", T=1400.0, P=2e5, X="H2:2, O2:1, AR:4")
    problem = sn.Problem(reactor, {"Y_H2": 0.05, "Y_AR": 0.6}, span=(0, 1e-9), parameters={"A[0]": 0.0})
    sol = sn.solve(problem)
    total = sum(sol[f"Y_{s.name}"][0] / s.weight for s in kinds.species)
    assert sol["moles"][0] == pytest.approx(total, rel=1e-12)
    assert sol["kf[0]"][0] == 0.0
    assert sol["kf[4]"][0] == pytest.approx(7.0e17 * 1e-6 * 1400.0**-0.8, rel=1e-12)


def test_compositions(kinds: Mechanism) -> None:
    by_text = kinds.mass_fractions("H2:2, O2:1")
    assert by_text == pytest.approx(kinds.mass_fractions({"H2": 2.0, "O2": 1.0}))
    assert by_text[0] == pytest.approx(2 * 2.016 / (2 * 2.016 + 31.998))
    assert kinds.mass_fractions(Y={"H2": 3, "AR": 1})[0] == pytest.approx(0.75)
    for arguments, message in (
        ({"X": "CH4:1"}, "no species 'CH4'"),
        ({"X": "H2:-1"}, "not negative"),
        ({"X": "H2"}, "not 'species:number"),
        ({"X": "H2:1", "Y": "H2:1"}, "by X .* or by Y"),
        ({}, "by X .* or by Y"),
        ({"X": [1.0, 2.0]}, "shape"),
    ):
        with pytest.raises(sn.ModelError, match=message):
            kinds.mass_fractions(**arguments)
    for arguments, message in (
        ({"T": -5.0, "P": 1e5, "X": "H2:1"}, "T=-5"),
        ({"T": 500.0, "X": "H2:1"}, "P=None"),
    ):
        with pytest.raises(sn.ModelError, match=message):
            kinds.reactor(**arguments)
    with pytest.raises(sn.ModelError, match="known: constant volume"):
        kinds.reactor("constant temperature")
