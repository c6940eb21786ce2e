"""Budgets between claim and call: what is beyond them fails without being called, and says nothing of the agent."""

import asyncio
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from agents import fleet, snapshot
from agents.models import AgentHealth, Circuit, ModelCall
from agents.outcomes import Done, Failed, Fault, Usage
from orchestra.kernel.errors import Invalid
from tests.silent_writes import arranged
from tests.workflows.conftest import OPERATOR, SYSTEM, Script
from tests.workflows.looking import step
from workflows import committer as committer_module
from workflows import engine
from workflows.calls import Calls
from workflows.charges import Charges, is_free
from workflows.committer import Committer
from workflows.models import StepStatus

pytestmark = pytest.mark.django_db
CONFIG = {"base_url": "https://llm.example/v1", "model": "m", "price_in": 1, "price_out": 1, "max_tokens": 1000}


def raising(error):
    """A function that raises ``error``, whatever it is given."""

    def fail(*_):
        raise error

    return fail


@pytest.fixture
def calls():
    loop = asyncio.new_event_loop()
    yield Calls(loop, 100)
    loop.close()


@pytest.fixture
def ask(publish):
    """``ask(**config)``: a run that asks a model which is set up so."""

    def begin(input_=None, **config):
        fleet.create("llm", {"name": "gpt-1", "config": CONFIG | config}, ["write"], by=SYSTEM)
        publish("flow", {"name": "ask", "capabilities": ["write"]})
        return engine.start("flow", input_ or {}, by=OPERATOR)

    return begin


def test_a_call_within_its_budget_is_booked_under_its_claim_and_begun(ask, script):
    run = ask(budget_per_day=1)
    [assignment] = script.turn().assignments
    begun, refused = Charges().book([assignment])
    row = ModelCall.objects.get()

    assert (begun, refused) == ([assignment], [])
    assert not is_free(assignment)
    assert (row.call, row.claim, row.run) == (f"{step(run, 'ask').key}/1", step(run, "ask").token, run.pk)


def test_a_probe_that_the_budget_does_not_allow_is_none(ask, script: Script, calls):
    """The breaker neither closes nor opens by a call that was never made."""
    run = ask(budget_per_day=0.0001)
    with arranged():
        due = timezone.now() - timedelta(seconds=1)
        AgentHealth.objects.update(circuit=Circuit.OPEN, opened_at=due, probe_at=due)
    [assignment] = script.turn().assignments
    assert assignment.is_probe
    _, [(refused, outcome)] = Charges().book([assignment])
    calls.answer(refused, outcome)
    script.turn(*calls.collect(10))

    assert AgentHealth.objects.get().circuit == Circuit.HALF_OPEN
    assert step(run, "ask").status == StepStatus.FAILED
    assert "Raise budget_per_day" in step(run, "ask").error
    assert outcome == Failed(outcome.message, retryable=False, fault=Fault.CALLER)


def test_an_input_that_makes_no_prompt_fails_its_own_step_only(ask, script):
    ask({"n": 5}, prompt="{{ length(n) }}")
    [assignment] = script.turn().assignments
    begun, [(_, outcome)] = Charges().book([assignment])

    assert begun == []
    assert "does not fit this input" in outcome.message
    assert outcome.fault == Fault.CALLER
    assert not ModelCall.objects.exists()


def test_a_configuration_that_became_unreadable_keeps_nobody_else_from_working(ask, script):
    ask()
    [assignment] = script.turn().assignments
    broken = assignment.agent.config | {"price_in": "dear"}
    object.__setattr__(assignment.agent, "config", broken)
    begun, [(_, outcome)] = Charges().book([assignment])

    assert begun == []
    assert "could not be told" in outcome.message


def test_what_came_back_is_settled_even_if_its_answer_was_refused(ask, script):
    """A call that lost its lease was paid all the same."""
    ask()
    [assignment] = script.turn().assignments
    charges = Charges()
    charges.book([assignment])
    script.let_leases_expire()
    result = script.answer(assignment, Done({}, Usage(7, 3, 0.5, "m")))
    charges.note([result])
    assert charges.are_due
    script.turn(result)
    charges.book([])

    assert not charges.are_due
    assert str(ModelCall.objects.get(tokens_in=7).cost) == "0.500000000"


def test_what_could_not_be_written_stays_due(ask, script, monkeypatch):
    ask()
    [assignment] = script.turn().assignments
    charges = Charges()
    charges.book([assignment])
    charges.note([script.answer(assignment, Done({}, Usage(7, 3, 0.5, "m")))])
    with monkeypatch.context() as broken:
        broken.setattr("agents.spending.health.lock", raising(OperationalError("The database is away.")))
        with pytest.raises(OperationalError):
            charges.book([])
    charges.book([])

    assert ModelCall.objects.get().settled_at


def test_what_cannot_be_written_at_all_is_dropped_alone_and_the_others_are_settled_and_booked(publish, script):
    fleet.create("llm", {"name": "gpt-1", "config": CONFIG, "max_concurrency": 9}, ["write"], by=SYSTEM)
    publish("flow", {"name": "ask", "capabilities": ["write"]})
    for _ in range(4):
        engine.start("flow", {}, by=OPERATOR)
    *ended, last = script.turn().assignments
    charges = Charges()
    charges.book(ended)
    models = ["m", "m\ud800", "m"]
    charges.note(
        [script.answer(each, Done({}, Usage(7, 3, 0.5, model))) for each, model in zip(ended, models, strict=True)]
    )

    assert charges.book([last]) == ([last], [])
    assert not charges.are_due
    assert [bool(row.settled_at) for row in ModelCall.objects.order_by("pk")] == [True, False, True, False]


@pytest.mark.django_db(transaction=True)  # the committer hangs up where the database was away
@pytest.mark.parametrize(
    "error", [ZeroDivisionError("whatever it is"), OperationalError("The database is away.")], ids=repr
)
def test_where_the_books_cannot_be_kept_no_step_stays_claimed(ask, calls, monkeypatch, error):
    """Neither launched nor held: another executor, or the next turn, may have it at once."""
    run = ask()
    committer = Committer(calls)
    monkeypatch.setattr(committer_module, "PAUSE_AFTER_ERROR_S", (0.0,))
    with monkeypatch.context() as broken:
        broken.setattr("agents.spending._Books", raising(error))
        committer.turn()

        assert step(run, "ask").status == StepStatus.READY
        assert not calls.in_flight
    committer.more = True
    committer.turn()

    assert step(run, "ask").status == StepStatus.RUNNING
    assert [assignment.step.run_id for assignment in calls.in_flight.values()] == [run.pk]


def test_the_audit_trail_names_the_model_that_answered(ask, script):
    ask()
    [agent] = snapshot.read().agents.values()

    assert agent.model == "m"


def test_a_budget_without_prices_is_refused_when_the_agent_is_saved(ask):
    with pytest.raises(Invalid) as refused:
        ask(price_in=0, price_out=0, budget_per_run=1)

    assert refused.value.errors[0]["path"] == "config.budget_per_run"
