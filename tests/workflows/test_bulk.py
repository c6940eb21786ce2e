"""Actions on many runs: by filter or one by one, in slices, each run once, one story for all of it."""

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.outcomes import Failed, Fault
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Forbidden, Invalid
from orchestra.kernel.lists import Selection
from orchestra.kernel.models import Event, Role
from tests.silent_writes import arranged
from tests.workflows.conftest import OPERATOR
from workflows import bulk, control, definitions, engine, steering
from workflows.models import BulkAction, Run, Step, WorkflowVersion
from workflows.runs import RunList

pytestmark = pytest.mark.django_db
VIEWER = Actor("person", "9", "Vera", role=Role.VIEWER)


FIRST = {"name": "first", "capabilities": ["work"]}
LAST = {"name": "last", "needs": ["first"], "human": {"role": "operator"}}
PLAIN = [FIRST, LAST]
UNDONE = [FIRST | {"compensate": {"capabilities": ["work"]}}, LAST]
SIGNALLED = [FIRST, {"name": "last", "needs": ["first"], "signal": "paid"}]
FANNED = [FIRST | {"for_each": "lines"}, LAST]


@pytest.fixture
def failed(publish, worker, script):
    """``failed(12)``: so many runs that failed at their only step."""
    publish("flow", {"name": "one", "capabilities": ["work"]})

    def make(count):
        runs = engine.start_many("flow", [({}, engine.NOTHING)] * count, by=OPERATOR)
        script.finish(Failed("no", retryable=False, fault=Fault.CALLER))
        return [run.pk for run in runs]

    return make


def of(**filters):
    return Selection(RunList(filters), None)


def statuses():
    return sorted(Run.objects.values_list("status", flat=True))


def test_all_runs_of_a_filter_are_retried(failed, script):
    failed(12)
    asked = bulk.begin(of(status="failed"), "retry", by=OPERATOR, reason="The service is back.")
    script.finish()

    assert (asked.done, asked.skipped, asked.refused) == (12, 0, 0)
    assert asked.finished_at is not None
    assert statuses() == ["succeeded"] * 12


def test_a_run_in_which_there_is_nothing_to_do_is_skipped(failed):
    runs = failed(3)
    asked = bulk.begin(Selection(RunList({}), tuple(runs)), "cancel", by=OPERATOR, reason="a mistake")

    assert (asked.done, asked.skipped) == (0, 3)
    assert statuses() == ["failed"] * 3


def test_a_refusal_leaves_the_others_alone_and_says_why(failed):
    failed(2)
    asked = bulk.begin(of(), "retry", by=OPERATOR, reason="", from_step="nowhere")

    assert (asked.done, asked.refused) == (0, 2)
    assert asked.told[0]["reason"]
    assert statuses() == ["failed"] * 2


def test_every_run_has_its_event_under_one_correlation(failed):
    failed(5)
    asked = bulk.begin(of(status="failed"), "retry", by=OPERATOR, reason="again")
    told = Event.objects.filter(action="RunRetried")

    assert told.count() == 5
    assert set(told.values_list("correlation", flat=True)) == {asked.correlation}
    assert Event.objects.filter(action__in=["BulkActionStarted", "BulkActionFinished"]).count() == 2


def test_it_is_worked_off_in_slices_that_go_on_where_the_last_one_ended(failed, monkeypatch, script):
    failed(7)
    monkeypatch.setattr(bulk, "SLICE", 2)
    monkeypatch.setattr(bulk, "AT_ONCE_S", 0)
    asked = bulk.begin(of(status="failed"), "retry", by=OPERATOR, reason="again")

    assert (asked.done, asked.finished_at) == (2, None)
    assert bulk.unfinished() == [asked.pk]

    assert bulk.work_on(asked.pk)
    asked.refresh_from_db()
    assert (asked.done, asked.skipped) == (7, 0)
    assert bulk.work_on(asked.pk)  # a message that comes twice
    asked.refresh_from_db()
    assert asked.done == 7


def test_runs_that_come_in_meanwhile_were_not_agreed_to(failed, monkeypatch):
    failed(3)
    monkeypatch.setattr(bulk, "SLICE", 2)
    monkeypatch.setattr(bulk, "AT_ONCE_S", 0)
    asked = bulk.begin(of(status="failed"), "retry", by=OPERATOR, reason="again")
    late = failed(1)
    bulk.work_on(asked.pk)

    assert Run.objects.get(pk=late[0]).status == "failed"


@pytest.mark.parametrize("steps", [PLAIN, UNDONE, SIGNALLED, FANNED], ids=["plain", "undone", "signalled", "fanned"])
def test_a_slice_costs_the_same_few_queries_however_many_runs_it_has(publish, worker, script, steps):
    publish("flow", *steps)

    def queries_for(count):
        """What it takes to pause, resume, cancel and retry so many runs, whose first step has succeeded."""
        runs = engine.start_many("flow", [({"lines": [1, 2]}, engine.NOTHING)] * count, by=OPERATOR)
        chosen, counts = Selection(RunList({}), tuple(run.pk for run in runs)), []
        script.finish()
        for action in ("pause", "resume", "cancel", "retry"):
            with CaptureQueriesContext(connection) as queries:
                asked = bulk.begin(chosen, action, by=OPERATOR, reason="again")
            assert asked.done == count
            counts.append(len(queries))
            script.finish()
        return counts

    queries_for(5)  # fills the caches
    few, many = queries_for(5), queries_for(50)
    assert [more - less for less, more in zip(few, many, strict=True) if more - less > 3] == []


def test_pausing_and_resuming_many(publish, worker, script):
    publish("flow", {"name": "one", "capabilities": ["work"]})
    engine.start_many("flow", [({}, engine.NOTHING)] * 4, by=OPERATOR)

    bulk.begin(of(), "pause", by=OPERATOR, reason="deploying")
    assert statuses() == ["paused"] * 4
    assert not script.turn().assignments

    bulk.begin(of(status="paused"), "resume", by=OPERATOR, reason="")
    script.finish()
    assert statuses() == ["succeeded"] * 4


def test_who_may_not_act_is_refused_before_anything_is_stored(failed):
    failed(1)
    with pytest.raises(Forbidden):
        bulk.begin(of(), "cancel", by=VIEWER, reason="no")
    assert not BulkAction.objects.exists()


@pytest.mark.parametrize(("action", "reason"), [("explode", "why not"), ("cancel", "  "), ("pause", "")])
def test_an_unknown_action_or_a_missing_reason_is_named(failed, action, reason):
    with pytest.raises(Invalid):
        bulk.begin(of(), action, by=OPERATOR, reason=reason)


def test_the_page_acts_on_a_filter_and_says_how_many(failed, as_, operator):
    failed(3)
    form = {"all": "1", "query": "status=failed", "action": "retry", "reason": "again"}
    answer = as_(operator).post(reverse("runs-bulk"), form, follow=True)

    assert b"3 retried" in answer.content
    assert answer.redirect_chain[-1][0].endswith("?status=failed")


def test_a_long_action_is_followed_on_its_own_page(failed, as_, operator, monkeypatch):
    failed(5)
    monkeypatch.setattr(bulk, "SLICE", 2)
    monkeypatch.setattr(bulk, "AT_ONCE_S", 0)
    form = {"all": "1", "query": "status=failed", "action": "retry", "reason": "again"}
    answer = as_(operator).post(reverse("runs-bulk"), form, follow=True)

    assert b"2 retried" in answer.content
    assert b"Under way" in answer.content


def test_the_api_answers_with_the_counts(failed, api, operator):
    failed(2)
    body = {"action": "retry", "filter": {"status": "failed"}, "reason": "again"}
    answer = api(operator).post("/api/v1/runs/bulk/", body)

    assert answer.status_code == 200
    assert (answer.json()["done"], answer.json()["skipped"], answer.json()["refused"]) == (2, 0, 0)


@pytest.mark.parametrize(
    "body",
    [
        {"action": "retry"},
        {"action": "retry", "filter": {"statsu": "failed"}},
        {"action": "prioritise", "filter": {}},
        {"action": "retry", "filter": {"status": "broken"}},
    ],
)
def test_the_api_takes_no_filter_that_it_does_not_know(failed, api, operator, body):
    runs = failed(1)
    answer = api(operator).post("/api/v1/runs/bulk/", body | {"reason": "x"})

    assert answer.status_code in (400, 422)
    assert Run.objects.get(pk=runs[0]).status == "failed"


@pytest.fixture
def unreadable(publish, worker):
    """A run whose definition cannot be read any more, between two good ones."""
    publish("flow", {"name": "one", "capabilities": ["work"]})
    version = publish("broken", {"name": "one", "capabilities": ["work"]})
    runs = [engine.start(name, {}, by=OPERATOR).pk for name in ("flow", "broken", "flow")]
    with arranged():
        WorkflowVersion.objects.filter(pk=version.pk).update(definition={"steps": "of an older release"})
    definitions.forget()
    return runs[1]


def test_a_run_whose_definition_cannot_be_read_is_refused_and_the_others_go_on(unreadable):
    asked = bulk.begin(of(), "pause", by=OPERATOR, reason="deploying")

    assert (asked.done, asked.refused) == (2, 1)
    assert "cannot be read" in asked.told[0]["reason"]
    assert asked.finished_at is not None
    assert statuses() == ["paused", "paused", "queued"]


def test_a_run_whose_definition_cannot_be_read_can_be_cancelled(unreadable):
    control.cancel(unreadable, by=OPERATOR, reason="of an older release")

    assert Run.objects.get(pk=unreadable).status == "cancelled"
    assert list(Step.objects.filter(run=unreadable).values_list("status", flat=True)) == ["cancelled"]


def test_many_runs_are_cancelled_whether_their_definitions_can_be_read_or_not(unreadable):
    asked = bulk.begin(of(), "cancel", by=OPERATOR, reason="of an older release")

    assert (asked.done, asked.refused) == (3, 0)
    assert statuses() == ["cancelled"] * 3


@pytest.mark.parametrize("verb", [control.pause, control.retry])
def test_nothing_else_is_done_to_a_run_whose_definition_cannot_be_read(unreadable, verb):
    with pytest.raises(Invalid, match="cancel the run"):
        verb(unreadable, by=OPERATOR, reason="why not")


def test_one_run_that_makes_its_slice_fail_is_refused_and_the_others_are_dealt_with(failed, monkeypatch):
    runs, renew = failed(7), steering.retry

    def fail_at_one(group, run, **given):
        if run.pk == runs[3]:
            raise RuntimeError("a fault of ours")
        renew(group, run, **given)

    monkeypatch.setitem(control._ACTIONS, "retry", ("runs.retry", fail_at_one))
    asked = bulk.begin(of(status="failed"), "retry", by=OPERATOR, reason="again")

    assert (asked.done, asked.skipped, asked.refused) == (6, 0, 1)
    assert "a fault of ours" in asked.told[0]["reason"]
    assert asked.finished_at is not None
    assert Event.objects.filter(action="RunRetried").count() == 6
    assert list(Run.objects.filter(status="failed").values_list("pk", flat=True)) == [runs[3]]


def test_a_database_that_is_away_is_no_fault_of_a_run(failed, monkeypatch):
    failed(2)

    def away(*_, **__):
        raise OperationalError("the connection is lost")

    monkeypatch.setitem(control._ACTIONS, "retry", ("runs.retry", away))
    with pytest.raises(OperationalError):
        bulk.begin(of(status="failed"), "retry", by=OPERATOR, reason="again")
    assert BulkAction.objects.get().refused == 0
