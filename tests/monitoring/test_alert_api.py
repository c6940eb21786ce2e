"""Alerts and silences over the API."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring.models import Alert, Silence
from tests.monitoring.alerts_made import alert, condition, notification, silence

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
BILLING = condition("agent", "starts with", "billing")


def at(moment):
    return moment.isoformat().replace("+00:00", "Z")


def test_the_list_filters_by_status_severity_and_subject(api, viewer):
    first = alert("billing-1", subject_id="1")
    second = alert("billing-2", subject_id="2", status="resolved", severity="critical")
    client = api(viewer)

    def found(query=""):
        return [row["id"] for row in client.get(f"/api/v1/alerts/{query}").json()["results"]]

    assert found() == [second.pk, first.pk]
    assert found("?status=firing") == found("?status=open") == found("?agent=1") == [first.pk]
    assert found("?severity=critical") == found("?status=resolved") == found("?agent=billing-2") == [second.pk]
    assert client.get("/api/v1/alerts/?colour=red").status_code == 422
    assert client.get("/api/v1/alerts/?status=burning").status_code == 422


def test_an_alert_says_its_status_flags_value_limit_subject_owner_and_notifications(api, operator):
    now = timezone.now()
    fires = alert(
        owner=operator, acknowledged_by="Olga", acknowledged_at=now, acknowledged_until=now + HOUR, note="Known"
    )
    hides = silence()
    notification(fires, "ops mail", why=["Route “all” fits."])

    shown = api(operator).get(f"/api/v1/alerts/{fires.pk}/").json()

    assert (shown["status"], shown["flags"]) == ("firing", ["acknowledged", "silenced"])
    assert (shown["acknowledged"], shown["silenced"], shown["flapping"]) == (True, True, False)
    assert (shown["value"], shown["limit"], shown["silence"], shown["note"]) == (8.2, 5.0, hides.pk, "Known")
    assert shown["subject"] == {"kind": "agent", "id": "1", "label": "billing-1"}
    assert shown["owner"] == {"id": operator.pk, "name": operator.label}
    assert shown["acknowledged_until"] == at(now + HOUR)
    assert shown["notified"] == "told ops mail"
    (told,) = shown["notifications"]
    assert (told["channel_name"], told["status"], told["why"]) == ("ops mail", "sent", ["Route “all” fits."])


def test_acknowledging_extending_and_taking_back(api, operator, admin_user):
    fires, client = alert(), api(operator)
    address, until = f"/api/v1/alerts/{fires.pk}/", timezone.now() + 2 * HOUR

    first = client.post(f"{address}acknowledge/", {"until": at(until), "note": "Known"})
    second = api(admin_user).post(f"{address}acknowledge/", {})
    longer = client.post(f"{address}extend/", {"until": at(until + HOUR)})
    back = client.post(f"{address}unacknowledge/", {"reason": "I go home"})

    assert (first.status_code, first.json()["acknowledged_by"], first.json()["note"]) == (200, operator.label, "Known")
    assert second.status_code == 409
    assert second.json()["acknowledged_by"] == operator.label and operator.label in second.json()["detail"]
    assert longer.json()["acknowledged_until"] == at(until + HOUR)
    assert (back.json()["acknowledged"], back.json()["owner"]["id"]) == (False, operator.pk)


def test_without_an_end_it_lasts_four_hours_and_a_bad_end_is_named(api, operator):
    address, client = f"/api/v1/alerts/{alert().pk}/acknowledge/", api(operator)

    assert client.post(address, {"until": "2020-01-01T00:00:00Z"}).json()["errors"][0]["path"] == "until"
    assert client.post(address, {"until": None}).status_code == 200
    assert Alert.objects.get().acknowledged_until - timezone.now() > 3 * HOUR


def test_noting_assigning_and_resolving(api, operator):
    fires, client = alert(), api(operator)
    address = f"/api/v1/alerts/{fires.pk}/"

    assert client.post(f"{address}note/", {"note": "Known"}).json()["note"] == "Known"
    assert client.post(f"{address}assign/", {"owner": operator.username}).json()["owner"]["id"] == operator.pk
    assert client.post(f"{address}assign/", {"owner": None}).json()["owner"] is None
    nobody = client.post(f"{address}assign/", {"owner": "nobody-knows"})
    assert (nobody.status_code, nobody.json()["errors"][0]["path"]) == (422, "owner")
    assert client.post(f"{address}resolve/", {}).status_code == 422
    resolved = client.post(f"{address}resolve/", {"reason": "A false alarm"}).json()
    assert (resolved["status"], resolved["resolved_by"], resolved["flags"]) == ("resolved", operator.label, [])
    again = client.post(f"{address}resolve/", {"reason": "Again"})
    assert again.status_code == 409 and "resolved by" in again.json()["detail"]


def test_viewers_read_only(api, viewer):
    fires, made, client = alert(), silence(), api(viewer)

    for verb in ("acknowledge", "unacknowledge", "extend", "resolve", "note", "assign"):
        assert client.post(f"/api/v1/alerts/{fires.pk}/{verb}/", {}).status_code == 403
    assert client.post("/api/v1/silences/", {}).status_code == 403
    assert client.patch(f"/api/v1/silences/{made.pk}/", {}).status_code == 403
    assert client.delete(f"/api/v1/silences/{made.pk}/").status_code == 403
    assert client.get(f"/api/v1/silences/{made.pk}/").status_code == 200
    assert client.get("/api/v1/alerts/99/").status_code == 404


def test_a_silence_is_made_once_changed_and_ended(api, operator):
    fires, client = alert("billing-1"), api(operator)
    body = {"matchers": [BILLING], "reason": "Maintenance", "ends_at": at(timezone.now() + HOUR)}

    made = client.post("/api/v1/silences/", body, HTTP_IDEMPOTENCY_KEY="k1")
    again = client.post("/api/v1/silences/", body, HTTP_IDEMPOTENCY_KEY="k1")
    address = f"/api/v1/silences/{made.json()['id']}/"
    longer = at(timezone.now() + 5 * HOUR)
    changed = client.patch(address, {"ends_at": longer}).json()
    ended = client.delete(address, {"reason": "Done"})

    assert (made.status_code, again.status_code, Silence.objects.count()) == (201, 200, 1)
    shown = made.json()
    assert (shown["matchers"], shown["state"], shown["author"]) == ([BILLING], "active", operator.label)
    assert (shown["hides"], shown["alerts"], shown["words"]) == (1, [fires.pk], "agent starts with billing")
    assert (changed["ends_at"], changed["reason"]) == (longer, "Maintenance")
    assert (ended.status_code, ended.json()["state"], ended.json()["ended_by"]) == (200, "ended", operator.label)
    assert client.patch(address, {"reason": "x"}).status_code == 409
    assert client.delete(address).status_code == 409


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"matchers": []}, "matchers"),
        ({"matchers": [condition("agent", "in", "billing-1")]}, "matchers[0].value"),
        ({"matchers": [condition("colour", "=", "red")]}, "matchers[0].label"),
        ({"matchers": [condition("agent", "=~", ".*")]}, "matchers[0].operator"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
        ({"starts_at": "2050-01-02T00:00:00Z", "ends_at": "2050-01-01T00:00:00Z"}, "starts_at"),
        ({"reason": " "}, "reason"),
        ({"author": "Somebody else"}, "author"),
    ],
)
def test_what_is_wrong_with_a_silence_is_named(api, operator, changes, path):
    body = {"matchers": [BILLING], "reason": "Maintenance", "ends_at": at(timezone.now() + HOUR)}

    answer = api(operator).post("/api/v1/silences/", body | changes)

    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, path)
    assert not Silence.objects.exists()


def test_silences_are_listed_by_state_and_words(api, viewer):
    now = timezone.now()
    lasts, over = silence(reason="New server"), silence(starts_at=now - 2 * HOUR, ends_at=now - HOUR)
    client = api(viewer)

    def found(query=""):
        return [row["id"] for row in client.get(f"/api/v1/silences/{query}").json()["results"]]

    assert set(found()) == {lasts.pk, over.pk}
    assert found("?state=active") == found("?search=server") == [lasts.pk]
    assert found("?state=ended") == [over.pk]


def test_the_lists_take_as_many_queries_for_many_as_for_one(api, viewer):
    client = api(viewer)

    def queries(address):
        with CaptureQueriesContext(connection) as seen:
            assert client.get(address).status_code == 200
        return len(seen)

    silence()
    notification(alert("first", subject_id="a"), "ops mail")
    addresses = ("/api/v1/alerts/", "/api/v1/silences/")
    client.get("/api/v1/alerts/")  # the token's first use is noted
    few = [queries(address) for address in addresses]
    for number in range(20):
        silence(condition("agent", "=", f"agent-{number}"))
        notification(alert(f"agent-{number}", subject_id=str(number)), "ops mail")

    assert [queries(address) for address in addresses] == few
    assert max(few) <= 10
