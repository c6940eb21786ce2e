"""Progress for people at a terminal, and for logs: however long the work, the output stays short."""

import time
from collections.abc import Callable
from typing import Any, Protocol

WIDTH = 24
EVERY_S = 0.1
STEPS = 10
"""Lines that a whole run writes where nobody watches."""


class Stream(Protocol):
    """What is written to: a file, or the output of a management command."""

    def write(self, text: str, /) -> Any: ...
    def flush(self) -> Any: ...
    def isatty(self) -> bool: ...


class Progress:
    """A bar that redraws itself on a terminal, at most ten times a second; elsewhere a line for every tenth part."""

    def __init__(self, total: float, stream: Stream, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.stream = stream
        self.is_watched = stream.isatty()
        self._clock = clock
        self._drawn_at = float("-inf")
        self._step = 0

    def show(self, done: float, words: str) -> None:
        """``done`` of ``total`` is done, which ``words`` say more of, for example ``1,204 rows``."""
        share = min(1.0, done / self.total) if self.total else 1.0
        if self.is_watched:
            self._redraw(share, words)
        elif int(share * STEPS) > self._step:
            self._step = int(share * STEPS)
            self._write(f"{share:4.0%}  {words}\n")

    def end(self, words: str) -> None:
        """The work is done."""
        if self.is_watched:
            self._write(f"\r\x1b[K{words}\n")
        else:
            self._write(f"{words}\n")

    def note(self, words: str) -> None:
        """A line of its own, above the bar."""
        self._write(f"\r\x1b[K{words}\n" if self.is_watched else f"{words}\n")
        self._drawn_at = float("-inf")

    def _redraw(self, share: float, words: str) -> None:
        now = self._clock()
        if now - self._drawn_at < EVERY_S:
            return
        self._drawn_at = now
        filled = round(share * WIDTH)
        self._write(f"\r\x1b[K[{'█' * filled}{'·' * (WIDTH - filled)}] {share:4.0%}  {words}")

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()
