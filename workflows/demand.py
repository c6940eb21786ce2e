"""What waits for pools of agents: ready steps by what they need, for the autoscaler. Reads only.

Each queue is looked at from its front, so a long queue of one kind of work does not hide that of another queue. What
its queue, its rate or its key would not let start now is left out: more members would not help it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from django.db import connection

from agents.ports import Waiting
from orchestra.kernel.statements import fetch, instant
from workflows import admission, backlog, queues
from workflows.admission import Policy

LOOKED_AT = 2_000
"""Ready steps of each queue that are looked at, from its front; more would not change a decision."""
_NO_LIMIT = 1_000_000_000

_ON_THE_KEY = """(
    SELECT COUNT(*) FROM workflows_step r
    WHERE r.status = 'running' AND r.lock_key = s.lock_key AND NOT (r.lock_key = '') AND r.lease_expires_at > %s
)"""
"""By leases that hold, as admission counts; the empty key is left out in the words of the index ``step_locks``."""
_WAITING = """
WITH front AS ({fronts}), in_turn AS (
    SELECT front.*, ROW_NUMBER() OVER (PARTITION BY queue, demand ORDER BY rank_at, id) AS place FROM (
        SELECT front.*, ROW_NUMBER() OVER (PARTITION BY lock_key ORDER BY rank_at, id) AS turn FROM front
    ) front WHERE lock_key = '' OR turn <= free
)
SELECT queue, demand, COUNT(*), MIN(available_at), MIN(rank_at) FROM in_turn WHERE place <= room
GROUP BY queue, demand, CASE WHEN room < {looked_at} THEN place ELSE 0 END
"""
"""Of a key no more than it lets start; of a queue with little room each step by itself, since the first of them count
for a pool and only its members' abilities tell which these are."""


@dataclass(frozen=True, slots=True)
class Heap:
    """Ready steps of a queue that ask for the same: how many may start, since when, and the place of the first."""

    queue: str
    needs: frozenset[str]
    count: int
    since: datetime
    rank: datetime


def of_pools(pools: Mapping[int, frozenset[str]], now: datetime) -> dict[int, Waiting]:
    """What waits for each of ``pools``, given what their members can do; in at most four queries."""
    policies, room = _open_queues(now)
    heaps = _heaps(policies, room, now)
    return {pool: _waiting([heap for heap in heaps if heap.needs <= able], room, now) for pool, able in pools.items()}


def _waiting(heaps: Sequence[Heap], room: Mapping[str, int], now: datetime) -> Waiting:
    """The first of each queue for which it has room; ``heaps`` are in the order of their places."""
    left, count, oldest = dict(room), 0, now
    for heap in heaps:
        counted = min(heap.count, left[heap.queue])
        if counted:
            left[heap.queue] -= counted
            count, oldest = count + counted, min(oldest, heap.since)
    return Waiting(count, (now - oldest).total_seconds())


def _open_queues(now: datetime) -> tuple[dict[str, Policy], dict[str, int]]:
    """The queues of which something waits and may start, and how many of each may; at most what is looked at."""
    policies = queues.policies_of(backlog.names())
    running = backlog.running([name for name, each in policies.items() if each.max_concurrency is not None], now)
    room = {name: admission.room_of(policy, running.get(name, 0), now) for name, policy in policies.items()}
    return policies, {name: int(min(free, LOOKED_AT)) for name, free in room.items() if free >= 1}


def _heaps(policies: Mapping[str, Policy], room: Mapping[str, int], now: datetime) -> list[Heap]:
    """What waits in the queues, the first first."""
    if not room:
        return []
    at = connection.ops.adapt_datetimefield_value(now)
    fronts = " UNION ALL ".join(_front(policies[name], free) for name, free in room.items())
    sql = _WAITING.format(fronts=fronts, looked_at=LOOKED_AT)
    (rows,) = fetch((sql, [value for name in room for value in (at, name, at, at)]))
    heaps = []
    for queue, demand, count, due_at, rank_at in rows:
        due, rank = instant(due_at), instant(rank_at)
        assert due is not None and rank is not None
        if not _is_planned(demand):  # only the agent of its plan may take it, so more agents would not help
            heaps.append(Heap(queue, _needs(demand), count, max(due, _token_since(policies[queue]) or due), rank))
    return sorted(heaps, key=lambda heap: heap.rank)


def _front(policy: Policy, room: int) -> str:
    """The first steps of a queue, each with the queue's room and what its key leaves free; of a taken key, none."""
    most, otherwise = policy.key_limit or _NO_LIMIT, policy.key_limit_of(0)
    limit = f"CASE WHEN s.lock_limit BETWEEN 1 AND {most} THEN s.lock_limit ELSE {otherwise} END"
    # SQLite knows no ORDER BY inside the members of a UNION, but it does in a subquery of FROM.
    return f"""SELECT * FROM (
        SELECT s.id, s.queue, s.demand, s.available_at, s.rank_at, s.lock_key, {room} AS room,
            {limit} - {_ON_THE_KEY} AS free
        FROM workflows_step s
        WHERE s.queue = %s AND {backlog.READY} AND s.available_at <= %s
            AND (s.lock_key = '' OR {_ON_THE_KEY} < {limit})
        ORDER BY s.rank_at, s.id LIMIT {LOOKED_AT}
    ) each_queue"""  # noqa: S608  only whole numbers come from outside


def _token_since(policy: Policy) -> datetime | None:
    """Since when the rate has let a step start: what it kept from starting until then has not waited for an agent."""
    if policy.rate_per_s is None or policy.refilled_at is None:
        return None
    return policy.next_token_at(policy.refilled_at)


@lru_cache(maxsize=4096)
def _needs(demand: str) -> frozenset[str]:
    return frozenset(json.loads(demand)[0])


def _is_planned(demand: str) -> bool:
    return not demand.endswith("]]")  # a number follows the two lists
