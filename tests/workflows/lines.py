"""Steps that wait in queues, made as rows: for tests of what is claimed of them."""

import json
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from orchestra.kernel.access import Actor
from tests.silent_writes import arranged
from workflows import definitions
from workflows.models import Run, Step, StepStatus, Workflow, WorkflowVersion

SYSTEM = Actor.system("test")
START = datetime(2026, 1, 1, tzinfo=timezone.get_current_timezone())
WORK = json.dumps([["work"], []], separators=(",", ":"))


def version(name: str = "line") -> WorkflowVersion:
    """A workflow of one step, ``a``, that asks for ``work``."""
    if Workflow.objects.filter(name=name).exists():
        return definitions.newest(name)
    steps = [{"name": "a", "capabilities": ["work"]}]
    return definitions.publish(name, {"steps": steps}, by=SYSTEM, allow_unknown=True)


def put(queue: str, count: int = 1, **columns: Any) -> list[Step]:
    """So many runs with a step each that stands in ``queue``, the first made first in rank."""
    made = version()
    rank_at = columns.pop("rank_at", START)
    columns = {"status": StepStatus.READY, "demand": WORK, "name": "a"} | columns
    with arranged():
        runs = Run.objects.bulk_create([Run(version=made, queue=queue, correlation="test") for _ in range(count)])
        steps = [
            Step(run=run, queue=queue, rank_at=rank_at + timedelta(seconds=place), **columns)
            for place, run in enumerate(runs)
        ]
        return Step.objects.bulk_create(steps)
