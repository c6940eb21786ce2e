"""Of what a metric is measured: the agents, pools, queues and workflows within a scope. Reads only."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import QuerySet

from agents.models import Agent, Pool
from monitoring.metrics.catalogue import METRICS, SCOPES
from monitoring.models import ScopeKind
from workflows.admission import DEFAULT
from workflows.models import TaskQueue, Workflow

MOST_DIGITS = 19
"""A number with fewer fits the databases' columns."""
SYSTEM = ""
"""The subject of what is measured of the system itself."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which subjects are meant. ``value`` is the number of an agent or pool, the name of anything else."""

    kind: str = ScopeKind.ALL
    value: str = ""

    @classmethod
    def all(cls) -> "Scope":
        return cls()

    @property
    def number(self) -> int:
        """Of an agent or pool; 0, which none has, where the value is no such number."""
        return int(self.value) if self.value.isdecimal() and len(self.value) < MOST_DIGITS else 0

    def fits(self, metric: str) -> bool:
        """Whether ``metric`` is a figure of anything within this scope."""
        return self.kind in SCOPES[METRICS[metric].kind]


@dataclass(frozen=True, slots=True)
class Subject:
    """What has a value of its own. ``labels`` are what routes and silences match.

    It exists ``since`` then, in seconds since 1970: of what is younger nothing can have been measured.
    """

    kind: str
    id: str
    label: str
    labels: dict[str, str] = field(default_factory=dict)
    since: float = 0


def subjects(metric: str, scope: Scope) -> dict[str, Subject]:
    """What there is at present of what ``metric`` is a figure of, by id; nothing where the scope does not fit it."""
    if not scope.fits(metric):
        return {}
    return {subject.id: subject for subject in _subjects(METRICS[metric].kind, scope)}


def names(kind: str) -> list[str]:
    """What there is of a kind whose subjects are names: queues, of which one needs no row, or workflows."""
    if kind == "workflow":
        return sorted(Workflow.objects.values_list("name", flat=True))
    return sorted({DEFAULT, *TaskQueue.objects.values_list("name", flat=True)})


def agents_within(scope: Scope) -> QuerySet[Agent]:
    """The agents that a scope of theirs means."""
    rows = Agent.objects.order_by("name")
    if scope.kind == ScopeKind.ALL:
        return rows
    if scope.kind == ScopeKind.CAPABILITY:
        return rows.filter(capabilities__name=scope.value)
    return rows.filter(**{"pk" if scope.kind == ScopeKind.AGENT else "pool": scope.number})


def _subjects(kind: str, scope: Scope) -> Iterable[Subject]:
    if kind == "agent":
        return [_agent(*row) for row in agents_within(scope).values_list("pk", "name", "created_at", "pool__name")]
    if kind == "pool":
        pools = Pool.objects.order_by("name")
        within = pools if scope.kind == ScopeKind.ALL else pools.filter(pk=scope.number)
        rows = within.values_list("pk", "name", "created_at")
        return [Subject("pool", str(pk), name, {"pool": name}, since.timestamp()) for pk, name, since in rows]
    if kind == "system":
        return [Subject("system", SYSTEM, "the system")]
    chosen = [name for name in names(kind) if scope.kind == ScopeKind.ALL or name == scope.value]
    return [Subject(kind, name, name, {kind: name}) for name in chosen]


def _agent(pk: int, name: str, since: datetime, pool: str | None) -> Subject:
    labels = {"agent": name} | ({"pool": pool} if pool else {})
    return Subject("agent", str(pk), name, labels, since.timestamp())
