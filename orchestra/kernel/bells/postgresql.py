"""Hears rings on PostgreSQL by LISTEN, and by Redis where there is one; connects anew to whichever is lost."""

import select
import time
from typing import Protocol

import psycopg  # noqa: TID253 - this module is loaded on PostgreSQL only
from django.conf import settings
from django.db import connection

from orchestra.kernel.bells import CHANNEL
from orchestra.kernel.bells.pubsub import RedisEar

RETRY_S = 0.5  # between two tries to reach a server that is away
OPTIONS = {
    "application_name": "orchestra doorbell",
    "connect_timeout": 5,
    "keepalives_idle": 30,  # a server that vanished without a word is noticed after a minute
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


class Ear(Protocol):
    """A connection on which rings come in. Away, it has no descriptor and tries to come back when it is asked."""

    @property
    def descriptor(self) -> int | None: ...

    def has_heard(self) -> bool: ...

    def close(self) -> None: ...


class PostgresBell:
    """Blocks in the sockets of its ears: waiting costs nothing."""

    def __init__(self) -> None:
        self._ears: list[Ear] = [PostgresEar()]
        if settings.REDIS_URL:
            self._ears.append(RedisEar())

    def wait(self, timeout_s: float) -> bool:
        until = time.monotonic() + timeout_s
        while not self._has_heard():
            left_s = until - time.monotonic()
            if left_s <= 0:
                return False
            self._rest(left_s)
        return True

    def close(self) -> None:
        for ear in self._ears:
            ear.close()

    def _has_heard(self) -> bool:
        """Ask each ear, so that what it has heard counts once."""
        heard = [ear.has_heard() for ear in self._ears]
        return any(heard)

    def _rest(self, left_s: float) -> None:
        """Until something comes in, or an ear that is away is to be asked again."""
        poll = select.poll()
        there = [ear.descriptor for ear in self._ears if ear.descriptor is not None]
        for descriptor in there:
            poll.register(descriptor, select.POLLIN)
        rest_s = left_s if len(there) == len(self._ears) else min(RETRY_S, left_s)
        poll.poll(rest_s * 1000)


class PostgresEar:
    """Hears NOTIFY; true once the server is back after an outage, because something may have been missed."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection | None = None
        self._due_at = 0.0
        self._has_connected()

    @property
    def descriptor(self) -> int | None:
        return None if self._connection is None else self._connection.fileno()

    def has_heard(self) -> bool:
        if self._connection is None:
            return time.monotonic() >= self._due_at and self._has_connected()
        try:
            return bool(list(self._connection.notifies(timeout=0)))
        except psycopg.Error:
            self.close()
            return False

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _has_connected(self) -> bool:
        self._due_at = time.monotonic() + RETRY_S
        try:
            self._connection = _listening()
        except psycopg.Error:
            return False
        return True


def _listening() -> psycopg.Connection:
    listener = psycopg.connect(**connection.get_connection_params() | OPTIONS, autocommit=True)
    listener.execute(f"LISTEN {CHANNEL}")
    return listener
