"""Answers that come later: the step waits for its agent, a program completes it by its lease, and not for ever."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import AgentHealth
from agents.outcomes import Pending
from orchestra.kernel.models import Event
from tests.silent_writes import arranged
from tests.workflows.conftest import OPERATOR, SYSTEM
from tests.workflows.looking import state, step
from workflows import control, engine, queue, tasks
from workflows.models import Run, Step, StepStatus, WaitsFor

pytestmark = pytest.mark.django_db
WORK = {"capabilities": ["work"]}
DAY = timedelta(days=1)


@pytest.fixture
def taken(begin, script):
    """``taken(within_s=60, retry=…)``: a run whose one step its agent took on; returns the run."""

    def take(within_s=None, deadline=None, **spec):
        run = begin({}, {"name": "a", **WORK, **spec})
        if deadline is not None:
            with arranged():
                Run.objects.filter(pk=run.pk).update(deadline=deadline)
        (assignment,) = script.turn().assignments
        script.turn(script.answer(assignment, Pending("the bank", within_s)))
        return run

    return take


@pytest.fixture
def client(api, operator):
    return api(operator)


def answer(client, row, verb="complete", **body):
    return client.post(f"/api/v1/tasks/{row.pk}/{verb}/", {"lease": row.token, **body})


def wait_of(row):
    return row.wake_at - timezone.now()


class TestHowLong:
    def test_a_day_if_nobody_says_otherwise(self, taken):
        row = step(taken(), "a")
        assert (row.status, row.waits_for) == (StepStatus.WAITING, WaitsFor.AGENT)
        assert DAY - timedelta(minutes=5) < wait_of(row) <= DAY

    def test_as_long_as_the_agent_says(self, taken):
        assert timedelta(minutes=50) < wait_of(step(taken(within_s=3600), "a")) <= timedelta(hours=1)

    def test_else_as_long_as_the_step_says_from_its_start_on(self, taken):
        row = step(taken(timeout="4h"), "a")
        assert row.wake_at == row.started_at + timedelta(hours=4)

    def test_never_beyond_the_deadline_of_the_run(self, taken):
        deadline = timezone.now() + timedelta(minutes=10)
        assert step(taken(within_s=86_400, deadline=deadline), "a").wake_at == deadline


class TestAnswered:
    def test_by_the_lease_that_it_was_given(self, taken, client):
        run = taken()
        told = answer(client, step(run, "a"), output={"paid": True})
        assert (told.status_code, told.json()["status"], state(run)) == (200, "succeeded", "succeeded")

    def test_it_is_the_agents_doing_and_counts_when_it_comes(self, taken, client, worker, operator):
        run = taken()
        assert AgentHealth.objects.get(pk=worker.pk).calls == 0
        answer(client, step(run, "a"), output=1)
        assert AgentHealth.objects.get(pk=worker.pk).calls == 1
        event = Event.objects.get(action="StepSucceeded")
        assert (event.actor_label, event.on_behalf_of) == (worker.name, operator.label)

    def test_or_failed_and_tried_again(self, taken, client, worker):
        run = taken(retry={"attempts": 2, "delay": 0})
        old = step(run, "a")
        assert answer(client, old, "fail", error="No money.").json()["status"] == "ready"
        assert AgentHealth.objects.get(pk=worker.pk).failures == 1
        assert [tried["error"] for tried in step(run, "a").history] == ["No money."]
        assert answer(client, old, output=1).status_code == 409

    def test_its_lease_may_be_extended_which_changes_nothing(self, taken, client):
        row = step(taken(), "a")
        assert answer(client, row, "extend").status_code == 200
        assert Step.objects.get(pk=row.pk).wake_at == row.wake_at

    def test_another_lease_is_refused(self, taken, client):
        row = step(taken(), "a")
        row.token += 1
        assert answer(client, row, output=1).json()["code"] == "stale_lease"

    def test_after_the_end_of_its_run_it_is_refused(self, taken, client):
        run = taken()
        control.cancel(run.pk, by=OPERATOR, reason="Enough.")
        assert answer(client, step(run, "a"), output=1).status_code == 409

    def test_what_waits_for_a_person_is_no_ones_to_complete(self, publish, client):
        publish("flow", {"name": "a", "human": {}})
        row = step(engine.start("flow", {}, by=SYSTEM), "a")
        assert answer(client, row, output=1).status_code == 409


class TestNeverAnswered:
    def test_it_has_timed_out_which_counts_against_the_agent(self, taken, script, worker, client):
        run = taken()
        old = step(run, "a")
        script.let_time_pass()
        row = step(run, "a")
        assert (row.status, row.error) == ("failed", "It took the task on and did not answer in time.")
        health = AgentHealth.objects.get(pk=worker.pk)
        assert (health.calls, health.consecutive_failures) == (1, 1)
        event = Event.objects.get(action="StepFailed")
        assert (event.outcome, event.actor_label) == ("timed_out", worker.name)
        assert answer(client, old, output=1).status_code == 409

    def test_it_is_tried_again_if_its_policy_says_so(self, taken, script):
        run = taken(retry={"attempts": 2, "delay": 0})
        script.let_time_pass()
        row = step(run, "a")
        assert (row.status, len(row.history), row.history[0]["agent"]) == ("ready", 1, "worker-1")
        assert script.go_on() == ["a"]
        assert state(run) == "succeeded"


def test_while_it_waits_its_slot_is_free(taken, worker):
    taken()
    assert queue.in_use() == {}


def test_a_probe_that_is_taken_on_closes_the_breaker_but_counts_as_no_call(begin, script, worker):
    now = timezone.now()
    with arranged():
        AgentHealth.objects.update(circuit="open", opened_at=now, probe_at=now, consecutive_failures=5)
    begin({}, {"name": "a", **WORK})
    (assignment,) = script.turn().assignments
    assert assignment.is_probe
    script.turn(script.answer(assignment, Pending("the bank")))
    health = AgentHealth.objects.get()
    assert (health.circuit, health.calls) == ("closed", 0)


def test_a_task_of_ones_own_may_wait_as_well(script, worker, client):
    row = tasks.create(["work"], {}, by=SYSTEM, timeout_s=600)
    (assignment,) = script.turn().assignments
    script.turn(script.answer(assignment, Pending("the bank")))
    row = Step.objects.get(pk=row.pk)
    assert row.wake_at == row.started_at + timedelta(seconds=600)
    assert answer(client, row, output="late").json()["output"] == "late"
