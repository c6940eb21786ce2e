"""A preview over what was recorded says what the live evaluator did with it, tick by tick, on real rows."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.models import Agent
from monitoring.alerting import backtest, thresholds
from monitoring.models import (
    AgentSample,
    Alert,
    AlertGroup,
    Channel,
    GaugeSample,
    Notification,
    NotificationStatus,
    Route,
    Threshold,
    Tick,
)
from monitoring.notification import planner
from tests.monitoring.alerting.measured import START, evaluate, gauge, restart, threshold, tick, took
from tests.silent_writes import arranged
from workflows.models import TaskQueue

VALUES = st.sampled_from([1.0, 1.0, 4.5, 9.0, 9.0, None])
STEPS = st.lists(
    st.tuples(st.sampled_from([30, 30, 30, 30, 60, 90, 330, 1200]), VALUES, VALUES), min_size=1, max_size=25
)
RULES = st.fixed_dictionaries(
    {
        "recovery_value": st.sampled_from([4, 5]),
        "for_s": st.sampled_from([0, 30, 60]),
        "keep_firing_s": st.sampled_from([0, 60]),
        "no_data": st.sampled_from(["keep", "no_data", "alert", "ok"]),
        "no_data_after_s": st.sampled_from([30, 60, 300]),
        "flap_changes": st.sampled_from([2, 4]),
        "flap_window_s": st.sampled_from([120, 600, 1800]),
    }
)
ROUTES = st.none() | st.fixed_dictionaries(
    {
        "wait_s": st.sampled_from([0, 30, 100]),
        "interval_s": st.sampled_from([60, 300]),
        "repeat_s": st.sampled_from([0, 300]),
        "group_by": st.sampled_from([[], ["threshold"], ["queue", "agent"]]),
        "escalate_after_s": st.sampled_from([0, 120]),
    }
)
MANY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass
class Lived:
    """What the evaluator and the planner did: the open alerts' statuses at each tick, and the notifications."""

    statuses: dict[int, dict[str, str]]
    sent: list[tuple[float, str, str]]
    suppressed: int


def instant(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def open_alerts() -> dict[str, str]:
    return dict(Alert.objects.exclude(status="resolved").values_list("subject_id", "status"))


def lived(steps: list[tuple[int, Any, Any]], measure: Any) -> Lived:
    at, statuses = START, {}
    for gap, *values in steps:
        at += gap
        tick(at)
        measure(at, values)
        evaluate(at)
        planner.run_due(instant(at))
        statuses[at] = open_alerts()
    rows = Notification.objects.order_by("pk")
    sent = rows.exclude(status=NotificationStatus.SUPPRESSED).values_list("created_at", "channel_name", "kind")
    return Lived(
        statuses,
        sorted((at.timestamp(), channel, kind) for at, channel, kind in sent),
        rows.filter(status=NotificationStatus.SUPPRESSED).count(),
    )


def previewed(limit: Threshold, lived: Lived) -> Lived:
    last = max(lived.statuses)
    tried = backtest.over_history(thresholds.values_of(limit), now=instant(last), since=instant(START))
    statuses: dict[int, dict[str, str]] = {at: {} for at in lived.statuses}
    for course in tried.courses:
        for interval in course.intervals:
            for at, now in statuses.items():
                if interval.start <= at and (interval.end is None or at < interval.end):
                    now[course.subject.id] = interval.status
    sent = sorted((one.message.at, one.message.channel.name, one.message.kind) for one in tried.notices)
    return Lived(statuses, sent, tried.suppressed)


def clear() -> None:
    restart()
    with arranged():
        for model in (Notification, AlertGroup, Alert, Threshold, Route, Channel, Tick, GaugeSample, AgentSample):
            model.objects.all().delete()


def routed(route: dict[str, Any] | None) -> None:
    if route is None:
        return
    with arranged():
        made = Route.objects.create(name="the route", **route)
        made.channels.add(Channel.objects.create(name="desk", kind="browser"))
        made.escalate_to.add(Channel.objects.create(name="chief", kind="browser"))


@pytest.fixture
def mail(db):
    with arranged():
        TaskQueue.objects.create(name="mail")


@pytest.fixture
def crew(make_agent):
    """Two agents who were there long before anything was measured."""
    agents = [make_agent("ann"), make_agent("bob")]
    with arranged():
        Agent.objects.update(created_at=instant(START - 86_400))
    return agents


@MANY
@given(rule=RULES, route=ROUTES, steps=STEPS)
def test_of_queues_that_are_always_measured(mail, rule, route, steps):
    clear()
    routed(route)
    limit = threshold(**rule)

    def measure(at: int, values: list[float | None]) -> None:
        for queue, value in zip(("default", "mail"), values, strict=True):
            gauge(value, at, queue)

    live = lived(steps, measure)

    assert previewed(limit, live) == live


@MANY
@given(rule=RULES, route=ROUTES, steps=STEPS)
def test_of_agents_that_may_be_idle(crew, rule, route, steps):
    clear()
    routed(route)
    limit = threshold(metric="response_time", **rule)

    def measure(at: int, values: list[float | None]) -> None:
        for agent, value in zip(crew, values, strict=True):
            if value is not None:
                took(agent, value, at)

    live = lived(steps, measure)

    assert previewed(limit, live) == live
