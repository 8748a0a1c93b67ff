"""Field equations that cannot be right: the message names the field and the face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError

D = sn.D
x, y = sn.coordinate("x", 0, 1), sn.coordinate("y", 0, 1)
ring = sn.coordinate("ring", 0, 1, periodic=True)
bow = sn.coordinate("bow", 0, 1, periodic=True)
u, v = sn.fields("u v", x)
w = sn.field("w", x, y)
around = sn.field("around", ring)
whirl = sn.field("whirl", ring, bow)
HEAT = [D(u) == D(u, x, 2)]
ENDS = [u.at(x, 0) == 0, u.at(x, 1) == 0]


def heat(boundary: list[Any], points: int = 11, order: int = 2) -> Any:
    return sn.discretize(sn.PDE("heat", HEAT, boundary=boundary), {x: sn.Central(points, order)})


CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "a missing condition": (lambda: heat(ENDS[:1]), r"heat: u is differentiated 2 times in x, .* at x = 1"),
    "none at all": (lambda: heat([]), r"given: none. Nothing is said about u at x = 0 or x = 1"),
    "a doubled condition": (
        lambda: heat([*ENDS, D(u, x).at(x, 1) == 0]),
        r"3 are given: .* Leave one out. There is more than one on x = 1",
    ),
    "an unknown face": (
        lambda: heat([u.at(x, 0) == 0, u.at(x, 0.5) == 0]),
        r"x = 0.5 is no face; x runs from 0 to 1",
    ),
    "outside the domain": (lambda: u.at(x, 2), r"u.at\(x, 2\): x runs from 0 to 1"),
    "not on a face": (
        lambda: heat([*ENDS[:1], u == 0]),
        r"u == 0 is no boundary condition: it names no face",
    ),
    "two faces": (lambda: heat([*ENDS[:1], u.at(x, 0) == u.at(x, 1)]), "joins the faces x = 0 and x = 1"),
    "a condition on a ring": (
        lambda: sn.PDE("r", [D(around) == D(around, ring, 2)], boundary=[around.at(ring, 0) == 0]),
        "ring is periodic and has no faces",
    ),
    "too few points": (lambda: heat(ENDS, 5, 4), "needs 6 points; give the grid more"),
    "two points": (lambda: sn.Central(2), "give a number of points, 3 or more"),
    "an odd order": (lambda: sn.Central(10, order=3), "the order is 2, 4, 6 or 8"),
    "faces on a Fourier grid": (
        lambda: sn.discretize(sn.PDE("heat", HEAT, boundary=ENDS), {x: sn.Fourier(16)}),
        r"heat: u is not periodic in x: its faces x = 0 and x = 1 are two places.*Take Chebyshev\(16\)",
    ),
    "no faces on Chebyshev points": (
        lambda: sn.discretize(sn.PDE("r", [D(around) == D(around, ring, 2)]), {ring: sn.Chebyshev(16)}),
        r"r: around is periodic in ring.*ring = 0 and ring = 1; take Fourier\(16\)",
    ),
    "three Fourier points": (lambda: sn.Fourier(3), r"Fourier\(points=3\): .*4 or more"),
    "aliases of a rate": (
        lambda: sn.discretize(
            sn.PDE("r", [D(around) * (1 + around) == D(around, ring, 2)]),
            {ring: sn.Fourier(16, dealias=True)},
        ),
        r"D\(around\) has a factor that is not constant in the equation for around",
    ),
    "products without aliases in two dimensions": (
        lambda: sn.discretize(
            sn.PDE("torus", [D(whirl) == D(whirl, ring, 2) + D(whirl, bow, 2) + whirl**2]),
            {ring: sn.Fourier(32, dealias=True), bow: sn.Fourier(32, dealias=True)},
        ),
        r"torus: dealias=True along ring and bow makes each of 1024 values of whirl depend on all others",
    ),
    "upwinding without a velocity": (
        lambda: sn.discretize(
            sn.PDE("hj", [D(u) + D(u, x) ** 2 == 0], boundary=[u.at(x, 0) == 0]), {x: sn.Upwind(20)}
        ),
        r"hj: no velocity for the upwind derivative D\(u, x\)",
    ),
    "corners that disagree": (
        lambda: sn.discretize(
            sn.PDE(
                "plate",
                [D(w) == D(w, x, 2) + D(w, y, 2)],
                boundary=[w.at(x, 0) == 0, w.at(x, 1) == 0, w.at(y, 0) == 1, w.at(y, 1) == 0],
            ),
            {x: sn.Central(9), y: sn.Central(9)},
        ),
        "give w the values 0 and 1 where the faces x = 0 and y = 0 meet",
    ),
    "a coordinate that the field does not have": (lambda: D(u, y), "u does not depend on y"),
    "no scheme": (lambda: sn.discretize(sn.PDE("heat", HEAT, boundary=ENDS), {}), "heat has no scheme for x"),
    "a strange scheme": (
        lambda: sn.discretize(sn.PDE("heat", HEAT, boundary=ENDS), {x: 100}),
        "100 for x is no scheme",
    ),
    "another coordinate": (
        lambda: sn.discretize(sn.PDE("heat", HEAT, boundary=ENDS), {x: sn.Central(9), y: sn.Central(9)}),
        "y is no coordinate of heat; it has x",
    ),
    "a system instead of a PDE": (
        lambda: sn.discretize(sn.System("s", [D(sn.variable("a")) == 1]), {}),
        "takes a PDE",
    ),
    "two equations for one field": (lambda: sn.PDE("two", [*HEAT, D(u) == u]), r"two equations give D\(u\)"),
    "two time derivatives": (
        lambda: sn.PDE("both", [D(u) + D(v) == D(u, x, 2), D(v) == u]),
        "time derivatives of u and v",
    ),
    "an equation too few": (
        lambda: sn.PDE("few", [D(u) == D(v, x)]),
        "1 fields without time derivative .v. and 0 equations",
    ),
    "no field": (lambda: sn.PDE("none", [D(sn.variable("a")) == 1]), "no equation holds a field"),
    "a start for a stranger": (
        lambda: sn.PDE("heat", HEAT, boundary=ENDS, initial={v: 0}),
        "initial holds v, which is none of the unknowns u",
    ),
    "a start with a parameter": (
        lambda: sn.discretize(
            sn.PDE("heat", HEAT, boundary=ENDS, initial={u: sn.parameter(1, name="k") * x}),
            {x: sn.Central(9)},
        ),
        "may hold the coordinates x and numbers only, not k",
    ),
    "a start of the wrong shape": (
        lambda: sn.discretize(
            sn.PDE("heat", HEAT, boundary=ENDS, initial={u: np.zeros(7)}), {x: sn.Central(9)}
        ),
        r"does not fit the grid, which has shape \(9,\)",
    ),
    "a start that is infinite": (
        lambda: sn.discretize(sn.PDE("heat", HEAT, boundary=ENDS, initial={u: 1 / x}), {x: sn.Central(9)}),
        "the initial value of u is not finite everywhere",
    ),
    "a field in an ordinary equation": (
        lambda: sn.discretize(
            sn.PDE("heat", [*HEAT, D(sn.variable("a")) == u], boundary=ENDS), {x: sn.Central(9)}
        ),
        r"u varies with x, but its equation does not. Say where: u.at\(x, ...\)",
    ),
    "a grid that does not reach the face": (
        lambda: sn.discretize(sn.PDE("heat", HEAT, boundary=ENDS), {x: sn.Central(3, grid=[0.0, 0.5, 0.9])}),
        "must begin and end on the faces 0 and 1",
    ),
    "a grid that turns back": (
        lambda: sn.discretize(
            sn.PDE("heat", HEAT, boundary=ENDS), {x: sn.Central(4, grid=[0.0, 0.6, 0.5, 1.0])}
        ),
        "must ascend",
    ),
    "a range that is none": (lambda: sn.coordinate("q", 1, 1), "1 ... 1 is no range"),
    "a length that is a parameter": (
        lambda: sn.coordinate("q", 0, sn.parameter(1, name="L")),
        "L is no number. Scale the coordinate",
    ),
    "a condition missing at a scheme with cells": (
        lambda: sn.discretize(sn.PDE("b", [D(u) + D(u**2, x) == 0], boundary=ENDS[:1]), {x: sn.TVD(20)}),
        r"one condition for u on each face, and on x = 1 there are 0",
    ),
    "a coupled law without a speed": (
        lambda: sn.discretize(
            sn.PDE(
                "wave",
                [D(u) + D(v, x) == 0, D(v) + D(u, x) == 0],
                boundary=[D(q, x).at(x, end) == 0 for q in (u, v) for end in (0, 1)],
            ),
            {x: sn.TVD(20)},
        ),
        r"couples u with v, .* Give it: TVD\(20, speed=...\)",
    ),
    "a factor of the flux that holds the field": (
        lambda: sn.discretize(sn.PDE("b", [D(u) + u * D(u, x) == 0], boundary=ENDS), {x: sn.TVD(20)}),
        r"is no flux of u. A conservation law reads D\(u\) \+ D\(F, x\)",
    ),
    "the third derivative at order 6": (
        lambda: sn.discretize(
            sn.PDE("k", [D(u) == D(u, x, 3)], boundary=[*ENDS, D(u, x).at(x, 1) == 0]), {x: sn.Central(40, 6)}
        ),
        "order 3 have no stable one-sided stencils of order 6",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_says_what_is_wrong(case: str) -> None:
    make, says = CASES[case]
    with pytest.raises(ModelError, match=says):
        make()


def test_a_field_without_start_is_named() -> None:
    system = heat(ENDS)
    with pytest.raises(ModelError, match=r"no start for u\. Give it: .*initial=\{u: \.\.\.\} of the PDE"):
        sn.Problem(system, span=(0, 1))


def test_a_failure_names_equation_and_point() -> None:
    model = sn.PDE("blow", [D(u) == D(u, x, 2) + u**3 * 1000], boundary=ENDS, initial={u: sn.sin(np.pi * x)})
    problem = sn.Problem(sn.discretize(model, {x: sn.Central(11)}), span=(0, 1))
    with pytest.raises(sn.SolveFailed, match=r"D\(u\) == .*, at u\[5\]"):
        sn.solve(problem)
