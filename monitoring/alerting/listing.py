"""The list of thresholds, for page and API, and what the search across everything finds."""

from dataclasses import replace
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from monitoring.alerting import standings
from monitoring.metrics.catalogue import METRICS
from monitoring.models import AlertStatus, Severity, Threshold
from orchestra.kernel import registry
from orchestra.kernel.lists import Chip, Choice, ListFilter, Page, Search
from orchestra.kernel.registry import Found

KINDS = (
    ("agent", "of agents"),
    ("pool", "of pools"),
    ("queue", "of queues"),
    ("workflow", "of workflows"),
    ("system", "of the system"),
)


def _of_kind(kind: str) -> Q:
    return Q(metric__in=[metric.name for metric in METRICS.values() if metric.kind == kind])


class ThresholdList(ListFilter[Threshold]):
    """Thresholds by name."""

    filters = {
        "severity": Choice(Severity.choices, "severity"),
        "enabled": Choice((("true", "enabled"), ("false", "disabled")), lambda value: Q(enabled=value == "true")),
        "firing": Choice(
            (("true", "firing"),),
            lambda _: Q(pk__in=Threshold.objects.filter(alerts__status=AlertStatus.FIRING).values("pk")),
        ),
        "kind": Choice(KINDS, _of_kind),
        "metric": Choice(tuple((metric.name, metric.label) for metric in METRICS.values()), "metric"),
        "search": Search(("name", "instruction")),
    }
    order = ("name",)

    def base(self) -> QuerySet[Threshold]:
        return Threshold.objects.all()

    @property
    def offered(self) -> list[Chip]:
        """The filters that would find something, where there is more than one such of a sort."""
        sorts = [self._finding(name) for name in ("severity", "kind")]
        several = [chip for chips in sorts if len(chips) > 1 for chip in chips]
        states = [chip for chip in self._finding("enabled") if chip.current or chip.label == "disabled"]
        return [*self._finding("firing"), *states, *several]

    def _finding(self, name: str) -> list[Chip]:
        return [chip for chip in self.chips(name) if chip.current or chip.count]

    @property
    def taken(self) -> list[Chip]:
        """The metric that is asked for, as a chip that takes the filter away."""
        asked = [METRICS[name].label for name in self.params.get("metric", "").split(",") if name in METRICS]
        return [Chip(", ".join(asked), self.link(metric=""), current=True)] if asked else []


class StandingList(ThresholdList):
    """The same, each with how it stands."""

    def page(self) -> Page[Any]:
        page = super().page()
        rows: Any = standings.read(page.rows, timezone.now())
        return replace(page, rows=rows)


def find(text: str, _user: Any, limit: int) -> list[Found]:
    """Thresholds with ``text`` in their name; they are few."""
    rows = Threshold.objects.filter(name__icontains=text).order_by("name")[:limit]
    return [Found(row.name, METRICS[row.metric].label, reverse("threshold", args=[row.pk])) for row in rows]


FOUND = registry.Search(520, "Thresholds", "ruler-measure", find)
