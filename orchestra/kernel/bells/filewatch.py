"""Waits for writes to a file by Linux's inotify, which costs nothing while nothing is written."""

import ctypes
import os
import select
import sys
from typing import Self

IN_MODIFY = 0x2
_libc = ctypes.CDLL(None, use_errno=True)


class FileWatch:
    """Tells that a file was written to; several writes may be told as one."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    @classmethod
    def of(cls, path: str) -> Self | None:
        """A watch of the file, or None where the system cannot: no Linux, no such file, too many watches."""
        if sys.platform != "linux":
            return None
        descriptor = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if descriptor < 0:
            return None
        if _libc.inotify_add_watch(descriptor, os.fsencode(path), IN_MODIFY) < 0:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def wait(self, timeout_s: float) -> bool:
        """Whether the file was written to within ``timeout_s`` or since the last call."""
        written = bool(self._poll.poll(timeout_s * 1000))
        if written:
            os.read(self._descriptor, 65_536)
        return written

    def close(self) -> None:
        os.close(self._descriptor)
