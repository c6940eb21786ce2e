"""Refreshes of open pages take turns, so that many browsers at a time leave room for what people do.

A few are rendered at a time and the others wait in line, without a thread: the event loop, which tells browsers what
has changed, and the requests that somebody waits for are not slowed by however many pages are open. A turn is over as
the answer begins: whoever reads it slowly, or asks for a long download as if it were a refresh, keeps nobody waiting.
"""

import asyncio
from typing import Any

from orchestra.kernel.backpressure import Application, Message, Send

AT_ONCE = 2
HEADER = b"x-regions"


def taking_turns(application: Application, *, at_once: int = AT_ONCE) -> Application:
    """``application``, of whose answers to requests for regions ``at_once`` are made at a time in each event loop."""
    lines: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}

    async def take_turns(scope: Any, receive: Any, send: Send) -> None:
        if not any(name == HEADER for name, _ in scope["headers"]):
            return await application(scope, receive, send)
        line = lines.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(at_once))
        await line.acquire()
        has_turn = True

        def give_away() -> None:
            nonlocal has_turn
            if has_turn:
                has_turn = False
                line.release()

        async def send_on(message: Message) -> None:
            give_away()
            await send(message)

        try:
            await application(scope, receive, send_on)
        finally:
            give_away()

    return take_turns
