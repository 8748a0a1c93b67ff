"""Ensembles on executors, in threads, under Ctrl-C: the same numbers wherever members run, nothing lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError, SolveFailed
from symnum.models.classic.kinetics import robertson
from symnum.solving.ensembles.pieces import Pieces

x, v = sn.variables("x v")
D = sn.D


def stiff() -> sn.Ensemble:
    return sn.Ensemble(robertson(1e4), {"k1": np.linspace(0.02, 0.08, 400)})


def algebraic() -> sn.Ensemble:
    return sn.Ensemble(robertson(100.0, algebraic=True), {"k1": np.linspace(0.02, 0.08, 30)})


def events() -> sn.Ensemble:
    (bounce,) = sn.parameters(bounce=0.8)
    event = sn.Event(when=x, crossing="down", then={v: -bounce * v})
    system = sn.System("ball", [D(x) == v, D(v) == -9.81], events=[event])
    # more than a hundred: a step is compiled for them
    return sn.Ensemble(sn.Problem(system, {x: 1, v: 0}, (0, 1.3)), {bounce: np.linspace(0.3, 0.9, 120)})


def mixed() -> sn.Ensemble:
    """Members whose numbers of steps differ two hundred times, the long ones together; a few fail."""
    (rate,) = sn.parameters(rate=1.0)
    drag = 0.1 * sn.sqrt(sn.absolute(v) + 1e3 - rate)
    system = sn.System("spring", [D(x) == v, D(v) == -(rate**2) * x - drag])
    rates = np.concatenate([np.geomspace(1.0, 200.0, 300), [2000.0, 1500.0], np.ones(98)])
    return sn.Ensemble(sn.Problem(system, {x: 1, v: 0}, (0, 10)), {rate: rates})


def delayed() -> sn.Ensemble:
    past = sn.variable("past", start=1.0)
    rate, tau = sn.parameters(rate=1.5, tau=1.0)
    system = sn.System("delayed", [D(past) == -rate * sn.delay(past, tau)])
    return sn.Ensemble(sn.Problem(system, {past: 1}, (0, 5)), {rate: np.linspace(0.5, 1.8, 12)})


def field() -> sn.Ensemble:
    """More unknowns than go in lanes, and a sparse Jacobian."""
    place = sn.coordinate("place", 0, 1)
    u = sn.field("u", place)
    (spread,) = sn.parameters(spread=0.1)
    ends = [D(u, place).at(place, 0) == 0, D(u, place).at(place, 1) == 0]
    right = spread * D(u, place, 2) + u * (1 - u)
    pde = sn.PDE("fisher", [D(u) == right], boundary=ends, initial={u: sn.exp(-10 * place)})
    rod = sn.discretize(pde, {place: sn.Central(points=150)})
    return sn.Ensemble(sn.Problem(rod, span=(0, 2)), {spread: np.linspace(0.01, 0.5, 9)})


def random(kind: str) -> sn.Ensemble:
    A, B, C = sn.species(A=60, B=0, C=3)
    birth, bind = sn.parameters(birth=4.0, bind=0.02)
    reactions = [sn.Reaction(birth, C >> A + C), sn.Reaction(bind, A + A >> B), sn.Reaction(0.1, B >> None)]
    net = sn.ReactionNetwork("dimers", reactions)
    if kind == "hybrid":
        return sn.Ensemble(sn.Problem(net.hybrid(fast=[1]), span=(0, 2)), {birth: np.linspace(2, 6, 20)})
    if kind == "events":
        problem = sn.Problem(net.jumps(), span=(0, 2), events=[sn.Event(at=1.0, then={birth: 9.0})])
        return sn.Ensemble(problem, {birth: np.linspace(2, 6, 20)})
    reading = net.jumps() if kind == "jumps" else net.langevin()
    return sn.Ensemble(sn.Problem(reading, span=(0, 2)), {birth: np.repeat([2.0, 4.0, 6.0], 50)})


ENSEMBLES: dict[str, tuple[Callable[[], sn.Ensemble], dict[str, Any]]] = {
    "stiff": (stiff, {"rtol": 1e-7}),
    "algebraic": (algebraic, {}),
    "events": (events, {"method": "Tsit5"}),
    "mixed": (mixed, {"method": "Tsit5"}),
    "delays": (delayed, {}),
    "field": (field, {}),
    "jumps": (lambda: random("jumps"), {"seed": 5}),
    "langevin": (lambda: random("langevin"), {"seed": 5}),
    "jumps with events": (lambda: random("events"), {"seed": 5}),
    "hybrid": (lambda: random("hybrid"), {"seed": 5}),
}


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    """Processes that share nothing with this one: they know what is sent to them and what lies on disk."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as made:
        yield made


@pytest.mark.parametrize("name", ENSEMBLES)
def test_numbers_do_not_depend_on_where_members_run(name: str, pool: Executor) -> None:
    make, options = ENSEMBLES[name]
    ensemble = make()
    saveat = np.linspace(*ensemble.problem.span, 5)
    expected = sn.solve(ensemble, saveat=saveat, threads=1, **options)
    found = [sn.solve(ensemble, saveat=saveat, threads=2, **options)]
    found += [sn.solve(ensemble, saveat=saveat, executor=pool, **options)]
    with ThreadPoolExecutor(3) as threads:
        found += [sn.solve(ensemble, saveat=saveat, executor=threads, **options)]
    for runs in found:
        np.testing.assert_array_equal(runs.y, expected.y)
        np.testing.assert_array_equal(runs.status, expected.status)
        np.testing.assert_array_equal(runs.stats.steps, expected.stats.steps)
        np.testing.assert_array_equal(runs.stats.rejected, expected.stats.rejected)
    assert found[1].stats.how == expected.stats.how + " on a ProcessPoolExecutor"
    assert found[1].stats.alone == expected.stats.alone
    assert found[2].stats.threads == 3
    if expected.stats.events is not None:
        np.testing.assert_array_equal(found[1].stats.events, expected.stats.events)
    if name == "mixed":
        assert expected.failed.tolist() == [300, 301]
        assert expected.stats.steps.max() > 50 * expected.stats.steps[expected.status == "done"].min()


class Watched(Executor):
    """Runs at once, and remembers how many members came."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.sizes.append(len(args[1]))
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done


def test_every_member_comes_once() -> None:
    ensemble, watched = stiff(), Watched()
    runs = sn.solve(ensemble, executor=watched)
    assert sum(watched.sizes) == 400
    assert (runs.status == "done").all()


def test_pieces_follow_the_work_and_get_shorter_at_the_end() -> None:
    pieces = Pieces([(0, 10_000)], workers=4, unit=8, longest=1.0, shortest=0.01)
    sizes = []
    while (piece := pieces.take()) is not None:
        first, last = piece
        assert first == sum(sizes)
        sizes.append(last - first)
        pieces.took(last - first, (last - first) * 1e-3)  # a thousand members a second
    assert sum(sizes) == 10_000
    assert sizes[:3] == [8, 8, 1000]  # one, one that takes 10 ms at most, one that takes a second
    assert max(sizes) == 1000
    assert sizes[-1] <= 16
    slow = Pieces([(0, 100)], workers=2, unit=1, longest=1.0, shortest=0.01)
    slow.take()
    slow.took(1, 60.0)
    assert slow.take() == (1, 2)  # one at a time
    slow.stop()
    assert slow.take() is None


def test_ranges_with_gaps_are_kept_apart() -> None:
    pieces = Pieces([(0, 5), (20, 24)], workers=1, unit=4, longest=1.0, shortest=0.01)
    assert [pieces.take() for _ in range(4)] == [(0, 4), (4, 5), (20, 24), None]


def test_a_killed_process_loses_nothing_that_had_come_back() -> None:
    ensemble = mixed()
    expected = sn.solve(ensemble, "Tsit5")
    with ProcessPoolExecutor(1) as pool:
        pool.submit(time.sleep, 0).result()
        (process,) = pool._processes.values()

        class KillsLater(Executor):
            """Hands on to the pool, whose process is killed once three pieces have come back."""

            def __init__(self) -> None:
                self.sent: list[Future[Any]] = []

            def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
                if len(self.sent) == 6:
                    wait(self.sent[:3])
                    os.kill(process.pid, signal.SIGKILL)
                self.sent.append(pool.submit(fn, *args, **kwargs))
                return self.sent[-1]

        told = r"spring: lost on a KillsLater: BrokenProcessPool.*store="
        with pytest.raises(SolveFailed, match=told) as failed:
            sn.solve(ensemble, "Tsit5", executor=KillsLater())
    reached = failed.value.solution
    there = reached.status != "interrupted"
    assert 0 < there.sum() < 400
    np.testing.assert_array_equal(reached.y[there], expected.y[there])
    assert np.isnan(reached.y[~there]).all()


def test_errors_of_the_model_come_back_as_they_are() -> None:
    class Fails(Executor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            done: Future[Any] = Future()
            done.set_exception(ModelError("the user's own"))
            return done

    with pytest.raises(ModelError, match="the user's own"):
        sn.solve(stiff(), executor=Fails())


def long() -> sn.Ensemble:
    """Seconds of work for one thread."""
    (rate,) = sn.parameters(rate=1.0)
    system = sn.System("spring", [D(x) == v, D(v) == -(rate**2) * x])
    return sn.Ensemble(sn.Problem(system, {x: 1, v: 0}, (0, 1000)), {rate: np.linspace(50, 60, 4000)})


@pytest.mark.parametrize("where", ["one thread", "two threads", "executor"])
def test_ctrl_c_gives_what_was_computed(where: str) -> None:
    ensemble = long()
    options: dict[str, Any] = {"method": "Tsit5", "rtol": 1e-5, "max_steps": 10**7}
    sn.solve(sn.Ensemble(ensemble.problem, {"rate": [1.0]}), **options)  # compiled
    pressed = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    pressed.start()
    if where == "executor":
        with ThreadPoolExecutor(2) as pool:
            runs = sn.solve(ensemble, executor=pool, **options)
    else:
        runs = sn.solve(ensemble, threads=2 if where == "two threads" else 1, **options)
    done, rest = runs.status == "done", runs.status == "interrupted"
    assert done.any()
    assert rest.any()
    assert (done | rest).all()
    assert np.isfinite(runs.y[done]).all()
    assert np.isnan(runs.y[rest]).all()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_bar_shows_how_many_members_are_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tqdm.auto", None)  # as if it were not installed
    sn.solve(stiff(), progress=True)
    assert "400 of 400" in capsys.readouterr().err


def test_members_that_become_stiff_later_choose_the_method() -> None:
    """At the start of the Robertson problem nothing is stiff."""
    runs = sn.solve(stiff())
    assert runs.stats.steps.max() < 300
    assert runs.stats.alone == 0


def test_what_is_no_executor_is_refused() -> None:
    with pytest.raises(ModelError, match=r"give a concurrent.futures.Executor"):
        sn.solve(stiff(), executor=4)
    with ThreadPoolExecutor(1) as pool, pytest.raises(ModelError, match="give one of them"):
        sn.solve(stiff(), threads=2, executor=pool)
    for name in ("executor", "store"):
        with pytest.raises(ModelError, match=f"{name}=: this is for an Ensemble"):
            sn.solve(robertson(1.0), **{name: "here"})
