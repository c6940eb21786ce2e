"""The list of allocations, for page and API, and one of them with its tasks."""

from django.db.models import Prefetch, Q, QuerySet

from orchestra.kernel.errors import NotFound
from orchestra.kernel.lists import Chip, Choice, ListFilter, Moment
from workflows.models import Allocation, AllocationTask

STATES = (("running", "running"), ("finished", "finished"))


class AllocationList(ListFilter[Allocation]):
    """Allocations, the newest first."""

    filters = {
        "status": Choice(STATES, lambda value: Q(finished_at__isnull=value == "running")),
        "started_after": Moment("started_at__gte"),
        "started_before": Moment("started_at__lt"),
    }

    def base(self) -> QuerySet[Allocation]:
        return Allocation.objects.all()

    @property
    def offered(self) -> list[Chip]:
        return [chip for chip in self.chips("status") if chip.count or chip.current]


def found(pk: int) -> Allocation:
    """An allocation with its tasks and their runs, in three queries. Raises :class:`NotFound`."""
    tasks = AllocationTask.objects.select_related("run").defer("run__input", "run__output", "run__error")
    row = Allocation.objects.prefetch_related(Prefetch("tasks", tasks.order_by("place"))).filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such allocation; go back to the list.")
    return row
