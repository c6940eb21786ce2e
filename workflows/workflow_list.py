"""The lists of workflows and of their versions, for page and API, and what their rows show of runs and schedules."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from orchestra.kernel.lists import COUNT_LIMIT, MAX_PAGE_SIZE, ListFilter, Search
from orchestra.kernel.models import Event
from workflows import definitions
from workflows.definition import Definition
from workflows.models import Run, RunStatus, Schedule, WorkflowVersion

DAY = timedelta(days=1)
MOST_RECENT = 20_000
AROUND = timedelta(minutes=1)
"""An event and what it tells of are made in one transaction, but not in one moment."""


class WorkflowList(ListFilter[WorkflowVersion]):
    """The newest version of every workflow, by name."""

    filters = {"search": Search(("workflow__name", "definition__title"))}
    order = ("workflow__name",)

    def base(self) -> QuerySet[WorkflowVersion]:
        later = WorkflowVersion.objects.filter(workflow=OuterRef("workflow"), number__gt=OuterRef("number"))
        return WorkflowVersion.objects.filter(~Exists(later)).select_related("workflow").defer("definition")


class VersionList(ListFilter[WorkflowVersion]):
    """All versions of one workflow, the newest first."""

    order = ("-number",)

    def __init__(self, params: Mapping[str, str], *, workflow: str = "") -> None:
        self.workflow = workflow
        super().__init__(params)

    def base(self) -> QuerySet[WorkflowVersion]:
        versions = WorkflowVersion.objects.select_related("workflow").defer("definition")
        return versions.filter(workflow__name=self.workflow)


@dataclass(frozen=True, slots=True)
class Recent:
    """The runs from number ``since`` on, begun after ``begun``: those of the last day, if they are not too many."""

    since: int
    begun: datetime
    is_day: bool


@dataclass(frozen=True, slots=True)
class WorkflowRow:
    """A workflow in the list; ``recent`` and ``failed`` count its recent runs."""

    version: WorkflowVersion
    definition: Definition
    last_run: Run | None
    recent: int
    failed: int
    schedules: int

    @property
    def failing(self) -> float | None:
        """The share of its recent runs that failed."""
        return self.failed / self.recent if self.recent else None


def recent_runs(now: datetime) -> Recent:
    """The runs that the list counts: of the last day, but at most :data:`MOST_RECENT`, so that counting stays cheap."""
    newest = Run.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    today = Run.objects.filter(created_at__gte=now - DAY).order_by("created_at").values_list("pk", flat=True).first()
    if today is None:
        return Recent(newest + 1, now - DAY, is_day=True)
    if newest - today < MOST_RECENT:
        return Recent(today, now - DAY, is_day=True)
    since, begun = Run.objects.filter(pk__gt=newest - MOST_RECENT).order_by("pk").values_list("pk", "created_at")[0]
    return Recent(since, begun, is_day=False)


def rows_of(versions: Collection[WorkflowVersion], recent: Recent) -> list[WorkflowRow]:
    """The rows for the newest ``versions`` of workflows, in a constant number of queries."""
    parsed = definitions.parsed([version.pk for version in versions])
    workflows = [version.workflow_id for version in versions]
    runs = Run.objects.filter(pk__gte=recent.since, version__workflow__in=workflows).order_by()
    counted: Any = runs.values_list("version__workflow").annotate(
        recent=Count("pk"), failed=Count("pk", filter=Q(status=RunStatus.FAILED))
    )
    counts = {workflow: (count, failures) for workflow, count, failures in counted}
    scheduled = dict(Schedule.objects.filter(workflow__in=workflows).values_list("workflow").annotate(Count("pk")))
    last = _last_runs(workflows)
    return [
        WorkflowRow(
            version,
            parsed[version.pk],
            last.get(version.workflow_id),
            *counts.get(version.workflow_id, (0, 0)),
            scheduled.get(version.workflow_id, 0),
        )
        for version in versions
    ]


def _last_runs(workflows: Collection[int]) -> dict[int, Run]:
    """The newest run of each workflow, if it has one: looked up in the index of runs by version."""
    last = Run.objects.filter(version=OuterRef("pk")).order_by("-pk").values("pk")[:1]
    versions: Any = WorkflowVersion.objects.filter(workflow__in=workflows).annotate(last=Subquery(last))
    newest: dict[int, int] = {}
    for workflow, run in versions.values_list("workflow", "last"):
        newest[workflow] = max(newest.get(workflow, 0), run or 0)
    runs = Run.objects.defer("input", "output").in_bulk([run for run in newest.values() if run])
    return {workflow: runs[run] for workflow, run in newest.items() if run in runs}


def run_counts(versions: Collection[int]) -> dict[int, int]:
    """How many runs each version has, at most 1,001 each: "more than 1,000"."""
    of_version = Run.objects.filter(version=OuterRef("pk"))
    farthest = of_version.order_by("-pk").values("pk")[COUNT_LIMIT : COUNT_LIMIT + 1]
    runs = of_version.filter(pk__gte=OuterRef("farthest")).order_by()
    number = runs.values("version").annotate(number=Count("pk")).values("number")
    counted: Any = WorkflowVersion.objects.filter(pk__in=versions).annotate(
        farthest=Coalesce(Subquery(farthest), 0), number_of_runs=Coalesce(Subquery(number), 0)
    )
    return dict(counted.values_list("pk", "number_of_runs"))


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version in its workflow's history: who published it and why, as far as the audit trail says, and its runs."""

    version: WorkflowVersion
    by: str
    reason: str
    runs: int


def version_rows(versions: Sequence[WorkflowVersion]) -> list[VersionRow]:
    """The rows for ``versions`` of one workflow, in two queries."""
    if not versions:
        return []
    counts = run_counts([version.pk for version in versions])
    told = _publications(versions)
    return [VersionRow(one, *told.get(one.number, ("", "")), counts.get(one.pk, 0)) for one in versions]


def _publications(versions: Sequence[WorkflowVersion]) -> dict[int, tuple[str, str]]:
    """By version number who published it and why."""
    made = [version.created_at for version in versions]
    events = Event.objects.filter(
        target_kind="workflow",
        target_id=str(versions[0].workflow_id),
        action="WorkflowPublished",
        happened__range=(min(made) - AROUND, max(made) + AROUND),
    )
    found: dict[int, tuple[str, str]] = {}
    for event in events.select_related("detail").order_by("-number")[: 2 * MAX_PAGE_SIZE]:
        said = json.loads(event.detail.after or "{}")  # an erased detail is empty
        found.setdefault(said.get("version", 0), (event.actor_label, event.detail.reason))
    return found
