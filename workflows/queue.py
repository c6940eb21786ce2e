"""The task queue: claims ready steps for agents, and gives back what dead executors held.

Everything goes through one :class:`~workflows.group.Group` a transaction; nothing here costs a statement per step.
"""

import json
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from agents import dispatch, health
from agents.dispatch import Choice, Demand
from agents.observation import CALLS
from agents.outcomes import Fault, Pending
from agents.remote import is_remote
from agents.scoring import Weights
from agents.snapshot import AgentView, Fleet
from orchestra.kernel import events
from orchestra.kernel.clock import database_now
from orchestra.kernel.statements import fetch
from workflows import advance, backlog, overdue, quarantine, queues, saving, settling, starting, weight
from workflows.admission import DEFAULT
from workflows.advance import Result
from workflows.backlog import Due, Wanted
from workflows.group import ENGINE, Group
from workflows.halving import each_group
from workflows.models import Run, RunStatus, Step, StepStatus
from workflows.turnstile import Memory, Turnstile

logger = logging.getLogger(__name__)

BATCH = 500
"""Steps claimed in one transaction."""
MAX_IN_A_ROW = 16
"""Steps of one run that may follow each other before other runs of the same priority get their turn."""
TIGHT = 4 * BATCH
"""An agent with fewer free slots than this is locked while its slots are counted, so that nobody overbooks it."""

IN_USE = """
SELECT agent_id, COUNT(*) FROM workflows_step WHERE status = 'running' AND lease_expires_at > %s GROUP BY agent_id
"""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A claimed step with its agent: what the executor needs to make the call."""

    step: Step
    agent: AgentView
    input: Any
    correlation: str
    is_probe: bool
    in_a_row: int


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of an executor did: the calls to make now, and the demands that found no agent."""

    assignments: list[Assignment]
    unmet: frozenset[str]
    may_be_more: bool
    relays: bool = False
    """Whether :func:`workflows.relay.deliver` is due."""


def take_turn(  # noqa: PLR0913  all but the results by name
    results: Sequence[Result],
    *,
    executor: str,
    fleet: Fleet,
    room: int,
    blocked: Collection[str] = (),
    memory: Memory | None = None,
) -> Turn:
    """One transaction: settle ``results``, advance their runs, claim up to ``room`` steps and choose their agents.

    Steps that have just become ready compete with those waiting in the queue by their rank; ``blocked`` demands are
    known to find no agent at the moment and stay where they are. ``memory`` is what the executor remembers of queues;
    without it, what is set for them is read anew.
    """
    if memory is None:
        memory = Memory(queues.policies())
    with events.recording(ENGINE):
        group, claims = Group.of_claims([result.step for result in results])
        counted, settled = _settle(group, results, claims)
        gate = Turnstile(memory, group.now, min(room, BATCH), settled)
        candidates = _candidates(group, gate, results, blocked)
        claimed, unmet = _choose_and_claim(group, candidates, executor, fleet, counted)
        gate.charge([assignment.step for assignment in claimed])
        reserves = group.holdings.is_touched
        saving.with_calls(group, counted)
    return Turn(claimed, unmet, candidates.may_be_more or reserves, group.relays)


def has_work(blocked: Collection[str] = (), memory: Memory | None = None) -> bool:
    """Whether a step is ready and due, apart from ``blocked`` demands and what ``memory`` knows to be in the way.

    A cheap look outside any transaction.
    """
    if memory is None:
        return backlog.is_any(blocked)
    closed = memory.closed(database_now()) if memory.until else memory.closed(timezone.now())
    return backlog.is_any(blocked, memory.keys, closed)


def next_due() -> datetime | None:
    """When the next retry becomes due, if one waits."""
    return backlog.next_due()


def in_use(agents: Collection[int] | None = None, *, now: datetime | None = None) -> dict[int, int]:
    """Calls in flight for each agent, from unexpired leases only; in one query."""
    (rows,) = fetch((IN_USE, [now or database_now()]))
    return {agent: count for agent, count in rows if agents is None or agent in agents}


def extend(executor: str, steps: Collection[int]) -> int:
    """Renew the leases of the calls that ``executor`` really has in flight; returns how many it still holds."""
    with events.recording(ENGINE):
        held = Step.objects.filter(pk__in=steps, executor=executor, status=StepStatus.RUNNING)
        return held.update(lease_expires_at=database_now() + timedelta(seconds=settings.LEASE_S))


def held_by(executor: str) -> int:
    """How many steps ``executor`` holds, by the database."""
    return Step.objects.filter(executor=executor, status=StepStatus.RUNNING).count()


def lost(executor: str, steps: Collection[int]) -> list[int]:
    """Those of ``steps`` that ``executor`` no longer holds: cancelled, or given away after their lease expired."""
    held = Step.objects.filter(pk__in=steps, executor=executor, status=StepStatus.RUNNING)
    return sorted(set(steps) - set(held.values_list("pk", flat=True)))


def return_expired() -> int:
    """Give back the steps whose executor let their lease expire; returns how many. Called by the ticker."""
    expired = Step.objects.filter(status=StepStatus.RUNNING, lease_expires_at__lte=database_now())
    return _give_back(expired, reason="Its executor stopped answering, so its lease expired.", lost=True)


def release(
    executor: str,
    *,
    only: Collection[int] | None = None,
    except_for: Collection[int] = (),
    reason: str = "Its executor stopped before the call ended.",
) -> int:
    """Give back what ``executor`` holds, apart from the steps it still works on: when it stops, or has lost count."""
    held = Step.objects.filter(status=StepStatus.RUNNING, executor=executor).exclude(pk__in=except_for)
    return _give_back(held if only is None else held.filter(pk__in=only), reason=reason, lost=False)


def renew(results: Sequence[Result], in_flight: Collection[Step]) -> list[Result]:
    """The same results on rows read anew, after a transaction that failed: it has changed those in memory.

    Their claims stay as they were. The runs of steps that are still ``in_flight`` are read anew as well.
    """
    rows = Step.objects.in_bulk([result.step.pk for result in results])
    runs = Run.objects.in_bulk({step.run_id for step in (*rows.values(), *in_flight)})
    for step in in_flight:
        step.run = runs.get(step.run_id, step.run)
    renewed = []
    for result in results:
        row = rows.get(result.step.pk)
        if row is not None:
            row.run, row.token = runs[row.run_id], result.token
            renewed.append(replace(result, step=row))
    return renewed


def bury(step_id: int, token: int, error: str) -> None:
    """Mark a step dead whose outcome cannot be stored, so that one bad row never stops the line.

    If even that fails, since its run's definition cannot be read, the step alone becomes dead and its run stays as it
    is.
    """
    try:
        _bury(step_id, token, error)
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # the worker's edge: whatever is wrong with its run must not stop the line
        logger.exception("The run of step %s cannot follow its death", step_id)
        quarantine.bury_alone(step_id, token, error)


def _bury(step_id: int, token: int, error: str) -> None:
    with events.recording(ENGINE):
        group = Group(database_now())
        run_id = Step.objects.values_list("run_id", flat=True).get(pk=step_id)
        group.lock_runs([run_id])
        step = group.lock_steps([step_id]).get(step_id)
        if step is None or step.token != token or step.status != StepStatus.RUNNING:
            return
        settling.bury(group, step, error)
        advance.proceed(group, group.runs[run_id])
        group.save()


def _give_back(steps: Any, *, reason: str, lost: bool) -> int:
    found = list(steps.order_by("lease_expires_at").values_list("pk", "run_id", "token")[:BATCH])
    return each_group(found, lambda part: _give_back_all(part, reason=reason, lost=lost), quarantine.put_off_return)


def _give_back_all(found: Sequence[tuple[int, int, int]], *, reason: str, lost: bool) -> int:
    late: list[health.Result] = []
    probes: list[health.Result] = []
    with events.recording(ENGINE):
        group = Group(database_now())
        group.lock_runs([run for _, run, _ in found])
        locked = group.lock_steps([pk for pk, _, _ in found])
        steps = [locked[pk] for pk, _, token in found if pk in locked and _is_due_back(group, locked[pk], token, lost)]
        overtime = overdue.over_time(steps, group.now) if lost else set()
        for step in steps:
            if step.pk in overtime:
                late += overdue.time_out(group, step)
                continue
            if step.agent_id and overdue.was_probe(step):
                probes.append(health.Result(step.agent_id, 0.0, Fault.LOST, was_probe=True))
            advance.give_back(
                group, step, reason=overdue.SILENT if is_remote(step.executor) and lost else reason, lost=lost
            )
            if lost and step.agent_id and not overdue.is_trial(step):
                CALLS.observe(step.agent_id, 0.0, Fault.LOST)
        for run in dict.fromkeys(run for _, run, _ in found):  # not before all of its steps are back
            if run in group.runs:
                advance.proceed(group, group.runs[run])
        saving.with_calls(group, [*late, *probes])
    for result in late:
        CALLS.observe(result.agent, result.seconds, result.fault)
    return len(steps)


def _is_due_back(group: Group, step: Step, token: int, lost: bool) -> bool:
    """Whether the claim that was found is still there, and has expired where it is taken for lost."""
    if step.status != StepStatus.RUNNING or step.token != token:
        return False
    return not (lost and step.lease_expires_at and step.lease_expires_at > group.now)


@dataclass(frozen=True, slots=True)
class _Candidates:
    steps: list[Step]
    in_a_row: Mapping[int, int]
    may_be_more: bool


def _settle(
    group: Group, results: Sequence[Result], claims: Mapping[int, tuple[str, int]]
) -> tuple[list[health.Result], list[int]]:
    """Settle what still holds its claim; returns what counts for the agents, and the steps that run no more."""
    settled = [
        result
        for result in results
        if result.step.run_id in group.runs and advance.settle(group, result, claims.get(result.step.pk))
    ]
    for run in dict.fromkeys(result.step.run_id for result in results):
        if run in group.runs:
            advance.proceed(group, group.runs[run])
    return [_count(result) for result in settled], [result.step.pk for result in settled]


def _count(result: Result) -> health.Result:
    fault = getattr(result.outcome, "fault", None)
    if isinstance(result.outcome, Pending):  # it answered, so its probe is over; the task counts when its answer comes
        fault = Fault.CALLER
    return health.Result(
        agent=result.agent.id,
        seconds=result.seconds,
        fault=Fault(fault) if fault else None,
        error=getattr(result.outcome, "message", ""),
        was_probe=result.was_probe,
    )


def _candidates(group: Group, gate: Turnstile, results: Sequence[Result], blocked: Collection[str]) -> _Candidates:
    """Steps that may start now, best first. Of equal rank, a run goes on before another begins."""
    if not gate.room:
        return _Candidates([], {}, False)
    in_a_row = {result.step.run_id: result.in_a_row + 1 for result in results}
    fresh = [step for step in group.ready if step.demand not in blocked and _is_due(step, group)]
    first = [step for step in fresh if in_a_row.get(step.run_id, 0) <= MAX_IN_A_ROW]
    due = gate.due(blocked)
    if gate.is_plain(fresh):
        waiting, more = _lock_waiting(group, gate.room, first, due)
    else:
        rows = gate.lock(fresh, first, due)
        light = weight.bounded(rows, group.runs, connection.vendor)
        waiting, more = _with_runs(group, light), len(light) < len(rows)
    ranked: list[tuple[Any, ...]]
    ranked = [(in_a_row.get(step.run_id, 0) > MAX_IN_A_ROW, step.rank_at, 0, step) for step in fresh]
    ranked += [(False, step.rank_at, step.pk, step) for step in waiting]
    ranked.sort(key=itemgetter(0, 1, 2))
    steps = gate.admit([row[-1] for row in ranked], [row[:-1] for row in ranked])
    return _Candidates(steps, {id(step): in_a_row.get(step.run_id, 0) for step in fresh}, more or gate.more)


def _is_due(step: Step, group: Group) -> bool:
    """Whether a step made ready in this transaction still is, and may be claimed in it."""
    return step.status == StepStatus.READY and not step.held and step.available_at <= group.now


def _lock_waiting(group: Group, limit: int, first: Sequence[Step], due: Due) -> tuple[list[Step], bool]:
    """Lock those of the queue that ``first``, which go before their equals, leave room for; and whether more may wait.

    Where they leave none, only what stands before one of them is of interest.
    """
    room = limit - len(first)
    wanted = Wanted(room) if room > 0 else Wanted(limit, before=max(step.rank_at for step in first))
    rows = backlog.lock({DEFAULT: wanted}, due)
    light = weight.bounded(rows, group.runs, connection.vendor)
    return _with_runs(group, light), len(rows) == wanted.count or len(light) < len(rows)


def _with_runs(group: Group, rows: Sequence[Step]) -> list[Step]:
    """Those of locked steps whose run nobody else holds, with their run; not those that this transaction withdrew."""
    group.lock_runs([row.run_id for row in rows], skip_locked=True)
    unlocked = [row for row in rows if row.run_id in group.runs and not group.has_changed(row)]
    for row in unlocked:
        row.run = group.runs[row.run_id]  # comes back with the result, and need not be read again then
    return unlocked


def _choose_and_claim(
    group: Group, candidates: _Candidates, executor: str, fleet: Fleet, counted: Iterable[health.Result]
) -> tuple[list[Assignment], frozenset[str]]:
    """Claim each candidate that an agent is chosen for; returns the claims, and the demands of those left over."""
    if not candidates.steps:
        return [], frozenset()
    demands = [_demand(step.demand) for step in candidates.steps]
    used = _count_slots(fleet, demands, counted, group.now)
    choices = _choose(candidates.steps, fleet, used, group.now, executor)
    claimed, unmet = [], set()
    for step, choice in zip(candidates.steps, choices, strict=True):
        if choice.agent is None:
            unmet.add(step.demand)
            continue
        _claim(group, step, choice, executor)
        in_a_row = candidates.in_a_row.get(id(step), 0)
        run = group.runs[step.run_id]
        input_ = starting.given(run, group.definition(run).step(step.name), step)
        claimed.append(Assignment(step, choice.agent, input_, run.correlation, choice.is_probe, in_a_row))
    return claimed, frozenset(unmet)


def _choose(steps: Sequence[Step], fleet: Fleet, used: Mapping[int, int], now: datetime, executor: str) -> list[Choice]:
    """A choice for each step. Where another executor got an agent's one probe first, the other agents are left."""
    demands = [_demand(step.demand) for step in steps]
    choices = dispatch.choose(demands, fleet, used, Weights(**settings.SCORE_WEIGHTS), now, caller=executor)
    chosen = [(index, choice.agent.id) for index, choice in enumerate(choices) if choice.agent]
    refused = {
        index: agent
        for index, agent in chosen
        if choices[index].is_probe and not health.take_probe(agent, now, within_s=steps[index].timeout_s)
    }
    if refused:
        rest = {pk: agent for pk, agent in fleet.agents.items() if pk not in refused.values()}
        taken = Counter(used) + Counter(agent for index, agent in chosen if index not in refused)
        again = _choose([steps[index] for index in refused], Fleet(fleet.revision, rest), taken, now, executor)
        for index, choice in zip(refused, again, strict=True):
            choices[index] = choice
    return choices


def _count_slots(
    fleet: Fleet, demands: Sequence[Demand], counted: Iterable[health.Result], now: datetime
) -> Mapping[int, int]:
    wanted = {need for demand in demands for need in demand.needs}
    able = [agent for agent in fleet.agents.values() if not wanted or agent.capabilities & wanted]
    used = in_use(now=now)
    tight = {
        agent.id for agent in able if agent.slots - used.get(agent.id, 0) < TIGHT or dispatch.awaits_probe(agent, now)
    }
    if tight and health.lock(tight | {result.agent for result in counted}):
        used = in_use(now=now)
    for result in counted:  # settled in this transaction, but not written yet
        used[result.agent] = used.get(result.agent, 1) - 1
    return used


def _claim(group: Group, step: Step, choice: Choice, executor: str) -> None:
    assert choice.agent is not None
    group.move(
        step,
        StepStatus.RUNNING,
        agent_id=choice.agent.id,
        choice=choice.explanation | {"probe": True} if choice.is_probe else choice.explanation,
        executor=executor,
        token=step.token + 1,
        attempt=step.attempt + 1,
        started_at=group.now,
        lease_expires_at=overdue.lease_end(step, group.now, since=group.now, is_remote=is_remote(executor)),
    )
    run = group.runs[step.run_id]
    if run.status in (RunStatus.QUEUED, RunStatus.WAITING):
        group.move_run(run, RunStatus.RUNNING, started_at=run.started_at or group.now)


@lru_cache(maxsize=4096)
def _demand(text: str) -> Demand:
    needs, prefers, *agent = json.loads(text)
    return Demand(tuple(needs), tuple(prefers), *agent)
