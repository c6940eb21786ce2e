"""Steps that hold resources: taken before they are ready, kept over retries, given back however they end."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import reservations
from agents.models import Reservation, ReservationStatus
from agents.outcomes import Done, Failed, Fault
from orchestra.kernel import events
from orchestra.kernel.errors import Invalid
from orchestra.kernel.models import Event
from tests.silent_writes import arranged
from tests.workflows import stock_of_resources as stock
from tests.workflows.conftest import OPERATOR, SYSTEM, Script
from tests.workflows.looking import state, states, step
from workflows import control, definitions, engine, holding, quarantine, queue, ticker
from workflows.models import Run, RunStatus, Step, StepStatus

pytestmark = pytest.mark.django_db
BENCH = {"resources": [{"type": "bench"}]}
PACK = {"name": "pack", "capabilities": ["work"], **BENCH}
BROKEN = Failed("It broke.", retryable=False, fault=Fault.CALLER)
BUSY = Failed("It was busy.", fault=Fault.CALLER)


@pytest.fixture
def bench() -> Any:
    return stock.add("Bench 1")


def test_a_step_begins_at_once_with_what_is_free_and_gives_it_back(begin: Any, bench: Any, script: Script) -> None:
    run = begin({}, PACK)
    assert (state(run), states(run), stock.held()) == (
        "queued",
        {"pack": "ready"},
        {"Bench 1": [f"pack of run #{run.pk}"]},
    )

    script.finish()
    assert (state(run), stock.used()) == ("succeeded", {})
    assert Reservation.objects.get().why == "Its step has ended: succeeded."


def test_a_step_waits_for_what_another_holds_and_goes_on_when_that_ends(begin: Any, bench: Any, script: Script) -> None:
    first, second = begin({}, PACK), begin({}, PACK)
    assert (state(second), step(second, "pack").waits_for) == ("waiting", "resources")
    assert stock.in_line() == [f"pack of run #{second.pk}"]

    assert script.go_on() == ["pack", "pack"]
    assert (state(first), state(second), stock.used(), stock.in_line()) == ("succeeded", "succeeded", {}, [])


def test_steps_are_granted_in_the_order_of_asking(begin: Any, bench: Any, script: Script) -> None:
    runs = [begin({}, PACK) for _ in range(5)]
    script.go_on()
    granted = Event.objects.filter(action="ResourcesReserved").order_by("number").values_list("parent_id", flat=True)
    assert list(granted) == [str(run.pk) for run in runs]


def test_a_step_that_waits_keeps_what_it_waits_for_from_those_who_came_later(begin: Any, script: Script) -> None:
    stock.add("Bench 1", capacity=2)
    one = begin({}, PACK)
    two = begin({}, {**PACK, "resources": [{"type": "bench", "units": 2}]})
    three = begin({}, PACK)
    assert stock.in_line() == [f"pack of run #{two.pk}", f"pack of run #{three.pk}"]
    assert script.go_on() == ["pack", "pack", "pack"]
    assert [state(each) for each in (one, two, three)] == ["succeeded"] * 3


def test_it_is_kept_over_retries(begin: Any, bench: Any, script: Script) -> None:
    run = begin({}, {**PACK, "retry": {"attempts": 2, "delay": 0}})
    (assignment,) = script.turn().assignments
    script.turn(script.answer(assignment, BUSY), room=0)
    assert (states(run), stock.held()) == ({"pack": "ready"}, {"Bench 1": [f"pack of run #{run.pk}"]})
    script.go_on()
    assert (state(run), Reservation.objects.count()) == ("succeeded", 1)


def test_it_is_kept_when_its_executor_dies_and_free_again_when_it_is_poison(
    begin: Any, bench: Any, script: Script
) -> None:
    run = begin({}, PACK)
    for losses in range(1, 6):
        script.turn()
        script.let_leases_expire()
        assert len(stock.held()) == (losses < 5)
    assert (states(run), stock.used()) == ({"pack": "dead"}, {})


@pytest.mark.parametrize("outcome", [BROKEN, None])
def test_it_is_free_again_however_the_step_ends(begin: Any, bench: Any, script: Script, outcome: Any) -> None:
    run = begin({}, PACK)
    if outcome is None:
        control.cancel_step(step(run, "pack").pk, by=OPERATOR, reason="It is not needed.")
    else:
        script.finish(outcome)
    assert stock.used() == {}
    assert Reservation.objects.get().status == ReservationStatus.RELEASED


def test_who_waits_and_is_cancelled_leaves_the_line(begin: Any, bench: Any) -> None:
    first, second, third = (begin({}, PACK) for _ in range(3))
    control.cancel(second.pk, by=OPERATOR, reason="It is not needed.")
    assert stock.in_line() == [f"pack of run #{third.pk}"]
    control.cancel(first.pk, by=OPERATOR, reason="Likewise.")
    assert stock.held() == {"Bench 1": [f"pack of run #{third.pk}"]}
    assert states(third) == {"pack": "ready"}, "cancelling tells who was granted it"


def test_a_run_that_ends_leaves_nothing_behind(begin: Any, script: Script) -> None:
    stock.add("Bench 1", capacity=3)
    run = begin({"lines": [1, 2, 3, 4, 5]}, {**PACK, "for_each": "lines"}, {"name": "later", "capabilities": ["work"]})
    script.turn()
    assert (stock.used(), len(stock.in_line())) == ({"Bench 1": 3}, 2)
    control.cancel(run.pk, by=OPERATOR, reason="It is not needed.")
    assert (stock.used(), stock.in_line()) == ({}, [])


def test_a_dead_step_that_is_tried_again_asks_again(begin: Any, bench: Any, script: Script) -> None:
    run = begin({}, {**PACK, "critical": False}, {"name": "later", "needs": [], "capabilities": ["work"]})
    claims = script.claim()
    queue.bury(claims["pack"].step.pk, claims["pack"].step.token, "It cannot be stored.")
    other = begin({}, PACK)
    control.requeue(step(run, "pack").pk, by=OPERATOR, reason="Mended.")
    assert (step(run, "pack").waits_for, stock.in_line()) == ("resources", [f"pack of run #{run.pk}"])
    assert script.go_on() == ["pack", "pack"]
    assert states(other) == {"pack": "succeeded"}
    assert step(run, "pack").status == "succeeded"


def test_a_step_that_can_only_be_buried_alone_gives_back(begin: Any, bench: Any, script: Script) -> None:
    run = begin({}, PACK)
    (claim,) = script.turn().assignments
    quarantine.bury_alone(claim.step.pk, claim.step.token, "Its definition cannot be read.")
    assert (states(run), stock.used()) == ({"pack": "dead"}, {})


def test_a_run_whose_definition_cannot_be_read_gives_all_back_when_it_is_cancelled(begin: Any, bench: Any) -> None:
    run = begin({}, PACK)
    with arranged():
        definitions.WorkflowVersion.objects.update(definition={"steps": "none"})
    definitions.forget()
    control.cancel(run.pk, by=OPERATOR, reason="It cannot be read.")
    assert (state(run), stock.used()) == ("cancelled", {})


def test_items_hold_their_own_and_as_many_work_as_there_are_units(begin: Any, script: Script) -> None:
    stock.add("Bench 1", capacity=2)
    pack = {**PACK, "for_each": "lines", "as": "line", "input": {"line": "line", "at": "resources.bench.name"}}
    run = begin({"lines": [1, 2, 3, 4, 5]}, pack)
    assert len(script.turn().assignments) == 2
    script.let_leases_expire()
    script.go_on(pack=lambda claim: claim.input)
    assert step(run, "pack").output == [{"line": n, "at": "Bench 1"} for n in (1, 2, 3, 4, 5)]
    assert (state(run), stock.used()) == ("succeeded", {})


def test_of_a_broken_fan_out_no_further_item_begins_when_its_turn_comes(begin: Any, bench: Any, script: Script) -> None:
    run = begin({"lines": [1, 2, 3]}, {**PACK, "for_each": "lines"})
    assert script.go_on(pack=BROKEN) == ["pack[0]"]
    assert states(run) == {"pack": "failed", "pack[0]": "failed", "pack[1]": "cancelled", "pack[2]": "cancelled"}
    assert (state(run), stock.used(), stock.in_line()) == ("failed", {}, [])


def test_thousands_of_items_that_cannot_begin_do_not_stop_the_line(begin: Any, bench: Any, script: Script) -> None:
    broken = {**PACK, "for_each": "lines", "critical": False, "max_parallel": 2, "input": "max(resources.bench.name)"}
    run = begin({"lines": list(range(40))}, broken)
    script.go_on()
    assert (step(run, "pack").status, stock.used(), stock.in_line()) == ("failed", {}, [])
    assert Step.objects.filter(run=run, parent="pack", status="failed").count() == 40


def test_expressions_see_what_the_step_was_given(begin: Any, script: Script) -> None:
    stock.add("Printer", "printer", pages=40)
    pack = {**PACK, "resources": [{"name": "out", "type": "printer", "specs": {"pages": {"at_least": 30}}}]}
    run = begin({}, {**pack, "input": {"printer": "resources.out.name", "pages": "resources.out.specs.pages"}})
    (claim,) = script.turn().assignments
    assert claim.input == {"printer": "Printer", "pages": 40}
    assert state(run) == "running"


def test_without_a_mapping_the_call_is_given_the_runs_input_and_nothing_else(
    begin: Any, bench: Any, script: Script
) -> None:
    begin({"order": 7}, PACK)
    (claim,) = script.turn().assignments
    assert claim.input == {"order": 7}


def test_a_person_is_asked_once_the_step_has_what_it_needs(begin: Any, bench: Any, script: Script) -> None:
    first = begin({}, PACK)
    run = begin({}, {"name": "ask", "human": {}, **BENCH})
    assert step(run, "ask").waits_for == "resources"
    script.go_on()
    assert (state(first), step(run, "ask").waits_for, stock.held()) == (
        "succeeded",
        "person",
        {"Bench 1": [f"ask of run #{run.pk}"]},
    )
    engine.answer(step(run, "ask").pk, {}, by=OPERATOR)
    assert (state(run), stock.used()) == ("succeeded", {})


def test_a_person_who_takes_over_keeps_it(begin: Any, bench: Any, script: Script) -> None:
    run = begin({}, {**PACK, "on_failure": "escalate"})
    script.finish(BROKEN)
    assert (step(run, "pack").waits_for, stock.used()) == ("person", {"Bench 1": 1})


def test_a_step_that_is_a_workflow_holds_while_its_run_goes_on(
    begin: Any, publish: Any, bench: Any, script: Script
) -> None:
    publish("inner", {"name": "in", "capabilities": ["work"]})
    other = begin({}, PACK)
    run = begin({}, {"name": "sub", "workflow": "inner", **BENCH})
    assert script.go_on() == ["pack", "in"]
    assert (state(other), state(run), stock.used()) == ("succeeded", "succeeded", {})


def test_a_run_within_a_step_that_holds_may_ask_for_no_more(
    begin: Any, publish: Any, bench: Any, script: Script
) -> None:
    stock.add("Printer", "printer")
    publish("inner", {"name": "in", "capabilities": ["work"], "resources": [{"type": "printer"}]})
    run = begin({}, {"name": "sub", "workflow": "inner", **BENCH})
    script.go_on()
    assert (state(run), stock.used(), Run.objects.filter(parent__run=run).count()) == ("failed", {}, 0)
    assert f"It asks for printer, but lies within the step sub of run #{run.pk}, which holds" in step(run, "sub").error


def test_a_run_within_one_that_holds_nothing_may_ask(begin: Any, publish: Any, bench: Any, script: Script) -> None:
    publish("inner", PACK)
    run = begin({}, {"name": "sub", "workflow": "inner"})
    assert script.go_on() == ["pack"]
    assert (state(run), stock.used()) == ("succeeded", {})


def test_what_undoes_a_step_asks_for_nothing(begin: Any, bench: Any, script: Script) -> None:
    run = begin({}, {**PACK, "compensate": {"capabilities": ["work"]}}, {"name": "later", "capabilities": ["work"]})
    assert script.go_on(later=BROKEN) == ["pack", "later", "pack.compensate"]
    assert (state(run), Reservation.objects.count()) == ("failed", 1)


def test_retried_the_run_asks_anew(begin: Any, bench: Any, script: Script) -> None:
    run = begin({}, PACK)
    script.finish(BROKEN)
    control.retry(run.pk, by=OPERATOR, reason="Mended.")
    assert stock.held() == {"Bench 1": [f"pack of run #{run.pk}"]}
    key = step(run, "pack").key
    script.finish()
    assert (state(run), step(run, "pack").key, stock.used()) == ("succeeded", key, {})


def test_paused_it_keeps_what_it_holds_but_leaves_the_line_until_it_is_resumed(
    begin: Any, bench: Any, script: Script
) -> None:
    first, second, third = begin({}, PACK), begin({}, PACK), begin({}, PACK)
    for run in (first, second):
        control.pause(run.pk, by=OPERATOR, reason="Look first.")
    assert stock.held() == {"Bench 1": [f"pack of run #{first.pk}"]}
    assert stock.in_line() == [f"pack of run #{third.pk}"]
    control.resume(second.pk, by=OPERATOR)
    assert stock.in_line() == [f"pack of run #{run.pk}" for run in (third, second)]
    control.pause(second.pk, by=OPERATOR, reason="Not yet.")
    control.cancel(first.pk, by=OPERATOR, reason="No.")
    assert script.go_on() == ["pack"]
    assert (state(third), stock.used(), state(second)) == ("succeeded", {}, "paused")
    control.resume(second.pk, by=OPERATOR)
    assert (states(second), stock.held()) == ({"pack": "ready"}, {"Bench 1": [f"pack of run #{second.pk}"]})
    script.finish()
    assert (state(second), stock.used()) == ("succeeded", {})


def test_what_is_granted_as_its_run_is_paused_goes_back(begin: Any, bench: Any, script: Script) -> None:
    """It was granted, but not told of it: it has not begun, so it stands in line like the others."""
    begin({}, PACK)
    run = begin({}, PACK)
    (claim,) = script.turn().assignments
    script.turn(script.answer(claim), room=0)
    control.pause(run.pk, by=OPERATOR, reason="Look first.")
    assert (stock.used(), states(run), script.go_on()) == ({}, {"pack": "waiting"}, [])
    control.resume(run.pk, by=OPERATOR)
    assert (script.go_on(), state(run)) == (["pack"], "succeeded")


def test_dead_work_of_a_paused_run_asks_when_it_is_resumed(begin: Any, bench: Any, script: Script) -> None:
    run = begin({}, {**PACK, "critical": False}, {"name": "wait", "needs": [], "signal": "go"})
    (claim,) = script.turn().assignments
    with arranged():
        Step.objects.filter(pk=claim.step.pk).update(losses=99)
    control.pause(run.pk, by=OPERATOR, reason="Look first.")
    script.let_leases_expire()
    assert (states(run)["pack"], stock.used()) == ("dead", {})
    control.requeue(claim.step.pk, by=OPERATOR)
    assert (states(run)["pack"], stock.used(), stock.in_line()) == ("waiting", {}, [])
    control.resume(run.pk, by=OPERATOR)
    assert (states(run)["pack"], stock.used()) == ("ready", {"Bench 1": 1})


def test_a_paused_fan_out_leaves_the_line_and_asks_again_in_few_statements(begin: Any, script: Script) -> None:
    stock.add("Benches", capacity=8)
    counts = []
    for many in (12, 60):
        run = begin({"lines": list(range(many))}, {**PACK, "for_each": "lines", "input": {"line": "item"}})
        other = engine.start("flow", {"lines": [7]}, by=OPERATOR)
        script.turn(room=1)
        for verb in (control.pause, control.resume):
            with CaptureQueriesContext(connection) as captured:
                verb(run.pk, by=OPERATOR, reason="Look first.")
            counts.append(len(captured))
        script.go_on(pack=lambda claim: Done({"did": claim.step.input["line"]}))
        script.let_leases_expire()
        script.go_on(pack=lambda claim: Done({"did": claim.step.input["line"]}))
        assert (state(run), state(other), stock.used()) == ("succeeded", "succeeded", {})
        assert [each["did"] for each in step(run, "pack").output] == list(range(many))
    assert counts[2] <= counts[0] + 3 and counts[3] <= counts[1] + 3, counts


def test_runs_without_resources_cost_no_statement_for_them(begin: Any, script: Script) -> None:
    begin({}, {"name": "plain", "capabilities": ["work"]})
    with CaptureQueriesContext(connection) as seen:
        script.finish()
    assert not [query for query in seen.captured_queries if "agents_reserv" in query["sql"]]


def test_many_who_ask_together_cost_as_many_statements_as_few(publish: Any, worker: Any, script: Script) -> None:
    stock.add("Bench 1", capacity=1000)
    publish("flow", {**PACK, "for_each": "lines", "max_parallel": 1000})
    counts = []
    for items in (5, 5, 80):
        with CaptureQueriesContext(connection) as seen:
            engine.start("flow", {"lines": list(range(items))}, by=OPERATOR)
        counts.append(len(seen.captured_queries))
    assert counts[1] == counts[2]


def test_a_name_that_belongs_to_resources_is_refused_in_the_input(begin: Any, bench: Any) -> None:
    with pytest.raises(Invalid) as caught:
        begin({"resources": 1}, PACK)
    assert caught.value.errors[0]["path"] == "input.resources"


def test_what_nobody_could_serve_is_a_fault_of_the_definition(publish: Any) -> None:
    stock.add("Bench 1", capacity=2, size="large")

    def faults(*resources: dict[str, Any], **top: Any) -> dict[str, str]:
        source = {"steps": [{"name": "ask", "human": {}, "resources": list(resources)}], **top}
        with pytest.raises(Invalid) as caught:
            definitions.publish("flow", source, by=SYSTEM)
        return {fault["path"]: fault["message"] for fault in caught.value.errors}

    assert "Did you mean bench?" in faults({"type": "bensh"})["steps[0].resources[0].type"]
    assert "size small" in faults({"type": "bench", "specs": {"size": "small"}})["steps[0].resources[0].specs"]
    assert "the largest has 2" in faults({"type": "bench", "units": 3})["steps[0].resources[0].units"]
    two = ({"name": "a", "type": "bench", "units": 2}, {"name": "b", "type": "bench"})
    assert "more than there is" in faults(*two)["steps[0].resources"]
    at_once = faults({"type": "bench", "units": 2}, resources=[{"type": "bench"}])
    assert "more than there is" in at_once["resources"]


def test_what_comes_before_its_commit_is_lost_with_it(begin: Any, bench: Any, script: Script, monkeypatch: Any) -> None:
    run = begin({}, PACK)
    (claim,) = script.turn().assignments
    with monkeypatch.context() as patch:
        patch.setattr(queue.health, "merge", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            script.turn(script.answer(claim))
    assert stock.used() == {"Bench 1": 1}
    assert Run.objects.get(pk=run.pk).status == RunStatus.RUNNING
    assert Step.objects.get(run=run).status == StepStatus.RUNNING


def test_agents_are_locked_before_resources_in_every_unit(begin: Any, bench: Any, script: Script) -> None:
    """Two executors that locked them the other way round could wait for each other."""
    begin({}, PACK)
    (claim,) = script.turn().assignments
    with CaptureQueriesContext(connection) as seen:
        script.turn(script.answer(claim), room=0)
    said = [query["sql"] for query in seen.captured_queries]
    counted = [at for at, sql in enumerate(said) if "UPDATE agents_agenthealth" in sql]
    settled = [at for at, sql in enumerate(said) if 'UPDATE "agents_reservation' in sql]
    assert counted
    assert settled
    assert max(counted) < min(settled)


def test_who_was_granted_goes_on_even_if_nobody_was_left_to_tell_him(begin: Any, bench: Any, script: Script) -> None:
    """The process that granted it dies between its commit and the next unit; the clock sees to it."""
    begin({}, PACK)
    run = begin({}, PACK)
    (claim,) = script.turn().assignments
    script.turn(script.answer(claim), room=0)
    assert (stock.held(), step(run, "pack").waits_for) == ({"Bench 1": [f"pack of run #{run.pk}"]}, "resources")
    ticker.tick()
    assert states(run) == {"pack": "ready"}


def test_those_put_aside_do_not_hide_who_was_granted_after_them(
    begin: Any, bench: Any, script: Script, monkeypatch: Any
) -> None:
    run = begin({}, PACK)
    other = begin({}, PACK)
    (claim,) = script.turn().assignments
    with arranged():
        Reservation.objects.filter(run=run.pk).update(told_at=None)
    monkeypatch.setattr(holding, "BATCH", 1)
    now = timezone.now()
    stuck = Reservation.objects.get(run=run.pk).pk
    monkeypatch.setattr(holding, "_put_aside", {stuck: now + holding.PUT_OFF, 0: now - holding.PUT_OFF})
    stock.add("Bench 2")
    with events.recording(SYSTEM):
        reservations.settle()
    assert (holding.go_on_granted(), states(other)) == (1, {"pack": "ready"})
    assert holding._put_aside.keys() == {stuck}, "what is due again is forgotten"
    assert claim.step.run_id == run.pk
