"""Runs and workflows over the API, field by field as the contract has them."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from agents.outcomes import Done, Failed
from orchestra.kernel.events import Ref
from orchestra.kernel.models import EventDetail
from tests.audit import last_event
from tests.silent_writes import arranged
from tests.workflows.conftest import OPERATOR
from workflows import control, engine
from workflows.advance import POISON_LOSSES
from workflows.models import Run, Step, WorkflowVersion

pytestmark = pytest.mark.django_db
RUNS = "/api/v1/runs/"
STEPS = [{"name": "draft", "capabilities": ["work"]}, {"name": "review", "human": {}}]
RUN_FIELDS = {
    "id", "status", "workflow", "version", "queue", "routed_by", "priority", "tier", "error", "correlation",
    "created_at", "start_at", "deadline", "started_at", "finished_at", "compensated", "links",
}  # fmt: skip
WHOLE_RUN_FIELDS = RUN_FIELDS | {"input", "output", "context", "steps", "waiting", "signals", "usage", "resources"}
STEP_FIELDS = {
    "id", "name", "kind", "status", "attempt", "round", "agent", "candidates", "because", "weights", "left_out",
    "excluded", "waiting", "started_at",
    "finished_at", "input", "output", "error", "items", "compensation", "child", "partial", "usage",
}  # fmt: skip
WORK = {"capabilities": ["work"]}


@pytest.fixture
def flow(worker, publish):
    publish("reviewed", *STEPS, output={"text": "steps.draft.output.text"})


def faults(answer):
    return [fault["path"] for fault in answer.json()["errors"]]


def detail_of(action):
    return EventDetail.objects.get(event__action=action)


def test_a_run_is_started_and_answered_with_201(flow, api, operator):
    answer = api(operator).post(RUNS, {"workflow": "reviewed", "input": {"text": "hello"}, "priority": 5})

    run = Run.objects.get()
    assert answer.status_code == 201
    assert set(answer.json()) == RUN_FIELDS
    assert (answer.json()["id"], answer.json()["workflow"], answer.json()["version"]) == (run.pk, "reviewed", 1)
    assert (run.input, run.priority, run.started_by) == ({"text": "hello"}, 5, operator.label)


def test_the_same_request_with_the_same_key_starts_one_run(flow, api, operator):
    client, key = api(operator), {"HTTP_IDEMPOTENCY_KEY": "one"}

    first = client.post(RUNS, {"workflow": "reviewed"}, **key)
    again = client.post(RUNS, {"workflow": "reviewed"}, **key)

    assert (first.status_code, again.status_code, Run.objects.count()) == (201, 200, 1)


def test_an_older_version_can_be_asked_for(flow, publish, api, operator):
    publish("reviewed", *STEPS[:1])

    assert api(operator).post(RUNS, {"workflow": "reviewed"}).json()["version"] == 2
    assert api(operator).post(RUNS, {"workflow": "reviewed", "version": 1}).json()["version"] == 1


@pytest.mark.parametrize(
    ("body", "status", "paths"),
    [
        ({}, 422, ["workflow"]),
        ({"workflow": "none"}, 404, []),
        ({"workflow": "reviewed", "version": 9}, 404, []),
        ({"workflow": "reviewed", "version": 0}, 422, ["version"]),
        ({"workflow": "reviewed", "input": "hello"}, 422, ["input"]),
        ({"workflow": "reviewed", "input": {"steps": 1}}, 422, ["input.steps"]),
        ({"workflow": "reviewed", "priority": 1000}, 422, ["priority"]),
        ({"workflow": "reviewed", "colour": "blue"}, 422, ["colour"]),
    ],
)
def test_a_bad_request_says_where_and_starts_nothing(flow, api, operator, body, status, paths):
    answer = api(operator).post(RUNS, body)

    assert (answer.status_code, faults(answer)) == (status, paths)
    assert not Run.objects.exists()


def test_a_run_has_the_fields_of_the_contract(flow, api, viewer, script):
    run = engine.start("reviewed", {"text": "hello", "token": "t0p"}, by=OPERATOR, serves=Ref("parcel", 7))
    script.finish(Done({"text": "hi"}))

    shown = api(viewer).get(f"{RUNS}{run.pk}/").json()

    assert set(shown) == WHOLE_RUN_FIELDS
    assert (shown["status"], shown["input"]) == ("waiting", {"text": "hello", "token": "••••"})
    assert shown["context"] == {
        "steps": {
            "draft": {"status": "succeeded", "output": {"text": "hi"}},
            "review": {"status": "waiting", "output": None},
        }
    }
    assert shown["links"]["run"] == f"/runs/{run.pk}/"
    assert shown["waiting"]["reason"] == "person"


def test_a_step_has_the_fields_of_the_contract(flow, api, viewer, script):
    run = engine.start("reviewed", {"text": "hello"}, by=OPERATOR)
    script.finish(Done({"text": "hi", "api_key": "sk-1"}))

    draft, review = api(viewer).get(f"{RUNS}{run.pk}/").json()["steps"]

    assert set(draft) == set(review) == STEP_FIELDS
    assert (draft["status"], draft["attempt"], draft["agent"]) == ("succeeded", 1, "worker-1")
    assert (draft["input"], draft["output"]) == ({"text": "hello"}, {"text": "hi", "api_key": "••••"})
    [candidate] = draft["candidates"]
    assert set(candidate) == {"agent", "score", "parts"}
    assert set(candidate["parts"]) == {"match", "success", "speed", "availability"}
    assert (draft["waiting"], set(review["waiting"])) == (None, {"reason", "detail", "link"})


def test_a_step_that_was_not_reached_is_pending(flow, api, viewer):
    run = engine.start("reviewed", {}, by=OPERATOR)

    review = api(viewer).get(f"{RUNS}{run.pk}/").json()["steps"][1]

    assert (review["status"], review["attempt"], review["agent"], review["input"]) == ("pending", 0, None, None)
    assert review["waiting"]["reason"] == "needs"


def test_the_list_is_filtered_and_paged(flow, api, viewer, script):
    runs = [engine.start("reviewed", {}, by=OPERATOR).pk for _ in range(3)]
    control.cancel(runs[0], by=OPERATOR, reason="a mistake")
    client = api(viewer)

    first = client.get(f"{RUNS}?status=queued&limit=1").json()
    second = client.get(first["next"]).json()

    assert [run["id"] for run in first["results"] + second["results"]] == [runs[2], runs[1]]
    assert set(first["results"][0]) == RUN_FIELDS
    assert faults(client.get(f"{RUNS}?colour=blue")) == ["colour"]
    assert faults(client.get(f"{RUNS}?status=lost")) == ["status"]


def test_the_terms_of_a_run_are_taken_as_they_are_given(flow, api, operator):
    later = timezone.now().replace(microsecond=0) + timedelta(hours=2)
    body = {
        "workflow": "reviewed",
        "queue": "night",
        "tier": "gold",
        "start_at": later.isoformat(),
        "deadline": (later + timedelta(hours=1)).isoformat(),
        "reason": "as ordered",
    }

    shown = api(operator).post(RUNS, body).json()

    run = Run.objects.get()
    assert (run.queue, run.tier, run.start_at) == ("night", "gold", later)
    assert parse_datetime(shown["deadline"]) == later + timedelta(hours=1)
    assert api(operator).get(f"{RUNS}{run.pk}/").json()["waiting"]["reason"] == "starts_at"
    assert detail_of("RunStarted").reason == "as ordered"


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"input": {"text": 3}}, "input.text"),
        ({"input": {}}, "input"),
        ({"queue": "no spaces"}, "queue"),
        ({"deadline": "2001-01-01T00:00:00Z"}, "deadline"),
        ({"start_at": "soon"}, "start_at"),
    ],
)
def test_input_and_terms_that_do_not_fit_are_named(worker, publish, api, operator, more, path):
    schema = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
    publish("strict", *STEPS, input_schema=schema)

    answer = api(operator).post(RUNS, {"workflow": "strict", "input": {"text": "hello"}} | more)

    assert (answer.status_code, faults(answer)) == (422, [path])
    assert not Run.objects.exists()


def test_a_fan_out_is_summed_up_and_its_items_are_a_list_of_their_own(worker, publish, api, viewer, script):
    publish("fan", WORK | {"name": "pick", "for_each": "lines", "as": "line", "critical": False})
    run = engine.start("fan", {"lines": [{"n": 1}, {"n": 2, "token": "t"}, {"n": 3}], "shop": "s"}, by=OPERATOR)
    script.go_on(**{"pick[1]": Failed("No.", retryable=False)})
    client = api(viewer)

    [pick] = client.get(f"{RUNS}{run.pk}/").json()["steps"]
    first = client.get(f"{RUNS}{run.pk}/items/?step=pick&limit=2").json()

    assert pick["items"] == {"total": 3, "counts": {"failed": 1, "succeeded": 2}}
    assert [item["name"] for item in first["results"]] == ["pick[1]", "pick[0]"]
    assert (first["results"][0]["error"], first["results"][0]["input"]) == ("No.", {"line": {"n": 2, "token": "••••"}})
    assert [item["name"] for item in client.get(first["next"]).json()["results"]] == ["pick[2]"]
    assert client.get(f"{RUNS}{run.pk}/items/?step=none").json()["results"] == []
    assert faults(client.get(f"{RUNS}{run.pk}/items/?colour=blue")) == ["colour"]
    assert client.get(f"{RUNS}404/items/").status_code == 404


def test_a_long_input_is_told_once_and_not_at_every_step(flow, api, viewer):
    run = engine.start("reviewed", {"text": "x" * 20_000}, by=OPERATOR)

    shown = api(viewer).get(f"{RUNS}{run.pk}/").json()

    assert (len(shown["input"]["text"]), shown["steps"][0]["input"]) == (20_000, None)


def test_what_undoes_a_step_stands_with_it(worker, publish, api, viewer, script):
    publish("pays", WORK | {"name": "pay", "compensate": {"capabilities": ["work"]}}, WORK | {"name": "send"})
    run = engine.start("pays", {}, by=OPERATOR)
    script.go_on(send=Failed("No.", retryable=False))

    shown = api(viewer).get(f"{RUNS}{run.pk}/").json()

    pay, send = shown["steps"]
    assert (shown["status"], shown["compensated"]) == ("failed", True)
    assert (pay["status"], pay["compensation"]["name"], pay["compensation"]["status"]) == (
        "compensated", "pay.compensate", "succeeded",
    )  # fmt: skip
    assert send["compensation"] is None


def test_runs_within_runs_and_replays_are_linked(worker, publish, api, operator, script):
    publish("inner", WORK | {"name": "only"})
    publish("outer", {"name": "sub", "workflow": "inner"})
    outer = engine.start("outer", {}, by=OPERATOR)
    script.go_on()
    inner = Run.objects.get(parent__run=outer)
    client = api(operator)
    again = client.post(f"{RUNS}{outer.pk}/replay/", {}).json()["id"]

    assert client.get(f"{RUNS}{outer.pk}/").json()["links"] == {
        "run": f"/runs/{outer.pk}/",
        "children": [f"/runs/{inner.pk}/"],
        "repeated_as": [f"/runs/{again}/"],
    }
    assert client.get(f"{RUNS}{inner.pk}/").json()["links"]["parent"] == f"/runs/{outer.pk}/"
    assert client.get(f"{RUNS}{again}/").json()["links"]["replays"] == f"/runs/{outer.pk}/"
    assert client.get(f"{RUNS}{outer.pk}/").json()["steps"][0]["child"] == inner.pk


def test_an_operator_cancels_with_a_reason(flow, api, operator):
    run = engine.start("reviewed", {}, by=OPERATOR)
    client = api(operator)

    assert faults(client.post(f"{RUNS}{run.pk}/cancel/", {})) == ["reason"]
    assert client.post(f"{RUNS}{run.pk}/cancel/", {"reason": "a mistake"}).json()["status"] == "cancelled"
    assert client.post(f"{RUNS}{run.pk}/cancel/", {"reason": "again"}).status_code == 409
    assert client.post(f"{RUNS}404/cancel/", {"reason": "why not"}).status_code == 404


def test_a_run_is_paused_and_resumed(flow, api, operator):
    run = engine.start("reviewed", {}, by=OPERATOR)
    client = api(operator)

    assert faults(client.post(f"{RUNS}{run.pk}/pause/", {})) == ["reason"]
    assert client.post(f"{RUNS}{run.pk}/resume/").status_code == 409
    assert client.post(f"{RUNS}{run.pk}/pause/", {"reason": "strike"}).json()["status"] == "paused"
    assert client.get(f"{RUNS}{run.pk}/").json()["waiting"]["detail"].startswith(f"{operator.label} paused it: strike")
    assert client.post(f"{RUNS}{run.pk}/pause/", {"reason": "again"}).status_code == 409
    assert client.post(f"{RUNS}{run.pk}/resume/").json()["status"] == "queued"


def test_an_ended_run_is_retried_whole_or_from_a_step(flow, api, operator, script):
    run = engine.start("reviewed", {}, by=OPERATOR)
    client = api(operator)
    assert client.post(f"{RUNS}{run.pk}/retry/").status_code == 409
    script.finish(Failed("No.", retryable=False))

    assert faults(client.post(f"{RUNS}{run.pk}/retry/", {"from_step": "none"})) == ["from_step"]
    assert client.post(f"{RUNS}{run.pk}/retry/", {"from_step": "draft"}).json()["status"] == "running"
    assert client.post(f"{RUNS}{run.pk}/retry/").status_code == 409
    script.finish()
    assert client.get(f"{RUNS}{run.pk}/").json()["waiting"]["reason"] == "person"


def test_a_signal_is_sent_once_for_one_key(worker, publish, api, operator):
    publish("event", {"name": "wait_for", "signal": "paid"}, {"name": "again", "signal": "paid"})
    run = engine.start("event", {}, by=OPERATOR)
    client, key = api(operator), {"HTTP_IDEMPOTENCY_KEY": "one"}
    body = {"name": "paid", "payload": {"sum": 3}, "reason": "the bank says so"}

    answers = [client.post(f"{RUNS}{run.pk}/signal/", body, **key) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    shown = client.get(f"{RUNS}{run.pk}/").json()
    assert [(one["name"], one["payload"], one["taken_by"]) for one in shown["signals"]] == [
        ("paid", {"sum": 3}, "wait_for")
    ]
    assert faults(client.post(f"{RUNS}{run.pk}/signal/", {})) == ["name"]
    client.post(f"{RUNS}{run.pk}/signal/", {"name": "paid"})
    assert client.post(f"{RUNS}{run.pk}/signal/", {"name": "paid"}).status_code == 409


def test_a_run_is_repeated_with_its_input_or_another_and_its_terms(flow, api, operator, publish):
    run = engine.start("reviewed", {"text": "hello"}, by=OPERATOR, priority=7, tier="gold")
    publish("reviewed", *STEPS[:1])
    client = api(operator)

    same = client.post(f"{RUNS}{run.pk}/replay/", {})
    other = client.post(f"{RUNS}{run.pk}/replay/", {"input": {"text": "ho"}, "version": 1, "priority": 1}).json()

    assert (same.status_code, same.json()["version"], same.json()["priority"]) == (201, 2, 7)
    assert Run.objects.get(pk=same.json()["id"]).input == {"text": "hello"}
    assert (other["version"], other["priority"], other["tier"]) == (1, 1, "gold")
    assert Run.objects.get(pk=other["id"]).replays_id == run.pk


def test_a_run_that_serves_something_is_not_repeated_on_its_own(flow, api, operator):
    run = engine.start("reviewed", {}, by=OPERATOR, serves=Ref("parcel", 7))

    answer = api(operator).post(f"{RUNS}{run.pk}/replay/", {})

    assert (answer.status_code, "parcel 7" in answer.json()["detail"]) == (409, True)


def test_a_priority_is_changed(flow, api, operator):
    run = engine.start("reviewed", {}, by=OPERATOR)
    client = api(operator)

    assert client.post(f"{RUNS}{run.pk}/priority/", {"priority": 9}).json()["priority"] == 9
    assert faults(client.post(f"{RUNS}{run.pk}/priority/", {"priority": 900})) == ["priority"]
    control.cancel(run.pk, by=OPERATOR, reason="a mistake")
    assert client.post(f"{RUNS}{run.pk}/priority/", {"priority": 1}).status_code == 409


FORM = {"type": "object", "required": ["send"], "properties": {"send": {"type": "boolean"}}}


def test_a_person_answers_a_step(worker, publish, api, operator):
    publish("asks", {"name": "ask", "human": {"form": FORM}})
    run = engine.start("asks", {}, by=OPERATOR)
    ask = run.steps.get().pk
    client = api(operator)

    assert faults(client.post(f"/api/v1/steps/{ask}/answer/", {})) == ["output"]
    assert faults(client.post(f"/api/v1/steps/{ask}/answer/", {"output": {"send": "yes"}})) == ["output.send"]
    assert client.post(f"/api/v1/steps/{ask}/answer/", {"output": {"send": True}}).json()["status"] == "succeeded"
    assert client.post(f"/api/v1/steps/{ask}/answer/", {"output": {"send": True}}).status_code == 409
    assert client.post("/api/v1/steps/404/answer/", {"output": {}}).status_code == 404


def test_only_an_administrator_answers_what_waits_for_one(worker, publish, api, operator, admin_user):
    publish("asks", {"name": "ask", "human": {"role": "admin"}})
    ask = engine.start("asks", {}, by=OPERATOR).steps.get().pk

    assert api(operator).post(f"/api/v1/steps/{ask}/answer/", {"output": {}}).status_code == 403
    assert api(admin_user).post(f"/api/v1/steps/{ask}/answer/", {"output": {}}).status_code == 200


def test_a_step_is_cancelled_and_its_run_goes_on(worker, publish, api, operator):
    publish("two", {"name": "wait_for", "signal": "paid"}, WORK | {"name": "next"})
    run = engine.start("two", {}, by=OPERATOR)
    client, step = api(operator), run.steps.get().pk

    assert faults(client.post(f"/api/v1/steps/{step}/cancel/", {})) == ["reason"]
    assert client.post(f"/api/v1/steps/{step}/cancel/", {"reason": "paid in cash"}).status_code == 200
    assert client.post(f"/api/v1/steps/{step}/cancel/", {"reason": "again"}).status_code == 409
    assert client.post("/api/v1/steps/404/cancel/", {"reason": "no"}).status_code == 404
    assert [one["status"] for one in client.get(f"{RUNS}{run.pk}/").json()["steps"]] == ["cancelled", "ready"]


def test_a_dead_step_is_tried_again(flow, api, operator, script):
    run = engine.start("reviewed", {}, by=OPERATOR)
    for _ in range(POISON_LOSSES):
        script.turn()
        script.let_leases_expire()
    client, step = api(operator), run.steps.get(name="draft").pk

    assert client.get(f"{RUNS}{run.pk}/").json()["steps"][0]["status"] == "dead"
    assert client.post(f"/api/v1/steps/{step}/requeue/").json()["status"] == "running"
    assert client.post(f"/api/v1/steps/{step}/requeue/").status_code == 409
    assert client.post("/api/v1/steps/404/requeue/").status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (RUNS, {"workflow": "reviewed"}),
        (f"{RUNS}1/cancel/", {"reason": "no"}),
        (f"{RUNS}1/pause/", {"reason": "no"}),
        (f"{RUNS}1/resume/", {}),
        (f"{RUNS}1/retry/", {}),
        (f"{RUNS}1/signal/", {"name": "paid"}),
        (f"{RUNS}1/replay/", {}),
        (f"{RUNS}1/priority/", {"priority": 1}),
        ("/api/v1/steps/1/answer/", {"output": {}}),
        ("/api/v1/steps/1/cancel/", {"reason": "no"}),
        ("/api/v1/steps/1/requeue/", {}),
        ("/api/v1/steps/1/give-up/", {"reason": "no"}),
    ],
)
def test_a_role_that_may_not_is_refused_and_recorded(flow, api, viewer, path, body):
    with arranged():
        run = Run(pk=1, version=WorkflowVersion.objects.get(), correlation="c")
        run.save()
        Step(pk=1, run=run, name="draft").save()

    answer = api(viewer).post(path, body)

    assert (answer.status_code, last_event().action) == (403, "RequestRefused")


def test_the_api_page_describes_every_verb(api, viewer):
    schema = api(viewer).get("/api/schema/?format=json").json()["paths"]

    for verb in ("cancel", "pause", "resume", "retry", "signal", "replay", "priority"):
        assert schema[f"/api/v1/runs/{{id}}/{verb}/"]["post"]["description"]
    for verb in ("answer", "cancel", "give-up", "requeue"):
        assert schema[f"/api/v1/steps/{{id}}/{verb}/"]["post"]["description"]
    assert schema["/api/v1/runs/{id}/items/"]["get"]["description"]
