"""Measurements over the API: the catalogue, figures of agents over a time, courses of whatever is measured."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from agents.models import Agent
from monitoring.metrics import agent_totals, courses, gaps, questions
from monitoring.metrics.agent_totals import AgentFigures, Totals
from monitoring.metrics.catalogue import METRICS
from monitoring.metrics.figures import FIGURES, KINDS, of_kind
from orchestra.kernel import rest
from orchestra.kernel.errors import FieldError, Invalid, field_error
from orchestra.kernel.lists import MAX_PAGE_SIZE, PAGE_SIZE
from orchestra.kernel.series import MINUTE_S, steps_between

LOADED = ("memory_bytes", "cpu_percent")
LIST = frozenset({"agent", "pool", "metric", "since", "until", "step", "cursor", "limit", "format"})


class MetricOut(rest.Serializer):
    """A figure: what it is of, its unit, how it comes about."""

    name = serializers.CharField()
    kind = serializers.ChoiceField(list(KINDS))
    label = serializers.CharField()  # type: ignore[assignment]
    unit = serializers.CharField()
    how = serializers.CharField()
    thresholds = serializers.BooleanField(
        help_text="Whether it is collected each tick, so that thresholds can watch it."
    )


class CatalogueOut(rest.Serializer):
    results = MetricOut(many=True)


class AgentMetricsOut(rest.Serializer):
    """One agent over the whole of the time asked for; null: there was nothing to measure."""

    agent = serializers.IntegerField()
    name = serializers.CharField()
    measured_of = serializers.ChoiceField(["process", "worker"], allow_null=True)
    failures = serializers.DictField(child=serializers.IntegerField(), help_text="By whose fault.")
    metrics = serializers.DictField(child=serializers.FloatField(allow_null=True))


class AgentsMetricsOut(rest.Serializer):
    """Agents by name."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    results = AgentMetricsOut(many=True)


class GapOut(rest.Serializer):
    """The collector did not run from then until then."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    ticks = serializers.IntegerField()


class SeriesOut(rest.Serializer):
    """One metric of one subject: pairs of the moment at which a step begins and its value, null where there is none."""

    kind = serializers.ChoiceField(list(KINDS))
    subject = serializers.CharField(help_text="The number of an agent or pool, the name of a queue or workflow.")
    name = serializers.CharField()
    agent = serializers.IntegerField(allow_null=True)
    metric = serializers.ChoiceField(list(FIGURES))
    unit = serializers.CharField()
    measured_of = serializers.ChoiceField(["process", "worker"], allow_null=True)
    points = serializers.ListField(child=serializers.ListField())


class AllSeriesOut(rest.Serializer):
    """Series over the same steps of ``step`` seconds; ``gaps`` are when nothing was collected at all."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    step = serializers.IntegerField()
    missing_ticks = serializers.IntegerField(help_text="Of the collector, one every 30 s.")
    gaps = GapOut(many=True)
    series = SeriesOut(many=True)


WINDOW = [
    OpenApiParameter("metric", str, description="Separated by commas; GET /api/v1/metrics/ lists them."),
    OpenApiParameter("since", str, description="An instant; an hour before `until` if not given."),
    OpenApiParameter("until", str, description="An instant; now if not given."),
    OpenApiParameter(
        "step",
        int,
        description="Seconds, a multiple of 60; 30 in series of what each tick collects, for eight days. "
        "Chosen for up to 200 points if not given.",
    ),
]
AGENT = OpenApiParameter(
    "agent", str, description=f"Numbers separated by commas, at most {questions.MOST_SUBJECTS} at a time."
)
POOL = OpenApiParameter("pool", str, description="A name or number: its own figures, or those of its agents.")
SUBJECTS = [
    AGENT,
    POOL,
    OpenApiParameter("queue", str, description="Names separated by commas; every queue if not given."),
    OpenApiParameter("workflow", str, description="Names separated by commas; every workflow if not given."),
]
PAGING = [
    OpenApiParameter("cursor", str, description="From `next` or `previous`."),
    OpenApiParameter("limit", int, description=f"Agents a page: {PAGE_SIZE} if not given, at most {MAX_PAGE_SIZE}."),
]


class Catalogue(rest.View):
    """Everything that is measured."""

    @extend_schema(operation_id="metrics_catalogue", responses=CatalogueOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return Response(
            {
                "results": [
                    {
                        "name": metric.name,
                        "kind": metric.kind,
                        "label": metric.label,
                        "unit": metric.unit,
                        "how": metric.how,
                        "thresholds": metric.name in METRICS,
                    }
                    for metric in sorted(FIGURES.values(), key=lambda metric: KINDS.index(metric.kind))
                ]
            }
        )


class AgentMetrics(rest.View):
    """What agents were measured to do in a time; `step` only aligns its ends."""

    @extend_schema(
        operation_id="metrics_agents", parameters=[AGENT, POOL, *WINDOW, *PAGING], responses=AgentsMetricsOut
    )
    def get(self, request: rest.ApiRequest) -> Response:
        params, now = request.query_params.dict(), timezone.now()
        questions.refuse_unknown(params, LIST)
        faults: list[FieldError] = []
        since, until = questions.window(params, now, faults)
        metrics = [metric.name for metric in questions.metrics_in(params, faults) or of_kind("agent")]
        if faults:
            raise Invalid(errors=faults)
        if others := [name for name in metrics if FIGURES[name].kind != "agent"]:
            raise field_error("metric", f"{others[0]} is no figure of agents; metrics/series/ answers it.")
        steps = questions.steps_in(params, (since, until), courses.least_step_s(metrics, since, now))
        questions.refuse_missing(questions.numbers_in(params.get("agent", "")))
        asked = AgentFigures(params)
        page = asked.page()
        totals = Totals(page.rows, metrics, steps, now)
        return Response(
            {
                "next": (page.next and request.build_absolute_uri(asked.page_link(page.next))) or None,
                "previous": (page.previous and request.build_absolute_uri(asked.page_link(page.previous))) or None,
                "since": steps.start,
                "until": min(steps.end, now),
                "results": [totals.of(agent) for agent in page.rows],
            }
        )


class MetricSeries(rest.View):
    """The course of figures of one kind of subject. Where nothing was measured the value is null."""

    @extend_schema(operation_id="metrics_series", parameters=[*SUBJECTS, *WINDOW], responses=AllSeriesOut)
    def get(self, request: rest.ApiRequest) -> Response:
        asked = questions.read(request.query_params.dict(), timezone.now())
        steps = asked.steps
        found = gaps.between(steps.start, steps.end, asked.now)
        return Response(
            {
                "since": steps.start,
                "until": steps.end,
                "step": steps.step_s,
                "missing_ticks": gaps.missing(found),
                "gaps": [{"since": gap.since, "until": gap.until, "ticks": gap.ticks} for gap in found],
                "series": _series(asked),
            }
        )


def _series(asked: questions.Asked) -> list[dict[str, Any]]:
    is_agent = asked.kind == "agent"
    found = _read(asked)
    kinds = dict(Agent.objects.filter(pk__in=asked.subjects).values_list("pk", "kind")) if is_agent else {}
    starts = asked.steps.starts

    def measured_of(subject: str) -> str | None:
        if not is_agent:
            return None
        has_any = any(value is not None for name in LOADED for value in found[name, subject])
        return agent_totals.measured_of(kinds.get(int(subject), ""), has_any=has_any)

    about = {subject: measured_of(subject) for subject in asked.subjects}
    return [
        {
            "kind": asked.kind,
            "subject": subject,
            "name": name,
            "agent": int(subject) if is_agent else None,
            "metric": metric,
            "unit": FIGURES[metric].unit,
            "measured_of": about[subject],
            "points": list(zip(starts, found[metric, subject], strict=True)),
        }
        for subject, name in asked.subjects.items()
        for metric in asked.metrics
    ]


def _read(asked: questions.Asked) -> courses.Courses:
    """The series that are asked for, and those that tell where an agent's load is measured: these by the minute."""
    subjects, steps = list(asked.subjects), asked.steps
    if asked.kind != "agent":
        return courses.read(asked.metrics, subjects, steps, asked.now)
    if steps.step_s % MINUTE_S == 0:
        return courses.read(list(dict.fromkeys([*asked.metrics, *LOADED])), subjects, steps, asked.now)
    minutes = steps_between(steps.start, steps.end, step_s=MINUTE_S, most=steps.count)
    return {
        **courses.read(asked.metrics, subjects, steps, asked.now),
        **courses.read(LOADED, subjects, minutes, asked.now),
    }
