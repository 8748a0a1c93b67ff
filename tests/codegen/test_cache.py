"""The on-disk cache: damage, permissions, races."""

import math
import os
import subprocess
import sys

import pytest

from symnum.codegen import cache, elf


@pytest.fixture
def directory(tmp_path, monkeypatch):
    path = tmp_path / "cache"
    monkeypatch.setenv("SYMNUM_CACHE", str(path))
    return path


def test_digest_depends_on_content_and_boundaries():
    assert cache.digest("ab", "c") == cache.digest(b"ab", b"c")
    others = {cache.digest("ab", "c"), cache.digest("a", "bc"), cache.digest("abc"), cache.digest("abc", "")}
    assert len(others) == 4


def test_what_is_stored_comes_back(directory):
    assert cache.fetch("object", "k") is None
    cache.store("object", "k", b"\x00payload")
    assert cache.fetch("object", "k") == b"\x00payload"
    assert cache.fetch("text", "k") is None
    assert directory.stat().st_mode & 0o777 == 0o700
    assert [p.name for p in directory.iterdir()] == ["object-k"]


DAMAGES = [lambda d: d[:-1], lambda d: d[:10], lambda d: b"", lambda d: d[:-3] + b"xyz"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_entries_are_misses(directory, damage):
    cache.store("object", "k", b"payload of some length")
    path = directory / "object-k"
    path.write_bytes(damage(path.read_bytes()))
    assert cache.fetch("object", "k") is None


def test_unusable_directories_mean_no_cache(directory, tmp_path, monkeypatch):
    directory.mkdir(mode=0o700)
    directory.chmod(0o777)  # anybody could plant code here
    assert cache.directory() is None
    cache.store("object", "k", b"x")
    assert cache.fetch("object", "k") is None
    assert list(directory.iterdir()) == []
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SYMNUM_CACHE", str(tmp_path / "file" / "below"))
    cache.store("object", "k", b"x")
    assert cache.fetch("object", "k") is None


OLD, OLDER, NEW = (cache.digest(name) for name in ("old", "older", "new"))


def test_the_least_recently_used_go_first(directory, monkeypatch):
    for key, age in ((OLD, 300), (OLDER, 400), (NEW, 10)):
        cache.store("object", key, b"." * 400_000)
        stamp = (directory / f"object-{key}").stat().st_mtime - age
        os.utime(directory / f"object-{key}", (stamp, stamp))
    (directory / "notes-of-the-user").write_bytes(b"." * 400_000)
    assert cache.fetch("object", OLD) is not None  # used just now
    monkeypatch.setenv("SYMNUM_CACHE_LIMIT", "1")
    cache.store("model", NEW, b"." * 100_000)  # more than a sixteenth of the limit
    kept = {p.name for p in directory.iterdir()}
    assert kept == {f"object-{OLD}", f"object-{NEW}", f"model-{NEW}", "notes-of-the-user"}


@pytest.mark.parametrize(
    ("setting", "wanted"), [("3", 3 << 20), ("0.5", 1 << 19), ("much", 1 << 30), ("inf", 1 << 30)]
)
def test_the_limit_is_set_in_megabytes(monkeypatch, setting, wanted):
    monkeypatch.setenv("SYMNUM_CACHE_LIMIT", setting)
    assert cache.limit() == wanted


def test_leftovers_of_killed_processes_go(directory):
    cache.store("object", OLD, b"x")
    for name, age in (("tmp-1-2-3", 7200), ("tmp-1-2-4", 60)):
        (directory / name).write_text("half an entry")
        stamp = (directory / name).stat().st_mtime - age
        os.utime(directory / name, (stamp, stamp))
    cache._prune(directory)
    assert {p.name for p in directory.iterdir()} == {"tmp-1-2-4", f"object-{OLD}"}


def run_command(*arguments):
    command = [sys.executable, "-m", "symnum.codegen.cache", *arguments]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=60)


def test_the_command_shows_and_clears(directory):
    cache.store("object", OLD, b"." * (1 << 20))
    cache.store("model", OLD, b"x")
    (directory / "notes-of-the-user").write_text("kept")
    shown = run_command()
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"{directory}: 2 files, 1.0 MB" in shown.stdout
    assert "object        1 files" in shown.stdout
    assert run_command("clear").stdout == f"{directory}: 2 files deleted\n"
    assert [p.name for p in directory.iterdir()] == ["notes-of-the-user"]
    assert run_command("burn").returncode == 2


def test_the_command_says_when_there_is_no_cache(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SYMNUM_CACHE", str(tmp_path / "file" / "below"))
    shown = run_command()
    assert shown.returncode == 1
    assert "SYMNUM_CACHE" in shown.stdout


def test_processes_share_one_directory(directory):
    program = (
        "from symnum.codegen import cache\n"
        "for k in range(200):\n"
        "    cache.store('object', str(k % 5), bytes([k % 5]) * 5000)\n"
        "    data = cache.fetch('object', str(k % 5))\n"
        "    assert data == bytes([k % 5]) * 5000\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program], env=dict(os.environ)) for _ in range(4)]
    assert [process.wait(timeout=60) for process in running] == [0] * 4
    assert sorted(p.name for p in directory.iterdir()) == [f"object-{k}" for k in range(5)]


COMPILE = """
import sys
import symnum as sn
x, y = sn.variables("x y")
(k,) = sn.parameters(k=2.0)
model = sn.compile(sn.System("pair", [sn.D(x) == k*y, sn.D(y) == -sn.sin(x)*y]))
print(model.rhs(0.0, [0.5, 3.0], [2.0]).tolist())
"""


def compiling():
    return subprocess.Popen(
        [sys.executable, "-c", COMPILE], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def test_eight_processes_that_compile_one_model_leave_one_good_entry(directory):
    running = [compiling() for _ in range(8)]
    answers = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 8
    assert len(set(answers)) == 1
    rhs = [float(value) for value in answers[0].strip("[]\n").split(",")]
    assert rhs == pytest.approx([6.0, -math.sin(0.5) * 3.0], rel=1e-15)
    names = sorted(entry.name for entry in directory.iterdir())
    assert [name.partition("-")[0] for name in names] == ["model", "object", *["target"] * elf.supported()]
    for name in names:
        assert cache.fetch(*name.split("-")) is not None


def test_a_damaged_model_is_made_again(directory):
    first = compiling().communicate(timeout=60)[0]
    genuine = {entry: entry.read_bytes() for entry in directory.iterdir()}
    for entry, data in genuine.items():
        entry.write_bytes(data[: len(data) // 2])
    assert compiling().communicate(timeout=60)[0] == first != ""
    assert {entry: entry.read_bytes() for entry in directory.iterdir()} == genuine


@pytest.mark.parametrize("setting", ["SYMNUM_CACHE", "XDG_CACHE_HOME", "HOME"])
def test_without_a_writable_directory_models_compile(monkeypatch, setting):
    for name in ("SYMNUM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(setting, os.devnull)  # nobody can make a directory there
    assert cache.directory() is None
    process = compiling()
    assert process.communicate(timeout=60)[0].startswith("[6.0, ")
    assert process.returncode == 0
