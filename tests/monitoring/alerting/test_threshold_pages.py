"""The pages of thresholds, through a browser without JavaScript."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import Agent
from monitoring.alerting import thresholds
from monitoring.models import Threshold
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Event
from tests.monitoring.alerting import measured
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("test")
URL = "/alerts/thresholds/"
SLOW = {"name": "Slow", "metric": "response_time", "value": 5.0, "recovery_value": 4.0}
FORM = {
    "name": "Slow",
    "scope_kind": "all",
    "scope": "",
    "operator": ">",
    "value": "5",
    "recovery_value": "4",
    "for_s": "1 m",
    "keep_firing_s": "2m",
    "severity": "warning",
    "instruction": "",
    "no_data": "keep",
    "no_data_after_s": "5m",
    "flap_changes": "6",
    "flap_window_s": "30 m",
    "reason": "",
    "version": "1",
}


@pytest.fixture
def slow(db):
    return thresholds.create(SLOW, by=SYSTEM)


@pytest.fixture
def agent(make_agent):
    return make_agent("kim")


def just_now():
    return int(timezone.now().timestamp()) // 30 * 30


def text(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def test_the_list_says_limit_distance_and_what_fires(as_, viewer, slow, agent):
    measured.took(agent, 4.5, just_now())

    shown = text(as_(viewer).get(URL))

    assert "Response time of all agents" in shown
    assert "above 5 s for 1 m" in shown
    assert "4.5 s kim" in shown


def test_the_distance_is_that_of_the_worst_in_the_scope(as_, viewer, make_agent):
    fast, slow_one, other = make_agent("fast"), make_agent("slow", ["draft"]), make_agent("other")
    thresholds.create({**SLOW, "scope": {"capability": "draft"}}, by=SYSTEM)
    for agent, seconds in ((fast, 1), (slow_one, 2), (other, 9)):
        measured.took(agent, seconds, just_now())

    assert "2.0 s slow" in text(as_(viewer).get(URL))


def test_what_is_beyond_the_limit_is_said_in_words_too(as_, viewer, slow, agent):
    measured.took(agent, 9, just_now())

    assert "9.0 s kim beyond the limit" in text(as_(viewer).get(URL))


def test_an_old_value_is_none_of_the_present(as_, viewer, slow, agent):
    measured.took(agent, 9, just_now() - 600)

    assert "nothing measured" in text(as_(viewer).get(URL))


def test_an_empty_list_offers_the_usual_ones(as_, viewer, operator):
    assert "An operator can add one" in text(as_(viewer).get(URL))
    browser = as_(operator)
    assert "Add the usual ones" in text(browser.get(URL))

    answer = browser.post(f"{URL}usual/", follow=True)

    assert "7 thresholds are looked at from the next tick." in text(answer)
    assert "They are all there already." in text(browser.post(f"{URL}usual/", follow=True))
    assert "No threshold matches" in text(browser.get(f"{URL}?search=nothing"))


def test_the_list_takes_the_same_queries_however_long_it_is(as_, viewer, agent):
    browser = as_(viewer)
    measured.took(agent, 2, just_now())

    def add(*names):
        for name in names:
            thresholds.create({**SLOW, "name": name, "scope": {"agent": "kim"}}, by=SYSTEM)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(URL).status_code == 200
        return len(captured)

    add("a", "b")
    queries()
    few = queries()
    add(*"cdefghij")

    assert queries() == few


def test_several_are_disabled_with_one_reason(as_, operator, slow):
    other = thresholds.create({**SLOW, "name": "Other"}, by=SYSTEM)
    off = thresholds.create({**SLOW, "name": "Off", "enabled": False}, by=SYSTEM)
    chosen = f"{slow.pk},{other.pk},{off.pk}"
    browser = as_(operator)

    assert browser.post(f"{URL}bulk/", {"action": "disable", "ids": chosen}).status_code == 422
    answer = browser.post(f"{URL}bulk/", {"action": "disable", "ids": chosen, "reason": "Move"}, follow=True)

    assert "2 disabled, 1 skipped." in text(answer)
    events = Event.objects.filter(action="ThresholdDisabled")
    assert events.count() == 2 and events.values("correlation").distinct().count() == 1


def test_all_that_match_are_chosen_by_the_filter(as_, operator, slow):
    thresholds.create({**SLOW, "name": "Off", "severity": "critical", "enabled": False}, by=SYSTEM)

    as_(operator).post(f"{URL}bulk/", {"action": "enable", "all": "1", "query": "severity=critical"})

    assert Event.objects.get(action="ThresholdEnabled").target_label == "Off"


def test_first_a_metric_is_chosen_then_the_form_is_shown(as_, operator, agent):
    browser = as_(operator)
    chosen = browser.get(f"{URL}add/?agent=kim").content.decode()

    assert "?metric=error_rate&amp;agent=kim" in chosen and "Calls that failed" in chosen
    form = browser.get(f"{URL}add/?metric=error_rate&agent=kim").context["form"]
    assert (form["scope_kind"].value(), form["scope"].value()) == ("agent", "kim")
    assert form["value"].label == "Limit, %"


def test_shares_are_typed_in_percent(as_, operator):
    made = {**FORM, "name": "", "value": "7", "recovery_value": "", "version": ""}

    answer = as_(operator).post(f"{URL}add/?metric=error_rate", made)

    row = Threshold.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"{URL}{row.pk}/")
    assert (row.value, row.recovery_value, row.name) == (0.07, 0.07, "Errors of all agents above 7 %")
    assert (row.for_s, row.keep_firing_s, row.flap_window_s) == (60, 120, 1800)


def test_of_the_system_no_scope_is_asked_for(as_, operator):
    made = {**FORM, "name": "", "value": "10", "recovery_value": "12", "operator": "<"}
    del made["scope"], made["scope_kind"]

    as_(operator).post(f"{URL}add/?metric=disk_free", made)

    row = Threshold.objects.get()
    assert (row.value, row.recovery_value, row.scope_kind) == (0.1, 0.12, "all")


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"value": ""}, "value", "required"),
        ({"value": "nan"}, "value", "number"),
        ({"recovery_value": "6"}, "recovery_value", "beyond the limit of 5 s"),
        ({"for_s": "soon"}, "for_s", "such as 30s, 2m"),
        ({"for_s": "31d"}, "for_s", "30 days"),
        ({"keep_firing_s": "-5"}, "keep_firing_s", "such as 30s"),
        ({"scope_kind": "agent", "scope": ""}, "scope", "Say which agent"),
        ({"scope_kind": "agent", "scope": "nobody"}, "scope", "There is no agent nobody"),
        ({"scope_kind": "queue", "scope": "x"}, "scope_kind", "valid choice"),
        ({"flap_changes": "1"}, "flap_changes", "from 2"),
        ({"name": "Taken"}, "name", "There is a threshold named Taken already"),
    ],
    ids=str,
)
def test_faults_stand_beside_their_fields(as_, operator, slow, change, field, said):
    thresholds.create({**SLOW, "name": "Taken"}, by=SYSTEM)

    shown = as_(operator).post(f"{URL}{slow.pk}/", {**FORM, **change})

    assert shown.status_code == 422
    errors = shown.context["form"].errors
    assert set(errors) == {field} and said in errors[field][0]


def test_the_script_is_told_of_faults_as_a_field_is_left(as_, operator, slow):
    asked = as_(operator).post(f"{URL}{slow.pk}/", {**FORM, "recovery_value": "9"}, headers={"X-Validate": "value"})

    assert asked.json()["errors"][0]["path"] == "recovery_value"


def test_the_form_shows_what_is_stored_and_changes_it(as_, operator, slow):
    browser = as_(operator)
    form = browser.get(f"{URL}{slow.pk}/").context["form"]
    assert {name: form[name].value() for name in ("value", "for_s", "version")} == {
        "value": 5,
        "for_s": "1 m",
        "version": 1,
    }

    browser.post(f"{URL}{slow.pk}/", {**FORM, "value": "7.5", "reason": "Slower models"})

    slow.refresh_from_db()
    assert (slow.value, slow.version) == (7.5, 2)
    assert slow.versions.first().reason == "Slower models"


def test_a_scope_is_shown_by_name_and_kept_by_number(as_, operator, agent):
    made = thresholds.create({**SLOW, "scope": {"agent": agent.pk}}, by=SYSTEM)
    browser = as_(operator)
    assert browser.get(f"{URL}{made.pk}/").context["form"]["scope"].value() == "kim"
    with arranged():
        Agent.objects.filter(pk=agent.pk).delete()

    shown = browser.get(f"{URL}{made.pk}/")
    assert f"#{agent.pk}, which is gone" in text(shown)
    word = shown.context["form"]["scope"].value()
    saved = browser.post(f"{URL}{made.pk}/", {**FORM, "scope_kind": "agent", "scope": word, "value": "6"})

    assert saved.status_code == 303
    made.refresh_from_db()
    assert (made.value, made.scope_value) == (6, str(agent.pk))


def test_of_two_browsers_that_edit_the_same_version_the_second_sees_the_difference(as_, operator, make_user, slow):
    olga, ada = as_(operator), as_(make_user("ada", "operator"))
    ada.post(f"{URL}{slow.pk}/", {**FORM, "value": "7"})

    refused = olga.post(f"{URL}{slow.pk}/", {**FORM, "value": "9"})

    assert refused.status_code == 409
    said = text(refused)
    assert "ada has changed Slow meanwhile" in said and "Breaches above 5 s above 7 s" in said
    form = refused.context["form"]
    assert (form["value"].value(), form["version"].value()) == ("9", "2")
    slow.refresh_from_db()
    assert slow.value == 7
    assert Event.objects.filter(action="RequestRefused", target_kind="threshold").exists()

    olga.post(f"{URL}{slow.pk}/", {**FORM, "value": "9", "version": "2"})
    slow.refresh_from_db()
    assert (slow.value, slow.version) == (9, 3)


def test_switching_and_removing_say_what_happens_to_its_alerts(as_, operator, slow, agent):
    measured.took(agent, 9, measured.START)
    with arranged():
        Threshold.objects.update(for_s=0)
    measured.tick(measured.START)
    measured.evaluate(measured.START)
    browser = as_(operator)

    assert "1 open alert of it ends at the next tick" in text(browser.get(f"{URL}{slow.pk}/"))
    assert "looked at no more" in text(browser.post(f"{URL}{slow.pk}/disable/", {"reason": "Move"}, follow=True))
    assert "looked at again" in text(browser.post(f"{URL}{slow.pk}/enable/", follow=True))
    gone = browser.post(f"{URL}{slow.pk}/remove/", {"reason": "Noise"}, follow=True)
    assert "Slow was removed. 1 alert of it ends at the next tick." in text(gone)
    assert browser.get(f"{URL}{slow.pk}/").status_code == 404


def test_versions_say_what_each_changed_and_any_two_can_be_compared(as_, operator, slow):
    thresholds.change(slow.pk, {"value": 7, "for_s": 0}, by=SYSTEM, reason="Try")
    thresholds.change(slow.pk, {"severity": "critical"}, by=SYSTEM)
    browser = as_(operator)

    shown = text(browser.get(f"{URL}{slow.pk}/versions/"))
    assert "From version 2 to 3" in shown and "Severity warning critical" in shown
    assert "Breaches: above 5 s → above 7 s Fires after: 1 m → no time Try" in shown
    both = text(browser.get(f"{URL}{slow.pk}/versions/?from=1&to=3"))
    assert "Breaches above 5 s above 7 s" in both and "Severity warning critical" in both
    assert browser.get(f"{URL}{slow.pk}/versions/?from=9").status_code == 404


def test_a_version_is_restored_from_the_comparison(as_, operator, slow):
    thresholds.change(slow.pk, {"value": 7}, by=SYSTEM)
    browser = as_(operator)
    assert "Restore version 1…" in text(browser.get(f"{URL}{slow.pk}/versions/?from=2&to=1"))

    stale = browser.post(f"{URL}{slow.pk}/versions/1/restore/", {"reason": "Back", "version": "1"})
    done = browser.post(f"{URL}{slow.pk}/versions/1/restore/", {"reason": "Back", "version": "2"}, follow=True)

    assert stale.status_code == 409
    assert "Slow is again as it was in version 1." in text(done)
    slow.refresh_from_db()
    assert (slow.value, slow.version) == (5, 3)


def test_the_chart_shows_the_last_week_of_the_worst_one_with_its_limit(as_, operator, slow, agent, make_agent):
    worse = make_agent("wim")
    for number in range(3):
        measured.took(agent, 2, just_now() - number * 3600)
        measured.took(worse, 3 + number, just_now() - number * 3600)

    shown = as_(operator).post(f"{URL}{slow.pk}/try/", FORM)

    chart = shown.context["tried"].chart
    assert chart.title == "Response time, wim"
    assert [value for value in chart.lines[0].values if value] == [5, 4, 3]
    assert [(limit.value, limit.field) for limit in chart.limits] == [(5, "id_value"), (4, "id_recovery_value")]
    other = as_(operator).post(f"{URL}{slow.pk}/try/", {**FORM, "subject": str(agent.pk)})
    assert other.context["tried"].chart.title == "Response time, kim"


def test_what_it_would_have_done_is_said_for_all_and_shaded_for_the_one_that_is_shown(as_, operator, agent, make_agent):
    calm = make_agent("calm")
    end = just_now()
    for number in range(60):
        at = end - 30 * (60 - number)
        measured.tick(at, evaluated=True)
        measured.took(agent, 9 if 20 <= number < 30 else 1, at)
        measured.took(calm, 2, at)

    shown = as_(operator).post(f"{URL}try/?metric=response_time", {**FORM, "for_s": "0", "keep_firing_s": "0"})

    said = text(shown)
    assert "would have fired once , 5 m in all" in said and "notified 2 times: 2 In the browser" in said
    tried = shown.context["tried"]
    since = datetime.fromtimestamp(end - 30 * 40, UTC)
    assert [(shade.label, list(shade.stretches)) for shade in tried.chart.shades] == [
        ("would have fired", [(since, since + timedelta(minutes=5))])
    ]
    assert tried.chosen.label == "kim" and {subject.label for subject in tried.offered} == {"kim", "calm"}
    other = as_(operator).post(f"{URL}try/?metric=response_time", {**FORM, "subject": str(calm.pk)})
    assert other.context["tried"].chosen.label == "calm"
    assert other.context["tried"].chart.shades[0].stretches == []


def test_what_would_fire_now_is_said_to_be_open(as_, operator, agent):
    for number in range(10):
        at = just_now() - 30 * (9 - number)
        measured.tick(at, evaluated=True)
        measured.took(agent, 9, at)

    shown = as_(operator).post(f"{URL}try/?metric=response_time", {**FORM, "for_s": "0"})

    assert [firing.is_open for firing in shown.context["tried"].outcome.firings] == [True]
    assert "now" in text(shown)


def test_where_its_scope_holds_nothing_there_is_nothing_to_try(as_, operator):
    shown = as_(operator).post(f"{URL}try/?metric=response_time", FORM)

    assert "Nothing is in its scope at present" in text(shown)


def test_with_a_fault_the_chart_stays_and_the_fault_is_said(as_, operator, slow, agent):
    measured.took(agent, 2, just_now())

    shown = as_(operator).post(f"{URL}{slow.pk}/try/", {**FORM, "recovery_value": "6"})

    assert "threshold-course" in shown.content.decode()
    assert "Recovers at, seconds: Recovery lies beyond the limit of 5 s" in text(shown)


def test_a_viewer_sees_all_and_is_offered_nothing(as_, viewer, slow):
    browser = as_(viewer)

    page = browser.get(f"{URL}{slow.pk}/")
    assert "What it says" in text(page) and "threshold-form" not in page.content.decode().replace("#threshold-form", "")
    assert browser.get(f"{URL}{slow.pk}/try/").status_code == 200
    assert browser.get(f"{URL}add/").status_code == 403
    assert browser.post(f"{URL}{slow.pk}/", FORM).status_code == 403
    assert browser.post(f"{URL}usual/").status_code == 403


@pytest.mark.parametrize("where", ["agents/{agent}/", "queues/default/settings/"])
def test_what_looks_at_something_stands_on_its_page_with_the_distance_there(as_, viewer, agent, make_agent, where):
    thresholds.create(SLOW, by=SYSTEM)
    thresholds.create({"name": "Long queue", "metric": "queue_waiting", "value": 10}, by=SYSTEM)
    measured.took(agent, 2, just_now())
    measured.took(make_agent("wim"), 4, just_now())
    measured.gauge(3, just_now())

    shown = text(as_(viewer).get(f"/{where.format(agent=agent.pk)}"))

    wanted = "Slow Response time above 5 s for 1 m 2.0 s kim" if "agents" in where else "Long queue Waiting above 10"
    assert "Thresholds that look at this" in shown and wanted in shown
    assert ("Long queue" in shown) == ("queues" in where)
