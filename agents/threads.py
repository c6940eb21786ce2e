"""Threads for synchronous agents, started as they are needed.

A thread cannot be killed. One that outlives its call is *abandoned*: it is counted until it ends, another takes its
place meanwhile, and since all are daemons it keeps no process from stopping.
"""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from django.db import close_old_connections

MOST = 32


@dataclass(eq=False, slots=True)
class _Job:
    name: str
    key: str
    call: Callable[[], Any]
    spent: Callable[[float], None] | None = None
    future: Future[Any] = field(default_factory=Future)

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._measured()
        except StopIteration as error:  # a future must not raise it: whoever awaits would never hear of it
            self.future.set_exception(RuntimeError(f"StopIteration: {error}"))
        except BaseException as error:  # noqa: BLE001 - handed to whoever awaits, SystemExit too
            self.future.set_exception(error)
        else:
            self.future.set_result(result)
        finally:
            close_old_connections()

    def _measured(self) -> Any:
        began = time.thread_time()
        try:
            return self.call()
        finally:
            if self.spent is not None:
                self.spent(time.thread_time() - began)


class Threads:
    """Runs at most ``most`` calls at a time; further ones wait for a thread within their own time limit."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._names = itertools.count(1)
        self._lock = threading.Lock()  # over the four below
        self._submitted = 0  # and not yet begun
        self._idle = 0
        self._busy = 0
        self._abandoned: set[_Job] = set()

    @property
    def abandoned(self) -> dict[str, str]:
        """The calls that ended while their threads still run: the function's name by the call's key."""
        with self._lock:
            return {job.key: job.name for job in self._abandoned}

    async def run(
        self, name: str, call: Callable[[], Any], key: str, *, spent: Callable[[float], None] | None = None
    ) -> Any:
        """The result of ``call``; a thread whose caller is cancelled first counts as abandoned until it ends.

        ``spent`` is told the processor time in seconds that the thread used for it, late or not, from that thread.
        """
        job = _Job(name, key, call, spent)
        with self._lock:
            self._submitted += 1
            self._jobs.put(job)
            self._start_if_short()
        try:
            return await asyncio.wrap_future(job.future)
        except asyncio.CancelledError:
            if not job.future.cancel():
                self._abandon(job)
            raise

    @property
    def _in_service(self) -> int:
        return self._idle + self._busy - len(self._abandoned)

    def _start_if_short(self) -> None:
        if self._submitted > self._idle and self._in_service < self._most:
            self._idle += 1
            threading.Thread(target=self._work, name=f"agent-{next(self._names)}", daemon=True).start()

    def _work(self) -> None:
        surplus = False
        while not surplus:
            job = self._jobs.get()
            with self._lock:
                self._submitted -= 1
                self._idle -= 1
                self._busy += 1
            job.run()
            with self._lock:
                self._busy -= 1
                self._abandoned.discard(job)
                surplus = self._in_service >= self._most  # another took its place while it was abandoned
                self._idle += not surplus

    def _abandon(self, job: _Job) -> None:
        with self._lock:
            if not job.future.done():
                self._abandoned.add(job)
                self._start_if_short()
