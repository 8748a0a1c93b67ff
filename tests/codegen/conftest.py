"""Small models in the IR, written by hand, that together use everything the IR can say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from symnum.codegen.function import Array, Column, Function, Gather, Loop, Output
from symnum.rewriting import operators as op
from symnum.rewriting.expr import ONE, TIME, ZERO, Expr, add, power, slot


@dataclass(frozen=True, eq=False)
class Model:
    """A right-hand side with a point at which it is smooth."""

    rhs: Function
    u: Array
    p: Array
    t: float = 0.7
    roots: Function | None = None
    smooth: bool = True  # whether differences of long steps can be trusted
    complex_step: bool = True  # whether all of it is analytic

    @property
    def n(self) -> int:
        return len(self.u)


def u(k: int) -> Expr:
    return slot("u", k)


def p(k: int) -> Expr:
    return slot("p", k)


def w(k: int) -> Expr:
    return slot("w", k)


def c(k: int) -> Expr:
    return slot("c", k)


def one(name: str, roots: dict[int, Expr], columns: list[tuple[str, float]], space: str = "out") -> Loop:
    """A loop of one copy: {place: root}, [(space, place or number)]."""
    return Loop(
        name, 1, tuple(roots.values()), tuple(Column(s, np.array([k])) for s, k in columns),
        tuple(Output(space, np.array([k])) for k in roots),
    )  # fmt: skip


def start(n: int, seed: int = 0) -> Array:
    return 0.3 + np.random.default_rng(seed).random(n)


def lorenz() -> Model:
    loop = one(
        "lorenz",
        {0: p(3) * (u(1) - u(0)), 1: u(0) * (p(4) - u(2)) - u(1), 2: u(0) * u(1) - p(5) * u(2)},
        [("u", 0), ("u", 1), ("u", 2), ("p", 0), ("p", 1), ("p", 2)],
    )
    return Model(Function("lorenz", (loop,), 3, 0), np.array([1.0, 2.0, 3.0]), np.array([10.0, 28.0, 8 / 3]))


def ladder(n: int = 40) -> Model:
    """RC sections with a driven end; R and C per section, one constant temperature coefficient."""
    i = np.arange(1, n - 1)
    inner = Loop(
        "sections", n - 2,
        (((u(0) - u(1)) / p(3) - (u(1) - u(2)) / p(4)) / (p(5) * (1 + c(6) * p(7))),),
        (*(Column("u", i + d) for d in (-1, 0, 1)), Column("p", i - 1), Column("p", i), Column("p", n + i),
         Column("c", np.full(n - 2, 0.004)), Column("p", np.full(n - 2, 2 * n))),
        (Output("out", i),),
    )  # fmt: skip
    ends = one(
        "ends",
        {0: (op.sin(3 * TIME) - u(0)) / p(3) - (u(0) - u(1)) / p(4), n - 1: (u(2) - u(5)) / p(6)},
        [("u", 0), ("u", 1), ("u", n - 2), ("p", 0), ("p", 1), ("u", n - 1), ("p", n - 1)],
    )
    return Model(Function("ladder", (inner, ends), n, 0), start(n), 0.5 + start(2 * n + 1, 1))


def network(n: int = 30, reactions: int = 90) -> Model:
    """Mass action: rates of second and first order as scratch, stoichiometry as a gather."""
    rng = np.random.default_rng(2)
    first = rng.integers(0, n, reactions)
    second = rng.integers(0, n, reactions)
    half = reactions // 2
    i = np.arange(reactions)
    two = Loop(
        "second order", half, (p(0) * u(1) * u(2),),
        (Column("p", i[:half]), Column("u", first[:half]), Column("u", second[:half])),
        (Output("w", i[:half]),),
    )  # fmt: skip
    single = Loop(
        "first order", reactions - half, (p(0) * u(1),),
        (Column("p", i[half:]), Column("u", first[half:])), (Output("w", i[half:]),),
    )  # fmt: skip
    species = np.concatenate([first, second[:half], rng.integers(0, n, reactions), np.zeros(25, int)])
    rates = np.concatenate([i, i[:half], i, rng.integers(0, reactions, 25)])
    numbers = np.concatenate([-np.ones(reactions + half), np.ones(reactions + 25)])
    order = np.argsort(species, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(species, minlength=n))])
    gather = Gather(
        "stoichiometry", Output("out", np.arange(n)), bounds, "w", rates[order], None, numbers[order]
    )
    return Model(Function("network", (two, single, gather), n, reactions), start(n), start(reactions, 3))


def chains() -> Model:
    """Scratch that depends on scratch, added outputs, gathers over u, products of scratch, unused scratch."""
    n, i = 12, np.arange(12)
    a = Loop(
        "a", n, (u(0) * u(1) + p(2), op.exp(-u(0)), p(2) * p(2) + c(3), u(1)),
        (Column("u", i), Column("u", (i + 1) % n), Column("p", i % 3), Column("c", 0.1 * i)),
        tuple(Output("w", k * n + i) for k in range(4)),
    )  # fmt: skip
    b = Loop(
        "b", n, (w(0) * u(1) - w(2) / w(3), c(4) * w(0), u(1) - w(0)),
        (Column("w", i), Column("u", (3 * i) % n), Column("w", n + i[::-1]), Column("w", 2 * n + i),
         Column("c", 1.5 - 0.25 * i)),
        (Output("w", 4 * n + i), Output("w", 5 * n + i), Output("w", 6 * n + i % n)),
    )  # fmt: skip
    more = Loop(
        "more", n, (-w(0) * w(1),), (Column("w", 2 * n + i), Column("w", 3 * n + i)),
        (Output("w", 4 * n + (5 * i) % n, accumulate=True),),
    )  # fmt: skip
    signed = Gather(
        "pairs", Output("out", i), np.arange(0, 3 * n + 1, 3), "w",
        np.stack([4 * n + i, 5 * n + i, 6 * n + i], 1).ravel(),
        np.stack([n + i, 4 * n + i, 6 * n + i], 1).ravel(),
        np.tile([1.0, -1.0, 1.0], n),
    )  # fmt: skip
    weighted = Gather(
        "squares", Output("out", i[:5], accumulate=True), np.array([0, 0, 3, 4, 4, 18]), "u",
        np.arange(18) % n, (7 * np.arange(18)) % n, np.linspace(-2, 3, 18),
    )  # fmt: skip
    plain = Gather(
        "linear", Output("out", i[:2], accumulate=True), np.array([0, 1, 24]), "u",
        np.arange(24) % n, None, np.linspace(0.5, 1, 24),
    )  # fmt: skip
    last = Loop("last", n, (w(0) * TIME,), (Column("w", 4 * n + i),), (Output("out", i, accumulate=True),))
    items = (a, b, more, signed, weighted, plain, last)
    return Model(Function("chains", items, n, 7 * n), start(n), start(3, 1))


def machines(count: int = 20, buses: int = 30) -> Model:
    """Rotors with trigonometric injections into a network of admittances: loops, scratch and a gather."""
    m, i, b = 3 * count, np.arange(count), np.arange(buses)
    at = (5 * i) % buses
    delta, omega, flux = u(0), u(1), u(2)
    vr, vi = u(3), u(4)
    vd = vr * op.sin(delta) - vi * op.cos(delta)
    vq = vr * op.cos(delta) + vi * op.sin(delta)
    current_d, current_q = (flux - vq) / p(5), vd / p(6)
    torque = flux * current_q + (p(6) - p(5)) * current_d * current_q
    machine = Loop(
        "machines", count,
        (
            p(9) * (omega - 1), (p(8) - torque - p(10) * (omega - 1)) / (2 * p(7)),
            (1.05 - flux - current_d) / p(11),
            current_d * op.sin(delta) + current_q * op.cos(delta),
            current_q * op.sin(delta) - current_d * op.cos(delta),
        ),
        (
            Column("u", 3 * i), Column("u", 3 * i + 1), Column("u", 3 * i + 2), Column("u", m + 2 * at),
            Column("u", m + 2 * at + 1), *(Column("p", 6 * i + k) for k in range(4)),
            Column("p", np.full(count, 6 * count)), Column("p", 6 * i + 4), Column("p", 6 * i + 5),
        ),
        (*(Output("out", 3 * i + k) for k in range(3)), Output("w", 2 * i), Output("w", 2 * i + 1)),
    )  # fmt: skip
    g, x = p(4), p(5)
    y = g * g + x * x
    drop_r, drop_i = u(0) - u(2), u(1) - u(3)
    other = (b + 1) % buses
    lines = Loop(
        "lines", buses, (p(6) * (g * drop_r + x * drop_i) / y, p(6) * (g * drop_i - x * drop_r) / y),
        (
            Column("u", m + 2 * b), Column("u", m + 2 * b + 1), Column("u", m + 2 * other),
            Column("u", m + 2 * other + 1), Column("p", 6 * count + 1 + b),
            Column("p", 6 * count + 1 + buses + b),
            Column("p", 6 * count + 1 + 2 * buses + b),
        ),
        (Output("w", 2 * count + 2 * b), Output("w", 2 * count + 2 * b + 1)),
    )  # fmt: skip
    rows: list[list[tuple[int, float]]] = [[] for _ in range(2 * buses)]
    for k in range(2):
        for bus in range(buses):
            rows[2 * bus + k].append((2 * count + 2 * bus + k, -1.0))
            rows[2 * ((bus + 1) % buses) + k].append((2 * count + 2 * bus + k, 1.0))
        for machine_number in range(count):
            rows[2 * at[machine_number] + k].append((2 * machine_number + k, 1.0))
    flat = [term for row in rows for term in row]
    balance = Gather(
        "current balance", Output("out", m + np.arange(2 * buses)),
        np.concatenate([[0], np.cumsum([len(row) for row in rows])]), "w",
        np.array([k for k, _ in flat]), None, np.array([s for _, s in flat]),
    )  # fmt: skip
    n = m + 2 * buses
    roots = Function("roots", (Loop(
        "limits", count, (u(0) - 1.2, p(1) * u(0)), (Column("u", 3 * i + 2), Column("p", 6 * i)),
        (Output("out", 2 * i), Output("out", 2 * i + 1)),
    ),), 2 * count, 0)  # fmt: skip
    rhs = Function("machines", (machine, lines, balance), n, 2 * count + 2 * buses)
    return Model(rhs, start(n), 0.5 + start(6 * count + 1 + 3 * buses, 1), roots=roots)


def conditions(count: int = 9) -> Model:
    i = np.arange(count)
    x, y = u(0), u(1)
    roots = (
        op.ifelse((x < y) & (y <= 1.1), x * y, x - y), op.minimum(x, y, p(2)), op.maximum(x * y, 0.5, -p(2)),
        op.absolute(x - 0.7) + op.sign(y - 0.9), op.floor(3 * x) * y + op.ceil(y / 2) * x,
        op.ifelse((x < 0.5) | ~(y < 0.8), op.exp(x), 2 * y) + 2 * (x <= y) * y, op.clip(x, 0.4, 0.9) * y,
        op.ifelse(op.equal(op.floor(p(2)), 0), x, y) + op.ifelse(op.floor(2 * x), y, x * x),
        op.ifelse(p(2) < 0.8, p(2) * p(2), 3.0) * x,
    )  # fmt: skip
    k = len(roots)
    loop = Loop(
        "conditions", count, roots, (Column("u", i), Column("u", count + i), Column("p", i)),
        tuple(Output("out", r * count + i) for r in range(k)),
    )  # fmt: skip
    n = k * count
    return Model(
        Function("conditions", (loop,), n, 0), start(n), start(count, 4), smooth=False, complex_step=False
    )


def all_operators() -> list[Expr]:
    x, y = u(0), u(1)
    small = (x - y) / 5
    roots = [
        getattr(op, name)(small)
        for name in ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "atanh",
                     "exp", "expm1", "log1p", "erf")
    ]  # fmt: skip
    roots += [op.log(x), op.log10(y), op.acosh(1 + x), op.sqrt(x), op.atan2(x, y), op.hypot(x, y)]
    roots += [
        power(x, y),
        x**7,
        1 / x**3,
        2.5 / (x * y),
        x / y,
        op.sqrt(x) ** 3 / y,
        1 / op.sqrt(y),
        x ** (1 / 3),
    ]
    roots += [
        x ** (-0.3) * y,
        (1 + small / 99) ** 70,
        -x - y,
        -2 * x - 2 * y,
        3 * x - 3 * y + 1,
        1 - x,
        0.1 * x + 0.1 * y - 0.7 * x * y,
    ]
    roots += [
        add(x**k / k for k in range(1, 20)),
        -3 / x + y,
        ONE * 4,
        x,
        -y,
        p(2),
        p(2) * p(3) / x,
        TIME * x,
        c(4) * y,
    ]
    return roots


def operators(count: int) -> Model:
    roots = all_operators()
    n, i = len(roots) * count, np.arange(count)
    loop = Loop(
        "operators", count, tuple(roots),
        (Column("u", 2 * i), Column("u", 2 * i + 1), Column("p", i), Column("p", 0 * i),
         Column("c", 1.5 + i)),
        tuple(Output("out", len(roots) * i + k) for k in range(len(roots))),
    )  # fmt: skip
    smooth = Function("operators", (loop,), n, 0)
    return Model(smooth, start(n), start(count, 1), complex_step=False)


def timed() -> Model:
    """Time enters through scratch, in some copies only."""
    i = np.arange(8)
    source = Loop("source", 8, (op.sin(TIME * p(0)) * u(1), p(0)), (Column("p", i), Column("u", i)),
                  (Output("w", i), Output("w", 8 + i)))  # fmt: skip
    quiet = Loop("quiet", 8, (u(0) * u(0),), (Column("u", i),), (Output("w", 16 + i),))
    mix = Loop("mix", 16, (w(0) * u(1) * w(0),), (Column("w", np.r_[4:20]), Column("u", np.r_[i, i])),
               (Output("w", np.r_[24:40]),))  # fmt: skip
    sums = Gather("sums", Output("out", np.arange(6)), np.arange(0, 25, 4), "w", np.arange(16, 40),
                  np.arange(24)[::-1].copy(), np.ones(24))  # fmt: skip
    rest = Loop("rest", 2, (u(0) - p(1),), (Column("u", np.array([0, 1])), Column("p", np.array([0, 1]))),
                (Output("out", np.array([6, 7])),))  # fmt: skip
    return Model(Function("timed", (source, quiet, mix, sums, rest), 8, 40), start(8), start(8, 1))


def grid(side: int = 7) -> Model:
    """A reaction-diffusion field with wrapped edges: strided, unit and table columns over contiguous rows."""
    cell = np.arange(side * side).reshape(side, side)
    items = []
    for row in range(side):
        mine = cell[row]
        near = [cell[row - 1], cell[(row + 1) % side], np.roll(mine, 1), np.roll(mine, -1)]
        lap = add(u(2 + k) for k in range(4)) - 4 * u(0)
        items.append(Loop(
            f"row {row}", side,
            (p(6) + u(0) ** 2 * u(1) - (p(7) + 1) * u(0) + p(8) * lap, p(7) * u(0) - u(0) ** 2 * u(1)),
            (Column("u", 2 * mine), Column("u", 2 * mine + 1), *(Column("u", 2 * other) for other in near),
             *(Column("p", np.full(side, k)) for k in range(3))),
            (Output("out", 2 * mine), Output("out", 2 * mine + 1)),
        ))  # fmt: skip
    n = 2 * side * side
    return Model(Function("grid", tuple(items), n, 0), start(n), np.array([1.0, 3.4, 0.02]))


def long_code(n: int = 60) -> Model:
    """About a thousand statements that do not repeat, with values shared far apart."""
    shared = [op.sin(u(k) * u((k + 7) % n)) for k in range(n)]
    truth = u(0) < u(1)
    roots = {
        k: shared[k] * shared[(k + n // 2) % n]
        + add(u((k + j) % n) ** 2 * (j + 0.5) for j in range(1 + k % 5))
        + op.ifelse(truth, u(k), p(n + k % 2) * TIME)
        for k in range(n)
    }  # fmt: skip
    loop = one("long", roots, [*(("u", k) for k in range(n)), ("p", 0), ("p", 1)])
    return Model(Function("long", (loop,), n, 0), start(n), start(2, 1), smooth=False)


def steady() -> Model:
    """Rows that do not depend on u, or on anything."""
    i = np.arange(6)
    loop = Loop("drift", 6, (p(0) / p(1),), (Column("p", i), Column("p", 0 * i)), (Output("w", i),))
    total = Gather("total", Output("w", np.array([6, 7])), np.array([0, 6, 6]), "w", i, None, np.ones(6))
    squares = Gather("squares", Output("w", np.array([8])), np.array([0, 6]), "p", i, i, np.linspace(0, 1, 6))
    out = Loop("out", 6, (w(0) + w(1) * w(2),),
               (Column("w", i), Column("w", 6 + i % 2), Column("w", 0 * i + 8)),
               (Output("out", i),))  # fmt: skip
    last = one("last", {6: ZERO, 7: u(0) * w(1)}, [("u", 3), ("w", 6)])
    return Model(Function("steady", (loop, total, squares, out, last), 8, 9), start(8), start(6, 1))


MODELS: dict[str, Callable[[], Model]] = {
    "lorenz": lorenz, "ladder": ladder, "network": network, "chains": chains, "machines": machines,
    "conditions": conditions, "operators one": lambda: operators(1), "operators many": lambda: operators(7),
    "timed": timed, "grid": grid, "long code": long_code, "steady": steady,
}  # fmt: skip

SIZED: dict[str, Callable[[int], Model]] = {
    "ladder": lambda k: ladder(40 * k),
    "machines": lambda k: machines(20 * k, 30 * k), "conditions": lambda k: conditions(9 * k),
    "operators": lambda k: operators(7 * k),
}  # fmt: skip


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Model:
    return MODELS[request.param]()


@pytest.fixture(scope="session")
def models() -> dict[str, Callable[[], Model]]:
    return MODELS


@pytest.fixture(params=SIZED)
def sized(request: pytest.FixtureRequest) -> Callable[[int], Model]:
    return SIZED[request.param]
