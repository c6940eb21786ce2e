"""A step that cannot be read is put off or dead, and keeps no other from being claimed, stored or given back."""

import asyncio
from datetime import timedelta

import pytest
from django.utils import timezone

from orchestra.kernel.models import Event
from tests.audit import last_event
from tests.silent_writes import arranged
from tests.workflows.conftest import OPERATOR
from workflows import definitions, engine, quarantine, queue
from workflows.calls import Calls
from workflows.committer import Committer
from workflows.models import Step, StepStatus, WorkflowVersion

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def committer():
    loop = asyncio.new_event_loop()
    yield Committer(Calls(loop))
    loop.close()


@pytest.fixture
def broken(publish, worker):
    """A step in the queue whose definition cannot be read any more, before a good one."""
    version = publish("broken", {"name": "one", "capabilities": ["work"]})
    publish("good", {"name": "one", "capabilities": ["work"]})
    run = engine.start("broken", {}, by=OPERATOR)
    with arranged():
        WorkflowVersion.objects.filter(pk=version.pk).update(definition={"steps": "of an older release"})
    definitions.forget()
    return Step.objects.get(run=run)


def test_it_is_put_off_with_what_to_mend_and_the_others_go_on(broken, committer):
    good = engine.start("good", {}, by=OPERATOR)
    committer.turn()  # fails, and looks for the culprit
    committer.more = True
    committer.turn()

    broken.refresh_from_db()
    assert (broken.status, "Mend that" in broken.error) == (StepStatus.READY, True)
    assert Step.objects.get(run=good).status == StepStatus.RUNNING


def test_it_is_tried_again_later_and_told(broken):
    assert quarantine.put_off_broken() == 1
    assert last_event().action == "StepPutOff"
    assert quarantine.put_off_broken() == 0


def test_what_can_be_claimed_is_left_alone(publish, worker):
    publish("good", {"name": "one", "capabilities": ["work"]})
    engine.start("good", {}, by=OPERATOR)

    assert quarantine.put_off_broken() == 0


@pytest.fixture
def unreadable(publish, worker, script):
    """A claimed step whose definition cannot be read any more, and that of a healthy run claimed beside it."""
    version = publish("broken", {"name": "bad", "capabilities": ["work"]})
    publish("good", {"name": "well", "capabilities": ["work"]}, {"name": "after", "capabilities": ["work"]})
    engine.start("broken", {}, by=OPERATOR)
    engine.start("good", {}, by=OPERATOR)
    claimed = script.claim()
    with arranged():
        WorkflowVersion.objects.filter(pk=version.pk).update(definition={"steps": "of an older release"})
    definitions.forget()
    return claimed


def test_it_keeps_no_other_step_from_coming_back_from_a_dead_executor(unreadable, script):
    assert script.let_leases_expire() == 1

    assert Step.objects.get(name="well").status == StepStatus.READY
    put_off = Step.objects.get(name="bad")
    assert put_off.status == StepStatus.RUNNING
    assert put_off.lease_expires_at - timezone.now() > timedelta(minutes=50)
    assert queue.return_expired() == 0


def test_it_keeps_no_other_step_from_being_released_by_its_executor(unreadable, script):
    assert queue.release(script.name) == 1

    assert Step.objects.get(name="well").status == StepStatus.READY
    assert Step.objects.get(name="bad").status == StepStatus.RUNNING


def test_a_claim_that_is_not_its_own_any_more_is_not_put_off(unreadable):
    step = unreadable["bad"].step
    quarantine.put_off_return((step.pk, step.run_id, step.token - 1))

    assert Step.objects.get(pk=step.pk).lease_expires_at - timezone.now() < timedelta(minutes=50)


def test_its_result_makes_it_dead_alone_and_the_results_beside_it_are_stored(unreadable, committer, script):
    for assignment in unreadable.values():
        committer.calls.in_flight[assignment.step.pk] = assignment
        committer.calls.results.put(script.answer(assignment))
    committer.turn()

    dead = Step.objects.get(name="bad")
    assert (dead.status, dead.executor, dead.lease_expires_at) == (StepStatus.DEAD, "", None)
    assert "could not be stored" in dead.error
    assert dead.finished_at is not None
    died = Event.objects.get(action="StepDied")
    assert (died.target_id, died.parent_id) == (str(dead.pk), str(dead.run_id))
    assert died.correlation == dead.run.correlation
    assert Step.objects.get(name="well").status == StepStatus.SUCCEEDED
    assert Step.objects.filter(name="after").exists()
    assert (committer.pending, Event.objects.filter(action="CompletionRefused").count()) == ([], 0)


def test_a_result_that_comes_back_while_it_stops_does_not_keep_the_others_from_going_back(
    unreadable, committer, script, monkeypatch
):
    monkeypatch.setattr("workflows.committer.STOP_WITHIN_S", 0.3)
    committer.calls.name = script.name
    committer.calls.in_flight = {assignment.step.pk: assignment for assignment in unreadable.values()}
    committer.calls.results.put(script.answer(unreadable["bad"]))
    committer.finish()

    assert Step.objects.get(name="bad").status == StepStatus.DEAD
    assert Step.objects.get(name="well").status == StepStatus.READY


def test_another_claim_on_it_is_not_buried(unreadable):
    step = unreadable["bad"].step
    queue.bury(step.pk, step.token - 1, "It could not be stored.")

    assert Step.objects.get(pk=step.pk).status == StepStatus.RUNNING


def test_a_step_that_cannot_even_be_buried_does_not_end_the_thread(unreadable, committer, script, monkeypatch):
    monkeypatch.setattr("workflows.committer.tasks.bury", _raise)
    bad = unreadable["bad"]
    committer.calls.in_flight[bad.step.pk] = bad
    committer.calls.results.put(script.answer(bad))
    committer.turn()

    assert committer.pending == []
    assert Step.objects.get(name="bad").status == StepStatus.RUNNING, "until its lease expires"


def test_whatever_else_fails_in_a_turn_does_not_end_the_thread(unreadable, committer, script, monkeypatch):
    monkeypatch.setattr(committer, "_isolate", _raise)
    bad = unreadable["bad"]
    committer.calls.in_flight[bad.step.pk] = bad
    committer.calls.results.put(script.answer(bad))
    committer.turn()

    assert (committer.pending, committer.errors) == ([], 1)


def _raise(*_, **__):
    raise ValueError("a defect")
