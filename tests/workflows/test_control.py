"""What persons do to runs under way: cancel, give up undoing, change of priority, dead steps put back."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents import fleet
from agents.outcomes import Done, Failed
from orchestra.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from orchestra.kernel.events import Actor
from orchestra.kernel.models import Event, Role
from tests.silent_writes import arranged
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


def test_the_answer_of_a_call_in_flight_comes_too_late_after_a_cancel(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "one", **WORK}, {"name": "two", **WORK})
    claim = script.claim()["one"]
    control.cancel(run.pk, by=OPERATOR, reason="The customer called.")
    before = Step.objects.values().get(pk=claim.step.pk)
    assert script.turn(script.answer(claim, Done({"late": True}))).assignments == []
    assert Step.objects.values().get(pk=claim.step.pk) == before
    assert (state(run), told("CompletionRefused"), told("RunCancelled")) == (RunStatus.CANCELLED, 1, 1)


def test_a_cancelled_run_is_undone_first_the_last_step_first(begin: Any, script: Any) -> None:
    run = begin(
        {},
        {"name": "reserve", **WORK, **UNDO},
        {"name": "look", **WORK},
        {"name": "pay", **WORK, **UNDO},
        {"name": "ask", "human": {}},
    )
    script.go_on()
    control.cancel(run.pk, by=OPERATOR, reason="Out of stock.")
    assert (state(run), states(run)["ask"]) == (RunStatus.COMPENSATING, "cancelled")
    with pytest.raises(Conflict):
        control.cancel(run.pk, by=OPERATOR, reason="Faster.")
    assert script.go_on() == ["pay.compensate", "reserve.compensate"]
    run.refresh_from_db()
    assert (run.status, run.compensated, run.error) == (RunStatus.CANCELLED, True, "Out of stock.")
    assert states(run) == {
        "reserve": "compensated", "look": "succeeded", "pay": "compensated", "ask": "cancelled",
        "pay.compensate": "succeeded", "reserve.compensate": "succeeded",
    }  # fmt: skip
    assert (told("UndoingStarted"), told("RunCancelled")) == (1, 1)


def test_what_undoes_a_step_is_told_what_it_was_given_and_came_to(begin: Any, script: Any) -> None:
    run = begin(
        {"total": 7},
        {"name": "pay", **WORK, "input": {"amount": "total"}, **UNDO},
        {
            "name": "post", "effects": True, **WORK,
            "compensate": {"capabilities": ["work"], "input": {"id": "output.parcel", "total": "total"}},
        },
        {"name": "ask", "human": {}},
    )  # fmt: skip
    script.go_on(pay={"paid": True}, post={"parcel": "P1"})
    control.cancel(run.pk, by=OPERATOR, reason="No.")
    script.go_on()
    assert step(run, "pay.compensate").input == {"input": {"amount": 7}, "output": {"paid": True}}
    assert step(run, "post.compensate").input == {"id": "P1", "total": 7}


def test_the_items_of_a_fan_out_are_undone_too_each_with_its_item(begin: Any, script: Any) -> None:
    undo = {"capabilities": ["work"], "input": {"sku": "line.sku", "shelf": "output.shelf"}}
    run = begin(
        {"lines": [{"sku": "tea"}, {"sku": "cup"}]},
        {"name": "pick", "for_each": "lines", "as": "line", **WORK, "effects": True, "compensate": undo},
        {"name": "pack", **WORK},
    )
    called = script.go_on(pick={"shelf": 4}, pack=BROKEN)
    assert sorted(called[-2:]) == ["pick[0].compensate", "pick[1].compensate"]
    assert step(run, "pick[1].compensate").input == {"sku": "cup", "shelf": 4}
    assert states(run)["pick[0]"] == "compensated"
    run.refresh_from_db()
    assert (run.status, run.compensated) == (RunStatus.FAILED, True)


def test_a_step_that_cannot_be_undone_stops_no_other_and_asks_for_a_person(begin: Any, script: Any) -> None:
    run = begin(
        {},
        {"name": "reserve", **WORK, **UNDO},
        {"name": "pay", **WORK, "effects": True, "compensate": {"capabilities": ["work"], "retry": {"attempts": 1}}},
        {"name": "ship", **WORK},
    )
    script.go_on(ship=BROKEN, pay_undone=BROKEN)
    run.refresh_from_db()
    assert (run.status, run.compensated) == (RunStatus.FAILED, False)
    assert (states(run)["pay"], states(run)["pay.compensate"]) == ("dead", "failed")
    assert states(run)["reserve"] == "compensated"
    assert step(run, "pay").error == "It could not be undone: It broke."


def test_what_undoes_a_step_is_tried_again_as_its_policy_says(begin: Any, script: Any) -> None:
    quick = {"attempts": 3, "delay": 0}
    run = begin(
        {},
        {"name": "pay", **WORK, "effects": True, "compensate": {"capabilities": ["work"], "retry": quick}},
        {"name": "ship", **WORK},
    )
    script.go_on(ship=BROKEN, pay_undone=[Failed("Busy."), Failed("Busy."), Done({})])
    assert (states(run)["pay"], step(run, "pay.compensate").attempt) == ("compensated", 3)


def test_undoing_goes_on_after_its_executor_died(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "pay", **WORK, **UNDO}, {"name": "ship", **WORK})
    (ship,) = script.turn(script.answer(script.claim()["pay"])).assignments
    (undoing,) = script.turn(script.answer(ship, BROKEN)).assignments
    assert script.let_leases_expire() == 1
    assert script.go_on() == ["pay.compensate"]
    script.turn(script.answer(undoing))
    assert (state(run), told("CompletionRefused")) == (RunStatus.FAILED, 1)
    assert Event.objects.filter(action="StepSucceeded", target_label="pay.compensate").count() == 1


def test_cancelling_a_step_lets_its_run_go_on_and_refuses_its_answer(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "one", **WORK}, {"name": "two", **WORK})
    claim = script.claim()["one"]
    control.cancel_step(claim.step.pk, by=OPERATOR, reason="Not needed.")
    with pytest.raises(Conflict):
        control.cancel_step(claim.step.pk, by=OPERATOR, reason="Again.")
    assert script.go_on() == ["two"]
    assert (states(run)["one"], state(run)) == ("cancelled", RunStatus.SUCCEEDED)


def test_a_step_that_a_person_cancelled_is_told_under_their_name_and_others_under_the_engines(
    begin: Any, script: Any
) -> None:
    run = begin({}, {"name": "one", **WORK}, {"name": "ask", "human": {}})
    control.cancel_step(step(run, "one").pk, by=OPERATOR, reason="Not needed.")
    control.cancel(run.pk, by=OPERATOR, reason="Enough.")
    by_hand, by_itself = Event.objects.filter(action="StepCancelled").order_by("number")
    assert (by_hand.actor_label, by_hand.permission, by_hand.detail.reason) == ("Olga", "runs.cancel", "Not needed.")
    assert (by_itself.target_label, by_itself.actor_kind, by_itself.actor_id) == ("ask", "system", "engine")


@pytest.mark.parametrize("escalated", [False, True])
def test_only_who_may_give_an_approval_may_cancel_it(begin: Any, script: Any, escalated: bool) -> None:
    asked = {"timeout": "1h", "on_timeout": "escalate"} if escalated else {"role": "admin"}
    run = begin({}, {"name": "approval", "human": asked}, {"name": "ship", **WORK})
    if escalated:
        script.let_time_pass()
    with pytest.raises(Forbidden, match="administrator"):
        control.cancel_step(step(run, "approval").pk, by=OPERATOR, reason="No need.")
    assert (states(run), script.go_on()) == ({"approval": "waiting"}, [])
    control.cancel_step(step(run, "approval").pk, by=ADMIN, reason="No need.")
    assert script.go_on() == ["ship"]


# What cannot be undone


@pytest.fixture
def stuck(begin: Any, script: Any) -> Run:
    """A run that failed and is being undone, of which no agent can undo the last step."""
    nobody = {"effects": True, "compensate": {"capabilities": ["gone"]}}
    run: Run = begin({}, {"name": "stock", **WORK, **UNDO}, {"name": "pay", **WORK, **nobody}, {"name": "ship", **WORK})
    for name in ("stock", "pay", "ship"):
        script.turn(script.answer(script.claim()[name], BROKEN if name == "ship" else None), room=0)
    assert (state(run), states(run)["pay"], states(run)["pay.compensate"]) == ("compensating", "compensating", "ready")
    return run


@pytest.mark.parametrize("which", ["pay", "pay.compensate"])
def test_undoing_that_finds_no_agent_is_given_up_and_the_others_are_undone(stuck: Run, script: Any, which: str) -> None:
    control.give_up_undoing(step(stuck, which).pk, by=OPERATOR, reason="The bank has closed.")
    assert script.go_on() == ["stock.compensate"]
    stuck.refresh_from_db()
    assert (stuck.status, stuck.compensated) == (RunStatus.FAILED, False)
    assert (states(stuck)["pay"], states(stuck)["pay.compensate"]) == ("dead", "failed")
    assert step(stuck, "pay").error == "It could not be undone: It was given up: The bank has closed."
    event = Event.objects.get(action="UndoingGivenUp")
    assert (event.target_label, event.actor_label, event.permission) == ("pay.compensate", "Olga", "runs.cancel")
    assert event.detail.reason == "The bank has closed."
    with pytest.raises(Conflict, match="nothing to give up"):
        control.give_up_undoing(step(stuck, which).pk, by=OPERATOR, reason="Again.")


def test_what_was_given_up_can_be_undone_later(stuck: Run, worker: Any, script: Any) -> None:
    control.give_up_undoing(step(stuck, "pay").pk, by=OPERATOR, reason="The bank has closed.")
    script.go_on()
    fleet.create("python", {"name": "bank", "config": {"function": "test.echo"}}, ["gone"], by=SYSTEM)
    control.requeue(step(stuck, "pay").pk, by=OPERATOR, reason="It is open again.")
    assert script.go_on() == ["pay.compensate"]
    stuck.refresh_from_db()
    assert (states(stuck)["pay"], stuck.compensated) == ("compensated", True)


def test_the_answer_of_an_undoing_that_was_given_up_comes_too_late(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "pay", **WORK, **UNDO}, {"name": "ship", **WORK})
    (ship,) = script.turn(script.answer(script.claim()["pay"])).assignments
    (undoing,) = script.turn(script.answer(ship, BROKEN)).assignments
    control.give_up_undoing(undoing.step.pk, by=OPERATOR, reason="It hangs.")
    script.turn(script.answer(undoing))
    assert (states(run)["pay"], state(run), told("CompletionRefused")) == ("dead", RunStatus.FAILED, 1)


def test_what_is_refused_while_a_run_is_undone_says_what_to_do_instead(stuck: Run) -> None:
    with pytest.raises(Conflict, match=r"^This run is being undone already; .*give up undoing"):
        control.cancel(stuck.pk, by=OPERATOR, reason="Faster.")
    with pytest.raises(Conflict, match="This step undoes pay; give up undoing that instead"):
        control.cancel_step(step(stuck, "pay.compensate").pk, by=OPERATOR, reason="Faster.")
    with pytest.raises(Conflict, match="nothing to give up"):
        control.give_up_undoing(step(stuck, "stock").pk, by=OPERATOR, reason="That too.")
    with pytest.raises(Invalid):
        control.give_up_undoing(step(stuck, "pay").pk, by=OPERATOR, reason=" ")


def test_a_run_of_higher_priority_passes_those_before_it(begin: Any, script: Any) -> None:
    first = begin({}, {"name": "one", **WORK})
    urgent = engine.start("flow", {}, by=OPERATOR)
    control.prioritise(urgent.pk, 5, by=OPERATOR, reason="They wait on the phone.")
    order = [script.turn(room=1).assignments[0].step.run_id for _ in range(2)]
    assert order == [urgent.pk, first.pk]
    assert (Run.objects.get(pk=urgent.pk).priority, told("RunPrioritised")) == (5, 1)


def test_a_priority_given_while_a_call_is_in_flight_stays(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "one", **WORK, "retry": {"attempts": 2, "delay": 0}}, {"name": "two", **WORK})
    claim = script.claim()["one"]
    rank = step(run, "one").rank_at
    control.prioritise(run.pk, 50, by=OPERATOR)
    script.turn(script.answer(claim, Failed("Busy.")), room=0)
    assert Run.objects.get(pk=run.pk).priority == 50
    assert rank - step(run, "one").rank_at == timedelta(minutes=50)
    script.go_on()
    assert rank - step(run, "two").rank_at == timedelta(minutes=50)


def test_a_priority_is_between_its_bounds_and_of_a_run_that_goes_on(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "one", **WORK})
    with pytest.raises(Invalid):
        control.prioritise(run.pk, 101, by=OPERATOR)
    script.go_on()
    with pytest.raises(Conflict):
        control.prioritise(run.pk, 1, by=OPERATOR)


# Dead steps


def dead_run(begin: Any, script: Any, **step: Any) -> Run:
    run = begin({}, {"name": "first", **WORK}, {"name": "poison", **WORK, **step}, {"name": "last", **WORK})
    script.turn(script.answer(script.claim()["first"]))
    script.let_leases_expire()
    for _ in range(4):
        script.claim()
        script.let_leases_expire()
    return run


def die(script: Any) -> None:
    """The executor dies with all that it claims, until that is dead."""
    for _ in range(5):
        script.claim()
        script.let_leases_expire()


def test_a_dead_step_put_back_lets_its_run_go_on_from_there(begin: Any, script: Any) -> None:
    run = dead_run(begin, script)
    poison = step(run, "poison")
    assert (poison.status, state(run)) == (StepStatus.DEAD, RunStatus.FAILED)
    control.requeue(poison.pk, by=OPERATOR, reason="The agent was mended.")
    assert script.go_on() == ["poison", "last"]
    assert (state(run), step(run, "poison").key) == (RunStatus.SUCCEEDED, poison.key)
    with pytest.raises(Conflict):
        control.requeue(poison.pk, by=OPERATOR)


def test_a_dead_step_that_is_not_critical_is_put_back_while_its_run_goes_on(begin: Any, script: Any) -> None:
    run = dead_run(begin, script, critical=False)
    control.pause(run.pk, by=OPERATOR, reason="Lunch.")
    with pytest.raises(Conflict, match=r"The step last was decided upon .* retry it from poison\."):
        control.requeue(step(run, "poison").pk, by=OPERATOR)
    begun = begin({}, {"name": "ask", "human": {}}, {"name": "poison", "needs": [], "critical": False, **WORK})
    die(script)
    control.requeue(step(begun, "poison").pk, by=OPERATOR)
    assert script.go_on() == ["poison"]
    assert (states(begun)["poison"], told("StepRequeued")) == ("succeeded", 1)


def test_dead_work_is_not_put_back_while_its_run_ends_so_that_no_approval_is_passed(begin: Any, script: Any) -> None:
    run = begin(
        {},
        {"name": "stock", **WORK},
        {"name": "long", "needs": [], **WORK},
        {"name": "approval", "human": {"role": "admin"}, "needs": []},
        {"name": "ship", "needs": ["stock", "approval"], **WORK},
    )
    claims = script.claim()
    with arranged():
        Step.objects.filter(run=run, name="stock").update(losses=4, lease_expires_at=timezone.now())
    queue.return_expired()
    assert (states(run)["stock"], states(run)["approval"], state(run)) == ("dead", "cancelled", RunStatus.RUNNING)
    with pytest.raises(Conflict, match=r"is ending.* wait until it has ended, then retry it from stock\."):
        control.requeue(step(run, "stock").pk, by=OPERATOR)
    script.turn(script.answer(claims["long"]))
    assert (state(run), "ship" in states(run)) == (RunStatus.FAILED, False)
    control.requeue(step(run, "stock").pk, by=OPERATOR)
    script.go_on()
    assert states(run)["approval"] == "waiting"


def test_a_dead_item_is_put_back_only_as_long_as_its_step_goes_on(begin: Any, script: Any) -> None:
    lines = {"name": "pick", "for_each": "lines", "critical": False, "max_parallel": 1, **WORK}
    run = begin({"lines": [1, 2]}, lines, {"name": "ask", "human": {}})
    die(script)
    dead = step(run, "pick[0]")
    control.requeue(dead.pk, by=OPERATOR)
    die(script)
    script.go_on()
    assert (states(run)["pick[0]"], states(run)["pick"], states(run)["ask"]) == ("dead", "failed", "waiting")
    with pytest.raises(Conflict, match=r"has ended without this item; .* retry it from pick\."):
        control.requeue(dead.pk, by=OPERATOR)


def test_a_dead_undoing_put_back_undoes_the_step_though_the_run_has_ended(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "pay", **WORK, **UNDO}, {"name": "ship", **WORK})
    (ship,) = script.turn(script.answer(script.claim()["pay"])).assignments
    script.turn(script.answer(ship, BROKEN), room=0)
    for _ in range(5):
        assert list(script.claim()) == ["pay.compensate"]
        script.let_leases_expire()
    assert (states(run)["pay"], states(run)["pay.compensate"], state(run)) == ("dead", "failed", RunStatus.FAILED)
    assert Step.objects.filter(status=StepStatus.DEAD).count() == 1, "one dead letter for one thing to settle"
    control.requeue(step(run, "pay").pk, by=OPERATOR, reason="The bank is back.")
    assert states(run)["pay"] == "compensating"
    with pytest.raises(Conflict, match="undone"):
        control.retry(run.pk, by=OPERATOR)
    assert script.go_on() == ["pay.compensate"]
    run.refresh_from_db()
    assert (states(run)["pay"], run.status, run.compensated) == ("compensated", RunStatus.FAILED, True)


# Who may, and what is not there


ACTIONS: dict[str, Any] = {
    "cancel": lambda pk, by: control.cancel(pk, by=by, reason="no"),
    "pause": lambda pk, by: control.pause(pk, by=by, reason="no"),
    "resume": lambda pk, by: control.resume(pk, by=by),
    "retry": lambda pk, by: control.retry(pk, by=by),
    "prioritise": lambda pk, by: control.prioritise(pk, 1, by=by),
    "cancel a step": lambda pk, by: control.cancel_step(pk, by=by, reason="no"),
    "give up undoing": lambda pk, by: control.give_up_undoing(pk, by=by, reason="no"),
    "signal": lambda pk, by: engine.signal(pk, "paid", by=by),
    "answer": lambda pk, by: engine.answer(pk, {}, by=by),
}


@pytest.mark.parametrize("action", [*ACTIONS, "requeue"])
def test_a_viewer_may_do_none_of_this(begin: Any, action: str) -> None:
    run = begin({}, {"name": "one", **WORK})
    with pytest.raises(Forbidden):
        ACTIONS.get(action, lambda pk, by: control.requeue(pk, by=by))(run.pk, VIEWER)
    assert state(run) == RunStatus.QUEUED


@pytest.mark.parametrize("action", ACTIONS)
def test_a_run_that_is_not_there_is_said_to_be_so(db: None, action: str) -> None:
    with pytest.raises(NotFound):
        ACTIONS[action](404, OPERATOR)


@pytest.mark.parametrize("act", [control.cancel, control.pause])
def test_cancel_and_pause_need_a_reason(begin: Any, act: Any) -> None:
    run = begin({}, {"name": "one", **WORK})
    with pytest.raises(Invalid):
        act(run.pk, by=OPERATOR, reason=" ")
    assert state(run) == RunStatus.QUEUED


def test_two_of_a_run_that_expire_together_leave_nothing_open_when_one_of_them_ends_it(begin: Any, script: Any) -> None:
    run = begin(
        {},
        {"name": "a", "needs": [], "critical": False, **WORK},
        {"name": "b", "needs": [], **WORK},
        {"name": "stop", "needs": ["a"], "end": "failed"},
    )
    script.claim()
    with arranged():
        Step.objects.filter(run=run, name="a").update(losses=4)
    assert script.let_leases_expire() == 2
    assert (states(run), state(run)) == ({"a": "dead", "b": "cancelled", "stop": "succeeded"}, RunStatus.FAILED)
