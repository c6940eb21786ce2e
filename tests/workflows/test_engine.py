"""Runs from start to end, through the queue and the engine's verbs, with agents whose answers the test chooses."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import fleet
from agents.models import AgentHealth, AgentStatus
from agents.outcomes import Done, Failed, Fault
from orchestra.kernel import events
from orchestra.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge
from orchestra.kernel.events import NOTHING, Actor, Ref
from orchestra.kernel.models import Event, EventDetail, Role
from tests.workflows.conftest import OPERATOR, SYSTEM
from tests.workflows.looking import step
from workflows import control, engine, ports, queue
from workflows.models import Run, RunStatus, Step, StepStatus

pytestmark = pytest.mark.django_db
WORK = {"capabilities": ["work"]}
VIEWER = Actor("person", "9", "Vera", role=Role.VIEWER)


def status_of(run: Run) -> str:
    return Run.objects.get(pk=run.pk).status


def actions(run: Run) -> list[str]:
    return list(Event.objects.filter(correlation=run.correlation).order_by("number").values_list("action", flat=True))


def test_a_run_goes_through_its_steps_and_gives_its_output(publish: Any, worker: Any, script: Any) -> None:
    publish(
        "flow",
        {"name": "first", **WORK, "input": {"text": "order.name"}},
        {"name": "second", **WORK, "input": {"before": "steps.first.output.by"}},
        output={"who": "steps.second.output.by"},
    )
    run = engine.start("flow", {"order": {"name": "tea"}}, by=OPERATOR)
    script.finish()
    run.refresh_from_db()
    assert (run.status, run.output) == (RunStatus.SUCCEEDED, {"who": "worker-1"})
    assert (step(run, "first").input, step(run, "second").input) == ({"text": "tea"}, {"before": "worker-1"})
    assert actions(run) == ["RunStarted", "StepSucceeded", "StepSucceeded", "RunSucceeded"]


def test_a_step_keeps_why_its_agent_was_chosen(publish: Any, worker: Any, script: Any) -> None:
    fleet.create("python", {"name": "idle", "config": {"function": "test.echo"}}, ["rest"], by=SYSTEM)
    publish("flow", {"name": "one", **WORK})
    run = engine.start("flow", {}, by=OPERATOR)
    script.turn()
    choice = step(run, "one").choice
    assert (choice["chosen"], choice["because"], choice["excluded"]) == (
        "worker-1",
        "best score",
        {"lacks_capability": 1},
    )
    assert choice["candidates"][0]["parts"] == {"match": 0.4, "success": 0.3, "speed": 0.2, "availability": 0.1}


def test_a_claim_is_a_lease_with_a_token_and_counts_the_attempt_before_the_work(
    publish: Any, worker: Any, script: Any
) -> None:
    publish("flow", {"name": "one", **WORK})
    run = engine.start("flow", {}, by=OPERATOR)
    script.turn()
    claimed = step(run, "one")
    assert (claimed.status, claimed.attempt, claimed.token, claimed.executor) == ("running", 1, 1, script.name)
    assert claimed.lease_expires_at is not None and claimed.lease_expires_at > timezone.now()
    assert status_of(run) == RunStatus.RUNNING


def test_a_failed_critical_step_ends_the_run_with_its_reason(publish: Any, worker: Any, script: Any) -> None:
    publish("flow", {"name": "pay", **WORK}, {"name": "ship", **WORK})
    run = engine.start("flow", {}, by=OPERATOR)
    script.finish(Failed("The card was declined.", retryable=False))
    run.refresh_from_db()
    assert (run.status, run.error) == (RunStatus.FAILED, "The critical step pay failed.")
    assert step(run, "pay").error == "The card was declined."
    assert not Step.objects.filter(run=run, name="ship").exists()


def test_a_step_is_tried_again_after_a_delay_and_its_attempts_are_kept(publish: Any, worker: Any, script: Any) -> None:
    publish(
        "flow", {"name": "one", **WORK, "retry": {"attempts": 2, "delay": "1h", "max_delay": "1h", "jitter": False}}
    )
    run = engine.start("flow", {}, by=OPERATOR)
    (claim,) = script.turn().assignments
    assert script.turn(script.answer(claim, Failed("It was busy."))).assignments == []
    waiting = step(run, "one")
    assert waiting.status == StepStatus.READY
    assert timedelta(minutes=59) < waiting.available_at - timezone.now() <= timedelta(hours=1)
    assert [attempt["error"] for attempt in waiting.history] == ["It was busy."]
    with events.recording(SYSTEM):
        Step.objects.filter(pk=waiting.pk).update(available_at=timezone.now())
    (again,) = script.turn().assignments
    assert (again.step.attempt, again.step.token, again.step.key) == (2, 2, claim.step.key)
    script.turn(script.answer(again, Failed("Still busy.")))
    assert status_of(run) == RunStatus.FAILED


@pytest.mark.parametrize(("said_s", "due_s"), [(600.0, 600), (1.0, 60), (None, 60)])
def test_a_step_comes_back_after_its_own_delay_but_not_sooner_than_its_agent_asked(
    publish: Any, worker: Any, script: Any, said_s: float | None, due_s: int
) -> None:
    publish("flow", {"name": "one", **WORK, "retry": {"attempts": 2, "delay": "1m", "jitter": False}})
    run = engine.start("flow", {}, by=OPERATOR)
    (claim,) = script.turn().assignments
    script.turn(script.answer(claim, Failed("It was busy.", retry_after_s=said_s)))
    due = step(run, "one").available_at - timezone.now()
    assert timedelta(seconds=due_s - 50) < due <= timedelta(seconds=due_s)


def test_a_failure_that_a_retry_cannot_help_is_not_retried(publish: Any, worker: Any, script: Any) -> None:
    publish("flow", {"name": "one", **WORK, "retry": {"attempts": 5}})
    run = engine.start("flow", {}, by=OPERATOR)
    script.finish(Failed("No such customer.", retryable=False, fault=Fault.CALLER))
    assert (step(run, "one").attempt, status_of(run)) == (1, RunStatus.FAILED)


def test_a_late_answer_of_an_old_claim_is_refused_and_changes_nothing(publish: Any, worker: Any, script: Any) -> None:
    publish("flow", {"name": "one", **WORK})
    run = engine.start("flow", {}, by=OPERATOR)
    (old,) = script.turn().assignments
    with events.recording(SYSTEM):
        Step.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert queue.return_expired() == 1
    (new,) = script.turn(name="executor:there:2").assignments
    script.turn(script.answer(old, Done({"late": True})))
    assert (step(run, "one").status, step(run, "one").token) == (StepStatus.RUNNING, new.step.token)
    refusal = Event.objects.get(action="CompletionRefused")
    assert (refusal.outcome, refusal.target_id) == ("denied", str(old.step.pk))
    script.turn(script.answer(new), name="executor:there:2")
    assert step(run, "one").output == {"by": "worker-1"}
    assert actions(run).count("StepSucceeded") == 1


def test_a_step_whose_executor_dies_again_and_again_is_dead(publish: Any, worker: Any, script: Any) -> None:
    publish("flow", {"name": "one", **WORK})
    run = engine.start("flow", {}, by=OPERATOR)
    for _ in range(5):
        assert len(script.turn().assignments) == 1
        with events.recording(SYSTEM):
            Step.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
        queue.return_expired()
    assert step(run, "one").status == StepStatus.DEAD
    assert status_of(run) == RunStatus.FAILED


def test_losing_its_executor_does_not_use_up_a_step_s_tries(publish: Any, worker: Any, script: Any) -> None:
    publish("flow", {"name": "one", **WORK, "retry": {"attempts": 2, "delay": 0}})
    run = engine.start("flow", {}, by=OPERATOR)
    script.turn()
    assert queue.release(script.name) == 1
    (again,) = script.turn().assignments
    script.turn(script.answer(again, Failed("It was busy.")))
    assert step(run, "one").status != StepStatus.FAILED


def test_a_human_step_waits_until_it_is_answered(publish: Any, worker: Any, script: Any) -> None:
    publish(
        "flow",
        {"name": "ask", "human": {"role": "operator"}},
        {"name": "act", **WORK, "input": {"a": "steps.ask.output.a"}},
    )
    run = engine.start("flow", {}, by=OPERATOR)
    assert status_of(run) == RunStatus.WAITING
    engine.answer(step(run, "ask").pk, {"a": 1}, by=OPERATOR, reason="It looks right.")
    script.finish()
    assert (status_of(run), step(run, "act").input) == (RunStatus.SUCCEEDED, {"a": 1})
    with pytest.raises(Conflict):
        engine.answer(step(run, "ask").pk, {"a": 2}, by=OPERATOR)


def test_a_viewer_may_not_answer_start_or_cancel(publish: Any) -> None:
    publish("flow", {"name": "ask", "human": {}})
    run = engine.start("flow", {}, by=OPERATOR)
    for attempt in (
        lambda: engine.answer(step(run, "ask").pk, {}, by=VIEWER),
        lambda: engine.start("flow", {}, by=VIEWER),
        lambda: control.cancel(run.pk, by=VIEWER, reason="no"),
    ):
        with pytest.raises(Forbidden):
            attempt()


def test_cancel_ends_a_run_and_refuses_the_answer_of_a_call_in_flight(publish: Any, worker: Any, script: Any) -> None:
    publish("flow", {"name": "one", **WORK}, {"name": "two", **WORK})
    run = engine.start("flow", {}, by=OPERATOR)
    (claim,) = script.turn().assignments
    control.cancel(run.pk, by=OPERATOR, reason="The customer called.")
    script.turn(script.answer(claim))
    assert (status_of(run), step(run, "one").status) == (RunStatus.CANCELLED, StepStatus.CANCELLED)
    assert not Step.objects.filter(run=run, name="two").exists()
    with pytest.raises(Conflict):
        control.cancel(run.pk, by=OPERATOR, reason="Again.")


def test_cancel_needs_a_reason(publish: Any) -> None:
    publish("flow", {"name": "ask", "human": {}})
    run = engine.start("flow", {}, by=OPERATOR)
    with pytest.raises(Invalid):
        control.cancel(run.pk, by=OPERATOR, reason="  ")


def test_an_unknown_workflow_or_a_reserved_name_is_refused(publish: Any) -> None:
    publish("flow", {"name": "ask", "human": {}})
    with pytest.raises(NotFound):
        engine.start("nobody", {}, by=OPERATOR)
    with pytest.raises(NotFound):
        engine.start("flow", {}, version=7, by=OPERATOR)
    with pytest.raises(Invalid):
        engine.start("flow", {"steps": 1}, by=OPERATOR)
    assert Run.objects.count() == 0


def test_an_input_that_does_not_fit_its_schema_is_refused_by_the_path(publish: Any) -> None:
    schema = {"type": "object", "required": ["text"], "properties": {"lines": {"items": {"type": "integer"}}}}
    publish("flow", {"name": "ask", "human": {}}, input_schema=schema)
    with pytest.raises(Invalid) as caught:
        engine.start("flow", {"lines": [1, "two"]}, by=OPERATOR)
    assert {fault["path"] for fault in caught.value.errors} == {"input", "input.lines[1]"}
    assert engine.start("flow", {"text": "", "lines": []}, by=OPERATOR).pk


def test_a_schema_never_fetches_an_address(publish: Any) -> None:
    publish("flow", {"name": "ask", "human": {}}, input_schema={"$ref": "http://127.0.0.1:9/schema.json"})
    with pytest.raises(Invalid, match="not valid"):
        engine.start("flow", {}, by=OPERATOR)


def test_a_workflow_that_serves_an_object_is_not_begun_without_one(publish: Any) -> None:
    publish("flow", {"name": "ask", "human": {}}, serves="parcel")
    with pytest.raises(Invalid) as caught:
        engine.start("flow", {}, by=OPERATOR)
    assert caught.value.errors[0]["path"] == "workflow"
    assert engine.start("flow", {}, by=OPERATOR, serves=Ref("parcel", 1)).pk


def test_an_input_of_over_a_megabyte_is_refused(publish: Any) -> None:
    publish("flow", {"name": "ask", "human": {}})
    with pytest.raises(TooLarge):
        engine.start("flow", {"text": "x" * engine.MAX_INPUT}, by=OPERATOR)
    assert Run.objects.count() == 0


def test_a_run_goes_to_the_queue_it_is_given_and_keeps_the_reason(publish: Any) -> None:
    publish("flow", {"name": "ask", "human": {}}, queue="calm")
    runs = [engine.start("flow", {}, by=OPERATOR, queue=queue, reason="To try it.") for queue in ("", "urgent")]
    assert [run.queue for run in runs] == ["calm", "urgent"]
    assert EventDetail.objects.filter(event__action="RunStarted", reason="To try it.").count() == 2
    with pytest.raises(Invalid):
        engine.start("flow", {}, by=OPERATOR, queue="two words")


def test_runs_stay_on_the_version_they_began_with(publish: Any, worker: Any, script: Any) -> None:
    publish("flow", {"name": "one", **WORK})
    old = engine.start("flow", {}, by=OPERATOR)
    publish("flow", {"name": "other", **WORK})
    new = engine.start("flow", {}, by=OPERATOR)
    script.finish()
    assert [Step.objects.get(run=run).name for run in (old, new)] == ["one", "other"]


def test_publishing_the_same_definition_again_makes_no_version(publish: Any) -> None:
    assert publish("flow", {"name": "one", **WORK}).pk == publish("flow", {"name": "one", **WORK}).pk


def test_higher_priority_goes_first_then_who_came_first(publish: Any, worker: Any, script: Any) -> None:
    publish("flow", {"name": "one", **WORK})
    runs = [engine.start("flow", {}, by=OPERATOR, priority=priority) for priority in (0, 5, 0)]
    order = [script.turn(room=1).assignments[0].step.run_id for _ in runs]
    assert order == [runs[1].pk, runs[0].pk, runs[2].pk]


def test_a_run_goes_on_before_another_begins_but_only_sixteen_steps(publish: Any, worker: Any, script: Any) -> None:
    publish("long", *[{"name": f"s{n}", **WORK} for n in range(20)])
    first, second = (engine.start("long", {}, by=OPERATOR) for _ in range(2))
    order, results = [], []
    for _ in range(18):
        (claim,) = script.turn(*results, room=1).assignments
        results = [script.answer(claim)]
        order.append(claim.step.run_id)
    assert order[:17] == [first.pk] * 17
    assert order[17] == second.pk


def test_no_more_calls_are_claimed_than_an_agent_has_slots(publish: Any, worker: Any, script: Any) -> None:
    publish("flow", {"name": "one", **WORK})
    for _ in range(6):
        engine.start("flow", {}, by=OPERATOR)
    turn = script.turn()
    assert (len(turn.assignments), turn.unmet) == (4, {'[["work"],[]]'})
    assert queue.in_use() == {worker.pk: 4}
    assert script.turn(script.answer(turn.assignments[0])).assignments[0].step.name == "one"
    assert not queue.has_work(turn.unmet)


def test_a_draining_agent_gets_no_new_calls(publish: Any, worker: Any, script: Any) -> None:
    fleet.set_status(worker.pk, AgentStatus.DRAINING, by=OPERATOR, reason="It misbehaves.")
    publish("flow", {"name": "one", **WORK})
    engine.start("flow", {}, by=OPERATOR)
    assert script.turn().assignments == []


def test_the_preferred_agent_is_chosen_and_another_stands_in_for_it(publish: Any, worker: Any, script: Any) -> None:
    billing = fleet.create(
        "python", {"name": "billing", "config": {"function": "test.echo"}}, ["work", "billing"], by=SYSTEM
    )
    publish("flow", {"name": "one", **WORK, "prefers": ["{{ topic }}"]})
    engine.start("flow", {"topic": "billing"}, by=OPERATOR)
    assert script.turn().assignments[0].agent.name == "billing"
    fleet.set_status(billing.pk, AgentStatus.DISABLED, by=OPERATOR, reason="Holiday.")
    engine.start("flow", {"topic": "billing"}, by=OPERATOR)
    assert script.turn().assignments[0].agent.name == "worker-1"


def test_an_agent_s_calls_move_its_statistics_and_open_its_breaker(publish: Any, worker: Any, script: Any) -> None:
    publish("flow", {"name": "one", **WORK})
    for _ in range(5):
        engine.start("flow", {}, by=OPERATOR)
        (claim,) = script.turn().assignments
        script.turn(script.answer(claim, Failed("It fell over.", retryable=False)))
    health = AgentHealth.objects.get(agent=worker)
    assert (health.calls, health.failures, health.circuit) == (5, 5, "open")
    engine.start("flow", {}, by=OPERATOR)
    assert script.turn().assignments == []
    assert Event.objects.filter(action="CircuitOpened", target_id=str(worker.pk)).count() == 1


def test_those_above_hear_of_steps_and_runs_in_the_same_transaction(publish: Any, worker: Any, script: Any) -> None:
    heard: list[Any] = []
    ports.observers.register("parcel", heard.extend)
    try:
        publish("flow", {"name": "one", **WORK}, {"name": "ask", "human": {}})
        run = engine.start("flow", {}, by=OPERATOR, serves=Ref("parcel", 12))
        script.finish()
    finally:
        ports.observers._providers.pop("parcel")
    assert [(change.serves_id, change.name, change.status, change.step) for change in heard] == [
        ("12", "one", "succeeded", step(run, "one").pk),
        ("12", "ask", "waiting", step(run, "ask").pk),
    ]


def test_a_group_of_any_size_costs_the_same_number_of_statements(publish: Any, script: Any) -> None:
    fleet.create(
        "python", {"name": "many", "config": {"function": "test.echo"}, "max_concurrency": 1000}, ["work"], by=SYSTEM
    )
    publish("flow", {"name": "one", **WORK}, {"name": "two", **WORK})

    def statements(runs: int) -> int:
        engine.start_many("flow", [({}, NOTHING)] * runs, by=OPERATOR)
        claims = script.turn().assignments
        assert len(claims) == runs
        with CaptureQueriesContext(connection) as captured:
            following = script.turn(*(script.answer(claim) for claim in claims)).assignments
        assert len(following) == runs
        script.turn(*(script.answer(claim) for claim in following))
        return len(captured)

    statements(1)
    assert statements(1) == statements(50)


def test_a_step_is_not_claimed_in_the_very_turn_in_which_it_is_withdrawn(
    publish: Any, worker: Any, script: Any
) -> None:
    publish("flow", {"name": "pay", **WORK}, {"name": "print", "needs": [], **WORK})
    run = engine.start("flow", {}, by=OPERATOR)
    (claim,) = script.turn(room=1).assignments
    refused = Failed("The card was declined.", retryable=False)
    assert script.turn(script.answer(claim, refused)).assignments == []
    assert set(Step.objects.filter(run=run).values_list("status", flat=True)) == {"failed", "cancelled"}
