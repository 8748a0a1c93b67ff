"""``python -m symnum.rewriting.calibrate``: measure what operations cost on this machine, once.

Each function runs over an array of arguments in compiled code, which calls the same scalar functions as
generated code does. The unit is a quarter of the latency of an addition. Division and square root are
vectorized here as in straight-line code they are not, so they come out low; they never count less than one
addition. The table goes to the user's cache directory; ``simplify(..., target="native")`` reads
it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from symnum.errors import ModelError
from symnum.rewriting.cost import CPU, CostTable

COUNT = 4096
OVERLAP = 4.0
"""Additions that a core has under way at once: a chain of them shows their latency, not what they cost."""

REPEATS = 7

_MEASURED = (
    "sin cos tan asin acos atan sinh cosh tanh asinh exp expm1 log log1p log10 erf atan2 hypot pow sqrt div"
)
_TWO = frozenset({"atan2", "hypot", "pow", "div"})


def path() -> Path:
    """Where the table is kept: beside the compiled models."""
    chosen = os.environ.get("SYMNUM_CACHE")
    if chosen:
        return Path(chosen) / "costs.json"
    base = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "symnum" / "costs.json"


def stored() -> CostTable:
    """The measured table. ModelError when nothing was measured, or what is stored makes no sense."""
    try:
        found = json.loads(path().read_text())
        functions = {**CPU.functions, **{name: float(cost) for name, cost in found["functions"].items()}}
        table = CostTable(float(found["division"]), float(found["square_root"]), functions)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"simplify: target 'native' has no measured costs ({error}). Run python -m "
            "symnum.rewriting.calibrate once, or use target='cpu'."
        ) from None
    if not all(0 <= cost < 1e4 for cost in (*functions.values(), table.division, table.square_root)):
        raise ModelError(f"simplify: the costs in {path()} are not usable. Run calibrate again.")
    return table


def measure() -> CostTable:
    """Costs in units of one addition; at least that of an addition each."""
    seconds = _seconds()
    unit = seconds.pop("add")
    costs = {name: round(max(1.0, value / unit), 1) for name, value in seconds.items()}
    division, root = costs.pop("div"), costs.pop("sqrt")
    return CostTable(division, root, {**CPU.functions, **costs})


def _seconds() -> dict[str, float]:
    """Time of one operation each, the loop around it taken off."""
    numba: Any = importlib.import_module("numba")
    names = _MEASURED.split()
    scope: dict[str, Any] = {"math": importlib.import_module("math")}
    exec(_source(names), scope)
    run = numba.njit(scope["run"])
    draw = np.random.default_rng(0)
    x, y = draw.uniform(0.1, 0.9, COUNT), draw.uniform(0.1, 0.9, COUNT)
    out = np.empty(COUNT)
    best = np.full(len(names) + 2, np.inf)
    for which in range(len(best)):
        run(which, x, y, out)
        for _ in range(REPEATS):
            start = time.perf_counter()
            run(which, x, y, out)
            best[which] = min(best[which], time.perf_counter() - start)
    empty, add = best[0], best[1]
    found = {name: max(best[k + 2] - empty, 0.0) / COUNT for k, name in enumerate(names)}
    return {**found, "add": add / (OVERLAP * COUNT)}


def _source(names: list[str]) -> str:
    """One function with a loop for each operation: compiled in one go, which is most of the time."""
    bodies = ["out[k] = x[k]", "a = a + x[k]"]
    for name in names:
        if name == "div":
            bodies.append("out[k] = x[k] / y[k]")
        elif name == "pow":
            bodies.append("out[k] = x[k] ** y[k]")
        else:
            bodies.append(f"out[k] = math.{name}(x[k]{', y[k]' if name in _TWO else ''})")
    lines = ["def run(which, x, y, out):", "    n = len(x)", "    a = 0.0"]
    for number, body in enumerate(bodies):
        lines.append(f"    if which == {number}:")
        lines.append("        for k in range(n):")
        lines.append(f"            {body}")
    return "\n".join([*lines, "    return a"])


def save(table: CostTable) -> Path:
    """Write the table and return where."""
    place = path()
    place.parent.mkdir(parents=True, exist_ok=True)
    content = {**table._asdict(), "functions": dict(table.functions)}
    temporary = place.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content, indent=1))
    temporary.replace(place)
    return place


def main() -> None:
    start = time.perf_counter()
    table = measure()
    place = save(table)
    sys.stdout.write(f"{place} ({time.perf_counter() - start:.1f} s)\n")
    names = ("sin", "exp", "log", "tanh", "pow")
    shown = ", ".join(f"{name} {table.functions[name]:g}" for name in names)
    sys.stdout.write(f"division {table.division:g}, square root {table.square_root:g}, {shown}\n")


if __name__ == "__main__":
    main()
