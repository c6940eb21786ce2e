"""Tasks from outside: single pieces of work without a workflow of their own, and answers of workers elsewhere.

A task is the one step of a run of the built-in workflow ``task``, so it waits, is explained, retried and audited as any
other. Who works on a step elsewhere names its lease with every answer; one that is not the current lease changes
nothing, and the refusal is recorded.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from agents import health, measures, remote
from agents.invoke import MESSAGE_LIMIT, fault_of
from agents.outcomes import Fault
from agents.printable import printable
from orchestra.kernel import access, events
from orchestra.kernel.access import Actor
from orchestra.kernel.clock import database_now
from orchestra.kernel.errors import FieldError, Held, Invalid, NotFound, StaleLease
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Role
from workflows import advance, beginning, definitions, overdue, relay, saving, settling
from workflows.beginning import Order, Terms
from workflows.group import ENGINE, Group
from workflows.models import Step, StepStatus, WaitsFor, WorkflowVersion

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
    version = workflow()
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


def complete(  # noqa: PLR0913  the words of the API
    step_id: int, lease: int, output: Any, *, by: Actor, holder: str = "", reason: str = ""
) -> Step:
    """Settle a step that is worked on elsewhere. Raises :class:`StaleLease` unless ``lease`` is its current one.

    ``holder`` is the registration of a remote worker: where it is given, it must be the one that claimed the step.
    """
    if fault := fault_of(output):
        raise Invalid(errors=[{"path": "output", "message": fault}])
    with _held(step_id, lease, by, holder) as held:
        settling.succeed(held.group, held.step, output, actor=held.actor, reason=reason, attempt=held.step.attempt)
        held.counts(None)
    return _told(held)


def fail(  # noqa: PLR0913  the words of the API
    step_id: int,
    lease: int,
    error: str,
    *,
    by: Actor,
    holder: str = "",
    retryable: bool = True,
    fault: Fault = Fault.AGENT,
    retry_after_s: float | None = None,
    reason: str = "",
) -> Step:
    """Say that a try failed, and by whose fault; whether there is another one, the step's policy says.

    Of ``error`` is kept what can be printed, and no more than of any other agent's; ``reason`` is for the audit trail.
    """
    error = printable(error, MESSAGE_LIMIT) or "It failed without a word."
    with _held(step_id, lease, by, holder) as held:
        settling.fail(
            held.group,
            held.step,
            error,
            actor=held.actor,
            retryable=retryable,
            not_before_s=retry_after_s,
            why=f"{error} {reason}".rstrip(),
        )
        held.counts(fault, error)
    return _told(held)


def extend(step_id: int, lease: int, *, by: Actor, holder: str = "", reason: str = "") -> Step:
    """Keep the lease for another period, but not beyond the step's time limit; returns it with its new end.

    An answer that comes later needs no lease: the time that it has stays as it is. Nothing of this is an event, so
    ``reason`` is kept nowhere.
    """
    with _held(step_id, lease, by, holder) as held:
        step = held.step
        if step.status == StepStatus.RUNNING:
            since, is_remote = step.started_at, remote.is_remote(step.executor)
            step.lease_expires_at = overdue.lease_end(step, held.group.now, since=since, is_remote=is_remote)
            held.group.touch(step)
    return held.step


@dataclass(slots=True)
class _Held:
    """A step under lock, whose current lease the caller has, and who is to be named for what becomes of it."""

    group: Group
    step: Step
    actor: Actor
    results: Sequence[health.Result] = ()

    def counts(self, fault: Fault | None, error: str = "") -> None:
        """How the try came out counts for its agent, unless it was a mere test; its run goes on."""
        step, now = self.step, self.group.now
        advance.proceed(self.group, self.group.runs[step.run_id])
        seconds = (now - step.started_at).total_seconds() if step.started_at else 0.0
        self.results = overdue.counts(step, seconds, fault, error)


def _told(held: _Held) -> Step:
    """What is due after the commit: the figures of the agent, and runs within runs."""
    for result in held.results:
        measures.observe(result.agent, result.seconds, result.fault)
    if held.group.relays:
        relay.deliver()
    return held.step


@contextmanager
def _held(step_id: int, lease: int, by: Actor, holder: str) -> Iterator[_Held]:
    """A unit with a step that is worked on, or waits for its agent's answer, under ``lease``; saved at its end."""
    access.check(by, "tasks.answer")
    run_id = Step.objects.filter(pk=step_id).values_list("run_id", flat=True).first()
    if run_id is None:
        raise NotFound("There is no such task; its run may have been removed.")
    with events.recording(by):
        group = Group(database_now())
        group.lock_runs([run_id])
        step = group.lock_steps([step_id])[step_id]
        target = Ref("step", step_id, step.name)
        if not _is_open(step) or step.token != lease or (holder and step.executor and step.executor != holder):
            raise StaleLease(target=target)
        if step.status == StepStatus.RUNNING and not remote.is_remote(step.executor):
            raise Held(
                "An executor waits for this answer itself, so it cannot be given over the API; only a remote worker, "
                "or an agent that said it answers later, answers here.",
                target=target,
            )
        remote.check_owner(step.executor, by)
        overdue.with_agents([step])
        held = _Held(group, step, replace(overdue.agent_of(step), on_behalf_of=by.label[:150]))
        yield held
        saving.with_calls(group, held.results)


def _is_open(step: Step) -> bool:
    """Whether somebody may answer it over the API: a try is under way, or its agent took it on and answers later."""
    if step.status == StepStatus.WAITING:
        return step.waits_for == WaitsFor.AGENT
    return step.status == StepStatus.RUNNING


def workflow() -> WorkflowVersion:
    """The built-in workflow of one step; joins the open unit where it must be published first."""
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
