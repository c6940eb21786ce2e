"""Runs that a person has gone through again: what is repeated, what is kept, what is refused."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.outcomes import Done, Failed
from orchestra.kernel.errors import Conflict, Invalid, NotFound
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Event
from tests.workflows.conftest import OPERATOR
from tests.workflows.looking import state, states
from workflows import control, engine, ports
from workflows.models import Run, RunStatus, Step

pytestmark = pytest.mark.django_db
WORK = {"capabilities": ["work"]}
UNDO = {"effects": True, "compensate": {"capabilities": ["work"]}}
BROKEN = Failed("It broke.", retryable=False)


def keys(run: Run) -> dict[str, Any]:
    return dict(Step.objects.filter(run=run).values_list("name", "key"))


def test_all_of_a_run_again_keeps_the_keys_and_the_history(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "one", **WORK}, {"name": "two", **WORK}, output={"n": "steps.two.output.n"})
    script.go_on(two=BROKEN)
    before = keys(run)
    control.retry(run.pk, by=OPERATOR, reason="It was mended.")
    assert script.go_on(two={"n": 1}) == ["one", "two"]
    run.refresh_from_db()
    assert (run.status, run.output, run.error, keys(run)) == (RunStatus.SUCCEEDED, {"n": 1}, "", before)
    two = Step.objects.get(run=run, name="two")
    assert (two.attempt, [each["error"] for each in two.history]) == (1, ["It broke."])
    told = Event.objects.get(action="RunRetried")
    assert (told.target_id, told.detail.reason, json.loads(told.detail.after)["from_step"]) == (
        str(run.pk),
        "It was mended.",
        "the beginning",
    )


def test_from_a_step_on_only_that_what_comes_after_and_what_had_not_succeeded_is_repeated(
    begin: Any, script: Any
) -> None:
    run = begin(
        {},
        {"name": "first", **WORK},
        {"name": "aside", "needs": ["first"], **WORK},
        {"name": "survey", "needs": ["first"], "critical": False, **WORK},
        {"name": "left", "needs": ["first"], "when": "false", **WORK},
        {"name": "middle", "needs": ["first"], **WORK},
        {"name": "last", "needs": ["middle"], **WORK},
    )
    script.go_on(survey=BROKEN)
    assert state(run) == RunStatus.SUCCEEDED
    control.retry(run.pk, by=OPERATOR, from_step="middle")
    assert sorted(script.go_on()) == ["last", "middle", "survey"]
    assert (state(run), states(run)["left"]) == (RunStatus.SUCCEEDED, "skipped")


def test_a_step_that_was_undone_is_done_again_under_a_new_key(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "pay", **WORK, **UNDO}, {"name": "ship", **WORK})
    script.go_on(ship=BROKEN)
    before = keys(run)
    control.retry(run.pk, by=OPERATOR, from_step="ship")
    assert script.go_on() == ["pay", "ship"]
    after = keys(run)
    assert (after["pay"] != before["pay"], after["ship"] == before["ship"]) == (True, True)
    run.refresh_from_db()
    assert (run.status, run.compensated, run.ends_as) == (RunStatus.SUCCEEDED, False, "")
    assert "pay.compensate" not in states(run)


def test_a_run_that_fails_again_is_undone_again_once_each(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "pay", **WORK, **UNDO}, {"name": "ship", **WORK})
    for _ in range(3):
        assert script.go_on(ship=BROKEN) == ["pay", "ship", "pay.compensate"]
        control.retry(run.pk, by=OPERATOR)
    assert script.go_on() == ["pay", "ship"]
    assert state(run) == RunStatus.SUCCEEDED


def test_steps_not_reached_in_a_second_try_can_be_retried_a_third_time(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "one", **WORK}, {"name": "two", **WORK}, {"name": "ask", "human": {}})
    script.go_on(two=BROKEN)
    control.retry(run.pk, by=OPERATOR)
    script.go_on(one=BROKEN)
    control.retry(run.pk, by=OPERATOR)
    assert script.go_on() == ["one", "two"]
    assert (state(run), states(run)["ask"]) == (RunStatus.WAITING, "waiting")


LINES = {"name": "pick", "for_each": "lines", "as": "line", **WORK}


def test_a_fan_out_is_gone_through_again_each_item_under_its_key(begin: Any, script: Any) -> None:
    run = begin({"lines": ["tea", "cup"]}, LINES, {"name": "pack", **WORK})
    script.go_on(pick=lambda call: Done({}) if call.input["line"] == "tea" else BROKEN)
    before = keys(run)
    control.retry(run.pk, by=OPERATOR, from_step="pick")
    assert sorted(script.go_on()) == ["pack", "pick[0]", "pick[1]"]
    assert {name: keys(run)[name] for name in before} == before
    assert (state(run), len(Step.objects.get(run=run, name="pick").output)) == (RunStatus.SUCCEEDED, 2)


def test_an_item_of_a_fan_out_that_was_undone_gets_a_new_key_and_the_others_keep_theirs(
    begin: Any, script: Any
) -> None:
    run = begin({"lines": ["tea", "cup"]}, {**LINES, **UNDO})
    script.go_on(pick=lambda call: Done({}) if call.input["line"] == "tea" else BROKEN)
    before = keys(run)
    assert (state(run), states(run)["pick[0]"]) == (RunStatus.FAILED, "compensated")
    control.retry(run.pk, by=OPERATOR)
    script.go_on()
    after = keys(run)
    assert (after["pick[0]"] != before["pick[0]"], after["pick[1]"] == before["pick[1]"]) == (True, True)
    assert state(run) == RunStatus.SUCCEEDED


@pytest.mark.parametrize("lines", [["tea"], ["cup", "tea", "pot", "jar"], []])
def test_a_list_that_is_another_the_second_time_has_other_items(begin: Any, script: Any, lines: list[str]) -> None:
    run = begin(
        {},
        {"name": "order", **WORK},
        {**LINES, "for_each": "steps.order.output.lines", "max_parallel": 1},
        {"name": "pack", **WORK},
    )
    script.go_on(order={"lines": ["tea", "pot", "pot"]}, pack=BROKEN)
    before = keys(run)
    control.retry(run.pk, by=OPERATOR)
    script.go_on(order={"lines": lines}, pick=lambda call: Done(call.input["line"]))
    assert state(run) == RunStatus.SUCCEEDED
    assert Step.objects.get(run=run, name="pick").output == lines
    assert Step.objects.filter(run=run, parent="pick").count() == len(lines)
    same = {index for index, line in enumerate(["tea", "pot", "pot"][: len(lines)]) if line == lines[index]}
    for index in range(min(3, len(lines))):
        assert (keys(run)[f"pick[{index}]"] == before[f"pick[{index}]"]) == (index in same)


def test_a_fan_out_before_the_step_keeps_its_items_and_can_still_be_undone(begin: Any, script: Any) -> None:
    run = begin({"lines": ["tea", "cup"]}, {**LINES, **UNDO}, {"name": "ask", "human": {}}, {"name": "pack", **WORK})
    script.go_on()
    engine.answer(Step.objects.get(run=run, name="ask").pk, {}, by=OPERATOR)
    script.go_on()
    assert state(run) == RunStatus.SUCCEEDED
    control.retry(run.pk, by=OPERATOR, from_step="pack")
    assert sorted(script.go_on(pack=BROKEN)) == ["pack", "pick[0].compensate", "pick[1].compensate"]
    assert state(run) == RunStatus.FAILED


def test_signals_are_there_again_for_the_steps_that_are_repeated(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "paid", "signal": "paid"}, {"name": "seen", "signal": "seen"}, {"name": "ship", **WORK})
    engine.signal(run.pk, "paid", {"amount": 7}, by=OPERATOR)
    engine.signal(run.pk, "seen", {"by": "gate"}, by=OPERATOR)
    script.go_on(ship=BROKEN)
    control.retry(run.pk, by=OPERATOR)
    assert script.go_on() == ["ship"]
    assert Step.objects.get(run=run, name="paid").output == {"amount": 7}
    assert Step.objects.get(run=run, name="seen").output == {"by": "gate"}


def test_a_late_answer_of_before_is_refused_after_a_retry(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "one", **WORK})
    old = script.claim()["one"]
    control.cancel(run.pk, by=OPERATOR, reason="Wrong one.")
    control.retry(run.pk, by=OPERATOR)
    new = script.claim()["one"]
    script.turn(script.answer(old, Done({"late": True})))
    assert states(run)["one"] == "running"
    script.turn(script.answer(new, Done({"late": False})))
    assert (Step.objects.get(run=run).output, state(run)) == ({"late": False}, RunStatus.SUCCEEDED)


def test_a_deadline_that_has_passed_no_longer_counts_and_a_late_answer_does_not_bring_it_back(
    begin: Any, script: Any
) -> None:
    begin({}, {"name": "one", **WORK})
    run = engine.start("flow", {}, by=OPERATOR, deadline=timezone.now() + timedelta(hours=1))
    old = next(claim for claim in script.turn().assignments if claim.step.run_id == run.pk)
    script.let_time_pass(run)
    assert state(run) == RunStatus.FAILED
    control.retry(run.pk, by=OPERATOR)
    script.turn(script.answer(old))
    assert Run.objects.get(pk=run.pk).deadline is None
    script.let_time_pass(run)
    assert state(run) == RunStatus.RUNNING


@pytest.mark.parametrize("paused", [False, True])
def test_only_a_run_that_has_ended_is_retried(begin: Any, script: Any, paused: bool) -> None:
    run = begin({}, {"name": "one", **WORK})
    if paused:
        control.pause(run.pk, by=OPERATOR, reason="Lunch.")
    with pytest.raises(Conflict):
        control.retry(run.pk, by=OPERATOR)


def test_a_step_that_the_run_does_not_have_is_named(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "one", **WORK})
    script.go_on()
    with pytest.raises(Invalid) as caught:
        control.retry(run.pk, by=OPERATOR, from_step="two")
    assert caught.value.errors[0]["path"] == "from_step"
    assert state(run) == RunStatus.SUCCEEDED


def test_what_a_run_serves_may_refuse_a_retry_and_says_why(begin: Any, publish: Any, script: Any) -> None:
    begin({}, {"name": "one", **WORK})
    run = engine.start("flow", {}, by=OPERATOR, serves=Ref("parcel", 12))
    script.go_on()
    ports.retries.register("parcel", lambda pk: f"Parcel {pk} has left; send another.")
    try:
        with pytest.raises(Conflict, match=r"Parcel 12 has left; send another\."):
            control.retry(run.pk, by=OPERATOR)
    finally:
        ports.retries._providers.pop("parcel")
    control.retry(run.pk, by=OPERATOR)
    assert script.go_on() == ["one"]


def test_a_run_within_another_is_retried_with_that(begin: Any, publish: Any, script: Any) -> None:
    publish("inner", {"name": "work", **WORK})
    outer = begin({}, {"name": "sub", "workflow": "inner"})
    script.go_on(work=BROKEN)
    inner = Run.objects.get(parent__run=outer)
    assert (state(inner), state(outer)) == (RunStatus.FAILED, RunStatus.FAILED)
    with pytest.raises(Conflict, match=f"#{outer.pk}"):
        control.retry(inner.pk, by=OPERATOR)
    control.retry(outer.pk, by=OPERATOR)
    assert script.go_on() == ["work"]
    assert (state(outer), Run.objects.filter(parent__run=outer).count()) == (RunStatus.SUCCEEDED, 2)


def test_a_run_left_over_within_it_is_cancelled_by_a_retry(begin: Any, publish: Any, script: Any) -> None:
    publish("inner", {"name": "ask", "human": {}})
    outer = begin({}, {"name": "sub", "workflow": "inner"}, {"name": "work", "needs": [], **WORK})
    claim = script.claim()["work"]
    script.go_on()
    left = Run.objects.get(parent__run=outer)
    script.turn(script.answer(claim, BROKEN))
    assert (state(outer), state(left)) == (RunStatus.FAILED, RunStatus.WAITING)
    control.retry(outer.pk, by=OPERATOR)
    script.go_on()
    assert state(left) == RunStatus.CANCELLED
    newer = Run.objects.get(parent__run=outer, finished_at__isnull=True)
    engine.answer(Step.objects.get(run=newer).pk, {}, by=OPERATOR)
    script.go_on()
    assert state(outer) == RunStatus.SUCCEEDED


def test_a_replay_is_a_new_run_that_names_the_one_it_repeats(begin: Any, script: Any) -> None:
    run = begin({"n": 1}, {"name": "one", **WORK})
    script.go_on(one=BROKEN)
    again = engine.start("flow", {"n": 2}, by=OPERATOR, replays=run.pk)
    script.go_on()
    assert (Run.objects.get(pk=again.pk).replays_id, state(again), state(run)) == (run.pk, "succeeded", "failed")
    assert not set(keys(run).values()) & set(keys(again).values())
    with pytest.raises(NotFound):
        engine.start("flow", {}, by=OPERATOR, replays=404)


def test_a_run_that_was_undone_only_in_part_can_be_gone_through_again(begin: Any, script: Any) -> None:
    run = begin(
        {},
        {"name": "pay", **WORK, "effects": True, "compensate": {"capabilities": ["work"], "retry": {"attempts": 1}}},
        {"name": "ship", **WORK},
    )
    script.go_on(ship=BROKEN, pay_undone=BROKEN)
    before = keys(run)["pay"]
    assert states(run)["pay"] == "dead"
    control.retry(run.pk, by=OPERATOR, from_step="ship")
    assert script.go_on() == ["pay", "ship"]
    assert (keys(run)["pay"], state(run)) == (before, RunStatus.SUCCEEDED), "its effect is still there"


def test_the_run_waits_again_when_only_a_person_can_go_on(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "ask", "human": {}}, {"name": "one", **WORK})
    for _ in range(2):
        engine.answer(Step.objects.get(run=run, name="ask").pk, {}, by=OPERATOR)
        script.go_on()
        assert state(run) == RunStatus.SUCCEEDED
        control.retry(run.pk, by=OPERATOR)
        assert state(run) == RunStatus.WAITING, "steps that were reached before do not count as under way"


def test_what_ended_the_run_is_decided_anew_whatever_it_is_retried_from(begin: Any, script: Any) -> None:
    run = begin(
        {},
        {"name": "check", **WORK},
        {"name": "stop", "needs": ["check"], "when": "steps.pay.status != 'succeeded'", "end": "failed"},
        {"name": "pay", "needs": [], "signal": "paid"},
        {"name": "ship", "needs": ["check", "pay", "stop"], **WORK},
    )
    script.go_on()
    assert (state(run), states(run)["pay"]) == (RunStatus.FAILED, "cancelled")
    control.retry(run.pk, by=OPERATOR, from_step="ship")
    assert (script.go_on(), state(run)) == ([], RunStatus.FAILED), "not paid yet"
    with pytest.raises(Conflict):
        engine.signal(run.pk, "paid", by=OPERATOR)


def test_a_run_that_a_step_had_ended_well_goes_on_from_another(begin: Any, script: Any) -> None:
    run = begin(
        {},
        {"name": "look", **WORK},
        {"name": "stop", "needs": ["look"], "when": "!steps.look.output.more", "end": "succeeded"},
        {"name": "slow", "needs": [], **WORK},
        {"name": "last", "needs": ["slow", "stop"], **WORK},
    )
    claims = script.claim()
    script.turn(script.answer(claims["look"], Done({"more": False})))
    assert (state(run), states(run)["slow"]) == (RunStatus.SUCCEEDED, "cancelled")
    control.retry(run.pk, by=OPERATOR, from_step="look")
    assert sorted(script.go_on(look={"more": True})) == ["last", "look", "slow"]
