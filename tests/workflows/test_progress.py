"""What a run's page and API are made of, on runs that the engine really moved."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents.outcomes import Failed
from orchestra.kernel import pulses
from orchestra.kernel.events import Ref
from tests.silent_writes import arranged
from tests.workflows.conftest import OPERATOR
from workflows import engine, progress
from workflows.models import Run, Step

pytestmark = pytest.mark.django_db
STEP = {"capabilities": ["work"]}


@pytest.fixture
def follow(worker, publish):
    """``follow(step, …)``: a run of these steps, not yet begun."""

    def start(*steps, **more):
        publish("flow", *steps)
        return engine.start("flow", {"text": "hello"}, by=OPERATOR, **more)

    return start


def seen(run):
    return progress.of_run(Run.objects.select_related("version__workflow").get(pk=run.pk))


def statuses(run):
    return {step.name: step.status for step in seen(run).steps}


def test_steps_that_were_not_reached_stand_there_as_pending_and_say_what_they_need(follow):
    run = follow(STEP | {"name": "first"}, STEP | {"name": "second"}, STEP | {"name": "third"})

    assert statuses(run) == {"first": "ready", "second": "pending", "third": "pending"}
    assert seen(run).step("third").waiting.detail == "It needs second to end first."


def test_a_finished_step_says_by_whom_it_was_done_and_how_long_it_took(follow, script):
    run = follow(STEP | {"name": "only"})
    script.finish()

    step = seen(run).step("only")

    assert (step.status, step.agent, len(step.attempts), len(step.bars)) == ("succeeded", "worker-1", 1, 1)
    assert step.took_s is not None
    assert step.choice["because"] == "best score"


def test_every_attempt_has_its_bar_and_a_retry_says_when_it_is_due(follow, script):
    run = follow(STEP | {"name": "only", "retry": {"attempts": 3, "delay": "1h"}})
    [claim] = script.turn().assignments
    script.turn(script.answer(claim, Failed("The shop is closed.")))

    step = seen(run).step("only")

    assert [(a.number, a.agent, a.status, a.error) for a in step.attempts] == [
        (1, "worker-1", "failed", "The shop is closed.")
    ]
    assert (step.status, step.waiting.code, len(step.bars)) == ("ready", "retry", 1)
    assert seen(run).waiting.detail.startswith("only: Its next try is due")


def test_the_last_failure_is_one_attempt_and_not_two(follow, script):
    run = follow(STEP | {"name": "only", "retry": {"attempts": 2, "delay": 0}})
    for _ in range(2):
        [claim] = script.turn().assignments
        script.turn(script.answer(claim, Failed("No.")), room=0)

    step = seen(run).step("only")

    assert (step.status, [attempt.number for attempt in step.attempts]) == ("failed", [1, 2])
    assert seen(run).run.status == "failed"


def test_steps_after_a_failure_do_not_wait_for_anything_any_more(follow, script):
    run = follow(STEP | {"name": "first"}, STEP | {"name": "second"})
    script.finish(Failed("No.", retryable=False))

    assert (seen(run).step("second").status, seen(run).step("second").waiting) == ("pending", None)


def test_a_human_step_waits_for_a_person_and_so_does_its_run(follow, script):
    run = follow(STEP | {"name": "draft"}, {"name": "review", "human": {}}, serves=Ref("parcel", 7))
    script.finish()

    assert seen(run).step("review").waiting.code == "person"
    assert seen(run).waiting.detail == "review: It waits for a person to decide at parcel 7."


def test_a_ready_step_waits_for_what_keeps_agents_from_it(follow):
    run = follow(STEP | {"name": "only"}, {"name": "more", "capabilities": ["magic"]})
    assert seen(run).step("only").waiting.code == "no_executor"

    pulses.beat("executor:here:1")

    assert seen(run).step("only").waiting.code == "queued"


def test_an_agents_slots_are_counted_from_unexpired_leases(follow, script, worker):
    follow(STEP | {"name": "only"})
    for _ in range(worker.max_concurrency - 1):
        engine.start("flow", {}, by=OPERATOR)
    script.turn()
    waiting = engine.start("flow", {}, by=OPERATOR)
    pulses.beat("executor:here:1")
    assert seen(waiting).waiting.code == "busy"

    with arranged():
        Step.objects.filter(status="running").update(lease_expires_at=timezone.now() - timedelta(seconds=1))

    assert seen(waiting).waiting.code == "queued"


@pytest.mark.parametrize(
    ("outcome", "telling"),
    [(None, "third"), (Failed("No.", retryable=False), "first")],
)
def test_the_step_to_look_at_first_is_the_one_that_tells_most(follow, script, outcome, telling):
    run = follow(STEP | {"name": "first"}, STEP | {"name": "second"}, STEP | {"name": "third"})
    assert seen(run).most_telling.name == "first"

    script.finish(outcome)

    assert seen(run).most_telling.name == telling


def test_reading_a_run_costs_the_same_however_many_steps_it_has(follow, script, django_assert_max_num_queries):
    run = follow(*(STEP | {"name": f"step_{number}"} for number in range(30)))
    script.turn()
    script.finish()
    found = Run.objects.select_related("version__workflow").get(pk=run.pk)
    progress.of_run(found)

    with django_assert_max_num_queries(1):
        progress.of_run(found)
