"""Index reduction: index and degrees of freedom, trajectories, selection of states."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError, SolveFailed
from symnum.lowering.flatten import flatten
from symnum.lowering.index import Offsets, offsets, signature
from symnum.lowering.lower import lower

x, y, z, u, v, w, lam = sn.variables("x y z u v w lam")
D = sn.D

STARTS = {
    "pendulum_cartesian": {"x": 1, "y": 0, "vx": 0, "vy": 0},
    "parallel_capacitors": {"v1": 0.5},
    "cstr_inverse_control": {"T": 1.2},
    "ideal_gear": {"phi2": 0, "w2": 0},
    "robertson_dae": {"y1": 1, "y2": 0},
    "double_pendulum_cartesian": {"x1": 1, "x2": 2} | dict.fromkeys(("y1", "y2", "vx1", "vy1"), 0)
    | {"vx2": 0, "vy2": 0},
}


def offsets_as_written(system: sn.System) -> tuple[Offsets, int]:
    """The offsets of all equations, aliases included, and the index."""
    raw = flatten(system)
    found = signature(raw.families, raw.sums, len(raw.unknowns))
    result = offsets(found)
    return result, result.index(found.present)


@pytest.mark.parametrize("name", [*STARTS, "series_rlc"])
def test_index_and_degrees_of_freedom(
    name: str, reference_models: dict[str, Any], reference_model: Callable[[str], sn.System]
) -> None:
    data = reference_models[name]
    system = reference_model(name)
    found, index = offsets_as_written(system)
    assert index == data["differential_index"]
    assert found.degrees_of_freedom == data["dynamic_degrees_of_freedom"]
    assert sn.compile(system).mass.sum() == data["dynamic_degrees_of_freedom"]
    report = sn.explain(system)
    assert report.index == data["differential_index"]
    assert report.degrees_of_freedom == data["dynamic_degrees_of_freedom"]


@pytest.mark.parametrize("name", STARTS)
def test_reference_trajectories(
    name: str, reference_models: dict[str, Any], reference_model: Callable[[str], sn.System]
) -> None:
    reference = reference_models[name]["reference"]
    rows = np.array(reference["rows"])
    problem = sn.Problem(reference_model(name), STARTS[name], (rows[0, 0], rows[-1, 0]))
    solution = sn.solve(problem, rtol=1e-9, atol=1e-14, saveat=rows[:, 0])
    for k, column in enumerate(reference["columns"][1:], start=1):
        scale = np.abs(rows[:, k]).max()
        found = solution[column.replace("lambda", "lam")]
        np.testing.assert_allclose(found, rows[:, k], atol=1e-6 * scale, rtol=0)


def pendulum(name: str = "pendulum", **options: Any) -> sn.System:
    return sn.System(
        name,
        [D(x) == u, D(y) == v, D(u) == -2 * lam * x, D(v) == -2 * lam * y - 9.81, x**2 + y**2 == 1],
        **options,
    )


def test_a_pendulum_that_goes_over_the_top_again_and_again() -> None:
    """Full turns: the period from a complete elliptic integral, drift of the constraint, energy."""
    from scipy.special import ellipk

    speed = 8.0  # at the lowest point: above 2 sqrt(g), so that it turns over
    modulus = 4 * 9.81 / speed**2
    period = 4 / speed * ellipk(modulus)
    turns = 12
    problem = sn.Problem(pendulum(), {x: 0, y: -1, u: speed, v: 0}, (0, turns * period))
    solution = sn.solve(problem, rtol=1e-11, atol=1e-12)
    assert solution.stats.state_selections >= 4 * turns
    assert np.abs(solution[x**2 + y**2 - 1]).max() < 1e-9
    assert np.abs(solution[x * u + y * v]).max() < 1e-9
    np.testing.assert_allclose(solution[(u**2 + v**2) / 2 + 9.81 * y], speed**2 / 2 - 9.81, atol=1e-7)
    np.testing.assert_allclose(solution[[x, y, u, v]][:, -1], [0, -1, speed, 0], atol=1e-6)
    middle = solution(solution.t[-1] * np.linspace(0, 1, 333))
    assert np.abs(middle[x**2 + y**2 - 1]).max() < 1e-7  # between steps: of the interpolation


def test_given_starts_are_kept_and_the_rest_is_solved_for() -> None:
    problem = sn.Problem(pendulum(), {x: 0.6, u: 0.5}, (0, 0.1))
    solution = sn.solve(problem)
    assert solution[x][0] == pytest.approx(0.6, abs=1e-12)
    assert solution[u][0] == pytest.approx(0.5, abs=1e-12)
    assert abs(solution[y][0]) == pytest.approx(0.8, abs=1e-9)
    assert solution[x * u + y * v][0] == pytest.approx(0, abs=1e-9)


def test_starts_that_contradict_a_constraint_are_refused() -> None:
    with pytest.raises(ModelError, match=r"do not fit the constraints[\s\S]*x\*\*2 \+ y\*\*2 == 1"):
        sn.solve(sn.Problem(pendulum(), {x: 0.6, y: 0.6, u: 0, v: 0}))


def test_an_event_changes_the_speed_of_a_pendulum() -> None:
    """It swings to the right, bounces off a wall at x = 0 without loss, and comes back as it went."""
    bounce = sn.Event(when=x, then={u: -u, v: -v})
    problem = sn.Problem(pendulum(), {x: -0.8, y: -0.6, u: 0, v: 0}, (0, 2), events=[bounce])
    solution = sn.solve(problem, rtol=1e-10, atol=1e-12)
    assert len(solution.events) >= 2
    assert solution[x].max() < 1e-6
    np.testing.assert_allclose(solution[(u**2 + v**2) / 2 + 9.81 * y], -9.81 * 0.6, atol=1e-7)


def test_priorities_make_the_selection_static() -> None:
    a, b = sn.variable("a", state_priority=10), sn.variable("b")
    s = sn.System("gear", [D(a) == u, D(b) == v, D(u) == sn.cos(sn.t) - w, 5 * D(v) == 3 * w, a == 3 * b])
    assert sn.compile(s).states[:2] == ("a", "u")
    a, b = sn.variable("a"), sn.variable("b", state_priority=10)
    s = sn.System("gear", [D(a) == u, D(b) == v, D(u) == sn.cos(sn.t) - w, 5 * D(v) == 3 * w, a == 3 * b])
    assert "b" in sn.compile(s).states
    assert "a" not in sn.compile(s).states


def test_an_angle_is_chosen_where_coordinates_follow_from_it() -> None:
    """Coordinates with constant pivots are taken out, so that the angle stays: no selection in the run."""
    (phi,) = sn.variables("phi")
    system = sn.System(
        "pendulum",
        [x == sn.sin(phi), y == -sn.cos(phi), D(x, 2) == -lam * x, D(y, 2) == -lam * y - 9.81],
    )
    flat = lower(system)
    assert not flat.structure.choices
    assert flat.mass.sum() == 2
    solution = sn.solve(sn.Problem(system, {phi: 3.0, D(phi): 0}, (0, 5)), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(solution[D(phi) ** 2 / 2 - 9.81 * sn.cos(phi)], -9.81 * np.cos(3.0), atol=1e-7)


def test_closed_loops_choose_states_together() -> None:
    """A four-bar linkage: two cranks and a rod, one degree of freedom; lengths and energy stay."""
    q = sn.variables("x1 y1 x2 y2")
    p = sn.variables("u1 v1 u2 v2")
    forces = sn.variables("f1 f2 f3")
    x1, y1, x2, y2 = q
    lengths = [x1**2 + y1**2, (x2 - x1) ** 2 + (y2 - y1) ** 2, (x2 - 2) ** 2 + y2**2]
    fixed = [1.0, 1.25, 1.0]
    from symnum.rewriting.derivative import derivative

    equations: list[Any] = [D(a) == b for a, b in zip(q, p, strict=True)]
    for k, (a, b) in enumerate(zip(q, p, strict=True)):
        push = sum(f * derivative(g, a) for f, g in zip(forces, lengths, strict=True))
        equations.append(D(b) == push - (9.81 if k % 2 else 0))
    equations += [g == value for g, value in zip(lengths, fixed, strict=True)]
    system = sn.System("linkage", equations)
    assert sn.compile(system).mass.sum() == 2
    # crank 1 at 60 degrees; the rest near a closed position
    start = {x1: 0.5, y1: 3**0.5 / 2, p[0]: 0.0}
    guesses = {x2: 1.6, y2: 0.9}
    problem = sn.Problem(sn.System("linkage", equations, defaults={}), start | guesses, (0, 4))
    with pytest.raises(ModelError, match="do not fit the constraints"):
        sn.solve(problem)
    closed = np.array([1.6, 0.9])
    for _ in range(30):  # Newton for the second joint
        a, b = closed
        r = [(a - 0.5) ** 2 + (b - 3**0.5 / 2) ** 2 - 1.25, (a - 2) ** 2 + b**2 - 1]
        jacobian = [[2 * (a - 0.5), 2 * (b - 3**0.5 / 2)], [2 * (a - 2), 2 * b]]
        closed = closed - np.linalg.solve(jacobian, r)
    problem = sn.Problem(system, start | {x2: closed[0], y2: closed[1]}, (0, 4))
    solution = sn.solve(problem, rtol=1e-10, atol=1e-12)
    for g, value in zip(lengths, fixed, strict=True):
        np.testing.assert_allclose(solution[g], value, atol=1e-9)
    energy = sum(b**2 for b in p) / 2 + 9.81 * (y1 + y2)
    np.testing.assert_allclose(solution[energy], solution[energy][0], atol=1e-6)


def test_a_singular_start_is_explained() -> None:
    """A rod whose two ends are held at the same point twice: the second constraint says nothing new there."""
    system = sn.System(
        "slider", [D(x, 2) == lam * y, D(y, 2) == lam * x - 1, x * y == 0]
    )  # the axes cross at the origin
    with pytest.raises((SolveFailed, ModelError), match=r"singular position|do not"):
        sn.solve(sn.Problem(system, {x: 0, y: 0, D(x): 0, D(y): 0}))


def test_derivatives_of_constrained_unknowns_can_be_asked_for() -> None:
    system = sn.System("pendulum", [D(x, 2) == -lam * x, D(y, 2) == -lam * y - 9.81, x**2 + y**2 == 1])
    solution = sn.solve(sn.Problem(system, {x: 1, y: 0, D(x): 0, D(y): 0}, (0, 1)), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(solution[x * D(x) + y * D(y)], 0, atol=1e-9)
    np.testing.assert_allclose(solution[D(x, 2) + lam * x], 0, atol=1e-9)


def test_a_saved_system_keeps_its_choices(tmp_path: Path) -> None:
    compiled = sn.compile(pendulum())
    loaded = sn.load(compiled.save(tmp_path / "pendulum.symnum"))
    start = {"x": 1, "y": 0, "u": 0, "v": 0}
    problems = [sn.Problem(system, start, (0, 2)) for system in (compiled, loaded)]
    one, two = (sn.solve(problem, saveat=[2.0], tier="generic") for problem in problems)
    np.testing.assert_array_equal(one.y, two.y)


def test_ensembles_and_simulators_refuse_a_selection_in_the_run(tmp_path: Path) -> None:
    problem = sn.Problem(pendulum(), {x: 1, y: 0, u: 0, v: 0})
    with pytest.raises(ModelError, match="state_priority="):
        sn.Ensemble(problem, {x: [1.0, 0.9]})
    with pytest.raises(ModelError, match="state_priority="):
        sn.export(problem, "c", tmp_path / "pendulum.c")


def test_families_stay_whole_through_differentiation() -> None:
    """A hundred pendulums are as many copies of the same few templates as one."""

    def system(count: int) -> sn.System:
        equations = []
        for k in range(count):
            a, b, c, d, force = sn.variables(" ".join(f"{name}{k}" for name in "abcdf"))
            equations += [D(a) == c, D(b) == d, D(c) == -force * a, D(d) == -force * b - 1, a**2 + b**2 == 1]
        return sn.System("many", equations)

    one, many = lower(system(1)), lower(system(100))
    assert many.mass.sum() == 200
    assert len(many.structure.residuals) == len(one.structure.residuals)
    assert len(many.structure.definitions) == len(one.structure.definitions)
