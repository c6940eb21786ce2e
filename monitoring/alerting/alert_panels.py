"""Alerts on the pages of what they are about, and on that of a run: those that fired about its work while it ran."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from agents.models import Agent
from monitoring.alerting import alert_rows
from monitoring.alerting.alert_rows import AlertRow
from monitoring.models import Alert, AlertStatus
from orchestra.kernel.registry import Panel
from workflows.models import Run, Step

TEMPLATE = "monitoring/parts/alert_panel.html"
PAGES = ("agent", "pool", "queue", "workflow")
MOST_OPEN, RECENT = 8, 5
NUMBERED = ("agent", "pool")


def panels() -> list[tuple[str, Panel]]:
    """Each page with its panel."""
    found = [(page, Panel(TEMPLATE, alerts_on(page), ("alert",))) for page in PAGES]
    return [*found, ("run", Panel(TEMPLATE, alerts_of_run, ("alert",)))]


def alerts_on(kind: str) -> Callable[[Any, HttpRequest], dict[str, Any] | None]:
    """The panel's context: what is open, then what was resolved lately; None where there never was any."""

    def context(subject: Any, request: HttpRequest) -> dict[str, Any] | None:
        identifier = str(subject.pk) if kind in NUMBERED else subject.name
        about = Q(subject_kind=kind, subject_id=identifier)
        if kind == "pool":
            about |= Q(subject_kind="agent", subject_id__in=_members(subject.pk))
        rows = _alerts().filter(about)
        found = list(rows.exclude(status=AlertStatus.RESOLVED).order_by("-pk")[:MOST_OPEN])
        if len(found) < RECENT:
            found += rows.filter(status=AlertStatus.RESOLVED).order_by("-pk")[: RECENT - len(found)]
        query = urlencode({"status": "open,resolved", kind: identifier})
        return _content(found, "Alerts", query, names_subject=kind == "pool")

    return context


def alerts_of_run(run: Run, request: HttpRequest) -> dict[str, Any] | None:
    """The alerts that fired, while the run went on, about its workflow, its queue and the agents that did its steps."""
    begun = run.started_at or run.created_at
    agents = Step.objects.filter(run=run).exclude(agent=None).values_list("agent_id", flat=True).distinct()
    about = Q(subject_kind="workflow", subject_id=run.version.workflow.name)
    about |= Q(subject_kind="queue", subject_id=run.queue)
    about |= Q(subject_kind="agent", subject_id__in=[str(agent) for agent in agents])
    lasted = Q(resolved_at=None) | Q(resolved_at__gte=begun)
    rows = _alerts().filter(about, lasted, fired_at__lte=run.finished_at or timezone.now())
    title = "Alerts while it ran" if run.finished_at else "Alerts about its work"
    return _content(list(rows.order_by("-pk")[:MOST_OPEN]), title, "", names_subject=True)


def _members(pool: int) -> list[str]:
    return [str(agent) for agent in Agent.objects.filter(pool=pool).values_list("pk", flat=True)]


def _alerts() -> QuerySet[Alert]:
    return Alert.objects.select_related("threshold", "owner")


def _content(found: list[Alert], title: str, query: str, *, names_subject: bool) -> dict[str, Any] | None:
    if not found:
        return None
    rows: list[AlertRow] = alert_rows.read(found, timezone.now())
    url = f"{reverse('alerts')}?{query}" if query else ""
    return {"alerts": rows, "alerts_title": title, "alerts_url": url, "names_subject": names_subject}
