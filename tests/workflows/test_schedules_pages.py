"""The pages of schedules, through a browser without JavaScript."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.audit import last_event
from tests.silent_writes import arranged
from tests.workflows.conftest import SYSTEM
from workflows import schedules
from workflows.models import Run, Schedule
from workflows.schedule_list import find

pytestmark = pytest.mark.django_db
LIST_QUERIES = 9
"""Session, person, newest event; 5 bounded counts for the chips; the schedules with workflow and last run."""
FORM = {
    "name": "nightly",
    "workflow": "clean_up",
    "cron": "0 9 * * 1-5",
    "timezone": "Europe/Berlin",
    "input": '{"depth": 2}',
    "missed": "skip",
    "overlap": "cancel_previous",
    "priority": "3",
    "enabled": "on",
}


@pytest.fixture
def flow(publish):
    publish("clean_up", {"name": "review", "human": {}})


@pytest.fixture
def make(flow):
    """``make("nightly", cron="@daily")``: a schedule."""

    def create(name="nightly", **values):
        defaults = {"workflow": "clean_up", "cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"}
        return schedules.create({"name": name} | defaults | values, by=SYSTEM)

    return create


def text(response):
    return response.content.decode()


def test_the_list_shows_what_runs_when(make, as_, viewer):
    schedule = make()
    run = schedules.fire_now(schedule.pk, by=SYSTEM)

    shown = text(as_(viewer).get("/schedules/"))

    assert "Monday to Friday at 09:00" in shown
    assert "Europe/Berlin" in shown
    assert f'<a href="/runs/{run.pk}/">#{run.pk}</a>' in shown
    assert "Disable" not in shown


def test_an_empty_list_says_what_to_do_first(as_, viewer, admin_user):
    assert "An administrator can add a schedule" in text(as_(viewer).get("/schedules/"))
    assert "Add the first schedule" in text(as_(admin_user).get("/schedules/"))


def test_a_list_without_a_match_says_so(make, as_, viewer):
    make()

    assert "No schedule matches" in text(as_(viewer).get("/schedules/?search=weekly"))


def test_chips_offer_what_would_find_something(make, as_, viewer):
    make("one")
    schedules.disable(make("two").pk, by=SYSTEM)
    with arranged():
        Schedule.objects.filter(name="one").update(last_outcome="failed")

    chips = as_(viewer).get("/schedules/").context["listing"].offered

    assert [(chip.label, chip.count) for chip in chips] == [("enabled", 1), ("disabled", 1), ("failed", 1)]


def test_the_list_costs_the_same_few_queries_however_many_schedules_there_are(make, as_, operator):
    browser = as_(operator)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            browser.get("/schedules/", headers={"X-Regions": "schedules"})
        return len(captured)

    schedules.fire_now(make("one").pk, by=SYSTEM)
    few = queries()
    for number in range(20):
        schedules.fire_now(make(f"many-{number}").pk, by=SYSTEM)

    assert queries() == few <= LIST_QUERIES


def test_its_page_costs_the_same_however_often_it_ran(make, as_, viewer):
    schedule, browser = make(), as_(viewer)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            browser.get(
                f"/schedules/{schedule.pk}/", headers={"X-Regions": "schedule-head schedule-times schedule-runs"}
            )
        return len(captured)

    schedules.fire_now(schedule.pk, by=SYSTEM)
    few = queries()
    for _ in range(5):
        schedules.fire_now(schedule.pk, by=SYSTEM)

    assert queries() == few <= 5


def test_its_page_shows_the_next_times_in_its_zone_and_in_the_persons(make, as_, viewer):
    schedule, browser = make(), as_(viewer)
    browser.cookies["zone"] = "Asia/Tokyo"

    response = browser.get(f"/schedules/{schedule.pk}/")

    assert len(response.context["times"]) == 5
    shown = text(response)
    assert "Yours, Asia/Tokyo" in shown
    assert ", 09:00 <span" in shown
    assert "JST" in shown


@pytest.mark.parametrize("told", ["", "Mars/Olympus", "../etc/passwd"])
def test_a_browser_that_tells_no_time_zone_is_shown_that_of_the_settings(make, as_, viewer, settings, told):
    schedule, browser = make(), as_(viewer)
    browser.cookies["zone"] = told

    assert browser.get(f"/schedules/{schedule.pk}/").context["viewer_zone"] == settings.TIME_ZONE


def test_its_page_shows_its_runs_and_its_trail(make, as_, viewer):
    schedule = make()
    run = schedules.fire_now(schedule.pk, by=SYSTEM, reason="a trial")

    shown = text(as_(viewer).get(f"/schedules/{schedule.pk}/"))

    assert f'id="run-{run.pk}"' in shown
    assert "a trial" in shown
    assert "<strong>test</strong> added the schedule" in shown
    assert "<strong>test</strong> ran" in shown


def test_a_failure_is_said_at_the_top(make, as_, viewer):
    schedule = make()
    with arranged():
        Schedule.objects.update(last_outcome="failed", note="input.depth: 'depth' is a required property")

    shown = text(as_(viewer).get(f"/schedules/{schedule.pk}/"))

    assert "No run began" in shown
    assert "is a required property" in shown


def test_pages_stand_although_a_time_zone_is_no_more(make, as_, operator):
    schedule, browser = make(), as_(operator)
    with arranged():
        Schedule.objects.update(timezone="Europe/Atlantis", cron="not at all")

    assert "not at all" in text(browser.get("/schedules/"))
    assert "Its times cannot be told" in text(browser.get(f"/schedules/{schedule.pk}/"))
    browser.post(f"/schedules/{schedule.pk}/disable/")
    assert browser.post(f"/schedules/{schedule.pk}/enable/").status_code == 422


def test_the_search_finds_it_by_name(make):
    schedule = make()

    assert [found.url for found in find("night", None, 5)] == [f"/schedules/{schedule.pk}/"]


def test_secrets_of_the_input_are_masked_and_stay_when_the_form_is_saved(make, as_, admin_user):
    schedule, browser = make(input={"token": "t0p", "depth": 1}), as_(admin_user)

    for address in ("", "edit/"):
        assert "t0p" not in text(browser.get(f"/schedules/{schedule.pk}/{address}"))
    shown = browser.get(f"/schedules/{schedule.pk}/edit/").context["form"]["input"].value()
    browser.post(f"/schedules/{schedule.pk}/edit/", FORM | {"input": shown})

    assert Schedule.objects.get().input == {"token": "t0p", "depth": 1}


def test_an_administrator_adds_a_schedule(flow, as_, admin_user):
    answer = as_(admin_user).post("/schedules/add/", FORM | {"reason": "every morning"}, follow=True)

    made = Schedule.objects.get()
    assert answer.redirect_chain == [(f"/schedules/{made.pk}/", 303)]
    assert (made.cron, made.timezone, made.input, made.missed, made.overlap, made.priority, made.enabled) == (
        "0 9 * * 1-5", "Europe/Berlin", {"depth": 2}, "skip", "cancel_previous", 3, True,
    )  # fmt: skip
    assert last_event().detail.reason == "every morning"
    assert "nightly was added." in text(answer)


def test_an_administrator_changes_a_schedule(make, as_, admin_user):
    schedule, browser = make(), as_(admin_user)
    assert browser.get(f"/schedules/{schedule.pk}/edit/").context["form"]["workflow"].value() == "clean_up"

    browser.post(f"/schedules/{schedule.pk}/edit/", {**FORM, "cron": "@daily", "enabled": ""})

    schedule.refresh_from_db()
    assert (schedule.cron, schedule.enabled, schedule.next_at) == ("@daily", False, None)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "This field is required."),
        ("name", "taken", "There is a schedule named taken already"),
        ("workflow", "none", "Select a valid choice"),
        ("cron", "61 * * * *", "The minute is not valid"),
        ("timezone", "Mars", "There is no such time zone"),
        ("input", "{", "This is not JSON"),
        ("input", '{"steps": 1}', "This name belongs to the outputs of steps"),
        ("priority", "1000", "Give a whole number from -100 to 100"),
        ("queue", "the queue", "Give a name of letters"),
    ],
)
def test_a_fault_stands_beside_its_field_and_nothing_is_added(make, as_, admin_user, field, value, message):
    make("taken")

    form = as_(admin_user).post("/schedules/add/", FORM | {field: value}).context["form"]

    assert message in " ".join(form.errors[field])
    assert Schedule.objects.count() == 1


def test_a_field_is_checked_as_it_is_left(flow, as_, admin_user):
    answer = as_(admin_user).post("/schedules/add/", FORM | {"cron": "never"}, headers={"X-Validate": "cron"})

    assert [fault["path"] for fault in answer.json()["errors"]] == ["cron"]
    assert not Schedule.objects.exists()


def test_what_is_typed_is_said_in_words_with_its_next_times(as_, admin_user):
    browser = as_(admin_user)

    typed = text(browser.get("/schedules/preview/?cron=*/15+*+*+*+*&timezone=Asia/Tokyo"))

    assert "Every 15 minutes" in typed
    assert typed.count("<tr>") == 6
    assert "<html" not in typed
    assert "The minute is not valid" in text(browser.get("/schedules/preview/?cron=99+*+*+*+*&timezone=UTC"))
    assert "There is no such time zone" in text(browser.get("/schedules/preview/?cron=@daily&timezone=Mars"))
    assert "Write when it fires" in text(browser.get("/schedules/preview/"))


def test_a_form_that_comes_back_still_says_what_was_typed(flow, as_, admin_user):
    shown = text(as_(admin_user).post("/schedules/add/", FORM | {"name": ""}))

    assert "Monday to Friday at 09:00</strong>" in shown


def test_an_operator_switches_it_in_the_list(make, as_, operator):
    schedule, browser = make(), as_(operator)

    answer = browser.post(f"/schedules/{schedule.pk}/disable/", {"back": "list"}, follow=True)

    assert answer.redirect_chain == [("/schedules/", 303)]
    assert "nightly does not fire any more." in text(answer)
    browser.post(f"/schedules/{schedule.pk}/enable/")
    assert Schedule.objects.get().enabled


def test_an_operator_runs_it_now_with_a_reason(make, as_, operator):
    schedule = make()

    answer = as_(operator).post(f"/schedules/{schedule.pk}/fire/", {"reason": "a trial"}, follow=True)

    run = Run.objects.get()
    assert f"Run #{run.pk} has begun." in text(answer)
    assert (last_event().action, last_event().detail.reason) == ("ScheduleFired", "a trial")


def test_an_administrator_removes_it(make, as_, admin_user):
    schedule = make()

    answer = as_(admin_user).post(f"/schedules/{schedule.pk}/remove/", {"reason": "over"}, follow=True)

    assert answer.redirect_chain == [("/schedules/", 303)]
    assert (Schedule.objects.count(), last_event().detail.reason) == (0, "over")


@pytest.mark.parametrize("address", ["add/", "{}/edit/"])
def test_only_administrators_see_the_forms(make, as_, operator, address):
    assert as_(operator).get(f"/schedules/{address.format(make().pk)}").status_code == 403


@pytest.mark.parametrize("action", ["fire", "enable", "disable", "remove"])
def test_a_viewer_may_only_look(make, as_, viewer, action):
    schedule, browser = make(), as_(viewer)

    assert browser.post(f"/schedules/{schedule.pk}/{action}/").status_code == 403
    assert "Run now" not in text(browser.get(f"/schedules/{schedule.pk}/"))


@pytest.mark.parametrize("address", ["/schedules/404/", "/schedules/404/edit/"])
def test_what_does_not_exist_is_not_found(as_, admin_user, address):
    assert as_(admin_user).get(address).status_code == 404


def test_the_admin_lists_and_switches_schedules(make, as_, admin_user):
    schedule, browser = make(input={"token": "t0p"}), as_(admin_user)

    assert "nightly" in text(browser.get("/admin/workflows/schedule/"))
    assert "t0p" not in text(browser.get(f"/admin/workflows/schedule/{schedule.pk}/change/"))
    browser.post("/admin/workflows/schedule/", {"action": "disable", "_selected_action": [schedule.pk]})

    assert not Schedule.objects.get().enabled
    assert (last_event().action, last_event().detail.reason) == ("ScheduleDisabled", "from the admin")
