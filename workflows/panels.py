"""What the engine adds to pages of the floor below."""

from typing import Any

from django.http import HttpRequest

from agents.models import Agent
from workflows.models import Step

RECENT = 20


def recent_calls(agent: Agent, request: HttpRequest) -> dict[str, Any]:
    """The newest steps that ``agent`` was given, in one query over an index."""
    calls = Step.objects.filter(agent=agent).order_by("-pk").select_related("run__version__workflow")
    columns = ("name", "status", "attempt", "error", "started_at", "finished_at", "run__version__workflow__name")
    return {"calls": [(call, _took_s(call)) for call in calls.only(*columns)[:RECENT]]}


def _took_s(call: Step) -> float | None:
    return (call.finished_at - call.started_at).total_seconds() if call.finished_at and call.started_at else None
