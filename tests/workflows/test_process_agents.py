"""Process agents in real executors, each a process of its own: nothing is left and nothing is lost, whatever ends."""

import signal
import subprocess
from functools import partial
from typing import Any

import psutil
import pytest

from agents import fleet
from agents.models import Agent, AgentHealth, AgentProcess, AgentStatus
from agents.outcomes import Done, Failed, Fault
from orchestra.kernel.events import NOTHING
from orchestra.kernel.models import Event, Pulse
from orchestra.kernel.verification import verify
from tests.processes import is_gone
from tests.workflows import real_executors
from tests.workflows.conftest import OPERATOR, SYSTEM
from workflows import engine
from workflows.models import Run, RunStatus, Step, StepStatus

pytestmark = pytest.mark.django_db(transaction=True)
until = partial(real_executors.until, within_s=90.0)
WORK = {"name": "work", "capabilities": ["work"], "timeout": 60}


def add(name: str, slots: int = 4, command: str = "wild") -> Agent:
    values = {"name": name, "config": {"command": command}, "max_concurrency": slots}
    return fleet.create("process", values, ["work"], by=SYSTEM)


def begin(*inputs: dict[str, Any]) -> None:
    engine.start_many("flow", [(given, NOTHING) for given in inputs], by=OPERATOR)


def count(model: Any, **conditions: Any) -> int:
    return int(model.objects.filter(**conditions).count())


def below(executor: subprocess.Popen[str]) -> list[int]:
    """The processes that an executor has started, and all that those have."""
    return [process.pid for process in psutil.Process(executor.pid).children(recursive=True)]


def online() -> int:
    return count(Agent, status=AgentStatus.ONLINE)


def test_a_burst_on_processes_of_two_executors_is_worked_off_and_each_has_its_share(
    publish: Any, executors: Any
) -> None:
    agents = [add(f"worker-{n}", command="echo") for n in range(4)]
    publish("flow", WORK)
    first, second = executors(), executors()
    until(lambda: count(Pulse, name__startswith="executor:") == 2)
    until(lambda: online() == 4)
    begin(*[{"n": n} for n in range(200)])
    until(lambda: count(Run, status=RunStatus.SUCCEEDED) == 200)
    assert count(Step, attempt=1, losses=0) == 200
    by_agent = [count(Step, agent_id=agent.pk) for agent in agents]
    assert min(by_agent) > 0, by_agent
    for step in Step.objects.select_related(None)[:20]:
        assert step.output["echo"]["n"] in range(200)
    pids = [*below(first), *below(second)]
    assert len(pids) == 8, "four tethers and their commands"
    for process in (first, second):
        process.send_signal(signal.SIGTERM)
    assert [process.wait(20) for process in (first, second)] == [0, 0]
    assert all(map(is_gone, pids))
    assert count(AgentProcess, holder="") == 4
    assert count(Agent, status=AgentStatus.STARTING) == 4
    assert verify().valid


def test_killed_an_executor_leaves_no_process_and_its_steps_go_on_elsewhere(publish: Any, executors: Any) -> None:
    agent = add("worker-1", slots=20)
    publish("flow", WORK)
    victim = executors()
    until(lambda: online() == 1)
    survivor = executors()
    until(lambda: count(Pulse, name__endswith=f":{survivor.pid}") == 1)
    begin({"behaviour": "family"})
    until(lambda: count(Run, status=RunStatus.SUCCEEDED) == 1)
    family = Step.objects.get().output["pids"]
    begin(*[{"behaviour": "naps", "seconds": 10} for _ in range(10)])
    until(lambda: count(Step, status=StepStatus.RUNNING) == 10)
    left = {*family, *below(victim)}
    assert len(left) >= 5
    victim.kill()
    victim.wait()
    until(lambda: all(map(is_gone, left)))
    until(lambda: AgentProcess.objects.get(pk=agent.pk).holder.split(":")[2] == str(survivor.pid))
    until(lambda: count(Run, status=RunStatus.SUCCEEDED) == 11)
    assert count(Event, action="StepSucceeded") == 11
    assert count(Step, losses=1) == 10, "they were in flight when it died"
    assert verify().valid


def test_a_timeout_kills_the_process_and_the_calls_beside_it_are_made_again(publish: Any, executors: Any) -> None:
    add("worker-1", slots=20)
    publish("flow", WORK)
    publish("short", {**WORK, "timeout": 2})
    executor = executors()
    until(lambda: online() == 1)
    begin({"behaviour": "family"}, *[{"behaviour": "naps", "seconds": 4} for _ in range(3)])
    until(lambda: count(Step, status=StepStatus.RUNNING) == 3)
    family = Step.objects.get(status=StepStatus.SUCCEEDED).output["pids"]
    late = engine.start("short", {"behaviour": "sleeps"}, by=OPERATOR)
    until(lambda: Run.objects.get(pk=late.pk).status == RunStatus.FAILED)
    until(lambda: all(map(is_gone, family)))
    until(lambda: count(Run, status=RunStatus.SUCCEEDED) == 4)
    assert Step.objects.get(run=late).error == "It did not answer within 2 s."
    assert count(Step, losses=1, status=StepStatus.SUCCEEDED) == 3
    reasons = Event.objects.filter(action="StepReturned").select_related("detail")
    assert {event.detail.reason for event in reasons} == {
        "A call to it was not answered in time, so its process was killed."
    }
    assert Agent.objects.get().health.failures == 1, "the timeout; what was lost says nothing against it"
    assert executor.poll() is None


def test_drained_in_the_middle_of_a_burst_no_call_is_cut(publish: Any, executors: Any) -> None:
    first, second = add("worker-1", slots=3), add("worker-2", slots=3)
    publish("flow", WORK)
    executors()
    until(lambda: online() == 2)
    begin(*[{"behaviour": "naps", "seconds": 0.3} for _ in range(40)])
    for _ in range(2):
        until(lambda: count(Step, agent_id=first.pk, status=StepStatus.RUNNING) > 0)
        fleet.set_status(first.pk, AgentStatus.DRAINING, by=SYSTEM)
        until(lambda: Agent.objects.get(pk=first.pk).status == AgentStatus.OFFLINE)
        fleet.set_status(first.pk, AgentStatus.ONLINE, by=SYSTEM)
        until(lambda: Agent.objects.get(pk=first.pk).status == AgentStatus.ONLINE)
        begin(*[{"behaviour": "naps", "seconds": 0.3} for _ in range(10)])
    until(lambda: count(Run, status=RunStatus.SUCCEEDED) == 60)
    assert count(Step, attempt=1, losses=0) == 60, "each was called once"
    assert count(Step, agent_id=second.pk) > 0
    assert count(Event, action__in=["StepReturned", "StepRetried", "AgentCrashed"]) == 0


def test_told_to_stop_it_ends_its_calls_before_its_processes(publish: Any, executors: Any) -> None:
    add("worker-1")
    publish("flow", WORK)
    executor = executors()
    until(lambda: online() == 1)
    begin(*[{"behaviour": "naps", "seconds": 3} for _ in range(4)])
    until(lambda: count(Step, status=StepStatus.RUNNING) == 4)
    pids = below(executor)
    executor.send_signal(signal.SIGTERM)
    assert executor.wait(20) == 0
    assert count(Run, status=RunStatus.SUCCEEDED) == 4
    assert all(map(is_gone, pids))
    assert count(AgentProcess, holder="") == 1


def test_a_call_that_was_lost_is_made_again_whatever_the_retry_policy_says_but_not_for_ever(
    begin: Any, script: Any
) -> None:
    lost = Failed("Its process was killed.", fault=Fault.LOST)
    once, often = {"name": "once", "capabilities": ["work"]}, {"name": "often", "capabilities": ["work"], "needs": []}
    run = begin({}, once, often)
    script.go_on(once=[lost, Done({})], often=lost)
    steps = {step.name: step for step in Step.objects.filter(run=run)}
    assert (steps["once"].status, steps["once"].losses, steps["once"].attempt) == (StepStatus.SUCCEEDED, 1, 2)
    assert (steps["often"].status, steps["often"].losses) == (StepStatus.DEAD, 5)
    assert steps["often"].error.endswith("The last time: Its process was killed.")
    assert AgentHealth.objects.get().failures == 0
