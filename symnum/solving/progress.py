"""A progress bar on standard error, for `solve(progress=True)`."""

from __future__ import annotations

import sys
import time

_WIDTH = 40
_INTERVAL = 0.1  # seconds between redraws


class Progress:
    """How far the time has come within the span; drawn at most ten times a second."""

    def __init__(self, name: str, span: tuple[float, float]) -> None:
        self.name, self.span = name, span
        self.began = time.perf_counter()
        self.drawn = -1.0

    def show(self, t: float) -> None:
        now = time.perf_counter()
        if now - self.drawn >= _INTERVAL:
            self.drawn = now
            self._draw(t)

    def close(self) -> None:
        sys.stderr.write("\n")
        sys.stderr.flush()

    def _draw(self, t: float) -> None:
        begin, end = self.span
        part = min(max((t - begin) / (end - begin), 0.0), 1.0)
        filled = round(part * _WIDTH)
        elapsed = time.perf_counter() - self.began
        sys.stderr.write(
            f"\r{self.name} |{'#' * filled}{'.' * (_WIDTH - filled)}| {100 * part:5.1f} %  t = "
            f"{t:.5g}  {elapsed:.1f} s "
        )
        sys.stderr.flush()
