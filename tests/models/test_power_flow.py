"""The power flow against published solutions, and its complaints."""

from __future__ import annotations

import csv
import itertools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from symnum.errors import ModelError, SolveFailed
from symnum.models.power.network import (
    BranchData,
    BusData,
    GeneratorData,
    LoadData,
    Name,
    Network,
    ShuntData,
    islands,
)
from symnum.models.power.powerflow import _Balance, power_flow

TWO_BUSES = Network(
    buses=(BusData("a"), BusData("b")),
    branches=(BranchData("line", "a", "b", r=0.01, x=0.1, b=0.02),),
    loads=(LoadData("town", "b", p=1.0, q=0.3),),
    generators=(GeneratorData("plant", "a", v=1.02, angle=0.0),),
)


def matpower(path: Path) -> Network:
    """The in-service part of a MATPOWER case (format version 2), started where the file says."""
    text = path.read_text()
    table = {}
    for name, body in re.findall(r"mpc\.(bus|gen|branch)\s*=\s*\[(.*?)\];", text, re.DOTALL):
        lines = re.sub(r"%.*", "", body).replace(";", "\n").split("\n")
        table[name] = [[float(value) for value in line.split()] for line in lines if line.split()]
    match = re.search(r"baseMVA\s*=\s*([\d.]+)", text)
    assert match
    base = float(match[1])
    rows = {int(r[0]): r for r in table["bus"] if r[1] != 4}
    kind = {number: int(r[1]) for number, r in rows.items()}
    generators: list[GeneratorData] = []
    fixed: list[LoadData] = []  # generators at a PQ bus
    held: dict[int, float] = {}
    for i, r in enumerate(table["gen"]):
        bus = int(r[0])
        if r[7] <= 0 or bus not in rows:
            continue
        if kind[bus] == 1:
            fixed.append(LoadData(f"gen{i}", bus, -r[1] / base, -r[2] / base))
        elif kind[bus] == 3 and bus not in held:
            generators.append(GeneratorData(f"g{i}", bus, r[5], angle=np.deg2rad(rows[bus][8])))
        else:
            generators.append(GeneratorData(f"g{i}", bus, held.get(bus, r[5]), p=r[1] / base))
        held.setdefault(bus, r[5])
    return Network(
        buses=tuple(BusData(n, r[7], np.deg2rad(r[8])) for n, r in rows.items()),
        branches=tuple(
            BranchData(
                f"k{i}", int(r[0]), int(r[1]), r=r[2], x=r[3], b=r[4], tap=r[8] or 1, phase=np.deg2rad(r[9])
            )
            for i, r in enumerate(table["branch"])
            if r[10] > 0 and int(r[0]) in rows and int(r[1]) in rows
        ),
        loads=(*(LoadData(f"d{n}", n, r[2] / base, r[3] / base) for n, r in rows.items()), *fixed),
        shunts=tuple(ShuntData(f"s{n}", n, r[4] / base, r[5] / base) for n, r in rows.items()),
        generators=tuple(generators),
    )


CASES = [*(f"case{n}" for n in (9, 14, 30, 39, 57, 118, 300)), "case_ACTIVSg500", "case1354pegase"]


@pytest.mark.parametrize("case", CASES)
def test_matpower_case(case: str, shared_data: Path) -> None:
    """Voltages of the published solutions (Q limits not enforced) to 1e-8 pu and 1e-8 rad."""
    network = matpower(shared_data / "powerflow" / f"{case}.m")
    solution = power_flow(network, tolerance=1e-9)
    with (shared_data / "powerflow" / f"{case}.pf.csv").open() as file:
        rows = {int(row["bus"]): row for row in csv.DictReader(file)}
    for bus in network.buses:
        row = rows[int(bus.name)]
        expected = float(row["Vm_pu"]) * np.exp(1j * np.deg2rad(float(row["Va_deg"])))
        assert abs(solution.voltage[bus.name] - expected) < 1e-8, bus
    generation: dict[Name, complex] = {}
    for generator in network.generators:
        generation[generator.bus] = generation.get(generator.bus, 0) + solution.generation[generator.name]
    for name, total in generation.items():
        expected = complex(float(rows[int(name)]["Pgen_pu"]), float(rows[int(name)]["Qgen_pu"]))
        assert abs(total - expected) < 1e-7, name


def test_two_buses_against_the_quadratic() -> None:
    """One line, one load: |V_b|^2 solves a quadratic equation (the line's charging is left out here)."""
    network = replace(TWO_BUSES, branches=(BranchData("line", "a", "b", r=0.01, x=0.1),))
    solution = power_flow(network)
    r, x, p, q, v0 = 0.01, 0.1, 1.0, 0.3, 1.02
    # v^4 + (2 (p r + q x) - v0^2) v^2 + |z|^2 |s|^2 = 0
    squared = np.roots([1, 2 * (p * r + q * x) - v0**2, (r**2 + x**2) * (p**2 + q**2)]).max()
    assert abs(solution.voltage["b"]) == pytest.approx(np.sqrt(squared), abs=1e-12)
    assert solution.generation["plant"] == pytest.approx(1 + 0.3j + solution.losses, abs=1e-11)


def test_quadratic_convergence() -> None:
    """The exponent of the mismatch doubles at each step once Newton is close."""
    loads = (LoadData("town", "b", p=2.0, q=0.5, vmin=0.95),)  # below its limit: the load's slope counts
    found = power_flow(replace(TWO_BUSES, loads=loads), tolerance=1e-13).mismatches
    close = [m for m in found if 1e-12 < m < 0.1]
    assert len(close) >= 2
    for before, after in itertools.pairwise(close):
        assert after < 20 * before**2


def test_jacobian_against_differences(shared_data: Path) -> None:
    network = matpower(shared_data / "powerflow" / "case14.m")
    loads = tuple(replace(d, vmin=1.03, vmax=1.04) for d in network.loads)  # both sides of the band occur
    shifted = tuple(replace(k, phase=0.1 * i, tap=1 + 0.01 * i) for i, k in enumerate(network.branches))
    problem = _Balance(replace(network, loads=loads, branches=shifted))
    magnitude, angle = problem.start()
    magnitude = magnitude + 1e-3 * np.arange(len(magnitude))
    exact = problem.jacobian(magnitude, angle).toarray()
    step = 1e-6
    columns = []
    for of, places in ((angle, problem.angles), (magnitude, problem.magnitudes)):
        for i in places:
            sides = []
            for sign in (1, -1):
                moved = of.copy()
                moved[i] += sign * step
                at = (magnitude, moved) if of is angle else (moved, angle)
                sides.append(problem.selected(problem.balance(*at)))
            columns.append((sides[0] - sides[1]) / (2 * step))
    assert np.abs(exact - np.array(columns).T).max() < 1e-7 * np.abs(exact).max()


@pytest.mark.parametrize(("vmin", "vmax", "violated"), [(0.99, 1.2, 0.99), (0.5, 0.9, 0.9), (0.5, 1.2, None)])
def test_load_outside_its_band_is_an_impedance(vmin: float, vmax: float, violated: float | None) -> None:
    network = replace(TWO_BUSES, loads=(LoadData("town", "b", p=1.0, q=0.3, vmin=vmin, vmax=vmax),))
    solution = power_flow(network)
    v = abs(solution.voltage["b"])
    factor = 1.0 if violated is None else (v / violated) ** 2
    assert (vmin <= v <= vmax) == (violated is None)
    assert solution.load["town"] == pytest.approx((1.0 + 0.3j) * factor, abs=1e-12)
    supplied = solution.losses + solution.load["town"]
    assert supplied == pytest.approx(solution.generation["plant"], abs=1e-10)


def test_transformer_ratio_and_shift() -> None:
    """Without load and charging the far side shows the ideal ratio."""
    network = Network(
        buses=(BusData(1), BusData(2)),
        branches=(BranchData("t", 1, 2, r=0.0, x=0.1, tap=0.95, phase=np.pi / 6),),
        generators=(GeneratorData("g", 1, v=1.0, angle=0.2),),
    )
    v = power_flow(network).voltage[2]
    assert abs(v) == pytest.approx(1 / 0.95, abs=1e-10)
    assert np.angle(v) == pytest.approx(0.2 - np.pi / 6, abs=1e-10)


def test_generators_share_a_bus() -> None:
    network = replace(
        TWO_BUSES,
        generators=(GeneratorData("g1", "a", v=1.02, angle=0.0), GeneratorData("g2", "a", v=1.02, p=0.4)),
    )
    alone, shared = power_flow(TWO_BUSES), power_flow(network)
    assert shared.generation["g2"].real == 0.4
    assert sum(shared.generation.values()) == pytest.approx(alone.generation["plant"], abs=1e-10)
    assert shared.generation["g1"].imag == pytest.approx(shared.generation["g2"].imag)


def test_islands() -> None:
    """Parts in order of size, buses in the order given, also without any tie."""
    assert islands("abcdef", [("f", "b"), ("b", "d"), ("a", "e")]) == [["b", "d", "f"], ["a", "e"], ["c"]]
    assert islands([3, 1], []) == [[3], [1]]


def test_overload_names_the_worst_bus() -> None:
    with pytest.raises(SolveFailed, match=r"mismatch is .* power at bus b\."):
        power_flow(replace(TWO_BUSES, loads=(LoadData("town", "b", p=20.0, q=3.0),)))


def test_collapsed_root_is_refused() -> None:
    """The load-free bus of a fault start: Newton finds V = 0, which is no answer."""
    network = Network(
        buses=(BusData("a"), BusData("middle", 1e-9, 0.0), BusData("b")),
        branches=(BranchData("k", "a", "middle", r=0.0, x=0.1), BranchData("l", "middle", "b", r=0.0, x=0.1)),
        generators=(GeneratorData("g", "a", v=1.0, angle=0.0), GeneratorData("h", "b", v=1.0, p=0.0)),
    )
    with pytest.raises(SolveFailed, match="middle has collapsed"):
        power_flow(network)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generators": (GeneratorData("plant", "a", v=1.0, p=1.0),)}, "slack"),
        ({"buses": (BusData("a"), BusData("b"), BusData("c"), BusData("d"))}, "island of bus c has no slack"),
        ({"buses": (BusData("a"), BusData("b"), BusData("a"))}, "kind bus are called a"),
        ({"loads": (LoadData("town", "bb", p=1, q=0),)}, "load town is at bus bb.*mean b"),
        ({"branches": (BranchData("line", "a", "a", r=0, x=1),)}, "line starts and ends at bus a"),
        ({"branches": (BranchData("line", "a", "b", r=0, x=0),)}, "line: r \\+ jx = 0"),
        ({"generators": (GeneratorData("plant", "a", v=1.0),)}, "plant: give either p="),
        (
            {"generators": (GeneratorData("g1", "a", v=1, angle=0), GeneratorData("g2", "a", v=1.1, p=0))},
            "g1 and g2 hold the voltage of bus a",
        ),
    ],
)
def test_bad_networks(change: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        power_flow(replace(TWO_BUSES, **change))  # type: ignore[arg-type]
