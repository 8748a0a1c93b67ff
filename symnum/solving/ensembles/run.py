"""Running an ensemble: its members in pieces, by threads here or by an executor."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from symnum.errors import ModelError, SolveFailed
from symnum.solving.ensembles.ensemble import Ensemble
from symnum.solving.ensembles.members import Inputs, MemberRuns, Outcome, Stopped
from symnum.solving.ensembles.pieces import Pieces
from symnum.solving.ensembles.solution import EnsembleSolution, statistics
from symnum.solving.interruption import Interruption

if TYPE_CHECKING:
    from symnum.solving.ensembles.executor import Crowd

__all__ = ["Crew", "InMemory", "Results", "Watch", "run_ensemble"]

# Seconds of a piece of work for a thread: Ctrl-C is looked at in between; shorter ones cost too much.
_LONGEST, _SHORTEST = 0.1, 2e-3
_LOOK = 0.05  # seconds between looks at the keyboard and the progress bar
# Seconds that must be left for threads to be started: making one takes about a tenth of that.
_WORTH_THREADS = 1e-3


class Results(Protocol):
    """Where the results of the members go."""

    inputs: Inputs
    unit: int  # members that are kept together

    def waiting(self) -> list[tuple[int, int]]:
        """Ranges of members that are not there yet."""

    def room(self, first: int, last: int) -> Outcome:
        """Arrays to write the results of these members to."""

    def keep(self, first: int, out: Outcome) -> None:
        """They are written. Called by one thread at a time."""

    def solution(self, stats: dict[str, Any]) -> EnsembleSolution:
        """What is there."""


class InMemory:
    """Results of all members as arrays."""

    unit = 1

    def __init__(self, ensemble: Ensemble, runs: MemberRuns, inputs: Inputs) -> None:
        self.ensemble, self.runs, self.inputs = ensemble, runs, inputs
        self.whole = Outcome.empty(len(inputs), len(runs.times), ensemble.problem.flat.n)

    def waiting(self) -> list[tuple[int, int]]:
        return [(0, len(self.inputs))]

    def room(self, first: int, last: int) -> Outcome:
        return self.whole.part(first, last)

    def keep(self, first: int, out: Outcome) -> None:
        """The room is a view."""

    def solution(self, stats: dict[str, Any]) -> EnsembleSolution:
        whole = self.whole
        return EnsembleSolution(
            self.ensemble.problem.flat, self.runs.times, whole.y.transpose(0, 2, 1),
            self.inputs.parameters.copy(), whole.names(), statistics(self.runs, whole, stats),
            self.ensemble.parameters(),
        )  # fmt: skip


class Watch:
    """Between pieces of work: has Ctrl-C been pressed, and how far are the members?"""

    def __init__(self, interruption: Interruption, name: str, members: int, progress: bool) -> None:
        self.interruption, self.done = interruption, 0
        self.bar = None
        if progress:
            from symnum.solving.progress import members_bar

            self.bar = members_bar(name, members)

    def look(self) -> bool:
        if self.bar is not None:
            self.bar.show(self.done)
        return self.interruption.asked

    def close(self) -> None:
        if self.bar is not None:
            self.bar.show(self.done)
            self.bar.close()


def run_ensemble(
    ensemble: Ensemble, made: Callable[[Inputs], MemberRuns], seed: Any = None, *,
    threads: int | None = None, executor: Any = None, store: Any = None, progress: bool = False,
) -> EnsembleSolution:  # fmt: skip
    """All members. made: how they are run, given all of them. The rest is as in `solve`.

    A member that fails has a status, and NaN where it did not come to; the others are not affected. Results
    do not depend on threads, executor and store, which say where members run and where results go.
    """
    began = time.perf_counter()
    if threads is not None and executor is not None:
        raise ModelError("threads= and executor= are two ways to share the members out; give one of them")
    streams, problem = None, ensemble.problem
    if problem.stochastic or problem.hybrid:
        streams = ensemble.streams(seed)
    inputs = Inputs(*ensemble.numbers(), streams)
    runs = made(inputs)
    results: Results
    if store is None:
        results = InMemory(ensemble, runs, inputs)
    else:
        from symnum.solving.ensembles.store import Store

        seeded = seed is not None or ensemble.seeds is not None
        results = Store(store, ensemble, runs, inputs, seeded)
    waiting = results.waiting()
    unit = -(-runs.width // results.unit) * results.unit
    count = sum(last - first for first, last in waiting)
    crew: Crew | Crowd
    if executor is None:
        crew = Crew(max(1, min(threads or os.cpu_count() or 1, -(-count // unit))))
    else:
        from symnum.solving.ensembles.executor import Crowd

        crew = Crowd(executor)
    stats = {
        "how": f"{runs.how}{crew}", "threads": crew.workers, "setup_milliseconds": 1e3 * _since(began)
    }  # fmt: skip
    middle = time.perf_counter()
    stopped = None
    with Interruption() as interruption:
        watch = Watch(interruption, problem.flat.name, len(inputs), progress)
        watch.done = len(inputs) - count
        try:
            crew.run(runs, results, Pieces(waiting, crew.workers, unit, crew.longest, crew.shortest), watch)
        except Stopped as error:
            stopped = error
        finally:
            watch.close()
    found = results.solution({**stats, "solve_milliseconds": 1e3 * _since(middle)})
    if stopped is not None:
        failed = SolveFailed(str(stopped))
        failed.solution = found
        raise failed from stopped
    return found


def _since(began: float) -> float:
    return time.perf_counter() - began


class Crew:
    """Threads that take pieces; the compiled loops release the interpreter's lock."""

    longest, shortest = _LONGEST, _SHORTEST

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.keeping = threading.Lock()
        self.failures: list[BaseException] = []

    def __str__(self) -> str:
        return ""

    def run(self, runs: MemberRuns, results: Results, pieces: Pieces, watch: Watch) -> None:
        """The first pieces here: where little is left after them, no thread is worth its making."""

        def piece() -> int:
            return self.piece(runs, results, pieces, watch)

        for _ in range(2):  # the first shows whether it is a matter of moments, the second how many
            if not piece() or not pieces.left or pieces.left / pieces.rate > 100 * _WORTH_THREADS:
                break
        if not pieces.left:
            return
        watch.interruption.watch()
        if self.workers > 1 and pieces.left / pieces.rate > _WORTH_THREADS:
            self.together(piece, pieces, watch)
        else:
            while not watch.look() and piece():
                pass

    def piece(self, runs: MemberRuns, results: Results, pieces: Pieces, watch: Watch) -> int:
        """One piece; how many members it had, 0 if nothing was left."""
        taken = pieces.take()
        if taken is None:
            return 0
        first, last = taken
        out = results.room(first, last)
        began = time.perf_counter()
        runs(results.inputs.part(first, last), out)
        pieces.took(last - first, _since(began))
        with self.keeping:
            results.keep(first, out)
            watch.done += last - first
        return last - first

    def together(self, piece: Callable[[], int], pieces: Pieces, watch: Watch) -> None:
        def until_done() -> None:
            try:
                while piece():
                    pass
            except BaseException as error:
                self.failures.append(error)
                pieces.stop()

        crew = [threading.Thread(target=until_done, daemon=True) for _ in range(self.workers)]
        for one in crew:
            one.start()
        try:
            for one in crew:
                while one.is_alive():
                    one.join(_LOOK)
                    if watch.look():
                        pieces.stop()
        except BaseException:  # Ctrl-C a second time
            pieces.stop()
            raise
        if self.failures:
            raise self.failures[0]
