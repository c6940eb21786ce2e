"""What a run's page and API are made of, on runs that the engine really moved."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents.outcomes import Failed
from orchestra.kernel import pulses
from orchestra.kernel.events import Ref
from tests.silent_writes import arranged
from tests.workflows.conftest import OPERATOR
from workflows import control, engine, progress, relay
from workflows.items import ItemList
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
    assert (step.status, step.waiting.code) == ("ready", "retry")
    assert [bar.tone for bar in step.bars] == ["failed", "idle"]
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

    with django_assert_max_num_queries(2):  # rows, signals
        progress.of_run(found)


FAN = STEP | {"name": "pick", "for_each": "lines", "as": "line", "critical": False}


def fan_out(publish, count, **more):
    publish("fan", FAN | {"max_parallel": 10_000} | more, STEP | {"name": "after"})
    return engine.start("fan", {"lines": [{"n": number} for number in range(count)], "shop": "s1"}, by=OPERATOR)


def test_items_are_counted_and_none_of_them_is_a_row_of_the_run(publish, worker, script):
    run = fan_out(publish, 5)
    claims = script.turn(room=3).assignments
    script.turn(script.answer(claims[0]), script.answer(claims[1], Failed("No.", retryable=False)), room=0)

    pick, after = seen(run).steps

    assert (pick.items.total, pick.items.counts) == (5, {"succeeded": 1, "failed": 1, "running": 1, "ready": 2})
    assert [(share.status, share.start, share.width) for share in pick.items.shares] == [
        ("succeeded", 0.0, 20.0),
        ("running", 20.0, 20.0),
        ("ready", 40.0, 40.0),
        ("failed", 80.0, 20.0),
    ]
    assert pick.waiting.detail == "2 of its 5 items have ended, 1 of them badly, 2 ready, 1 running."
    assert (after.items, seen(run).waiting) == (None, None)


def test_an_item_is_found_by_its_name_with_what_it_was_given(publish, worker, script):
    run = fan_out(publish, 3)
    script.turn()

    item = progress.of_task(seen(run), "pick[2]")

    assert (item.name, item.parent, item.status, item.agent) == ("pick[2]", "pick", "running", "worker-1")
    assert progress.input_of(run, item.spec, item.row)["line"] == {"n": 2}
    assert progress.input_of(run, item.spec, item.row)["shop"] == "s1"
    assert progress.of_task(seen(run), "pick[7]") is None


def test_a_fan_out_of_many_costs_no_more_than_one_of_few(publish, worker, script, django_assert_max_num_queries):
    run = seen(fan_out(publish, 300)).run

    with django_assert_max_num_queries(4):  # rows, items for the reason and for the bar, signals
        progress.of_run(run)


def test_items_are_listed_page_by_page_those_that_failed_first(publish, worker, script):
    run = fan_out(publish, 7)
    claims = script.turn(room=4).assignments
    outcomes = {0: None, 1: None, 2: Failed("No.", retryable=False)}
    script.turn(*(script.answer(claims[number], outcome) for number, outcome in outcomes.items()), room=0)

    listing = ItemList({"step": "pick", "limit": "4"}, run=run.pk)
    first = listing.page()
    second = ItemList({"step": "pick", "limit": "4", "cursor": first.next}, run=run.pk).page()

    assert [step.name for step in first.rows] == ["pick[2]", "pick[3]", "pick[4]", "pick[5]"]
    assert [step.name for step in second.rows] == ["pick[6]", "pick[0]", "pick[1]"]
    assert (bool(first.previous), bool(second.previous), second.next) == (False, True, "")
    assert [step.name for step in ItemList({"status": "failed"}, run=run.pk).page().rows] == ["pick[2]"]


UNDONE = STEP | {"name": "pay", "compensate": {"capabilities": ["work"]}}


def test_what_undoes_a_step_stands_beside_it(follow, script):
    run = follow(UNDONE, STEP | {"name": "send"})
    [pay] = script.turn().assignments
    [send] = script.turn(script.answer(pay)).assignments
    script.turn(script.answer(send, Failed("No.", retryable=False)), room=0)

    pay, send = seen(run).steps

    assert (pay.status, pay.undo.name, pay.undo.status) == ("compensating", "pay.compensate", "ready")
    assert (pay.waiting.code, pay.undo.waiting.code, send.undo) == ("compensating", "no_executor", None)
    assert seen(run).waiting.code == "compensating"
    assert seen(run).step("pay.compensate").is_undo

    script.finish()

    pay = seen(run).step("pay")
    assert (pay.status, pay.undo.status, pay.undo.agent) == ("compensated", "succeeded", "worker-1")
    assert (seen(run).run.status, seen(run).run.compensated) == ("failed", True)


def test_what_undoes_items_is_counted_like_them(publish, worker, script):
    run = fan_out(publish, 3, compensate={"capabilities": ["work"]})
    script.go_on(after=Failed("No.", retryable=False))

    pick = seen(run).step("pick")

    assert (pick.items.counts, pick.items.undoing) == ({"compensated": 3}, {"succeeded": 3})
    assert (pick.items.done, pick.undo) == (3, None)


def test_a_step_that_is_a_workflow_names_its_run_and_that_run_its_step(publish, worker, script):
    publish("inner", STEP | {"name": "only"})
    publish("outer", {"name": "sub", "workflow": "inner"})
    run = engine.start("outer", {}, by=OPERATOR)
    relay.deliver()

    child = Run.objects.get(parent__run=run)

    assert seen(run).step("sub").child.pk == child.pk
    assert seen(run).waiting.detail == f"sub: It waits for its run #{child.pk} of inner, which is queued."
    assert seen(run).waiting.link == f"/runs/{child.pk}/"


def test_signals_are_told_with_who_sent_them_and_which_step_took_them(publish, worker):
    publish("event", {"name": "wait_for", "signal": "paid"})
    run = engine.start("event", {}, by=OPERATOR)
    assert seen(run).awaited_signals == ["paid"]

    engine.signal(run.pk, "other", {}, by=OPERATOR)
    engine.signal(run.pk, "paid", {"sum": 3}, by=OPERATOR)

    told = [(signal.name, signal.sent_by, signal.taken_by) for signal in seen(run).signals]
    assert told == [("paid", "Olga", "wait_for"), ("other", "Olga", "")]
    assert seen(run).awaited_signals == []


def test_a_paused_run_says_who_paused_it_and_why(follow):
    run = follow(STEP | {"name": "only"})
    control.pause(run.pk, by=OPERATOR, reason="The shop is closed.")

    assert seen(run).waiting.detail == "Olga paused it: The shop is closed. Resume it to let it go on."
    assert seen(run).step("only").waiting.code == "paused"


def test_a_failure_that_is_handed_over_is_one_attempt_and_the_persons_another(follow, script):
    run = follow(STEP | {"name": "only", "on_failure": "escalate"})
    script.finish(Failed("No.", retryable=False))

    tries = seen(run).step("only").attempts
    assert [(one.agent, one.status) for one in tries] == [("worker-1", "failed"), ("", "waiting")]

    engine.answer(run.steps.get().pk, {"ok": True}, by=OPERATOR)

    assert [one.status for one in seen(run).step("only").attempts] == ["failed", "succeeded"]


def test_time_in_the_queue_is_shaded(follow, script):
    run = follow(STEP | {"name": "only"}, STEP | {"name": "next"})
    with arranged():
        Step.objects.update(created_at=timezone.now() - timedelta(seconds=50))
        Run.objects.update(started_at=timezone.now() - timedelta(seconds=100))
    script.turn()

    waited, running = seen(run).step("only").bars

    assert (waited.tone, running.tone) == ("idle", "running")
    assert waited.start > 40


def test_a_page_looks_again_by_itself_only_while_something_is_about_to_begin(follow, script):
    run = follow(STEP | {"name": "only", "retry": {"attempts": 2, "delay": "1h"}})
    assert seen(run).begins_soon

    [claim] = script.turn().assignments
    assert not seen(run).begins_soon

    script.turn(script.answer(claim, Failed("No.")), room=0)
    assert not seen(run).begins_soon


def test_a_paused_run_is_not_looked_at_again(follow):
    run = follow(STEP | {"name": "only"})
    control.pause(run.pk, by=OPERATOR, reason="strike")

    assert not seen(run).begins_soon
