"""Tries that ran out of time where no executor watches over them: those of remote workers, and answers that never came.

A remote worker's lease never outlasts the time limit of its try, so that of a lease that has expired one can tell which
it was: the time limit, which is the agent's fault, or the worker's silence, which is nobody's.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.conf import settings

from agents.health import Result
from agents.models import Agent
from agents.outcomes import Fault, Pending
from agents.remote import is_remote
from agents.snapshot import itself
from orchestra.kernel import events
from orchestra.kernel.access import Actor
from workflows import settling
from workflows.definition import DEFAULT_TIMEOUT_S
from workflows.group import ENGINE, Group
from workflows.models import Run, Step

LONGEST_PENDING_S = 86_400.0
"""An answer that nobody else sets a time for has a day to come."""
SILENT = "Its remote worker stopped answering, so its lease expired."


def lease_end(step: Step, now: datetime, *, since: datetime | None, is_remote: bool) -> datetime:
    """Until when a lease that is taken or renewed now lasts, of a try that began at ``since``."""
    end = now + timedelta(seconds=settings.LEASE_S)
    if not is_remote or since is None:
        return end
    return min(end, since + timedelta(seconds=step.timeout_s))


def over_time(steps: Iterable[Step], now: datetime) -> set[int]:
    """Those of steps whose leases have expired that remote workers had all the time for; with their agents."""
    late = [step for step in steps if is_remote(step.executor) and _ends_at(step) <= now]
    with_agents(late)
    return {step.pk for step in late}


def with_agents(steps: Collection[Step]) -> None:
    """Read the agents of ``steps`` in one query."""
    agents = Agent.objects.in_bulk({step.agent_id for step in steps if step.agent_id}) if steps else {}
    for step in steps:
        step.agent = agents.get(step.agent_id or 0)


def _ends_at(step: Step) -> datetime:
    return (step.started_at or step.created_at) + timedelta(seconds=step.timeout_s)


def time_out(group: Group, step: Step) -> list[Result]:
    """The try took too long, which is its failure; returns what counts for its agent."""
    return _timed_out(group, step, f"It did not answer within {step.timeout_s:g} s.")


def answer_due(run: Run, step: Step, pending: Pending, now: datetime) -> datetime:
    """By when an answer that comes later must be there: as the agent says, else as its step or its run does."""
    if pending.within_s is not None:
        due = now + timedelta(seconds=pending.within_s)
    elif step.timeout_s != DEFAULT_TIMEOUT_S and step.started_at is not None:
        due = step.started_at + timedelta(seconds=step.timeout_s)
    else:
        due = now + timedelta(seconds=LONGEST_PENDING_S)
    return due if run.deadline is None else min(due, run.deadline)


def never_answered(group: Group, step: Step) -> list[Result]:
    """The agent took the task on and has not answered in time; returns what counts for it."""
    if step.agent_id is None:
        settling.fail(group, step, "Nothing came in time.", outcome=events.Outcome.TIMED_OUT)
        return []
    return _timed_out(group, step, "It took the task on and did not answer in time.")


def agent_of(step: Step) -> Actor:
    """The agent of a step as the audit trail names it: never a person's identity, whoever's token it uses."""
    agent: Agent | None = step.agent
    if agent is None:
        return ENGINE
    return Actor("agent", str(agent.pk), agent.name, model=agent.model or agent.kind, version=agent.version)


def _timed_out(group: Group, step: Step, error: str) -> list[Result]:
    took_s = (group.now - step.started_at).total_seconds() if step.started_at else step.timeout_s
    counted = counts(step, took_s, Fault.TIMEOUT, error)
    settling.fail(group, step, error, actor=agent_of(step), retryable=True, outcome=events.Outcome.TIMED_OUT)
    return counted


def counts(step: Step, seconds: float, fault: Fault | None, error: str = "") -> list[Result]:
    """How a try came out, as it counts for its agent; nothing where it was a mere test."""
    if step.agent_id is None or is_trial(step):
        return []
    return [Result(step.agent_id, seconds, fault, error, was_probe=was_probe(step))]


def is_trial(step: Step) -> bool:
    """Whether a person had the agent of the step tested, which counts neither for its figures nor for its breaker."""
    return step.agent_id is not None and itself(step.agent_id) in step.needs


def was_probe(step: Step) -> bool:
    """Whether the try was the one by which an open breaker finds out about its agent."""
    return bool((step.choice or {}).get("probe"))
