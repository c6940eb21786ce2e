"""The items of a fan-out: counted for the run's page, and listed page by page, those that failed first."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When

from orchestra.kernel.lists import Choice, Exact, ListFilter
from workflows import attempts, waiting
from workflows.attempts import Attempt
from workflows.definition import UNDO, Definition
from workflows.models import Run, Step, StepStatus
from workflows.reasons import Reason

ORDER = (
    (StepStatus.FAILED, StepStatus.DEAD),
    (StepStatus.RUNNING,),
    (StepStatus.WAITING, StepStatus.READY),
    (StepStatus.COMPENSATING,),
)
"""Which items come first in the list; all others follow."""
IN_A_BAR = (
    StepStatus.SUCCEEDED,
    StepStatus.COMPENSATED,
    StepStatus.COMPENSATING,
    StepStatus.RUNNING,
    StepStatus.WAITING,
    StepStatus.READY,
    StepStatus.SKIPPED,
    StepStatus.CANCELLED,
    StepStatus.FAILED,
    StepStatus.DEAD,
)


@dataclass(frozen=True, slots=True)
class Share:
    """So many items of one status, as a part of a bar: ``start`` and ``width`` are percent."""

    status: str
    count: int
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Items:
    """How many items a fan-out has, and how many of those begun are in which status; likewise what undoes them."""

    total: int
    counts: Mapping[str, int] = field(default_factory=dict)
    undoing: Mapping[str, int] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """Items that succeeded, whether or not they were undone later."""
        undone = (StepStatus.SUCCEEDED, StepStatus.COMPENSATING, StepStatus.COMPENSATED)
        return sum(self.counts.get(status, 0) for status in undone)

    @property
    def shares(self) -> list[Share]:
        """The statuses in a fixed order; what has not begun is the rest of the bar."""
        shares, start = [], 0.0
        for status in IN_A_BAR:
            if count := self.counts.get(status, 0):
                width = 100 * count / max(1, self.total)
                shares.append(Share(status, count, round(start, 2), round(width, 2)))
                start += width
        return shares


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item in the list."""

    row: Step
    agent: str
    took_s: float | None
    waiting: Reason | None
    child: Run | None


class ItemList(ListFilter[Step]):
    """Items of the fan-outs of one run: those that failed first, then those that go on, then the others by number."""

    filters = {"step": Exact("parent"), "status": Choice(StepStatus.choices, "status")}
    order = ("standing", "id")

    def __init__(self, params: Mapping[str, str], *, run: int, payloads: bool = True) -> None:
        """Without ``payloads`` inputs and outputs, which may be megabytes, are left in the database."""
        self.run, self.payloads = run, payloads
        super().__init__(params)

    def base(self) -> QuerySet[Step]:
        standing = Case(
            *(When(status__in=statuses, then=Value(rank)) for rank, statuses in enumerate(ORDER)),
            default=Value(len(ORDER)),
            output_field=IntegerField(),
        )
        items = Step.objects.filter(run=self.run).exclude(parent="").annotate(standing=standing)
        return items if self.payloads else items.defer("input", "output")


def counts_of(run: Run, definition: Definition, totals: Mapping[str, int]) -> dict[str, Items]:
    """The items of the fan-outs that ``run`` has reached (``totals``: how many each has), counted in the database."""
    if not totals:
        return {}
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    rows = Step.objects.filter(run=run).exclude(parent="").order_by()
    for parent, status, count in rows.values_list("parent", "status").annotate(Count("pk")):
        counts[parent][status] = count
    undone = [name for name in totals if definition.by_name[name].compensate is not None]
    undoing = _undoing(run, undone)
    return {name: Items(total, counts.get(name, {}), undoing.get(name, {})) for name, total in totals.items()}


def rows_of(run: Run, steps: list[Step], definition: Definition, now: datetime) -> list[ItemRow]:
    """Items as rows, with why they wait."""
    situation = waiting.situation_of(steps, now)
    children = waiting.children_of([step.pk for step in steps if definition.step(step.name).workflow])
    rows = []
    for step in steps:
        tries = attempts.of_step(step)
        reason = waiting.of_step(step, run, definition.step(step.name), situation)
        agent = (step.choice or {}).get("chosen", "")
        rows.append(ItemRow(step, agent, took_s(tries, now), reason, children.get(step.pk)))
    return rows


def took_s(tries: tuple[Attempt, ...], now: datetime) -> float | None:
    """Seconds of the last try, so far if it is not over."""
    last = tries[-1] if tries else None
    if last is None or last.started_at is None:
        return None
    return ((last.finished_at or now) - last.started_at).total_seconds()


def _undoing(run: Run, names: list[str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    if names:
        of_step = Case(*(When(name__startswith=f"{name}[", then=Value(name)) for name in names), default=Value(""))
        wanted = Q()
        for name in names:
            wanted |= Q(name__startswith=f"{name}[")
        rows = Step.objects.filter(wanted, run=run, parent="", name__endswith=UNDO).order_by()
        for name, status, count in rows.annotate(of=of_step).values_list("of", "status").annotate(Count("pk")):
            found[name][status] = count
    return found
