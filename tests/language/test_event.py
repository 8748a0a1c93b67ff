"""Events and limits as the user writes them."""

from __future__ import annotations

from typing import Any

import pytest

import symnum as sn
from symnum.errors import ModelError

x, y = sn.variables("x y")
(a,) = sn.parameters(a=1.0)


def test_times_are_sorted_and_each_counts_once() -> None:
    assert sn.Event(at=[2, 1, 2.0], then={x: 0}).at == (1.0, 2.0)
    assert sn.Event(at=3, then={x: 0}).at == (3.0,)


@pytest.mark.parametrize(
    ("when", "crossing", "expression", "direction"),
    [(x - 1, "up", x - 1, 1), (x - 1, "down", x - 1, -1), (x, "both", x, 0), (x < 1, "both", 1 - x, 1),
     (x > 1, "both", x - 1, 1), (x <= y, "both", y - x, 1)],
)  # fmt: skip
def test_a_comparison_fires_when_it_becomes_true(
    when: Any, crossing: str, expression: Any, direction: int
) -> None:
    event = sn.Event(when=when, crossing=crossing, then={a: 0})
    assert event.when is expression
    assert event.crossing == direction


def test_the_text_of_an_event_is_what_was_written() -> None:
    assert str(sn.Event(at=1, then={x: -x, a: 0})) == "Event(at=1.0, then={x: -x, a: 0})"
    assert str(sn.Event(when=x - 1, terminal=True)) == "Event(when=x - 1, then={}, terminal)"
    assert str(sn.Event(at=1, then={x: 0}, name="trip of line 4")) == "trip of line 4"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: sn.Event(at=1), "nothing happens"),
        (lambda: sn.Event(then={x: 1}), "either at= .* or when="),
        (lambda: sn.Event(at=1, when=x, then={x: 1}), "either at= .* or when="),
        (lambda: sn.Event(when=x, crossing="sideways", then={x: 1}), "not 'sideways'"),
        (lambda: sn.Event(at="soon", then={x: 1}), "Event, at: 'soon' is a str"),
        (lambda: sn.Event(at=float("nan"), then={x: 1}), "Event, at: nan"),
        (lambda: sn.Event(at=[], then={x: 1}), "holds no time"),
        (lambda: sn.Event(at=a, then={x: 1}), "a time is a number"),
        (lambda: sn.Event(at=1, then={"x": 1}), "'x' cannot be set"),
        (lambda: sn.Event(at=1, then={x: "one"}), "new value of x: 'one' is a str"),
        (lambda: sn.Event(at=1, then={sn.D(x): 1}), r"D\(x\) cannot be set"),
        (lambda: sn.Event(at=1, then={sn.t: 1}), "t cannot be set"),
        (lambda: sn.Event(at=1, then=[x]), "then is {target: new value}"),
        (lambda: sn.Event(when="x", then={x: 1}), "Event, when: 'x' is a str"),
        (lambda: sn.Event(when=x == 1, then={x: 1}), "write when=x - 1"),
        (lambda: sn.Event(when=(x > 0) & (x < 1), then={x: 1}), "one comparison"),
        (lambda: sn.Limit(x), r"Limit\(x\): give low=, high= or both"),
        (lambda: sn.Limit(x + 1, low=0), "x \\+ 1 is not a variable"),
        (lambda: sn.Limit(a, low=0), "a is not a variable"),
        (lambda: sn.Limit(x, low="none"), r"Limit\(x\), low: 'none' is a str"),
        (lambda: sn.Limit(x, high=float("inf")), r"Limit\(x\), high: inf"),
    ],
)
def test_a_bad_event_or_limit_says_what_is_wrong(make: Any, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        make()
