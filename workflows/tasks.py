"""Tasks from outside: single pieces of work without a workflow of their own, and answers of workers elsewhere.

A task is the one step of a run of the built-in workflow ``task``, so it waits, is explained, retried and audited as any
other. Who works on a step elsewhere names its lease with every answer; one that is not the current lease changes
nothing, and the refusal is recorded.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings

from agents.invoke import MESSAGE_LIMIT, fault_of
from orchestra.kernel import access, events
from orchestra.kernel.access import Actor
from orchestra.kernel.clock import database_now
from orchestra.kernel.errors import FieldError, Invalid, NotFound, StaleLease
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Role
from workflows import advance, beginning, definitions, settling
from workflows.beginning import Order, Terms
from workflows.group import ENGINE, Group
from workflows.models import Step, StepStatus, WorkflowVersion

access.grant({"tasks.create": Role.OPERATOR, "tasks.answer": Role.OPERATOR})

TASK = "task"
MOST_CAPABILITIES = 20
MAX_TIMEOUT_S = 86_400.0
DEFINITION = {
    "title": "A single task",
    "steps": [{"name": TASK, "capabilities": ["{{ capabilities }}"], "input": "input"}],
    "output": {"result": "steps.task.output"},
}


def create(  # noqa: PLR0913  the words of the API
    capabilities: Sequence[str],
    input: Any,
    *,
    by: Actor,
    queue: str = "",
    priority: int = 0,
    timeout_s: float | None = None,
    deadline: datetime | None = None,
    reason: str = "",
) -> Step:
    """Put one piece of work into the queue, for an agent with all of ``capabilities``. Raises :class:`Invalid`."""
    access.check(by, "tasks.create")
    _check(capabilities, timeout_s)
    version = _version()
    with events.recording(by) as unit:
        group = Group(database_now())
        order = Order({"capabilities": list(capabilities), "input": input}, unit.correlation or uuid4().hex)
        (run,) = beginning.begin(
            group, version, [order], Terms(priority, queue, deadline=deadline, reason=reason), by=by
        )
        (step,) = (row for row in group.ready if row.run_id == run.pk)
        step.timeout_s = timeout_s or step.timeout_s
        group.save()
    return step


def complete(step_id: int, lease: int, output: Any, *, by: Actor) -> Step:
    """Settle a step that is worked on elsewhere. Raises :class:`StaleLease` unless ``lease`` is its current one."""
    if fault := fault_of(output):
        raise Invalid(errors=[{"path": "output", "message": fault}])
    with _held(step_id, lease, by) as (group, step):
        settling.succeed(group, step, output, actor=by, attempt=step.attempt)
        advance.proceed(group, group.runs[step.run_id])
    return step


def fail(step_id: int, lease: int, error: str, *, by: Actor, retryable: bool = True) -> Step:
    """Say that a try failed; whether there is another, the step's policy says."""
    with _held(step_id, lease, by) as (group, step):
        settling.fail(group, step, error[:MESSAGE_LIMIT] or "It failed without a word.", actor=by, retryable=retryable)
        advance.proceed(group, group.runs[step.run_id])
    return step


def extend(step_id: int, lease: int, *, by: Actor) -> Step:
    """Keep the lease for another period; returns the step with its new end."""
    with _held(step_id, lease, by) as (group, step):
        step.lease_expires_at = group.now + timedelta(seconds=settings.LEASE_S)
        group.touch(step)
    return step


@contextmanager
def _held(step_id: int, lease: int, by: Actor) -> Iterator[tuple[Group, Step]]:
    """A unit of work with a running step whose lease is still ``lease``; saved at its end."""
    access.check(by, "tasks.answer")
    run_id = Step.objects.filter(pk=step_id).values_list("run_id", flat=True).first()
    if run_id is None:
        raise NotFound("There is no such task; its run may have been removed.")
    with events.recording(by):
        group = Group(database_now())
        group.lock_runs([run_id])
        step = group.lock_steps([step_id])[step_id]
        if step.status != StepStatus.RUNNING or step.token != lease:
            raise StaleLease(target=Ref("step", step_id, step.name))
        yield group, step
        group.save()


def _version() -> WorkflowVersion:
    try:
        return definitions.newest(TASK)
    except NotFound:
        return definitions.publish(TASK, DEFINITION, by=ENGINE, allow_unknown=True)


def _check(capabilities: Sequence[str], timeout_s: float | None) -> None:
    faults: list[FieldError] = []
    if not 1 <= len(capabilities) <= MOST_CAPABILITIES:
        faults.append({"path": "capabilities", "message": f"Name 1 to {MOST_CAPABILITIES} capabilities."})
    if timeout_s is not None and not 0 < timeout_s <= MAX_TIMEOUT_S:
        faults.append({"path": "timeout", "message": "Give seconds, more than 0 and at most a day."})
    if faults:
        raise Invalid(errors=faults)
