"""Branches of steady states against curves, folds and Hopf points that are known exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError

x, y, z = sn.variables("x y z")
Continuation: Any = sn.continuation


def test_folds_of_a_toggle_switch() -> None:
    """x' = a/(1 + y^2) - x, y' = 3/(1 + x^2) - y (Gardner, Cantor, Collins, Nature 403 (2000) 339).

    On the branch a = x (1 + 9/(1 + x^2)^2); da/dx = 0 where (1 + w)^3 + 9 (1 - 3 w) = 0 with w = x^2.
    """
    (a,) = sn.parameters(a=1.5)
    system = sn.System("toggle", [sn.D(x) == a / (1 + y**2) - x, sn.D(y) == 3 / (1 + x**2) - y])
    branch = sn.continuation(sn.Problem(system, {x: 0.1, y: 2}), a, (0.5, 6))
    w = np.roots([1, 3, 3 - 27, 1 + 9])
    at = np.sqrt(np.sort(w[w > 0].real))
    folds = branch.of_kind("fold")
    assert [f[x] for f in folds] == pytest.approx(at.tolist(), rel=1e-8)
    assert [f.value for f in folds] == pytest.approx((at * (1 + 9 / (1 + at**2) ** 2)).tolist(), rel=1e-12)
    assert len(branch.bifurcations) == 2
    assert branch.values == pytest.approx(branch[x] * (1 + 9 / (1 + branch[x] ** 2) ** 2), rel=1e-9)
    assert branch[a] == pytest.approx(branch.values)
    inner = (branch[x] > at[0] * 1.001) & (branch[x] < at[1] * 0.999)
    outer = (branch[x] < at[0] * 0.999) | (branch[x] > at[1] * 1.001)
    assert (branch.unstable[inner] == 1).all()
    assert branch.stable[outer].all()
    assert branch.values[[0, -1]] == pytest.approx([0.5, 6.0])
    assert branch.stops == ("a = 0.5", "a = 6")


def test_hopf_point_of_the_brusselator() -> None:
    """The steady state (A, B/A) loses stability at B = 1 + A^2 with frequency A (Prigogine, Lefever 1968)."""
    X, Y = sn.species("X Y")
    A, B = sn.parameters(A=1.3, B=1.2)
    network = sn.ReactionNetwork(
        "brusselator",
        [
            sn.Reaction(A, 0 >> X), sn.Reaction(B, X >> Y), sn.Reaction(1, 2 * X + Y >> 3 * X),
            sn.Reaction(1, X >> 0),
        ],
        starts={X: 1, Y: 1},
    )  # fmt: skip
    branch = sn.continuation(sn.Problem(network.system()), B, (0.5, 5))
    (hopf,) = branch.bifurcations
    assert hopf.kind == "Hopf"
    assert hopf.value == pytest.approx(1 + 1.3**2, rel=1e-9)
    assert hopf.frequency == pytest.approx(1.3, rel=1e-8)
    assert hopf[X] == pytest.approx(1.3, rel=1e-9)
    assert branch[Y] == pytest.approx(branch.values / 1.3, rel=1e-9)
    assert (branch.stable == (branch.values < 1 + 1.3**2)).all()


def test_folds_of_a_budworm_outbreak() -> None:
    """x' = r x (1 - x/k) - x^2/(1 + x^2): folds at r = 2x^3/(1 + x^2)^2, k = 2x^3/(x^2 - 1).

    Strogatz, Nonlinear Dynamics and Chaos, section 3.7.
    """
    r, k = sn.parameters(r=0.4, k=10.0)
    system = sn.System("budworm", [sn.D(x) == r * x * (1 - x / k) - x**2 / (1 + x**2)])
    branch = sn.continuation(sn.Problem(system, {x: 0.5}), r, (0.2, 0.8))
    roots = np.roots([2, -10, 0, 10])  # k = 10
    at = sorted(v.real for v in roots if v.real > 1)
    assert [f[x] for f in branch.of_kind("fold")] == pytest.approx(at, rel=1e-8)
    assert [f.value for f in branch.of_kind("fold")] == pytest.approx(
        [2 * v**3 / (1 + v**2) ** 2 for v in at], rel=1e-12
    )


def test_a_hopf_point_and_folds_on_one_branch() -> None:
    """FitzHugh-Nagumo: v' = v - v^3/3 - w + I, w' = e (v + 0.7 - 0.8 w): Hopf where 1 - v^2 = 0.8 e."""
    e, current = sn.parameters(e=0.08, I=0.0)
    system = sn.System("fhn", [sn.D(x) == x - x**3 / 3 - y + current, sn.D(y) == e * (x + 0.7 - 0.8 * y)])
    branch = sn.continuation(sn.Problem(system, {x: -1.2, y: -0.6}), current, (0, 2))
    v = np.sqrt(1 - 0.8 * 0.08)
    hopf = branch.of_kind("Hopf")
    assert [h[x] for h in hopf] == pytest.approx([-v, v], rel=1e-9)
    at = np.array([-v, v])
    assert [h.value for h in hopf] == pytest.approx(((at + 0.7) / 0.8 - at + at**3 / 3).tolist(), rel=1e-9)
    assert [h.frequency for h in hopf] == pytest.approx(np.sqrt([0.08 - (0.8 * 0.08) ** 2] * 2), rel=1e-7)
    assert not branch.of_kind("fold")


def test_a_pitchfork_is_a_branch_point() -> None:
    (a,) = sn.parameters(a=1.0)
    system = sn.System("toggle", [sn.D(x) == a / (1 + y**2) - x, sn.D(y) == a / (1 + x**2) - y])
    branch = sn.continuation(sn.Problem(system, {x: 1, y: 1}), a, (0.5, 4))
    (found,) = branch.bifurcations
    assert found.kind == "branch point"
    assert found.value == pytest.approx(2, rel=1e-8)
    assert found[x] == pytest.approx(1, rel=1e-6)
    assert (branch.unstable == (branch.values > 2)).all()


def test_a_closed_curve_of_steady_states() -> None:
    """x' = x^2 + a^2 - 1: a circle with two folds, at a = -1 and 1."""
    (a,) = sn.parameters(a=0.0)
    system = sn.System("circle", [sn.D(x) == x**2 + a**2 - 1])
    branch = sn.continuation(sn.Problem(system, {x: -1}), a, (-2, 2))
    assert branch.stops == ("closed", "closed")
    assert sorted(f.value for f in branch.of_kind("fold")) == pytest.approx([-1, 1], rel=1e-10)
    assert branch[x] ** 2 + branch.values**2 == pytest.approx(np.ones(len(branch.values)), rel=1e-9)


def test_conserved_quantities_and_their_totals() -> None:
    """A <-> B by k, 1 with A + B = 3: B = 3k/(1 + k); and over the total itself, as a parameter."""
    A, B = sn.species("A B")
    (k,) = sn.parameters(k=1.0)
    network = sn.ReactionNetwork("n", [*sn.Reaction.reversible(k, 1, A >> B)], starts={A: 2, B: 1})
    branch = sn.continuation(sn.Problem(network.system()), k, (0.1, 10))
    assert branch[B] == pytest.approx(3 * branch.values / (1 + branch.values), rel=1e-9)
    problem = sn.Problem(network.system(eliminate=True), parameters={"n.total[0]": 3.0})
    over = sn.continuation(problem, "n.total[0]", (1, 6))
    assert over[B] == pytest.approx(over.values / 2, rel=1e-10)


def test_algebraic_unknowns_and_parameters_that_follow() -> None:
    """b = 2a; z solves z + z^3 = b; x = z."""
    (a,) = sn.parameters(a=1.0)
    b = sn.parameter(2 * a, name="b")
    system = sn.System("dae", [sn.D(x) == z - x, z + z**3 == b])
    branch = sn.continuation(sn.Problem(system, {x: 1, z: 1}), a, (-2, 4))
    assert branch[z + z**3] == pytest.approx(2 * branch.values, rel=1e-9, abs=1e-9)
    assert branch[x] == pytest.approx(branch[z], rel=1e-9, abs=1e-9)
    assert branch.stable.all()


def test_a_large_system_is_factored_sparsely() -> None:
    """210 bistable cells in a row, x' = a + x - x^3 + d (neighbours): a uniform branch."""
    n = 210
    (a,) = sn.parameters(a=0.0)
    cells = sn.variables(" ".join(f"c{i}" for i in range(n)))
    rows = []
    for i, c in enumerate(cells):
        left, right = cells[max(i - 1, 0)], cells[min(i + 1, n - 1)]
        rows.append(sn.D(c) == a + c - c**3 + 5 * (left + right - 2 * c))
    problem = sn.Problem(sn.System("row", rows), dict.fromkeys(cells, -1.0))
    branch = sn.continuation(problem, a, (-0.5, 0.2), max_step=0.1, max_points=5)
    assert branch[cells[0]] ** 3 - branch[cells[0]] == pytest.approx(branch.values, abs=1e-8)
    assert branch.stable.all()


def test_the_picture() -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    (a,) = sn.parameters(a=1.5)
    system = sn.System("toggle", [sn.D(x) == a / (1 + y**2) - x, sn.D(y) == 3 / (1 + x**2) - y])
    branch = sn.continuation(sn.Problem(system, {x: 0.1, y: 2}), a, (0.5, 6))
    axes = branch.plot(x)
    styles = [line.get_linestyle() for line in axes.lines if line.get_linestyle() in ("-", "--")]
    assert styles == ["-", "--", "-"]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["x, stable", "x, unstable", "fold"]
    assert axes.get_xlabel() == "a"
    drawn = np.concatenate([line.get_xdata() for line in axes.lines if line.get_linestyle() in ("-", "--")])
    assert set(branch.values) <= set(drawn)
    pyplot.close(axes.figure)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameter": "q"}, "no parameter called q"),
        ({"span": (2, 3)}, "a is 1 in the problem, outside of 2 ... 3"),
        ({"span": 3}, "give two values of a"),
        ({"start": 3}, "not a steady state"),
        ({"max_step": 0}, "share of the span"),
        ({"parameter": "b"}, "b follows from others, it is 2\\*a"),
    ],
)
def test_wrong_arguments(change: dict[str, Any], message: str) -> None:
    (a,) = sn.parameters(a=1.0)
    b = sn.parameter(2 * a, name="b")
    problem = sn.Problem(sn.System("n", [sn.D(x) == a * b - x]), {x: 1})
    arguments: dict[str, Any] = {"parameter": a, "span": (0, 2), **change}
    with pytest.raises(ModelError, match=message):
        Continuation(problem, arguments.pop("parameter"), arguments.pop("span"), **arguments)
