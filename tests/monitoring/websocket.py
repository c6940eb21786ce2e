"""A WebSocket that reads only when it is told to, which no browser would let a test do."""

import base64
import json
import os
import socket
import struct
from typing import Any, Self
from urllib.parse import urlencode

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
GONE = 1006  # the connection ended without a closing frame


class WebSocket:
    """One connection to ``/ws/live/`` of the server at ``port``, signed in by the session ``key``."""

    def __init__(self, port: int, key: str = "", *, origin: str = "", topics: list[str] | None = None, **query: Any):
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._buffer = b""
        parameters = urlencode({"topic": topics or [], **query}, doseq=True)
        self._connection.sendall(
            f"GET /ws/live/?{parameters} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Origin: {origin or f'http://127.0.0.1:{port}'}\r\nCookie: sessionid={key}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n".encode()
        )
        self.status = int(self._head().split()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def next(self, timeout_s: float = 10) -> dict[str, Any]:
        """The next frame that is no sign of life of the protocol itself; ``{"closed": code}`` at the end."""
        self._connection.settimeout(timeout_s)
        while True:
            kind, payload = self._frame()
            if kind == TEXT:
                return json.loads(payload)
            if kind == CLOSE:
                return {"closed": struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else GONE}
            if kind == PING:
                self._send(PONG, payload)

    def until(self, kind: str, timeout_s: float = 10) -> dict[str, Any]:
        """The next frame of this ``type``, past those of others."""
        while True:
            frame = self.next(timeout_s)
            if frame.get("type") == kind or "closed" in frame:
                return frame

    def all_for(self, quiet_s: float) -> list[dict[str, Any]]:
        """Every frame until none came for ``quiet_s`` or the connection ended."""
        frames = []
        try:
            while "closed" not in (frames[-1] if frames else {}):
                frames.append(self.next(quiet_s))
        except TimeoutError:
            pass
        return frames

    def say(self, **message: Any) -> None:
        self.say_text(json.dumps(message))

    def say_text(self, text: str) -> None:
        self._send(TEXT, text.encode())

    def _head(self) -> str:
        while b"\r\n\r\n" not in self._buffer:
            self._receive()
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        return head.decode()

    def _frame(self) -> tuple[int, bytes]:
        try:
            first, second = self._take(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", self._take(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", self._take(8))
            return first & 0x0F, self._take(length)
        except ConnectionError:
            return CLOSE, b""

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._receive()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _receive(self) -> None:
        received = self._connection.recv(65_536)
        if not received:
            raise ConnectionError("The server has closed the connection.")
        self._buffer += received

    def _send(self, kind: int, payload: bytes) -> None:
        mask = os.urandom(4)
        size = len(payload)
        length = struct.pack("!BBH", 0x80 | kind, 0xFE, size) if size > 125 else bytes([0x80 | kind, 0x80 | size])
        self._connection.sendall(length + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)))
