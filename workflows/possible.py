"""What may be done to a run and its steps now, by this person: pages offer no more than that. Reads only."""

from typing import Any

from orchestra.kernel import access
from orchestra.kernel.models import Role
from workflows import ports, requeueing, settling
from workflows.definition import Definition
from workflows.models import RUN_ENDS, Run, RunStatus, StepStatus
from workflows.progress import RunProgress, StepProgress
from workflows.steering import PAUSABLE

_WITHDRAWABLE = (StepStatus.READY, StepStatus.RUNNING, StepStatus.WAITING)


def with_run(run: Run, definition: Definition, user: Any) -> frozenset[str]:
    """Of ``cancel pause resume retry signal replay priority`` those that are possible."""
    is_open = run.status not in RUN_ENDS
    goes_on = is_open and run.status != RunStatus.COMPENSATING
    able = {
        "cancel": goes_on and access.can(user, "runs.cancel"),
        "pause": run.status in PAUSABLE and access.can(user, "runs.pause"),
        "resume": run.status == RunStatus.PAUSED and access.can(user, "runs.pause"),
        "retry": not is_open and access.can(user, "runs.retry") and _is_free(run),
        "signal": goes_on and definition.takes_signals and access.can(user, "runs.signal"),
        "replay": not definition.serves and not run.serves_kind and access.can(user, "runs.start"),
        "priority": is_open and access.can(user, "runs.prioritise"),
    }
    return frozenset(name for name, is_possible in able.items() if is_possible)


def with_step(read: RunProgress, step: StepProgress, user: Any) -> frozenset[str]:
    """Of ``retry cancel requeue answer give-up`` those that are possible with a task of a run."""
    run = read.run
    is_open = run.status not in RUN_ENDS
    may_settle = _is_for(step, user)
    able = {
        "retry": not is_open and not step.is_undo and access.can(user, "runs.retry") and _is_free(run),
        "cancel": is_open and not step.is_undo and _is_open(step) and may_settle and access.can(user, "runs.cancel"),
        "requeue": step.status == StepStatus.DEAD and access.can(user, "runs.retry") and _may_requeue(read, step),
        "answer": is_open and step.asked and may_settle and access.can(user, "runs.answer"),
        "give-up": _is_being_undone(step) and access.can(user, "runs.cancel"),
    }
    return frozenset(name for name, is_possible in able.items() if is_possible)


def _is_open(step: StepProgress) -> bool:
    return step.status in _WITHDRAWABLE


def _is_for(step: StepProgress, user: Any) -> bool:
    """Whether the person may settle the step, which may be for administrators only."""
    return user.role == Role.ADMIN or step.row is None or not settling.is_for_admin(step.spec, step.row)


def _may_requeue(read: RunProgress, step: StepProgress) -> bool:
    if step.is_left_done:
        return True
    states = {each.name: each.status for each in read.steps}
    return not requeueing.why_not(read.run, read.definition, states, step.name)


def _is_being_undone(step: StepProgress) -> bool:
    undoing = step if step.is_undo else step.undo
    return undoing is not None and _is_open(undoing)


def _is_free(run: Run) -> bool:
    """Whether the run is no step of another, and nothing that it serves forbids to retry it."""
    if run.parent_id is not None:
        return False
    ask = ports.retries.get(run.serves_kind)
    return ask is None or not ask(run.serves_id)
