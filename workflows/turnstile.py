"""Which waiting steps pass in one turn of an executor: what is limited is locked and counted, and admission decides.

Joins the open transaction, after its results have been settled. While there is only the default queue without limits,
and no step names a key, none of this costs a statement. Locks are taken in the order runs and steps of the results,
limited queues, keys; rows and keys that others hold are passed over. So only the lock of a limited queue is ever waited
for, and whoever holds one waits for no run, step or queue.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from workflows import admission, backlog, queues
from workflows.admission import DEFAULT, FULL, KEY, RATE, Candidate, Policy, Refusal, Turns, Use
from workflows.backlog import Due, Wanted
from workflows.models import Step

_KEY_LOCKS = 0x0C4A2  # any constant: the space of the advisory locks of keys


@dataclass(slots=True)
class Memory:
    """What an executor remembers between its turns: what is set for the queues, whose turn it is, what is in the way.

    ``full`` queues and busy ``keys`` (with the limits that they have reached) are cleared by the executor, when a call
    has ended or after a while, because others may have made room. ``until`` says when a rate goes on.
    """

    policies: Mapping[str, Policy] = field(default_factory=dict)
    turns: Turns = field(default_factory=Turns)
    full: set[str] = field(default_factory=set)
    keys: dict[str, int] = field(default_factory=dict)
    until: dict[str, datetime] = field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        """Whether there is but the default queue, and nothing is set for it."""
        return len(self.policies) == 1 and DEFAULT in self.policies and self.policies[DEFAULT].is_plain

    def closed(self, now: datetime) -> set[str]:
        """The queues of which nothing may start, as far as is known."""
        paused = {name for name, policy in self.policies.items() if policy.paused}
        return paused | self.full | {name for name, until in self.until.items() if until > now}

    def next_start(self, now: datetime) -> datetime | None:
        """When the first rate that is used up lets a step start again."""
        return min((until for until in self.until.values() if until > now), default=None)


class Turnstile:
    """One turn: :meth:`due`, then :meth:`lock` unless :meth:`is_plain`, then :meth:`admit`, then :meth:`charge`."""

    def __init__(self, memory: Memory, now: datetime, room: int, settled: Collection[int]) -> None:
        self.memory = memory
        self.now = now
        self.room = room
        self.settled = settled
        self.policies = dict(memory.policies)
        self.running: dict[str, int] = {}
        self.admitted: list[Step] = []
        self.more = False
        """Whether another turn may find what this one passed over."""

    def due(self, blocked: Collection[str]) -> Due:
        """Which steps are worth looking for; asks which of the keys that were busy still are, if any were."""
        if self.memory.keys:
            running = backlog.running_by_key(self.memory.keys, self.now, without=self.settled)
            self.memory.keys = {key: limit for key, limit in self.memory.keys.items() if running.get(key, 0) >= limit}
        return Due(self.now, blocked, self.memory.keys)

    def is_plain(self, fresh: Sequence[Step]) -> bool:
        return self.memory.is_plain and all(step.queue == DEFAULT for step in fresh)

    def lock(self, fresh: Sequence[Step], first: Sequence[Step], due: Due) -> list[Step]:
        """Lock the limited queues that have work, and the steps of each queue that its turns are for.

        ``fresh`` steps became ready in this transaction; those of them that are ``first`` go before what waits behind.
        """
        ready: dict[str, list[Step]] = {}
        for step in first:
            ready.setdefault(step.queue, []).append(step)
        self.policies = {step.queue: Policy(step.queue) for step in fresh} | self.policies
        opened = sorted(self.policies.keys() - self.memory.closed(self.now))
        waiting = Counter(backlog.depths(opened, due, self.room)) + Counter(step.queue for step in fresh)
        self._lock_queues([name for name in waiting if self.policies[name].is_limited])
        free = {name: min(count, self._room_of(name)) for name, count in waiting.items()}
        shares = admission.share(free, self.room, self.policies, self.memory.turns)
        self.more = sum(shares.values()) >= self.room
        return backlog.lock({name: _wanted(share, ready.get(name, [])) for name, share in shares.items()}, due)

    def admit(self, steps: Sequence[Step], ranks: Sequence[tuple[Any, ...]]) -> list[Step]:
        """Those of ``steps`` that may start now, in the order of their turns; what is in the way is remembered."""
        keys = {step.lock_key for step in steps if step.lock_key}
        if not keys and self.is_plain(steps):
            self.admitted = list(steps[: self.room])
            return self.admitted
        self.policies = {step.queue: Policy(step.queue) for step in steps} | self.policies
        locked = _try_keys(keys)
        use = Use(self.running, backlog.running_by_key(keys, self.now, without=self.settled), locked)
        candidates = [
            Candidate(step.queue, rank, step.lock_key, step.lock_limit) for step, rank in zip(steps, ranks, strict=True)
        ]
        found = admission.admit(candidates, self.policies, use, self.room, self.memory.turns, self.now)
        for index, refusal in found.refused.items():
            self._remember(steps[index].queue, refusal)
        self.admitted = [steps[index] for index in found.admitted]
        return self.admitted

    def charge(self, claimed: Collection[Step]) -> None:
        """Count what was really claimed: the turns and the tokens of rates. What found no agent costs nothing."""
        started = Counter(step.queue for step in claimed)
        if started.keys() <= {DEFAULT} and self.memory.is_plain:
            return
        self.memory.turns.follow((step.queue, self.policies[step.queue].weight) for step in claimed)
        self.memory.full -= (Counter(step.queue for step in self.admitted) - started).keys()
        rated = [self.policies[name] for name in started if self.policies[name].rate_per_s is not None]
        # Whoever held the lock before may have begun later than this turn, and refilled up to then.
        at = max([self.now, *(policy.refilled_at for policy in rated if policy.refilled_at is not None)])
        queues.spend({policy.name: policy.tokens_at(at) - started[policy.name] for policy in rated}, at)

    def _lock_queues(self, limited: Collection[str]) -> None:
        if limited:
            self.policies |= queues.lock(limited)
            counted = [name for name in limited if self.policies[name].max_concurrency is not None]
            self.running = backlog.running(counted, self.now, without=self.settled)

    def _room_of(self, name: str) -> float:
        refusal = admission.obstacle_of(self.policies[name], self.running.get(name, 0), self.now)
        if refusal is not None:
            self._remember(name, refusal)
        return admission.room_of(self.policies[name], self.running.get(name, 0), self.now)

    def _remember(self, name: str, refusal: Refusal) -> None:
        if refusal.code == FULL:
            self.memory.full.add(name)
        elif refusal.code == RATE and refusal.until is not None:
            self.memory.until[name] = refusal.until
        elif refusal.code == KEY:
            self.memory.keys[refusal.key] = refusal.limit
            self.more = True


def _wanted(share: int, fresh: Sequence[Step]) -> Wanted:
    """So many of a queue; where fresh ones take all its turns, only what stands before the last of them."""
    if len(fresh) < share:
        return Wanted(share)
    return Wanted(share, before=sorted(step.rank_at for step in fresh)[share - 1])


def _try_keys(keys: Collection[str]) -> set[str]:
    """Lock keys until the commit, without waiting; returns those that another executor is deciding on."""
    if not keys or connection.vendor != "postgresql":
        return set()  # an IMMEDIATE transaction is alone already
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, pg_try_advisory_xact_lock(%s, hashtext(name)) FROM unnest(%s::text[]) AS name",
            [_KEY_LOCKS, sorted(keys)],
        )
        return {name for name, got in cursor.fetchall() if not got}
