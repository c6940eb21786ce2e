"""Leases and admission with two executors on two real connections, whatever they do and in whichever order.

No queue and no key is ever over its limit, nothing of a paused queue starts, no step has two holders, nothing is lost
and nothing succeeds twice.
"""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from agents import fleet, snapshot
from agents.models import Agent
from agents.outcomes import Done, Failed, Fault
from orchestra.kernel import events
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Event
from tests.agents import functions  # noqa: F401  registers the functions
from tests.silent_writes import arranged
from tests.workflows import lines
from workflows import queue, queues
from workflows.advance import Result
from workflows.models import Run, Step, StepStatus, TaskQueue
from workflows.turnstile import Memory

pytestmark = pytest.mark.django_db(transaction=True)

SYSTEM = Actor.system("test")
QUEUES = ("default", "billing", "bulk")
KEYS = ("ada", "ben")
EXECUTORS = ("one", "two")

queue_names = st.sampled_from(QUEUES)
executors = st.sampled_from(EXECUTORS)


class TwoExecutors(RuleBasedStateMachine):
    """``held`` is what each executor has in flight, as it knows itself."""

    def __init__(self):
        super().__init__()
        with arranged():
            Run.objects.all().delete()
            TaskQueue.objects.all().delete()
        add_worker()
        self.threads = {name: ThreadPoolExecutor(1) for name in EXECUTORS}
        self.memories = {name: Memory() for name in EXECUTORS}
        self.held = {name: {} for name in EXECUTORS}

    def teardown(self):
        try:
            self._let_everything_end()
        finally:
            for thread in self.threads.values():
                thread.submit(lambda: connection.close()).result(30)  # noqa: PLW0108  its own one
                thread.shutdown()

    @rule(queue=queue_names, count=st.integers(1, 4), key=st.sampled_from(("", *KEYS)))
    def steps_come_in(self, queue, count, key):
        lines.put(queue, count, lock_key=key, lock_limit=1 if key else 0)

    @rule(queue=queue_names, limit=st.none() | st.integers(1, 3))
    def a_limit_is_set(self, queue, limit):
        queues.change(queue, {"max_concurrency": limit}, by=SYSTEM)

    @rule(queue=queue_names, paused=st.booleans())
    def a_queue_is_paused_or_resumed(self, queue, paused):
        if paused:
            queues.pause(queue, by=SYSTEM, reason="noon")
        else:
            queues.resume(queue, by=SYSTEM)

    @rule(rooms=st.tuples(st.integers(1, 6), st.integers(1, 6)), ends=st.integers(0, 5), fails=st.booleans())
    def both_take_a_turn_at_once(self, rooms, ends, fails):
        self._turns(dict(zip(EXECUTORS, rooms, strict=True)), ends, fails)

    @rule(executor=executors, room=st.integers(0, 6), ends=st.integers(0, 5), fails=st.booleans())
    def one_takes_a_turn(self, executor, room, ends, fails):
        self._turns({executor: room}, ends, fails)

    @precondition(lambda self: any(self.held.values()))
    @rule(executor=executors, returned=st.booleans())
    def the_leases_of_one_expire(self, executor, returned):
        """Its calls go on: what they answer may come late, or in time where nobody has taken the step."""
        with arranged():
            gone = Step.objects.filter(executor=executor, status=StepStatus.RUNNING)
            gone.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
        if returned:
            queue.return_expired()

    @precondition(lambda self: any(self.held.values()))
    @rule(executor=executors)
    def one_is_stopped(self, executor):
        queue.release(executor)
        self.held[executor] = {}
        self.memories[executor] = Memory()

    @invariant()
    def every_running_step_is_known_to_its_one_holder(self):
        for step in Step.objects.filter(status=StepStatus.RUNNING):
            holders = [name for name in EXECUTORS if self.held[name].get(step.pk, (0,))[0] == step.token]
            assert holders == [step.executor]

    @invariant()
    def nothing_succeeds_twice(self):
        succeeded = Event.objects.filter(action="StepSucceeded", target_id__in=[str(pk) for pk in self._steps()])
        assert all(count == 1 for count in Counter(succeeded.values_list("target_id", flat=True)).values())

    def _turns(self, rooms, ends, fails):
        known = queues.policies()
        results = {name: self._answers(name, ends, fails) for name in rooms}
        fresh = {name: self.threads[name].submit(self._turn, name, rooms[name], results[name], known) for name in rooms}
        claimed = [assignment for name in rooms for assignment in self._taken(name, fresh[name].result(30))]
        self._check_limits(
            known, Counter(each.step.queue for each in claimed), {each.step.lock_key for each in claimed}
        )

    def _turn(self, name, room, results, known):
        memory = self.memories[name]
        memory.policies = known
        memory.full.clear()
        return queue.take_turn(results, executor=name, fleet=snapshot.read(), room=room, memory=memory)

    def _answers(self, name, ends, fails):
        """What comes back of the first calls in flight; they are in flight no longer."""
        first = list(self.held[name].items())[:ends]
        outcome = Failed("no", fault=Fault.AGENT) if fails and ends % 2 else Done({})
        for pk, _ in first:
            del self.held[name][pk]
        return [Result(assignment.step, assignment.agent, outcome, 0.1) for _, (_, assignment) in first]

    def _taken(self, name, turn):
        for assignment in turn.assignments:
            self.held[name][assignment.step.pk] = (assignment.step.token, assignment)
        return turn.assignments

    def _check_limits(self, known, started, keys):
        running = Step.objects.filter(status=StepStatus.RUNNING, lease_expires_at__gt=timezone.now())
        by_queue = Counter(running.values_list("queue", flat=True))
        by_key = Counter(running.exclude(lock_key="").values_list("lock_key", flat=True))
        for name in started:
            assert not known[name].paused
            assert known[name].max_concurrency is None or by_queue[name] <= known[name].max_concurrency
        assert all(by_key[key] <= 1 for key in keys - {""})

    def _let_everything_end(self):
        for name in QUEUES:
            queues.resume(name, by=SYSTEM)
        for executor in EXECUTORS:
            self.one_is_stopped(executor)
        for _ in range(3 * len(self._steps()) + 10):
            self._turns(dict.fromkeys(EXECUTORS, 100), 100, fails=False)
            for memory in self.memories.values():
                memory.keys.clear()
            if not Step.objects.filter(status__in=(StepStatus.READY, StepStatus.RUNNING)).exists():
                break
        left = set(Step.objects.values_list("status", flat=True))
        assert left <= {StepStatus.SUCCEEDED, StepStatus.FAILED, StepStatus.DEAD}

    def _steps(self):
        return list(Step.objects.values_list("pk", flat=True))


def add_worker():
    if not Agent.objects.exists():
        values = {"name": "worker-1", "config": {"function": "test.echo"}, "max_concurrency": 1000}
        fleet.create("python", values, ["work"], by=SYSTEM)


@pytest.mark.parametrize("limited", ["queue", "key"])
def test_while_one_executor_is_deciding_another_does_not_overfill_what_is_limited(limited):
    """The second counts while the first has claimed but not committed yet."""
    add_worker()
    lines.put("billing", 4, lock_key="ada" if limited == "key" else "", lock_limit=1)
    if limited == "queue":
        queues.change("billing", {"max_concurrency": 1}, by=SYSTEM)
    claimed, go_on = threading.Event(), threading.Event()

    def turn(name, room):
        try:
            return queue.take_turn([], executor=name, fleet=snapshot.read(), room=room).assignments
        finally:
            if name == "two":
                connection.close()

    def turn_and_linger():
        try:
            with events.recording(SYSTEM):
                taken = turn("one", 1)
                claimed.set()
                go_on.wait(30)
            return taken
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(turn_and_linger)
        assert claimed.wait(30)
        second = threads.submit(turn, "two", 9)
        wait([second], timeout=0.5)
        go_on.set()

    assert (len(first.result()), len(second.result())) == (1, 0)


QUICK = settings(
    max_examples=12,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def test_limits_and_leases_hold_whatever_two_executors_do():
    run_state_machine_as_test(TwoExecutors, settings=QUICK)


@pytest.mark.soak
def test_limits_and_leases_hold_whatever_two_executors_do_for_long():
    run_state_machine_as_test(
        TwoExecutors, settings=settings(QUICK, max_examples=300, stateful_step_count=40, derandomize=False)
    )
