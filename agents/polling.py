"""Remote workers that wait for a task: one thread a process listens for all of them, and wakes those it may be for.

A wait costs an entry in a table: no thread, no connection. After a commit, and at least once a second, the thread looks
once what waits, and wakes of those who can do it no more than there are tasks, whoever has waited longest first.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from django.db import Error, connection

from agents import work
from agents.work import Abilities
from orchestra.kernel import doorbell

logger = logging.getLogger(__name__)

CLAIMS = r"/api/v1/agents/\d+/claim/"
LOOK_S = 1.0
"""A retry that becomes due rings no bell."""
SOON_S = 0.1
SHARE = 4
"""After a look that took a moment, four times as long nothing is looked for: on a loaded database others go first."""
ERROR_S = 1.0
IDLE_S = 5.0
"""The thread ends when nobody has waited for so long."""


@dataclass(eq=False, slots=True)
class _Waiting:
    abilities: Abilities
    not_before: float
    loop: asyncio.AbstractEventLoop
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.woken.set)


class Wakeups:
    """Who waits, and the thread that listens for them while anybody does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # over the two below
        self._waiting: dict[_Waiting, None] = {}
        self._thread: threading.Thread | None = None
        self._joined = threading.Event()

    async def wait(self, abilities: Abilities, pause_s: float, timeout_s: float) -> None:
        """Until a task may be there for somebody with ``abilities``, but not sooner than after ``pause_s``."""
        entry = _Waiting(abilities, time.monotonic() + pause_s, asyncio.get_running_loop())
        with self._lock:
            self._waiting[entry] = None
            self._joined.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="claims", daemon=True)
                self._thread.start()
        try:
            async with asyncio.timeout(timeout_s):
                await entry.woken.wait()
        except TimeoutError:
            pass
        finally:
            with self._lock:
                self._waiting.pop(entry, None)

    @property
    def count(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def _listen(self) -> None:
        idle_since = time.monotonic()
        with doorbell.Waiter() as waiter:
            while True:
                now = time.monotonic()
                if self._waiting:
                    idle_since = now
                elif now - idle_since > IDLE_S and self._ended():
                    return
                rest_s = self._look()
                self._joined.clear()
                if rest_s:
                    time.sleep(rest_s)
                waiter.wait(self._patience())

    def _ended(self) -> bool:
        with self._lock:
            if self._waiting:
                return False
            self._thread = None
            return True

    def _patience(self) -> float:
        """Short if somebody has come meanwhile: what he waits for may have been there before him."""
        return SOON_S if self._joined.is_set() else LOOK_S

    def _look(self) -> float:
        """Wake those whom something may be for; returns how long to leave the database alone after that."""
        entries = list(self._waiting)
        if not entries:
            return 0.0
        began = time.monotonic()
        try:
            for entry in chosen(entries, began):
                entry.wake()
        except Error as error:
            logger.warning("What waits for remote workers could not be read, and is soon again: %s", error)
            return ERROR_S
        finally:
            connection.close()
        return SHARE * (time.monotonic() - began)


def chosen(entries: Collection[_Waiting], now: float) -> list[_Waiting]:
    """Those to wake: for each task one who can do it, and whose pause is over."""
    able = {entry.abilities for entry in entries}
    left = dict[Abilities, int]()
    for port in work.tasks:
        for needs, count in port.waiting(able).items():
            left[needs] = left.get(needs, 0) + count
    found = []
    for entry in entries:
        if entry.not_before > now:
            continue
        fits = [needs for needs, count in left.items() if count and needs <= entry.abilities]
        if fits:
            left[fits[0]] -= 1
            found.append(entry)
    return found


wakeups = Wakeups()
