"""The README is true: its code runs as printed, and the files it names exist."""

import math
import re
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def readme(repository: Path) -> str:
    return (repository / "README.md").read_text(encoding="utf-8")


def test_code_runs_as_printed(readme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = re.findall(r"^```python\n(.*?)^```$", readme, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    sol, x, y, z = (names[name] for name in ("sol", "x", "y", "z"))
    assert names["profile"].shape[1] == 200
    # little but the slowest mode is left: exp(-a (pi/2)^2 t) times the first coefficient of the start, 8/pi^2
    slowest = 8 / math.pi**2 * math.exp(-0.1 * math.pi**2 / 4)
    assert names["profile"][-1, -1] == pytest.approx(slowest, rel=0.02)
    S, E, SE, P = (names[name] for name in ("S", "E", "SE", "P"))
    assert names["enzyme"].conserved_quantities() == (E + SE, P + S + SE)
    assert names["kinetics"][S + SE + P] == pytest.approx(100)
    # the Lorenz attractor lies within this box for the classical parameters
    assert sol.t[-1] == 30
    assert abs(sol[x]).max() < 25
    assert abs(sol[y]).max() < 30
    assert 0 <= sol[z].min() < sol[z].max() < 55


def test_commands_are_as_promised(readme: str) -> None:
    assert 'pip install -e ".[plot]" && python examples/kundur_two_area.py\n' in readme
    assert 'pip install -e ".[test]" && pytest\n' in readme


def test_named_files_exist(readme: str, repository: Path) -> None:
    links = re.findall(r"\]\(([\w./-]+)\)", readme)
    folders = re.findall(r"^\| `([\w/]+)`", readme, flags=re.MULTILINE)
    named = {*links, *folders, "examples/kundur_two_area.py"}
    missing = {name for name in named if not (repository / name).exists()}
    assert not missing
