"""What a person does to a run, inside a group that holds it under lock: cancel, pause, resume, prioritise, retry.

Each raises before it changes anything, so that of many runs in one group one refusal leaves the others alone.
"""

from collections.abc import Collection
from uuid import uuid4

from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, Invalid
from workflows import advance, ports, reserving, urgency
from workflows.beginning import PRIORITIES
from workflows.definition import Definition, is_undo, step_of
from workflows.group import OPEN, Group
from workflows.models import RUN_ENDS, Run, RunStatus, Step, StepStatus

PAUSABLE = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING)
ENDING = (*RUN_ENDS, RunStatus.COMPENSATING)
REPEATABLE = (StepStatus.SUCCEEDED, StepStatus.SKIPPED)
_WORDS: dict[str, str] = {
    RunStatus.SUCCEEDED: "has succeeded",
    RunStatus.FAILED: "has failed",
    RunStatus.COMPENSATING: "is being undone",
}
_AND_THEN: dict[str, str] = {
    RunStatus.COMPENSATING: "; wait until that has ended, or give up undoing a step that stands in its way.",
}


def cancel(group: Group, run: Run, *, by: Actor, reason: str) -> None:
    """End ``run`` and those of the group within it; what had succeeded and can be undone is undone first."""
    if run.status in ENDING:
        raise Conflict(f"This run {_is(run)} already{_AND_THEN.get(run.status, ', so there is nothing to cancel.')}")
    for each in within(group, run):
        if each.status not in ENDING:
            advance.stop(group, each, RunStatus.CANCELLED, reason, actor=by)


def pause(group: Group, run: Run, *, by: Actor, reason: str) -> None:
    """Let no further step begin; calls in flight end, and their answers are kept. Who stands in line leaves it."""
    if run.status not in PAUSABLE:
        raise Conflict(f"This run {_is(run)}, so it cannot be paused.")
    for each in within(group, run):
        if each.status in PAUSABLE:
            group.move_run(each, RunStatus.PAUSED)
            tasks = _hold(group, each, held=True)
            reserving.leave_line(group, each, tasks)
            group.record_run("RunPaused", each, reason=reason, actor=by)


def resume(group: Group, run: Run, *, by: Actor, reason: str) -> None:
    if run.status != RunStatus.PAUSED:
        raise Conflict(f"This run {_is(run)}, not paused, so there is nothing to resume.")
    for each in within(group, run):
        if each.status == RunStatus.PAUSED:
            group.move_run(each, RunStatus.RUNNING if each.started_at is not None else RunStatus.QUEUED)
            tasks = _hold(group, each, held=False)
            reserving.enter_line_again(group, each, tasks)
            group.record_run("RunResumed", each, reason=reason, actor=by)
            advance.proceed(group, each)


def prioritise(group: Group, run: Run, *, by: Actor, reason: str, priority: int) -> None:
    """Change the priority, and so the place of the steps in the queue."""
    if priority not in PRIORITIES:
        raise Invalid(errors=[{"path": "priority", "message": "Give a whole number from -100 to 100."}])
    if run.status in RUN_ENDS:
        raise Conflict(f"This run {_is(run)} already, so its priority no longer matters.")
    before, run.priority = run.priority, priority
    group.touch(run)
    for step in group.lock_tasks(run):
        step.rank_at = urgency.rank_of(run.created_at, run.priority, run.tier, run.deadline)
        group.touch(step)
    group.record_run("RunPrioritised", run, reason=reason, actor=by, priority=priority, before=before)


def retry(group: Group, run: Run, *, by: Actor, reason: str, from_step: str = "") -> None:
    """Let an ended run go on: all of it again, or from ``from_step`` on, with whatever had not succeeded.

    Steps keep their idempotency keys, so that an effect that did happen is not had twice; a step that was undone gets
    a new one.
    """
    if run.status not in RUN_ENDS:
        raise Conflict(f"This run {_is(run)}; only one that has ended can be retried.")
    if refusal := _why_not_again(group, run):
        raise Conflict(refusal)
    again = steps_again(group.definition(run), from_step, group.states[run.pk])
    for inner in within(group, run)[1:]:
        if inner.status not in ENDING:
            advance.stop(group, inner, RunStatus.CANCELLED, "The run that it lies within is gone through again.")
    _renew(group, run, again)
    run.deadline = run.deadline if run.deadline and run.deadline > group.now else None
    group.move_run(run, RunStatus.RUNNING, output=None, error="", ends_as="", compensated=False, start_at=None)
    group.record_run("RunRetried", run, reason=reason, actor=by, from_step=from_step or "the beginning")
    advance.proceed(group, run)


def steps_again(definition: Definition, from_step: str, states: dict[str, str]) -> set[str]:
    """The steps to go through again: all, or ``from_step`` with what comes after it and what had not succeeded.

    Whether a step ends the run is decided anew in any case, or the run would end at once.
    """
    if not from_step:
        return set(definition.by_name)
    if from_step not in definition.by_name:
        message = f"There is no step {from_step} in this run; choose one of {', '.join(definition.by_name)}."
        raise Invalid(errors=[{"path": "from_step", "message": message}])
    again = {from_step}
    for step in definition.steps:  # each comes after what it needs
        if again & set(step.needs) or states.get(step.name) not in REPEATABLE or step.end:
            again.add(step.name)
    return again


def _why_not_again(group: Group, run: Run) -> str:
    """Why an ended run may not be retried, and what to do instead; nothing if it may."""
    outer = group.parents().get(run.pk)
    if outer is not None:
        return f"This run is a step of run #{outer}; retry that one, from this step if the others are to stay."
    if any(is_undo(name) and status in OPEN for name, status in group.states[run.pk].items()):
        return "A step of this run is being undone again just now; wait until that has ended."
    ask = ports.retries.get(run.serves_kind)
    return ask(run.serves_id) if ask is not None else ""


def _is(run: Run) -> str:
    """The status of ``run`` as a sentence goes on after its name."""
    return _WORDS.get(run.status) or f"is {run.get_status_display()}"


def within(group: Group, run: Run) -> list[Run]:
    """``run`` and the runs of the group that lie within it, the outer ones first."""
    parents = group.parents()
    if run.pk not in parents.values():
        return [run]
    found = {run.pk}
    for pk in sorted(group.runs):  # a run is made after the one that it lies within
        if parents.get(pk) in found:
            found.add(pk)
    return [group.runs[pk] for pk in sorted(found)]


def _renew(group: Group, run: Run, again: Collection[str]) -> None:
    """Make steps pending as if they had not been reached; their attempts stay in their history."""
    rows = [step for step in group.lock_all(run) if step_of(step.name) in again]
    group.forget(run, [step.name for step in rows if is_undo(step.name)])
    for step in rows:
        if is_undo(step.name):
            continue
        key = uuid4() if step.status == StepStatus.COMPENSATED else step.key
        if step.status != StepStatus.PENDING:
            group.move(step, StepStatus.PENDING, key=key, output=None, error="", attempt=0, losses=0, round=0)
        group.touch(step)
        step.choice = step.started_at = step.total = None
    if group.definition(run).takes_signals:
        group.mailbox.release(run, again)
    for name in again:
        group.fans[run.pk].pop(name, None)


def _hold(group: Group, run: Run, *, held: bool) -> list[Step]:
    """Keep the steps that are ready from being claimed, or let them; returns all that are open."""
    tasks = group.lock_tasks(run)
    for step in tasks:
        if step.status == StepStatus.READY:
            step.held = held
            group.touch(step)
    return tasks
