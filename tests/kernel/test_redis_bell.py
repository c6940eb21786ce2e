"""The doorbell over Redis: heard by it, and by the database whenever Redis is shut, hangs or comes back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings as configured
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from orchestra.kernel import doorbell
from orchestra.kernel.bells.pubsub import RedisEar, Ringer, channel
from orchestra.kernel.doorbell import Waiter
from tests.kernel.redis_gate import Gate

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        "not configured.REDIS_URL.startswith('redis:') or connection.vendor != 'postgresql'",
        reason="needs PostgreSQL and Redis",
    ),
]


@pytest.fixture
def gate(settings) -> Iterator[Gate]:
    """Everybody reaches Redis through this gate."""
    gate = Gate(configured.REDIS_URL)
    settings.REDIS_URL = gate.url
    doorbell._ringer.cache_clear()
    yield gate
    doorbell._ringer(gate.url).close()
    doorbell._ringer.cache_clear()
    gate.shut()


def ring() -> None:
    with transaction.atomic():
        doorbell.ring()


def rings_of_the_database() -> int:
    """How often the database rings for one ring."""
    with CaptureQueriesContext(connection) as queries:
        ring()
    return sum("NOTIFY" in query["sql"] for query in queries)


@contextmanager
def hearing() -> Iterator[Waiter]:
    """A waiter that has heard all there was to hear."""
    with Waiter() as waiter:
        while waiter.wait(0.1):
            pass
        yield waiter


def test_redis_rings_instead_of_the_database(gate):
    with hearing() as waiter:
        assert rings_of_the_database() == 0
        assert waiter.wait(5)
        assert not waiter.wait(0.2)


def test_rings_are_those_of_one_database(gate):
    assert channel() == f"orchestra:{connection.settings_dict['NAME']}"


def test_what_is_rolled_back_does_not_ring(gate):
    with hearing() as waiter:
        with transaction.atomic():
            doorbell.ring()
            transaction.set_rollback(True)

        assert not waiter.wait(0.2)


def test_while_redis_is_shut_the_database_rings(gate):
    with hearing() as waiter:
        gate.shut()
        assert waiter.wait(5)  # the loss itself: something may have been missed
        assert rings_of_the_database() == 1
        assert waiter.wait(5)


def test_after_a_failure_redis_is_left_alone_for_a_while(gate):
    gate.shut()
    ringer = Ringer(gate.url)

    assert ringer.is_ready
    assert not ringer.ring()
    assert not ringer.is_ready


def test_a_redis_that_hangs_holds_a_business_write_up_once_and_shortly(gate):
    ring()
    gate.stall()
    began = time.monotonic()
    for _ in range(50):
        ring()

    assert time.monotonic() - began < 5  # each for itself would take 50 times the time limit


def test_a_listener_without_redis_looks_every_second_for_somebody_may_have_rung(gate):
    with hearing() as waiter:
        gate.shut()
        assert [waiter.wait(10) for _ in range(3)] == [True] * 3


def test_a_listener_comes_back_by_itself_when_redis_does(gate):
    ear = RedisEar()
    try:
        gate.shut()
        assert ear.has_heard()
        assert ear.descriptor is None
        gate.open()
        until = time.monotonic() + 20
        while ear.descriptor is None:
            assert time.monotonic() < until
            ear.has_heard()
            time.sleep(0.1)
        assert Ringer(gate.url).ring()
        while not ear.has_heard():
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        ear.close()


def test_after_an_outage_redis_rings_again(gate, monkeypatch):
    gate.shut()
    assert rings_of_the_database() == 1
    gate.open()
    monkeypatch.setattr(doorbell._ringer(gate.url), "_quiet_until", 0.0)

    assert rings_of_the_database() == 0


def test_a_redis_that_is_away_from_the_beginning_is_no_obstacle(gate):
    gate.shut()
    with Waiter() as waiter:
        ring()

        assert waiter.wait(5)


def test_flushed_redis_goes_on_ringing(gate):
    with hearing() as waiter:
        doorbell._ringer(gate.url)._redis.flushdb()
        ring()

        assert waiter.wait(5)
