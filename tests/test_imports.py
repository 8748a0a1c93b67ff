"""`import symnum` is a light table of names, the table is right, and the rooms import downwards only."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import symnum
from symnum import errors

HEAVY = {"numpy", "scipy", "numba", "llvmlite", "sympy", "networkx", "egglog", "matplotlib", "pandas"}


def modules_after(code: str) -> set[str]:
    """Top-level names in sys.modules of a fresh interpreter after it ran the code."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return {name.partition(".")[0] for name in run.stdout.split()}


def test_import_is_light() -> None:
    assert not modules_after("import symnum; dir(symnum); symnum.errors") & HEAVY


@pytest.mark.parametrize("name", symnum._MODULES)
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(symnum, name)
    assert value is getattr(importlib.import_module(symnum._MODULES[name]), name)


def test_public_names_are_listed() -> None:
    assert set(symnum.__all__) == {*symnum._MODULES, *errors.__all__}
    assert set(symnum.__all__) <= set(dir(symnum))


def test_type_checkers_see_the_same_table() -> None:
    """The imports under TYPE_CHECKING name the same modules as the table that works at run time."""
    tree = ast.parse(Path(symnum.__file__ or "").read_text(encoding="utf-8"))
    block = next(
        node
        for node in tree.body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    )
    seen = {
        alias.asname or alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == symnum._MODULES


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="module 'symnum' has no attribute 'sovle'"):
        _ = symnum.sovle  # type: ignore[attr-defined]


def test_rooms_import_downwards_only(repository: Path) -> None:
    # the tool has no stable Python interface; its command is what CI runs as well
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    run = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    for room in ("models", "solving", "lowering", "language", "codegen", "rewriting"):
        assert (repository / "symnum" / room / "__init__.py").is_file()
