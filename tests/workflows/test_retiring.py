"""An executor that starts afresh cuts no call off for it, however long the call is."""

import asyncio
import threading
import time
from typing import Any

import pytest

from agents import fleet
from tests.workflows.conftest import OPERATOR, SYSTEM
from workflows import committer, engine, executor, heart
from workflows.calls import Calls
from workflows.heart import Heart
from workflows.models import Step, StepStatus

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def calls():
    loop = asyncio.new_event_loop()
    yield Calls(loop, slots=4)
    loop.close()


@pytest.fixture
def hold(publish, script, calls):
    """``hold("5m")``: the executor has a call of such a timeout in flight."""

    def claim(timeout: str) -> None:
        fleet.create("python", {"name": "napper", "config": {"function": "test.nap"}}, ["sleep"], by=SYSTEM)
        publish("flow", {"name": "a", "capabilities": ["sleep"], "timeout": timeout})
        engine.start("flow", {"seconds": 1}, by=OPERATOR)
        assignment = script.claim(calls.name)["a"]
        calls.in_flight[assignment.step.pk] = assignment

    return claim


def test_an_old_one_with_short_calls_claims_no_more_and_ends_with_the_last_of_them(hold, calls, monkeypatch):
    hold("30s")
    monkeypatch.setattr(heart, "MAX_AGE_S", -1.0)
    Heart(calls).beat()

    assert (calls.room, calls.describe()["stopping"], calls.stopping.is_set()) == (0, True, False)
    thread = committer.Committer(calls)
    thread._stop_if_retired()
    assert not calls.stopping.is_set()
    calls.in_flight.clear()
    thread._stop_if_retired()
    assert (calls.stopping.is_set(), calls.reason) == (True, "It has worked for an hour and starts afresh.")


def test_an_old_one_works_on_while_long_calls_are_in_flight(hold, calls, monkeypatch):
    hold("5m")
    monkeypatch.setattr(heart, "MAX_AGE_S", -1.0)
    beating = Heart(calls)
    beating.beat()
    assert (calls.retiring, calls.room) == ("", 3)

    calls.in_flight.clear()
    beating.beat()
    assert (calls.retiring != "", calls.room) == (True, 0)


@pytest.mark.parametrize(("threads", "retires"), [(7, False), (8, False), (16, True)])
def test_with_long_calls_in_flight_it_retires_at_twice_a_limit(hold, calls, monkeypatch, threads, retires):
    hold("5m")
    monkeypatch.setattr(Calls, "abandoned", {str(number): "stuck" for number in range(threads)})
    Heart(calls).beat()

    assert bool(calls.retiring) == retires


def test_told_to_stop_while_it_retires_it_stops_as_told(calls):
    calls.retire("It has worked for an hour and starts afresh.")
    calls.stop("It was told to stop.")

    assert calls.reason == "It was told to stop."


def test_a_call_longer_than_the_time_to_stop_is_made_once_by_an_executor_that_retires(publish, monkeypatch):
    monkeypatch.setattr(heart, "MAX_AGE_S", 1.0)
    monkeypatch.setattr(heart, "LOOK_S", 0.05)
    monkeypatch.setattr(heart, "BEATS_A_LEASE", 300)
    monkeypatch.setattr(committer, "STOP_WITHIN_S", 0.1)
    fleet.create("python", {"name": "napper", "config": {"function": "test.nap"}}, ["sleep"], by=SYSTEM)
    publish("flow", {"name": "a", "capabilities": ["sleep"], "timeout": "20s"})
    run = engine.start("flow", {"seconds": 3}, by=OPERATOR)
    ended: list[Any] = []
    thread = threading.Thread(target=lambda: ended.append(executor.run(4)), daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not ended and time.monotonic() < deadline:
        time.sleep(0.05)

    assert ended == ["It has worked for an hour and starts afresh."]
    step = Step.objects.get(run=run)
    assert (step.status, step.attempt, step.history) == (StepStatus.SUCCEEDED, 1, [])
