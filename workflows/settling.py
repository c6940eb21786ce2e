"""How a step ends inside a group: well, or badly; again, skipped, or taken over by a person. No SQL of its own."""

from datetime import datetime, timedelta
from typing import Any

from orchestra.kernel import events
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Role
from orchestra.kernel.retry import RetryPolicy
from workflows import expressions
from workflows.definition import RepeatSpec, StepSpec, index_of, is_undo, undo, undone_by
from workflows.expressions import ExpressionError
from workflows.group import ENGINE, Group
from workflows.models import RUN_ENDS, Run, Step, StepStatus, WaitsFor

NOT_UNDONE = "It could not be undone: "
"""How the error of a step begins whose undoing failed."""


def succeed(group: Group, step: Step, output: Any, *, actor: Actor = ENGINE, **told: Any) -> None:
    """The step came to ``output``; a repeated one goes on until its condition holds, or a person took over."""
    repeat = _spec(group, step).repeat
    if repeat is not None and step.total is None and not is_undo(step.name) and "answered" not in told:
        try:
            through = expressions.holds(repeat.until, _seen_from(group, step, output))
        except ExpressionError as error:
            fail(group, step, str(error), actor=actor)
            return
        if not through:
            _repeat(group, step, output, repeat, actor)
            return
    action = "StepAnswered" if told.pop("answered", False) else "StepSucceeded"
    group.move(step, StepStatus.SUCCEEDED, output=output, error="")
    group.record_step(action, step, actor=actor, **told)
    if is_undo(step.name):
        _undone(group, step)


def fail(  # noqa: PLR0913  how it failed, all by name
    group: Group,
    step: Step,
    error: str,
    *,
    actor: Actor = ENGINE,
    retryable: bool = False,
    outcome: str = events.Outcome.FAILED,
    not_before_s: float | None = None,
    why: str = "",
) -> None:
    """A try of the step failed: it is tried again if its policy says so, else its ``on_failure`` decides.

    It is tried after the policy's delay, but not before ``not_before_s`` seconds, where the agent asked for that.
    ``why`` is what the audit trail says, where that is more than the error.
    """
    was_tried = step.status == StepStatus.RUNNING or step.waits_for in (WaitsFor.CHILD, WaitsFor.AGENT)
    history = [*step.history, attempt(group, step, error)] if was_tried else step.history
    policy, tries = retry_of(group, step), step.attempt - step.losses
    if retryable and policy.allows(tries):
        due = group.now + timedelta(seconds=max(policy.delay_after(tries), not_before_s or 0))
        _try_again(group, step, due, error=error, history=history)
        group.record_step(
            "StepRetried", step, actor=actor, reason=why or error, outcome=outcome, attempt=step.attempt, due=due
        )
        return
    policy_of_failure = "fail" if is_undo(step.name) else _spec(group, step).on_failure
    if policy_of_failure == "escalate" and step.total is None:  # of a fan-out, persons take over the items
        _hand_over(group, step, error, history)
        return
    status = StepStatus.SKIPPED if policy_of_failure == "skip" else StepStatus.FAILED
    group.move(step, status, error=error, history=history)
    group.record_step("StepFailed", step, actor=actor, reason=why or error, outcome=outcome, attempt=step.attempt)
    if is_undo(step.name):
        _not_undone(group, step)


def bury(group: Group, step: Step, error: str, **changes: Any) -> None:
    """The step is dead: it is a danger to work on, or its outcome cannot be stored.

    Of what undoes a step, that step is the one dead letter, since it is what a person must settle.
    """
    if is_undo(step.name):
        group.move(step, StepStatus.FAILED, error=error, **changes)
        group.record_step("StepFailed", step, reason=error, outcome=events.Outcome.FAILED, attempt=step.attempt)
        _not_undone(group, step)
        return
    group.move(step, StepStatus.DEAD, error=error, **changes)
    group.record_step("StepDied", step, reason=error, outcome=events.Outcome.FAILED)


def give_up_undoing(group: Group, step: Step, reason: str, *, actor: Actor, permission: str) -> None:
    """What undoes a step is not tried any further; the answer of a call in flight is refused."""
    group.move(step, StepStatus.FAILED, error=f"It was given up: {reason}", token=step.token + 1)
    group.record_step("UndoingGivenUp", step, reason=reason, actor=actor, permission=permission)
    _not_undone(group, step)


def could_not_be_undone(step: Step) -> bool:
    """Whether the step had succeeded and is dead because its undoing failed."""
    return step.status == StepStatus.DEAD and step.error.startswith(NOT_UNDONE)


def is_for_admin(spec: StepSpec, step: Step) -> bool:
    """Whether only an administrator may settle this human step: it says so, or nobody answered it in time."""
    return spec.human is not None and (step.round > 0 or spec.human.role == Role.ADMIN)


def attempt(group: Group, step: Step, error: str, *, agent: str = "") -> dict[str, Any]:
    """An attempt that failed, as the step's history keeps it."""
    return {
        "attempt": step.attempt,
        "agent": agent or (step.choice or {}).get("chosen", ""),
        "started_at": step.started_at.isoformat() if step.started_at else None,
        "finished_at": group.now.isoformat(),
        "error": error,
    }


def retry_of(group: Group, step: Step) -> RetryPolicy:
    spec = _spec(group, step)
    return spec.compensate.retry if is_undo(step.name) and spec.compensate else spec.retry


def _spec(group: Group, step: Step) -> StepSpec:
    return group.definition(group.runs[step.run_id]).step(step.name)


def _seen_from(group: Group, step: Step, output: Any) -> dict[str, Any]:
    """What the step's own condition sees: its output stands under its step's name, an item's too."""
    run, spec = group.runs[step.run_id], _spec(group, step)
    context = {**group.context(run), **item_of(group, run, step.name)}
    return context | {"steps": context["steps"] | {spec.name: {"status": StepStatus.SUCCEEDED, "output": output}}}


def item_of(group: Group, run: Run, task: str) -> dict[str, Any]:
    """The item that a task of a fan-out is about, under the name that its step gives it; nothing for other tasks."""
    index, spec = index_of(task), group.definition(run).step(task)
    parent = None if index is None else group.task(run, spec.name)
    return {} if parent is None or parent.input is None else {spec.item_name: parent.input[index]}


def _repeat(group: Group, step: Step, output: Any, repeat: RepeatSpec, actor: Actor) -> None:
    rounds = step.round + 1
    if rounds >= repeat.max:
        fail(group, step, f"After {rounds} rounds it still does not hold that {repeat.until}.", actor=actor)
        return
    due = group.now + timedelta(seconds=repeat.delay_s)
    _try_again(group, step, due, output=output, round=rounds, attempt=0, losses=0)
    group.record_step("StepRepeated", step, actor=actor, round=rounds, due=due)


def _try_again(group: Group, step: Step, due: datetime, **changes: Any) -> None:
    """Let the step be done once more at ``due``: by an agent, or by another run where it is a workflow."""
    if step.waits_for == WaitsFor.CHILD:
        for name, value in {**changes, "wake_at": due}.items():
            setattr(step, name, value)
        group.touch(step)
        group.relays = True
    else:
        group.move(step, StepStatus.READY, available_at=due, **changes)


def _hand_over(group: Group, step: Step, error: str, history: list[Any]) -> None:
    """Let a person do the step; it may wait already, for something else."""
    changes = {"error": error, "history": history, "waits_for": WaitsFor.PERSON, "wake_at": None}
    if step.status == StepStatus.WAITING:
        for name, value in changes.items():
            setattr(step, name, value)
        group.touch(step)
    else:
        group.move(step, StepStatus.WAITING, **changes, started_at=step.started_at or group.now)
    group.record_step("StepEscalated", step, reason=error)


def _undone(group: Group, step: Step) -> None:
    run = group.runs[step.run_id]
    done = group.task(run, undone_by(step.name))
    if done is not None:
        group.move(done, StepStatus.COMPENSATED)
    if run.status in RUN_ENDS:  # undone at last, by a person's requeueing
        run.compensated = is_all_undone(group, run)
        group.touch(run)


def _not_undone(group: Group, step: Step) -> None:
    """It could not be undone, which stops no other; it is a dead letter for a person to look at."""
    done = group.task(group.runs[step.run_id], undone_by(step.name))
    if done is not None:
        group.move(done, StepStatus.DEAD, error=f"{NOT_UNDONE}{step.error}")
        group.record_step("StepDied", done, reason=done.error, outcome=events.Outcome.FAILED)


def is_all_undone(group: Group, run: Run) -> bool:
    """Whether nothing that had succeeded is left to undo in ``run``."""
    left = (StepStatus.SUCCEEDED, StepStatus.COMPENSATING)
    states = group.states[run.pk]
    return not any(
        status in left or (status == StepStatus.DEAD and undo(task) in states) for task, status in group.done(run)
    )
