"""How pools stand: their members by what they do, their load, what waits for them. Reads only, in few queries."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from django.conf import settings
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from agents import scaling_policy
from agents.models import Agent, AgentStatus, Circuit, Decided, Pool, PoolDecision, PoolSample
from agents.ports import Waiting, waiting_for, with_load
from agents.scaling import State
from agents.scaling_policy import Policy

WORKING = (AgentStatus.STARTING, AgentStatus.ONLINE)


@dataclass(frozen=True)
class Standing:
    """A pool at a moment, with its members (each with its calls in flight) and what waits for it."""

    pool: Pool
    members: Sequence[Agent]
    waiting: Waiting
    at: datetime
    last: PoolDecision | None = field(default=None, compare=False)
    """What was decided last, if the caller asked for it."""

    @cached_property
    def working(self) -> list[Agent]:
        """Those that count: they take calls, or will once they have started."""
        return [member for member in self.members if member.status in WORKING]

    @cached_property
    def starting(self) -> list[Agent]:
        return self._in(AgentStatus.STARTING)

    @cached_property
    def draining(self) -> list[Agent]:
        """Those that the pool drains: they end their calls and may still be taken back."""
        return self._in(AgentStatus.DRAINING)

    @cached_property
    def resting(self) -> list[Agent]:
        """Those that were drained to the end and may be used again."""
        return self._in(AgentStatus.OFFLINE)

    @cached_property
    def aside(self) -> list[Agent]:
        """Those that a person took out of service: the pool leaves them alone."""
        return [member for member in self.members if member.status not in WORKING and member.set_aside]

    @property
    def size(self) -> int:
        return len(self.working)

    @property
    def slots(self) -> int:
        return sum(member.max_concurrency for member in self.working)

    @property
    def in_use(self) -> int:
        """Calls in flight at the members that count; those of draining members end without more of them."""
        return sum(member.in_flight for member in self.working)

    @property
    def load(self) -> float | None:
        return self.in_use / self.slots if self.slots else None

    @property
    def is_broken(self) -> bool:
        """Whether no breaker of members that are online is closed; those that start have shown nothing yet."""
        online = self._in(AgentStatus.ONLINE)
        return bool(online) and all(member.health.circuit != Circuit.CLOSED for member in online)

    @cached_property
    def policy_fault(self) -> str:
        """Why the policy that was stored cannot be read, as one of another version; then the pool stays as it is."""
        return " ".join(
            f"{fault['path']}: {fault['message']}" for fault in scaling_policy.faults(self.pool.policy, at="policy")
        )

    @property
    def policy(self) -> Policy:
        return scaling_policy.read_or_usual(self.pool.policy)

    @property
    def least(self) -> int:
        """The least size at this time of the day."""
        pool = self.pool
        return scaling_policy.floor(self.policy, pool.min_size, pool.max_size, timezone.localtime(self.at))[0]

    @property
    def launcher_is_gone(self) -> bool:
        return bool(self.pool.launcher) and self.pool.launcher not in settings.COMMANDS

    def state(self) -> State:
        """What the decision is made on."""
        pool = self.pool
        return State(
            size=pool.target,
            min_size=pool.min_size,
            max_size=pool.max_size,
            slots=self.slots,
            slots_each=slots_each(pool),
            in_use=self.in_use,
            waiting=self.waiting.count,
            oldest_s=self.waiting.oldest_s,
            local=timezone.localtime(self.at),
            since_up_s=_since(pool.scaled_up_at, self.at),
            since_down_s=_since(pool.scaled_down_at, self.at),
            is_broken=self.is_broken,
        )

    def _in(self, status: AgentStatus) -> list[Agent]:
        return [member for member in self.members if member.status == status and not member.set_aside]


def read(pools: Collection[Pool], now: datetime) -> list[Standing]:
    """The standing of each of ``pools``; a constant number of queries however many there are."""
    members: dict[int, list[Agent]] = {pool.pk: [] for pool in pools}
    if pools:
        rows = Agent.objects.filter(pool__in=list(members)).select_related("health", "process").order_by("pk")
        for agent in with_load(rows):
            assert agent.pool_id is not None
            members[agent.pool_id].append(agent)
    return standings(pools, members, now, _last_decisions(pools))


def standings(
    pools: Collection[Pool],
    members: Mapping[int, Sequence[Agent]],
    now: datetime,
    decided: Mapping[int, PoolDecision] | None = None,
) -> list[Standing]:
    """Likewise for one who has read the ``members`` of the pools, by their number, with their calls in flight."""
    able = {pool.pk: frozenset(pool.template.get("capabilities", ())) for pool in pools}
    waiting, last = waiting_for(able, now), decided or {}
    return [Standing(pool, members.get(pool.pk, ()), waiting[pool.pk], now, last.get(pool.pk)) for pool in pools]


def with_last(rows: QuerySet[Pool]) -> QuerySet[Pool]:
    """Pools with the number of their last decision and the time of their last sample."""
    decisions = PoolDecision.objects.filter(pool=OuterRef("pk")).order_by("-id")
    samples = PoolSample.objects.filter(pool=OuterRef("pk")).order_by("-at")
    return rows.annotate(
        last_decision=Subquery(decisions.values("pk")[:1]), sampled_at=Subquery(samples.values("at")[:1])
    )


def last_change(pool: Pool) -> PoolDecision | None:
    """What last changed the size of the pool."""
    return pool.decisions.exclude(decided=Decided.STAY).order_by("-id").first()


def slots_each(pool: Pool) -> int:
    """Calls at a time of one member, by the template."""
    return int(pool.template.get("max_concurrency", Agent().max_concurrency))


def _last_decisions(pools: Collection[Pool]) -> dict[int, PoolDecision]:
    numbers = [number for pool in pools if (number := getattr(pool, "last_decision", None)) is not None]
    found = PoolDecision.objects.filter(pk__in=numbers) if numbers else ()
    return {decision.pool_id: decision for decision in found}


def _since(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else (now - moment).total_seconds()
