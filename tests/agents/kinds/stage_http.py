"""A service on loopback that behaves as it is told."""

import asyncio
from typing import Any

from tests.agents.kinds import stage
from tests.agents.kinds.serving import Request, Server, send

PLAIN = {
    stage.NUL: {"output": {"text": "a\x00b"}},
    stage.GARBLED: {"error": stage.GARBLED_WORDS},
    stage.GARBLED_PENDING: {"pending": stage.GARBLED_WORDS},
}
PAIR = b'{"output": {"a": "b"}, "rest": "'


class HttpStage(stage.Stage):
    kind = "http"
    bad_configs = [
        ({}, "config.url"),
        ({"url": "ftp://agent.example/"}, "config.url"),
        ({"url": "http://169.254.169.254/latest/meta-data/"}, "config.url"),
        ({"url": "https://ada:secret@agent.example/"}, "config.url"),
        ({"url": "https://agent.example/", "headers": {"Authorization": "Bearer x"}}, "config.headers.Authorization"),
        ({"url": "https://agent.example/", "headers": {"X-A": "a\r\nX-B: b"}}, "config.headers.X-A"),
        ({"url": "https://agent.example/", "options": []}, "config.options"),
        ({"url": "https://agent.example/", "method": "GET"}, "config.method"),
    ]

    async def open(self, settings: Any) -> None:
        settings.OUTGOING_ALLOWED = ["127.0.0.1"]
        self.server = await Server(self.play).__aenter__()
        self.config = {"url": f"{self.server.url}/call", "options": {"language": "en"}}

    async def close(self) -> None:
        await self.server.__aexit__()

    async def play(self, request: Request, writer: asyncio.StreamWriter) -> None:
        call = request.json()
        self.calls.append((call["key"], call["attempt"]))
        behaviour = call["input"]["behaviour"]
        if behaviour in (stage.SLEEPS, stage.CRASHES, stage.ENDLESS):
            await self.break_off(behaviour, writer)
            return
        match behaviour:
            case stage.FAILS:
                send(writer, {"error": "The printer is out of paper."}, "503 Service Unavailable", Retry_After="7")
            case stage.REFUSES:
                send(writer, {"error": "There is no such country."}, "422 Unprocessable Content")
            case stage.NOT_JSON:
                send(writer, b"<html>Welcome</html>")
            case stage.TOO_LARGE:
                send(writer, PAIR + b"x" * 50_000_000 + b'"}')
            case stage.TOO_DEEP:
                send(writer, b'{"output": ' + b"[" * 100 + b"]" * 100 + b"}")
            case stage.PENDING:
                send(writer, {"pending": "the night run"}, "202 Accepted")
            case _:
                send(writer, PLAIN.get(behaviour) or {"output": {"echo": behaviour}})

    async def break_off(self, behaviour: str, writer: asyncio.StreamWriter) -> None:
        if behaviour == stage.SLEEPS:
            await asyncio.sleep(60)
        elif behaviour == stage.CRASHES:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + PAIR)
            writer.close()
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while not writer.is_closing():
                writer.write(b"1000\r\n" + b" " * 0x1000 + b"\r\n")
                await writer.drain()
