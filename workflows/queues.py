"""The queues' verbs: what is set for them, pausing and resuming. The only writer of TaskQueue."""

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db.models import Case, FloatField, Value, When
from django.utils import timezone

from agents import fleet
from orchestra.kernel import access, events
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import FieldError, Invalid, NotFound, field_error
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Role
from workflows import backlog
from workflows.admission import DEFAULT, Policy
from workflows.models import Step, TaskQueue
from workflows.models.queues import MAX_WEIGHT

access.grant({"queues.change": Role.ADMIN, "queues.operate": Role.OPERATOR})

NAME = re.compile(r"[\w-]{1,50}")
FIELDS = ("weight", "max_concurrency", "rate_per_s", "burst", "key_limit")
LIMITS = {
    "weight": (1, MAX_WEIGHT),
    "max_concurrency": (1, 1_000_000),
    "burst": (1, 1_000_000),
    "key_limit": (1, 1_000),
}
RATES = (0.001, 1_000_000)
COLUMNS = ("name", *FIELDS, "paused", "paused_reason", "tokens", "refilled_at")


def policies() -> dict[str, Policy]:
    """What is set for every queue that has a row, and the defaults for every other one that steps wait in."""
    known = {name: Policy(name) for name in (DEFAULT, *backlog.names())}
    return known | _policies(TaskQueue.objects.all())


def policies_of(names: Collection[str]) -> dict[str, Policy]:
    """What is set for these queues, the defaults for those without a row."""
    return {name: Policy(name) for name in names} | _policies(TaskQueue.objects.filter(name__in=names))


def paused(names: Collection[str]) -> set[str]:
    """Those of ``names`` that are paused; nothing is asked about none."""
    return set(TaskQueue.objects.filter(name__in=names, paused=True).values_list("name", flat=True)) if names else set()


def lock(names: Collection[str]) -> dict[str, Policy]:
    """Lock limited queues by name, so that one executor at a time claims of them; returns what is set for them now."""
    return _policies(TaskQueue.objects.filter(name__in=names).order_by("name").select_for_update(no_key=True))


def spend(tokens: Mapping[str, float], now: datetime) -> None:
    """Store what is left of the tokens of locked queues, in one statement."""
    if tokens:
        left = Case(*(When(name=name, then=Value(count)) for name, count in tokens.items()), output_field=FloatField())
        TaskQueue.objects.filter(name__in=tokens).update(tokens=left, refilled_at=now)


def ensure(names: Iterable[str]) -> None:
    """See that queues which are about to be used have a row; joins the open unit."""
    wanted = set(names)
    if wanted:
        wanted -= set(TaskQueue.objects.filter(name__in=wanted).values_list("name", flat=True))
    if wanted:
        TaskQueue.objects.bulk_create([TaskQueue(name=name) for name in sorted(wanted)], ignore_conflicts=True)
        fleet.raise_revision()


def change(name: str, values: Mapping[str, Any], *, by: Actor, reason: str = "") -> TaskQueue:
    """Set the :data:`FIELDS` that ``values`` names; None takes a limit away. What changes nothing is not recorded."""
    access.check(by, "queues.change")
    check(name, values)
    with events.recording(by):
        queue = _locked(name)
        before = {field: getattr(queue, field) for field in FIELDS}
        after = before | {field: values[field] for field in FIELDS if field in values}
        changed = [field for field in FIELDS if before[field] != after[field]]
        if changed:
            _refill(queue, before, after)
            for field in changed:
                setattr(queue, field, after[field])
            queue.save(update_fields=[*changed, "tokens", "refilled_at"])
            _record(
                "QueueChanged",
                queue,
                before={field: before[field] for field in changed},
                after={field: after[field] for field in changed},
                reason=reason,
                permission="queues.change",
            )
    return queue


def create(name: str, values: Mapping[str, Any], *, by: Actor, reason: str = "") -> TaskQueue:
    """Make a queue that nothing names yet. Raises :class:`Invalid` if it is there, or a value is out of bounds."""
    access.check(by, "queues.change")
    check(name, values)
    with events.recording(by):
        if TaskQueue.objects.filter(name=name).exists():
            raise field_error("name", f"There is a queue named {name} already; open it to change it.")
        queue, after = _locked(name), {field: values[field] for field in FIELDS if field in values}
        for field, value in after.items():
            setattr(queue, field, value)
        queue.save(update_fields=[*after])
        _record("QueueCreated", queue, after=after, reason=reason, permission="queues.change")
    return queue


def pause(name: str, *, by: Actor, reason: str) -> TaskQueue:
    """Let no more steps of the queue start; those that run end as usual. It must be said why."""
    if not reason.strip():
        raise field_error("reason", "Say why, for those who wonder why nothing starts.")
    return _switch(name, paused=True, by=by, reason=reason)


def resume(name: str, *, by: Actor, reason: str = "") -> TaskQueue:
    """Let steps of the queue start again."""
    return _switch(name, paused=False, by=by, reason=reason)


def check(name: str, values: Mapping[str, Any]) -> None:
    """Raise :class:`Invalid` that names every bad field, if there is one."""
    faults: list[FieldError] = []
    if not NAME.fullmatch(name):
        faults.append({"path": "name", "message": "Give a name of letters, digits, - and _, at most 50 characters."})
    for field, (low, high) in LIMITS.items():
        value = values.get(field)
        if field == "weight" and field in values and value is None:
            faults.append({"path": field, "message": f"Give a whole number from {low} to {high:,}."})
        if value is not None and not low <= value <= high:
            faults.append({"path": field, "message": f"Give a whole number from {low} to {high:,}."})
    rate = values.get("rate_per_s")
    if rate is not None and not (math.isfinite(rate) and RATES[0] <= rate <= RATES[1]):
        faults.append({"path": "rate_per_s", "message": f"Give a number from {RATES[0]} to {RATES[1]:,}."})
    if faults:
        raise Invalid(errors=faults)


def found(name: str) -> TaskQueue:
    """The queue as a row, unsaved if it has none but steps name it. Raises :class:`NotFound` for any other."""
    row = TaskQueue.objects.filter(name=name).first()
    if row is None and (name == DEFAULT or Step.objects.filter(queue=name).exists()):
        row = TaskQueue(name=name)
    if row is None:
        raise NotFound("There is no such queue; go back to the list, or name it in a rule or a definition first.")
    return row


def _policies(rows: Any) -> dict[str, Policy]:
    return {values[0]: Policy(*values) for values in rows.values_list(*COLUMNS)}


def _switch(name: str, *, paused: bool, by: Actor, reason: str) -> TaskQueue:
    access.check(by, "queues.operate")
    check(name, {})
    with events.recording(by):
        queue = _locked(name)
        if queue.paused == paused:
            return queue
        queue.paused, queue.paused_reason = paused, reason[:1000] if paused else ""
        queue.paused_at = timezone.now() if paused else None
        queue.save(update_fields=["paused", "paused_reason", "paused_at"])
        action = "QueuePaused" if paused else "QueueResumed"
        _record(action, queue, after={"paused": paused}, reason=reason, permission="queues.operate")
    return queue


def _locked(name: str) -> TaskQueue:
    """The row under lock, made if there is none."""
    TaskQueue.objects.bulk_create([TaskQueue(name=name)], ignore_conflicts=True)
    return TaskQueue.objects.select_for_update(no_key=True).get(name=name)


def _refill(queue: TaskQueue, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """A rate that changes goes on with the tokens there are; one that is new begins with a full bucket."""
    if before["rate_per_s"] is None or after["rate_per_s"] is None:
        queue.tokens, queue.refilled_at = 0, None
        return
    now = timezone.now()
    old = policy_from(queue)
    new = replace(old, rate_per_s=after["rate_per_s"], burst=after["burst"])
    queue.tokens, queue.refilled_at = min(old.tokens_at(now), new.bucket), now


def policy_from(queue: TaskQueue) -> Policy:
    """What is set for a queue whose row was read."""
    return Policy(*(getattr(queue, column) for column in COLUMNS))


def _record(action: str, queue: TaskQueue, **what: Any) -> None:
    events.record(action, target=Ref("queue", queue.pk, queue.name), **what)
    fleet.raise_revision()
