"""A server of chat completions on loopback that behaves as the prompt tells it."""

import asyncio
import json
from typing import Any

from agents.outcomes import Done, Outcome, Usage
from tests.agents.kinds import chat, stage
from tests.agents.kinds.serving import Request, Server, send

LONG = 65_536


class LLMStage(stage.Stage):
    kind = "llm"
    lacks = dict.fromkeys((stage.PENDING, stage.GARBLED_PENDING), "A language model answers at once or not at all.")
    bad_configs = [
        ({}, "config.base_url"),
        ({"base_url": "https://llm.example/v1"}, "config.model"),
        ({"base_url": "file:///etc/passwd", "model": "m"}, "config.base_url"),
        ({"base_url": "http://169.254.169.254/v1", "model": "m"}, "config.base_url"),
        ({"base_url": "https://llm.example/v1", "model": "m", "prompt": "{{ a. }}"}, "config.prompt"),
        ({"base_url": "https://llm.example/v1", "model": "m", "system": "{{ a"}, "config.system"),
        ({"base_url": "https://llm.example/v1", "model": "m", "output_schema": {"type": 7}}, "config.output_schema"),
        ({"base_url": "https://llm.example/v1", "model": "m", "temperature": 3}, "config.temperature"),
        ({"base_url": "https://llm.example/v1", "model": "m", "max_tokens": 0}, "config.max_tokens"),
        ({"base_url": "https://llm.example/v1", "model": "m", "budget_per_day": 5}, "config.budget_per_day"),
        ({"base_url": "https://llm.example/v1", "model": "m", "currency": "€ EUR"}, "config.currency"),
        ({"base_url": "https://llm.example/v1", "model": "m", "top_p": 1}, "config.top_p"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.usages: list[Usage | None] = []

    async def open(self, settings: Any) -> None:
        settings.OUTGOING_ALLOWED = ["127.0.0.1"]
        self.server = await Server(self.play).__aenter__()
        self.config = {
            "base_url": f"{self.server.url}/v1",
            "model": "m",
            "prompt": "{{ behaviour }}",
            "output_schema": {"type": "object"},
        }

    async def close(self) -> None:
        await self.server.__aexit__()

    async def call(self, behaviour: str, *, key: str = "key-1", attempt: int = 1, timeout_s: float = 60) -> Outcome:
        """What a model's answer has beside its output, the usage, is noted apart: other kinds have none."""
        outcome = await super().call(behaviour, key=key, attempt=attempt, timeout_s=timeout_s)
        self.usages.append(getattr(outcome, "usage", None))
        return Done(outcome.output) if isinstance(outcome, Done) else outcome

    async def play(self, request: Request, writer: asyncio.StreamWriter) -> None:
        key, _, attempt = request.headers["x-client-request-id"].partition("/")
        self.calls.append((key, int(attempt)))
        behaviour = request.json()["messages"][-1]["content"]
        if behaviour in (stage.SLEEPS, stage.CRASHES, stage.ENDLESS):
            await self.break_off(behaviour, writer)
            return
        match behaviour:
            case stage.FAILS:
                chat.error(writer, "503 Service Unavailable", "The printer is out of paper.", Retry_After="7")
            case stage.REFUSES:
                chat.stream(writer, [chat.chunk(refusal="There is no such country."), chat.chunk("stop")])
            case stage.NOT_JSON:
                send(writer, b"<html>Welcome</html>", Content_Type="text/html")
            case stage.TOO_LARGE:
                chat.stream(writer, [chat.chunk(content="x" * 1_000_000) for _ in range(50)])
            case stage.TOO_DEEP:
                chat.stream(writer, chat.chunks('{"output": ' + "[" * 100 + "]" * 100 + "}"))
            case stage.NUL:
                chat.stream(writer, chat.chunks(json.dumps({"text": "a\x00b"})))
            case stage.GARBLED:
                chat.stream(writer, [chat.chunk(content="It is"), {"error": {"message": stage.GARBLED_WORDS}}])
            case _:
                chat.stream(writer, chat.chunks(json.dumps({"echo": behaviour}), counted=chat.usage(5, 7)))

    async def break_off(self, behaviour: str, writer: asyncio.StreamWriter) -> None:
        if behaviour == stage.SLEEPS:
            await asyncio.sleep(60)
            return
        chat.begin(writer)
        if behaviour == stage.CRASHES:
            chat.write(writer, chat.event(chat.chunk(content="{")))
            writer.close()
            return
        while not writer.is_closing():
            chat.write(writer, b" " * LONG)  # a line that never ends
            await writer.drain()
