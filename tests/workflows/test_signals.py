"""Signals: before, while and after a step waits for them, and what is refused."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.outcomes import Failed
from orchestra.kernel.errors import Conflict, Invalid, TooLarge
from orchestra.kernel.models import Event
from tests.workflows.conftest import OPERATOR
from tests.workflows.looking import state, step
from workflows import control, engine
from workflows.models import Run, RunStatus, Signal, Step

pytestmark = pytest.mark.django_db
WORK = {"capabilities": ["work"]}


@pytest.fixture
def begin(publish: Any, worker: Any) -> Any:
    def start(*steps: dict[str, Any]) -> Run:
        publish("flow", *steps)
        return engine.start("flow", {}, by=OPERATOR)

    return start


def test_a_signal_lets_the_step_go_on_that_waits_for_it(begin: Any, script: Any) -> None:
    run = begin({"name": "paid", "signal": "paid"}, {"name": "ship", **WORK})
    assert (state(run), script.go_on()) == (RunStatus.WAITING, [])
    engine.signal(run.pk, "paid", {"amount": 7}, by=OPERATOR, reason="The bank said so.")
    assert (step(run, "paid").output, Signal.objects.get().taken_by) == ({"amount": 7}, "paid")
    assert script.go_on() == ["ship"]
    told = Event.objects.get(action="SignalSent")
    assert (told.actor_label, told.target_id, told.detail.reason) == ("Olga", str(run.pk), "The bank said so.")


def test_a_signal_that_comes_first_is_kept(begin: Any, script: Any) -> None:
    run = begin({"name": "pack", **WORK}, {"name": "paid", "signal": "paid"})
    engine.signal(run.pk, "paid", by=OPERATOR)
    assert (script.go_on(), state(run)) == (["pack"], RunStatus.SUCCEEDED)


def test_a_signal_that_comes_after_its_step_waits_for_another(begin: Any, script: Any) -> None:
    run = begin({"name": "paid", "signal": "paid"}, {"name": "ask", "human": {}})
    engine.signal(run.pk, "paid", {"n": 1}, by=OPERATOR)
    engine.signal(run.pk, "paid", {"n": 2}, by=OPERATOR)
    assert (step(run, "paid").output, Signal.objects.filter(taken_by="").count()) == ({"n": 1}, 1)


def test_each_signal_is_for_one_step_and_the_first_sent_is_taken_first(begin: Any, script: Any) -> None:
    run = begin(
        {"name": "pack", **WORK},
        {"name": "one", "needs": ["pack"], "signal": "scan"},
        {"name": "two", "needs": ["one"], "signal": "scan"},
    )
    for n in (1, 2):
        engine.signal(run.pk, "scan", n, by=OPERATOR)
    script.go_on()
    assert (step(run, "one").output, step(run, "two").output) == (1, 2)


def test_a_signal_of_another_name_changes_nothing(begin: Any, script: Any) -> None:
    run = begin({"name": "paid", "signal": "paid"})
    engine.signal(run.pk, "Paid", by=OPERATOR)
    assert state(run) == RunStatus.WAITING


def test_of_several_events_the_one_sent_first_wins_though_both_came_before(begin: Any, script: Any) -> None:
    either = {"name": "either", "first_of": [{"signal": "paid"}, {"signal": "recalled", "name": "stop"}]}
    run = begin({"name": "pack", **WORK}, either)
    engine.signal(run.pk, "recalled", {"by": "maker"}, by=OPERATOR)
    engine.signal(run.pk, "paid", by=OPERATOR)
    script.go_on()
    assert step(run, "either").output == {"winner": "stop", "payload": {"by": "maker"}}


def test_a_signal_is_waited_for_without_end_unless_a_time_is_given(begin: Any, script: Any) -> None:
    run = begin({"name": "paid", "signal": "paid"})
    assert step(run, "paid").wake_at is None
    script.let_time_pass()
    assert state(run) == RunStatus.WAITING


def test_without_the_signal_in_time_the_step_fails(begin: Any, script: Any) -> None:
    run = begin({"name": "paid", "signal": "paid", "timeout": "24h"})
    script.let_time_pass()
    assert (state(run), step(run, "paid").error) == (RunStatus.FAILED, "Nothing came in time.")
    assert Event.objects.get(action="StepFailed").outcome == "timed_out"


def test_a_run_that_has_ended_or_is_being_undone_takes_no_signal(begin: Any, script: Any) -> None:
    undo = {"effects": True, "compensate": {"capabilities": ["work"]}}
    run = begin({"name": "pay", **WORK, **undo}, {"name": "ship", **WORK})
    (ship,) = script.turn(script.answer(script.claim()["pay"])).assignments
    script.turn(script.answer(ship, Failed("It broke.", retryable=False)))
    for expected in (RunStatus.COMPENSATING, RunStatus.FAILED):
        assert state(run) == expected
        with pytest.raises(Conflict):
            engine.signal(run.pk, "paid", by=OPERATOR)
        script.let_leases_expire()
        script.go_on()
    assert Signal.objects.count() == 0


def test_a_signal_before_the_run_begins_waits_with_it(begin: Any, script: Any) -> None:
    begin({"name": "paid", "signal": "paid"})
    run = engine.start("flow", {}, by=OPERATOR, start_at=timezone.now() + timedelta(hours=1))
    engine.signal(run.pk, "paid", by=OPERATOR)
    assert (state(run), Step.objects.filter(run=run).count()) == (RunStatus.QUEUED, 0)
    script.let_time_pass(run)
    assert state(run) == RunStatus.SUCCEEDED


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_a_signal_has_a_name(begin: Any, name: str) -> None:
    run = begin({"name": "paid", "signal": "paid"})
    with pytest.raises(Invalid):
        engine.signal(run.pk, name, by=OPERATOR)


def test_a_signal_carries_at_most_a_megabyte_and_a_run_keeps_so_many(
    begin: Any, script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin({"name": "ask", "human": {}})
    with pytest.raises(TooLarge):
        engine.signal(run.pk, "paid", "x" * engine.MAX_INPUT, by=OPERATOR)
    monkeypatch.setattr(engine, "MOST_SIGNALS", 2)
    for _ in range(2):
        engine.signal(run.pk, "paid", by=OPERATOR)
    with pytest.raises(Conflict):
        engine.signal(run.pk, "paid", by=OPERATOR)


def test_a_signal_to_a_cancelled_step_is_kept_for_another(begin: Any, script: Any) -> None:
    run = begin({"name": "paid", "signal": "paid"}, {"name": "again", "signal": "paid"})
    control.cancel_step(step(run, "paid").pk, by=OPERATOR, reason="Skip it.")
    engine.signal(run.pk, "paid", {"n": 1}, by=OPERATOR)
    assert (step(run, "again").output, state(run)) == ({"n": 1}, RunStatus.SUCCEEDED)
