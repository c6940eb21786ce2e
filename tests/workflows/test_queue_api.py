"""Queues, dead letters and routing rules over the API."""

import pytest
from django.utils import timezone

from orchestra.kernel.access import Actor
from orchestra.kernel.models import Event
from tests.silent_writes import arranged
from tests.workflows import lines
from workflows import queues
from workflows.models import RoutingRule, Run, RunStatus, Step, StepStatus, TaskQueue

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("test")


def dead(queue="billing", **columns):
    steps = lines.put(queue, status=StepStatus.DEAD, error="Out of memory", finished_at=timezone.now(), **columns)
    with arranged():
        Run.objects.filter(steps__in=steps).update(status=RunStatus.FAILED, finished_at=timezone.now())
    return steps


def test_the_list_has_what_is_set_and_the_figures(api, viewer):
    queues.change("billing", {"weight": 3, "max_concurrency": 5}, by=SYSTEM)
    lines.put("billing", 2)
    dead()

    (billing, _) = api(viewer).get("/api/v1/queues/").json()["results"]

    assert billing | {"waits_since": None} == {
        "name": "billing",
        "weight": 3,
        "max_concurrency": 5,
        "rate_per_s": None,
        "burst": None,
        "key_limit": None,
        "paused": False,
        "paused_reason": "",
        "in_use": 0,
        "ready": 2,
        "dead": 1,
        "waits_since": None,
    }


def test_a_patch_sets_what_it_names_and_null_takes_a_limit_away(api, admin_user):
    queues.change("billing", {"weight": 3, "max_concurrency": 5}, by=SYSTEM)

    answer = api(admin_user).patch("/api/v1/queues/billing/", {"max_concurrency": None, "rate_per_s": 2, "reason": "x"})

    assert answer.status_code == 200
    assert (answer.json()["weight"], answer.json()["max_concurrency"], answer.json()["rate_per_s"]) == (3, None, 2.0)


def test_a_patch_of_a_queue_that_nothing_names_makes_it(api, admin_user):
    assert api(admin_user).patch("/api/v1/queues/vip/", {"weight": 9}).status_code == 200
    assert TaskQueue.objects.get().weight == 9


def test_operators_may_patch_the_pause_alone(api, operator):
    queues.change("billing", {"weight": 3}, by=SYSTEM)
    client = api(operator)

    answer = client.patch("/api/v1/queues/billing/", {"paused": True, "reason": "The bank is down."})
    assert (answer.status_code, answer.json()["paused"]) == (200, True)
    assert client.patch("/api/v1/queues/billing/", {"weight": 4}).status_code == 403
    both = client.patch("/api/v1/queues/billing/", {"weight": 4, "paused": False})
    assert both.status_code == 403
    assert TaskQueue.objects.get().paused


def test_faults_of_a_patch_are_named(api, admin_user):
    queues.change("billing", {"weight": 3}, by=SYSTEM)
    client = api(admin_user)

    answer = client.patch("/api/v1/queues/billing/", {"max_concurrency": 0, "rate_per_s": -1})
    assert answer.status_code == 422
    assert {fault["path"] for fault in answer.json()["errors"]} == {"max_concurrency", "rate_per_s"}
    assert client.patch("/api/v1/queues/billing/", {"speed": 1}).json()["errors"][0]["path"] == "speed"


def test_a_queue_that_nothing_names_is_not_found(api, viewer):
    assert api(viewer).get("/api/v1/queues/nowhere/").status_code == 404


def test_dead_letters_of_a_queue_are_listed_and_filtered(api, viewer):
    (step,) = dead()
    dead("bulk")
    client = api(viewer)

    (row,) = client.get("/api/v1/queues/billing/dead/").json()["results"]
    assert (row["id"], row["run"], row["workflow"], row["error"]) == (step.pk, step.run_id, "line", "Out of memory")
    assert row["capabilities"] == ["work"]
    assert client.get("/api/v1/queues/billing/dead/?cause=bank").json()["results"] == []


def test_dead_letters_are_put_back_by_filter(api, operator):
    dead()
    dead("bulk")

    answer = api(operator).post("/api/v1/queues/billing/dead/requeue/", {"filter": {}, "reason": "more memory"})

    assert answer.status_code == 200
    assert answer.json() == {"done": 1, "skipped": 0, "refused": 0, "reasons": []}
    assert Step.objects.get(queue="billing").status == StepStatus.READY
    assert Step.objects.get(queue="bulk").status == StepStatus.DEAD
    assert len(set(Event.objects.filter(action__in=["RunRetried"]).values_list("correlation", flat=True))) == 1


def test_a_step_of_another_queue_is_not_put_back_by_its_number(api, operator):
    (step,) = dead("bulk")

    answer = api(operator).post("/api/v1/queues/billing/dead/requeue/", {"ids": [step.pk], "reason": "mended"})

    assert answer.json()["done"] == 0
    assert Step.objects.get().status == StepStatus.DEAD


@pytest.mark.parametrize(
    "body",
    [{}, {"reason": "x"}, {"filter": {}}, {"filter": {"queue": "bulk"}, "reason": "x"}, {"filter": {}, "ids": [1]}],
)
def test_putting_back_must_say_which_and_why(api, operator, body):
    assert api(operator).post("/api/v1/queues/billing/dead/requeue/", body).status_code == 422


def test_viewers_put_nothing_back(api, viewer):
    body = {"filter": {}, "reason": "mended"}
    assert api(viewer).post("/api/v1/queues/billing/dead/requeue/", body).status_code == 403


def test_rules_are_made_listed_changed_moved_and_removed(api, admin_user):
    client = api(admin_user)
    first = client.post("/api/v1/routing-rules/", {"tier": "premium", "queue": "vip"}).json()
    second = client.post("/api/v1/routing-rules/", {"workflow": "orders", "queue": "shop", "enabled": False}).json()
    assert (first["position"], second["position"], second["enabled"]) == (1, 2, False)

    moved = client.patch(f"/api/v1/routing-rules/{second['id']}/", {"position": 1, "tier": "standard"})
    assert (moved.json()["position"], moved.json()["tier"]) == (1, "standard")
    listed = client.get("/api/v1/routing-rules/").json()["results"]
    assert [rule["queue"] for rule in listed] == ["shop", "vip"]

    assert client.delete(f"/api/v1/routing-rules/{second['id']}/").status_code == 204
    assert client.get(f"/api/v1/routing-rules/{second['id']}/").status_code == 404
    assert RoutingRule.objects.get().position == 1


def test_the_same_key_makes_one_rule(api, admin_user):
    client, body = api(admin_user), {"tier": "premium", "queue": "vip"}

    answers = [client.post("/api/v1/routing-rules/", body, headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 200]
    assert RoutingRule.objects.count() == 1


def test_a_rule_without_a_queue_is_refused_and_operators_make_none(api, admin_user, operator):
    assert api(admin_user).post("/api/v1/routing-rules/", {"tier": "premium"}).status_code == 422
    assert api(operator).post("/api/v1/routing-rules/", {"queue": "vip"}).status_code == 403
