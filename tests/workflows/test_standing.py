"""Why a ready step does not start because of its queue or its key, and where it stands."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import fleet
from orchestra.kernel import pulses
from orchestra.kernel.access import Actor
from tests.agents import functions  # noqa: F401  registers the functions
from tests.silent_writes import arranged
from tests.workflows import lines
from workflows import definitions, queues, waiting
from workflows.models import StepStatus

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("test")


@pytest.fixture(autouse=True)
def alive(db):
    values = {"name": "worker-1", "config": {"function": "test.echo"}}
    fleet.create("python", values, ["work"], by=SYSTEM)
    pulses.beat("executor:here:1")


def reasons(steps, now=None):
    situation = waiting.situation_of(steps, now or timezone.now())
    spec = definitions.parsed([lines.version().pk])[lines.version().pk].step("a")
    return [waiting.of_step(step, step.run, spec, situation) for step in steps]


def running(queue, **columns):
    lease = {"status": StepStatus.RUNNING, "executor": "e", "lease_expires_at": timezone.now() + timedelta(minutes=1)}
    return lines.put(queue, **lease, **columns)


def test_a_paused_queue_says_why_and_links_to_itself():
    queues.pause("billing", by=SYSTEM, reason="The bank is down.")

    (reason,) = reasons(lines.put("billing"))

    assert reason.code == "queue_paused"
    assert reason.detail == "Queue billing is paused: The bank is down. Resume it to let its steps start."
    assert reason.link == "/queues/billing/settings/"


def test_a_full_queue_says_how_many_run():
    queues.change("billing", {"max_concurrency": 1}, by=SYSTEM)
    running("billing")

    (reason,) = reasons(lines.put("billing"))

    assert (reason.code, "1 of 1" in reason.detail) == ("queue_full", True)


def test_a_lease_that_has_expired_does_not_fill_a_queue():
    queues.change("billing", {"max_concurrency": 1}, by=SYSTEM)
    running("billing")

    (reason,) = reasons(lines.put("billing"), timezone.now() + timedelta(minutes=2))

    assert reason.code != "queue_full"


def test_a_rate_that_is_used_up_says_when_the_next_may_start():
    queues.change("billing", {"rate_per_s": 0.01, "burst": 1}, by=SYSTEM)
    with arranged():
        queues.spend({"billing": 0.0}, timezone.now())

    (reason,) = reasons(lines.put("billing"))

    assert reason.code == "rate_limited"
    assert "at most 0.01 a second" in reason.detail


def test_a_busy_key_names_the_run_that_holds_it():
    (holder,) = running("default", lock_key="ada")

    (reason,) = reasons(lines.put("default", lock_key="ada", lock_limit=1))

    assert reason.code == "key_busy"
    assert f"run #{holder.run_id} has it" in reason.detail
    assert reason.link == f"/runs/{holder.run_id}/"


def test_the_place_in_the_queue_is_said_where_only_its_turn_is_missing():
    first, second, third = lines.put("billing", 3)

    assert [reason.code for reason in reasons([first, second, third])] == ["queued"] * 3
    details = [reason.detail for reason in reasons([first, second, third])]
    assert "before it" not in details[0]
    assert details[1].endswith("1 step stands before it in queue billing.")
    assert details[2].endswith("2 steps stand before it in queue billing.")


def test_a_long_way_is_not_counted_to_its_end(monkeypatch):
    monkeypatch.setattr("workflows.standing.MOST_AHEAD", 2)
    *_, last = lines.put("billing", 5)

    (reason,) = reasons([last])

    assert reason.detail.endswith("More than 2 steps stand before it in queue billing.")


def test_many_steps_are_judged_at_the_cost_of_a_few():
    queues.change("billing", {"max_concurrency": 1}, by=SYSTEM)
    running("billing")
    few = lines.put("billing", 1, lock_key="ada") + lines.put("bulk", 1)
    many = lines.put("billing", 20, lock_key="ada") + lines.put("bulk", 20)

    counts = []
    for steps in (few, many):
        with CaptureQueriesContext(connection) as captured:
            waiting.situation_of(steps, timezone.now())
        counts.append(len(captured))

    assert counts[1] <= counts[0]
