"""Triggers: conditions that become true, with delays, priorities, persistence and values of two moments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError, SolveFailed
from symnum.rewriting.operators import equal

x, y = sn.variables("x y")
a, b = sn.parameters(a=0.0, b=0.0)


def run(*events: sn.Event, end: float = 10, **options: Any) -> sn.Solution:
    """x counts the time from 0, y stands still at 0."""
    system = sn.System("clock", [sn.D(x) == 1, sn.D(y) == 0 * a * b], events=events)
    return sn.solve(sn.Problem(system, {x: 0, y: 0}, span=(0, end)), **options)


def times(sol: sn.Solution) -> list[tuple[str, float]]:
    return [(str(h.event), round(h.t, 9)) for h in sol.events]


def test_a_condition_of_several_comparisons_fires_each_time_it_becomes_true() -> None:
    inside = (sn.sin(x) > 0.5) & (x > 3) | (x > 9)
    sol = run(sn.Event(trigger=inside, then={y: y + 1}, name="e"))
    # sin x > 1/2 from pi/6 + 2 pi k to 5 pi/6 + 2 pi k
    assert times(sol) == [("e", round(np.pi / 6 + 2 * np.pi, 9)), ("e", 9)]
    assert sol[y][-1] == 2


@pytest.mark.parametrize(("values", "expected"), [("trigger", 2.0), ("execution", 3.5)])
def test_a_delay_and_the_moment_of_the_values(values: str, expected: float) -> None:
    sol = run(sn.Event(trigger=x >= 2, delay=x - 0.5, then={y: x}, values=values, name="e"))
    assert times(sol) == [("e", 3.5)]
    assert sol[y][-1] == pytest.approx(expected)


def test_priorities_are_taken_when_the_events_are_due() -> None:
    set_a = sn.Event(trigger=x >= 1, then={a: 5.0}, priority=10, name="sets a")
    low = sn.Event(trigger=x >= 1, then={y: y * 10 + 1}, priority=1, name="low")
    moving = sn.Event(trigger=x >= 1, then={y: y * 10 + 2}, priority=a, name="moving")
    last = sn.Event(trigger=x >= 1, then={y: y * 10 + 3}, name="last")
    sol = run(last, low, moving, set_a)
    assert [name for name, _ in times(sol)] == ["sets a", "moving", "low", "last"]
    assert sol[y][-1] == 213


def test_equal_priorities_go_in_the_order_of_the_list() -> None:
    events = [sn.Event(trigger=x >= 1, then={y: y * 10 + k}, priority=7) for k in (1, 2, 3)]
    assert run(*events)[y][-1] == 123


@pytest.mark.parametrize(("persistent", "expected"), [(True, 1.0), (False, 0.0)])
def test_persistence_over_a_delay(persistent: bool, expected: float) -> None:
    pulse = (x > 1) & (x < 2)
    sol = run(sn.Event(trigger=pulse, delay=1.5, then={y: 1}, persistent=persistent))
    assert sol[y][-1] == expected


def test_of_two_events_at_one_time_the_first_may_withdraw_the_second() -> None:
    first = sn.Event(trigger=x >= 1, then={a: 1.0}, priority=2)
    for persistent, expected in ((True, 1.0), (False, 0.0)):
        second = sn.Event(trigger=(x >= 1) & (a < 0.5), then={y: 1}, priority=1, persistent=persistent)
        assert run(first, second)[y][-1] == expected


def test_an_event_that_jumps_fires_others_at_the_same_time() -> None:
    sol = run(
        sn.Event(trigger=x >= 1, then={a: 3.0}, name="first"),
        sn.Event(trigger=a > 2, then={b: 3.0}, name="second"),
        sn.Event(trigger=b > 2, then={y: 1}, delay=1, name="third"),
    )
    assert times(sol) == [("first", 1), ("second", 1), ("third", 2)]


def test_events_with_at_and_when_fire_triggers_too() -> None:
    sol = run(
        sn.Event(at=1, then={a: 3.0}, name="at"),
        sn.Event(when=x - 2, then={b: 3.0}, name="when"),
        sn.Event(trigger=a > 2, then={y: y + 1}, name="a"),
        sn.Event(trigger=b > 2, then={y: y + 1}, name="b"),
    )
    assert times(sol) == [("at", 1), ("a", 1), ("when", 2), ("b", 2)]


@pytest.mark.parametrize(("initially", "expected"), [(True, []), (False, [("e", 0.0)])])
def test_what_holds_at_the_start(initially: bool, expected: list[tuple[str, float]]) -> None:
    assert times(run(sn.Event(trigger=x >= 0, then={y: 1}, initially=initially, name="e"))) == expected


def test_a_strict_comparison_that_is_equal_at_the_start_becomes_true_at_once() -> None:
    sol = run(sn.Event(trigger=x > 0, then={y: 1}, initially=True, name="strict"))
    assert times(sol) == [("strict", 0)]
    assert times(run(sn.Event(trigger=x < 0, then={y: 1}))) == []


def test_a_comparison_that_is_exactly_met_at_a_stop() -> None:
    met = sn.Event(trigger=sn.t >= 2, then={y: y + 1}, name="met")
    beyond = sn.Event(trigger=sn.t > 2, then={y: y + 1}, name="beyond")
    sol = run(sn.Event(at=2, then={x: x}, name="stop"), met, beyond)
    assert times(sol) == [("stop", 2), ("met", 2), ("beyond", 2)]


def test_equality_fires_when_it_is_passed_and_when_a_jump_meets_it() -> None:
    assert times(run(sn.Event(trigger=equal(x, 3), then={y: 1}, name="e"))) == [("e", 3)]
    sol = run(
        sn.Event(trigger=x > 1, then={a: 3.0}, name="jump"),
        sn.Event(trigger=equal(a, 3), then={y: y + 1}, name="e"),
        sn.Event(trigger=x > 4, then={y: y + 1}, name="later"),
    )
    assert times(sol) == [("jump", 1), ("e", 1), ("later", 4)]


def test_a_condition_may_come_back_through_its_own_event() -> None:
    # a saw-tooth: x falls to 0 whenever it exceeds 2
    sol = run(sn.Event(trigger=x > 2, then={x: 0}, name="e"), end=9)
    assert times(sol) == [("e", 2), ("e", 4), ("e", 6), ("e", 8)]


def test_a_terminal_trigger_ends_the_run() -> None:
    sol = run(sn.Event(trigger=x > 2, delay=1, terminal=True))
    assert sol.status == "terminated"
    assert sol.t[-1] == pytest.approx(3)


def test_a_trigger_of_a_number_holds_where_it_is_not_zero() -> None:
    sol = run(sn.Event(trigger=x > 1, then={a: 2.0}), sn.Event(trigger=a, then={y: 1}, name="e"))
    assert [t for name, t in times(sol) if name == "e"] == [1]


def test_what_cannot_be_done_is_named() -> None:
    flip = [sn.Event(trigger=a < 1, then={a: 2.0}), sn.Event(trigger=a > 1, then={a: 0.0})]
    with pytest.raises(SolveFailed, match="fire each other without end at t = 1"):
        run(sn.Event(at=1, then={a: 2.0}), *flip)
    with pytest.raises(SolveFailed, match="its delay -x is -2; it cannot be negative"):
        run(sn.Event(trigger=x >= 2, delay=-x, then={y: 1}))
    with pytest.raises(ModelError, match="belong to a trigger"):
        sn.Event(at=1, then={x: 1}, delay=2)
    with pytest.raises(ModelError, match='"trigger" or "execution"'):
        sn.Event(trigger=x > 1, then={x: 1}, values="both")


def test_a_saved_system_keeps_its_triggers(tmp_path: Path) -> None:
    event = sn.Event(
        trigger=(x > 1) & (x < 2), delay=1, priority=2, persistent=False, then={x: 0}, values="trigger"
    )
    compiled = sn.compile(sn.System("s", [sn.D(x) == 1], events=[event]))
    loaded = sn.load(compiled.save(tmp_path / "s.symnum"))
    (found,) = loaded.flat.events
    assert repr(found) == repr(event)
    assert (found.persistent, found.values, str(found.priority)) == (False, "trigger", "2")


def test_a_pulse_in_time_is_not_stepped_over() -> None:
    system = sn.System("pulse", [sn.D(x) == 0 * a, sn.D(y) == 0], events=[
        sn.Event(trigger=(sn.t >= 5) & (sn.t < 5.001), then={x: x + 1}),
        sn.Event(trigger=2 * sn.t - b > 14, then={y: sn.t}),
    ])  # fmt: skip
    sol = sn.solve(sn.Problem(system, {x: 0, y: 0}, span=(0, 1000), parameters={b: 2}))
    assert sol[x][-1] == 1
    assert sol[y][-1] == pytest.approx(8, abs=1e-9)


def test_steps_end_where_a_watched_condition_changes() -> None:
    pulse = (sn.t > 5) & (sn.t <= 5.001)
    equations = [sn.D(x) == sn.ifelse(pulse, 1000, 0), sn.D(y) == sn.ifelse(x > 0.5, -1, 1)]
    watched = [sn.Event(trigger=pulse, then={}), sn.Event(trigger=x > 0.5, then={})]
    jump = sn.System("jump", equations, events=watched)
    for method in ("Tsit5", "Rodas5P"):
        sol = sn.solve(sn.Problem(jump, {x: 0, y: 0}, span=(0, 20)), method, rtol=1e-9, atol=1e-9)
        assert sol[x][-1] == pytest.approx(1, abs=1e-9)
        assert sol[y][-1] == pytest.approx(5.0005 - 14.9995, abs=1e-7)
        assert sol.events == ()
    with pytest.raises(ModelError, match="nothing happens"):
        sn.Event(trigger=x > 1)


def test_a_comparison_met_exactly_while_its_event_waits_fires_once() -> None:
    sol = run(
        sn.Event(trigger=sn.t >= 2, delay=3, then={y: y + 1}, name="late"),
        sn.Event(trigger=x >= 2, delay=0.5, then={a: a + 1}, name="state"),
        end=8,
    )
    assert times(sol) == [("state", 2.5), ("late", 5)]
