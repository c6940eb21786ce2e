"""Eight real processes race for the one probe of an agent whose breaker rests: exactly one of them gets it."""

import ast
import os
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from agents import fleet, health
from agents.models import AgentHealth, Circuit
from orchestra.kernel.models import Event
from tests.silent_writes import arranged
from tests.workflows.conftest import SYSTEM
from workflows import queue, tasks
from workflows.models import Run

pytestmark = pytest.mark.django_db(transaction=True)
RACERS = 8
ROUNDS = 6
TO_THE_START_S = 0.4
"""Between the call and the start, so that all wait at the line."""


@pytest.fixture(scope="module")
def racers(django_db_setup):
    """``racers("probe 7")``: all begin at the same moment; returns what each got."""
    database = connection.settings_dict
    sqlite = f"sqlite:///{database['NAME']}"
    server = f"{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}"
    url = sqlite if connection.vendor == "sqlite" else f"postgresql://{server}/{database['NAME']}"
    environment = os.environ | {"DATABASE_URL": url, "ORCHESTRA_PROCESS": "worker", "LEASE_S": "600"}
    command = [sys.executable, "-m", "tests.workflows.racer"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, **pipes) for _ in range(RACERS)]

    def race(words):
        for each in running:
            each.stdin.write(f"{words} {time.time() + TO_THE_START_S}\n")
            each.stdin.flush()
        return [ast.literal_eval(each.stdout.readline()) for each in running]

    try:
        assert [each.stdout.readline() for each in running] == ["ready\n"] * RACERS
        yield race
    finally:
        for each in running:
            each.kill()
            each.communicate()


def agent(name, slots=50, **more):
    values = {"name": name, "config": {"function": "test.echo"}, "max_concurrency": slots}
    return fleet.create("python", values | more, ["work"], by=SYSTEM)


def rest(agent, circuit=Circuit.OPEN, due_s=-1):
    """Its breaker is open, and the probe is due in so many seconds."""
    due = timezone.now() + timedelta(seconds=due_s)
    with arranged():
        AgentHealth.objects.filter(pk=agent.pk).update(circuit=circuit, opened_at=due, probe_at=due)


def half_opened():
    return Event.objects.filter(action="CircuitHalfOpened").count()


def test_one_of_eight_processes_gets_the_probe(racers):
    resting = agent("resting")
    for number in range(1, ROUNDS + 1):
        rest(resting, Circuit.OPEN if number % 2 else Circuit.HALF_OPEN)
        got = racers(f"probe {resting.pk}")

        assert Counter(got) == {True: 1, False: RACERS - 1}
        assert half_opened() == number
        assert AgentHealth.objects.get(pk=resting.pk).circuit == Circuit.HALF_OPEN


def test_of_eight_executors_one_makes_the_probing_call(racers):
    resting = agent("resting")
    for number in range(1, ROUNDS + 1):
        rest(resting)
        for _ in range(RACERS * 2):
            tasks.create(["work"], {}, by=SYSTEM)
        calls = [call for got in racers("turn") for call in got]

        assert calls == [["resting", True]]
        assert half_opened() == number
        with arranged():
            Run.objects.all().delete()


def test_who_does_not_get_the_probe_gives_its_steps_to_the_agents_that_are_left(racers):
    """The best one rests; all eight executors would try it, and no step waits since seven of them may not."""
    best, other = agent("best"), agent("other")
    with arranged():
        AgentHealth.objects.filter(pk=other.pk).update(response_s=9, last_called_at=timezone.now())
    for _ in range(ROUNDS):
        rest(best)
        for _ in range(RACERS * 2):
            tasks.create(["work"], {}, by=SYSTEM)
        calls = [tuple(call) for got in racers("turn") for call in got]

        assert Counter(calls) == {("best", True): 1, ("other", False): RACERS * 2 - 1}
        with arranged():
            Run.objects.all().delete()


def test_no_step_waits_for_a_breaker_while_another_agent_fits(script):
    best, other = agent("best"), agent("other")
    rest(best, due_s=60)
    with arranged():
        AgentHealth.objects.filter(pk=other.pk).update(response_s=9, last_called_at=timezone.now())
    for _ in range(3):
        tasks.create(["work"], {}, by=SYSTEM)

    assert [each.agent.name for each in script.turn().assignments] == ["other"] * 3


def test_no_second_probe_is_made_while_the_first_takes_longer_than_the_recovery_time(script):
    resting = agent("resting", recovery_s=5)
    rest(resting)
    for _ in range(2):
        tasks.create(["work"], {}, by=SYSTEM, timeout_s=300)
    (probe,) = script.turn().assignments

    assert probe.is_probe
    assert AgentHealth.objects.get(pk=resting.pk).probe_at > timezone.now() + timedelta(seconds=300)
    assert script.let_leases_expire() == 1
    assert AgentHealth.objects.get(pk=resting.pk).probe_at <= timezone.now() + timedelta(seconds=5)


def test_a_probe_that_was_lost_with_its_executor_is_made_again_after_the_recovery_time(script):
    resting = agent("resting", recovery_s=60)
    rest(resting)
    tasks.create(["work"], {}, by=SYSTEM)
    assert [each.is_probe for each in script.turn().assignments] == [True]

    assert script.let_leases_expire() == 1
    assert script.turn().assignments == []
    state = AgentHealth.objects.get(pk=resting.pk)
    assert state.circuit == Circuit.HALF_OPEN
    assert timedelta(seconds=50) < state.probe_at - timezone.now() <= timedelta(seconds=60)

    rest(resting, Circuit.HALF_OPEN)
    (again,) = script.turn().assignments
    assert again.is_probe
    script.turn(script.answer(again))
    assert AgentHealth.objects.get(pk=resting.pk).circuit == Circuit.CLOSED
    assert not queue.has_work() and not health.take_probe(resting.pk, timezone.now(), within_s=30)
