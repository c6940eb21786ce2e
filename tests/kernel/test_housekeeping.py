"""What is removed hourly, and what stays."""

import logging
from datetime import timedelta

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestra.kernel import housekeeping, jobs, pulses
from orchestra.kernel.models import Pulse

pytestmark = pytest.mark.django_db
STATEMENTS_A_CHORE = 7
"""What the dearest needs: rows of three lengths of time are added up twice, and looked at thrice."""


def test_expired_sessions_go_and_others_stay():
    for key, days in (("expired", -1), ("valid", 1)):
        Session.objects.create(session_key=key, session_data="", expire_date=timezone.now() + timedelta(days=days))

    assert housekeeping.forget_sessions() == 1
    assert Session.objects.get().session_key == "valid"


@pytest.mark.parametrize("table", [AccessAttempt, AccessLog, AccessFailureLog])
def test_the_lockout_forgets_after_thirty_days(table):
    for name, days in (("old", 31), ("new", 29)):
        row = table.objects.create(username=name, **({"failures_since_start": 1} if table is AccessAttempt else {}))
        table.objects.filter(pk=row.pk).update(attempt_time=timezone.now() - timedelta(days=days))

    assert housekeeping.forget_sign_ins() == 1
    assert table.objects.get().username == "new"


def test_every_chore_is_done():
    pulses.beat("old")
    Pulse.objects.update(beat_at=timezone.now() - timedelta(days=2))

    housekeeping.tidy()

    assert not Pulse.objects.exists()


def test_a_chore_that_fails_is_logged_and_does_not_keep_the_others_from_being_done(monkeypatch, caplog):
    def failing() -> int:
        raise OperationalError("the table is locked")

    done = []
    chores = {"stuck rows": failing, "other rows": lambda: done.append(1) or 1}
    monkeypatch.setattr(housekeeping.chores, "_providers", chores)

    with caplog.at_level(logging.INFO):
        housekeeping.tidy()

    assert done
    assert "could not remove stuck rows" in caplog.text
    assert "removed 1 other rows" in caplog.text


def test_it_is_planned_hourly_by_the_name_of_its_function():
    planned = dict(jobs.recurring.items())["housekeeping"]

    assert planned.minutes == 60
    assert planned.function == f"{housekeeping.tidy.__module__}.{housekeeping.tidy.__name__}"


def test_no_chore_asks_much_when_there_is_nothing_to_do():
    asked = {}
    for name, chore in housekeeping.chores.items():
        with CaptureQueriesContext(connection) as captured:
            chore()
        asked[name] = len(captured)

    assert {name: count for name, count in asked.items() if count > STATEMENTS_A_CHORE} == {}
