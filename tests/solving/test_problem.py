"""Problems: starts, parameters, spans; where each number comes from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError, SymnumError

x, y, z = sn.variables("x y z")
a, b = sn.parameters("a", b=2.0)
D = sn.D


def plain() -> sn.System:
    return sn.System("plain", [D(x) == -a * x + b * y, D(y) == -y])


def test_numbers_come_from_the_problem_the_defaults_or_the_declaration_in_that_order() -> None:
    u = sn.variable("u", start=1.0)
    k = sn.parameter(10.0, name="k")
    equations = [D(u) == -k * u]
    declared = sn.Problem(sn.System("s", equations))
    defaults = sn.Problem(sn.System("s", equations, defaults={u: 2.0, k: 20.0}))
    given = sn.Problem(sn.System("s", equations, defaults={u: 2.0, k: 20.0}), {u: 3.0}, parameters={k: 30.0})
    by_name = sn.Problem(sn.System("s", equations, defaults={"u": 2.0}), {"u": 3.0}, parameters={"k": 30})
    values = [(float(p.u[0]), float(p.p[0])) for p in (declared, defaults, given, by_name)]
    assert values == [(1, 10), (2, 20), (3, 30), (3, 30)]


def test_values_may_be_expressions_of_parameters_in_any_order() -> None:
    f = sn.parameter(3.0, name="f")
    p = sn.parameter(2 * f, name="p")
    q = sn.parameter(p + 1, name="q")
    system = sn.System("s", [D(x) == q - p + 0 * f])
    problem = sn.Problem(system, {x: q * f})
    numbers = dict(zip(problem.compiled.parameters, problem.p, strict=True))
    assert numbers == {"f": 3.0, "p": 6.0, "q": 7.0}
    assert problem.u[0] == 21.0
    other = problem.with_(parameters={f: 1.0, p: 10})
    assert dict(zip(other.compiled.parameters, other.p, strict=True)) == {"f": 1.0, "p": 10.0, "q": 11.0}
    assert other.u[0] == 11.0
    assert problem.u[0] == 21.0


def test_with_keeps_what_is_not_given_and_compiles_nothing() -> None:
    problem = sn.Problem(plain(), {x: 1, y: 2}, (0, 3), {a: 1})
    other = problem.with_(start={y: 5})
    assert other.compiled is problem.compiled
    np.testing.assert_array_equal(other.u, [1, 5])
    assert other.span == (0.0, 3.0)
    assert problem.with_(span=(1, 2)).span == (1.0, 2.0)
    np.testing.assert_array_equal(problem.u, [1, 2])
    thrice = problem.with_(parameters={"a": 2}).with_(parameters={a: 3}).with_(parameters={"a": 4})
    assert thrice.p[thrice.compiled.parameters.index("a")] == 4


def test_a_compiled_system_is_taken_as_it_is() -> None:
    compiled = sn.compile(plain())
    assert sn.Problem(compiled, {x: 1, y: 2}, parameters={a: 1}).compiled is compiled
    with pytest.raises(ModelError, match=r"sn\.compile\(system, events=\.\.\.\)"):
        sn.Problem(compiled, {x: 1, y: 2}, parameters={a: 1}, events=[sn.Event(when=x, then={y: 1})])


def test_defaults_of_a_compiled_system_are_kept() -> None:
    system = sn.System("s", [D(x) == -b * x], defaults={x: 4.0, b: 7.0})
    problem = sn.Problem(sn.compile(system))
    assert (problem.u[0], problem.p[0]) == (4.0, 7.0)


def test_guesses_of_algebraic_unknowns_choose_the_root() -> None:
    """z^2 = x has two roots; the guess decides, as a start does."""
    for guess, sign in ((2.0, 1), (-2.0, -1)):
        root = sn.variable("root", guess=guess)
        system = sn.System("s", [D(x) == -1, root**2 + 0.001 * root**3 == x])
        solution = sn.solve(sn.Problem(system, {x: 4}, (0, 1)))
        assert np.sign(solution[root][-1]) == sign
        again = sn.solve(sn.Problem(system, {x: 4, root: -guess}, (0, 1)))
        assert np.sign(again[root][-1]) == -sign


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda s: sn.Problem(s, {"xx": 1}, parameters={a: 1}),
            r"start: plain has no variable called xx\. Did you mean x",
        ),
        (lambda s: sn.Problem(s, {z: 1}, parameters={a: 1}), "start: plain has no variable called z"),
        (lambda s: sn.Problem(s, {a: 1}, parameters={a: 1}), "start: a is not a variable of plain"),
        (lambda s: sn.Problem(s, {x + 1: 1}, parameters={a: 1}), r"x \+ 1 is not the name of a variable"),
        (
            lambda s: sn.Problem(s, {x: 1, y: 1}, parameters={"aa": 1}),
            "plain has no parameter called aa. Did you mean a",
        ),
        (
            lambda s: sn.Problem(s, {x: 1, y: 1}, parameters={x: 1}),
            "parameters: x is not a parameter of plain",
        ),
        (lambda s: sn.Problem(s, {x: 1, y: 1}), r"no value for the parameter a\. Give it: Problem"),
        (lambda s: sn.Problem(s, {x: 1}, parameters={a: 1}), r"no start for y\. Give it: Problem"),
        (lambda s: sn.Problem(s, {x: 1, y: None}, parameters={a: 1}), "start of y is None"),
        (
            lambda s: sn.Problem(s, {x: 1, y: "1"}, parameters={a: 1}),
            "start of y is '1', which is not a number",
        ),
        (lambda s: sn.Problem(s, {x: 1, y: [1, 2]}, parameters={a: 1}), r"start of y is \[1, 2\]"),
        (
            lambda s: sn.Problem(s, {x: 1, y: np.nan}, parameters={a: 1}),
            "start of y is nan: it must be finite",
        ),
        (
            lambda s: sn.Problem(s, {x: 1, y: x}, parameters={a: 1}),
            "start of y is x, but may hold parameters",
        ),
        (lambda s: sn.Problem(s, [1, 2]), r"Problem: start is {quantity: value}, not \[1, 2\]"),
        (lambda s: sn.Problem(s, {x: 1, y: 1}, parameters=[1]), "Problem: parameters is {quantity: value}"),
        (
            lambda s: sn.Problem(s, {x: 1, y: 1}, parameters={a: np.inf}),
            "parameter a is inf: it must be finite",
        ),
        (lambda s: sn.Problem(s, {x: 1, y: 1}, parameters={a: b / (b - 2)}), "parameter a"),
        (
            lambda s: sn.Problem(s, {x: 1, y: 1}, parameters={a: b, b: a}),
            "is defined by itself: a -> b -> a|b -> a -> b",
        ),
        (lambda s: sn.Problem(s, {x: 1, y: 1}, (1, 0), {a: 1}), "ends before it begins"),
        (lambda s: sn.Problem(s, {x: 1, y: 1}, (0, 0), {a: 1}), "ends before it begins"),
        (lambda s: sn.Problem(s, {x: 1, y: 1}, 5, {a: 1}), "span is .begin, end., two finite numbers, not 5"),
        (lambda s: sn.Problem(s, {x: 1, y: 1}, (0, np.inf), {a: 1}), "span is"),
        (lambda s: sn.Problem(s, {x: 1, y: 1}, (0, "end"), {a: 1}), "span is"),
        (lambda s: sn.Problem([D(x) == 1], {x: 1}), "compile takes a System"),
        (lambda s: sn.Problem(s, {x: 1, y: 1}, parameters={a: 1}, events=["now"]), "'now' among the events"),
        (
            lambda s: sn.Problem(s, {x: 1, y: 1}, parameters={a: 1}, events=sn.Event(at=1, then={x: 0})),
            "a list",
        ),
    ],
)
def test_a_bad_problem_says_what_is_wrong(make: Any, says: str) -> None:
    with pytest.raises(SymnumError, match=says):
        make(plain())


def test_a_start_that_the_equations_contradict_is_refused() -> None:
    system = sn.System("s", [D(x) == -y, y == x**2])
    with pytest.raises(ModelError, match=r"the start y = 7 does not fit the equations, which give 1"):
        sn.solve(sn.Problem(system, {x: 1, y: 7}))
    assert sn.solve(sn.Problem(system, {x: 2, y: 4})).status == "done"
    with pytest.raises(ModelError, match=r"the start D\(x\) = 3 does not fit the equations, which give -1"):
        sn.solve(sn.Problem(system, {x: 1, D(x): 3}))


def test_a_guard_is_asked_at_the_start() -> None:
    system = sn.System(
        "s", [D(x) == -b * x], guards=[lambda values: "b is too large" if values["b"] > 5 else None]
    )
    assert sn.solve(sn.Problem(system, {x: 1})).status == "done"
    with pytest.raises(ModelError, match="s: b is too large"):
        sn.solve(sn.Problem(system, {x: 1}, parameters={b: 6}))
