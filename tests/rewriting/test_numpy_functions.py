"""NumPy's functions and arrays with expressions in them."""

from __future__ import annotations

import math

import numpy as np
import pytest

import symnum as sn
from symnum.rewriting.numpy_functions import SYMBOLIC
from symnum.rewriting.walk import evaluate

x, y = sn.variables("x y")
VALUES = {x: 0.4, y: 0.7}
ABOVE_ONE = {x: 1.4, y: 1.7}


@pytest.mark.parametrize("name", sorted(SYMBOLIC))
def test_functions_mean_what_they_mean_for_numbers(name: str) -> None:
    function = getattr(np, name)
    values = ABOVE_ONE if name == "arccosh" else VALUES
    arguments = (x, y)[: function.nin]
    if name.startswith("logical"):
        arguments = tuple(argument > 0.5 for argument in arguments)
    numbers = [evaluate(argument, values) for argument in arguments]
    assert evaluate(function(*arguments), values) == pytest.approx(float(function(*numbers)), rel=1e-15)


def test_arrays_of_numbers_give_arrays_of_expressions() -> None:
    assert (np.array([1.0, 2.0]) * x).tolist() == [x, 2 * x]
    assert (x - np.arange(4).reshape(2, 2)).shape == (2, 2)
    assert np.array(3.0) * x is 3 * x
    product = np.array([[1.0, 2.0], [3.0, 4.0]]) @ np.array([x, y])
    assert product.tolist() == [x + 2 * y, 3 * x + 4 * y]


def test_a_model_written_with_numpy() -> None:
    pendulum = sn.System("pendulum", [sn.D(x) == y, sn.D(y) == -np.sin(x) - np.float64(0.1) * y])
    solution = sn.solve(sn.Problem(pendulum, {x: 1.0, y: 0.0}, span=(0, 10)), rtol=1e-10, atol=1e-12)
    energy = solution[y**2 / 2 - np.cos(x)]
    assert energy[0] == pytest.approx(-math.cos(1))
    assert (np.diff(energy) <= 1e-9).all()  # damped


def test_what_has_no_counterpart_is_named() -> None:
    for what, call in {
        "isfinite": lambda: np.isfinite(x),
        "remainder": lambda: np.remainder(x, 2.0),
        "add.outer": lambda: np.add.outer(x, 2.0),
    }.items():
        with pytest.raises(TypeError, match=rf"np\.{what} has no symbolic counterpart"):
            call()
