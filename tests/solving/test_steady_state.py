"""Steady states: from a start, and all real ones, against roots that are known or found otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError, SolveFailed
from symnum.solving.homotopy import roots_by_homotopy

x, y, z = sn.variables("x y z")
(a,) = sn.parameters(a=3.0)
States: Any = sn.steady_states


def enzyme() -> sn.Problem:
    S, E, SE, P = sn.species("S E SE P")
    network = sn.ReactionNetwork(
        "enzyme",
        [*sn.Reaction.reversible(0.01, 0.1, S + E >> SE), *sn.Reaction.reversible(0.2, 0.05, SE >> E + P)],
        starts={S: 100, E: 10, SE: 0, P: 0},
    )
    return sn.Problem(network.system(), span=(0, 2000))


# ---- one, from a start ----------------------------------------------------------------------------
def test_a_reversible_enzyme_with_its_conserved_quantities() -> None:
    """Both reactions are balanced; the totals of enzyme and substrate stay."""
    state = sn.steady_state(enzyme())
    assert 0.01 * state["S"] * state["E"] == pytest.approx(0.1 * state["SE"], rel=1e-10)
    assert 0.2 * state["SE"] == pytest.approx(0.05 * state["E"] * state["P"], rel=1e-10)
    assert state["E"] + state["SE"] == pytest.approx(10, rel=1e-13)
    assert state["S"] + state["SE"] + state["P"] == pytest.approx(100, rel=1e-13)
    assert state.stable
    assert len(state.eigenvalues) == 2  # within the states of equal totals


def test_it_is_where_a_long_run_ends(shared_data: Path) -> None:
    network = sn.read(shared_data / "bng_net" / "Haugh2b" / "Haugh2b.net")
    problem = sn.Problem(network.system(), span=(0, 300))
    state = sn.steady_state(problem)
    run = sn.solve(problem, "Rodas5P", rtol=1e-10, atol=1e-12, saveat=[300.0])
    assert state.y == pytest.approx(run.y[:, -1], rel=1e-8)
    assert state.stable


def test_a_large_network(shared_data: Path) -> None:
    """egfr_net: 356 species, five conserved quantities."""
    network = sn.read(shared_data / "bng_net" / "egfr_net" / "egfr_net.net")
    state = sn.steady_state(sn.Problem(network.system()))
    assert state.residual < 1e-6
    assert (state.y > 0).all()
    assert state.stable
    start = np.array([float(leaf.data.default) if leaf.data.default.is_number else np.nan
                      for leaf in network.species])  # fmt: skip
    laws = network.conserved()
    assert len(state.equilibrium.invariants) == len(laws)
    known = np.isfinite(laws @ start)
    assert (laws @ state[list(network.species)])[known] == pytest.approx((laws @ start)[known], rel=1e-9)


def test_an_algebraic_unknown() -> None:
    system = sn.System("dae", [sn.D(x) == z - x, z + z**3 == a])
    state = sn.steady_state(sn.Problem(system, {x: 0, z: 1}))
    root = next(r.real for r in np.roots([1, 0, 1, -3]) if abs(r.imag) < 1e-12)
    assert state[x] == pytest.approx(root, rel=1e-12)
    assert state.eigenvalues == pytest.approx([-1])
    assert "stable" in repr(state)


def test_which_of_two_the_start_leads_to() -> None:
    """x' = x (1 - x)(x - 3) from both sides of the unstable 1."""
    system = sn.System("two", [sn.D(x) == -x * (1 - x) * (a - x)])
    for start, end in ((0.9, 0.0), (0.2, 0.0), (2.0, 3.0), (1.2, 3.0), (7.0, 3.0)):
        assert sn.steady_state(sn.Problem(system, {x: start}))[x] == pytest.approx(end, abs=1e-9)


def test_what_has_no_steady_state() -> None:
    growing = sn.System("growing", [sn.D(x) == 1 + x**2])
    with pytest.raises(SolveFailed, match="no steady state was reached"):
        sn.steady_state(sn.Problem(growing, {x: 0}))
    driven = sn.System("driven", [sn.D(x) == sn.sin(sn.t) - x])
    with pytest.raises(ModelError, match="depends on time"):
        sn.steady_state(sn.Problem(driven, {x: 0}))


# ---- all real ones --------------------------------------------------------------------------------
def test_lorenz() -> None:
    """The origin and (+-sqrt(b (r - 1)), same, r - 1), all unstable for r = 28."""
    rows = [sn.D(x) == 10 * (y - x), sn.D(y) == x * (28 - z) - y, sn.D(z) == x * y - 8 * z / 3]
    system = sn.System("lorenz", rows)
    found = sn.steady_states(sn.Problem(system, {x: 1, y: 1, z: 1}))
    c = np.sqrt(8 / 3 * 27)
    exact = [(-c, -c, 27), (0, 0, 0), (c, c, 27)]
    assert [tuple(s[[x, y, z]]) for s in found] == [pytest.approx(e, rel=1e-12, abs=1e-12) for e in exact]
    assert not any(s.stable for s in found)


def test_a_toggle_switch() -> None:
    """x = a/(1 + y^2), y = a/(1 + x^2): x y = 1 beside the symmetric root of x^3 + x = a."""
    system = sn.System("toggle", [sn.D(x) == a / (1 + y**2) - x, sn.D(y) == a / (1 + x**2) - y])
    found = sn.steady_states(sn.Problem(system, {x: 1, y: 2}))
    low, high = np.sort(np.roots([1, -3, 1]))
    middle = next(r.real for r in np.roots([1, 0, 1, -3]) if abs(r.imag) < 1e-12)
    assert [s[x] for s in found] == pytest.approx([low, middle, high], rel=1e-12)
    assert [s.stable for s in found] == [True, False, True]


def test_conserved_quantities_are_taken_into_account() -> None:
    found = sn.steady_states(enzyme())
    assert len(found) == 2  # a quadratic equation for E
    positive = [s for s in found if (s.y > 0).all()]
    assert len(positive) == 1
    assert positive[0].y == pytest.approx(sn.steady_state(enzyme()).y, rel=1e-10)
    for state in found:
        assert state["E"] + state["SE"] == pytest.approx(10, rel=1e-12)


def test_edelstein_has_three() -> None:
    """Feinberg, Chem. Eng. Sci. 42 (1987) 2229: constants for which a class has three positive ones."""
    A, B, C = sn.species("A B C")
    network = sn.ReactionNetwork(
        "edelstein",
        [
            *sn.Reaction.reversible(8.5, 1, A >> 2 * A), *sn.Reaction.reversible(1, 0.2, A + B >> C),
            *sn.Reaction.reversible(1, 0.2, C >> B),
        ],
        starts={A: 1, B: 40, C: 0.5},
    )  # fmt: skip
    found = sn.steady_states(sn.Problem(network.system()))
    # by hand: B (A + 0.2) = 1.2 C, and B + C = 40.5 give one equation for A
    b = np.poly1d([1.2 * 40.5])
    bottom = np.poly1d([1, 1.4])  # B = 48.6/(A + 1.4)
    c = 40.5 * bottom - b
    poly = (np.poly1d([-1, 8.5, 0])) * bottom - np.poly1d([1, 0]) * b + 0.2 * c
    roots = sorted(r.real for r in poly.roots if abs(r.imag) < 1e-9)
    assert [s[A] for s in found] == pytest.approx(roots, rel=1e-9)
    assert sum((s.y > 0).all() for s in found) == len([r for r in roots if r > 0])


def test_many_starts_of_newton_find_nothing_else() -> None:
    """Two phosphorylations (nine species, three totals): every root that 200 random starts find is there."""
    names = "S T U E F ES ET FU FT"
    S, T, U, E, F, ES, ET, FU, FT = sn.species(names)
    network = sn.ReactionNetwork(
        "futile",
        [
            *sn.Reaction.reversible(1, 0.5, S + E >> ES), sn.Reaction(0.2, ES >> T + E),
            *sn.Reaction.reversible(2, 0.3, T + E >> ET), sn.Reaction(1.5, ET >> U + E),
            *sn.Reaction.reversible(1, 0.4, U + F >> FU), sn.Reaction(0.3, FU >> T + F),
            *sn.Reaction.reversible(3, 0.2, T + F >> FT), sn.Reaction(1.2, FT >> S + F),
        ],
        starts={S: 20, T: 0, U: 0, E: 2, F: 1, ES: 0, ET: 0, FU: 0, FT: 0},
    )  # fmt: skip
    problem = sn.Problem(network.system())
    found = sn.steady_states(problem)
    assert found
    for state in found:
        assert state.residual < 1e-9 * max(1.0, np.abs(state.y).max() ** 2)
    equilibrium = found[0].equilibrium
    rng = np.random.default_rng(2)
    for _ in range(200):
        u = rng.uniform(-5, 20, 9)
        for _ in range(60):
            u = u - np.linalg.lstsq(
                equilibrium.jacobian(u, problem.p), equilibrium.residual(u, problem.p), rcond=None
            )[0]
        if np.abs(equilibrium.residual(u, problem.p)).max() < 1e-9 and np.abs(u).max() < 1e4:
            assert any(np.allclose(u, state.y, rtol=1e-6, atol=1e-7) for state in found)


@pytest.mark.parametrize("seed", range(5))
def test_homotopy_against_elimination(seed: int) -> None:
    """Two random plane curves: real roots from the resultant, by SymPy."""
    import sympy

    rng = np.random.default_rng(seed)
    u, v = sympy.symbols("u v")
    polys = []
    for degree in (2, 3):
        monomials = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
        polys.append({m: int(rng.integers(-9, 10)) or 1 for m in monomials})
    exprs = [sum(c * u**i * v**j for (i, j), c in poly.items()) for poly in polys]
    resultant = sympy.Poly(sympy.resultant(*exprs, v), u)
    exact = [float(r) for r in sympy.real_roots(resultant)]
    roots, lost = roots_by_homotopy(
        [(np.array(list(poly)), np.array(list(poly.values()), float)) for poly in polys]
    )
    assert lost == 0
    assert sorted(root[0] for root in roots) == pytest.approx(exact, rel=1e-9, abs=1e-9)


def test_a_double_root_is_found() -> None:
    """x = y^2 with x (x - 2y + 1) = 0: y^2 (y - 1)^2 = 0."""
    system = sn.System("touch", [sn.D(x) == x - y**2, sn.D(y) == x**2 - 2 * x * y + x + z, sn.D(z) == -z])
    found = sn.steady_states(sn.Problem(system, {x: 1, y: 1, z: 0}))
    assert any(s[[x, y]] == pytest.approx([1, 1], abs=1e-4) for s in found)
    assert any(s[[x, y]] == pytest.approx([0, 0], abs=1e-4) for s in found)


def test_what_is_not_polynomial_or_too_large() -> None:
    with pytest.raises(ModelError, match="not rational in the unknowns"):
        sn.steady_states(sn.Problem(sn.System("e", [sn.D(x) == 1 - sn.exp(x)]), {x: 0}))
    chain = sn.variables(" ".join(f"c{i}" for i in range(9)))
    system = sn.System(
        "many", [sn.D(c) == 1 + c**3 - chain[i - 1] ** 2 for i, c in enumerate(chain)]
    )
    with pytest.raises(ModelError, match="19683 paths"):
        sn.steady_states(sn.Problem(system, dict.fromkeys(chain, 1)))
    with pytest.raises(ModelError, match="takes a Problem"):
        States(system)
