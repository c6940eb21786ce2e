"""What operators must be able to count on: sentences of the promises, each with all that it takes to keep it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from monitoring.alerting import alerts, thresholds
from monitoring.models import Alert, Gauge, GaugeSample, Notification, Silence, Span, Tick
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
        yield channels.create("webhook", {"name": "Tickets", "secrets": {"url": receiver.url}}, by=SYSTEM)


def text(response):
    return " ".join(response.content.decode().split())


class TestThresholds:
    """10. A threshold has breach and recovery values, a pending time, keep-firing time and a no-data policy; a table
    test covers every state transition (alerting/test_machine.py).
    """

    def test_between_breach_and_recovery_nothing_changes(self):
        threshold(value=5, recovery_value=3)

        live([4, 4])
        assert not Alert.objects.exists()
        at = live([9, 4, 4], first=START + 60)
        assert Alert.objects.get().status == "firing"
        live([2], first=at + 30)
        assert Alert.objects.get().status == "resolved"

    def test_it_fires_after_its_pending_time_and_resolves_after_its_keep_firing_time(self):
        threshold(for_s=60, keep_firing_s=60)

        statuses = []
        for number, value in enumerate([9, 9, 9, 1, 1, 1]):
            live([value], first=START + 30 * number)
            statuses.append(Alert.objects.get().status)

        assert statuses == ["pending", "pending", "firing", "recovering", "recovering", "resolved"]

    @pytest.mark.parametrize(
        ("policy", "status"), [("keep", "firing"), ("no_data", "no_data"), ("alert", "firing"), ("ok", "resolved")]
    )
    def test_without_data_it_does_what_its_policy_says(self, policy, status):
        threshold(no_data=policy, no_data_after_s=60)

        live([9, 9, None, None, None, None])

        assert Alert.objects.get().status == status

    def test_all_of_it_is_set_by_form_and_api_and_a_recovery_beyond_the_breach_is_refused(self, api, operator):
        body = {"metric": "queue_waiting", "value": 5, "recovery_value": 3, "for_s": 60, "keep_firing_s": 90}
        client = api(operator)

        made = client.post("/api/v1/thresholds/", body | {"no_data": "alert"}).json()

        assert {name: made[name] for name in body} == body and made["no_data"] == "alert"
        refused = client.patch(f"/api/v1/thresholds/{made['id']}/", {"recovery_value": 6})
        assert refused.status_code == 422 and refused.json()["errors"][0]["path"] == "recovery_value"


class TestTryingOut:
    """11. The editor replays a proposed threshold over at least 7 days with the production state machine: firing
    intervals and notification count (in under 2 s for 100,000 samples: ``manage.py bench preview``).
    """

    def test_the_editor_says_when_it_would_have_fired_and_how_often_it_would_have_notified(self, as_, operator):
        now = int(timezone.now().timestamp()) // 30 * 30
        days = [now - day * 86_400 for day in (6, 4, 1)]
        values = {at + 30 * step: 20 for at in days for step in range(20)}
        with arranged():
            Gauge.objects.create(metric="queue_waiting", kind="queue", subject="default")
        instants = range(now - 7 * 86_400 + 30, now, 30)
        Tick.objects.bulk_create([Tick(at=at, holder="test", evaluated=True) for at in instants])
        gauge = Gauge.objects.get()
        rows = [(at, values.get(at, 1)) for at in instants]
        GaugeSample.objects.bulk_create(
            [
                GaugeSample(gauge=gauge, span=Span.TICK, at=at, total=value, least=value, most=value)
                for at, value in rows
            ]
        )
        proposed = {"value": "10", "operator": ">", "scope_kind": "all", "for_s": "1m", "keep_firing_s": "1m"}
        rest = {"severity": "warning", "no_data": "keep", "no_data_after_s": "5m", "flap_changes": "6"}

        shown = as_(operator).post(
            "/alerts/thresholds/try/?metric=queue_waiting", {**proposed, **rest, "flap_window_s": "30m"}
        )

        assert "would have fired 3 times" in text(shown)
        assert "notified 6 times" in text(shown) and "<strong>6</strong> In the browser" in text(shown)
        firings = shown.context["tried"].outcome.firings
        assert [int(firing.since.timestamp()) for firing in firings] == [at + 60 for at in sorted(days, reverse=True)]
        assert {firing.seconds for firing in firings} == {600}
        assert not Alert.objects.exists() and not Notification.objects.exists()


class TestEditing:
    """12. Editing does not reset an alert that is still true; every change makes a version that can be compared and
    restored.
    """

    def test_an_alert_that_is_still_true_goes_on_with_the_new_limit(self, operator):
        row = threshold(value=5)
        live([9, 9])
        fires, until = Alert.objects.get(), timezone.now() + timedelta(hours=1)
        alerts.acknowledge(fires.pk, by=actor_of(operator), until=until, note="The shop is slow")

        thresholds.change(row.pk, {"value": 7, "recovery_value": 6}, by=actor_of(operator))
        live([9], first=START + 60)

        after = Alert.objects.get()
        assert (after.pk, after.status, after.fired_at) == (fires.pk, "firing", fires.fired_at)
        assert (after.limit, after.owner, after.note) == (7, operator, "The shop is slow")
        assert after.threshold_version == 2

    def test_an_alert_that_is_no_longer_true_recovers_as_ever(self, operator):
        row = threshold(value=5)
        live([9, 9])

        thresholds.change(row.pk, {"value": 20, "recovery_value": 18}, by=actor_of(operator))
        live([9], first=START + 60)

        assert Alert.objects.get().status == "resolved"

    def test_every_change_makes_a_version_that_can_be_compared_and_restored(self, as_, operator):
        values = {"name": "Slow", "metric": "response_time", "value": 5}
        row = thresholds.create(values, by=SYSTEM)
        thresholds.change(row.pk, {"value": 7}, by=actor_of(operator), reason="Slower models")
        browser = as_(operator)

        compared = text(browser.get(f"/alerts/thresholds/{row.pk}/versions/?from=2&to=1"))
        assert "above 7 s" in compared and "above 5 s" in compared and "Slower models" in compared
        browser.post(f"/alerts/thresholds/{row.pk}/versions/1/restore/", {"version": "2", "reason": "Too late"})

        row.refresh_from_db()
        assert (row.value, row.version) == (5, 3)
        assert list(row.versions.values_list("number", "restores")) == [(3, 1), (2, None), (1, None)]


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
    """14. Each notification shows channel, attempts, error and the rule path that sent or suppressed it; each channel
    has a Test button with its last result.
    """

    def test_a_notification_that_fails_shows_channel_attempts_error_and_path(self, viewer, as_, failing_channel):
        routes.create({"name": "Nights", "channels": [failing_channel.pk]}, by=SYSTEM)
        fires = alerts_made.alert()
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
        screen = channels.create("browser", {"name": "Screen"}, by=SYSTEM)
        told = {"name": "All", "channels": [screen.pk], "wait_s": 0, "interval_s": 60, "repeat_s": 7200}
        routes.create(told, by=SYSTEM)

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
