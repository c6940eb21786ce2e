"""After a transaction that failed, the next one stores the same results: nothing is lost, nothing counts twice."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError

from agents import health
from agents.outcomes import Done
from orchestra.kernel.events import NOTHING
from orchestra.kernel.models import Event
from tests.workflows.conftest import SYSTEM
from workflows import engine, queue
from workflows.calls import Calls
from workflows.committer import Committer
from workflows.models import Run, RunStatus, Step, StepStatus

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def claimed(publish: Any, worker: Any, script: Any) -> Any:
    """``claimed(3)``: so many runs of one step each, claimed, with the answers to them."""

    def claim(count: int) -> list[Any]:
        publish("flow", {"name": "a", "capabilities": ["work"]})
        engine.start_many("flow", [({}, NOTHING)] * count, by=SYSTEM)
        return [script.answer(assignment) for assignment in script.turn().assignments]

    return claim


@pytest.fixture
def committer() -> Iterator[Committer]:
    """That of an executor whose loop does not run."""
    loop = asyncio.new_event_loop()
    yield Committer(Calls(loop))
    loop.close()


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The database goes away just before the commit, as often as the test says."""
    left = [0]
    merge = health.merge

    def fail(*arguments: Any) -> None:
        merge(*arguments)
        if left[0]:
            left[0] -= 1
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(health, "merge", fail)
    return lambda times: left.__setitem__(0, times)


def test_what_could_not_be_committed_is_stored_once_the_database_is_back(claimed, script, outage):
    results = claimed(3)
    outage(1)
    with pytest.raises(OperationalError):
        script.turn(*results)

    script.turn(*queue.renew(results, []))

    assert set(Run.objects.values_list("status", flat=True)) == {RunStatus.SUCCEEDED}
    assert Event.objects.filter(action="StepSucceeded").count() == 3


def test_a_commit_that_counted_after_all_makes_the_second_try_stale(claimed, script):
    """The connection broke after the commit: the executor cannot know, and tells the results again."""
    results = claimed(2)
    script.turn(*results)

    script.turn(*queue.renew(results, []))

    assert Event.objects.filter(action="StepSucceeded").count() == 2
    assert Event.objects.filter(action="RunSucceeded").count() == 2


def test_a_claim_that_was_lost_meanwhile_stays_lost(claimed, script, outage):
    results = claimed(1)
    outage(1)
    with pytest.raises(OperationalError):
        script.turn(*results)
    queue.release(script.name)
    [again] = script.turn(name="executor:there:2").assignments

    script.turn(*queue.renew(results, []))

    step = Step.objects.get()
    assert (step.status, step.token) == (StepStatus.RUNNING, again.step.token)


def test_the_committer_goes_on_by_itself_after_several_failures_in_a_row(claimed, committer, outage):
    committer.pending = claimed(3)
    committer.more = True
    outage(3)
    for _ in range(4):
        committer.turn()

    assert set(Run.objects.values_list("status", flat=True)) == {RunStatus.SUCCEEDED}


def test_one_result_that_cannot_be_stored_takes_no_other_with_it(claimed, committer):
    *good, bad = claimed(4)
    poisoned = replace(bad, outcome=Done({"half of a character": "\ud800"}))
    committer._take([*good, poisoned])

    statuses = dict(Step.objects.values_list("pk", "status"))
    assert statuses.pop(bad.step.pk) == StepStatus.DEAD
    assert set(statuses.values()) == {StepStatus.SUCCEEDED}


def test_what_fails_after_the_commit_submits_no_result_again(publish, worker, script, committer, monkeypatch):
    publish("inner", {"name": "x", "capabilities": ["work"]})
    publish("outer", {"name": "a", "capabilities": ["work"]}, {"name": "b", "workflow": "inner"})
    engine.start("outer", {}, by=SYSTEM)
    claimed = script.claim()["a"]
    committer.calls.in_flight[claimed.step.pk] = claimed
    committer.calls.results.put(script.answer(claimed))

    def fail() -> int:
        raise OperationalError("deadlock detected")

    monkeypatch.setattr("workflows.committer.relay.deliver", fail)
    committer.turn()
    assert (committer.pending, committer.errors) == ([], 0)
    committer.more = True
    committer.turn()
    assert Event.objects.filter(action="StepSucceeded").count() == 1
    assert not Event.objects.filter(action="CompletionRefused").exists()


def test_of_a_group_that_was_halved_only_what_is_not_stored_is_submitted_again(claimed, committer, monkeypatch):
    results = claimed(2)
    take_turn = queue.take_turn
    turns = iter([ValueError("a defect"), ValueError("a defect"), None, OperationalError("the server closed")])

    def take(*arguments: Any, **rest: Any) -> Any:
        error = next(turns, None)
        if error is not None:
            raise error
        return take_turn(*arguments, **rest)

    monkeypatch.setattr("workflows.committer.tasks.take_turn", take)
    for result in results:
        committer.calls.in_flight[result.step.pk] = object()
        committer.calls.results.put(result)
    committer.turn()  # both, both without claims, the first, the second
    assert [result.step.pk for result in committer.pending] == [results[1].step.pk]
    committer.more = True
    committer.turn()
    assert Event.objects.filter(action="StepSucceeded").count() == 2
    assert not Event.objects.filter(action="CompletionRefused").exists()
