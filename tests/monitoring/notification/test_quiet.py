"""Quiet hours on the wall clock, over midnight and over the changes of the clock."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from monitoring.notification import quiet
from tests.monitoring.notification.simulated import MAIL, PAGER, Simulation, T, labels, route

BERLIN = ZoneInfo("Europe/Berlin")
NIGHTS = {"timezone": "Europe/Berlin", "blocks": [{"from": "22:00", "to": "07:00"}]}


def at(text: str, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp()


def ends(given: dict[str, Any], text: str, fold: int = 0) -> str | None:
    read = quiet.read(given, "UTC")
    assert read is not None
    end = read.until(at(text, fold))
    return None if end is None else datetime.fromtimestamp(end, BERLIN).strftime("%a %H:%M")


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ("2026-06-01T21:59:59", None),
        ("2026-06-01T22:00:00", "Tue 07:00"),
        ("2026-06-02T03:00:00", "Tue 07:00"),
        ("2026-06-02T06:59:59", "Tue 07:00"),
        ("2026-06-02T07:00:00", None),
    ],
)
def test_a_block_over_midnight_holds_from_its_start_to_before_its_end(moment: str, end: str | None) -> None:
    assert ends(NIGHTS, moment) == end


def test_a_block_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    fridays = {"timezone": "Europe/Berlin", "blocks": [{"days": ["fri"], "from": "22:00", "to": "07:00"}]}
    assert ends(fridays, "2026-06-05T23:00:00") == "Sat 07:00"  # a Friday
    assert ends(fridays, "2026-06-06T06:00:00") == "Sat 07:00"
    assert ends(fridays, "2026-06-06T23:00:00") is None
    assert ends(fridays, "2026-06-05T06:00:00") is None


def test_an_end_that_the_clock_leaves_out_in_spring_is_not_before_it_changes() -> None:
    short = {"timezone": "Europe/Berlin", "blocks": [{"from": "22:00", "to": "02:30"}]}
    assert ends(short, "2026-03-29T01:45:00") == "Sun 03:30"
    late = {"timezone": "Europe/Berlin", "blocks": [{"from": "01:45", "to": "02:15"}]}
    assert ends(late, "2026-03-29T01:50:00") == "Sun 03:15"


def test_blocks_that_follow_each_other_count_as_one() -> None:
    weekend = {
        "timezone": "Europe/Berlin",
        "blocks": [
            {"days": ["sat", "sun"], "from": "00:00", "to": "24:00"},
            {"days": ["fri"], "from": "18:00", "to": "00:00"},
            {"days": ["sun"], "from": "23:00", "to": "07:00"},
        ],
    }
    assert ends(weekend, "2026-06-05T18:00:00") == "Mon 07:00"


@pytest.mark.parametrize(
    ("moment", "fold", "hours"),
    [
        ("2026-03-28T23:00:00", 0, 7.0),  # an hour is missing in that night
        ("2026-10-24T23:00:00", 0, 9.0),  # there is an hour more
        ("2026-10-25T02:30:00", 0, 5.5),  # the first half past two
        ("2026-10-25T02:30:00", 1, 4.5),  # the second
    ],
)
def test_a_night_in_which_the_clock_changes_ends_at_seven_all_the_same(moment: str, fold: int, hours: float) -> None:
    assert ends(NIGHTS, moment, fold) == "Sun 07:00"
    read = quiet.read(NIGHTS, "UTC")
    assert read is not None
    assert (read.until(at(moment, fold)) or 0) - at(moment, fold) == hours * 3_600


def test_an_end_that_the_clock_shows_twice_is_the_second() -> None:
    short = {"timezone": "Europe/Berlin", "blocks": [{"from": "01:00", "to": "02:30"}]}
    assert quiet.read(short, "UTC").until(at("2026-10-25T01:30:00")) == at("2026-10-25T02:30:00", fold=1)  # type: ignore[union-attr]


def test_without_a_zone_the_settings_zone_holds_and_without_blocks_nothing() -> None:
    read = quiet.read({"blocks": NIGHTS["blocks"]}, "Asia/Tokyo")
    assert read is not None and read.zone.key == "Asia/Tokyo"
    assert quiet.read({}, "UTC") is None and quiet.read({"timezone": "UTC", "blocks": []}, "UTC") is None


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ("never", ["quiet"]),
        ({"hours": 1}, ["quiet.hours"]),
        ({"timezone": "Mars/Base"}, ["quiet.timezone"]),
        ({"timezone": 1}, ["quiet.timezone"]),
        ({"except": ["grave"]}, ["quiet.except"]),
        ({"blocks": "22-7"}, ["quiet.blocks"]),
        ({"blocks": [{"from": "22:00", "to": "07:00"}] * 21}, ["quiet.blocks"]),
        ({"blocks": [7]}, ["quiet.blocks[0]"]),
        ({"blocks": [{"from": "22:60", "to": "7"}]}, ["quiet.blocks[0].from", "quiet.blocks[0].to"]),
        ({"blocks": [{"from": "24:01", "to": "²²:00"}]}, ["quiet.blocks[0].from", "quiet.blocks[0].to"]),
        ({"blocks": [{"days": ["someday"], "from": "22:00", "to": "07:00"}]}, ["quiet.blocks[0].days"]),
        ({"blocks": [{"from": "00:00", "to": "24:00"}]}, ["quiet.blocks"]),
        ({"blocks": [{"from": "08:00", "to": "20:00"}, {"from": "20:00", "to": "08:00"}]}, ["quiet.blocks"]),
        (NIGHTS, []),
        ({}, []),
    ],
)
def test_every_fault_says_where(given: Any, paths: list[str]) -> None:
    assert [fault["path"] for fault in quiet.faults_of(given)] == paths


def test_in_words() -> None:
    given = {**NIGHTS, "except": ["critical"]}
    assert quiet.words(given, "UTC") == "daily 22:00 to 07:00 (Europe/Berlin), except critical"
    assert quiet.words({}, "UTC") == ""


# --- With the planner ---

ALWAYS_NIGHT = quiet.read({"timezone": "UTC", "blocks": [{"from": "20:00", "to": "02:00"}]}, "UTC")
"""T is 20:26:40 UTC."""
END = 20_000


def test_what_fires_at_night_is_told_in_the_morning_if_it_still_fires() -> None:
    world = Simulation(route(quiet=ALWAYS_NIGHT))
    world.hear(0, 1)
    world.hear(0, 2)
    world.hear(500, 2, "resolved")
    assert datetime.fromtimestamp(T + END, ZoneInfo("UTC")).hour == 2
    assert world.told(END + 100) == [(END, "firing", "Mail", [1])]
    assert world.suppressed() == [(30, "firing", "Mail", [1, 2])]
    assert world.why(0)[-1].startswith("Quiet hours of route “All” until ")
    assert world.why(0)[-1].endswith("02:00 (UTC); what is still so is told then.")


def test_a_resolution_at_night_is_told_in_the_morning() -> None:
    late = quiet.read({"timezone": "UTC", "blocks": [{"from": "20:30", "to": "02:00"}]}, "UTC")
    world = Simulation(route(quiet=late))
    world.hear(0, 1)
    world.hear(1_000, 1, "resolved")
    assert world.told(END + 100) == [(30, "firing", "Mail", [1]), (END, "resolved", "Mail", [1])]


def test_severities_that_are_excepted_are_told_at_night() -> None:
    loud = quiet.read({"blocks": [{"from": "20:00", "to": "02:00"}], "except": ["critical"]}, "UTC")
    world = Simulation(route(quiet=loud))
    world.hear(0, 1, labels=labels(1, severity="critical"))
    world.hear(0, 2)
    assert world.told(1_000) == [(30, "firing", "Mail", [1])]


def test_escalation_waits_for_the_morning_too() -> None:
    late = quiet.read({"timezone": "UTC", "blocks": [{"from": "20:30", "to": "02:00"}]}, "UTC")
    world = Simulation(route(quiet=late, channels=(MAIL,), escalate_after_s=900, escalate_to=(PAGER,)))
    world.hear(0, 1)
    assert (END, "escalation", "Pager", [1]) in world.told(END + 100)
    assert (930, "escalation", "Pager", [1]) in world.suppressed()
