"""What operators must be able to count on: sentences of the promises, each with all that it takes to keep it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from monitoring.alerting import alerts
from monitoring.models import Alert, Notification, Silence
from monitoring.notification import channels, delivery, planner, routes, silencing
from orchestra.kernel.access import Actor, actor_of
from orchestra.kernel.models import Event, Role
from tests.monitoring import alerts_made
from tests.monitoring.alerting.measured import START, live, restart, threshold
from tests.monitoring.alerts_made import condition
from tests.monitoring.notification.servers import receiving
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("test")
OLGA = Actor("person", "", "Olga", role=Role.OPERATOR)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def failing_channel(settings):
    """A webhook whose receiver answers 500."""
    settings.OUTGOING_ALLOWED = ["127.0.0.1"]
    with receiving() as receiver:
        receiver.answer = lambda call: (500, {})
        yield channels.create("webhook", {"name": "Tickets", "config": {"url": receiver.url}}, by=SYSTEM)


def text(response):
    return " ".join(response.content.decode().split())


class TestAcknowledgements:
    """13. An acknowledgement has owner, note and expiry; expiry while firing notifies again; new samples never clear
    owner, note or acknowledgement.
    """

    def test_an_acknowledgement_has_owner_note_and_expiry(self, operator, as_):
        fires, until = alerts_made.alert(), timezone.now() + timedelta(hours=2)

        alerts.acknowledge(fires.pk, by=actor_of(operator), until=until, note="The shop is slow")

        kept = Alert.objects.get()
        assert (kept.owner, kept.note, kept.acknowledged_until) == (operator, "The shop is slow", until)
        shown = text(as_(operator).get(f"/alerts/{fires.pk}/"))
        assert f"{operator.label} looks after it" in shown and "The shop is slow" in shown
        assert f"acknowledged by {operator.label}, until" in shown

    def test_expiry_while_firing_notifies_again_once(self):
        fires = alerts_made.alert()
        began, until = timezone.now() - 10 * MINUTE, timezone.now() + 30 * MINUTE
        with arranged():
            planner.hear([fires], began)
        planner.run_due(began + MINUTE)
        alerts.acknowledge(fires.pk, by=OLGA, until=until)
        for minutes in range(0, 30, 5):
            planner.run_due(timezone.now() + minutes * MINUTE)
        assert Notification.objects.filter(status="sent").count() == 1

        for minutes in (1, 2, 3):
            planner.run_due(until + minutes * MINUTE)

        again = Notification.objects.filter(status="sent").order_by("pk").last()
        assert Notification.objects.filter(status="sent").count() == 2
        assert again.kind == "reminder" and any("Olga" in sentence for sentence in again.why)

    def test_new_samples_never_clear_owner_note_or_acknowledgement(self, operator):
        restart()
        threshold(keep_firing_s=60)
        last = live([9])
        number = Alert.objects.get().pk
        alerts.acknowledge(number, by=actor_of(operator), note="The shop is slow")

        live([12, 3, 9, None, 3, 3, 3, 9, 9], first=last + 30)  # it recovers, loses data, resolves and fires anew

        kept = Alert.objects.get()
        assert Event.objects.filter(action="AlertResolved").exists() and kept.status == "firing"
        assert (kept.pk, kept.owner, kept.note) == (number, operator, "The shop is slow")
        assert kept.acknowledged_by == operator.label and alerts.is_acknowledged(kept, timezone.now())


class TestSilences:
    """16. Silences show author, reason, end and what they hide, and warn 15 minutes before an end that would let a
    firing alert through.
    """

    def made(self, by, lasts):
        values = {"matchers": [condition("agent", "starts with", "billing")], "reason": "New server"}
        return silencing.create({**values, "ends_at": timezone.now() + lasts}, by=by)

    def test_silences_show_author_reason_end_and_what_they_hide(self, operator, as_):
        alerts_made.alert("billing-1")
        alerts_made.alert("support-1", subject_id="2")
        self.made(actor_of(operator), timedelta(hours=3))

        shown = text(as_(operator).get("/alerts/silences/")).partition("<main")[2]

        assert operator.label in shown and "New server" in shown and "agent starts with billing" in shown
        assert Silence.objects.get().ends_at.isoformat() in shown
        assert "billing-1" in shown and "support-1" not in shown

    def test_before_an_end_that_lets_a_firing_alert_through_pages_and_channels_warn_once(self, operator, as_):
        alerts_made.alert("billing-1")
        silence = self.made(OLGA, timedelta(hours=1))
        planner.run_due(silence.ends_at - 16 * MINUTE)
        assert not Notification.objects.filter(kind="silence_ending").exists()

        for minutes in (15, 10, 5):
            planner.run_due(silence.ends_at - minutes * MINUTE)

        warning = Notification.objects.get(kind="silence_ending")
        assert warning.status == "sent" and any(f"Silence #{silence.pk}" in sentence for sentence in warning.why)
        silencing.change(silence.pk, {"ends_at": timezone.now() + 14 * MINUTE}, by=OLGA)
        assert "A silence ends" in text(as_(operator).get("/alerts/"))

    def test_an_end_that_lets_nothing_through_is_not_worth_a_warning(self, operator, as_):
        alerts_made.alert("billing-1", status="resolved")
        alerts_made.alert("support-1", subject_id="2")
        silence = self.made(OLGA, timedelta(minutes=14))

        planner.run_due(silence.ends_at - MINUTE)

        assert not Notification.objects.filter(kind="silence_ending").exists()
        assert "A silence ends" not in text(as_(operator).get("/alerts/"))


class TestNotifications:
    """14. Each notification shows channel, attempts, error and the rule path that sent or suppressed it; each channel has
    a Test button with its last result.
    """

    def test_a_notification_that_fails_shows_channel_attempts_error_and_path(self, viewer, as_, failing_channel):
        fires = alerts_made.alert()
        routes.create({"name": "Nights", "channels": [failing_channel.pk]}, by=SYSTEM)
        began = timezone.now() - MINUTE
        with arranged():
            planner.hear([fires], began)
        planner.run_due(timezone.now())
        row = Notification.objects.get()
        delivery.deliver(row.pk)

        shown = text(as_(viewer).get(f"/alerts/notifications/{row.pk}/"))

        assert "Tickets" in shown and "1 attempt" in shown and "tried again" in shown
        assert "It answered with 500 Internal Server Error." in shown
        assert "Route “Nights” takes it: it is for every alert." in shown

    def test_a_notification_that_was_kept_back_shows_which_rule_did(self, viewer, as_):
        fires = alerts_made.alert()
        hides = alerts_made.silence(condition("agent", "=", "billing-1"))
        with arranged():
            planner.hear([fires], timezone.now() - MINUTE)
        planner.run_due(timezone.now())
        row = Notification.objects.get(status="suppressed")

        shown = text(as_(viewer).get(f"/alerts/notifications/{row.pk}/"))

        assert "Why it was not sent" in shown and f"Silence #{hides.pk} by Olga hides it until" in shown
        assert "No route takes it, so it goes the built-in way: into the browser." in shown

    def test_each_channel_has_a_test_button_that_keeps_its_last_result(self, admin_user, as_, failing_channel):
        page = f"/alerts/channels/{failing_channel.pk}/"
        assert "Send a test" in text(as_(admin_user).get(page))

        as_(admin_user).post(f"{page}test/")

        shown = text(as_(admin_user).get(page))
        assert "It answered with 500 Internal Server Error." in shown and "by ada" in shown
        assert "failed" in text(as_(admin_user).get("/alerts/channels/"))


class TestFlapping:
    """15. More than N changes in M minutes marks the alert as flapping and folds its notifications into a digest."""

    def test_an_alert_that_comes_and_goes_is_marked_and_told_of_in_a_digest(self):
        threshold(flap_changes=4, flap_window_s=1800)
        routes.create({"name": "All", "wait_s": 0, "interval_s": 60, "repeat_s": 7200}, by=SYSTEM)

        for number in range(60):
            at = live([9 if number % 2 == 0 else 1], first=START + 30 * number)
            planner.run_due(datetime.fromtimestamp(at, UTC))

        assert Alert.objects.get().flapping
        kinds = list(Notification.objects.order_by("pk").values_list("kind", flat=True))
        assert kinds.count("digest") == 1 and kinds[-1] == "digest" and len(kinds) <= 5
        digest = Notification.objects.get(kind="digest")
        assert "It flaps" in digest.why[-1] and "It changed" in digest.body

    def test_few_changes_are_told_as_ever(self):
        threshold(flap_changes=4, flap_window_s=1800)
        routes.create({"name": "All", "wait_s": 0, "interval_s": 0, "repeat_s": 7200}, by=SYSTEM)

        for number, value in enumerate([9, 9, 1, 1, 9, 1]):
            planner.run_due(datetime.fromtimestamp(live([value], first=START + 30 * number), UTC))

        assert not Alert.objects.get().flapping
        kinds = list(Notification.objects.order_by("pk").values_list("kind", flat=True))
        assert kinds == ["firing", "resolved", "firing", "resolved"]
