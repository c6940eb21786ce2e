"""What a proposed threshold would have done with what was recorded of the last week, for its editor. Reads only.

``backtest`` replays it; this puts the chart of one subject beside what came of all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from monitoring.alerting import backtest, machine, week
from monitoring.alerting.backtest import Course, Preview
from monitoring.metrics.readings import Subject
from orchestra.kernel.charts import Chart, Shade
from orchestra.kernel.looks import FAILED, WAITING

MOST_LISTED = 50
MOST_SHADED = 400
FIRING = (machine.FIRING, machine.RECOVERING)
SHADES = (
    ("would have fired", FIRING, FAILED),
    ("without data", (machine.NO_DATA,), WAITING),
)
Stretch = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Firing:
    """A stretch in which the alert of a subject would have fired; ``is_open``: it would fire now."""

    subject: str
    since: datetime
    until: datetime
    is_open: bool

    @property
    def seconds(self) -> float:
        return (self.until - self.since).total_seconds()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it for all subjects together; ``firings`` are the last of ``count``, the newest first."""

    fired: int
    count: int
    seconds: float
    firings: Sequence[Firing]
    subjects: int
    notified: int
    by_channel: Sequence[tuple[str, int]]
    suppressed: int
    chosen: str

    @property
    def unlisted(self) -> int:
        return self.count - len(self.firings)


@dataclass(frozen=True, slots=True)
class Tried:
    """The subject that is shown of those ``offered``, its chart, and what came of all; None while there is a fault."""

    chosen: Subject | None
    offered: Sequence[Subject]
    chart: Chart | None
    outcome: Outcome | None = None


def read(rule: Mapping[str, Any], asked: str, now: datetime, *, factor: float | None, is_faultless: bool) -> Tried:
    """Replay ``rule``, which is whole, for the subject that is ``asked`` for; with a fault there is only the chart.

    With a ``factor`` the limits of the chart are those that the fields of a form say.
    """
    if not is_faultless:
        shown = week.choose(rule, asked, now)
        chart = week.chart(rule, shown.chosen, now, _shades(None, now), factor=factor) if shown.chosen else None
        return Tried(shown.chosen, shown.offered, chart)
    preview = backtest.over_history(rule, now=now)
    courses = sorted(preview.courses, key=lambda course: (-course.fired, course.subject.label))
    course = _shown(rule, courses, asked, now)
    if course is None:
        return Tried(None, (), None, _outcome(preview))
    chart = week.chart(rule, course.subject, now, _shades(course, now), factor=factor)
    return Tried(course.subject, [each.subject for each in courses], chart, _outcome(preview))


def _shown(rule: Mapping[str, Any], courses: Sequence[Course], asked: str, now: datetime) -> Course | None:
    """The one that is asked for, else the one that fired most, else the one that is nearest to the limit now."""
    by_id = {course.subject.id: course for course in courses}
    if asked in by_id:
        return by_id[asked]
    if courses and not courses[0].fired:
        chosen = week.choose(rule, asked, now).chosen
        return by_id.get(chosen.id if chosen else "", courses[0])
    return courses[0] if courses else None


def _shades(course: Course | None, now: datetime) -> list[Shade]:
    shades = []
    for label, statuses, tone in SHADES:
        stretches = _stretches(course, statuses, now.timestamp())[-MOST_SHADED:] if course else []
        shades.append(Shade(label, [(_instant(since), _instant(until)) for since, until in stretches], tone))
    return [shade for shade in shades if shade.stretches or shade.tone == FAILED]


def _stretches(course: Course, statuses: Sequence[str], until: float) -> list[Stretch]:
    """When the alert had one of ``statuses``, one that follows at once joined to the one before."""
    joined: list[Stretch] = []
    for each in course.intervals:
        if each.status not in statuses:
            continue
        end = until if each.end is None else each.end
        if joined and joined[-1][1] >= each.start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((each.start, end))
    return joined


def _outcome(preview: Preview) -> Outcome:
    firings = [
        Firing(course.subject.label, _instant(since), _instant(until), until >= preview.until)
        for course in preview.courses
        for since, until in _stretches(course, FIRING, preview.until)
    ]
    firings.sort(key=lambda firing: firing.since, reverse=True)
    return Outcome(
        sum(course.fired for course in preview.courses),
        len(firings),
        sum(firing.seconds for firing in firings),
        firings[:MOST_LISTED],
        len({firing.subject for firing in firings}),
        len(preview.notices),
        list(preview.by_channel.items()),
        preview.suppressed,
        preview.chosen,
    )


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
