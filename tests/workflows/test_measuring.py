"""What executors measure: every call that ended, by minute, written by the heart and once more at the end."""

import asyncio
import signal
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models import Sum
from django.utils import timezone

from agents import measures
from agents.models import AgentMeasure
from agents.observation import CALLS
from agents.outcomes import Fault
from orchestra.kernel.events import NOTHING
from orchestra.kernel.models import Pulse
from tests.silent_writes import arranged
from tests.workflows.conftest import OPERATOR
from tests.workflows.real_executors import add_agent, until
from workflows import engine, queue
from workflows.calls import Calls
from workflows.heart import Heart
from workflows.models import Run, RunStatus, Step

pytestmark = pytest.mark.django_db(transaction=True)


def sums(*names: str) -> Any:
    return AgentMeasure.objects.aggregate(**{name: Sum(name) for name in names})


@pytest.fixture
def heart() -> Any:
    loop = asyncio.new_event_loop()
    CALLS.drain()
    yield Heart(Calls(loop, slots=4))
    CALLS.drain()
    loop.close()


def test_every_call_of_real_executors_is_counted_once_also_those_before_the_end(publish: Any, executors: Any) -> None:
    add_agent("test.echo", "work")
    add_agent("test.spin", "spin")
    steps = [{"name": "a", "capabilities": ["work"]}, {"name": "b", "capabilities": ["spin"]}]
    publish("flow", *steps)
    engine.start_many("flow", [({"n": n}, NOTHING) for n in range(30)], by=OPERATOR)
    processes = [executors(), executors()]
    until(lambda: Pulse.objects.filter(name__startswith="executor:").count() == 2, within_s=120)  # they heed signals
    until(lambda: Run.objects.filter(status=RunStatus.SUCCEEDED).count() == 30, within_s=120)

    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        assert process.wait(60) == 0

    found = sums("calls", "failed_agent", "cpu_calls", "cpu_s", "samples", "memory_bytes")
    assert (found["calls"], found["failed_agent"]) == (60, 0)
    assert found["cpu_calls"] == 30  # those of the function in a thread; the other shares the loop's
    assert 30 * 0.01 <= found["cpu_s"] < 30
    assert found["memory_bytes"] / found["samples"] > 10_000_000


def test_what_could_not_be_written_is_written_the_next_time(heart: Any, worker: Any, monkeypatch: Any) -> None:
    CALLS.observe(worker.pk, 0.2, within=True)
    with monkeypatch.context() as away:
        away.setattr(measures, "write", lambda tallies: (_ for _ in ()).throw(OperationalError("away")))
        heart.write_measures()
    CALLS.observe(worker.pk, 0.3, Fault.AGENT, within=True)

    heart.write_measures()

    assert sums("calls", "failed_agent") == {"calls": 2, "failed_agent": 1}


def test_only_calls_within_this_process_have_its_memory(heart: Any, worker: Any) -> None:
    CALLS.observe(worker.pk, 0.2)
    heart.write_measures()
    assert sums("samples") == {"samples": 0}

    CALLS.observe(worker.pk, 0.2, within=True)
    heart.write_measures()
    assert sums("samples") == {"samples": 1}


def test_a_call_that_was_lost_with_its_executor_counts_as_lost(
    heart: Any, worker: Any, begin: Any, script: Any
) -> None:
    begin({}, {"name": "a", "capabilities": ["work"]})
    script.claim()
    with arranged():
        Step.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert queue.return_expired() == 1

    heart.write_measures()

    assert sums("calls", "failed_lost", "seconds") == {"calls": 1, "failed_lost": 1, "seconds": 0.0}
