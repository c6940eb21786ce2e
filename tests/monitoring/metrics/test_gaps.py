"""When the collector did not run."""

from datetime import UTC, datetime, timedelta

import pytest

from monitoring.metrics import gaps
from monitoring.models import Tick

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
T = int(NOON.timestamp())


def found(*ticks, since=0, until=3_600, now=3_600):
    Tick.objects.bulk_create([Tick(at=T + tick, holder="test") for tick in ticks])
    gaps_ = gaps.between(
        NOON + timedelta(seconds=since), NOON + timedelta(seconds=until), NOON + timedelta(seconds=now)
    )
    return [(int(gap.since.timestamp()) - T, int(gap.until.timestamp()) - T, gap.ticks) for gap in gaps_]


def test_ticks_without_a_gap():
    assert found(*range(0, 3_600, 30)) == []


def test_a_gap_goes_from_the_first_missing_tick_to_the_next_that_is_there():
    assert found(*range(0, 301, 30), *range(600, 3_600, 30)) == [(330, 600, 9)]


def test_one_missing_tick_is_a_gap():
    assert found(*range(0, 301, 30), *range(360, 3_600, 30)) == [(330, 360, 1)]


def test_the_tick_that_is_due_is_not_missing_yet():
    assert found(*range(0, 3_570, 30)) == []


def test_what_has_not_begun_again_is_a_gap_up_to_now():
    assert found(0, 30) == [(60, 3_600, 118)]


def test_a_gap_that_began_before_the_window_is_cut():
    assert found(-600, *range(300, 3_600, 30)) == [(30, 300, 9)]


def test_before_anything_was_collected_nothing_is_missing():
    assert found() == []
    assert found(*range(1_800, 3_600, 30)) == []


def test_the_future_is_no_gap():
    assert found(*range(0, 600, 30), now=600) == []


def test_a_gap_is_said_with_its_day_where_that_is_not_today(settings):
    gap = gaps.Gap(NOON, NOON + timedelta(minutes=8), 16)

    assert gap.words == "4 Mar 12:00 to 12:08"
    assert gaps.Gap(NOON, NOON + timedelta(days=1), 2_880).words == "4 Mar 12:00 to 5 Mar 12:00"
