"""Aliases with signs: x == -y, chains of them, what cancels, and what becomes of the eliminated names."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import LoweringError
from symnum.lowering.lower import lower

x, y, z, w, v = sn.variables("x y z w v")
D = sn.D


def test_a_chain_of_signs_leaves_one_state() -> None:
    system = sn.System("chain", [D(x) == -x, x == -y, y + z == 0, 2 * z == -2 * w])
    flat = lower(system)
    assert flat.state_names == ("x",)
    assert flat.structure.implicit.size == 0
    sol = sn.solve(sn.Problem(system, {x: 1.0}, span=(0, 1)), "Tsit5", rtol=1e-9, atol=1e-12)
    for name, sign in ((x, 1), (y, -1), (z, 1), (w, -1)):
        assert np.allclose(sol[name], sign * np.exp(-sol.t), rtol=1e-8, atol=0)
    assert np.allclose(sol[D(y)], np.exp(-sol.t), rtol=1e-8, atol=0)
    assert np.allclose(sol[y * z + w], -np.exp(-2 * sol.t) - np.exp(-sol.t), rtol=1e-7, atol=0)


def test_the_derivative_of_an_eliminated_name_is_that_of_its_opposite() -> None:
    """No index reduction is needed where both names are differentiated."""
    system = sn.System("both", [D(x) == v, D(y) == w, x + y == 0, v == -3 * x])
    sol = sn.solve(sn.Problem(system, {y: -2.0}, span=(0, 1)), "Tsit5", rtol=1e-9, atol=1e-12)
    assert np.allclose(sol[x], 2 * np.exp(-3 * sol.t), rtol=1e-7, atol=0)
    assert np.allclose(sol[w], 6 * np.exp(-3 * sol.t), rtol=1e-7, atol=0)
    assert sn.explain(system).degrees_of_freedom == 1


def test_terms_that_cancel_show_what_they_hid() -> None:
    """x + y == z + w with y == -x says z == -w; then D(z) + D(w) == v says v == 0."""
    system = sn.System("sums", [D(x) == 1 + 0 * y, y == -x, x + y == z + w, D(z) == -z, D(z) + D(w) == v])
    flat = lower(system)
    assert set(flat.state_names) == {"x", "z"}
    sol = sn.solve(sn.Problem(system, {x: 0.5, z: 2.0}, span=(0, 1)), "Tsit5", rtol=1e-9, atol=1e-12)
    assert np.allclose(sol[w], -2 * np.exp(-sol.t), rtol=1e-8, atol=0)
    assert np.array_equal(sol[v], np.zeros_like(sol.t))


@pytest.mark.parametrize(
    "circle",
    [[x == -x], [x == -y, x == y], [x == y, y == z, z == -w, w == x]],
    ids=["itself", "two", "four"],
)
def test_what_is_its_own_opposite_is_zero(circle: list[sn.Equation]) -> None:
    system = sn.System("zero", [*circle, D(v) == -v + x])
    sol = sn.solve(sn.Problem(system, {v: 1.0}, span=(0, 1)), "Tsit5", rtol=1e-9, atol=1e-12)
    assert np.array_equal(sol[x], np.zeros_like(sol.t))
    assert np.allclose(sol[v], np.exp(-sol.t), rtol=1e-8, atol=0)


@pytest.mark.parametrize(
    ("first", "second"), [(x == -y, x + y == 1), (x == y, x == y + 1)], ids=["opposite", "equal"]
)
def test_a_contradiction_names_both_equations(first: sn.Equation, second: sn.Equation) -> None:
    with pytest.raises(LoweringError, match=r"contradiction: .*cannot hold with.*0 ==") as caught:
        lower(sn.System("contradiction", [D(v) == -v, first, second]))
    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)


def test_events_starts_and_tolerances_of_an_eliminated_name() -> None:
    """A ball whose height is watched and whose speed is set through their opposites."""
    depth, fall = sn.variables("depth fall")
    bounce = sn.Event(when=depth, crossing="up", then={fall: -0.5 * fall})
    system = sn.System("ball", [D(x) == v, D(v) == -9.81, depth == -x, fall == -v], events=[bounce])
    problem = sn.Problem(system, {depth: -1.0, fall: 0.0}, span=(0, 0.9))
    sol = sn.solve(problem, "Tsit5", rtol=1e-10, atol={depth: 1e-12})
    hit = np.sqrt(2 / 9.81)
    after = sol.t > hit + 1e-9
    s = sol.t[after] - hit
    assert np.allclose(sol[depth][after], -(0.5 * 9.81 * hit * s - 0.5 * 9.81 * s**2), atol=1e-8)


def test_an_opposite_name_with_another_start_is_refused() -> None:
    a = sn.variable("a", start=1.0)
    b = sn.variable("b", start=1.0)
    system = sn.System("starts", [D(a) == -a, b == -a])
    with pytest.raises(sn.SymnumError, match="a stands for several equal or opposite variables"):
        sn.Problem(system, span=(0, 1))


def test_a_bound_of_an_eliminated_name_is_turned_round() -> None:
    low = sn.variable("low", start=0.0)
    system = sn.System("bounded", [D(low) == -1.0, v == -low, sn.Limit(v, high=0.25)])
    sol = sn.solve(sn.Problem(system, span=(0, 1)), "Tsit5", rtol=1e-9, atol=1e-12)
    assert np.allclose(sol[v], np.minimum(sol.t, 0.25), atol=1e-8)


@pytest.mark.parametrize("seed", range(8))
def test_random_names_against_the_system_without_them(seed: int) -> None:
    """States under signed names and names of names; sums in which they may cancel; starts by names."""
    from scipy.integrate import solve_ivp

    random = np.random.default_rng(seed)
    n, m = int(random.integers(3, 8)), int(random.integers(2, 9))
    states = [sn.variable(f"x{i}") for i in range(n)]
    names = [sn.variable(f"a{i}") for i in range(m)]
    sums = [sn.variable(f"z{i}") for i in range(4)]
    sign, of = np.zeros(m, int), np.zeros(m, int)
    equations: list[sn.Equation] = []
    for i, name in enumerate(names):
        own, c = int(random.choice([-1, 1])), int(random.integers(1, 4))
        if i and random.random() < 0.6:
            j = int(random.integers(0, i))
            of[i], sign[i], other = of[j], own * sign[j], names[j]
        else:
            of[i], sign[i] = int(random.integers(0, n)), own
            other = states[of[i]]
        forms = [name == own * other, c * name - own * c * other == 0, other == own * name]
        equations.append(forms[random.integers(0, 3)])
    terms = [(*random.integers(0, m, 2).tolist(), int(random.integers(0, n))) for _ in sums]
    equations += [z == names[j] + names[k] - states[i] for z, (j, k, i) in zip(sums, terms, strict=True)]
    matrix, read = random.normal(size=(n, n)) / 2, random.integers(0, m, n)
    for i, x_i in enumerate(states):
        coupled = sum(matrix[i, k] * x_k for k, x_k in enumerate(states))
        equations.append(D(x_i) == coupled + 0.3 * names[read[i]] + sn.sin(sums[i % 4]))
    begin = random.normal(size=n)
    starts = dict(zip(states, begin, strict=True))
    for i, name in enumerate(names):
        if random.random() < 0.4 and states[of[i]] in starts:
            del starts[states[of[i]]]
            starts[name] = sign[i] * begin[of[i]]
    system = sn.System("names", [equations[i] for i in random.permutation(len(equations))])
    sol = sn.solve(sn.Problem(system, starts, (0, 1)), "Tsit5", rtol=1e-9, atol=1e-11)

    def named(y: Any) -> Any:
        return sign * y[of]

    def summed(y: Any) -> Any:
        return np.array([named(y)[j] + named(y)[k] - y[i] for j, k, i in terms])

    def slope(t: float, y: Any) -> Any:
        return matrix @ y + 0.3 * named(y)[read] + np.sin(summed(y)[np.arange(n) % 4])

    end = solve_ivp(slope, (0, 1), begin, method="DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
    found = [sol[key][-1] for key in (*states, *names, *sums, *map(D, names))]
    expected = np.concatenate([end, named(end), summed(end), named(slope(1.0, end))])
    assert np.allclose(found, expected, rtol=1e-7, atol=1e-7)
    assert len(lower(system).state_names) == n


def test_families_stay_families(electrical: ModuleType) -> None:
    """A ladder has as many templates however long it is, whichever way round its parts are connected."""

    def ladder(n: int) -> sn.System:
        source, ground = electrical.Source("source"), electrical.Ground("ground")
        rs = [electrical.Resistor(f"r{i}") for i in range(n)]
        cs = [electrical.Capacitor(f"c{i}") for i in range(n)]
        nodes = [sn.connect(source.n, ground.p, *(c.n for c in cs))]
        before = [source.p]
        for i, (r, c) in enumerate(zip(rs, cs, strict=True)):
            near, far = (r.n, r.p) if i % 3 else (r.p, r.n)
            nodes.append(sn.connect(*before, near))
            before = [far, c.p]
        return sn.System("ladder", [*nodes, sn.connect(*before)])

    short, long = lower(ladder(6)), lower(ladder(60))
    assert len(long.structure.definitions) == len(short.structure.definitions)
    assert len(long.state_names) == 60
    assert (long.structure.opposite >= 0).sum() > 60


def test_sensitivities_and_linear_models_of_eliminated_names() -> None:
    """An event sets one name when another one crosses: against differences of runs."""
    k, level = sn.parameters(k=0.7, level=1.5)
    fall = sn.Event(when=y + level, crossing="up", then={y: y - 1})
    problem = sn.Problem(sn.System("s", [D(x) == -k * x, y == -x], events=[fall]), {y: -2.0}, (0, 1))
    found = sn.sensitivities(problem, [k, level], rtol=1e-10, atol=1e-12).solution
    for parameter, value in ((k, 0.7), (level, 1.5)):
        ends = []
        for moved in (value - 1e-4, value + 1e-4):
            run = sn.solve(problem.with_(parameters={parameter: moved}), "Tsit5", rtol=1e-11, atol=1e-13)
            ends.append(run[y][-1])
        difference = (ends[1] - ends[0]) / 2e-4
        assert found[f"d(y)/d({parameter})"][-1] == pytest.approx(difference, rel=1e-6)
    assert np.array_equal(sn.linearize(problem, outputs=[x, y]).C, [[1.0], [-1.0]])
