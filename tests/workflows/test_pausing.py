"""Pause and resume: nothing begins meanwhile, nothing that comes in is lost, and neither races with an executor."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from agents import fleet, snapshot
from agents.outcomes import Done, Failed
from orchestra.kernel.errors import Conflict
from orchestra.kernel.events import NOTHING, Actor
from orchestra.kernel.models import Event, Role
from tests.workflows.conftest import OPERATOR, SYSTEM
from tests.workflows.looking import state, states, step
from workflows import control, engine, queue
from workflows.models import Run, RunStatus, Step, StepStatus

pytestmark = pytest.mark.django_db
WORK = {"capabilities": ["work"]}
UNDO = {"effects": True, "compensate": {"capabilities": ["work"]}}
BROKEN = Failed("It broke.", retryable=False)
VIEWER = Actor("person", "9", "Vera", role=Role.VIEWER)
ADMIN = Actor("person", "1", "Ada", role=Role.ADMIN)


def told(action: str) -> int:
    return Event.objects.filter(action=action).count()


# Cancel


def test_nothing_of_a_paused_run_begins_until_it_is_resumed(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "one", **WORK}, {"name": "two", **WORK})
    control.pause(run.pk, by=OPERATOR, reason="Lunch.")
    assert (state(run), script.go_on(), queue.has_work()) == (RunStatus.PAUSED, [], False)
    control.resume(run.pk, by=OPERATOR)
    assert state(run) == RunStatus.QUEUED
    assert script.go_on() == ["one", "two"]
    run.refresh_from_db()
    assert (run.status, run.started_at is not None) == (RunStatus.SUCCEEDED, True)
    assert (told("RunPaused"), told("RunResumed")) == (1, 1)


def test_the_answer_of_a_call_in_flight_is_kept_while_its_run_is_paused(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "one", **WORK}, {"name": "two", **WORK})
    claim = script.claim()["one"]
    control.pause(run.pk, by=OPERATOR, reason="Lunch.")
    assert script.turn(script.answer(claim, Done({"kept": True}))).assignments == []
    assert (step(run, "one").output, states(run)) == ({"kept": True}, {"one": "succeeded"})
    control.resume(run.pk, by=OPERATOR)
    assert state(run) == RunStatus.RUNNING
    assert script.go_on() == ["two"]


def test_a_call_that_fails_or_is_lost_while_its_run_is_paused_is_tried_again_after_it(begin: Any, script: Any) -> None:
    retry = {"retry": {"attempts": 2, "delay": 0}}
    run = begin({}, {"name": "one", **WORK, **retry}, {"name": "two", "needs": [], **WORK})
    claims = script.claim()
    control.pause(run.pk, by=OPERATOR, reason="Lunch.")
    script.turn(script.answer(claims["one"], Failed("Busy.")))
    script.let_leases_expire()
    assert script.go_on() == []
    control.resume(run.pk, by=OPERATOR)
    assert sorted(script.go_on()) == ["one", "two"]
    assert state(run) == RunStatus.SUCCEEDED


def test_time_passes_and_signals_come_in_while_a_run_is_paused_but_nothing_follows(begin: Any, script: Any) -> None:
    run = begin(
        {},
        {"name": "cool", "wait": "1h"},
        {"name": "paid", "signal": "paid", "needs": []},
        {"name": "ask", "human": {}, "needs": []},
        {"name": "ship", "needs": ["cool", "paid", "ask"], **WORK},
    )
    control.pause(run.pk, by=OPERATOR, reason="Lunch.")
    script.let_time_pass()
    engine.signal(run.pk, "paid", by=OPERATOR)
    engine.answer(step(run, "ask").pk, {"ok": True}, by=OPERATOR)
    assert states(run) == {"cool": "succeeded", "paid": "succeeded", "ask": "succeeded"}
    assert (state(run), script.go_on()) == (RunStatus.PAUSED, [])
    control.resume(run.pk, by=OPERATOR)
    assert script.go_on() == ["ship"]


def test_a_step_that_fails_while_its_run_is_paused_ends_the_run_when_it_is_resumed(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "one", **WORK}, {"name": "ask", "human": {}, "needs": []})
    claim = script.claim()["one"]
    control.pause(run.pk, by=OPERATOR, reason="Lunch.")
    script.turn(script.answer(claim, BROKEN))
    assert state(run) == RunStatus.PAUSED
    control.resume(run.pk, by=OPERATOR)
    assert (state(run), states(run)["ask"]) == (RunStatus.FAILED, "cancelled")


def test_a_paused_run_can_be_cancelled_and_is_undone(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "pay", **WORK, **UNDO}, {"name": "ask", "human": {}})
    script.go_on()
    control.pause(run.pk, by=OPERATOR, reason="Lunch.")
    control.cancel(run.pk, by=OPERATOR, reason="Enough.")
    assert script.go_on() == ["pay.compensate"]
    assert state(run) == RunStatus.CANCELLED


def test_a_run_to_begin_later_is_paused_and_begins_when_resumed_and_due(begin: Any, publish: Any, script: Any) -> None:
    begin({}, {"name": "one", **WORK})
    run = engine.start("flow", {}, by=OPERATOR, start_at=timezone.now() + timedelta(hours=1))
    script.go_on()
    control.pause(run.pk, by=OPERATOR, reason="Lunch.")
    script.let_time_pass(run)
    assert (state(run), states(run)) == (RunStatus.PAUSED, {})
    control.resume(run.pk, by=OPERATOR)
    script.let_time_pass(run)
    assert script.go_on() == ["one"]


def test_only_what_is_under_way_is_paused_and_only_what_is_paused_resumed(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "one", **WORK})
    with pytest.raises(Conflict):
        control.resume(run.pk, by=OPERATOR)
    control.pause(run.pk, by=OPERATOR, reason="Lunch.")
    with pytest.raises(Conflict):
        control.pause(run.pk, by=OPERATOR, reason="Lunch.")
    control.cancel(run.pk, by=OPERATOR, reason="Enough.")
    with pytest.raises(Conflict):
        control.pause(run.pk, by=OPERATOR, reason="Lunch.")


@pytest.mark.django_db(transaction=True)
def test_of_a_pause_and_a_claim_at_the_same_time_either_comes_first_but_never_both(begin: Any, script: Any) -> None:
    fleet.create(
        "python", {"name": "w2", "config": {"function": "test.echo"}, "max_concurrency": 500}, ["work"], by=SYSTEM
    )
    run = begin({}, {"name": "one", **WORK})
    runs = [run.pk, *(each.pk for each in engine.start_many("flow", [({}, NOTHING)] * 11, by=OPERATOR))]
    agents, claimed, errors = snapshot.read(), [], []

    def claim() -> None:
        try:
            for _ in range(30):
                turn = queue.take_turn([], executor="executor:there:2", fleet=agents, room=1)
                claimed.extend((each.step.run_id, timezone.now()) for each in turn.assignments)
        except Exception as error:  # noqa: BLE001  the test's thread must tell
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=claim)
    thread.start()
    for pk in reversed(runs):
        control.pause(pk, by=OPERATOR, reason="Now.")
    thread.join(60)
    assert errors == []
    begun = {pk for pk, _ in claimed}
    for one in Step.objects.filter(run__in=runs):
        assert (one.status == StepStatus.RUNNING) == (one.run_id in begun)
        assert one.status == StepStatus.RUNNING or (one.held and one.status == StepStatus.READY)
    assert Run.objects.filter(status=RunStatus.PAUSED).count() == len(runs)
    assert queue.take_turn([], executor="executor:there:2", fleet=agents, room=10).assignments == []


# Priority
