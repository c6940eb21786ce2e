"""Claims from several queues: pauses, limits, rates, keys and weights hold in the database, at a constant cost."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import fleet, snapshot
from agents.outcomes import Done
from orchestra.kernel.access import Actor
from tests.agents import functions  # noqa: F401  registers the functions
from tests.silent_writes import arranged
from tests.workflows import lines
from workflows import queue, queues
from workflows.advance import Result
from workflows.models import Step, StepStatus, TaskQueue
from workflows.turnstile import Memory

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("test")


@pytest.fixture(autouse=True)
def worker(db):
    return agent("worker-1", 1000)


def agent(name, slots, *capabilities):
    values = {"name": name, "config": {"function": "test.echo"}, "max_concurrency": slots}
    return fleet.create("python", values, list(capabilities) or ["work"], by=SYSTEM)


def turn(*results, room=100, memory=None, executor="one", blocked=()):
    memory = memory or Memory(queues.policies())
    return queue.take_turn(results, executor=executor, fleet=snapshot.read(), room=room, blocked=blocked, memory=memory)


def claimed(*results, **more):
    return Counter(assignment.step.queue for assignment in turn(*results, **more).assignments)


def done(assignment):
    return Result(assignment.step, assignment.agent, Done({}), 0.1)


def test_nothing_of_a_paused_queue_starts_until_it_is_resumed():
    lines.put("billing", 2)
    lines.put("default", 2)
    queues.pause("billing", by=SYSTEM, reason="The bank is down.")
    assert claimed() == {"default": 2}

    queues.resume("billing", by=SYSTEM)
    assert claimed() == {"billing": 2}


def test_no_more_of_a_queue_run_than_its_limit_and_the_next_starts_when_one_ends():
    lines.put("billing", 5)
    queues.change("billing", {"max_concurrency": 2}, by=SYSTEM)
    first = turn().assignments
    assert len(first) == 2
    assert claimed(executor="two") == {}

    assert claimed(done(first[0])) == {"billing": 1}
    assert Step.objects.filter(queue="billing", status=StepStatus.RUNNING).count() == 2


def test_a_lease_that_has_expired_holds_no_place():
    lines.put("billing", 2)
    queues.change("billing", {"max_concurrency": 1}, by=SYSTEM)
    turn()
    with arranged():
        Step.objects.filter(status=StepStatus.RUNNING).update(lease_expires_at=timezone.now() - timedelta(seconds=1))

    assert claimed(executor="two") == {"billing": 1}


def test_a_late_answer_makes_no_room_that_its_step_did_not_hold():
    """The step was lost and claimed by another: the answer of the first claim is refused, and the queue stays full."""
    lines.put("billing", 2)
    queues.change("billing", {"max_concurrency": 1}, by=SYSTEM)
    (lost,) = turn().assignments
    with arranged():
        Step.objects.filter(status=StepStatus.RUNNING).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    queue.return_expired()
    assert claimed(executor="two") == {"billing": 1}

    assert claimed(done(lost)) == {}


def test_the_earliest_rank_of_a_queue_starts_first():
    steps = lines.put("billing", 4)
    queues.change("billing", {"max_concurrency": 2}, by=SYSTEM)

    assert {assignment.step.pk for assignment in turn().assignments} == {steps[0].pk, steps[1].pk}


def test_a_rate_lets_so_many_start_and_the_rest_when_time_has_passed():
    lines.put("billing", 9)
    queues.change("billing", {"rate_per_s": 0.1, "burst": 3}, by=SYSTEM)
    memory = Memory(queues.policies())
    assert claimed(memory=memory) == {"billing": 3}
    assert claimed(memory=memory) == {}
    assert 0 < (memory.next_start(timezone.now()) - timezone.now()).total_seconds() <= 10
    assert not queue.has_work(memory=memory)

    with arranged():
        TaskQueue.objects.update(refilled_at=timezone.now() - timedelta(seconds=20))

    assert claimed() == {"billing": 2}


def test_what_finds_no_agent_costs_no_token():
    lines.put("billing", 3, demand='[["fly"],[]]')
    queues.change("billing", {"rate_per_s": 0.001, "burst": 3}, by=SYSTEM)
    assert claimed() == {}

    agent("pilot", 5, "fly")

    assert claimed() == {"billing": 3}


def test_only_so_many_steps_of_a_key_run_and_others_pass_them_by():
    lines.put("default", 3, lock_key="ada", lock_limit=1)
    lines.put("default", 2, rank_at=lines.START + timedelta(hours=1))
    memory = Memory(queues.policies())

    first = turn(memory=memory)

    assert Counter(assignment.step.lock_key for assignment in first.assignments) == {"ada": 1, "": 2}
    assert memory.keys == {"ada": 1}
    assert not queue.has_work(memory=memory)
    ada = next(assignment for assignment in first.assignments if assignment.step.lock_key)
    assert [each.step.lock_key for each in turn(done(ada), memory=memory).assignments] == ["ada"]


def test_a_backlog_of_a_busy_key_does_not_stand_in_the_way_of_others():
    lines.put("default", 5, lock_key="ada", lock_limit=1)
    lines.put("default", 1, rank_at=lines.START + timedelta(hours=1))
    memory = Memory(queues.policies())

    assert [each.step.lock_key for each in turn(room=5, memory=memory).assignments] == ["ada"]
    after = turn(room=5, memory=memory)

    assert [each.step.lock_key for each in after.assignments] == [""]


def test_a_key_counts_over_all_queues_and_a_queue_may_set_its_limit():
    lines.put("default", 2, lock_key="ada")
    lines.put("billing", 2, lock_key="ada")
    queues.change("default", {"key_limit": 3}, by=SYSTEM)
    queues.change("billing", {"key_limit": 3}, by=SYSTEM)

    turn()

    assert Step.objects.filter(status=StepStatus.RUNNING).count() == 3


def test_scarce_agents_are_shared_by_weight():
    fleet.change(fleet.Agent.objects.get().pk, {"max_concurrency": 1}, by=SYSTEM)
    for name in ("bulk", "urgent"):
        lines.put(name, 40)
    queues.change("bulk", {"weight": 1}, by=SYSTEM)
    queues.change("urgent", {"weight": 3}, by=SYSTEM)
    memory, started, results = Memory(queues.policies()), Counter(), []

    for _ in range(40):
        assignments = turn(*results, memory=memory).assignments
        started.update(assignment.step.queue for assignment in assignments)
        results = [done(assignment) for assignment in assignments]

    assert started == {"urgent": 30, "bulk": 10}


def test_a_full_queue_leaves_its_turns_to_the_others():
    lines.put("urgent", 9)
    lines.put("bulk", 9)
    queues.change("urgent", {"weight": 100, "max_concurrency": 1}, by=SYSTEM)

    assert claimed(room=6) == {"urgent": 1, "bulk": 5}


def test_steps_in_a_queue_without_a_row_are_found():
    lines.put("odd", 2)
    with arranged():
        TaskQueue.objects.all().delete()

    assert claimed() == {"odd": 2}


def statements(count, names, **set_for_each):
    for name in names:
        lines.put(name, count)
        queues.change(name, set_for_each, by=SYSTEM)
    memory, seen = Memory(queues.policies()), snapshot.read()
    with CaptureQueriesContext(connection) as captured:
        taken = queue.take_turn([], executor="one", fleet=seen, room=100, memory=memory)
    assert len(taken.assignments) == count * len(names)
    return len(captured)


def test_the_cost_of_a_turn_does_not_grow_with_queues_or_steps():
    limits = {"max_concurrency": 50, "rate_per_s": 100.0, "weight": 2}

    one = statements(1, ["a"], **limits)
    many = statements(5, [f"q{number}" for number in range(15)], **limits)

    assert many <= one


def test_one_queue_without_limits_costs_no_statement_more():
    lines.put("default", 3)
    memory, seen = Memory(queues.policies_of(["default"])), snapshot.read()
    with CaptureQueriesContext(connection) as captured:
        queue.take_turn([], executor="one", fleet=seen, room=100, memory=memory)

    told = " ".join(query["sql"] for query in captured)
    assert "taskqueue" not in told
    assert "pg_try_advisory" not in told
    assert '"queue", COUNT' not in told
    assert '"lock_key", COUNT' not in told
