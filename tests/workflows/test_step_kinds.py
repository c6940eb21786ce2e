"""Steps of every kind and what their fields promise: persons, times, repetition, failure, keys, deadlines, bounds."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.outcomes import Done, Failed
from orchestra.kernel.errors import Conflict, Forbidden, Invalid, TooLarge
from orchestra.kernel.events import Actor
from orchestra.kernel.models import Event, Role
from tests.workflows.conftest import OPERATOR
from tests.workflows.looking import state, states, step
from workflows import control, engine
from workflows.models import RunStatus, Step, StepStatus, WaitsFor

pytestmark = pytest.mark.django_db
WORK = {"capabilities": ["work"]}
UNDO = {"effects": True, "compensate": {"capabilities": ["work"]}}
BROKEN = Failed("It broke.", retryable=False)
ADMIN = Actor("person", "8", "Ada", role=Role.ADMIN)
FORM = {"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}}}


def told(action: str) -> list[str]:
    return list(Event.objects.filter(action=action).values_list("outcome", flat=True))


# Persons


def test_an_answer_must_fit_its_form(begin: Any) -> None:
    run = begin({}, {"name": "ask", "human": {"form": FORM}})
    with pytest.raises(Invalid) as caught:
        engine.answer(step(run, "ask").pk, {"ok": "maybe"}, by=OPERATOR)
    assert caught.value.errors[0]["path"] == "output.ok"
    engine.answer(step(run, "ask").pk, {"ok": True}, by=OPERATOR)
    assert (state(run), step(run, "ask").output) == (RunStatus.SUCCEEDED, {"ok": True})


def test_a_step_for_administrators_is_not_answered_by_an_operator(begin: Any) -> None:
    run = begin({}, {"name": "ask", "human": {"role": "admin"}})
    with pytest.raises(Forbidden):
        engine.answer(step(run, "ask").pk, {}, by=OPERATOR)
    engine.answer(step(run, "ask").pk, {}, by=ADMIN)
    assert state(run) == RunStatus.SUCCEEDED


def test_an_answer_of_over_a_megabyte_is_refused(begin: Any) -> None:
    run = begin({}, {"name": "ask", "human": {}})
    with pytest.raises(TooLarge):
        engine.answer(step(run, "ask").pk, {"text": "x" * engine.MAX_INPUT}, by=OPERATOR)


@pytest.mark.parametrize(("on_timeout", "ends"), [("fail", "failed"), ("skip", "succeeded")])
def test_without_an_answer_in_time_a_step_fails_or_counts_as_skipped(
    begin: Any, script: Any, on_timeout: str, ends: str
) -> None:
    run = begin({}, {"name": "ask", "human": {"timeout": "4h", "on_timeout": on_timeout}})
    script.let_time_pass()
    assert (state(run), told("StepFailed")) == (ends, ["timed_out"])
    with pytest.raises(Conflict):
        engine.answer(step(run, "ask").pk, {}, by=OPERATOR)


def test_without_an_answer_in_time_a_step_waits_on_for_an_administrator(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "ask", "human": {"timeout": "4h", "on_timeout": "escalate"}})
    script.let_time_pass()
    script.let_time_pass()
    assert (state(run), told("StepEscalated")) == (RunStatus.WAITING, ["timed_out"])
    with pytest.raises(Forbidden):
        engine.answer(step(run, "ask").pk, {}, by=OPERATOR)
    engine.answer(step(run, "ask").pk, {}, by=ADMIN)
    assert state(run) == RunStatus.SUCCEEDED


# Failure


def test_a_failed_step_that_is_to_be_skipped_ends_nothing(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "thank", "on_failure": "skip", **WORK}, {"name": "ship", **WORK})
    assert script.go_on(thank=BROKEN) == ["thank", "ship"]
    assert (states(run)["thank"], step(run, "thank").error, state(run)) == ("skipped", "It broke.", RunStatus.SUCCEEDED)


def test_a_person_takes_over_from_an_agent_that_failed_for_good(begin: Any, script: Any) -> None:
    quick = {"retry": {"attempts": 2, "delay": 0}}
    run = begin(
        {}, {"name": "read", "on_failure": "escalate", **WORK, **quick}, {"name": "use", **WORK, "input": "steps"}
    )
    assert script.go_on(read=Failed("Blurred.")) == ["read", "read"]
    read = step(run, "read")
    assert (read.status, read.waits_for, read.error) == (StepStatus.WAITING, WaitsFor.PERSON, "Blurred.")
    assert (state(run), told("StepEscalated")) == (RunStatus.WAITING, ["succeeded"])
    engine.answer(read.pk, {"text": "tea"}, by=OPERATOR)
    assert script.go_on() == ["use"]
    assert (step(run, "use").input["read"]["output"], state(run)) == ({"text": "tea"}, RunStatus.SUCCEEDED)


@pytest.mark.parametrize(
    "waiting",
    [{"signal": "paid", "timeout": "1h"}, {"human": {"timeout": "1h"}}, {"workflow": "nobody"}],
    ids=["signal", "human", "workflow"],
)
def test_a_person_takes_over_from_a_step_that_waited_in_vain(begin: Any, script: Any, waiting: Any) -> None:
    run = begin({}, {"name": "wait", "on_failure": "escalate", **waiting}, {"name": "use", **WORK})
    script.go_on()
    script.let_time_pass()
    assert (states(run)["wait"], step(run, "wait").waits_for, state(run)) == ("waiting", "person", RunStatus.WAITING)
    engine.answer(step(run, "wait").pk, {}, by=OPERATOR)
    assert script.go_on() == ["use"]


@pytest.mark.parametrize(("on_failure", "ends"), [("fail", "failed"), ("skip", "skipped"), ("escalate", "waiting")])
def test_a_step_that_cannot_even_begin_fails_as_its_policy_says(
    begin: Any, script: Any, on_failure: str, ends: str
) -> None:
    run = begin({}, {"name": "odd", "when": "total > 1", "on_failure": on_failure, **WORK}, {"name": "on", **WORK})
    called = script.go_on()
    assert (states(run)["odd"], called) == (ends, ["on"] if ends == "skipped" else [])
    assert state(run) == {"failed": "failed", "skipped": "succeeded", "waiting": "waiting"}[ends]


def test_the_items_of_a_fan_out_fail_as_its_policy_says(begin: Any, script: Any) -> None:
    pick = {"name": "pick", "for_each": "lines", "as": "line", **WORK}
    odd = {"pick": lambda call: BROKEN if call.input["line"] == 2 else Done(call.input["line"])}
    skipped = begin({"lines": [1, 2, 3]}, {**pick, "on_failure": "skip"})
    script.go_on(**odd)
    assert (state(skipped), step(skipped, "pick").output) == (RunStatus.SUCCEEDED, [1, None, 3])
    escalated = begin({"lines": [1, 2, 3]}, {**pick, "on_failure": "escalate"})
    script.go_on(**odd)
    assert (state(escalated), states(escalated)["pick[1]"]) == (RunStatus.WAITING, "waiting")
    engine.answer(step(escalated, "pick[1]").pk, {"by": "hand"}, by=OPERATOR)
    assert (state(escalated), step(escalated, "pick").output) == (RunStatus.SUCCEEDED, [1, {"by": "hand"}, 3])


def test_a_fan_out_whose_items_cannot_begin_fails_and_asks_nobody_again_and_again(begin: Any, script: Any) -> None:
    lock = {"concurrency": {"key": "{{ sum(line) }}"}}
    run = begin({"lines": ["tea"]}, {"name": "pick", "for_each": "lines", "as": "line", **WORK, **lock})
    script.go_on()
    assert (state(run), states(run)) == (RunStatus.FAILED, {"pick": "failed", "pick[0]": "failed"})


@pytest.mark.parametrize(("on_failure", "ends"), [("fail", "failed"), ("skip", "succeeded")])
def test_a_fan_out_over_no_list_is_a_failure_of_its_step(begin: Any, script: Any, on_failure: str, ends: str) -> None:
    run = begin({"lines": 7}, {"name": "pick", "for_each": "lines", "on_failure": on_failure, **WORK})
    assert (state(run), step(run, "pick").error) == (
        ends,
        "lines gave no list, so there is nothing to do for each of it.",
    )


def test_a_failed_fan_out_that_is_skipped_lets_its_run_go_on(begin: Any, script: Any) -> None:
    pick = {"name": "pick", "for_each": "lines", "on_failure": "skip", **WORK, "input": {"sum": "sum(item)"}}
    run = begin({"lines": ["tea"]}, pick, {"name": "pack", **WORK})
    assert script.go_on() == ["pack"]
    assert state(run) == RunStatus.SUCCEEDED


def test_an_item_in_flight_when_its_run_fails_is_not_tried_again(begin: Any, script: Any) -> None:
    retry = {"retry": {"attempts": 5, "delay": 0}}
    run = begin(
        {"lines": [1]}, {"name": "pick", "for_each": "lines", **WORK, **retry}, {"name": "pay", "needs": [], **WORK}
    )
    claims = script.claim()
    script.turn(script.answer(claims["pay"], BROKEN))
    assert state(run) == RunStatus.RUNNING, "the call in flight may still end"
    script.turn(script.answer(claims["pick[0]"], Failed("Busy.")))
    assert (state(run), states(run)["pick[0]"]) == (RunStatus.FAILED, "cancelled")
    assert script.go_on() == []


# Repetition


def test_a_step_is_repeated_after_its_delay_and_gives_up_after_so_many_rounds(begin: Any, script: Any) -> None:
    repeat = {"until": "steps.poll.output.done", "max": 3, "delay": "10m"}
    run = begin({}, {"name": "poll", "repeat": repeat, **WORK})
    assert script.go_on(poll={"done": False}) == ["poll"]
    waiting = step(run, "poll")
    assert (waiting.round, waiting.status, waiting.output) == (1, "ready", {"done": False})
    assert timedelta(minutes=9) < waiting.available_at - timezone.now() <= timedelta(minutes=10)
    script.let_time_pass()
    assert script.go_on(poll={"done": False}) == ["poll"]
    script.let_time_pass()
    assert script.go_on(poll={"done": False}) == ["poll"]
    assert (state(run), len(told("StepRepeated"))) == (RunStatus.FAILED, 2)
    assert step(run, "poll").error == "After 3 rounds it still does not hold that steps.poll.output.done."


def test_each_round_of_a_repeated_step_has_its_own_tries(begin: Any, script: Any) -> None:
    quick = {"retry": {"attempts": 2, "delay": 0}}
    run = begin({}, {"name": "poll", "repeat": {"until": "steps.poll.output.n > 1"}, **WORK, **quick})
    answers = iter([Failed("Busy."), Done({"n": 1}), Failed("Busy."), Done({"n": 2})])
    assert script.go_on(poll=lambda call: next(answers)) == ["poll"] * 4
    assert state(run) == RunStatus.SUCCEEDED


def test_a_condition_of_repetition_that_cannot_be_decided_fails_the_step(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "poll", "repeat": {"until": "steps.poll.output.n > 1"}, **WORK})
    script.go_on(poll={"other": 1})
    assert (state(run), "could not be decided" in step(run, "poll").error) == (RunStatus.FAILED, True)


def test_items_are_repeated_each_until_its_own_condition_holds(begin: Any, script: Any) -> None:
    repeat = {"until": "steps.pick.output.n >= line"}
    run = begin({"lines": [1, 3]}, {"name": "pick", "for_each": "lines", "as": "line", "repeat": repeat, **WORK})
    called = script.go_on(pick=lambda call: Done({"n": call.step.round + 1}))
    assert sorted(called) == ["pick[0]", "pick[1]", "pick[1]", "pick[1]"]
    assert (state(run), step(run, "pick").output) == (RunStatus.SUCCEEDED, [{"n": 1}, {"n": 3}])


def test_what_a_person_took_over_is_not_repeated(begin: Any, script: Any) -> None:
    repeat = {"until": "steps.poll.output.done", "delay": 0}
    run = begin({}, {"name": "poll", "repeat": repeat, "on_failure": "escalate", **WORK})
    script.go_on(poll=BROKEN)
    engine.answer(step(run, "poll").pk, {"seen": "myself"}, by=OPERATOR)
    assert (state(run), script.go_on()) == (RunStatus.SUCCEEDED, [])


# Times


def test_a_wait_lets_its_time_pass_and_no_call_is_made(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "cool", "wait": "15m"}, {"name": "ship", **WORK})
    assert (script.go_on(), state(run)) == ([], RunStatus.WAITING)
    assert timedelta(minutes=14) < step(run, "cool").wake_at - timezone.now() <= timedelta(minutes=15)
    script.let_time_pass()
    assert (state(run), script.go_on()) == (RunStatus.RUNNING, ["ship"])


def test_a_run_begins_at_its_time(begin: Any, script: Any) -> None:
    begin({}, {"name": "one", **WORK})
    script.go_on()
    run = engine.start("flow", {}, by=OPERATOR, start_at=timezone.now() + timedelta(hours=1))
    assert (script.go_on(), states(run), state(run)) == ([], {}, RunStatus.QUEUED)
    script.let_time_pass()
    assert script.go_on() == ["one"]


def test_a_run_that_is_to_begin_in_the_past_begins_now(begin: Any, script: Any) -> None:
    begin({}, {"name": "one", **WORK})
    engine.start("flow", {}, by=OPERATOR, start_at=timezone.now() - timedelta(hours=1))
    assert script.go_on() == ["one", "one"]


def test_a_run_past_its_deadline_fails_and_is_undone(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "pay", **WORK, **UNDO}, {"name": "ship", **WORK}, deadline="2h")
    assert timedelta(minutes=119) < run.deadline - timezone.now() <= timedelta(hours=2)
    (ship,) = script.turn(script.answer(script.claim()["pay"])).assignments
    script.let_time_pass()
    assert state(run) == RunStatus.COMPENSATING
    script.let_time_pass()
    assert script.go_on() == ["pay.compensate"]
    script.turn(script.answer(ship))
    run.refresh_from_db()
    assert (run.status, run.error, run.compensated) == (RunStatus.FAILED, "Its deadline passed before it ended.", True)


def test_a_deadline_that_passes_while_the_run_is_paused_ends_it_too(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "one", **WORK}, deadline="2h")
    control.pause(run.pk, by=OPERATOR, reason="Lunch.")
    script.let_time_pass()
    assert state(run) == RunStatus.FAILED


def test_a_deadline_before_the_beginning_is_refused(begin: Any) -> None:
    begin({}, {"name": "one", **WORK})
    begins = timezone.now() + timedelta(hours=2)
    with pytest.raises(Invalid) as caught:
        engine.start("flow", {}, by=OPERATOR, start_at=begins, deadline=begins - timedelta(hours=1))
    assert [fault["path"] for fault in caught.value.errors] == ["deadline"]


# Keys and bounds


def test_two_steps_with_the_same_key_never_run_at_the_same_time(begin: Any, script: Any) -> None:
    lock = {"concurrency": {"key": "customer.email"}}
    begin({"customer": {"email": "a@example.com"}}, {"name": "one", **WORK, **lock})
    for email in ("a@example.com", "b@example.com", "a@example.com"):
        engine.start("flow", {"customer": {"email": email}}, by=OPERATOR)
    done, results = 0, []
    while assignments := script.turn(*results).assignments:
        keys = list(Step.objects.filter(status=StepStatus.RUNNING).values_list("lock_key", flat=True))
        assert len(keys) == len(set(keys)) == len(assignments)
        done += len(assignments)
        results = [script.answer(claim) for claim in assignments]
    assert done == 4


def test_a_fan_out_of_more_items_than_allowed_fails_its_step(begin: Any, script: Any) -> None:
    run = begin({"lines": [0] * 10_001}, {"name": "pick", "for_each": "lines", **WORK})
    assert state(run) == RunStatus.FAILED
    assert step(run, "pick").error == "lines gave 10,001 items; at most 10,000 are possible."


def test_items_that_give_more_than_fits_together_fail_their_step_and_nothing_follows(begin: Any, script: Any) -> None:
    run = begin({"lines": [0] * 5}, {"name": "pick", "for_each": "lines", **WORK}, {"name": "pack", **WORK})
    called = script.go_on(pick={"text": "x" * 1_000_000})
    assert ("pack" in called, state(run), states(run)["pick"]) == (False, RunStatus.FAILED, "failed")


def test_an_output_of_a_run_of_over_a_megabyte_fails_it(begin: Any, script: Any) -> None:
    steps = [{"name": f"s{n}", **WORK} for n in range(2)]
    run = begin({}, *steps, output={f"s{n}": f"steps.s{n}.output" for n in range(2)})
    script.go_on(s0={"text": "x" * 600_000}, s1={"text": "x" * 600_000})
    run.refresh_from_db()
    assert (run.status, "1 MB" in run.error) == (RunStatus.FAILED, True)
