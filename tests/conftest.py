"""Shared by all tests: a cache directory of their own, the reference data, reproducible random examples."""

import importlib.util
import os
import tempfile
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

# The same examples on every machine and in every run; no time limits on shared machines.
settings.register_profile("symnum", derandomize=True, deadline=None, database=None)
settings.load_profile("symnum")

REPOSITORY = Path(__file__).resolve().parents[1]


_CACHE = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """One empty cache for the whole run, set before any test module is imported.

    Nothing stale is read, and the kernels are compiled only once. $SYMNUM_TEST_CACHE names a folder to use
    instead, which saves the compilation in repeated runs.
    """
    kept = os.environ.get("SYMNUM_TEST_CACHE")
    if not kept:
        config.stash[_CACHE] = tempfile.TemporaryDirectory(prefix="symnum-tests-")
        kept = config.stash[_CACHE].name
    os.environ["SYMNUM_CACHE"] = kept
    os.environ["MPLBACKEND"] = "Agg"  # figures are drawn to files, never to a screen


def pytest_unconfigure(config: pytest.Config) -> None:
    if _CACHE in config.stash:
        config.stash[_CACHE].cleanup()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root folder of the repository, which holds pyproject.toml."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the larger reference sets: $SYMNUM_DATA, or shared/data beside the repository."""
    given = os.environ.get("SYMNUM_DATA")
    if given and not Path(given).is_dir():
        pytest.fail(f"SYMNUM_DATA names {given}, which is no folder")
    folder = Path(given) if given else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the reference data are absent: set SYMNUM_DATA, or provide {folder}")
    return folder


@pytest.fixture(scope="session")
def electrical() -> ModuleType:
    """Electrical components, `electrical.py` beside this file."""
    return _beside("electrical")


@pytest.fixture(scope="session")
def hybrid() -> ModuleType:
    """Problems with triggers, `hybrid.py` beside this file."""
    return _beside("hybrid")


def _beside(name: str) -> ModuleType:
    """A module of this folder: tests are no package, it is loaded by its place."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
