"""The two-area system of Kundur reduced to four swing equations and two load buses: ten states.

Angles of machines are those beside their center of inertia; a load draws more where its angle advances. Lines
have no losses and voltages keep their size (the network-preserving model of Bergen and Hill):

    d(delta_i) = omega_i - sum H_j omega_j / sum H_j
    2 H_i / omega_0 d(omega_i) = P_i - K omega_i - sum V_i V_j B_ij sin(delta_i - delta_j)
    d_k d(theta_k) = -P_k - sum V_k V_j B_kj sin(theta_k - delta_j)

Numbers in pu of 100 MVA, rad and s: J. Stiasny, G. Misyris, S. Chatzivasileiadis, "Transient stability
analysis with physics-informed neural networks", arXiv:2106.13638, and the code that its authors published
with it. That code leaves out the gain K of the governors; 0.5 is the one of the same authors' studies of a
single machine.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

import symnum as sn
from symnum.rewriting.expr import Expr, add, as_expr

FREQUENCY = 2 * math.pi * 60  # rad/s
INERTIA = (58.5, 58.5, 55.575, 55.575)  # H in s, of machines 1 to 4
GAIN = 0.5  # K in pu s/rad
DRIVEN = (7.0, 7.0, 6.34, 7.0)  # mechanical power of the machines
LOADS = {7: (9.67, 0.2), 9: (17.67, 0.4)}  # bus -> power drawn, and its change with frequency in pu s/rad
VOLTAGE = {1: 1.03, 2: 1.01, 3: 1.03, 4: 1.01, 7: 0.961, 9: 0.9714}
# between machines 1 to 4 and the load buses 7 and 9; the tie from 7 to 9 has three circuits
SUSCEPTANCE = {
    (1, 2): 7.8461, (3, 4): 7.8461, (1, 7): 12.9499, (2, 7): 32.5581, (3, 9): 12.9499, (4, 9): 32.5581,
    (7, 9): 9.0982,
}  # fmt: skip
TRIPPED = 6.0655 / 9.0982  # of the tie that is left when one of its circuits is open

SETTLE, FAULT = 5.0, 0.05  # s from the load step to the fault, and from there to its end
LARGEST_STEP = 6.0  # pu
_DEGREE = 24  # of the polynomials in the load step that states behind the fault follow


@cache
def two_area() -> sn.System:
    """The ten equations; unknowns delta_1 ... delta_4, omega_1 ... omega_4, theta_7, theta_9.

    Parameters: load_step, what bus 7 draws beyond its load; tie, the share of the susceptance between the
    areas that is there; shorted, 1 while bus 9 is short-circuited.

    >>> two_area()
    <System kundur_swing: 10 equations>
    """
    delta = [sn.variable(f"delta_{i}") for i in range(1, 5)]
    omega = [sn.variable(f"omega_{i}") for i in range(1, 5)]
    theta = {bus: sn.variable(f"theta_{bus}") for bus in LOADS}
    load_step = sn.parameter(0.0, name="load_step", about="power that bus 7 draws beyond its load, in pu")
    tie = sn.parameter(1.0, name="tie", about="share of the susceptance from bus 7 to bus 9")
    shorted = sn.parameter(0.0, name="shorted", about="1 while bus 9 is short-circuited")
    angle: dict[int, Expr] = {i + 1: delta[i] for i in range(4)} | theta
    drawn: dict[int, list[Expr]] = {bus: [] for bus in angle}  # by the lines
    for (first, second), susceptance in SUSCEPTANCE.items():
        size = as_expr(VOLTAGE[first] * VOLTAGE[second] * susceptance)
        if 9 in (first, second):
            size = size * (1 - shorted)
        if (first, second) == (7, 9):
            size = size * tie
        flow = size * sn.sin(angle[first] - angle[second])
        drawn[first].append(flow)
        drawn[second].append(-flow)
    center = add([h / sum(INERTIA) * w for h, w in zip(INERTIA, omega, strict=True)])
    equations = [sn.D(delta[i]) == omega[i] - center for i in range(4)]
    equations += [
        sn.D(omega[i])
        == FREQUENCY / (2 * INERTIA[i]) * (DRIVEN[i] - GAIN * omega[i] - add(drawn[i + 1]))
        for i in range(4)
    ]
    for bus, (power, damping) in LOADS.items():
        more = load_step if bus == 7 else as_expr(0)
        equations.append(sn.D(theta[bus]) == (-power - more - add(drawn[bus])) / damping)
    return sn.System("kundur_swing", equations)


@cache
def rest() -> dict[str, float]:
    """The state without a load step at which nothing moves."""
    names = [f"delta_{i}" for i in range(1, 5)] + [f"omega_{i}" for i in range(1, 5)]
    names += [f"theta_{bus}" for bus in LOADS]
    problem = sn.Problem(two_area(), dict.fromkeys(names, 0.0), span=(0, 200))
    settled = sn.solve(problem, rtol=1e-10, atol=1e-12)
    return {name: float(settled[sn.variable(name)][-1]) for name in names}


def disturbed(load_step: float = 0.0, span: float = 2.0) -> sn.Problem:
    """From the load step at time 0: the fault at bus 9, and one tie circuit less from its end on.

    span: seconds behind the end of the fault, which is at SETTLE + FAULT.
    """
    symbols = {info: sn.parameter(value, name=info) for info, value in (("tie", 1.0), ("shorted", 0.0))}
    events = [
        sn.Event(at=SETTLE, then={symbols["shorted"]: 1}),
        sn.Event(at=SETTLE + FAULT, then={symbols["shorted"]: 0, symbols["tie"]: TRIPPED}),
    ]
    end = SETTLE + FAULT + span
    return sn.Problem(two_area(), rest(), (0, end), parameters={"load_step": load_step}, events=events)


@cache
def behind_fault(span: float = 2.0) -> sn.Problem:
    """What happens behind the fault, for load steps from 0 to LARGEST_STEP, from time 0 on.

    Starts are polynomials in ``load_step`` through runs of `disturbed` at the points of Chebyshev; between
    them they agree with further runs to about 1e-8.
    """
    nodes = (1 + np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))) / 2 * LARGEST_STEP
    before = disturbed().with_(span=(0, SETTLE + FAULT))
    ensemble = sn.Ensemble(before, {"load_step": nodes})
    runs = sn.solve(ensemble, rtol=1e-10, atol=1e-12, saveat=[SETTLE + FAULT])
    scaled = sn.parameter(0.0, name="load_step") * (2 / LARGEST_STEP) - 1
    chebyshev = [as_expr(1), scaled]
    for _ in range(_DEGREE - 1):
        chebyshev.append(2 * scaled * chebyshev[-1] - chebyshev[-2])
    start = {}
    for name in rest():
        values = runs[sn.variable(name)][:, -1]
        found = np.polynomial.chebyshev.chebfit(2 * nodes / LARGEST_STEP - 1, values, _DEGREE)
        start[name] = add([c * term for c, term in zip(found.tolist(), chebyshev, strict=True)])
    return sn.Problem(two_area(), start, (0, span), parameters={"tie": TRIPPED})
