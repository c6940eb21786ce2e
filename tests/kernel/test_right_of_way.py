"""On SQLite, a busy writer rests while others have announced that they want to write."""

import threading
import time

import pytest
from django.db import connection

from orchestra.kernel import right_of_way

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has many writers at a time"),
]


def announce_for(seconds: float, announced: threading.Event) -> None:
    with right_of_way.announced():
        announced.set()
        time.sleep(seconds)


def rest_while_somebody_writes_for(seconds: float) -> float:
    announced = threading.Event()
    writer = threading.Thread(target=announce_for, args=(seconds, announced))
    writer.start()
    announced.wait(5)
    rested = right_of_way.give_way()
    writer.join()
    return rested


def test_nobody_rests_for_nobody() -> None:
    assert right_of_way.give_way() < right_of_way.AT_MOST_S / 2


def test_a_busy_writer_rests_until_the_other_has_written() -> None:
    assert rest_while_somebody_writes_for(0.03) >= 0.02


def test_it_does_not_rest_for_ever() -> None:
    assert right_of_way.AT_MOST_S <= rest_while_somebody_writes_for(0.5) < 0.4


def test_two_busy_writers_do_not_wait_for_each_other() -> None:
    with right_of_way.giving_way(), right_of_way.announced():
        assert right_of_way.give_way() < right_of_way.AT_MOST_S / 2
