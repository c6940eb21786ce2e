"""What ends an alert besides its values, and what does not: the real evaluator on real ticks."""

import pytest

from agents import pools
from monitoring.alerting import alerts, states, thresholds
from monitoring.models import Alert, Threshold
from orchestra.kernel.access import Actor
from tests.monitoring.alerting.measured import (
    START,
    evaluate,
    gauge,
    instant,
    live,
    restart,
    threshold,
    tick,
    told,
    took,
)
from tests.silent_writes import arranged
from workflows.models import TaskQueue

OLGA = Actor("person", "1", "Olga", role="operator")


@pytest.fixture(autouse=True)
def fresh(db):
    restart()


def test_an_alert_whose_subject_is_gone_is_resolved_and_says_so(make_agent):
    agent = make_agent("biller")
    threshold(metric="response_time")
    took(agent, 9.0, START)
    live([None])
    with arranged():
        agent.delete()

    live([None], first=START + 30)

    alert = Alert.objects.get()
    assert (alert.status, alert.resolve_reason) == ("resolved", "The agent biller is gone.")


def test_an_alert_whose_threshold_is_switched_off_is_resolved_and_says_so():
    limit = threshold()
    live([9])
    with arranged():
        Threshold.objects.filter(pk=limit.pk).update(enabled=False)

    live([9, 9], first=START + 30)

    alert = Alert.objects.get()
    assert (alert.status, alert.resolve_reason) == ("resolved", "Its threshold was switched off.")
    assert told() == ["AlertFired", "AlertResolved"]


def test_an_alert_whose_threshold_is_removed_is_resolved_and_says_so():
    limit = threshold(for_s=600)
    live([9])
    thresholds.remove(limit.pk, by=OLGA)

    live([9, 9], first=START + 30)

    alert = Alert.objects.get()
    assert (alert.status, alert.threshold, alert.resolve_reason) == ("resolved", None, "Its threshold was removed.")
    assert told() == ["AlertOpened", "AlertDropped"]


def test_an_alert_out_of_the_scope_of_its_threshold_is_resolved_and_says_so():
    limit = threshold()
    with arranged():
        TaskQueue.objects.create(name="mail")
    live([9])
    thresholds.change(limit.pk, {"scope": {"queue": "mail"}}, by=OLGA)

    live([9], first=START + 30)

    assert Alert.objects.get().resolve_reason == "It is no longer in the scope of its threshold."


def test_an_alert_of_a_threshold_on_another_kind_of_metric_is_resolved():
    limit = threshold()
    live([9])
    thresholds.change(limit.pk, {"metric": "executors"}, by=OLGA)

    live([9], first=START + 30)

    assert Alert.objects.get().resolve_reason == "Its threshold looks at another metric now."


def test_an_alert_of_a_threshold_on_another_metric_of_the_same_kind_is_resolved_and_another_begins():
    limit = threshold()
    last = live([90])
    thresholds.change(limit.pk, {"metric": "queue_running"}, by=OLGA)
    tick(last + 30)
    gauge(7, last + 30, metric="queue_running")

    evaluate(last + 30)

    old, new = Alert.objects.order_by("pk")
    assert (old.status, old.metric, old.worst) == ("resolved", "queue_waiting", 90)
    assert old.resolve_reason == "Its threshold looks at another metric now."
    assert (new.status, new.metric, new.value, new.worst) == ("firing", "queue_running", 7, 7)


def test_an_edited_threshold_leaves_an_alert_as_it_is_and_shows_what_it_says_now():
    limit = threshold()
    live([9])
    thresholds.change(limit.pk, {"value": 8, "severity": "critical", "name": "Far too long"}, by=OLGA)

    live([9], first=START + 30)

    alert = Alert.objects.get()
    assert (alert.status, alert.fired_at, alert.limit) == ("firing", instant(START), 8)
    assert (alert.name, alert.severity, alert.threshold_version) == ("Far too long", "critical", 2)
    assert alert.labels["severity"] == "critical"


def test_an_alert_that_a_person_resolves_while_it_breaches_begins_anew_as_the_same():
    threshold(for_s=60)
    last = live([9, 9, 9])
    number = Alert.objects.get().pk
    with arranged():
        states.resolve(Alert.objects.get(), by=OLGA, reason="known")
    Alert.objects.update(seen_at=instant(last))

    live([9, 9, 9], first=last + 30)

    alert = Alert.objects.get()
    assert (alert.pk, alert.status, alert.resolve_reason) == (number, "firing", "")
    assert told()[-3:] == ["AlertResolved", "AlertOpened", "AlertFired"]


def test_what_a_person_gave_an_alert_no_sample_takes_away(operator):
    threshold()
    last = live([9])
    number = Alert.objects.get().pk
    alerts.acknowledge(number, by=Actor("person", str(operator.pk), "Olga", role="operator"), note="Looking at it")

    live([12, 3, 9, 3], first=last + 30)

    alert = Alert.objects.get()
    assert (alert.note, alert.owner, alert.acknowledged_by) == ("Looking at it", operator, "Olga")


def test_a_scope_of_a_pool_looks_at_its_members(make_agent):
    pool = pools.create(
        "python",
        {"name": "crew", "template": {"config": {"function": "test.echo"}}},
        by=Actor.system("test"),
    )
    member, stranger = pool.members.first(), make_agent("stranger")
    threshold(metric="response_time", scope_kind="pool", scope_value=str(pool.pk))
    for agent in (member, stranger):
        took(agent, 9.0, START)

    live([None])

    alert = Alert.objects.get()
    assert (alert.subject_id, alert.labels["pool"]) == (str(member.pk), "crew")
