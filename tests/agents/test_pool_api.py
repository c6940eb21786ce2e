"""Pools over the API."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import autoscaler, pools, ports
from agents.models import Agent, Pool, PoolSample
from agents.ports import Waiting
from orchestra.kernel.access import Actor
from tests.agents import functions  # noqa: F401  registers the functions
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("test")
URL = "/api/v1/pools/"
BODY = {
    "name": "billing",
    "kind": "python",
    "template": {"config": {"function": "test.echo"}, "capabilities": ["draft"], "max_concurrency": 2},
    "min_size": 1,
    "max_size": 4,
    "policy": {"step_up": 3},
    "secrets": {"key": "s3cret"},
}


@pytest.fixture
def pool(db):
    values = {name: value for name, value in BODY.items() if name != "kind"}
    return pools.create("python", values, by=SYSTEM)


def test_a_pool_is_added_once_and_answered_whole(api, admin_user):
    client = api(admin_user)

    made = client.post(URL, BODY, headers={"Idempotency-Key": "k1"})
    again = client.post(URL, BODY, headers={"Idempotency-Key": "k1"})

    assert (made.status_code, again.status_code) == (201, 200)
    shown = made.json()
    assert (shown["name"], shown["kind"], shown["target"], shown["size"]) == ("billing", "python", 1, 1)
    assert (shown["policy"]["step_up"], shown["policy"]["target_utilisation"]) == (3, 0.7)
    assert shown["secret_names"] == ["key"] and "s3cret" not in made.content.decode()
    assert shown["last_decision"]["reason"] == "It begins with 1."
    assert Pool.objects.count() == 1


def test_what_is_wrong_is_named_by_its_path(api, admin_user):
    bad = {
        **BODY,
        "min_size": 9,
        "launcher": "/bin/rm",
        "policy": {"step_up": -1, "nothing": 2},
        "template": {"config": {"function": "nothing"}, "max_concurrency": 0},
    }

    answer = api(admin_user).post(URL, bad)

    assert answer.status_code == 422
    assert {fault["path"] for fault in answer.json()["errors"]} == {
        "min_size",
        "launcher",
        "policy.step_up",
        "policy.nothing",
        "template.config.function",
        "template.max_concurrency",
    }


@pytest.mark.parametrize(
    "given",
    [
        {"template": {"max_concurrency": "many"}},
        {"template": {"status": "online"}},
        {"policy": [1]},
        {"min_size": 1.5},
        {"command": ["rm", "-rf", "/"]},
    ],
    ids=str,
)
def test_other_types_and_unknown_names_are_refused(api, admin_user, pool, given):
    answer = api(admin_user).patch(f"{URL}{pool.pk}/", given)

    assert answer.status_code == 422
    assert answer.json()["errors"]


def test_members_follow_a_change(api, admin_user, pool):
    answer = api(admin_user).patch(f"{URL}{pool.pk}/", {"template": {**BODY["template"], "version": "2"}})

    assert answer.status_code == 200
    assert Agent.objects.get().version == "2"


def test_an_operator_scales_and_switches_it(api, operator, pool):
    client = api(operator)

    scaled = client.post(f"{URL}{pool.pk}/scale/", {"target": 3, "reason": "Noon"})
    switched = client.post(f"{URL}{pool.pk}/scale/", {"autoscales": False, "target": 0})

    assert (scaled.status_code, scaled.json()["size"]) == (200, 3)
    assert (switched.json()["autoscales"], switched.json()["target"], switched.json()["draining"]) == (False, 0, 3)
    assert client.post(f"{URL}{pool.pk}/scale/", {}).status_code == 422
    assert client.post(f"{URL}{pool.pk}/scale/", {"target": 5}).json()["errors"][0]["path"] == "target"


def test_roles_are_held_to(api, viewer, operator, pool):
    assert api(viewer).get(URL).status_code == 200
    assert api(viewer).post(f"{URL}{pool.pk}/scale/", {"target": 2}).status_code == 403
    assert api(viewer).post(f"{URL}{pool.pk}/try/", {}).status_code == 403
    assert api(operator).patch(f"{URL}{pool.pk}/", {"max_size": 9}).status_code == 403
    assert api(operator).delete(f"{URL}{pool.pk}/").status_code == 403
    assert api(operator).post(URL, BODY).status_code == 403


def test_decisions_are_paged_and_filtered(api, viewer, pool):
    for target in (2, 3, 1):
        pools.scale(pool.pk, target, by=SYSTEM)

    client = api(viewer)
    page = client.get(f"{URL}{pool.pk}/decisions/?limit=2").json()
    shrunk = client.get(f"{URL}{pool.pk}/decisions/?decided=down").json()["results"]

    assert [each["target"] for each in page["results"]] == [1, 3]
    assert [each["target"] for each in client.get(page["next"]).json()["results"]] == [2, 1]
    assert [each["size_before"] for each in shrunk] == [3]
    assert client.get(f"{URL}999/decisions/").status_code == 404


def test_a_policy_is_tried_over_what_was_recorded(api, operator, pool):
    now = timezone.now()
    rows = [
        PoolSample(pool=pool, at=now - timedelta(seconds=10 * n), size=4, slots=8, in_use=1, waiting=0)
        for n in range(360)
    ]
    with arranged():
        PoolSample.objects.bulk_create(rows)
    before = pool.decisions.count()

    tried = api(operator).post(f"{URL}{pool.pk}/try/", {"policy": {"cooldown_down_s": 0}}).json()

    assert tried["then"]["agent_hours"] == pytest.approx(4, abs=0.05)
    assert tried["with_this"]["agent_hours"] < 1.5
    assert tried["decisions"][-1]["code"] == "idle" and tried["changes"] == len(tried["decisions"])
    assert pool.decisions.count() == before and Pool.objects.get().policy == {"step_up": 3}


def test_trying_with_nothing_recorded_or_a_bad_policy_says_so(api, operator, pool):
    client = api(operator)

    assert client.post(f"{URL}{pool.pk}/try/", {}).json()["then"] is None
    bad = client.post(f"{URL}{pool.pk}/try/", {"policy": {"max_wait_s": 0}})
    assert (bad.status_code, bad.json()["errors"][0]["path"]) == (422, "policy.max_wait_s")


def test_a_pool_without_history_is_removed_and_another_retired(api, admin_user, pool):
    other = pools.create("python", {"name": "other", "template": BODY["template"]}, by=SYSTEM)
    with arranged():
        other.members.get().health.__class__.objects.filter(agent__pool=other).update(calls=1)
    client = api(admin_user)

    assert client.delete(f"{URL}{pool.pk}/").status_code == 204
    retired = client.delete(f"{URL}{other.pk}/", {"reason": "Over"})
    assert (retired.status_code, retired.json()["target"]) == (200, 0)


def test_agents_are_found_by_their_pool(api, viewer, pool, make_agent):
    make_agent("alone")

    found = api(viewer).get("/api/v1/agents/?pool=billing").json()["results"]

    assert [(each["name"], each["pool"]) for each in found] == [("billing-1", "billing")]


def test_a_member_is_not_changed_by_itself(api, admin_user, pool):
    member = pool.members.get()

    answer = api(admin_user).patch(f"/api/v1/agents/{member.pk}/", {"max_concurrency": 9})

    assert answer.status_code == 409
    assert "belongs to the pool billing" in answer.json()["detail"]


def test_the_list_takes_the_same_queries_however_long_it_is(api, viewer, pool, monkeypatch):
    monkeypatch.setattr(ports, "demand", [lambda found, _now: {pk: Waiting(1, 1.0) for pk in found}])
    client = api(viewer)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert client.get(URL).status_code == 200
        return len(captured)

    queries()
    few = queries()
    for number in range(5):
        pools.create("python", {"name": f"p{number}", "template": BODY["template"], "min_size": 3}, by=SYSTEM)
    autoscaler.evaluate_due()

    assert queries() == few
