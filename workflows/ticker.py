"""Time has one owner: of all executors, the one that holds the lease ``ticker`` does what is due.

Retries need no ticker (a step that is due is ready); everything else that happens by the clock is listed in ``ticks``.
"""

import logging
import threading
import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection

from agents import measures, reservations
from orchestra.kernel import events, leases
from orchestra.kernel.registry import Port
from workflows import queue as tasks
from workflows import relay, timers

logger = logging.getLogger(__name__)

TICK_S = 1.0
LEASE_S = 5.0
RENEW_S = 2.0

Tick = Callable[[], int]
"""Does what is due and returns how much that was; must be cheap when nothing is due, and harmless again."""

ticks: Port[Tick] = Port("what is done by the clock, each second")
ticks.register("expired leases", tasks.return_expired)
ticks.register("runs to begin", timers.begin_due)
ticks.register("runs past their deadline", timers.expire_runs)
ticks.register("steps to wake", timers.wake_steps)
ticks.register("leases of resources", reservations.keep)
ticks.register("runs within runs and granted resources", relay.deliver)
ticks.register("folded refusals", events.sweep_refusals)
ticks.register("measures of processes", measures.Sampler().tick)

ends: Port[Callable[[], None]] = Port("what is told that this process no longer keeps the time; returns within seconds")


class Ticker:
    """A thread of every executor; only the holder of the lease ticks."""

    def __init__(self, holder: str, stopping: threading.Event) -> None:
        self.holder = holder
        self.stopping = stopping
        self.holds_until = 0.0

    def run(self) -> None:
        while not self.stopping.wait(TICK_S):
            try:
                if self._holds():
                    tick()
            except (OperationalError, InterfaceError) as error:
                logger.warning("The database did not answer the ticker, which goes on: %s", error)
                connection.close()
        for end in ends:
            end()
        self._release()

    def _holds(self) -> bool:
        """Whether this executor owns the time now; the lease is renewed well before it ends."""
        now = time.monotonic()
        if now < self.holds_until - (LEASE_S - RENEW_S):
            return True
        if leases.take("ticker", self.holder, for_s=LEASE_S) is None:
            return False
        self.holds_until = now + LEASE_S
        return True

    def _release(self) -> None:
        try:
            leases.release("ticker", self.holder)
        except (OperationalError, InterfaceError) as error:
            logger.warning("The ticker's lease runs out by itself: %s", error)
        finally:
            connection.close()


def tick() -> None:
    """Do everything that is due, once; one that fails does not keep the others from theirs."""
    for name, act in ticks.items():
        try:
            act()
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("The clock's task %r failed; it is tried again in a second", name)
