"""Refreshes of open pages take turns; what people ask for themselves does not wait for them."""

import asyncio

from orchestra.kernel.turns import taking_turns

REFRESH = [(b"x-regions", b"runs")]


class Slow:
    """An application that answers once it is let go, and says how many of its answers were being made at a time."""

    def __init__(self):
        self.go = asyncio.Event()
        self.at_once = self.most = 0

    async def __call__(self, scope, receive, send):
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await self.go.wait()
        self.at_once -= 1


async def started(application, *headers):
    tasks = [asyncio.create_task(application({"headers": one}, None, None)) for one in headers]
    await asyncio.sleep(0.01)
    return tasks


async def test_so_many_refreshes_are_made_at_a_time():
    slow = Slow()
    tasks = await started(taking_turns(slow, at_once=2), *[REFRESH] * 5)
    slow.go.set()
    await asyncio.gather(*tasks)

    assert slow.most == 2


async def test_what_somebody_asks_for_does_not_wait():
    slow = Slow()
    tasks = await started(taking_turns(slow, at_once=1), REFRESH, REFRESH, [], [])

    assert slow.at_once == 3

    slow.go.set()
    await asyncio.gather(*tasks)


async def test_a_browser_that_leaves_gives_its_turn_away():
    slow = Slow()
    waiting, behind = await started(taking_turns(slow, at_once=1), REFRESH, REFRESH)
    waiting.cancel()
    slow.go.set()

    await asyncio.wait_for(behind, 5)

    assert slow.at_once == 1  # the one that was cancelled never came to its end


async def test_an_answer_that_is_being_read_leaves_the_turn_to_the_next():
    read = asyncio.Event()

    async def answer(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def slowly(message):
        await read.wait()

    application, headers = taking_turns(answer, at_once=1), {"headers": REFRESH}
    reading = asyncio.create_task(application(headers, None, slowly))
    await asyncio.sleep(0.01)

    async def at_once(message):
        pass

    await asyncio.wait_for(application(headers, None, at_once), 5)
    assert not reading.done()

    read.set()
    await reading
    await asyncio.wait_for(application(headers, None, at_once), 5)  # the turn was given away once only
