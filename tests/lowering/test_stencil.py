"""Weights of finite differences against polynomials, and the places that stencils take."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from symnum.errors import ModelError
from symnum.lowering.stencil import (
    Room,
    biased_places,
    centered_places,
    exact_weights,
    point_weights,
)

HALF = Fraction(1, 2)


@pytest.mark.parametrize("order", range(5))
@pytest.mark.parametrize("at", [Fraction(0), HALF, Fraction(-2), Fraction(7, 3)])
def test_exact_for_polynomials(order: int, at: Fraction) -> None:
    """With n nodes every power below n is differentiated exactly, in rational arithmetic."""
    nodes = tuple(Fraction(k) for k in (-2, -1, 0, 1, 3, 4))
    weights = exact_weights(nodes, at, order)
    for power in range(len(nodes)):
        coefficient = Fraction(1)
        for k in range(order):
            coefficient *= power - k
        expected = coefficient * at ** (power - order) if power >= order else Fraction(0)
        assert sum(w * x**power for w, x in zip(weights, nodes, strict=True)) == expected


def test_in_floating_point_as_exactly() -> None:
    rng = np.random.default_rng(3)
    nodes = np.sort(rng.uniform(-1, 1, (20, 5)), axis=1)
    at = rng.uniform(-1, 1, 20)
    for order in range(4):
        weights = point_weights(nodes, at, order)
        for i in range(20):
            exact = exact_weights(tuple(Fraction(float(x)) for x in nodes[i]), Fraction(float(at[i])), order)
            scale = max(abs(float(w)) for w in exact)
            np.testing.assert_allclose(weights[i], [float(w) for w in exact], atol=1e-11 * scale)


@pytest.mark.parametrize(
    ("call", "places"),
    [
        ((Fraction(0), 2, 2, False, Room(), 2), [-1, 0, 1]),
        ((Fraction(0), 1, 4, False, Room(), 3), [-2, -1, 0, 1, 2]),
        ((HALF, 1, 2, False, Room(), 2), [0, 1]),
        ((HALF, 0, 4, False, Room(), 4), [-1, 0, 1, 2]),
        ((Fraction(0), 1, 2, True, Room(), 2), [-HALF, HALF]),
        ((Fraction(0), 2, 4, False, Room(1, 30), 4), [-1, 0, 1, 2, 3, 4]),
        ((Fraction(0), 2, 4, False, Room(30, 1), 4), [-4, -3, -2, -1, 0, 1]),
        ((Fraction(0), 1, 2, False, Room(0, 30), 2), [0, 1, 2]),
        ((Fraction(0), 1, 4, True, Room(1, 30), 3), [-HALF, HALF, 3 * HALF, 5 * HALF]),
    ],
    ids=str,
)
def test_places(call: Any, places: list[Any]) -> None:
    assert centered_places(*call) == places


@pytest.mark.parametrize("order", [1, 2, 3])
def test_upwind_places_mirror_each_other(order: int) -> None:
    behind, ahead = biased_places(order, -1, Room()), biased_places(order, 1, Room())
    assert [-place for place in reversed(behind)] == ahead
    assert len(behind) == order + 1
    assert sum(place < 0 for place in behind) > sum(place > 0 for place in behind)


def test_too_few_points() -> None:
    with pytest.raises(ModelError, match="needs 6 points"):
        centered_places(Fraction(0), 2, 4, False, Room(1, 3), 4)
