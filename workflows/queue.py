"""The task queue: claims ready steps for agents, and gives back what dead executors held.

Everything goes through one :class:`~workflows.group.Group` a transaction; nothing here costs a statement per step.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any

from django.conf import settings
from django.db.models import Count, Min

from agents import dispatch, health
from agents.dispatch import Choice, Demand
from agents.outcomes import Fault
from agents.scoring import Weights
from agents.snapshot import AgentView, Fleet
from orchestra.kernel import events
from orchestra.kernel.clock import database_now
from workflows import advance
from workflows.advance import Result
from workflows.group import ENGINE, Group
from workflows.models import RunStatus, Step, StepStatus

BATCH = 500
"""Steps claimed in one transaction."""
MAX_IN_A_ROW = 16
"""Steps of one run that may follow each other before other runs of the same priority get their turn."""
TIGHT = 4 * BATCH
"""An agent with fewer free slots than this is locked while its slots are counted, so that nobody overbooks it."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A claimed step with its agent: what the executor needs to make the call."""

    step: Step
    agent: AgentView
    correlation: str
    is_probe: bool
    in_a_row: int


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of an executor did: the calls to make now, and the demands that found no agent."""

    assignments: list[Assignment]
    unmet: frozenset[str]
    may_be_more: bool


def take_turn(
    results: Sequence[Result], *, executor: str, fleet: Fleet, room: int, blocked: Collection[str] = ()
) -> Turn:
    """One transaction: settle ``results``, advance their runs, claim up to ``room`` steps and choose their agents.

    Steps that have just become ready compete with those waiting in the queue by priority; ``blocked`` demands are known
    to find no agent at the moment and stay where they are.
    """
    with events.recording(ENGINE):
        group = Group(database_now())
        counted = _settle(group, results)
        candidates = _candidates(group, results, room, blocked)
        claimed, unmet = _choose_and_claim(group, candidates, executor, fleet, counted)
        group.save()
        health.merge(counted, group.now)
    return Turn(claimed, unmet, candidates.may_be_more)


def has_work(blocked: Collection[str] = ()) -> bool:
    """Whether a step is ready and due, apart from ``blocked`` demands: a cheap look outside any transaction."""
    ready = Step.objects.filter(status=StepStatus.READY, available_at__lte=database_now())
    return (ready.exclude(demand__in=blocked) if blocked else ready).exists()


def next_due() -> datetime | None:
    """When the next retry becomes due, if one waits."""
    ready = Step.objects.filter(status=StepStatus.READY, available_at__gt=database_now())
    return ready.aggregate(due=Min("available_at"))["due"]


def in_use(agents: Collection[int] | None = None) -> dict[int, int]:
    """Calls in flight for each agent, from unexpired leases only; in one query."""
    running = Step.objects.filter(status=StepStatus.RUNNING, lease_expires_at__gt=database_now())
    if agents is not None:
        running = running.filter(agent_id__in=agents)
    return dict(running.values_list("agent_id").order_by("agent_id").annotate(Count("pk")))


def extend(executor: str, steps: Collection[int]) -> int:
    """Renew the leases of the calls that ``executor`` really has in flight; returns how many it still holds."""
    with events.recording(ENGINE):
        held = Step.objects.filter(pk__in=steps, executor=executor, status=StepStatus.RUNNING)
        return held.update(lease_expires_at=_lease_end(database_now()))


def lost(executor: str, steps: Collection[int]) -> list[int]:
    """Those of ``steps`` that ``executor`` no longer holds: cancelled, or given away after their lease expired."""
    held = Step.objects.filter(pk__in=steps, executor=executor, status=StepStatus.RUNNING)
    return sorted(set(steps) - set(held.values_list("pk", flat=True)))


def return_expired() -> int:
    """Give back the steps whose executor let their lease expire; returns how many. Called by the ticker."""
    expired = Step.objects.filter(status=StepStatus.RUNNING, lease_expires_at__lte=database_now())
    return _give_back(expired, reason="Its executor stopped answering, so its lease expired.", lost=True)


def release(executor: str, *, except_for: Collection[int] = ()) -> int:
    """Give back what ``executor`` holds, apart from the steps it still works on: when it stops, or has lost count."""
    held = Step.objects.filter(status=StepStatus.RUNNING, executor=executor).exclude(pk__in=except_for)
    return _give_back(held, reason="Its executor stopped before the call ended.", lost=False)


def bury(step_id: int, token: int, error: str) -> None:
    """Mark a step dead whose outcome cannot be stored, so that one bad row never stops the line."""
    with events.recording(ENGINE):
        group = Group(database_now())
        run_id = Step.objects.values_list("run_id", flat=True).get(pk=step_id)
        group.lock_runs([run_id])
        step = group.lock_steps([step_id]).get(step_id)
        if step is None or step.token != token or step.status != StepStatus.RUNNING:
            return
        group.move(step, StepStatus.DEAD, error=error)
        group.record_step("StepDied", step, reason=error, outcome=events.Outcome.FAILED)
        advance.proceed(group, group.runs[run_id])
        group.save()


def _give_back(steps: Any, *, reason: str, lost: bool) -> int:
    found = list(steps.order_by("pk").values_list("pk", "run_id", "token")[:BATCH])
    if not found:
        return 0
    with events.recording(ENGINE):
        group = Group(database_now())
        group.lock_runs([run for _, run, _ in found])
        locked = group.lock_steps([pk for pk, _, _ in found])
        count = 0
        for pk, run, token in found:
            step = locked.get(pk)
            if step is None or step.status != StepStatus.RUNNING or step.token != token:
                continue
            if lost and step.lease_expires_at and step.lease_expires_at > group.now:
                continue
            advance.give_back(group, step, reason=reason, lost=lost)
            advance.proceed(group, group.runs[run])
            count += 1
        group.save()
    return count


@dataclass(frozen=True, slots=True)
class _Candidates:
    steps: list[Step]
    in_a_row: Mapping[int, int]
    may_be_more: bool


def _settle(group: Group, results: Sequence[Result]) -> list[health.Result]:
    group.lock_known_runs({result.step.run_id: result.step.run for result in results})
    claims = group.lock_claims([result.step.pk for result in results])
    counted = [
        _count(result)
        for result in results
        if result.step.run_id in group.runs and advance.settle(group, result, claims.get(result.step.pk))
    ]
    for run in dict.fromkeys(result.step.run_id for result in results):
        if run in group.runs:
            advance.proceed(group, group.runs[run])
    return counted


def _count(result: Result) -> health.Result:
    fault = getattr(result.outcome, "fault", None)
    return health.Result(
        agent=result.agent.id,
        seconds=result.seconds,
        fault=Fault(fault) if fault else None,
        error=getattr(result.outcome, "message", ""),
        was_probe=result.was_probe,
    )


def _candidates(group: Group, results: Sequence[Result], room: int, blocked: Collection[str]) -> _Candidates:
    """Steps that may start now, best first. Of equal priority, a run goes on before another begins."""
    limit = min(room, BATCH)
    in_a_row = {result.step.run_id: result.in_a_row + 1 for result in results}
    fresh = [step for step in group.ready if step.demand not in blocked]
    first = [step for step in fresh if in_a_row.get(step.run_id, 0) <= MAX_IN_A_ROW]
    waiting, may_be_more = _lock_waiting(group, limit, first, blocked) if limit else ([], False)
    ranked = [(-step.priority, in_a_row.get(step.run_id, 0) > MAX_IN_A_ROW, 0, step) for step in fresh]
    ranked += [(-step.priority, False, step.pk, step) for step in waiting]
    ranked.sort(key=itemgetter(0, 1, 2))
    steps = [step for *_, step in ranked[:limit]]
    return _Candidates(steps, {id(step): in_a_row.get(step.run_id, 0) for step in fresh}, may_be_more)


def _lock_waiting(group: Group, limit: int, first: Sequence[Step], blocked: Collection[str]) -> tuple[list[Step], bool]:
    """Lock those of the queue that ``first``, which go before their equals, leave room for; and whether more may wait.

    Where they leave none, only what has a higher priority than one of them is of interest.
    """
    ready = Step.objects.filter(status=StepStatus.READY, available_at__lte=group.now)
    if blocked:
        ready = ready.exclude(demand__in=blocked)
    room = limit - len(first)
    if room <= 0:
        ready, room = ready.filter(priority__gt=min(step.priority for step in first)), limit
    rows = list(ready.order_by("-priority", "pk").select_for_update(no_key=True, skip_locked=True)[:room])
    group.lock_runs([row.run_id for row in rows], skip_locked=True)
    unlocked = [row for row in rows if row.run_id in group.runs]
    for row in unlocked:
        row.run = group.runs[row.run_id]  # comes back with the result, and need not be read again then
    return unlocked, len(rows) == room


def _choose_and_claim(
    group: Group, candidates: _Candidates, executor: str, fleet: Fleet, counted: Iterable[health.Result]
) -> tuple[list[Assignment], frozenset[str]]:
    """Claim each candidate that an agent is chosen for; returns the claims, and the demands of those left over."""
    if not candidates.steps:
        return [], frozenset()
    demands = [_demand(step.demand) for step in candidates.steps]
    used = _count_slots(fleet, demands, counted)
    choices = dispatch.choose(demands, fleet, used, Weights(**settings.SCORE_WEIGHTS), group.now)
    claimed, unmet = [], set()
    for step, choice in zip(candidates.steps, choices, strict=True):
        if choice.agent is None or (choice.is_probe and not health.take_probe(choice.agent.id, group.now)):
            unmet.add(step.demand)
            continue
        _claim(group, step, choice, executor)
        in_a_row = candidates.in_a_row.get(id(step), 0)
        correlation = group.runs[step.run_id].correlation
        claimed.append(Assignment(step, choice.agent, correlation, choice.is_probe, in_a_row))
    return claimed, frozenset(unmet)


def _count_slots(fleet: Fleet, demands: Sequence[Demand], counted: Iterable[health.Result]) -> Mapping[int, int]:
    wanted = {need for demand in demands for need in demand.needs}
    able = [agent for agent in fleet.agents.values() if not wanted or agent.capabilities & wanted]
    used = in_use()
    tight = {agent.id for agent in able if agent.slots - used.get(agent.id, 0) < TIGHT}
    if tight and health.lock(tight | {result.agent for result in counted}):
        used = in_use()
    for result in counted:  # settled in this transaction, but not written yet
        used[result.agent] = used.get(result.agent, 1) - 1
    return used


def _claim(group: Group, step: Step, choice: Choice, executor: str) -> None:
    assert choice.agent is not None
    group.move(
        step,
        StepStatus.RUNNING,
        agent_id=choice.agent.id,
        choice=choice.explanation,
        executor=executor,
        token=step.token + 1,
        attempt=step.attempt + 1,
        started_at=group.now,
        lease_expires_at=_lease_end(group.now),
    )
    run = group.runs[step.run_id]
    if run.status != RunStatus.RUNNING:
        group.move_run(run, RunStatus.RUNNING, started_at=run.started_at or group.now)


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.LEASE_S)


@lru_cache(maxsize=4096)
def _demand(text: str) -> Demand:
    needs, prefers = json.loads(text)
    return Demand(tuple(needs), tuple(prefers))
