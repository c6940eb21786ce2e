"""Delivers notifications, a try at a time, in the main cluster. Writes what becomes of a Notification.

A try is a lease with a token: a worker that dies loses it, and another tries again; a late end of an old try changes
nothing. So each notification is sent at least once; its key is the same for all tries, by which receivers and mail
programs recognise what they have had.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from monitoring.models import NOTIFICATION_STATES, Channel, Notification, NotificationStatus
from monitoring.notification import letters
from monitoring.notification.kinds import KINDS
from monitoring.notification.kinds.base import Undelivered
from monitoring.notification.letters import Letter
from monitoring.notification.outbox import JOB, NOTIFIER
from orchestra.kernel import access, events, jobs
from orchestra.kernel.access import Actor
from orchestra.kernel.clock import database_now
from orchestra.kernel.errors import Conflict, NotFound, OrchestraError
from orchestra.kernel.events import Outcome, Ref
from orchestra.kernel.models import Role
from orchestra.kernel.retry import RetryPolicy

access.grant({"notifications.retry": Role.OPERATOR})

POLICY = RetryPolicy(attempts=6, delay_s=60, factor=2.6, max_delay_s=1_800)
"""Six tries within about an hour: after 1, 2.6, 7, 18 and 30 minutes at most."""
LEASE = timedelta(seconds=30)
"""A try that takes longer is taken for lost; it may take ten seconds."""
TAKEN_UP_WITHIN = timedelta(seconds=20)
"""A message that no worker has taken up for so long is sent again."""
RESCUED_AT_ONCE = 200
"""As many are given to workers again at most, less what they have not fetched yet."""
FARTHEST = timedelta(hours=2)
"""No try is put off for longer: what is due after that was written by a clock that was ahead, and is due now."""
LOST = "The worker that sent it was lost; whether it arrived is not known."
MOST_TRIES = 50

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Try:
    """The right to send a notification once, until its lease ends."""

    pk: int
    token: int
    channel: Channel | None
    letter: Letter


def deliver(pk: int) -> None:
    """Try once to send a notification, if it is due and nobody else does."""
    taken = _take(pk)
    if taken is None:
        return
    began = time.monotonic()
    error: Undelivered | None = None
    try:
        said = send(taken.channel, taken.letter)
    except Undelivered as failure:
        said, error = str(failure), failure
    _finish(taken, {"took_s": round(time.monotonic() - began, 2), "said": said}, error)


def send(channel: Channel | None, letter: Letter) -> str:
    """Send a letter through a channel; returns what came of it in a sentence. Raises :class:`Undelivered`."""
    if channel is None:
        raise Undelivered("The channel was removed; choose another one for the route.", retryable=False)
    if not channel.enabled:
        raise Undelivered("The channel is switched off; switch it on and try again.", retryable=False)
    try:
        return KINDS[channel.kind].send(channel.config, channel.secrets or {}, letter)
    except Undelivered:
        raise
    except OrchestraError as error:
        raise Undelivered(error.detail, retryable=error.retryable) from error
    except Exception as error:
        log.exception("Channel %s failed in a way that nobody thought of", channel.pk)
        raise Undelivered(f"It failed in a way that nobody thought of: {type(error).__name__}.") from error


def rescue(now: datetime) -> int:
    """Have workers try what is due: tries that follow a failure, and those whose worker or message was lost.

    Returns how many. Cheap when nothing is due: one query by index. What was tried least goes first, so that channels
    that fail again and again keep nobody else waiting.
    """
    due = list(_to_rescue(now)[:RESCUED_AT_ONCE])
    if not due:
        return 0
    if lost := [row for row in due if row.status == NotificationStatus.SENDING]:
        with events.recording(NOTIFIER):
            for row in lost:
                _give_up(row, now)
    room = max(0, RESCUED_AT_ONCE - jobs.waiting("main"))
    for row in due[:room]:
        jobs.enqueue(JOB, row.pk)
    return len(due[:room])


def retry(pk: int, *, by: Actor, reason: str = "") -> Notification:
    """Try a failed notification again, from now on as often as a new one. Raises :class:`Conflict` if it has not."""
    access.check(by, "notifications.retry")
    with events.recording(by):
        row = Notification.objects.select_for_update(no_key=True).filter(pk=pk).first()
        if row is None:
            raise NotFound("There is no such notification; it may have been removed, so go back to the list.")
        if row.status != NotificationStatus.FAILED:
            raise Conflict(f"It is {row.get_status_display()}; only one that failed can be tried again.")
        NOTIFICATION_STATES.move(row, NotificationStatus.QUEUED, due_at=database_now(), attempts=0)
        _record("NotificationRetried", row, reason=reason, permission="notifications.retry")
        jobs.enqueue(JOB, row.pk)
    return row


def _to_rescue(now: datetime) -> QuerySet[Notification]:
    """What is due, without what is so fresh that its first message is on its way."""
    is_due = Q(due_at__lte=now) | Q(due_at__gt=now + FARTHEST)
    is_fresh = Q(attempts=0, due_at__gt=now - TAKEN_UP_WITHIN, due_at__lte=now)
    return Notification.objects.filter(is_due & ~is_fresh).order_by("attempts", "due_at")


def _take(pk: int) -> Try | None:
    """Take the right to send a notification; None if it is not due, or another has it."""
    with events.recording(NOTIFIER):
        now = database_now()
        row = _locked(pk)
        if row is None or row.status != NotificationStatus.QUEUED or row.due_at is None:
            return None
        if now < row.due_at <= now + FARTHEST:
            return None
        lease_until = now + LEASE
        NOTIFICATION_STATES.move(
            row,
            NotificationStatus.SENDING,
            token=row.token + 1,
            attempts=row.attempts + 1,
            lease_until=lease_until,
            due_at=lease_until,
        )
        return Try(row.pk, row.token, _channel_of(row), _letter_of(row))


def _finish(taken: Try, told: Mapping[str, Any], error: Undelivered | None) -> None:
    """Write down how a try ended, unless its lease ended before and another has begun."""
    with events.recording(NOTIFIER):
        now = database_now()
        row = _locked(taken.pk)
        if row is None or row.token != taken.token or row.status != NotificationStatus.SENDING:
            log.warning("A try of notification %s ended after its lease; that changes nothing", taken.pk)
            return
        if error is None:
            kept = _with_try(row, now, error="", **told)
            NOTIFICATION_STATES.move(row, NotificationStatus.SENT, sent_at=now, error="", **kept)
            _record("NotificationSent", row, after={"attempts": row.attempts})
        elif error.retryable and POLICY.allows(row.attempts):
            wait = timedelta(seconds=max(POLICY.delay_after(row.attempts), min(error.after_s or 0, 3_600)))
            kept = _with_try(row, now, error=str(error), **told) | {"due_at": now + wait}
            NOTIFICATION_STATES.move(row, NotificationStatus.QUEUED, error=str(error), **kept)
        else:
            _fail(row, str(error), _with_try(row, now, error=str(error), **told))


def _give_up(row: Notification, now: datetime) -> None:
    """End a try whose lease is over: it is tried again, or it was the last."""
    locked = _locked(row.pk)
    if locked is None or locked.token != row.token or locked.status != NotificationStatus.SENDING:
        return
    kept = _with_try(locked, now, error=LOST)
    if POLICY.allows(locked.attempts):
        NOTIFICATION_STATES.move(locked, NotificationStatus.QUEUED, error=LOST, **(kept | {"due_at": now}))
    else:
        _fail(locked, LOST, kept)


def _fail(row: Notification, error: str, kept: Mapping[str, Any]) -> None:
    NOTIFICATION_STATES.move(row, NotificationStatus.FAILED, error=error, **kept)
    _record("NotificationFailed", row, after={"attempts": row.attempts}, reason=error, outcome=Outcome.FAILED)


def _with_try(row: Notification, now: datetime, **told: Any) -> dict[str, Any]:
    tries = [*row.tries, {"at": now.isoformat(), **told}]
    return {"tries": tries[-MOST_TRIES:], "lease_until": None, "due_at": None}


def _locked(pk: int) -> Notification | None:
    return Notification.objects.select_for_update(no_key=True).filter(pk=pk).first()


def _channel_of(row: Notification) -> Channel | None:
    """Its secrets are read when it is sent: if no key opens them, that is a try that failed."""
    return Channel.objects.filter(pk=row.channel_id).defer("secrets").first() if row.channel_id else None


def _letter_of(row: Notification) -> Letter:
    """What is sent. Its alerts are as they are now, the rest as it was written."""
    alerts = row.alerts.order_by("pk")[: letters.MOST_ALERTS]
    return Letter(
        key=str(row.key),
        kind=row.kind,
        subject=row.subject,
        text=row.body,
        alerts=[letters.data_of(alert) for alert in alerts],
        number=row.pk,
        at=row.created_at,
    )


def _record(action: str, row: Notification, **what: Any) -> None:
    events.record(action, target=Ref("notification", row.pk, row.subject), **what)
