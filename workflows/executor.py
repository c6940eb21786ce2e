"""The executor: claims steps, calls their agents on one event loop, and commits what comes back in groups.

Threads: the main thread runs the loop, makes the calls (``calls.py``) and keeps the processes of agents
(``agents/processes.py``); the committer talks to the database, one transaction a turn (``committer.py``); the doorbell
wakes the committer; the heart renews leases (``heart.py``); the ticker owns the time, if it holds the lease for it
(``ticker.py``); another stores what calls write while they go on (``partials.py``).
"""

import asyncio
import signal
import sys
import threading

from orchestra.kernel import doorbell
from workflows.calls import Calls
from workflows.committer import IDLE_S, Committer
from workflows.heart import Heart
from workflows.ticker import Ticker

JOIN_S = 2.0
SWITCH_S = 0.0005
"""Python's threads change places this often: the committer, back from the database, waits no longer for its turn."""


def run(slots: int = 0) -> str:
    """Work until told to stop, or until it is time to start afresh; returns why it ended, in words."""
    sys.setswitchinterval(SWITCH_S)
    return asyncio.run(_run(slots))


async def _run(slots: int) -> str:
    loop = asyncio.get_running_loop()
    calls = Calls(loop, slots)
    finished = asyncio.Event()
    _handle_signals(calls)

    def commit() -> None:
        try:
            Committer(calls).run()
        finally:
            calls.ended.set()
            loop.call_soon_threadsafe(finished.set)

    jobs = {
        "committer": commit,
        "doorbell": lambda: _listen(calls),
        "heart": Heart(calls).run,
        "texts": lambda: calls.partials.run(calls.ended),
        "ticker": Ticker(calls.name, calls.stopping).run,
    }
    threads = [threading.Thread(target=job, name=name, daemon=True) for name, job in jobs.items()]
    for thread in threads:
        thread.start()
    keeping = loop.create_task(calls.keeper.run(), name="keeper")
    await finished.wait()
    calls.stop("Its committer ended.")
    keeping.cancel()
    await calls.keeper.stop()
    for thread in threads:
        await asyncio.to_thread(thread.join, JOIN_S)
    return calls.reason


def _handle_signals(calls: Calls) -> None:
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            calls.loop.add_signal_handler(number, calls.stop, "It was told to stop.")


def _listen(calls: Calls) -> None:
    """Wake the committer whenever somebody else commits."""
    with doorbell.Waiter() as waiter:
        while not calls.stopping.is_set():
            if waiter.wait(IDLE_S):
                calls.wake.set()
                calls.keeper.nudge()
