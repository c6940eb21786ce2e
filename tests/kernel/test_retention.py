"""What is old goes a little at a time: telemetry in silence, the rest with an event for each batch."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orchestra.kernel import retention, right_of_way
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Event, IdempotencyRecord
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
JANITOR = Actor.system("janitor")


@pytest.fixture(autouse=True)
def _without_rest(monkeypatch):
    monkeypatch.setattr(retention, "REST_S", 0)


@pytest.fixture
def records(operator):
    """Of 0 to 4 days ago; ``key`` says how many."""
    with arranged():
        for days in range(5):
            row = IdempotencyRecord.objects.create(user=operator, key=str(days), digest="d")
            IdempotencyRecord.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(days=days))
    return IdempotencyRecord.objects.all()


def keys():
    return sorted(IdempotencyRecord.objects.values_list("key", flat=True))


def remove(rows, **how):
    return retention.remove_recorded(rows, by=JANITOR, action="RecordsRemoved", **({"at_once": 2} | how))


def told():
    return list(Event.objects.filter(action="RecordsRemoved").order_by("number"))


def test_telemetry_goes_in_slices_and_nothing_else_does(records, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 2)

    with django_assert_num_queries(2 * 2 + 1):
        assert retention.remove_in_slices(records.exclude(key__in=["0", "4"]).order_by("created_at")) == 3

    assert keys() == ["0", "4"]
    assert not told()


def test_what_ended_longer_ago_than_the_days_is_found_the_oldest_first(records):
    old = retention.ended_before(records, "created_at", days=2)

    assert [row.key for row in old] == ["4", "3", "2"]


def test_of_no_days_everything_is_kept_for_ever(records):
    assert not retention.ended_before(records, "created_at", days=0)


def test_each_batch_is_told_of_in_a_unit_of_its_own(records):
    old = records.exclude(key="0").order_by("-key")
    last, _, first = old.values_list("pk", flat=True)[:3]

    assert remove(old, at_once=3) == 4
    assert keys() == ["0"]
    assert [(event.actor_id, event.target_kind, event.target_label) for event in told()] == [
        ("janitor", "idempotency records", "3 idempotency records"),
        ("janitor", "idempotency records", "1 idempotency records"),
    ]
    assert (told()[0].target_id, told()[0].detail.after) == (f"{first}-{last}", '{"count":3}')
    assert len({event.correlation for event in told()}) == 2


def test_where_nothing_is_old_nothing_is_told(records):
    assert remove(records.none()) == 0
    assert not told()


def test_between_two_batches_others_have_their_turn(records, monkeypatch):
    left = []
    monkeypatch.setattr(right_of_way, "give_way", lambda: left.append(keys()))

    remove(records.order_by("key"))

    assert left == [["2", "3", "4"], ["4"], []]


def test_one_call_removes_no_longer_than_some_seconds_and_the_next_goes_on(records, monkeypatch):
    monkeypatch.setattr(retention, "AT_MOST_S", 0.2)
    monkeypatch.setattr(retention, "REST_S", 0.3)

    assert [remove(records) for _ in range(4)] == [2, 2, 1, 0]
