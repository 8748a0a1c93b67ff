"""Components, connectors, options, children."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

import symnum as sn
from symnum.errors import ModelError, UnknownName


class Exciter(sn.Component):
    gain = sn.parameter(10.0)
    field = sn.variable(start=0)

    def equations(self) -> list[Any]:
        return [sn.D(self.field) == -self.gain * self.field]


class Machine(sn.Component):
    exciter = Exciter()
    damping = sn.parameter(1.0)
    round_rotor = sn.option(False)
    omega = sn.variable(start=1.0)

    def equations(self) -> list[Any]:
        return [sn.D(self.omega) == self.exciter.field - self.damping * self.omega]


class Geared(Machine):
    ratio = sn.parameter(3.0)


def test_symbols_have_hierarchical_names(electrical: ModuleType) -> None:
    r = electrical.Resistor("r1", R=100, v=0.2)
    assert (r.R.name, r.p.v.name, r.v.name) == ("r1.R", "r1.p.v", "r1.v")
    assert (r.R.data.default, r.v.data.default, r.p.i.data.unit) == (100, 0.2, "A")
    assert Machine("g").exciter.field.name == "g.exciter.field"


def test_every_instance_has_its_own_children_and_connectors(electrical: ModuleType) -> None:
    a, b = Machine("a"), Machine("b", exciter=Exciter(gain=50))
    assert a.exciter is not b.exciter
    assert (a.exciter.gain.data.default, b.exciter.gain.data.default) == (10, 50)
    assert a.exciter.parent is a
    r = electrical.Resistor("r")
    assert r.p is r.p
    assert r.p is not electrical.Resistor("r").p


def test_the_classes_of_a_component_add_up() -> None:
    g = Geared("g", ratio=2, damping=0.5)
    assert [c.path for c in g.all_components()] == ["g", "g.exciter"]
    assert (g.ratio.name, g.damping.data.default) == ("g.ratio", 0.5)
    assert "ratio" not in Machine.quantities


def test_options_and_children_make_the_variant_and_parameters_do_not() -> None:
    assert Machine("a").variant() == Machine("b", damping=7, exciter=Exciter(gain=1)).variant()
    assert Machine("a").variant() != Machine("a", round_rotor=True).variant()

    class Static(Exciter):
        pass

    assert Machine("a").variant() != Machine("a", exciter=Static()).variant()
    assert Machine("a", round_rotor=True).round_rotor is True


def test_a_misspelt_keyword_names_the_near_one() -> None:
    with pytest.raises(ModelError, match=r"Machine\('g'\): there is no dampng to set. Did you mean damping"):
        Machine("g", dampng=1)


def test_a_misspelt_attribute_names_the_near_ones() -> None:
    with pytest.raises(UnknownName, match=r"g \(Machine\) has no omga. Did you mean omega"):
        _ = Machine("g").omga
    assert not hasattr(Machine("g"), "omga")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Machine("g", damping="big"), "g.damping: 'big' is a str"),
        (lambda: Machine("g", damping=float("nan")), "g.damping: nan"),
        (lambda: Machine("g", exciter=3), "exciter takes a component"),
        (lambda: Machine("g 1"), "Machine: 'g 1' is not a name"),
        (lambda: Machine(3), "Machine: 3 is not a name"),
        (lambda: Machine("g", round_rotor=[1]), "g.round_rotor=.*use a tuple"),
        (lambda: setattr(Machine("g"), "damping", 2), "set it when the component is made"),
    ],
)
def test_a_bad_setting_says_what_is_wrong(make: Any, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        make()


def test_a_named_variable_in_a_class_body_is_refused() -> None:
    with pytest.raises(ModelError, match=r"Bad\.x is the variable x of its own.*leave the name out"):

        class Bad(sn.Component):
            x = sn.variable("x")


def test_class_bodies_declare_and_do_not_compute() -> None:
    with pytest.raises(
        ModelError, match=r"<parameter k>: a class body only declares|<parameter without a name>"
    ):

        class Bad(sn.Component):
            k = sn.parameter(2.0)
            x = sn.variable(start=2 * k)

    class Slip(sn.Component):
        k = sn.parameter(2.0)
        x = sn.variable(start=1)

        def equations(self) -> list[Any]:
            return [sn.D(self.x) == Slip.k * self.x]

    with pytest.raises(ModelError, match=r"compute with self\.k in equations"):
        sn.compile(sn.System("s", parts=[Slip("s1")]))


def test_one_declaration_cannot_have_two_names() -> None:
    quantity = sn.variable()
    with pytest.raises(ModelError, match=r"Bad.y is the declaration that is already called x"):

        class Bad(sn.Component):
            x = quantity
            y = quantity


def test_potentials_belong_in_connectors_and_only_they() -> None:
    with pytest.raises(ModelError, match=r"Bad\.v: potentials and flows belong in a"):

        class Bad(sn.Component):
            v = sn.potential()

    with pytest.raises(ModelError, match=r"BadPort\.a: a connector holds potentials and flows only"):

        class BadPort(sn.Connector):
            a = sn.parameter(1.0)


def test_a_child_takes_its_name_from_the_attribute() -> None:
    with pytest.raises(ModelError, match="takes its name from the attribute"):

        class Bad(sn.Component):
            inner = Exciter("inner")


def test_connections_join_connectors_of_one_class(electrical: ModuleType) -> None:
    class Flange(sn.Connector):
        angle = sn.potential()
        torque = sn.flow()

    class Shaft(sn.Component):
        flange = Flange()

    r, shaft = electrical.Resistor("r"), Shaft("shaft")
    assert str(sn.connect(r.p, electrical.Ground("g").p)) == "connect(r.p, g.p)"
    for ports, says in (
        ((), "connect needs connectors"),
        ((r.p, r.p), r"r\.p is named twice"),
        ((r, r), "is a Resistor"),
        ((r.p, shaft.flange), "r.p is a Pin, shaft.flange is a Flange"),
    ):
        with pytest.raises(ModelError, match=says):
            sn.connect(*ports)


class _Gain(sn.Component):
    """An attribute that is not declared, which equations would see of one instance only."""

    x = sn.variable(start=1.0)
    gain = 2.0

    def equations(self) -> list[Any]:
        return [sn.D(self.x) == -self.gain * self.x]


class _GainGiven(_Gain):
    def __init__(self, name: str = "", gain: float = 2.0, **settings: Any) -> None:
        super().__init__(name, **settings)
        self.gain = gain


class _GainDemanded(_Gain):
    def __init__(self, name: str, gain: float) -> None:
        super().__init__(name)
        self.gain = gain


class _Around(sn.Component):
    part = _GainGiven()


def test_plain_attributes_never_lose_their_values_silently() -> None:
    late = _Gain("late")
    late.gain = 5.0
    inner = _Around("inner")
    inner.part.gain = 5.0
    for parts in ([late], [_Gain("other"), late], [_GainGiven("one", gain=5.0)], [inner]):
        with pytest.raises(ModelError, match=r"\.gain = 5.0 would not reach the equations.*sn\.option"):
            sn.compile(sn.System("s", parts=parts))
    with pytest.raises(ModelError, match=r"gain = 5.0 would not reach the equations"):
        _Around("outer", part=_GainGiven(gain=5.0))
    with pytest.raises(ModelError, match=r"_GainDemanded cannot be made .*gain.*Leave __init__ out"):
        sn.compile(sn.System("s", parts=[_GainDemanded("one", 5.0)]))
    same = sn.System("s", parts=[_Gain("one"), _GainGiven("two"), _GainGiven("three", gain=2)])
    assert len(sn.compile(same).states) == 3
