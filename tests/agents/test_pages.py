"""The pages of the fleet, through a browser without JavaScript."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import health, ports
from agents.models import Agent, AgentHealth, AgentStatus
from agents.outcomes import Fault
from tests.audit import last_event
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
QUERIES = 24
"""Session, person, newest event; 10 bounded counts for the chips, one for pools; agents, capabilities, the clock, calls
in flight, the last hour, what was spent today."""
FORM = {
    "name": "writer",
    "config.function": "test.echo",
    "config": '{"greeting": "hello", "times": 2}',
    "capabilities": "draft, billing",
    "max_concurrency": "4",
    "failure_threshold": "5",
    "recovery_s": "60",
}


def text(response):
    return response.content.decode()


def open_breaker(agent):
    with arranged():
        failures = [health.Result(agent.pk, 1.0, Fault.AGENT, "The shop is closed.")] * agent.failure_threshold
        health.merge(failures, timezone.now())


@pytest.fixture
def busy(monkeypatch):
    """``busy({agent: 3})``: so many calls in flight."""

    def make(load):
        counts = {agent.pk: count for agent, count in load.items()}
        monkeypatch.setattr(ports, "in_flight", [lambda agents: {pk: counts.get(pk, 0) for pk in agents}])

    return make


def test_the_list_shows_state_breaker_load_and_capabilities(make_agent, as_, viewer, busy):
    busy({make_agent("writer", ["draft"], max_concurrency=4): 3})
    open_breaker(make_agent("mailer", ["send"]))

    shown = text(as_(viewer).get("/agents/"))

    assert "3 of 4 slots in use" in shown
    assert "draft" in shown
    assert "breaker open" in shown


def test_an_empty_list_says_what_to_do_first(as_, viewer, admin_user):
    assert "An administrator can add one" in text(as_(viewer).get("/agents/"))
    assert "Add the first agent" in text(as_(admin_user).get("/agents/"))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=draining", {"draining"}),
        ("kind=human", {"person"}),
        ("circuit=open", {"broken"}),
        ("capability=draft", {"writer"}),
        ("search=wri", {"writer"}),
        ("status=online&search=nobody", set()),
        ("status=online,draining&kind=python", {"writer", "draining", "broken"}),
    ],
)
def test_the_list_is_filtered(make_agent, as_, viewer, query, found):
    make_agent("writer", ["draft"])
    make_agent("person", kind="human")
    with arranged():
        Agent.objects.filter(pk=make_agent("draining").pk).update(status=AgentStatus.DRAINING)
    open_breaker(make_agent("broken"))

    shown = as_(viewer).get(f"/agents/?{query}").context["agents"]

    assert {agent.name for agent in shown} == found


def test_chips_count_what_they_would_find_and_leave_out_what_would_find_nothing(make_agent, as_, viewer):
    make_agent("writer")
    open_breaker(make_agent("broken"))

    chips = as_(viewer).get("/agents/").context["listing"].offered

    assert [(chip.label, chip.count) for chip in chips] == [("online", 2), ("breaker open", 1)]


def test_a_capability_that_is_asked_for_can_be_taken_away_again(make_agent, as_, viewer):
    make_agent("writer", ["draft"])

    [chip] = as_(viewer).get("/agents/?capability=draft&status=online").context["listing"].taken

    assert (chip.label, chip.url) == ("can do draft", "?status=online")


def test_the_list_costs_the_same_few_queries_however_many_agents_there_are(make_agent, as_, viewer):
    browser = as_(viewer)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            browser.get("/agents/", headers={"X-Regions": "agents"})
        return len(captured)

    make_agent("one", ["a", "b"])
    few = queries()
    for number in range(30):
        make_agent(f"many-{number}", ["a", "b", "c"])

    assert queries() == few <= QUERIES


def test_a_long_list_is_paged_by_name(make_agent, as_, viewer):
    for number in range(5):
        make_agent(f"agent-{number}")
    browser = as_(viewer)

    first = browser.get("/agents/?limit=2")
    second = browser.get(f"/agents/{first.context['next_url']}")

    assert [agent.name for agent in second.context["agents"]] == ["agent-2", "agent-3"]
    back = browser.get(f"/agents/{second.context['previous_url']}")
    assert [agent.name for agent in back.context["agents"]] == ["agent-0", "agent-1"]


def test_only_the_region_that_is_asked_for_is_answered(make_agent, as_, viewer):
    make_agent("writer")

    part = text(as_(viewer).get("/agents/", headers={"X-Regions": "agents"}))

    assert part.lstrip().startswith('<section id="agents"')
    assert "<html" not in part


def test_an_agents_page_says_why_its_breaker_is_open_and_until_when(make_agent, as_, viewer):
    agent = make_agent("mailer")
    open_breaker(agent)

    shown = text(as_(viewer).get(f"/agents/{agent.pk}/"))

    assert "after 5 failures in a row, so it gets no calls" in shown
    assert "The shop is closed." in shown
    assert "One call may try it" in shown


def test_once_the_breaker_has_rested_the_next_call_may_try_it(make_agent, as_, viewer):
    agent = make_agent("mailer")
    open_breaker(agent)
    with arranged():
        AgentHealth.objects.update(probe_at=timezone.now() - timedelta(seconds=1))

    assert "The next call may try it." in text(as_(viewer).get(f"/agents/{agent.pk}/"))


def test_secrets_of_the_configuration_are_masked(make_agent, as_, admin_user):
    agent = make_agent("writer", secrets={"service": "s3cret"})
    with arranged():
        Agent.objects.update(config={"function": "test.echo", "api_key": "sk-1"})
    browser = as_(admin_user)

    for address in (f"/agents/{agent.pk}/", f"/agents/{agent.pk}/edit/"):
        shown = text(browser.get(address))
        assert "sk-1" not in shown
        assert "s3cret" not in shown
        assert "••••" in shown


def test_saving_the_form_as_it_is_shown_leaves_secrets_as_they_are(make_agent, as_, admin_user):
    agent = make_agent("writer")
    with arranged():
        Agent.objects.update(config={"function": "test.keeper", "api_key": "sk-1"})
    browser = as_(admin_user)
    options = browser.get(f"/agents/{agent.pk}/edit/").context["form"]["config"].value()

    browser.post(f"/agents/{agent.pk}/edit/", FORM | {"config.function": "test.keeper", "config": options})

    assert Agent.objects.get().config == {"function": "test.keeper", "api_key": "sk-1"}


def test_operators_are_offered_what_the_agents_state_allows(make_agent, as_, operator, viewer):
    agent = make_agent("writer")

    offered = as_(operator).get(f"/agents/{agent.pk}/").context["actions"]
    assert [action.name for action in offered] == ["drain", "disable"]
    open_breaker(agent)
    offered = as_(operator).get(f"/agents/{agent.pk}/").context["actions"]
    assert [action.name for action in offered] == ["drain", "disable", "reset-circuit"]
    assert as_(viewer).get(f"/agents/{agent.pk}/").context["actions"] == []


@pytest.mark.parametrize(
    ("action", "status", "event"),
    [("drain", "draining", "AgentDrained"), ("disable", "disabled", "AgentDisabled")],
)
def test_an_operator_acts_with_a_reason(make_agent, as_, operator, action, status, event):
    agent = make_agent("writer")

    answer = as_(operator).post(f"/agents/{agent.pk}/{action}/", {"reason": "odd answers"}, follow=True)

    agent.refresh_from_db()
    assert agent.status == status
    assert (last_event().action, last_event().detail.reason) == (event, "odd answers")
    assert f"writer is {status}." in text(answer)


def test_a_viewer_is_refused_and_the_refusal_is_recorded(make_agent, as_, viewer):
    agent = make_agent("writer")

    assert as_(viewer).post(f"/agents/{agent.pk}/disable/").status_code == 403

    assert (last_event().action, last_event().permission) == ("RequestRefused", "agents.operate")
    assert Agent.objects.get().status == "online"


def test_an_administrator_adds_an_agent(as_, admin_user):
    answer = as_(admin_user).post("/agents/add/", FORM | {"reason": "more billing"}, follow=True)

    agent = Agent.objects.get()
    assert answer.redirect_chain == [(f"/agents/{agent.pk}/", 303)]
    assert agent.config == {"function": "test.echo", "greeting": "hello", "times": 2}
    assert sorted(agent.capabilities.values_list("name", flat=True)) == ["billing", "draft"]
    assert last_event().detail.reason == "more billing"


def test_a_person_needs_no_function(as_, admin_user):
    as_(admin_user).post("/agents/add/?kind=human", {**FORM, "name": "support"})

    assert (Agent.objects.get().kind, Agent.objects.get().config) == ("human", {})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "This field is required."),
        ("config", "{", "This is not JSON"),
        ("config", "[1]", "Give a table"),
        ("config", '{"times": "two"}', "times: Give a whole number."),
        ("config", '{"volume": 1}', "test.echo has no such option"),
        ("config.function", "os.system", "Select a valid choice"),
        ("capabilities", "x" * 101, "Give a name of 1 to 100 characters"),
        ("capabilities", " ".join(f"c{number}" for number in range(10_000)), "Name at most 100 capabilities"),
        ("max_concurrency", "0", "Give a whole number from 1 to 100,000."),
        ("recovery_s", "many", "Enter a whole number."),
    ],
)
def test_a_fault_stands_beside_its_field_and_nothing_is_added(as_, admin_user, field, value, message):
    form = as_(admin_user).post("/agents/add/", FORM | {field: value}).context["form"]

    assert message in " ".join(form.errors[field])
    assert not Agent.objects.exists()


def test_a_name_that_is_taken_is_said_beside_the_field(make_agent, as_, admin_user):
    make_agent("writer")

    form = as_(admin_user).post("/agents/add/", FORM).context["form"]

    assert form.errors["name"] == ["There is an agent named writer already; choose another name."]


def test_a_field_is_checked_as_it_is_left(as_, admin_user):
    answer = as_(admin_user).post(
        "/agents/add/", FORM | {"config": '{"times": "two"}'}, headers={"X-Validate": "config"}
    )

    assert answer.json() == {"errors": [{"path": "config", "message": "times: Give a whole number."}]}
    assert not Agent.objects.exists()


def test_an_administrator_changes_an_agent(make_agent, as_, admin_user):
    agent = make_agent("writer", ["draft"])
    browser = as_(admin_user)
    initial = browser.get(f"/agents/{agent.pk}/edit/").context["form"].initial
    assert (initial["name"], initial["config.function"], initial["capabilities"]) == ("writer", "test.echo", ["draft"])

    browser.post(f"/agents/{agent.pk}/edit/", FORM | {"name": "poet", "config": ""})

    agent.refresh_from_db()
    assert (agent.name, agent.config) == ("poet", {"function": "test.echo"})


def test_an_agent_that_never_worked_can_be_removed(make_agent, as_, admin_user):
    agent = make_agent("writer")

    as_(admin_user).post(f"/agents/{agent.pk}/remove/", {"reason": "a trial"})

    assert not Agent.objects.exists()


@pytest.mark.parametrize("address", ["/agents/add/", "/agents/{}/edit/"])
def test_only_administrators_see_the_forms(make_agent, as_, operator, address):
    assert as_(operator).get(address.format(make_agent("writer").pk)).status_code == 403


@pytest.mark.parametrize("address", ["/agents/404/", "/agents/404/edit/", "/agents/add/?kind=robot"])
def test_what_does_not_exist_is_not_found(as_, admin_user, address):
    assert as_(admin_user).get(address).status_code == 404


def test_a_test_calls_the_agent_and_shows_what_it_answers(make_agent, as_, operator):
    agent = make_agent("writer")

    answer = as_(operator).post(f"/agents/{agent.pk}/test/", {"input": '{"token": "t0p", "text": "hi"}'})

    assert answer.context["trial"].output["input"] == {"token": "t0p", "text": "hi"}
    assert (last_event().action, last_event().outcome) == ("AgentTested", "succeeded")
    assert "t0p" not in last_event().detail.after


@pytest.mark.parametrize(
    ("function", "limit_s", "outcome", "error"),
    [
        ("test.crash", 10, "failed", "It crashed with ZeroDivisionError"),
        ("test.sleep", 0.05, "timed_out", "It did not answer within"),
    ],
)
def test_a_test_shows_a_failure_and_counts_it_nowhere(
    make_agent, as_, operator, monkeypatch, function, limit_s, outcome, error
):
    monkeypatch.setattr("agents.trial.TIME_LIMIT_S", limit_s)
    agent = make_agent("writer", config={"function": function})

    answer = as_(operator).post(f"/agents/{agent.pk}/test/", {"input": "{}"})

    assert answer.context["trial"].outcome == outcome
    assert error in text(answer)
    assert last_event().outcome == outcome
    assert AgentHealth.objects.get().calls == 0


def test_a_test_needs_json(make_agent, as_, operator):
    agent = make_agent("writer")

    form = as_(operator).post(f"/agents/{agent.pk}/test/", {"input": "hello"}).context["form"]

    assert "This is not JSON" in form.errors["input"][0]
