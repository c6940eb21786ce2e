"""Measurements of agents over the API. This floor answers, since it keeps them; monitoring only looks at them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from agents import figures
from agents.figures import METRICS, Measured
from agents.models import Agent, AgentKind
from agents.outcomes import Fault
from orchestra.kernel import rest
from orchestra.kernel.errors import FieldError, Invalid, field_error
from orchestra.kernel.lists import moment, number_in
from orchestra.kernel.series import MINUTE_S, Steps, steps_between

MOST_AGENTS = 50
MOST_POINTS = 1_000
MOST_FIGURES = 50_000
"""Points of all series of one answer together."""
HOUR = timedelta(hours=1)
OWN = (AgentKind.PROCESS, AgentKind.REMOTE)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for."""

    agents: list[Agent]
    metrics: list[str]
    steps: Steps
    now: datetime

    def measured(self) -> Measured:
        return figures.measured([agent.pk for agent in self.agents], self.steps, self.now)


class AgentMetricsOut(rest.Serializer):
    """One agent over the whole of the time asked for; null: there was nothing to measure."""

    agent = serializers.IntegerField()
    name = serializers.CharField()
    measured_of = serializers.ChoiceField(["process", "worker"], allow_null=True)
    failures = serializers.DictField(child=serializers.IntegerField(), help_text="By whose fault.")
    metrics = serializers.DictField(child=serializers.FloatField(allow_null=True))


class MetricsOut(rest.Serializer):
    """Agents by name."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    results = AgentMetricsOut(many=True)


class SeriesOut(rest.Serializer):
    """One metric of one agent: pairs of the moment at which a step begins and its value, null where there is none."""

    agent = serializers.IntegerField()
    name = serializers.CharField()
    metric = serializers.ChoiceField(list(METRICS))
    unit = serializers.CharField()
    measured_of = serializers.ChoiceField(["process", "worker"], allow_null=True)
    points = serializers.ListField(child=serializers.ListField())


class AllSeriesOut(rest.Serializer):
    """Series over the same steps of ``step`` seconds."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    step = serializers.IntegerField()
    series = SeriesOut(many=True)


PARAMETERS = [
    OpenApiParameter("agent", str, description=f"Numbers separated by commas, at most {MOST_AGENTS}."),
    OpenApiParameter("metric", str, description=f"Separated by commas: {', '.join(METRICS)}."),
    OpenApiParameter("since", str, description="An instant; an hour before `until` if not given."),
    OpenApiParameter("until", str, description="An instant; now if not given."),
]
STEP = OpenApiParameter("step", int, description="Seconds, a multiple of 60; chosen for up to 200 points if not given.")


class AgentMetrics(rest.View):
    """What agents were measured to do in a time; without `agent` the first 50 by name. `step` only aligns its ends."""

    @extend_schema(operation_id="metrics_agents", parameters=[*PARAMETERS, STEP], responses=MetricsOut)
    def get(self, request: rest.ApiRequest) -> Response:
        asked = _asked(request.query_params.dict(), needs_agent=False)
        found = asked.measured()
        results = [_whole(agent, asked.metrics, found) for agent in asked.agents]
        return Response({"since": asked.steps.start, "until": min(asked.steps.end, asked.now), "results": results})


class MetricSeries(rest.View):
    """The course of metrics of agents."""

    @extend_schema(operation_id="metrics_series", parameters=[*PARAMETERS, STEP], responses=AllSeriesOut)
    def get(self, request: rest.ApiRequest) -> Response:
        asked = _asked(request.query_params.dict(), needs_agent=True)
        if asked.steps.count * len(asked.metrics) * len(asked.agents) > MOST_FIGURES:
            raise field_error("step", f"That is over {MOST_FIGURES:,} points in all; ask for less of something.")
        found, starts = asked.measured(), asked.steps.starts
        return Response(
            {
                "since": asked.steps.start,
                "until": asked.steps.end,
                "step": asked.steps.step_s,
                "series": [
                    {
                        **_of(agent, found),
                        "metric": metric,
                        "unit": METRICS[metric].unit,
                        "points": list(zip(starts, found.values(agent.pk, metric), strict=True)),
                    }
                    for agent in asked.agents
                    for metric in asked.metrics
                ],
            }
        )


def _asked(params: Mapping[str, str], *, needs_agent: bool) -> Asked:
    known = {"agent", "metric", "since", "until", "step", "format"}
    unknown = sorted(params.keys() - known)
    if unknown:
        raise Invalid(errors=[{"path": name, "message": "There is no such parameter here."} for name in unknown])
    now = timezone.now()
    faults: list[FieldError] = []
    until = _moment(params, "until", now, faults)
    since = _moment(params, "since", until - HOUR, faults)
    metrics = [name for name in params.get("metric", "").split(",") if name] or list(METRICS)
    if wrong := [name for name in metrics if name not in METRICS]:
        faults.append({"path": "metric", "message": f"There is no {wrong[0][:50]}; known are {', '.join(METRICS)}."})
    if faults:
        raise Invalid(errors=faults)
    steps = _steps(params, since, until, now)
    return Asked(_agents(params.get("agent", ""), needs_agent=needs_agent), metrics, steps, now)


def _moment(params: Mapping[str, str], name: str, otherwise: datetime, faults: list[FieldError]) -> datetime:
    try:
        return moment(params[name]) if params.get(name) else otherwise
    except ValueError as fault:
        faults.append({"path": name, "message": str(fault)})
        return otherwise


def _agents(text: str, *, needs_agent: bool) -> list[Agent]:
    words = [word for word in text.split(",") if word]
    numbers = [number for word in words if (number := number_in(word)) is not None]
    if len(numbers) < len(words) or (needs_agent and not words):
        raise field_error("agent", "Give the numbers of agents, separated by commas.")
    if len(numbers) > MOST_AGENTS:
        raise field_error("agent", f"Give at most {MOST_AGENTS} agents at a time.")
    agents = Agent.objects.select_related("process").order_by("name")
    found = list(agents.filter(pk__in=numbers) if numbers else agents[:MOST_AGENTS])
    if missing := sorted(set(numbers) - {agent.pk for agent in found}):
        raise field_error("agent", f"There is no agent {missing[0]}.")
    return found


def _steps(params: Mapping[str, str], since: datetime, until: datetime, now: datetime) -> Steps:
    least_s, text = figures.least_step_s(since, now), params.get("step", "")
    step_s = number_in(text[:12]) if text else 0
    if step_s is None or (text and (not step_s or step_s % MINUTE_S)):
        raise field_error("step", "Give a whole number of seconds that is a multiple of 60.")
    if step_s and (step_s < least_s or (least_s > MINUTE_S and step_s % least_s)):
        raise field_error("step", f"So long ago only steps that are multiples of {least_s} are kept.")
    try:
        return steps_between(since, until, step_s=step_s, most=MOST_POINTS if step_s else 200, least_s=least_s)
    except ValueError as fault:
        raise field_error("step" if since < until else "since", str(fault)) from None


def _whole(agent: Agent, metrics: Sequence[str], found: Measured) -> dict[str, Any]:
    total = found.total(agent.pk)
    values = {name: METRICS[name].value(total, found.elapsed_s) for name in metrics}
    failures = {str(fault): total.failures.get(fault, 0) for fault in Fault}
    return {**_of(agent, found), "failures": failures, "metrics": values}


def _of(agent: Agent, found: Measured) -> dict[str, Any]:
    """The agent, and whose memory and processor time its figures are."""
    has_any = any(tally.samples or tally.cpu_calls for tally in found.courses[agent.pk])
    measured_of = ("process" if agent.kind in OWN else "worker") if has_any else None
    return {"agent": agent.pk, "name": agent.name, "measured_of": measured_of}
