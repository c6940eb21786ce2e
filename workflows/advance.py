"""How runs advance inside a group: an outcome settles its step, the planner says what follows. No SQL of its own."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from agents.outcomes import Done, Failed, Fault, Outcome, Pending
from agents.snapshot import AgentView
from orchestra.kernel import events
from orchestra.kernel.access import Actor
from workflows import expressions, planner
from workflows.definition import StepSpec
from workflows.expressions import ExpressionError
from workflows.group import Group
from workflows.models import RUN_ENDS, Run, RunStatus, Step, StepStatus
from workflows.planner import Command, Fail, Finish, Skip, Start, Undecidable, Wait

POISON_LOSSES = 5
"""A step that was lost with its executor this often is dead: it may be what kills them."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a claimed step came out: the row as it was claimed, the agent that was called, the outcome, seconds it took.

    ``in_a_row`` counts the steps of its run that went on without passing through the queue.
    """

    step: Step
    agent: AgentView
    outcome: Outcome
    seconds: float
    was_probe: bool = False
    in_a_row: int = 0


def actor_of(agent: AgentView) -> Actor:
    """An agent as the audit trail names it: never a person's identity."""
    return Actor("agent", str(agent.id), agent.name, model=agent.model, version=agent.version)


def settle(group: Group, result: Result, claim: tuple[str, int] | None) -> bool:
    """Apply one result; False, and an event, unless ``claim`` (the row's status and token) is still its own."""
    step = result.step
    if claim != (StepStatus.RUNNING, step.token):
        _record_stale(result)
        return False
    outcome = result.outcome
    if isinstance(outcome, Done):
        group.move(step, StepStatus.SUCCEEDED, output=outcome.output, error="")
        group.record_step(
            "StepSucceeded",
            step,
            actor=actor_of(result.agent),
            attempt=step.attempt,
            seconds=f"{result.seconds:.3f}",
        )
    elif isinstance(outcome, Pending):
        group.move(step, StepStatus.WAITING)
    else:
        _settle_failure(group, step, result, outcome)
    return True


def give_back(group: Group, step: Step, *, reason: str, lost: bool) -> None:
    """Return a claimed step to the queue: its executor stopped, or died (``lost``), which may make it dead."""
    history = [*step.history, _attempt(group, step, reason, agent=(step.choice or {}).get("chosen", ""))]
    losses = step.losses + lost
    if lost and losses >= POISON_LOSSES:
        error = f"Its executor died {losses} times while working on it, so it is not tried again."
        group.move(step, StepStatus.DEAD, losses=losses, history=history, error=error)
        group.record_step("StepDied", step, reason=error, outcome=events.Outcome.FAILED)
        return
    attempt = step.attempt if lost else step.attempt - 1  # an orderly end is no try of the step's
    group.move(step, StepStatus.READY, losses=losses, attempt=attempt, history=history, available_at=group.now)
    group.record_step("StepReturned", step, reason=reason, attempt=step.attempt)


def proceed(group: Group, run: Run) -> None:
    """Ask the planner what follows in a run and do it; harmless again."""
    while run.status not in RUN_ENDS:
        commands = planner.plan(group.definition(run), group.states[run.pk], partial(_decide, group, run))
        if not commands:
            _follow_steps(group, run)
            return
        for command in commands:
            _apply(group, run, command)


def cancel_steps(group: Group, steps: list[Step], reason: str) -> None:
    """Cancel every step of the group that has not ended; a call in flight finds its token refused."""
    for step in steps:
        group.move(step, StepStatus.CANCELLED, error=reason, token=step.token + 1)
        group.record_step("StepCancelled", step, reason=reason)


def _settle_failure(group: Group, step: Step, result: Result, failure: Failed) -> None:
    spec = group.definition(group.runs[step.run_id]).step(step.name)
    history = [*step.history, _attempt(group, step, failure.message, agent=result.agent.name)]
    timed_out = failure.fault == Fault.TIMEOUT
    outcome = events.Outcome.TIMED_OUT if timed_out else events.Outcome.FAILED
    actor = actor_of(result.agent)
    tries = step.attempt - step.losses
    if failure.retryable and spec.retry.allows(tries):
        delay_s = spec.retry.delay_after(tries)
        due = group.now + timedelta(seconds=delay_s)
        group.move(step, StepStatus.READY, error=failure.message, history=history, available_at=due)
        group.record_step(
            "StepRetried", step, actor=actor, reason=failure.message, outcome=outcome, attempt=step.attempt, due=due
        )
        return
    group.move(step, StepStatus.FAILED, error=failure.message, history=history)
    group.record_step("StepFailed", step, actor=actor, reason=failure.message, outcome=outcome, attempt=step.attempt)


def _attempt(group: Group, step: Step, error: str, *, agent: str) -> dict[str, Any]:
    return {
        "attempt": step.attempt,
        "agent": agent,
        "started_at": step.started_at.isoformat() if step.started_at else None,
        "finished_at": group.now.isoformat(),
        "error": error,
    }


def _decide(group: Group, run: Run, condition: str, statuses: Any) -> bool:
    context = group.context(run)
    steps = context["steps"]
    for name, status in statuses.items():
        if name not in steps or steps[name]["status"] != status:
            steps[name] = {"status": status, "output": steps.get(name, {}).get("output")}
    try:
        return expressions.holds(condition, context)
    except ExpressionError as error:
        raise Undecidable(str(error)) from error


def _apply(group: Group, run: Run, command: Command) -> None:
    match command:
        case Start(step):
            _start(group, run, step)
        case Wait(step):
            row = _new_step(run, step)
            row.input = _picked(group, run, step)
            group.move(row, StepStatus.WAITING, started_at=group.now)
        case Skip(step):
            group.move(_new_step(run, step), StepStatus.SKIPPED)
        case Fail(step, reason):
            row = _new_step(run, step)
            group.move(row, StepStatus.FAILED, error=reason)
            group.record_step("StepFailed", row, reason=reason, outcome=events.Outcome.FAILED)
        case Finish(status, error):
            _finish(group, run, status, error)


def _start(group: Group, run: Run, spec: StepSpec) -> None:
    row = _new_step(run, spec)
    try:
        row.input = _picked(group, run, spec)
        needs = _filled(group, run, spec.capabilities)
        prefers = _filled(group, run, spec.prefers)
    except ExpressionError as error:
        group.move(row, StepStatus.FAILED, error=str(error))
        group.record_step("StepFailed", row, reason=str(error), outcome=events.Outcome.FAILED)
        return
    row.demand = json.dumps([needs, prefers], separators=(",", ":"))
    group.move(row, StepStatus.READY, available_at=group.now)
    group.ready.append(row)


def _filled(group: Group, run: Run, templates: Sequence[str]) -> list[str]:
    if not any(map(expressions.is_template, templates)):
        return sorted(templates)
    context = group.context(run)
    return sorted(filter(None, (expressions.fill(template, context) for template in templates)))


def _picked(group: Group, run: Run, spec: StepSpec) -> Any:
    return run.input if spec.input is None else expressions.pick(spec.input, group.context(run))


def _new_step(run: Run, spec: StepSpec) -> Step:
    return Step(run=run, name=spec.name, priority=run.priority, queue=run.queue, timeout_s=spec.timeout_s)


def _finish(group: Group, run: Run, status: str, error: str) -> None:
    output = None
    if status == RunStatus.SUCCEEDED:
        try:
            output = expressions.pick(group.definition(run).output, group.context(run))
        except ExpressionError as fault:
            status, error = RunStatus.FAILED, str(fault)
    group.move_run(run, RunStatus(status), output=output, error=error)
    if status == RunStatus.SUCCEEDED:
        group.record_run("RunSucceeded", run)
    else:
        group.record_run("RunFailed", run, reason=error, outcome=events.Outcome.FAILED)


def _follow_steps(group: Group, run: Run) -> None:
    """A run waits while all its open steps wait for people; it runs again as soon as one of them does."""
    if run.status in RUN_ENDS:
        return
    open_ = set(group.states[run.pk].values()) - planner.SETTLED
    status = RunStatus.WAITING if open_ == {StepStatus.WAITING} else RunStatus.RUNNING
    if open_ and run.status != status and not (run.status == RunStatus.QUEUED and status == RunStatus.RUNNING):
        group.move_run(run, status, started_at=run.started_at or group.now)


def _record_stale(result: Result) -> None:
    events.record(
        "CompletionRefused",
        target=events.Ref("step", result.step.pk, result.step.name),
        parent=events.Ref("run", result.step.run_id),
        reason="The lease had ended or was taken over when the answer came, so it changed nothing.",
        outcome=events.Outcome.DENIED,
        actor=actor_of(result.agent),
    )
