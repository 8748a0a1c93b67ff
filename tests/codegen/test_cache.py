"""The on-disk cache: damage, permissions, races."""

import os
import subprocess
import sys

import pytest

from symnum.codegen import cache


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
    directory.chmod(0o777)                       # anybody could plant code here
    assert cache.directory() is None
    cache.store("object", "k", b"x")
    assert cache.fetch("object", "k") is None
    assert list(directory.iterdir()) == []
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SYMNUM_CACHE", str(tmp_path / "file" / "below"))
    cache.store("object", "k", b"x")
    assert cache.fetch("object", "k") is None


def test_the_least_recently_used_go_first(directory, monkeypatch):
    monkeypatch.setattr(cache, "_SIZE_LIMIT", 2500)
    for name, age in (("old", 300), ("older", 400), ("new", 10)):
        cache.store("object", name, b"." * 1000)
        stamp = (directory / f"object-{name}").stat().st_mtime - age
        os.utime(directory / f"object-{name}", (stamp, stamp))
    assert cache.fetch("object", "old") is not None          # used just now
    cache._prune(directory)
    assert {p.name for p in directory.iterdir()} == {"object-old", "object-new"}


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
