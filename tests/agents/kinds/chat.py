"""Chat completions as an OpenAI-compatible server writes them, at once or streamed."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.agents.kinds.serving import send

MODEL = "test-model-2026"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def usage(tokens_in: int, tokens_out: int) -> dict[str, int]:
    return {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}


def completion(text: str | None, *, finish: str = "stop", counted: Any = None, **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice]}
    return body | ({"usage": counted} if counted else {})


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice]}


def chunks(text: str, *, pieces: int = 3, finish: str | None = "stop", counted: Any = None) -> list[dict[str, Any]]:
    """``text`` in some pieces, then how it ended, then the count, as the specification has it."""
    length = max(1, -(-len(text) // pieces))
    said = [chunk(content=text[at : at + length]) for at in range(0, len(text), length)]
    ended = [chunk(finish)] if finish else []
    return [*said, *ended, *([chunk() | {"choices": [], "usage": counted}] if counted else [])]


def event(data: Mapping[str, Any] | str) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data)
    return f"data: {text}\n\n".encode()


def begin(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)


def write(writer: asyncio.StreamWriter, content: bytes) -> None:
    writer.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")


def end(writer: asyncio.StreamWriter) -> None:
    write(writer, event("[DONE]"))
    writer.write(b"0\r\n\r\n")


def stream(writer: asyncio.StreamWriter, said: Iterable[Mapping[str, Any]]) -> None:
    """A whole streamed answer."""
    begin(writer)
    for piece in said:
        write(writer, event(piece))
    end(writer)


def error(writer: asyncio.StreamWriter, status: str, message: str, code: str = "", **headers: str) -> None:
    send(writer, {"error": {"message": message, "type": "error", "code": code or None}}, status, **headers)
