"""The lists of resources and of reservations, for pages and API."""

from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Q, QuerySet

from agents import resource_rows
from agents.models import Reservation, ReservationLine, ReservationStatus, Resource
from orchestra.kernel.lists import Chip, Choice, Exact, ListFilter, Page, Search


class ResourceList(ListFilter[Resource]):
    """Resources by type and name."""

    filters = {
        "type": Exact("type"),
        "state": Choice(
            [("enabled", "enabled"), ("disabled", "disabled")], lambda value: Q(enabled=value == "enabled")
        ),
        "search": Search(("name", "description", "type")),
    }
    order = ("type", "name")

    def base(self) -> QuerySet[Resource]:
        return Resource.objects.all()

    @property
    def offered(self) -> list[Chip]:
        """The types there are, and the disabled ones if there are any."""
        types = Resource.objects.order_by("type").values_list("type", flat=True).distinct()[:20]
        current = self.params.get("type", "")
        chips = [Chip(type_, self.link(type="" if type_ == current else type_), type_ == current) for type_ in types]
        states = [chip for chip in self.chips("state") if chip.current or (chip.count and chip.label == "disabled")]
        return [*(chips if len(chips) > 1 or current else ()), *states]


class ResourceStandings(ResourceList):
    """The same with what is in use of each, and by whom."""

    def page(self) -> Page[Any]:
        page: Page[Any] = super().page()
        return replace(page, rows=resource_rows.rows_of(page.rows))


@dataclass(frozen=True, slots=True)
class OfResource(Exact):
    """Filters by the resource that a line holds, or held; those who wait hold none yet."""

    def condition(self, text: str) -> Q:
        lines = ReservationLine.objects.filter(Exact(self.lookup, whole=True).condition(text))
        return Q(pk__in=lines.values("reservation"))


class ReservationList(ListFilter[Reservation]):
    """Reservations, the newest first."""

    filters = {
        "status": Choice(ReservationStatus.choices, "status"),
        "resource": OfResource("resource"),
        "run": Exact("run", whole=True),
    }

    def base(self) -> QuerySet[Reservation]:
        return Reservation.objects.prefetch_related("lines")


class ReservationStandings(ReservationList):
    """The same; those that wait say how many stand before them (``ahead``)."""

    def page(self) -> Page[Any]:
        page = super().page()
        with_ahead(page.rows)
        return page


def with_ahead(rows: list[Reservation]) -> list[Reservation]:
    """The same rows; those that wait are told how many stand before them."""
    waiting = [row for row in rows if row.status == ReservationStatus.WAITING]
    before = resource_rows.places({row.pk: {line.type for line in row.lines.all()} for row in waiting})
    for row in rows:
        row.ahead = before.get(row.pk)  # type: ignore[attr-defined]  # for this answer only
    return rows
