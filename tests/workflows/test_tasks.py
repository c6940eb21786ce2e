"""Single tasks, and answers from elsewhere that must name the current lease."""

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


def test_the_holder_of_the_lease_completes_it(task, client, script):
    (claimed,) = script.turn().assignments
    answer = client.post(address(task, "complete/"), {"lease": claimed.step.token, "output": {"done": True}})

    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert Run.objects.get().status == "succeeded"


def test_a_late_completion_gets_409_and_changes_nothing(task, client, script):
    (claimed,) = script.turn().assignments
    stale = claimed.step.token - 1
    answer = client.post(address(task, "complete/"), {"lease": stale, "output": {"done": True}})

    assert (answer.status_code, answer.json()["code"]) == (409, "stale_lease")
    row = Step.objects.get()
    assert (row.status, row.output, row.token) == ("running", None, stale + 1)
    assert last_event().outcome == "denied"


def test_a_completion_after_the_end_gets_409_and_no_second_event(task, client, script):
    (claimed,) = script.turn().assignments
    body = {"lease": claimed.step.token, "output": {"n": 1}}
    client.post(address(task, "complete/"), body)
    again = client.post(address(task, "complete/"), body | {"output": {"n": 2}})

    assert again.status_code == 409
    assert Step.objects.get().output == {"n": 1}
    assert Event.objects.filter(action="StepSucceeded").count() == 1


def test_a_failure_is_told_with_its_reason(task, client, script):
    (claimed,) = script.turn().assignments
    answer = client.post(address(task, "fail/"), {"lease": claimed.step.token, "error": "The printer is on fire."})

    assert (answer.json()["status"], answer.json()["error"]) == ("failed", "The printer is on fire.")


def test_a_lease_is_extended_by_its_holder_only(task, client, script):
    (claimed,) = script.turn().assignments
    before = Step.objects.get().lease_expires_at

    assert client.post(address(task, "extend/"), {"lease": claimed.step.token + 1}).status_code == 409
    assert client.post(address(task, "extend/"), {"lease": claimed.step.token}).status_code == 200
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
