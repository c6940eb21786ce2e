"""Channels, routes, inhibitions and notifications over the API."""

from collections.abc import Callable
from typing import Any

import pytest

from monitoring.models import Channel, Inhibition, Notification, Route
from orchestra.kernel.models import EventDetail, User
from tests.audit import actions
from tests.monitoring import alerts_made
from tests.monitoring.notification.servers import Receiver

V1 = "/api/v1"


@pytest.fixture
def admin(api: Callable[..., Any], admin_user: User) -> Any:
    return api(admin_user)


@pytest.mark.usefixtures("_loopback_allowed")
def test_the_life_of_a_channel(admin: Any, hook: Receiver) -> None:
    given = {"name": "Hook", "kind": "webhook", "secrets": {"url": hook.url, "signing_key": "k3y"}}
    made = admin.post(f"{V1}/channels/", given, headers={"Idempotency-Key": "once"})
    again = admin.post(f"{V1}/channels/", given, headers={"Idempotency-Key": "once"})
    assert (made.status_code, again.status_code, Channel.objects.count()) == (201, 200, 1)
    assert made.json()["secret_names"] == ["signing_key", "url"] and "k3y" not in made.content.decode()
    one = f"{V1}/channels/{made.json()['id']}/"

    assert admin.post(f"{one}test/").json()["passed"] is True
    assert admin.get(one).json()["test_said"] == "It answered with 204 No Content."
    assert admin.patch(one, {"enabled": False}).json()["enabled"] is False
    assert admin.delete(one).status_code == 204
    assert admin.get(one).status_code == 404


def test_the_address_of_a_webhook_is_nowhere_to_be_read(admin: Any, api: Callable[..., Any], viewer: User) -> None:
    secrets = {"url": "https://hooks.example:8443/services/T0PS3CRET?token=k3yk3yk3y"}
    one = admin.post(f"{V1}/channels/", {"name": "Hook", "kind": "webhook", "secrets": secrets}).json()["id"]
    admin.patch(f"{V1}/channels/{one}/", {"secrets": {"url": secrets["url"] + "2"}})
    assert actions()[-2:] == ["ChannelCreated", "ChannelChanged"]
    kept = [*EventDetail.objects.values_list("before", "after"), *Channel.objects.values_list("config")]
    shown = api(viewer).get(f"{V1}/channels/{one}/")
    assert (shown.json()["goes_to"], shown.json()["config"]) == ("https://hooks.example:8443/…", {})
    assert not [key for key in ("T0PS3CRET", "k3yk3yk3y") if key in f"{kept}{shown.content.decode()}"]


def test_an_address_among_the_settings_is_refused(admin: Any) -> None:
    given = {"name": "Hook", "kind": "webhook", "config": {"url": "https://hooks.example/x"}}
    answer = admin.post(f"{V1}/channels/", given)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "config")


def test_faults_of_a_channel_name_their_place(admin: Any) -> None:
    answer = admin.post(f"{V1}/channels/", {"name": "", "kind": "email", "config": {"recipients": "x"}})
    assert answer.status_code in (400, 422)
    answer = admin.post(f"{V1}/channels/", {"name": "One", "kind": "email", "config": {"recipients": "x"}})
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "config.recipients")
    answer = admin.post(f"{V1}/channels/", {"name": "One", "kind": "email", "secrets": {"url": "x"}})
    assert answer.json()["errors"][0]["path"] == "secrets.url"


def test_a_name_is_given_once(admin: Any) -> None:
    admin.post(f"{V1}/channels/", {"name": "One", "kind": "browser"})
    answer = admin.post(f"{V1}/channels/", {"name": "One", "kind": "browser"})
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (409, "name")


def test_the_life_of_a_route(admin: Any, make_channel: Callable[..., Channel]) -> None:
    channel = make_channel()
    quiet = {"timezone": "Europe/Berlin", "blocks": [{"from": "22:00", "to": "07:00"}], "except": ["critical"]}
    made = admin.post(f"{V1}/routes/", {"name": "Nights", "channels": [channel.pk], "quiet": quiet, "wait_s": 0})
    assert made.status_code == 201, made.json()
    one = f"{V1}/routes/{made.json()['id']}/"
    second = admin.post(f"{V1}/routes/", {"name": "Second"}).json()["id"]
    admin.post(f"{V1}/routes/{second}/move/", {"up": True})
    assert [row["name"] for row in admin.get(f"{V1}/routes/").json()["results"]] == ["Second", "Nights"]
    changed = admin.patch(one, {"matchers": [{"label": "agent", "operator": "contains", "value": "bill"}]}).json()
    assert (changed["words"], changed["quiet"]) == ("agent contains bill", quiet)
    assert admin.delete(one).status_code == 204
    assert list(Route.objects.values_list("name", flat=True)) == ["Second"]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"matchers": [{"label": "colour", "operator": "=", "value": "x"}]}, "matchers[0].label"),
        ({"quiet": {"blocks": [{"from": "25:00", "to": "07:00"}]}}, "quiet.blocks[0].from"),
        ({"repeat_s": 5}, "repeat_s"),
        ({"channels": [9_999]}, "channels"),
        ({"channels": [10**30]}, "channels"),
        ({"quiet": {"timezone": ["UTC"], "blocks": []}}, "quiet.timezone"),
        ({"quiet": {"except": [{}]}}, "quiet.except"),
        ({"quiet": {"blocks": [{"days": [[]], "from": "22:00", "to": "07:00"}]}}, "quiet.blocks[0].days"),
        ({"matchers": [{"label": "agent", "operator": "in", "value": "x"}]}, "matchers[0].value"),
        ({"escalate_after_s": 600}, "escalate_to"),
    ],
)
def test_faults_of_a_route_name_their_place(admin: Any, given: dict[str, Any], path: str) -> None:
    answer = admin.post(f"{V1}/routes/", {"name": "One", **given})
    assert answer.status_code in (400, 422)
    assert answer.json()["errors"][0]["path"] == path


def test_the_life_of_an_inhibition(admin: Any) -> None:
    sides = {
        name: [alerts_made.condition("severity", "=", value)]
        for name, value in (("source", "critical"), ("target", "warning"))
    }
    made = admin.post(f"{V1}/inhibitions/", {"name": "Worse first", **sides, "equal": ["agent"]})
    one = f"{V1}/inhibitions/{made.json()['id']}/"
    assert admin.patch(one, {"enabled": False}).json()["enabled"] is False
    assert admin.get(f"{V1}/inhibitions/").json()["results"][0]["words"].startswith("While an alert fires whose")
    assert admin.delete(one).status_code == 204
    assert not Inhibition.objects.exists()


def test_a_notification_says_why_and_can_be_sent_again(api: Any, operator: User, viewer: User) -> None:
    alert = alerts_made.alert()
    row = alerts_made.notification(alert, "Hook", status="failed", error="No.", why=["Route “All” takes it."])
    shown = api(viewer).get(f"{V1}/notifications/{row.pk}/").json()
    assert (shown["why"], shown["alerts"], shown["error"]) == (["Route “All” takes it."], [alert.pk], "No.")
    assert api(viewer).get(f"{V1}/notifications/?status=failed&alert={alert.pk}").json()["results"][0]["id"] == row.pk
    assert api(viewer).post(f"{V1}/notifications/{row.pk}/retry/").status_code == 403
    assert api(operator).post(f"{V1}/notifications/{row.pk}/retry/").json()["status"] == "queued"
    assert api(operator).post(f"{V1}/notifications/{row.pk}/retry/").status_code == 409
    assert Notification.objects.get().status == "queued"


def test_operators_read_and_only_administrators_write(api: Any, operator: User) -> None:
    client = api(operator)
    for name in ("channels", "routes", "inhibitions", "notifications"):
        assert client.get(f"{V1}/{name}/").status_code == 200
    for name in ("channels", "routes", "inhibitions"):
        body = {"name": "x", "kind": "browser", "source": [], "target": []}
        assert client.post(f"{V1}/{name}/", body).status_code == 403
