"""``bench monitor``: how long a tick takes that collects and evaluates a large fleet against many thresholds."""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from django.db import connection

from agents import measures, pools
from agents.models import Agent
from agents.observation import Tally
from agents.outcomes import Fault
from monitoring.advice import recommendations
from monitoring.alerting import evaluator, thresholds
from monitoring.metrics.catalogue import TICK_S
from monitoring.metrics.collector import Collector
from monitoring.models import Alert, AlertStatus, Tick
from monitoring.notification import planner
from orchestra.bench import history, load
from orchestra.kernel.clock import database_now
from orchestra.kernel.series import MINUTE_S

POOL_SIZE = 100
MINUTES_BEFORE = 12
"""The collector looks at the minutes that may still change: before it begins, they are there."""
LIMITS = {
    "response_time": (5.0, 4.0),
    "error_rate": (0.05, 0.02),
    "throughput_per_min": (1_000.0, 900.0),
    "memory_bytes": (8e9, 7e9),
    "cpu_percent": (90.0, 80.0),
    "utilization": (0.9, 0.8),
}
"""Metrics that thresholds look at in turn, with a limit and when it has recovered; limits go up a little."""
BREACHING = 20
"""In the last scenario one of so many agents is slow and fails: 5 %."""
MEMORY_BYTES = 200_000_000


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--agents", type=int, default=5_000)
    parser.add_argument("--thresholds", type=int, default=20)
    parser.add_argument("--ticks", type=int, default=6, help="in each scenario")


def run(options: Namespace) -> list[dict[str, Any]]:
    _make_fleet(options.agents)
    _make_thresholds(options.thresholds)
    agents = list(Agent.objects.order_by("pk").values_list("pk", flat=True))
    clock = _Clock(agents)
    for minute in range(MINUTES_BEFORE):
        clock.measure(_calm, timedelta(minutes=minute - MINUTES_BEFORE))
    history.settle()
    scenarios: dict[str, Callable[[int], Tally | None]] = {"calm": _calm, "breaching": _breaching, "idle": _idle}
    clock.tick(advises=False)  # the very first tick has nothing to compare with, and makes the gauges
    return [clock.scenario(name, made, options) for name, made in scenarios.items()]


def _make_fleet(agents: int) -> None:
    for number, first in enumerate(range(0, agents, POOL_SIZE)):
        size = min(POOL_SIZE, agents - first)
        template = {"config": {"function": "bench.noop"}, "capabilities": [f"work_{number}"], "max_concurrency": 4}
        values = {"name": f"crew-{number}", "template": template, "min_size": size, "max_size": size}
        pools.create("python", values, by=load.BENCH)


def _make_thresholds(count: int) -> None:
    for number in range(count):
        metric, (value, recovery) = list(LIMITS.items())[number % len(LIMITS)]
        more = 1 + number // len(LIMITS) / 100
        values = {"metric": metric, "value": value * more, "recovery_value": recovery * more, "for_s": TICK_S}
        thresholds.create({"name": f"{metric} {number}", **values}, by=load.BENCH)


def _calm(number: int) -> Tally:
    tally = Tally()
    for part in (1, 2, 3):
        tally.count(0.1 * part, None)
    tally.sample(MEMORY_BYTES + number)
    tally.spend(0.2)
    return tally


def _breaching(number: int) -> Tally:
    if number % BREACHING:
        return _calm(number)
    tally = Tally()
    tally.count(30.0, None)
    tally.count(40.0, Fault.AGENT)
    return tally


def _idle(number: int) -> None:
    return None


class _Clock:
    """Time goes on by a tick at each :meth:`tick`, however long that took."""

    def __init__(self, agents: list[int]) -> None:
        self.agents = agents
        self.collector = Collector()
        self.now = database_now()

    def measure(self, made: Callable[[int], Tally | None], ago: timedelta = timedelta()) -> None:
        """Executors write what the calls of all agents took."""
        minute = int((self.now + ago).timestamp() // MINUTE_S)
        found = {(agent, minute): made(number) for number, agent in enumerate(self.agents)}
        measures.write({key: tally for key, tally in found.items() if tally is not None})

    def scenario(self, name: str, made: Callable[[int], Tally | None], options: Namespace) -> dict[str, Any]:
        times = []
        for number in range(options.ticks):
            self.now += timedelta(seconds=TICK_S)
            self.measure(made)
            times.append(self.tick(advises=number == options.ticks - 1))
        last = Tick.objects.latest("at")
        return {
            "bench": "monitor",
            "database": connection.vendor,
            "scenario": name,
            "agents": len(self.agents),
            "thresholds": options.thresholds,
            "ticks": options.ticks,
            "rows_a_tick": last.agents + last.gauges,
            "firing": Alert.objects.filter(status=AlertStatus.FIRING).count(),
            **{part: _spread([each.get(part, 0.0) for each in times]) for part in ("collect_s", "evaluate_s")},
            "notify_s": _spread([each["notify_s"] for each in times]),
            "advise_s": round(times[-1]["advise_s"], 3),
            "total_s": _spread([sum(each.values()) for each in times]),
        }

    def tick(self, *, advises: bool) -> dict[str, float]:
        """One turn of the monitor; how long each step took."""
        steps: dict[str, Callable[[datetime], object]] = {
            "collect_s": self.collector.collect,
            "evaluate_s": evaluator.evaluate_due,
            "notify_s": planner.run_due,
        }
        if advises:
            steps["advise_s"] = recommendations.refresh
        took = {}
        for name, act in steps.items():
            began = time.perf_counter()
            act(self.now)
            took[name] = time.perf_counter() - began
        return took


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": round(median(values), 3), "max": round(max(values), 3)}
