"""The method records: what they state is true, and wrong numbers are refused."""

import math

import numpy as np
import pytest

from symnum.record import replace
from symnum.solving.method import InvalidTableau
from symnum.solving.tableau import RosenbrockTableau
from symnum.solving.tableaus import METHODS, find
from symnum.solving.trees import density, order_conditions, size, trees

TSIT5, RODAS5P, MSRKTASE3 = METHODS["Tsit5"], METHODS["Rodas5P"], METHODS["MSRKTASE3"]


def test_the_number_of_rooted_trees():
    # Sloane's A000081
    assert [len(trees(order)) for order in range(1, 8)] == [1, 1, 2, 4, 9, 20, 48]
    assert all(size(tree) == 6 for tree in trees(6))
    # the bushy tree and the tall tree
    assert {density(tree) for tree in trees(4)} == {4, 8, 12, 24}


def test_order_conditions_of_a_classical_method():
    a = np.array([[0, 0, 0, 0], [0.5, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 1.0, 0]])
    b = np.array([1, 2, 2, 1]) / 6
    conditions = order_conditions(5, a, np.zeros((4, 4)))
    assert conditions.defect(4, b) < 1e-15
    assert conditions.defect(5, b) >= 1 / 120  # the tall tree needs five stages


def test_order_conditions_of_rosenbrock_methods():
    # ROS2 of Verwer: order 2 for any matrix; with gamma = 1 - 1/sqrt(2) also L-stable
    g = 1 - math.sqrt(0.5)
    alpha, gamma = np.array([[0, 0], [1.0, 0]]), np.array([[g, 0], [-2 * g, g]])
    b = np.array([0.5, 0.5])
    conditions = order_conditions(3, alpha, gamma)
    assert conditions.defect(2, b) < 1e-15
    assert conditions.defect(3, b) > 1e-2
    assert order_conditions(2, alpha, gamma, any_jacobian=True).defect(2, b) < 1e-15
    # without the off-diagonal coefficient it is of order 1 for any matrix
    assert order_conditions(2, alpha, np.diag([g, g]), any_jacobian=True).defect(2, b) > 0.1


def test_names_and_families():
    families = {
        "explicit": 4, "rosenbrock": 8, "tase": 4, "tase_sum": 2, "esdirk": 2, "radau": 1, "bdf": 1,
        "exponential": 2,
    }  # fmt: skip
    assert {family: sum(m.family == family for m in METHODS.values()) for family in families} == families
    for name, method in METHODS.items():
        assert method.name == str(method) == name
        assert method.cite
        assert not method.table().flags.writeable or method.table() is not method.table()
    assert METHODS["Tsit5"].first_same_as_last
    assert METHODS["Rodas5P"].stages == 8


@pytest.mark.parametrize("name", METHODS)
def test_records_are_what_they_state(name):
    METHODS[name].check()


@pytest.mark.parametrize("name", METHODS)
def test_stated_orders_are_not_too_modest(name):
    # a method that claims less than it has would hide a mix-up of records
    with pytest.raises(InvalidTableau, match=r"higher order|not of order|violated"):
        replace(METHODS[name], order=METHODS[name].order - 1).check()
    with pytest.raises(InvalidTableau, match=f"not of order {METHODS[name].order + 1}"):
        replace(METHODS[name], order=METHODS[name].order + 1).check()


def changed(rows, i, j, by):
    copy = [list(row) for row in rows]
    copy[i][j] += by
    return tuple(tuple(row) for row in copy)


@pytest.mark.parametrize(("record", "changes", "message"), [
    (TSIT5, {"a": changed(TSIT5.a, 4, 1, 1e-6)}, "order"),
    (TSIT5, {"bhat": (*TSIT5.bhat[:-1], TSIT5.bhat[-1] + 1e-6)}, "error estimate"),
    (TSIT5, {"interpolant": changed(TSIT5.interpolant, 2, 1, 1e-6)}, "dense output does not end"),
    (TSIT5, {"interpolant": changed(changed(TSIT5.interpolant, 2, 1, 1e-6), 2, 2, -1e-6)}, "output not of"),
    (RODAS5P, {"a": changed(RODAS5P.a, 3, 1, 1e-6)}, "row sum"),
    (RODAS5P, {"coupling": changed(RODAS5P.coupling, 3, 1, 1e-6)}, "row sum"),
    (RODAS5P, {"c": (*RODAS5P.c[:3], 0.5, *RODAS5P.c[4:])}, "c is not the row sum"),
    (RODAS5P, {"gamma": RODAS5P.gamma + 1e-6}, "row sum"),
    (RODAS5P, {"m": (RODAS5P.m[0] + 1e-6, *RODAS5P.m[1:])}, "not of order 5"),
    (RODAS5P, {"e": (1e-6, *RODAS5P.e[1:])}, "error estimate"),
    (RODAS5P, {"interpolant": changed(RODAS5P.interpolant, 0, 0, 1e-6)}, "dense output not of order 4"),
    (RODAS5P, {"stiffly_accurate": False}, "stiff accuracy"),
    (RODAS5P, {"w": 3}, "any matrix"),
    (MSRKTASE3, {"alpha": 0.37}, "order|stable"),
    (MSRKTASE3, {"beta": changed(MSRKTASE3.beta, 1, 1, 1e-6)}, "order"),
    (MSRKTASE3, {"err": changed(MSRKTASE3.err, 1, 1, 1e-6)}, "error estimate"),
    (METHODS["MSRKTASE2"], {"w": 3}, "any matrix"),
])  # fmt: skip
def test_wrong_numbers_are_refused(record, changes, message):
    with pytest.raises(InvalidTableau, match=message) as caught:
        find(replace(record, **changes))
    assert str(caught.value).startswith(record.name)


def test_an_unstable_method_is_refused():
    # Verwer's ROS2 is L-stable with gamma = 1 - sqrt(1/2); with 1/2 it has |R| = 1 at infinity, with 1/5
    # much more
    def ros2(g, **stated):
        gamma = np.array([[g, 0], [-2 * g, g]])
        inverse = np.linalg.inv(gamma)
        alpha = np.array([[0, 0], [1.0, 0]])
        m = np.array([0.5, 0.5]) @ inverse
        return RosenbrockTableau(
            name="ROS2", order=2, embedded=1, dense=2, dae=0, w=2, cite="Verwer", gamma=g,
            a=tuple(map(tuple, alpha @ inverse)), coupling=tuple(map(tuple, np.eye(2) / g - inverse)),
            c=(0.0, 1.0), d=(g, -g), m=tuple(m), e=tuple(m - np.array([1.0, 0.0]) @ inverse), **stated,
        )  # fmt: skip

    ros2(1 - math.sqrt(0.5), l_stable=True).check()
    ros2(0.5).check()
    with pytest.raises(InvalidTableau, match="L-stable"):
        ros2(0.5, l_stable=True).check()
