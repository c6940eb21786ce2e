"""Agents and pools for Prometheus."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from agents.models import Agent, AgentKind, AgentStatus, Circuit, Pool
from agents.ports import calls_in_flight
from monitoring.prometheus import buckets, measures

OWN_PROCESS = (AgentKind.PROCESS, AgentKind.REMOTE)
FRESH = timedelta(minutes=1)
BREAKER = {Circuit.CLOSED: 0, Circuit.HALF_OPEN: 1, Circuit.OPEN: 2}
COLUMNS = (
    "id", "name", "kind", "status", "max_concurrency", "pool__name", "health__circuit", "health__calls",
    "health__failures", "process__memory_bytes", "process__cpu_percent", "process__measured_at",
)  # fmt: skip


def families(now: datetime) -> Iterator[Metric]:
    """Every agent and every pool, in a constant number of queries."""
    agents = [dict(zip(COLUMNS, row, strict=True)) for row in Agent.objects.order_by("id").values_list(*COLUMNS)]
    yield from _standing(agents)
    yield from _calls(agents, now)
    yield from _processes(agents, now)
    yield from _pools()


def _standing(agents: Collection[dict]) -> Iterator[Metric]:
    about = GaugeMetricFamily(
        "orchestra_agent_info",
        "Always 1; the labels say what the agent is.",
        labels=["agent", "kind", "pool", "status"],
    )
    slots = GaugeMetricFamily("orchestra_agent_slots", "Calls at a time; 0 while it takes none.", labels=["agent"])
    busy = GaugeMetricFamily("orchestra_agent_in_flight", "Calls that it is at.", labels=["agent"])
    breaker = GaugeMetricFamily(
        "orchestra_agent_breaker", "Its circuit breaker: 0 closed, 1 half open, 2 open.", labels=["agent"]
    )
    load = calls_in_flight([agent["id"] for agent in agents])
    for agent in agents:
        name = agent["name"]
        about.add_metric([name, agent["kind"], agent["pool__name"] or "", agent["status"]], 1)
        slots.add_metric([name], agent["max_concurrency"] if agent["status"] == AgentStatus.ONLINE else 0)
        busy.add_metric([name], load.get(agent["id"], 0))
        breaker.add_metric([name], BREAKER.get(agent["health__circuit"], 0))
    return iter((about, slots, busy, breaker))


def _calls(agents: Collection[dict], now: datetime) -> Iterator[Metric]:
    calls = CounterMetricFamily(
        "orchestra_agent_calls", "Calls that ended and say something about it, as its breaker counts.", labels=["agent"]
    )
    failures = CounterMetricFamily("orchestra_agent_failures", "Of these, those that failed.", labels=["agent"])
    took = HistogramMetricFamily(
        "orchestra_agent_response_seconds", "Durations of its calls since midnight UTC.", labels=["agent"]
    )
    found = measures.calls(now)
    for agent in agents:
        calls.add_metric([agent["name"]], agent["health__calls"] or 0)
        failures.add_metric([agent["name"]], agent["health__failures"] or 0)
        if durations := found.get(agent["id"]):
            counts = buckets.cumulative(buckets.CALLS_S, durations.counts)
            took.add_metric([agent["name"]], counts, durations.seconds)
    return iter((calls, failures, took))


def _processes(agents: Collection[dict], now: datetime) -> Iterator[Metric]:
    memory = GaugeMetricFamily(
        "orchestra_agent_memory_bytes", "Resident memory of an agent that is a process of its own.", labels=["agent"]
    )
    cpu = GaugeMetricFamily("orchestra_agent_cpu_ratio", "Processors that this process uses.", labels=["agent"])
    for agent in agents:
        measured = agent["process__measured_at"]
        if agent["kind"] not in OWN_PROCESS or measured is None or measured < now - FRESH:
            continue
        for family, value in ((memory, agent["process__memory_bytes"]), (cpu, agent["process__cpu_percent"])):
            if value is not None:
                family.add_metric([agent["name"]], value / 100 if family is cpu else value)
    return iter((memory, cpu))


def _pools() -> Iterator[Metric]:
    words = {"target": "Members that it should have.", "min_size": "The least.", "max_size": "The most."}
    pools = Pool.objects.order_by("id").values_list("name", *words)
    for index, (column, meaning) in enumerate(words.items(), start=1):
        family = GaugeMetricFamily(f"orchestra_pool_{column}", meaning, labels=["pool"])
        for pool in pools:
            family.add_metric([pool[0]], pool[index])
        yield family
