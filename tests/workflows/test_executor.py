"""Real executors in processes of their own: they work, stop in order, and lose nothing when they are killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from agents import fleet
from orchestra.kernel.events import NOTHING
from orchestra.kernel.models import Event, Pulse
from orchestra.kernel.verification import verify
from tests.workflows.conftest import OPERATOR, SYSTEM
from workflows import engine
from workflows.models import Run, RunStatus, Step, StepStatus

pytestmark = pytest.mark.django_db(transaction=True)
LEASE_S = 6  # longer than the ticker's own lease, as in earnest


@pytest.fixture
def executors() -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """``executors()`` starts one more."""
    running: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        database = connection.settings_dict
        url = (
            f"sqlite:///{database['NAME']}"
            if connection.vendor == "sqlite"
            else f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
        )
        environment = os.environ | {"DATABASE_URL": url, "LEASE_S": str(LEASE_S), "ORCHESTRA_PROCESS": "worker"}
        command = [sys.executable, "-m", "tests.workflows.executor_process"]
        process = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def until(condition: Callable[[], Any], within_s: float = 20) -> float:
    """Wait for ``condition``; returns how long it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < within_s, "it took too long"
        time.sleep(0.02)
    return time.monotonic() - started


def add_agent(function: str, capability: str, slots: int = 50) -> None:
    values = {"name": f"{function}-1", "config": {"function": function}, "max_concurrency": slots}
    fleet.create("python", values, [capability], by=SYSTEM)


def count(model: Any, **conditions: Any) -> int:
    return int(model.objects.filter(**conditions).count())


def test_an_executor_works_off_what_is_there_and_what_comes(publish: Any, executors: Any) -> None:
    add_agent("test.echo", "work")
    publish("flow", *[{"name": f"s{n}", "capabilities": ["work"]} for n in range(4)])
    engine.start_many("flow", [({"n": n}, NOTHING) for n in range(40)], by=OPERATOR)
    executors()
    until(lambda: count(Run, status=RunStatus.SUCCEEDED) == 40)
    late = engine.start("flow", {"n": 41}, by=OPERATOR)
    until(lambda: Run.objects.get(pk=late.pk).status == RunStatus.SUCCEEDED, within_s=5)
    assert count(Event, action="StepSucceeded") == 41 * 4
    assert verify().valid


def test_told_to_stop_it_gives_back_what_it_holds_and_leaves_no_pulse(publish: Any, executors: Any) -> None:
    add_agent("test.nap", "sleep")
    publish("flow", {"name": "long", "capabilities": ["sleep"], "timeout": "5m"})
    engine.start("flow", {"seconds": 300}, by=OPERATOR)
    process = executors()
    until(lambda: count(Step, status=StepStatus.RUNNING) == 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert process.stdout.read().strip() == "It was told to stop."
    assert count(Step, status=StepStatus.READY) == 1
    assert count(Pulse, name__startswith="executor:") == 0


def test_killed_its_steps_go_to_another_within_the_lease_and_nothing_is_done_twice(
    publish: Any, executors: Any
) -> None:
    add_agent("test.nap", "sleep")
    publish("flow", {"name": "a", "capabilities": ["sleep"]}, {"name": "b", "capabilities": ["sleep"]})
    engine.start_many("flow", [({"seconds": 3}, NOTHING) for _ in range(20)], by=OPERATOR)
    victim = executors()
    until(lambda: count(Step, executor__contains=f":{victim.pid}:") > 0)
    survivor = executors()
    until(lambda: count(Pulse, name__endswith=f":{survivor.pid}") == 1)
    victim.kill()
    victim.wait()
    took_s = until(lambda: count(Step, executor__contains=f":{victim.pid}:", status=StepStatus.RUNNING) == 0)
    assert took_s < LEASE_S + 2
    until(lambda: count(Run, status=RunStatus.SUCCEEDED) == 20)
    assert survivor.poll() is None
    per_step = Event.objects.filter(action="StepSucceeded").values_list("target_id", flat=True)
    assert len(per_step) == len(set(per_step)) == 40
    assert count(Event, action="RunSucceeded") == 20
    assert verify().valid
