"""Tries, leases and tokens: each notification is sent at least once, and says what came of it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from django.db import connection
from django.utils import timezone
from django_q.brokers import get_broker

from monitoring.models import Channel, Notification
from monitoring.notification import delivery
from monitoring.notification.kinds import base
from monitoring.notification.kinds import webhook as webhook_kind
from orchestra.kernel import jobs
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, Forbidden, NotFound
from orchestra.kernel.signing import signature
from tests.audit import actions, last_event
from tests.monitoring import alerts_made
from tests.monitoring.conftest import database_url
from tests.monitoring.notification.servers import Receiver, never
from tests.silent_writes import arranged

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _no_messages(db: None) -> None:
    get_broker(jobs.queue_of("main")).delete_queue()


@pytest.fixture
def queued(webhook: Channel) -> Callable[..., Notification]:
    """A notification that is due, through the channel to the server on loopback."""

    def make(**columns: Any) -> Notification:
        due = {"status": "queued", "due_at": timezone.now(), "channel_id": webhook.pk, "body": "It is slow.", **columns}
        return alerts_made.notification(alerts_made.alert(), "Hook", **due)

    return make


def fresh(row: Notification) -> Notification:
    return Notification.objects.get(pk=row.pk)


def make_due(row: Notification) -> None:
    with arranged():
        Notification.objects.filter(pk=row.pk).update(due_at=timezone.now())


def test_a_webhook_gets_signed_json_with_the_key_of_the_notification(
    queued: Callable[..., Notification], hook: Receiver
) -> None:
    row = queued()
    delivery.deliver(row.pk)

    sent = fresh(row)
    assert (sent.status, sent.attempts, sent.error, sent.due_at, sent.lease_until) == ("sent", 1, "", None, None)
    assert sent.tries[0]["said"] == "It answered with 204 No Content." and sent.tries[0]["error"] == ""
    [call] = hook.calls
    assert call.headers["idempotency-key"] == str(row.key)
    assert call.headers["x-orchestra-signature"] == signature("k3y", call.headers["x-orchestra-timestamp"], call.body)
    told = json.loads(call.body)
    assert (told["id"], told["number"], told["kind"], told["text"]) == (str(row.key), row.pk, "firing", "It is slow.")
    assert told["alerts"][0]["labels"]["agent"] == "billing-1"
    assert last_event().action == "NotificationSent"


def test_a_server_that_answers_500_is_tried_again_with_the_same_key_until_it_works(
    queued: Callable[..., Notification], hook: Receiver
) -> None:
    row = queued()
    hook.answer = lambda call: (500, {}) if len(hook.calls) < 3 else (200, {})
    for attempt in (1, 2):
        delivery.deliver(row.pk)
        failed = fresh(row)
        assert (failed.status, failed.attempts) == ("queued", attempt)
        assert failed.error == "It answered with 500 Internal Server Error."
        assert failed.due_at is not None and failed.due_at > timezone.now() + timedelta(seconds=25)
        delivery.deliver(row.pk)  # not due yet
        make_due(row)
    delivery.deliver(row.pk)

    sent = fresh(row)
    assert (sent.status, sent.attempts, len(sent.tries)) == ("sent", 3, 3)
    assert {call.headers["idempotency-key"] for call in hook.calls} == {str(row.key)}


def test_after_the_last_try_it_has_failed_and_says_why(queued: Callable[..., Notification], hook: Receiver) -> None:
    row = queued()
    hook.answer = lambda call: (503, {})
    for _ in range(delivery.POLICY.attempts):
        make_due(row)
        delivery.deliver(row.pk)

    failed = fresh(row)
    assert (failed.status, failed.attempts, failed.due_at) == ("failed", 6, None)
    event = last_event()
    assert (event.action, event.outcome) == ("NotificationFailed", "failed")
    assert event.detail.reason == "It answered with 503 Service Unavailable."
    make_due(row)
    delivery.deliver(row.pk)
    assert len(hook.calls) == 6


def test_six_tries_take_about_an_hour() -> None:
    waits = [delivery.POLICY.delay_after(attempt, lambda low, high: high) for attempt in range(1, 6)]
    assert 50 * 60 < sum(waits) < 70 * 60


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_an_answer_that_says_no_is_not_asked_again(
    queued: Callable[..., Notification], hook: Receiver, status: int
) -> None:
    row = queued()
    hook.answer = lambda call: (status, {})
    delivery.deliver(row.pk)
    assert (fresh(row).status, fresh(row).attempts) == ("failed", 1)


def test_an_answer_that_repeats_the_address_is_told_without_its_keys(
    queued: Callable[..., Notification], hook: Receiver, webhook: Channel
) -> None:
    with arranged():
        Channel.objects.update(secrets={"url": f"{hook.url}/T0PS3CRET/a%2Fb%20c3cr3tk3y?token=k3yk3yk3y"})
    hook.answer = lambda call: (404, {})
    hook.body = lambda call: f"Cannot POST {call.path}, which is {unquote(call.path)}"
    row = queued()
    delivery.deliver(row.pk)
    said = "Cannot POST /hook/…/…?token=…, which is /hook/…/a/…?token=…"
    assert fresh(row).error == f"It answered with 404 Not Found: {said}"


def test_a_server_that_asks_for_patience_gets_it(queued: Callable[..., Notification], hook: Receiver) -> None:
    row = queued()
    hook.answer = lambda call: (429, {"Retry-After": "1200"})
    delivery.deliver(row.pk)
    due = fresh(row).due_at
    assert due is not None and due > timezone.now() + timedelta(seconds=1_150)


def test_a_server_that_never_answers_is_given_up_in_time(
    queued: Callable[..., Notification], hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_kind, "TRY_S", 0.3)
    row = queued()
    hook.answer = never
    began = time.monotonic()
    delivery.deliver(row.pk)
    assert time.monotonic() - began < 2
    assert (fresh(row).status, fresh(row).error) == ("queued", "It did not answer within 0.3 s.")


def test_a_try_may_take_ten_seconds_and_is_taken_for_lost_after_thirty() -> None:
    assert base.TRY_S == 10 and timedelta(seconds=30) == delivery.LEASE


def test_nobody_there_is_tried_again(queued: Callable[..., Notification], webhook: Channel) -> None:
    with arranged():
        Channel.objects.update(secrets={"url": "http://127.0.0.1:1/"})
    row = queued()
    delivery.deliver(row.pk)
    assert fresh(row).status == "queued"
    assert fresh(row).error == "Nothing takes calls at 127.0.0.1 port 1, which is 127.0.0.1."


def test_a_forbidden_address_is_not_called_and_says_so(
    queued: Callable[..., Notification], hook: Receiver, settings: Any
) -> None:
    row = queued()
    settings.OUTGOING_ALLOWED = []
    delivery.deliver(row.pk)
    assert hook.calls == []
    assert fresh(row).status == "failed"
    assert "127.0.0.1 is not a public address, so it is not called." in fresh(row).error


def test_a_redirect_to_a_forbidden_address_is_not_followed(queued: Callable[..., Notification], hook: Receiver) -> None:
    row = queued()
    hook.answer = lambda call: (307, {"Location": f"http://127.0.0.2:{hook.port}/inside"})
    delivery.deliver(row.pk)
    assert [call.path for call in hook.calls] == ["/hook"]
    assert fresh(row).status == "failed"
    assert "127.0.0.2 is not a public address" in fresh(row).error


def test_a_channel_that_was_removed_or_switched_off_fails_at_once(queued: Callable[..., Notification]) -> None:
    row, other = queued(), queued()
    with arranged():
        Channel.objects.update(enabled=False)
    delivery.deliver(row.pk)
    assert fresh(row).error == "The channel is switched off; switch it on and try again."
    with arranged():
        Channel.objects.all().delete()
    delivery.deliver(other.pk)
    assert fresh(other).error == "The channel was removed; choose another one for the route."
    assert (fresh(row).status, fresh(other).status) == ("failed", "failed")


def test_a_late_end_of_an_old_try_changes_nothing(queued: Callable[..., Notification]) -> None:
    row = queued()
    taken = delivery._take(row.pk)
    assert taken is not None
    delivery.rescue(timezone.now() + timedelta(seconds=31))
    make_due(row)
    again = delivery._take(row.pk)
    assert again is not None and again.token == taken.token + 1

    delivery._finish(taken, {"said": "late"}, None)

    assert fresh(row).status == "sending"
    delivery._finish(again, {"said": "in time"}, None)
    assert [one.get("said") for one in fresh(row).tries] == [None, "in time"]
    assert fresh(row).tries[0]["error"] == delivery.LOST


def test_nobody_takes_what_another_is_sending(queued: Callable[..., Notification]) -> None:
    row = queued()
    assert delivery._take(row.pk) is not None
    assert delivery._take(row.pk) is None


def test_the_last_try_of_a_lost_worker_has_failed(queued: Callable[..., Notification]) -> None:
    row = queued(attempts=5)
    delivery._take(row.pk)
    delivery.rescue(timezone.now() + timedelta(seconds=31))
    assert (fresh(row).status, fresh(row).error) == ("failed", delivery.LOST)


def test_rescue_leaves_fresh_messages_to_the_workers(queued: Callable[..., Notification]) -> None:
    row = queued()
    assert delivery.rescue(timezone.now()) == 0
    assert delivery.rescue(timezone.now() + timedelta(seconds=21)) == 1
    with arranged():
        Notification.objects.filter(pk=row.pk).update(attempts=1)
    assert delivery.rescue(timezone.now()) == 1


def test_rescue_sends_no_more_than_there_is_room_for_among_what_waits(
    queued: Callable[..., Notification], monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    monkeypatch.setattr(delivery, "RESCUED_AT_ONCE", 3)
    for _ in range(5):
        queued(attempts=1)
    for made in (3, 0):
        with django_capture_on_commit_callbacks(execute=True):
            assert delivery.rescue(timezone.now()) == made
        assert jobs.waiting("main") == 3


def test_rescue_begins_with_what_was_tried_least(queued: Callable[..., Notification]) -> None:
    long_ago = timezone.now() - timedelta(minutes=5)
    often = queued(attempts=4, due_at=long_ago)
    once = queued(attempts=1)
    never_tried, _just_written = queued(due_at=long_ago), queued()
    assert list(delivery._to_rescue(timezone.now())) == [never_tried, once, often]


def test_one_that_failed_can_be_sent_again_by_hand(
    queued: Callable[..., Notification], hook: Receiver, operator: Any
) -> None:
    row = queued()
    hook.answer = lambda call: (404, {})
    delivery.deliver(row.pk)
    hook.answer = lambda call: (200, {})
    by = Actor("person", str(operator.pk), "Olga", role="operator")
    delivery.retry(row.pk, by=by, reason="The address works again")
    delivery.deliver(row.pk)

    assert (fresh(row).status, len(fresh(row).tries)) == ("sent", 2)
    assert actions()[-3:] == ["NotificationFailed", "NotificationRetried", "NotificationSent"]
    with pytest.raises(Conflict, match="only one that failed"):
        delivery.retry(row.pk, by=by)
    with pytest.raises(NotFound):
        delivery.retry(0, by=by)
    with pytest.raises(Forbidden):
        delivery.retry(row.pk, by=Actor("person", "9", "Vera", role="viewer"))


KILLED = """
import django, sys
django.setup()
from monitoring.jobs import deliver
deliver(int(sys.argv[1]))
"""


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_in_the_middle_is_followed_by_another(
    queued: Callable[..., Notification], hook: Receiver
) -> None:
    row = queued()
    hook.answer = never
    environment = os.environ | {
        "DATABASE_URL": database_url(),
        "OUTGOING_ALLOWED": "127.0.0.1",
        "DJANGO_SETTINGS_MODULE": "orchestra.settings",
        "ENCRYPTION_KEYS": ",".join(_keys()),
    }
    worker = subprocess.Popen([sys.executable, "-c", KILLED, str(row.pk)], cwd=ROOT, env=environment)
    for _ in range(200):
        if hook.calls:
            break
        time.sleep(0.1)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert fresh(row).status == "sending"

    assert delivery.rescue(timezone.now()) == 0
    assert delivery.rescue(timezone.now() + timedelta(seconds=31)) == 1
    hook.answer = lambda call: (200, {})
    make_due(row)
    delivery.deliver(row.pk)

    sent = fresh(row)
    assert (sent.status, sent.attempts) == ("sent", 2)
    assert {call.headers["idempotency-key"] for call in hook.calls} == {str(row.key)}


def _keys() -> list[str]:
    from django.conf import settings

    return list(settings.ENCRYPTION_KEYS)


def test_secrets_that_no_key_opens_are_a_failed_try(queued: Callable[..., Notification], webhook: Channel) -> None:
    row = queued()
    with arranged(), connection.cursor() as cursor:
        cursor.execute("UPDATE monitoring_channel SET secrets = 'broken' WHERE id = %s", [webhook.pk])
    delivery.deliver(row.pk)
    tried = fresh(row)
    assert (tried.status, tried.attempts) == ("failed", 1)
    assert tried.error


def test_what_a_clock_that_was_ahead_put_off_is_tried_now(queued: Callable[..., Notification]) -> None:
    row = queued(due_at=timezone.now() + timedelta(days=1))
    assert delivery.rescue(timezone.now()) == 1
    delivery.deliver(row.pk)
    assert fresh(row).status == "sent"
