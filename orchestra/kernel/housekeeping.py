"""Removes what nobody needs any more, hourly, in the main cluster. Telemetry only, so it records no events."""

import logging
from collections.abc import Callable
from datetime import timedelta

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session
from django.db import Error
from django.utils import timezone

from orchestra.kernel import jobs, pulses
from orchestra.kernel.registry import Port
from orchestra.kernel.rest import idempotency

SIGN_INS_KEPT_FOR = timedelta(days=30)  # the audit trail has them for ever

log = logging.getLogger(__name__)
chores: Port[Callable[[], int]] = Port("housekeeping; each chore removes some rows and returns how many")


def tidy() -> None:
    """Do every chore; one that fails is logged and does not keep the others from being done."""
    for name, chore in chores.items():
        try:
            removed = chore()
        except Error:
            log.exception("Housekeeping could not remove %s; it tries again in an hour.", name)
        else:
            log.log(logging.INFO if removed else logging.DEBUG, "Housekeeping removed %d %s.", removed, name)


def forget_sessions() -> int:
    return Session.objects.filter(expire_date__lt=timezone.now()).delete()[0]


def forget_sign_ins() -> int:
    """Remove old rows of the login lockout."""
    before = timezone.now() - SIGN_INS_KEPT_FOR
    tables = (AccessAttempt, AccessLog, AccessFailureLog)
    return sum(table.objects.filter(attempt_time__lt=before).delete()[0] for table in tables)


chores.register("expired sessions", forget_sessions)
chores.register("old rows of the login lockout", forget_sign_ins)
chores.register("old idempotency keys", idempotency.forget_old)
chores.register("records of failed jobs", jobs.forget_failures)
chores.register("messages of killed executors", jobs.forget_unfinished)
chores.register("pulses of ended processes", pulses.forget_old)
