"""Radau IIA of order 5 on whole problems: matrices kept, linear systems, jumps, tight tolerances."""

import numpy as np
import pytest
import scipy.integrate
from numba import njit

import symnum as sn
from symnum.errors import ModelError

RADAU = "RadauIIA5"


def brusselator(points):
    # reaction and diffusion on a line, u and v side by side
    u = sn.variables(" ".join(f"u{i}" for i in range(points)))
    v = sn.variables(" ".join(f"v{i}" for i in range(points)))
    k = 0.02 * (points + 1) ** 2
    equations, start = [], {}
    for i in range(points):
        sides = {"u": [1.0, 1.0], "v": [3.0, 3.0]}
        for name, field in (("u", u), ("v", v)):
            for side, j in enumerate((i - 1, i + 1)):
                if 0 <= j < points:
                    sides[name][side] = field[j]
        square = u[i] ** 2 * v[i]
        equations.append(sn.D(u[i]) == 1 + square - 4 * u[i] + k * (sum(sides["u"]) - 2 * u[i]))
        equations.append(sn.D(v[i]) == 3 * u[i] - square + k * (sum(sides["v"]) - 2 * v[i]))
        start |= {u[i]: 1 + np.sin(2 * np.pi * (i + 1) / (points + 1)), v[i]: 3.0}
    return sn.Problem(sn.System("brusselator", equations), start, (0.0, 10.0))


@pytest.mark.parametrize("linear", ["sparse", "dense"])
def test_matrices_are_kept_where_iterations_converge_fast(linear):
    problem = brusselator(20)
    exact = sn.solve(problem, "Rodas6P", rtol=1e-11, atol=1e-12, saveat=[10.0])
    found = sn.solve(problem, RADAU, rtol=1e-8, atol=1e-8, saveat=[10.0], linear=linear)
    assert found.stats.linear == linear or found.stats.linear == "dense LAPACK"
    assert np.max(np.abs(found.y - exact.y)) < 1e-9
    # two matrices a factorization: most steps keep both, and the Jacobian longer than these
    assert found.stats.factorizations < 1.5 * found.stats.steps
    assert found.stats.jacobians < 0.4 * found.stats.steps
    assert found.stats.newton_iterations < 3 * found.stats.steps


def test_algebraic_equations_and_events():
    # a source charges a capacitor beside a diode; its switch opens when the voltage is reached
    v, i, s = sn.variables("v i s")
    (closed,) = sn.parameters(closed=1.0)
    equations = [
        sn.D(v) == 1e3 * (i - v / 10),
        i == closed * (1 - s) / 5,
        s + 1e-2 * (sn.exp(5 * (s - 0.4 * v)) - 1) == 0.5 * v,
    ]
    opens = sn.Event(when=v - 0.3, crossing="up", then={closed: 0.2})
    system = sn.System("charger", equations, events=[opens])
    runs = [
        sn.solve(sn.Problem(system, {v: 0.0}, (0.0, 0.02)), method, rtol=rtol, atol=1e-12)
        for method, rtol in ((RADAU, 1e-7), ("Rodas5P", 1e-11))
    ]
    assert [len(run.events) for run in runs] == [1, 1]
    assert runs[0].events[0].t == pytest.approx(runs[1].events[0].t, rel=1e-7)
    times = np.linspace(0.0, 0.02, 41)
    for expression in (v, i, s):
        assert np.allclose(runs[0](times)[expression], runs[1](times)[expression], rtol=0.0, atol=1e-6)


def test_functions_of_users_as_scipy_takes_them():
    @njit
    def robertson(t, y):
        a = 0.04 * y[0] - 1e4 * y[1] * y[2]
        b = 3e7 * y[1] ** 2
        return np.array([-a, a - b, b])

    mine = sn.solve_ivp(robertson, (0, 1e4), [1.0, 0.0, 0.0], RADAU, rtol=1e-7, atol=[1e-9, 1e-12, 1e-9])
    exact = scipy.integrate.solve_ivp(
        robertson, (0, 1e4), [1.0, 0.0, 0.0], "Radau", rtol=1e-11, atol=[1e-13, 1e-17, 1e-13]
    )
    assert mine.success
    assert np.allclose(mine.y[:, -1], exact.y[:, -1], rtol=1e-6, atol=0.0)
    # with the conservation law in place of the third equation
    dae = sn.solve_ivp(
        lambda t, y: [*robertson(t, y)[:2], y.sum() - 1], (0, 1e4), [1.0, 0.0, 0.0], RADAU,
        rtol=1e-7, atol=[1e-9, 1e-12, 1e-9], mass=[1, 1, 0],
    )  # fmt: skip
    assert np.allclose(dae.y[:, -1], exact.y[:, -1], rtol=1e-6, atol=0.0)
    named = sn.solve_ivp(robertson, (0, 1e4), [1.0, 0.0, 0.0], "Radau", rtol=1e-7, atol=[1e-9, 1e-12, 1e-9])
    assert np.array_equal(named.y, mine.y)  # SciPy's name of the method


def test_a_stiff_oscillator_far_below_the_tolerances_of_measurements():
    x, y = sn.variables("x y")
    problem = sn.Problem(
        sn.System("oscillator", [sn.D(x) == y, sn.D(y) == 1e6 * ((1 - x**2) * y - x)]),
        {x: 2.0, y: 0.0},
        (0, 2),
    )
    found = sn.solve(problem, RADAU, rtol=1e-10, atol=1e-10, saveat=[2.0])
    # Test Set for Initial Value Problem Solvers, in the time of this form
    assert found.y[0, -1] == pytest.approx(1.706167732170469, rel=2e-12)
    assert found.y[1, -1] == pytest.approx(-0.8928097010248125, rel=5e-12)


def test_what_leaves_the_domain_is_told():
    (x,) = sn.variables("x")
    problem = sn.Problem(sn.System("root", [sn.D(x) == -1 - sn.sqrt(x)]), {x: 1.0}, (0, 5))
    with pytest.raises(sn.SolveFailed, match="x") as caught:
        sn.solve(problem, RADAU)
    assert 0.5 < caught.value.solution.t[-1] < 0.62  # 2 - 2 log 2 = 0.614


def test_iterative_solvers_are_refused():
    with pytest.raises(ModelError, match="complex"):
        sn.solve(brusselator(4), RADAU, linear="krylov")
    with pytest.raises(ModelError, match="grid"):
        sn.solve(brusselator(4), RADAU, linear="factored")
