"""The problems of `dae.py`: M y' = f(t, y) as texts, from which every program makes its functions.

The end values of the transistor amplifier are read from the reference data ($SYMNUM_DATA, else ../shared/data
beside the repository), of the Test Set for Initial Value Problem Solvers (Mazzia & Magherini, 2008); those of
Robertson's problem come from SciPy's Radau and its form without constraint.
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from ode_problems import DATA, ode_problem

Array = NDArray[np.float64]


class DaeProblem(NamedTuple):
    """mass: (n, n); size: added to the reference in relative errors; times the tolerance the absolute one."""

    name: str
    equations: tuple[str, ...]
    mass: Array
    start: Array
    end: float
    reference: Array
    size: float

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"y{k + 1}" for k in range(len(self.start)))

    def right(self, t: float, y: Array) -> Array:
        """f(t, y), of complex y as well."""
        values: dict[str, Any] = {"exp": np.exp, "sin": math.sin, "t": t}
        values |= zip(self.names, y, strict=True)
        return np.array([eval(text, {}, values) for text in self.equations])

    def constraints(self) -> Array:
        """(n_algebraic, n): what the equations are multiplied by so that no derivative is left."""
        left, sizes, _ = np.linalg.svd(self.mass)
        return np.asarray(left.T[int(np.sum(sizes > 1e-12 * sizes[0])) :])

    def slope(self) -> Array:
        """y' at the start: M y' = f and d/dt of the constraints, by a complex and a central difference."""
        n, step = len(self.start), 1e-30
        jacobian = np.array([self.right(0.0, self.start + 1j * step * e).imag / step for e in np.eye(n)]).T
        in_time = (self.right(1e-6, self.start) - self.right(-1e-6, self.start)) / 2e-6
        null = self.constraints()
        # volts over seconds beside amperes over farads: rows of one size
        rows = np.vstack([self.mass / np.abs(self.mass).max(), null @ jacobian / np.abs(jacobian).max()])
        f = self.right(0.0, self.start) / np.abs(self.mass).max()
        values = np.concatenate([f, -null @ in_time / np.abs(jacobian).max()])
        return np.asarray(np.linalg.lstsq(rows, values, rcond=1e-14)[0])


def _robertson() -> DaeProblem:
    """Until 4e4, where A is still some per cent: until 1e11 IDA's tests fail by rounding of A + B + C."""
    from scipy.integrate import solve_ivp

    ode, end = ode_problem("rober"), 4e4
    mass = np.diag([1.0, 1.0, 0.0])
    equations = (*ode.equations[:2], "y1 + y2 + y3 - 1.0")
    plain = DaeProblem("rober", ode.equations, np.eye(3), ode.start, end, ode.start, 1.0)
    exact = solve_ivp(plain.right, (0.0, end), ode.start, "Radau", rtol=1e-12, atol=[1e-14, 1e-20, 1e-14])
    return DaeProblem("rober", equations, mass, ode.start, end, exact.y[:, -1], 1e-7)


def _transistor() -> DaeProblem:
    """Transistor amplifier (Hairer & Wanner II, figure VI.1.4): node voltages, derivatives in pairs."""

    def current(voltage: str) -> str:
        return f"1e-6*(exp(({voltage})/0.026) - 1.0)"

    first, second = current("y2 - y3"), current("y5 - y6")
    equations = (
        "-(y1 - 0.1*sin(628.3185307179587*t))/1000.0",
        f"-(y2/9000.0 + (y2 - 6.0)/9000.0 + 0.01*{first})",
        f"-(y3/9000.0 - {first})",
        f"-((y4 - 6.0)/9000.0 + 0.99*{first})",
        f"-(y5/9000.0 + (y5 - 6.0)/9000.0 + 0.01*{second})",
        f"-(y6/9000.0 - {second})",
        f"-((y7 - 6.0)/9000.0 + 0.99*{second})",
        "-y8/9000.0",
    )
    mass = np.diag([1e-6, 1e-6, 2e-6, 3e-6, 3e-6, 4e-6, 5e-6, 5e-6])
    for k, capacity in ((0, 1e-6), (3, 3e-6), (6, 5e-6)):
        mass[k, k + 1] = mass[k + 1, k] = -capacity
    start = np.array([0.0, 3.0, 3.0, 6.0, 3.0, 3.0, 6.0, 0.0])
    stored = json.loads((DATA.parent / "ivp_testset" / "reference.json").read_text())["transistor"]
    return DaeProblem("transistor", equations, mass, start, stored["t_end"], np.array(stored["y_ref"]), 1.0)


PROBLEMS = {"rober": _robertson, "transistor": _transistor}
