"""The monitor in real executors: one of them collects, and none stops later for it."""

import signal
import time

import pytest

from monitoring.models import AgentSample, Tick
from tests.workflows import real_executors
from tests.workflows.real_executors import add_agent, until

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_of_two_executors_collects_and_evaluates_and_both_stop_when_told() -> None:
    add_agent("test.echo", "work")
    with real_executors.starting() as start:
        processes = [start(MONITORING="true") for _ in range(2)]
        until(lambda: Tick.objects.filter(evaluated=True).exists(), within_s=60)
        told_at = time.monotonic()
        for process in processes:
            process.send_signal(signal.SIGTERM)
        said = [process.communicate(timeout=10)[0] for process in processes]

    assert all("told to stop" in each for each in said)
    assert time.monotonic() - told_at < 10
    assert Tick.objects.count() == AgentSample.objects.count()
