"""Races of remote workers on real connections: one task has one claimer, and one end."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from agents import presence, remote, snapshot
from agents.models import Agent, AgentHealth
from agents.presence import Figures
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import StaleLease
from orchestra.kernel.models import Event, Role, User
from tests.silent_writes import arranged
from workflows import queue, tasks
from workflows.models import Step, StepStatus

pytestmark = pytest.mark.django_db(transaction=True)
SYSTEM = Actor.system("test")
FAR = Actor("person", "7", "Fay", role=Role.OPERATOR)


@pytest.fixture(autouse=True)
def fay(db):
    with arranged():
        User.objects.create(pk=7, username="fay", role=Role.OPERATOR)


def at_once(*jobs):
    """What each of ``jobs`` returns or raises, all begun at the same moment, each on a connection of its own."""
    start = threading.Barrier(len(jobs))

    def run(job):
        try:
            start.wait(30)
            return job()
        except StaleLease as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as threads:
        return [each.result(60) for each in [threads.submit(run, job) for job in jobs]]


def registered(name, slots=10):
    return remote.register(name, {"max_concurrency": slots}, ["paint"], by=FAR)


def claim(registration, most=10):
    return remote.claim(registration.agent.pk, registration.holder, most, by=FAR).work


def put(count=1, **more):
    return [tasks.create(["paint"], n, by=SYSTEM, **more).pk for n in range(count)]


@pytest.mark.parametrize("same", [True, False])
def test_two_claims_at_once_never_get_the_same_task(same):
    """Of one worker twice, or of two workers."""
    one = registered("one")
    two = one if same else registered("two")
    for _ in range(5):
        steps = put(3)
        given = at_once(lambda: claim(one), lambda: claim(two))
        numbers = [work.task for part in given for work in part]
        numbers += [work.task for work in claim(one)]  # what both passed over because the other had it under lock
        assert sorted(numbers) == steps
        for work in Step.objects.filter(pk__in=steps):
            tasks.complete(work.pk, work.token, None, by=FAR)


def test_two_claims_at_once_never_take_more_than_the_free_slots():
    one = registered("one", slots=2)
    put(6)
    at_once(*[lambda: claim(one)] * 4)
    assert queue.in_use() == {one.agent.pk: 2}


@pytest.mark.parametrize("limit", ["lease", "time"])
def test_an_answer_against_the_expiry_of_its_lease_ends_the_task_once(limit):
    """Whether it comes first or too late: one end, one event, and whoever is second is refused or finds nothing."""
    one = registered("one")
    outcomes = set()
    for _ in range(6):
        (step,) = put(timeout_s=600)
        (work,) = claim(one)
        earlier = timezone.now() - timedelta(seconds=601 if limit == "time" else 1)
        with arranged():
            Step.objects.filter(pk=step).update(started_at=earlier, lease_expires_at=timezone.now())
        answered, _ = at_once(lambda w=work: tasks.complete(w.task, w.lease, "done", by=FAR), queue.return_expired)
        row = Step.objects.get(pk=step)
        told = list(Event.objects.filter(target_kind="step", target_id=str(step)).values_list("action", flat=True))
        if isinstance(answered, StaleLease):
            assert (row.status, told[-1]) == (
                ("failed", "StepFailed") if limit == "time" else ("ready", "StepReturned")
            )
            with arranged():
                Step.objects.filter(pk=step, status="ready").update(held=True)
        else:
            assert (row.status, row.output, told) == ("succeeded", "done", ["StepSucceeded"])
        outcomes.add(row.status)
    calls = AgentHealth.objects.get(pk=one.agent.pk).calls
    assert calls == Step.objects.filter(status__in=["succeeded", "failed"]).count()


def test_two_answers_at_once_count_once():
    one = registered("one")
    put()
    (work,) = claim(one)
    answers = at_once(*[lambda n=n: tasks.complete(work.task, work.lease, n, by=FAR) for n in range(4)])
    assert sum(isinstance(answer, StaleLease) for answer in answers) == 3
    assert Event.objects.filter(action="StepSucceeded").count() == 1


def test_of_workers_that_register_at_once_as_one_agent_exactly_one_remains():
    first = registered("one")
    put(4)
    claim(first)
    made = at_once(*[lambda: registered("one")] * 4)
    held = presence.held_by(made[0].holder), *(presence.held_by(each.holder) for each in made[1:])
    assert sorted(map(len, held)) == [0, 0, 0, 1]
    assert Step.objects.filter(status=StepStatus.READY).count() == 4
    assert Agent.objects.count() == 1


def test_a_heartbeat_against_a_new_registration_keeps_nothing_for_the_old_one():
    first = registered("one")
    put(2)
    claim(first)
    beat = lambda: remote.heartbeat(first.agent.pk, first.holder, Figures(), None, by=FAR)  # noqa: E731
    _, second = at_once(beat, lambda: registered("one"))
    assert presence.held_by(first.holder) == set()
    assert len(claim(second)) == 2


def test_a_claim_that_looked_before_another_registered_is_refused(monkeypatch):
    first, made = registered("one"), []
    put(2)
    looked = remote._registered

    def look(*given):
        found = looked(*given)
        if not made:
            made.extend(at_once(lambda: registered("one")))
        return found

    monkeypatch.setattr(remote, "_registered", look)
    with pytest.raises(StaleLease):
        claim(first)
    assert set(Step.objects.values_list("status", "executor")) == {("ready", "")}
    assert len(claim(made[0])) == 2


def test_a_claim_that_looked_before_its_worker_said_goodbye_is_refused(monkeypatch):
    one = registered("one")
    put(2)
    read = snapshot.read_one

    def look(agent):
        found = read(agent)
        at_once(lambda: remote.goodbye(one.agent.pk, one.holder, by=FAR))
        return found

    monkeypatch.setattr(snapshot, "read_one", look)
    with pytest.raises(StaleLease):
        claim(one)
    assert set(Step.objects.values_list("status", "executor")) == {("ready", "")}


def test_a_claim_against_a_new_registration_leaves_nothing_with_the_old_one():
    """Whichever comes first: what the old one got goes back, or it gets nothing."""
    for _ in range(4):
        first = registered("one")
        steps = put(2)
        given, second = at_once(lambda one=first: claim(one), lambda: registered("one"))
        assert isinstance(given, StaleLease) or len(given) in (0, 2)
        assert not Step.objects.filter(executor=first.holder).exists()
        assert sorted(work.task for work in claim(second)) == steps
        for step in Step.objects.filter(pk__in=steps):
            tasks.complete(step.pk, step.token, None, by=FAR)
