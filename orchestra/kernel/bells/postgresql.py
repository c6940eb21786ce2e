"""Hears rings on PostgreSQL by LISTEN, on a connection of its own; connects anew when it is lost."""

import time

import psycopg  # noqa: TID253 - this module is loaded on PostgreSQL only
from django.db import connection

from orchestra.kernel.doorbell import CHANNEL

RETRY_S = 0.5  # between two tries to reach a server that is away
OPTIONS = {
    "application_name": "orchestra doorbell",
    "connect_timeout": 5,
    "keepalives_idle": 30,  # a server that vanished without a word is noticed after a minute
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


class PostgresBell:
    """Blocks in the socket: waiting costs nothing."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection | None = None
        self._has_connected()

    def wait(self, timeout_s: float) -> bool:
        until = time.monotonic() + timeout_s
        while True:
            left_s = max(0.0, until - time.monotonic())
            if self._connection is not None:
                try:
                    return _has_rung(self._connection, left_s)
                except psycopg.Error:
                    self.close()
            elif self._has_connected():
                return True
            elif left_s == 0:
                return False
            else:
                time.sleep(min(RETRY_S, left_s))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _has_connected(self) -> bool:
        try:
            self._connection = _listening()
        except psycopg.Error:
            return False
        return True


def _listening() -> psycopg.Connection:
    listener = psycopg.connect(**connection.get_connection_params() | OPTIONS, autocommit=True)
    listener.execute(f"LISTEN {CHANNEL}")
    return listener


def _has_rung(listener: psycopg.Connection, timeout_s: float) -> bool:
    """Whether a ring was heard; all that came by then count as one."""
    rung = bool(list(listener.notifies(timeout=timeout_s, stop_after=1)))
    if rung:
        list(listener.notifies(timeout=0))
    return rung
