"""Resources as pages and API show them: what is in use and by whom, who waits and at which place. Reads only."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.db.models import QuerySet

from agents import granting, matching, ports, reservations
from agents.granting import Line, Supply
from agents.models import OPEN_RESERVATION, Reservation, ReservationLine, ReservationStatus, Resource
from orchestra.kernel import registry

MOST_HOLDERS = 50
"""Holders and waiting ones that a page lists."""
MOST_PLACES = 5_000
SHOWN_HISTORY = 25


@dataclass(frozen=True, slots=True)
class Holding:
    """A line of a reservation with its holder's address, and why that does not go on by itself if it does not."""

    line: ReservationLine
    url: str
    stalled: str = ""

    @property
    def reservation(self) -> Reservation:
        return self.line.reservation


@dataclass(frozen=True, slots=True)
class Waiting:
    """A reservation that waits, with its place: how many stand before it."""

    reservation: Reservation
    wants: Sequence[str]
    ahead: int
    url: str
    trouble: str = ""
    """Why nothing there is could ever serve it, if so."""


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """A resource with the units in use and some of their holders."""

    resource: Resource
    used: int
    holders: Sequence[Holding] = ()
    waiting: int = 0
    """How many wait for its type."""

    @property
    def is_over(self) -> bool:
        """Whether more is in use than it has, since its capacity was lowered."""
        return self.used > self.resource.capacity

    @property
    def free(self) -> int:
        return max(0, self.resource.capacity - self.used)


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why a run or a step waits: what it asks for, who holds that, how many stand before it."""

    since: datetime
    lines: Sequence[ReservationLine]
    ahead: int
    holders: Sequence[Holding] = ()
    trouble: str = ""


def rows_of(resources: Collection[Resource], *, holders: int = 3) -> list[ResourceRow]:
    """The rows for ``resources``, in a constant number of queries."""
    used = reservations.in_use()
    held: dict[int, list[Holding]] = defaultdict(list)
    for line in _held().filter(resource__in=[resource.pk for resource in resources]).order_by("-pk")[:500]:
        if line.resource_id is not None and len(held[line.resource_id]) < holders:
            held[line.resource_id].append(Holding(line, address(line.reservation)))
    waiting = _waiting_by_type({resource.type for resource in resources})
    return [
        ResourceRow(
            resource, used.get(resource.pk, 0), tuple(held.get(resource.pk, ())), len(waiting.get(resource.type, ()))
        )
        for resource in resources
    ]


def holders_of(resource: Resource) -> list[Holding]:
    """Who holds units of it, the earliest first."""
    lines = list(_held().filter(resource=resource).order_by("pk")[:MOST_HOLDERS])
    why = stalled([line.reservation for line in lines])
    return [
        Holding(line, address(line.reservation), why.get((line.reservation.run, line.reservation.task), ""))
        for line in lines
    ]


def line_for(resource: Resource) -> list[Waiting]:
    """Who waits for something that this resource could serve, in the order of asking."""
    lines = ReservationLine.objects.filter(waits=True, type=resource.type).order_by("reservation", "pk")
    supply = Supply(resource.pk, resource.type, resource.capacity, resource.specs)
    able = {line.reservation_id for line in lines[:500] if granting.could_serve(as_line(line), supply)}
    rows = Reservation.objects.filter(pk__in=sorted(able)[:MOST_HOLDERS]).order_by("pk").prefetch_related("lines")
    return waiting_of(rows)


def stalled(held: Collection[Reservation]) -> dict[ports.Holder, str]:
    """Why holders do not go on by themselves: for those that wait for a person, or for what a person stopped."""
    holders = {(row.run, row.task) for row in held}
    return {holder: said for say in ports.stalled if holders for holder, said in say(holders).items()}


def with_stalled(rows: list[Reservation]) -> list[Reservation]:
    """The same rows; those that are held are told why their holder does not go on by itself (``stalled``)."""
    why = stalled([row for row in rows if row.status == ReservationStatus.HELD])
    for row in rows:
        row.stalled = why.get((row.run, row.task), "")  # type: ignore[attr-defined]  # for this page only
    return rows


def history_of(resource: Resource) -> list[Holding]:
    """Who held units of it lately, the newest first."""
    ended = ReservationLine.objects.filter(resource=resource).exclude(reservation__status__in=OPEN_RESERVATION)
    lines = ended.select_related("reservation").order_by("-reservation")[:SHOWN_HISTORY]
    return [Holding(line, address(line.reservation)) for line in lines]


def reservations_of(run: int) -> list[Reservation]:
    """What a run and its steps hold, wait for and held, with the lines: what is held first, then what is waited for."""
    rows = Reservation.objects.filter(run=run).order_by("-pk").prefetch_related("lines")[:MOST_HOLDERS]
    order = {ReservationStatus.HELD: 0, ReservationStatus.WAITING: 1}
    return sorted(rows, key=lambda row: order.get(ReservationStatus(row.status), 2))


def waiting_of(rows: Collection[Reservation]) -> list[Waiting]:
    """Waiting reservations, whose lines were read, with their places; in two queries."""
    types = {row.pk: {line.type for line in row.lines.all()} for row in rows}
    before = places(types)
    there = reservations.supplies() if types else []
    return [
        Waiting(
            row,
            [in_words(line) for line in row.lines.all()],
            before[row.pk],
            address(row),
            trouble(row.lines.all(), there),
        )
        for row in rows
    ]


def places(types: Mapping[int, Collection[str]]) -> dict[int, int]:
    """How many ask for the same ``types`` and have asked before, for each waiting reservation; in one query."""
    line = _waiting_by_type({type_ for each in types.values() for type_ in each})
    return {
        pk: len({other for type_ in wanted for other in line.get(type_, ()) if other < pk})
        for pk, wanted in types.items()
    }


def shortages(holders: Collection[tuple[int, str]]) -> dict[tuple[int, str], Shortage]:
    """Why each of the runs and steps (run, task) that wait for resources does; in a constant number of queries."""
    if not holders:
        return {}
    rows = Reservation.objects.filter(status=ReservationStatus.WAITING, run__in={run for run, _ in holders})
    found = [row for row in rows.prefetch_related("lines") if (row.run, row.task) in set(holders)]
    types = {row.pk: {line.type for line in row.lines.all()} for row in found}
    before, there = places(types), reservations.supplies()
    wanted = {type_ for each in types.values() for type_ in each}
    held = [Holding(line, address(line.reservation)) for line in _held().filter(type__in=wanted).order_by("pk")[:500]]
    specs = {supply.id: supply for supply in there}
    return {
        (row.run, row.task): Shortage(
            row.created_at,
            list(row.lines.all()),
            before[row.pk],
            [each for each in held if _stands_in_the_way(each.line, row.lines.all(), specs)],
            trouble(row.lines.all(), there),
        )
        for row in found
    }


def trouble(lines: Collection[ReservationLine], supplies: Sequence[Supply]) -> str:
    """Which of ``lines`` nothing that may be granted could ever serve, as a sentence; empty if there is none."""
    for line in lines:
        if not any(granting.could_serve(as_line(line), supply) for supply in supplies):
            return f"No enabled resource could serve {in_words(line)}; add one, enable one or enlarge one."
    if not granting.possible([as_line(line) for line in lines], supplies):
        return "All of it together is more than there is; add a resource, or enlarge one."
    return ""


def as_line(row: ReservationLine) -> Line:
    return Line(row.name, row.type, row.units, row.wants)


def in_words(line: ReservationLine) -> str:
    """What a line asks for: ``2 units of bench (size large)``."""
    like = f" ({matching.say(line.wants)})" if line.wants else ""
    return f"{line.units} unit{'s' if line.units > 1 else ''} of {line.type}{like}"


def address(reservation: Reservation) -> str:
    """Where the holder of a reservation can be seen; empty if no page shows it."""
    run = registry.link("run", str(reservation.run))
    if run is None or not reservation.task:
        return run or ""
    return f"{run}?{urlencode({'step': reservation.task})}"


def _held() -> "QuerySet[ReservationLine]":
    lines = ReservationLine.objects.filter(reservation__status=ReservationStatus.HELD)
    return lines.select_related("reservation")


def _waiting_by_type(types: Collection[str]) -> dict[str, list[int]]:
    """The reservations that wait for each of ``types``, in the order of asking."""
    if not types:
        return {}
    lines = ReservationLine.objects.filter(waits=True, type__in=types).order_by("reservation_id")
    line: dict[str, list[int]] = defaultdict(list)
    for type_, reservation in lines.values_list("type", "reservation_id").distinct()[:MOST_PLACES]:
        line[type_].append(reservation)
    return line


def _stands_in_the_way(held: ReservationLine, wanted: Collection[ReservationLine], specs: Mapping[int, Supply]) -> bool:
    supply = specs.get(held.resource_id or 0)
    return supply is not None and any(granting.could_serve(as_line(line), supply) for line in wanted)
