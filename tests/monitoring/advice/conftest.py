"""What the rules look at, made by the verbs that make it in production; only the times are arranged."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents import fleet, health, measures, pools
from agents.health import Result
from agents.models import Agent, AgentHealth, Pool, PoolSample
from agents.outcomes import Fault
from monitoring.models import Alert, AlertStatus, Recommendation, Threshold
from orchestra.kernel import events
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Role
from tests.agents import functions  # noqa: F401  registers the functions
from tests.silent_writes import arranged
from tests.workflows.conftest import Script, publish, script  # noqa: F401  used as fixtures
from workflows import definitions, engine
from workflows.definition import step_of
from workflows.models import Run, RunStatus, Step

SYSTEM = Actor.system("test")
ADA = Actor("person", "1", "Ada", role=Role.ADMIN)
OLGA = Actor("person", "7", "Olga", role=Role.OPERATOR)
VERA = Actor("person", "9", "Vera", role=Role.VIEWER)
TEMPLATE = {"config": {"function": "test.echo"}, "capabilities": ["draft"], "max_concurrency": 2}


@pytest.fixture
def make_pool(db: None) -> Callable[..., Pool]:
    """``make_pool("billing", min_size=1, max_size=3)``: a pool whose members can draft, two calls at a time."""

    def make(name: str = "billing", **values: Any) -> Pool:
        return pools.create("python", {"name": name, "template": TEMPLATE} | values, by=SYSTEM)

    return make


def sampled(pool: Pool, hours: float = 1, *, every_s: int = 10, until: datetime | None = None, **figures: Any) -> None:
    """What the autoscaler keeps of a pool, each time the same."""
    until = until or timezone.now()
    row = {"size": 3, "slots": 6, "in_use": 6, "waiting": 0, "oldest_s": 0.0, **figures}
    moments = [until - timedelta(seconds=every_s * index) for index in range(int(hours * 3600 / every_s))]
    with arranged():
        PoolSample.objects.bulk_create([PoolSample(pool=pool, at=at, **row) for at in moments])


@pytest.fixture
def make_agent(db: None) -> Callable[..., Agent]:
    """``make_agent("writer-1", "draft")``: an online agent that can do so."""

    def make(name: str, *capabilities: str, **values: Any) -> Agent:
        given = {"name": name, "config": {"function": "test.echo"}} | values
        return fleet.create("python", given, list(capabilities), by=SYSTEM)

    return make


def called(agent: Agent, *, well: int = 0, badly: int = 0, error: str = "It broke.") -> None:
    """Calls as executors count them, in statistics, breaker and measures alike."""
    now = timezone.now()
    results = [Result(agent.pk, 0.2, Fault.AGENT, error) for _ in range(badly)]
    results += [Result(agent.pk, 0.2) for _ in range(well)]
    with events.recording(SYSTEM):
        health.merge(results, now)
    for result in results:
        measures.observe(agent.pk, result.seconds, result.fault)


def aged(row: Any, days: int, **columns: datetime) -> None:
    """Have a row be as old as that, and unchanged since."""
    at = timezone.now() - timedelta(days=days)
    with arranged():
        type(row).objects.filter(pk=row.pk).update(created_at=at, updated_at=at, **columns)


def last_called(agent: Agent, days: int) -> None:
    with arranged():
        AgentHealth.objects.filter(pk=agent.pk).update(last_called_at=timezone.now() - timedelta(days=days))


@pytest.fixture
def ran(script: Script) -> Callable[..., list[Run]]:  # noqa: F811
    """``ran("flow", 20, {"pay": (3, 1)})``: runs that went through, and how long their steps waited and took.

    Each step begins when the last of those it needs has ended; one that is not named took no time.
    """

    def make(
        workflow: str, many: int, times: Mapping[str, tuple[float, float]] | None = None, **answers: Any
    ) -> list[Run]:
        begun = [engine.start(workflow, {}, by=SYSTEM) for _ in range(many)]
        for _ in range(20):
            script.go_on(**answers)
            script.let_time_pass()
            if not Run.objects.filter(pk__in=[run.pk for run in begun], finished_at__isnull=True).exists():
                break
        if times is not None:
            arrange_times(begun, times)
        return begun

    return make


def arrange_times(runs: list[Run], times: Mapping[str, tuple[float, float]]) -> None:
    """Have the steps of ``runs`` wait and take so many seconds, the last of them ending a minute ago."""
    begin = timezone.now() - timedelta(seconds=60 + sum(map(sum, times.values())))
    definition = definitions.parsed([runs[0].version_id])[runs[0].version_id]
    with arranged():
        for run in runs:
            ends: dict[str, datetime] = {}
            for spec in definition.steps:
                ready = max((ends[need] for need in spec.needs), default=begin)
                waited, worked = times.get(spec.name, (0, 0))
                began = ready + timedelta(seconds=waited)
                ends[spec.name] = began + timedelta(seconds=worked)
                values = {"created_at": ready, "started_at": began, "finished_at": ends[spec.name]}
                Step.objects.filter(run=run, name=spec.name).update(**values)
            Run.objects.filter(pk=run.pk).update(finished_at=max(ends.values()))


def arrange_tries(runs: list[Run], step: str, *, each_s: float) -> None:
    """Have every failed try of ``step`` last so many seconds, one after the other."""
    with arranged():
        for row in Step.objects.filter(run__in=runs):
            if step_of(row.name) != step or not row.history:
                continue
            begin = timezone.now() - timedelta(minutes=30)
            for index, past in enumerate(row.history):
                past["started_at"] = (begin + timedelta(seconds=each_s * index)).isoformat()
                past["finished_at"] = (begin + timedelta(seconds=each_s * (index + 1))).isoformat()
            end = begin + timedelta(seconds=each_s * len(row.history))
            Step.objects.filter(pk=row.pk).update(history=row.history, created_at=begin, finished_at=end)


def failed(runs: list[Run]) -> int:
    return Run.objects.filter(pk__in=[run.pk for run in runs], status=RunStatus.FAILED).count()


def alerted(threshold: Threshold, *seconds: float, **values: Any) -> None:
    """Alerts of it that fired for so long each, some hours ago."""
    now = timezone.now()
    with arranged():
        for index, length in enumerate(seconds):
            fired = now - timedelta(hours=index + 2)
            row = {
                "threshold": threshold,
                "threshold_version": threshold.version,
                "name": threshold.name,
                "metric": threshold.metric,
                "severity": "warning",
                "subject_kind": "agent",
                "subject_id": str(index),
                "status": AlertStatus.RESOLVED,
                "since": fired + timedelta(seconds=length),
                "began_at": fired,
                "fired_at": fired,
                "resolved_at": fired + timedelta(seconds=length),
                "seen_at": fired,
                "limit": 5.0,
            }
            Alert.objects.create(**row | values)


@pytest.fixture
def recommended(db: None) -> Callable[..., Recommendation]:
    """``recommended(subject_kind="pool", subject_id="3")``: an open recommendation, made just now."""

    def make(**values: Any) -> Recommendation:
        now = timezone.now()
        row = {"rule": "bottleneck", "sentence": "It might be better.", "created_at": now, "seen_at": now}
        with arranged():
            return Recommendation.objects.create(**row | values)

    return make
