"""The engine's verbs for those outside it: start runs, answer human steps, cancel. Each joins the open unit of work."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from orchestra.kernel import access, canonical, events
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, FieldError, Invalid, NotFound, TooLarge
from orchestra.kernel.events import NOTHING, Ref
from orchestra.kernel.models import Role
from workflows import advance, definitions, schemas
from workflows.definition import Definition
from workflows.group import Group
from workflows.models import RUN_ENDS, Run, RunStatus, Step, StepStatus, WorkflowVersion

access.grant(
    {"runs.view": Role.VIEWER, "runs.start": Role.OPERATOR, "runs.cancel": Role.OPERATOR, "runs.answer": Role.OPERATOR}
)

MAX_INPUT = 1024 * 1024
PRIORITIES = range(-100, 101)
QUEUE = re.compile(r"[\w-]{0,50}")


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms runs begin; an empty queue means the definition's."""

    priority: int = 0
    queue: str = ""
    reason: str = ""


def start(  # noqa: PLR0913  the words of the API
    workflow: str,
    input: Mapping[str, Any],  # the word of the API and of definitions
    *,
    by: Actor,
    serves: Ref = NOTHING,
    version: int | None = None,
    priority: int = 0,
    queue: str = "",
    reason: str = "",
) -> Run:
    """Begin a run of the newest version (or of ``version``); its first steps are ready when this commits.

    ``queue`` is that of the definition unless it is given; of higher ``priority`` goes first.
    """
    found = definitions.newest(workflow, version)
    return _start(found, [(input, serves)], Terms(priority, queue, reason), by=by)[0]


def start_many(
    workflow: str, orders: Sequence[tuple[Mapping[str, Any], Ref]], *, by: Actor, priority: int = 0
) -> list[Run]:
    """Begin a run for each (input, what it serves), in a constant number of statements, in the order given."""
    return _start(definitions.newest(workflow), orders, Terms(priority), by=by)


def answer(step_id: int, output: Mapping[str, Any], *, by: Actor, reason: str = "") -> None:
    """Complete a step that waits for a person. Raises :class:`Conflict` if it no longer waits."""
    access.check(by, "runs.answer")
    with events.recording(by):
        run_id = Step.objects.filter(pk=step_id).values_list("run_id", flat=True).first()
        if run_id is None:
            raise NotFound("There is no such step; its run may have been removed.")
        group = Group(timezone.now())
        group.lock_runs([run_id])
        step = group.lock_steps([step_id])[step_id]
        if step.status != StepStatus.WAITING:
            raise Conflict("This step no longer waits for an answer; reload its run to see what happened.")
        group.move(step, StepStatus.SUCCEEDED, output=dict(output))
        group.record_step("StepAnswered", step, actor=by, reason=reason)
        advance.proceed(group, group.runs[run_id])
        group.save()


def cancel(run_id: int, *, by: Actor, reason: str) -> Run:
    """End a run now: what waits or is ready never begins, and the answer of a call in flight is refused."""
    access.check(by, "runs.cancel")
    if not reason.strip():
        raise Invalid(errors=[{"path": "reason", "message": "Say why the run is cancelled."}])
    with events.recording(by):
        group = Group(timezone.now())
        group.lock_runs([run_id])
        run = group.runs.get(run_id)
        if run is None:
            raise NotFound("There is no such run; it may have been removed.")
        if run.status in RUN_ENDS:
            raise Conflict(f"This run has {run.status} already, so there is nothing to cancel.")
        open_steps = Step.objects.filter(run=run, status__in=[StepStatus.READY, StepStatus.RUNNING, StepStatus.WAITING])
        steps = group.lock_steps(list(open_steps.values_list("pk", flat=True)))
        advance.cancel_steps(group, list(steps.values()), reason)
        group.move_run(run, RunStatus.CANCELLED, error=reason)
        group.record_run("RunCancelled", run, reason=reason, actor=by)
        group.save()
    return run


def _start(
    version: WorkflowVersion,
    orders: Sequence[tuple[Mapping[str, Any], Ref]],
    terms: Terms,
    *,
    by: Actor,
) -> list[Run]:
    access.check(by, "runs.start")
    _check(definitions.parsed([version.pk])[version.pk], orders, terms)
    with events.recording(by) as unit:
        group = Group(timezone.now())
        runs = Run.objects.bulk_create(
            [
                Run(
                    version=version,
                    input=input_,
                    priority=terms.priority,
                    queue=terms.queue or version.definition.get("queue", "default"),
                    serves_kind=serves.kind,
                    serves_id=str(serves.id),
                    correlation=_correlation(unit, orders, serves),
                    started_by=by.label,
                    created_at=group.now,
                )
                for input_, serves in orders
            ]
        )
        group.adopt(runs)
        for run in runs:
            group.record_run("RunStarted", run, actor=by, reason=terms.reason)
            advance.proceed(group, run)
        group.save()
    return runs


def _correlation(unit: events.Unit, orders: Sequence[Any], serves: Ref) -> str:
    """One story for a single run and what started it; a story each for the many of an import."""
    return unit.correlation if len(orders) == 1 else f"{unit.correlation[:20]}-{serves.kind}-{serves.id}"[:64]


def _check(definition: Definition, orders: Sequence[tuple[Mapping[str, Any], Ref]], terms: Terms) -> None:
    faults: list[FieldError] = []
    if definition.serves and any(serves.kind != definition.serves for _, serves in orders):
        message = f"Runs of this workflow belong to an object of kind {definition.serves}, whose pages begin them."
        faults.append({"path": "workflow", "message": message})
    if not QUEUE.fullmatch(terms.queue):
        faults.append({"path": "queue", "message": "Give a name of letters, digits, - and _, at most 50 characters."})
    if terms.priority not in PRIORITIES:
        faults.append({"path": "priority", "message": "Give a whole number from -100 to 100; higher goes first."})
    for input_, _ in orders:
        if len(canonical.text(input_)) > MAX_INPUT:
            raise TooLarge("The input of a run may have at most 1 MB; store large data elsewhere and send its address.")
        if definition.input_schema is not None:
            faults += schemas.faults(definition.input_schema, input_, "input")
        if "steps" in input_:
            faults.append(
                {"path": "input.steps", "message": "This name belongs to the outputs of steps; choose another."}
            )
    if faults:
        raise Invalid(errors=faults)
