"""The engine's verbs for those outside it: start runs, answer human steps, send signals. Each joins the open unit.

What is done to runs under way (cancel, pause, retry …) is in ``control.py``.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from orchestra.kernel import access, canonical, events, schemas
from orchestra.kernel.access import Actor
from orchestra.kernel.clock import database_now
from orchestra.kernel.errors import Conflict, FieldError, Forbidden, Invalid, NotFound, TooLarge
from orchestra.kernel.events import NOTHING, Ref
from orchestra.kernel.models import Role
from workflows import advance, beginning, definitions, settling, starting
from workflows.beginning import MAX_INPUT, Order, Terms
from workflows.group import Group
from workflows.models import RUN_ENDS, Run, RunStatus, Signal, Step, StepStatus, WaitsFor

access.grant({"runs.view": Role.VIEWER, "runs.start": Role.OPERATOR, "runs.answer": Role.OPERATOR})
access.grant({"runs.signal": Role.OPERATOR})

MOST_SIGNALS = 1000
"""Signals that a run may be sent before its steps take them."""


def start(  # noqa: PLR0913  the words of the API
    workflow: str,
    input: Mapping[str, Any],  # the word of the API and of definitions
    *,
    by: Actor,
    serves: Ref = NOTHING,
    version: int | None = None,
    priority: int = 0,
    queue: str = "",
    tier: str = "",
    start_at: datetime | None = None,
    deadline: datetime | None = None,
    replays: int | None = None,
    reason: str = "",
) -> Run:
    """Begin a run of the newest version (or of ``version``); its first steps are ready when this commits.

    ``queue`` is that of the definition unless it is given; of higher ``priority`` goes first; nothing happens before
    ``start_at``, and the run fails if it has not ended by ``deadline``.
    """
    found = definitions.newest(workflow, version)
    if replays is not None and not Run.objects.filter(pk=replays).exists():
        raise NotFound(f"There is no run #{replays} to repeat; it may have been removed.")
    terms = Terms(priority, queue, tier, start_at, deadline, replays, reason)
    return _start(found, [(input, serves)], terms, by=by)[0]


def start_many(
    workflow: str, orders: Sequence[tuple[Mapping[str, Any], Ref]], *, by: Actor, priority: int = 0
) -> list[Run]:
    """Begin a run for each (input, what it serves), in a constant number of statements, in the order given."""
    return _start(definitions.newest(workflow), orders, Terms(priority), by=by)


def answer(step_id: int, output: Mapping[str, Any], *, by: Actor, reason: str = "") -> None:
    """Complete a step that waits for a person. Raises :class:`Conflict` if it no longer waits."""
    access.check(by, "runs.answer")
    with events.recording(by):
        group, step = _locked(step_id)
        run = group.runs[step.run_id]
        if step.status != StepStatus.WAITING or step.waits_for not in (WaitsFor.PERSON, WaitsFor.AGENT):
            raise Conflict("This step no longer waits for an answer; reload its run to see what happened.")
        _check_answer(group, step, output, by)
        _check_size(output, "An answer")
        settling.succeed(group, step, dict(output), actor=by, answered=True, reason=reason)
        advance.proceed(group, run)
        group.save()


def signal(run_id: int, name: str, payload: Any = None, *, by: Actor, reason: str = "") -> Run:
    """Tell a run that something happened: a step that waits for it goes on, or the first that will.

    Raises :class:`Conflict` if the run has ended.
    """
    access.check(by, "runs.signal")
    _check_signal(name, payload)
    with events.recording(by):
        group = Group(database_now())
        group.lock_runs([run_id])
        run = group.runs.get(run_id)
        if run is None:
            raise NotFound("There is no such run; it may have been removed.")
        if run.status in (*RUN_ENDS, RunStatus.COMPENSATING):
            raise Conflict(f"This run is {run.get_status_display()}, so no step of it can take a signal any more.")
        if len(group.mailbox.of(run)) >= MOST_SIGNALS:
            raise Conflict(f"{MOST_SIGNALS:,} signals wait for this run already; let its steps take those first.")
        sent = Signal.objects.create(run=run, name=name, payload=payload, sent_by=by.label, sent_at=group.now)
        group.mailbox.of(run).append(sent)
        group.record_run("SignalSent", run, actor=by, reason=reason, signal=name)
        _let_it_be_taken(group, run, name)
        advance.proceed(group, run)
        group.save()
    return run


def _let_it_be_taken(group: Group, run: Run, name: str) -> None:
    definition = group.definition(run)
    takers = [spec.name for spec in definition.steps if name in starting.signals_of(spec)]
    for step in group.lock_tasks(run, takers) if takers else ():
        if step.waits_for not in (WaitsFor.SIGNAL, WaitsFor.FIRST):
            continue
        taken = group.mailbox.take(run, {name}, step)
        if taken is not None:
            starting.signal(group, step, taken.name, taken.payload)
            return


def _check_signal(name: str, payload: Any) -> None:
    if not name or len(name) > 100:
        raise Invalid(errors=[{"path": "name", "message": "Name the signal, with at most 100 characters."}])
    _check_size(payload, "A signal")


def _check_size(value: Any, what: str) -> None:
    if len(canonical.text(value)) > MAX_INPUT:
        raise TooLarge(f"{what} may have at most 1 MB; store large data elsewhere and send its address.")


def _locked(step_id: int) -> tuple[Group, Step]:
    run_id = Step.objects.filter(pk=step_id).values_list("run_id", flat=True).first()
    if run_id is None:
        raise NotFound("There is no such step; its run may have been removed.")
    group = Group(database_now())
    group.lock_runs([run_id])
    return group, group.lock_steps([step_id])[step_id]


def _check_answer(group: Group, step: Step, output: Mapping[str, Any], by: Actor) -> None:
    spec = group.definition(group.runs[step.run_id]).step(step.name)
    human = spec.human
    if human is None:
        return
    if settling.is_for_admin(spec, step) and by.kind == "person" and by.role != Role.ADMIN:
        raise Forbidden("This step waits for an administrator; ask one to answer it.")
    if human.form is not None:
        faults: list[FieldError] = schemas.faults(human.form, output, "output")
        if faults:
            raise Invalid(errors=faults)


def _start(version: Any, orders: Sequence[tuple[Mapping[str, Any], Ref]], terms: Terms, *, by: Actor) -> list[Run]:
    access.check(by, "runs.start")
    with events.recording(by) as unit:
        group = Group(timezone.now())
        placed = [Order(input_, _correlation(unit, orders, serves), serves) for input_, serves in orders]
        runs = beginning.begin(group, version, placed, terms, by=by)
        group.save()
    return runs


def _correlation(unit: events.Unit, orders: Sequence[Any], serves: Ref) -> str:
    """One story for a single run and what started it; a story each for the many of an import."""
    return unit.correlation if len(orders) == 1 else f"{unit.correlation[:20]}-{serves.kind}-{serves.id}"[:64]
