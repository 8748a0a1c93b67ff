"""The repository's layout and what an installation would contain."""

import importlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOMS_BY_LINK = ("codegen", "models", "rewriting")


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


def packages_on_disk(repository: Path) -> set[str]:
    """Every folder with Python files below symnum/ and the three rooms beside it, as dotted names."""
    found = set()
    for top, dotted in [("symnum", "symnum"), *((room, f"symnum.{room}") for room in ROOMS_BY_LINK)]:
        for folder, subfolders, files in os.walk(repository / top):
            # the links lead to rooms that are walked by themselves
            real = [name for name in subfolders if not (Path(folder) / name).is_symlink()]
            subfolders[:] = [name for name in real if name != "__pycache__"]
            if any(file.endswith(".py") for file in files):
                below = Path(folder).relative_to(repository / top).parts
                found.add(".".join((dotted, *below)))
    return found


def test_every_package_is_listed(repository: Path, project: dict[str, Any]) -> None:
    listed = project["tool"]["setuptools"]["packages"]
    assert listed == sorted(set(listed)), "keep [tool.setuptools] packages sorted and free of duplicates"
    assert set(listed) == packages_on_disk(repository), "pyproject.toml [tool.setuptools] packages"


def test_every_package_has_an_init(repository: Path, project: dict[str, Any]) -> None:
    """Without one a folder becomes a namespace package, which static tools and the import contract skip."""
    for package in project["tool"]["setuptools"]["packages"]:
        # through the links every package lies where its dotted name says
        assert (repository / package.replace(".", "/") / "__init__.py").is_file(), package


@pytest.mark.parametrize("room", ROOMS_BY_LINK)
def test_links_are_relative_and_lead_to_the_rooms(room: str, repository: Path) -> None:
    link = repository / "symnum" / room
    assert link.is_symlink()
    assert os.readlink(link) == f"../{room}"


@pytest.mark.parametrize("room", ROOMS_BY_LINK)
def test_bare_name_is_refused(room: str, repository: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", f"import {room}"], cwd=repository, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert f"ImportError: this folder is the package symnum.{room}" in run.stderr


@pytest.mark.parametrize("room", ROOMS_BY_LINK)
def test_rooms_exist_once(room: str, repository: Path) -> None:
    module = importlib.import_module(f"symnum.{room}")
    assert module.__file__ is not None
    assert Path(module.__file__).resolve() == repository / room / "__init__.py"
    assert room not in sys.modules


def test_data_files_are_packaged(repository: Path, project: dict[str, Any]) -> None:
    """Every file of the packages that is not Python has a pattern in package-data, or a wheel lacks it."""
    patterns = [Path(pattern) for pattern in project["tool"]["setuptools"]["package-data"]["*"]]
    for path in data_files(repository):
        package = next(folder for folder in path.parents if (folder / "__init__.py").is_file())
        inside = path.relative_to(package)
        # a pattern holds from the package's folder on, and its * does not cross folders
        fits = [len(p.parts) == len(inside.parts) and inside.match(str(p)) for p in patterns]
        assert any(fits), path


def data_files(repository: Path) -> list[Path]:
    """What lies in the packages beside Python files and caches."""
    tops = [repository / top for top in ("symnum", *ROOMS_BY_LINK)]
    files = [path for top in tops for path in top.rglob("*") if path.is_file()]
    return [path for path in files if path.suffix != ".py" and "__pycache__" not in path.parts]


def test_version_is_stated_once(repository: Path) -> None:
    import symnum

    changelog = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    citation = (repository / "CITATION.cff").read_text(encoding="utf-8")
    assert f"## {symnum.__version__}" in changelog
    assert f"version: {symnum.__version__}\n" in citation


def test_optional_packages_are_not_required(project: dict[str, Any]) -> None:
    required = {name.split(">")[0].split("=")[0] for name in project["project"]["dependencies"]}
    assert required == {"numpy", "scipy", "numba", "llvmlite", "sympy", "networkx", "egglog"}
