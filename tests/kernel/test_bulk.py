"""Rows written in bulk come back as they were given, on both databases."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import connection

from orchestra.kernel import bulk
from orchestra.kernel.models import ChainHead, EventDetail, IdempotencyRecord, Lease, Pulse
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_a_unit():
    with arranged():
        yield


def record(user, key, **answer):
    return bulk.fresh(IdempotencyRecord, {"key": key, "digest": "d", "created_at": NOON, "answer": answer}, user=user)


def insert(model, columns, rows):
    bulk.execute(bulk.insertion(model, columns, rows))


def insert_objects(model, objects):
    bulk.execute(bulk.insertion_of(model, objects))


def test_instants_json_and_texts_come_back_as_they_were():
    detail = {"é": [1, 2.5, None, {"deep": "\"quoted\" 'text' %s"}], "large": 2**70}
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))

    insert(Pulse, ("name", "beat_at", "detail"), [("a", NOON, detail), ("b", elsewhere, {})])

    assert list(Pulse.objects.order_by("name").values_list("name", "beat_at", "detail")) == [
        ("a", NOON, detail),
        ("b", NOON, {}),
    ]


def test_new_instances_are_given_their_keys_in_order(operator):
    rows = [record(operator, f"key-{number}") for number in range(5)]

    insert_objects(IdempotencyRecord, rows)

    stored = dict(IdempotencyRecord.objects.values_list("pk", "key"))
    assert stored == {row.pk: row.key for row in rows}
    assert [row.pk for row in rows] == sorted(stored)


def test_an_instance_made_afresh_is_like_any_other(operator):
    made, usual = record(operator, "k", n=1), IdempotencyRecord(user=operator, key="k", digest="d", answer={"n": 1})
    usual.created_at = NOON

    assert {k: v for k, v in made.__dict__.items() if k != "_state"} == {
        k: v for k, v in usual.__dict__.items() if k != "_state"
    }
    assert made.user is operator
    assert made._state.adding


def test_defaults_are_made_anew_for_each_instance(operator):
    first, second = (bulk.fresh(IdempotencyRecord, {"key": key}, user=operator) for key in "ab")
    first.answer["x"] = 1

    assert second.answer == {}


@pytest.mark.parametrize("count", [1, 3, 150])
def test_only_the_given_columns_of_the_given_rows_change(operator, count):
    rows = [record(operator, f"key-{number}", n=number) for number in range(count)]
    insert_objects(IdempotencyRecord, [*rows, record(operator, "other", n=-1)])
    for row in rows:
        row.answer, row.digest = {"n": row.answer["n"] + 1}, "not written"

    bulk.update(IdempotencyRecord, rows, ["answer"])

    stored = dict(IdempotencyRecord.objects.values_list("key", "answer"))
    assert stored == {f"key-{number}": {"n": number + 1} for number in range(count)} | {"other": {"n": -1}}
    assert set(IdempotencyRecord.objects.values_list("digest", flat=True)) == {"d"}


def test_what_is_null_stays_null_among_values():
    rows = [(1, "", "", "", "", None), (2, "", "", "", "", 7), (3, "", "", "", "", None)]

    insert(EventDetail, ("event_id", "before", "after", "reason", "salt", "erased_by"), rows)

    assert list(EventDetail.objects.order_by("pk").values_list("erased_by", flat=True)) == [None, 7, None]


def test_several_writes_are_carried_out_in_order_in_one_message(operator, django_assert_num_queries):
    rows = [record(operator, "a"), record(operator, "b")]
    heads = [(101, "x" * 64, NOON), (102, "y" * 64, NOON)]
    leases = [("door", "ada", 1, NOON)]
    writes = [
        bulk.insertion(ChainHead, ("number", "hash", "recorded"), heads),
        bulk.insertion_of(IdempotencyRecord, rows),
        bulk.insertion(Lease, ("name", "holder", "token", "expires_at"), leases),
        bulk.insertion(Lease, ("name", "holder", "token", "expires_at"), []),
    ]

    with django_assert_num_queries(1 if connection.vendor == "postgresql" else 3):
        bulk.execute(*writes)

    assert set(ChainHead.objects.filter(number__gt=100).values_list("number", flat=True)) == {101, 102}
    assert Lease.objects.get().holder == "ada"
    assert {row.pk for row in rows} == set(IdempotencyRecord.objects.values_list("pk", flat=True))


def test_no_rows_cost_no_statement(django_assert_num_queries):
    with django_assert_num_queries(0):
        insert_objects(IdempotencyRecord, [])
        bulk.update(IdempotencyRecord, [], ["answer"])
        bulk.execute()
