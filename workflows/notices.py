"""What a group tells those whose objects its runs serve: that a run ended or goes on, and how its steps fare."""

from collections import defaultdict
from typing import Any

from workflows.models import Run, Step
from workflows.ports import Change, RunChange, StepChange, observers

_OfStep = tuple[Step, dict[str, Any]]
"""The step, which may have no number before it is saved, and the rest of what is told of it."""


class Notices:
    """Gathers them, as things are at that moment, until :meth:`deliver`; runs that serve nothing have none."""

    def __init__(self) -> None:
        self._gathered: dict[str, list[RunChange | _OfStep]] = defaultdict(list)

    def add_run(self, run: Run) -> None:
        if run.serves_kind:
            change = RunChange(run.serves_id, run.pk, run.status, run.output, run.error)
            self._gathered[run.serves_kind].append(change)

    def add_step(self, run: Run, step: Step) -> None:
        if not run.serves_kind:
            return
        told = {
            "serves_id": run.serves_id,
            "run": run.pk,
            "name": step.name,
            "status": step.status,
            "output": step.output,
            "error": step.error,
            "agent": (step.choice or {}).get("chosen", ""),
            "input": step.input,
        }
        self._gathered[run.serves_kind].append((step, told))

    def deliver(self) -> None:
        """Tell each observer all of its kind at once; the steps are saved, so their numbers are known."""
        for kind, gathered in self._gathered.items():
            observe = observers.get(kind)
            if observe is not None:
                observe([_change(each) for each in gathered])


def _change(gathered: RunChange | _OfStep) -> Change:
    if isinstance(gathered, RunChange):
        return gathered
    step, told = gathered
    return StepChange(step=step.pk, **told)
