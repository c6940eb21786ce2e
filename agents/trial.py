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

from agents.invoke import invoke
from agents.models import Agent, AgentKind
from agents.outcomes import Call, Done, Failed, Fault, Outcome
from orchestra.kernel import access, events, secrets
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, NotFound, field_error
from orchestra.kernel.models import Role

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


def run(agent_id: int, payload: Any, *, by: Actor, reason: str = "") -> Trial:
    """Call the agent with ``payload`` as its input and wait for the answer, at most :data:`TIME_LIMIT_S`."""
    access.check(by, "agents.test")
    if len(json.dumps(payload)) > MAX_INPUT:
        raise field_error("input", f"The input of a test may have at most {MAX_INPUT // 1024} KB.")
    agent = _callable_agent(agent_id)
    started = time.monotonic()
    outcome = asyncio.run(invoke(agent.kind, _call(agent, payload), timeout_s=TIME_LIMIT_S))
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
        return Trial(events.Outcome.SUCCEEDED, outcome.output, "", seconds)
    if isinstance(outcome, Failed):
        status = events.Outcome.TIMED_OUT if outcome.fault == Fault.TIMEOUT else events.Outcome.FAILED
        return Trial(status, None, outcome.message, seconds)
    return Trial(events.Outcome.SUCCEEDED, None, f"It is accepted and waits for {outcome.waits_for}.", seconds)
