"""The example programs about reactions run, and say what is true."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import eigh_tridiagonal

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_toggle_switch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "toggle.png"
    monkeypatch.setattr(sys, "argv", ["toggle_switch.py", str(picture)])
    runpy.run_path(str(EXAMPLES / "toggle_switch.py"), run_name="__main__")
    found = re.findall(r"<fold at alpha = ([0-9.]+)> with U = ([0-9.]+)", capsys.readouterr().out)
    w = np.roots([1, 3, 3 - 27, 1 + 9])  # (1 + w)^3 + 9 (1 - 3w) = 0 for w = U^2
    u = np.sort(np.sqrt(w[w > 0].real))
    exact = np.column_stack([u * (1 + 9 / (1 + u**2) ** 2), u])
    assert np.array(found, float) == pytest.approx(exact, rel=1e-6)
    assert picture.stat().st_size > 10_000


def test_schloegl(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "schloegl.png"
    monkeypatch.setattr(sys, "argv", ["schloegl.py", str(picture)])
    runpy.run_path(str(EXAMPLES / "schloegl.py"), run_name="__main__")
    told = capsys.readouterr().out
    low, steady = (float(found) for found in re.findall(r"20 ([0-9.]+) %.* X = ([0-9.]+)", told)[0])
    # the master equation: a chain of births and deaths, made symmetric by the square roots of its equilibrium
    x = np.arange(900.0)
    birth = 0.03 * x * (x - 1) / 2 + 200
    death = 1e-4 * x * (x - 1) * (x - 2) / 6 + 3.5 * x
    birth[-1] = 0.0
    weight = np.concatenate([[0.0], np.cumsum(np.log(birth[:-1]) - np.log(death[1:]))]) / 2
    values, vectors = eigh_tridiagonal(-(birth + death), np.sqrt(birth[:-1] * death[1:]))
    spread = np.exp(np.clip(weight - weight[250], -300, 300))
    chance = spread * (vectors @ (np.exp(20 * values) * vectors[250]))
    exact = chance[:300].sum()
    assert chance.sum() == pytest.approx(1, abs=1e-6)
    assert low / 100 == pytest.approx(exact, abs=4.5 * np.sqrt(exact * (1 - exact) / 1000))
    roots = np.roots([-1e-4 / 6, 0.03 / 2 + 3e-4 / 6, -0.03 / 2 - 2e-4 / 6 - 3.5, 200.0])
    assert steady == pytest.approx(roots.real.max(), rel=1e-3)
    assert picture.stat().st_size > 10_000
