"""Schedules' verbs, and the clock that fires them: the only writer of Schedule."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from orchestra.kernel import access, events, secrets
from orchestra.kernel.access import Actor
from orchestra.kernel.clock import database_now
from orchestra.kernel.errors import Conflict, Invalid, NotFound, OrchestraError, field_error
from orchestra.kernel.events import Outcome, Ref
from orchestra.kernel.models import Role
from orchestra.kernel.naming import name_taken_reported
from workflows import control, cron, engine, schedule_checks
from workflows.models import RUN_ENDS, LastOutcome, Missed, Overlap, Run, Schedule, Workflow

logger = logging.getLogger(__name__)

access.grant(
    {"schedules.view": Role.VIEWER, "schedules.operate": Role.OPERATOR, "schedules.change": Role.ADMIN},
)

FIELDS = ("name", "cron", "timezone", "input", "missed", "overlap", "priority", "queue", "enabled")
"""What can be changed, beside ``workflow``, which is given by its name."""
AT_ONCE = 100  # schedules; each is a commit, and the ticker has other work
GRACE = timedelta(minutes=1)
"""A time that nobody looked at for longer was missed."""
MAX_CATCH_UP = 20
"""So many runs at most make up for missed times; the oldest are left out."""
A_DAY = timedelta(days=1)
AN_HOUR = timedelta(hours=1)
LOOKED_AT = 100  # the newest runs of a schedule, among which one that has not ended is looked for


def create(values: Mapping[str, Any], *, by: Actor, reason: str = "") -> Schedule:
    """Add a schedule; ``values`` holds :data:`FIELDS` and ``workflow``. Raises :class:`Invalid` naming each bad one.

    Without a name it is called after workflow and expression.
    """
    access.check(by, "schedules.change")
    schedule = Schedule(created_by=by.label)
    whole = _values(schedule) | dict(values)
    whole["name"] = whole["name"] or _free_name(f"{whole['workflow']} {whole['cron']}"[:90])
    check(whole)
    with events.recording(by):
        _assign(schedule, whole)
        schedule.next_at = _begin_after(schedule)
        with name_taken_reported("a schedule", schedule.name):
            schedule.save()
        _record("ScheduleCreated", schedule, after=describe(schedule), reason=reason, permission="schedules.change")
    return schedule


def change(schedule_id: int, values: Mapping[str, Any], *, by: Actor, reason: str = "") -> Schedule:
    """Change the fields that ``values`` names; masked values of ``input`` stay. No change, no event."""
    access.check(by, "schedules.change")
    with events.recording(by):
        schedule = _locked(schedule_id)
        before = _values(schedule)
        whole = before | dict(values)
        whole["input"] = secrets.restore(whole["input"], schedule.input)
        check(whole)
        described = describe(schedule)
        _assign(schedule, whole)
        _save(schedule, before, described, reason, "schedules.change")
    return schedule


def enable(schedule_id: int, *, by: Actor, reason: str = "") -> Schedule:
    """Let it fire again, from the next time on; the times while it was disabled do not count as missed."""
    return _switch(schedule_id, True, by=by, reason=reason)


def disable(schedule_id: int, *, by: Actor, reason: str = "") -> Schedule:
    """Let it fire no more until it is enabled; runs that it has started go on."""
    return _switch(schedule_id, False, by=by, reason=reason)


def remove(schedule_id: int, *, by: Actor, reason: str = "") -> None:
    """Remove a schedule; its runs stay."""
    access.check(by, "schedules.change")
    with events.recording(by):
        schedule = _locked(schedule_id)
        _record("ScheduleRemoved", schedule, before=describe(schedule), reason=reason, permission="schedules.change")
        schedule.delete()


def fire_now(schedule_id: int, *, by: Actor, reason: str = "") -> Run:
    """Start a run of it by hand, beside its times. Raises :class:`Conflict` where its overlap policy forbids that."""
    access.check(by, "schedules.operate")
    with events.recording(by):
        schedule = _locked(schedule_id)
        standing = _unfinished(schedule)
        if schedule.overlap == Overlap.SKIP and standing:
            raise Conflict(
                f"Run #{standing[0]} of this schedule has not ended; wait for it or cancel it, then try again."
            )
        _cancel(schedule, standing, by)
        run = _start(schedule, by, reason)
        _record("ScheduleFired", schedule, after={"runs": [run.pk]}, reason=reason, permission="schedules.operate")
        _note(schedule, LastOutcome.FIRED, f"Started by hand by {by.label}.", last_run=run, last_at=timezone.now())
    return run


def fire_due(now: datetime | None = None) -> int:
    """Start what is due, each schedule in a unit of its own; returns how many were. Called by the ticker.

    Tickers may overlap: whoever moves a schedule's ``next_at`` on has it.
    """
    now = now or database_now()
    due = Schedule.objects.filter(enabled=True, next_at__lte=now).order_by("next_at", "pk")
    return sum(_fire(schedule, now) for schedule in due[:AT_ONCE])


def check(values: Mapping[str, Any]) -> None:
    """Raise :class:`Invalid` that names every bad field, if there is one."""
    if faults := schedule_checks.faults(values):
        raise Invalid(errors=faults)


def describe(schedule: Schedule) -> dict[str, Any]:
    """The schedule as the audit trail keeps it."""
    values = _values(schedule)
    return values | {"input": secrets.mask(values["input"])}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done about the times that came due: for which a run begins, and what is to be said of the others."""

    starts: Sequence[datetime]
    note: str = ""


def plan(schedule: Schedule, first: datetime, now: datetime) -> Plan:
    """What the policy on missed times makes of those from ``first`` to ``now``."""
    due = cron.come_due(schedule.cron, schedule.timezone, first, now, MAX_CATCH_UP + 1)
    on_time = due[-1] >= now - GRACE
    missed = len(due) - on_time
    if not missed:
        return Plan(due)
    times = f"{missed} time{'s' if missed > 1 else ''}" if len(due) <= MAX_CATCH_UP else f"At least {missed} times"
    if schedule.missed == Missed.SKIP:
        return Plan(due[-1:] if on_time else [], f"{times} went by while nobody looked, and {_was(missed)} left out.")
    if schedule.missed == Missed.ALL and schedule.overlap == Overlap.ALLOW:
        starts = due[-MAX_CATCH_UP:]
        return Plan(starts, f"{times} went by while nobody looked; {len(starts)} runs make up for them.")
    return Plan(due[-1:], f"{times} went by while nobody looked; one run makes up for that.")


def _was(count: int) -> str:
    return "were" if count > 1 else "was"


def _fire(read: Schedule, now: datetime) -> bool:
    """Fire one; whatever keeps it from starting is said on its page and does not stop the others."""
    try:
        return _fire_as_planned(read, now)
    except (OperationalError, InterfaceError):
        raise  # the database is away, for all of them
    except OrchestraError as error:
        return _fail(read, now, _sentences(error))
    except Exception:
        logger.exception("Schedule %s could not start a run", read.pk)
        return _fail(
            read, now, "An unexpected error, which the log of the worker tells of; start it by hand to see more."
        )


def _sentences(error: OrchestraError) -> str:
    """What is wrong, and where; the messages of JSON Schema end without a full stop."""
    faults = [f"{fault['path']}: {fault['message'].rstrip('.')}." for fault in error.errors]
    return " ".join(faults) or error.detail


def _fire_as_planned(read: Schedule, now: datetime) -> bool:
    actor = _clock_of(read)
    with events.recording(actor):
        assert read.next_at is not None
        following = cron.after(read.cron, read.timezone, max(now, read.next_at))
        if not _moved_on(read, following, now):
            return False
        schedule = Schedule.objects.select_related("workflow").get(pk=read.pk)  # as it is now that its row is ours
        planned = plan(schedule, read.next_at, now)
        standing = _unfinished(schedule) if planned.starts else []
        if schedule.overlap == Overlap.SKIP and standing:
            _skip(schedule, f"Run #{standing[0]} had not ended. {planned.note}".strip())
        elif not planned.starts:
            _skip(schedule, planned.note)
        else:
            _cancel(schedule, standing, actor)
            runs = [_start(schedule, actor, f"due {_local(schedule, at)}") for at in planned.starts]
            after = {"due": [_local(schedule, at) for at in planned.starts], "runs": [run.pk for run in runs]}
            _record("ScheduleFired", schedule, after=after, reason=planned.note)
            _note(schedule, LastOutcome.FIRED, planned.note, last_run=runs[-1])
    return True


def _fail(read: Schedule, now: datetime, why: str) -> bool:
    """Move it on nevertheless, or it would be due again at once, and again."""
    with events.recording(_clock_of(read)):
        if not _moved_on(read, _following_or_later(read, now), now):
            return False
        _record("ScheduleFailed", read, reason=why, outcome=Outcome.FAILED)
        _note(read, LastOutcome.FAILED, why)
    return True


def _moved_on(read: Schedule, following: datetime | None, now: datetime) -> bool:
    """Whether this firing is ours: the row is still as it was read, and now due later (compare-and-set)."""
    as_read = Schedule.objects.filter(
        pk=read.pk, enabled=True, next_at=read.next_at, cron=read.cron, timezone=read.timezone
    )
    return bool(as_read.update(next_at=following, last_at=now))


def _following_or_later(read: Schedule, now: datetime) -> datetime | None:
    """The next time; in an hour if it cannot be told, for example of a time zone that is no more."""
    if cron.fault(read.cron) or cron.fault_of_zone(read.timezone):
        return now + AN_HOUR
    return cron.after(read.cron, read.timezone, now)


def _begin_after(schedule: Schedule) -> datetime | None:
    """The next time from now on. A clock that was set back a little does not bring back what has fired already."""
    if not schedule.enabled:
        return None
    if message := cron.fault_of_zone(schedule.timezone):  # it was known when the schedule was saved
        raise field_error("timezone", message)
    now = database_now()
    fired = schedule.last_at
    since = fired if fired is not None and now < fired < now + A_DAY else now
    return cron.after(schedule.cron, schedule.timezone, since)


def _switch(schedule_id: int, enabled: bool, *, by: Actor, reason: str) -> Schedule:
    access.check(by, "schedules.operate")
    with events.recording(by):
        schedule = _locked(schedule_id)
        before, described = _values(schedule), describe(schedule)
        schedule.enabled = enabled
        _save(schedule, before, described, reason, "schedules.operate")
    return schedule


def _save(
    schedule: Schedule, before: Mapping[str, Any], described: Mapping[str, Any], reason: str, permission: str
) -> None:
    """Save and record what differs from ``before``; switching it on or off is an event of its own."""
    after, now_described = _values(schedule), describe(schedule)
    changed = [name for name in after if after[name] != before[name]]
    if not changed:
        return
    if {"cron", "timezone", "enabled"} & {*changed}:
        schedule.next_at = _begin_after(schedule)
    schedule.updated_at = timezone.now()
    with name_taken_reported("a schedule", schedule.name):
        schedule.save(update_fields=[*FIELDS, "workflow", "next_at", "updated_at"])
    if others := [name for name in changed if name != "enabled"]:
        old, new = ({name: values[name] for name in others} for values in (described, now_described))
        _record("ScheduleChanged", schedule, before=old, after=new, reason=reason, permission=permission)
    if "enabled" in changed:
        action = "ScheduleEnabled" if schedule.enabled else "ScheduleDisabled"
        _record(action, schedule, reason=reason, permission=permission)


def _values(schedule: Schedule) -> dict[str, Any]:
    workflow = schedule.workflow.name if schedule.workflow_id else ""
    return {**{name: getattr(schedule, name) for name in FIELDS}, "workflow": workflow}


def _assign(schedule: Schedule, values: Mapping[str, Any]) -> None:
    for name in FIELDS:
        setattr(schedule, name, values[name])
    schedule.name, schedule.cron = schedule.name.strip(), schedule.cron.strip()
    schedule.workflow = Workflow.objects.get(name=values["workflow"])


def _free_name(wish: str) -> str:
    """``wish``, or with a number behind it where that is taken."""
    taken = set(Schedule.objects.filter(name__startswith=wish).values_list("name", flat=True))
    numbered = (f"{wish} ({number})" for number in count(2))
    return wish if wish not in taken else next(name for name in numbered if name not in taken)


def _locked(schedule_id: int) -> Schedule:
    rows = Schedule.objects.select_for_update(no_key=True, of=("self",)).select_related("workflow")
    schedule = rows.filter(pk=schedule_id).first()
    if schedule is None:
        raise NotFound("There is no such schedule; it may have been removed, so go back to the list.")
    return schedule


def _unfinished(schedule: Schedule) -> list[int]:
    """Its runs that have not ended, the newest first, without the runs within them, which serve it as well."""
    if schedule.overlap == Overlap.ALLOW:
        return []
    runs = Run.objects.filter(serves_kind="schedule", serves_id=str(schedule.pk), parent__isnull=True)
    newest = runs.order_by("-pk")
    found = newest.values_list("pk", "status")[:LOOKED_AT]
    return [pk for pk, status in found if status not in RUN_ENDS]


def _cancel(schedule: Schedule, runs: Sequence[int], by: Actor) -> None:
    for run in runs:
        with suppress(Conflict):  # it has ended meanwhile
            control.cancel(run, by=by, reason=f"The next run of {schedule.name} begins.")


def _start(schedule: Schedule, by: Actor, reason: str) -> Run:
    return engine.start(
        schedule.workflow.name,
        schedule.input,
        by=by,
        serves=Ref("schedule", schedule.pk, schedule.name),
        priority=schedule.priority,
        queue=schedule.queue,
        reason=reason,
    )


def _skip(schedule: Schedule, why: str) -> None:
    _record("ScheduleSkipped", schedule, reason=why)
    _note(schedule, LastOutcome.SKIPPED, why)


def _note(schedule: Schedule, outcome: LastOutcome, note: str, **more: Any) -> None:
    Schedule.objects.filter(pk=schedule.pk).update(last_outcome=outcome, note=note, **more)


def _clock_of(schedule: Schedule) -> Actor:
    """The clock acts; its runs say as started by whom the schedule's name."""
    return Actor("system", "schedule", schedule.name)


def _local(schedule: Schedule, at: datetime) -> str:
    return f"{at.astimezone(ZoneInfo(schedule.timezone)):%Y-%m-%d %H:%M} {schedule.timezone}"


def _record(action: str, schedule: Schedule, **what: Any) -> None:
    events.record(action, target=Ref("schedule", schedule.pk, schedule.name), **what)
