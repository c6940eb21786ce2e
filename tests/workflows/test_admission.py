"""Rules of admission, tried on any queues, steps and calls in flight."""

import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from workflows import admission
from workflows.admission import Candidate, Policy, Turns, Use

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMES = ("billing", "bulk", "default", "urgent")
KEYS = ("", "ada", "ben")
NOTHING_RUNS = Use()


def rank(number: int) -> tuple[datetime, int]:
    return NOW - timedelta(seconds=number % 7), number


def several(queue: str, count: int, **more) -> list[Candidate]:
    return [Candidate(queue, (NOW, number), **more) for number in range(count)]


def admit(candidates, *policies, use=NOTHING_RUNS, room=100, turns=None, now=NOW):
    known = {policy.name: policy for policy in policies}
    return admission.admit(candidates, known, use, room, turns or Turns(), now)


def start(steps, known, room, turns, *, agents=10**6):
    """The queues of the steps that start, of those admitted the first that find an agent."""
    found = admission.admit(steps, known, Use(), room, turns, NOW)
    queues = [steps[index].queue for index in found.admitted[:agents]]
    turns.follow((queue, known[queue].weight) for queue in queues)
    return queues


policies = st.builds(
    Policy,
    weight=st.integers(1, 1000),
    max_concurrency=st.none() | st.integers(1, 8),
    rate_per_s=st.none() | st.floats(0.1, 50),
    burst=st.none() | st.integers(1, 8),
    key_limit=st.none() | st.integers(1, 3),
    paused=st.booleans(),
    tokens=st.floats(0, 8),
    refilled_at=st.none() | st.just(NOW - timedelta(milliseconds=300)),
)
candidates = st.lists(
    st.builds(
        Candidate,
        queue=st.sampled_from(NAMES),
        rank=st.integers(0, 10_000).map(rank),
        key=st.sampled_from(KEYS),
        key_limit=st.integers(0, 3),
    ),
    max_size=40,
    unique_by=lambda candidate: candidate.rank,
)
uses = st.builds(
    Use,
    by_queue=st.dictionaries(st.sampled_from(NAMES), st.integers(0, 9)),
    by_key=st.dictionaries(st.sampled_from(KEYS[1:]), st.integers(0, 4)),
    locked=st.sets(st.sampled_from(KEYS[1:])),
)


@st.composite
def situations(draw):
    known = {name: replace(draw(policies), name=name) for name in NAMES}
    return draw(candidates), known, draw(uses), draw(st.integers(0, 50))


@given(situations())
def test_no_limit_is_ever_exceeded(situation):
    steps, known, use, room = situation

    admitted = admission.admit(steps, known, use, room, Turns(), NOW).admitted

    assert len(admitted) == len(set(admitted)) <= room
    for name, count in Counter(steps[index].queue for index in admitted).items():
        policy, used = known[name], use.by_queue.get(name, 0)
        assert not policy.paused
        assert policy.max_concurrency is None or used + count <= policy.max_concurrency
        assert policy.rate_per_s is None or count <= policy.tokens_at(NOW) + 1e-3
    keys = Counter(use.by_key)
    for index in admitted:
        step = steps[index]
        if step.key:
            keys[step.key] += 1
            assert step.key not in use.locked
            assert keys[step.key] <= known[step.queue].key_limit_of(step.key_limit)


@given(situations())
def test_every_step_is_admitted_or_told_why_not_and_nothing_rests_that_could_start(situation):
    steps, known, use, room = situation

    found = admission.admit(steps, known, use, room, Turns(), NOW)

    assert sorted([*found.admitted, *found.refused]) == list(range(len(steps)))
    if len(found.admitted) < room:
        assert admission.NO_ROOM not in {refusal.code for refusal in found.refused.values()}
    taken = Counter(steps[index].queue for index in found.admitted)
    for index, refusal in found.refused.items():
        policy = known[steps[index].queue]
        used = use.by_queue.get(policy.name, 0) + taken[policy.name]
        if refusal.code == admission.FULL:
            assert used >= policy.max_concurrency == refusal.limit
        if refusal.code == admission.RATE:
            assert policy.tokens_at(NOW) - taken[policy.name] < 1 and refusal.until > NOW
        if refusal.code == admission.PAUSED:
            assert policy.paused


@given(situations())
def test_within_a_queue_the_earliest_rank_goes_first_unless_its_key_is_busy(situation):
    steps, known, use, room = situation

    found = admission.admit(steps, known, use, room, Turns(), NOW)

    for index in found.admitted:
        passed_over = [
            other
            for other in found.refused
            if steps[other].queue == steps[index].queue and steps[other].rank < steps[index].rank
        ]
        assert {found.refused[other].code for other in passed_over} <= {admission.KEY}


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(1, 30), st.integers(1, 20))
def test_shares_converge_to_the_weights_while_all_have_a_backlog(weights, room, claims):
    known = {f"q{number}": Policy(f"q{number}", weight) for number, weight in enumerate(weights)}
    turns, taken = Turns(), Counter(dict.fromkeys(known, 0))

    for _ in range(claims):
        steps = [step for name in known for step in several(name, room)]
        taken.update(start(steps, known, room, turns))

    marks = {name: taken[name] / known[name].weight for name in known}
    assert taken.total() == room * claims
    for one in known.values():
        for other in known.values():
            assert abs(marks[one.name] - marks[other.name]) <= 1 / one.weight + 1 / other.weight + 1e-6


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=6))
def test_no_queue_starves_beside_heavier_ones(weights):
    known = {f"q{number}": Policy(f"q{number}", weight) for number, weight in enumerate(weights)}
    lightest = min(known.values(), key=lambda policy: policy.weight)
    room = sum(math.ceil(weight / lightest.weight) for weight in weights) + len(weights)

    steps = [step for name in known for step in several(name, room)]
    admitted = admission.admit(steps, known, Use(), room, Turns(), NOW).admitted

    assert lightest.name in {steps[index].queue for index in admitted}


def test_a_queue_that_rested_does_not_make_up_for_it():
    known, turns = {"bulk": Policy("bulk"), "billing": Policy("billing")}, Turns()
    start(several("bulk", 100), known, 100, turns)

    both = several("bulk", 50) + several("billing", 50)

    assert start(both, known, 50, turns).count("billing") in {25, 26}


def test_what_found_no_agent_is_not_held_against_its_queue():
    """One slot is free each time: it goes round by weight, however many were admitted in vain."""
    known, turns = {"bulk": Policy("bulk"), "urgent": Policy("urgent", weight=3)}, Turns()
    steps, started = several("bulk", 50) + several("urgent", 50), Counter()

    for _ in range(40):
        (queue,) = start(steps, known, 100, turns, agents=1)
        started[queue] += 1

    assert started == {"urgent": 30, "bulk": 10}


@given(situations())
def test_the_forecast_of_shares_leaves_the_turns_as_they_are_and_names_no_more_than_wait(situation):
    steps, known, _, room = situation
    turns = Turns()
    waiting = Counter(step.queue for step in steps)

    shares = admission.share(waiting, room, known, turns)

    assert sum(shares.values()) == min(room, len(steps))
    assert all(1 <= count <= waiting[name] for name, count in shares.items())
    assert shares == admission.share(waiting, room, known, turns)


def test_a_full_queue_says_how_full_and_leaves_the_room_to_others():
    steps = several("bulk", 3) + several("default", 3)

    found = admit(steps, Policy("bulk", max_concurrency=5), Policy(), use=Use({"bulk": 4}), room=4)

    assert found.admitted == [0, 3, 4, 5]
    assert found.refused[1] == admission.Refusal(admission.FULL, 5, 5)


def test_a_rate_says_when_the_next_token_comes():
    policy = Policy("bulk", rate_per_s=2, burst=2, tokens=1.5, refilled_at=NOW)

    found = admit(several("bulk", 3), policy)

    assert found.admitted == [0]
    assert found.refused[1] == admission.Refusal(admission.RATE, until=NOW + timedelta(seconds=0.25))


@given(st.floats(0.01, 1000), st.integers(1, 20), st.floats(0, 20))
def test_at_the_time_that_a_rate_names_a_step_may_start(rate, burst, tokens):
    policy = Policy(rate_per_s=rate, burst=burst, tokens=min(tokens, burst), refilled_at=NOW)

    at = policy.next_token_at(NOW)

    assert admission.obstacle_of(policy, 0, at) is None
    assert admission.room_of(policy, 0, at) >= 1


@given(st.floats(0.1, 100), st.integers(1, 20), st.lists(st.floats(0, 3), min_size=1, max_size=30))
def test_over_any_time_a_rate_lets_no_more_start_than_it_says_and_its_burst(rate, burst, pauses):
    policy, now, started = Policy(rate_per_s=rate, burst=burst), NOW, 0

    for pause in pauses:
        now += timedelta(seconds=pause)
        room = admission.room_of(policy, 0, now)
        policy, started = admission.spent(policy, room, now), started + room

    assert started <= burst + rate * (now - NOW).total_seconds() + 0.01


def test_a_clock_that_goes_back_takes_no_tokens_away():
    policy = Policy(rate_per_s=1, burst=5, tokens=2, refilled_at=NOW)

    assert policy.tokens_at(NOW - timedelta(minutes=1)) == 2


def test_a_key_that_is_at_its_limit_is_passed_over_for_the_next_step_behind():
    steps = [
        Candidate("default", (NOW, 1), "ada", 1),
        Candidate("default", (NOW, 2), "ada", 1),
        Candidate("default", (NOW, 3)),
    ]

    found = admit(steps, Policy())

    assert found.admitted == [0, 2]
    assert found.refused == {1: admission.Refusal(admission.KEY, 1, 1, key="ada")}


def test_a_queue_lowers_the_limit_of_a_key_and_stands_in_where_the_step_has_none():
    assert Policy(key_limit=2).key_limit_of(5) == 2
    assert Policy(key_limit=5).key_limit_of(2) == 2
    assert Policy(key_limit=3).key_limit_of(0) == 3
    assert Policy().key_limit_of(0) == 1
