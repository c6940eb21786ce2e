"""A word from other web processes by the channel layer: "I have read up to event N". At most once, so never the truth.

The doorbell tells every process of every commit. One that missed a ring, because its connection was lost at that
moment, would look at the table :data:`monitoring.live.LOOK_S` later; a hint makes it look at once. Without a channel
layer nobody hints; while Redis is away, hints are lost and everything else goes on.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any

from channels.layers import get_channel_layer
from redis.exceptions import RedisError

GROUP = "live"
SPACING_S = 0.2  # between two hints of one process
GRACE_S = 0.3  # the doorbell comes first as a rule
RETRY_S = 1.0

log = logging.getLogger(__name__)


class Hints:
    """Gives and takes hints on a thread and an event loop of its own: what holds Redis up holds up nothing else."""

    def __init__(self, number: Callable[[], int], look: Callable[[], None]) -> None:
        """``number`` is how far this process has read; ``look`` makes it read on."""
        self._number = number
        self._look = look
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._over = asyncio.Event()

    def start(self) -> None:
        """Begin, where there is a channel layer."""
        if get_channel_layer() is not None:
            Thread(target=lambda: asyncio.run(self._run()), name="live hints", daemon=True).start()

    def tell(self) -> None:
        """This process has read on; from any thread."""
        self._call(self._news.set)

    def stop(self) -> None:
        """End; from any thread."""
        self._call(self._over.set)

    def _call(self, what: Callable[[], None]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(what)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        over = asyncio.create_task(self._over.wait())
        while not over.done():
            work = {asyncio.create_task(self._give()), asyncio.create_task(self._take())}
            done, _ = await asyncio.wait({over, *work}, return_when=asyncio.FIRST_COMPLETED)
            for task in work:
                task.cancel()
            failures = [error for error in await asyncio.gather(*work, return_exceptions=True) if error is not None]
            log.debug("Hints rest for a moment: %s", failures)
            if over not in done:
                await asyncio.wait({over}, timeout=RETRY_S)

    async def _give(self) -> None:
        layer: Any = get_channel_layer()
        while True:
            await self._news.wait()
            self._news.clear()
            with suppress(RedisError, OSError):
                await layer.group_send(GROUP, {"type": "live.hint", "number": self._number()})
            await asyncio.sleep(SPACING_S)

    async def _take(self) -> None:
        layer: Any = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add(GROUP, channel)
        while True:
            message = await layer.receive(channel)
            if message["number"] > self._number():
                await asyncio.sleep(GRACE_S)
            if message["number"] > self._number():
                await asyncio.to_thread(self._look)
