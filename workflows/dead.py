"""Dead letters: steps that are not tried again, and what is done about them. Steps are written by ``control.py``."""

import time

from django.db.models import Q, QuerySet

from orchestra.kernel import access, events
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import field_error
from orchestra.kernel.lists import COUNT_LIMIT, Exact, ListFilter, Moment, Search, Selection
from orchestra.kernel.models import Role
from orchestra.kernel.registry import Badge, link
from orchestra.kernel.tally import Tally
from workflows import control
from workflows.models import Step, StepStatus, WorkflowVersion

access.grant({"queues.requeue": Role.OPERATOR})

AT_ONCE_S = 8.0
"""So long one request puts steps back; what is left then counts as skipped, to be asked for again."""


class OfWorkflow(Exact):
    """Filters by the workflow's name; the few versions are read first."""

    def condition(self, text: str) -> Q:
        versions = WorkflowVersion.objects.filter(workflow__name=text)
        return Q(run__version__in=list(versions.values_list("pk", flat=True)))


class OfCapability(Exact):
    """Filters by a capability that the step asks for; the few different demands of dead steps are read first."""

    def condition(self, text: str) -> Q:
        demands = Step.objects.filter(status=StepStatus.DEAD).order_by().values_list("demand", flat=True).distinct()
        asking = [demand for demand in demands if text in Step(demand=demand).needs]
        return Q(demand__in=asking)


class DeadList(ListFilter[Step]):
    """Dead steps, the newest run's first."""

    filters = {
        "queue": Exact("queue"),
        "workflow": OfWorkflow("run__version"),
        "capability": OfCapability("demand"),
        "cause": Search(("error",)),
        "since": Moment("finished_at__gte"),
        "search": Search(("error", "name"), number="run_id"),
    }

    @property
    def narrowed(self) -> bool:
        """Whether one of the less usual filters is set."""
        return bool(self.params.keys() & {"workflow", "capability", "cause", "since"})

    def base(self) -> QuerySet[Step]:
        dead = Step.objects.filter(status=StepStatus.DEAD).select_related("run__version__workflow", "agent")
        return dead.defer("input", "output", "choice", "run__input", "run__output", "run__version__definition")


def requeue(selection: Selection[Step], *, by: Actor, reason: str) -> Tally:
    """Try the dead steps of ``selection`` again, each in a unit of its own and all under one correlation.

    Those that are not dead any more are skipped; those whose run must not be disturbed are refused, with the reason.
    """
    access.check(by, "queues.requeue")
    if not reason.strip():
        raise field_error("reason", "Say why they are tried again, for example what was mended.")
    tally, until = Tally("put back"), time.monotonic() + AT_ONCE_S
    with events.correlating():
        for step_ids in selection.slices():
            for step_id in step_ids:
                if time.monotonic() > until:
                    tally.skipped += 1
                else:
                    _requeue_one(step_id, tally, by, reason)
    return tally


def badge() -> Badge | None:
    """How many dead letters wait for a person."""
    count = Step.objects.filter(status=StepStatus.DEAD).order_by()[: COUNT_LIMIT + 1].count()
    return Badge(count, "dead letters", "failed") if count else None


def _requeue_one(step_id: int, tally: Tally, by: Actor, reason: str) -> None:
    found = Step.objects.filter(pk=step_id).values_list("status", "name", "run_id").first()
    if found is None or found[0] != StepStatus.DEAD:
        tally.skipped += 1
        return
    _, name, run_id = found
    with tally.trying(f"{name} of run #{run_id}", link("step", str(step_id)) or ""):
        control.requeue(step_id, by=by, reason=reason)
