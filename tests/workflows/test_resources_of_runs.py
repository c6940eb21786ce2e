"""Runs that hold resources from their first step to their last, and what their steps need with them."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents import reservations, resources
from agents.models import Reservation, ReservationStatus
from agents.outcomes import Failed, Fault
from orchestra.kernel.errors import Conflict, Invalid
from orchestra.kernel.models import Event
from tests.silent_writes import arranged
from tests.workflows import stock_of_resources as stock
from tests.workflows.conftest import OPERATOR, SYSTEM, Script
from tests.workflows.looking import state, states, step
from workflows import control, definitions, engine, ticker
from workflows.models import Run

pytestmark = pytest.mark.django_db
WORK = {"name": "work", "capabilities": ["work"]}
HOLD: dict[str, Any] = {"resources": [{"type": "bench"}]}
BROKEN = Failed("It broke.", retryable=False, fault=Fault.CALLER)


@pytest.fixture
def bench() -> Any:
    return stock.add("Bench 1")


def test_a_run_takes_all_before_its_first_step_and_holds_it_to_its_end(begin: Any, bench: Any, script: Script) -> None:
    stock.add("Printer", "printer")
    label = {"name": "label", "capabilities": ["work"], "resources": [{"type": "printer"}]}
    label["input"] = {"at": "resources.bench.name", "by": "resources.printer.name"}
    first, second = (begin({}, WORK, label, **HOLD, output={"at": "resources.bench.name"}) for _ in range(2))
    assert stock.held() == {"Bench 1": [f"run #{first.pk}"], "Printer": [f"run #{first.pk}"]}
    assert (state(first), state(second), states(second)) == ("queued", "waiting", {})

    (claim,) = script.turn().assignments
    (after,) = script.turn(script.answer(claim)).assignments
    assert (after.step.name, after.input) == ("label", {"at": "Bench 1", "by": "Printer"})
    assert stock.in_line() == [f"run #{second.pk}"], "what its first step needed no more, it holds all the same"
    script.turn(script.answer(after), room=0)
    assert Run.objects.get(pk=first.pk).output == {"at": "Bench 1"}
    script.go_on()
    assert (state(first), state(second), stock.used(), stock.in_line()) == ("succeeded", "succeeded", {}, [])
    assert Reservation.objects.count() == 2


def test_a_run_that_waits_has_not_begun(begin: Any, bench: Any, script: Script) -> None:
    begin({}, WORK, **HOLD)
    run = begin({}, {"name": "left_out", "when": "false", "capabilities": ["work"]}, **HOLD)
    run.refresh_from_db()
    assert (run.status, run.started_at, states(run)) == ("waiting", None, {})
    script.go_on()
    assert (state(run), stock.used()) == ("succeeded", {})


@pytest.mark.parametrize("ends", ["fails", "cancelled", "deadline"])
def test_however_it_ends_all_is_free_in_the_same_unit(begin: Any, bench: Any, script: Script, ends: str) -> None:
    run = begin({}, WORK, **HOLD)
    if ends == "fails":
        script.finish(BROKEN)
    elif ends == "cancelled":
        control.cancel(run.pk, by=OPERATOR, reason="It is not needed.")
    else:
        with arranged():
            Run.objects.update(deadline=timezone.now())
        ticker.tick()
    assert (state(run) in ("failed", "cancelled"), stock.used()) == (True, {})


def test_who_waits_and_is_cancelled_was_never_begun(begin: Any, bench: Any) -> None:
    begin({}, WORK, **HOLD)
    run = begin({}, WORK, **HOLD)
    control.cancel(run.pk, by=OPERATOR, reason="It is not needed.")
    assert (state(run), states(run), stock.in_line()) == ("cancelled", {}, [])


def test_while_it_is_undone_it_holds_on(begin: Any, bench: Any, script: Script) -> None:
    pay = {"name": "pay", "capabilities": ["work"], "compensate": {"capabilities": ["work"]}}
    run = begin({}, pay, {"name": "ship", "capabilities": ["work"]}, **HOLD)
    (claim,) = script.turn().assignments
    (after,) = script.turn(script.answer(claim)).assignments
    script.turn(script.answer(after, BROKEN), room=0)
    assert (state(run), stock.used()) == ("compensating", {"Bench 1": 1})
    script.go_on()
    assert (state(run), stock.used()) == ("failed", {})


def test_retried_it_takes_its_place_at_the_end_of_the_line(begin: Any, bench: Any, script: Script) -> None:
    run = begin({}, WORK, **HOLD)
    other, third = begin({}, WORK, **HOLD), begin({}, WORK, **HOLD)
    (claim,) = script.turn().assignments
    script.turn(script.answer(claim, BROKEN), room=0)
    control.retry(run.pk, by=OPERATOR, reason="Mended.")
    assert (state(run), stock.held()) == ("waiting", {"Bench 1": [f"run #{other.pk}"]})
    assert stock.in_line() == [f"run #{third.pk}", f"run #{run.pk}"]
    script.go_on()
    assert [state(each) for each in (run, other, third)] == ["succeeded"] * 3


def test_a_run_that_begins_later_asks_when_its_time_has_come(begin: Any, bench: Any, script: Script) -> None:
    first = begin({}, WORK, **HOLD)
    run = engine.start("flow", {}, by=OPERATOR, start_at=timezone.now() + timedelta(hours=1))
    assert stock.in_line() == []
    script.let_time_pass(run)
    assert (state(run), stock.in_line()) == ("waiting", [f"run #{run.pk}"])
    script.go_on()
    assert (state(first), state(run)) == ("succeeded", "succeeded")


def test_paused_while_it_waits_it_goes_on_waiting_when_it_is_resumed(begin: Any, bench: Any, script: Script) -> None:
    first, run = begin({}, WORK, **HOLD), begin({}, WORK, **HOLD)
    control.pause(run.pk, by=OPERATOR, reason="Look first.")
    control.resume(run.pk, by=OPERATOR)
    assert (state(run), stock.in_line()) == ("waiting", [f"run #{run.pk}"])
    script.go_on()
    assert (state(first), state(run)) == ("succeeded", "succeeded")


def test_paused_it_leaves_the_line_and_asks_again_when_it_is_resumed(begin: Any, bench: Any, script: Script) -> None:
    first, run, other = (begin({}, WORK, **HOLD) for _ in range(3))
    control.pause(run.pk, by=OPERATOR, reason="Look first.")
    assert stock.in_line() == [f"run #{other.pk}"]
    script.go_on()
    assert [state(each) for each in (first, run, other)] == ["succeeded", "paused", "succeeded"]
    assert (states(run), stock.used()) == ({}, {})
    control.resume(run.pk, by=OPERATOR)
    assert stock.held() == {"Bench 1": [f"run #{run.pk}"]}
    script.go_on()
    assert (state(run), stock.used()) == ("succeeded", {})


def test_a_run_within_may_ask_for_no_more(begin: Any, publish: Any, bench: Any, script: Script) -> None:
    stock.add("Printer", "printer")
    publish("innermost", WORK, resources=[{"type": "printer"}])
    publish("inner", {"name": "sub", "workflow": "innermost"})
    run = begin({}, {"name": "sub", "workflow": "inner"}, **HOLD)
    script.go_on()
    assert (state(run), stock.used()) == ("failed", {})
    inner = Run.objects.get(parent__run=run)
    assert f"lies within run #{run.pk}, which holds resources already" in step(inner, "sub").error


def test_how_much_a_fan_out_takes_cannot_be_known_at_the_beginning(publish: Any) -> None:
    stock.add("Bench 1", capacity=9)
    with pytest.raises(Invalid) as caught:
        publish("flow", {**WORK, **HOLD, "for_each": "lines"}, **HOLD)
    assert [fault["path"] for fault in caught.value.errors] == ["steps[0].resources"]


def test_what_is_taken_back_by_hand_goes_to_the_next_and_is_asked_for_again(
    begin: Any, bench: Any, script: Script
) -> None:
    run = begin({}, WORK, {"name": "later", "capabilities": ["work"]}, **HOLD)
    other = begin({}, WORK, {"name": "later", "capabilities": ["work"]}, **HOLD)
    (claim,) = script.turn().assignments
    reservations.release(Reservation.objects.get(run=run.pk).pk, by=OPERATOR, reason="The bench is needed.")
    assert stock.held() == {"Bench 1": [f"run #{other.pk}"]}
    script.turn(script.answer(claim), room=0)
    assert (states(run), stock.in_line()) == ({"work": "succeeded"}, [f"run #{run.pk}"])
    assert state(run) == "waiting", "its next step begins when it has it again"
    script.go_on()
    assert (state(run), state(other), stock.used()) == ("succeeded", "succeeded", {})
    told = Event.objects.get(action="ResourcesReleased", actor_kind="person")
    assert (told.actor_label, told.detail.reason) == ("Olga", "The bench is needed.")


def test_only_what_is_held_can_be_taken_back(begin: Any, bench: Any) -> None:
    begin({}, WORK, **HOLD)
    run = begin({}, WORK, **HOLD)
    with pytest.raises(Conflict, match="holds nothing yet"):
        reservations.release(Reservation.objects.get(run=run.pk).pk, by=OPERATOR, reason="Away with it.")
    with pytest.raises(Invalid):
        reservations.release(Reservation.objects.filter(status="held").get().pk, by=OPERATOR, reason=" ")


def let_leases_lapse() -> None:
    with arranged():
        Reservation.objects.filter(ended_at=None).update(expires_at=timezone.now() - timedelta(minutes=5))


def test_a_holder_that_lives_keeps_it_even_if_nobody_renewed_its_lease(begin: Any, bench: Any) -> None:
    run = begin({}, WORK, **HOLD)
    let_leases_lapse()
    begin({}, WORK, **HOLD)
    assert stock.held() == {"Bench 1": [f"run #{run.pk}"]}, (
        "whoever asks renews the living before he is granted anything"
    )
    let_leases_lapse()
    ticker.tick()
    assert stock.used() == {"Bench 1": 1}


def test_what_a_vanished_holder_left_is_free_when_its_lease_ends(begin: Any, bench: Any, script: Script) -> None:
    gone, run = begin({}, WORK, **HOLD), begin({}, WORK, **HOLD)
    with arranged():
        Run.objects.filter(pk=gone.pk).delete()
    ticker.tick()
    assert stock.held() == {"Bench 1": [f"run #{gone.pk}"]}
    let_leases_lapse()
    ticker.tick()
    assert stock.held() == {"Bench 1": [f"run #{run.pk}"]}
    assert Reservation.objects.get(run=gone.pk).status == ReservationStatus.EXPIRED
    script.go_on()
    assert state(run) == "succeeded"


def test_more_capacity_lets_those_who_wait_go_on_and_less_takes_nothing_away(
    begin: Any, bench: Any, script: Script
) -> None:
    first, second, third = (begin({}, WORK, **HOLD) for _ in range(3))
    resources.change(bench.pk, {"capacity": 2}, by=SYSTEM)
    assert stock.held() == {"Bench 1": [f"run #{first.pk}", f"run #{second.pk}"]}
    resources.change(bench.pk, {"capacity": 1}, by=SYSTEM)
    control.cancel(first.pk, by=OPERATOR, reason="It is not needed.")
    assert (stock.held(), stock.in_line()) == ({"Bench 1": [f"run #{second.pk}"]}, [f"run #{third.pk}"])


def test_a_disabled_resource_is_granted_no_more(begin: Any, bench: Any, script: Script) -> None:
    first, second = begin({}, WORK, **HOLD), begin({}, WORK, **HOLD)
    resources.change(bench.pk, {"enabled": False}, by=SYSTEM)
    script.go_on()
    assert (state(first), state(second)) == ("succeeded", "waiting")
    resources.change(bench.pk, {"enabled": True}, by=SYSTEM)
    script.go_on()
    assert state(second) == "succeeded"


def test_a_definition_may_ask_for_what_is_not_there_yet_if_it_is_told_so(publish: Any) -> None:
    publish("flow", WORK, **HOLD)
    with pytest.raises(Invalid):
        definitions.publish("flow", {"steps": [{**WORK, "title": "Anew"}], **HOLD}, by=SYSTEM)
