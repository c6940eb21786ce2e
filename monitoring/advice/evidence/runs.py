"""What the rules about steps and workflows go by: a bounded sample of the runs that ended last.

It looks at the newest version of each of the 30 busiest workflows, and at their last 100 runs at most. What it did not
look at it says nothing of.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Max
from django.urls import reverse
from django.utils.dateparse import parse_datetime

from agents.models import Pool
from monitoring.advice import critical_path
from monitoring.advice.critical_path import Took
from monitoring.advice.rules.bottleneck import PoolRef, WorkflowFacts
from monitoring.advice.rules.steps import StepFacts
from workflows import definitions
from workflows.definition import Definition, StepSpec, is_undo, step_of
from workflows.models import Run, RunStatus, Step, StepStatus, WorkflowVersion

LOOKED_BACK = timedelta(days=7)
MOST_RUNS, MOST_WORKFLOWS, RUNS_EACH, MOST_STEPS, CALLS_EACH = 5_000, 30, 100, 20_000, 2_000
MOST_POOLS = 500
AT_THE_LIMIT = 0.98
"""A failed try that lasted so much of its time limit ran into it."""
ENDED = {StepStatus.SUCCEEDED, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.DEAD}
COLUMNS = (
    "run_id",
    "name",
    "parent",
    "status",
    "attempt",
    "losses",
    "total",
    "history",
    "timeout_s",
    "created_at",
    "started_at",
    "finished_at",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What was found out of steps and of workflows."""

    steps: list[StepFacts]
    workflows: list[WorkflowFacts]


@dataclass(slots=True)
class Calls:
    """How the calls of one step went."""

    took: list[float] = field(default_factory=list)
    ran_into: int = 0
    retried: int = 0
    rescued: int = 0
    retrying_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """A step as it was read."""

    run_id: int
    name: str
    parent: str
    status: str
    attempt: int
    losses: int
    total: int | None
    history: list[dict[str, Any]]
    timeout_s: float
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def first_started_at(self) -> datetime | None:
        past = self.history[0].get("started_at") if self.history else None
        return parse_datetime(past) if past else self.started_at


def read(now: datetime) -> Sample:
    runs = _recent_runs(now)
    versions = _newest_versions(runs)
    parsed, faults = definitions.readable([version.pk for version in versions])
    versions = [version for version in versions if version.pk not in faults]
    if not versions:
        return Sample([], [])
    rows = _rows_by_version(runs, versions)
    pools = list(Pool.objects.order_by("pk")[:MOST_POOLS])
    sample = Sample([], [])
    for version in versions:
        definition, found = parsed[version.pk], rows[version.pk]
        sample.steps.extend(_steps(version, definition, found))
        succeeded = {pk for pk, status in runs.get(version.pk, ()) if status == RunStatus.SUCCEEDED}
        sample.workflows.extend(
            _workflow(version, definition, [row for row in found if row.run_id in succeeded], pools)
        )
    return sample


def _recent_runs(now: datetime) -> dict[int, list[tuple[int, str]]]:
    """The runs that ended last, number and status, by their version; at most 100 of each."""
    ended = Run.objects.filter(finished_at__isnull=False, finished_at__gt=now - LOOKED_BACK).order_by("-finished_at")
    runs: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for pk, version, status in ended.values_list("pk", "version_id", "status")[:MOST_RUNS]:
        if len(runs[version]) < RUNS_EACH:
            runs[version].append((pk, status))
    return runs


def _newest_versions(runs: Mapping[int, list[tuple[int, str]]]) -> list[WorkflowVersion]:
    """Those among the versions of ``runs`` that new runs follow, of the busiest workflows."""
    rows = WorkflowVersion.objects.filter(pk__in=list(runs)).annotate(newest=Max("workflow__versions__number"))
    current = [pk for pk, number, newest in rows.order_by().values_list("pk", "number", "newest") if number == newest]
    busiest = sorted(current, key=lambda pk: (-len(runs[pk]), pk))[:MOST_WORKFLOWS]
    return list(WorkflowVersion.objects.filter(pk__in=busiest).select_related("workflow").order_by("pk"))


def _rows_by_version(
    runs: Mapping[int, list[tuple[int, str]]], versions: Iterable[WorkflowVersion]
) -> dict[int, list[Row]]:
    version_of = {pk: version.pk for version in versions for pk, _ in runs[version.pk]}
    steps = Step.objects.filter(run__in=list(version_of)).order_by("-run_id").values_list(*COLUMNS)
    rows: dict[int, list[Row]] = defaultdict(list)
    for values in steps[:MOST_STEPS]:
        row = Row(*values)
        rows[version_of[row.run_id]].append(row)
    return rows


def _steps(version: WorkflowVersion, definition: Definition, rows: Iterable[Row]) -> Iterator[StepFacts]:
    calls: dict[str, Calls] = defaultdict(Calls)
    for row in rows:
        if is_undo(row.name) or (spec := definition.by_name.get(step_of(row.name))) is None or not _is_call(spec, row):
            continue
        if len((found := calls[spec.name]).took) < CALLS_EACH:
            _count(found, row, spec)
    raw = {step["name"]: step for step in version.definition["steps"]}
    for name, found in calls.items():
        spec = definition.by_name[name]
        in_vain = found.retried - found.rescued
        yield StepFacts(
            version.workflow_id,
            definition.name,
            name,
            raw[name],
            spec.timeout_s,
            sorted(found.took),
            found.ran_into,
            spec.retry.attempts,
            found.retried,
            found.rescued,
            found.retrying_s / in_vain if in_vain else 0.0,
            f"{reverse('workflow', args=[definition.name])}#step-{name}",
        )


def _is_call(spec: StepSpec, row: Row) -> bool:
    """Whether the row's times are those of calls to agents: not of a fan-out as a whole, nor of rounds added up."""
    return spec.kind == "agent" and spec.repeat is None and row.total is None and row.status in ENDED


def _count(calls: Calls, row: Row, spec: StepSpec) -> None:
    given_up = len(row.history) >= max(1, spec.retry.attempts)  # if it succeeded then, a person saw to it
    succeeded = row.status == StepStatus.SUCCEEDED and not given_up
    if succeeded and row.started_at and row.finished_at:
        calls.took.append((row.finished_at - row.started_at).total_seconds())
    calls.ran_into += sum(_ran_into(past, row.timeout_s) for past in row.history)
    if row.attempt - row.losses < 2 or not row.history:
        return
    calls.retried += 1
    if succeeded:
        calls.rescued += 1
    elif row.finished_at and (first := parse_datetime(row.history[0].get("finished_at") or "")):
        calls.retrying_s += (row.finished_at - first).total_seconds()


def _ran_into(past: Mapping[str, Any], timeout_s: float) -> bool:
    began, ended = (parse_datetime(past.get(name) or "") for name in ("started_at", "finished_at"))
    return began is not None and ended is not None and (ended - began).total_seconds() >= AT_THE_LIMIT * timeout_s


def _workflow(
    version: WorkflowVersion, definition: Definition, rows: Iterable[Row], pools: Iterable[Pool]
) -> Iterator[WorkflowFacts]:
    runs: dict[int, dict[str, Took]] = defaultdict(dict)
    for row in rows:
        if not row.parent and not is_undo(row.name) and (took := _took(row)) is not None:
            runs[row.run_id][row.name] = took
    needs = {step.name: step.needs for step in definition.steps}
    found = critical_path.holds(runs.values(), needs)
    if not found or found[0].step not in definition.by_name:
        return
    worst = definition.by_name[found[0].step]
    name = definition.name
    yield WorkflowFacts(
        version.workflow_id,
        name,
        len(definition.steps),
        len(runs),
        found[0],
        worst.kind,
        worst.capabilities,
        worst.concurrency.limit if worst.concurrency else 0,
        _pool_for(worst.capabilities, pools),
        f"{reverse('workflow', args=[name])}#step-{worst.name}",
        f"{reverse('runs')}?{urlencode({'workflow': name, 'status': 'succeeded'})}",
        f"{reverse('agents')}?{urlencode({'capability': next(iter(worst.capabilities), '')})}",
    )


def _took(row: Row) -> Took | None:
    began, ended = row.first_started_at, row.finished_at
    if began is None or ended is None:
        return None
    return Took(
        max(0.0, (began - row.created_at).total_seconds()),
        max(0.0, (ended - began).total_seconds()),
    )


def _pool_for(capabilities: tuple[str, ...], pools: Iterable[Pool]) -> PoolRef | None:
    for pool in pools:
        if capabilities and set(capabilities) <= set(pool.template.get("capabilities", ())):
            url = reverse("pool", args=[pool.pk])
            return PoolRef(pool.pk, pool.name, pool.autoscales, pool.target, pool.max_size, url)
    return None
