"""Structure: what is integrated, what is explicit, what stays implicit, and what cannot be solved."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import symnum as sn

x, y, z, v, w = sn.variables("x y z v w")
D = sn.D


def test_tearing_is_not_needed_where_everything_is_explicit(
    reference_model: Callable[[str], sn.System],
) -> None:
    system = reference_model("series_rlc")
    compiled = sn.compile(system)
    assert compiled.states == ("i", "vC")
    problem = sn.Problem(system, {"i": 0, "vC": 0}, (0, 5e-3))
    solution = sn.solve(problem, rtol=1e-9, atol=1e-12, saveat=[5e-3])
    expected = solve_ivp(
        lambda t, u: [(np.sin(1000 * t) - 10 * u[0] - u[1]) * 1e3, u[0] * 1e6],
        (0, 5e-3), [0, 0], "DOP853", rtol=1e-11, atol=1e-14,
    )  # fmt: skip
    np.testing.assert_allclose(solution.y[:, -1], expected.y[:, -1], rtol=1e-6)


def test_a_definition_is_substituted_and_an_implicit_equation_stays() -> None:
    system = sn.System("s", [D(x) == -y, y == x**2, z + sn.exp(z) == y])
    compiled = sn.compile(system)
    assert compiled.states == ("x", "z")
    np.testing.assert_array_equal(compiled.mass, [1, 0])


def test_an_algebraic_loop_is_solved_to_the_true_root() -> None:
    """Two linear equations in two unknowns that need each other, and a cubic with one real root."""
    a, b = sn.variables("a b")
    system = sn.System("s", [D(x) == -a, a + 2 * b == x, 3 * a - b == 1, z**3 + z == a])
    solution = sn.solve(sn.Problem(system, {x: 1}, (0, 2)), rtol=1e-9, atol=1e-12)
    # a = (x + 2)/7: x' = -(x + 2)/7
    exact = 3 * np.exp(-solution.t / 7) - 2
    np.testing.assert_allclose(solution[x], exact, atol=1e-8)
    np.testing.assert_allclose(solution[a], (exact + 2) / 7, atol=1e-8)
    np.testing.assert_allclose(solution[z**3 + z], (exact + 2) / 7, atol=1e-8)


def test_a_derivative_on_both_sides_and_twice() -> None:
    """Coupled masses: each equation holds both derivatives, M u' = f with a full M."""
    system = sn.System("s", [2 * D(x) + D(y) == -x, D(x) + 3 * D(y) == -y])
    solution = sn.solve(sn.Problem(system, {x: 1, y: 2}, (0, 3)), rtol=1e-9, atol=1e-12)
    matrix = np.linalg.solve(np.array([[2.0, 1], [1, 3]]), -np.eye(2))
    values, vectors = np.linalg.eig(matrix)
    exact = np.real(
        vectors @ (np.exp(np.outer(values, solution.t)) * np.linalg.solve(vectors, [1, 2])[:, None])
    )
    np.testing.assert_allclose(solution[[x, y]], exact, atol=1e-8)
    np.testing.assert_allclose(solution[2 * D(x) + D(y)], -solution[x], atol=1e-8)


def test_a_derivative_that_appears_nonlinearly_becomes_an_unknown() -> None:
    """x'^3 + x' = 2 exp(-t) ... checked against scipy on the solved form."""
    system = sn.System("s", [D(x) ** 3 + D(x) == 2 - x])
    compiled = sn.compile(system)
    assert compiled.states == ("x", "D(x)")
    solution = sn.solve(sn.Problem(system, {x: 0}, (0, 3)), rtol=1e-9, atol=1e-11)

    def slope(t: float, u: Any) -> list[float]:
        roots = np.roots([1, 0, 1, u[0] - 2])
        return [float(roots[np.abs(roots.imag).argmin()].real)]

    expected = solve_ivp(slope, (0, 3), [0.0], rtol=1e-11, atol=1e-12, t_eval=[3.0])
    assert solution[x][-1] == pytest.approx(expected.y[0, -1], abs=1e-7)
    np.testing.assert_allclose(solution[D(x) ** 3 + D(x) + x], 2, atol=1e-8)


def test_higher_derivatives_are_reduced_in_order() -> None:
    """A pendulum as one equation of second order, against scipy; and a third-order equation."""
    (k,) = sn.parameters(k=9.81)
    system = sn.System("pendulum", [D(x, 2) == -k * sn.sin(x)])
    solution = sn.solve(sn.Problem(system, {x: 1.5, D(x): 0.5}, (0, 4)), rtol=1e-9, atol=1e-11)
    expected = solve_ivp(lambda t, u: [u[1], -9.81 * np.sin(u[0])], (0, 4), [1.5, 0.5], "DOP853",
                         t_eval=solution.t, rtol=1e-12, atol=1e-12)  # fmt: skip
    np.testing.assert_allclose(solution[[x, D(x)]], expected.y, atol=1e-7)
    np.testing.assert_allclose(solution[D(x, 2)], -9.81 * np.sin(expected.y[0]), atol=1e-6)

    third = sn.System("third", [D(x, 3) == -x])
    end = sn.solve(sn.Problem(third, {x: 1, D(x): -1, D(x, 2): 1}, (0, 2)), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        end[[x, D(x), D(x, 2), D(x, 3)]], np.outer([1, -1, 1, -1], np.exp(-end.t)), atol=1e-8
    )


def test_derivatives_of_expressions() -> None:
    """d(x^2)/dt = -x: x' = -1/2 while x > 0."""
    system = sn.System("s", [D(x**2) == -x])
    solution = sn.solve(sn.Problem(system, {x: 2}, (0, 3)), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(solution[x], 2 - solution.t / 2, atol=1e-9)


def test_chemical_equilibrium_is_an_index_one_dae() -> None:
    """A <-> B at once (B = K A), the sum decays: S' = -B."""
    a, b, total = sn.variables("a b total")
    (k,) = sn.parameters(K=3.0)
    system = sn.System("s", [D(total) == -b, a + b == total, b == k * a])
    solution = sn.solve(sn.Problem(system, {total: 1}, (0, 4)), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(solution[b], 0.75 * np.exp(-0.75 * solution.t), atol=1e-8)


def test_long_chains_of_definitions() -> None:
    """200 unknowns, each given by the one before: explicit in part, implicit where the chain is too long."""
    chain = sn.variables(" ".join(f"c{k}" for k in range(200)))
    links = [b == a + sn.sin(a) / 50 for a, b in pairwise(chain)]
    system = sn.System("chain", [D(x) == -chain[-1], chain[0] == x, *links])
    solution = sn.solve(sn.Problem(system, {x: 0.1}, (0, 0.1)), rtol=1e-9, atol=1e-12)
    value = solution[x].copy()
    for _ in range(199):
        value = value + np.sin(value) / 50
    np.testing.assert_allclose(solution[chain[-1]], value, rtol=1e-8)


def test_a_circuit_without_ground_is_refused_with_its_potentials(electrical: ModuleType) -> None:
    r, c = electrical.Resistor("r"), electrical.Capacitor("c", v=1.0)
    system = sn.System("floating", [sn.connect(r.p, c.p), sn.connect(r.n, c.n)])
    with pytest.raises(sn.SymnumError, match=r"(?s)floating: .*determines.*one of.*r.p.v\n    r.n.v"):
        sn.solve(sn.Problem(system, span=(0, 1e-3)))
