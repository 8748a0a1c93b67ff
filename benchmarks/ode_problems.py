"""The problems of `ode.py`: texts of equations in y1 ... yn, from which every program makes its functions.

Robertson, HIRES, POLLU, Oregonator, van der Pol and Lorenz are read from the reference data ($SYMNUM_DATA,
else ../shared/data beside the repository), with end values of 12 digits or more. Imports nothing but NumPy.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DATA = Path(os.environ.get("SYMNUM_DATA") or Path(__file__).parents[2] / "shared" / "data") / "ode_problems"


class OdeProblem(NamedTuple):
    """size: what is added to the reference in relative errors, and times the tolerance the absolute one."""

    name: str
    equations: tuple[str, ...]
    start: NDArray[np.float64]
    end: float
    reference: NDArray[np.float64] | None
    size: float
    stiff: bool
    band: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"y{k + 1}" for k in range(len(self.start)))


# absolute tolerance in units of the relative one: below the smallest sizes that matter
_SIZES = {"rober": 1e-10, "hires": 1e-6, "pollu": 1e-8, "orego": 1e-3, "vdpol": 1e-3, "lorenz": 1e-3}
NAMES = (*_SIZES, "brusselator1d", "lotka_volterra")


def ode_problem(name: str) -> OdeProblem:
    if name == "lotka_volterra":
        right = ("1.5*y1 - y1*y2", "y1*y2 - 3.0*y2")
        return OdeProblem(name, right, np.array([1.0, 1.0]), 10.0, None, 1e-3, False)
    stored = json.loads((DATA / f"{name}.json").read_text())
    end, reference = float(stored["tspan"][1]), np.array(stored["ref"], float)
    if name == "brusselator1d":
        return _brusselator(stored, end, reference)
    equations = tuple(stored["equations"].values())
    if name == "lorenz":
        letters = dict(zip("xyz", ("y1", "y2", "y3"), strict=True))
        equations = tuple("".join(letters.get(c, c) for c in text) for text in equations)
    start = np.array(stored["y0"], float)
    return OdeProblem(name, equations, start, end, reference, _SIZES[name], name != "lorenz")


def _brusselator(stored: dict[str, object], end: float, reference: NDArray[np.float64]) -> OdeProblem:
    """u and v of one point beside each other, which makes the Jacobian a band of two entries on each side.

    u' = 1 + u^2 v - 4 u + a u_xx, v' = 3 u - u^2 v + a v_xx, u = 1 and v = 3 on both ends; Hairer and Wanner
    II, IV.1.
    """
    n = 40
    scale = 0.02 * (n + 1) ** 2
    equations = []
    for k in range(n):
        u, v = f"y{2 * k + 1}", f"y{2 * k + 2}"
        left = (f"y{2 * k - 1}", f"y{2 * k}") if k > 0 else ("1.0", "3.0")
        right = (f"y{2 * k + 3}", f"y{2 * k + 4}") if k < n - 1 else ("1.0", "3.0")
        spread = [f"{scale}*({left[i]} - 2.0*{(u, v)[i]} + {right[i]})" for i in (0, 1)]
        equations += [f"1.0 + {u}**2*{v} - 4.0*{u} + {spread[0]}", f"3.0*{u} - {u}**2*{v} + {spread[1]}"]
    start = np.empty(2 * n)
    start[0::2] = [1.0 + math.sin(2.0 * math.pi * (k + 1) / (n + 1)) for k in range(n)]
    start[1::2] = 3.0
    order = np.arange(2 * n).reshape(2, n).T.ravel()
    return OdeProblem("brusselator1d", tuple(equations), start, end, reference[order], 1e-3, True, band=2)
