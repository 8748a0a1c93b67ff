"""Python functions of expressions agree with the interpreter of expressions."""

from __future__ import annotations

import math

import pytest

import symnum as sn
from symnum.rewriting.operators import OPERATORS, equal
from symnum.rewriting.python_code import python_function
from symnum.rewriting.walk import evaluate

x, y = sn.variables("x y")
NAMES = {x: "a", y: "b"}


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_every_operator_agrees_with_the_interpreter(name: str) -> None:
    from symnum.rewriting.expr import node

    arity = OPERATORS[name].arity
    expr = node(name, (x, y, x * y)[:arity])
    made = python_function(expr, "a, b", NAMES)
    for values in ((0.25, 0.75), (1.0, 1.0), (2.5, -0.5), (-0.5, 2.0)):
        wanted = evaluate(expr, dict(zip((x, y), values, strict=True)))
        try:
            found = made(*values)
        except (ArithmeticError, ValueError):
            assert not math.isfinite(wanted)
            continue
        assert found == pytest.approx(wanted, rel=1e-15, nan_ok=True)


def test_sums_products_and_powers() -> None:
    expr = (2 * x - 3 * y + 0.5) * x**-2 * y ** (1 / 2) / (x + 1) + x**3 * sn.ifelse(equal(x, y), 1, -2)
    made = python_function(expr, "a, b", NAMES)
    for values in ((0.5, 2.0), (3.0, 3.0)):
        assert made(*values) == pytest.approx(
            evaluate(expr, dict(zip((x, y), values, strict=True))), rel=1e-14
        )
    with pytest.raises(ValueError, match="fractional power"):
        made(1.0, -1.0)
    with pytest.raises(ZeroDivisionError):
        made(0.0, 1.0)
