"""Evaluates each tick once: what the thresholds find becomes of alerts what ``machine.py`` says. Writes Alert.

What was measured is read first; then, in one transaction, the tick is marked, the alerts are locked, stepped and saved,
what happened is recorded, and the planner of notifications hears of it. So nothing is lost, and nothing done twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter

from django.db import IntegrityError, InterfaceError, OperationalError
from django.db.models import QuerySet

from monitoring.alerting import machine, states, survey
from monitoring.alerting.held import Held
from monitoring.alerting.machine import Change, State
from monitoring.alerting.states import Moved
from monitoring.alerting.survey import Look, Survey
from monitoring.metrics.readings import Subject
from monitoring.models import Alert, AlertStatus, Tick
from monitoring.notification import planner
from orchestra.kernel import events
from orchestra.kernel.clock import database_now

MOST = 10_000
"""Alerts that change in one tick; those left over do at the next."""
TICKS_AT_ONCE = 20
TRIED_FOR_S = 120
"""So old a tick is evaluated again after the database was locked or away; then it is passed over as any other."""
OPEN = [status for status in AlertStatus.values if status != AlertStatus.RESOLVED]

_held = Held()

Key = tuple[int | None, str, str]
"""Threshold, kind and id of the subject."""


def evaluate_due(now: datetime | None = None) -> int:
    """Evaluate the ticks that nobody has evaluated, the oldest first; returns how many alerts changed.

    A tick of a clock that is ahead is left for its time. One that cannot be evaluated is passed over, so that those
    after it are not kept, and the error raised. Where the database did not answer, it is tried again for a while first.
    """
    now = now or database_now()
    due = Tick.objects.filter(evaluated=False, at__lte=int(now.timestamp()))
    changed = 0
    for at in list(due.order_by("at").values_list("at", flat=True)[:TICKS_AT_ONCE]):
        try:
            changed += _evaluated(at, now)
        except Exception as error:
            if not isinstance(error, OperationalError | InterfaceError) or now.timestamp() - at > TRIED_FOR_S:
                _marked(at)
            raise
    return changed


def _evaluated(at: int, now: datetime) -> int:
    """Evaluate one tick, and once more if a threshold was removed between looking with it and writing what it found."""
    try:
        return _evaluate(at, now)
    except IntegrityError:
        return _evaluate(at, now)


def _evaluate(at: int, now: datetime) -> int:
    """Evaluate one tick; returns how many alerts changed. What comes later than a tick that is done changes nothing."""
    last = _last_before(now)
    if last is not None and last > at:
        _marked(at)
        return 0
    began = perf_counter()
    found = survey.take(at, _held)
    with events.recording(states.EVALUATOR):
        if not _marked(at):
            return 0
        moved = _stepped(_Round(found, now.timestamp(), last or at), last or at)
        Tick.objects.filter(pk=at).update(transitions=len(moved), evaluate_s=perf_counter() - began)
    return len(moved)


def _marked(at: int) -> bool:
    """Whether the tick is ours: nobody has evaluated it."""
    return Tick.objects.filter(pk=at, evaluated=False).update(evaluated=True) == 1


def _last_before(now: datetime) -> int | None:
    done = Tick.objects.filter(evaluated=True, at__lte=int(now.timestamp()))
    return done.order_by("-at").values_list("at", flat=True).first()


def _stepped(this: "_Round", last: int) -> Sequence[Moved]:
    """Step every alert there is and every one that begins; write what comes of it."""
    rows = _locked(this.survey, last)
    for look in this.survey.looks.values():
        mine = rows.pop(look.threshold.pk, {})
        this.step_all(look, mine)
    for of_gone in rows.values():
        for alert in of_gone.values():
            this.end(alert, None)
    states.save(this.moved, this.seen, this.followed)
    states.record(this.moved)
    planner.hear([each.alert for each in this.moved], states.moment(this.survey.at))
    return this.moved


def _locked(found: Survey, last: int) -> dict[int | None, dict[tuple[str, str], Alert]]:
    """The newest alert of each threshold and subject that is open, flaps, or may go on, under lock."""
    longest = max((look.threshold.flap_window_s for look in found.looks.values()), default=0)
    lately = states.moment(last) - timedelta(seconds=longest)
    rows = Alert.objects.select_for_update(no_key=True)
    resolved = rows.filter(status=AlertStatus.RESOLVED)
    wanted: list[QuerySet[Alert]] = [
        resolved.filter(resolved_at__gte=lately, threshold__isnull=False),
        resolved.filter(flapping=True),
        rows.filter(status__in=OPEN),
    ]
    by_number = {alert.pk: alert for some in wanted for alert in some.order_by("pk")}
    grouped: dict[int | None, dict[tuple[str, str], Alert]] = {}
    for _, alert in sorted(by_number.items()):
        key = (alert.subject_kind, alert.subject_id) if alert.threshold_id else ("", str(alert.pk))
        grouped.setdefault(alert.threshold_id, {})[key] = alert
    return grouped


@dataclass(slots=True)
class _Round:
    """One evaluation: what it looks at, and the alerts that it has changed, seen again, or shows anew.

    ``now`` is the time on the clock, ``last`` the tick before.
    """

    survey: Survey
    now: float
    last: int
    moved: list[Moved] = field(default_factory=list)
    seen: list[Alert] = field(default_factory=list)
    followed: list[Alert] = field(default_factory=list)
    _moments: dict[float, datetime] = field(default_factory=dict)

    def step_all(self, look: Look, alerts: Mapping[tuple[str, str], Alert]) -> None:
        """Step the alerts of a threshold, and those that begin."""
        goes_on = set()
        for (kind, name), alert in alerts.items():
            is_same = kind == look.kind and alert.metric == look.threshold.metric
            if is_same and (subject := look.subjects.get(name)):
                goes_on.add(name)
                self._step(look, subject, alert)
            else:
                self.end(alert, look)
        for name in look.beginning():
            if len(self.moved) >= MOST:
                break
            if name not in goes_on and (subject := look.subjects.get(name)):
                self._step(look, subject, None)

    def end(self, alert: Alert, look: Look | None) -> None:
        """Resolve an alert whose subject or threshold is no longer looked at; ``look`` is that of the threshold."""
        if not alert.is_open and not alert.flapping:
            return
        state, changes = states.state_of(alert), list[Change]()
        if alert.is_open:
            changes.append(Change.DROPPED if alert.status == AlertStatus.PENDING else Change.RESOLVED)
            state = machine.resolved(state, self.survey.at)
        if alert.flapping:
            changes.append(Change.STOPPED_FLAPPING)
        if len(self.moved) < MOST:
            reason = self._why_ended(alert, look)
            self.moved.append(states.take_on(alert, state._replace(flapping=False), tuple(changes), reason=reason))

    def _why_ended(self, alert: Alert, look: Look | None) -> str:
        if look is None:
            return "Its threshold was removed." if alert.threshold_id is None else "Its threshold was switched off."
        if alert.subject_kind != look.kind or alert.metric != look.threshold.metric:
            return "Its threshold looks at another metric now."
        if alert.subject_id in self.survey.everybody[look.kind]:
            return "It is no longer in the scope of its threshold."
        return f"The {look.kind} {alert.subject_label or alert.subject_id} is gone."

    def _step(self, look: Look, subject: Subject, alert: Alert | None) -> None:
        if not look.knows(subject.id):
            return
        measured, at = look.value_of(subject.id), self.survey.at
        value = measured[0] if measured else None
        state, is_ahead = (None, False) if alert is None else self._state_of(alert)
        if state is not None and machine.is_forgotten(look.rule, state, at):
            if not look.rule.begins(value):
                return
            alert = state = None
        after, changes = machine.step(look.rule, state, at, value)
        if after is None or after is state or (changes and len(self.moved) >= MOST):
            return
        begins = state is None or (state.status == AlertStatus.RESOLVED != after.status)
        if alert is None:
            alert = states.begun(look.threshold, subject, after)
        elif not changes and not alert.is_open:
            return
        elif states.follow(alert, look.threshold, subject):
            self.followed.append(alert)
        if changes or is_ahead:  # a clock that was ahead: its instants were taken back, and are to be written
            self.moved.append(states.take_on(alert, after, changes))
        else:
            self.seen.append(alert)
        alert.unseen_s, alert.seen_at, alert.limit = after.unseen_s, self._moment(at), look.rule.value
        if measured:
            alert.value, alert.value_at = value, self._moment(measured[1])
            alert.worst = value if begins else look.rule.worse(value, alert.worst)

    def _state_of(self, alert: Alert) -> tuple[State, bool]:
        """Its state, and whether a clock that was ahead has seen it: then as if that had been at the last tick."""
        state = states.state_of(alert)
        is_ahead = state.seen_at > self.now
        return (machine.rebased(state, self.last) if is_ahead else state), is_ahead

    def _moment(self, at: float) -> datetime:
        """The same object for the same instant, which costs less to write."""
        return self._moments.setdefault(at, states.moment(at))
