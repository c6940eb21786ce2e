"""The pages of silences, through a browser without JavaScript."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring.models import Silence
from monitoring.notification import lasting
from tests.monitoring.alerts_made import alert, condition, silence

pytestmark = pytest.mark.django_db
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NEW = {
    "matchers_label": ["agent", ""],
    "matchers_operator": ["starts with", "="],
    "matchers_value": ["billing", ""],
    "lasts": "1h",
    "ends_at": "",
    "starts_at": "",
    "reason": "Maintenance",
}


def text(response):
    return " ".join(response.content.decode().split())


def local(moment):
    return timezone.localtime(moment).strftime("%Y-%m-%dT%H:%M")


def test_each_says_author_reason_end_and_what_it_hides_now(as_, viewer):
    alert("billing-1")
    for number in range(5):
        alert(f"billing-more-{number}", subject_id=str(10 + number))
    alert("support-1", subject_id="2")
    silence(condition("agent", "starts with", "billing"), reason="New server")
    silence(condition("agent", "=", "nobody"), author="Bob")

    shown = text(as_(viewer).get("/alerts/silences/"))

    assert "agent starts with billing" in shown and "New server" in shown and "Olga" in shown and "Bob" in shown
    assert "<strong>6</strong>" in shown and "and 3 more" in shown and "nothing that is open" in shown


def test_those_that_have_ended_are_a_filter_away(as_, viewer):
    now = timezone.now()
    silence(reason="Long ago", starts_at=now - 2 * HOUR, ends_at=now - HOUR, ended_by="Ada")
    silence(reason="Tomorrow", starts_at=now + HOUR, ends_at=now + 2 * HOUR)
    browser = as_(viewer)

    first, ended, scheduled = (
        text(browser.get(f"/alerts/silences/{query}")) for query in ("", "?state=ended", "?state=scheduled")
    )

    assert "Tomorrow" in first and "Long ago" not in first
    assert "Long ago" in ended and "ended by Ada" in ended
    assert "Tomorrow" in scheduled and "Long ago" not in scheduled


def test_the_list_takes_as_many_queries_for_many_as_for_one(as_, viewer):
    browser = as_(viewer)

    def queries():
        with CaptureQueriesContext(connection) as seen:
            assert browser.get("/alerts/silences/").status_code == 200
        return len(seen)

    silence()
    alert()
    browser.get("/alerts/silences/")
    few = queries()
    for number in range(20):
        silence(condition("agent", "=", f"agent-{number}"))
        alert(f"agent-{number}", subject_id=str(number + 2))

    assert queries() == few
    assert few <= 25


def test_the_form_makes_a_silence(as_, operator):
    answer = as_(operator).post("/alerts/silences/add/", NEW, follow=True)

    made = Silence.objects.get()
    assert made.matchers == [condition("agent", "starts with", "billing")]
    assert (made.reason, made.author, made.author_user) == ("Maintenance", operator.label, operator)
    assert HOUR - MINUTE < made.ends_at - timezone.now() <= HOUR
    assert answer.redirect_chain[-1][0] == f"/alerts/silences/{made.pk}/"


def test_a_moment_takes_the_place_of_the_span_and_a_span_begins_with_the_silence(as_, operator):
    begins, browser = timezone.now().replace(second=0, microsecond=0) + 3 * HOUR, as_(operator)
    browser.post("/alerts/silences/add/", {**NEW, "ends_at": local(begins)})
    browser.post("/alerts/silences/add/", {**NEW, "starts_at": local(begins)})

    first, second = Silence.objects.order_by("pk")
    assert first.ends_at == begins
    assert (second.starts_at, second.ends_at) == (begins, begins + HOUR)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"matchers_label": [], "matchers_operator": [], "matchers_value": []}, "Give at least one condition."),
        ({"matchers_label": [""]}, "Condition 1, label: Choose one of"),
        ({"reason": ""}, "This field is required."),
        ({"lasts": "until"}, "Give the moment, or choose how long above."),
        ({"ends_at": "2020-01-01T08:00"}, "This is in the past"),
        ({"starts_at": "2020-01-01T08:00", "ends_at": "2020-01-01T07:00"}, "This is in the past"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(as_, operator, changes, says):
    answer = as_(operator).post("/alerts/silences/add/", NEW | changes)

    assert answer.status_code == 200 and says in text(answer)
    assert not Silence.objects.exists()


def test_a_field_that_is_left_is_checked_at_once(as_, operator):
    answer = as_(operator).post(
        "/alerts/silences/add/", NEW | {"ends_at": "2020-01-01T08:00"}, headers={"X-Validate": "ends_at"}
    )

    assert [fault["path"] for fault in answer.json()["errors"]] == ["ends_at"]
    assert not Silence.objects.exists()


def test_the_form_of_an_alert_has_its_conditions_and_shows_what_they_hide(as_, operator):
    fires = alert("billing-1")
    alert("support-1", subject_id="2")

    shown = text(as_(operator).get(f"/alerts/silences/add/?alert={fires.pk}"))

    assert 'value="billing-1"' in shown and 'value="Response over 5 s"' in shown
    assert "1 open alert</strong> fits" in shown


def test_the_preview_follows_what_is_typed(as_, operator):
    alert("billing-1")
    alert("billing-2", subject_id="2")
    browser = as_(operator)

    assert "2 open alerts</strong> fit" in text(browser.post("/alerts/silences/preview/", NEW))
    none = browser.post("/alerts/silences/preview/", NEW | {"matchers_value": ["support", ""]})
    assert "No open alert fits" in text(none)
    assert "Give the conditions" in text(browser.post("/alerts/silences/preview/", {}))


def test_one_can_be_extended_and_ended_on_its_page(as_, operator):
    made, browser = silence(condition("agent", "=", "billing-1")), as_(operator)
    fires = alert("billing-1")
    address = f"/alerts/silences/{made.pk}/"
    assert f'href="/alerts/{fires.pk}/"' in text(browser.get(address))
    kept = {
        "matchers_label": ["agent"],
        "matchers_operator": ["="],
        "matchers_value": ["billing-1"],
        "ends_at": local(made.ends_at),
        "reason": "Longer than thought",
    }

    browser.post(address, {**kept, "lasts": "until"})
    unchanged = Silence.objects.get()
    browser.post(address, {**kept, "lasts": "1d"})
    extended = Silence.objects.get()
    browser.post(f"{address}end/", {"reason": "Done"})

    assert (unchanged.ends_at, unchanged.reason) == (made.ends_at, "Longer than thought")
    assert timedelta(hours=23) < extended.ends_at - timezone.now() <= timedelta(days=1)
    assert Silence.objects.get().ended_by == operator.label
    over = text(browser.get(address))
    assert "it has ended" in over and "Change or extend" not in over


def test_viewers_look_and_may_not_touch(as_, viewer):
    made, browser = silence(), as_(viewer)

    assert "New silence" not in text(browser.get("/alerts/silences/"))
    assert "End now" not in text(browser.get(f"/alerts/silences/{made.pk}/"))
    assert browser.get("/alerts/silences/add/").status_code == 403
    assert browser.post(f"/alerts/silences/{made.pk}/end/").status_code == 403
    assert browser.get("/alerts/silences/99/").status_code == 404


def test_before_an_end_that_lets_an_alert_through_pages_warn(as_, viewer):
    alert("billing-1")
    made, browser = silence(ends_at=timezone.now() + 10 * MINUTE), as_(viewer)

    for page in ("/alerts/", "/alerts/silences/"):
        shown = text(browser.get(page))
        assert "A silence ends" in shown and f'href="/alerts/silences/{made.pk}/">Extend it' in shown


def test_until_tomorrow_is_eight_o_clock_by_the_settings(settings):
    settings.TIME_ZONE = "Europe/Berlin"
    with timezone.override("Europe/Berlin"):
        late = datetime.fromisoformat("2026-03-28T22:30:00+00:00")  # the clocks go forward that night

        assert lasting.end_of("tomorrow", late).isoformat() == "2026-03-29T08:00:00+02:00"
