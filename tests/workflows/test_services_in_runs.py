"""HTTP services in runs, with a real executor and a real server: what misbehaves fails its step and harms no other."""

import asyncio

import pytest
from django.utils.dateparse import parse_datetime

from agents import fleet
from agents.models import AgentHealth
from orchestra.kernel.models import Event
from tests.agents.kinds import stage
from tests.agents.kinds.serving import send, serving
from tests.agents.kinds.stage_http import HttpStage
from tests.workflows.conftest import OPERATOR, SYSTEM
from tests.workflows.real_executors import until
from workflows import engine
from workflows.models import RUN_ENDS, Run, Step

pytestmark = pytest.mark.django_db(transaction=True)
WITHIN_S = 120


@pytest.fixture
def listed(monkeypatch, settings):
    settings.OUTGOING_ALLOWED = ["127.0.0.1"]
    monkeypatch.setenv("OUTGOING_ALLOWED", "127.0.0.1")  # for the executors


def add_service(server, **values):
    limits = {"max_concurrency": 50, "failure_threshold": 100}
    given = {"name": "service", "config": {"url": f"{server.url}/call"}, **limits, **values}
    return fleet.create("http", given, ["serve"], by=SYSTEM)


def ended(runs):
    numbers = [run.pk for run in runs]
    until(lambda: Run.objects.filter(pk__in=numbers, status__in=RUN_ENDS).count() == len(runs), within_s=WITHIN_S)
    return {run.pk: run for run in Run.objects.filter(pk__in=numbers)}


def test_whatever_a_service_does_the_executor_goes_on(listed, publish, executors):
    publish("flow", {"name": "ask", "capabilities": ["serve"], "timeout": 5})
    with serving(HttpStage().play) as server:
        agent = add_service(server)
        executor = executors()
        bad = {
            behaviour: engine.start("flow", {"behaviour": behaviour}, by=OPERATOR)
            for behaviour in (stage.CRASHES, stage.SLEEPS, stage.REFUSES, *stage.BROKEN_ANSWERS)
        }
        failed = ended(list(bad.values()))
        good = engine.start("flow", {"behaviour": stage.ANSWERS}, by=OPERATOR)
        done = ended([good])[good.pk]

        assert executor.poll() is None
    assert {run.status for run in failed.values()} == {"failed"}
    errors = {behaviour: Step.objects.get(run=run).error for behaviour, run in bad.items()}
    assert "The connection broke off" in errors[stage.CRASHES]
    assert "did not answer within 5 s" in errors[stage.SLEEPS]
    assert "There is no such country." in errors[stage.REFUSES]
    assert "is not JSON; it begins with '<html>Welcome" in errors[stage.NOT_JSON]
    assert "larger than 1 MB" in errors[stage.TOO_LARGE]
    assert "larger than 1 MB" in errors[stage.ENDLESS]
    assert "more than 32 levels deep" in errors[stage.TOO_DEEP]
    assert "NUL" in errors[stage.NUL]
    assert (done.status, Step.objects.get(run=good).output) == ("succeeded", {"echo": stage.ANSWERS})
    counted = AgentHealth.objects.get(agent=agent)
    assert (counted.calls, counted.failures) == (8, 7), "the caller's own fault does not count"


def test_a_step_comes_back_when_the_service_said_and_with_the_same_key(listed, publish, executors):
    publish(
        "flow", {"name": "ask", "capabilities": ["serve"], "retry": {"attempts": 2, "delay": "0s", "jitter": False}}
    )

    async def busy_at_first(request, writer):
        call = request.json()
        if call["attempt"] == 1:
            send(writer, b"", "503 Service Unavailable", Retry_After="3")
        else:
            send(writer, {"output": call["attempt"]})

    with serving(busy_at_first) as server:
        add_service(server, secrets={"signing_key": "t0p"})
        executors()
        run = engine.start("flow", {}, by=OPERATOR)
        assert ended([run])[run.pk].status == "succeeded"
        first, second = server.requests

    step = Step.objects.get(run=run)
    assert step.output == 2
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == str(step.key)
    assert first.headers["x-orchestra-signature"] != second.headers["x-orchestra-signature"]
    retried = Event.objects.get(action="StepRetried")
    assert (step.started_at - parse_datetime(step.history[0]["finished_at"])).total_seconds() >= 3
    assert retried.target_id == str(step.pk)


def test_many_calls_wait_at_the_same_time(listed, publish, executors):
    publish("flow", {"name": "ask", "capabilities": ["serve"]})
    all_there = asyncio.Barrier(40)

    async def patient(request, writer):
        await all_there.wait()  # nobody is answered before all of them are there
        send(writer, {"output": 1})

    with serving(patient) as server:
        add_service(server)
        executors()
        runs = [engine.start("flow", {}, by=OPERATOR) for _ in range(40)]

        assert {run.status for run in ended(runs).values()} == {"succeeded"}
