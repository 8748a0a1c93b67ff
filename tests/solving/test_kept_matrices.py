"""W-methods and RK-TASE keep Jacobians and factors for several steps: fewer of both, the same errors."""

import numpy as np
import pytest

import symnum as sn
from symnum.solving.integrator import Integrator
from symnum.solving.kernel import slot
from symnum.solving.solution_map import SolutionMap
from symnum.solving.step_options import StepOptions

W_METHODS = [name for name, method in sn.METHODS.items() if method.w and method.keeps(0)]


def chain(points=140, algebraic=False, forced=False):
    # a stiff front through a chain of points; on demand with a constraint or a force
    u = sn.variables(" ".join(f"u{i}" for i in range(points)))
    k = 0.01 * (points + 1) ** 2
    equations = []
    for i in range(points):
        left, right = u[i - 1] if i else 1.0, u[i + 1] if i + 1 < points else 0.0
        force = sn.sin(4 * sn.t) if forced and i == 2 else 0.0
        reaction = 5 * u[i] * (1 - u[i]) * (u[i] - 0.1)
        equations.append(sn.D(u[i]) == k * (left - 2 * u[i] + right) + reaction + force)
    start = dict.fromkeys(u, 0.2)
    if algebraic:
        (total,) = sn.variables("total")
        equations.append(total**3 + total == sum(u))
    return sn.Problem(sn.System("chain", equations), start, (0.0, 4.0))


def every_step_anew(problem, method, rtol, atol):
    functions = problem.compiled.model.functions
    integrator = Integrator(
        functions, sn.METHODS[method], StepOptions(rtol=rtol, atol=np.full(functions.n, atol))
    )
    integrator._set(slot.KEEP_FROM, 1 << 62)
    integrator._floats[slot.STEADY] = 1.0
    integrator.start(0.0, problem.u, problem.p)
    integrator.advance(4.0)
    return integrator


@pytest.mark.parametrize("forced", [False, True], ids=["autonomous", "forced"])
@pytest.mark.parametrize("method", W_METHODS)
def test_fewer_jacobians_with_the_same_error(method, forced):
    problem = chain(forced=forced)
    exact = sn.solve(problem, "Rodas6P", rtol=1e-11, atol=1e-12, saveat=[4.0]).y
    found = sn.solve(problem, method, rtol=1e-6, atol=1e-8, saveat=[4.0])
    every = every_step_anew(problem, method, rtol=1e-6, atol=1e-8)
    errors = [np.max(np.abs(end - exact[:, -1])) for end in (found.y[:, -1], every.u)]
    assert errors[0] < 4 * errors[1] < 1e-3
    assert every.stats.jacobians == every.stats.steps
    # how many are saved depends on the error that an old Jacobian brings in: many with ROS34PW2
    share = 0.6 if method == "ROS34PW2" else 0.95
    assert found.stats.jacobians < share * found.stats.steps
    assert found.stats.steps < 1.3 * every.stats.steps
    assert found.stats.rejected < 0.1 * found.stats.steps + 5


def test_algebraic_equations_and_small_systems_have_new_matrices_in_every_step():
    found = sn.solve(chain(algebraic=True), "ROS34PW2", rtol=1e-5)
    assert found.stats.jacobians >= found.stats.steps
    found = sn.solve(chain(points=100), "ROS34PW2", rtol=1e-5)
    assert found.stats.jacobians == found.stats.steps


def test_gradients_are_those_of_steps_with_their_own_jacobians():
    problem = chain()
    (first,) = sn.variables("u0")
    mapping = SolutionMap(problem, at=[4.0], parameters=[first], method="ROS34PW2", rtol=1e-5, atol=1e-7)
    same = every_step_anew(problem, "ROS34PW2", rtol=1e-5, atol=1e-7)
    assert np.allclose(mapping().ravel(), same.u, rtol=1e-12, atol=0.0)
    kept = sn.solve(problem, "ROS34PW2", rtol=1e-5, atol=1e-7, saveat=[4.0]).y[:, -1]
    assert not np.allclose(kept, same.u, rtol=1e-12, atol=0.0)
