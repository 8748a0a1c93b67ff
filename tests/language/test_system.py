"""Systems: what they hold, how it is found, what they refuse."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

import symnum as sn
from symnum.errors import ModelError, SymnumError, UnknownName

x, y, z = sn.variables("x y z")
(k,) = sn.parameters(k=2.0)


def test_statements_are_sorted_and_symbols_found(electrical: ModuleType) -> None:
    r, ground = electrical.Resistor("r"), electrical.Ground("ground")
    system = sn.System("s", [sn.D(x) == -k * x, sn.connect(r.p, ground.p), sn.Limit(x, low=0)], parts=[r])
    assert (len(system.equations), len(system.connections), len(system.limits)) == (1, 1, 1)
    assert list(system.parts) == ["r", "ground"]  # the second through its connection
    assert system.x is x
    assert system["k"] is k
    assert system.r.R is r.R
    assert system["r.p.v"] is r.p.v
    assert {"r", "x"} <= set(dir(system))


def test_components_of_all_levels_are_listed(electrical: ModuleType) -> None:
    system = sn.System("s", parts=[electrical.Section("s1")])
    assert [c.path for c in system.components()] == ["s1", "s1.r", "s1.c"]


@pytest.mark.parametrize("name", ["xx", "r.p", "q.R"])
def test_a_misspelt_name_is_refused(name: str) -> None:
    system = sn.System("s", [sn.D(x) == -k * x])
    with pytest.raises(UnknownName, match="s has no part or symbol called"):
        _ = system[name]
    assert not hasattr(system, "q")


def test_defaults_may_be_given_by_name() -> None:
    system = sn.System("s", [sn.D(x) == -k * x], defaults={"x": 3.0, k: 1.0})
    assert system.defaults[x] == 3.0
    with pytest.raises(UnknownName, match="called w"):
        sn.System("s", [sn.D(x) == -k * x], defaults={"w": 3.0})


def test_substitution_and_mapping_give_a_new_system() -> None:
    system = sn.System("s", [sn.D(x) == -k * x])
    other = system.substitute({k: sn.variable("y")})
    assert str(other.equations[0]) == "D(x) == -x*y"
    assert str(system.equations[0]) == "D(x) == -k*x"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda e: sn.System("s", [1 == 1]), "equation 1 is just True"),
        (lambda e: sn.System("s", [sn.System("inner", [x == 1])]), "equation 1 is .*a whole system"),
        (lambda e: sn.System("s", ["D(x) == 1"]), "is 'D\\(x\\) == 1', a str. Write `left == right`"),
        (lambda e: sn.System("s", [sn.D(x)]), r"equation 1 is D\(x\)"),
        (lambda e: sn.System("s", sn.D(x) == -x), r"the equations are a list, not D\(x\) == -x"),
        (lambda e: sn.System(3, [sn.D(x) == -x]), "System: 3 is not a name"),
        (lambda e: sn.System("s", parts=e.Resistor("r")), "the parts are a list"),
        (lambda e: sn.System("s", parts=[e.Resistor()]), r"a Resistor has no name; write Resistor\('name'"),
        (lambda e: sn.System("s", parts=[e.Resistor("r"), e.Resistor("r")]), "two parts are called r"),
        (lambda e: sn.System("s", parts=[e.Pin()]), "not a Component"),
        (
            lambda e: sn.System("s", [sn.D(x) == 1], events=sn.Event(at=1, then={x: 0})),
            "write events=\\[...\\]",
        ),
        (lambda e: sn.System("s", [sn.D(x) == 1], events=["now"]), "'now' among the events is a str"),
        (
            lambda e: sn.System("s", [sn.D(x) == sn.variable("x", unit="V")]),
            "two different symbols are called x",
        ),
        (
            lambda e: sn.System("s", [sn.D(x) == sn.parameter(1, name="x")]),
            "two different symbols are called x",
        ),
        (
            lambda e: sn.System("s", [sn.D(x) == 1], parts=[e.Resistor("x")]),
            "x is the name of a part and of a var",
        ),
    ],
)
def test_a_bad_system_says_what_is_wrong(make: Any, says: str, electrical: ModuleType) -> None:
    with pytest.raises(SymnumError, match=says):
        make(electrical)


def test_an_equation_between_components_or_numbers_is_noticed_in_a_class() -> None:
    class Odd(sn.Component):
        v = sn.variable(start=0)

        def equations(self) -> list[Any]:
            return [1 == 2]

    with pytest.raises(ModelError, match=r"Odd.equations: False is neither an equation"):
        sn.compile(sn.System("s", parts=[Odd("odd")]))


def test_a_notebook_shows_the_equations() -> None:
    system = sn.System("s", [sn.D(x) == -k * x])
    assert system._repr_latex_() == r"$$\begin{aligned}\dot{x} &= - k x\end{aligned}$$"
