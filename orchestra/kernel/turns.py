"""Refreshes of open pages take turns, so that many browsers at a time leave room for what people do.

A few are rendered at a time and the others wait in line, without a thread: the event loop, which tells browsers what
has changed, and the requests that somebody waits for are not slowed by however many pages are open.
"""

import asyncio
from typing import Any

from orchestra.kernel.backpressure import Application, Send

AT_ONCE = 2
HEADER = b"x-regions"


def taking_turns(application: Application, *, at_once: int = AT_ONCE) -> Application:
    """``application``, of whose answers to requests for regions ``at_once`` are made at a time in each event loop."""
    lines: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}

    async def take_turns(scope: Any, receive: Any, send: Send) -> None:
        if not any(name == HEADER for name, _ in scope["headers"]):
            return await application(scope, receive, send)
        async with lines.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(at_once)):
            return await application(scope, receive, send)

    return take_turns
