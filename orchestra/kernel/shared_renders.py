"""Regions that look the same to many people are rendered once for all of them.

A browser says up to which event it has heard. What was rendered as of that event or a later one shows all that it
heard of; so a render serves everyone who was told before it began, and whoever was told more waits for the next one.
Kept in this process's memory, for a second at most: what changes without an event, such as a time that passes, is
never older than that.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock

from orchestra.kernel import chain

LONGEST_S = 1.0
MOST = 500
"""Renders that are kept; those that nobody asked for longest go first."""


@dataclass(slots=True)
class _Render:
    """The last render of one region, and the lock of whoever makes the next one."""

    making: Lock = field(default_factory=Lock)
    html: str = ""
    number: int = -1
    begun_at: float = 0.0


class SharedRenders:
    """The renders of one process; any number of threads may ask."""

    def __init__(self, *, longest_s: float = LONGEST_S, most: int = MOST) -> None:
        self.longest_s, self.most = longest_s, most
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, _Render] = OrderedDict()

    def get(self, key: Hashable, known: int, make: Callable[[], str]) -> str:
        """What ``make`` gives for ``key``, made now or for somebody else since event ``known`` was committed."""
        kept = self._find(key)
        with kept.making:  # one renders, and those who wait meanwhile share what they may
            if kept.number < known or time.monotonic() - kept.begun_at > self.longest_s:
                number, begun_at = chain.head(), time.monotonic()
                kept.html = make()
                kept.number, kept.begun_at = number, begun_at
            return kept.html

    def forget(self) -> None:
        with self._lock:
            self._kept.clear()

    def _find(self, key: Hashable) -> _Render:
        with self._lock:
            kept = self._kept.setdefault(key, _Render())
            self._kept.move_to_end(key)
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
            return kept


RENDERS = SharedRenders()
"""Those of this process."""
