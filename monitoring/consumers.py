"""The live connection of an open page: ``/ws/live/?since=N&topic=a&topic=b``. docs/events.md has the protocol."""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error

from monitoring import topics
from monitoring.live import Frame, Inbox, feed, read_on
from orchestra.kernel import chain

SPACING_S = 0.2  # between two frames: at most five a second
MOST_REPLAYED = 2_000  # events; whoever missed more looks at everything again
MOST_UNREAD_BYTES = 128 * 1024  # sent since the browser last said anything
LONGEST_MESSAGE = 16 * 1024
LONGEST_S = 25 * 60 * 60

SIGNED_OUT, BAD_REQUEST, NOT_READING, TRY_AGAIN = 4401, 4400, 4408, 1013
"""Codes of closing; the browser comes back after any of them."""


class LiveConsumer(AsyncWebsocketConsumer):
    """Greets, replays what happened since the browser's number, then tells it which of its topics change."""

    channel_layer_alias = ""  # none: a browser's connection shall not depend on Redis, see docs/decisions/0004-redis.md
    inbox: Inbox | None = None
    _writer: asyncio.Task[None] | None = None
    _unread_bytes = 0

    async def connect(self) -> None:
        """Refuse strangers; to everyone else begin to write."""
        session = self.scope["session"].session_key
        if not self.scope["user"].is_authenticated or session is None:
            await self.close()
            return
        await self.accept()
        try:
            since, wanted = _read_query(self.scope["query_string"])
        except ValueError:
            await self.close(BAD_REQUEST)
            return
        self.inbox = Inbox(session, wanted)
        self._writer = asyncio.create_task(self._write(self.inbox, since))

    async def disconnect(self, code: int) -> None:
        if self.inbox is not None:
            feed.leave(self.inbox)
        if self._writer is not None:
            self._writer.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """``subscribe`` replaces the topics; ``beat`` answers a beat, which proves that the browser reads."""
        self._unread_bytes = 0
        try:
            message = _read_message(text_data)
            if self.inbox is not None and message["type"] == "subscribe":
                await self._subscribe(self.inbox, topics.read(message.get("topics")))
        except (ValueError, RecursionError):
            await self.close(BAD_REQUEST)
        except Error:
            await self.close(TRY_AGAIN)

    async def _write(self, inbox: Inbox, since: int | None) -> None:
        code = 1000
        try:
            async with asyncio.timeout(LONGEST_S):
                await self._greet(inbox, since)
                while (frame := await inbox.next()) is not None:
                    await self._send(frame)
                    await asyncio.sleep(SPACING_S)
            code = SIGNED_OUT
        except TimeoutError:
            pass
        except _NotReadingError:
            code = NOT_READING
        except Error:
            code = TRY_AGAIN
        await self.close(code)

    async def _greet(self, inbox: Inbox, since: int | None) -> None:
        feed.join(inbox, await _head())
        head = await _head()
        await self._send({"type": "hello", "number": head})
        inbox.begin(head if since is None else min(since, head))
        await self._replay(inbox, inbox.wanted)
        inbox.beat()

    async def _subscribe(self, inbox: Inbox, wanted: frozenset[str]) -> None:
        """Replay for what is newly asked for: it may have changed while its part of the page was on its way."""
        added = wanted - inbox.wanted
        inbox.wanted = wanted
        if added:
            await self._replay(inbox, added)

    async def _replay(self, inbox: Inbox, wanted: frozenset[str]) -> None:
        head = await _head()
        if head - inbox.settled > MOST_REPLAYED:  # numbers have no gaps
            inbox.fall_behind(head)
            return
        number, changed = await _read_on(inbox.settled)
        inbox.hear(number, changed & wanted)

    async def _send(self, frame: Frame) -> None:
        text = json.dumps(frame)
        self._unread_bytes += len(text)
        if self._unread_bytes > MOST_UNREAD_BYTES:
            raise _NotReadingError
        await self.send(text_data=text)


class _NotReadingError(Exception):
    """The browser has not said a word for too many bytes."""


_head = database_sync_to_async(chain.head)
_read_on = database_sync_to_async(read_on)


def _read_query(query: bytes) -> tuple[int | None, frozenset[str]]:
    values = parse_qs(query.decode("latin-1"), max_num_fields=topics.MOST + 1)
    since = values.get("since", [""])[0]
    if since and not (since.isascii() and since.isdigit() and len(since) < 19):
        raise ValueError("since is the number of an event.")
    return (int(since) if since else None), topics.read(values.get("topic", []))


def _read_message(text: str | None) -> dict[str, Any]:
    if text is None or len(text) > LONGEST_MESSAGE:
        raise ValueError("Send a short text.")
    message = json.loads(text)
    if not isinstance(message, dict) or message.get("type") not in {"subscribe", "beat"}:
        raise ValueError("Send subscribe with topics, or beat.")
    return message
