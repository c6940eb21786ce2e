"""Trials: an operator calls an agent by hand, to see whether and what it answers.

A trial is a real call with whatever effects the agent has, made in the process of the page. It counts neither for the
statistics nor for the breaker, since its input is made up; the audit trail has it.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from agents import spending, work
from agents.invoke import invoke
from agents.kinds import llm, protocol
from agents.models import Agent, AgentKind
from agents.outcomes import AgentError, Call, Done, Failed, Fault, Outcome, Usage
from agents.prices import Budget
from orchestra.kernel import access, events, secrets
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, NotFound, field_error
from orchestra.kernel.models import Event, Role

access.grant({"agents.test": Role.OPERATOR})

TIME_LIMIT_S = 30.0
MAX_INPUT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it: ``outcome`` is ``succeeded``, ``failed`` or ``timed_out``."""

    outcome: str
    output: Any
    error: str
    seconds: float
    usage: Usage | None = None


def last_input(agent_id: int) -> Any:
    """The input of the agent's last trial, unless it held a secret; an empty table if there was none."""
    tried = Event.objects.filter(target_kind="agent", target_id=str(agent_id), action="AgentTested")
    after = tried.order_by("-number").values_list("detail__after", flat=True).first()
    return json.loads(after).get("input", {}) if after and secrets.MASK not in after else {}


def run(agent_id: int, payload: Any, *, by: Actor, reason: str = "") -> Trial:
    """Call the agent with ``payload`` as its input and wait for the answer, at most :data:`TIME_LIMIT_S`."""
    access.check(by, "agents.test")
    if len(json.dumps(payload)) > MAX_INPUT:
        raise field_error("input", f"The input of a test may have at most {MAX_INPUT // 1024} KB.")
    agent = _callable_agent(agent_id)
    started = time.monotonic()
    outcome = _outcome(agent, payload)
    trial = _trial(outcome, time.monotonic() - started)
    with events.recording(by):
        events.record(
            "AgentTested",
            target=events.Ref("agent", agent.pk, agent.name),
            after={"input": secrets.mask(payload), "error": trial.error, "seconds": f"{trial.seconds:.3f}"},
            reason=reason,
            outcome=trial.outcome,
            permission="agents.test",
        )
    return trial


def _outcome(agent: Agent, payload: Any) -> Outcome:
    """What comes of the call; a worker elsewhere takes it as a task of its own."""
    if agent.kind == AgentKind.LLM:
        return _paid(agent, _call(agent, payload))
    if agent.kind != AgentKind.REMOTE:
        return asyncio.run(invoke(agent.kind, _call(agent, payload), timeout_s=TIME_LIMIT_S))
    for tasks in work.tasks:
        tried = tasks.trial(agent.pk, payload, within_s=TIME_LIMIT_S)
        if tried.error:
            return Failed(tried.error, fault=Fault.TIMEOUT if tried.timed_out else Fault.AGENT)
        return Done(tried.output)
    raise Conflict("Nothing here gives tasks to workers elsewhere, so none can be tested.")


def _paid(agent: Agent, call: Call) -> Outcome:
    """What comes of a call that costs money: it is booked like any other, and not made beyond the agent's budget."""
    try:
        most = llm.estimate_of(agent.config, call.input)
    except AgentError as error:
        return Failed(str(error), retryable=error.retryable, fault=error.fault)
    identifier, budget = protocol.identifier(call), Budget.of(agent.config)
    asked = spending.Asked(identifier, agent.pk, agent.name, most, budget, call.deadline, correlation=call.correlation)
    if refusal := spending.book([asked])[0]:
        return Failed(refusal, retryable=False, fault=Fault.CALLER)
    outcome = asyncio.run(invoke(agent.kind, call, timeout_s=TIME_LIMIT_S))
    if isinstance(outcome, Done | Failed) and outcome.usage is not None:
        spending.settle([spending.Spent(identifier, 0, agent.pk, outcome.usage)])
    return outcome


def _callable_agent(agent_id: int) -> Agent:
    agent = Agent.objects.filter(pk=agent_id).first()
    if agent is None:
        raise NotFound("There is no such agent; it may have been removed, so go back to the list.")
    if agent.kind == AgentKind.HUMAN:
        raise Conflict("A person is asked at the desk, not by a test; choose another agent.")
    return agent


def _call(agent: Agent, payload: Any) -> Call:
    identifier = uuid4().hex
    return Call(
        input=payload,
        config=agent.config,
        key=f"test-{identifier}",
        attempt=1,
        deadline=timezone.now() + timedelta(seconds=TIME_LIMIT_S),
        correlation=identifier,
        secrets=agent.secrets or {},
    )


def _trial(outcome: Outcome, seconds: float) -> Trial:
    if isinstance(outcome, Done):
        return Trial(events.Outcome.SUCCEEDED, outcome.output, "", seconds, outcome.usage)
    if isinstance(outcome, Failed):
        status = events.Outcome.TIMED_OUT if outcome.fault == Fault.TIMEOUT else events.Outcome.FAILED
        return Trial(status, None, outcome.message, seconds, outcome.usage)
    return Trial(events.Outcome.SUCCEEDED, None, f"It is accepted and waits for {outcome.waits_for}.", seconds)
