"""How runs advance inside a group: an outcome settles its step, the planner says what follows. No SQL of its own."""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from agents.outcomes import Done, Failed, Fault, Outcome, Pending
from agents.snapshot import AgentView
from orchestra.kernel import canonical, events
from orchestra.kernel.access import Actor
from workflows import expressions, overdue, planner, reserving, settling, starting
from workflows.expressions import ExpressionError
from workflows.group import ENGINE, Group
from workflows.models import RUN_ENDS, Run, RunStatus, Step, StepStatus, WaitsFor
from workflows.planner import (
    Command,
    End,
    Fail,
    Finish,
    Join,
    Skip,
    Start,
    StartItems,
    Undecidable,
    Undo,
    Wait,
    Withdraw,
    WithdrawItems,
)

MAX_OUTPUT = 1024 * 1024
POISON_LOSSES = 5
"""A step that was lost with its executor this often is dead: it may be what kills them."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a claimed step came out: the row as it was claimed, the agent that was called, the outcome, seconds it took.

    ``in_a_row`` counts the steps of its run that went on without passing through the queue. ``token`` is that of the
    claim, whatever a transaction that failed has done to the row in memory.
    """

    step: Step
    agent: AgentView
    outcome: Outcome
    seconds: float
    was_probe: bool = False
    in_a_row: int = 0
    token: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "token", self.step.token)


def actor_of(agent: AgentView) -> Actor:
    """An agent as the audit trail names it: never a person's identity."""
    return Actor("agent", str(agent.id), agent.name, model=agent.model, version=agent.version)


def settle(group: Group, result: Result, claim: tuple[str, int] | None) -> bool:
    """Apply one result; False, and an event, unless ``claim`` (the row's status and token) is still its own."""
    step = result.step
    if claim != (StepStatus.RUNNING, result.token):
        _record_stale(result)
        return False
    actor = actor_of(result.agent)
    match result.outcome:
        case Done(output):
            settling.succeed(group, step, output, actor=actor, attempt=step.attempt, seconds=f"{result.seconds:.3f}")
        case Pending() as pending:
            due = overdue.answer_due(group.runs[step.run_id], step, pending, group.now)
            group.move(step, StepStatus.WAITING, waits_for=WaitsFor.AGENT, wake_at=due)
        case Failed(message=message, retryable=True, fault=Fault.LOST):
            give_back(group, step, reason=message, lost=True)
        case Failed() as failed:
            timed_out = failed.fault == Fault.TIMEOUT
            settling.fail(
                group,
                step,
                failed.message,
                actor=actor,
                retryable=failed.retryable,
                outcome=events.Outcome.TIMED_OUT if timed_out else events.Outcome.FAILED,
                not_before_s=failed.retry_after_s,
            )
    return True


def give_back(group: Group, step: Step, *, reason: str, lost: bool) -> None:
    """Return a claimed step to the queue: its executor stopped, or died (``lost``), which may make it dead."""
    history = [*step.history, settling.attempt(group, step, reason)]
    losses = step.losses + lost
    if lost and losses >= POISON_LOSSES:
        error = f"It was lost {losses} times with what worked on it, so it is not tried again. The last time: {reason}"
        settling.bury(group, step, error, losses=losses, history=history)
        return
    attempt = step.attempt if lost else step.attempt - 1  # an orderly end is no try of the step's
    group.move(step, StepStatus.READY, losses=losses, attempt=attempt, history=history, available_at=group.now)
    group.record_step("StepReturned", step, reason=reason, attempt=step.attempt)


def proceed(group: Group, run: Run) -> None:
    """Ask the planner what follows in a run and do it; harmless again. A paused run, or one to come, does not move."""
    while run.status not in (*RUN_ENDS, RunStatus.PAUSED):
        if (run.start_at is not None and run.status == RunStatus.QUEUED) or reserving.holds_back(group, run):
            return
        commands = _what_follows(group, run)
        for command in commands:
            _apply(group, run, command)
        if _is_all_begun(group, run, commands):
            _follow_steps(group, run)
            return


def _is_all_begun(group: Group, run: Run, commands: Collection[Any]) -> bool:
    """Whether nothing can follow from ``commands`` now: there are none, or only steps that wait for an agent."""
    states = group.states[run.pk]
    return all(type(command) is Start and states.get(command.step.name) == StepStatus.READY for command in commands)


def stop(group: Group, run: Run, status: RunStatus, error: str, *, actor: Actor | None = None) -> None:
    """End a run before its time: what is open is given up, what had succeeded is undone, then it ends as ``status``."""
    withdraw(group, group.lock_tasks(run), error)
    _finish(group, run, status, error, actor=actor)
    proceed(group, run)


def withdraw(
    group: Group, steps: Collection[Step], reason: str, *, actor: Actor = ENGINE, permission: str = ""
) -> None:
    """Cancel open steps; a call in flight finds its token refused. ``actor`` is the person who did it, if one did."""
    for step in steps:
        group.move(step, StepStatus.CANCELLED, error=reason, token=step.token + 1)
        group.record_step("StepCancelled", step, reason=reason, actor=actor, permission=permission)


def _what_follows(group: Group, run: Run) -> list[Any]:
    definition = group.definition(run)
    if run.status == RunStatus.COMPENSATING:
        return list(planner.plan_undoing(group.to_undo(run), run.ends_as))
    decide = partial(_decide, group, run)
    return list(planner.plan(definition, group.states[run.pk], decide, group.fans.get(run.pk)))


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


def _apply(group: Group, run: Run, command: Command | Undo) -> None:  # noqa: C901  a table of what each command does
    match command:
        case Start(step):
            starting.start(group, run, step)
        case Wait(step):
            starting.wait(group, run, step)
        case StartItems():
            starting.start_items(group, run, command)
        case Join(step, status, error):
            starting.join(group, run, step, failed="" if status == StepStatus.SUCCEEDED else error)
        case Skip(step):
            group.move(group.add(run, step), StepStatus.SKIPPED)
        case Fail(step, reason):
            starting.refuse(group, group.add(run, step), reason)
        case End(step):
            settling.succeed(group, group.add(run, step), None)
        case Withdraw():
            _withdraw(group, run, command)
        case WithdrawItems(step, reason):
            items = [task for task in group.lock_tasks(run, [step.name]) if task.parent == step.name]
            idle = [item for item in items if item.status == StepStatus.READY or reserving.is_in_line(item)]
            withdraw(group, idle, reason)
        case Undo(task):
            starting.undo(group, run, task)
        case Finish(status, error):
            _finish(group, run, RunStatus(status), error)


def _withdraw(group: Group, run: Run, command: Withdraw) -> None:
    names = set(command.steps)
    steps = group.lock_tasks(run, names)
    if not command.running:
        steps = [step for step in steps if step.status != StepStatus.RUNNING]
    withdraw(group, steps, command.reason)
    definition = group.definition(run)
    states = group.states[run.pk]
    for name in sorted(name for name in names if states.get(name, StepStatus.PENDING) == StepStatus.PENDING):
        group.move(group.add(run, definition.by_name[name]), StepStatus.CANCELLED, error=command.reason)


def _finish(group: Group, run: Run, status: RunStatus, error: str, *, actor: Actor | None = None) -> None:
    """End the run, or begin to undo it; asked again when that is done, it ends it."""
    output = None
    if status == RunStatus.SUCCEEDED:
        try:
            output = _output(group, run)
        except ExpressionError as fault:
            status, error = RunStatus.FAILED, str(fault)
    if run.status == RunStatus.COMPENSATING:
        run.compensated, error = settling.is_all_undone(group, run), run.error
    elif status != RunStatus.SUCCEEDED and group.definition(run).undoes and _may_be_undone(group, run):
        group.move_run(run, RunStatus.COMPENSATING, ends_as=status, error=error)
        group.record_run("UndoingStarted", run, reason=error, actor=actor)
        return
    group.move_run(run, status, output=output, error=error)
    outcome = events.Outcome.FAILED if status == RunStatus.FAILED else events.Outcome.SUCCEEDED
    group.record_run(_ENDINGS[status], run, reason=error, outcome=outcome, actor=actor)


_ENDINGS = {
    RunStatus.SUCCEEDED: "RunSucceeded",
    RunStatus.FAILED: "RunFailed",
    RunStatus.CANCELLED: "RunCancelled",
}


def _output(group: Group, run: Run) -> Any:
    output = expressions.pick(group.definition(run).output, group.context(run))
    if len(canonical.text(output)) > MAX_OUTPUT:
        raise ExpressionError("The output of the run is over 1 MB; let it name less, or where the rest is stored.")
    return output


def _may_be_undone(group: Group, run: Run) -> bool:
    return any(status == StepStatus.SUCCEEDED for _, status in group.to_undo(run))


def _follow_steps(group: Group, run: Run) -> None:
    """A run waits while all its open steps wait; it runs again as soon as one of them does."""
    if run.status in (*RUN_ENDS, RunStatus.COMPENSATING) or group.holdings.is_asking(run):
        return
    open_ = set(group.states[run.pk].values())
    for fan in group.fans.get(run.pk, {}).values():
        open_ |= {status for status, count in fan.counts.items() if count}
    open_ -= {*planner.SETTLED, StepStatus.PENDING}
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
