"""Records behave as frozen dataclasses without comparison do."""

import copy
import pickle
import weakref
from dataclasses import dataclass

import pytest

from symnum.record import record, replace


@record
class Point:
    """A point."""

    x: float
    y: float = 2.0

    @property
    def sum(self) -> float:
        return self.x + self.y


@record
class Named(Point):
    name: str = "P"

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("negative")


@dataclass(frozen=True, eq=False)
class Twin:
    """The same as a dataclass."""

    x: float
    y: float = 2.0


@pytest.mark.parametrize("make", [lambda c: c(1.0), lambda c: c(1.0, 3.0), lambda c: c(y=5.0, x=4.0)])
def test_fields_are_those_of_a_dataclass(make):
    point, twin = make(Point), make(Twin)
    assert (point.x, point.y) == (twin.x, twin.y)
    assert repr(point).removeprefix("Point") == repr(twin).removeprefix("Twin")


@pytest.mark.parametrize(
    "make", [lambda c: c(), lambda c: c(1.0, 2.0, 3.0), lambda c: c(1.0, x=2.0), lambda c: c(1.0, z=2.0)]
)
def test_wrong_fields_are_refused_as_by_a_dataclass(make):
    for kind in (Point, Twin):
        with pytest.raises(TypeError):
            make(kind)


def test_records_are_frozen_and_equal_to_themselves_only():
    point = Point(1.0)
    with pytest.raises(AttributeError, match="frozen"):
        point.x = 2.0
    with pytest.raises(AttributeError, match="frozen"):
        del point.x
    assert point.x == 1.0
    assert point != Point(1.0)
    assert len({point, point, Point(1.0)}) == 2
    assert weakref.ref(point)() is point


def test_fields_of_base_classes_come_first():
    named = Named(1.0, 3.0, "Q")
    assert (named.x, named.y, named.name, named.sum) == (1.0, 3.0, "Q", 4.0)
    with pytest.raises(ValueError, match="negative"):
        Named(-1.0)
    moved = replace(named, x=7.0)
    assert (type(moved), moved.x, moved.y, moved.name) == (Named, 7.0, 3.0, "Q")
    assert named.x == 1.0
    with pytest.raises(TypeError):
        replace(named, z=1.0)


def test_records_are_copied_and_pickled():
    for other in (copy.copy(Named(1.0)), pickle.loads(pickle.dumps(Named(1.0)))):
        assert (type(other), other.x, other.y, other.name) == (Named, 1.0, 2.0, "P")
