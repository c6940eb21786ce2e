"""Keeps steps that are workflows and the runs that they are in step: begins those runs, and hands up what they come to.

A run and the run it lies within are never locked by the same turn of an executor; each step here is a unit of its own,
called after the commit that made it due and by the ticker, and harmless again.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db.models import F, Max, OuterRef, Subquery

from orchestra.kernel import events
from orchestra.kernel.clock import database_now
from orchestra.kernel.errors import Conflict, Invalid, OrchestraError
from orchestra.kernel.events import Ref
from workflows import advance, beginning, definitions, holding, settling
from workflows.beginning import MAX_DEPTH, Order, Terms
from workflows.definition import Definition, StepSpec, step_of
from workflows.group import ENGINE, Group
from workflows.halving import each_group
from workflows.models import RUN_ENDS, Run, RunStatus, Step, StepStatus, WaitsFor, WorkflowVersion
from workflows.reasons import listed
from workflows.starting import given

BATCH = 200
PUT_OFF = timedelta(hours=1)
"""A step whose turn raises is tried again so much later."""
_put_aside: dict[int, datetime] = {}
"""Steps that could not be told what their run came to, and until when this process leaves them alone. Their row says
nothing of it: a time to wake at would begin another run."""
UNDER_WAY = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED)


def deliver() -> int:
    """Do all of it once; returns how much that was."""
    return begin_children() + hand_up() + end_orphans() + holding.go_on_granted()


def begin_children() -> int:
    """Begin the runs of steps that are workflows and whose run is due."""
    due = Step.objects.filter(status=StepStatus.WAITING, waits_for=WaitsFor.CHILD, wake_at__lte=database_now())
    due = due.exclude(run__status=RunStatus.PAUSED).order_by("wake_at")
    return each_group(list(due.values_list("pk", "run_id")[:BATCH]), _begin_all, _put_off)


def hand_up() -> int:
    """Settle the steps whose run has ended with what it came to."""
    waiting = Step.objects.filter(status=StepStatus.WAITING, waits_for=WaitsFor.CHILD, wake_at__isnull=True)
    # A step that was tried again or repeated has had runs before, whose outcome is told already.
    newest = Run.objects.filter(parent=OuterRef("pk")).order_by("-pk")
    ended = newest.filter(status__in=RUN_ENDS)
    waiting = waiting.annotate(child=Subquery(newest.values("pk")[:1]), ended=Subquery(ended.values("pk")[:1]))
    now = database_now()
    aside = [pk for pk, until in _put_aside.items() if until > now]
    waiting = waiting.filter(child=F("ended")).exclude(pk__in=aside).order_by("pk")
    found = list(waiting.values_list("pk", "run_id", "child")[:BATCH])
    return each_group(found, _hand_up_all, lambda each: _put_aside.update({each[0]: now + PUT_OFF}))


def end_orphans() -> int:
    """Cancel runs whose step no longer waits for them: it was withdrawn, or its own run ended."""
    orphans = Run.objects.filter(status__in=UNDER_WAY, parent__isnull=False)
    orphans = orphans.exclude(parent__status=StepStatus.WAITING)
    return each_group(list(orphans.order_by("pk").values_list("pk", flat=True)[:BATCH]), _end_all, lambda _: None)


def _begin_all(found: Sequence[tuple[int, int]]) -> int:
    with events.recording(ENGINE):
        group = Group(database_now())
        group.lock_runs([run for _, run in found])
        steps = [step for step in group.lock_steps([pk for pk, _ in found]).values() if _is_due(step, group)]
        alike: dict[tuple[int, str], list[Step]] = defaultdict(list)
        for step in steps:
            alike[step.run_id, step_of(step.name)].append(step)
        for (run_id, name), items in alike.items():
            _begin_children_of(group, group.runs[run_id], name, items)
        for run in {step.run_id: group.runs[step.run_id] for step in steps}.values():
            advance.proceed(group, run)
        group.save()
    return len(steps)


def _hand_up_all(found: Sequence[tuple[int, int, int]]) -> int:
    with events.recording(ENGINE):
        group = Group(database_now())
        group.lock_runs([run for _, run, _ in found])
        steps = group.lock_steps([step for step, _, _ in found])
        children = {run.pk: run for run in Run.objects.filter(pk__in=[pk for _, _, pk in found])}
        runs = Run.objects.filter(parent__in=steps).order_by()
        newest = dict(runs.values_list("parent_id").annotate(Max("pk")))  # somebody else may have begun another since
        handed = 0
        for step_id, _, pk in found:
            step = steps.get(step_id)
            if step is None or step.waits_for != WaitsFor.CHILD or step.wake_at is not None or newest[step_id] != pk:
                continue
            _hand_up(group, step, children[pk])
            handed += 1
        for run in list(group.runs.values()):
            advance.proceed(group, run)
        group.save()
    return handed


def _end_all(runs: Sequence[int]) -> int:
    with events.recording(ENGINE):
        group = Group(database_now())
        group.lock_runs(runs)
        for run in [group.runs[pk] for pk in sorted(group.runs)]:
            if run.status not in (*RUN_ENDS, RunStatus.COMPENSATING):
                advance.stop(group, run, RunStatus.CANCELLED, "The step that it was no longer waits for it.")
        group.save()
    return len(runs)


def _put_off(found: Sequence[int]) -> None:
    with events.recording(ENGINE):
        Step.objects.filter(pk=found[0]).update(wake_at=database_now() + PUT_OFF)


def _is_due(step: Step, group: Group) -> bool:
    waits = step.status == StepStatus.WAITING and step.waits_for == WaitsFor.CHILD
    return waits and step.wake_at is not None and step.wake_at <= group.now and not _is_held(group, step)


def _is_held(group: Group, step: Step) -> bool:
    return group.runs[step.run_id].status == RunStatus.PAUSED


def _begin_children_of(group: Group, run: Run, name: str, steps: Sequence[Step]) -> None:
    """Begin the runs of ``steps``, which are one step of ``run`` or items of its fan-out, in one go."""
    spec = group.definition(run).step(name)
    orders: list[Order] = []
    refusal = _why_no_more(group, run, spec)
    for step in steps:
        step.attempt, step.wake_at = step.attempt + 1, None
        group.touch(step)
        try:
            input_ = given(run, spec, step)
            _check(run, input_)
            if refusal:
                raise Conflict(refusal)
        except OrchestraError as error:
            _refuse(group, step, error)
        else:
            orders.append(Order(input_, run.correlation or uuid4().hex, _served(run), step, run.depth + 1))
    reason = f"step {name} of run {run.pk}"
    terms = Terms(run.priority, tier=run.tier, deadline=_deadline(group, run, spec), reason=reason)
    _begin_orders(group, spec.workflow, orders, terms)


def _begin_orders(group: Group, workflow: str, orders: Sequence[Order], terms: Terms) -> None:
    """Begin them all together; if one is refused, one by one, so that it takes no other with it."""
    try:
        if orders:
            beginning.begin(group, definitions.newest(workflow), orders, terms, by=ENGINE)
    except OrchestraError as error:
        if len(orders) > 1:
            for order in orders:
                _begin_orders(group, workflow, [order], terms)
        elif orders[0].parent is not None:
            _refuse(group, orders[0].parent, error)


def _refuse(group: Group, step: Step, error: OrchestraError) -> None:
    faults = "; ".join(f"{fault['path']}: {fault['message']}" for fault in error.errors)
    settling.fail(group, step, f"Its workflow could not begin. {error} {faults}".strip())


def _check(run: Run, input_: Any) -> None:
    if run.depth >= MAX_DEPTH:
        raise Conflict(f"It lies within {MAX_DEPTH} runs already; a workflow that begins itself must end somewhere.")
    if not isinstance(input_, Mapping):
        raise Invalid("Its input is not a table of names and values, which every run is given; mend the step's input.")


def _why_no_more(group: Group, run: Run, spec: StepSpec) -> str:
    """Why a run of ``spec.workflow`` may not begin within ``run``: it would ask for more than its outer ones hold."""
    holder = _holder_around(group.definition(run), run, spec)
    version = (
        WorkflowVersion.objects.filter(workflow__name=spec.workflow).order_by("-number").first() if holder else None
    )
    if version is None:
        return ""
    inner = definitions.parsed([version.pk])[version.pk]
    if not inner.reserves:
        return ""
    lines = (*inner.resources, *(line for step in inner.steps for line in step.resources))
    wanted = dict.fromkeys(line.type for line in lines)
    return (
        f"It asks for {listed(list(wanted))}, but lies within {holder}, which holds resources already: who holds "
        "something and waits for more may wait for ever. Ask for all of it there, where it is held for this run too."
    )


def _holder_around(definition: Definition, run: Run, spec: StepSpec) -> str:
    """The innermost of the runs and steps around that hold something, in words; nothing if none does."""
    while True:
        if definition.resources:
            return f"run #{run.pk}"
        if spec.resources:
            return f"the step {spec.name} of run #{run.pk}"
        outer = Step.objects.filter(pk=run.parent_id).select_related("run").first() if run.parent_id else None
        if outer is None:
            return ""
        run = outer.run
        definition = definitions.parsed([run.version_id])[run.version_id]
        spec = definition.step(outer.name)


def _deadline(group: Group, run: Run, spec: StepSpec) -> datetime | None:
    """When the run must have ended: with the one that it lies within, or when its step is over its time."""
    if not spec.timeout_s:
        return run.deadline
    due = group.now + timedelta(seconds=spec.timeout_s)
    return due if run.deadline is None else min(due, run.deadline)


def _served(run: Run) -> Ref:
    return Ref(run.serves_kind, run.serves_id) if run.serves_kind else events.NOTHING


def _hand_up(group: Group, step: Step, child: Run) -> None:
    if child.status == RunStatus.SUCCEEDED:
        settling.succeed(group, step, child.output, run=child.pk)
    elif child.status == RunStatus.CANCELLED:  # somebody wanted it so; what comes after it must not go on as if done
        settling.fail(group, step, f"Its run #{child.pk} was cancelled: {child.error}")
    else:
        settling.fail(group, step, f"Its run #{child.pk} failed: {child.error}", retryable=True)
