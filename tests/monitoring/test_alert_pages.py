"""The pages of alerts, through a browser without JavaScript."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring.models import Alert, Threshold, ThresholdVersion
from tests.audit import actions
from tests.monitoring.alerts_made import alert, condition, notification, silence
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def text(response):
    return " ".join(response.content.decode().split())


def threshold(**columns):
    with arranged():
        made = Threshold.objects.create(
            **{"name": "Response over 5 s", "metric": "response_time", "value": 5.0, "recovery_value": 4.0, **columns}
        )
        ThresholdVersion.objects.create(threshold=made, number=1, values={}, made_by="Ada", made_at=timezone.now())
    return made


def test_what_fires_stands_first_then_the_gravest_then_the_newest(as_, viewer):
    for label, status, severity in (
        ("pends", "pending", "critical"),
        ("recovers", "recovering", "critical"),
        ("lost", "no_data", "critical"),
        ("mild", "firing", "info"),
        ("grave", "firing", "critical"),
        ("later", "firing", "critical"),
        ("over", "resolved", "critical"),
    ):
        alert(label, subject_id=label, status=status, severity=severity)

    shown = text(as_(viewer).get("/alerts/"))

    places = [shown.index(f">{label}<") for label in ("later", "grave", "mild", "lost", "recovers", "pends")]
    assert places == sorted(places)
    assert ">over<" not in shown
    assert ">over<" in text(as_(viewer).get("/alerts/?status=resolved"))


def test_a_row_says_value_against_limit_owner_flags_and_who_was_told(as_, operator):
    now = timezone.now()
    fires = alert(
        threshold=threshold(),
        owner=operator,
        flapping=True,
        acknowledged_by="Olga",
        acknowledged_at=now,
        acknowledged_until=now + HOUR,
    )
    silence()
    notification(fires, "ops mail", status="sent")
    notification(fires, "pager", status="suppressed", why=["Route “all” fits.", "Silence #1 by Olga hides it."])

    shown = text(as_(operator).get("/alerts/"))

    assert '<strong>8.2 s</strong> <span class="quiet">above 5 s</span>' in shown
    assert all(word in shown for word in ("acknowledged", "silenced", "flapping", operator.label))
    assert "told ops mail; kept from pager: Silence #1 by Olga hides it." in shown


def test_the_filters_find_by_subject_owner_flag_and_words(as_, operator):
    mine = alert("billing-1", subject_id="1", owner=operator, note="the shop")
    other = alert("support-1", subject_id="2", flapping=True, severity="critical")
    of_queue = alert("default", subject_kind="queue", subject_id="default", metric="queue_waiting")
    silence(condition("agent", "=", "billing-1"))
    everything = {mine.pk, other.pk, of_queue.pk}

    def found(query):
        rows = as_(operator).get(f"/alerts/?{query}").context["rows"]
        return {row.alert.pk for row in rows}

    assert found("agent=1") == found("agent=billing-1") == found(f"owner={operator.username}") == {mine.pk}
    assert found("queue=default") == found("kind=queue") == found("metric=queue_waiting") == {of_queue.pk}
    assert found("flag=flapping") == found("severity=critical") == {other.pk}
    assert found("flag=silenced") == found("search=shop") == {mine.pk}
    assert found("flag=unacknowledged") == found("status=open") == everything
    assert found("flag=acknowledged") == found("agent=77") == set()
    assert found("owner=nobody") == {other.pk, of_queue.pk}
    assert found("threshold=Response over 5 s") == everything


def test_the_list_takes_as_many_queries_for_fifty_as_for_one(as_, viewer):
    browser = as_(viewer)

    def queries():
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert browser.get("/alerts/").status_code == 200
        return len(seen)

    notification(alert("first", subject_id="a"), "ops mail")
    browser.get("/alerts/")
    few = queries()
    for number in range(50):
        notification(alert(f"agent-{number}", subject_id=str(number)), "ops mail")

    assert queries() == few
    assert few <= 40


def test_the_page_tells_everything_about_an_alert(as_, operator):
    limit = threshold(version=3, instruction="Look at the shop first")
    before = alert(threshold=limit, status="resolved", resolved_by="Ada", resolve_reason="Moved")
    fires = alert(threshold=limit, note="Known", labels={"agent": "billing-1", "pool": "billing"})
    notification(
        fires, "ops mail", status="failed", error="The server said 550.", why=["Route “all” fits."], attempts=6
    )

    shown = text(as_(operator).get(f"/alerts/{fires.pk}/"))

    assert "recovers at 4 s" in shown and "now version 3" in shown
    assert "Look at the shop first" in shown and "pool: billing" in shown and "Known" in shown
    assert "The server said 550." in shown and "Route “all” fits." in shown and "6 attempts" in shown
    assert "Nothing is kept of this time any more." in shown
    assert f'href="/alerts/{before.pk}/"' in shown


def test_the_page_of_an_alert_whose_threshold_and_metric_are_gone_still_works(as_, viewer):
    gone = alert(metric="nonsense", status="no_data", was="firing", value=None, value_at=None, worst=None)

    shown = text(as_(viewer).get(f"/alerts/{gone.pk}/"))

    assert "its threshold is gone" in shown and "Nothing is measured any more" in shown
    assert "Its metric is not measured any more." in shown


def test_an_alert_that_is_not_there_is_said_to_be_gone(as_, viewer):
    assert as_(viewer).get("/alerts/99/").status_code == 404


def test_viewers_read_and_are_offered_nothing_to_do(as_, viewer):
    fires = alert(note="Known")
    browser = as_(viewer)

    assert "data-dialog" not in text(browser.get(f"/alerts/{fires.pk}/")).partition("<main")[2].partition("</main>")[0]
    assert "Select every row" not in text(browser.get("/alerts/"))
    assert browser.post(f"/alerts/{fires.pk}/note/", {"note": "x"}).status_code == 403


def test_acknowledging_through_the_dialog(as_, operator):
    fires, browser = alert(), as_(operator)

    answer = browser.post(
        f"/alerts/{fires.pk}/acknowledge/", {"lasts": "1d", "until": "", "note": "Known"}, follow=True
    )

    kept = Alert.objects.get()
    assert (kept.owner, kept.note) == (operator, "Known")
    assert timedelta(hours=23) < kept.acknowledged_until - timezone.now() <= timedelta(days=1)
    assert "You look after it" in text(answer)


def test_a_bad_end_is_told_in_the_dialog_which_opens_again(as_, operator):
    fires, browser = alert(), as_(operator)
    past = {"lasts": "until", "until": "2020-01-01T08:00", "note": ""}

    assert "This is in the past" in text(browser.post(f"/alerts/{fires.pk}/acknowledge/", past))
    assert "Give the moment" in text(browser.post(f"/alerts/{fires.pk}/acknowledge/", {**past, "until": ""}))
    assert browser.get(f"/alerts/{fires.pk}/acknowledge/").status_code == 302


def test_the_second_person_to_acknowledge_is_told_who_was_first(as_, operator, admin_user):
    fires = alert()
    as_(operator).post(f"/alerts/{fires.pk}/acknowledge/", {"lasts": "4h"})

    answer = as_(admin_user).post(f"/alerts/{fires.pk}/acknowledge/", {"lasts": "4h"})

    assert answer.status_code == 409
    assert f"{operator.label} acknowledged this" in text(answer)
    assert actions()[-1] == "RequestRefused"


def test_somebody_else_s_acknowledgement_is_extended_by_the_same_dialog(as_, operator, admin_user):
    fires = alert()
    as_(operator).post(f"/alerts/{fires.pk}/acknowledge/", {"lasts": "1h"})
    browser = as_(admin_user)
    assert f'action="/alerts/{fires.pk}/extend/"' in text(browser.get(f"/alerts/{fires.pk}/"))

    answer = browser.post(f"/alerts/{fires.pk}/extend/", {"lasts": "1d", "note": "Still slow"}, follow=True)

    kept = Alert.objects.get()
    assert "Nobody is reminded of it until then." in text(answer)
    assert (kept.acknowledged_by, kept.note) == (operator.label, "Still slow")
    assert kept.acknowledged_until - timezone.now() > timedelta(hours=23)
    late = browser.post(f"/alerts/{fires.pk}/extend/", {"lasts": "until", "until": "2020-01-01T08:00"})
    assert "This is in the past" in text(late)


def test_notes_owners_taking_back_and_resolving(as_, operator, admin_user):
    fires, browser = alert(), as_(operator)
    browser.post(f"/alerts/{fires.pk}/acknowledge/", {"lasts": "4h"})
    browser.post(f"/alerts/{fires.pk}/note/", {"note": "two\r\nlines"})
    browser.post(f"/alerts/{fires.pk}/assign/", {"owner": admin_user.pk})
    browser.post(f"/alerts/{fires.pk}/unacknowledge/", {"reason": ""})
    browser.post(f"/alerts/{fires.pk}/resolve/", {"reason": "A false alarm"})

    kept = Alert.objects.get()
    assert (kept.note, kept.owner, kept.acknowledged_at, kept.status) == ("two\nlines", admin_user, None, "resolved")
    assert kept.resolve_reason == "A false alarm"


def test_an_owner_must_be_one_of_those_who_could(as_, operator, viewer):
    fires = alert()

    answer = as_(operator).post(f"/alerts/{fires.pk}/assign/", {"owner": viewer.pk})

    assert answer.status_code == 200 and "Select a valid choice" in text(answer)


def test_all_that_match_a_filter_are_acted_on_from_the_list(as_, operator):
    for number in range(3):
        alert(f"agent-{number}", subject_id=str(number))
    alert("grave", subject_id="x", severity="critical")
    asked = {"all": "1", "query": "severity=warning", "action": "acknowledge", "reason": "All known"}

    answer = as_(operator).post("/alerts/bulk/", asked, follow=True)

    assert answer.redirect_chain[-1][0] == "/alerts/?severity=warning"
    assert "3 acknowledged." in text(answer)
    assert Alert.objects.filter(note="All known").count() == 3


def test_an_unknown_action_on_many_is_refused(as_, operator):
    asked = {"ids": str(alert().pk), "action": "delete"}

    assert as_(operator).post("/alerts/bulk/", asked).status_code == 422


def test_the_left_bar_counts_what_fires_and_nobody_acknowledged(as_, viewer):
    now = timezone.now()
    alert("a", subject_id="1")
    alert("b", subject_id="2", acknowledged_at=now, acknowledged_until=now + HOUR)
    alert("c", subject_id="3", acknowledged_at=now - HOUR, acknowledged_until=now - HOUR / 2)
    alert("d", subject_id="4", status="pending")

    assert '2<span class="visually-hidden"> firing alerts that nobody acknowledged' in text(as_(viewer).get("/audit/"))


def test_saved_filters_and_search_know_alerts(as_, viewer):
    fires, browser = alert("billing-1"), as_(viewer)
    over = alert("billing-9", status="resolved", subject_id="9")

    assert f'href="/alerts/{fires.pk}/"' in text(browser.get("/search/?q=billing-1"))
    assert f'href="/alerts/{over.pk}/"' in text(browser.get(f"/search/?q={over.pk}"))
    kept = browser.post("/filters/", {"page": "alerts", "label": "Grave", "query": "severity=critical"})
    assert kept.status_code in (302, 303)
    assert "Grave" in text(browser.get("/alerts/"))


def test_without_alerts_the_page_says_that_nothing_is_wrong(as_, viewer):
    browser = as_(viewer)

    assert "Nothing is wrong" in text(browser.get("/alerts/"))
    assert "No alert matches" in text(browser.get("/alerts/?severity=critical"))


def test_a_bad_filter_is_named(as_, viewer):
    assert as_(viewer).get("/alerts/?status=burning").status_code == 422
