"""Variables, parameters and derivatives as the user declares them."""

from __future__ import annotations

import pytest

import symnum as sn
from symnum.errors import ModelError, UnitError
from symnum.rewriting.expr import Expr


def test_variables_and_parameters_are_tuples_in_the_order_given() -> None:
    x, y = sn.variables("x, y")
    a, b, c = sn.parameters("a b", c=2.5)
    assert [x.name, y.name] == ["x", "y"]
    assert [e.kind for e in (x, a, b, c)] == ["variable", "parameter", "parameter", "parameter"]
    assert (a.data.default, c.data.default) == (None, 2.5)


def test_the_same_declaration_is_the_same_symbol_and_another_one_is_not() -> None:
    assert sn.variable("x", unit="V") is sn.variable("x", unit="V")
    assert sn.variable("x", unit="V") is not sn.variable("x")


def test_what_is_known_about_a_quantity_is_kept() -> None:
    x = sn.variable("x", unit="rad/s", start=1, guess=0.5, nominal=1e-3, about="speed")
    assert (x.data.unit, x.data.default, x.data.guess, x.data.nominal, x.data.about) == (
        "rad/s", 1, 0.5, 1e-3, "speed",
    )  # fmt: skip


def test_starts_may_be_expressions_of_parameters() -> None:
    (a,) = sn.parameters(a=2)
    assert isinstance(sn.variable("x", start=2 * a).data.default, Expr)


def test_derivatives_nest_and_follow_the_chain_rule() -> None:
    x, y = sn.variables("x y")
    assert sn.D(x, 2) is sn.D(sn.D(x))
    assert sn.D(x * y) is sn.D(x) * y + x * sn.D(y)
    assert sn.D(sn.sin(x)) is sn.cos(x) * sn.D(x)
    assert sn.D(sn.t**2) is 2 * sn.t
    assert sn.D(sn.parameter(1, name="a")).value == 0


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (lambda: sn.variable("1x"), "'1x' is not a name"),
        (lambda: sn.variable("lambda"), "'lambda' is not a name"),
        (lambda: sn.variable("a b"), "'a b' is not a name"),
        (lambda: sn.variable(""), "'' is not a name"),
        (lambda: sn.variable(3), "3 is not a name but a int"),
        (lambda: sn.variable("t"), "belongs to the time"),
        (lambda: sn.variables("x y x"), "the name x stands twice"),
        (lambda: sn.variables(["x", "y"]), "names are one text"),
        (lambda: sn.variable("x", start="one"), "variable x, start: 'one' is a str"),
        (lambda: sn.variable("x", guess=float("nan")), "variable x, guess: nan"),
        (lambda: sn.variable("x", nominal=0), "variable x, nominal=0"),
        (lambda: sn.variable("x", nominal="big"), "variable x, nominal: 'big' is a str"),
        (lambda: sn.parameter(float("inf"), name="a"), "parameter a: inf"),
        (lambda: sn.parameters(a=[1, 2]), r"parameter a: \[1, 2\] is a list"),
        (lambda: sn.parameter(1j, name="a"), "parameter a: 1j is a complex"),
        (lambda: sn.D("x"), "D: 'x' is a str"),
        (lambda: sn.D(sn.variable("x"), 0), "the order of a derivative is 1, 2, 3"),
        (lambda: sn.D(sn.variable("x"), 1.5), "the order of a derivative is 1, 2, 3"),
        (lambda: sn.D(sn.variable("x") * sn.D(sn.variable("x"))), "Give the inner derivative a name"),
    ],
)
def test_a_bad_declaration_says_what_is_wrong(declare: object, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        declare()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("unit", "says"), [("Volt", "Did you mean V"), (5, "write the unit as text"), ("m/", "expected")]
)
def test_a_bad_unit_is_refused_where_it_is_written(unit: object, says: str) -> None:
    with pytest.raises(UnitError, match=says):
        sn.parameter(1.0, name="a", unit=unit)  # type: ignore[call-overload]
    with pytest.raises(UnitError, match=says):
        sn.variable(unit=unit)  # type: ignore[call-overload]


def test_the_truth_of_a_comparison_is_not_known_while_the_model_is_written() -> None:
    (x,) = sn.variables("x")
    with pytest.raises(TypeError, match=r"sn\.ifelse"):
        bool(x > 1)
