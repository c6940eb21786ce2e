"""POST /api/v1/thresholds/preview/: published timelines, history, what is refused; nothing is ever written."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from agents import pools
from agents.models import Pool
from monitoring.alerting import backtest
from monitoring.models import Alert, Channel, Notification, Route, Threshold
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Event
from tests.monitoring.alerting.measured import gauge, tick
from tests.monitoring.alerting.test_replay import cases, seconds
from tests.silent_writes import arranged

PATH = "/api/v1/thresholds/preview/"
LIMIT = {"metric": "queue_waiting", "operator": ">", "value": 5, "recovery_value": 4, "for_s": 60, "keep_firing_s": 120}
BEGAN = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def preview(api, viewer):
    client = api(viewer)

    def ask(expected: int = 200, **given):
        answer = client.post(PATH, given)
        assert answer.status_code == expected, answer.json()
        return answer.json()

    return ask


def at(after_s: float) -> str:
    return (BEGAN + timedelta(seconds=after_s)).isoformat().replace("+00:00", "Z")


def series(*values, every_s: int = 30) -> list[dict]:
    return [{"at": at(number * every_s), "value": value} for number, value in enumerate(values)]


def told(answer: dict) -> list[tuple]:
    return [(one["from"], one["to"], one["status"]) for one in answer["intervals"]]


def test_samples_of_ones_own_give_intervals_and_notifications(preview):
    answer = preview(**LIMIT, samples=series(*[9] * 20, *[1] * 20))

    assert told(answer) == [
        (at(0), at(60), "pending"),
        (at(60), at(600), "firing"),
        (at(600), at(720), "recovering"),
    ]
    assert [(one["at"], one["channel"], one["kind"]) for one in answer["notifications"]] == [
        (at(90), "In the browser", "firing"),
        (at(720), "In the browser", "resolved"),
    ]
    assert answer["samples"] == 40 and answer["channels"] == {"In the browser": 2}
    assert answer["subjects"] == [
        {"kind": "queue", "id": "", "name": "your samples", "samples": 40, "fired": 1, "firing_s": 660.0}
    ]


def test_the_published_timeline_of_prometheus(preview):
    rule = {"metric": "executors", "operator": "==", "value": 0, "for_s": cases()["rule"]["for"], "no_data": "ok"}
    up = [{"at": at(60 * minute), "value": 0} for minute in range(1441)]

    found = told(preview(**rule, keep_firing_s=0, samples=up))

    assert found == [(at(0), at(300), "pending"), (at(300), None, "firing")]
    for case in cases()["expect"][1:]:
        now = at(seconds(case["t"]))
        assert [status for start, end, status in found if start <= now and (end is None or now < end)] == [
            case["InstanceDown"]
        ]


def test_values_go_stale_after_five_minutes_and_at_once_where_a_sample_says_so(preview):
    rule = {**LIMIT, "for_s": 0, "keep_firing_s": 0, "no_data": "no_data"}

    by_time = preview(**rule, samples=[{"at": at(0), "value": 9}], until=at(600))
    by_word = preview(**rule, samples=[{"at": at(0), "value": 9}, {"at": at(60), "value": None}])

    assert told(by_time) == [(at(0), at(330), "firing"), (at(330), None, "no_data")]
    assert told(by_word) == [(at(0), at(60), "firing"), (at(60), None, "no_data")]


def test_samples_out_of_order_and_doubled_ones_are_read_as_live(preview):
    ordered = series(9, 9, 9, 1)
    mixed = [ordered[3], ordered[0], {**ordered[0], "value": 1}, ordered[2], ordered[1]]

    assert told(preview(**LIMIT, samples=mixed)) == told(preview(**LIMIT, samples=ordered))


def test_instants_may_be_numbers_and_texts_without_an_offset_are_utc(preview):
    first = BEGAN.timestamp()
    samples = [{"at": first, "value": 9}, {"at": "2026-01-05T12:01:00", "value": 9}]

    assert told(preview(**LIMIT, samples=samples)) == [(at(0), at(60), "pending"), (at(60), None, "firing")]


def test_a_long_series_is_evaluated_less_often(preview):
    answer = preview(**LIMIT, samples=[{"at": at(0), "value": 1}, {"at": at(365 * 86_400), "value": 1}])

    assert 30 < answer["every_s"] < 300 and answer["evaluations"] <= 250_001


def test_what_had_happened_by_the_end_is_told_though_it_is_due_just_after_it(preview):
    firing = preview(**LIMIT, samples=series(9, 9, 9))
    resolved = preview(**LIMIT, samples=series(*[9] * 20, *[1] * 5))

    assert [(one["at"], one["kind"]) for one in firing["notifications"]] == [(at(90), "firing")]
    assert [(one["at"], one["kind"]) for one in resolved["notifications"]] == [
        (at(90), "firing"), (at(720), "resolved"),
    ]  # fmt: skip
    assert (firing["until"], firing["evaluations"], told(firing)[-1]) == (at(60), 3, (at(60), None, "firing"))
    assert firing["channels"] == {"In the browser": 1}


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 11])
def test_the_news_of_a_series_that_ends_are_those_of_one_that_goes_on_as_it_is(preview, count):
    rule = {**LIMIT, "for_s": 0, "keep_firing_s": 0}
    samples = series(*([9, 9, 1, 9, 1, 9] * 2)[:count], every_s=45)

    ended = preview(**rule, samples=samples)
    going_on = preview(**rule, samples=samples, until=at(45 * (count - 1) + 330))

    assert ended["notifications"] == going_on["notifications"] and ended["notifications"]
    assert ended["suppressed"] == going_on["suppressed"]


def test_nothing_is_repeated_or_escalated_after_the_end(preview):
    with arranged():
        route = Route.objects.create(name="often", wait_s=0, interval_s=300, repeat_s=60, escalate_after_s=90)
        for name, to in (("desk", route.channels), ("chief", route.escalate_to)):
            to.add(Channel.objects.create(name=name, kind="browser"))

    answer = preview(**{**LIMIT, "for_s": 0}, samples=series(9, 9))

    assert [(one["at"], one["kind"]) for one in answer["notifications"]] == [(at(0), "firing")]


def test_a_sparse_series_is_evaluated_so_often_that_what_breaches_fires(preview):
    year = 365 * 86_400
    rule = {**LIMIT, "no_data": "alert", "no_data_after_s": 140}

    answer = preview(**rule, samples=[{"at": at(0), "value": 1}, {"at": at(year), "value": 1}])

    assert (answer["every_s"], answer["subjects"][0]["fired"]) == (140, 1)


def test_evaluations_further_apart_than_a_value_counts_are_refused(preview):
    refused = preview(422, **LIMIT, samples=series(9, 9), every_s=301)
    taken = preview(**LIMIT, samples=series(9, 9), every_s=300)

    (fault,) = refused["errors"]
    assert fault["path"] == "every_s" and "no_data_after_s, 300 s" in fault["message"]
    assert taken["every_s"] == 300


def test_flapping_folds_what_is_told_into_digests(preview):
    toggling = series(*[9, 1] * 120)

    answer = preview(**{**LIMIT, "for_s": 0, "keep_firing_s": 0}, samples=toggling)

    assert answer["subjects"][0]["fired"] == 120
    assert {one["kind"] for one in answer["notifications"]} >= {"digest"}
    assert len(answer["notifications"]) < 10


def test_routes_decide_who_would_have_been_told(preview):
    with arranged():
        Route.objects.create(name="night", severities=["critical"], wait_s=0, position=1)

    loud = preview(**LIMIT, severity="critical", samples=series(*[9] * 10))
    quiet = preview(**LIMIT, severity="info", samples=series(*[9] * 10))

    assert (loud["notifications"], loud["suppressed"]) == ([], 1)
    assert [one["channel"] for one in quiet["notifications"]] == ["In the browser"]


# --- Recorded history ---


def recorded(values, subject="default"):
    """Ticks up to now with these values; returns the first one's instant."""
    last = int(timezone.now().timestamp()) // 30 * 30
    first = last - 30 * (len(values) - 1)
    for number, value in enumerate(values):
        tick(first + 30 * number)
        gauge(value, first + 30 * number, subject)
    return first


def test_history_is_replayed_at_the_ticks_that_were_collected(preview):
    first = recorded([1, 9, 9, 9, 1])

    answer = preview(**LIMIT, scope={"queue": "default"})

    assert [(one["status"], one["subject"]) for one in answer["intervals"]] == [
        ("pending", "default"), ("firing", "default"), ("recovering", "default"),
    ]  # fmt: skip
    assert answer["intervals"][0]["from"] == datetime.fromtimestamp(first + 30, UTC).isoformat().replace("+00:00", "Z")
    assert (answer["samples"], answer["evaluations"], answer["chosen"]) == (5, 5, "")


def test_history_is_of_the_last_seven_days_unless_told_otherwise(preview):
    first = recorded([9, 9, 9])

    answer = preview(**LIMIT)
    later = preview(**LIMIT, since=datetime.fromtimestamp(first + 50, UTC).isoformat())

    lasted = datetime.fromisoformat(answer["until"]) - datetime.fromisoformat(answer["since"])
    assert lasted == timedelta(days=7)
    assert (later["samples"], later["evaluations"]) == (3, 1)


def test_of_a_large_fleet_those_nearest_to_the_limit_are_taken(preview, monkeypatch):
    monkeypatch.setattr(backtest, "MOST_SAMPLES", 6)
    template = {"config": {"function": "test.echo"}}
    with arranged():
        for name in ("calm", "busy", "idle"):
            pools.create("python", {"name": name, "template": template, "min_size": 1}, by=Actor.system("test"))
    number = {pool.name: str(pool.pk) for pool in Pool.objects.all()}
    last = int(timezone.now().timestamp()) // 30 * 30
    for ago in (60, 30, 0):
        tick(last - ago)
        for name, value in (("calm", 2), ("busy", 9), ("idle", 0)):
            gauge_of_pool(number[name], last - ago, value)

    answer = preview(**{**LIMIT, "metric": "pool_waiting"})

    assert [one["name"] for one in answer["subjects"]] == ["busy", "calm"]
    assert answer["chosen"].startswith("Of the 3 in its scope, the 2 came nearest")


def gauge_of_pool(pool, at, value):
    gauge(value, at, pool, metric="pool_waiting")


def test_a_preview_changes_nothing(preview):
    recorded([9, 9, 9, 9])
    before = Event.objects.count()

    preview(**LIMIT, name="Never saved")
    preview(**LIMIT, samples=series(9, 9, 9))

    assert not (Threshold.objects.exists() or Alert.objects.exists() or Notification.objects.exists())
    assert Event.objects.count() == before


# --- What is refused ---


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"recovery_value": 6}, "recovery_value"),
        ({"metric": "mood"}, "metric"),
        ({"scope": {"pool": "nobody"}}, "scope"),
        ({"for_s": -1}, "for_s"),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "since"),
        ({"since": "2099-01-01T00:00:00Z"}, "since"),
        ({"until": "2020-01-01T00:00:00Z"}, "until"),
        ({"every_s": 60}, "every_s"),
        ({"samples": []}, "samples"),
        ({"samples": "many"}, "samples"),
        ({"samples": [{"at": "yesterday", "value": 1}]}, "samples[0].at"),
        ({"samples": [{"at": "2026-01-01T00:00:00Z", "value": "1"}]}, "samples[0].value"),
        ({"samples": [{"at": "2026-01-01T00:00:00Z", "value": True}]}, "samples[0].value"),
        ({"samples": [{"at": "2026-01-01T00:00:00Z"}]}, "samples[0].value"),
        ({"samples": [{"at": "2026-01-01T00:00:00Z", "value": 1, "unit": "s"}]}, "samples[0].unit"),
        ({"samples": [{"at": -1, "value": 1}]}, "samples[0].at"),
        ({"samples": [{"at": True, "value": 1}]}, "samples[0].at"),
        ({"samples": [{"at": "1969-12-31T23:59:59Z", "value": 1}]}, "samples[0].at"),
        ({"samples": [{"at": "0001-01-01T00:00:00+14:00", "value": 1}]}, "samples[0].at"),
        ({"samples": [{"at": "9999-12-31T23:59:59-14:00", "value": 1}]}, "samples[0].at"),
        ({"samples": [7]}, "samples[0]"),
        ({"samples": series(1), "until": "2020-01-01T00:00:00Z"}, "until"),
        ({"samples": series(1), "since": "2030-01-01T00:00:00Z"}, "since"),
        ({"samples": series(1), "every_s": 0}, "every_s"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_is_named(preview, given, path):
    answer = preview(422, **{**LIMIT, **given})

    assert path in [error["path"] for error in answer["errors"]]


@pytest.mark.parametrize(
    "body", ['{"samples": [NaN]}', '{"samples": [', "[]", '{"samples": [{"at": 1e999, "value": 1}]}', "\xff"]
)
def test_what_is_no_json_is_told_so(api, viewer, body):
    answer = api(viewer).generic("POST", PATH, body.encode("latin-1"), content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_nobody_who_is_not_signed_in_may_ask(db, client):
    assert client.post(PATH, json.dumps(LIMIT), content_type="application/json").status_code == 401
