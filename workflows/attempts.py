"""The tries of a step as values and as bars of a time line, with the time in between that it waited."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from orchestra.kernel.drawing import Bar, TimeLine
from orchestra.kernel.looks import COMPENSATING, RUNNING, SUCCEEDED, look_of
from orchestra.kernel.wording import duration
from workflows import settling
from workflows.definition import is_undo
from workflows.models import Step, StepStatus

IDLE = "idle"
"""The tone of time in which nothing happened: waiting for a turn, or for the next try."""
SEEN_PERCENT = 1.5
"""Waiting that is shorter than this part of the line is left out: it would only clutter."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: which agent had it from when to when, and how it ended (``status``, ``error``)."""

    number: int
    agent: str
    status: str
    started_at: datetime | None
    finished_at: datetime | None
    error: str


def of_step(step: Step) -> tuple[Attempt, ...]:
    """All tries of ``step``, the last of them perhaps not over; what a person took over counts as one."""
    earlier = tuple(_earlier(past) for past in step.history)
    if step.started_at is None or step.status == StepStatus.READY:
        return earlier
    agent = (step.choice or {}).get("chosen", "")
    begun, ended = step.started_at, earlier[-1].finished_at if earlier else None
    if ended is not None and begun <= ended:  # nobody claimed it since
        if step.status not in (StepStatus.WAITING, StepStatus.SUCCEEDED) and not settling.could_not_be_undone(step):
            return earlier
        begun, agent = ended, ""  # its failure was handed over to a person
    status, error = step.status, step.error
    if settling.could_not_be_undone(step):  # which says nothing against its own try
        status, error = StepStatus.SUCCEEDED, ""
    last = Attempt(step.attempt or 1, agent, status, begun, step.finished_at, error)
    return (*earlier, last)


def bars_of(step: Step, attempts: Sequence[Attempt], line: TimeLine, now: datetime) -> tuple[Bar, ...]:
    """A bar for each try, and pale ones for the waiting before and between them."""
    return tuple(_bars(step, attempts, line, now))


def _bars(step: Step, attempts: Sequence[Attempt], line: TimeLine, now: datetime) -> Iterator[Bar]:
    free_since: datetime | None = max(step.created_at, line.start)
    for attempt in attempts:
        if attempt.started_at is None:
            continue
        yield from _idle(free_since, attempt.started_at, line)
        yield _bar(attempt, line, now, undoes=is_undo(step.name))
        free_since = attempt.finished_at
    if step.status == StepStatus.READY:
        yield from _idle(free_since, now, line)


def _earlier(past: Mapping[str, Any]) -> Attempt:
    started, finished = (parse_datetime(past.get(name) or "") for name in ("started_at", "finished_at"))
    return Attempt(past["attempt"], past.get("agent", ""), StepStatus.FAILED, started, finished, past.get("error", ""))


def _bar(attempt: Attempt, line: TimeLine, now: datetime, *, undoes: bool) -> Bar:
    assert attempt.started_at is not None
    end = attempt.finished_at or now
    seconds = (end - attempt.started_at).total_seconds()
    look = look_of(attempt.status)
    tone = COMPENSATING if undoes and look.tone in (RUNNING, SUCCEEDED) else look.tone
    label = f"attempt {attempt.number}, {look.word}, {duration(seconds)}"
    return line.bar(attempt.started_at, end, tone=tone, label=label)


def _idle(start: datetime | None, end: datetime, line: TimeLine) -> Iterator[Bar]:
    if start is None or end <= start:
        return
    bar = line.bar(start, end, tone=IDLE, label=f"waited {duration((end - start).total_seconds())}")
    if bar.width >= SEEN_PERCENT:
        yield bar
