"""Ensembles on a real Dask cluster of processes, of which some are killed in the middle."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn

distributed = pytest.importorskip("distributed")

x, v = sn.variables("x v")
D = sn.D
OPTIONS: dict[str, Any] = {"method": "Tsit5", "rtol": 1e-6, "max_steps": 10**7, "saveat": [0.0, 100.0, 400.0]}


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two processes, each started anew by its nanny when it dies."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0
        ) as cluster,
        distributed.Client(cluster) as found,
    ):
        yield found


def springs(members: int = 3000) -> sn.Ensemble:
    """Some seconds of work."""
    (rate,) = sn.parameters(rate=1.0)
    system = sn.System("spring", [D(x) == v, D(v) == -(rate**2) * x])
    return sn.Ensemble(sn.Problem(system, {x: 1, v: 0}, (0, 400)), {rate: np.geomspace(1, 60, members)})


def test_numbers_are_those_of_this_process(client: Any) -> None:
    ensemble = springs(400)
    expected = sn.solve(ensemble, **OPTIONS)
    for executor in (client, client.get_executor()):
        runs = sn.solve(ensemble, executor=executor, **OPTIONS)
        np.testing.assert_array_equal(runs.y, expected.y)
        np.testing.assert_array_equal(runs.stats.steps, expected.stats.steps)
        assert runs.stats.how.endswith("on a ClientExecutor")
    assert sn.solve(ensemble, executor=client, **OPTIONS).stats.threads == 2


@pytest.mark.parametrize("stored", [False, True])
def test_killed_workers_lose_nothing(client: Any, tmp_path: Path, stored: bool) -> None:
    if stored:
        pytest.importorskip("zarr")
    ensemble = springs()
    expected = sn.solve(ensemble, **OPTIONS)
    before = {worker["pid"] for worker in client.run(_about).values()}
    killed: list[int] = []

    def kill() -> None:
        """Whoever is at work, one after the other, while the solve runs."""
        while not over.wait(0.6) and len(killed) < 2:
            for pid in before - set(killed):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                break

    over = threading.Event()
    hunter = threading.Thread(target=kill)
    hunter.start()
    store = {"store": tmp_path / "runs.zarr"} if stored else {}
    runs = sn.solve(ensemble, executor=client, **store, **OPTIONS)
    over.set()
    hunter.join()
    assert killed
    assert (runs.status == "done").all()
    np.testing.assert_array_equal(runs.y[:], expected.y)
    np.testing.assert_array_equal(runs.stats.steps, expected.stats.steps)
    client.wait_for_workers(2)


def _about() -> dict[str, int]:
    return {"pid": os.getpid()}


def test_chance_is_that_of_this_process(client: Any) -> None:
    A, B = sn.species(A=50, B=0)
    (rate,) = sn.parameters(rate=0.5)
    problem = sn.Problem(sn.ReactionNetwork("births", [sn.Reaction(rate, A >> B)]).jumps(), span=(0, 1))
    many = sn.Ensemble(problem, {rate: np.linspace(0.1, 2, 200), "seed": np.arange(200)})
    np.testing.assert_array_equal(sn.solve(many, executor=client).y, sn.solve(many).y)
