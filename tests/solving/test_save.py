"""Saved models: everything comes back, in another process too, and what is not right is refused."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError


def clock() -> sn.System:
    """A limit, events, an algebraic unknown, an alias, defaults that are expressions, units."""
    x, y, z = sn.variable("x", start=0.3, unit="m"), sn.variable("y", guess=0.5), sn.variable("z", nominal=10)
    same = sn.variable("same")
    (rate,) = sn.parameters(rate=1.25)
    double = sn.parameter(2 * rate, name="double", about="twice the rate")
    return sn.System(
        "clock",
        [
            sn.D(x) == double * sn.cos(3 * sn.t) + y / 7, y + y**3 == x + rate,
            sn.D(z) == y - sn.sqrt(1 + x**2) * z, same == z, sn.Limit(x, low=0.1, high=1.0),
        ],
        events=[
            sn.Event(when=z < 0.25, then={z: z + 0.5 * same}, name="kick"),
            sn.Event(when=sn.t + z - 4.5, terminal=True),
        ],
        defaults={z: rate / 5},
    )  # fmt: skip


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return sn.compile(clock()).save(tmp_path / "clock.symnum")


def test_a_loaded_model_gives_the_same_solution(saved: Path) -> None:
    model, loaded = sn.compile(clock()), sn.load(saved)
    assert (loaded.states, loaded.parameters) == (model.states, model.parameters)
    assert loaded.flat.equation_texts == model.flat.equation_texts
    rate, z, same = (sn.parameters(rate=1.25)[0], sn.variable("z", nominal=10), sn.variable("same"))
    options = {"rtol": 1e-9, "saveat": 0.1}
    for parameters in ({}, {rate: 0.75}, {"double": 1.0}):
        step = sn.Event(at=0.5, then={rate: rate + 0.1})
        expected, found = (
            sn.solve(sn.Problem(each, span=(0, 6), parameters=parameters, events=[step]), **options)
            for each in (model, loaded)
        )
        assert found.status == expected.status
        assert str(found.events) == str(expected.events)
        np.testing.assert_array_equal(found.t, expected.t)
        np.testing.assert_array_equal(found.y, expected.y)
        np.testing.assert_array_equal(found[same + z], expected[same + z])
        np.testing.assert_array_equal(found[sn.D(z)], expected[sn.D(z)])


def test_another_process_needs_the_file_only(saved: Path, tmp_path: Path) -> None:
    program = (
        "import sys, symnum as sn; problem = sn.Problem(sn.load(sys.argv[1]), span=(0, 2));"
        "solution = sn.solve(problem, rtol=1e-9);"
        "print(float(solution['x'][-1]), float(solution['same'][-1]))"
    )
    expected = sn.solve(sn.Problem(clock(), span=(0, 2)), rtol=1e-9)
    command = [sys.executable, "-c", program, str(saved)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [float(text) for text in done.stdout.split()] == [expected["x"][-1], expected["same"][-1]]


def test_a_loaded_model_can_be_saved_and_exported(saved: Path, tmp_path: Path) -> None:
    loaded = sn.load(saved)
    again = loaded.save(tmp_path / "again.symnum")
    assert sn.load(again).states == loaded.states
    first = sn.compile(clock()).export("c", tmp_path / "first.c").read_text()
    assert loaded.export("c", tmp_path / "second.c").read_text() == first


def test_a_file_is_the_same_every_time(saved: Path, tmp_path: Path) -> None:
    assert sn.compile(clock()).save(tmp_path / "again.symnum").read_bytes() == saved.read_bytes()


def test_guards_stay_behind_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    x = sn.variable("x", start=1)
    (k,) = sn.parameters(k=1.0)
    system = sn.System("decay", [sn.D(x) == -k * x], guards=[lambda p: "no" if p["k"] < 0 else None])
    with caplog.at_level(logging.WARNING, "symnum"):
        path = sn.compile(system).save(tmp_path / "decay.symnum")
        loaded = sn.load(path)
    assert [record.message for record in caplog.records] == [
        "decay: checks of parameter values (guards) are functions and are not saved",
        "decay: loaded without the checks of parameter values that its system makes",
    ]
    assert sn.solve(sn.Problem(loaded, parameters={k: -1}))["x"][-1] == pytest.approx(np.e, rel=1e-5)


# ---- what is refused --------------------------------------------------------------------------------
def test_every_cut_and_every_flipped_byte_is_noticed(saved: Path, tmp_path: Path) -> None:
    data = saved.read_bytes()
    broken = tmp_path / "broken.symnum"
    for length in (*range(0, 60, 7), len(data) // 2, len(data) - 1):
        broken.write_bytes(data[:length])
        with pytest.raises(ModelError, match=r"not a saved model|cut off or damaged"):
            sn.load(broken)
    for place in (20, 50, len(data) // 2, len(data) - 1):
        broken.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(ModelError, match="cut off or damaged"):
            sn.load(broken)
    broken.write_bytes(data + b"more")
    with pytest.raises(ModelError, match="cut off or damaged"):
        sn.load(broken)


def test_other_versions_other_files_and_no_file(saved: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(saved.read_bytes().replace(b"symnum model 4\n", b"symnum model 99\n", 1))
    with pytest.raises(ModelError, match="has version 99 of the format and this symnum reads version 4"):
        sn.load(other)
    other.write_text("t,x\n0,1\n")
    with pytest.raises(ModelError, match="is not a saved model"):
        sn.load(other)
    with pytest.raises(ModelError, match="cannot be read"):
        sn.load(tmp_path / "absent")


def test_a_file_holds_no_pickles(tmp_path: Path) -> None:
    """A payload with a valid digest whose arrays are Python objects is refused, not run."""
    import io
    from hashlib import blake2b

    buffer = io.BytesIO()
    np.savez(buffer, text=np.array([{"a": 1}], dtype=object))
    payload = buffer.getvalue()
    path = tmp_path / "pickle.symnum"
    path.write_bytes(b"symnum model 4\n" + blake2b(payload, digest_size=32).digest() + payload)
    with pytest.raises(ModelError, match="does not fit this one"):
        sn.load(path)
