"""Hears from the evaluator what alerts do, and has people told when that is due. The only writer of AlertGroup.

What is told when is for ``planning.py`` to say, which is pure. Groups are its memory between two looks: whoever reads
them locks them, so two processes never tell of one group twice.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from monitoring.models import Alert, AlertGroup, Notification, NotificationKind
from monitoring.notification import delivery, hiding, outbox, recorded, routing, silences
from monitoring.notification.groups import Fact, Group, Message, members_of
from monitoring.notification.outbox import NOTIFIER, GroupKey
from monitoring.notification.planning import Planner
from monitoring.notification.routing import RouteRule, Rules
from orchestra.kernel import bulk, events, retention
from orchestra.kernel.clock import database_now
from orchestra.kernel.right_of_way import announced

TELEMETRY = {"monitoring_alertgroup"}
"""Groups are what the planner remembers; what it decides is told by the events of notifications."""
GROUPS_AT_ONCE = 500
"""Groups that one call looks at; those left are due still."""
AT_LATEST = timedelta(hours=12)
"""A group that holds alerts is looked at so often, whatever happens: what nobody heard of is found then."""
AHEAD = timedelta(minutes=5)
"""A group that knows of anything later was kept by a clock that was ahead."""
COLUMNS = ("labels", "told", "opened_at", "sent_at", "due_at", "escalated_at")
KEPT_FOR = timedelta(days=90)


def hear(alerts: Sequence[Alert], at: datetime) -> None:
    """Take note of alerts that have just changed, within the unit of work that changed them.

    What there is to say is read from the alerts themselves, so hearing of one twice changes nothing.
    """
    if alerts:
        _hear([recorded.fact_of(alert) for alert in alerts], at)


def run_due(now: datetime | None = None) -> int:
    """Have people told of whatever is due; returns how many notifications that made, suppressed ones included.

    Cheap when nothing is: three queries by index. What was written is given to workers again last: while the broker is
    away that fails, and browsers are told all the same. The time is the database's, as leases are judged by it.
    """
    now = now or database_now()
    made = _warn_of_ends(now) + _tell_due(now)
    delivery.rescue(now)
    return made


def look_again(alerts: Collection[Alert], now: datetime | None = None) -> None:
    """Have the groups of ``alerts`` looked at soon: a person did something that may change what is told of them.

    To be called after an acknowledgement was given, changed or taken back.
    """
    now = now or database_now()
    names = {str(alert.pk) for alert in alerts}
    held = AlertGroup.objects.filter(due_at__gt=now).values_list("pk", "told")
    with announced():
        AlertGroup.objects.filter(pk__in=[pk for pk, told in held if names & told.keys()]).update(due_at=now)


def route_again(now: datetime | None = None) -> None:
    """Hear of every alert anew: the routes have changed, and some may be for others now. Within a unit of work."""
    if facts := recorded.loud_facts():
        _hear(facts, now or database_now())


def forget_old() -> int:
    """Remove old notifications, and groups that have held nothing for as long; returns how many."""
    before = timezone.now() - KEPT_FOR
    old = Notification.objects.filter(created_at__lt=before).order_by("created_at")
    empty = AlertGroup.objects.filter(due_at__isnull=True, opened_at__lt=before).order_by("pk")
    removed = retention.remove_recorded(old, at_once=1_000, by=retention.RETENTION, action="NotificationsRemoved")
    return removed + retention.remove_in_slices(empty)


def _hear(facts: Sequence[Fact], at: datetime) -> None:
    rows = list(AlertGroup.objects.select_for_update(no_key=True).filter(due_at__isnull=False).order_by("pk"))
    planner = Planner(recorded.rules(at), groups=map(_group_of, rows))
    for fact in facts:
        planner.hear(_seconds(at), fact)
    _save(planner, rows, at)


def _tell_due(now: datetime) -> int:
    due = AlertGroup.objects.filter(_is_due(now)).order_by("due_at")
    numbers = list(due.values_list("pk", flat=True)[:GROUPS_AT_ONCE])
    if not numbers:
        return 0
    with events.recording(NOTIFIER):
        locked = AlertGroup.objects.select_for_update(no_key=True).filter(_is_due(now), pk__in=numbers)
        rows = list(locked.order_by("pk"))
        return _tell(rows, now)


def _is_due(now: datetime) -> Q:
    """Groups to look at; of those that know of a later time, at once, or they would be silent until then."""
    ahead = Q(due_at__gt=now + AT_LATEST + AHEAD) | Q(sent_at__gt=now + AHEAD) | Q(opened_at__gt=now + AHEAD)
    return Q(due_at__lte=now) | (Q(due_at__isnull=False) & ahead)


def _tell(rows: Sequence[AlertGroup], now: datetime) -> int:
    groups = [_group_of(row) for row in rows]
    for group in groups:
        group.rebase(_seconds(now))
    rules = recorded.rules(now)
    planner = Planner(rules, _facts(rules, groups), groups)
    messages = planner.due(_seconds(now))
    _save(planner, rows, now)
    return len(outbox.write(messages, {(row.route_id, row.key): row.pk for row in rows}))


def _facts(rules: Rules, groups: Iterable[Group]) -> list[Fact]:
    """The alerts of these groups, and all that fire where some may hide others."""
    loud = recorded.loud_facts() if rules.inhibitions else []
    members = {number for group in groups for number in group.members}
    return [*loud, *recorded.facts_of(members - {fact.id for fact in loud})]


def _save(planner: Planner, rows: Sequence[AlertGroup], now: datetime) -> None:
    """Write the groups that have changed; one that is new may have been there before, with nothing in it.

    If another process makes or fills it meanwhile, which is waited for, the group is that one's as well.
    """
    known = {(row.route_id, row.key): row for row in rows}
    new = {key for key in planner.changed if key not in known}
    known.update(_there(new))
    if missing := new - known.keys():
        _make_room(missing, now)
        known.update(_there(missing))
    for key in new:
        planner.changed[key].join(_group_of(known[key]))
    written = [_written(known[group.route, group.key], group, now) for group in planner.changed.values()]
    bulk.update(AlertGroup, written, COLUMNS)


def _there(keys: Collection[GroupKey]) -> dict[GroupKey, AlertGroup]:
    """The groups that there are of these, which nobody else changes from now on."""
    if not keys:
        return {}
    found = AlertGroup.objects.select_for_update(no_key=True).filter(key__in={key for _, key in keys})
    return {key: row for row in found.order_by("pk") if (key := (row.route_id, row.key)) in keys}


def _make_room(keys: Collection[GroupKey], now: datetime) -> None:
    """Add groups without alerts where there are none yet; sorted, so that two processes never wait for each other."""
    ordered = sorted(keys, key=lambda key: (key[0] or 0, key[1]))
    empty = [AlertGroup(route_id=route, key=key, opened_at=now) for route, key in ordered]
    AlertGroup.objects.bulk_create(empty, ignore_conflicts=True)


def _written(row: AlertGroup, group: Group, now: datetime) -> AlertGroup:
    latest = _seconds(now + AT_LATEST)
    due_at = min(group.due_at or latest, latest) if group.members else None
    row.labels, row.told = group.labels, group.told()
    row.opened_at = _instant(group.opened_at)
    row.sent_at, row.due_at, row.escalated_at = (
        None if at is None else _instant(at) for at in (group.sent_at, due_at, group.escalated_at)
    )
    return row


def _group_of(row: AlertGroup) -> Group:
    instants = (None if at is None else _seconds(at) for at in (row.sent_at, row.due_at, row.escalated_at))
    return Group(row.route_id, row.key, row.labels, _seconds(row.opened_at), members_of(row.told), *instants)


def _warn_of_ends(now: datetime) -> int:
    """Tell of silences whose near end lets alerts through that still fire, once each."""
    ending = [each for each in silences.ending_soon(now) if each.silence.warned_at is None]
    if not ending:
        return 0
    with events.recording(NOTIFIER):
        rules = recorded.rules(now)
        messages = [message for each in ending for message in _warnings(rules, each, now)]
        silences.mark_warned([each.silence for each in ending], now)
        return len(outbox.write(messages, {}))


def _warnings(rules: Rules, ending: silences.EndingSoon, now: datetime) -> list[Message]:
    taken: dict[int | None, tuple[RouteRule, list[Alert]]] = {}
    for alert in ending.alerts:
        for route in routing.takers(rules, alert.labels):
            taken.setdefault(route.id, (route, []))[1].append(alert)
    silence, at = ending.silence, _seconds(now)
    end = routing.moment(silence.ends_at.timestamp())
    said = f"Silence #{silence.pk} by {silence.author} ends at {end}; whoever it hid then is told of."
    return [
        Message(
            at,
            NotificationKind.SILENCE_ENDING,
            channel,
            route.id,
            "",
            tuple(alert.pk for alert in alerts),
            (routing.taken_by(route), said, *quiet),
            suppressed=bool(quiet) or not channel.enabled,
        )
        for route, alerts in taken.values()
        for quiet in [_quiet(route, alerts, at)]
        for channel in route.channels
    ]


def _quiet(route: RouteRule, alerts: Sequence[Alert], at: float) -> list[str]:
    """Why a route tells nobody of any of these alerts at this time of day, if that is so."""
    hidden = [next(hiding.by_quiet_hours(alert.labels, route, at), None) for alert in alerts]
    return [hidden[0].sentence] if hidden[0] and all(hidden) else []


def _seconds(at: datetime) -> float:
    """Rounded, so that an instant is the same before and after it was kept."""
    return round(at.timestamp(), 3)


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
