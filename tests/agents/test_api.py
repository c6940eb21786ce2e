"""The fleet over the API."""

import pytest

from agents.models import Agent, AgentStatus
from tests.audit import last_event
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
AGENTS = "/api/v1/agents/"
NEW = {
    "name": "writer",
    "kind": "python",
    "config": {"function": "test.echo", "greeting": "hello"},
    "capabilities": ["draft", "billing"],
    "max_concurrency": 2,
}


def faults(answer):
    return {fault["path"]: fault["message"] for fault in answer.json()["errors"]}


def test_an_agent_is_shown_with_breaker_statistics_and_load(make_agent, api, viewer):
    agent = make_agent("writer", ["draft"], max_concurrency=3)

    shown = api(viewer).get(f"{AGENTS}{agent.pk}/").json()

    assert shown["status"] == "online"
    assert shown["circuit"] == {"state": "closed", "failures": 0, "opened_at": None, "probe_at": None}
    assert shown["stats"] == {
        "success_rate": 1.0,
        "response_time": 0.0,
        "throughput_per_min": 0.0,
        "error_rate": 0.0,
        "response_p50": None,
        "response_p95": None,
        "memory_bytes": None,
        "cpu_percent": None,
        "measured_of": None,
        "calls": 0,
        "failures": 0,
    }
    assert (shown["in_flight"], shown["max_concurrency"], shown["capabilities"]) == (0, 3, ["draft"])


def test_an_administrator_adds_an_agent_and_secrets_are_never_answered(api, admin_user):
    answer = api(admin_user).post(AGENTS, NEW | {"secrets": {"service": "s3cret"}, "reason": "more work"})

    assert answer.status_code == 201
    assert answer.json()["config"] == NEW["config"]
    assert "s3cret" not in answer.content.decode()
    assert Agent.objects.get().secrets == {"service": "s3cret"}
    assert (last_event().action, last_event().detail.reason) == ("AgentCreated", "more work")


def test_the_same_request_with_the_same_key_adds_one_agent(api, admin_user):
    client, key = api(admin_user), {"HTTP_IDEMPOTENCY_KEY": "one"}

    first, again = client.post(AGENTS, NEW, **key), client.post(AGENTS, NEW, **key)

    assert (first.status_code, again.status_code, Agent.objects.count()) == (201, 200, 1)
    assert again.json() == first.json()
    assert client.post(AGENTS, NEW | {"name": "other"}, **key).status_code == 409


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"kind": "robot"}, "kind"),
        ({"name": ""}, "name"),
        ({"name": 7}, "name"),
        ({"config": {"function": "os.system"}}, "config.function"),
        ({"config": {"function": "test.echo", "times": "two"}}, "config.times"),
        ({"config": "test.echo"}, "config"),
        ({"capabilities": ["draft", "two words"]}, "capabilities[1]"),
        ({"max_concurrency": "many"}, "max_concurrency"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_every_fault_is_named_by_its_path_and_nothing_is_added(api, admin_user, change, path):
    answer = api(admin_user).post(AGENTS, NEW | change)

    assert (answer.status_code, answer.json()["code"], list(faults(answer))) == (422, "invalid", [path])
    assert not Agent.objects.exists()


def test_a_name_that_is_taken_is_a_conflict(api, admin_user, make_agent):
    make_agent("writer")

    answer = api(admin_user).post(AGENTS, NEW)

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "name" in faults(answer)


def test_a_change_touches_only_what_it_names(api, admin_user, make_agent):
    agent = make_agent("writer", ["draft"], max_concurrency=2)

    answer = api(admin_user).patch(f"{AGENTS}{agent.pk}/", {"max_concurrency": 5})

    assert answer.status_code == 200
    assert (answer.json()["max_concurrency"], answer.json()["capabilities"]) == (5, ["draft"])


def test_what_was_read_can_be_sent_back_with_its_masks(api, admin_user, make_agent):
    agent = make_agent("writer", config={"function": "test.keeper", "api_key": "sk-1"})
    client = api(admin_user)
    read = client.get(f"{AGENTS}{agent.pk}/").json()["config"]

    client.patch(f"{AGENTS}{agent.pk}/", {"config": read, "version": "2"})

    assert read == {"function": "test.keeper", "api_key": "••••"}
    assert Agent.objects.get().config == {"function": "test.keeper", "api_key": "sk-1"}


def test_an_agent_that_never_worked_can_be_removed(api, admin_user, make_agent):
    agent = make_agent("writer")

    assert api(admin_user).delete(f"{AGENTS}{agent.pk}/", {"reason": "a trial"}).status_code == 204
    assert last_event().detail.reason == "a trial"


@pytest.mark.parametrize(("action", "status"), [("disable", "disabled"), ("drain", "draining"), ("enable", "online")])
def test_an_operator_acts_with_a_reason(api, operator, make_agent, action, status):
    agent = make_agent("writer")

    answer = api(operator).post(f"{AGENTS}{agent.pk}/{action}/", {"reason": "odd answers"})

    assert (answer.status_code, answer.json()["status"]) == (200, status)


def test_what_the_state_does_not_allow_is_a_conflict(api, operator, make_agent):
    agent = make_agent("writer")
    with arranged():
        Agent.objects.update(status=AgentStatus.DISABLED)

    answer = api(operator).post(f"{AGENTS}{agent.pk}/drain/")

    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_transition")


def test_a_test_answers_what_the_agent_answered(api, operator, make_agent):
    agent = make_agent("writer")

    answer = api(operator).post(f"{AGENTS}{agent.pk}/test/", {"input": {"text": "hi"}}).json()

    assert (answer["outcome"], answer["error"]) == ("succeeded", "")
    assert answer["output"]["input"] == {"text": "hi"}


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("post", "", "operator"),
        ("patch", "{}/", "operator"),
        ("delete", "{}/", "operator"),
        ("post", "{}/enable/", "viewer"),
        ("post", "{}/disable/", "viewer"),
        ("post", "{}/drain/", "viewer"),
        ("post", "{}/reset-circuit/", "viewer"),
        ("post", "{}/test/", "viewer"),
    ],
)
def test_a_role_that_may_not_is_refused_and_recorded(api, make_user, make_agent, method, path, role):
    agent = make_agent("writer")

    answer = getattr(api(make_user("somebody", role)), method)(AGENTS + path.format(agent.pk), {})

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert last_event().action == "RequestRefused"


@pytest.mark.parametrize("path", ["404/", "404/enable/", "404/test/"])
def test_an_agent_that_does_not_exist_is_not_found(api, admin_user, path):
    client = api(admin_user)

    answer = client.get(AGENTS + path) if path == "404/" else client.post(AGENTS + path, {})

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_the_list_is_filtered_and_paged(api, viewer, make_agent):
    for number in range(3):
        make_agent(f"writer-{number}", ["draft"])
    make_agent("mailer", ["send"])
    client = api(viewer)

    first = client.get(f"{AGENTS}?capability=draft&limit=2").json()
    second = client.get(first["next"]).json()

    assert [agent["name"] for agent in first["results"]] == ["writer-0", "writer-1"]
    assert [agent["name"] for agent in second["results"]] == ["writer-2"]
    assert (first["previous"], second["next"]) == (None, None)


def test_a_filter_that_does_not_exist_is_an_error(api, viewer):
    assert list(faults(api(viewer).get(f"{AGENTS}?colour=blue"))) == ["colour"]
