"""What the search across everything finds of the engine: runs by number and by what they serve, workflows by name."""

import re
from typing import Any

from django.db.models import Q
from django.urls import reverse

from orchestra.kernel.lists import number_in
from orchestra.kernel.registry import Found, Search
from workflows.models import Run, Workflow

_SERVED = re.compile(r"([a-z_]+)[ :]#?(\S{1,64})")


def find_runs(text: str, _user: Any, limit: int) -> list[Found]:
    """The run with this number, and those that serve an object (``inquiry 7``), the newest first."""
    served = _SERVED.fullmatch(text.lower())
    number = number_in(text.lower().removeprefix("run "))
    if number is not None:
        wanted = Q(pk=number)
    elif served is not None:
        wanted = Q(serves_kind=served[1], serves_id=served[2])
    else:
        return []
    rows = (
        Run.objects.filter(wanted).select_related("version__workflow").defer("version__definition", "input", "output")
    )
    return [
        Found(f"Run #{row.pk}", _detail(row), reverse("run", args=[row.pk])) for row in rows.order_by("-pk")[:limit]
    ]


def _detail(run: Run) -> str:
    serves = f" for {run.serves_kind} {run.serves_id}" if run.serves_kind else ""
    return f"{run.get_status_display()}, {run.version.workflow.name} v{run.version.number}{serves}"


def find_workflows(text: str, _user: Any, limit: int) -> list[Found]:
    rows = Workflow.objects.filter(name__icontains=text).order_by("name")[:limit]
    return [Found(row.name, "Workflow", reverse("workflow", args=[row.name])) for row in rows]


RUNS = Search(200, "Runs", "timeline", find_runs)
WORKFLOWS = Search(300, "Workflows", "sitemap", find_workflows)
