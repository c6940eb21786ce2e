"""Counts by minute."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring import minutes
from orchestra.kernel.models import Event
from tests.monitoring.happenings import happened_at

NOON = datetime(2026, 1, 31, 12, 0, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _forget():
    cache.clear()


def counted(now=NOON, length=5):
    return minutes.per_minute(Event.objects.all(), "happened", name="test", now=now, minutes=length)


@pytest.mark.django_db
def test_each_minute_has_its_count():
    happened_at(*(NOON - timedelta(seconds=seconds) for seconds in (0, 10, 31, 100, 200, 10_000)))

    assert counted() == [0, 1, 1, 1, 2]


@pytest.mark.django_db
def test_a_minute_that_is_over_is_counted_once():
    happened_at(NOON - timedelta(minutes=4))
    counted()
    with CaptureQueriesContext(connection) as queries:
        again = counted()
    happened_at(NOON - timedelta(minutes=4))

    assert again == counted() == [1, 0, 0, 0, 0]
    assert "11:58:00" in queries.captured_queries[0]["sql"]  # where the counting begins


@pytest.mark.django_db
def test_what_commits_late_is_counted_still():
    counted()
    happened_at(NOON - timedelta(seconds=90))

    assert sum(counted()) == 1


@pytest.mark.django_db
def test_minutes_are_those_of_utc_whatever_the_time_zone():
    happened_at(NOON)
    with timezone.override(timezone.get_fixed_timezone(330)):
        assert counted()[-1] == 1


def test_moments_are_spread_over_minutes():
    moments = [NOON, NOON - timedelta(seconds=40), NOON - timedelta(minutes=3), NOON - timedelta(hours=2)]

    assert minutes.spread(moments, now=NOON, minutes=5) == [0, 1, 0, 1, 1]
