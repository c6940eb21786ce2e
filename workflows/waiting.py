"""Why a step or a run is not running: a code, a sentence and a link, derived from rows at the moment of asking.

The same limits that the dispatcher applies decide here, so that what a page says is what admission uses.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from django.db.models import Count, Max, Q
from django.urls import reverse

from agents import resource_rows, snapshot
from agents.dispatch import Demand
from agents.remote import is_remote
from agents.resource_rows import Shortage
from agents.snapshot import Fleet
from orchestra.kernel import pulses, registry
from orchestra.kernel.models import Event, Role
from workflows import queue, scarcity, shortage, standing
from workflows.definition import UNDO, StepSpec
from workflows.models import RUN_ENDS, Run, RunStatus, Step, StepStatus, WaitsFor
from workflows.planner import SETTLED, Fan
from workflows.reasons import Reason, clock, listed
from workflows.standing import Standing

__all__ = ["Reason", "Situation", "of_run", "of_step", "of_unreached", "pause_of", "situation_of"]

TURN = ("queued", "busy", "pool_full")
"""Reasons that end when the step's turn comes, so that its place in the queue matters."""
EXECUTOR_SILENT_S = 15.0
"""Three heartbeats: an executor that was silent for longer is not counted on."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the judgement is made on: the fleet, its calls in flight, whether executors live, what steps consist of."""

    now: datetime
    fleet: Fleet = field(default_factory=lambda: Fleet(0, {}))
    in_use: Mapping[int, int] = field(default_factory=dict)
    executors: int = 1
    fans: Mapping[tuple[int, str], Fan] = field(default_factory=dict)
    """The items of steps that wait for them, by run and step."""
    children: Mapping[int, Run] = field(default_factory=dict)
    """The newest run of each step that is a workflow, by the step."""
    standing: Standing = field(default_factory=Standing)
    """The queues of those that are ready."""
    pools: Mapping[int, shortage.Bounds] = field(default_factory=dict)
    shortages: Mapping[tuple[int, str], Shortage] = field(default_factory=dict)
    """What runs and steps that wait for resources ask for, by run and step; the run itself by an empty name."""


def situation_of(steps: Collection[Step], now: datetime, runs: Collection[Run] = ()) -> Situation:
    """The situation that ``steps`` are in; of each thing only what one of them asks for is read.

    ``runs`` are those that hold resources as a whole, and so may wait for them.
    """
    waiting = [step for step in steps if step.status == StepStatus.WAITING]
    fans = _fans_of([step for step in waiting if step.waits_for == WaitsFor.ITEMS])
    children = children_of([step.pk for step in waiting if step.waits_for == WaitsFor.CHILD])
    holders = [(step.run_id, step.name) for step in waiting if step.waits_for == WaitsFor.RESOURCES]
    holders += [(run.pk, "") for run in runs if run.finished_at is None]
    shortages = resource_rows.shortages(holders)
    asks = [step for step in steps if step.waits_for == WaitsFor.AGENT or _is_due(step, now)]
    if not asks:
        return Situation(now, fans=fans, children=children, shortages=shortages)
    executors = pulses.alive(pulses.EXECUTOR, within_s=EXECUTOR_SILENT_S).count()
    stands = standing.read([step for step in asks if step.status == StepStatus.READY], now)
    fleet = snapshot.read()
    pools = shortage.pools_of(fleet)
    return Situation(now, fleet, queue.in_use(), executors, fans, children, stands, pools, shortages)


def _is_due(step: Step, now: datetime) -> bool:
    return step.status == StepStatus.READY and step.available_at <= now


def of_unreached(spec: StepSpec, statuses: Mapping[str, str]) -> Reason:
    """A step that was not reached yet waits for those it needs."""
    missing = [need for need in spec.needs if statuses.get(need) not in SETTLED]
    if not missing:
        return Reason("next", "It is decided on as soon as the step before it is stored.")
    if spec.join:
        succeeded = sum(statuses.get(need) == StepStatus.SUCCEEDED for need in spec.needs)
        return Reason("needs", f"It needs {spec.join - succeeded} of {listed(missing)} to succeed first.")
    return Reason("needs", f"It needs {listed(missing)} to end first.")


def of_step(step: Step, run: Run, spec: StepSpec, situation: Situation) -> Reason | None:
    """Why ``step`` is not being worked on; None if it is, or has ended."""
    if step.status == StepStatus.READY:
        return _of_ready(step, situation)
    if step.status == StepStatus.WAITING:
        return _OF_WAITING[WaitsFor(step.waits_for)](step, run, spec, situation)
    if step.status == StepStatus.COMPENSATING:
        return Reason("compensating", f"It is being undone by {step.name}{UNDO}.", _step_link(run, step.name + UNDO))
    if step.status == StepStatus.RUNNING and step.lease_expires_at and step.lease_expires_at < situation.now:
        who = "remote worker" if is_remote(step.executor) else "executor"
        return Reason("lease_expired", f"Its {who} stopped answering; in a moment it goes back to the queue.")
    return None


def of_run(run: Run, reasons: Mapping[str, Reason | None], situation: Situation, paused: str = "") -> Reason | None:
    """Why nothing of ``run`` moves. ``reasons``: those of its open steps by name; ``paused``: by whom and why."""
    if run.status in RUN_ENDS:
        return None
    if run.status == RunStatus.PAUSED:
        return Reason("paused", paused or "It is paused; resume it to let it go on.")
    if run.status == RunStatus.QUEUED and run.start_at is not None:
        return Reason("starts_at", f"It begins at {clock(run.start_at, situation.now)}.")
    if run.status == RunStatus.COMPENSATING:
        return _of_undoing(reasons)
    if (run.pk, "") in situation.shortages:
        return scarcity.of_holder(situation.shortages[run.pk, ""], situation.now)
    if not reasons:
        return Reason("next", "What comes next is decided on as soon as what has just happened is stored.")
    if None in reasons.values() or any(
        fan.counts.get(StepStatus.RUNNING) for (pk, _), fan in situation.fans.items() if pk == run.pk
    ):
        return None
    name, reason = next((name, reason) for name, reason in reasons.items() if reason)
    return Reason(reason.code, f"{name}: {reason.detail}" if name else reason.detail, reason.link)


def pause_of(run: Run) -> str:
    """Who paused ``run`` and why, by the audit trail."""
    found = Event.objects.filter(target_kind="run", target_id=str(run.pk), action="RunPaused").order_by("-number")
    told = found.values_list("actor_label", "detail__reason").first()
    if told is None:
        return ""
    reason = f": {told[1]}" if told[1] else ""
    return f"{told[0]} paused it{reason}".rstrip(".") + ". Resume it to let it go on."


def children_of(steps: Collection[int]) -> dict[int, Run]:
    """The newest run of each step that is a workflow."""
    if not steps:
        return {}
    newest = Run.objects.filter(parent__in=steps).order_by().values("parent").annotate(newest=Max("pk"))
    runs = Run.objects.filter(pk__in=newest.values("newest")).only("status", "parent_id")
    return {run.parent_id: run for run in runs if run.parent_id is not None}


def _fans_of(steps: Iterable[Step]) -> dict[tuple[int, str], Fan]:
    fans = {(step.run_id, step.name): Fan(step.total or 0) for step in steps}
    if fans:
        wanted = Q(run__in={run for run, _ in fans}, parent__in={name for _, name in fans})
        items = Step.objects.filter(wanted).order_by().values_list("run_id", "parent", "status")
        for run, parent, status, count in items.annotate(Count("pk")):
            if (run, parent) in fans:
                fans[run, parent].counts[status] = count
    return fans


def _of_ready(step: Step, situation: Situation) -> Reason:
    if step.held:
        return Reason("paused", "Its run is paused; resume that to let it begin.")
    if step.available_at > situation.now:
        due = clock(step.available_at, situation.now)
        if step.error:
            return Reason("retry", f"Its next try is due at {due}, after this: {step.error}")
        return Reason("repeat", f"It is done again at {due}, for the {step.round + 1}. time.")
    demand = Demand(tuple(step.needs), tuple(step.prefers), step.planned_agent)
    if not situation.executors and not shortage.is_for_worker(demand, situation.fleet):
        return Reason("no_executor", "No executor is alive to take it; start one with manage.py up or worker.")
    held_up = standing.hold_up(step, situation.standing, situation.now)
    if held_up is not None:
        return held_up
    reason = shortage.of_demand(demand, situation.fleet, situation.in_use, situation.now, situation.pools)
    return standing.with_place(reason, step, situation.standing) if reason.code in TURN else reason


def _of_person(step: Step, run: Run, spec: StepSpec, situation: Situation) -> Reason:
    served = registry.link(run.serves_kind, run.serves_id)
    where = f" at {run.serves_kind} {run.serves_id}" if run.serves_kind else ""
    who, then = "a person", ""
    if spec.human is not None:
        who = "an administrator" if spec.human.role == Role.ADMIN or step.round else "a person"
        then = {"fail": "it fails", "skip": "it is skipped", "escalate": "an administrator must"}[spec.human.on_timeout]
    until = f"; at {clock(step.wake_at, situation.now)} {then}" if step.wake_at and then else ""
    return Reason("person", f"It waits for {who} to decide{where}{until}.", served or _step_link(run, step.name))


def _of_timer(step: Step, run: Run, spec: StepSpec, situation: Situation) -> Reason:
    due = step.wake_at or situation.now
    return Reason("timer", f"It waits until {clock(due, situation.now)}, then it goes on by itself.")


def _of_signal(step: Step, run: Run, spec: StepSpec, situation: Situation) -> Reason:
    until = f"; without it, it fails at {clock(step.wake_at, situation.now)}" if step.wake_at else ""
    detail = f"It waits{_since(step, situation)} for the signal {spec.signal}{until}."
    return Reason("signal", detail, _step_link(run, step.name))


def _of_first(step: Step, run: Run, spec: StepSpec, situation: Situation) -> Reason:
    events = [f"the signal {branch.signal}" for branch in spec.first_of if branch.signal]
    if step.wake_at:
        events.append(f"{clock(step.wake_at, situation.now)}")
    detail = f"It waits{_since(step, situation)} for {listed(events, 'or')}, whichever comes first."
    return Reason("first_of", detail, _step_link(run, step.name))


def _of_child(step: Step, run: Run, spec: StepSpec, situation: Situation) -> Reason:
    if step.wake_at is not None:
        if step.wake_at > situation.now:
            return Reason("repeat", f"Its run begins again at {clock(step.wake_at, situation.now)}.")
        return Reason("child", f"A run of {spec.workflow} is about to begin for it.")
    child = situation.children.get(step.pk)
    if child is None:
        return Reason("child", f"It waits for its run of {spec.workflow}.")
    detail = f"It waits for its run #{child.pk} of {spec.workflow}, which is {child.status}."
    return Reason("child", detail, reverse("run", args=[child.pk]))


def _of_items(step: Step, run: Run, spec: StepSpec, situation: Situation) -> Reason:
    fan = situation.fans.get((step.run_id, step.name)) or Fan(step.total or 0)
    words = [f"{fan.begun - fan.open:,} of its {fan.total:,} items have ended"]
    if fan.failed:
        words.append(f"{fan.failed:,} of them badly")
    words += [f"{count:,} {status}" for status, count in sorted(fan.counts.items()) if count and status not in SETTLED]
    return Reason("items", f"{', '.join(words)}.", _step_link(run, step.name))


def _of_answer(step: Step, run: Run, spec: StepSpec, situation: Situation) -> Reason:
    agent = situation.fleet.agents.get(step.agent_id or 0)
    link = registry.link("agent", str(agent.id)) if agent else None
    until = f"; without it, that try fails at {clock(step.wake_at, situation.now)}" if step.wake_at else ""
    name = agent.name if agent else "its agent"
    return Reason("agent", f"It waits for the answer of {name}, which took it on{until}.", link or "")


def _of_resources(step: Step, run: Run, spec: StepSpec, situation: Situation) -> Reason:
    if run.status == RunStatus.PAUSED:
        return Reason("paused", "Its run is paused; it asks for its resources again when that is resumed.")
    return scarcity.of_holder(situation.shortages.get((step.run_id, step.name)), situation.now)


_OF_WAITING: Mapping[WaitsFor, Callable[[Step, Run, StepSpec, Situation], Reason]] = {
    WaitsFor.PERSON: _of_person,
    WaitsFor.TIMER: _of_timer,
    WaitsFor.SIGNAL: _of_signal,
    WaitsFor.FIRST: _of_first,
    WaitsFor.CHILD: _of_child,
    WaitsFor.ITEMS: _of_items,
    WaitsFor.AGENT: _of_answer,
    WaitsFor.RESOURCES: _of_resources,
}


def _of_undoing(reasons: Mapping[str, Reason | None]) -> Reason:
    """What is undone at the moment, and why that does not move if it does not."""
    undoing = {name: reason for name, reason in reasons.items() if name.endswith(UNDO)}
    if not undoing:
        return Reason("compensating", "What had succeeded is undone, the last first.")
    name, reason = next(iter(undoing.items()))
    rest = f" {reason.detail}" if reason else ""
    return Reason("compensating", f"What had succeeded is undone, now by {name}.{rest}", reason.link if reason else "")


def _since(step: Step, situation: Situation) -> str:
    return f" since {clock(step.started_at, situation.now)}" if step.started_at else ""


def _step_link(run: Run, name: str) -> str:
    return f"{reverse('run', args=[run.pk])}?{urlencode({'step': name})}" if run.pk else ""
