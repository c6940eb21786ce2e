"""A server of chat completions beside the tests, in a thread: what it answers and when is for the test to say."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.agents.kinds import chat
from tests.agents.kinds.serving import Request, Server


class ModelServer:
    """Answers each prompt with ``text``: a word, ``pace_s``, the next word; and none but the first before ``more``."""

    def __init__(self) -> None:
        self.text = "All is well."
        self.counted: Any = chat.usage(1000, 100)
        self.prompts: list[str] = []
        self.more = threading.Event()
        self.more.set()
        self.pace_s = 0.0
        self.port = 0
        self._loop = asyncio.new_event_loop()

    @property
    def config(self) -> dict[str, Any]:
        """What an agent needs to ask it."""
        return {"base_url": f"http://127.0.0.1:{self.port}/v1", "model": "m", "prompt": "{{ @ }}"}

    async def play(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.prompts.append(request.json()["messages"][-1]["content"])
        chat.begin(writer)
        for word in self.text.split(" "):
            chat.write(writer, chat.event(chat.chunk(content=f"{word} ")))
            await writer.drain()
            await asyncio.sleep(self.pace_s)
            while not self.more.is_set():  # noqa: ASYNC110  set by another thread
                await asyncio.sleep(0.05)
        chat.write(writer, chat.event(chat.chunk("stop")))
        chat.write(writer, chat.event(chat.chunk() | {"choices": [], "usage": self.counted}))
        chat.end(writer)

    @contextmanager
    def running(self) -> Iterator["ModelServer"]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        server = Server(self.play)
        asyncio.run_coroutine_threadsafe(server.__aenter__(), self._loop).result(30)
        self.port = server.port
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(server.__aexit__(), self._loop).result(30)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(30)
            self._loop.close()
