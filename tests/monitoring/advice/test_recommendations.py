"""Recommendations are made once, kept up to date, withdrawn, and applied through the verb of their subject."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import fleet, pools, resources
from agents.models import Agent, AgentStatus, Pool, Resource
from monitoring.advice import actions, recommendations
from monitoring.alerting import thresholds
from monitoring.models import AdviceStatus, Recommendation, Threshold
from orchestra.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from orchestra.kernel.models import Event
from tests.monitoring.advice.conftest import ADA, OLGA, SYSTEM, VERA, aged, alerted, called, sampled
from tests.silent_writes import arranged
from workflows import definitions

pytestmark = pytest.mark.django_db


@pytest.fixture
def failing(make_agent):
    """An agent that is to be drained."""
    make_agent("well", "draft")
    agent = make_agent("bad", "draft")
    called(agent, well=12, badly=18)
    return agent


@pytest.fixture
def advice(failing):
    recommendations.refresh()
    return Recommendation.objects.get()


@pytest.fixture
def full(make_pool):
    """A pool scaled by hand that is too small."""
    pool = make_pool("billing", max_size=1, autoscales=False)
    sampled(pool, in_use=2, slots=2, waiting=3, oldest_s=40.0)
    return pool


def told(*actions):
    rows = Event.objects.filter(action__in=actions) if actions else Event.objects.filter(target_kind="recommendation")
    return list(rows.order_by("number").values_list("action", "actor_label"))


def later(**ago):
    return timezone.now() + timedelta(**ago)


# Made and withdrawn


def test_what_the_rules_find_is_recommended_once_with_an_event(advice, failing):
    recommendations.refresh()

    assert Recommendation.objects.count() == 1
    assert (advice.rule, advice.subject_kind, advice.subject_id) == ("failing_agent", "agent", str(failing.pk))
    assert told() == [("RecommendationMade", "advice")]
    event = Event.objects.get(action="RecommendationMade")
    assert (event.parent_kind, event.parent_id) == ("agent", str(failing.pk))


def test_an_open_one_is_brought_up_to_date_without_an_event(advice, failing):
    called(failing, badly=20)
    before = Event.objects.latest("number").number

    recommendations.refresh()

    fresh = Recommendation.objects.get()
    assert fresh.weight > advice.weight and fresh.seen_at > advice.seen_at and fresh.sentence != advice.sentence
    assert fresh.created_at == advice.created_at
    assert not Event.objects.filter(number__gt=before, target_kind="recommendation").exists()


def test_what_is_no_longer_true_is_withdrawn_after_some_looks(advice, failing):
    fleet.set_status(failing.pk, AgentStatus.DRAINING, by=SYSTEM)

    recommendations.refresh()
    assert Recommendation.objects.get().status == AdviceStatus.OPEN

    recommendations.refresh(later(minutes=13))
    assert Recommendation.objects.get().status == AdviceStatus.WITHDRAWN
    assert told()[-1] == ("RecommendationWithdrawn", "advice")


def test_what_nobody_looked_at_stays_for_a_day(recommended):
    recommended(rule="step_timeout", subject_kind="workflow_step", subject_id="99:pay")

    recommendations.refresh(later(hours=23))
    assert Recommendation.objects.get().status == AdviceStatus.OPEN
    recommendations.refresh(later(hours=25))
    assert Recommendation.objects.get().status == AdviceStatus.WITHDRAWN


def test_what_was_withdrawn_is_made_again_once_it_is_true_again(advice, failing):
    fleet.set_status(failing.pk, AgentStatus.DRAINING, by=SYSTEM)
    recommendations.refresh(later(minutes=13))
    fleet.set_status(failing.pk, AgentStatus.ONLINE, by=SYSTEM)

    recommendations.refresh()

    assert list(Recommendation.objects.order_by("pk").values_list("status", flat=True)) == ["withdrawn", "open"]


def test_a_dismissed_one_comes_back_only_when_its_evidence_has_grown_by_half(advice, failing):
    recommendations.dismiss(advice.pk, by=OLGA, reason="The supplier mends it tonight.")
    called(failing, badly=10)
    recommendations.refresh()
    assert Recommendation.objects.count() == 1

    called(failing, badly=200)
    recommendations.refresh()

    fresh = Recommendation.objects.order_by("-pk").first()
    assert fresh.status == AdviceStatus.OPEN
    assert fresh.weight >= 1.5 * advice.weight


def test_the_evidence_that_was_followed_is_not_held_against_its_subject_again(full):
    recommendations.refresh()
    recommendations.apply(Recommendation.objects.get().pk, by=ADA)

    recommendations.refresh()
    assert Recommendation.objects.count() == 1

    sampled(full, in_use=8, slots=8, waiting=9, oldest_s=40.0, until=later(minutes=70))
    recommendations.refresh(later(minutes=70))
    assert Recommendation.objects.filter(status=AdviceStatus.OPEN).count() == 1


def test_a_refresh_takes_so_many_queries_however_many_agents_fail(make_agent):
    def queries():
        with CaptureQueriesContext(connection) as asked:
            recommendations.refresh()
        return len(asked)

    make_agent("well", "draft")
    for number in range(2):
        called(make_agent(f"bad-{number}", "draft"), badly=25)
    recommendations.refresh()
    few = queries()
    for number in range(2, 15):
        called(make_agent(f"bad-{number}", "draft"), badly=25)
    recommendations.refresh()

    assert queries() == few
    assert Recommendation.objects.count() == 15


# Dismissed


def test_who_dismisses_says_why(advice):
    with pytest.raises(Invalid) as refused:
        recommendations.dismiss(advice.pk, by=OLGA, reason=" ")
    assert refused.value.errors[0]["path"] == "reason"

    row = recommendations.dismiss(advice.pk, by=OLGA, reason="It is a drill.")

    assert (row.status, row.decided_by, row.reason) == ("dismissed", "Olga", "It is a drill.")
    assert told()[-1] == ("RecommendationDismissed", "Olga")


def test_nobody_decides_twice(advice):
    recommendations.dismiss(advice.pk, by=OLGA, reason="It is a drill.")

    for verb in (recommendations.dismiss, recommendations.apply):
        with pytest.raises(Conflict, match="dismissed by Olga already"):
            verb(advice.pk, by=ADA, reason="Again.")
    with pytest.raises(NotFound):
        recommendations.apply(advice.pk + 1, by=ADA)


def test_viewers_decide_nothing(advice):
    for verb in (recommendations.apply, recommendations.dismiss, recommendations.undo):
        with pytest.raises(Forbidden):
            verb(advice.pk, by=VERA, reason="Why not.")
    assert Recommendation.objects.get().status == AdviceStatus.OPEN


# Applied


def test_applying_drains_the_agent_in_the_same_story(advice, failing):
    row = recommendations.apply(advice.pk, by=OLGA, reason="Before the rush.")

    failing.refresh_from_db()
    assert (row.status, failing.status, failing.set_aside) == ("applied", AgentStatus.DRAINING, True)
    pair = Event.objects.filter(action__in=["RecommendationApplied", "AgentDrained"]).order_by("number")
    assert [(event.action, event.actor_label) for event in pair] == [
        ("RecommendationApplied", "Olga"),
        ("AgentDrained", "Olga"),
    ]
    assert len({event.correlation for event in pair}) == 1


def test_applying_asks_for_the_permission_of_the_verb_as_well(full):
    recommendations.refresh()
    advice = Recommendation.objects.get()

    with pytest.raises(Forbidden):
        recommendations.apply(advice.pk, by=OLGA)

    advice.refresh_from_db()
    assert advice.status == AdviceStatus.OPEN
    assert told("RecommendationApplied") == []


def test_applying_raises_the_maximum_and_the_size_of_a_pool(full):
    recommendations.refresh()
    recommendations.apply(Recommendation.objects.get().pk, by=ADA)

    full.refresh_from_db()
    assert (full.max_size, full.target, full.members.count()) == (2, 2, 2)


def test_undoing_gives_a_pool_its_limits_back(full):
    recommendations.refresh()
    pk = recommendations.apply(Recommendation.objects.get().pk, by=ADA).pk
    assert Pool.objects.values_list("max_size", "target").get() == (2, 2)

    row = recommendations.undo(pk, by=ADA, reason="Too dear.")

    assert Pool.objects.values_list("max_size", "target").get() == (1, 1)
    assert (row.status, row.reason) == ("dismissed", "Too dear.")
    assert told("RecommendationUndone") == [("RecommendationUndone", "Ada")]


def test_what_is_not_true_any_more_is_withdrawn_instead_of_applied(advice, failing):
    called(failing, well=200)

    with pytest.raises(Conflict, match="withdrawn"):
        recommendations.apply(advice.pk, by=OLGA)

    failing.refresh_from_db()
    assert failing.status == AgentStatus.ONLINE
    assert Recommendation.objects.get().status == AdviceStatus.WITHDRAWN


def test_a_subject_that_has_changed_is_not_changed_again(full):
    recommendations.refresh()
    advice = Recommendation.objects.get()
    pools.change(full.pk, {"max_size": 3}, by=ADA)

    with pytest.raises(Conflict, match="The pool billing has changed since this was advised: its max size is 3 now"):
        recommendations.apply(advice.pk, by=ADA)

    advice.refresh_from_db()
    assert advice.status == AdviceStatus.OPEN
    assert Pool.objects.values_list("max_size", "target").get() == (3, 1)


def test_a_version_of_the_workflow_is_published_and_taken_back(publish, ran, make_agent):
    make_agent("payer", "payment", max_concurrency=50)
    publish("refund", {"name": "pay", "capabilities": ["payment"], "timeout": "10m"}, {"name": "end", "wait": "1s"})
    ran("refund", 50, {"pay": (0, 2)})
    recommendations.refresh()
    advice = Recommendation.objects.get(rule="step_timeout")
    with pytest.raises(Forbidden):
        recommendations.apply(advice.pk, by=OLGA)

    recommendations.apply(advice.pk, by=ADA)
    newest = definitions.newest("refund")
    assert (newest.number, newest.definition["steps"][0]["timeout"]) == (2, 5)
    assert newest.definition["steps"][1] == {"name": "end", "wait": "1s"}

    recommendations.undo(advice.pk, by=ADA, reason="It has bad days.")
    assert definitions.newest("refund").definition["steps"][0]["timeout"] == "10m"


def test_a_step_that_was_changed_or_removed_meanwhile_is_left_alone(publish):
    publish("refund", {"name": "pay", "capabilities": ["payment"], "timeout": 60})
    action = {
        "verb": "revise_step",
        "arguments": {"workflow": "refund", "step": "pay", "before": {"timeout": 30}, "after": {"timeout": 3}},
    }

    with pytest.raises(Conflict, match="its timeout is 60 now"), arranged():
        actions.perform(action, by=ADA, reason="")
    publish("refund", {"name": "other", "capabilities": ["payment"]})
    with pytest.raises(NotFound, match="no step pay any more"), arranged():
        actions.perform(action, by=ADA, reason="")
    assert definitions.newest("refund").number == 2


def test_an_unused_resource_and_an_unused_agent_are_disabled(make_agent):
    bench = resources.create({"name": "bench", "type": "bench"}, by=SYSTEM)
    agent = make_agent("idle", "draft")
    aged(bench, 30)
    aged(agent, 30)
    recommendations.refresh()

    for advice in Recommendation.objects.all():
        recommendations.apply(advice.pk, by=ADA)

    assert not Resource.objects.get().enabled
    assert Agent.objects.get().status == AgentStatus.DISABLED
    assert Recommendation.objects.filter(status=AdviceStatus.APPLIED).count() == 2


def test_a_flapping_threshold_fires_later_from_then_on(db):
    slow = thresholds.create({"name": "Slow", "metric": "response_time", "operator": ">", "value": 5}, by=SYSTEM)
    alerted(slow, *[120] * 6)
    recommendations.refresh()

    recommendations.apply(Recommendation.objects.get().pk, by=OLGA)

    assert Threshold.objects.values_list("for_s", "version").get() == (210, 2)
    recommendations.refresh()
    assert Recommendation.objects.count() == 1


def test_advice_that_only_leads_somewhere_cannot_be_applied(recommended):
    action = {"verb": "open", "label": "Look", "arguments": {"url": "/agents/"}}
    row = recommended(subject_kind="workflow", subject_id="99", action=action)

    with pytest.raises(Conflict, match="follow its link"):
        recommendations.apply(row.pk, by=ADA)
    assert not actions.can_be_applied(row.action)
    assert actions.explain(row.action) == []


def test_it_says_what_will_happen_and_what_undoing_does(advice):
    assert actions.explain(advice.action) == [
        "bad begins no more calls; those in flight end as usual. Enable it once it is mended."
    ]
    assert actions.explain(advice.action, undo=True) == ["bad takes calls again at once."]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_apply_at_once_one_wins(failing):
    recommendations.refresh()
    pk = Recommendation.objects.get().pk
    start, outcomes = threading.Barrier(2), []

    def apply():
        try:
            start.wait()
            outcomes.append(recommendations.apply(pk, by=OLGA).status)
        except Conflict as refused:
            outcomes.append(refused.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=apply) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert outcomes.count("applied") == 1 and len(outcomes) == 2
    assert len(told("RecommendationApplied")) == 1
    assert len(told("AgentDrained")) == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_look_at_once_one_makes_it(failing):
    start, made = threading.Barrier(2), []

    def refresh():
        try:
            start.wait()
            made.append(recommendations.refresh())
        finally:
            connection.close()

    threads = [threading.Thread(target=refresh) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(made) == [0, 1]
    assert len(told("RecommendationMade")) == 1


def test_rules_that_fail_do_not_keep_the_others_from_theirs(failing, monkeypatch):
    def break_down(_now):
        raise ZeroDivisionError

    pools_family, *others = recommendations.FAMILIES
    broken = type(pools_family)(pools_family.name, pools_family.rules, break_down)
    monkeypatch.setattr(recommendations, "FAMILIES", (broken, *others))

    with pytest.raises(ZeroDivisionError):
        recommendations.refresh()

    assert Recommendation.objects.get().subject_label == "bad"
