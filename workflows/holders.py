"""Why who holds resources does not go on by himself: what a person stopped, or is asked for. Reads only."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from agents.ports import Holder
from orchestra.kernel.models import Event
from workflows import queues
from workflows.models import Run, RunStatus, Step, StepStatus, WaitsFor
from workflows.reasons import clock

MOST_STEPS = 500
_AWAITED: dict[str, str] = {
    WaitsFor.PERSON: "for a person",
    WaitsFor.CHILD: "for the run that it is",
    WaitsFor.SIGNAL: "for a signal",
    WaitsFor.FIRST: "for a signal or a time",
}


def stalled(holders: Collection[Holder]) -> dict[Holder, str]:
    """A sentence for each of ``holders`` that does not go on by itself now; in at most four queries."""
    now = timezone.now()
    paused = pauses({run for run, _ in holders}, now)
    found = {holder: paused[holder[0]] for holder in holders if holder[0] in paused}
    steps = _idle_steps({holder for holder in holders if holder[0] not in paused})
    closed = queues.paused({step.queue for step in steps if step.status == StepStatus.READY})
    for step in steps:
        said = _why(step, closed, now)
        own, of_run = (step.run_id, step.name), (step.run_id, "")
        if said and own in holders:
            found[own] = f"It {said}"
        elif said and of_run in holders and step.waits_for == WaitsFor.PERSON:
            found.setdefault(of_run, f"Its step {step.name} {said}")
    return found


def pauses(runs: Collection[int], now: datetime) -> dict[int, str]:
    """Of those of ``runs`` that are paused: since when, by whom and why, by the audit trail."""
    pks = list(Run.objects.filter(pk__in=runs, status=RunStatus.PAUSED).values_list("pk", flat=True))
    if not pks:
        return {}
    said = dict.fromkeys(pks, "Its run is paused.")
    told = Event.objects.filter(target_kind="run", target_id__in=[str(pk) for pk in pks], action="RunPaused")
    words = told.order_by("number").values_list("target_id", "happened", "actor_label", "detail__reason")
    for run, at, who, why in words:
        reason = f": {why}".rstrip(".") if why else ""
        said[int(run)] = f"Its run is paused since {clock(at, now)} by {who}{reason}."
    return said


def _idle_steps(holders: Collection[Holder]) -> list[Step]:
    """The open steps that hold something, and those of holding runs that wait for a person."""
    if not holders:
        return []
    own = Q(run__in={run for run, task in holders if task}, name__in={task for _, task in holders if task})
    of_runs = Q(run__in={run for run, task in holders if not task}, waits_for=WaitsFor.PERSON)
    rows = Step.objects.filter(own | of_runs, status__in=(StepStatus.WAITING, StepStatus.READY)).order_by("-pk")
    return list(rows.only("run_id", "name", "status", "waits_for", "started_at", "queue")[:MOST_STEPS])


def _why(step: Step, closed: Collection[str], now: datetime) -> str:
    if step.status == StepStatus.READY:
        return f"waits to begin, since its queue {step.queue} is paused." if step.queue in closed else ""
    if step.waits_for not in _AWAITED:
        return ""
    since = f", since {clock(step.started_at, now)}" if step.started_at else ""
    return f"waits {_AWAITED[step.waits_for]}{since}."
