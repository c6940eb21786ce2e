"""Resources for the tests of the engine, and what is held of them."""

from typing import Any

from agents import reservations, resources
from agents.models import Reservation, ReservationStatus, Resource
from orchestra.kernel.access import Actor

SYSTEM = Actor.system("test")


def add(name: str, type_: str = "bench", capacity: int = 1, **specs: Any) -> Resource:
    return resources.create({"name": name, "type": type_, "capacity": capacity, "specs": specs}, by=SYSTEM)


def held() -> dict[str, list[str]]:
    """Who holds units of which resource, by its name."""
    found: dict[str, list[str]] = {}
    for row in Reservation.objects.filter(status=ReservationStatus.HELD).order_by("pk"):
        for line in row.lines.all():
            found.setdefault(line.resource_name, []).append(row.holder)
    return found


def in_line() -> list[str]:
    """Who waits, in the order of asking."""
    return [row.holder for row in Reservation.objects.filter(status=ReservationStatus.WAITING).order_by("pk")]


def used() -> dict[str, int]:
    names = dict(Resource.objects.values_list("pk", "name"))
    return {names[pk]: units for pk, units in reservations.in_use().items()}
