"""Additive Runge-Kutta methods: terms marked as explicit, the others implicit."""

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError
from symnum.record import replace
from symnum.solving.method import InvalidTableau
from symnum.solving.trees import additive_defect


def forced(stiffness=1.0):
    # predator and prey, one part of the interaction explicit, the other implicit; time in both parts
    x, y = sn.variables("x y")
    equations = [
        sn.D(x) == sn.explicit(x - x * y + sn.sin(5 * sn.t) / 3) - stiffness * (x - 1.5),
        sn.D(y) == y * x + stiffness * (0.7 - y) + sn.explicit(-y * sn.cos(sn.t)),
    ]
    return sn.Problem(sn.System("forced", equations), {x: 1.2, y: 0.7}, (0.0, 2.0))


def end(problem, method, **options):
    return sn.solve(problem, method, saveat=[problem.span[1]], rtol=1e-12, atol=1e-13, **options).y[:, -1]


def test_order_on_a_split_problem():
    problem = forced()
    exact = end(problem, "DOP853")
    errors = [np.max(np.abs(end(problem, "KenCarp4", step=2.0 / steps) - exact)) for steps in (40, 80)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4.0, abs=0.2)
    # the parts are indeed treated apart: the implicit method alone has other errors
    x, y = sn.variables("x y")
    plain = sn.Problem(sn.System("plain", [
        sn.D(x) == x - x * y + sn.sin(5 * sn.t) / 3 - (x - 1.5),
        sn.D(y) == y * x + 0.7 - y - y * sn.cos(sn.t),
    ]), {x: 1.2, y: 0.7}, (0.0, 2.0))  # fmt: skip
    assert np.max(np.abs(end(plain, "DOP853") - exact)) < 1e-11
    alone = np.max(np.abs(end(plain, "KenCarp4", step=0.05) - exact))
    assert alone != pytest.approx(errors[0], rel=0.05)


def test_the_implicit_part_may_be_stiff():
    problem = forced(1e6)
    exact = end(problem, "RadauIIA5")
    found = sn.solve(problem, "KenCarp4", rtol=1e-7, atol=1e-9, saveat=[2.0])
    assert np.max(np.abs(found.y[:, -1] - exact)) < 1e-6
    assert found.stats.steps < 500


def advection_diffusion(points, speed=1.0, diffusion=0.05):
    xi = sn.coordinate("xi", 0, 1)
    u = sn.field("u", xi)
    equation = sn.D(u) == sn.explicit(-speed * u * sn.D(u, xi)) + diffusion * sn.D(u, xi, 2)
    pde = sn.PDE("burgers", [equation], boundary=[u.at(xi, 0) == 0, u.at(xi, 1) == 0])
    system = sn.discretize(pde, {xi: sn.Central(points=points, order=2)})
    return sn.Problem(system, {u: sn.sin(2 * np.pi * xi)}, (0.0, 0.5))


def test_advection_and_diffusion_on_a_grid():
    problem = advection_diffusion(100)
    exact = end(problem, "Rodas6P")
    found = sn.solve(problem, "KenCarp4", rtol=1e-6, atol=1e-8, saveat=[0.5])
    assert np.max(np.abs(found.y[:, -1] - exact)) < 1e-5
    # diffusion alone is in the matrix: a constant one, which one Newton iteration a stage inverts
    assert found.stats.jacobians <= 2
    other = sn.solve(problem, "Kvaerno5", rtol=1e-6, atol=1e-8, saveat=[0.5])
    assert np.max(np.abs(other.y[:, -1] - exact)) < 1e-5


def test_components_parameters_and_events():
    class Tank(sn.Component):
        level = sn.variable(start=1.0)
        rate = sn.parameter(2.0)

        def equations(self):
            return [sn.D(self.level) == -40 * self.level + sn.explicit(self.rate * sn.sqrt(1 + self.level))]

    def problem(name):
        first, second = Tank("first"), Tank("second", rate=3.0)
        doubled = sn.Event(at=0.5, then={first.rate: 4.0})
        falls = sn.Event(when=second.level - 0.5, crossing="down", then={second.rate: 1.0})
        return sn.Problem(sn.System(name, parts=[first, second], events=[doubled, falls]), span=(0.0, 1.0))

    made = problem("plant")
    exact = sn.solve(made, "Rodas6P", rtol=1e-11, atol=1e-12)
    found = sn.solve(made, "KenCarp4", rtol=1e-8, atol=1e-10)
    times = np.linspace(0, 1, 21)
    assert np.allclose(found(times).y, exact(times).y, rtol=0.0, atol=1e-6)
    assert [event.t for event in found.events] == pytest.approx([event.t for event in exact.events], abs=1e-7)


def test_what_cannot_be_split_is_refused():
    x, z = sn.variables("x z")
    system = sn.System("dae", [sn.D(x) == sn.explicit(-x) + z, z**3 + z == x])
    problem = sn.Problem(system, {x: 1.0, z: 0.5}, (0.0, 1.0))
    with pytest.raises(ModelError, match="explicit"):
        sn.solve(problem, "KenCarp4")
    assert sn.solve(problem, "Kvaerno5", rtol=1e-9).y[0, -1] == pytest.approx(
        sn.solve(problem, "Rodas5P", rtol=1e-9).y[0, -1], rel=1e-7
    )


def test_the_conditions_of_additive_methods():
    method = sn.METHODS["KenCarp4"]
    a = np.zeros((6, 6))
    for matrix, rows in ((a, method.a), (explicit := np.zeros((6, 6)), method.a_explicit)):
        for i, row in enumerate(rows):
            matrix[i, : len(row)] = row
    assert additive_defect(4, (a, explicit), a[-1]) < 1e-13
    assert additive_defect(5, (a, explicit), a[-1]) > 1e-3
    # a pair that shares its nodes, and both of whose methods are of order 2, need not couple to order 3
    wrong = [list(row) for row in method.a_explicit]
    wrong[3][0] += 1e-3
    wrong[3][1] -= 1e-3
    with pytest.raises(InvalidTableau, match="on a split f"):
        replace(method, a_explicit=tuple(map(tuple, wrong))).check()
