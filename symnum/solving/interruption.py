"""Ctrl-C in a long run: a wish that is looked at between two calls of the loop, not an exception anywhere."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

__all__ = ["Interruption"]


class Interruption:
    """``with Interruption() as interruption``: `asked` tells whether Ctrl-C was pressed since `watch`.

    Pressed a second time it raises KeyboardInterrupt as ever. Outside of the main thread, and where a program
    handles the signal itself, nothing changes.
    """

    def __init__(self) -> None:
        self.asked = False
        self._watching = self._installed = False

    def __enter__(self) -> Interruption:
        return self

    def watch(self) -> None:
        """From now on. Short runs do without it: it takes longer than some of them."""
        if self._watching:
            return
        self._watching = True
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
            self._installed = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
