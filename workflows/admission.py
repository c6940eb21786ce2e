"""Which steps may start now: pauses, limits, rates, keys, and the shares of the queues. Pure: no clock, no database.

Within a queue the earliest rank goes first. Between queues the turns go by weight (start-time fair queueing: Goyal, Vin
and Cheng, 1996): each step that starts moves its queue's mark forward by 1 / weight, and the queue whose mark is
furthest back is next. A queue that was idle begins at the present mark, so it neither gains nor loses by its rest.
"""

import math
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush, heapreplace

DEFAULT = "default"
PAUSED, FULL, RATE, KEY, NO_ROOM = "queue_paused", "queue_full", "rate_limited", "key_busy", "no_room"
"""Why a step may not start now. ``no_room``: nothing is against it but its place in the queue."""

STRIDE = 1 << 40
_NEARLY = 1e-6
"""A token is whole when so little of it is missing: what reckoning in floats takes away."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is set for a queue; None is no limit. A queue that nobody has edited has the values of this class."""

    name: str = DEFAULT
    weight: int = 1
    max_concurrency: int | None = None
    rate_per_s: float | None = None
    burst: int | None = None
    key_limit: int | None = None
    paused: bool = False
    paused_reason: str = ""
    tokens: float = 0.0
    refilled_at: datetime | None = None

    @property
    def is_limited(self) -> bool:
        """Whether its claims must be counted, and so made one after the other."""
        return self.max_concurrency is not None or self.rate_per_s is not None

    @property
    def is_plain(self) -> bool:
        return not (self.paused or self.is_limited or self.key_limit)

    @property
    def bucket(self) -> int:
        """How many tokens may gather while nothing starts; a second's worth unless it is set."""
        return self.burst or max(1, math.ceil(self.rate_per_s or 0))

    def tokens_at(self, now: datetime) -> float:
        """The tokens there are by ``now``, each of which lets one step start."""
        if self.rate_per_s is None or self.refilled_at is None:
            return float(self.bucket)
        elapsed_s = max(0.0, (now - self.refilled_at).total_seconds())
        return min(float(self.bucket), self.tokens + self.rate_per_s * elapsed_s)

    def next_token_at(self, now: datetime) -> datetime:
        """When the next step may start by the rate; ``now`` if one may already."""
        missing = 1 - self.tokens_at(now)
        if self.rate_per_s is None or missing <= _NEARLY:
            return now
        return now + timedelta(microseconds=math.ceil(missing / self.rate_per_s * 1e6))

    def key_limit_of(self, step_limit: int) -> int:
        """How many steps of one key may run at a time: the lower of the step's own limit and the queue's, else one."""
        return min((limit for limit in (step_limit, self.key_limit) if limit), default=1)


@dataclass(frozen=True, slots=True)
class Use:
    """What runs already, from unexpired leases only; ``locked`` keys are being decided on by another executor."""

    by_queue: Mapping[str, int] = field(default_factory=dict)
    by_key: Mapping[str, int] = field(default_factory=dict)
    locked: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A step that could start. ``rank`` orders those of one queue; a ``key_limit`` of 0 leaves it to the queue."""

    queue: str
    rank: tuple[datetime, int]
    key: str = ""
    key_limit: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a step may not start now, as a code and its figures."""

    code: str
    used: int = 0
    limit: int = 0
    until: datetime | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Admission:
    """Positions of the candidates: ``admitted`` in the order in which they start, ``refused`` with the reason."""

    admitted: list[int]
    refused: dict[int, Refusal]


class Turns:
    """How far each queue has come; kept by an executor between its claims."""

    def __init__(self) -> None:
        self._marks: dict[str, int] = {}
        self._now = 0

    def begin(self, queues: Iterable[str]) -> list[tuple[int, str]]:
        """The queues that take part, with their marks, as a heap."""
        heap = [(max(self._now, self._marks.get(queue, 0)), queue) for queue in queues]
        heapify(heap)
        return heap

    def take(self, mark: int, queue: str, weight: int) -> int:
        """A step of ``queue`` starts; returns the queue's new mark."""
        self._now = mark
        self._marks[queue] = mark + STRIDE // weight
        return self._marks[queue]

    def follow(self, started: Iterable[tuple[str, int]]) -> None:
        """Steps of these queues, with their weights, have really started, in this order."""
        since = self._now
        for queue, weight in started:
            before = self._now
            self.take(max(since, self._marks.get(queue, 0)), queue, weight)
            self._now = max(before, self._now)

    def copy(self) -> "Turns":
        twin = Turns()
        twin._marks, twin._now = dict(self._marks), self._now
        return twin


def obstacle_of(policy: Policy, used: int, now: datetime) -> Refusal | None:
    """Why no step of the queue may start now, or None."""
    if policy.paused:
        return Refusal(PAUSED)
    if policy.max_concurrency is not None and used >= policy.max_concurrency:
        return Refusal(FULL, used, policy.max_concurrency)
    if policy.rate_per_s is not None and policy.next_token_at(now) > now:
        return Refusal(RATE, until=policy.next_token_at(now))
    return None


def obstacle_of_key(policy: Policy, key: str, step_limit: int, use: Use) -> Refusal | None:
    """Why no step with ``key`` may start now, or None."""
    if not key:
        return None
    used, limit = use.by_key.get(key, 0), policy.key_limit_of(step_limit)
    return Refusal(KEY, used, limit, key=key) if used >= limit or key in use.locked else None


def spent(policy: Policy, taken: int, now: datetime) -> Policy:
    """The policy after so many of its steps have started: with fewer tokens."""
    if policy.rate_per_s is None:
        return policy
    return replace(policy, tokens=policy.tokens_at(now) - taken, refilled_at=now)


def room_of(policy: Policy, used: int, now: datetime) -> float:
    """How many steps of the queue may start now; infinity where nothing limits it."""
    if policy.paused:
        return 0
    free: float = math.inf if policy.max_concurrency is None else max(0, policy.max_concurrency - used)
    return free if policy.rate_per_s is None else min(free, math.floor(policy.tokens_at(now) + _NEARLY))


def share(waiting: Mapping[str, float], room: int, policies: Mapping[str, Policy], turns: Turns) -> dict[str, int]:
    """How many steps of each queue the next ``room`` turns are for, if so many wait; queues without any are left out.

    ``turns`` stays as it is: this says what is worth fetching, and :func:`admit` decides.
    """
    turns, shares = turns.copy(), dict[str, int]()
    heap = turns.begin(queue for queue, count in waiting.items() if count >= 1)
    while heap and room:
        mark, queue = heap[0]
        shares[queue] = shares.get(queue, 0) + 1
        room -= 1
        mark = turns.take(mark, queue, policies[queue].weight)
        if shares[queue] < waiting[queue]:
            heapreplace(heap, (mark, queue))
        else:
            heappop(heap)
    return shares


def admit(  # noqa: PLR0913, PLR0917  what is asked, and all that the answer depends on
    candidates: Sequence[Candidate], policies: Mapping[str, Policy], use: Use, room: int, turns: Turns, now: datetime
) -> Admission:
    """Let up to ``room`` of ``candidates`` start, and say of each other one why it may not.

    ``turns`` stays as it is: it is for the caller to :meth:`~Turns.follow` with what finds an agent.
    """
    lines, turns = _lines(candidates), turns.copy()
    found = Admission([], {})
    free = {queue: room_of(policies[queue], use.by_queue.get(queue, 0), now) for queue in lines}
    keys: dict[str, int] = defaultdict(int, use.by_key)
    heap = turns.begin(queue for queue in lines if free[queue])
    while heap and room:
        mark, queue = heappop(heap)
        chosen = _next_with_free_key(lines[queue], candidates, policies[queue], Use({}, keys, use.locked), found)
        if chosen is None:
            continue
        found.admitted.append(chosen)
        if candidates[chosen].key:
            keys[candidates[chosen].key] += 1
        room, free[queue] = room - 1, free[queue] - 1
        mark = turns.take(mark, queue, policies[queue].weight)
        if lines[queue] and free[queue]:
            heappush(heap, (mark, queue))
    for queue, line in lines.items():
        taken = sum(candidates[index].queue == queue for index in found.admitted)
        reason = obstacle_of(spent(policies[queue], taken, now), use.by_queue.get(queue, 0) + taken, now)
        found.refused.update(dict.fromkeys(line, reason or Refusal(NO_ROOM)))
    return found


def _lines(candidates: Sequence[Candidate]) -> dict[str, deque[int]]:
    lines: dict[str, deque[int]] = {}
    for index in sorted(range(len(candidates)), key=lambda index: candidates[index].rank):
        lines.setdefault(candidates[index].queue, deque()).append(index)
    return lines


def _next_with_free_key(
    line: deque[int], candidates: Sequence[Candidate], policy: Policy, use: Use, found: Admission
) -> int | None:
    """Take the first of the line whose key is free; those before it are refused."""
    while line:
        index = line.popleft()
        refusal = obstacle_of_key(policy, candidates[index].key, candidates[index].key_limit, use)
        if refusal is None:
            return index
        found.refused[index] = refusal
    return None
