"""A gate before the real Redis: open, shut (connections are cut and refused) or stalled (taken, never answered)."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class Gate:
    """Forwards a local port to the Redis behind ``url`` while it is open."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 6379)
        self._path = parts.path
        self._listener: socket.socket | None = None
        self._sockets: list[socket.socket] = []
        self._lets_through = True
        self.port = 0
        self.open()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}{self._path}"

    def open(self) -> None:
        """Let everything through; a gate that was stalled has to be shut first."""
        self._lets_through = True
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """Cut every connection and refuse new ones, as a server that is down."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for end in self._sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._sockets.clear()

    def stall(self) -> None:
        """Swallow everything without an answer, as a server that hangs."""
        self._lets_through = False

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._target)
                self._sockets += [client, server]
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if self._lets_through:
                    target.sendall(data)
