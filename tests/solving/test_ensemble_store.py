"""Results on disk: found again, repaired where files are damaged, and safe on a full disk."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError
from symnum.solving.ensembles.members import Inputs, Outcome

pytest.importorskip("zarr")

x, y = sn.variables("x y")
k, gain = sn.parameters(k=1.0, gain=2.0)
D = sn.D
RATES = np.linspace(0.1, 2.0, 1000)
OPTIONS: dict[str, Any] = {"method": "Tsit5", "rtol": 1e-8, "saveat": [0.0, 0.7, 2.0]}


def decay(**parameters: float) -> sn.Problem:
    system = sn.System("decay", [D(x) == -k * x, D(y) == gain * x])
    return sn.Problem(system, {x: 1, y: 0}, (0, 2), parameters)


def ensemble() -> sn.Ensemble:
    return sn.Ensemble(decay(), {k: RATES})


class Counted:
    """How many members were run, however."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from symnum.solving.ensembles.deterministic import DeterministicRuns

        self.members = 0
        run = DeterministicRuns.__call__

        def counted(runs: DeterministicRuns, given: Inputs, out: Outcome) -> None:
            self.members += len(given)
            run(runs, given, out)

        monkeypatch.setattr(DeterministicRuns, "__call__", counted)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


def test_members_that_are_there_are_not_run_again(tmp_path: Path, counted: Counted) -> None:
    expected = sn.solve(ensemble(), **OPTIONS)
    counted.members = 0
    first = sn.solve(ensemble(), store=tmp_path / "runs.zarr", **OPTIONS)
    assert counted.members == 1000
    again = sn.solve(ensemble(), store=str(tmp_path / "runs.zarr"), **OPTIONS)
    assert counted.members == 1000
    for runs in (first, again):
        np.testing.assert_array_equal(runs.y[:], expected.y)
        np.testing.assert_array_equal(runs[x + k * y], expected[x + k * y])
        np.testing.assert_array_equal(runs.final, expected.final)
        np.testing.assert_array_equal(runs.member(7)[y], expected.member(7)[y])
        np.testing.assert_array_equal(runs.stats.steps, expected.stats.steps)
        assert runs.failed.tolist() == []
    exact = np.exp(-RATES[:, None] * expected.t)
    assert again[x] == pytest.approx(exact, rel=1e-6)


def files(store: Path, array: str) -> list[Path]:
    return sorted(path for path in (store / array / "c").rglob("*") if path.is_file())


@pytest.mark.parametrize("damage", ["cut off", "flipped", "emptied", "missing"])
@pytest.mark.parametrize("array", ["y", "status", "steps", "written"])
def test_a_damaged_file_is_found_and_its_members_run_again(
    tmp_path: Path, counted: Counted, damage: str, array: str
) -> None:
    store = tmp_path / "runs.zarr"
    expected = sn.solve(ensemble(), **OPTIONS)
    sn.solve(ensemble(), store=store, **OPTIONS)
    victim = files(store, array)[5]
    data = victim.read_bytes()
    if damage == "cut off":
        victim.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        middle = len(data) // 2
        victim.write_bytes(data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :])
    elif damage == "emptied":
        victim.write_bytes(b"")
    else:
        victim.unlink()
    counted.members = 0
    runs = sn.solve(ensemble(), store=store, **OPTIONS)
    assert 0 < counted.members <= 32
    np.testing.assert_array_equal(runs.y[:], expected.y)
    np.testing.assert_array_equal(runs.stats.steps, expected.stats.steps)


def test_executors_and_chance_write_to_it_too(tmp_path: Path) -> None:
    A, B = sn.species(A=50, B=0)
    (rate,) = sn.parameters(rate=0.5)
    problem = sn.Problem(sn.ReactionNetwork("births", [sn.Reaction(rate, A >> B)]).jumps(), span=(0, 1))
    many = sn.Ensemble(problem, {rate: np.linspace(0.1, 2, 200)})
    expected = sn.solve(many, seed=3)
    with ThreadPoolExecutor(2) as pool:
        runs = sn.solve(many, seed=3, store=tmp_path / "seeded", executor=pool)
    np.testing.assert_array_equal(runs.y[:], expected.y)
    np.testing.assert_array_equal(runs.stats.events, expected.stats.events)
    with pytest.raises(ModelError, match="with other seed"):
        sn.solve(many, seed=4, store=tmp_path / "seeded")
    # without a seed the folder keeps the streams, and what is missing continues them
    first = sn.solve(many, store=tmp_path / "any").y[:]
    files(tmp_path / "any", "y")[3].unlink()
    np.testing.assert_array_equal(sn.solve(many, store=tmp_path / "any").y[:], first)


def test_another_ensemble_is_not_mixed_in(tmp_path: Path) -> None:
    store = tmp_path / "runs.zarr"
    sn.solve(ensemble(), store=store, **OPTIONS)
    for changed, name in (
        ({"rtol": 1e-9}, "rtol"), ({"method": "Vern7"}, "method"), ({"saveat": [2.0]}, "saveat"),
        ({"atol": 1e-12}, "atol"),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=f"with other {name};"):
            sn.solve(ensemble(), store=store, **{**OPTIONS, **changed})
    with pytest.raises(ModelError, match="with other parameters;"):
        sn.solve(sn.Ensemble(decay(gain=3.0), {k: RATES}), store=store, **OPTIONS)
    other = sn.System("decay", [D(x) == -k * x, D(y) == gain * x**2])
    with pytest.raises(ModelError, match="with other equations"):
        sn.solve(sn.Ensemble(sn.Problem(other, {x: 1, y: 0}, (0, 2)), {k: RATES}), store=store, **OPTIONS)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(ModelError, match="is no store of an ensemble"):
        sn.solve(ensemble(), store=tmp_path / "mine", **OPTIONS)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_the_folder_opens_as_a_dataset(tmp_path: Path) -> None:
    import xarray

    runs = sn.solve(ensemble(), store=tmp_path / "runs.zarr", **OPTIONS)
    with xarray.open_zarr(tmp_path / "runs.zarr", consolidated=False) as data:
        assert data.y.dims == ("member", "state", "t")
        np.testing.assert_array_equal(data.y.sel(state="x").values, runs[x])
        np.testing.assert_array_equal(data.parameters.sel(parameter="k").values, RATES)
        assert data.t.values.tolist() == [0.0, 0.7, 2.0]
        meanings = data.status.attrs["flag_meanings"].split()
        assert {meanings[code] for code in data.status.values} == {"done"}
    assert runs.to_xarray("y")["y"].sel(t=2.0).values.tolist() == runs[y][:, -1].tolist()
    assert runs.to_dataframe("x").loc[(3, 0.7), "x"] == runs[x][3, 1]


PROGRAM = """
import resource, sys
import numpy as np, symnum as sn
from tests_of_store import OPTIONS, RATES, decay, k, x
many = sn.Ensemble(decay(), {k: RATES, x: np.where(np.arange(1000) < 500, 0.0, 1.0)})
options = {**OPTIONS, "saveat": np.linspace(0, 2, 501), "store": sys.argv[1]}
sn.solve(sn.Ensemble(decay(), {k: RATES[:9]}), **{**OPTIONS, "saveat": 0.1})  # compiled, on another file
# the zeros of the first half of the members take next to nothing, the numbers of the others more than this
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
try:
    sn.solve(many, **options)
except sn.SolveFailed as error:
    print(error)
    print(int((error.solution.status == "done").sum()))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print((sn.solve(many, **options).status == "done").all())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are those of Unix")
def test_a_full_disk_stops_the_run_and_loses_nothing(tmp_path: Path) -> None:
    """No file may grow beyond a limit, which looks as a full disk does to who writes."""
    (tmp_path / "tests_of_store.py").write_text(Path(__file__).read_text("utf-8"), "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "runs.zarr")], capture_output=True, text=True,
        check=False, cwd=tmp_path, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    message, there, whole = done.stdout.splitlines()
    assert "runs.zarr cannot be written: File too large" in message
    assert "members are in it; make room and solve again with the same store=" in message
    assert 400 <= int(there) < 600
    assert whole == "True"


def test_the_same_system_has_the_same_description_in_every_process(tmp_path: Path) -> None:
    """The order in which a process hashes texts has nothing to do with it."""
    program = (
        "import symnum as sn; from tests_of_store import decay; from symnum.lowering.save import pack;"
        "from symnum.codegen.cache import digest; print(digest(pack(decay().flat, {}, 'default')))"
    )
    (tmp_path / "tests_of_store.py").write_text(Path(__file__).read_text("utf-8"), "utf-8")
    found = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(found) == 1
