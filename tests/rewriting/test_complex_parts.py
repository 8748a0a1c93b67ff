"""Real and imaginary parts against complex arithmetic of NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError
from symnum.rewriting.complex_parts import complex_parts, is_complex
from symnum.rewriting.expr import IMAGINARY
from symnum.rewriting.walk import evaluate, evaluate_arrays

x, y = sn.variables("x y")
z = x + 1j * y

CASES: dict[str, Callable[[], sn.Expr]] = {
    "products": lambda: (2 - 3j) * z * (z + 1) * y,
    "powers": lambda: z**3 - z**-2,
    "quotients": lambda: (z + 2) / (1j - z),
    "exponentials": lambda: sn.exp(1j * x * z) + sn.exp(z) * x,
    "waves": lambda: sn.sin(z) + sn.cos(z * z) + sn.sinh(z) * sn.cosh(1j * z),
    "logarithms": lambda: sn.log(z) * z,
    "moduli": lambda: abs(z) ** 2 * z + abs(1j * x) + abs(z) ** 3,
    "choices": lambda: sn.ifelse(x > 0, z, 1j * z),
    "conjugates": lambda: sn.conj(z**2) + sn.real(z) * sn.imag(z * z),
}


@pytest.mark.parametrize("name", CASES)
def test_parts_are_those_of_the_value(name: str) -> None:
    expr = CASES[name]()
    real, imaginary = complex_parts(expr)
    assert not is_complex(real)
    assert not is_complex(imaginary)
    for a, b in ((0.7, -1.3), (-0.4, 0.2)):
        value = complex(evaluate_arrays(expr, {x: np.array(a), y: np.array(b), IMAGINARY: np.array(1j)}))
        found = complex(*evaluate((real, imaginary), {x: a, y: b}))
        assert found == pytest.approx(value, rel=1e-12)


def test_conjugate_product_is_real() -> None:
    assert sn.real(z * sn.conj(z)) is x**2 + y**2
    assert sn.real(abs(z) ** 2) is x**2 + y**2
    assert sn.imag(x) is sn.Eq(0, 0).lhs


def test_what_has_no_parts_is_named() -> None:
    with pytest.raises(ModelError, match="whole powers only"):
        sn.real(sn.sqrt(z))
    with pytest.raises(ModelError, match=r"atan\(...\) of a complex number"):
        sn.imag(sn.atan(z))
    with pytest.raises(ModelError, match="Only fields may be complex"):
        sn.compile(sn.System("wave", [sn.D(x) == 1j * x]))
