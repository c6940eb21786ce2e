"""Signals as something to wait for, instead of something that interrupts."""

import select
import signal
import socket
from types import TracebackType
from typing import Any, Self


class Signals:
    """Inside its ``with`` block the main thread hears the signals named, one after the other, from :meth:`wait`."""

    def __init__(self, *numbers: signal.Signals) -> None:
        self._numbers = numbers
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._descriptor_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, lambda *_: None) for number in self._numbers}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._descriptor_before)
        self._reader.close()
        self._writer.close()

    def wait(self, timeout_s: float) -> set[int]:
        """The signals that came since the last call; empty if none does within ``timeout_s``."""
        readable, _, _ = select.select([self._reader], [], [], timeout_s)
        return set(self._reader.recv(4096)) if readable else set()
