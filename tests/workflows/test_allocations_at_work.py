"""A plan that is carried out by executors in processes of their own: in parallel, counted, never stuck."""

import pytest

from agents import fleet
from agents.models import AgentStatus
from tests.workflows.conftest import SYSTEM
from tests.workflows.real_executors import starting, until
from workflows import allocation_requests, allocations
from workflows.beginning import Terms
from workflows.models import Allocation, Step, StepStatus

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_slots")]
WITHIN_S = 120
LONG_S = 600


@pytest.fixture
def executors():
    with starting() as start:
        start(EXECUTORS="2")
        start(EXECUTORS="2")
        yield


def add(name, function, slots):
    values = {"name": name, "config": {"function": function}, "max_concurrency": slots}
    return fleet.create("python", values, ["work"], by=SYSTEM)


def begin(tasks):
    given = {"tasks": tasks, "assignments": {task["id"]: task.pop("agent") for task in tasks}}
    given["agents"] = [{"id": name, "capacity": len(tasks)} for name in sorted({*given["assignments"].values()})]
    return allocations.start(allocation_requests.plan(given), Terms(), by=SYSTEM).pk


def task(name, agent, **given):
    return {"id": name, "agent": agent, "capabilities": ["work"], "input": given}


def in_flight():
    return list(Step.objects.filter(status=StepStatus.RUNNING).order_by("pk").values_list("agent__name", flat=True))


def test_all_its_tasks_are_in_flight_at_once_each_at_its_agent(executors):
    """They take longer than the test may, so what is seen together does run together."""
    for name in ("ada", "ben"):
        add(name, "test.nap", slots=3)
    begin([task(f"{name}-{n}", name, seconds=LONG_S) for name in ("ada", "ben") for n in range(3)])

    until(lambda: sorted(in_flight()) == ["ada"] * 3 + ["ben"] * 3, WITHIN_S)


def test_the_success_rate_counts_what_ended_and_what_its_agent_left_behind_is_done_by_another(executors):
    add("ada", "test.nap", slots=4)
    add("rob", "test.fail", slots=4)
    off = add("off", "test.nap", slots=1)
    failing = {"message": "It broke.", "retryable": False, "fault": "caller"}
    wanted = [task(f"ada-{n}", "ada", seconds=0.01) for n in range(6)]
    wanted += [task("rob-1", "rob", **failing), task("rob-2", "rob", **failing)]
    blocking = begin([task("long", "off", seconds=LONG_S)])
    until(lambda: in_flight() == ["off"], WITHIN_S)
    left = task("left", "off", seconds=0.01, **failing)  # whoever takes it, it ends

    plan = begin([*wanted, left])
    until(lambda: Allocation.objects.get(pk=plan).ended == len(wanted), WITHIN_S)
    fleet.set_status(off.pk, AgentStatus.DISABLED, by=SYSTEM)
    until(lambda: Allocation.objects.get(pk=plan).finished_at, WITHIN_S)

    done = Allocation.objects.get(pk=plan)
    released = done.tasks.get(task="left")
    assert released.released == "off is disabled."
    assert done.success_rate == (6 + (released.outcome == "succeeded")) / 9
    assert Allocation.objects.get(pk=blocking).finished_at is None
