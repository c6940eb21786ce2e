"""Steps that are workflows: what goes in and out, how they fail, stop, pause and end with the run that they lie in."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.outcomes import Done, Failed
from orchestra.kernel.models import Event
from tests.workflows.conftest import OPERATOR
from tests.workflows.looking import state, states, step
from workflows import control, engine, relay, settling
from workflows.beginning import MAX_DEPTH
from workflows.models import Run, RunStatus, Step

pytestmark = pytest.mark.django_db
WORK = {"capabilities": ["work"]}
UNDO = {"effects": True, "compensate": {"capabilities": ["work"]}}
BROKEN = Failed("It broke.", retryable=False)
SUB = {"name": "sub", "workflow": "inner"}


def inner_of(run: Run) -> Run:
    return Run.objects.filter(parent__run=run).latest("pk")


@pytest.fixture
def begin(publish: Any, worker: Any) -> Any:
    """``begin({"x": 1}, step, …)``: a run whose steps may name the workflow ``inner``, which does one thing."""

    def start(input_: dict[str, Any], *steps: dict[str, Any], inner: Any = None, **rest: Any) -> Run:
        publish("inner", *(inner or [{"name": "work", **WORK}]), output={"done": "steps.work.output"})
        publish("outer", *steps, **rest)
        return engine.start("outer", input_, by=OPERATOR)

    return start


def test_a_step_s_input_is_the_input_of_its_run_and_that_run_s_output_its_own(begin: Any, script: Any) -> None:
    run = begin({"order": {"sku": "tea"}}, {**SUB, "input": {"sku": "order.sku"}}, {"name": "after", **WORK})
    called = script.go_on(work=lambda call: Done({"got": call.input["sku"]}))
    assert called == ["work", "after"]
    assert step(run, "sub").output == {"done": {"got": "tea"}}
    child = inner_of(run)
    assert (child.input, child.depth, child.correlation) == ({"sku": "tea"}, 1, run.correlation)


def test_without_an_input_it_is_given_all_that_the_run_was(begin: Any, script: Any) -> None:
    run = begin({"n": 7}, SUB)
    script.go_on()
    assert inner_of(run).input == {"n": 7}


def test_it_takes_over_priority_tier_and_deadline(begin: Any, script: Any) -> None:
    begin({}, SUB)
    due = timezone.now() + timedelta(hours=1)
    run = engine.start("outer", {}, by=OPERATOR, priority=7, tier="premium", deadline=due)
    relay.deliver()
    child = inner_of(run)
    assert (child.priority, child.tier, child.deadline) == (7, "premium", due)


def test_a_run_waits_while_the_run_within_it_does(begin: Any, script: Any) -> None:
    run = begin({}, SUB, inner=[{"name": "work", "human": {}}])
    relay.deliver()
    assert (state(run), state(inner_of(run))) == (RunStatus.WAITING, RunStatus.WAITING)
    engine.answer(step(inner_of(run), "work").pk, {"ok": True}, by=OPERATOR)
    relay.deliver()
    assert (state(run), step(run, "sub").output) == (RunStatus.SUCCEEDED, {"done": {"ok": True}})


def test_its_failure_is_the_step_s_with_the_reason(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "pay", **WORK, **UNDO}, SUB, {"name": "after", **WORK})
    assert script.go_on(work=BROKEN) == ["pay", "work", "pay.compensate"]
    assert step(run, "sub").error == f"Its run #{inner_of(run).pk} failed: The critical step work failed."
    assert (state(run), states(run)["pay"]) == (RunStatus.FAILED, "compensated")


def test_it_is_tried_again_as_its_policy_says_by_another_run(begin: Any, script: Any) -> None:
    run = begin({}, {**SUB, "retry": {"attempts": 3, "delay": "1h", "max_delay": "1h"}})
    for attempt in (1, 2):
        script.go_on(work=BROKEN)
        assert (state(run), step(run, "sub").attempt) == (RunStatus.WAITING, attempt)
        script.let_time_pass()
    script.go_on()
    assert (state(run), step(run, "sub").attempt, len(step(run, "sub").history)) == (RunStatus.SUCCEEDED, 3, 2)
    assert list(Run.objects.filter(parent__run=run).order_by("pk").values_list("status", flat=True)) == [
        "failed", "failed", "succeeded",
    ]  # fmt: skip


def test_it_is_repeated_by_a_run_each_until_its_condition_holds(begin: Any, script: Any) -> None:
    run = begin({}, {**SUB, "repeat": {"until": "steps.sub.output.done.n > 2"}})
    answers = iter(range(1, 9))
    assert script.go_on(work=lambda call: Done({"n": next(answers)})) == ["work"] * 3
    assert (state(run), step(run, "sub").output) == (RunStatus.SUCCEEDED, {"done": {"n": 3}})


def test_cancelled_by_a_person_it_fails_so_that_nothing_goes_on_as_if_it_were_done(begin: Any, script: Any) -> None:
    run = begin({}, SUB, {"name": "after", **WORK}, inner=[{"name": "work", "human": {}}])
    relay.deliver()
    control.cancel(inner_of(run).pk, by=OPERATOR, reason="Fraud.")
    assert script.go_on() == []
    assert (state(run), step(run, "sub").error) == (
        RunStatus.FAILED,
        f"Its run #{inner_of(run).pk} was cancelled: Fraud.",
    )


def test_cancel_ends_the_runs_within_at_any_depth_and_undoes_them(begin: Any, publish: Any, script: Any) -> None:
    publish("middle", {"name": "mid", "workflow": "inner"})
    run = begin(
        {},
        {"name": "top", "workflow": "middle"},
        inner=[{"name": "work", **WORK, **UNDO}, {"name": "ask", "human": {}}],
    )
    script.go_on()
    control.cancel(run.pk, by=OPERATOR, reason="Enough.")
    assert set(Run.objects.values_list("depth", "status")) == {(0, "cancelled"), (1, "cancelled"), (2, "compensating")}
    assert script.go_on() == ["work.compensate"]
    assert set(Run.objects.values_list("status", flat=True)) == {"cancelled"}


def test_a_run_whose_step_no_longer_waits_for_it_is_ended(begin: Any, script: Any) -> None:
    run = begin({}, SUB, {"name": "pay", "needs": [], **WORK}, inner=[{"name": "work", "human": {}}])
    relay.deliver()
    script.go_on(pay=BROKEN)
    assert (state(run), state(inner_of(run))) == (RunStatus.FAILED, RunStatus.CANCELLED)
    assert inner_of(run).error == "The step that it was no longer waits for it."


def test_cancelling_the_step_ends_its_run_at_once(begin: Any, script: Any) -> None:
    run = begin({}, SUB, {"name": "after", **WORK}, inner=[{"name": "work", "human": {}}])
    relay.deliver()
    control.cancel_step(step(run, "sub").pk, by=OPERATOR, reason="Not needed.")
    assert state(inner_of(run)) == RunStatus.CANCELLED
    assert (script.go_on(), state(run)) == (["after"], RunStatus.SUCCEEDED)


def test_pause_and_resume_count_for_the_runs_within(begin: Any, script: Any) -> None:
    run = begin({}, SUB)
    relay.deliver()
    control.pause(run.pk, by=OPERATOR, reason="Lunch.")
    assert (state(inner_of(run)), script.go_on()) == (RunStatus.PAUSED, [])
    control.resume(run.pk, by=OPERATOR)
    assert (script.go_on(), state(run)) == (["work"], RunStatus.SUCCEEDED)


def test_while_a_run_is_paused_no_run_begins_within_it_and_others_do(begin: Any, script: Any) -> None:
    run = begin({}, SUB)
    other = engine.start("outer", {}, by=OPERATOR)
    control.pause(run.pk, by=OPERATOR, reason="Lunch.")
    assert script.go_on() == ["work"]
    assert (Run.objects.filter(parent__run=run).count(), state(other)) == (0, RunStatus.SUCCEEDED)


def test_what_a_run_within_comes_to_is_kept_while_the_outer_one_is_paused(begin: Any, script: Any) -> None:
    run = begin({}, SUB, {"name": "after", **WORK})
    claim = (relay.deliver() and script.claim())["work"]
    control.pause(run.pk, by=OPERATOR, reason="Lunch.")
    script.turn(script.answer(claim, Done({"n": 1})))
    control.resume(inner_of(run).pk, by=OPERATOR)
    relay.deliver()
    assert (states(run)["sub"], state(run)) == ("succeeded", RunStatus.PAUSED)
    control.resume(run.pk, by=OPERATOR)
    assert script.go_on() == ["after"]


def test_for_each_begins_a_run_each(begin: Any, script: Any) -> None:
    run = begin({"lines": ["tea", "cup", "pot"]}, {**SUB, "for_each": "lines", "as": "line", "max_parallel": 2})
    relay.deliver()
    assert Run.objects.filter(parent__run=run).count() == 2
    script.go_on(work=lambda call: Done(call.input["line"]))
    assert [each["done"] for each in step(run, "sub").output] == ["tea", "cup", "pot"]
    assert state(run) == RunStatus.SUCCEEDED


def test_its_time_is_the_deadline_of_its_run(begin: Any, script: Any) -> None:
    run = begin({}, {**SUB, "timeout": "1h"}, inner=[{"name": "work", "human": {}}])
    relay.deliver()
    assert timedelta(minutes=59) < inner_of(run).deadline - timezone.now() <= timedelta(hours=1)
    script.let_time_pass()
    script.go_on()
    assert (state(inner_of(run)), state(run)) == (RunStatus.FAILED, RunStatus.FAILED)


def test_a_workflow_that_begins_itself_without_end_stops_at_its_bound(publish: Any, worker: Any, script: Any) -> None:
    publish("endless", {"name": "again", "workflow": "endless"})
    run = engine.start("endless", {}, by=OPERATOR)
    script.go_on()
    assert (Run.objects.count(), state(run)) == (MAX_DEPTH + 1, RunStatus.FAILED)
    deepest = Run.objects.get(depth=MAX_DEPTH)
    assert f"It lies within {MAX_DEPTH} runs already" in step(deepest, "again").error


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"workflow": "nobody"}, "nobody"),
        ({"input": "lines"}, "is not a table of names and values"),
        ({"input": {"steps": "lines"}}, "input.steps: "),
    ],
    ids=["unknown", "no table", "reserved name"],
)
def test_what_cannot_begin_fails_its_step_and_holds_no_other_up(begin: Any, script: Any, fault: Any, told: str) -> None:
    run = begin({"lines": [1]}, {**SUB, **fault})
    other = engine.start("inner", {}, by=OPERATOR)
    script.go_on()
    assert (state(run), told in step(run, "sub").error, state(other)) == (RunStatus.FAILED, True, RunStatus.SUCCEEDED)


def test_steps_of_a_run_that_ends_while_they_begin_theirs_begin_none(begin: Any, script: Any) -> None:
    steps = [{**SUB, "name": name, "needs": []} for name in ("one", "two", "three")]
    run = begin({"lines": [1]}, {**SUB, "name": "bad", "needs": [], "workflow": "nobody"}, *steps)
    script.go_on()
    assert state(run) == RunStatus.FAILED
    assert set(states(run).values()) <= {"failed", "cancelled"}
    assert not Run.objects.filter(finished_at=None).exists()


def test_outcomes_told_long_ago_do_not_keep_new_ones_from_being_told(
    begin: Any, script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BATCH", 2)
    run = begin({}, {**SUB, "repeat": {"until": "steps.sub.output.done.n > 5"}})
    answers = iter(range(1, 9))
    script.go_on(work=lambda call: Done({"n": next(answers)}))
    assert (state(run), Run.objects.filter(parent__run=run).count()) == (RunStatus.SUCCEEDED, 6)


def test_delivering_again_changes_nothing(begin: Any, script: Any) -> None:
    begin({}, SUB, inner=[{"name": "work", "human": {}}])
    assert relay.deliver() == 1
    before = Event.objects.count()
    assert (relay.deliver(), Event.objects.count(), Run.objects.count()) == (0, before, 2)


def test_what_cannot_be_handed_up_keeps_no_other_from_it_and_begins_no_second_run(
    begin: Any, script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [begin({}, SUB), engine.start("outer", {}, by=OPERATOR)]
    succeed = settling.succeed

    def refuse(group: Any, one: Step, output: Any, **told: Any) -> None:
        if one.run_id == runs[0].pk:
            raise ZeroDivisionError
        succeed(group, one, output, **told)

    monkeypatch.setattr(settling, "succeed", refuse)
    script.go_on()
    assert (state(runs[0]), state(runs[1])) == (RunStatus.WAITING, RunStatus.SUCCEEDED)
    script.let_time_pass()
    script.go_on()
    assert Run.objects.filter(parent__run=runs[0]).count() == 1
    monkeypatch.setattr(settling, "succeed", succeed)
    relay._put_aside.clear()
    script.go_on()
    assert state(runs[0]) == RunStatus.SUCCEEDED


def test_an_outcome_that_somebody_else_told_meanwhile_is_not_told_again(begin: Any, script: Any) -> None:
    run = begin({}, {**SUB, "repeat": {"until": "steps.sub.output.done.n > 1"}})
    relay.deliver()
    found = (step(run, "sub").pk, run.pk, inner_of(run).pk)
    script.turn(script.answer(script.claim()["work"], Done({"n": 1})), room=0)
    relay.deliver()
    relay.deliver()
    assert (step(run, "sub").round, Run.objects.filter(parent__run=run).count()) == (1, 2)
    assert (relay._hand_up_all([found]), step(run, "sub").round) == (0, 1)


def test_runs_of_a_fan_out_begin_together_in_a_few_queries(publish, worker, django_assert_max_num_queries):
    publish("inner", {"name": "one", "capabilities": ["work"]})
    publish("outer", {"name": "each", "for_each": "parts", "as": "part", "workflow": "inner", "max_parallel": 40})
    engine.start("outer", {"parts": list(range(40))}, by=OPERATOR)
    with django_assert_max_num_queries(45):
        relay.deliver()

    assert Run.objects.filter(version__workflow__name="inner").count() == 40


def test_of_a_fan_out_an_item_whose_run_cannot_begin_takes_no_other_with_it(publish, worker):
    schema = {"type": "object", "properties": {"part": {"type": "integer"}}}
    publish("inner", {"name": "one", "capabilities": ["work"]}, input_schema=schema)
    publish("outer", {"name": "each", "for_each": "parts", "as": "part", "workflow": "inner", "critical": False})
    engine.start("outer", {"parts": [1, "two", 3]}, by=OPERATOR)
    relay.deliver()

    assert Run.objects.filter(version__workflow__name="inner").count() == 2
    assert Step.objects.get(name="each[1]").status == "failed"
