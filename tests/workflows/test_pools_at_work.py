"""Pools of real processes under real executors: a burst makes them grow, rest makes them shrink, and nothing is cut."""

import signal
import subprocess
from collections import Counter
from typing import Any

import psutil
import pytest

from agents import pools
from agents.models import AgentStatus, Decided, Pool, PoolDecision
from orchestra.kernel.events import NOTHING
from orchestra.kernel.models import Event
from tests.processes import lives
from tests.workflows.conftest import OPERATOR, SYSTEM
from tests.workflows.real_executors import until
from workflows import engine
from workflows.models import Run, RunStatus, Step

pytestmark = pytest.mark.django_db(transaction=True)

TASKS = 500
CALL_S = 0.4
SLOTS = 4
WITHIN_S = 300.0
POLICY = {
    "queue_per_agent": 8,
    "max_wait_s": 5,
    "step_up": 2,
    "cooldown_up_s": 2,
    "cooldown_down_s": 3,
    "down_utilisation": 0.35,
}


@pytest.fixture
def billing(publish: Any) -> Pool:
    """A pool of 1 to 5 processes of the built-in example, and a workflow that asks for it."""
    template = {"config": {"command": "echo"}, "capabilities": ["bill"], "max_concurrency": SLOTS}
    values = {"name": "billing", "template": template, "min_size": 1, "max_size": 5, "policy": POLICY}
    pool = pools.create("process", values, by=SYSTEM)
    publish("burst", {"name": "bill", "capabilities": ["bill"], "timeout": 60})
    return pool


def burst() -> None:
    engine.start_many("burst", [({"seconds": CALL_S, "n": n}, NOTHING) for n in range(TASKS)], by=OPERATOR)


def done() -> bool:
    return Run.objects.filter(status=RunStatus.SUCCEEDED).count() == TASKS


def sizes(pool: Pool) -> list[int]:
    """The sizes that the pool should have had, one after the other."""
    return list(pool.decisions.exclude(decided=Decided.STAY).order_by("id").values_list("target", flat=True))


def is_small(pool: Pool) -> bool:
    """Whether there is one member left, and no other has a process."""
    statuses = Counter(pool.members.values_list("status", flat=True))
    at_rest = sum(statuses.values()) - statuses[AgentStatus.ONLINE] == statuses[AgentStatus.OFFLINE]
    return statuses[AgentStatus.ONLINE] == 1 and at_rest


def below(executor: "subprocess.Popen[str]") -> list[psutil.Process]:
    """The processes that an executor has started, and what those have."""
    return psutil.Process(executor.pid).children(recursive=True)


def left(processes: list[psutil.Process]) -> list[psutil.Process]:
    return list(filter(lives, processes))


def stopped(executor: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Tell an executor to stop; what of its processes is left when it is gone."""
    processes = below(executor)
    executor.send_signal(signal.SIGTERM)
    assert executor.wait(60) == 0
    until(lambda: not left(processes), within_s=10)
    return left(processes)


def reads_well(decision: PoolDecision) -> bool:
    """A sentence with the figures it was decided on and what came of it."""
    by = decision.target - decision.size_before
    told = f"{by} more, up to" if by > 0 else f"{-by} fewer, down to"
    return decision.reason.endswith(f": {told} {decision.target}.") and decision.by == "autoscaler"


def test_a_burst_makes_a_pool_grow_and_shrink_and_cuts_no_call(billing: Pool, executors: Any) -> None:
    first, second = executors(), executors()
    until(lambda: is_small(billing), within_s=60)
    burst()
    until(done, within_s=WITHIN_S)
    until(lambda: sizes(billing)[-1] == 1 and is_small(billing), within_s=WITHIN_S)

    path = sizes(billing)
    assert max(path) >= 3 and all(1 <= size <= 5 for size in path), path
    changes = billing.decisions.exclude(decided=Decided.STAY).exclude(code="created")
    assert [change.reason for change in changes if not reads_well(change)] == []
    assert {change.code for change in changes} >= {"idle"}
    assert Counter(Step.objects.filter(name="bill").values_list("status", "attempt")) == {("succeeded", 1): TASKS}
    assert not Event.objects.filter(action__in=["StepReturned", "StepRetried", "StepFailed"]).exists()
    assert len({step.output["pid"] for step in Step.objects.filter(name="bill")}) >= 3, "real processes shared it"
    assert billing.samples.exists()
    assert stopped(first) == stopped(second) == []


def test_an_executor_killed_in_the_middle_loses_nothing(billing: Pool, executors: Any) -> None:
    victim, survivor = executors(), executors()
    until(lambda: is_small(billing), within_s=60)
    burst()
    until(
        lambda: Pool.objects.get().target >= 3 and Run.objects.filter(status=RunStatus.SUCCEEDED).count() > 30,
        within_s=WITHIN_S,
    )
    orphans = below(victim)
    victim.kill()
    victim.wait()
    until(done, within_s=WITHIN_S)
    until(lambda: sizes(billing)[-1] == 1 and is_small(billing), within_s=WITHIN_S)

    steps = Step.objects.filter(name="bill")
    assert set(steps.values_list("status", flat=True)) == {"succeeded"}
    repeated = set(steps.filter(attempt__gt=1).values_list("pk", flat=True))
    returned = {int(pk) for pk in Event.objects.filter(action="StepReturned").values_list("target_id", flat=True)}
    assert repeated == returned, "only what the killed executor had in flight was called again"
    assert len(repeated) <= 5 * SLOTS
    assert Event.objects.filter(action="StepSucceeded").count() == TASKS
    assert left(orphans) == []
    assert stopped(survivor) == []
