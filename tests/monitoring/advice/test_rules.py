"""Each rule speaks where its figures do, proposes what they call for, and is silent on either side of its limits."""

from dataclasses import replace

import pytest

from monitoring.advice.critical_path import Hold
from monitoring.advice.rules import agents, bottleneck, pools, resources, steps, thresholds
from monitoring.advice.rules.agents import FailingFacts, IdleFacts
from monitoring.advice.rules.bottleneck import PoolRef, WorkflowFacts
from monitoring.advice.rules.pools import PoolFacts, Stretch
from monitoring.advice.rules.resources import ResourceFacts
from monitoring.advice.rules.steps import StepFacts
from monitoring.advice.rules.thresholds import ThresholdFacts

FULL = Stretch(1.0, in_use=5.9, slots=6.0, waiting=6.0, oldest_s=80.0, most_in_use=6, most_waiting=9)
QUIET = Stretch(1.0, in_use=0.8, slots=12.0, waiting=0.0, oldest_s=0.0, most_in_use=2, most_waiting=0)
BUSY_POOL = PoolFacts(7, "billing", True, 1, 3, 3, 2, FULL, None, "/pools/7/")
LARGE_POOL = replace(BUSY_POOL, min_size=6, max_size=9, target=6, hour=QUIET, day=QUIET)
FAILING = FailingFacts(4, "writer-1", 100, 40, 0, 2, "draft", "It broke.", "/agents/4/", "/audit/", "/agents/")
STEP = StepFacts(
    2,
    "refund",
    "pay",
    {"name": "pay", "timeout": 300},
    300.0,
    [1.0] * 99 + [2.0],
    0,
    1,
    0,
    0,
    0.0,
    "/workflows/refund/",
)
WORST = Hold("pay", 40.0, 0.8, 30.0, 1.0)
POOL = PoolRef(7, "billing", True, 3, 3, "/pools/7/")
FLOW = WorkflowFacts(
    2, "refund", 4, 50, WORST, "agent", ("payment",), 0, POOL, "/workflows/refund/", "/runs/", "/agents/"
)
FLAPS = ThresholdFacts(3, "Slow", 60, 8, [90.0, 100.0, 120.0], 1, 0, 0, "/thresholds/3/", "/alerts/")


def only(advice):
    (found,) = advice
    return found


def change(found):
    return found.action.arguments["before"], found.action.arguments["after"]


def test_a_full_pool_whose_queue_waits_should_have_more_members():
    found = only(pools.advise(BUSY_POOL))

    assert found.sentence == (
        "billing is too small: in the last hour 98 % of its slots were in use, 6 steps waited on average, the oldest "
        "up to 1 m 20 s. Let it have at most 6 members instead of 3."
    )
    assert change(found) == ({"max_size": 3}, {"max_size": 6})
    assert [evidence.text for evidence in found.evidence] == ["98 %", "6", "1 m 20 s", "3"]


def test_a_pool_scaled_by_hand_is_given_its_size_and_the_room_for_it():
    by_hand = replace(BUSY_POOL, autoscales=False, max_size=4)

    assert change(only(pools.advise(by_hand))) == ({"max_size": 4, "target": 3}, {"max_size": 6, "target": 6})
    assert change(only(pools.advise(replace(by_hand, max_size=9)))) == ({"target": 3}, {"target": 6})


@pytest.mark.parametrize(
    "pool",
    [
        replace(BUSY_POOL, hour=None),
        replace(BUSY_POOL, max_size=4),  # the autoscaler may still grow it
        replace(BUSY_POOL, hour=replace(FULL, in_use=5.0)),
        replace(BUSY_POOL, hour=replace(FULL, waiting=0.9)),
        replace(BUSY_POOL, hour=replace(FULL, oldest_s=29.0)),
        replace(BUSY_POOL, hour=replace(FULL, covered=0.4)),
        replace(BUSY_POOL, hour=replace(FULL, slots=0.0)),
    ],
)
def test_a_pool_that_grows_by_itself_or_hardly_keeps_anyone_waiting_is_left_alone(pool):
    assert list(pools.advise(pool)) == []


def test_a_pool_is_at_most_doubled_at_a_time():
    flood = replace(BUSY_POOL, hour=replace(FULL, waiting=1_000.0))

    assert change(only(pools.advise(flood)))[1] == {"max_size": 6}


def test_a_pool_far_larger_than_its_busiest_moment_should_shrink():
    found = only(pools.advise(LARGE_POOL))

    assert "at most 2 at once, and nothing waited. Let it have at least 2 members instead of 6." in found.sentence
    assert change(found) == ({"min_size": 6}, {"min_size": 2})
    by_hand = replace(LARGE_POOL, autoscales=False, min_size=0)
    assert change(only(pools.advise(by_hand))) == ({"target": 6}, {"target": 2})


@pytest.mark.parametrize(
    "pool",
    [
        replace(LARGE_POOL, day=None),
        replace(LARGE_POOL, day=replace(QUIET, most_waiting=1)),
        replace(LARGE_POOL, day=replace(QUIET, most_in_use=5)),
        replace(LARGE_POOL, day=replace(QUIET, in_use=4.0)),
        replace(LARGE_POOL, day=replace(QUIET, covered=0.4)),
        replace(LARGE_POOL, min_size=1),
    ],
)
def test_a_pool_that_was_needed_once_in_the_day_keeps_its_size(pool):
    assert list(pools.advise(pool)) == []


def test_a_failing_agent_is_drained_and_one_that_always_fails_is_disabled():
    found, useless = only(agents.advise_failing(FAILING)), only(agents.advise_failing(replace(FAILING, failed=95)))

    assert found.sentence == (
        "writer-1 failed in 40 of 100 calls in the last day. 2 other healthy agents can do draft: drain it until it is "
        "mended."
    )
    assert change(found) == ({"status": "online"}, {"status": "draining"})
    assert change(useless)[1] == {"status": "disabled"}
    assert useless.weight > found.weight


def test_a_breaker_that_opens_again_and_again_counts_even_where_few_calls_get_through():
    found = only(agents.advise_failing(replace(FAILING, failed=10, openings=3)))

    assert "and its breaker opened 3 times" in found.sentence


@pytest.mark.parametrize(
    "agent",
    [
        replace(FAILING, calls=19, failed=19),
        replace(FAILING, failed=29),
        replace(FAILING, failed=29, openings=2),
        replace(FAILING, substitutes=0),
    ],
)
def test_an_agent_that_nobody_could_stand_in_for_or_that_mostly_works_stays(agent):
    assert list(agents.advise_failing(agent)) == []


def test_an_agent_without_a_call_for_two_weeks_is_disabled():
    idle = IdleFacts(4, "writer-1", 14, True, ("draft",), "/agents/4/")

    found = only(agents.advise_idle(idle))

    assert "has not been called for 14 days" in found.sentence
    assert change(found) == ({"status": "online"}, {"status": "disabled"})
    assert (
        "in the 20 days that it has been online"
        in only(agents.advise_idle(replace(idle, days=20, was_called=False))).sentence
    )
    assert list(agents.advise_idle(replace(idle, days=13))) == []


def test_a_resource_that_nothing_reserved_for_two_weeks_is_disabled():
    bench = ResourceFacts(5, "Bench 1", "bench", 2, 14, True, "/resources/5/")

    found = only(resources.advise(bench))

    assert change(found) == ({"enabled": True}, {"enabled": False})
    assert list(resources.advise(replace(bench, days=13))) == []


def test_a_limit_far_above_what_calls_take_is_set_to_twice_their_99th_percentile():
    found = only(steps.advise(STEP))

    assert found.sentence == (
        "Step pay of refund: 99 of 100 calls are over within 1.0 s, yet one that hangs is waited for 5 m. "
        "Give it 3.0 s."
    )
    assert change(found) == ({"timeout": 300}, {"timeout": 3})
    assert found.subject.id == "2:pay"


@pytest.mark.parametrize(
    "step",
    [
        replace(STEP, took=[1.0] * 49),
        replace(STEP, took=[1.0] * 98 + [31.0, 31.0]),  # not ten times the 99th percentile
        replace(STEP, raw={"name": "pay"}, timeout_s=30.0),  # nobody set it, and nothing hung
        replace(STEP, raw={"name": "pay", "timeout": 60}, timeout_s=60.0),
    ],
)
def test_a_limit_that_fits_or_that_nobody_set_or_ran_into_stays(step):
    assert list(steps.advise(step)) == []


def test_the_usual_limit_is_lowered_once_calls_hang_until_it():
    hung = replace(STEP, raw={"name": "pay"}, timeout_s=30.0, ran_into=2)

    found = only(steps.advise(hung))

    assert "2 calls hung until then." in found.sentence
    assert change(found) == ({"timeout": None}, {"timeout": 3})


def test_a_limit_that_slow_calls_run_into_is_doubled():
    slow = replace(STEP, raw={"name": "pay", "timeout": 30}, timeout_s=30.0, took=[20.0] * 90, ran_into=10)

    found = only(steps.advise(slow))

    assert "10 % of its calls ran into the limit of 30 s" in found.sentence
    assert change(found) == ({"timeout": 30}, {"timeout": 60})
    assert list(steps.advise(replace(slow, ran_into=4))) == []
    assert list(steps.advise(replace(slow, timeout_s=3_600.0, took=[3_000.0] * 90))) == []


def test_a_retry_that_never_helps_is_left_out():
    vain = replace(STEP, took=[], raw={"name": "pay", "retry": {"attempts": 3, "delay": "1s"}}, attempts=3)
    vain = replace(vain, retried=20, rescued=1, retrying_s=9.0)

    found = only(steps.advise(vain))

    assert (
        "of 20 that failed at first, only 1 of them succeeded later, and each took 9.0 s more to fail" in found.sentence
    )
    before, after = change(found)
    assert (before["retry"]["attempts"], after) == (3, {"retry": {"attempts": 1, "delay": "1s"}})
    for other in (replace(vain, rescued=2), replace(vain, retried=9, rescued=0), replace(vain, attempts=1)):
        assert list(steps.advise(other)) == []


@pytest.mark.parametrize(("seconds", "neat"), [(0.2, 1), (1.0, 1), (1.01, 2), (4, 5), (61, 90), (9_999, 3_600)])
def test_limits_are_round_figures(seconds, neat):
    assert steps.neat(seconds) == neat


def test_the_step_that_runs_wait_for_gets_one_more_member_of_its_pool():
    found = only(bottleneck.advise(FLOW))

    assert found.sentence == (
        "Step pay holds the runs of refund up most: 40 s of each, 80 % of the time on their critical path, of which it "
        "waits 30 s for its turn. Add a member to the pool billing."
    )
    assert change(found) == ({"max_size": 3}, {"max_size": 4})
    by_hand = replace(FLOW, pool=replace(POOL, autoscales=False, max_size=5))
    assert change(only(bottleneck.advise(by_hand))) == ({"target": 3}, {"target": 4})


@pytest.mark.parametrize(
    ("workflow", "words", "url"),
    [
        (replace(FLOW, pool=None), "More agents, or more calls at a time, for payment", "/agents/"),
        (replace(FLOW, pool=replace(POOL, max_size=5)), "may grow by itself", "/pools/7/"),
        (replace(FLOW, at_once=1), "At most 1 run at a time", "/workflows/refund/"),
        (replace(FLOW, worst=replace(WORST, waited_s=1.0)), "Its calls themselves take that long", "/agents/"),
        (replace(FLOW, kind="human"), "People answer it", "/runs/"),
        (replace(FLOW, kind="workflow"), "It is a workflow of its own", "/runs/"),
    ],
)
def test_where_no_button_helps_it_leads_to_where_a_person_can(workflow, words, url):
    found = only(bottleneck.advise(workflow))

    assert words in found.sentence
    assert (found.action.verb, found.action.arguments) == ("open", {"url": url})


@pytest.mark.parametrize(
    "workflow",
    [
        replace(FLOW, runs=19),
        replace(FLOW, steps=1),
        replace(FLOW, kind="wait"),
        replace(FLOW, worst=replace(WORST, share=0.49)),
        replace(FLOW, worst=replace(WORST, seconds=0.9)),
    ],
)
def test_runs_that_no_step_holds_up_are_left_alone(workflow):
    assert list(bottleneck.advise(workflow)) == []


def test_a_threshold_that_only_flaps_should_fire_later():
    found = only(thresholds.advise(FLAPS))

    assert found.sentence == (
        "Slow only flaps: in the last week it fired 8 times, 100 % of these were over within 10 m, and nobody "
        "acknowledged one. Let it fire after 3 m 30 s instead of 1 m."
    )
    assert change(found) == ({"for_s": 60}, {"for_s": 210})


@pytest.mark.parametrize(
    "threshold",
    [
        replace(FLAPS, fired=4),
        replace(FLAPS, fired_s=[]),
        replace(FLAPS, fired_s=[90.0] * 8 + [4_000.0]),
        replace(FLAPS, seen_to=1),
        replace(FLAPS, open=1),
        replace(FLAPS, for_s=3_600),
    ],
)
def test_a_threshold_that_somebody_heeds_or_whose_alerts_last_stays(threshold):
    assert list(thresholds.advise(threshold)) == []


def test_the_arguments_of_every_action_are_json():
    advised = [
        *pools.advise(BUSY_POOL),
        *agents.advise_failing(FAILING),
        *steps.advise(STEP),
        *bottleneck.advise(FLOW),
        *thresholds.advise(FLAPS),
    ]

    for found in advised:
        columns = found.columns
        assert columns["action"]["arguments"] == dict(found.action.arguments)
        assert {"label", "value", "unit", "url"} == set(columns["evidence"][0])
