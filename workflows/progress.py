"""How far a run has come: its steps in the order of the definition, those not yet reached as ``pending``.

Reads only. Costs the same few queries however many steps and items there are; items are counted here, and listed by
``items.py``. The fleet is read only if a step waits for agents.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone

from agents import resource_rows
from agents.models import Reservation
from orchestra.kernel.drawing import Bar, TimeLine
from workflows import attempts, definitions, items, settling, starting, waiting
from workflows.attempts import Attempt
from workflows.definition import Definition, StepSpec, is_undo, undo
from workflows.items import Items
from workflows.models import Run, RunStatus, Signal, Step, StepStatus, WaitsFor
from workflows.planner import SETTLED
from workflows.reasons import Reason
from workflows.waiting import Situation

SHOWN_SIGNALS = 50
_LATER = frozenset({"paused", "retry", "repeat"})
"""Reasons of ready steps that do not end in the next seconds."""


@dataclass(frozen=True, slots=True)
class StepProgress:
    """A task of a run: what the definition says of it, its row if it was reached, and why it waits.

    ``undo`` is what undoes it, ``items`` are those of a fan-out, ``child`` is the newest run of a step that is one.
    """

    name: str
    spec: StepSpec
    row: Step | None = None
    waiting: Reason | None = None
    attempts: tuple[Attempt, ...] = ()
    bars: tuple[Bar, ...] = ()
    undo: "StepProgress | None" = None
    items: Items | None = None
    child: Run | None = None

    @property
    def status(self) -> str:
        return self.row.status if self.row else StepStatus.PENDING

    @property
    def choice(self) -> dict[str, Any]:
        """Why its agent was chosen: candidates with parts, and those excluded; empty if none was."""
        return (self.row.choice or {}) if self.row else {}

    @property
    def agent(self) -> str:
        return self.choice.get("chosen", "")

    @property
    def took_s(self) -> float | None:
        """Seconds of the last attempt, so far if it is not over."""
        return items.took_s(self.attempts, timezone.now())

    @property
    def is_undo(self) -> bool:
        return is_undo(self.name)

    @property
    def is_left_done(self) -> bool:
        """Whether it was to be undone and could not be."""
        return self.row is not None and settling.could_not_be_undone(self.row)

    @property
    def parent(self) -> str:
        """The fan-out that it is an item of, or undoes one of."""
        return self.spec.name if "[" in self.name else ""

    @property
    def asked(self) -> bool:
        """Whether a person is to answer it now."""
        row = self.row
        return bool(row and row.status == StepStatus.WAITING and row.waits_for in (WaitsFor.PERSON, WaitsFor.AGENT))


@dataclass(frozen=True, slots=True)
class RunProgress:
    """A run with its steps, the signals it was sent, and the reason why it waits, if it does."""

    run: Run
    definition: Definition
    steps: tuple[StepProgress, ...]
    waiting: Reason | None
    line: TimeLine
    signals: Sequence[Signal] = field(default=())
    reservations: Sequence[Reservation] = field(default=())
    """What it and its steps hold, wait for and held, the newest first."""

    def step(self, name: str) -> StepProgress | None:
        """A step, or what undoes one; items are not among them."""
        for step in self.steps:
            if step.name == name:
                return step
            if step.undo is not None and step.undo.name == name:
                return step.undo
        return None

    @property
    def took_s(self) -> float:
        return (self.line.end - self.line.start).total_seconds()

    @property
    def most_telling(self) -> StepProgress:
        """The step to look at first: one that runs or waits, else one that failed, else the last that ended."""
        for wanted in (("running",), ("waiting", "ready"), ("failed", "dead"), SETTLED - {"skipped"}):
            found = [step for step in self.steps if step.status in wanted]
            if found:
                return found[-1]
        return self.steps[0]

    @property
    def begins_soon(self) -> bool:
        """Whether something of it is ready: that a claim begins it is no event, so pages look again by themselves."""
        if self.run.status not in (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.COMPENSATING):
            return False
        return any(
            (part.status == StepStatus.READY and part.waiting is not None and part.waiting.code not in _LATER)
            or (part.items is not None and part.items.counts.get(StepStatus.READY, 0) > 0)
            for step in self.steps
            for part in (step, step.undo)
            if part is not None
        )

    @property
    def left_done(self) -> list[StepProgress]:
        """The steps that were to be undone and could not be, themselves or some of their items."""
        failed = (StepStatus.FAILED, StepStatus.DEAD)
        return [
            step
            for step in self.steps
            if step.is_left_done or (step.items and any(step.items.undoing.get(status) for status in failed))
        ]

    @property
    def awaited_signals(self) -> list[str]:
        """The signals that steps of it wait for now."""
        open_ = [step for step in self.steps if step.row and step.status == StepStatus.WAITING]
        return sorted({name for step in open_ for name in starting.signals_of(step.spec)})


def of_run(run: Run, *, payloads: bool = False) -> RunProgress:
    """Read everything about ``run``, whose version and workflow are joined already.

    Without ``payloads`` the rows' inputs and outputs are left in the database, which may be megabytes.
    """
    now = timezone.now()
    definition = definitions.parsed([run.version_id])[run.version_id]
    rows = _rows(run, payloads=payloads)
    situation = waiting.situation_of(rows.values(), now, [run] if definition.resources else ())
    reading = _Reading(run, definition, rows, situation, _line(run, rows.values(), now))
    steps = reading.steps()
    open_steps = {step.name: step.waiting for step in reading.open(steps)}
    paused = waiting.pause_of(run) if run.status == RunStatus.PAUSED else ""
    reason = waiting.of_run(run, open_steps, situation, paused)
    signals = list(run.signals.order_by("-pk")[:SHOWN_SIGNALS])
    held = resource_rows.with_stalled(resource_rows.reservations_of(run.pk)) if definition.reserves else ()
    return RunProgress(run, definition, steps, reason, reading.line, signals, held)


def of_task(found: RunProgress, name: str) -> StepProgress | None:
    """A single task of a run by its name: an item of a fan-out, or what undoes one."""
    row = Step.objects.filter(run=found.run, name=name).defer("input", "output").first()
    if row is None:
        return None
    situation = waiting.situation_of([row], timezone.now())
    reading = _Reading(found.run, found.definition, {name: row}, situation, found.line)
    return reading.reached(found.definition.step(name), row)


def input_of(run: Run, spec: StepSpec, row: Step) -> Any:
    """What a task was given; of a fan-out the list that it goes through."""
    if row.total is not None or not row.started_at:
        return row.input
    return starting.given(run, spec, row)


def _rows(run: Run, *, payloads: bool) -> dict[str, Step]:
    """The rows of steps and of what undoes them, but not of the items of fan-outs nor of what undoes those."""
    rows = run.steps.filter(parent="").exclude(name__contains="[")
    return {step.name: step for step in (rows if payloads else rows.defer("input", "output"))}


def _line(run: Run, rows: Collection[Step], now: datetime) -> TimeLine:
    """From the run's first claim to its end, or to now while something goes on, or to where it stopped to wait."""
    start = run.started_at or run.created_at
    goes_on = any(step.status in (StepStatus.RUNNING, StepStatus.WAITING) for step in rows)
    stopped = max((step.finished_at for step in rows if step.finished_at), default=now)
    return TimeLine(start, run.finished_at or (now if goes_on else stopped))


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one reading of a run goes by."""

    run: Run
    definition: Definition
    rows: Mapping[str, Step]
    situation: Situation
    line: TimeLine

    def steps(self) -> tuple[StepProgress, ...]:
        totals = {name: row.total for name, row in self.rows.items() if row.total is not None}
        fans = items.counts_of(self.run, self.definition, totals)
        runs = [row.pk for name, row in self.rows.items() if self.definition.step(name).workflow]
        children = waiting.children_of(runs)
        statuses = {name: row.status for name, row in self.rows.items()}
        return tuple(self._step(spec, statuses, fans, children) for spec in self.definition.steps)

    def _step(
        self, spec: StepSpec, statuses: Mapping[str, str], fans: Mapping[str, Items], children: Mapping[int, Run]
    ) -> StepProgress:
        row = self.rows.get(spec.name)
        if row is None or row.status == StepStatus.PENDING:
            return StepProgress(spec.name, spec, row, self._before(spec, statuses))
        undoing = self.rows.get(undo(spec.name))
        return self.reached(
            spec,
            row,
            undo=self.reached(spec, undoing) if undoing is not None else None,
            items=fans.get(spec.name),
            child=children.get(row.pk),
        )

    def reached(self, spec: StepSpec, row: Step, **more: Any) -> StepProgress:
        """A task that has a row."""
        tries = attempts.of_step(row)
        bars = attempts.bars_of(row, tries, self.line, self.situation.now)
        reason = waiting.of_step(row, self.run, spec, self.situation)
        return StepProgress(row.name, spec, row, reason, tries, bars, **more)

    def _before(self, spec: StepSpec, statuses: Mapping[str, str]) -> Reason | None:
        """Why a step was not reached; nothing once it never will be."""
        if self.run.finished_at is not None or self.run.status == RunStatus.COMPENSATING:
            return None
        if (self.run.pk, "") in self.situation.shortages:
            return Reason("resources", "Its run waits for the resources that it holds from its first step on.")
        return waiting.of_unreached(spec, statuses)

    def open(self, steps: Collection[StepProgress]) -> list[StepProgress]:
        """The tasks that have been begun on and not ended."""
        both = [part for step in steps for part in (step, step.undo) if part is not None and part.row is not None]
        ended = SETTLED | {StepStatus.PENDING}
        return [part for part in both if part.status not in ended]
