"""Members of an ensemble on an executor: a pool of processes or threads, or a cluster."""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections import OrderedDict
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.cache import digest
from symnum.errors import ModelError, SymnumError
from symnum.solving.ensembles.members import Inputs, MemberRuns, Outcome, Stopped
from symnum.solving.ensembles.pieces import Pieces

if TYPE_CHECKING:
    from symnum.solving.ensembles.run import Results, Watch

__all__ = ["Crowd"]

# Seconds of a piece of work: what a dead worker takes along, against a message there and back.
_LONGEST, _SHORTEST = 1.0, 0.05
_LOOK = 0.1  # seconds between looks at the keyboard and the progress bar
_AHEAD = 3  # pieces for each worker that wait on the executor, so that none is idle
_PATIENCE = 1.0  # seconds that pieces that are running are waited for after Ctrl-C
_RETRIES = 2  # of a piece that a cluster could not do


class Done(NamedTuple):
    """What comes back: the arrays of an `Outcome`, and the seconds that the members took."""

    arrays: tuple[NDArray[Any], ...]
    seconds: float


class Crowd:
    """The workers of an executor, or of a Dask client, whose retries are asked for as well."""

    longest, shortest = _LONGEST, _SHORTEST

    def __init__(self, executor: Any) -> None:
        workers = None
        if callable(getattr(executor, "get_executor", None)):
            workers = sum(executor.nthreads().values())
            executor = executor.get_executor(pure=False, retries=_RETRIES)
        if not isinstance(executor, Executor):
            raise ModelError(
                f"executor={executor!r}: give a concurrent.futures.Executor, such as ProcessPoolExecutor(), "
                "or the Client of a Dask cluster"
            )
        self.executor = executor
        found = workers or getattr(executor, "_max_workers", None)
        self.workers: int = found if isinstance(found, int) and found > 0 else os.cpu_count() or 1

    def __str__(self) -> str:
        return f" on a {type(self.executor).__name__}"

    def run(self, runs: MemberRuns, results: Results, pieces: Pieces, watch: Watch) -> None:
        parcel = Parcel(runs)
        running: dict[Future[Done], tuple[int, int]] = {}
        watch.interruption.watch()
        try:
            while True:
                while len(running) < _AHEAD * self.workers and (piece := pieces.take()):
                    running[self.executor.submit(run_part, parcel, results.inputs.part(*piece))] = piece
                if not running:
                    return
                finished, _ = wait(running, _LOOK, FIRST_COMPLETED)
                for future in finished:
                    self.receive(future, *running[future], results, pieces, watch)
                    del running[future]
                if watch.look():
                    self.leave(running, results, pieces, watch)
                    return
        except (SymnumError, Stopped):
            raise
        except (Exception, CancelledError) as error:
            lost = ", ".join(f"{first} to {last - 1}" for first, last in list(running.values())[:3])
            raise Stopped(
                f"{runs.problem.flat.name}: lost{self}: {type(error).__name__}: {error} (it had members "
                f"{lost}, and perhaps more). What had come back is the solution of this error; with store= "
                "it is on disk, and solving again runs the others."
            ) from error
        finally:
            for future in running:
                future.cancel()

    def receive(
        self, future: Future[Done], first: int, last: int, results: Results, pieces: Pieces, watch: Watch
    ) -> None:
        arrays, seconds = future.result()
        out = results.room(first, last)
        out.fill(arrays)
        results.keep(first, out)
        pieces.took(last - first, seconds)
        watch.done += last - first

    def leave(
        self, running: dict[Future[Done], tuple[int, int]], results: Results, pieces: Pieces, watch: Watch
    ) -> None:
        """After Ctrl-C: what is running may end, within a moment."""
        waiting = {future: piece for future, piece in running.items() if not future.cancel()}
        finished, _ = wait(waiting, _PATIENCE)
        for future in finished:
            try:
                self.receive(future, *waiting[future], results, pieces, watch)
            except (Exception, CancelledError, KeyboardInterrupt):  # workers hear Ctrl-C as well
                continue


class Parcel:
    """Runs that travel: packed once, and unpacked once in every process that gets them."""

    def __init__(self, runs: MemberRuns) -> None:
        self.runs = runs

    @cached_property
    def packed(self) -> bytes:
        return pickle.dumps(self.runs, pickle.HIGHEST_PROTOCOL)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpacked, (self.packed,)


_KEPT = 4  # parcels that a process remembers
_parcels: OrderedDict[str, Parcel] = OrderedDict()
_unpacking = threading.Lock()


def _unpacked(data: bytes) -> Parcel:
    key = digest(data)
    with _unpacking:
        found = _parcels.get(key)
        if found is None:
            found = _parcels[key] = Parcel(pickle.loads(data))
        _parcels.move_to_end(key)
        while len(_parcels) > _KEPT:
            _parcels.popitem(last=False)
    return found


def run_part(parcel: Parcel, given: Inputs) -> Done:
    """What a worker does: all of these members, by one thread."""
    runs = parcel.runs
    given = Inputs(
        np.ascontiguousarray(given.starts), np.ascontiguousarray(given.parameters), given.streams
    )  # what comes from a message may lie anywhere
    out = Outcome.empty(len(given), len(runs.times), runs.problem.flat.n)
    began = time.perf_counter()
    runs(given, out)
    return Done(out.arrays(), time.perf_counter() - began)
