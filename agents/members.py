"""Members of pools: which of them begin to work, drain and rest, so that there are as many as the pool should have.

Nothing is cut off: who is no longer wanted drains, and rests once its last call has ended. The least active go first,
by the activity score: ten points for each call in flight, one for each call of the last minute.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count, islice

from agents import fleet
from agents.models import Agent, AgentKind, AgentStatus, Pool
from agents.pool_figures import Standing
from agents.ports import Waiting
from orchestra.kernel.access import Actor

PER_CALL, PER_RECENT_CALL = 10.0, 1.0
HAS_TO_START = (AgentKind.PROCESS, AgentKind.REMOTE)
"""What stands for a process begins as starting: an executor makes it online, or the worker that registers as it."""


@dataclass(frozen=True, slots=True)
class Moves:
    """What is to be done with the members: take back into work, begin to work again, make anew, drain, let rest."""

    back: Sequence[Agent] = ()
    again: Sequence[Agent] = ()
    new: int = 0
    drain: Sequence[Agent] = ()
    rest: Sequence[Agent] = ()

    def __bool__(self) -> bool:
        return bool(self.back or self.again or self.new or self.drain or self.rest)


def activity(agent: Agent, now: datetime) -> float:
    """How busy an agent is and was, for the order in which members are drained."""
    return PER_CALL * agent.in_flight + PER_RECENT_CALL * agent.health.throughput_per_min(now)


def moves(standing: Standing) -> Moves:
    """What brings the members to the pool's target."""
    missing = standing.pool.target - standing.size
    if missing < 0:
        least = sorted(standing.working, key=lambda member: _dispensable(member, standing.at))[:-missing]
        drain = [member for member in least if member.status == AgentStatus.ONLINE]
        unborn = [member for member in least if member.status == AgentStatus.STARTING]
        return Moves(drain=drain, rest=[*unborn, *_done(standing, without=())])
    back = sorted(standing.draining, key=lambda member: -activity(member, standing.at))[:missing]
    rest = _done(standing, without=back)
    missing -= len(back)
    again = standing.resting[:missing]
    return Moves(back=back, again=again, new=missing - len(again), rest=rest)


def converge(pool: Pool, load: Mapping[int, int], now: datetime, *, by: Actor, reason: str = "") -> None:
    """Move the members of a pool, whose row the caller has locked, to its target; joins the unit.

    ``load`` says how many calls each member has in flight; one that it does not name has none.
    """
    members = list(
        pool.members.select_for_update(no_key=True, of=("self",)).select_related("health", "process").order_by("pk")
    )
    for member in members:
        member.in_flight = load.get(member.pk, 0)
    todo = moves(Standing(pool, members, Waiting(), now))
    at_work = AgentStatus.STARTING if pool.kind in HAS_TO_START else AgentStatus.ONLINE
    for chosen, status in (
        (todo.back, AgentStatus.ONLINE),
        (todo.again, at_work),
        (todo.drain, AgentStatus.DRAINING),
        (todo.rest, AgentStatus.OFFLINE),
    ):
        fleet.move_members(pool, chosen, status, by=by, reason=reason)
    if todo.new:
        fleet.add_members(pool, _free_names(pool, todo.new), by=by, reason=reason)


def _dispensable(member: Agent, now: datetime) -> tuple[bool, float, int]:
    """The order in which members go: those that have not started, then the least active, then the newest."""
    return member.status != AgentStatus.STARTING, activity(member, now), -member.pk


def _done(standing: Standing, *, without: Collection[Agent]) -> list[Agent]:
    """Draining members whose last call has ended, and whose process, if they have one, was let go by its holder."""
    kept = {member.pk for member in without}
    done = [member for member in standing.draining if not member.in_flight and member.pk not in kept]
    return [member for member in done if not _is_held(member, standing.at)]


def _is_held(member: Agent, now: datetime) -> bool:
    """Whether an executor or a remote worker has its process: while it does, the agent's status is its to move."""
    process = getattr(member, "process", None)
    return process is not None and process.lease_expires_at is not None and process.lease_expires_at > now


def _free_names(pool: Pool, many: int) -> list[str]:
    """``NAME-1`` and so on, the lowest numbers that no agent has."""
    taken = set(Agent.objects.filter(name__startswith=f"{pool.name}-").values_list("name", flat=True))
    names = (f"{pool.name}-{number}" for number in count(1))
    return list(islice((name for name in names if name not in taken), many))
