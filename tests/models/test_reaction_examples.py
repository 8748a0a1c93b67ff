"""The example programs about reactions run, and say what is true."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

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
