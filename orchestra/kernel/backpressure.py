"""Lets long answers wait for readers: daphne itself takes whatever it is given and keeps it in memory.

An answer of several pieces is written no faster than the client takes it, by Twisted's own flow control.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.web.http import Request
from zope.interface import implementer  # type: ignore[import-untyped]

Message = Mapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Send], Awaitable[None]]


@implementer(IPushProducer)
class Gate:
    """Open while the client's connection has room; the names of its methods are Twisted's."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    def pauseProducing(self) -> None:  # noqa: N802
        self._open.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        self._open.set()

    def stopProducing(self) -> None:  # noqa: N802
        self._open.set()  # the client is gone; the server says so in its own way

    async def passed(self) -> None:
        """Wait until the gate is open."""
        await self._open.wait()


def paced(application: Application) -> Application:
    """``application`` with answers that wait for their readers; under a server other than daphne, as it was."""

    async def pace(scope: Any, receive: Any, send: Send) -> None:
        request = _request_behind(send)
        gate: Gate | None = None

        async def send_in_time(message: Message) -> None:
            nonlocal gate
            if request is not None and message["type"] == "http.response.body":
                more = message.get("more_body", False)
                if more and gate is None:
                    gate = Gate()
                    request.registerProducer(gate, True)  # type: ignore[no-untyped-call]
                elif gate is not None and not more:
                    request.unregisterProducer()  # type: ignore[no-untyped-call]
            await send(message)
            if gate is not None:
                await gate.passed()

        await application(scope, receive, send_in_time)

    return pace


def _request_behind(send: Send) -> Request | None:
    """Daphne's own request, which it has bound to the function that answers it."""
    bound = getattr(send, "args", ())
    return next((value for value in bound if isinstance(value, Request)), None)
