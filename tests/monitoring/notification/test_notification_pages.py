"""Pages of channels, routes, inhibitions and notifications."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring.models import Channel, Inhibition, Notification, Route
from monitoring.notification import defaults, planner, routes
from monitoring.notification import news as fresh
from orchestra.kernel import events
from orchestra.kernel.events import Ref
from orchestra.kernel.models import User
from tests.audit import actions, last_event
from tests.monitoring import alerts_made
from tests.monitoring.notification.conftest import ADMIN
from tests.monitoring.notification.servers import Receiver
from tests.silent_writes import arranged


@pytest.fixture
def admin(admin_user: User, as_: Callable[[User], Client]) -> Client:
    return as_(admin_user)


@pytest.fixture
def vera(viewer: User, as_: Callable[[User], Client]) -> Client:
    return as_(viewer)


def text(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def queries(browser: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert browser.get(address).status_code == 200
    return len(captured)


# --- Channels ---


def test_without_channels_the_page_says_what_to_do(admin: Client, vera: Client) -> None:
    assert "Add the first channel" in text(admin.get("/alerts/channels/"))
    assert "An administrator can add e-mail" in text(vera.get("/alerts/channels/"))


def test_a_channel_is_added_by_a_form_made_of_its_kind(admin: Client) -> None:
    page = text(admin.get("/alerts/channels/add/?kind=webhook"))
    assert 'name="secrets.url"' in page and 'name="secrets.signing_key"' in page
    answer = admin.post(
        "/alerts/channels/add/?kind=webhook",
        {"name": "Hook", "secrets.url": "https://hooks.example/x?token=1", "secrets.signing_key": "k3y"},
    )
    made = Channel.objects.get()
    assert answer.headers["Location"] == f"/alerts/channels/{made.pk}/"
    assert made.secrets == {"url": "https://hooks.example/x?token=1", "signing_key": "k3y"}
    shown = text(admin.get(f"/alerts/channels/{made.pk}/"))
    assert "k3y" not in shown and "signing_key" in shown
    for address in ("/alerts/channels/", f"/alerts/channels/{made.pk}/", f"/alerts/channels/{made.pk}/edit/"):
        shown = text(admin.get(address))
        assert "token=1" not in shown and ("https://hooks.example/…" in shown) == (not address.endswith("edit/"))


@pytest.mark.parametrize(
    ("kind", "given", "field", "said"),
    [
        ("email", {"config.recipients": "nobody"}, "config.recipients", "nobody is no e-mail address."),
        ("webhook", {"secrets.url": "http://127.0.0.1/x"}, "secrets.url", "is not a public address"),
        ("webhook", {}, "secrets.url", "Give an address that begins with http:// or https://"),
        ("apprise", {"secrets.url": "json://localhost/"}, "secrets.url", "Give the address of one of these services"),
        ("apprise", {}, "secrets.url", "Give the address of one of these services"),
    ],
)
def test_faults_stand_beside_their_fields(
    admin: Client, kind: str, given: dict[str, str], field: str, said: str
) -> None:
    page = admin.post(f"/alerts/channels/add/?kind={kind}", {"name": "One", **given})
    assert said in text(page) and not Channel.objects.exists()
    asked = admin.post(f"/alerts/channels/add/?kind={kind}", {"name": "One", **given}, headers={"X-Validate": "1"})
    assert [fault["path"] for fault in asked.json()["errors"]] == [field]


def test_editing_keeps_the_secrets_that_are_left_empty(admin: Client, webhook: Channel, hook: Receiver) -> None:
    given = {"name": "Renamed", "secrets.url": "", "secrets.signing_key": ""}
    admin.post(f"/alerts/channels/{webhook.pk}/edit/", given)
    webhook.refresh_from_db()
    assert (webhook.name, webhook.secrets) == ("Renamed", {"url": hook.url, "signing_key": "k3y"})
    admin.post(f"/alerts/channels/{webhook.pk}/edit/", {**given, "secrets.signing_key.remove": "on"})
    webhook.refresh_from_db()
    assert webhook.secrets == {"url": hook.url}


def test_a_test_keeps_how_it_ended(admin: Client, webhook: Channel, hook: Receiver) -> None:
    admin.post(f"/alerts/channels/{webhook.pk}/test/")
    webhook.refresh_from_db()
    assert (webhook.test_passed, webhook.tested_by) == (True, "ada")
    assert b"A test of the channel Hook" in hook.calls[0].body
    hook.answer = lambda call: (500, {})
    page = text(admin.post(f"/alerts/channels/{webhook.pk}/test/", follow=True))
    assert "The test failed: It answered with 500 Internal Server Error." in page
    event = last_event("ChannelTested")
    assert (event.outcome, event.detail.reason) == ("failed", "It answered with 500 Internal Server Error.")


def test_a_channel_that_a_route_uses_stays(admin: Client, webhook: Channel, make_route: Callable[..., Route]) -> None:
    route = make_route("Nights", webhook)
    assert "“Nights” would tell nobody" in text(admin.post(f"/alerts/channels/{webhook.pk}/remove/"))
    routes.remove(route.pk, by=ADMIN)
    admin.post(f"/alerts/channels/{webhook.pk}/remove/")
    assert not Channel.objects.exists()


def test_a_channel_is_switched_off_and_on(admin: Client, webhook: Channel) -> None:
    admin.post(f"/alerts/channels/{webhook.pk}/off/", {"reason": "Too loud"})
    admin.post(f"/alerts/channels/{webhook.pk}/on/")
    assert actions()[-2:] == ["ChannelDisabled", "ChannelEnabled"]


def test_only_administrators_change_channels_and_routes(
    vera: Client, operator: User, as_: Any, webhook: Channel
) -> None:
    for browser in (vera, as_(operator)):
        assert browser.get(f"/alerts/channels/{webhook.pk}/").status_code == 200
        assert browser.get("/alerts/channels/add/").status_code == 403
        assert browser.post(f"/alerts/channels/{webhook.pk}/test/").status_code == 403
        assert browser.get("/alerts/routes/add/").status_code == 403
        assert browser.get("/alerts/routes/").status_code == 200


def test_the_list_of_channels_takes_the_same_queries_however_many_there_are(
    admin: Client, make_channel: Callable[..., Channel], make_route: Callable[..., Route]
) -> None:
    make_route("One", make_channel("Channel 0"))
    admin.get("/alerts/channels/")
    few = queries(admin, "/alerts/channels/")
    for number in range(1, 20):
        make_route(f"Route {number}", make_channel(f"Channel {number}"))
    assert queries(admin, "/alerts/channels/") <= few + 1


# --- Routes ---


def test_the_default_route_and_inhibition(db: None) -> None:
    assert defaults.install(ADMIN) == ["Everything", "Critical hides warning"]
    assert defaults.install(ADMIN) == []
    route = Route.objects.get()
    assert [channel.kind for channel in route.channels.all()] == ["browser"]
    assert Inhibition.objects.get().equal == ["metric", "agent", "pool", "queue", "workflow"]


def test_a_route_is_added_with_everything(admin: Client, webhook: Channel) -> None:
    given = {
        "name": "Nights",
        "severities": ["critical", "warning"],
        "matchers_label": ["agent", ""],
        "matchers_operator": ["starts with", "="],
        "matchers_value": ["billing", ""],
        "channels": [str(webhook.pk)],
        "group_by": ["threshold"],
        "wait_s": "30s",
        "interval_s": "5m",
        "repeat_s": "4h",
        "quiet_blocks": "mon-fri 22:00-07:00\nsat,sun 20:00-9:30",
        "quiet_timezone": "Europe/Berlin",
        "quiet_except": ["critical"],
        "escalate_after_s": "15m",
        "escalate_to": [str(webhook.pk)],
    }
    answer = admin.post("/alerts/routes/add/", given)
    assert answer.status_code == 303, text(answer)
    route = Route.objects.get()
    assert (route.wait_s, route.interval_s, route.repeat_s, route.escalate_after_s) == (30, 300, 14_400, 900)
    assert route.quiet["blocks"][1] == {"days": ["sat", "sun"], "from": "20:00", "to": "09:30"}
    assert route.matchers == [{"label": "agent", "operator": "starts with", "value": "billing"}]
    page = text(admin.get(f"/alerts/routes/{route.pk}/"))
    assert "mon-fri 22:00-07:00 sat,sun 20:00-09:30" in page and 'value="4h"' in page
    listed = text(admin.get("/alerts/routes/"))
    assert "warning or critical, agent starts with billing" in listed
    assert "after 15 m also Hook" in listed


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ""}, "name"),
        ({"repeat_s": "10s"}, "repeat_s"),
        ({"wait_s": "soon"}, "wait_s"),
        ({"quiet_blocks": "nights"}, "quiet_blocks"),
        ({"quiet_blocks": "00:00-24:00"}, "quiet_blocks"),
        ({"quiet_blocks": "22:00-07:00", "quiet_timezone": "Mars"}, "quiet_timezone"),
        ({"escalate_after_s": "15m"}, "escalate_to"),
        ({"channels": ["77"]}, "channels"),
    ],
)
def test_faults_of_a_route_stand_beside_their_fields(admin: Client, given: dict[str, Any], field: str) -> None:
    values = {"name": "One", "wait_s": "30s", "interval_s": "5m", "repeat_s": "4h", **given}
    answer = admin.post("/alerts/routes/add/", values, headers={"X-Validate": "1"})
    assert [fault["path"] for fault in answer.json()["errors"]] == [field]
    assert admin.post("/alerts/routes/add/", values).status_code == 200
    assert not Route.objects.exists()


def test_routes_are_moved_by_buttons(admin: Client, make_route: Callable[..., Route]) -> None:
    first, second = make_route("First"), make_route("Second")
    admin.post(f"/alerts/routes/{second.pk}/up/")
    assert list(Route.objects.values_list("name", flat=True)) == ["Second", "First"]
    event = last_event("RouteMoved")
    assert (event.target_label, event.detail.after) == ("Second", '{"before":"First"}')
    admin.post(f"/alerts/routes/{second.pk}/up/")
    assert last_event().number == event.number
    admin.post(f"/alerts/routes/{second.pk}/down/")
    assert Route.objects.first() == first


def test_trying_an_alert_says_which_route_takes_it_and_what_hides_it(
    vera: Client, make_channel: Callable[..., Channel], make_route: Callable[..., Route]
) -> None:
    make_route("Grave", make_channel("Pager"), severities=["critical"])
    make_route("Rest", make_channel("Screen"))
    alerts_made.silence(alerts_made.condition("agent", "=", "billing-1"))
    page = text(vera.get("/alerts/routes/?severity=warning&agent=billing-1"))
    assert "Route “Grave” passes it on: it is for critical only, and this is warning." in page
    assert "<strong>Rest</strong> tells Screen, 30 s after it fired." in page
    assert "would hide it now: Maintenance" in page
    assert "takes it" in text(vera.get("/alerts/routes/?severity=critical"))


def test_inhibitions_are_added_changed_and_removed(admin: Client) -> None:
    given = {
        "name": "Worse first",
        "source_label": ["severity"],
        "source_operator": ["="],
        "source_value": ["critical"],
        "target_label": ["severity"],
        "target_operator": ["="],
        "target_value": ["warning"],
        "equal": ["agent"],
    }
    admin.post("/alerts/inhibitions/add/", given)
    rule = Inhibition.objects.get()
    sentence = "While an alert fires whose severity is critical, nobody is told of alerts whose severity is warning"
    assert sentence in text(admin.get("/alerts/routes/"))
    admin.post(f"/alerts/inhibitions/{rule.pk}/", {**given, "equal": ["agent", "metric"]})
    admin.post(f"/alerts/inhibitions/{rule.pk}/off/")
    admin.post(f"/alerts/inhibitions/{rule.pk}/remove/")
    assert actions()[-4:] == ["InhibitionCreated", "InhibitionChanged", "InhibitionDisabled", "InhibitionRemoved"]
    assert "Give at least one condition." in text(
        admin.post("/alerts/inhibitions/add/", {**given, "target_label": [""], "target_value": [""]})
    )


# --- Notifications ---


def test_a_notification_shows_its_attempts_error_text_and_path(admin: Client, webhook: Channel) -> None:
    alert = alerts_made.alert()
    row = alerts_made.notification(
        alert,
        "Hook",
        channel_id=webhook.pk,
        status="failed",
        error="It answered with 503 Service Unavailable.",
        body="It is slow.",
        why=["Route “All” takes it: it is for every alert.", "It is news."],
        attempts=1,
        tries=[{"at": "2026-11-23T09:00:00+00:00", "took_s": 0.2, "error": "It answered with 503."}],
    )
    listed = text(admin.get("/alerts/notifications/"))
    assert "It answered with 503 Service Unavailable." in listed
    page = text(admin.get(f"/alerts/notifications/{row.pk}/"))
    for said in (
        "Why it was sent",
        "Route “All” takes it",
        "1 attempt",
        "2026-11-23T09:00:00",
        "It is slow.",
        "200 ms",
    ):
        assert said in page or said == "200 ms", said
    assert f'href="/alerts/{alert.pk}/"' in page and "Send again" in page
    answer = admin.post(f"/alerts/notifications/{row.pk}/retry/")
    assert answer.headers["Location"] == f"/alerts/notifications/{row.pk}/"
    assert Notification.objects.get().status == "queued"


def test_notifications_are_filtered(admin: Client, webhook: Channel) -> None:
    alert = alerts_made.alert()
    alerts_made.notification(alert, "Hook", channel_id=webhook.pk, status="suppressed", why=["Silence #3 hides it."])
    alerts_made.notification(alert, "Screen", kind="resolved")
    assert "Silence #3 hides it." in text(admin.get("/alerts/notifications/?status=suppressed"))
    assert "Silence #3" not in text(admin.get("/alerts/notifications/?kind=resolved"))
    assert "Silence #3" in text(admin.get(f"/alerts/notifications/?channel={webhook.pk}&alert={alert.pk}"))
    assert "No notification matches" in text(admin.get("/alerts/notifications/?status=failed"))


def test_the_list_of_notifications_takes_the_same_queries_however_many_there_are(vera: Client) -> None:
    alert = alerts_made.alert()
    alerts_made.notification(alert, "Screen")
    vera.get("/alerts/notifications/")
    few = queries(vera, "/alerts/notifications/")
    for _ in range(30):
        alerts_made.notification(alert, "Screen")
    assert queries(vera, "/alerts/notifications/") <= few
    assert few <= 12


def test_what_is_new_is_told_from_where_the_browser_stands(
    vera: Client, make_channel: Callable[..., Channel], make_route: Callable[..., Route]
) -> None:
    make_route("All", make_channel("Screen"))
    begin = vera.get("/alerts/notifications/fresh/").json()
    assert begin["items"] == []
    alert, now = alerts_made.alert(), timezone.now()
    with arranged():
        planner.hear([alert], now)
    planner.run_due(now + timedelta(seconds=31))

    news = vera.get(f"/alerts/notifications/fresh/?since={begin['number']}").json()
    [item] = news["items"]
    assert (item["title"], item["url"]) == ("[warning] Firing: Response over 5 s, billing-1", f"/alerts/{alert.pk}/")
    assert vera.get(f"/alerts/notifications/fresh/?since={news['number']}").json()["items"] == []
    assert vera.get("/alerts/notifications/fresh/?since=99999999").json()["items"] == []


def test_what_was_sent_elsewhere_or_resolved_is_no_news_for_the_browser(vera: Client, webhook: Channel) -> None:
    begin = fresh.since(None)["number"]
    alert = alerts_made.alert()
    by_hook = alerts_made.notification(alert, "Hook", channel_id=webhook.pk)
    resolved = alerts_made.notification(alert, "In the browser", kind="resolved")
    with events.recording(ADMIN):
        for row in (by_hook, resolved):
            events.record("NotificationSent", target=Ref("notification", row.pk, "x"))
    assert fresh.since(begin)["items"] == []


def test_many_messages_elsewhere_do_not_push_out_what_is_for_the_browser(webhook: Channel) -> None:
    begin = fresh.since(None)["number"]
    alert = alerts_made.alert()
    rows = [alerts_made.notification(alert, "In the browser")]
    rows += [alerts_made.notification(alert, "Hook", channel_id=webhook.pk) for _ in range(30)]
    with events.recording(ADMIN):
        for row in rows:
            events.record("NotificationSent", target=Ref("notification", row.pk, "x"))
    assert len(fresh.since(begin)["items"]) == 1
