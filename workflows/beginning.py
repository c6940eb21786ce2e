"""How runs come to be: checked against their definition, stored, and their first steps decided on, in one group."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from orchestra.kernel import canonical, schemas
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import FieldError, Invalid, TooLarge
from orchestra.kernel.events import NOTHING, Ref
from workflows import advance, definitions, queues, routing
from workflows.definition import Definition
from workflows.group import Group
from workflows.models import Run, Step, WorkflowVersion

MAX_INPUT = 1024 * 1024
MAX_DEPTH = 20
"""Runs within runs; a workflow that begins itself without end stops here."""
PRIORITIES = range(-100, 101)
QUEUE = re.compile(r"[\w-]{0,50}")


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms runs begin; an empty queue means the definition's."""

    priority: int = 0
    queue: str = ""
    tier: str = ""
    start_at: datetime | None = None
    deadline: datetime | None = None
    replays: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """One run to begin: its input, what it serves, its story's correlation, and the step that it is, if it is one."""

    input: Mapping[str, Any]
    correlation: str
    serves: Ref = NOTHING
    parent: Step | None = None
    depth: int = 0


def begin(group: Group, version: WorkflowVersion, orders: Sequence[Order], terms: Terms, *, by: Actor) -> list[Run]:
    """Begin a run of ``version`` for each order, in a constant number of statements. Raises :class:`Invalid`."""
    definition = definitions.parsed([version.pk])[version.pk]
    check(definition, orders, terms, group.now)
    chosen = routing.route(definition, tier=terms.tier, given=terms.queue)
    queues.ensure([terms.queue] if terms.queue else [])
    runs = [_run(definition, order, terms, group.now, by) for order in orders]
    for run in runs:
        run.version, run.queue, run.routed_by = version, chosen.queue, chosen.by
    group.adopt(Run.objects.bulk_create(runs))
    for run in runs:
        group.record_run("RunStarted", run, actor=by, reason=terms.reason, queue=chosen.queue, routed_by=chosen.by)
        advance.proceed(group, run)
    return runs


def check(definition: Definition, orders: Sequence[Order], terms: Terms, now: datetime) -> None:
    """Raise :class:`Invalid` with every fault of what is asked for, or :class:`TooLarge`."""
    faults = _faults_of_terms(terms, now)
    if definition.serves and any(order.serves.kind != definition.serves for order in orders):
        message = f"Runs of this workflow belong to an object of kind {definition.serves}, whose pages begin them."
        faults.append({"path": "workflow", "message": message})
    for order in orders:
        if len(canonical.text(order.input)) > MAX_INPUT:
            raise TooLarge("The input of a run may have at most 1 MB; store large data elsewhere and send its address.")
        if definition.input_schema is not None:
            faults += schemas.faults(definition.input_schema, order.input, "input")
        if "steps" in order.input:
            message = "This name belongs to the outputs of steps; choose another."
            faults.append({"path": "input.steps", "message": message})
        if definition.reserves and "resources" in order.input:
            message = "This name belongs to what runs and steps hold; choose another."
            faults.append({"path": "input.resources", "message": message})
    if faults:
        raise Invalid(errors=faults)


def _faults_of_terms(terms: Terms, now: datetime) -> list[FieldError]:
    faults: list[FieldError] = []
    if not QUEUE.fullmatch(terms.queue):
        faults.append({"path": "queue", "message": "Give a name of letters, digits, - and _, at most 50 characters."})
    if terms.priority not in PRIORITIES:
        faults.append({"path": "priority", "message": "Give a whole number from -100 to 100; higher goes first."})
    begins = max(now, terms.start_at or now)
    if terms.deadline is not None and terms.deadline <= begins:
        faults.append({"path": "deadline", "message": "Give a time after the run begins."})
    return faults


def _run(definition: Definition, order: Order, terms: Terms, now: datetime, by: Actor) -> Run:
    begins = max(now, terms.start_at or now)
    deadline = terms.deadline
    if deadline is None and definition.deadline_s is not None:
        deadline = begins + timedelta(seconds=definition.deadline_s)
    return Run(
        input=order.input,
        priority=terms.priority,
        tier=terms.tier,
        serves_kind=order.serves.kind,
        serves_id=str(order.serves.id),
        correlation=order.correlation,
        started_by=by.label,
        parent=order.parent,
        depth=order.depth,
        replays_id=terms.replays,
        created_at=now,
        start_at=begins if begins > now else None,
        deadline=deadline,
    )
