"""RESULTS.md, one section a benchmark, and the machine that its figures belong to."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).with_name("RESULTS.md")


def replace_section(name: str, lines: list[str]) -> None:
    """Put lines between the marks of this name in RESULTS.md, in place of what stood there."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    text = "\n".join([begin, *lines, end])
    old = RESULTS.read_text() if RESULTS.exists() else ""
    if begin in old:
        before, rest = old.split(begin, 1)
        RESULTS.write_text(before + text + rest.split(end, 1)[1])
    else:
        RESULTS.write_text(f"{old.rstrip()}\n\n{text}\n")


def machine() -> str:
    """Versions and processor, for the line below a table's title."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    processor = f"{os.cpu_count()} x {names[0]}" if names else platform.processor()
    return f"Python {platform.python_version()}, numpy {np.__version__}, {processor}."
