import asyncio
import threading
import time

import pytest

from agents.threads import Threads


def nap() -> str:
    time.sleep(0.02)
    return threading.current_thread().name


async def test_threads_are_started_as_they_are_needed():
    threads = Threads(most=8)

    names = await asyncio.gather(*(threads.run("nap", nap, str(n)) for n in range(3)))

    assert sorted(names) == ["agent-1", "agent-2", "agent-3"]


async def test_a_free_thread_is_used_again():
    threads = Threads(most=8)

    names = {await threads.run("nap", nap, str(n)) for n in range(10)}

    assert len(names) <= 2  # a second one may start while the first is on its way back


async def test_further_calls_wait_for_a_thread():
    threads = Threads(most=2)

    names = await asyncio.gather(*(threads.run("nap", nap, str(n)) for n in range(6)))

    assert len(names) == 6
    assert len(set(names)) == 2


async def test_another_thread_takes_the_place_of_an_abandoned_one(stuck_released):
    threads = Threads(most=1)
    stuck = asyncio.create_task(threads.run("stuck", lambda: stuck_released.wait(10), "1"))
    await asyncio.sleep(0.02)
    stuck.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stuck

    assert threads.abandoned == {"1": "stuck"}
    assert await threads.run("nap", nap, "2") == "agent-2"


async def test_a_call_that_is_cancelled_before_its_turn_never_runs(stuck_released):
    threads, ran = Threads(most=1), []
    first = asyncio.create_task(threads.run("stuck", lambda: stuck_released.wait(10), "1"))
    await asyncio.sleep(0.02)
    second = asyncio.create_task(threads.run("late", lambda: ran.append("late"), "2"))
    await asyncio.sleep(0)

    second.cancel()
    await asyncio.sleep(0)
    stuck_released.set()
    await first
    await threads.run("nap", nap, "3")

    assert (ran, threads.abandoned) == ([], {})


async def test_the_processor_time_of_a_call_is_told_and_waiting_is_none():
    threads, spent = Threads(), []

    def work() -> None:
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass

    await threads.run("work", work, "1", spent=spent.append)
    await threads.run("nap", lambda: time.sleep(0.2), "2", spent=spent.append)

    assert spent[0] >= 0.02
    assert spent[1] < 0.1
