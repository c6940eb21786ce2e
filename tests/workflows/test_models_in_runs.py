"""Language models in runs, with real executors and a real server: what is spent is bounded, what is written shown."""

import json
import os
import signal
import time
from decimal import Decimal
from functools import partial

import pytest
from django.db import connection
from django.utils import timezone

from agents import fleet
from agents.models import AgentHealth, ModelCall, SpendingDay
from orchestra.kernel.events import NOTHING
from orchestra.kernel.models import Event
from tests.agents.kinds import chat
from tests.workflows import real_executors
from tests.workflows.conftest import OPERATOR, SYSTEM
from tests.workflows.model_server import ModelServer
from workflows import engine
from workflows.models import PartialText, Run, RunStatus, Step, StepStatus

pytestmark = pytest.mark.django_db(transaction=True)
until = partial(real_executors.until, within_s=120)

ASK = {"name": "ask", "capabilities": ["write"], "timeout": 60}
PRICES = {"price_in": 10, "price_out": 20, "currency": "EUR", "max_tokens": 500}
"""A call of 1,000 tokens in and 100 out costs 0.012 EUR; at most 0.01 for its 500 out, and its bytes in."""


@pytest.fixture
def model(monkeypatch, settings):
    settings.OUTGOING_ALLOWED = ["127.0.0.1"]
    monkeypatch.setenv("OUTGOING_ALLOWED", "127.0.0.1")  # for the executors
    with ModelServer().running() as running:
        yield running


def add_model(model, name="gpt-1", slots=50, **config):
    values = {"name": name, "config": model.config | PRICES | config, "max_concurrency": slots}
    return fleet.create("llm", values, ["write"], by=SYSTEM)


def step_of(run, name="ask"):
    return Step.objects.get(run=run, name=name)


def test_what_a_run_asked_a_model_is_counted_and_paid_by_its_step(model, publish, executors):
    agent = add_model(model)
    publish("flow", ASK)
    executors()
    run = engine.start("flow", {"n": 1}, by=OPERATOR)
    until(lambda: Run.objects.get(pk=run.pk).status == RunStatus.SUCCEEDED)
    until(lambda: ModelCall.objects.filter(settled_at__isnull=False).exists())
    row, day = ModelCall.objects.get(), SpendingDay.objects.get()

    assert step_of(run).output == {"text": "All is well. "}
    assert (row.run, row.task, row.call) == (run.pk, "ask", f"{step_of(run).key}/1")
    assert (row.tokens_in, row.tokens_out, str(row.cost), row.currency) == (1000, 100, "0.012000000", "EUR")
    assert (day.agent_id, day.calls, day.tokens, str(day.cost)) == (agent.pk, 1, 1100, "0.012000000")


def test_the_text_is_seen_while_it_is_written_and_gone_when_it_is_whole(model, publish, executors, as_, viewer, api):
    add_model(model)
    publish("flow", ASK)
    model.text = "Dear Ada, your parcel is <on> its way."
    model.more.clear()
    executors()
    run = engine.start("flow", {"n": 1}, by=OPERATOR)
    until(PartialText.objects.exists)
    browser, step = as_(viewer), step_of(run)
    whole = browser.get(f"/runs/{run.pk}/").content.decode()
    part = browser.get(f"/steps/{step.pk}/text/")
    told = api(viewer).get(f"/api/v1/runs/{run.pk}/").json()

    assert "Dear" in whole
    assert f'hx-get="/steps/{step.pk}/text/"' in whole
    assert (part.status_code, "Dear" in part.content.decode()) == (200, True)
    assert told["steps"][0]["partial"].startswith("Dear")
    assert told["usage"]["under_way"] == 1

    model.more.set()
    until(lambda: Run.objects.get(pk=run.pk).status == RunStatus.SUCCEEDED)
    until(lambda: not PartialText.objects.exists())

    assert api(viewer).get(f"/api/v1/runs/{run.pk}/").json()["steps"][0]["partial"] is None
    assert browser.get(f"/steps/{step.pk}/text/").status_code == 286  # htmx stops asking
    assert "data-live-text" not in browser.get(f"/runs/{run.pk}/").content.decode()


def test_calls_beyond_the_budget_are_not_made_and_no_breaker_counts_them(model, publish, executors):
    """Thirty calls at once, by two executors; each may cost up to about 0.011 and comes to 0.0082 in the end."""
    model.counted = chat.usage(20, 400)
    agent = add_model(model, budget_per_day=0.1)
    publish("flow", ASK)
    engine.start_many("flow", [({"n": n}, NOTHING) for n in range(30)], by=OPERATOR)
    for _ in range(2 if connection.vendor == "postgresql" else 1):
        executors()
    until(lambda: not Run.objects.exclude(status__in=(RunStatus.SUCCEEDED, RunStatus.FAILED)).exists())
    until(lambda: not ModelCall.objects.filter(settled_at=None).exists())
    refused = Step.objects.filter(status=StepStatus.FAILED)

    assert len(model.prompts) == ModelCall.objects.count() == 30 - refused.count()
    assert SpendingDay.objects.get().cost <= Decimal("0.1")
    assert 9 <= len(model.prompts) <= 12
    assert all("The budget of gpt-1 for one day is 0.10 EUR" in step.error for step in refused)
    health = AgentHealth.objects.get(agent=agent)
    assert (health.circuit, health.failures, health.consecutive_failures) == ("closed", 0, 0)


def test_one_runs_budget_is_shared_by_the_items_of_a_fan_out(model, publish, executors):
    add_model(model, budget_per_run=0.05)
    publish("flow", ASK | {"for_each": "numbers", "as": "number", "critical": False})
    executors()
    run = engine.start("flow", {"numbers": list(range(12))}, by=OPERATOR)
    until(lambda: Run.objects.get(pk=run.pk).status in (RunStatus.SUCCEEDED, RunStatus.FAILED))
    refused = Step.objects.filter(run=run, parent="ask", status=StepStatus.FAILED)

    assert 0 < refused.count() < 12
    assert all("for one run is 0.050 EUR" in step.error for step in refused)
    assert len(model.prompts) == 12 - refused.count()


def test_calls_of_an_executor_that_died_stay_counted_at_the_most_they_may_have_cost(
    model, publish, executors, as_, viewer
):
    agent = add_model(model)
    publish("flow", ASK)
    model.more.clear()
    process = executors()
    engine.start("flow", {"n": 1}, by=OPERATOR)
    until(lambda: len(model.prompts) == 1)
    booked = ModelCall.objects.get()
    os.kill(process.pid, signal.SIGKILL)
    model.more.set()
    executors()
    until(lambda: Run.objects.filter(status=RunStatus.SUCCEEDED).exists())
    until(lambda: ModelCall.objects.filter(settled_at__isnull=False).exists())
    lost = ModelCall.objects.get(pk=booked.pk)

    assert (lost.cost, lost.settled_at, lost.tokens_out) == (booked.cost, None, 500)
    assert SpendingDay.objects.get(agent=agent).cost == booked.cost + ModelCall.objects.exclude(pk=lost.pk).get().cost
    ModelCall.objects.filter(pk=lost.pk).update(expires_at=timezone.now())
    assert "never said what it came to" in as_(viewer).get(f"/agents/{agent.pk}/").content.decode()


def test_an_answer_that_breaks_its_schema_is_asked_for_again_and_both_are_paid(model, publish, executors):
    add_model(model, output_schema={"type": "object", "required": ["price"]})
    publish("flow", ASK | {"retry": {"attempts": 2, "delay": 0}})
    model.text = json.dumps({"cost": 1})
    executors()
    run = engine.start("flow", {"n": 1}, by=OPERATOR)
    until(lambda: Run.objects.get(pk=run.pk).status == RunStatus.FAILED)
    until(lambda: not ModelCall.objects.filter(settled_at=None).exists())

    assert "output_schema at output: 'price' is a required property" in step_of(run).error
    assert [row.call.rpartition("/")[2] for row in ModelCall.objects.order_by("pk")] == ["1", "2"]
    assert str(SpendingDay.objects.get().cost) == "0.024000000"


def test_a_test_by_hand_is_counted_and_bounded_too(model, operator, api):
    agent = add_model(model, budget_per_day=0.02)
    client = api(operator)
    first = client.post(f"/api/v1/agents/{agent.pk}/test/", {"input": {"n": 1}}).json()
    second = client.post(f"/api/v1/agents/{agent.pk}/test/", {"input": {"n": 2}}).json()
    spending = client.get(f"/api/v1/agents/{agent.pk}/").json()["spending"]

    assert (first["outcome"], first["output"]) == ("succeeded", {"text": "All is well. "})
    assert second["outcome"] == "failed"
    assert "Raise budget_per_day" in second["error"]
    assert len(model.prompts) == 1
    assert spending == {
        "today": "0.012000000",
        "tokens_today": 1100,
        "budget_per_day": "0.020000000",
        "budget_per_run": None,
        "currency": "EUR",
    }
    assert Event.objects.filter(action="AgentTested").count() == 2


def test_agents_that_cost_nothing_pay_no_statement_for_it(publish, executors):
    values = {"name": "echo", "config": {"function": "test.echo"}, "max_concurrency": 50}
    fleet.create("python", values, ["write"], by=SYSTEM)
    publish("flow", ASK)
    executors()
    run = engine.start("flow", {"n": 1}, by=OPERATOR)
    until(lambda: Run.objects.get(pk=run.pk).status == RunStatus.SUCCEEDED)
    time.sleep(0.1)

    assert not ModelCall.objects.exists()
