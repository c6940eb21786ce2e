"""Single tasks, and answers from elsewhere that must name the current lease."""

import json

import pytest

from orchestra.kernel.models import Event
from tests.audit import last_event
from workflows.models import Run, Step

pytestmark = pytest.mark.django_db
TASKS = "/api/v1/tasks/"


@pytest.fixture
def client(api, operator):
    return api(operator)


@pytest.fixture
def task(client, worker):
    """A task in the queue, as the API told of it."""
    return client.post(TASKS, {"capabilities": ["work"], "input": {"text": "hello"}}).json()


@pytest.fixture
def claimed(task, client):
    """The task as a remote worker was given it."""
    me = client.post("/api/v1/agents/register/", {"name": "far", "capabilities": ["work"]}).json()
    (given,) = client.post(f"/api/v1/agents/{me['id']}/claim/", {}).json()
    return given


def address(task, verb=""):
    return f"{TASKS}{task['id']}/{verb}"


def test_a_task_is_done_by_an_agent_that_can(task, client, script):
    script.finish()

    told = client.get(address(task)).json()
    assert (told["status"], told["agent"], told["output"]) == ("succeeded", "worker-1", {"by": "worker-1"})
    assert Run.objects.get().output == {"result": {"by": "worker-1"}}


def test_a_task_keeps_what_was_asked(client, worker):
    body = {"capabilities": ["work", "translate"], "input": [1, 2], "queue": "night", "priority": 7, "timeout": 5}
    told = client.post(TASKS, body).json()

    assert told["capabilities"] == ["translate", "work"]
    assert (told["input"], told["queue"], told["timeout"]) == ([1, 2], "night", 5.0)
    assert Run.objects.get().priority == 7


def test_the_same_key_makes_one_task(client, worker):
    answers = [client.post(TASKS, {"capabilities": ["work"]}, HTTP_IDEMPOTENCY_KEY="once") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 200]
    assert Step.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"capabilities": []}, "capabilities"),
        ({"capabilities": ["work"], "timeout": 0}, "timeout"),
        ({"capabilities": ["work"], "priority": 1000}, "priority"),
        ({"capabilities": ["work"], "deadline": "2001-01-01T00:00:00Z"}, "deadline"),
        ({"capabilities": ["work"], "command": "rm"}, "command"),
    ],
)
def test_what_does_not_fit_is_named(client, worker, body, path):
    answer = client.post(TASKS, body)

    assert answer.status_code in (400, 422)
    assert [fault["path"] for fault in answer.json()["errors"]] == [path]
    assert not Step.objects.exists()


def test_the_holder_of_the_lease_completes_it(task, client, claimed):
    answer = client.post(address(task, "complete/"), {"lease": claimed["lease"], "output": {"done": True}})

    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert Run.objects.get().status == "succeeded"


def test_a_late_completion_gets_409_and_changes_nothing(task, client, claimed):
    stale = claimed["lease"] - 1
    answer = client.post(address(task, "complete/"), {"lease": stale, "output": {"done": True}})

    assert (answer.status_code, answer.json()["code"]) == (409, "stale_lease")
    row = Step.objects.get()
    assert (row.status, row.output, row.token) == ("running", None, stale + 1)
    assert last_event().outcome == "denied"


def test_a_completion_after_the_end_gets_409_and_no_second_event(task, client, claimed):
    body = {"lease": claimed["lease"], "output": {"n": 1}}
    client.post(address(task, "complete/"), body)
    again = client.post(address(task, "complete/"), body | {"output": {"n": 2}})

    assert again.status_code == 409
    assert Step.objects.get().output == {"n": 1}
    assert Event.objects.filter(action="StepSucceeded").count() == 1


def test_a_failure_is_told_with_its_reason(task, client, claimed):
    answer = client.post(address(task, "fail/"), {"lease": claimed["lease"], "error": "The printer is on fire."})

    assert (answer.json()["status"], answer.json()["error"]) == ("failed", "The printer is on fire.")


def test_what_a_program_said_when_it_failed_is_always_taken(task, client, claimed):
    said = "\x1b[31mThe printer\x00 is on fire.\ud83d " + "x" * 60_000
    body = json.dumps({"lease": claimed["lease"], "error": said})
    answer = client.post(address(task, "fail/"), body, content_type="application/json")

    assert answer.status_code == 200
    error = Step.objects.get().error
    assert error.startswith("�[31mThe printer� is on fire.� xxx")
    assert len(error) == 1000


def test_and_so_is_an_error_without_words(task, client, claimed):
    client.post(address(task, "fail/"), {"lease": claimed["lease"], "error": " "})

    assert Step.objects.get().error == "It failed without a word."


def test_the_reason_of_an_answer_is_in_the_audit_trail(task, client, claimed, operator):
    client.post(address(task, "extend/"), {"lease": claimed["lease"], "reason": "It is a large one."})
    client.post(address(task, "complete/"), {"lease": claimed["lease"], "reason": "Done by hand."})

    event = last_event("StepSucceeded")
    assert (event.detail.reason, event.actor_label, event.on_behalf_of) == ("Done by hand.", "far", operator.label)


def test_the_reason_of_a_failure_stands_beside_its_error(task, client, claimed):
    client.post(address(task, "fail/"), {"lease": claimed["lease"], "error": "No ink.", "reason": "Monday."})

    assert last_event("StepFailed").detail.reason == "No ink. Monday."
    assert Step.objects.get().error == "No ink."


@pytest.mark.parametrize("verb", ["complete", "fail", "extend"])
def test_what_an_executor_works_on_is_not_answered_over_the_api(task, client, script, verb):
    """It has its own answer coming; leases are numbers that anybody may guess."""
    (assignment,) = script.turn().assignments
    body = {"lease": assignment.step.token} | ({"error": "No."} if verb == "fail" else {})
    answer = client.post(address(task, f"{verb}/"), body)

    assert (answer.status_code, answer.json()["code"]) == (409, "held")
    assert "An executor waits for this answer itself" in answer.json()["detail"]
    assert Step.objects.get().status == "running"
    assert last_event().outcome == "denied"


def test_a_lease_is_extended_by_its_holder_only(task, client, claimed):
    before = Step.objects.get().lease_expires_at

    assert client.post(address(task, "extend/"), {"lease": claimed["lease"] + 1}).status_code == 409
    assert client.post(address(task, "extend/"), {"lease": claimed["lease"]}).status_code == 200
    assert Step.objects.get().lease_expires_at >= before


def test_viewers_read_and_do_not_write(task, api, viewer):
    reader = api(viewer)

    assert reader.get(address(task)).status_code == 200
    assert reader.post(TASKS, {"capabilities": ["work"]}).status_code == 403
    assert reader.post(address(task, "complete/"), {"lease": 1}).status_code == 403


def test_tasks_are_listed_by_status(task, client, script):
    assert [row["id"] for row in client.get(TASKS, {"status": "ready"}).json()["results"]] == [task["id"]]
    script.turn()
    assert client.get(TASKS, {"status": "ready"}).json()["results"] == []
