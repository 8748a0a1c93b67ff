"""Problems that travel: their copies in other processes give the same solutions, to the last bit."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError
from symnum.models.classic.kinetics import robertson

x, y, v = sn.variables("x y v")
D = sn.D


def positive(values: Mapping[str, float]) -> str | None:
    return None if values["rate"] > 0 else "rate must be positive"


def ball() -> sn.Problem:
    """Events in the system and beside it, a parameter that follows another, a start that does."""
    rate = sn.parameter(1.5, name="rate")
    double = sn.parameter(2 * rate, name="double")
    bounce = sn.Event(when=x, crossing="down", then={v: -0.9 * v})
    system = sn.System("ball", [D(x) == v, D(v) == -double * 3], events=[bounce], guards=[positive])
    kick = sn.Event(at=0.7, then={v: v + 1, rate: rate + 0.25})
    stop = sn.Event(when=v - 8, crossing="up", terminal=True)
    return sn.Problem(system, {x: rate, v: 0}, (0, 3), {rate: 1.25}, events=[kick, stop])


def network(kind: str) -> sn.Problem:
    A, B, C = sn.species(A=60, B=0, C=3)
    birth, bind = sn.parameters(birth=4.0, bind=0.02)
    reactions = [sn.Reaction(birth, C >> A + C), sn.Reaction(bind, A + A >> B), sn.Reaction(0.1, B >> None)]
    net = sn.ReactionNetwork("dimers", reactions, events=[sn.Event(at=1.0, then={birth: 8.0})])
    return sn.Problem(net.jumps() if kind == "jumps" else net.hybrid(fast=[1]), span=(0, 3))


def states(problem: sn.Problem) -> np.ndarray:
    seed = {} if problem.stochastic is None and problem.hybrid is None else {"seed": 5}
    return sn.solve(problem, saveat=np.linspace(*problem.span, 13), **seed).y


PROBLEMS = {
    "ball": ball, "robertson": lambda: robertson(100.0),
    "algebraic": lambda: robertson(100.0, algebraic=True),
    "jumps": lambda: network("jumps"), "hybrid": lambda: network("hybrid"),
}  # fmt: skip


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_copy_gives_the_same_solution(name: str) -> None:
    problem = PROBLEMS[name]()
    expected = states(problem)
    for again in (pickle.loads(pickle.dumps(problem)), copy.deepcopy(problem), copy.copy(problem)):
        np.testing.assert_array_equal(states(again), expected)
        assert again.flat.state_names == problem.flat.state_names
        later = again.with_(span=(0.0, 0.5))  # it is a problem like any other
        np.testing.assert_array_equal(states(later), states(problem.with_(span=(0.0, 0.5))))


@pytest.mark.parametrize("name", PROBLEMS)
def test_solutions_travel_as_well(name: str) -> None:
    problem = PROBLEMS[name]()
    seed = {} if problem.stochastic is None and problem.hybrid is None else {"seed": 5}
    solution = sn.solve(problem, **seed)
    data = pickle.dumps(solution)
    again = pickle.loads(data)
    assert again.flat is problem.flat  # it has come home
    names = solution.states
    middle = 0.4 * problem.span[1]
    for one in names:
        np.testing.assert_array_equal(again[one], solution[one])
        np.testing.assert_array_equal(again(middle)[one], solution(middle)[one])
    assert (again.status, again.method) == (solution.status, solution.method)
    assert str(again.events) == str(solution.events)
    assert str(again.stats) == str(solution.stats)


def test_ensembles_and_their_solutions_travel_as_well() -> None:
    ensemble = sn.Ensemble(robertson(100.0), {"k1": np.linspace(0.02, 0.08, 5)})
    runs = sn.solve(pickle.loads(pickle.dumps(ensemble)), saveat=10.0)
    again = pickle.loads(pickle.dumps(runs))
    np.testing.assert_array_equal(again["A"], sn.solve(ensemble, saveat=10.0)["A"])
    assert again.stats.how == runs.stats.how


def test_a_solution_comes_from_another_process(tmp_path: Path) -> None:
    (tmp_path / "solution").write_bytes(pickle.dumps(sn.solve(robertson(100.0), "Rodas5P")))
    program = (
        "import pickle, symnum as sn; from pathlib import Path;"
        "solution = pickle.loads(Path('solution').read_bytes());"
        "print(float(solution(50.0)['A']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == float(sn.solve(robertson(100.0), "Rodas5P")(50.0)["A"])


def test_a_copy_follows_changes_and_keeps_its_checks() -> None:
    problem = ball()
    again = pickle.loads(pickle.dumps(problem))
    changed, expected = (one.with_(parameters={"rate": 2.0}) for one in (again, problem))
    assert changed.p.tolist() == expected.p.tolist()
    assert changed.u.tolist() == expected.u.tolist() == [2.0, 0.0]
    with pytest.raises(ModelError, match="rate must be positive"):
        sn.solve(again.with_(parameters={"rate": -2.0}))


def test_checks_that_cannot_travel_stay_behind_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    system = sn.System("guarded", [D(x) == -x], guards=[lambda values: None])
    with caplog.at_level(logging.WARNING, "symnum"):
        again = pickle.loads(pickle.dumps(sn.Problem(system, {x: 1})))
    assert "guards) stay behind" in caplog.text
    assert again.flat.guards == ()


def test_another_process_without_a_cache_of_its_own(tmp_path: Path) -> None:
    """The code comes along: the other process stores it, and compiles nothing."""
    problem = robertson(100.0)
    (tmp_path / "problem").write_bytes(pickle.dumps(problem))
    program = (
        "import pickle, sys, symnum as sn; from pathlib import Path; from symnum.codegen import passes;"
        "passes.lowered = None;"
        "problem = pickle.loads(Path('problem').read_bytes());"
        "print(sn.solve(problem, 'Rodas5P', tier='generic').y[:, -1].tolist())"
    )
    kernels = {"SYMNUM_CACHE": str(tmp_path / "cache")}
    for path in Path(os.environ["SYMNUM_CACHE"]).glob("[ot]*-*"):  # the solvers
        (tmp_path / "cache").mkdir(exist_ok=True, mode=0o700)
        (tmp_path / "cache" / path.name).write_bytes(path.read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, **kernels},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = sn.solve(problem, "Rodas5P", tier="generic").y[:, -1]
    assert [float(number) for number in done.stdout.strip("[]\n").split(",")] == expected.tolist()
