"""Equations against the units that were given."""

from __future__ import annotations

from typing import Any

import pytest

import symnum as sn
from symnum.errors import UnitError

v, v2, i, r, w, length, plain = (
    sn.variable(name, unit=unit)
    for name, unit in (
        ("v", "V"),
        ("v2", "V"),
        ("i", "A"),
        ("r", "ohm"),
        ("w", "mV"),
        ("length", "m"),
        ("plain", None),
    )
)
x, y = sn.variables("x y")


def checked(*equations: Any) -> None:
    from symnum.lowering.unit_check import check_units

    for equation in equations:
        check_units(equation, f"s: {equation}")


@pytest.mark.parametrize(
    "equation",
    [
        v == r * i,
        v == v2 + 3,
        v == plain,
        plain == v * i,
        sn.D(v) == v / sn.t,
        v == sn.D(length) * plain,
        v**2 == v * v2,
        v == sn.sqrt(v * v2),
        v == sn.ifelse(v < v2, v, 0),
        v == sn.maximum(v, v2),
        sn.exp(v / v2) == 1,
        v == v2 * sn.sin(sn.t),
        x == sn.sin(sn.t) + sn.t**2 + sn.t,
        sn.D(x) == x * sn.t - sn.exp(-sn.t),
        v == 1000 * w,
        1000 * v == w,
    ],
    ids=str,
)
def test_what_fits_is_accepted(equation: Any) -> None:
    checked(equation)


@pytest.mark.parametrize(
    ("equation", "says"),
    [
        (v == i, "v is in V, but i is in A"),
        (v == r * i + i, "is in V.*but i is in A|but .* is in V"),
        (sn.D(v) == v, r"D\(v\) is in V/s, but v is in V"),
        (v == w, "Both measure the same, in different units: write the factor"),
        (plain == sn.exp(v), r"exp\(v\) takes a plain number, but v is in V. Divide by a reference value"),
        (v == sn.ifelse(v < i, v, 0), "is in V, but .* is in A|is in A, but .* is in V"),
        (v == sn.maximum(v, i), "is in"),
        (sn.D(length, 2) == length, r"is in m/s\^2"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(equation: Any, says: str) -> None:
    with pytest.raises(UnitError, match=says):
        checked(equation)


def test_a_whole_system_is_checked_and_the_equation_named() -> None:
    with pytest.raises(UnitError, match=r"circuit: D\(v\) == i: D\(v\) is in V/s, but i is in A"):
        sn.compile(sn.System("circuit", [sn.D(v) == i, i == 1]))


def test_a_component_is_checked_and_its_class_named() -> None:
    class Wrong(sn.Component):
        v = sn.variable(unit="V", start=0)
        tau = sn.parameter(1.0, unit="m")

        def equations(self) -> list[Any]:
            return [self.tau * sn.D(self.v) == -self.v]

    with pytest.raises(UnitError, match=r"Wrong: .*D\(self\.v\)"):
        sn.compile(sn.System("s", parts=[Wrong("w")]))
