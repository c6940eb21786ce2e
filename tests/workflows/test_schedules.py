"""Schedules and the clock that fires them."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from orchestra.kernel.models import Event, Role
from tests.audit import actions, last_event
from tests.silent_writes import arranged
from tests.workflows.conftest import OPERATOR, SYSTEM
from workflows import control, schedules, ticker
from workflows.models import Run, Schedule, Step

pytestmark = pytest.mark.django_db
ADMIN = Actor("person", "1", "Ada", role=Role.ADMIN)
VIEWER = Actor("person", "3", "Vera", role=Role.VIEWER)
DUE = datetime(2026, 1, 5, 9, tzinfo=UTC)
STEP = {"name": "review", "human": {}}


@pytest.fixture
def nightly(publish):
    """``nightly(cron="0 9 * * *")``: a schedule whose next time is DUE."""
    publish("clean_up", STEP)

    def make(**values):
        defaults = {"name": "nightly", "workflow": "clean_up", "cron": "0 9 * * *", "timezone": "UTC"}
        made = schedules.create(defaults | values, by=ADMIN)
        return due_at(made, DUE)

    return make


def due_at(schedule, moment, **values):
    with arranged():
        Schedule.objects.filter(pk=schedule.pk).update(next_at=moment, **values)
    schedule.refresh_from_db()
    return schedule


def after(event):
    return json.loads(event.detail.after)


def fire(late=timedelta(seconds=1)):
    return schedules.fire_due(DUE + late)


def test_a_new_schedule_is_due_at_its_next_time(publish):
    publish("clean_up", STEP)

    made = schedules.create(
        {"workflow": "clean_up", "cron": "0 9 * * *", "timezone": "Asia/Tokyo"}, by=ADMIN, reason="new"
    )

    assert timezone.now() < made.next_at <= timezone.now() + timedelta(days=1)
    assert (made.next_at.hour, made.name, made.created_by) == (0, "clean_up 0 9 * * *", "Ada")
    assert (last_event().action, last_event().detail.reason) == ("ScheduleCreated", "new")


def test_without_a_name_the_second_one_alike_gets_a_number(publish):
    publish("clean_up", STEP)
    values = {"workflow": "clean_up", "cron": "@daily"}

    assert [schedules.create(values, by=ADMIN).name for _ in range(2)] == ["clean_up @daily", "clean_up @daily (2)"]


def test_what_is_due_starts_a_run_that_says_why(nightly):
    schedule = nightly(input={"depth": 2}, priority=7, queue="night")

    assert fire() == 1

    run = Run.objects.get()
    assert (run.input, run.priority, run.queue, run.started_by) == ({"depth": 2}, 7, "night", "nightly")
    assert (run.serves_kind, run.serves_id) == ("schedule", str(schedule.pk))
    schedule.refresh_from_db()
    assert (schedule.next_at, schedule.last_outcome, schedule.last_run) == (DUE + timedelta(days=1), "fired", run)
    fired = Event.objects.get(action="ScheduleFired")
    assert after(fired) == {"due": ["2026-01-05 09:00 UTC"], "runs": [run.pk]}
    assert (fired.actor_kind, fired.actor_id, fired.correlation) == ("system", "schedule", run.correlation)


def test_what_is_not_due_yet_starts_nothing(nightly):
    nightly()

    assert fire(late=timedelta(seconds=-1)) == 0
    assert not Run.objects.exists()


def test_the_same_instant_again_starts_nothing(nightly):
    nightly()
    fire()

    assert fire() == 0
    assert Run.objects.count() == 1


def test_a_clock_that_goes_backwards_starts_nothing_again(nightly):
    nightly()
    fire()

    assert [fire(late=timedelta(minutes=minutes)) for minutes in (-60, -1, 0, 1)] == [0, 0, 0, 0]
    assert Run.objects.count() == 1


def test_a_clock_that_was_set_back_brings_no_time_back_when_the_schedule_is_saved(nightly):
    schedule = nightly(cron="*/5 * * * *")
    later = timezone.now() + timedelta(hours=2)
    due_at(schedule, later, last_at=later)

    schedules.disable(schedule.pk, by=OPERATOR)

    assert schedules.enable(schedule.pk, by=OPERATOR).next_at > later


def test_a_disabled_schedule_does_not_fire_and_its_times_do_not_count_as_missed(nightly):
    schedule = nightly(missed="all")
    schedules.disable(schedule.pk, by=OPERATOR, reason="holidays")
    assert (last_event().action, last_event().detail.reason) == ("ScheduleDisabled", "holidays")

    assert fire() == 0
    enabled = schedules.enable(schedule.pk, by=OPERATOR)

    assert enabled.next_at > timezone.now()
    assert not Run.objects.exists()


def test_nothing_due_costs_one_look_at_the_table(nightly):
    nightly()

    with CaptureQueriesContext(connection) as queries:
        schedules.fire_due(DUE - timedelta(days=1))

    assert len(queries) == 1


def test_the_ticker_fires_schedules(nightly):
    nightly()

    ticker.tick()

    assert Run.objects.count() == 1


class TestMissed:
    LATE = timedelta(days=3, hours=1)

    def test_one_run_makes_up_for_all(self, nightly):
        schedule = nightly(missed="once")

        fire(self.LATE)

        schedule.refresh_from_db()
        assert Run.objects.count() == 1
        assert schedule.note == "4 times went by while nobody looked; one run makes up for that."
        assert schedule.next_at == DUE + timedelta(days=4)

    def test_they_are_left_out(self, nightly):
        schedule = nightly(missed="skip")

        fire(self.LATE)

        schedule.refresh_from_db()
        assert not Run.objects.exists()
        assert (schedule.last_outcome, schedule.next_at) == ("skipped", DUE + timedelta(days=4))
        assert (last_event().action, last_event().detail.reason) == ("ScheduleSkipped", schedule.note)

    def test_of_those_left_out_the_one_that_is_on_time_is_not_one(self, nightly):
        nightly(missed="skip")

        fire(timedelta(days=3, seconds=30))

        [event] = Event.objects.filter(action="ScheduleFired")
        assert after(event)["due"] == ["2026-01-08 09:00 UTC"]

    def test_each_is_made_up_for(self, nightly):
        nightly(missed="all")

        fire(self.LATE)

        assert Run.objects.count() == 4
        assert len(after(Event.objects.get(action="ScheduleFired"))["due"]) == 4

    def test_but_not_more_than_so_many(self, nightly):
        schedule = nightly(missed="all", cron="* * * * *")

        fire(self.LATE)

        schedule.refresh_from_db()
        assert Run.objects.count() == schedules.MAX_CATCH_UP
        assert schedule.note.startswith("At least 20 times went by")

    def test_where_runs_may_not_overlap_one_is_enough(self, nightly):
        nightly(missed="all", overlap="skip")

        fire(self.LATE)

        assert Run.objects.count() == 1


class TestOverlap:
    def test_the_next_begins_beside_it(self, nightly):
        nightly(overlap="allow")

        fire()
        fire(timedelta(days=1))

        assert Run.objects.count() == 2

    def test_the_next_is_left_out_and_it_is_said_why(self, nightly):
        schedule = nightly(overlap="skip")

        fire()
        fire(timedelta(days=1))

        run = Run.objects.get()
        schedule.refresh_from_db()
        assert (schedule.last_outcome, schedule.note) == ("skipped", f"Run #{run.pk} had not ended.")
        assert schedule.next_at == DUE + timedelta(days=2)
        assert last_event().action == "ScheduleSkipped"

    def test_once_it_has_ended_the_next_begins(self, nightly):
        nightly(overlap="skip")
        fire()
        control.cancel(Run.objects.get().pk, by=SYSTEM, reason="done with it")

        fire(timedelta(days=1))

        assert Run.objects.count() == 2

    def test_it_is_cancelled_and_the_next_begins(self, nightly):
        nightly(overlap="cancel_previous")

        fire()
        fire(timedelta(days=1))

        assert Run.objects.earliest("pk").status == "cancelled"
        assert Run.objects.exclude(status="cancelled").count() == 1


class TestPoison:
    def test_a_schedule_that_cannot_start_goes_forward_and_says_why(self, nightly, publish):
        schedule = nightly()
        publish("clean_up", STEP, input_schema={"required": ["depth"]})

        assert fire() == 1

        schedule.refresh_from_db()
        assert (schedule.last_outcome, schedule.next_at) == ("failed", DUE + timedelta(days=1))
        assert "'depth' is a required property" in schedule.note
        assert (last_event().action, last_event().outcome) == ("ScheduleFailed", "failed")
        assert not Run.objects.exists()

    @pytest.mark.parametrize("broken", [{"timezone": "Europe/Atlantis"}, {"cron": "not at all"}])
    def test_one_whose_times_can_no_longer_be_told_is_tried_again_in_an_hour(self, nightly, broken):
        schedule = due_at(nightly(), DUE, **broken)

        fire(timedelta(0))

        schedule.refresh_from_db()
        assert (schedule.last_outcome, schedule.next_at) == ("failed", DUE + timedelta(hours=1))

    def test_it_does_not_stop_the_others(self, nightly, publish):
        publish("picky", STEP)
        due_at(nightly(name="first", workflow="picky"), DUE - timedelta(minutes=1))
        nightly(name="second")
        publish("picky", STEP, input_schema={"required": ["depth"]})

        fire()

        assert [run.started_by for run in Run.objects.all()] == ["second"]

    def test_nothing_of_a_run_that_could_not_begin_is_left(self, nightly, monkeypatch):
        """An error that nobody foresaw, in the middle of the unit of work."""
        schedule = nightly()
        monkeypatch.setattr(schedules, "_local", lambda *_: {}["no such thing"])

        fire()

        schedule.refresh_from_db()
        assert "unexpected error" in schedule.note
        assert actions()[-1] == "ScheduleFailed"
        assert not Run.objects.exists()


class TestByHand:
    def test_an_operator_runs_it_now_and_its_times_stay(self, nightly):
        schedule = nightly()

        run = schedules.fire_now(schedule.pk, by=OPERATOR, reason="at once, please")

        schedule.refresh_from_db()
        assert (run.started_by, schedule.last_run, schedule.next_at) == ("Olga", run, DUE)
        assert schedule.note == "Started by hand by Olga."
        fired = Event.objects.get(action="ScheduleFired")
        assert (fired.actor_label, fired.detail.reason) == ("Olga", "at once, please")

    def test_not_while_one_runs_that_must_be_alone(self, nightly):
        schedule = nightly(overlap="skip")
        run = schedules.fire_now(schedule.pk, by=OPERATOR)

        with pytest.raises(Conflict, match=f"Run #{run.pk} of this schedule has not ended"):
            schedules.fire_now(schedule.pk, by=OPERATOR)

    def test_the_many_runs_within_its_run_do_not_hide_that_it_goes_on(self, nightly, monkeypatch):
        monkeypatch.setattr(schedules, "LOOKED_AT", 3)
        schedule = nightly(overlap="skip")
        run = schedules.fire_now(schedule.pk, by=OPERATOR)
        with arranged():
            step = Step.objects.get(run=run)
            rest = {"version": run.version, "serves_kind": "schedule", "serves_id": str(schedule.pk)}
            for _ in range(5):
                Run.objects.create(parent=step, status="succeeded", finished_at=DUE, correlation="c", **rest)

        with pytest.raises(Conflict, match=f"Run #{run.pk} of this schedule has not ended"):
            schedules.fire_now(schedule.pk, by=OPERATOR)


class TestChange:
    def test_another_expression_moves_the_next_time(self, nightly):
        schedule = nightly()

        changed = schedules.change(schedule.pk, {"cron": "*/5 * * * *"}, by=ADMIN, reason="more often")

        assert changed.next_at <= timezone.now() + timedelta(minutes=5)
        assert (last_event().action, after(last_event())) == ("ScheduleChanged", {"cron": "*/5 * * * *"})

    def test_another_input_does_not_move_it(self, nightly):
        schedule = nightly(input={"token": "t0p", "depth": 1})

        changed = schedules.change(schedule.pk, {"input": {"token": "••••", "depth": 2}}, by=ADMIN)

        assert (changed.next_at, changed.input) == (DUE, {"token": "t0p", "depth": 2})
        assert after(last_event()) == {"input": {"token": "••••", "depth": 2}}

    def test_what_changes_nothing_is_not_recorded(self, nightly):
        schedule = nightly()
        before = Event.objects.count()

        schedules.change(schedule.pk, {"cron": "0 9 * * *"}, by=ADMIN)
        schedules.enable(schedule.pk, by=OPERATOR)

        assert Event.objects.count() == before

    def test_a_name_that_is_taken_is_refused(self, nightly):
        nightly()

        with pytest.raises(Conflict) as refused:
            nightly()

        assert refused.value.errors[0]["path"] == "name"

    def test_removing_it_leaves_its_runs(self, nightly):
        schedule = nightly()
        fire()

        schedules.remove(schedule.pk, by=ADMIN, reason="no longer needed")

        assert (Schedule.objects.count(), Run.objects.count()) == (0, 1)
        assert last_event().action == "ScheduleRemoved"


@pytest.mark.parametrize(
    ("values", "paths"),
    [
        ({"name": " "}, ["name"]),
        ({"name": "n" * 101}, ["name"]),
        ({"cron": "61 * * * *", "timezone": "Mars"}, ["cron", "timezone"]),
        ({"workflow": "none"}, ["workflow"]),
        ({"input": [1]}, ["input"]),
        ({"input": {"steps": {}}}, ["input.steps"]),
        ({"input": {"text": "x" * 1024 * 1024}}, ["input"]),
        ({"missed": "maybe", "overlap": "maybe"}, ["missed", "overlap"]),
        ({"priority": 101, "queue": "the queue"}, ["queue", "priority"]),
    ],
)
def test_every_fault_is_named_with_its_field(nightly, values, paths):
    with pytest.raises(Invalid) as refused:
        nightly(**values)

    assert [fault["path"] for fault in refused.value.errors] == paths


def test_the_input_must_be_what_the_newest_version_takes(publish):
    publish("clean_up", STEP, input_schema={"properties": {"depth": {"type": "integer"}}})
    values = {"workflow": "clean_up", "cron": "@daily", "input": {"depth": "deep"}}

    with pytest.raises(Invalid) as refused:
        schedules.create(values, by=ADMIN)

    assert refused.value.errors[0]["path"] == "input.depth"


def test_runs_that_belong_to_other_objects_are_not_scheduled(publish):
    publish("serve", STEP, serves="parcel")

    with pytest.raises(Invalid) as refused:
        schedules.create({"workflow": "serve", "cron": "@daily"}, by=ADMIN)

    assert refused.value.errors[0]["path"] == "workflow"


@pytest.mark.parametrize(
    ("verb", "least"),
    [
        (lambda pk, by: schedules.create({"workflow": "clean_up", "cron": "@daily"}, by=by), ADMIN),
        (lambda pk, by: schedules.change(pk, {"cron": "@daily"}, by=by), ADMIN),
        (lambda pk, by: schedules.remove(pk, by=by), ADMIN),
        (lambda pk, by: schedules.enable(pk, by=by), OPERATOR),
        (lambda pk, by: schedules.disable(pk, by=by), OPERATOR),
        (lambda pk, by: schedules.fire_now(pk, by=by), OPERATOR),
    ],
)
def test_each_verb_needs_its_role(nightly, verb, least):
    schedule = nightly()

    with pytest.raises(Forbidden):
        verb(schedule.pk, VIEWER if least is OPERATOR else OPERATOR)
    verb(schedule.pk, least)


@pytest.mark.parametrize("verb", [schedules.enable, schedules.disable, schedules.fire_now, schedules.remove])
def test_what_is_not_there_is_not_found(db, verb):
    with pytest.raises(NotFound):
        verb(404, by=ADMIN)
