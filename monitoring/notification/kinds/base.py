"""What a kind of channel is: a schema of its configuration, and a way to send a letter through it."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Thread
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote

from monitoring.notification.letters import Letter
from orchestra.kernel.errors import FieldError

Result = TypeVar("Result")
TRY_S = 10.0
"""The most that one try may take."""
SHORTEST_KEY = 8


class Undelivered(Exception):
    """A try that failed: a sentence for an operator. ``retryable``: it may go through later."""

    def __init__(self, said: str, *, retryable: bool = True, after_s: float | None = None) -> None:
        super().__init__(said)
        self.retryable, self.after_s = retryable, after_s


class Kind(Protocol):
    """One file under ``notification/kinds/`` holds one."""

    @property
    def about(self) -> str:
        """What it is, in a sentence."""

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema of its configuration, of which its form is made: properties with title and description."""

    @property
    def secrets(self) -> Mapping[str, str]:
        """The secrets that it uses, and what each is for; they are stored encrypted and never shown."""

    def faults(self, config: Mapping[str, Any], secrets: Mapping[str, str]) -> list[FieldError]:
        """What is wrong with a configuration, each fault with its path; an empty list if nothing is."""

    def send(self, config: Mapping[str, Any], secrets: Mapping[str, str], letter: Letter) -> str:
        """Send a letter within :data:`TRY_S`; returns what came of it in a sentence. Raises :class:`Undelivered`."""


def without_keys(said: str, address: str) -> str:
    """What another program said, without the parts of ``address`` that it may have repeated, as they are or decoded."""
    parts = {part for each in (address, unquote(address)) for part in re.split(r"[/:@?&;=#]+", each)}
    for part in sorted(filter(lambda part: len(part) >= SHORTEST_KEY, parts), key=len, reverse=True):
        said = said.replace(part, "…")
    return said


def within(limit_s: float, act: Callable[[], Result], what: str) -> Result:
    """What ``act`` returns, in a thread of its own that nobody waits for longer than ``limit_s``.

    Such a thread cannot be ended: what it does may still come to pass after this has raised :class:`Undelivered`.
    """
    done: list[Result] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            done.append(act())
        except Exception as error:  # noqa: BLE001  raised again where it is waited for
            failed.append(error)

    thread = Thread(target=run, name=f"sending by {what}", daemon=True)
    thread.start()
    thread.join(limit_s)
    with suppress(IndexError):
        raise failed[0]
    if not done:
        raise Undelivered(f"{what} did not answer within {limit_s:g} s.")
    return done[0]
