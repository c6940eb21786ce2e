"""The charts of an agent's page: what it was measured to do in a range of time that the address names."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents import figures
from agents.figures import METRICS, Measured
from agents.models import Agent, AgentKind
from orchestra.kernel.charts import Chart, Line
from orchestra.kernel.looks import FAILED, RUNNING, SUCCEEDED, WAITING
from orchestra.kernel.series import WEEK, Before, steps_between, week_before

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


@dataclass(frozen=True, slots=True)
class Drawn:
    """What an agent was measured to do, and, where that is asked for, what it did a week before."""

    agent: int
    found: Measured
    before: tuple[Before, Measured] | None

    @classmethod
    def of(cls, agent: Agent, chosen: Range, now: datetime, *, compares: bool) -> "Drawn":
        since = now - chosen.length
        steps = steps_between(since, now, most=MOST_POINTS, least_s=figures.least_step_s(since, now))
        before = None
        if compares:
            week = week_before(steps, figures.least_step_s(steps.start - WEEK, now))
            before = (week, figures.measured([agent.pk], week.steps, now))
        return cls(agent.pk, figures.measured([agent.pk], steps, now), before)

    def chart(self, name: str, title: str, metrics: dict[str, str], note: str = "") -> Chart:
        lines = [line for metric, tone in metrics.items() for line in self._lines(metric, tone)]
        unit = METRICS[next(iter(metrics))].unit
        return Chart(f"chart-{name}", title, self.found.steps.starts, lines, unit, note=note)

    def _lines(self, metric: str, tone: str) -> Iterator[Line]:
        label = METRICS[metric].label
        yield Line(label, self.found.values(self.agent, metric), tone)
        if self.before is not None:
            week, measured = self.before
            yield Line(f"{label} a week before", week.under(measured.values(self.agent, metric)), tone, "dashed")


def range_of(name: str) -> Range:
    """The range that the address asks for; the first one if there is none of that name."""
    return RANGES.get(name, DEFAULT)


def of(agent: Agent, chosen: Range, now: datetime, *, compares: bool = False) -> list[Chart]:
    """Its charts, in one query, in two beside last week; memory and processor where there is a process to measure."""
    drawn = Drawn.of(agent, chosen, now, compares=compares)
    charts = [
        drawn.chart("response", "Response", {"response_p50": RUNNING, "response_p95": WAITING}),
        drawn.chart("throughput", "Throughput", {"throughput": RUNNING}),
        drawn.chart("errors", "Errors", {"error_rate": FAILED}),
    ]
    if agent.kind in (AgentKind.PYTHON, *OWN_PROCESS):
        owns = agent.kind in OWN_PROCESS
        memory = drawn.chart("memory", "Memory", {"memory_bytes": SUCCEEDED}, "" if owns else "of its worker")
        cpu_note = "" if owns else "of its calls’ threads"
        charts += [memory, drawn.chart("processor", "Processor", {"cpu_percent": SUCCEEDED}, cpu_note)]
    return charts
