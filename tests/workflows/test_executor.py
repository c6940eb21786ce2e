"""Real executors in processes of their own: they work, stop in order, and lose nothing when they are killed."""

import signal
from typing import Any

import pytest

from orchestra.kernel.events import NOTHING
from orchestra.kernel.models import Event, Pulse
from orchestra.kernel.verification import verify
from tests.workflows.conftest import OPERATOR
from tests.workflows.real_executors import LEASE_S, add_agent, until
from workflows import engine
from workflows.models import Run, RunStatus, Step, StepStatus

pytestmark = pytest.mark.django_db(transaction=True)


def count(model: Any, **conditions: Any) -> int:
    return int(model.objects.filter(**conditions).count())


def test_an_executor_works_off_what_is_there_and_what_comes(publish: Any, executors: Any) -> None:
    add_agent("test.echo", "work")
    publish("flow", *[{"name": f"s{n}", "capabilities": ["work"]} for n in range(4)])
    engine.start_many("flow", [({"n": n}, NOTHING) for n in range(40)], by=OPERATOR)
    executors()
    until(lambda: count(Run, status=RunStatus.SUCCEEDED) == 40)
    late = engine.start("flow", {"n": 41}, by=OPERATOR)
    until(lambda: Run.objects.get(pk=late.pk).status == RunStatus.SUCCEEDED, within_s=5)
    assert count(Event, action="StepSucceeded") == 41 * 4
    assert verify().valid


def test_told_to_stop_it_gives_back_what_it_holds_and_leaves_no_pulse(publish: Any, executors: Any) -> None:
    add_agent("test.nap", "sleep")
    publish("flow", {"name": "long", "capabilities": ["sleep"], "timeout": "5m"})
    engine.start("flow", {"seconds": 300}, by=OPERATOR)
    process = executors()
    until(lambda: count(Step, status=StepStatus.RUNNING) == 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert process.stdout.read().strip() == "It was told to stop."
    assert count(Step, status=StepStatus.READY) == 1
    assert count(Pulse, name__startswith="executor:") == 0


def test_killed_its_steps_go_to_another_within_the_lease_and_nothing_is_done_twice(
    publish: Any, executors: Any
) -> None:
    add_agent("test.nap", "sleep")
    publish("flow", {"name": "a", "capabilities": ["sleep"]}, {"name": "b", "capabilities": ["sleep"]})
    engine.start_many("flow", [({"seconds": 3}, NOTHING) for _ in range(20)], by=OPERATOR)
    victim = executors()
    until(lambda: count(Step, executor__contains=f":{victim.pid}:") > 0)
    survivor = executors()
    until(lambda: count(Pulse, name__endswith=f":{survivor.pid}") == 1)
    victim.kill()
    victim.wait()
    took_s = until(lambda: count(Step, executor__contains=f":{victim.pid}:", status=StepStatus.RUNNING) == 0)
    assert took_s < LEASE_S + 2
    until(lambda: count(Run, status=RunStatus.SUCCEEDED) == 20)
    assert survivor.poll() is None
    per_step = Event.objects.filter(action="StepSucceeded").values_list("target_id", flat=True)
    assert len(per_step) == len(set(per_step)) == 40
    assert count(Event, action="RunSucceeded") == 20
    assert verify().valid


def test_frozen_it_loses_its_step_to_another_and_its_late_answer_changes_nothing(publish: Any, executors: Any) -> None:
    add_agent("test.nap", "sleep")
    publish("flow", {"name": "a", "capabilities": ["sleep"]}, output={"slept": "steps.a.output.slept"})
    run = engine.start("flow", {"seconds": 2}, by=OPERATOR)
    frozen = executors()
    until(lambda: count(Step, executor__contains=f":{frozen.pid}:", status=StepStatus.RUNNING) == 1)
    frozen.send_signal(signal.SIGSTOP)
    try:
        other = executors()
        took_s = until(lambda: count(Step, executor__contains=f":{other.pid}:") == 1, within_s=40)
        assert took_s < LEASE_S + 10, "the lease, a second, and what a loaded machine needs to begin"
    finally:
        frozen.send_signal(signal.SIGCONT)
    until(lambda: count(Run, status=RunStatus.SUCCEEDED) == 1, within_s=30)
    step = Step.objects.get(run=run)
    assert (step.token, step.attempt, step.losses, step.output) == (2, 2, 1, {"slept": 2})
    frozen.send_signal(signal.SIGTERM)
    assert frozen.wait(20) == 0, "by then it has settled, or given up, all that it knew of"
    assert count(Event, action="StepSucceeded") == count(Event, action="RunSucceeded") == 1
    assert Step.objects.get(run=run).output == {"slept": 2}


def test_a_fan_out_of_five_hundred_items_is_worked_off(publish: Any, executors: Any) -> None:
    add_agent("test.echo", "work", slots=100)
    pick = {"name": "pick", "for_each": "lines", "as": "line", "max_parallel": 100, "capabilities": ["work"]}
    publish("flow", {**pick, "input": {"line": "line"}}, {"name": "pack", "capabilities": ["work"]})
    run = engine.start("flow", {"lines": list(range(500))}, by=OPERATOR)
    executors()
    until(lambda: Run.objects.get(pk=run.pk).status == RunStatus.SUCCEEDED, within_s=60)
    output = Step.objects.get(run=run, name="pick").output
    assert [each["input"]["line"] for each in output] == list(range(500)), "in their order"
    assert count(Event, action="StepSucceeded") == 502
    assert verify().valid


def test_runs_within_runs_times_and_undoing_go_on_by_themselves(publish: Any, executors: Any) -> None:
    add_agent("test.echo", "work")
    add_agent("test.fail", "fail")
    work = {"capabilities": ["work"]}
    publish("inner", {"name": "work", **work}, {"name": "cool", "wait": 1}, output={"key": "steps.work.output.key"})
    publish(
        "outer",
        {"name": "pay", **work, "effects": True, "compensate": work},
        {"name": "sub", "workflow": "inner", "for_each": "lines", "as": "line"},
        {"name": "fail", "capabilities": ["fail"]},
    )
    failure = {"message": "It broke.", "retryable": False, "fault": "caller"}
    run = engine.start("outer", {"lines": [1, 2, 3], **failure}, by=OPERATOR)
    executors()
    until(lambda: Run.objects.get(pk=run.pk).status == RunStatus.FAILED, within_s=40)
    run.refresh_from_db()
    assert (run.compensated, count(Run, parent__run=run, status=RunStatus.SUCCEEDED)) == (True, 3)
    assert len({each["key"] for each in Step.objects.get(run=run, name="sub").output}) == 3
    assert Step.objects.get(run=run, name="pay").status == StepStatus.COMPENSATED
