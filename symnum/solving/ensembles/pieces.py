"""Which members come next, in pieces that take about equally long."""

from __future__ import annotations

import threading
from collections.abc import Iterable

__all__ = ["Pieces"]


class Pieces:
    """Ranges of members that are waiting, handed out piece by piece; safe to ask from several threads.

    waiting: ranges (first, last), in order. workers: how many share the work. unit: a piece is a multiple
    of so many members, but for the end of a range. longest: seconds that a piece should take at most, as far
    as one unit does not. shortest: seconds below which handing out costs too much.

    The first pieces are of one unit; then they are sized by what those before took. Towards the
    end they get shorter, so that no worker waits long for the last one: C. D. Polychronopoulos, D. J. Kuck,
    "Guided self-scheduling", IEEE Trans. Comput. C-36 (1987) 1425.
    """

    def __init__(
        self, waiting: Iterable[tuple[int, int]], workers: int, unit: int, longest: float, shortest: float
    ) -> None:
        self._waiting = [list(piece) for piece in reversed(list(waiting))]
        self._workers, self._unit = workers, unit
        self._longest, self._shortest = longest, shortest
        self.rate = 0.0  # members a second, of one worker
        self._timed = 0
        self._lock = threading.Lock()
        self.left = sum(last - first for first, last in self._waiting)

    def take(self) -> tuple[int, int] | None:
        """The next piece (first, last), or None if nothing is left."""
        with self._lock:
            if not self._waiting:
                return None
            size = self._size()
            first, end = self._waiting[-1]
            last = min(first + size, end)
            self._waiting[-1][0] = last
            if last == end:
                self._waiting.pop()
            self.left -= last - first
            return first, last

    def _size(self) -> int:
        if self.rate == 0.0:
            return self._unit
        size, least = int(self._longest * self.rate), int(self._shortest * self.rate)
        if self._timed == 1:  # of one unit, which tells little where it was over at once
            size = least
        elif self._workers > 1:
            size = min(size, max(self.left // (2 * self._workers), least))
        return max(size // self._unit, 1) * self._unit

    def took(self, members: int, seconds: float) -> None:
        """A piece of so many members was done by one worker in this time."""
        with self._lock:
            rate = members / max(seconds, 1e-9)
            self._timed += 1
            self.rate = rate if self._timed <= 2 else 0.5 * (self.rate + rate)

    def stop(self) -> None:
        """Hand out nothing more."""
        with self._lock:
            self._waiting.clear()
            self.left = 0
