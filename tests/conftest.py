"""Shared by all tests: a cache directory of their own, the reference data, reproducible random examples."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples on every machine and in every run; no time limits on shared machines.
settings.register_profile("symnum", derandomize=True, deadline=None, database=None)
settings.load_profile("symnum")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One empty cache for the whole run: nothing stale is read, and the kernels are compiled only once.

    The user's own setting is honoured when it is given as SYMNUM_TEST_CACHE, which saves the compilation in
    repeated runs.
    """
    with pytest.MonkeyPatch.context() as patch:
        kept = os.environ.get("SYMNUM_TEST_CACHE")
        patch.setenv("SYMNUM_CACHE", kept or str(tmp_path_factory.mktemp("cache")))
        patch.setenv("MPLBACKEND", "Agg")  # figures are drawn to files, never to a screen
        yield


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
