"""Plans that are carried out: start, follow, release. The only writer of Allocation and AllocationTask.

Each task becomes a single task of the queue that only its chosen agent may take, so all are done in parallel, as
many at a time as the agents have slots. A task whose agent goes out of service goes to any agent that can do it.
"""

import json
from collections.abc import Sequence
from uuid import uuid4

from django.conf import settings
from django.db.models import Count, Q
from django.utils import timezone

from agents.allocation_plan import Plan
from orchestra.kernel import access, events, retention
from orchestra.kernel.access import Actor
from orchestra.kernel.clock import database_now
from orchestra.kernel.errors import Conflict, Invalid, NotFound
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Role
from workflows import beginning, tasks
from workflows.allocation_requests import Planned, Work
from workflows.beginning import Order, Terms
from workflows.group import Group
from workflows.models import RUN_ENDS, Allocation, AllocationTask, Run, RunStatus, Step, StepStatus
from workflows.ports import Change, RunChange
from workflows.stranded import AT_ONCE, Stranded, Watch

access.grant({"allocations.plan": Role.OPERATOR, "allocations.run": Role.OPERATOR})

KIND = "allocation"
PLANNER = Actor.system("allocation")
FIGURES = ("objective", "bound", "gap_percent", "status", "seconds")
RETRIED = "It was retried, so any agent may take it."
REMOVED_AT_ONCE = 20
"""Plans removed in one unit, each with up to a thousand tasks."""


def start(planned: Planned, terms: Terms, *, by: Actor) -> Allocation:
    """Carry out a plan: a task for its chosen agent each. Raises :class:`Invalid` where there is no plan for all."""
    access.check(by, "allocations.run")
    _check(planned)
    workflow = tasks.workflow()
    with events.recording(by) as unit:
        correlation = unit.correlation or uuid4().hex
        allocation = Allocation.objects.create(
            plan=figures(planned.plan),
            greedy=figures(planned.greedy),
            maximize=planned.asked.problem.maximize,
            total=len(planned.asked.work),
            reason=terms.reason,
            started_by=by.label,
            correlation=correlation,
        )
        target = _ref(allocation)
        _record_plan(allocation, planned)
        orders = [
            Order({"capabilities": list(work.demand.needs), "input": work.input}, correlation, target)
            for work in planned.asked.work
        ]
        group = Group(database_now())
        runs = beginning.begin(group, workflow, orders, terms, by=by)
        _pin(group, runs, planned)
        AllocationTask.objects.bulk_create(_rows(allocation, runs, planned))
        group.save()
        events.record(
            "AllocationStarted",
            target=target,
            after={"tasks": len(runs), "runs": [run.pk for run in runs]},
            reason=terms.reason,
            permission="allocations.run",
        )
    return allocation


def release(allocation_id: int, *, by: Actor, reason: str = "") -> int:
    """Let any agent that can take what still waits for its chosen one; returns how many tasks that were."""
    access.check(by, "allocations.run")
    waiting = AllocationTask.objects.filter(allocation=allocation_id, outcome="", released="")
    if not Allocation.objects.filter(pk=allocation_id).exists():
        raise NotFound("There is no such allocation; go back to the list.")
    why = reason or f"{by.label} released it."
    found = [Stranded(pk, run, why) for pk, run in waiting.values_list("pk", "run")]
    with events.correlating():
        released = sum(_release(found[start : start + AT_ONCE], by) for start in range(0, len(found), AT_ONCE))
    if not released:
        raise Conflict("No task of it waits for its agent any more; there is nothing to release.")
    return released


def release_stranded(watch: Watch) -> int:
    """Release the tasks whose agent cannot take them; called by the ticker. Returns how many."""
    found = watch.look()
    return _release(found, PLANNER) if found else 0


def remove_old() -> int:
    """Remove plans that were done as long ago as runs are kept, some at a time; returns how many."""
    old = retention.ended_before(Allocation.objects.all(), "finished_at", days=settings.RUN_RETENTION_DAYS)
    return retention.remove_recorded(old, at_once=REMOVED_AT_ONCE, by=retention.RETENTION, action="AllocationsRemoved")


def follow(changes: Sequence[Change]) -> None:
    """Note how runs of tasks ended, or that they go on; called by the engine in the transaction in which they do."""
    moved = {change.run: change for change in changes if isinstance(change, RunChange)}
    if not moved:
        return
    locked = Allocation.objects.filter(pk__in={int(change.serves_id) for change in moved.values()})
    allocations = list(locked.order_by("pk").select_for_update(no_key=True))
    for status in {change.status for change in moved.values()}:
        runs = [change.run for change in moved.values() if change.status == status]
        tasks_of = AllocationTask.objects.filter(run__in=runs)
        tasks_of.update(outcome=status if status in RUN_ENDS else "")
        if status not in RUN_ENDS:
            tasks_of.filter(released="").update(released=RETRIED)
    succeeded = Count("pk", filter=Q(outcome=RunStatus.SUCCEEDED))
    counted = AllocationTask.objects.filter(allocation__in=allocations).exclude(outcome="").order_by()
    counts = {pk: rest for pk, *rest in counted.values_list("allocation").annotate(Count("pk"), well=succeeded)}
    for allocation in allocations:
        allocation.ended, allocation.succeeded = counts.get(allocation.pk, (0, 0))
        if allocation.ended < allocation.total:
            allocation.finished_at = None
        elif allocation.finished_at is None:
            allocation.finished_at = timezone.now()
            _record_end(allocation)
    Allocation.objects.bulk_update(allocations, ["ended", "succeeded", "finished_at"])


def figures(plan: Plan) -> dict[str, object]:
    """What a plan came to, without who does what."""
    return {name: getattr(plan, name) for name in FIGURES}


def _check(planned: Planned) -> None:
    if not planned.asked.work:
        message = "Say for each task which capabilities it needs: a plan of numbers alone cannot be carried out."
        raise Invalid(errors=[{"path": "tasks", "message": message}])
    if planned.plan.status == "infeasible" or not planned.plan.is_complete:
        where = "assignments" if planned.plan.is_complete else "tasks"
        raise Invalid(
            "There is no plan for all of these tasks, so none was begun.",
            errors=[{"path": where, "message": reason} for reason in planned.plan.reasons],
        )


def _pin(group: Group, runs: Sequence[Run], planned: Planned) -> None:
    """Each task's step, which is not stored yet, may only be taken by the agent that the plan gives it to."""
    place = {run.pk: index for index, run in enumerate(runs)}
    for step in group.ready:
        index = place[step.run_id]
        work, chosen = planned.asked.work[index], planned.plan.chosen[index]
        assert chosen is not None
        step.demand = _demand(work, planned.asked.agents[chosen].id)
        step.timeout_s = work.timeout_s or step.timeout_s


def _demand(work: Work, agent: int) -> str:
    return json.dumps([work.demand.needs, work.demand.prefers, agent], separators=(",", ":"))


def _rows(allocation: Allocation, runs: Sequence[Run], planned: Planned) -> list[AllocationTask]:
    problem, agents = planned.asked.problem, planned.asked.agents
    rows = []
    for place, (run, mine, theirs) in enumerate(zip(runs, planned.plan.chosen, planned.greedy.chosen, strict=True)):
        assert mine is not None
        rows.append(
            AllocationTask(
                allocation=allocation,
                place=place,
                task=str(problem.tasks[place]),
                agent_id=agents[mine].id,
                agent_name=agents[mine].name,
                greedy_agent_name="" if theirs is None else agents[theirs].name,
                cost=problem.cost[mine][place] or 0,
                run=run,
                outcome=run.status if run.status in RUN_ENDS else "",
            )
        )
    return rows


def _release(found: Sequence[Stranded], by: Actor) -> int:
    """Take the chosen agent away from those that still wait for it, in one unit; returns how many."""
    whys = {each.run: each.why for each in found if each.run is not None}
    with events.recording(by):
        group = Group(database_now())
        group.lock_runs(whys.keys())
        ready = Step.objects.filter(run__in=whys, status=StepStatus.READY).values_list("pk", flat=True)
        locked = group.lock_steps(ready).values()
        steps = [step for step in locked if step.status == StepStatus.READY and step.planned_agent]
        for step in steps:
            step.demand = json.dumps([step.needs, step.prefers], separators=(",", ":"))
            group.touch(step, anew=True)
        group.save()
        rows = list(AllocationTask.objects.filter(run__in=[step.run_id for step in steps]).select_related("allocation"))
        for row in rows:
            assert row.run_id is not None
            row.released = whys[row.run_id]
        AllocationTask.objects.bulk_update(rows, ["released"])
        _record_release(rows, by)
    return len(rows)


def _record_release(rows: Sequence[AllocationTask], by: Actor) -> None:
    of_each: dict[int, list[AllocationTask]] = {}
    for row in rows:
        of_each.setdefault(row.allocation_id, []).append(row)
    for released in of_each.values():
        events.record(
            "AllocationReleased",
            target=_ref(released[0].allocation),
            after={"tasks": {row.task: row.agent_name for row in released}},
            reason=" ".join(dict.fromkeys(row.released for row in released))[:1000],
            permission="allocations.run" if by.kind == "person" else "",
            correlation=released[0].allocation.correlation,
        )


def _record_plan(allocation: Allocation, planned: Planned) -> None:
    names = [agent.name for agent in planned.asked.agents]
    chosen = zip(planned.asked.problem.tasks, planned.plan.chosen, strict=True)
    plan = {str(task): names[agent] for task, agent in chosen if agent is not None}
    after = {"plan": figures(planned.plan), "greedy": figures(planned.greedy), "assignments": plan}
    events.record("AllocationPlanned", target=_ref(allocation), after=after)


def _record_end(allocation: Allocation) -> None:
    events.record(
        "AllocationFinished",
        target=_ref(allocation),
        after={"succeeded": allocation.succeeded, "tasks": allocation.total},
        actor=PLANNER,
        correlation=allocation.correlation,
    )


def _ref(allocation: Allocation) -> Ref:
    return Ref(KIND, allocation.pk, f"allocation #{allocation.pk}")
