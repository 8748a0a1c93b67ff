"""Events and hard limits in runs, against exact solutions and against scipy with events of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import symnum as sn
from symnum.errors import ModelError

x, y, z = sn.variables("x y z")
a, b = sn.parameters(a=1.0, b=0.0)
D = sn.D


def ramp(*events: sn.Event) -> sn.System:
    return sn.System("ramp", [D(x) == a], events=events)


def end(problem: sn.Problem, **options: Any) -> float:
    return float(sn.solve(problem, rtol=1e-9, atol=1e-11, **options)[x][-1])


# ---- time events ----------------------------------------------------------------------------------
def test_events_at_the_start_inside_and_at_the_end() -> None:
    events = [
        sn.Event(at=0, then={x: 10}),
        sn.Event(at=1, then={a: 2}),
        sn.Event(at=2, then={x: x + 100}),
        sn.Event(at=3, then={x: -1}),  # beyond the span: never
    ]
    solution = sn.solve(sn.Problem(ramp(*events), {x: 0}, (0, 2)))
    assert [h.t for h in solution.events] == [0, 1, 2]
    assert solution[x][0] == 10
    assert solution[x][-1] == pytest.approx(10 + 1 + 2 + 100, rel=1e-12)
    at_one = solution.t == 1
    assert at_one.sum() == 2
    np.testing.assert_array_equal(solution[a][at_one], [1, 2])
    np.testing.assert_allclose(solution[x][at_one], 11)
    np.testing.assert_array_equal(solution[D(x)][at_one], [1, 2])


def test_on_a_grid_the_value_before_the_event_is_kept() -> None:
    solution = sn.solve(
        sn.Problem(ramp(sn.Event(at=1, then={x: 50})), {x: 0}, (0, 2)), saveat=[0, 0.5, 1, 1.5, 2]
    )
    np.testing.assert_allclose(solution[x], [0, 0.5, 1, 50.5, 51], atol=1e-9)


def test_several_events_at_one_time_all_see_the_values_before() -> None:
    events = [sn.Event(at=1, then={x: y}), sn.Event(at=1, then={y: x, a: a + x}), sn.Event(at=1, then={b: 7})]
    system = sn.System("swap", [D(x) == a, D(y) == b], events=events)
    solution = sn.solve(sn.Problem(system, {x: 0, y: 5}, (0, 1)))
    np.testing.assert_allclose([solution[e][-1] for e in (x, y, a, b)], [5, 1, 2, 7], rtol=1e-12)


def test_two_events_that_disagree_are_refused() -> None:
    events = [sn.Event(at=1, then={x: 1}), sn.Event(at=1, then={x: 2})]
    with pytest.raises(ModelError, match="two events at t = 1 set x to different values"):
        sn.solve(sn.Problem(ramp(*events), {x: 0}, (0, 2)))


@pytest.mark.parametrize("when", [{"at": 1}, {"when": sn.t - 1}], ids=["timed", "located"])
def test_two_doses_at_one_time_are_not_counted_as_one(when: dict[str, Any]) -> None:
    for first, second, piece in ((1, 1, "relative to its old value"), (1, 2, "to different values")):
        events = [sn.Event(**when, then={x: x + first}), sn.Event(**when, then={x: x + second})]
        with pytest.raises(ModelError, match=rf"two events at t = 1 .*x.* {piece}.*Make them one event"):
            end(sn.Problem(ramp(*events), {x: 0}, (0, 2)))
    same = [sn.Event(**when, then={x: 7}), sn.Event(**when, then={x: 7})]
    assert end(sn.Problem(ramp(*same), {x: 0}, (0, 2))) == pytest.approx(8, rel=1e-9)


def test_times_that_differ_by_round_off() -> None:
    events = [sn.Event(at=0.3, then={x: x + 1}), sn.Event(at=0.1 + 0.2, then={x: x + 1})]
    for slope in (0, 1):  # where nothing moves the first step is a fraction of the way to the next stop
        problem = sn.Problem(ramp(*events), {x: 0}, (0, 1), {a: slope})
        for method in ("Tsit5", "Rodas5P", "MSRKTASE2"):
            assert end(problem, method=method) == pytest.approx(2 + slope, rel=1e-9)


def test_an_event_may_repeat() -> None:
    solution = sn.solve(sn.Problem(ramp(sn.Event(at=[0.5, 1, 1.5], then={x: 0})), {x: 0}, (0, 2)))
    assert len(solution.events) == 3
    assert solution[x][-1] == pytest.approx(0.5)


def test_parameters_that_follow_from_others_follow_in_an_event() -> None:
    f = sn.parameter(3.0, name="f")
    p = sn.parameter(2 * f, name="p")
    q = sn.parameter(2 * p, name="q")
    r = sn.parameter(2 * q, name="r")
    system = sn.System("s", [D(x) == r, D(y) == p], events=[sn.Event(at=1, then={f: 1})])
    solution = sn.solve(sn.Problem(system, {x: 0, y: 0}, (0, 2)))
    assert solution[x][-1] == pytest.approx(24 + 8, rel=1e-12)
    assert solution[y][-1] == pytest.approx(6 + 2, rel=1e-12)
    for e, before, after in ((f, 3, 1), (p, 6, 2), (q, 12, 4), (r, 24, 8)):
        np.testing.assert_array_equal(solution[e][[0, -1]], [before, after])


def test_observed_values_use_the_parameters_of_their_own_stretch() -> None:
    system = sn.System(
        "s", [D(x) == -x, y == a * x, z == y + b], events=[sn.Event(at=1, then={a: 10, b: -1})]
    )
    solution = sn.solve(sn.Problem(system, {x: 1}, (0, 2)), rtol=1e-9, atol=1e-12, saveat=[0.5, 1, 1.5, 2])
    np.testing.assert_allclose(
        solution[z], [np.exp(-0.5), np.exp(-1), 10 * np.exp(-1.5) - 1, 10 * np.exp(-2) - 1]
    )
    dense = sn.solve(sn.Problem(system, {x: 1}, (0, 2)), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(dense([0.5, 1, 1.5, 2])[z], solution[z], atol=1e-7)
    assert dense(1.0)[y] == pytest.approx(np.exp(-1), rel=1e-6)


def test_algebraic_unknowns_jump_consistently() -> None:
    system = sn.System(
        "s",
        [D(x) == -y, y + y**3 == a * x],
        events=[sn.Event(at=1, then={a: 4}), sn.Event(at=2, then={x: 3})],
    )
    solution = sn.solve(sn.Problem(system, {x: 1}, (0, 3)), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(solution[y + y**3 - a * x], 0, atol=1e-8)

    def slope(t: float, u: Any, gain: float) -> list[float]:
        roots = np.roots([1, 0, 1, -gain * u[0]])
        return [-float(roots[np.abs(roots.imag).argmin()].real)]

    u = [1.0]
    for begin, stop, gain in ((0, 1, 1.0), (1, 2, 4.0), (2, 3, 4.0)):
        u = [3.0] if begin == 2 else u
        u = list(solve_ivp(slope, (begin, stop), u, args=(gain,), rtol=1e-11, atol=1e-12).y[:, -1])
    assert solution[x][-1] == pytest.approx(u[0], abs=1e-7)


# ---- state events ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("crossing", "times"), [("up", [1.5, 3.5]), ("down", [0.5, 2.5]), ("both", [0.5, 1.5, 2.5, 3.5])]
)
@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P"])
def test_crossings_are_found_in_their_direction(crossing: str, times: list[float], method: str) -> None:
    system = sn.System(
        "s",
        [D(x) == -np.pi * y, D(y) == np.pi * x, D(z) == 0],
        events=[sn.Event(when=x, crossing=crossing, then={z: z + 1})],
    )
    solution = sn.solve(sn.Problem(system, {x: 1, y: 0, z: 0}, (0, 4)), method, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose([h.t for h in solution.events], times, atol=1e-8)
    assert solution[z][-1] == len(times)


def test_a_bouncing_ball_hits_the_ground_at_the_exact_times() -> None:
    h, v = sn.variables("h v")
    bounce = sn.Event(when=h, crossing="down", then={v: -0.5 * v})
    system = sn.System("ball", [D(h) == v, D(v) == -10], events=[bounce])
    solution = sn.solve(sn.Problem(system, {h: 5, v: 0}, (0, 2.8)), rtol=1e-9, atol=1e-11)
    # falls for 1 s, then flights of 1 s, 0.5 s, 0.25 s
    np.testing.assert_allclose([e.t for e in solution.events], [1, 2, 2.5, 2.75], atol=1e-8)
    assert solution[h].min() > -1e-7


def test_a_comparison_fires_once_when_it_becomes_true() -> None:
    solution = sn.solve(sn.Problem(ramp(sn.Event(when=x > 1, then={a: -1})), {x: 0}, (0, 4)))
    assert [h.t for h in solution.events] == pytest.approx([1.0])
    assert solution[x][-1] == pytest.approx(-2.0)


def test_two_state_events_at_one_instant() -> None:
    events = [sn.Event(when=x - 1, then={y: y + 1}), sn.Event(when=2 * x - 2, then={z: z + 1})]
    system = sn.System("s", [D(x) == 1, D(y) == 0, D(z) == 0], events=events)
    solution = sn.solve(sn.Problem(system, {x: 0, y: 0, z: 0}, (0, 2)))
    np.testing.assert_array_equal(solution[[y, z]][:, -1], [1, 1])


def test_a_crossing_at_the_time_of_another_event_is_not_lost() -> None:
    """The stop lies exactly on the sign change: it is located behind it."""
    events = [sn.Event(at=1, then={y: 5}), sn.Event(when=sn.t - 1, crossing="up", then={z: z + 1})]
    system = sn.System("s", [D(x) == 1, D(y) == 0, D(z) == 0], events=events)
    solution = sn.solve(sn.Problem(system, {x: 0, y: 0, z: 0}, (0, 2)))
    np.testing.assert_array_equal(solution[[y, z]][:, -1], [5, 1])
    assert [h.t for h in solution.events] == pytest.approx([1, 1])


@pytest.mark.parametrize("at", [0.1, 0.3, 0.7, 1.1, 1.9])
@pytest.mark.parametrize("when", [3 * sn.t - 3 * a, x - 3 * a], ids=["time", "state"])
def test_round_off_at_the_time_of_another_event_neither_hides_nor_doubles_a_crossing(
    at: float, when: sn.Expr
) -> None:
    events = [sn.Event(at=at, then={y: 5}), sn.Event(when=when, then={z: z + 1})]
    system = sn.System("s", [D(x) == 3, D(y) == 0, D(z) == 0], events=events)
    problem = sn.Problem(system, {x: 0, y: 0, z: 0}, (0, 2), parameters={a: at})
    solution = sn.solve(problem)
    np.testing.assert_array_equal(solution[[y, z]][:, -1], [5, 1])
    assert [h.t for h in solution.events] == pytest.approx([at, at])


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P"])
def test_what_is_zero_up_to_round_off_crosses_nothing(method: str) -> None:
    """x and y are apart by 0, 1, 0, -1, 0 and 1 in turn. Sums of a third thrice are round-off away."""
    rate, count = sn.parameters(rate=0.0, count=0)
    rates = ((5, 1), (6, 0), (8, -1), (9, 0), (10, -1), (11, 0), (15, 1), (17, 0))
    apart = [sn.Event(at=at, then={rate: value}) for at, value in rates]
    crossed = sn.Event(when=y - x, then={count: count + 1}, name="crossed")
    third = sn.cos(3 * sn.t) / 3
    equations = [D(x) == sn.cos(3 * sn.t), D(z) == third, D(y) == third + 2 * D(z) + rate]
    system = sn.System("s", equations, events=[*apart, crossed])
    solution = sn.solve(sn.Problem(system, {x: 0.1 + 0.2, y: 0.3, z: 0}, (0, 20)), method)
    assert solution[count][-1] == 2
    times = [h.t for h in solution.events if "crossed" in str(h)]
    np.testing.assert_allclose(times, [10, 16], rtol=1e-5)


def test_a_start_at_round_off_is_on_no_side() -> None:
    crossed = sn.Event(when=x - y, then={z: z + 1})
    system = sn.System("s", [D(x) == -1, D(y) == 0, D(z) == 0], events=[crossed])
    for start in (0.3, 0.1 + 0.2):
        assert sn.solve(sn.Problem(system, {x: start, y: 0.3, z: 0}, (0, 1)))[z][-1] == 0


def test_a_crossing_far_below_what_the_function_once_was_is_found() -> None:
    event = sn.Event(when=x - 1e-20, crossing="down", terminal=True)
    system = sn.System("s", [D(x) == -x], events=[event])
    solution = sn.solve(sn.Problem(system, {x: 1}, (0, 60)), rtol=1e-9, atol=1e-30)
    assert [h.t for h in solution.events] == pytest.approx([20 * np.log(10)], rel=1e-8)


def test_a_terminal_event_ends_the_run() -> None:
    solution = sn.solve(sn.Problem(ramp(sn.Event(when=x - 2, terminal=True)), {x: 0}, (0, 10)))
    assert solution.status == "terminated"
    assert solution.t[-1] == pytest.approx(2.0)
    assert solution[x][-1] == pytest.approx(2.0)
    timed = sn.solve(sn.Problem(ramp(sn.Event(at=3, then={x: 7}, terminal=True)), {x: 0}, (0, 10)))
    assert (timed.t[-1], timed[x][-1]) == (3.0, 7.0)
    at_once = sn.solve(sn.Problem(ramp(sn.Event(at=0, terminal=True)), {x: 1}, (0, 10)))
    np.testing.assert_array_equal(at_once.t, [0.0])
    assert at_once[x][0] == 1.0


def test_events_may_hold_parameters_that_no_equation_holds() -> None:
    threshold, reset, count = sn.parameters(threshold=2.0, reset=0.5, count=0)
    event = sn.Event(when=x - threshold, crossing="up", then={x: reset, count: count + 1})
    solution = sn.solve(sn.Problem(ramp(event), {x: 0}, (0, 4.5)))
    assert solution[x][-1] == pytest.approx(1.5)
    assert solution[count][-1] == 2
    problem = sn.Problem(ramp(), {x: 0}, (0, 4), {threshold: 3}, events=[event])
    assert sn.solve(problem)[x][-1] == pytest.approx(1.5)


def test_an_event_of_the_problem_is_added_to_those_of_the_system() -> None:
    system = ramp(sn.Event(when=x - 1, then={x: 3}))
    extra = [sn.Event(when=x - 4, then={a: 0}), sn.Event(at=0.5, then={a: 2})]
    solution = sn.solve(sn.Problem(system, {x: 0}, (0, 5), events=extra))
    assert solution[x][-1] == pytest.approx(4.0)
    np.testing.assert_allclose([h.t for h in solution.events], [0.5, 0.75, 1.25])


def test_events_of_a_component_belong_to_the_instance() -> None:
    class Tank(sn.Component):
        level = sn.variable(start=0)
        inflow = sn.parameter(1.0)
        full = sn.parameter(1.0)

        def equations(self) -> list[Any]:
            return [D(self.level) == self.inflow]

        def events(self) -> list[sn.Event]:
            return [sn.Event(when=self.level - self.full, crossing="up", then={self.inflow: 0})]

    system = sn.System("tanks", parts=[Tank("small"), Tank("large", full=2.5)])
    solution = sn.solve(sn.Problem(system, span=(0, 4)))
    np.testing.assert_allclose(
        [solution["small.level"][-1], solution["large.level"][-1]], [1, 2.5], rtol=1e-8
    )


def test_an_event_may_watch_definitions_and_algebraic_unknowns() -> None:
    system = sn.System(
        "s", [D(x) == 1, y == x**2, z + z**3 == x],
        events=[sn.Event(when=y - 4, then={a: 5}), sn.Event(when=z - 1, terminal=True)],
    )  # fmt: skip
    with pytest.raises(ModelError, match="no parameter called a"):
        sn.solve(sn.Problem(system, {x: 0}, (0, 3)))
    watching = sn.System(
        "s", [D(x) == 1, y == x**2, z + z**3 == x], events=[sn.Event(when=y + z - 5, terminal=True)]
    )
    assert sn.solve(sn.Problem(watching, {x: 0}, (0, 3)), rtol=1e-9).t[-1] == pytest.approx(2.0)


def test_an_event_that_cannot_be_carried_out_is_named() -> None:
    for event, says in (
        (sn.Event(at=0.5, then={y: 1}), "ramp has no variable called y"),
        (sn.Event(when=y - 1, then={x: 1}), "ramp has no variable called y"),
        (sn.Event(at=0.5, then={x: sn.log(-x)}), "a new value is nan; it must be finite"),
    ):
        with pytest.raises(ModelError, match=says):
            sn.solve(sn.Problem(ramp(), {x: 1}, events=[event]))
    system = sn.System("s", [D(x) == -y, y == x**2])
    with pytest.raises(ModelError, match="y is determined by the equations and cannot be set"):
        sn.solve(sn.Problem(system, {x: 1}, events=[sn.Event(at=0.5, then={y: 1})]))


def test_a_guard_is_asked_after_an_event() -> None:
    system = sn.System(
        "s", [D(x) == a], events=[sn.Event(at=1, then={a: 0}, name="switch off")],
        guards=[lambda values: "a is off" if values["a"] == 0 else None],
    )  # fmt: skip
    with pytest.raises(ModelError, match="s: switch off at t = 1: a is off"):
        sn.solve(sn.Problem(system, {x: 0}, (0, 2)))


def test_a_limit_holds_the_state_and_lets_it_go_at_once() -> None:
    """x' = cos t is held at 0.5 from pi/6 and released at pi/2, where the derivative turns inwards."""
    system = sn.System("s", [D(x) == sn.cos(sn.t), y == 2 * x, sn.Limit(x, high=0.5)])
    grid = np.linspace(0, 4, 81)
    solution = sn.solve(sn.Problem(system, {x: 0}, (0, 4)), rtol=1e-9, atol=1e-11, saveat=grid)
    exact = np.where(grid < np.pi / 6, np.sin(grid), np.where(grid < np.pi / 2, 0.5, np.sin(grid) - 0.5))
    np.testing.assert_allclose(solution[x], exact, atol=1e-7)
    np.testing.assert_allclose(solution[y], 2 * exact, atol=2e-7)
    assert solution.stats.limit_switches == 2


def test_the_derivative_of_a_held_state_is_zero() -> None:
    system = sn.System("s", [D(x) == 1, sn.Limit(x, high=0.5)])
    solution = sn.solve(sn.Problem(system, {x: 0}, (0, 1)), saveat=[0.25, 0.75])
    np.testing.assert_allclose(solution[x], [0.25, 0.5], atol=1e-8)
    np.testing.assert_array_equal(solution[D(x)], [1, 0])


def test_a_controller_with_anti_windup_against_located_switches() -> None:
    """PI control of a slow plant; the integrator is limited on both sides. scipy with terminal events."""
    plant, integral, command = sn.variables("plant integral command")
    gain, rate, low, high = sn.parameters(gain=2.0, rate=3.0, low=-0.4, high=0.8)
    target = sn.ifelse(sn.t < 4, 1.5, -0.5)
    error = target - plant
    system = sn.System(
        "control",
        [
            D(plant) == command - plant,
            command == gain * error + integral,
            D(integral) == rate * error,
            sn.Limit(integral, low=low, high=high),
        ],
    )
    grid = np.linspace(0, 8, 161)
    solution = sn.solve(
        sn.Problem(system, {plant: 0, integral: 0}, (0, 8), events=[sn.Event(at=4, then={low: -0.4})]),
        rtol=1e-9, atol=1e-11, saveat=grid,
    )  # fmt: skip

    def aim(t: float) -> float:
        return 1.5 if t < 4 else -0.5

    expected, t, u, held = [], 0.0, np.array([0.0, 0.0]), False
    for stop in (4.0, 8.0):
        wanted = aim(0.5 * (t + stop))
        while t < stop:

            def slope(t: float, u: Any, held: bool = held, wanted: float = wanted) -> list[float]:
                e = wanted - u[0]
                return [2 * e + u[1] - u[0], 0.0 if held else 3 * e]

            def leaves(t: float, u: Any, held: bool = held, wanted: float = wanted) -> float:
                return float(wanted - u[0]) if held else float(max(u[1] - 0.8, -0.4 - u[1]))

            leaves.terminal = True  # type: ignore[attr-defined]
            if not held:
                leaves.direction = 1  # type: ignore[attr-defined]
            piece = solve_ivp(
                slope, (t, stop), u, "DOP853", events=leaves, rtol=1e-11, atol=1e-13, dense_output=True
            )
            inside = (grid >= t) & (grid <= piece.t[-1])
            expected.append(np.vstack([grid[inside], piece.sol(grid[inside])]))
            t, u = piece.t[-1], piece.y[:, -1].copy()
            if piece.status == 1:
                held = not held
                if held:
                    u[1] = np.clip(u[1], -0.4, 0.8)
        e = -0.5 - u[0]
        held = held and ((u[1] > 0.7 and e > 0) or (u[1] < 0 and e < 0))
    table = np.concatenate(expected, axis=1)
    _, first = np.unique(table[0], return_index=True)
    assert solution.stats.limit_switches >= 3
    np.testing.assert_allclose(solution[[plant, integral]], table[1:, first], atol=2e-7)


def test_a_limit_holds_a_state_that_rests_exactly_on_its_bound() -> None:
    """At the start neither the distance nor the drive is positive; a moment later the drive is."""
    system = sn.System("rest", [D(x) == sn.sin(sn.t), sn.Limit(x, high=0)])
    for begin in (0.0, 1e-15):
        solution = sn.solve(sn.Problem(system, {x: begin}, (0, 6)), rtol=1e-9, atol=1e-11)
        times = np.linspace(0, 6, 61)
        exact = np.where(times < np.pi, 0, -1 - np.cos(times))
        np.testing.assert_allclose(solution(times)[x], exact, atol=1e-8)


def test_both_limits_of_one_state_and_bounds_that_depend_on_parameters() -> None:
    system = sn.System("s", [D(x) == a * sn.cos(sn.t), sn.Limit(x, low=-b - 0.5, high=b + 0.25)])
    grid = np.linspace(0, 12, 241)
    solution = sn.solve(sn.Problem(system, {x: 0}, (0, 12)), rtol=1e-9, atol=1e-11, saveat=grid)
    assert solution[x].max() == pytest.approx(0.25, abs=1e-8)
    assert solution[x].min() == pytest.approx(-0.5, abs=1e-8)
    # from the upper bound at pi/2 down by 0.75, held until 3 pi/2, up by 0.75 again: periodic
    late = grid >= 3 * np.pi / 2
    up = np.minimum(-0.5 + 1 + np.sin(grid), 0.25)
    rising = late & (grid < 5 * np.pi / 2)
    np.testing.assert_allclose(solution[x][rising], np.maximum.accumulate(up[rising]), atol=1e-7)


def test_a_bound_that_an_event_moves_lets_the_state_go() -> None:
    """Held at 1, free from 2 to 3 after the bound has risen to 2; a bound that falls below holds it there."""
    bound = sn.parameter(1.0, name="bound")
    events = [sn.Event(at=2, then={bound: 2}), sn.Event(at=5, then={bound: 1.5})]
    system = sn.System("s", [D(x) == 1, sn.Limit(x, high=bound)], events=events)
    solution = sn.solve(sn.Problem(system, {x: 0}, (0, 6)), saveat=[0.5, 1.5, 2.5, 4, 5.5])
    np.testing.assert_allclose(solution[x], [0.5, 1, 1.5, 2, 2], atol=1e-8)


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_an_event_moves_a_state_off_its_bound_whatever_its_unit(size: float) -> None:
    event = sn.Event(at=1, then={x: 0.2 * size})
    system = sn.System("s", [D(x) == size, sn.Limit(x, high=0.5 * size)], events=[event])
    solution = sn.solve(sn.Problem(system, {x: 0}, (0, 2)), rtol=1e-9, atol=1e-11 * size)
    np.testing.assert_allclose(solution([0.4, 0.9, 1.1, 1.9])[x] / size, [0.4, 0.5, 0.3, 0.5], rtol=1e-7)


def test_an_event_that_sets_a_held_state_free() -> None:
    system = sn.System("s", [D(x) == 1, sn.Limit(x, high=1)], events=[sn.Event(at=2, then={x: 0.5})])
    solution = sn.solve(sn.Problem(system, {x: 0}, (0, 3)), saveat=[1.5, 2.25, 3])
    np.testing.assert_allclose(solution[x], [1, 0.75, 1], atol=1e-8)


def test_a_start_outside_its_limit_is_refused() -> None:
    system = sn.System("s", [D(x) == -x, sn.Limit(x, low=-1, high=1)])
    with pytest.raises(ModelError, match=r"s: x starts at 3, outside of Limit\(x, low=-1, high=1\)"):
        sn.solve(sn.Problem(system, {x: 3}))
    with pytest.raises(ModelError, match=r"outside of Limit\(x, low=2, high=1\)"):
        sn.solve(sn.Problem(sn.System("s", [D(x) == 1, sn.Limit(x, low=2, high=1)]), {x: 0}))


def test_a_limit_of_what_is_no_state_is_refused() -> None:
    with pytest.raises(ModelError, match=r"y is not a state .* use sn\.clip"):
        sn.compile(sn.System("s", [D(x) == -y, y == x**2, sn.Limit(y, low=0)]))
