"""The parts of the first page. Each is read when it is first asked for, and once; every query is bounded."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby, islice

from django.db.models import F, Q, prefetch_related_objects

from agents import pool_figures
from agents.models import Agent, AgentHealth, AgentKind, Circuit, Pool
from agents.pool_figures import Standing
from monitoring import flow, needs
from monitoring.alerting import alert_rows
from monitoring.alerting.alert_listing import AlertList
from monitoring.alerting.alert_rows import AlertRow
from monitoring.audit.entries import Entry, entry
from monitoring.flow import Figure
from monitoring.needs import Tile
from monitoring.watch import Watch
from orchestra.kernel import chain
from orchestra.kernel.models import Event
from orchestra.kernel.wording import bounded
from workflows import queue
from workflows.customer_service.models import Inquiry
from workflows.models import Run, RunStatus
from workflows.runs import RunList, RunRow, rows_of

MOST_AGENTS, MOST_POOLS, MOST_RUNS, MOST_CHANGES, MOST_ALERTS = 8, 5, 7, 6, 6
POOLS_LOOKED_AT = 100
AGENTS_LOOKED_AT = 200  # those called last
EVENTS_LOOKED_AT = 10_000
CHANGES_LOOKED_AT = 200

EVERYDAY = (
    "AgentCameOnline",
    "AgentRegistered",
    "AgentRequested",
    "AgentStarted",
    "AgentStopped",
    "AgentTested",
    "AgentWentOffline",
    "AlertDropped",
    "AlertNoted",
    "AlertOpened",
    "AlertRefired",
    "AuditExportFinished",
    "AuditExportStarted",
    "AuditVerificationStarted",
    "AuditVerified",
    "CustomerAdded",
    "CustomerChanged",
    "InquiryClaimed",
    "InquiryEscalated",
    "InquiryReceived",
    "InquiryReleased",
    "InquiryResolved",
    "InquiryTriaged",
    "NotificationQueued",
    "NotificationSent",
    "NotificationSuppressed",
    "PreferencesChanged",
    "RunStarted",
    "RunSucceeded",
    "StepAnswered",
    "StepSucceeded",
    "UserLoggedIn",
    "UserLoggedOut",
)
"""What goes on all day: it is counted elsewhere on the page, and changes nothing that lasts."""

OF_A_MEMBER = Q(parent_kind="pool")
"""What follows from the size of a pool, whose change stands there itself."""

ALARMING = ("AuditFoundBroken", "LoginLockedOut", "StepDied")
"""What did not succeed, and everybody wants to know."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What changed: an event, and how many more of the same followed in its story."""

    event: Entry
    more: int = 0


class Now:
    """The first page for one person at one moment."""

    def __init__(self, person: int, now: datetime) -> None:
        self.person, self.at = person, now

    @cached_property
    def is_fresh(self) -> bool:
        """Whether nothing has ever come in, and nothing fires either."""
        return not (Inquiry.objects.exists() or Run.objects.exists() or self.alerts)

    @cached_property
    def has_agents(self) -> bool:
        return Agent.objects.exists()

    @cached_property
    def watch(self) -> Watch:
        return Watch(self.at)

    @cached_property
    def tiles(self) -> list[Tile]:
        return needs.tiles(self.person, self.at)

    @cached_property
    def started(self) -> Figure:
        return flow.started(self.at)

    @cached_property
    def waiting(self) -> Figure:
        return flow.waiting()

    @cached_property
    def under_way(self) -> int:
        """Runs that have not ended, up to 1,001 of them."""
        return RunList({"status": "queued,running,waiting"}).count()

    @property
    def waiting_share(self) -> float:
        return min(1.0, (self.waiting.value or 0) / max(1, self.under_way))

    @property
    def of_under_way(self) -> str:
        return f"of {bounded(self.under_way)}"

    @cached_property
    def automated(self) -> Figure:
        return flow.automated(self.at)

    @cached_property
    def failed(self) -> Figure:
        return flow.failed(self.at)

    @property
    def failed_share(self) -> float:
        """How many of the hour's runs failed."""
        return (self.failed.value or 0) / max(1, self.started.of)

    @cached_property
    def pools(self) -> list[Standing]:
        """The pools that are worst off: those for which most waits, then those with most of their slots taken."""
        found = pool_figures.with_last(Pool.objects.order_by("name"))[:POOLS_LOOKED_AT]
        standings = pool_figures.read(list(found), self.at)
        return sorted(standings, key=lambda each: (-each.waiting.count, -(each.load or 0.0)))[:MOST_POOLS]

    @cached_property
    def strained(self) -> list[Agent]:
        """The agents that are worst off: breaker not closed, then most of their slots taken, then called last.

        Members of pools are left out, which stand there as a whole.
        """
        called = AgentHealth.objects.exclude(agent__kind=AgentKind.HUMAN).filter(agent__pool=None)
        called = called.select_related("agent")
        by_call = called.order_by(F("last_called_at").desc(nulls_last=True))[:AGENTS_LOOKED_AT]
        agents = [health.agent for health in by_call]
        load = queue.in_use()
        for agent in agents:
            agent.in_flight = load.get(agent.pk, 0)
        return sorted(agents, key=_ease)[:MOST_AGENTS]

    @cached_property
    def running(self) -> list[RunRow]:
        """The newest runs that are under way: those at work before those that wait."""
        under_way: list[Run] = []
        for status in (RunStatus.COMPENSATING, RunStatus.RUNNING, RunStatus.WAITING):
            newest = RunList({"status": status}).queryset().order_by("-id")
            under_way += newest[: MOST_RUNS - len(under_way)]
        return rows_of(under_way, self.at)

    @cached_property
    def alerts(self) -> list[AlertRow]:
        """The gravest alerts that fire, that have lost their data, or that are about to recover."""
        asked = AlertList({"status": "firing,no_data,recovering"})
        return alert_rows.read(asked.queryset().order_by(*asked.ordering)[:MOST_ALERTS], self.at)

    @cached_property
    def changes(self) -> list[Deed]:
        """What people decided and the system decided by itself, the newest first; repeats in one story as one."""
        telling = Q(outcome="succeeded") & ~Q(action__in=EVERYDAY) & ~OF_A_MEMBER | Q(action__in=ALARMING)
        recent = Event.objects.filter(telling, number__gt=chain.head() - EVENTS_LOOKED_AT).order_by("-number")
        return _deeds(recent[:CHANGES_LOOKED_AT])


def _ease(agent: Agent) -> tuple[bool, float]:
    return agent.health.circuit == Circuit.CLOSED, -agent.in_flight / agent.max_concurrency


def _deeds(events: Iterable[Event]) -> list[Deed]:
    stories = groupby(events, key=lambda event: (event.correlation, event.action, event.actor_id))
    groups = [list(group) for _, group in islice(stories, MOST_CHANGES)]
    shown = [group[0] for group in groups]
    prefetch_related_objects(shown, "detail")
    return [Deed(entry(event), more=len(group) - 1) for event, group in zip(shown, groups, strict=True)]
