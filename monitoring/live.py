"""Tells open pages what has changed. The event table is the truth: one thread a process reads it on, by number.

Each browser has an :class:`Inbox`, which holds at most the topics it asked for, however much happens and however slowly
it reads. The thread starts with the first browser and ends with the last one. Where there is a channel layer, web
processes also tell each other how far they have read (``hints.py``).
"""

import asyncio
import logging
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from threading import Lock, Thread
from typing import Concatenate, ParamSpec, TypedDict

from django.db import Error, connection

from monitoring import sessions, topics
from monitoring.hints import Hints
from orchestra.kernel.doorbell import Waiter
from orchestra.kernel.models import Event

BATCH = 5_000  # events read at a time
BEAT_S = 15.0
LOOK_S = 5.0  # the table is read this often even if no bell was heard
RETRY_S = 1.0  # after a round that failed, for example because the database is away

log = logging.getLogger(__name__)
What = ParamSpec("What")


class Frame(TypedDict, total=False):
    """What a browser is told as of event ``number``: ``hello``, ``changed`` with ``topics``, ``behind``, ``beat``."""

    type: str
    number: int
    topics: list[str]


def read_on(number: int, limit: int = BATCH) -> tuple[int, set[str]]:
    """What happened after event ``number``: the number of the last of at most ``limit`` events, and their topics."""
    rows = list(
        Event.objects.filter(number__gt=number)
        .order_by("number")
        .values_list("number", "target_kind", "target_id", "parent_kind", "parent_id")[:limit]
    )
    return (rows[-1][0] if rows else number), topics.of_events(row[1:] for row in rows)


class Inbox:
    """What one browser is still to be told. Only its own event loop may touch it."""

    def __init__(self, session: str, wanted: frozenset[str]) -> None:
        self.session = session
        self.wanted = wanted
        self.number = self.settled = self._last_beat = 0
        self._changed: set[str] = set()
        self._behind = self._beat_due = self._ended = False
        self._news = asyncio.Event()

    def begin(self, number: int) -> None:
        """The browser shows what was true at event ``number``."""
        self.number = self.settled = self._last_beat = number

    def hear(self, number: int, changed: AbstractSet[str]) -> None:
        """Events up to ``number`` have changed these topics."""
        self.number = max(self.number, number)
        hit = self.wanted & changed
        if hit:
            self._changed |= hit
            self._news.set()

    def fall_behind(self, number: int) -> None:
        """More has happened than is worth listing: the browser shall look at everything again."""
        self.number = max(self.number, number)
        self._behind = True
        self._news.set()

    def beat(self) -> None:
        """Say that the connection lives. ``settled`` becomes the number of one beat ago."""
        self.settled, self._last_beat = self._last_beat, self.number
        self._beat_due = True
        self._news.set()

    def end_if_among(self, sessions_over: AbstractSet[str]) -> None:
        """End if the browser's session is one of these."""
        if self.session in sessions_over:
            self._ended = True
            self._news.set()

    async def next(self) -> Frame | None:
        """Wait for news and put all of it into one frame; None once the session is over."""
        while not (self._ended or self._behind or self._changed or self._beat_due):
            self._news.clear()
            await self._news.wait()
        return None if self._ended else self._take()

    def _take(self) -> Frame:
        changed, behind = sorted(self._changed), self._behind
        self._changed.clear()
        self._behind = self._beat_due = False
        if behind:
            return {"type": "behind", "number": self.number}
        if changed:
            return {"type": "changed", "number": self.number, "topics": changed}
        return {"type": "beat", "number": self.number}


class Feed:
    """Reads the event table on for every browser of this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._reading = Lock()
        self._inboxes: dict[Inbox, AbstractEventLoop] = {}
        self._thread: Thread | None = None
        self._hints: Hints | None = None
        self._number = 0

    def join(self, inbox: Inbox, number: int) -> None:
        """Tell ``inbox`` of all events from now on; ``number`` is that of the newest event, read just before.

        Call it first and replay what the browser missed afterwards: then nothing falls between the two.
        """
        with self._lock:
            self._inboxes[inbox] = asyncio.get_running_loop()
            if self._thread is None:
                self._number = number
                self._thread = Thread(target=self._follow, name="live feed", daemon=True)
                self._thread.start()
                self._hints = Hints(lambda: self._number, self.look)
                self._hints.start()
            self._number = min(self._number, number)  # smaller than we know: a backup was restored

    def leave(self, inbox: Inbox) -> None:
        with self._lock:
            self._inboxes.pop(inbox, None)

    def look(self) -> None:
        """Read on now: another process has seen what no bell told this one. For a thread of its own."""
        try:
            self._catch_up()
        except Error as error:
            log.info("A hint could not be followed, the next look is due soon: %s", error)
        finally:
            connection.close()

    def _follow(self) -> None:
        beat_at = time.monotonic() + BEAT_S
        with Waiter() as bell:
            while self._is_wanted():
                try:
                    self._catch_up()
                    if time.monotonic() >= beat_at:
                        self._end_the_signed_out()
                        self._tell(Inbox.beat)
                        beat_at = time.monotonic() + BEAT_S
                except Exception:  # the feed outlives whatever goes wrong in one round
                    log.exception("The live feed could not read the database; it tries again.")
                    time.sleep(RETRY_S)
                    continue
                finally:
                    connection.close()
                bell.wait(min(LOOK_S, max(0.0, beat_at - time.monotonic())))

    def _is_wanted(self) -> bool:
        with self._lock:
            if not self._inboxes:
                self._thread = None
                if self._hints is not None:
                    self._hints.stop()
                    self._hints = None
            return bool(self._inboxes)

    def _catch_up(self) -> None:
        with self._reading:
            while self._has_read_on():
                if self._hints is not None:
                    self._hints.tell()

    def _has_read_on(self) -> bool:
        number, changed = read_on(self._number)
        if not changed:
            return False
        self._number = number
        self._tell(Inbox.hear, number, changed)
        if "user" in changed:  # somebody may have signed out or been deactivated
            self._end_the_signed_out()
        return True

    def _end_the_signed_out(self) -> None:
        with self._lock:
            known = {inbox.session for inbox in self._inboxes}
        over = known - sessions.lasting(known)
        if over:
            self._tell(Inbox.end_if_among, over)

    def _tell(self, what: Callable[Concatenate[Inbox, What], None], *args: What.args, **kwargs: What.kwargs) -> None:
        """Have each inbox's own loop call ``what`` with it."""
        by_loop: dict[AbstractEventLoop, list[Inbox]] = {}
        with self._lock:
            for inbox, loop in self._inboxes.items():
                by_loop.setdefault(loop, []).append(inbox)

        def tell(inboxes: list[Inbox]) -> None:
            for inbox in inboxes:
                what(inbox, *args, **kwargs)

        for loop, inboxes in by_loop.items():
            loop.call_soon_threadsafe(tell, inboxes)


feed = Feed()
"""The one of this process."""
