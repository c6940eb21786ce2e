"""Old runs are removed in small batches; the audit trail stays and still verifies."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents.outcomes import Failed
from orchestra.kernel import right_of_way, verification
from orchestra.kernel.models import Event
from tests.silent_writes import arranged
from tests.workflows.conftest import OPERATOR
from workflows import engine, relay, retention
from workflows.models import Run, Step

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _thirty_days(settings):
    settings.RUN_RETENTION_DAYS = 30


@pytest.fixture
def ended(publish, worker, script):
    """``ended(3, days=40)``: runs that ended so many days ago."""
    publish("flow", {"name": "one", "capabilities": ["work"]})

    def make(count, *, days):
        runs = [engine.start("flow", {}, by=OPERATOR).pk for _ in range(count)]
        script.finish()
        with arranged():
            Run.objects.filter(pk__in=runs).update(finished_at=timezone.now() - timedelta(days=days))
        return runs

    return make


def test_runs_that_ended_long_ago_are_removed_with_their_steps(ended):
    old, young = ended(3, days=31), ended(2, days=29)

    assert retention.remove_old_runs() == 3
    assert list(Run.objects.order_by("pk").values_list("pk", flat=True)) == young
    assert not Step.objects.filter(run__in=old).exists()


def test_runs_under_way_stay_however_old(ended, script):
    ended(0, days=0)
    run = engine.start("flow", {}, by=OPERATOR)
    with arranged():
        Run.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(days=900))

    assert retention.remove_old_runs() == 0
    assert Run.objects.filter(pk=run.pk).exists()


def test_zero_days_keep_runs_for_ever(ended, settings):
    ended(1, days=9000)
    settings.RUN_RETENTION_DAYS = 0

    assert retention.remove_old_runs() == 0


def test_the_audit_trail_stays_and_tells_of_the_removal(ended):
    ended(2, days=31)
    before = Event.objects.count()
    retention.remove_old_runs()

    assert Event.objects.count() == before + 1
    assert Event.objects.order_by("-number")[0].action == "RunsRemoved"
    assert verification.verify().first_bad is None


def test_more_than_a_batch_is_removed_in_several_units(ended, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr("orchestra.kernel.retention.REST_S", 0)
    ended(5, days=31)

    assert retention.remove_old_runs() == 5
    assert Event.objects.filter(action="RunsRemoved").count() == 3


def test_a_run_within_another_stays_while_that_one_goes_on(publish, worker, script):

    publish("inner", {"name": "one", "capabilities": ["work"]})
    publish("outer", {"name": "call", "workflow": "inner"}, {"name": "after", "capabilities": ["work"]})
    outer = engine.start("outer", {}, by=OPERATOR)
    relay.deliver()
    script.finish(Failed("no", retryable=False))
    inner = Run.objects.get(parent__run=outer)
    with arranged():
        Run.objects.filter(pk=inner.pk).update(finished_at=timezone.now() - timedelta(days=31))

    assert retention.remove_old_runs() == 0
    relay.deliver()
    with arranged():
        Run.objects.filter(pk=outer.pk).update(finished_at=timezone.now() - timedelta(days=31))
    assert retention.remove_old_runs() == 2


def test_a_batch_has_few_steps_however_many_its_runs_have(ended, monkeypatch):
    monkeypatch.setattr(retention, "MOST_STEPS", 2)
    monkeypatch.setattr("orchestra.kernel.retention.REST_S", 0)
    ended(5, days=31)

    assert retention.remove_old_runs() == 5
    told = Event.objects.filter(action="RunsRemoved").order_by("number")
    assert list(told.values_list("target_label", flat=True)) == ["2 runs", "2 runs", "1 runs"]


def test_of_a_run_with_very_many_steps_some_are_removed_at_a_time(publish, worker, script, monkeypatch):
    monkeypatch.setattr(retention, "MOST_STEPS", 4)
    monkeypatch.setattr(retention, "STEPS_AT_ONCE", 3)
    monkeypatch.setattr("orchestra.kernel.retention.REST_S", 0)
    publish("flow", {"name": "each", "capabilities": ["work"], "for_each": "lines"})
    large = engine.start("flow", {"lines": list(range(9))}, by=OPERATOR).pk
    script.finish()
    with arranged():
        Run.objects.filter(pk=large).update(finished_at=timezone.now() - timedelta(days=31))
    left = []
    rest = right_of_way.give_way
    monkeypatch.setattr(right_of_way, "give_way", lambda: (left.append(Step.objects.count()), rest()))

    assert retention.remove_old_runs() == 1
    assert left == [7, 4, 0]
    assert Event.objects.filter(action="RunsRemoved").count() == 1
    assert not Run.objects.filter(pk=large).exists()
