"""What agents were measured to do over the whole of a time: one figure each. Reads only; two queries for a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import Q, QuerySet

from agents import figures as calls
from agents.models import Agent, AgentKind
from agents.outcomes import Fault
from monitoring.metrics import courses
from monitoring.metrics.figures import CALLS
from monitoring.metrics.questions import numbers_in
from orchestra.kernel.lists import ListFilter, Named
from orchestra.kernel.series import Steps

OWN = (AgentKind.PROCESS, AgentKind.REMOTE)


@dataclass(frozen=True, slots=True)
class Numbered:
    """Filters by the numbers of rows, separated by commas."""

    def condition(self, text: str) -> Q:
        return Q(pk__in=numbers_in(text))


class AgentFigures(ListFilter[Agent]):
    """Agents by name."""

    filters = {"agent": Numbered(), "pool": Named("pool")}
    order = ("name",)

    def base(self) -> QuerySet[Agent]:
        return Agent.objects.all()


@dataclass(frozen=True)
class Totals:
    """The figures ``metrics`` of ``agents`` over all of ``steps``."""

    agents: Sequence[Agent]
    metrics: Sequence[str]
    steps: Steps
    now: datetime

    def of(self, agent: Agent) -> dict[str, Any]:
        """One agent; None where there was nothing to measure."""
        total = self._measured.total(agent.pk)
        values = {
            name: calls.METRICS[name].value(total, self._measured.elapsed_s)
            if name in CALLS
            else self._ticked.get((name, str(agent.pk)))
            for name in self.metrics
        }
        has_any = bool(total.samples or total.cpu_calls)
        return {
            "agent": agent.pk,
            "name": agent.name,
            "measured_of": measured_of(agent.kind, has_any=has_any),
            "failures": {str(fault): total.failures.get(fault, 0) for fault in Fault},
            "metrics": values,
        }

    @cached_property
    def _measured(self) -> calls.Measured:
        return calls.measured([agent.pk for agent in self.agents], self.steps, self.now)

    @cached_property
    def _ticked(self) -> Mapping[tuple[str, str], float]:
        wanted = [name for name in self.metrics if name not in CALLS]
        return courses.totals(wanted, [str(agent.pk) for agent in self.agents], self.steps, self.now)


def measured_of(kind: str, *, has_any: bool) -> str | None:
    """Whose memory and processor time an agent's figures are, if there are ``any``."""
    return ("process" if kind in OWN else "worker") if has_any else None
