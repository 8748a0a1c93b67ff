"""Progress bars on standard error: of the time in a run, of the members of an ensemble."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol

_WIDTH = 40
_INTERVAL = 0.1  # seconds between redraws


class Bar(Protocol):
    def show(self, done: int) -> None:
        """So many members are done."""

    def close(self) -> None:
        """Nothing more will come."""


def members_bar(name: str, members: int) -> Bar:
    """A bar for the members of an ensemble: tqdm's where that is installed."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return MembersBar(name, members)
    return _Tqdm(tqdm(total=members, desc=name, unit=" members"))


class _Tqdm:
    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def show(self, done: int) -> None:
        self.bar.update(done - self.bar.n)

    def close(self) -> None:
        self.bar.close()


class _Line:
    """A line that is drawn over itself, at most ten times a second."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.began = time.perf_counter()
        self.drawn = -1.0

    def due(self) -> bool:
        now = time.perf_counter()
        if now - self.drawn < _INTERVAL:
            return False
        self.drawn = now
        return True

    def draw(self, part: float, told: str) -> None:
        filled = round(part * _WIDTH)
        elapsed = time.perf_counter() - self.began
        sys.stderr.write(
            f"\r{self.name} |{'#' * filled}{'.' * (_WIDTH - filled)}| {100 * part:5.1f} %  {told}  "
            f"{elapsed:.1f} s "
        )
        sys.stderr.flush()

    def close(self) -> None:
        sys.stderr.write("\n")
        sys.stderr.flush()


class MembersBar(_Line):
    """How many members are done."""

    def __init__(self, name: str, members: int) -> None:
        super().__init__(name)
        self.members = members

    def show(self, done: int) -> None:
        if self.due() or done == self.members:
            self.draw(done / self.members, f"{done} of {self.members}")


class Progress(_Line):
    """How far the time has come within the span."""

    def __init__(self, name: str, span: tuple[float, float]) -> None:
        super().__init__(name)
        self.span = span

    def show(self, t: float) -> None:
        if self.due():
            begin, end = self.span
            self.draw(min(max((t - begin) / (end - begin), 0.0), 1.0), f"t = {t:.5g}")
