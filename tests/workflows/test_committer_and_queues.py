"""An executor's committer beside queues of which nothing may start: it sleeps, and wakes when something may."""

import asyncio
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import fleet
from orchestra.kernel.access import Actor
from tests.agents import functions  # noqa: F401  registers the functions
from tests.silent_writes import arranged
from tests.workflows import lines
from workflows import queues
from workflows.calls import Calls
from workflows.committer import IDLE_S, Committer
from workflows.models import Step, StepStatus

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("test")


@pytest.fixture
def committer(db):
    values = {"name": "worker-1", "config": {"function": "test.echo"}, "max_concurrency": 100}
    fleet.create("python", values, ["work"], by=SYSTEM)
    loop = asyncio.new_event_loop()
    made = Committer(Calls(loop, 100))
    made.blocked_at = float("inf")  # it does not look anew after a second, which a loaded machine may take
    yield made
    loop.close()


def look(committer):
    """One look at the queue, and a turn if there seems to be something to claim; whether there was a turn."""
    if committer._may_claim():
        committer._take([])
        return True
    return False


def started():
    return Step.objects.filter(status=StepStatus.RUNNING).count()


@pytest.mark.parametrize("limit", [{"max_concurrency": 1}, {"rate_per_s": 0.01, "burst": 1}])
def test_what_is_held_back_by_a_limit_is_not_tried_again_and_again(committer, limit):
    lines.put("billing", 3)
    queues.change("billing", limit, by=SYSTEM)

    assert look(committer)
    assert started() == 1
    while look(committer):  # it may have to see once that the queue is full
        pass
    with CaptureQueriesContext(connection) as captured:
        assert not look(committer)

    assert len(captured) <= 2
    assert started() == 1


def test_steps_with_a_busy_key_are_not_tried_again_and_again(committer):
    lines.put("default", 3, lock_key="ada", lock_limit=1)

    while look(committer):
        pass

    assert started() == 1


def test_nothing_is_tried_of_a_paused_queue(committer):
    queues.pause("billing", by=SYSTEM, reason="noon")
    lines.put("billing", 3)
    committer._refresh_fleet()

    assert not look(committer)


def test_after_a_while_it_looks_anew(committer):
    (holder, _) = lines.put("billing", 2)
    queues.change("billing", {"max_concurrency": 1}, by=SYSTEM)
    while look(committer):
        pass
    with arranged():
        Step.objects.filter(pk=holder.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert not look(committer)

    committer.blocked_at = float("-inf")

    assert look(committer)


def test_a_resumed_queue_is_noticed_by_the_revision(committer):
    queues.pause("billing", by=SYSTEM, reason="noon")
    lines.put("billing", 3)
    committer._refresh_fleet()

    queues.resume("billing", by=SYSTEM)
    committer._refresh_fleet()

    assert look(committer)
    assert started() == 3


def test_it_sleeps_until_the_next_token_if_that_comes_sooner_than_it_would_wake(committer):
    assert committer._idle_s() == IDLE_S
    committer.memory.until["billing"] = timezone.now() + timedelta(seconds=IDLE_S / 2)

    assert committer._idle_s() < IDLE_S
