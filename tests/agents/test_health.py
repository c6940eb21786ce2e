from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from django.db import connection

from agents import health
from agents.health import Result
from agents.models import AgentHealth, Circuit
from agents.outcomes import Fault
from orchestra.kernel import access, events
from orchestra.kernel.errors import Forbidden, NotFound
from orchestra.kernel.models import Event
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def seconds(count):
    return timedelta(seconds=count)


def merge(*results, at=NOON):
    with arranged():
        health.merge(results, at)


def failed(agent, error="no answer", **more):
    return Result(agent.pk, 1.0, Fault.AGENT, error, **more)


def done(agent, took_s=1.0, **more):
    return Result(agent.pk, took_s, **more)


def state_of(agent):
    return AgentHealth.objects.get(pk=agent.pk)


def actions():
    return list(Event.objects.order_by("number").values_list("action", flat=True))


def reason_of(action):
    return Event.objects.select_related("detail").filter(action=action).latest("number").detail.reason


@pytest.fixture
def broken(make_agent):
    """An agent whose breaker opened at noon and lets a probe through a minute later."""
    agent = make_agent("writer", failure_threshold=5, recovery_s=60)
    merge(*[failed(agent)] * 5)
    return agent


def test_a_success_and_a_failure_move_the_averages_by_a_twentieth(make_agent):
    agent = make_agent("writer")

    merge(done(agent, 4.0))
    assert state_of(agent).response_s == pytest.approx(0.2)
    merge(failed(agent))

    assert state_of(agent).success_rate == pytest.approx(0.95)
    assert (state_of(agent).calls, state_of(agent).failures) == (2, 1)


def test_a_group_moves_the_averages_as_far_as_its_calls_one_by_one(make_agent):
    at_once, in_turn = make_agent("at-once", failure_threshold=99), make_agent("in-turn", failure_threshold=99)

    merge(*[failed(at_once)] * 10)
    for _ in range(10):
        merge(failed(in_turn))

    assert state_of(at_once).success_rate == pytest.approx(state_of(in_turn).success_rate) == pytest.approx(0.95**10)
    assert state_of(at_once).response_s == pytest.approx(state_of(in_turn).response_s)


def test_a_mixed_group_counts_by_its_share_of_successes(make_agent):
    agent = make_agent("writer")

    merge(failed(agent), done(agent), done(agent), done(agent))

    kept = 0.95**4
    assert state_of(agent).success_rate == pytest.approx(kept + (1 - kept) * 3 / 4)


def test_five_failures_in_a_row_open_the_breaker_for_its_recovery_time(make_agent):
    agent = make_agent("writer", failure_threshold=5, recovery_s=60)

    merge(*[failed(agent)] * 4)
    assert state_of(agent).circuit == Circuit.CLOSED
    merge(failed(agent, "the shop does not answer"))

    assert (state_of(agent).circuit, state_of(agent).probe_at) == (Circuit.OPEN, NOON + seconds(60))
    assert reason_of("CircuitOpened") == "5 failures in a row: the shop does not answer"


def test_threshold_and_recovery_belong_to_the_agent(make_agent):
    agent = make_agent("writer", failure_threshold=2, recovery_s=7)

    merge(failed(agent), failed(agent))

    assert state_of(agent).probe_at == NOON + seconds(7)


@pytest.mark.parametrize(("pattern", "in_a_row"), [("ffsff", 2), ("sffff", 4), ("ffffs", 0), ("sssss", 0), ("ffff", 6)])
def test_only_failures_since_the_last_success_count(make_agent, pattern, in_a_row):
    agent = make_agent("writer", failure_threshold=100)
    merge(failed(agent), failed(agent))

    merge(*[failed(agent) if letter == "f" else done(agent) for letter in pattern])

    assert state_of(agent).consecutive_failures == in_a_row


@pytest.mark.parametrize("fault", [Fault.CALLER, Fault.LOST])
def test_what_was_not_the_agents_fault_does_not_count_against_it(make_agent, fault):
    agent = make_agent("writer", failure_threshold=1)

    merge(Result(agent.pk, 1.0, fault, "bad input"))

    assert (state_of(agent).calls, state_of(agent).circuit) == (0, Circuit.CLOSED)


def test_silence_counts_as_a_failure(make_agent):
    agent = make_agent("writer", failure_threshold=1)

    merge(Result(agent.pk, 30.0, Fault.TIMEOUT, "It did not answer."))

    assert state_of(agent).circuit == Circuit.OPEN


def test_an_open_breaker_lets_no_probe_through_before_its_time(broken):
    assert not health.take_probe(broken.pk, NOON + seconds(59), within_s=30)
    assert state_of(broken).circuit == Circuit.OPEN


def test_one_probe_is_let_through_and_no_second_while_it_is_out(broken):
    assert health.take_probe(broken.pk, NOON + seconds(61), within_s=30)
    assert not health.take_probe(broken.pk, NOON + seconds(62), within_s=30)

    assert state_of(broken).circuit == Circuit.HALF_OPEN
    assert actions()[-1] == "CircuitHalfOpened"


def test_no_second_probe_follows_while_the_first_may_still_be_answered(broken, settings):
    assert health.take_probe(broken.pk, NOON + seconds(61), within_s=600)

    over = 61 + 600 + settings.LEASE_S
    assert not health.take_probe(broken.pk, NOON + seconds(over - 1), within_s=600)
    assert health.take_probe(broken.pk, NOON + seconds(over), within_s=600)


def test_a_probe_known_to_be_lost_is_replaced_after_the_recovery_time_however_long_it_might_have_taken(broken):
    health.take_probe(broken.pk, NOON + seconds(61), within_s=86_400)
    merge(Result(broken.pk, 0.0, Fault.LOST, was_probe=True), at=NOON + seconds(70))

    assert state_of(broken).circuit == Circuit.HALF_OPEN
    assert not health.take_probe(broken.pk, NOON + seconds(129), within_s=30)
    assert health.take_probe(broken.pk, NOON + seconds(130), within_s=30)


def test_a_breaker_that_a_failed_probe_opens_again_has_been_open_since_it_first_opened(broken):
    health.take_probe(broken.pk, NOON + seconds(61), within_s=30)
    merge(failed(broken, was_probe=True), at=NOON + seconds(62))

    assert (state_of(broken).circuit, state_of(broken).opened_at) == (Circuit.OPEN, NOON)


def test_a_probe_that_was_lost_is_followed_by_another_after_the_recovery_time(broken):
    health.take_probe(broken.pk, NOON + seconds(61), within_s=30)
    merge(Result(broken.pk, 0.0, Fault.LOST, was_probe=True))

    assert health.take_probe(broken.pk, NOON + seconds(122), within_s=30)


@pytest.mark.parametrize("fault", [None, Fault.CALLER])
def test_an_answered_probe_closes_the_breaker(broken, fault):
    health.take_probe(broken.pk, NOON + seconds(61), within_s=30)

    merge(Result(broken.pk, 0.2, fault, was_probe=True), at=NOON + seconds(62))

    closed = state_of(broken)
    assert (closed.circuit, closed.consecutive_failures, closed.probe_at) == (Circuit.CLOSED, 0, None)
    assert reason_of("CircuitClosed") == "The probe was answered in 0.2 s."


def test_a_failed_probe_opens_it_again_for_the_whole_recovery_time(broken):
    health.take_probe(broken.pk, NOON + seconds(61), within_s=30)

    merge(failed(broken, "still down", was_probe=True), at=NOON + seconds(62))

    assert (state_of(broken).circuit, state_of(broken).probe_at) == (Circuit.OPEN, NOON + seconds(122))
    assert reason_of("CircuitOpened") == "The probe failed: still down"


def test_a_late_success_of_an_earlier_call_does_not_close_an_open_breaker(broken):
    merge(done(broken))

    assert state_of(broken).circuit == Circuit.OPEN


def test_an_operator_closes_it_by_hand_with_a_reason(broken, operator):
    assert health.reset(broken.pk, by=access.actor_of(operator), reason="the shop is back")
    assert not health.reset(broken.pk, by=access.actor_of(operator), reason="again")

    assert state_of(broken).circuit == Circuit.CLOSED
    assert actions()[-1] == "CircuitReset"


def test_a_viewer_may_not_reset_a_breaker(broken, viewer):
    with pytest.raises(Forbidden):
        health.reset(broken.pk, by=access.actor_of(viewer))


def test_resetting_what_is_gone_says_so():
    with pytest.raises(NotFound):
        health.reset(404, by=events.Actor.system("test"))


def test_throughput_is_the_calls_of_the_last_60_seconds(make_agent):
    agent = make_agent("writer")
    with arranged():
        AgentHealth.objects.update(minute=NOON - seconds(600))

    merge(*[done(agent)] * 30, at=NOON + seconds(10))
    merge(*[done(agent)] * 12, at=NOON + seconds(75))

    measured = state_of(agent)
    assert measured.throughput_per_min(NOON + seconds(75)) == pytest.approx(12 + 30 * 45 / 60)
    assert measured.throughput_per_min(NOON + seconds(150)) == pytest.approx(6)
    assert measured.throughput_per_min(NOON + seconds(600)) == 0


def test_a_group_that_comes_late_counts_in_the_newest_minute(make_agent):
    agent = make_agent("writer")
    with arranged():
        AgentHealth.objects.update(minute=NOON)

    merge(done(agent), at=NOON + seconds(61))
    merge(done(agent), at=NOON + seconds(59))

    assert state_of(agent).calls_this_minute == 2


def test_a_group_that_did_well_costs_one_statement_for_all_its_agents(make_agent, django_assert_num_queries):
    agents = [make_agent(f"writer-{number}") for number in range(3)]

    with arranged(), django_assert_num_queries(1):
        health.merge([done(agent, number) for number, agent in enumerate(agents) for _ in range(50)], NOON)

    assert [state_of(agent).calls for agent in agents] == [50, 50, 50]
    assert [state_of(agent).response_s for agent in agents] == pytest.approx([n * (1 - 0.95**50) for n in range(3)])


def test_of_a_group_only_the_breakers_of_agents_that_failed_open(make_agent):
    ill, late, well = (make_agent(name, failure_threshold=2) for name in ("ill", "late", "well"))

    merge(failed(ill, "no shop"), failed(late, "no answer"), done(well), failed(ill, "no shop"), failed(late, "later"))

    assert [state_of(agent).circuit for agent in (ill, late, well)] == [Circuit.OPEN, Circuit.OPEN, Circuit.CLOSED]
    assert [state_of(agent).last_error for agent in (ill, late, well)] == ["no shop", "later", ""]


@pytest.mark.django_db(transaction=True)
def test_two_groups_of_the_same_agents_in_any_order_wait_for_each_other_and_both_count(make_agent):
    agents = [make_agent(f"writer-{number}") for number in range(6)]
    together = Barrier(2)

    def count(agents):
        try:
            together.wait()
            for _ in range(20):
                with events.recording(events.Actor.system("test")):
                    health.merge([done(agent) for agent in agents], NOON)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(count, [agents, agents[::-1]]))

    assert set(AgentHealth.objects.values_list("calls", flat=True)) == {40}


@pytest.mark.django_db(transaction=True)
def test_exactly_one_of_eight_workers_gets_the_probe(broken):
    together = Barrier(8)

    def take(_):
        connection.ensure_connection()
        together.wait()
        try:
            return health.take_probe(broken.pk, NOON + seconds(61), within_s=30)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 1
    assert actions().count("CircuitHalfOpened") == 1


@pytest.mark.django_db(transaction=True)
def test_failures_that_several_workers_report_at_a_time_open_the_breaker_once(make_agent):
    agent = make_agent("writer", failure_threshold=8)
    together = Barrier(4)

    def report(_):
        together.wait()
        try:
            merge(failed(agent), failed(agent))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(report, range(4)))
    assert (state_of(agent).consecutive_failures, state_of(agent).circuit) == (8, Circuit.OPEN)
    assert actions().count("CircuitOpened") == 1
