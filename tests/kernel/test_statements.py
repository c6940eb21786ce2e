"""Statements written as SQL find on both databases what the ORM would find."""

from datetime import UTC, datetime

import pytest
from django.db import connection

from orchestra.kernel import clock, statements
from orchestra.kernel.models import IdempotencyRecord, Lease, Pulse
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def records(operator):
    with arranged():
        return [
            IdempotencyRecord.objects.create(user=operator, key=str(number), digest="d", answer={"n": [number, None]})
            for number in range(4)
        ]


def test_rows_are_found_by_several_numbers_at_once(records):
    wanted = {records[0].pk, records[2].pk}

    (rows,) = statements.fetch(("SELECT id, key FROM kernel_idempotencyrecord WHERE id {in} ORDER BY id", [wanted]))

    assert rows == [(records[0].pk, "0"), (records[2].pk, "2")]


def test_no_numbers_find_nothing(records):
    assert statements.fetch(("SELECT id FROM kernel_idempotencyrecord WHERE id {in} {lock}", [[]])) == [[]]


def test_several_statements_are_one_message_and_keep_their_values_apart(records, django_assert_num_queries):
    one = ("SELECT key FROM kernel_idempotencyrecord WHERE id = %s {lock}", [records[1].pk])
    two = ("SELECT key FROM kernel_idempotencyrecord WHERE digest = %s ORDER BY id {lock_free}", ["d"])

    with django_assert_num_queries(1 if connection.vendor == "postgresql" else 2):
        assert statements.fetch(one, two) == [[("1",)], [("0",), ("1",), ("2",), ("3",)]]


def test_instants_are_compared_and_come_back(db):
    with arranged():
        Lease.objects.create(name="door", expires_at=NOON)
    find = "SELECT expires_at FROM kernel_lease WHERE expires_at <= %s"

    ((row,),) = statements.fetch((find, [NOON]))

    assert statements.instant(row[0]) == statements.instant("2026-03-01 12:00:00.123456") == NOON
    assert statements.instant(None) is None
    assert statements.fetch((find, [NOON.replace(microsecond=0)])) == [[]]


def test_instances_are_as_the_orm_reads_them(records):
    columns = statements.columns(IdempotencyRecord, "r")

    (rows,) = statements.fetch((f"SELECT {columns} FROM kernel_idempotencyrecord r ORDER BY r.id", []))  # noqa: S608
    found = statements.instances(IdempotencyRecord, rows)

    read = list(IdempotencyRecord.objects.order_by("pk"))
    assert found == read
    assert [{**row.__dict__, "_state": None} for row in found] == [{**row.__dict__, "_state": None} for row in read]
    assert not found[0]._state.adding
    assert found[0].user == records[0].user


def test_the_clock_is_read_before_what_is_fetched_with_it(db):
    with arranged():
        Pulse.objects.create(name="a", beat_at=NOON)
    before = clock.database_now()

    now, ((row,),) = clock.fetch_now(("SELECT name FROM kernel_pulse", []))

    assert row == ("a",)
    assert before <= now <= clock.database_now()
