"""Long polls: a request whose view finds nothing yet is asked again later, and meanwhile holds no thread.

The view looks once and answers at once. If there is nothing, it says so to the :class:`Poll` that it finds in the scope
of its request; its answer is then kept back, and the view is asked again when the bell rings for it. Only when the time
is over is the last answer sent. In between neither a thread nor a database connection is held, however many wait. Where
there is no poll in the scope, as in tests without a server, the first answer is the answer.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.db import connection

from orchestra.kernel.backpressure import Application, Message, Send

SCOPE = "orchestra.poll"
MAX_BODY = 64 * 1024
AT_ONCE = 4
"""So many views look at a time; each takes a thread and a connection to the database, the others wait their turn."""
PAUSES_S = (0.05, 0.1, 0.25, 0.5, 1.0)
"""Between two looks that both found nothing."""

Receive = Callable[[], Awaitable[Message]]


@dataclass(slots=True)
class Poll:
    """What a view says of itself: ``subject`` is what it waits for, None if it has an answer.

    ``take_back`` undoes what the view did for its client, where that is gone before it was told.
    """

    subject: Any = None
    wait_s: float = 0.0
    take_back: Callable[[], object] | None = None

    def again(self, subject: Any, wait_s: float) -> None:
        """There is nothing yet for ``subject``: ask again within ``wait_s`` seconds after the request came in."""
        self.subject, self.wait_s = subject, wait_s

    def hands_over(self, take_back: Callable[[], object]) -> None:
        """The answer hands something over, which ``take_back`` takes back from a client who is gone."""
        self.take_back = take_back


Bell = Callable[[Any, float, float], Awaitable[None]]
"""Waits until something may have come for a subject, or for so many seconds; not sooner than after a pause."""


def poll_of(request: Any) -> Poll | None:
    """The poll that a Django request is part of, if there is one."""
    scope: Mapping[str, Any] = getattr(request, "scope", {})
    return scope.get(SCOPE)


def patient(application: Application, path: str, bell: Bell) -> Application:
    """``application`` with long polls for POSTs to addresses that match ``path``."""
    pattern, gate = re.compile(path), _Gate(AT_ONCE)

    async def serve(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not pattern.fullmatch(scope["path"]):
            await application(scope, receive, send)
            return
        body = await _body(receive)
        if body is None:
            await send({"type": "http.response.start", "status": 413, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await _Request(application, scope, body, receive).answer(gate, bell, send)

    return serve


class _Gate:
    """A semaphore that is made in the loop it is used in."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._semaphores: dict[int, asyncio.Semaphore] = {}

    @property
    def open(self) -> asyncio.Semaphore:
        return self._semaphores.setdefault(id(asyncio.get_running_loop()), asyncio.Semaphore(self.size))


class _Request:
    """One request and its client, who may leave at any moment."""

    def __init__(self, application: Application, scope: Any, body: bytes, receive: Receive) -> None:
        self.application = application
        self.scope = scope
        self.body = body
        self.client = receive
        self.gone = asyncio.Event()

    async def answer(self, gate: _Gate, bell: Bell, send: Send) -> None:
        began = time.monotonic()
        watch = asyncio.create_task(self._watch())
        try:
            looks = 0
            while not self.gone.is_set():
                async with gate.open:
                    if self.gone.is_set():
                        return
                    messages, poll = await self._look()
                    if self.gone.is_set():
                        await _taken_back(poll)
                        return
                left_s = began + poll.wait_s - time.monotonic()
                if poll.subject is None or left_s <= 0:
                    for message in messages:
                        await send(message)
                    return
                pause_s = PAUSES_S[min(looks, len(PAUSES_S) - 1)]
                await self._or_gone(bell(poll.subject, min(pause_s, left_s), left_s))
                looks += 1
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch

    async def _look(self) -> tuple[list[Message], Poll]:
        """Ask the view once; returns what it would send, and what it says of itself."""
        messages, poll, is_told = list[Message](), Poll(), False

        async def receive() -> Message:
            nonlocal is_told
            if is_told:
                await asyncio.Event().wait()  # a look is over soon, whether its client is still there or not
            is_told = True
            return {"type": "http.request", "body": self.body, "more_body": False}

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.application({**self.scope, SCOPE: poll}, receive, keep)
        return messages, poll

    async def _watch(self) -> None:
        while (await self.client())["type"] != "http.disconnect":
            pass
        self.gone.set()

    async def _or_gone(self, waiting: Awaitable[None]) -> None:
        tasks = [asyncio.ensure_future(waiting), asyncio.ensure_future(self.gone.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _taken_back(poll: Poll) -> None:
    def take_back() -> None:
        try:
            if poll.take_back is not None:
                poll.take_back()
        finally:
            connection.close()

    await asyncio.to_thread(take_back)


async def _body(receive: Receive) -> bytes | None:
    """The whole body, or None if it is larger than any poll needs."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return body
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body", False):
            return body
