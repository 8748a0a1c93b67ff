"""Steps compiled for one model: the generated factorization against numpy, runs against the generic tier."""

from __future__ import annotations

import ctypes
import importlib
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.codegen import lanes, machine
from symnum.codegen.function import Column, Function, Loop, Output
from symnum.codegen.lanes import Lanes
from symnum.codegen.lu import Elimination, emit_lu
from symnum.codegen.model import build_model
from symnum.errors import ModelError
from symnum.models.classic.kinetics import robertson
from symnum.models.classic.oscillators import lorenz
from symnum.record import replace
from symnum.rewriting.expr import slot
from symnum.solving import specialised
from symnum.solving.integrator import Integrator
from symnum.solving.specialised import _lanes_key, _step_key, specialised_step
from symnum.solving.start import consistent_start
from symnum.solving.statistics import Status
from symnum.solving.step_options import StepOptions
from symnum.solving.tableaus import find

D = sn.D


# ---- the factorization ----------------------------------------------------------------------------
def compiled_lu(lanes: int, elimination: Elimination, entries: Any, mass: Any) -> Any:
    """(factor, solve) that take arrays: a generated factorization behind plain C functions."""
    module = Lanes(lanes)
    emit_lu(module, elimination, entries, mass, "nounwind noinline")
    number = module.type
    text = (
        module.text()
        + f"""
define void @try(ptr %scale, ptr %jacobian, ptr %lu, ptr %growth, ptr %b) {{
  %s = load {number}, ptr %scale, align 8
  %g = call {number} @factor({number} %s, ptr %jacobian, ptr %lu)
  store {number} %g, ptr %growth, align 8
  call void @solve(ptr %lu, ptr %b)
  ret void
}}"""
    )
    loaded = machine.load_object(machine.compile_text(text, passes=2, codegen=2))
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5)(loaded.address("try"))
    return lambda *arrays: call(*(array.ctypes.data for array in arrays))


@pytest.mark.parametrize("lanes", [1, 4, 8])
@pytest.mark.parametrize(("n", "density", "algebraic"), [(1, 1, 0), (5, 0.5, 0), (12, 0.3, 4), (30, 0.1, 6)])
def test_factors_solve_the_system(lanes: int, n: int, density: float, algebraic: int) -> None:
    random = np.random.default_rng(n)
    pattern = random.random((n, n)) < density
    pattern[np.arange(n), (np.arange(n) + 1) % n] = True  # no diagonal: algebraic rows need other pivots
    pattern[n - algebraic :, n - algebraic :] |= np.eye(algebraic, dtype=bool)[::-1]
    rows, columns = np.nonzero(pattern)
    mass = np.ones(n)
    mass[n - algebraic :] = 0.0
    jacobian = random.normal(size=(len(rows), lanes))
    scale = np.exp(random.normal(size=lanes))
    matrices = np.zeros((lanes, n, n))
    for lane in range(lanes):
        matrices[lane] = scale[lane] * np.diag(mass)
        matrices[lane, rows, columns] -= jacobian[:, lane]
    whole = pattern | np.diag(mass != 0.0)
    at = np.nonzero(whole)
    elimination = Elimination.choose(*at, matrices[:, at[0], at[1]], n)
    assert elimination is not None
    entries = tuple(zip(rows.tolist(), columns.tolist(), strict=True))
    run = compiled_lu(lanes, elimination, entries, tuple(mass.tolist()))
    b = random.normal(size=(n, lanes))
    found, growth, lu = b.copy(), np.zeros(lanes), np.zeros((elimination.size, lanes))
    run(scale, np.ascontiguousarray(jacobian), lu, growth, found)
    for lane in range(lanes):
        expected = np.linalg.solve(matrices[lane], b[:, lane])
        assert found[:, lane] == pytest.approx(expected, rel=1e-8, abs=1e-8 * np.abs(expected).max())
    assert np.isfinite(growth).all()


def test_growth_tells_a_bad_pivot() -> None:
    entries = ((0, 0), (1, 0), (0, 1), (1, 1))
    rows, columns = np.array(entries).T
    elimination = Elimination.choose(rows, columns, np.array([[4.0, 1.0, 1.0, 4.0]]), 2)
    assert elimination is not None
    run = compiled_lu(1, elimination, entries, (1.0, 1.0))
    growth, lu, b = np.zeros(1), np.zeros(elimination.size), np.ones(2)
    run(np.ones(1), -np.array([3.0, 1.0, 1.0, 3.0]), lu, growth, b)
    assert growth[0] < 1.0
    tiny = np.array([-1.0 + 1e-12, 1.0, 1.0, -1.0 + 1e-12])
    run(np.ones(1), -tiny, lu, growth, b)
    assert growth[0] > 1e10
    run(np.ones(1), np.array([1.0, 1.0, 1.0, 1.0]), lu, growth, b)
    assert not growth[0] <= 1e300  # a pivot of zero


# ---- runs -----------------------------------------------------------------------------------------
def van_der_pol() -> sn.Problem:
    x, v = sn.variables("x v")
    (mu,) = sn.parameters(mu=1000.0)
    return sn.Problem(sn.System("vdp", [D(x) == v, D(v) == mu * (1 - x**2) * v - x]), {x: 2, v: 0}, (0, 2000))


def forced() -> sn.Problem:
    x, y = sn.variables("x y")
    (w,) = sn.parameters(w=3.0)
    equations = [D(x) == sn.sin(w * sn.t) - 50 * (x - sn.cos(y)), D(y) == x * sn.exp(-y) + sn.tanh(x)]
    return sn.Problem(sn.System("forced", equations), {x: 0.0, y: 0.5}, (0, 5))


def chain() -> sn.Problem:
    """Twenty unknowns in a family: vectors longer than one machine vector, with a rest."""
    u = sn.variables(" ".join(f"u{k}" for k in range(20)))
    (k,) = sn.parameters(k=40.0)
    left, right = (0 * u[0], *u[:-1]), (*u[1:], 0 * u[0])
    equations = [D(c) == k * (a - 2 * c + b) - c**3 for a, c, b in zip(left, u, right, strict=True)]
    return sn.Problem(sn.System("chain", equations), {v: float(i % 3) for i, v in enumerate(u)}, (0, 2))


PROBLEMS = {"van der Pol": van_der_pol, "Robertson": lambda: robertson(1e5),
            "Robertson DAE": lambda: robertson(1e5, algebraic=True), "forced": forced,
            "chain": chain, "Lorenz": lambda: lorenz(2)}  # fmt: skip


@pytest.mark.parametrize("method", [
    "Rodas5P", "Rodas4P", "ROS34PW2", "Tsit5", "DOP853", "Kvaerno5", "RadauIIA5", "MSRKTASE3", "RKTASE3",
])  # fmt: skip
@pytest.mark.parametrize("name", PROBLEMS)
def test_tiers_agree(name: str, method: str) -> None:
    explicit = {"Tsit5": ("forced", "chain", "Lorenz"), "DOP853": ("forced", "Lorenz")}
    if name not in explicit.get(method, PROBLEMS):
        pytest.skip("stiff: round-off decides which steps at the edge of stability are rejected")
    problem = PROBLEMS[name]()
    saveat = np.linspace(*problem.span, 7)
    generic, special = (
        sn.solve(problem, method, rtol=1e-7, atol=1e-10, saveat=saveat, tier=tier)
        for tier in ("generic", "specialised")
    )
    assert special.stats.tier == "specialised: asked for"
    assert generic.stats.tier == "generic: asked for"
    for count in ("rhs_evaluations", "jacobians", "solves", "factorizations"):
        one, other = getattr(generic.stats, count), getattr(special.stats, count)
        assert abs(one - other) <= 0.02 * one + 2  # round-off may tip a step here and there
    assert special.y == pytest.approx(generic.y, rel=1e-5, abs=1e-6)
    assert special.stats.fallbacks == 0


def test_events_and_dense_output_are_those_of_the_generic_tier() -> None:
    h, v = sn.variables("h v")
    bounce = sn.Event(when=h, crossing="down", then={v: -0.8 * v})
    system = sn.System("ball", [D(h) == v, D(v) == -9.81 - 0.1 * v], events=[bounce])
    problem = sn.Problem(system, {h: 1, v: 0}, (0, 2))
    for method in ("Tsit5", "Rodas5P"):
        generic, special = (sn.solve(problem, method, tier=tier) for tier in ("generic", "specialised"))
        assert [e.t for e in special.events] == pytest.approx([e.t for e in generic.events], rel=1e-9)
        assert len(special.events) >= 2
        times = np.linspace(0, 2, 33)
        assert special(times)[h] == pytest.approx(generic(times)[h], rel=1e-7, abs=1e-9)


def test_a_bad_pivot_order_falls_back_to_pivoting() -> None:
    """The order is chosen where one entry is large; later it vanishes."""
    a, b = sn.variables("a b")
    y, z = sn.variables("y z")
    system = sn.System("turning", [
        D(a) == -a, D(b) == -b,
        sn.cos(sn.t) * y + sn.sin(sn.t) * z == a,
        -sn.sin(sn.t) * y + sn.cos(sn.t) * z == b,
    ])  # fmt: skip
    problem = sn.Problem(system, {a: 1, b: 2}, (0, np.pi / 2))  # steps that end where cos(t) is nothing
    sol = sn.solve(problem, "Rodas5P", rtol=1e-9, atol=1e-12, tier="specialised", saveat=[np.pi / 2])
    model = problem.compiled.model
    u, p = consistent_start(problem)
    step = specialised_step(model, find("Rodas5P"), 0.0, u, p, np.pi / 2)
    assert step is not None
    integrator = Integrator(
        model.functions, find("Rodas5P"), StepOptions(rtol=1e-6, atol=np.full(len(u), 1e-9))
    )
    step.put_into(integrator)
    integrator.start(np.pi / 2, u, p)  # here the first pivot is round-off
    integrator.reinitialize()
    assert integrator.advance(np.pi / 2 + 0.1) is Status.DONE
    assert integrator.stats.fallbacks > 0
    end = np.exp(-np.pi / 2)
    assert [float(sol[a][-1]), float(sol[b][-1])] == pytest.approx([end, 2 * end], rel=1e-7)
    assert [float(sol[z][-1]), float(sol[y][-1])] == pytest.approx([end, -2 * end], rel=1e-6)


@pytest.mark.parametrize("method", ["Kvaerno5", "RadauIIA5"])
def test_systems_with_a_bad_pivot_order_go_back_to_tables(method: str) -> None:
    a, b, y, z = sn.variables("a b y z")
    system = sn.System("turning", [
        D(a) == -a, D(b) == -b,
        sn.cos(sn.t) * y + sn.sin(sn.t) * z == a,
        -sn.sin(sn.t) * y + sn.cos(sn.t) * z == b,
    ])  # fmt: skip
    problem = sn.Problem(system, {a: 1, b: 2}, (0, np.pi / 2))
    model = problem.compiled.model
    u, p = consistent_start(problem)
    step = specialised_step(model, find(method), 0.0, u, p, np.pi / 2)
    assert step is not None
    assert step.systems
    integrator = Integrator(
        model.functions, find(method), StepOptions(rtol=1e-8, atol=np.full(len(u), 1e-10))
    )
    step.put_into(integrator)
    assert integrator.linear == "straight-line"
    integrator.start(np.pi / 2, u, p)  # here the first pivot is round-off
    integrator.reinitialize()
    assert integrator.advance(np.pi / 2 + 0.1) is Status.DONE
    assert integrator.linear == "dense"
    assert integrator.u[:2] == pytest.approx(u[:2] * np.exp(-0.1), rel=1e-7)
    integrator.prepare(StepOptions(rtol=1e-8, atol=np.full(len(u), 1e-10)))
    step.put_into(integrator)
    assert integrator.linear == "straight-line"


def test_kundur() -> None:
    kundur = importlib.import_module("symnum.models.power.kundur")
    made = kundur.two_area()
    problem = made if isinstance(made, sn.Problem) else sn.Problem(made, span=(0, 2))
    problem = problem.with_(span=(0, 2))
    generic, special = (
        sn.solve(problem, "Rodas5P", saveat=[0.5, 2.0], tier=tier) for tier in ("generic", "specialised")
    )
    assert special.stats.fallbacks == 0
    assert special.y == pytest.approx(generic.y, rel=1e-6, abs=1e-7)


def test_a_long_run_changes_over_and_says_so() -> None:
    problem = van_der_pol().with_(span=(0.0, 2e5))
    sol = sn.solve(problem, "Rodas5P", saveat=[2e5])
    assert sol.stats.tier.startswith("specialised: ")
    assert sn.solve(problem.with_(span=(0, 1)), "Rodas5P").stats.tier == "specialised: compiled before"


def test_what_cannot_be_specialised_says_why() -> None:
    with pytest.raises(ModelError, match="BDF has no specialised step"):
        sn.solve(forced(), "BDF", tier="specialised")
    with pytest.raises(ModelError, match="give 'generic', 'specialised'"):
        sn.solve(forced(), tier="fast")
    assert "BDF" in sn.solve(forced(), "BDF").stats.tier


def test_methods_of_one_name_have_steps_of_their_own() -> None:
    problem = van_der_pol().with_(span=(0.0, 1.0))
    rodas4 = find("Rodas4P")
    namesake = replace(rodas4, name="Rodas5P")
    sn.solve(problem, "Rodas5P", tier="specialised")
    sol = sn.solve(problem, namesake, saveat=[1.0], tier="specialised")
    expected = sn.solve(problem, rodas4, saveat=[1.0], tier="specialised")
    assert sol.stats.steps == expected.stats.steps
    assert sol.y == pytest.approx(expected.y, rel=1e-9)  # the same method, perhaps another pivot order


def test_keys_hold_all_that_steps_are_made_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two models of one f and different M, two versions of the code, machines without vector functions."""
    write = Output("out", np.arange(2))
    f = Function("f", (Loop("f", 2, (-slot("u", 0),), (Column("u", np.arange(2)),), (write,)),), 2, 0)
    states, mixed = (build_model(f, mass=np.array([1.0, m]), n_parameters=0) for m in (1.0, 0.0))
    assert states.key("step") == mixed.key("step")  # the code of f itself is shared
    method = find("Rodas5P")

    def keys() -> set[str]:
        return {key(model, method) for model in (states, mixed) for key in (_step_key, _lanes_key)}

    before = keys()
    assert len(before) == 4
    with monkeypatch.context() as other:
        other.setattr(specialised, "_version", lambda: "of other code")
        assert not before & keys()
    there = lanes.vector_library() is not None
    monkeypatch.setattr(lanes, "vector_library", lambda: None if there else object())
    assert len(before & keys()) == 2  # scalar steps do not call it


def test_no_step_is_made_beside_code_of_other_functions() -> None:
    """The rewriter may find something else in another process; the scratch of the two would not fit."""
    problem = van_der_pol().with_(span=(0.0, 10.0))
    model = problem.compiled.model
    assert model.fits
    right, model.fingerprint = model.fingerprint, "of another process"
    try:
        assert not model.fits
        assert specialised_step(model, find("Rodas4P"), 0.0, problem.u, problem.p, 10.0) is None
        run = sn.solve(problem, "Rodas4P", tier="specialised")
        assert run.stats.tier.startswith("generic")
    finally:
        model.fingerprint = right
    assert specialised_step(model, find("Rodas4P"), 0.0, problem.u, problem.p, 10.0) is not None
