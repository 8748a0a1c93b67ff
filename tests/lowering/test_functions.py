"""From structure to functions: values and derivatives against SymPy, sizes of code, families that differ."""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp

import symnum as sn

x, y = sn.variables("x y")
D = sn.D


# ---- random systems against SymPy -----------------------------------------------------------------
def random_expression(rng: random.Random, leaves: Sequence[Any], depth: int) -> Any:
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(leaves) if rng.random() < 0.8 else round(rng.uniform(-2, 2), 2)
    a, b = (random_expression(rng, leaves, depth - 1) for _ in range(2))
    return rng.choice(
        [
            lambda: a + b,
            lambda: a - 2 * b,
            lambda: a * b,
            lambda: a / (2 + b * b),
            lambda: sn.sin(a) * sn.cos(b),
            lambda: sn.exp(-(a * a)) + b,
            lambda: sn.sqrt(1 + a * a) - b,
            lambda: sn.tanh(a) * sn.atan(b),
            lambda: sn.log(3 + sn.sin(a)) * b,
            lambda: (a + b) ** 3,
        ]
    )()


def random_system(seed: int) -> tuple[sn.System, list[Any], list[Any], list[Any]]:
    """Four states, two implicit unknowns, three definitions; each right-hand side from all of them."""
    rng = random.Random(seed)
    states = list(sn.variables("x0 x1 x2 x3"))
    implicit = list(sn.variables("z0 z1"))
    given = list(sn.variables("g0 g1 g2"))
    parameters = list(sn.parameters(a=1.25, b=-0.5))
    known: list[Any] = [*states, *parameters, sn.t]
    definitions = []
    for g in given:
        definitions.append(random_expression(rng, known, 2))
        known.append(g)
    rights = [random_expression(rng, [*known, *implicit], 3) for _ in states]
    closures = [z + z**3 + 0.1 * random_expression(rng, [*known, *implicit], 2) for z in implicit]
    system = sn.System(
        f"random{seed}",
        [
            *(D(s) == right for s, right in zip(states, rights, strict=True)),
            *(g == body for g, body in zip(given, definitions, strict=True)),
            *(c == 0.3 for c in closures),
        ],
    )
    chain = dict(zip(given, definitions, strict=True))
    residuals = [*rights, *(c - 0.3 for c in closures)]
    return system, [*states, *implicit], [chain, residuals], parameters


@pytest.mark.parametrize("seed", range(3))
def test_values_jacobian_and_time_gradient_of_random_systems(seed: int) -> None:
    system, unknowns, (chain, residuals), parameters = random_system(seed)
    compiled = sn.compile(system)
    assert set(compiled.states) <= {u.name for u in unknowns}
    t = sympy.Symbol("t")
    by_name = {u.name: sympy.Symbol(u.name) for u in (*unknowns, *chain, *parameters)}

    def as_sympy(expr: Any) -> sympy.Expr:
        found = sympy.sympify(expr.to_sympy() if isinstance(expr, sn.Expr) else expr)
        atoms = found.atoms(sympy.Symbol, sympy.core.function.AppliedUndef)
        names = {atom: str(atom).removesuffix("(t)") for atom in atoms}
        return found.subs({atom: t if name == "t" else by_name[name] for atom, name in names.items()})

    bodies = [as_sympy(expr) for expr in residuals]
    for g in reversed(list(chain)):
        bodies = [body.subs(by_name[g.name], as_sympy(chain[g])) for body in bodies]
    variables = [by_name[u.name] for u in unknowns]
    arguments = [t, *variables, *(by_name[p.name] for p in parameters)]
    values = sympy.lambdify(arguments, bodies)
    jacobian = sympy.lambdify(arguments, sympy.Matrix(bodies).jacobian(variables))
    gradient = sympy.lambdify(arguments, [sympy.diff(body, t) for body in bodies])

    rng = np.random.default_rng(seed)
    rows = [compiled.states.index(u.name) for u in unknowns if u.name in compiled.states]
    keep = [i for i, u in enumerate(unknowns) if u.name in compiled.states]
    assert len(keep) == len(unknowns)
    for _ in range(5):
        point, numbers, time = rng.normal(size=len(unknowns)), rng.normal(size=2), rng.normal()
        u = np.empty(len(unknowns))
        u[rows] = point
        p = np.array([dict(zip(("a", "b"), numbers, strict=True))[name] for name in compiled.parameters])
        f = compiled.rhs(time, u, p)
        # the order and the sign of algebraic rows are free: compare them as sets of rows
        expected = np.array(values(time, *point, *numbers), float)
        matrix = np.array(jacobian(time, *point, *numbers), float)
        slope = np.array(gradient(time, *point, *numbers), float)
        ours = np.column_stack(
            [f, compiled.time_gradient(time, u, p), compiled.jacobian(time, u, p).toarray()[:, rows]]
        )
        theirs = np.column_stack([expected, slope, matrix])
        np.testing.assert_allclose(ours[rows[:4]], theirs[:4], rtol=1e-10, atol=1e-10)
        for row in ours[rows[4:]]:
            match = min(np.abs(sign * row - other).max() for other in theirs[4:] for sign in (1, -1))
            assert match < 1e-9


# ---- families -------------------------------------------------------------------------------------
def test_a_ladder_of_components_equals_a_hand_written_model(electrical: ModuleType) -> None:
    count = 1000
    compiled = sn.compile(electrical.ladder(count, V=2.0))
    names = [f"s{k}.c.v" for k in range(count)]
    order = np.array([compiled.states.index(name) for name in names])
    resistance = 1.0 + 0.001 * np.arange(count)

    def by_hand(voltage: Any) -> Any:
        before = np.concatenate([[2.0], voltage[:-1]])
        current = (before - voltage) / resistance
        return current - np.concatenate([current[1:], [0.0]])

    problem = sn.Problem(compiled, span=(0, 1))
    rng = np.random.default_rng(0)
    voltage = rng.normal(size=count)
    u = np.empty(count)
    u[order] = voltage
    np.testing.assert_allclose(
        compiled.rhs(0.0, u, problem.p)[order], by_hand(voltage), rtol=1e-11, atol=1e-12
    )
    matrix = compiled.jacobian(0.0, u, problem.p)
    direction = rng.normal(size=count)
    permuted = np.empty(count)
    permuted[order] = direction
    expected = by_hand(direction) - by_hand(np.zeros(count))
    np.testing.assert_allclose((matrix @ permuted)[order], expected, rtol=1e-11, atol=1e-11)
    assert matrix.nnz == 3 * count - 2

    solution = sn.solve(problem, rtol=1e-8, atol=1e-10, saveat=[0, 1.0])
    reference = solve_ivp(lambda t, v: by_hand(v), (0, 1), np.zeros(count), "DOP853", rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(solution.y[order, -1], reference.y[:, -1], atol=1e-7)


def test_the_size_of_the_code_does_not_grow_with_the_number_of_copies(electrical: ModuleType) -> None:
    sizes = [len(sn.compile(electrical.ladder(count)).source("llvm")) for count in (20, 300)]
    assert sizes[1] < 1.02 * sizes[0]


def test_scalar_equations_of_one_shape_become_one_loop() -> None:
    sizes = []
    for count in (30, 300):
        u = sn.variables(" ".join(f"u{k}" for k in range(count)))
        system = sn.System(
            "chain",
            [D(u[0]) == -u[0], *(D(u[k]) == u[k - 1] ** 2 - (1 + k) * u[k] for k in range(1, count))],
            defaults=dict.fromkeys(u, 1.0),
        )
        compiled = sn.compile(system)
        sizes.append(len(compiled.source("llvm")))
        values = np.linspace(0.5, 1.5, count)
        f = compiled.rhs(0.0, values, [])
        np.testing.assert_allclose(
            f[1:], values[:-1] ** 2 - (1 + np.arange(1, count)) * values[1:], rtol=1e-13
        )
        assert f[0] == -values[0]
    assert sizes[1] < 1.02 * sizes[0]


def test_numbers_that_differ_between_copies_become_tables() -> None:
    u = sn.variables(" ".join(f"u{k}" for k in range(8)))
    rates = [0.1, 1e-300, 1 / 3, 2.0, -7.25, 1e22, 0.1, 3.0]
    system = sn.System("s", [D(v) == rate * v for v, rate in zip(u, rates, strict=True)])
    compiled = sn.compile(system)
    np.testing.assert_array_equal(compiled.rhs(0, np.ones(8), []), rates)


class Pump(sn.Component):
    """A member whose equation is nonlinear for one option, a plain one otherwise."""

    level = sn.variable(start=1.0)
    inflow = sn.variable()
    k = sn.parameter(1.0)
    squared = sn.option(False)

    def equations(self) -> list[Any]:
        outflow = self.k * (self.level**2 if self.squared else self.level)
        return [D(self.level) == self.inflow - outflow]


@pytest.mark.parametrize("backend", ["llvm", "numpy"])
def test_members_of_a_family_may_be_closed_in_different_ways(backend: str) -> None:
    """Ten tanks: inflows given by the neighbour, implicitly, by a constant; one with an option."""
    tanks = [Pump(f"p{k}", k=1.0 + k, squared=k == 3) for k in range(10)]
    closing: list[Any] = []
    for k, tank in enumerate(tanks):
        if k == 5:
            closing.append(tank.inflow + sn.sin(tank.inflow) / 2 == tank.level)  # implicit
        elif k == 7:
            closing.append(tank.inflow == 0)
        elif k == 8:
            closing.append(tank.inflow == tanks[9].inflow)  # an alias
        elif k == 9:
            closing.append(tank.inflow == sn.t)
        else:
            closing.append(tank.inflow == tanks[(k + 1) % 10].level)
    compiled = sn.compile(sn.System("tanks", closing, parts=tanks), backend=backend)
    problem = sn.Problem(compiled, span=(0, 1))
    levels = np.linspace(0.2, 2.0, 10)
    inflow = np.array([*(levels[(k + 1) % 10] for k in range(7)), 0.0, 0.7, 0.7])
    inflow[5] = 0.9
    u = np.empty(11)
    place = {name: i for i, name in enumerate(compiled.states)}
    for k in range(10):
        u[place[f"p{k}.level"]] = levels[k]
    (z,) = (i for name, i in place.items() if name.endswith("inflow"))
    u[z] = 0.9
    f = compiled.rhs(0.7, u, problem.p)
    outflow = (1.0 + np.arange(10)) * np.where(np.arange(10) == 3, levels**2, levels)
    for k in range(10):
        assert f[place[f"p{k}.level"]] == pytest.approx(inflow[k] - outflow[k], rel=1e-13)
    assert abs(f[z]) == pytest.approx(abs(0.9 + np.sin(0.9) / 2 - levels[5]), rel=1e-12)
    assert compiled.time_gradient(0.7, u, problem.p)[place["p8.level"]] == 1.0
    h = 1e-6
    differences = np.column_stack(
        [
            (compiled.rhs(0.7, u + h * e, problem.p) - compiled.rhs(0.7, u - h * e, problem.p)) / (2 * h)
            for e in np.eye(11)
        ]
    )
    np.testing.assert_allclose(compiled.jacobian(0.7, u, problem.p).toarray(), differences, atol=1e-8)


def test_a_parameter_change_reaches_values_hoisted_before(electrical: ModuleType) -> None:
    """sqrt(a^2 + b) is computed once per parameter set: a call with others must not see it."""
    a, b = sn.parameters(a=3.0, b=16.0)
    compiled = sn.compile(sn.System("s", [D(x) == sn.sqrt(a**2 + b) * x]))
    order = [compiled.parameters.index(name) for name in "ab"]
    for first, second in ((3.0, 16.0), (6.0, 64.0), (3.0, 16.0)):
        p = np.empty(2)
        p[order] = first, second
        assert compiled.rhs(0, [2.0], p)[0] == pytest.approx(2 * np.sqrt(first**2 + second), rel=1e-14)
        assert compiled.jacobian(0, [2.0], p)[0, 0] == pytest.approx(np.sqrt(first**2 + second), rel=1e-14)


def test_levels_of_simplification_agree() -> None:
    system = sn.System(
        "s",
        [
            D(x) == sn.sin(x) ** 2 + sn.cos(x) ** 2 + x * y + x * sn.exp(y),
            D(y) == sn.sin(x + y) - sn.sin(x) * sn.cos(y),
        ],
    )
    values = [
        sn.compile(system, simplify=level).rhs(0, [0.3, 0.7], [])
        for level in (None, "strict", "default", "fast")
    ]
    for other in values[1:]:
        np.testing.assert_allclose(other, values[0], rtol=1e-13)
