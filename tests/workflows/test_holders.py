"""Why who holds resources does not go on by himself, on the resource's page and the run's, and what can be done."""

from typing import Any

import pytest

from agents import reservations, resource_rows
from agents.models import Reservation, Resource
from agents.outcomes import Failed, Fault
from tests.workflows import stock_of_resources as stock
from tests.workflows.conftest import OPERATOR, SYSTEM, Script
from tests.workflows.looking import state, step
from workflows import control, engine, holders, queues

pytestmark = pytest.mark.django_db
BENCH = {"resources": [{"type": "bench"}]}
WORK = {"name": "pack", "capabilities": ["work"]}
PACK = {**WORK, **BENCH}
ASK = {"name": "ask", "human": {}}
BROKEN = Failed("It broke.", retryable=False, fault=Fault.CALLER)


@pytest.fixture
def bench() -> Resource:
    return stock.add("Bench 1")


def said(bench: Resource) -> str:
    (holding,) = resource_rows.holders_of(bench)
    return holding.stalled


def test_of_one_that_goes_on_nothing_is_said(begin: Any, bench: Resource, script: Script) -> None:
    begin({}, PACK)
    assert said(bench) == ""
    script.claim()
    assert said(bench) == ""


@pytest.mark.parametrize("of_run", [False, True])
def test_a_paused_run_since_when_by_whom_and_why(
    begin: Any, bench: Resource, as_: Any, operator: Any, of_run: bool
) -> None:
    run = begin({}, WORK, **BENCH) if of_run else begin({}, PACK)
    control.pause(run.pk, by=SYSTEM, reason="An earlier one.")
    control.resume(run.pk, by=SYSTEM)
    control.pause(run.pk, by=OPERATOR, reason="The printer is jammed.")
    assert said(bench).startswith("Its run is paused since ")
    assert said(bench).endswith(" by Olga: The printer is jammed.")

    client = as_(operator)
    for url in (f"/resources/{bench.pk}/", f"/runs/{run.pk}/"):
        assert "by Olga: The printer is jammed." in client.get(url).content.decode()
    held = Reservation.objects.get()
    assert "Take back" in client.get(f"/resources/{bench.pk}/").content.decode()
    reservations.release(held.pk, by=OPERATOR, reason="Another needs it.")
    assert (stock.used(), state(run)) == ({}, "paused")


def test_a_step_that_was_handed_to_a_person(begin: Any, bench: Resource, script: Script) -> None:
    begin({}, {**PACK, "on_failure": "escalate"})
    script.finish(BROKEN)
    assert said(bench).startswith("It waits for a person, since ")


def test_a_persons_step_and_one_within_a_run_that_holds(begin: Any, bench: Resource, script: Script) -> None:
    run = begin({}, {**ASK, **BENCH})
    assert said(bench).startswith("It waits for a person, since ")
    engine.answer(step(run, "ask").pk, {}, by=OPERATOR)

    begin({}, ASK, **BENCH)
    assert said(bench).startswith("Its step ask waits for a person, since ")


def test_a_step_that_is_a_workflow(begin: Any, publish: Any, bench: Resource, script: Script) -> None:
    publish("inner", ASK)
    begin({}, {"name": "sub", "workflow": "inner", **BENCH})
    script.go_on()
    assert said(bench).startswith("It waits for the run that it is, since ")


def test_a_ready_step_whose_queue_is_paused(begin: Any, bench: Resource) -> None:
    begin({}, PACK)
    queues.pause("default", by=SYSTEM, reason="Stocktaking.")
    assert said(bench) == "It waits to begin, since its queue default is paused."


def test_many_holders_are_told_of_in_four_queries(
    begin: Any, script: Script, django_assert_max_num_queries: Any
) -> None:
    bench = stock.add("Benches", capacity=9)
    for at in range(3):
        control.pause(begin({"n": at}, PACK).pk, by=OPERATOR, reason="Later.")
        begin({"n": at}, {**ASK, **BENCH})
        begin({"n": at}, ASK, **BENCH)
    held = {(row.run, row.task) for row in Reservation.objects.all()}
    with django_assert_max_num_queries(4):
        assert holders.stalled(held).keys() == held
    assert all(holding.stalled for holding in resource_rows.holders_of(bench))
