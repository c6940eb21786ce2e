"""Thresholds on the pages of what they look at, each with the distance to its limit there."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from agents.models import Agent
from monitoring.alerting import standings
from monitoring.metrics.catalogue import METRICS, of_kind
from monitoring.metrics.readings import Scope
from monitoring.models import ScopeKind, Threshold
from orchestra.kernel import access
from orchestra.kernel.registry import Panel

TEMPLATE = "monitoring/parts/threshold_panel.html"
PAGES = ("agent", "pool", "queue", "workflow")
MOST = 12
NUMBERED = ("agent", "pool")


def panels() -> list[tuple[str, Panel]]:
    """Each page with its panel."""
    return [(page, Panel(TEMPLATE, thresholds_on(page), ("threshold", "alert"))) for page in PAGES]


def thresholds_on(kind: str) -> Callable[[Any, HttpRequest], dict[str, Any] | None]:
    """The panel's context: the thresholds that look at the subject; None where none does and none may be added."""

    def context(subject: Any, request: HttpRequest) -> dict[str, Any] | None:
        identifier = str(subject.pk) if kind in NUMBERED else subject.name
        rows = list(Threshold.objects.filter(_looking_at(kind, subject, identifier)).order_by("name")[: MOST + 1])
        may_add = access.can(request.user, "thresholds.create")
        if not rows and not may_add:
            return None
        within = {row.pk: _within(row, kind, identifier) for row in rows[:MOST]}
        return {
            "rows": standings.read_for(rows[:MOST], within, timezone.now()),
            "is_more": len(rows) > MOST,
            "may_add": may_add,
            "add_url": f"{reverse('threshold-add')}?{urlencode({kind: subject.name})}",
        }

    return context


def _looking_at(kind: str, subject: Any, identifier: str) -> Q:
    own = Q(scope_kind=ScopeKind.ALL) | Q(scope_kind=kind, scope_value=identifier)
    looking = own & Q(metric__in=_metrics(kind))
    if kind == "agent":
        looking |= _of_groups(subject) & Q(metric__in=_metrics("agent"))
    elif kind == "pool":
        looking |= Q(scope_kind=ScopeKind.POOL, scope_value=identifier, metric__in=_metrics("agent"))
    return looking


def _of_groups(agent: Agent) -> Q:
    """What looks at the agent's pool, or at those who can do what it can."""
    skills = [capability.name for capability in agent.capabilities.all()]
    return Q(scope_kind=ScopeKind.POOL, scope_value=str(agent.pool_id or "")) | Q(
        scope_kind=ScopeKind.CAPABILITY, scope_value__in=skills
    )


def _within(row: Threshold, kind: str, identifier: str) -> Scope:
    """What of the threshold's scope the page is about: the subject itself, or the members of the pool."""
    return Scope(kind, identifier) if METRICS[row.metric].kind == kind else Scope(ScopeKind.POOL, identifier)


def _metrics(kind: str) -> list[str]:
    return [metric.name for metric in of_kind(kind)]
