"""The power flow: the steady state of a network by Newton's method on its sparse power balance.

Unknown are the angles of all buses but the slack and the magnitudes of the buses without generator. With
``V`` the bus voltages, ``Y`` the bus admittance matrix and ``S_d(|V|)`` the loads, the balance at each bus is

    0 = V conj(Y V) + S_d(|V|) - S_g .

The Jacobian is exact, the loads' dependence on voltage included, so that Newton converges quadratically.
Polar coordinates have a false root at |V| = 0 for a bus without injection; a result that has one is refused.

Source: Bergen & Vittal, Power Systems Analysis, 2nd ed., chapter 10; complex derivatives of the balance as in
Zimmerman, AC Power Flows and their Derivatives in Complex Matrix Notation, MATPOWER Technical Note 2, 2010.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError, SolveFailed
from symnum.models.power.network import Name, Network, islands, shown

Complex = NDArray[np.complex128]
Real = NDArray[np.float64]

COLLAPSED = 1e-2  # pu; nothing is operated below, and the false root of the polar form lies at 0


@dataclass(frozen=True)
class PowerFlow:
    """A solved power flow. Powers in pu of the system base, angles in rad.

    voltage: bus -> complex voltage. generation: generator -> P + jQ (a bus with several generators shares its
    reactive power, and a slack bus its active power, equally among those that are free). load: load -> P + jQ
    drawn. flow: branch -> (S into the start, S into the end). mismatches: largest power mismatch before each
    Newton step, the last one of the result.
    """

    voltage: Mapping[Name, complex]
    generation: Mapping[str, complex]
    load: Mapping[str, complex]
    flow: Mapping[str, tuple[complex, complex]]
    mismatches: tuple[float, ...]

    @property
    def losses(self) -> complex:
        """Total S that the branches take up."""
        return sum((sum(ends) for ends in self.flow.values()), start=0j)


def power_flow(network: Network, *, tolerance: float = 1e-11, max_iterations: int = 30) -> PowerFlow:
    """Solve the power flow to ``tolerance`` (largest power mismatch in pu).

    Raises ModelError where the network has no slack, or an island without one, and SolveFailed with the worst
    bus where Newton does not converge or a voltage collapses.
    """
    from scipy.sparse.linalg import splu

    problem = _Balance(network)
    magnitude, angle = problem.start()
    mismatches: list[float] = []
    for iteration in range(max_iterations + 1):
        balance = problem.balance(magnitude, angle)
        residual = problem.selected(balance)
        worst = float(np.abs(residual).max(initial=0.0))
        mismatches.append(worst)
        if worst <= tolerance:
            break
        if not np.isfinite(worst) or iteration == max_iterations:
            raise SolveFailed(problem.complaint(residual, iteration))
        try:
            step = splu(problem.jacobian(magnitude, angle)).solve(-residual)
        except RuntimeError as error:  # SuperLU: exactly singular
            complaint = problem.complaint(residual, iteration)
            raise SolveFailed(f"{complaint}; the Jacobian is singular") from error
        angle[problem.angles] += step[: len(problem.angles)]
        magnitude[problem.magnitudes] += step[len(problem.angles) :]
    low = int(np.argmin(magnitude))
    if magnitude[low] < COLLAPSED:
        raise SolveFailed(
            f"power flow: the voltage at bus {network.buses[low].name} has collapsed to {magnitude[low]:.2g} "
            "pu, a root of the equations that no grid runs at. Start closer to the solution (voltage and "
            "angle of the buses)."
        )
    return problem.result(magnitude, angle, tuple(mismatches))


class _Balance:
    """The power balance of one network: its matrix, its unknowns, its residual and Jacobian."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.position = network.index()
        self.slack = [g for g in network.generators if g.angle is not None]
        self._check_islands()
        n = len(network.buses)
        held = {self.position[g.bus] for g in network.generators}
        fixed = {self.position[g.bus] for g in self.slack}
        self.angles = np.array([i for i in range(n) if i not in fixed], dtype=np.int64)
        self.magnitudes = np.array([i for i in range(n) if i not in held], dtype=np.int64)
        self.admittance = self._admittance()
        self.scheduled = np.zeros(n)
        for generator in network.generators:
            if generator.p is not None:
                self.scheduled[self.position[generator.bus]] += generator.p

    def _check_islands(self) -> None:
        network = self.network
        if not self.slack:
            raise ModelError("power flow: no generator has angle=; one must be the slack")
        slack_buses = {g.bus for g in self.slack}
        for part in islands((b.name for b in network.buses), ((k.start, k.end) for k in network.branches)):
            if not slack_buses.intersection(part):
                raise ModelError(
                    f"power flow: the island of bus {shown(part)} has no slack. Give one of its generators "
                    "angle=, or add the branch that ties it to the rest."
                )
        held: dict[tuple[Name, str], tuple[str, float]] = {}
        for g in network.generators:
            for quantity, value in (("voltage", g.v), ("angle", g.angle)):
                if value is not None:
                    other, known = held.setdefault((g.bus, quantity), (g.name, value))
                    if known != value:
                        raise ModelError(
                            f"power flow: {other} and {g.name} hold the {quantity} of bus {g.bus} at "
                            f"{known} and {value}"
                        )

    def _admittance(self) -> Any:
        from scipy.sparse import coo_matrix

        network, at = self.network, self.position
        rows: list[int] = []
        columns: list[int] = []
        values: list[complex] = []
        for branch in network.branches:
            ends = at[branch.start], at[branch.end]
            for i, row in enumerate(branch.two_port()):
                for j, value in enumerate(row):
                    rows.append(ends[i])
                    columns.append(ends[j])
                    values.append(complex(value))
        for shunt in network.shunts:
            rows.append(at[shunt.bus])
            columns.append(at[shunt.bus])
            values.append(complex(shunt.g, shunt.b))
        n = len(network.buses)
        return coo_matrix((np.array(values, dtype=complex), (rows, columns)), shape=(n, n)).tocsr()

    def start(self) -> tuple[Real, Real]:
        """Magnitudes and angles where Newton begins: the buses' own, and what the generators hold."""
        magnitude = np.array([bus.voltage for bus in self.network.buses], dtype=float)
        angle = np.array([bus.angle for bus in self.network.buses], dtype=float)
        for generator in self.network.generators:
            magnitude[self.position[generator.bus]] = generator.v
            if generator.angle is not None:
                angle[self.position[generator.bus]] = generator.angle
        return magnitude, angle

    def loads(self, magnitude: Real) -> tuple[Complex, Complex, list[complex]]:
        """Power drawn at each bus (n,), its derivative by the magnitude (n,), and the power of each load."""
        drawn = np.zeros(len(magnitude), dtype=complex)
        slope = np.zeros(len(magnitude), dtype=complex)
        each: list[complex] = []
        for load in self.network.loads:
            i = self.position[load.bus]
            v, power = magnitude[i], complex(load.p, load.q)
            limit = load.vmax if v > load.vmax else load.vmin if v < load.vmin else None
            limit = limit or None  # vmin = 0 is no limit, also where Newton strays to a negative magnitude
            if limit is not None:
                slope[i] += 2 * power * v / limit**2
                power = power * v**2 / limit**2
            drawn[i] += power
            each.append(complex(power))
        return drawn, slope, each

    def balance(self, magnitude: Real, angle: Real) -> Complex:
        """Power that leaves each bus in excess of what is scheduled (n,)."""
        voltage = magnitude * np.exp(1j * angle)
        into_branches: Complex = voltage * np.conj(self.admittance @ voltage)
        return into_branches + self.loads(magnitude)[0] - self.scheduled

    def selected(self, balance: Complex) -> Real:
        """The rows that belong to the unknowns: active power, then reactive power."""
        return np.concatenate([balance.real[self.angles], balance.imag[self.magnitudes]])

    def jacobian(self, magnitude: Real, angle: Real) -> Any:
        from scipy.sparse import bmat, diags

        direction = np.exp(1j * angle)
        voltage = magnitude * direction
        current = self.admittance @ voltage
        by_angle = 1j * (diags(voltage) @ (diags(current) - self.admittance @ diags(voltage)).conj())
        by_magnitude = (
            diags(voltage) @ (self.admittance @ diags(direction)).conj()
            + diags(np.conj(current) * direction)
            + diags(self.loads(magnitude)[1])
        )
        a, m = self.angles, self.magnitudes
        return bmat(
            [
                [by_angle.real.tocsr()[a][:, a], by_magnitude.real.tocsr()[a][:, m]],
                [by_angle.imag.tocsr()[m][:, a], by_magnitude.imag.tocsr()[m][:, m]],
            ],
            format="csc",
        )

    def complaint(self, residual: Real, iterations: int) -> str:
        """Why Newton gave up, with the bus that is worst off."""
        finite = np.where(np.isfinite(residual), np.abs(residual), np.inf)
        worst = int(np.argmax(finite))
        if worst < len(self.angles):
            kind, bus = "active", self.angles[worst]
        else:
            kind, bus = "reactive", self.magnitudes[worst - len(self.angles)]
        return (
            f"power flow: no solution after {iterations} Newton steps; the largest mismatch is "
            f"{finite[worst]:.3g} pu of {kind} power at bus {self.network.buses[bus].name}. The grid may be "
            "loaded beyond what it can carry, or the start (voltage and angle of the buses) is far off"
        )

    def result(self, magnitude: Real, angle: Real, mismatches: tuple[float, ...]) -> PowerFlow:
        network, at = self.network, self.position
        voltage = magnitude * np.exp(1j * angle)
        drawn, _, each = self.loads(magnitude)
        injected = voltage * np.conj(self.admittance @ voltage) + drawn  # what the generators must supply
        flow = {}
        for branch in network.branches:
            ends = voltage[[at[branch.start], at[branch.end]]]
            into_start, into_end = ends * np.conj(branch.two_port() @ ends)
            flow[branch.name] = complex(into_start), complex(into_end)
        at_bus: dict[Name, list[str]] = {}
        slack_at: dict[Name, list[str]] = {}
        for g in network.generators:
            at_bus.setdefault(g.bus, []).append(g.name)
            if g.angle is not None:
                slack_at.setdefault(g.bus, []).append(g.name)
        generation = {}
        for g in network.generators:
            i = at[g.bus]
            p = (injected[i].real - self.scheduled[i]) / len(slack_at[g.bus]) if g.p is None else g.p
            generation[g.name] = complex(p, injected[i].imag / len(at_bus[g.bus]))
        return PowerFlow(
            voltage={bus.name: complex(v) for bus, v in zip(network.buses, voltage, strict=True)},
            generation=generation,
            load={load.name: power for load, power in zip(network.loads, each, strict=True)},
            flow=flow,
            mismatches=mismatches,
        )
