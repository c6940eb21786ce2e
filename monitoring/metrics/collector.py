"""The collector: at each multiple of 30 s all metrics are read and stored. The only writer of Tick (but for what the
evaluator notes there), CountersSeen and Gauge.

All of it is read first and written in one transaction, which begins by moving CountersSeen from the tick before to this
one: of two processes that collect at once the second finds it moved and writes nothing. So what was counted since the
tick before is written once, whoever collects, and in the next tick if one was skipped.

A tick that nobody collected is missing. What was counted meanwhile has the next one, as what several ticks counted;
after more than :data:`GAP_S` it begins anew, and of the time between nothing is known. If the clock is set back there
is no tick until it has passed the last one; if that lies more than :data:`GAP_S` ahead, what was collected of the time
to come is removed instead, and counting begins anew.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import IntegrityError, transaction

from agents.models import Agent, AgentStatus
from agents.ports import calls_in_flight
from monitoring.metrics import counters, gauges, runs, system
from monitoring.metrics.catalogue import TICK_S
from monitoring.metrics.counters import Counted, Seen
from monitoring.metrics.gauges import Reading
from monitoring.metrics.tables import AGENTS, GAUGES, RUNS, forget_after
from monitoring.models import CountersSeen, Gauge, Span, Tick
from orchestra.kernel import chain, pulses, right_of_way, series
from orchestra.kernel.clock import database_now

logger = logging.getLogger(__name__)

GAP_S = 900
"""After a longer pause than this the counters are looked at anew; likewise if the last tick lies so far ahead."""
PLACE = 1
"""The number of the one row of CountersSeen."""


@dataclass(frozen=True, slots=True)
class _Before:
    """The tick before: ``event_number`` and what it had seen; ``ticks`` since then, at least one."""

    at: int
    event_number: int
    seen: Seen
    ticks: int


@dataclass(slots=True)
class _Found:
    """What a tick has found, ready to be written. ``newest``: the last tick there was, be it of a time to come."""

    samples: list[list[Any]]
    readings: list[Reading]
    runs: Mapping[runs.Minute, runs.Counted]
    seen: Seen
    event_number: int
    newest: int = 0


class Collector:
    """Keeps in memory what can be read again: the numbers of gauges, and what its own last tick had seen."""

    def __init__(self) -> None:
        self._gauges: dict[tuple[str, str, str], int] = {}
        self._seen: tuple[int, Seen] = (0, Seen(0))
        self._processor = system.Processor()

    def collect(self, now: datetime | None = None) -> int | None:
        """Collect the tick that ``now`` (or the database's clock) falls in, unless that was done; returns the tick."""
        now, began = now or database_now(), time.monotonic()
        at = int(now.timestamp()) // TICK_S * TICK_S
        mark = CountersSeen.objects.defer("sums").filter(pk=PLACE).first()
        last = Tick.objects.order_by("-at").only("at", "event_number").first()
        newest = max(mark.at if mark else 0, last.at if last else 0)
        if newest >= at and not _begins_anew(at, newest):
            return None
        before = self._before(mark, last, at)
        found = self._find(at, now, before)
        found.newest = newest
        tick = Tick(
            at=at,
            holder=pulses.of_process(pulses.EXECUTOR),
            late_s=now.timestamp() - at,
            agents=len(found.samples),
            gauges=len(found.readings),
            event_number=found.event_number,
        )
        if not self._store(tick, mark, found, began):
            return None
        self._seen = (at, found.seen)
        return at

    def _before(self, mark: CountersSeen | None, last: Tick | None, at: int) -> _Before | None:
        """The tick before, if it is recent enough to go on from."""
        if mark is None or last is None or mark.at != last.at or not 0 < at - last.at <= GAP_S:
            return None
        if self._seen[0] != mark.at:
            sums = CountersSeen.objects.values_list("sums", flat=True).get(pk=PLACE)
            self._seen = (mark.at, Seen(mark.since, {int(agent): each for agent, each in sums.items()}))
        return _Before(last.at, last.event_number, self._seen[1], (at - last.at) // TICK_S)

    def _find(self, at: int, now: datetime, before: _Before | None) -> _Found:
        """Read everything. What is counted comes first, so that the rest is of the same moment or a little later."""
        head = chain.head()
        counted, seen = counters.grown(before.seen if before else None, at)
        found = runs.count(before.event_number, head) if before else {}
        agents = _agents()
        ticks = before.ticks if before else 0
        seconds = ticks * TICK_S
        readings = gauges.of_pools(_by_pool(agents), now) + gauges.of_queues(now)
        figures = system.figures(self._processor, now) | {"collector_late": now.timestamp() - at}
        if before:
            readings += gauges.of_workflows(found, seconds)
            figures["events_per_min"] = series.per_minute(head - before.event_number, seconds)
        readings += gauges.known("system", "", figures)
        samples = [_sample(agent, at, ticks, counted.get(agent.pk, counters.NOTHING)) for agent in agents]
        return _Found(samples, readings, found, seen, head)

    def _store(self, tick: Tick, mark: CountersSeen | None, found: _Found, began: float) -> bool:
        """Write all of it, or nothing if another process has done so meanwhile."""
        numbers = self._numbers(found.readings)
        values = [
            [number, int(Span.TICK), tick.at, reading.value, reading.value, 1, reading.value]
            for number, reading in zip(numbers, found.readings, strict=True)
        ]
        with right_of_way.announced(), transaction.atomic():
            if not _moved(mark, tick.at, found.seen):
                return False
            if found.newest > tick.at:
                forget_after(tick.at)
                _tell_of_wrong_clock(found.newest, tick.at)
            AGENTS.add(found.samples)
            GAUGES.add(values)
            RUNS.add(runs.rows_of(found.runs.items()))
            tick.collect_s = time.monotonic() - began
            tick.save(force_insert=True)
        return True

    def _numbers(self, readings: Sequence[Reading]) -> list[int]:
        """The number of each reading's gauge; those that are new are added."""
        keys = [(reading.metric, reading.kind, reading.subject) for reading in readings]
        if not self._gauges.keys() >= set(keys):
            self._learn()
        if missing := sorted(set(keys) - self._gauges.keys()):
            with right_of_way.announced():
                Gauge.objects.bulk_create(
                    [Gauge(metric=metric, kind=kind, subject=subject) for metric, kind, subject in missing],
                    ignore_conflicts=True,
                )
            self._learn()
        return [self._gauges[key] for key in keys]

    def _learn(self) -> None:
        rows = Gauge.objects.values_list("metric", "kind", "subject", "pk")
        self._gauges = {(metric, kind, subject): pk for metric, kind, subject, pk in rows}


def _moved(mark: CountersSeen | None, at: int, seen: Seen) -> bool:
    """Whether this process moved what was seen from the tick before to this one; only one can."""
    values = {"at": at, "since": seen.since, "sums": seen.sums}
    if mark is not None:
        return CountersSeen.objects.filter(pk=PLACE, at=mark.at).update(**values) == 1
    try:
        with transaction.atomic():
            CountersSeen.objects.create(pk=PLACE, **values)
    except IntegrityError:
        return False
    return True


def _begins_anew(at: int, newest: int) -> bool:
    """Whether ``newest`` is so far ahead that the clock was wrong; a tick that there is remains as it is."""
    return newest - at > GAP_S and not Tick.objects.filter(pk=at).exists()


def _tell_of_wrong_clock(newest: int, at: int) -> None:
    logger.warning(
        "The clock was ahead, or is behind now: the last tick was of %s, and it is %s. What was collected of the time "
        "to come is removed, and metrics are counted anew. See to it that the clock of the database stays right",
        datetime.fromtimestamp(newest, UTC),
        datetime.fromtimestamp(at, UTC),
    )


def _agents() -> list[Agent]:
    """All agents with their calls in flight, by their number."""
    agents = list(Agent.objects.only("status", "max_concurrency", "pool", "set_aside").order_by("pk"))
    load = calls_in_flight({agent.pk for agent in agents})
    for agent in agents:
        agent.in_flight = load.get(agent.pk, 0)
    return agents


def _by_pool(agents: Iterable[Agent]) -> dict[int, list[Agent]]:
    members: dict[int, list[Agent]] = defaultdict(list)
    for agent in agents:
        if agent.pool_id is not None:
            members[agent.pool_id].append(agent)
    return members


def _sample(agent: Agent, at: int, ticks: int, counted: Counted) -> list[Any]:
    """The row of an agent, as :data:`AGENTS` has its columns."""
    cpu_percent, cpu_samples = counted.cpu_percent, counted.cpu_samples
    if counted.cpu_calls and not cpu_samples and ticks:  # no process of its own was measured, but its calls' threads
        cpu_percent, cpu_samples = 100 * counted.cpu_s / (ticks * TICK_S), 1
    return [
        agent.pk,
        int(Span.TICK),
        at,
        ticks,
        counted.calls,
        counted.judged,
        counted.failed,
        counted.timed,
        counted.seconds,
        counted.memory_bytes,
        counted.memory_samples,
        cpu_percent,
        cpu_samples,
        agent.in_flight,
        agent.max_concurrency if agent.status == AgentStatus.ONLINE else 0,
    ]
