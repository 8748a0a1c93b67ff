"""The example programs run, and say what is true."""

from __future__ import annotations

import csv
import gzip
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_kundur(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, shared_data: Path
) -> None:
    run(monkeypatch, "kundur_two_area.py", "--event", "fault", "--rtol", "1e-7", "--out", str(tmp_path))
    text = capsys.readouterr().out
    assert re.search(r"8 +0\.95400 +-2\.1271 +1575\.00 +-89\.90j", text)  # power flow
    assert re.search(r"0\.6469 +3\.43 +-0\.1395 \+4\.0646j +g4 37%, g1 28%, g3 21%, g2 14%", text)  # a mode
    assert re.search(r"limits hit or left +4\n", text)
    assert (tmp_path / "kundur.png").stat().st_size > 20_000
    name = "kundur_full_independent_DOP853_fault_bus8.csv.gz"
    with gzip.open(shared_data / "kundur" / "kundur_full" / name, "rt") as file:
        expected = list(csv.reader(file))
    with (tmp_path / "kundur.csv").open() as file:
        found = list(csv.reader(file))
    assert found[0] == expected[0]
    np.testing.assert_allclose(np.array(found[1:], float), np.array(expected[1:], float), atol=1e-5)


def test_lotka_volterra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch, "lotka_volterra.py")
    match = re.search(r"drifts by (\S+)\n", capsys.readouterr().out)
    assert match
    assert float(match[1]) < 1e-6


def test_robertson(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch, "robertson.py")
    match = re.search(r"relative error at 1e11: (\S+)\n", capsys.readouterr().out)
    assert match
    assert float(match[1]) < 1e-5
