"""Runs and workflows over the API, field by field as the contract has them."""

import pytest

from agents.outcomes import Done
from orchestra.kernel.events import Ref
from tests.audit import last_event
from tests.workflows.conftest import OPERATOR
from workflows import engine
from workflows.models import Run, WorkflowVersion

pytestmark = pytest.mark.django_db
RUNS, WORKFLOWS = "/api/v1/runs/", "/api/v1/workflows/"
STEPS = [{"name": "draft", "capabilities": ["work"]}, {"name": "review", "human": {}}]
RUN_FIELDS = {
    "id", "status", "workflow", "version", "queue", "priority", "error", "correlation", "created_at", "started_at",
    "finished_at", "compensated", "links",
}  # fmt: skip
WHOLE_RUN_FIELDS = RUN_FIELDS | {"input", "output", "context", "steps", "waiting"}
STEP_FIELDS = {
    "name", "status", "attempt", "agent", "candidates", "excluded", "waiting", "started_at", "finished_at", "input",
    "output", "error",
}  # fmt: skip


@pytest.fixture
def flow(worker, publish):
    publish("reviewed", *STEPS, output={"text": "steps.draft.output.text"})


def faults(answer):
    return [fault["path"] for fault in answer.json()["errors"]]


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
    engine.cancel(runs[0], by=OPERATOR, reason="a mistake")
    client = api(viewer)

    first = client.get(f"{RUNS}?status=queued&limit=1").json()
    second = client.get(first["next"]).json()

    assert [run["id"] for run in first["results"] + second["results"]] == [runs[2], runs[1]]
    assert set(first["results"][0]) == RUN_FIELDS
    assert faults(client.get(f"{RUNS}?colour=blue")) == ["colour"]
    assert faults(client.get(f"{RUNS}?status=lost")) == ["status"]


def test_an_operator_cancels_with_a_reason(flow, api, operator):
    run = engine.start("reviewed", {}, by=OPERATOR)
    client = api(operator)

    assert faults(client.post(f"{RUNS}{run.pk}/cancel/", {})) == ["reason"]
    assert client.post(f"{RUNS}{run.pk}/cancel/", {"reason": "a mistake"}).json()["status"] == "cancelled"
    assert client.post(f"{RUNS}{run.pk}/cancel/", {"reason": "again"}).status_code == 409
    assert client.post(f"{RUNS}404/cancel/", {"reason": "why not"}).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "role"),
    [
        (RUNS, {"workflow": "reviewed"}, "viewer"),
        (f"{RUNS}1/cancel/", {"reason": "no"}, "viewer"),
        (WORKFLOWS, {"name": "flow", "definition": {"steps": STEPS}}, "operator"),
    ],
)
def test_a_role_that_may_not_is_refused_and_recorded(flow, api, make_user, path, body, role):
    answer = api(make_user("somebody", role)).post(path, body)

    assert (answer.status_code, last_event().action) == (403, "RequestRefused")


def test_an_administrator_publishes_a_version_and_the_same_again_is_no_new_one(api, admin_user):
    client, body = api(admin_user), {"name": "flow", "definition": {"steps": STEPS}, "reason": "at last"}

    first, again = client.post(WORKFLOWS, body), client.post(WORKFLOWS, body)

    assert first.status_code == 201
    assert (first.json()["version"], again.json()["version"], WorkflowVersion.objects.count()) == (1, 1, 1)
    assert last_event().detail.reason == "at last"


def test_a_definition_with_faults_is_refused_with_the_path_of_each(api, admin_user):
    broken = {"steps": [{"name": "a", "capabilities": ["work"], "needs": ["b"]}, {"name": "b"}]}

    answer = api(admin_user).post(WORKFLOWS, {"name": "flow", "definition": broken})

    assert answer.status_code == 422
    assert "steps[1].capabilities" in faults(answer)


def test_workflows_are_read_by_name_and_version(flow, publish, api, viewer):
    publish("reviewed", *STEPS[:1])
    client = api(viewer)

    assert [(w["name"], w["version"]) for w in client.get(WORKFLOWS).json()["results"]] == [("reviewed", 2)]
    assert client.get(f"{WORKFLOWS}reviewed/").json()["definition"]["steps"] == STEPS[:1]
    versions = client.get(f"{WORKFLOWS}reviewed/versions/").json()["results"]
    assert [version["version"] for version in versions] == [2, 1]
