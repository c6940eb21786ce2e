"""The list of runs, for page and API, and what a row of it shows of the steps."""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from orchestra.kernel import registry
from orchestra.kernel.lists import Chip, Choice, Exact, ListFilter, Moment, Search, number_in
from workflows import definitions, waiting
from workflows.definition import Definition
from workflows.models import Run, RunStatus, Step, StepStatus, WorkflowVersion
from workflows.waiting import Reason, Situation

_SERVED = re.compile(r"([a-z_]+)[ :]#?(\S+)")


class OfWorkflow(Exact):
    """Filters by the workflow's name. The few versions are read first, so that the index of runs by version serves."""

    def condition(self, text: str) -> Q:
        return _of_versions(Q(workflow__name=text))


class RunSearch(Search):
    """Finds runs by number (``#12``), by what they serve (``inquiry 7``), or by words of the workflow's name.

    Each of them is looked up in an index; no text of a run is read.
    """

    def condition(self, text: str) -> Q:
        words = text.strip().lower()
        if (number := number_in(words)) is not None:
            return Q(pk=number)
        condition = _of_versions(super().condition(words))
        served = _SERVED.fullmatch(words)
        return condition | Q(serves_kind=served[1], serves_id=served[2]) if served else condition


def _of_versions(wanted: Q) -> Q:
    return Q(version__in=list(WorkflowVersion.objects.filter(wanted).values_list("pk", flat=True)))


class RunList(ListFilter[Run]):
    """Runs, the newest first."""

    filters = {
        "status": Choice(RunStatus.choices, "status"),
        "workflow": OfWorkflow("version__workflow__name"),
        "queue": Exact("queue"),
        "created_after": Moment("created_at__gte"),
        "created_before": Moment("created_at__lt"),
        "search": RunSearch(("workflow__name",)),
    }

    @property
    def offered(self) -> list[Chip]:
        """The statuses that would find something."""
        return [chip for chip in self.chips("status") if chip.count or chip.current]

    @property
    def narrowed(self) -> bool:
        """Whether one of the less usual filters is set."""
        return bool(self.params.keys() & {"workflow", "queue", "created_after", "created_before"})

    def base(self) -> QuerySet[Run]:
        return Run.objects.select_related("version__workflow").defer("version__definition", "input", "output")


@dataclass(frozen=True, slots=True)
class Pip:
    """A step as a small mark: its name and status."""

    name: str
    status: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in the list: its steps as pips in the order of the definition, what it is at, and why it waits."""

    run: Run
    pips: Sequence[Pip]
    at: str
    waiting: Reason | None
    serves_url: str | None

    @property
    def took_s(self) -> float | None:
        """Seconds from the first claim to the end; None while it has not ended."""
        if self.run.started_at is None or self.run.finished_at is None:
            return None
        return (self.run.finished_at - self.run.started_at).total_seconds()


def rows_of(runs: Collection[Run], now: datetime) -> list[RunRow]:
    """The rows for ``runs``, in a constant number of queries."""
    parsed = definitions.parsed({run.version_id for run in runs})
    steps: dict[int, dict[str, Step]] = defaultdict(dict)
    # Items of fan-outs may be thousands; their step stands for them, and their run is waiting or running by it.
    rows = Step.objects.filter(run__in=[run.pk for run in runs], parent="").exclude(name__contains="[")
    found = list(rows.defer("input", "output", "history", "choice").order_by("pk"))
    for step in found:
        steps[step.run_id][step.name] = step
    holding = [run for run in runs if parsed[run.version_id].resources]
    situation = waiting.situation_of(found, now, holding)
    return [_row(run, parsed[run.version_id], steps[run.pk], situation) for run in runs]


def _row(run: Run, definition: Definition, steps: Mapping[str, Step], situation: Situation) -> RunRow:
    names = [spec.name for spec in definition.steps]
    pips = [Pip(name, steps[name].status if name in steps else StepStatus.PENDING) for name in names]
    open_steps = [step for step in steps.values() if step.status in (StepStatus.RUNNING, *_HELD)]
    reasons = {step.name: waiting.of_step(step, run, definition.step(step.name), situation) for step in open_steps}
    if len(reasons) == 1:  # the row names it already
        reasons = {"": next(iter(reasons.values()))}
    reason = waiting.of_run(run, reasons, situation)
    served = registry.link(run.serves_kind, run.serves_id)
    return RunRow(run, pips, ", ".join(step.name for step in open_steps), reason, served)


_HELD = (StepStatus.READY, StepStatus.WAITING)
