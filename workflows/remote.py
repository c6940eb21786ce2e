"""The tasks of remote workers: what fills the port ``agents.work``. Claims go through the same turn as an executor's.

So pauses, limits, keys, rates and weights hold for them, the breaker and the slots of their agent too, and each step
keeps why it was given to whom. A web process makes one claim at a time, and remembers whose turn it is between queues.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.db import connection

from agents import remote, snapshot, work
from agents.kinds.remote import options
from agents.models import AgentStatus
from agents.snapshot import NOBODY, AgentView, Fleet, itself
from agents.work import Abilities, Trial, Work
from orchestra.kernel import doorbell, events
from orchestra.kernel.clock import database_now
from workflows import backlog, control, overdue, queue, queues, tasks
from workflows.admission import Turns
from workflows.group import ENGINE
from workflows.models import Step, StepStatus
from workflows.queue import Assignment
from workflows.turnstile import Memory

MOST_TURNS = 20
"""A claim that finds only what its worker cannot do right now looks no further than this."""
TRIAL_PRIORITY = 100
_one_at_a_time = threading.Lock()
_turns = Turns()


class StepTasks:
    """The steps of runs as the tasks of remote workers."""

    def claim(self, worker: AgentView, most: int) -> list[Work]:
        fits, unfit = _look([worker.capabilities])
        if not fits:
            return []
        with _one_at_a_time:
            return [_work(assignment) for assignment in _take(worker, most, unfit)]

    def renew(self, holder: str, steps: Collection[int] | None) -> list[int]:
        """Two statements, however many steps there are; where none is held, one."""
        held = Step.objects.filter(executor=holder, status=StepStatus.RUNNING)
        rows = list((held if steps is None else held.filter(pk__in=steps)).only("timeout_s", "started_at"))
        if rows:
            now = database_now()
            for row in rows:
                row.lease_expires_at = overdue.lease_end(row, now, since=row.started_at, is_remote=True)
            with events.recording(ENGINE):
                held.bulk_update(rows, ["lease_expires_at"])
        return sorted(set(steps or ()) - {row.pk for row in rows})

    def release(self, holder: str, steps: Collection[int] | None = None) -> int:
        if steps is None:
            return queue.release(holder, reason="Its remote worker gave it back.")
        return queue.release(holder, only=steps, reason="Its remote worker was gone before it was told of it.")

    def waiting(self, able: Collection[Abilities]) -> Mapping[Abilities, int]:
        return _look(able)[0]

    def trial(self, agent: int, payload: Any, *, within_s: float) -> Trial:
        worker = snapshot.read_one(agent)
        if worker is None or worker.status != AgentStatus.ONLINE or worker.holder == NOBODY:
            return Trial(None, "Its worker is not there to be asked; start it, and test again.")
        step = tasks.create(
            [itself(agent)], payload, by=ENGINE, priority=TRIAL_PRIORITY, timeout_s=within_s, reason="A test."
        )
        row = _ended(step, within_s)
        if row.status in (StepStatus.READY, StepStatus.RUNNING):
            control.cancel(step.run_id, by=ENGINE, reason="The test waits no longer.")
            missed = "claimed it" if row.status == StepStatus.READY else "answered"
            return Trial(None, f"Its worker has not {missed} within {within_s:g} s.", timed_out=True)
        return Trial(row.output, row.error)


def _look(able: Collection[Abilities]) -> tuple[dict[Abilities, int], set[str]]:
    """What ready steps ask for that one of ``able`` can do, with how many do; and the demands that none of them can."""
    paused = [name for name, policy in queues.policies().items() if policy.paused]
    fits, unfit = Counter[Abilities](), set[str]()
    for _ in range(MOST_TURNS):
        found = backlog.demands(unfit, paused)
        fresh = set[str]()
        for text, count in found.items():
            needs = _asked(text)
            if any(needs <= abilities for abilities in able):
                fits[needs] += count
            else:
                fresh.add(text)
        unfit |= fresh
        if fits or not fresh:
            break
    return dict(fits), unfit


def _asked(demand: str) -> Abilities:
    """What the agent must be able to do, or be, where only one agent may take it."""
    needs, _, *only = json.loads(demand)
    return frozenset([*needs, *(itself(agent) for agent in only if agent)])


def _take(worker: AgentView, most: int, unfit: Collection[str]) -> Iterator[Assignment]:
    """Turns until something was claimed, or nothing is left that this worker could do."""
    blocked, memory = set(unfit), Memory(queues.policies(), _turns)
    for _ in range(MOST_TURNS):
        if not queue.has_work(blocked, memory):
            return
        with events.recording(ENGINE):
            turn = queue.take_turn(
                [],
                executor=worker.holder,
                fleet=Fleet(0, {worker.id: worker}),
                room=most,
                blocked=blocked,
                memory=memory,
            )
            if turn.assignments:
                remote.keep_registration(worker)  # last, in the order of locks: who registers waits for no step
        if turn.assignments or not (turn.unmet - blocked or turn.may_be_more):
            yield from turn.assignments
            return
        blocked |= turn.unmet


def _work(assignment: Assignment) -> Work:
    step = assignment.step
    assert step.started_at is not None
    return Work(
        task=step.pk,
        lease=step.token,
        input=assignment.input,
        deadline=step.started_at + timedelta(seconds=step.timeout_s),
        key=step.call_key,
        attempt=step.attempt,
        correlation=assignment.correlation,
        config=options(assignment.agent.config),
    )


def _ended(step: Step, within_s: float) -> Step:
    """The row of a step once it has ended, or after ``within_s`` seconds. Looks after commits only."""
    until = time.monotonic() + within_s
    with doorbell.Waiter() as waiter:
        while True:
            row = Step.objects.get(pk=step.pk)
            left_s = until - time.monotonic()
            if row.status not in (StepStatus.READY, StepStatus.RUNNING) or left_s <= 0:
                return row
            connection.close()
            waiter.wait(min(1.0, left_s))


STEPS: work.Tasks = StepTasks()
