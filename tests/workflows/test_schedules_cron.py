"""Cron expressions: their times over clock changes, their faults, their words. No database."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workflows import cron

BERLIN = "Europe/Berlin"
FIELDS = st.tuples(
    st.sampled_from(["*", "0", "*/5", "*/15", "30", "0,30", "7-20/3"]),
    st.sampled_from(["*", "0", "2", "2,3", "9-17", "*/6", "23"]),
    st.sampled_from(["*", "1", "31", "L", "LW", "*/10", "1,15"]),
    st.sampled_from(["*", "3", "10", "MAR,OCT", "*/2"]),
    st.sampled_from(["*", "SUN", "1-5", "MON#1", "5L", "7"]),
).map(" ".join)
ZONES = st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Cairo"])
MOMENTS = st.integers(0, 6 * 366 * 86_400).map(
    lambda seconds: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


def at(text, zone=BERLIN):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def local(times, zone=BERLIN):
    return [f"{time.astimezone(ZoneInfo(zone)):%m-%d %H:%M %Z}" for time in times]


def test_times_are_those_of_the_zone():
    assert local(cron.upcoming("0 9 * * 1-5", BERLIN, at("2026-01-02T10:00"), 2)) == [
        "01-05 09:00 CET",
        "01-06 09:00 CET",
    ]
    assert cron.after("0 9 * * *", BERLIN, at("2026-07-01T00:00")) == datetime(2026, 7, 1, 7, tzinfo=UTC)


def test_a_time_that_the_spring_leaves_out_comes_once_when_the_gap_is_over():
    assert local(cron.upcoming("30 2 * * *", BERLIN, at("2026-03-28T12:00"), 2)) == [
        "03-29 03:00 CEST",
        "03-30 02:30 CEST",
    ]


def test_two_times_in_the_gap_come_as_one():
    assert local(cron.upcoming("15,45 2 * * *", BERLIN, at("2026-03-28T12:00"), 2)) == [
        "03-29 03:00 CEST",
        "03-30 02:15 CEST",
    ]


def test_a_time_that_the_autumn_repeats_comes_the_first_time_only():
    assert local(cron.upcoming("30 2 * * *", BERLIN, at("2026-10-24T12:00"), 2)) == [
        "10-25 02:30 CEST",
        "10-26 02:30 CET",
    ]


def test_within_the_repeated_hour_a_time_that_has_passed_does_not_come_again():
    in_the_second_hour = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 in winter time

    assert local(cron.upcoming("30 2 * * *", BERLIN, in_the_second_hour, 1)) == ["10-26 02:30 CET"]


def test_what_goes_by_elapsed_time_goes_on_through_the_repeated_hour():
    found = cron.upcoming("*/30 * * * *", BERLIN, at("2026-10-25T01:45"), 5)

    assert local(found) == [
        "10-25 02:00 CEST", "10-25 02:30 CEST", "10-25 02:00 CET", "10-25 02:30 CET", "10-25 03:00 CET",
    ]  # fmt: skip


@given(FIELDS, ZONES, MOMENTS)
@example("30 2 * * *", BERLIN, datetime(2026, 10, 25, 1, 10, tzinfo=UTC))
@settings(deadline=None, max_examples=60)
def test_every_time_is_later_than_the_one_before(expression, zone, start):
    found = cron.upcoming(expression, zone, start, 6)

    assert found == sorted(set(found))
    assert all(time > start for time in found)


@given(FIELDS, ZONES, MOMENTS, st.integers(1, 30))
@settings(deadline=None, max_examples=60)
def test_what_came_due_is_the_end_of_all_that_came(expression, zone, start, hours):
    first = cron.after(expression, zone, start)
    assert first is not None
    until = first + timedelta(hours=hours)
    everything = [first, *cron.upcoming(expression, zone, first, 2000)]

    assert cron.come_due(expression, zone, first, until, 5) == [time for time in everything if time <= until][-5:]


def test_ten_years_of_minutes_are_not_counted():
    first = datetime(2016, 1, 1, tzinfo=UTC)

    due = cron.come_due("* * * * *", BERLIN, first, datetime(2026, 1, 1, tzinfo=UTC), 3)

    assert [time.minute for time in due] == [58, 59, 0]


@given(st.text(max_size=30))
@example("0 9 * * MON#6")
@example("L/2 * * * *")
@example("* * * * 1#1/2")
@example("@DAILY")
@settings(deadline=None, max_examples=150)
def test_of_whatever_text_it_is_known_whether_it_can_be_used(text):
    if not cron.fault(text):
        assert cron.describe(text)
        assert cron.after(text, BERLIN, datetime(2026, 1, 1, tzinfo=UTC))


@given(st.lists(st.text("0123456789*/,-#LWMONJA", min_size=1, max_size=6), min_size=5, max_size=5).map(" ".join))
@settings(deadline=None, max_examples=300)
def test_of_whatever_fields_it_is_known_whether_they_can_be_used(text):
    if not cron.fault(text):
        assert cron.describe(text)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "Give five fields"),
        ("0 9 * *", "Give five fields"),
        ("0 0 9 * * *", "Give five fields"),
        ("60 * * * *", "The minute is not valid"),
        ("0 24 * * *", "The hour is not valid"),
        ("0 9 0 * *", "The day of the month is not valid"),
        ("0 9 * 13 *", "The month is not valid"),
        ("0 9 * * FUN", "The day of the week is not valid"),
        ("*/0 * * * *", "The minute is not valid"),
        ("0 9 31 2 *", "This time never comes"),
        ("@sometimes", "Give five fields"),
        ("1," * 60 + "1 * * * *", "Give at most 100 characters."),
    ],
)
def test_a_fault_is_said_in_a_sentence(expression, said):
    assert cron.fault(expression).startswith(said)


@pytest.mark.parametrize("zone", ["", "Europe/Atlantis", "../../etc/passwd", "localtime"])
def test_what_is_no_time_zone_is_said(zone):
    assert "no such time zone" in cron.fault_of_zone(zone)
    assert cron.fault_of_zone(BERLIN) == cron.fault_of_zone("UTC") == ""


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("* * * * *", "Every minute"),
        ("*/15 * * * *", "Every 15 minutes"),
        ("0 * * * *", "Every hour"),
        ("@hourly", "Every hour"),
        ("5 */2 * * *", "Every 2 hours, 5 minutes past"),
        ("*/10 9-17 * * 1-5", "Every 10 minutes from 09:00 to 17:59, Monday to Friday"),
        ("@daily", "Every day at 00:00"),
        ("0 9 * * mon-fri", "Monday to Friday at 09:00"),
        ("0 9,17 * * MON,THU", "On Mondays and Thursdays at 09:00 and 17:00"),
        ("0 6 1 * *", "On the 1st of every month at 06:00"),
        ("30 2 L * *", "On the last day of every month at 02:30"),
        ("0 0 24 12 *", "On the 24th of December at 00:00"),
        ("0 0 1,15 1,7 *", "On the 1st and 15th of January and July at 00:00"),
        ("0 9 * * MON#1", "At 09:00 on the first Monday of the month"),
        ("*/7 * * * *", "Every seventh minute of every hour"),
    ],
)
def test_an_expression_is_said_in_words(expression, words):
    assert cron.describe(expression) == words
