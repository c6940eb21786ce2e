"""The charts of an agent's page: what it was measured to do in a range of time that the address names."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from agents import figures
from agents.figures import METRICS, Measured
from agents.models import Agent, AgentKind
from orchestra.kernel.charts import Chart, Line
from orchestra.kernel.looks import FAILED, RUNNING, SUCCEEDED, WAITING
from orchestra.kernel.series import steps_between

MOST_POINTS = 130
OWN_PROCESS = (AgentKind.PROCESS, AgentKind.REMOTE)


@dataclass(frozen=True, slots=True)
class Range:
    """A range that the page offers, by the word in its address."""

    name: str
    words: str
    length: timedelta


RANGES = {
    chosen.name: chosen
    for chosen in (
        Range("1h", "1 hour", timedelta(hours=1)),
        Range("24h", "24 hours", timedelta(hours=24)),
        Range("7d", "7 days", timedelta(days=7)),
        Range("60d", "60 days", timedelta(days=60)),
    )
}
DEFAULT = RANGES["1h"]


def range_of(name: str) -> Range:
    """The range that the address asks for; the first one if there is none of that name."""
    return RANGES.get(name, DEFAULT)


def of(agent: Agent, chosen: Range, now: datetime) -> list[Chart]:
    """Its charts, in one query; memory and processor where there is a process to measure."""
    since = now - chosen.length
    steps = steps_between(since, now, most=MOST_POINTS, least_s=figures.least_step_s(since, now))
    found = figures.measured([agent.pk], steps, now)
    charts = [
        _chart(agent, found, "response", "Response", {"response_p50": RUNNING, "response_p95": WAITING}),
        _chart(agent, found, "throughput", "Throughput", {"throughput": RUNNING}),
        _chart(agent, found, "errors", "Errors", {"error_rate": FAILED}),
    ]
    if agent.kind in (AgentKind.PYTHON, *OWN_PROCESS):
        owns = agent.kind in OWN_PROCESS
        memory = _chart(agent, found, "memory", "Memory", {"memory_bytes": SUCCEEDED}, "" if owns else "of its worker")
        cpu_note = "" if owns else "of its calls’ threads"
        charts += [memory, _chart(agent, found, "processor", "Processor", {"cpu_percent": SUCCEEDED}, cpu_note)]
    return charts


def _chart(  # noqa: PLR0913, PLR0917  what a chart is made of
    agent: Agent, found: Measured, name: str, title: str, metrics: dict[str, str], note: str = ""
) -> Chart:
    lines = [Line(METRICS[metric].label, found.values(agent.pk, metric), tone) for metric, tone in metrics.items()]
    unit = METRICS[next(iter(metrics))].unit
    return Chart(f"chart-{name}", title, found.steps.starts, lines, unit, note=note)
