"""What may be done to a run and its steps now, by this person: pages offer no more than that. Reads only."""

from typing import Any

from orchestra.kernel import access
from orchestra.kernel.models import Role
from workflows import ports
from workflows.definition import Definition
from workflows.models import RUN_ENDS, Run, RunStatus, StepStatus
from workflows.progress import StepProgress
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


def with_step(run: Run, step: StepProgress, user: Any) -> frozenset[str]:
    """Of ``retry cancel requeue answer`` those that are possible with a task."""
    is_open = run.status not in RUN_ENDS
    able = {
        "retry": not is_open and not step.is_undo and access.can(user, "runs.retry") and _is_free(run),
        "cancel": is_open and not step.is_undo and step.status in _WITHDRAWABLE and access.can(user, "runs.cancel"),
        "requeue": step.status == StepStatus.DEAD and access.can(user, "runs.retry"),
        "answer": is_open and step.asked and _may_answer(step, user),
    }
    return frozenset(name for name, is_possible in able.items() if is_possible)


def _may_answer(step: StepProgress, user: Any) -> bool:
    if not access.can(user, "runs.answer"):
        return False
    human = step.spec.human
    escalated = human is not None and step.row is not None and step.row.round > 0
    return user.role == Role.ADMIN or not (escalated or (human is not None and human.role == Role.ADMIN))


def _is_free(run: Run) -> bool:
    """Whether the run is no step of another, and nothing that it serves forbids to retry it."""
    if run.parent_id is not None:
        return False
    ask = ports.retries.get(run.serves_kind)
    return ask is None or not ask(run.serves_id)
