"""Samples for the tests of metrics: of agents, pools and queues, at instants of their own."""

from collections.abc import Callable
from typing import Any

import pytest

from monitoring.models import AgentSample, Gauge, GaugeSample, Span
from tests.workflows.conftest import begin, publish, script, worker  # noqa: F401  used as fixtures


@pytest.fixture
def sampled(db: None) -> Callable[..., AgentSample]:
    """``sampled(agent, at, calls=2, seconds=1.0)``: a row of an agent; all of its calls were timed and judged."""

    def make(agent: Any, at: int, *, span: int = Span.TICK, **values: Any) -> AgentSample:
        calls = values.get("calls", 0)
        return AgentSample.objects.create(
            agent_id=agent.pk, span=span, at=at, **{"timed": calls, "judged": calls} | values
        )

    return make


@pytest.fixture
def gauged(db: None) -> Callable[..., GaugeSample]:
    """``gauged("queue_waiting", "mail", at, 7.0)``: the value of a gauge at a tick."""

    def make(metric: str, subject: str, at: int, value: float, **values: Any) -> GaugeSample:
        gauge, _ = Gauge.objects.get_or_create(metric=metric, kind=metric.partition("_")[0], subject=subject)
        given = {"span": Span.TICK, "count": 1, "least": value, "most": value} | values
        return GaugeSample.objects.create(gauge=gauge, at=at, total=value, **given)

    return make
