"""A small HTTP/1.1 server of our own on loopback, which can also do what a good server never does."""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self

WITHIN_S = 30


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    """By their names in small letters."""
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Server:
    """``async with Server(answer) as server``: ``answer(request, writer)`` writes what is sent back."""

    answer: Callable[[Request, asyncio.StreamWriter], Awaitable[None]]
    host: str = "127.0.0.1"
    ssl: Any = None
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{'https' if self.ssl else 'http'}://{self.host}:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, self.host, self.port, ssl=self.ssl)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while not writer.is_closing():
                request = await _read(reader)
                self.requests.append(request)
                await self.answer(request, writer)
                await writer.drain()
        writer.close()


@contextmanager
def serving(answer: Callable[[Request, asyncio.StreamWriter], Awaitable[None]]) -> Iterator[Server]:
    """A server in a thread of its own, for tests that have no loop, or one that is not theirs."""
    started: Future[tuple[Server, Callable[[], object]]] = Future()

    async def serve() -> None:
        async with Server(answer) as server:
            until, loop = asyncio.Event(), asyncio.get_running_loop()
            started.set_result((server, lambda: loop.call_soon_threadsafe(until.set)))
            await until.wait()

    with ThreadPoolExecutor(1) as thread:
        served = thread.submit(asyncio.run, serve())
        server, stop = started.result(WITHIN_S)
        try:
            yield server
        finally:
            stop()
            served.result(WITHIN_S)


async def _read(reader: asyncio.StreamReader) -> Request:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))


def reset(writer: asyncio.StreamWriter) -> None:
    """Drop the connection as a crash does, without a word."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def send(writer: asyncio.StreamWriter, body: bytes | Mapping[str, Any], status: str = "200 OK", **headers: str) -> None:
    """Write one whole answer; ``Retry_After="3"`` is the header Retry-After."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    head |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    writer.write(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + content)
