"""How far a run has come: its steps in the order of the definition, those not yet reached as ``pending``.

Reads only. Costs the same few queries however many steps there are; the fleet is read only if a step waits for agents.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from orchestra.kernel.drawing import Bar, TimeLine
from orchestra.kernel.looks import look_of
from orchestra.kernel.wording import duration
from workflows import definitions, waiting
from workflows.definition import Definition, StepSpec
from workflows.models import Run, Step, StepStatus
from workflows.planner import SETTLED
from workflows.waiting import Reason, Situation


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: which agent had it from when to when, and how it ended (``status``, ``error``)."""

    number: int
    agent: str
    status: str
    started_at: datetime | None
    finished_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class StepProgress:
    """A step of a run: what the definition says of it, its row if it was reached, and why it waits."""

    spec: StepSpec
    row: Step | None
    waiting: Reason | None
    attempts: tuple[Attempt, ...]
    bars: tuple[Bar, ...]

    @property
    def name(self) -> str:
        return self.spec.name

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
        last = self.attempts[-1] if self.attempts else None
        if last is None or last.started_at is None:
            return None
        return ((last.finished_at or timezone.now()) - last.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class RunProgress:
    """A run with its steps and the reason why it waits, if it does."""

    run: Run
    definition: Definition
    steps: tuple[StepProgress, ...]
    waiting: Reason | None
    took_s: float

    def step(self, name: str) -> StepProgress | None:
        return next((step for step in self.steps if step.name == name), None)

    @property
    def most_telling(self) -> StepProgress:
        """The step to look at first: one that runs or waits, else one that failed, else the last that ended."""
        for wanted in (("running",), ("waiting", "ready"), ("failed", "dead"), SETTLED - {"skipped"}):
            found = [step for step in self.steps if step.status in wanted]
            if found:
                return found[-1]
        return self.steps[0]


def of_run(run: Run) -> RunProgress:
    """Read everything about ``run``, whose version and workflow are joined already."""
    now = timezone.now()
    definition = definitions.parsed([run.version_id])[run.version_id]
    rows = {step.name: step for step in run.steps.select_related("agent")}
    situation = waiting.situation_of(rows.values(), now)
    line = _line(run, rows.values(), now)
    steps = tuple(_progress(spec, rows, run, situation, line) for spec in definition.steps)
    open_steps = {step.name: step.waiting for step in steps if step.row and step.status not in SETTLED}
    took_s = (line.end - line.start).total_seconds()
    return RunProgress(run, definition, steps, waiting.of_run(run, open_steps), took_s)


def _line(run: Run, rows: Collection[Step], now: datetime) -> TimeLine:
    """From the run's first claim to its end, or to now while something goes on, or to where it stopped to wait."""
    start = run.started_at or run.created_at
    goes_on = any(step.status in (StepStatus.RUNNING, StepStatus.WAITING) for step in rows)
    stopped = max((step.finished_at for step in rows if step.finished_at), default=now)
    return TimeLine(start, run.finished_at or (now if goes_on else stopped))


def _progress(spec: StepSpec, rows: Mapping[str, Step], run: Run, situation: Situation, line: TimeLine) -> StepProgress:
    row = rows.get(spec.name)
    if row is None:
        statuses = {name: step.status for name, step in rows.items()}
        reason = waiting.of_unreached(spec.needs, statuses) if run.finished_at is None else None
        return StepProgress(spec, None, reason, (), ())
    attempts = _attempts(row)
    bars = tuple(_bar(attempt, line, situation.now) for attempt in attempts if attempt.started_at)
    return StepProgress(spec, row, waiting.of_step(row, run, situation), attempts, bars)


def _attempts(step: Step) -> tuple[Attempt, ...]:
    earlier = [_earlier(past) for past in step.history]
    if step.started_at is None or step.status == StepStatus.READY:
        return tuple(earlier)
    if earlier and step.finished_at and earlier[-1].number == step.attempt:
        return tuple(earlier)  # the last failure is in the history already
    agent = (step.choice or {}).get("chosen", "")
    last = Attempt(step.attempt or 1, agent, step.status, step.started_at, step.finished_at, step.error)
    return (*earlier, last)


def _earlier(past: Mapping[str, Any]) -> Attempt:
    started, finished = (parse_datetime(past.get(name) or "") for name in ("started_at", "finished_at"))
    return Attempt(past["attempt"], past.get("agent", ""), StepStatus.FAILED, started, finished, past.get("error", ""))


def _bar(attempt: Attempt, line: TimeLine, now: datetime) -> Bar:
    assert attempt.started_at is not None
    end = attempt.finished_at or now
    seconds = (end - attempt.started_at).total_seconds()
    look = look_of(attempt.status)
    label = f"attempt {attempt.number}, {look.word}, {duration(seconds)}"
    return line.bar(attempt.started_at, end, tone=look.tone, label=label)
