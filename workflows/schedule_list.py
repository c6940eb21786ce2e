"""The list of schedules, for page and API, and what the search across everything finds of them."""

from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse

from orchestra.kernel import registry
from orchestra.kernel.lists import Chip, Choice, Exact, ListFilter, Search
from orchestra.kernel.registry import Found
from workflows.models import LastOutcome, Schedule


class ScheduleList(ListFilter[Schedule]):
    """Schedules by name, each with its workflow and last run."""

    filters = {
        "enabled": Choice((("true", "enabled"), ("false", "disabled")), lambda value: Q(enabled=value == "true")),
        "last_outcome": Choice(LastOutcome.choices, "last_outcome"),
        "workflow": Exact("workflow__name"),
        "search": Search(("name", "workflow__name")),
    }
    order = ("name",)

    def base(self) -> QuerySet[Schedule]:
        return whole().defer("input")

    @property
    def offered(self) -> list[Chip]:
        """The states that would find something, and what went wrong the last time."""
        chips = [*self.chips("enabled"), *(chip for chip in self.chips("last_outcome") if chip.label != "fired")]
        return [chip for chip in chips if chip.count or chip.current]


def whole() -> QuerySet[Schedule]:
    """Schedules with what their pages show of workflow and last run, in one query."""
    heavy = ("last_run__input", "last_run__output", "last_run__error")
    return Schedule.objects.select_related("workflow", "last_run").defer(*heavy)


def find(text: str, _user: Any, limit: int) -> list[Found]:
    """Schedules with ``text`` in their name."""
    rows = whole().filter(name__icontains=text).order_by("name")[:limit]
    return [Found(row.name, f"{row.words}, {row.workflow.name}", reverse("schedule", args=[row.pk])) for row in rows]


FOUND = registry.Search(310, "Schedules", "clock", find)
