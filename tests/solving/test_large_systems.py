"""Linear systems of large grids: factors along lines, incomplete factors, iteration."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from scipy.sparse import csc_array, eye_array
from scipy.sparse.linalg import spsolve

import symnum as sn
from symnum.errors import ModelError
from symnum.models.spatial import reaction_diffusion
from symnum.solving.grid_lines import lines_of
from symnum.solving.integrator import Integrator
from symnum.solving.kernel import slot
from symnum.solving.kernel.call import address_of, kernel
from symnum.solving.large_system import LargeSystem
from symnum.solving.statistics import Status
from symnum.solving.step_options import StepOptions
from symnum.solving.tableaus import METHODS

D = sn.D


def transport(periodic: bool) -> sn.Problem:
    """Two fields that diffuse, drift and react, with coefficients that vary, on a grid of 9 x 7."""
    x = sn.coordinate("x", 0, 1, periodic=periodic)
    y = sn.coordinate("y", 0, 2)
    u, v = sn.fields("u v", x, y)
    faces = [D(w, y).at(y, end) == 0 for w in (u, v) for end in (0, 2)]
    if not periodic:
        faces += [w.at(x, end) == 1 for w in (u, v) for end in (0, 1)]
    model = sn.PDE(
        "transport",
        [
            D(u) == D((0.1 + y * u) * D(u, x), x) + 0.2 * D(u, y, 2) - y * D(u, x) - u * v,
            D(v) == 0.3 * D(v, x, 2) + D((1 + x * (1 - x)) * D(v, y), y) + u * v - v**2,
        ],
        boundary=faces,
        initial={u: 1 + 0.3 * sn.sin(2 * math.pi * x), v: 1 + 0.2 * sn.cos(2 * math.pi * x)},
    )
    grid = {x: sn.Central(9), y: sn.Central(7)}
    return sn.Problem(sn.discretize(model, grid), span=(0.0, 0.1))


def large(problem: sn.Problem, kind: str, scale: float) -> tuple[LargeSystem, csc_array]:
    """A linear system at the start of a problem, factored, and the Jacobian."""
    functions = problem.compiled.model.functions
    jacobian = problem.compiled.jacobian(0.0, problem.u, problem.p)
    values = jacobian.data.copy()
    floats = np.zeros(slot.FLOATS_SIZE)
    floats[slot.RTOL], floats[slot.H_STEP] = 1e-8, 1.0
    run = {slot.U: problem.u, slot.ATOL: np.full(functions.n, 1e-10), slot.FLOATS: floats}
    system = LargeSystem(
        functions, METHODS["ROS34PW2"], kind, values, np.array([scale]),
        {where: address_of(array) for where, array in run.items()},
    )  # fmt: skip
    system.reads = run  # type: ignore[attr-defined]  # they must live as long as the system
    assert kernel(int(system.table[slot.SYSTEM_FACTOR]), system.inner) == slot.OK
    return system, jacobian


def solution(system: LargeSystem, right: np.ndarray) -> np.ndarray:
    x = right.copy()
    system.inner[slot.IN_RIGHT] = address_of(x)
    assert kernel(int(system.table[slot.SYSTEM_SOLVE]), system.inner) == slot.OK
    return x


@pytest.mark.parametrize("periodic", [True, False])
def test_product_of_directions(periodic: bool) -> None:
    """Against the product of the three matrices, put together from the names of the unknowns."""
    problem = transport(periodic)
    scale = 20.0
    system, jacobian = large(problem, "factored", scale)
    names = [re.fullmatch(r"(\w)\[(\d+),(\d+)\]", name) for name in problem.flat.state_names]
    places = [(m[1], int(m[2]), int(m[3])) for m in names if m]
    assert len(places) == problem.flat.n
    entries = jacobian.tocoo()
    parts = [np.zeros((problem.flat.n,) * 2) for _ in range(3)]
    for i, j, value in zip(*entries.coords, entries.data, strict=True):
        (f, a, b), (g, c, d) = places[i], places[j]
        if (a, b) == (c, d):
            parts[2][i, j] += value
        else:
            direction = 0 if b == d else 1
            assert (b if direction == 0 else a) == (d if direction == 0 else c)
            assert f == g
            parts[direction][i, j] += value
            parts[direction][i, i] -= value
            parts[2][i, i] += value
    assert abs(sum(parts) - jacobian.toarray()).max() < 1e-9
    product = np.eye(problem.flat.n)
    for part in parts:
        product = np.linalg.solve(np.eye(problem.flat.n) - part / scale, product)
    right = np.random.default_rng(3).standard_normal(problem.flat.n)
    np.testing.assert_allclose(solution(system, right), product @ right / scale, rtol=1e-11, atol=1e-13)


def test_lines_of_a_grid() -> None:
    problem = transport(periodic=True)
    lines = lines_of(problem.compiled.model.functions)
    assert lines is not None
    assert (lines.directions, lines.dropped) == (2, 0)
    # around x the three points of a stencil are two apart at most, once both ends come first
    assert [(b.place.shape, b.width) for b in lines.batches[:2]] == [((9, 5), 2), ((9, 5), 2)]
    assert lines.batches[-1].place.shape == (2, 45)


@pytest.mark.parametrize("kind", ["krylov", "bicgstab"])
def test_iteration_solves(kind: str) -> None:
    problem = transport(periodic=False)
    system, jacobian = large(problem, kind, 20.0)
    assert system.preconditioner == "splitting"
    matrix = 20.0 * eye_array(problem.flat.n) - jacobian
    right = np.random.default_rng(4).standard_normal(problem.flat.n)
    exact = spsolve(csc_array(matrix), right)
    counts = (solution(system, right) - exact) / (1e-10 + 1e-8 * abs(problem.u))
    # 0.01 of an error that counts as 1, more or less of it through the preconditioner
    assert np.sqrt(np.mean(counts**2)) < 0.05


@pytest.mark.parametrize("kind", ["krylov", "bicgstab"])
def test_incomplete_factors_of_a_chain_are_exact(kind: str) -> None:
    """Nothing fills in for a tridiagonal matrix, and rows that couple only backwards."""
    xs = sn.variables(" ".join(f"x{k}" for k in range(30)))
    chain = [D(x) == (xs[k - 1] if k else 1) ** 2 - 3 * x + (xs[k + 1] if k < 29 else 0) / (1 + x**2)
             for k, x in enumerate(xs)]  # fmt: skip
    problem = sn.Problem(sn.System("chain", chain), dict.fromkeys(xs, 0.5), span=(0, 1))
    system, jacobian = large(problem, kind, 3.0)
    assert system.preconditioner == "incomplete"
    right = np.sin(np.arange(30.0))
    exact = spsolve(csc_array(3.0 * eye_array(30) - jacobian), right)
    np.testing.assert_allclose(solution(system, right), exact, rtol=1e-12)
    assert system.inner[slot.KR_PRODUCTS] <= 1


@pytest.mark.parametrize("kind", ["krylov", "bicgstab"])
def test_iteration_without_a_solution_is_noticed(kind: str) -> None:
    """A singular matrix gives no number that looks like a result."""
    x, y = sn.variables("x y")
    problem = sn.Problem(sn.System("pair", [D(x) == x + y, D(y) == 2 * x + y * 1.0]), {x: 1, y: 1}, (0, 1))
    scale = 1 + math.sqrt(2)  # an eigenvalue
    system, _ = large(problem, kind, scale)
    assert not np.isfinite(solution(system, np.array([1.0, 0.3]))).all() or (
        abs(solution(system, np.array([1.0, 0.3]))).max() > 1e10
    )


@pytest.fixture(scope="module")
def brusselator() -> tuple[sn.Problem, np.ndarray]:
    model = reaction_diffusion.brusselator()
    grid = dict.fromkeys(model.coordinates, sn.Central(12))
    problem = sn.Problem(sn.discretize(model, grid), span=(0.0, 0.5))
    end = sn.solve(problem, "DOP853", rtol=1e-12, atol=1e-12, saveat=[0.5]).y[:, -1]
    return problem, end


@pytest.mark.parametrize("name", ["ROS34PW2", "Rodas4PW", "MSRKTASE3"])
def test_order_with_approximate_factors(name: str, brusselator: tuple[sn.Problem, np.ndarray]) -> None:
    problem, exact = brusselator
    method, errors = METHODS[name], []
    for steps in (200, 400):
        integrator = Integrator(
            problem.compiled.model.functions,
            method,
            StepOptions(
                rtol=1e-6, atol=np.full(problem.flat.n, 1e-6), adaptive=False, first_step=0.5 / steps,
                linear="factored",
            ),
        )  # fmt: skip
        integrator.start(0.0, problem.u, problem.p)
        assert integrator.advance(0.5) is Status.DONE
        errors.append(abs(integrator.u - exact).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(method.order, abs=0.3)


@pytest.mark.parametrize(
    ("name", "linear"),
    [("Rodas5P", "krylov"), ("KenCarp4", "krylov"), ("MSRKTASE3", "krylov"), ("MSRKTASE3", "factored"),
     ("Rodas4PW", "factored"), ("ROS34PW2", "krylov"), ("Rodas5P", "bicgstab"), ("BDF", "bicgstab")],
)  # fmt: skip
def test_solves(name: str, linear: str, brusselator: tuple[sn.Problem, np.ndarray]) -> None:
    problem, exact = brusselator
    run = sn.solve(problem, name, rtol=1e-5, atol=1e-5, saveat=[0.5], linear=linear)
    assert run.stats.linear == linear
    assert abs(run.y[:, -1] - exact).max() < 3e-4 * abs(exact).max()


def test_three_dimensions() -> None:
    axes = [sn.coordinate(name, 0, 1) for name in "xyz"]
    w, q = sn.fields("w q", *axes)
    space = sn.cartesian(*axes)
    model = sn.PDE(
        "three",
        [D(w) == 0.5 * sn.laplacian(w, space) - w * q, D(q) == 0.1 * sn.laplacian(q, space) + w * q - q**2],
        boundary=[D(f, c).at(c, end) == 0 for f in (w, q) for c in axes for end in (0, 1)],
        initial={
            w: 1 + 0.5 * sn.cos(math.pi * axes[0]) * sn.cos(math.pi * axes[1]),
            q: 1 + 0.3 * sn.cos(2 * math.pi * axes[2]),
        },
    )
    problem = sn.Problem(sn.discretize(model, dict.fromkeys(axes, sn.Central(8))), span=(0.0, 0.5))
    exact = sn.solve(problem, "DOP853", rtol=1e-10, atol=1e-10, saveat=[0.5]).y[:, -1]
    found = sn.solve(problem, "Rodas4PW", rtol=1e-5, atol=1e-5, saveat=[0.5], linear="factored").y[:, -1]
    lines = lines_of(problem.compiled.model.functions)
    assert lines is not None
    assert (lines.directions, lines.dropped) == (3, 0)
    assert abs(found - exact).max() < 1e-5


def test_an_ordinary_unknown_beside_a_grid() -> None:
    """What couples with it lies on no line and is left out of the factors; the order stays."""
    x, y = sn.coordinate("x", 0, 1, periodic=True), sn.coordinate("y", 0, 1, periodic=True)
    u, a = sn.field("u", x, y), sn.variable("a")
    start = 1 + 0.5 * sn.sin(2 * math.pi * x) * sn.cos(2 * math.pi * y)
    model = sn.PDE(
        "heated",
        [D(u) == 0.1 * (D(u, x, 2) + D(u, y, 2)) + a - u, D(a) == u.at(x, 0.25).at(y, 0.5) - 2 * a],
        initial={u: start},
    )
    system = sn.discretize(model, {x: sn.Central(12), y: sn.Central(10)})
    problem = sn.Problem(system, {a: 0.0}, span=(0.0, 1.0))
    lines = lines_of(problem.compiled.model.functions)
    assert lines is not None
    assert lines.dropped > 0
    exact = sn.solve(problem, "DOP853", rtol=1e-11, atol=1e-11, saveat=[1.0]).y[:, -1]
    for linear in ("factored", "krylov"):
        found = sn.solve(problem, "Rodas4PW", rtol=1e-6, atol=1e-7, saveat=[1.0], linear=linear).y[:, -1]
        assert abs(found - exact).max() < 1e-5


def test_chosen_from_the_pattern() -> None:
    """A grid in two directions is split; fields in one direction and those with constraints are not."""
    model = reaction_diffusion.brusselator(diffusivity=20.0)
    grid = dict.fromkeys(model.coordinates, sn.Central(40))
    problem = sn.Problem(sn.discretize(model, grid), span=(0, 0.1))
    run = sn.solve(problem, rtol=1e-3, atol=1e-3, saveat=[0.1])
    assert run.stats.linear == "factored"
    assert run.stats.choice.startswith("ROS34PW2")
    assert sn.solve(problem, rtol=1e-6, atol=1e-3, saveat=[0.1]).stats.choice.startswith("Rodas4PW")
    exact = sn.solve(problem, "Rodas4PW", rtol=1e-7, atol=1e-7, saveat=[0.1], linear="krylov").y[:, -1]
    assert abs(run.y[:, -1] - exact).max() < 1e-2 * abs(exact).max()
    line = reaction_diffusion.fisher()
    rod = sn.Problem(sn.discretize(line, {line.coordinates[0]: sn.Central(3000)}), span=(0, 0.1))
    assert sn.solve(rod, "ROS34PW2", rtol=1e-3, saveat=[0.1]).stats.linear == "sparse"


def test_what_cannot_be(brusselator: tuple[sn.Problem, np.ndarray]) -> None:
    problem, _ = brusselator
    with pytest.raises(ModelError, match="Rodas5P loses its order"):
        sn.solve(problem, "Rodas5P", linear="factored")
    with pytest.raises(ModelError, match="linear='multigrid': choose one of 'auto', 'dense'"):
        sn.solve(problem, "Rodas5P", linear="multigrid")
    x, y = sn.variables("x y")
    pair = sn.Problem(sn.System("pair", [D(x) == -y, D(y) == x]), {x: 1, y: 0}, span=(0, 1))
    with pytest.raises(ModelError, match="this one lies on no grid"):
        sn.solve(pair, "ROS34PW2", linear="factored")
    with pytest.raises(ModelError, match="single problem"):
        sn.solve(sn.Ensemble(pair, {x: [1.0, 2.0]}), linear="sparse")
