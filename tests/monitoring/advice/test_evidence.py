"""What is read for the rules, from rows that the real verbs have made: they fire when they should, and only then."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import fleet, measures, pools, resources
from agents.models import AgentStatus, Capability, Reservation, ReservationLine
from agents.outcomes import Failed, Fault
from monitoring.advice import families
from monitoring.advice.evidence import runs as runs_seen
from monitoring.alerting import thresholds
from monitoring.models import Alert
from orchestra.kernel import events
from tests.monitoring.advice.conftest import (
    ADA,
    SYSTEM,
    aged,
    alerted,
    arrange_times,
    arrange_tries,
    called,
    failed,
    last_called,
    sampled,
)
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db


def advised(rule):
    """What the rule's family advises now, by the label of the subject."""
    family = families.family_of(rule)
    return {each.subject.label: each for each in family.find(timezone.now()).advice if each.rule == rule}


def after(advice):
    return dict(advice.action.arguments["after"])


# Pools


def test_a_pool_at_its_maximum_with_a_queue_is_too_small(make_pool):
    full = make_pool("billing", min_size=1, max_size=3)
    pools.scale(full.pk, 3, by=SYSTEM)
    sampled(full, in_use=6, waiting=4, oldest_s=45.0)
    sampled(make_pool("triage"), in_use=3)

    found = advised("pool_too_small")

    assert set(found) == {"billing"}
    assert after(found["billing"]) == {"max_size": 6}


def test_what_was_sampled_more_than_an_hour_ago_says_nothing_of_a_pool(make_pool):
    full = make_pool("billing", max_size=1)
    sampled(full, in_use=2, slots=2, waiting=4, oldest_s=45.0, until=timezone.now() - timedelta(hours=1))

    assert advised("pool_too_small") == {}


def test_a_pool_that_was_idle_all_day_is_too_large_and_one_that_was_busy_once_is_not(make_pool):
    idle, once = (make_pool(name, min_size=4, max_size=8) for name in ("idle", "once"))
    sampled(idle, 24, every_s=15, slots=8, in_use=1)
    sampled(once, 24, every_s=15, slots=8, in_use=1)
    sampled(once, 0.02, slots=8, in_use=7, until=timezone.now() - timedelta(hours=5, seconds=5))

    found = advised("pool_too_large")

    assert set(found) == {"idle"}
    assert after(found["idle"]) == {"min_size": 1}


# Agents


def test_an_agent_that_fails_while_another_could_do_its_work(make_agent):
    bad, alone, well = make_agent("bad", "draft"), make_agent("alone", "sign"), make_agent("well", "draft")
    called(bad, well=12, badly=18)
    called(alone, well=12, badly=18)
    called(well, well=30)

    found = advised("failing_agent")

    assert set(found) == {"bad"}
    assert after(found["bad"]) == {"status": AgentStatus.DRAINING}
    figures = {evidence.label: evidence.text for evidence in found["bad"].evidence}
    assert figures["Failed in the last day"] == "60 %"
    assert figures["Others for draft"] == "1"
    assert figures["Its last error"] == "It broke."


def test_others_that_fail_themselves_or_are_away_cannot_stand_in(make_agent):
    bad, worse, away = (make_agent(name, "draft") for name in ("bad", "worse", "away"))
    called(bad, badly=30)
    called(worse, badly=30)
    called(away, well=30)
    fleet.set_status(away.pk, AgentStatus.DRAINING, by=SYSTEM)

    assert advised("failing_agent") == {}


def test_a_breaker_that_opened_three_times_in_a_day_is_counted(make_agent):
    bad, _ = make_agent("bad", "draft"), make_agent("well", "draft")
    called(bad, badly=4)
    called(bad, well=120)
    with events.recording(SYSTEM):
        for _ in range(3):
            events.record("CircuitOpened", target=events.Ref("agent", bad.pk, bad.name))

    found = advised("failing_agent")

    assert "its breaker opened 3 times" in found["bad"].sentence


def test_what_the_caller_did_wrong_does_not_count_against_an_agent(make_agent):
    bad, _ = make_agent("bad", "draft"), make_agent("well", "draft")
    called(bad, badly=3, well=17)
    for _ in range(60):
        measures.observe(bad.pk, 0.1, Fault.CALLER)

    assert advised("failing_agent") == {}


def test_an_agent_that_nobody_called_for_two_weeks(make_agent):
    never, lately, fresh, member = (make_agent(name, "draft") for name in ("never", "lately", "fresh", "member"))
    for agent in (never, lately, member):
        aged(agent, 20)
    last_called(lately, 3)
    fleet.set_status(member.pk, AgentStatus.DISABLED, by=SYSTEM)

    found = advised("unused_agent")

    assert set(found) == {"never"}
    assert "in the 20 days that it has been online" in found["never"].sentence
    assert fresh.name not in found


def test_the_number_of_queries_does_not_depend_on_how_many_agents_there_are(make_agent):
    def queries():
        with CaptureQueriesContext(connection) as asked:
            advised("failing_agent")
            advised("unused_agent")
        return len(asked)

    for number in range(3):
        called(make_agent(f"bad-{number}", "draft"), badly=25)
        aged(make_agent(f"idle-{number}", "draft"), 20)
    few = queries()
    for number in range(3, 20):
        called(make_agent(f"bad-{number}", "draft"), badly=25)
        aged(make_agent(f"idle-{number}", "draft"), 20)

    assert queries() == few <= 7


# Resources


def test_a_resource_that_nothing_reserved(db):
    idle, held, fresh = (
        resources.create({"name": name, "type": "bench", "capacity": 2}, by=SYSTEM)
        for name in ("idle", "held", "fresh")
    )
    for resource in (idle, held):
        aged(resource, 30)
    with arranged():
        asked = held_by(held, timezone.now() - timedelta(days=2))

    found = advised("unused_resource")

    assert asked.pk and set(found) == {"idle"}
    assert fresh.name not in found


def test_a_reservation_that_still_holds_counts_however_old_it_is(db):
    bench = resources.create({"name": "bench", "type": "bench"}, by=SYSTEM)
    aged(bench, 30)
    with arranged():
        held_by(bench, timezone.now() - timedelta(days=20))

    assert advised("unused_resource") == {}


def test_where_reservations_are_soon_forgotten_nobody_can_tell(db, settings):
    settings.RUN_RETENTION_DAYS = 7
    aged(resources.create({"name": "idle", "type": "bench"}, by=SYSTEM), 30)

    assert advised("unused_resource") == {}


def held_by(resource, at):
    row = Reservation.objects.create(
        kind="run", run=1, status="held", created_at=at, granted_at=at, expires_at=timezone.now() + timedelta(hours=1)
    )
    ReservationLine.objects.create(reservation=row, name="bench", type="bench", resource=resource, waits=False)
    return row


# Runs


@pytest.fixture
def pay(make_agent):
    return make_agent("payer", "payment", max_concurrency=50)


def test_a_limit_that_was_set_far_above_what_calls_take(publish, ran, pay):
    publish("refund", {"name": "pay", "capabilities": ["payment"], "timeout": "10m"})
    ran("refund", 50, {"pay": (0, 2)})

    found = advised("step_timeout")

    assert after(found["pay of refund"]) == {"timeout": 5}
    assert found["pay of refund"].action.arguments["before"] == {"timeout": "10m"}


def test_calls_that_run_into_the_limit_though_they_work(publish, ran, pay):
    publish("refund", {"name": "pay", "capabilities": ["payment"], "timeout": 30})
    ran("refund", 50, {"pay": (0, 25)})
    hung = ran("refund", 6, pay=Failed("It did not answer in time.", retryable=False, fault=Fault.TIMEOUT))
    arrange_tries(hung, "pay", each_s=30)

    found = advised("step_timeout")

    assert failed(hung) == 6
    assert "11 % of its calls ran into the limit of 30 s" in found["pay of refund"].sentence
    assert after(found["pay of refund"]) == {"timeout": 60}


def test_only_runs_of_the_newest_version_are_looked_at(publish, ran, pay):
    publish("refund", {"name": "pay", "capabilities": ["payment"], "timeout": "10m"})
    ran("refund", 50, {"pay": (0, 2)})
    publish("refund", {"name": "pay", "capabilities": ["payment"], "timeout": "5m"})

    assert advised("step_timeout") == {}
    assert runs_seen.read(timezone.now()).steps == []


def test_a_retry_that_never_helps(publish, ran, pay):
    step = {"name": "pay", "capabilities": ["payment"], "retry": {"attempts": 2, "delay": "1s", "jitter": False}}
    publish("refund", step)
    broken = Failed("No such account.", retryable=True, fault=Fault.CALLER)
    vain = ran("refund", 12, pay=broken)
    arrange_tries(vain, "pay", each_s=4)

    found = advised("useless_retry")

    assert failed(vain) == 12
    assert "of 12 that failed at first, none of them succeeded later, and each took 4.0 s more" in (
        found["pay of refund"].sentence
    )
    assert after(found["pay of refund"])["retry"]["attempts"] == 1


def test_a_retry_that_helps_is_not_advised_against(publish, ran, pay):
    publish("refund", {"name": "pay", "capabilities": ["payment"], "retry": {"attempts": 2, "delay": "1s"}})
    ran("refund", 12, pay=[Failed("Busy.", retryable=True, fault=Fault.CALLER), None])

    (step,) = runs_seen.read(timezone.now()).steps

    assert (step.retried, step.rescued) == (12, 12)
    assert advised("useless_retry") == {}


def test_the_step_that_waits_for_a_full_pool_is_the_bottleneck(publish, ran, make_agent, make_pool):
    make_agent("taker", "take", max_concurrency=50)
    pool = make_pool("billing", min_size=1, max_size=1)
    publish(
        "refund",
        {"name": "look", "capabilities": ["take"]},
        {"name": "check", "capabilities": ["take"], "needs": ["look"]},
        {"name": "write", "capabilities": ["draft"], "needs": ["look"]},
        {"name": "send", "capabilities": ["take"], "needs": ["check", "write"]},
    )
    ran("refund", 20, {"look": (0, 1), "check": (0, 8), "write": (9, 3), "send": (0, 1)})

    found = advised("bottleneck")["refund"]

    assert found.sentence.startswith("Step write holds the runs of refund up most: 12 s of each, 86 % of the time")
    assert found.action.arguments == {"pool": pool.pk, "before": {"max_size": 1}, "after": {"max_size": 2}}
    assert "/workflows/refund/#step-write" in {evidence.url for evidence in found.evidence}


def test_runs_are_sampled_in_so_many_queries_whatever_there_is(publish, ran, pay):
    def queries():
        with CaptureQueriesContext(connection) as asked:
            runs_seen.read(timezone.now())
        return len(asked)

    publish("refund", {"name": "pay", "capabilities": ["payment"]})
    ran("refund", 2)
    runs_seen.read(timezone.now())
    few = queries()
    for name in ("second", "third"):
        publish(name, {"name": "pay", "capabilities": ["payment"]})
        ran(name, 10)
    runs_seen.read(timezone.now())  # reads the definitions that it has not seen

    assert queries() == few <= 6


def test_a_sample_takes_at_most_a_hundred_runs_of_a_workflow(publish, ran, pay, monkeypatch):
    monkeypatch.setattr(runs_seen, "RUNS_EACH", 5)
    publish("refund", {"name": "pay", "capabilities": ["payment"]})
    arrange_times(ran("refund", 8), {"pay": (0, 1)})

    (step,) = runs_seen.read(timezone.now()).steps

    assert len(step.took) == 5


# Thresholds


@pytest.fixture
def slow(db):
    return thresholds.create({"name": "Slow", "metric": "response_time", "operator": ">", "value": 5}, by=SYSTEM)


def test_a_threshold_whose_alerts_are_over_in_minutes_should_fire_later(slow):
    alerted(slow, 60, 90, 90, 100, 120)

    found = advised("flapping_threshold")["Slow"]

    assert after(found) == {"for_s": 210}
    assert f"/alerts/thresholds/{slow.pk}/" in {evidence.url for evidence in found.evidence}


def test_an_alert_that_came_back_within_its_window_counts_each_time(slow):
    begin = (timezone.now() - timedelta(hours=3)).timestamp()
    changes = [begin + 200.0 * number for number in range(10)]
    alerted(slow, 1_900, changes=changes, flapping=True)

    figures = {evidence.label: evidence.text for evidence in advised("flapping_threshold")["Slow"].evidence}

    assert figures["Fired in the last week"] == "5"
    assert figures["9 of 10 short ones were over after"] == "3 m 20 s"


def test_alerts_that_somebody_heeds_or_of_an_earlier_version_are_no_reason(slow):
    alerted(slow, 60, 60, 60, 60, 60, note="Known since the move.")
    assert advised("flapping_threshold") == {}

    with arranged():
        Alert.objects.update(note="", threshold_version=slow.version - 1)
    assert advised("flapping_threshold") == {}


def test_what_was_changed_by_hand_is_judged_anew(slow):
    alerted(slow, 60, 60, 60, 60, 60)
    thresholds.change(slow.pk, {"for_s": 300}, by=ADA)

    assert advised("flapping_threshold") == {}


def test_capabilities_are_counted_once_an_agent(make_agent):
    bad = make_agent("bad", "draft", "send")
    make_agent("well", "draft", "send")
    called(bad, badly=30)

    assert Capability.objects.filter(name="draft").count() == 2
    assert "1 other healthy agent can do draft" in advised("failing_agent")["bad"].sentence
