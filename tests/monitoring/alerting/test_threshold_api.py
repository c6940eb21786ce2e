"""Thresholds over the API: the contract's fields, every fault by its path, versions, stale edits."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents import pools
from monitoring.alerting import thresholds
from monitoring.models import Threshold
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Event
from tests.agents import functions  # noqa: F401  registers the functions

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("test")
URL = "/api/v1/thresholds/"
BODY = {
    "metric": "response_time",
    "scope": {"all": True},
    "operator": "gt",
    "value": 5,
    "recovery_value": 4,
    "for_s": 60,
    "keep_firing_s": 120,
    "no_data": "keep",
    "severity": "critical",
    "enabled": True,
}


@pytest.fixture
def pool(db):
    template = {"config": {"function": "test.echo"}, "capabilities": ["draft"]}
    return pools.create("python", {"name": "billing", "template": template}, by=SYSTEM)


@pytest.fixture
def slow(db):
    return thresholds.create({"name": "Slow", "metric": "response_time", "value": 5, "recovery_value": 4}, by=SYSTEM)


def test_a_threshold_is_added_once_and_answered_whole(api, operator):
    client = api(operator)

    made = client.post(URL, BODY, headers={"Idempotency-Key": "k1"})
    again = client.post(URL, BODY, headers={"Idempotency-Key": "k1"})
    other = client.post(URL, {**BODY, "value": 6}, headers={"Idempotency-Key": "k1"})

    assert (made.status_code, again.status_code, other.status_code) == (201, 200, 409)
    shown = made.json()
    assert {name: shown[name] for name in BODY} == {**BODY, "operator": ">"}
    assert (shown["name"], shown["version"]) == ("Response time of all agents above 5 s", 1)
    assert (shown["limit"], shown["scope_label"], shown["unit"]) == ("above 5 s for 1 m", "all agents", "seconds")
    assert (shown["current"], shown["firing"], shown["open_alerts"]) == (None, 0, 0)
    assert Threshold.objects.count() == 1


def test_what_to_do_without_data_may_be_said_as_others_do_and_is_answered_in_one_spelling(api, operator):
    made = api(operator).post(URL, {**BODY, "no_data": "notBreaching"}).json()
    changed = api(operator).patch(f"{URL}{made['id']}/", {"no_data": "Alerting"}).json()

    assert (made["no_data"], changed["no_data"], Threshold.objects.get().no_data) == ("ok", "alert", "alert")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("all", {"all": True}),
        ({"all": True}, {"all": True}),
        ({"pool": "billing"}, {"pool": "NUMBER"}),
        ({"pool": "NUMBER"}, {"pool": "NUMBER"}),
        ({"capability": "draft"}, {"capability": "draft"}),
        ({"agent": "billing-1"}, {"agent": "AGENT"}),
    ],
    ids=str,
)
def test_a_scope_is_an_object_and_comes_back_by_number(api, operator, pool, given, shown):
    numbers = {"NUMBER": pool.pk, "AGENT": pool.members.get().pk}
    given, shown = (
        {kind: numbers.get(value, value) for kind, value in one.items()} if isinstance(one, dict) else one
        for one in (given, shown)
    )

    made = api(operator).post(URL, {**BODY, "scope": given}).json()

    assert made["scope"] == shown


def test_what_is_wrong_is_named_by_its_path(api, operator):
    bad = {**BODY, "metric": "response_tim", "recovery_value": 6, "for_s": -1, "operator": "sideways"}

    answer = api(operator).post(URL, bad)

    assert answer.status_code == 422
    assert {fault["path"] for fault in answer.json()["errors"]} == {"metric", "for_s", "operator"}
    beyond = api(operator).post(URL, {**BODY, "recovery_value": 6}).json()
    assert beyond["errors"] == [
        {"path": "recovery_value", "message": "Recovery lies beyond the limit of 5 s: give no more than that."}
    ]


@pytest.mark.parametrize(
    "bad",
    [
        {"value": None},
        {"value": "5"},
        {"scope": None},
        {"scope": []},
        {"scope": {"agent": {}}},
        {"for_s": {}},
        {"for_s": 1e300},
        {"flap_changes": 10**30},
        {"no_data": "never"},
        {"operator": ""},
        {"colour": "red"},
        {"name": ""},
        {"name": " "},
    ],
    ids=str,
)
def test_no_nonsense_is_taken(api, operator, bad):
    answer = api(operator).post(URL, {**BODY, **bad})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == next(iter(bad))


def test_only_what_is_named_changes(api, operator, slow):
    answer = api(operator).patch(f"{URL}{slow.pk}/", {"value": 7, "for_s": "2m", "reason": "Slower models"})

    shown = answer.json()
    assert (shown["value"], shown["recovery_value"], shown["for_s"], shown["version"]) == (7, 4, 120, 2)
    assert Event.objects.get(action="ThresholdChanged").detail.reason == "Slower models"


def test_a_stale_edit_is_refused_and_says_the_newest_version(api, operator, slow):
    client = api(operator)
    client.patch(f"{URL}{slow.pk}/", {"value": 7, "version": 1})

    answer = client.patch(f"{URL}{slow.pk}/", {"value": 9, "version": 1})

    assert (answer.status_code, answer.json()["code"], answer.json()["version"]) == (409, "overtaken", 2)
    assert client.get(f"{URL}{slow.pk}/").json()["value"] == 7


def test_versions_say_who_when_why_and_can_be_restored(api, operator, slow):
    client = api(operator)
    client.patch(f"{URL}{slow.pk}/", {"value": 7, "reason": "Try"})

    restored = client.post(f"{URL}{slow.pk}/restore/", {"version": 1, "reason": "Back"})
    versions = client.get(f"{URL}{slow.pk}/versions/").json()["results"]

    assert (restored.status_code, restored.json()["value"], restored.json()["version"]) == (200, 5, 3)
    told = [(one["number"], one["values"]["value"], one["reason"], one["restores"]) for one in versions]
    assert told == [(3, 5, "Back", 1), (2, 7, "Try", None), (1, 5, "", None)]
    assert versions[0]["made_by"] == operator.label
    assert client.post(f"{URL}{slow.pk}/restore/", {"version": 1}).status_code == 409
    assert client.post(f"{URL}{slow.pk}/restore/", {"version": 9}).status_code == 404


def test_a_threshold_is_removed_with_a_reason(api, operator, slow):
    assert api(operator).delete(f"{URL}{slow.pk}/", {"reason": "Noise"}).status_code == 204
    assert Event.objects.get(action="ThresholdRemoved").detail.reason == "Noise"
    assert api(operator).get(f"{URL}{slow.pk}/").status_code == 404


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["Full", "Slow"]),
        ("?enabled=false", ["Full"]),
        ("?severity=critical", ["Full"]),
        ("?kind=agent", ["Slow"]),
        ("?metric=disk_free", ["Full"]),
        ("?search=slo", ["Slow"]),
        ("?firing=true", []),
    ],
)
def test_the_list_filters(api, viewer, slow, query, names):
    full = {"name": "Full", "metric": "disk_free", "value": 0.1, "operator": "<", "severity": "critical"}
    thresholds.create({**full, "enabled": False}, by=SYSTEM)

    assert [row["name"] for row in api(viewer).get(f"{URL}{query}").json()["results"]] == names


def test_the_list_is_paged_by_name(api, viewer):
    for name in "bca":
        thresholds.create({"name": name, "metric": "response_time", "value": 5}, by=SYSTEM)

    first = api(viewer).get(f"{URL}?limit=2").json()
    second = api(viewer).get(first["next"]).json()

    assert [row["name"] for row in (*first["results"], *second["results"])] == ["a", "b", "c"]


def test_the_list_asks_no_more_for_more_thresholds(api, viewer, pool):
    client = api(viewer)

    def queries():
        with CaptureQueriesContext(
            connection,
        ) as found:
            assert client.get(URL).status_code == 200
        return len(found)

    scopes = [{"pool": "billing"}, {"capability": "draft"}, {"agent": "billing-1"}]
    for number, scope in enumerate(scopes):
        thresholds.create({"name": str(number), "metric": "response_time", "value": 5, "scope": scope}, by=SYSTEM)
    queries()
    few = queries()
    for number, scope in enumerate(scopes * 5, start=10):
        thresholds.create({"name": str(number), "metric": "response_time", "value": 5, "scope": scope}, by=SYSTEM)

    assert queries() == few


def test_a_viewer_reads_and_writes_nothing(api, viewer, slow):
    client = api(viewer)

    assert client.get(URL).status_code == client.get(f"{URL}{slow.pk}/versions/").status_code == 200
    assert client.post(URL, BODY).status_code == 403
    assert client.patch(f"{URL}{slow.pk}/", {"value": 1}).status_code == 403
    assert client.delete(f"{URL}{slow.pk}/").status_code == 403
    assert client.post(f"{URL}{slow.pk}/restore/", {"version": 1}).status_code == 403
