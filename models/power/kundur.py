"""The two-area system of Kundur: four machines in two areas, joined by three weak tie lines.

    g1 - 1 - 5 === 6 ==== 7 ============ 8 ==== 9 === 10 - 4 - g4
                   |      |              |      |
                   2    load_7         load_8   3
                   |                            |
                   g2                           g3

Data, with their sources, are in ``data/kundur.toml``. With ``pss=True`` each machine has an IEEEST stabilizer
on its speed.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

import symnum as sn
from symnum.models.power import exdc2, genrou, tgov1
from symnum.models.power.constant import NoStabilizer
from symnum.models.power.exdc2 import EXDC2
from symnum.models.power.genrou import GENROU
from symnum.models.power.grid import power_system
from symnum.models.power.ieeest import stabilizer
from symnum.models.power.network import BranchData, BusData, GeneratorData, LoadData, Network
from symnum.models.power.powerflow import PowerFlow, power_flow
from symnum.models.power.saturation import quadratic_fit
from symnum.models.power.shunt import Fault
from symnum.models.power.tgov1 import TGOV1
from symnum.rewriting.expr import Expr


@cache
def data() -> dict[str, Any]:
    """The data file as it is."""
    return tomllib.loads((files("symnum.models.power") / "data" / "kundur.toml").read_text("utf-8"))


@cache
def network() -> Network:
    """Buses, lines, loads and dispatch, on the system base."""
    given, guard = data()["network"], data()["system"]["guard"]
    return Network(
        buses=tuple(BusData(bus["number"]) for bus in given["buses"]),
        branches=tuple(
            BranchData(k["name"], k["from"], k["to"], r=k["r"], x=k["x"], b=k["b"], guard=guard)
            for k in given["lines"]
        ),
        loads=tuple(LoadData(**load) for load in given["loads"]),
        generators=tuple(GeneratorData(**generator) for generator in given["generators"]),
    )


@cache
def solved_flow() -> PowerFlow:
    """The power flow from which all simulations start."""
    return power_flow(network())


def two_area(pss: bool = False, fault_bus: int | None = None) -> sn.System:
    """The system at rest, with parts g1..g4, bus_1..bus_10, line_5_6a.., transformer_1_5.., load_7, load_8.

    pss: with stabilizers. fault_bus: a number from 1 to 10 adds the part ``fault`` there, which does nothing
    until an event sets ``fault.active`` to 1. The frame of all angles is the part ``coi``.

    >>> grid = two_area()
    >>> grid.g1.M, grid.line_7_8a.start
    (g1.M, <Terminal line_7_8a.start>)
    """
    given, grid, flow = data(), network(), solved_flow()
    rest = {
        generator.name: genrou.steady_state(
            flow.voltage[generator.bus], flow.generation[generator.name], **_impedances()
        )
        for generator in grid.generators
    }
    inertia = given["machine"]["M"]
    center = sum(inertia[name] * rest[name].delta for name in rest) / sum(inertia.values())
    machines = {
        generator.name: _machine(
            generator.name, rest[generator.name], center, abs(flow.voltage[generator.bus]), pss
        )
        for generator in grid.generators
    }
    return power_system(
        "kundur",
        grid,
        flow,
        machines,
        faults={} if fault_bus is None else {"fault": (fault_bus, Fault("fault", **given["fault"]))},
        frame_angle=center,
        frequency=given["system"]["frequency"],
    )


def columns(grid: sn.System) -> dict[str, Expr]:
    """What the published trajectories list, by their column names: ``solution[columns(grid)["delta_G1"]]``.

    Rotor angles ``delta_`` and voltage angles ``a_`` are in the synchronous frame, in rad; all else is in pu.
    """
    units = {f"G{i}": grid[f"g{i}"] for i in range(1, 5)}
    buses = {f"B{i}": grid[f"bus_{i}"] for i in range(1, 11)}
    found = {f"delta_{name}": unit.angle for name, unit in units.items()}
    for quantity in ("omega", "e1q", "e1d", "e2d", "e2q"):
        found |= {f"{quantity}_{name}": getattr(unit, quantity) for name, unit in units.items()}
    for name, unit in units.items():
        found |= {f"vf_{name}": unit.vf, f"tm_{name}": unit.tm}
    for quantity in ("v", "a"):
        found |= {f"{quantity}_{name}": getattr(bus, quantity) for name, bus in buses.items()}
    return found


def _machine(name: str, rest: genrou.SteadyState, center: float, voltage: float, pss: bool) -> GENROU:
    """A machine with exciter, governor and, if wanted, stabilizer, all at rest."""
    given = data()
    settings = {key: value for key, value in given["machine"].items() if key not in ("M", "S10", "S12")}
    start, slope = quadratic_fit(1.0, given["machine"]["S10"], 1.2, given["machine"]["S12"])
    rating = {"Sn": given["machine"]["Sn"], "base": given["system"]["base"]}
    return GENROU(
        name,
        **{**settings, **rating},
        M=given["machine"]["M"][name],
        frequency=given["system"]["frequency"],
        saturation=slope != 0,
        saturation_start=start,
        saturation_slope=slope,
        delta=rest.delta - center,
        e1q=rest.e1q,
        e1d=rest.e1d,
        e2d=rest.e2d,
        e2q=rest.e2q,
        exciter=_exciter(rest.vf, voltage),
        governor=_governor(rest.tm, rating),
        stabilizer=stabilizer(**given["stabilizer"]) if pss else NoStabilizer(),
    )


def _exciter(vf: float, voltage: float) -> EXDC2:
    settings = dict(data()["exciter"])
    start, slope = quadratic_fit(*(settings.pop(key) for key in ("E1", "SE1", "E2", "SE2")))
    limits = {key: settings[key] for key in ("KA", "KE", "VRMIN", "VRMAX")}
    saturation = {"saturation_start": start, "saturation_slope": slope}
    rest = exdc2.steady_state(vf=vf, v=voltage, **limits, **saturation)
    return EXDC2(**settings, **saturation, saturation=slope != 0, **rest)


def _governor(tm: float, rating: dict[str, float]) -> TGOV1:
    settings = data()["governor"]
    limits = {key: settings[key] for key in ("R", "VMIN", "VMAX")}
    return TGOV1(**settings, **rating, **tgov1.steady_state(tm=tm, **limits, **rating))


def _impedances() -> dict[str, float]:
    """What the steady state of the machines depends on: impedances, ratings and saturation."""
    given = data()["machine"]
    start, slope = quadratic_fit(1.0, given["S10"], 1.2, given["S12"])
    names = ("Sn", "ra", "xl", "xd", "xq", "xd1", "xq1", "xd2")
    return {
        **{name: given[name] for name in names},
        "base": data()["system"]["base"],
        "saturation_start": start,
        "saturation_slope": slope,
    }
