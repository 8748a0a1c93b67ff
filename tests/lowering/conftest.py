"""The published models whose structure is known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import symnum as sn


@pytest.fixture(scope="session")
def reference_models(shared_data: Path) -> dict[str, Any]:
    return dict(json.loads((shared_data / "structural_dae" / "models.json").read_text()))


@pytest.fixture(scope="session")
def reference_model(reference_models: dict[str, Any]) -> Callable[[str], sn.System]:
    """The system of that name."""

    def make(name: str) -> sn.System:
        data = reference_models[name]
        names = [_renamed(unknown) for unknown in data["unknowns"]]
        symbols = dict(zip(names, sn.variables(" ".join(names)), strict=True))
        return sn.System(name, [_parsed(text, symbols) for text in data["equations"]])

    return make


def _parsed(text: str, symbols: dict[str, Any]) -> Any:
    """`left=right` of the reference models: der(x), time, ^, and single-valued functions."""
    text = re.sub(r"der\((\w+)\)", r"D(\1)", text).replace("^", "**").replace("time", "t")
    left, right = _renamed(text).split("=")
    names = {"D": sn.D, "t": sn.t, "sin": sn.sin, "cos": sn.cos, "exp": sn.exp, **symbols}
    return sn.Eq(eval(left, names), eval(right, names))


def _renamed(text: str) -> str:
    return text.replace("lambda", "lam")  # a keyword of Python
