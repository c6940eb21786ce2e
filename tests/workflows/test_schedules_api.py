"""Schedules over the API, field by field as the contract has them."""

import pytest

from tests.audit import last_event
from workflows.models import Run, Schedule

pytestmark = pytest.mark.django_db
SCHEDULES = "/api/v1/schedules/"
BODY = {
    "workflow": "clean_up",
    "cron": "0 9 * * 1-5",
    "timezone": "Europe/Berlin",
    "input": {"depth": 2},
    "enabled": True,
}
FIELDS = {
    "id", "name", "workflow", "cron", "description", "timezone", "enabled", "missed", "overlap", "priority", "queue",
    "next_at", "last_at", "last_outcome", "last_run", "note", "created_by", "created_at", "updated_at", "links",
}  # fmt: skip
WHOLE_FIELDS = FIELDS | {"input", "next_times"}


@pytest.fixture
def flow(publish):
    publish("clean_up", {"name": "review", "human": {}})


@pytest.fixture
def client(flow, api, admin_user):
    return api(admin_user)


@pytest.fixture
def made(client):
    return client.post(SCHEDULES, BODY).json()


def faults(answer):
    return [fault["path"] for fault in answer.json()["errors"]]


def test_a_schedule_is_made_and_answered_with_201(client):
    answer = client.post(SCHEDULES, BODY | {"reason": "every morning"})

    made = answer.json()
    assert answer.status_code == 201
    assert set(made) == WHOLE_FIELDS
    assert {name: made[name] for name in BODY} == BODY
    assert (made["name"], made["description"]) == ("clean_up 0 9 * * 1-5", "Monday to Friday at 09:00")
    assert (made["missed"], made["overlap"], made["last_run"]) == ("once", "allow", None)
    assert made["next_times"][0] == made["next_at"]
    assert len(made["next_times"]) == 5
    assert last_event().detail.reason == "every morning"


def test_the_same_request_with_the_same_key_makes_one(client):
    key = {"HTTP_IDEMPOTENCY_KEY": "one"}

    first, again = (client.post(SCHEDULES, BODY, **key) for _ in range(2))
    other = client.post(SCHEDULES, BODY | {"cron": "@daily"}, **key)

    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert first.json() == again.json()
    assert Schedule.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "status", "paths"),
    [
        ({}, 422, ["workflow", "cron"]),
        (BODY | {"workflow": "none"}, 422, ["workflow"]),
        (BODY | {"cron": "never"}, 422, ["cron"]),
        (BODY | {"timezone": "Mars"}, 422, ["timezone"]),
        (BODY | {"input": []}, 422, ["input"]),
        (BODY | {"enabled": "yes"}, 422, ["enabled"]),
        (BODY | {"missed": "maybe"}, 422, ["missed"]),
        (BODY | {"overlap": "queue"}, 422, ["overlap"]),
        (BODY | {"colour": "blue"}, 422, ["colour"]),
    ],
)
def test_a_bad_request_says_where_and_makes_nothing(client, body, status, paths):
    answer = client.post(SCHEDULES, body)

    assert (answer.status_code, faults(answer)) == (status, paths)
    assert not Schedule.objects.exists()


def test_it_is_changed_field_by_field(client, made):
    changed = client.patch(f"{SCHEDULES}{made['id']}/", {"cron": "@daily", "enabled": False}).json()

    assert (changed["description"], changed["enabled"], changed["next_at"]) == ("Every day at 00:00", False, None)
    assert (changed["input"], changed["next_times"]) == ({"depth": 2}, [])


def test_a_name_that_another_has_is_a_conflict(client, made):
    other = client.post(SCHEDULES, BODY | {"name": "other"}).json()

    answer = client.patch(f"{SCHEDULES}{other['id']}/", {"name": made["name"]})

    assert (answer.status_code, faults(answer)) == (409, ["name"])


def test_it_is_removed(client, made):
    address = f"{SCHEDULES}{made['id']}/"

    assert client.delete(address, {"reason": "over"}).status_code == 204
    assert (last_event().action, last_event().detail.reason) == ("ScheduleRemoved", "over")
    assert client.get(address).status_code == client.delete(address).status_code == 404


def test_secrets_of_the_input_are_masked(client):
    made = client.post(SCHEDULES, BODY | {"input": {"token": "t0p"}}).json()

    assert made["input"] == {"token": "••••"}
    assert Schedule.objects.get().input == {"token": "t0p"}


def test_the_list_is_filtered_and_paged(client, made):
    for name in ("alpha", "beta"):
        client.post(SCHEDULES, BODY | {"name": name, "enabled": False})

    first = client.get(f"{SCHEDULES}?enabled=false&limit=1").json()
    second = client.get(first["next"]).json()

    assert [row["name"] for row in first["results"] + second["results"]] == ["alpha", "beta"]
    assert set(first["results"][0]) == FIELDS
    assert [row["name"] for row in client.get(f"{SCHEDULES}?search=clean&enabled=true").json()["results"]] == [
        made["name"]
    ]
    assert faults(client.get(f"{SCHEDULES}?enabled=perhaps")) == ["enabled"]


def test_an_operator_switches_it(made, api, operator):
    address, client = f"{SCHEDULES}{made['id']}/", api(operator)

    assert client.post(f"{address}disable/", {"reason": "holidays"}).json()["enabled"] is False
    assert client.post(f"{address}enable/").json()["next_at"] == made["next_at"]


def test_an_operator_runs_it_now_once_a_key(made, api, operator):
    client, key = api(operator), {"HTTP_IDEMPOTENCY_KEY": "now"}

    first, again = (client.post(f"{SCHEDULES}{made['id']}/fire/", {"reason": "now"}, **key) for _ in range(2))

    run = Run.objects.get()
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["last_run"] == {"id": run.pk, "status": run.status}
    assert first.json()["links"] == {"schedule": f"/schedules/{made['id']}/", "run": f"/runs/{run.pk}/"}


def test_an_expression_is_tried_before_it_is_used(client):
    tried = client.post(f"{SCHEDULES}preview/", {"cron": "*/15 * * * *"}).json()

    assert (tried["description"], len(tried["next_times"])) == ("Every 15 minutes", 5)
    assert faults(client.post(f"{SCHEDULES}preview/", {"cron": "x", "timezone": "y"})) == ["cron", "timezone"]


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("post", "", "operator"),
        ("patch", "{}/", "operator"),
        ("delete", "{}/", "operator"),
        ("post", "{}/enable/", "viewer"),
        ("post", "{}/disable/", "viewer"),
        ("post", "{}/fire/", "viewer"),
    ],
)
def test_a_role_that_may_not_is_refused_and_recorded(made, api, make_user, method, path, role):
    client = api(make_user("somebody", role))

    answer = getattr(client, method)(SCHEDULES + path.format(made["id"]), BODY if path == "" else {})

    assert (answer.status_code, last_event().action) == (403, "RequestRefused")


def test_everybody_reads(made, api, viewer):
    assert api(viewer).get(SCHEDULES).json()["results"][0]["id"] == made["id"]
    assert set(api(viewer).get(f"{SCHEDULES}{made['id']}/").json()) == WHOLE_FIELDS
