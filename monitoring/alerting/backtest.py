"""What a threshold would have done: over what was recorded, or over samples of one's own. Reads only.

The machine, the routes and the planner are those that are at work live. Of a fleet that is too large to be replayed as
a whole, those are taken that came nearest to the limit.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from monitoring.alerting import distance, rehearsal, replay, states, survey
from monitoring.alerting.machine import Change, Rule
from monitoring.alerting.rehearsal import Part
from monitoring.alerting.replay import Event, Interval, Moments, Sample
from monitoring.metrics import readings
from monitoring.metrics.catalogue import METRICS, TICK_S
from monitoring.metrics.readings import Scope, Subject
from monitoring.metrics.tables import TICKS_KEPT
from monitoring.models import Alert, ScopeKind, Threshold
from monitoring.notification import recorded
from monitoring.notification.groups import Message
from orchestra.kernel import access
from orchestra.kernel.errors import field_error
from orchestra.kernel.models import Role
from orchestra.kernel.series import HOUR_S, steps_between

access.grant({"thresholds.try": Role.VIEWER})

USUALLY = timedelta(days=7)
MOST_SAMPLES = 250_000
"""Recorded samples that one preview reads; of more subjects than that allows, some are chosen."""
MOST_CHOSEN = 25
MOST_EVALUATIONS = 250_000
RANKED_UNTIL = timedelta(hours=25)
"""Averages of hours say who came near the limit before that; since then, the present values and the alerts."""
YOURS = "your samples"


@dataclass(frozen=True, slots=True)
class Course:
    """What would have happened to one subject, and of how many samples that is known."""

    subject: Subject
    samples: int
    events: Sequence[Event]
    intervals: Sequence[Interval]

    @property
    def fired(self) -> int:
        """How often its alert would have fired."""
        return sum(Change.FIRED in event.changes for event in self.events)


@dataclass(frozen=True, slots=True)
class Notice:
    """A message that would have been sent, and of which subjects it tells."""

    message: Message
    subjects: Sequence[Subject]


@dataclass(frozen=True, slots=True)
class Preview:
    """What came of it. ``evaluations`` are the instants looked at; ``chosen`` says who of a large fleet was taken.

    ``notices`` would have been sent; ``suppressed`` counts what would have been written down instead.
    """

    since: float
    until: float
    every_s: float
    evaluations: int
    courses: Sequence[Course]
    notices: Sequence[Notice]
    suppressed: int
    chosen: str = ""

    @property
    def samples(self) -> int:
        return sum(course.samples for course in self.courses)

    @property
    def by_channel(self) -> dict[str, int]:
        """How many messages each channel would have carried."""
        return dict(Counter(notice.message.channel.name for notice in self.notices).most_common())

    def course_of(self, subject: str) -> Course | None:
        return next((course for course in self.courses if course.subject.id == subject), None)


def over_history(
    values: Mapping[str, Any], *, now: datetime, since: datetime | None = None, until: datetime | None = None
) -> Preview:
    """Replay a threshold, whose columns ``values`` are, over what was recorded, at the ticks that were collected.

    Without ``since`` and ``until`` the last seven days. Raises :class:`Invalid` unless ``since`` comes first.
    """
    threshold = Threshold(**values)
    last = min(until or now, now)
    first = max(since or last - USUALLY, now - TICKS_KEPT)
    if first >= last:
        raise field_error("since" if since else "until", _why_empty(since, until, now))
    start, end = int(first.timestamp()), int(last.timestamp())
    rule = survey.rule_of(threshold)
    before = start - 2 * int(rule.no_data_after_s)
    moments = Moments(readings.ticks(before, end), start)
    everybody = readings.subjects(threshold.metric, Scope(threshold.scope_kind, threshold.scope_value))
    subjects, chosen = _chosen(threshold, everybody, moments, now)
    series = _histories(threshold, subjects, everybody, (start - int(rule.no_data_after_s), end))
    courses = [_course(rule, subject, series.get(name, ()), moments) for name, subject in subjects.items()]
    return replace(_preview(threshold, courses, moments, (start, end, TICK_S)), chosen=chosen)


def over_samples(
    values: Mapping[str, Any], samples: Sequence[Sample], *, until: float | None = None, every_s: float = TICK_S
) -> Preview:
    """Replay a threshold over a series of one's own, at each sample and every ``every_s`` until then.

    A long series is evaluated less often, so that there are not too many evaluations; the preview says how often: so
    often that a value counts until the next one, if it can be. Messages of what has happened by then may come later.

    Raises :class:`Invalid` if values do not count for ``every_s``: nothing would ever last.
    """
    threshold = Threshold(**values)
    rule = replace(survey.rule_of(threshold), absent_is_usual=False)
    series = replay.in_order(samples)
    first = series[0][replay.AT]
    end = max(series[-1][replay.AT] if until is None else until, first)
    if every_s > rule.no_data_after_s:
        raise field_error("every_s", _too_seldom(rule))
    every_s = max(every_s, _least_step_s(end - first, max(1, MOST_EVALUATIONS - len(series)), rule.no_data_after_s))
    moments = replay.moments_of(series, end, every_s)
    course = _course(rule, _subject_of(threshold, first), series, moments)
    return _preview(threshold, [course], moments, (first, end, every_s), runs_on=True)


def _least_step_s(lasts_s: float, room: int, no_data_after_s: float) -> float:
    """How far apart ``room`` evaluations are at least: in whole ticks, or as close as values count."""
    least_s = -(-lasts_s // room)
    in_ticks = -(-least_s // TICK_S) * TICK_S
    return min(in_ticks, no_data_after_s) if least_s <= no_data_after_s else in_ticks


def _too_seldom(rule: Rule) -> str:
    return (
        f"A value counts for no_data_after_s, {rule.no_data_after_s:g} s, so between evaluations further apart nothing "
        "would last; give no more than that."
    )


def _course(rule: Rule, subject: Subject, series: Sequence[Sample], moments: Moments) -> Course:
    events = list(replay.events(rule, series, moments, known_since=subject.since))
    return Course(subject, len(series), events, replay.intervals(events))


def _preview(
    threshold: Threshold,
    courses: Sequence[Course],
    moments: Moments,
    when: tuple[float, float, float],
    *,
    runs_on: bool = False,
) -> Preview:
    """``runs_on``: messages that are due after the end belong to it as well."""
    parts = [Part(states.labels_of(threshold, course.subject), course.events) for course in courses]
    since, until, every_s = when
    rules = replace(recorded.rules(datetime.fromtimestamp(until, UTC)), silences=())
    told = list(rehearsal.messages(rules, parts, moments.evaluated, runs_on_s=every_s if runs_on else 0))
    notices = [
        Notice(message, [courses[index].subject for index in dict.fromkeys(about)])
        for message, about in told
        if not message.suppressed
    ]
    count = len(moments.evaluated)
    return Preview(since, until, every_s, count, courses, notices, len(told) - len(notices))


def _why_empty(since: datetime | None, until: datetime | None, now: datetime) -> str:
    if since is not None and since >= now:
        return "This is still to come; give an instant of the last eight days."
    if since is not None and until is not None and since >= until:
        return "It must come before until; give an earlier instant."
    return f"Samples are kept for {TICKS_KEPT.days} days; give an instant since then."


def _subject_of(threshold: Threshold, since: float) -> Subject:
    """What samples of one's own are samples of: the scope's one subject, or nobody in particular."""
    kind = METRICS[threshold.metric].kind
    if threshold.scope_kind == kind:
        found = readings.subjects(threshold.metric, Scope(threshold.scope_kind, threshold.scope_value))
        if named := found.get(threshold.scope_value):
            return replace(named, since=since)
    return Subject(kind, "", YOURS, {}, since)


# --- Who is looked at, and what was recorded of them ---


def _chosen(
    threshold: Threshold, everybody: Mapping[str, Subject], moments: Moments, now: datetime
) -> tuple[Mapping[str, Subject], str]:
    """The subjects that are replayed, and the sentence that says so if they are not all."""
    room = max(1, MOST_SAMPLES // max(1, len(moments.instants)))
    if len(everybody) <= room:
        return everybody, ""
    count = min(room, MOST_CHOSEN)
    worst = _nearest(threshold, everybody, moments, now)
    names = sorted(everybody, key=lambda name: worst.get(name, float("-inf")), reverse=True)[:count]
    taken = f"{count} came" if count > 1 else "one came"
    said = (
        f"Of the {len(everybody):,} in its scope, the {taken} nearest to the limit or beyond it, and only they are "
        "replayed; narrow the scope or the time to look at others."
    )
    return {name: everybody[name] for name in names}, said


def _nearest(threshold: Threshold, everybody: Collection[str], moments: Moments, now: datetime) -> dict[str, float]:
    """How bad it came to be with each: averages of some hours, the present values, and the alerts of the time."""
    badness = distance.badness_of(threshold.operator, threshold.value)
    scope = Scope(threshold.scope_kind, threshold.scope_value)
    since = datetime.fromtimestamp(moments.evaluated[0], UTC) if moments.evaluated else now
    found: dict[str, float] = {}

    def note(name: str, value: float | None) -> None:
        if value is not None and name in everybody:
            found[name] = max(found.get(name, float("-inf")), badness(value))

    if since < now - RANKED_UNTIL:
        steps = steps_between(since, now - RANKED_UNTIL, most=28, least_s=HOUR_S)
        for name, values in readings.series(threshold.metric, scope, steps, now).items():
            for value in values:
                note(name, value)
    for name, (value, _) in readings.recent(threshold.metric, scope, int(now.timestamp()), 4 * TICK_S).items():
        note(name, value)
    alerts = Alert.objects.filter(metric=threshold.metric, began_at__gte=since, worst__isnull=False)
    for name, worst in alerts.order_by("-pk").values_list("subject_id", "worst")[:MOST_SAMPLES]:
        note(name, worst)
    return found


def _histories(
    threshold: Threshold, subjects: Mapping[str, Subject], everybody: Mapping[str, Subject], when: tuple[int, int]
) -> dict[str, Sequence[Sample]]:
    """The samples of these subjects by name: in one question where they are all, else a few."""
    scopes = [Scope(threshold.scope_kind, threshold.scope_value)]
    if len(subjects) < len(everybody):
        scopes = [Scope(subject.kind, name) for name, subject in subjects.items() if subject.kind in ScopeKind.values]
    return {name: found for scope in scopes for name, found in readings.history(threshold.metric, scope, *when)}
