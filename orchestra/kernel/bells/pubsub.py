"""Rings over Redis: published after the commit, heard on a connection of its own. Either side may lose Redis any time.

Redis' channels know no database numbers, so the name of ours carries that of the database whose commits it tells of.
"""

import time
from contextlib import suppress
from typing import Any, cast

from django.conf import settings
from django.db import connection
from redis import Redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.exceptions import RedisError
from redis.retry import Retry

from orchestra.kernel.retry import RetryPolicy

TIMEOUT_S = 0.25  # on a network of one's own Redis answers within a millisecond
QUIET = RetryPolicy(delay_s=1, factor=2, max_delay_s=30, jitter=False)
DEAF_S = 1.0  # a listener without Redis looks this often, for somebody may have rung, and tries to listen again
OPTIONS: dict[str, Any] = {
    "socket_timeout": TIMEOUT_S,
    "socket_connect_timeout": TIMEOUT_S,
    "socket_keepalive": True,
    "retry": Retry(NoBackoff(), 0),
    "protocol": 2,
}


def channel() -> str:
    """The channel of the database that this process works on."""
    return f"orchestra:{connection.settings_dict['NAME']}"


class Ringer:
    """Publishes rings. After a failure it leaves Redis alone, for a second at first and 30 s at most.

    So an outage costs a business write ``TIMEOUT_S`` now and then; rings go by the database meanwhile.
    """

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url, **OPTIONS)
        self._failures = 0
        self._quiet_until = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether Redis is to be tried now."""
        return time.monotonic() >= self._quiet_until

    def ring(self) -> bool:
        """Publish; False where it did not come through, so that the database has to ring instead."""
        try:
            self._redis.publish(channel(), b"")
        except (RedisError, OSError):
            self._failures += 1
            self._quiet_until = time.monotonic() + QUIET.delay_after(self._failures)
            self.close()
            return False
        self._failures = 0
        return True

    def close(self) -> None:
        """Close every connection: after a restart of Redis none of them is any good."""
        with suppress(RedisError, OSError):
            self._redis.close()
            self._redis.connection_pool.disconnect()


class RedisEar:
    """Hears rings; while Redis is away it says each second that somebody may have rung."""

    def __init__(self) -> None:
        self._redis = Redis.from_url(settings.REDIS_URL, **OPTIONS)
        self._pubsub: PubSub | None = None
        self._due_at = 0.0
        self._subscribe()

    @property
    def descriptor(self) -> int | None:
        """Becomes readable when something was heard; None while Redis is away."""
        socket = getattr(getattr(self._pubsub, "connection", None), "_sock", None)  # redis-py shows it nowhere else
        return None if socket is None else cast("int", socket.fileno())

    def has_heard(self) -> bool:
        """Whether a ring came in since the last call, or may have been missed. Never waits longer than TIMEOUT_S."""
        if self._pubsub is None:
            return self._may_have_missed()
        try:
            return _drained(self._pubsub)
        except (RedisError, OSError):
            self._forget()
            return True

    def close(self) -> None:
        self._forget()
        with suppress(RedisError, OSError):
            self._redis.close()
            self._redis.connection_pool.disconnect()

    def _may_have_missed(self) -> bool:
        now = time.monotonic()
        if now < self._due_at:
            return False
        self._due_at = now + DEAF_S
        self._subscribe()
        return True

    def _subscribe(self) -> None:
        """Listen, and know that Redis does: what is published from here on is heard."""
        pubsub: PubSub = self._redis.pubsub()  # type: ignore[no-untyped-call]
        try:
            pubsub.subscribe(channel())
            confirmed = pubsub.get_message(timeout=TIMEOUT_S)
        except (RedisError, OSError):
            confirmed = None
        if confirmed is None:
            _close(pubsub)
        else:
            self._pubsub = pubsub

    def _forget(self) -> None:
        if self._pubsub is not None:
            _close(self._pubsub)
            self._pubsub = None


def _drained(pubsub: PubSub) -> bool:
    """Read all that has come in; whether a ring was among it."""
    rung = False
    while (message := pubsub.get_message(timeout=0)) is not None:
        rung |= message["type"] == "message"
    return rung


def _close(pubsub: PubSub) -> None:
    with suppress(RedisError, OSError):
        pubsub.close()
