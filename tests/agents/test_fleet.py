from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from agents import fleet, snapshot
from agents.models import Agent, AgentStatus
from orchestra.kernel import access
from orchestra.kernel.errors import Conflict, Forbidden, IllegalTransition, Invalid, NotFound
from orchestra.kernel.models import Event, EventDetail
from tests.agents.conftest import SYSTEM
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
ECHO = {"name": "writer", "config": {"function": "test.echo"}}


def last_event():
    return Event.objects.select_related("detail").order_by("-number").first()


def test_a_new_agent_is_online_healthy_and_in_the_audit_trail():
    agent = fleet.create("python", ECHO | {"secrets": {"key": "s3cret"}}, ["draft", "draft"], by=SYSTEM, reason="more")

    assert (agent.status, agent.health.circuit) == ("online", "closed")
    assert list(agent.capabilities.values_list("name", flat=True)) == ["draft"]
    assert (last_event().action, last_event().detail.reason) == ("AgentCreated", "more")
    assert '"secrets":["key"]' in last_event().detail.after


def test_no_secret_reaches_the_audit_trail(make_agent):
    agent = make_agent("writer", secrets={"key": "s3cret"})
    fleet.change(agent.pk, {"secrets": {"key": "0ther"}}, by=SYSTEM)

    assert last_event().action == "AgentChanged"
    details = "".join(f"{detail.before}{detail.after}" for detail in EventDetail.objects.all())
    assert "s3cret" not in details
    assert "0ther" not in details


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"description": "x" * 301}, "description"),
        ({"model": "x" * 101}, "model"),
        ({"version": "x" * 51}, "version"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"failure_threshold": 0}, "failure_threshold"),
        ({"recovery_s": 86_401}, "recovery_s"),
        ({"config": {"function": "os.system"}}, "config.function"),
        ({"config": {"function": "test.echo", "greeting": "x" * 70_000}}, "config"),
    ],
)
def test_every_bad_field_is_named_and_nothing_is_made(values, path):
    with pytest.raises(Invalid) as error:
        fleet.create("python", ECHO | values, [], by=SYSTEM)

    assert [fault["path"] for fault in error.value.errors] == [path]
    assert not Agent.objects.exists()


@pytest.mark.parametrize("name", ["", "two words", " padded", "x" * 101])
def test_a_capability_is_one_word(name):
    with pytest.raises(Invalid) as error:
        fleet.create("python", ECHO, ["draft", name], by=SYSTEM)

    assert error.value.errors[0]["path"] == "capabilities[1]"


def test_a_name_that_is_taken_is_a_conflict(make_agent):
    make_agent("writer")
    other = make_agent("other")

    with pytest.raises(Conflict, match="There is an agent named writer already"):
        fleet.create("python", ECHO, [], by=SYSTEM)
    with pytest.raises(Conflict, match="There is an agent named writer already"):
        fleet.change(other.pk, {"name": "writer"}, by=SYSTEM)


def test_a_change_records_only_what_differs(make_agent):
    agent = make_agent("writer", ["draft"], max_concurrency=2)

    fleet.change(agent.pk, {"max_concurrency": 5, "name": "writer"}, ["draft", "billing"], by=SYSTEM)

    assert last_event().detail.before == '{"capabilities":["draft"],"max_concurrency":2}'
    assert last_event().detail.after == '{"capabilities":["billing","draft"],"max_concurrency":5}'


def test_a_change_that_changes_nothing_is_neither_recorded_nor_read_again_by_executors(make_agent):
    agent = make_agent("writer", ["draft"])
    number, revision = last_event().number, snapshot.revision()

    fleet.change(agent.pk, {"name": "writer"}, ["draft"], by=SYSTEM)

    assert (last_event().number, snapshot.revision()) == (number, revision)


def test_every_change_of_the_fleet_raises_its_revision(make_agent):
    before = snapshot.revision()
    agent = make_agent("writer")
    fleet.change(agent.pk, {"version": "2"}, by=SYSTEM)
    fleet.set_status(agent.pk, AgentStatus.DRAINING, by=SYSTEM)
    fleet.remove(agent.pk, by=SYSTEM)

    assert snapshot.revision() == before + 4


@pytest.mark.parametrize(
    ("status", "action"),
    [("draining", "AgentDrained"), ("disabled", "AgentDisabled")],
)
def test_an_operator_drains_and_disables_with_a_reason(make_agent, operator, status, action):
    agent = make_agent("writer")

    fleet.set_status(agent.pk, AgentStatus(status), by=access.actor_of(operator), reason="odd answers")

    agent.refresh_from_db()
    assert agent.status == status
    assert (last_event().action, last_event().actor_label) == (action, operator.label)
    assert last_event().detail.reason == "odd answers"


def test_enabling_an_enabled_agent_changes_nothing(make_agent):
    agent = make_agent("writer")
    number = last_event().number

    fleet.set_status(agent.pk, AgentStatus.ONLINE, by=SYSTEM)

    assert last_event().number == number


def test_a_disabled_agent_cannot_be_drained(make_agent):
    agent = make_agent("writer")
    fleet.set_status(agent.pk, AgentStatus.DISABLED, by=SYSTEM)

    with pytest.raises(IllegalTransition):
        fleet.set_status(agent.pk, AgentStatus.DRAINING, by=SYSTEM)


def test_an_agent_that_never_worked_can_be_removed(make_agent):
    agent = make_agent("writer", ["draft"])

    fleet.remove(agent.pk, by=SYSTEM, reason="a trial")

    assert not Agent.objects.exists()
    assert last_event().action == "AgentRemoved"


def test_an_agent_that_worked_stays_because_its_history_needs_it(make_agent):
    agent = make_agent("writer")
    with arranged():
        agent.health.calls = 1
        agent.health.save()

    with pytest.raises(Conflict, match="writer has calls in its history"):
        fleet.remove(agent.pk, by=SYSTEM)


def test_an_agent_that_is_gone_is_not_found():
    with pytest.raises(NotFound):
        fleet.set_status(404, AgentStatus.DISABLED, by=SYSTEM)


@pytest.mark.parametrize("verb", ["create", "change", "remove", "operate"])
def test_operators_run_the_fleet_and_administrators_configure_it(make_agent, viewer, operator, admin_user, verb):
    agent = make_agent("writer").pk
    verbs = {
        "create": lambda by: fleet.create("python", ECHO | {"name": "other"}, [], by=by),
        "change": lambda by: fleet.change(agent, {}, by=by),
        "remove": lambda by: fleet.remove(agent, by=by),
        "operate": lambda by: fleet.set_status(agent, AgentStatus.DRAINING, by=by),
    }

    for person in [viewer] if verb == "operate" else [viewer, operator]:
        with pytest.raises(Forbidden):
            verbs[verb](access.actor_of(person))
    verbs[verb](access.actor_of(admin_user))


@pytest.mark.django_db(transaction=True)
def test_of_two_people_who_choose_one_name_at_a_time_one_gets_it():
    together = Barrier(2)

    def create(description):
        together.wait()
        try:
            fleet.create("python", ECHO | {"description": description}, [], by=SYSTEM)
        except Conflict:
            return "taken"
        finally:
            connection.close()
        return "made"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(create, ["one", "two"])) == ["made", "taken"]
