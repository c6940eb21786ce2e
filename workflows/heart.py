"""The executor's heart: a thread that says it lives, renews the leases of its calls, and watches over its loop."""

import asyncio
import logging
import sys
import threading
import time
import traceback

import psutil
from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connection

from agents import measures
from agents.observation import CALLS
from orchestra.kernel import pulses
from workflows import queue as tasks
from workflows.calls import Calls

logger = logging.getLogger(__name__)

BEATS_A_LEASE = 3
WRITE_S = 5.0
"""What calls took is written so often."""
LOOK_S = 0.5
BLOCKED_AFTER_S = 1.0
MAX_AGE_S = 3600.0
MAX_GROWTH_BYTES = 500 * 1024 * 1024
MAX_ABANDONED = 8
MAX_DRAIN_S = 60.0
"""While it finishes its calls nothing new is claimed here, so they should not be longer than this."""
URGENT = 2
"""At so many times the limit it finishes its calls and starts afresh however long they are."""


class Heart:
    """Beats three times a lease on a connection of its own, whatever loop and committer are doing."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.beat_s = settings.LEASE_S / BEATS_A_LEASE
        self.started = time.monotonic()
        self.resident = psutil.Process().memory_info().rss
        self.asked_at: float | None = None
        self.thread = threading.main_thread()

    def run(self) -> None:
        next_beat, next_write = 0.0, time.monotonic() + WRITE_S
        while not self.calls.ended.is_set():
            if time.monotonic() >= next_beat:
                self.beat()
                next_beat = time.monotonic() + self.beat_s
            if time.monotonic() >= next_write:
                self.write_measures()
                next_write = time.monotonic() + WRITE_S
            self.look_at_loop()
            self.look_for_lost()
            self.calls.ended.wait(LOOK_S)
        self._stop()

    def beat(self) -> None:
        """One sign of life, and one UPDATE for all leases."""
        try:
            self._pulse()
            self.calls.keeper.beat()
            held = list(self.calls.in_flight)
            if held and tasks.extend(self.calls.name, held) < len(held):
                self.calls.drop(tasks.lost(self.calls.name, held))
        except (OperationalError, InterfaceError) as error:
            logger.warning("The heartbeat was not stored, the next one is due in %s s: %s", self.beat_s, error)
            connection.close()
        self._retire_if_due()

    def write_measures(self) -> None:
        """Write down what the calls since the last time took, and what this worker uses meanwhile."""
        tallies = CALLS.drain()
        resident = psutil.Process().memory_info().rss if tallies else 0
        for tally in tallies.values():
            if tally.is_within:
                tally.sample(resident)
        try:
            measures.write(tallies)
        except (OperationalError, InterfaceError) as error:
            logger.warning("What calls took was not stored and is tried again in %s s: %s", WRITE_S, error)
            CALLS.keep(tallies)
            connection.close()
        except Error:  # the leases matter more than this
            logger.exception("What %s agents' calls took could not be stored and is given up", len(tallies))

    def look_for_lost(self) -> None:
        """Give up calls whose step was cancelled or given away, well before the next beat would notice."""
        held = list(self.calls.in_flight)
        try:
            if held and tasks.held_by(self.calls.name) < len(held):
                self.calls.drop(tasks.lost(self.calls.name, held))
        except (OperationalError, InterfaceError) as error:
            logger.warning("Lost calls could not be looked for: %s", error)
            connection.close()

    def look_at_loop(self) -> None:
        """Name the agent that keeps the loop from running for over a second: it should have been a thread."""
        if self.asked_at is not None:
            late_s = time.monotonic() - self.asked_at
            if late_s > BLOCKED_AFTER_S:
                logger.warning("The loop has not run for %.1f s: %s\n%s", late_s, self._culprit(), self._stack())
            return
        if not self.calls.loop.is_closed():
            self.asked_at = time.monotonic()
            self.calls.loop.call_soon_threadsafe(self._answered)

    def _answered(self) -> None:
        self.asked_at = None

    def _culprit(self) -> str:
        task = asyncio.current_task(self.calls.loop)
        return f"the agent {task.get_name()} blocks it" if task else "no agent is running"

    def _stack(self) -> str:
        frame = sys._current_frames().get(self.thread.ident or 0)  # noqa: SLF001  its documented name
        return "".join(traceback.format_stack(frame, limit=6)) if frame else ""

    def _pulse(self) -> None:
        pulses.beat(pulses.of_process(pulses.EXECUTOR), self.calls.describe())

    def _retire_if_due(self) -> None:
        """Start afresh after an hour, after much growth, or with many abandoned threads; no call is cut off for it.

        While long calls are in flight it works on, and looks again at the next beat.
        """
        abandoned = self.calls.abandoned
        grown = psutil.Process().memory_info().rss - self.resident
        reason = ""
        if time.monotonic() - self.started > MAX_AGE_S:
            reason = "It has worked for an hour and starts afresh."
        elif grown > MAX_GROWTH_BYTES:
            reason = "It has grown by over 500 MB and starts afresh."
        elif len(abandoned) >= MAX_ABANDONED:
            names = ", ".join(sorted(set(abandoned.values())))
            reason = f"{len(abandoned)} threads outlived their calls ({names}), so it starts afresh."
        urgent = grown > URGENT * MAX_GROWTH_BYTES or len(abandoned) >= URGENT * MAX_ABANDONED
        if reason and (urgent or self.calls.longest_left_s < MAX_DRAIN_S):
            self.calls.retire(reason)

    def _stop(self) -> None:
        self.write_measures()
        try:
            pulses.end(pulses.of_process(pulses.EXECUTOR))
        except (OperationalError, InterfaceError) as error:
            logger.warning("The executor's heartbeat row stays behind: %s", error)
        finally:
            connection.close()
