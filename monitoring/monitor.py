"""The monitor's turn, every 30 s: collect all metrics, evaluate thresholds, notify people, and now and then advise.

Whoever owns the time has a thread do it, on a connection of its own that is closed after each turn: the clock's other
tasks never wait for it. Each step can be done again, and beside another process that still thinks it owns the time; so
nothing is lost or done twice when the owner changes or the database goes away for a while.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from monitoring.advice import recommendations
from monitoring.alerting import evaluator
from monitoring.metrics.catalogue import TICK_S
from monitoring.metrics.collector import Collector
from monitoring.notification import planner
from orchestra.kernel.clock import database_now

logger = logging.getLogger(__name__)

ADVISE_EVERY_S = 300.0
AGAIN_S = 2.0
"""After the database did not answer."""
LONG_S = 2.0 * TICK_S
"""A turn that takes longer is said to: no other begins meanwhile."""
STOP_S = 1.5
"""So long whoever stops waits for the step that is being done; its transaction is undone if the process ends first."""


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the turn: done at each, or only when ``every_s`` are over since it was last done."""

    name: str
    act: Callable[[], object]
    every_s: float = 0.0


def usual_steps() -> tuple[Step, ...]:
    """All of them, in their order: what is evaluated was collected before, and what is told was evaluated."""
    return (
        Step("collect", Collector().collect),
        Step("evaluate", evaluator.evaluate_due),
        Step("notify", planner.run_due),
        Step("advise", recommendations.refresh, ADVISE_EVERY_S),
    )


class Monitor:
    """The ticker's task; there is one in each process, and it rests where another owns the time."""

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self.steps = steps or usual_steps()
        self._next_at = 0.0
        self._begun_at = 0.0
        self._at_work = "begin"
        self._has_warned = False
        self._due_at: dict[str, float] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def tick(self) -> int:
        """Begin a turn if one is due and the last one has ended; returns at once, how many were begun."""
        if self._thread is not None and self._thread.is_alive():
            self._warn_if_long()
            return 0
        if not settings.MONITORING or time.monotonic() < self._next_at:
            return 0
        self._stopping.clear()
        self._begun_at, self._has_warned = time.monotonic(), False
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
        self._thread.start()
        return 1

    def stop(self) -> None:
        """Begin no further step, and wait a moment for the one that is being done."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def turn(self) -> None:
        """Do every step that is due, once; one that fails does not keep the others from theirs.

        Raises :class:`OperationalError` or :class:`InterfaceError` if the database does not answer.
        """
        self._next_at, self._at_work = time.monotonic() + AGAIN_S, "read the clock"
        into_tick = database_now().timestamp() % TICK_S
        self._next_at = time.monotonic() + TICK_S - into_tick
        for step in self.steps:
            if self._stopping.is_set():
                return
            if time.monotonic() >= self._due_at.get(step.name, 0.0):
                self._do(step)
                self._due_at[step.name] = time.monotonic() + step.every_s

    def _warn_if_long(self) -> None:
        """Say once that the turn takes too long, and which step it is at."""
        lasted_s = time.monotonic() - self._begun_at
        if lasted_s > LONG_S and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "The monitor has been at its turn for %.0f s, now at the step %r, and no other begins before it ends: "
                "no metrics are collected meanwhile. Look at what the database waits for",
                lasted_s,
                self._at_work,
            )

    def _do(self, step: Step) -> None:
        self._at_work = step.name
        try:
            step.act()
        except (OperationalError, InterfaceError):
            self._next_at = time.monotonic() + AGAIN_S
            raise
        except Exception:  # the worker's edge: one faulty step must not end all watching
            logger.exception("The monitor's step %r failed; it is tried again at the next tick", step.name)

    def _run(self) -> None:
        try:
            self.turn()
        except (OperationalError, InterfaceError) as error:
            logger.warning("The database did not answer the monitor, which tries again in %s s: %s", AGAIN_S, error)
        finally:
            connection.close()
