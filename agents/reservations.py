"""Reservations of resources: asked for, granted, given back, expired. The only writer of Reservation and its lines.

All of it happens in one pass under one lock, with a constant number of statements, in the transaction of whoever asks
or gives back. The lock comes after those on runs, steps and agents, and only stock and the audit chain come after it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F, Q, Sum, Window
from django.db.models.functions import RowNumber

from agents import granting, ports
from agents.granting import Line, Request, Supply
from agents.models import (
    OPEN_RESERVATION,
    RESERVATION_STATES,
    HolderKind,
    Reservation,
    ReservationLine,
    ReservationStatus,
    Resource,
)
from orchestra.kernel import access, bulk, events, retention
from orchestra.kernel.access import Actor
from orchestra.kernel.clock import database_now
from orchestra.kernel.errors import Conflict, NotFound, field_error
from orchestra.kernel.events import Outcome, Ref
from orchestra.kernel.models import Role

access.grant({"resources.release": Role.OPERATOR})

RESOURCES = Actor.system("resources")
LOCK = 0x0E50_0CE5  # any constant: the advisory lock of everything below on PostgreSQL
HEADS = (100, 1_000, 10_000, 1_000_000)
"""So many lines of each type are read of those that wait; more only while there is something left for them."""
ENDED_FIELDS = ("status", "ended_at", "why")
GRANTED_FIELDS = ("status", "granted_at", "told_at", "expires_at")
LINE_FIELDS = ("waits", "resource_id", "resource_name", "resource_specs")
RENEWED_AT = 0.5
"""Leases are renewed when so much of them is left."""
REMOVED_AT_ONCE = 500
EXPIRED = "Whoever held it is gone, and its lease was not renewed."

Given = Mapping[str, Mapping[str, Any]]
"""What was granted, by the lines' names: ``name`` and ``specs`` of the resource, ``type`` and ``units``."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request of a run, or of a step of it (``task``), for all of ``lines`` together."""

    run: int
    task: str
    lines: tuple[Line, ...]
    label: str = ""
    correlation: str = ""

    @property
    def holder(self) -> tuple[int, str]:
        return self.run, self.task


@dataclass(frozen=True, slots=True)
class Return:
    """What a step (``task``), or a run with all of its steps (None), gives back, or no longer waits for."""

    run: int
    task: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Settled:
    """Which of those who asked were ``granted`` what at once; and whether ``others`` were, who are to be told."""

    granted: Mapping[tuple[int, str], Given]
    others: bool


def settle(asks: Sequence[Ask] = (), returns: Sequence[Return] = (), *, tells: bool = True) -> Settled:
    """Take back ``returns``, put ``asks`` in line, and grant whatever can be granted to whom it is due; joins the unit.

    Of those who ask, whoever is granted counts as told, if ``tells``; others are found by :func:`untold` afterwards.
    """
    now = lock()
    _renew(now)
    _expire(now)
    _take_back(returns, now)
    fresh = _enter(asks, now)
    granted = _grant(now, fresh, tells=tells)
    for reservation in fresh.values():
        if reservation.status == ReservationStatus.WAITING:
            _record("ResourcesAwaited", reservation)
    mine = {pk: given for pk, given in granted.items() if tells and pk in fresh}
    return Settled({(fresh[pk].run, fresh[pk].task): given for pk, given in mine.items()}, len(mine) < len(granted))


def lock() -> datetime:
    """Let nobody else grant until the commit; returns the time after that, since the lock may have been long coming.

    Rows of resources are changed under it as well, so that no grant is checked against a row that somebody else holds.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    return database_now()


def is_due() -> bool:
    """Whether a lease must be renewed, or has run out; a cheap look outside any transaction."""
    soon = database_now() + timedelta(seconds=settings.RESOURCE_LEASE_S * RENEWED_AT)
    return Reservation.objects.filter(status__in=OPEN_RESERVATION, expires_at__lte=soon).exists()


def keep() -> int:
    """Renew the leases of holders that live and end those of others, whose units are then granted; by the ticker."""
    if not is_due():
        return 0
    with events.recording(RESOURCES):
        settle()
    return 1


def untold(limit: int, *, without: Collection[int] = ()) -> list[tuple[int, int, str]]:
    """Granted reservations whose holder was not let go on yet, ``without`` some of them: number, run, step."""
    rows = Reservation.objects.filter(status=ReservationStatus.HELD, told_at__isnull=True).order_by("pk")
    rows = rows.exclude(pk__in=without) if without else rows
    return list(rows.values_list("pk", "run", "task")[:limit])


def told(reservations: Collection[int], now: datetime) -> None:
    """Their holders go on; joins the unit."""
    Reservation.objects.filter(pk__in=reservations, told_at__isnull=True).update(told_at=now)


def standing(runs: Collection[int]) -> dict[tuple[int, str], Given | None]:
    """Of each holder among ``runs`` and their steps: what it was given, or None while it waits. In one query."""
    lines = ReservationLine.objects.filter(
        reservation__run__in=runs, reservation__status__in=OPEN_RESERVATION
    ).select_related("reservation")
    found: dict[tuple[int, str], dict[str, Mapping[str, Any]] | None] = {}
    for line in lines:
        holder = line.reservation.run, line.reservation.task
        if line.reservation.status == ReservationStatus.WAITING:
            found[holder] = None
        else:
            given = found.setdefault(holder, {})
            assert given is not None
            given[line.name] = given_by(line)
    return found  # type: ignore[return-value]


def holds_any(runs: Collection[int]) -> bool:
    """Whether one of the runs, or a step of it, holds or waits for anything."""
    return Reservation.objects.filter(run__in=runs, status__in=OPEN_RESERVATION).exists()


def supplies() -> list[Supply]:
    """The resources that may be granted."""
    rows = Resource.objects.filter(enabled=True).order_by("pk").values_list("pk", "type", "capacity", "specs")
    return [Supply(*row) for row in rows]


def in_use(now: datetime | None = None) -> dict[int, int]:
    """Units held of each resource, by unexpired leases only."""
    held = ReservationLine.objects.filter(
        reservation__status=ReservationStatus.HELD,
        reservation__expires_at__gt=now or database_now(),
        resource__isnull=False,
    )
    return dict(held.order_by().values_list("resource").annotate(Sum("units")))


def release(reservation_id: int, *, by: Actor, reason: str) -> Reservation:
    """Take back by hand what is held: its units may be granted at once, though its holder may still be using them.

    Raises :class:`Conflict` if it is not held: what waits is withdrawn with its run or step.
    """
    access.check(by, "resources.release")
    if not reason.strip():
        raise field_error("reason", "Say why it is taken back, for those who still count on it.")
    with events.recording(by):
        now = lock()
        row = Reservation.objects.filter(pk=reservation_id).first()
        if row is None:
            raise NotFound("There is no such reservation; it may have been removed.")
        if row.status != ReservationStatus.HELD:
            raise Conflict(_why_not_released(row))
        RESERVATION_STATES.move(row, ReservationStatus.RELEASED, ended_at=now, why=reason[:1000])
        _record("ResourcesReleased", row, actor=by, reason=reason, permission="resources.release")
        settle()
    return row


def remove_old() -> int:
    """Remove reservations that ended as long ago as runs are kept, some at a time; returns how many."""
    old = retention.ended_before(Reservation.objects.all(), "ended_at", days=settings.RUN_RETENTION_DAYS)
    return retention.remove_recorded(old, at_once=REMOVED_AT_ONCE, by=RESOURCES, action="ReservationsRemoved")


def given_by(line: ReservationLine) -> dict[str, Any]:
    """What expressions of the holder see of a line."""
    return {"name": line.resource_name, "type": line.type, "units": line.units, "specs": line.resource_specs}


def _why_not_released(row: Reservation) -> str:
    if row.status == ReservationStatus.WAITING:
        return f"{row.holder.capitalize()} waits for it and holds nothing yet; cancel that to take it out of the line."
    return f"This reservation is {row.get_status_display()} already, so there is nothing to take back."


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.RESOURCE_LEASE_S)


def _renew(now: datetime) -> None:
    """Renew what lives before anything is granted: nobody loses what he holds because all executors were away."""
    living = Q()
    for condition in ports.living:
        living |= condition()
    soon = now + timedelta(seconds=settings.RESOURCE_LEASE_S * RENEWED_AT)
    if living:
        rows = Reservation.objects.filter(living, status__in=OPEN_RESERVATION, expires_at__lte=soon)
        rows.update(expires_at=_lease_end(now))


def _expire(now: datetime) -> None:
    lapsed = list(Reservation.objects.filter(status__in=OPEN_RESERVATION, expires_at__lte=now).order_by("pk"))
    _end(lapsed, ReservationStatus.EXPIRED, dict.fromkeys((row.pk for row in lapsed), EXPIRED), now)


def _take_back(returns: Sequence[Return], now: datetime) -> None:
    if not returns:
        return
    whole = {each.run: each.why for each in returns if each.task is None}
    parts = {(each.run, each.task): each.why for each in returns}
    rows = Reservation.objects.filter(run__in={each.run for each in returns}, status__in=OPEN_RESERVATION)
    why = {row: parts.get((row.run, row.task), whole.get(row.run)) for row in rows.order_by("pk")}
    for before, after in (
        (ReservationStatus.HELD, ReservationStatus.RELEASED),
        (ReservationStatus.WAITING, ReservationStatus.WITHDRAWN),
    ):
        ending = [row for row, reason in why.items() if reason is not None and row.status == before]
        _end(ending, after, {row.pk: why[row] or "" for row in ending}, now)


def _end(rows: Sequence[Reservation], status: ReservationStatus, why: Mapping[int, str], now: datetime) -> None:
    if not rows:
        return
    for row in rows:
        RESERVATION_STATES.stage(row, status)
        row.ended_at, row.why = now, why[row.pk][:1000]
    bulk.update(Reservation, rows, ENDED_FIELDS)
    ReservationLine.objects.filter(reservation__in=[row.pk for row in rows], waits=True).update(waits=False)
    for row in rows:
        outcome = Outcome.TIMED_OUT if status == ReservationStatus.EXPIRED else Outcome.SUCCEEDED
        _record(_ENDINGS[status], row, reason=row.why, outcome=outcome)


_ENDINGS = {
    ReservationStatus.RELEASED: "ResourcesReleased",
    ReservationStatus.WITHDRAWN: "ReservationWithdrawn",
    ReservationStatus.EXPIRED: "ReservationExpired",
}


def _enter(asks: Sequence[Ask], now: datetime) -> dict[int, Reservation]:
    """Put requests in line, in their order; returns them by number."""
    entered = Reservation.objects.bulk_create(
        [
            Reservation(
                kind=HolderKind.STEP if ask.task else HolderKind.RUN,
                run=ask.run,
                task=ask.task,
                label=ask.label[:200],
                correlation=ask.correlation,
                created_at=now,
                expires_at=_lease_end(now),
            )
            for ask in asks
        ]
    )
    lines = [
        ReservationLine(
            reservation=reservation, name=line.name, type=line.type, units=line.units, wants=dict(line.wants)
        )
        for ask, reservation in zip(asks, entered, strict=True)
        for line in ask.lines
    ]
    ReservationLine.objects.bulk_create(lines)
    return {reservation.pk: reservation for reservation in entered}


def _grant(now: datetime, fresh: Mapping[int, Reservation], *, tells: bool) -> dict[int, Given]:
    """Grant what is due; returns what was given, by reservation."""
    there, used = supplies(), in_use(now)
    left = {each.type for each in there if each.units > used.get(each.id, 0)}
    verdict, lines = granting.Verdict({}, {}, set()), dict[int, list[ReservationLine]]()
    for heads in HEADS:
        if not left:
            break
        lines, horizons = _in_line(left, heads)
        requests = [Request(pk, tuple(map(_line, found))) for pk, found in lines.items()]
        verdict = granting.grant(there, used, requests, horizons)
        left = {each.type for each in there if verdict.free[each.id] > 0 and each.id not in verdict.kept}
        if not left & horizons.keys():  # nothing is left for those who stand further behind
            break
    if verdict.grants:
        earlier = Reservation.objects.in_bulk([pk for pk in verdict.grants if pk not in fresh])
        granted = [fresh.get(pk) or earlier[pk] for pk in sorted(verdict.grants)]
        for row in granted:
            row.told_at = now if tells and row.pk in fresh else None
        _hand_over(granted, verdict.grants, lines, now)
    return {pk: {line.name: given_by(line) for line in lines[pk]} for pk in verdict.grants}


def _in_line(types: Collection[str], heads: int) -> tuple[dict[int, list[ReservationLine]], dict[str, int]]:
    """The first requests for each of ``types`` with all of their lines; and up to which, where there are more."""
    place = Window(RowNumber(), partition_by=F("type"), order_by=F("reservation_id").asc())
    waiting = ReservationLine.objects.filter(waits=True, type__in=types).annotate(place=place).filter(place__lte=heads)
    first = list(waiting.values_list("reservation_id", "type", "place"))
    horizons = {type_: reservation for reservation, type_, number in first if number == heads}
    lines: dict[int, list[ReservationLine]] = {}
    for line in ReservationLine.objects.filter(reservation__in={pk for pk, *_ in first}).order_by("pk"):
        lines.setdefault(line.reservation_id, []).append(line)
    return lines, horizons


def _line(row: ReservationLine) -> Line:
    return Line(row.name, row.type, row.units, row.wants)


def _hand_over(
    granted: Sequence[Reservation],
    grants: Mapping[int, granting.Grant],
    lines: Mapping[int, Sequence[ReservationLine]],
    now: datetime,
) -> None:
    resources = Resource.objects.in_bulk({pk for grant in grants.values() for pk in grant.values()})
    for row in granted:
        RESERVATION_STATES.stage(row, ReservationStatus.HELD)
        row.granted_at, row.expires_at = now, _lease_end(now)
        for line in lines[row.pk]:
            resource = resources[grants[row.pk][line.name]]
            line.waits, line.resource_id = False, resource.pk
            line.resource_name, line.resource_specs = resource.name, resource.specs
    bulk.update(Reservation, granted, GRANTED_FIELDS)
    bulk.update(ReservationLine, [line for row in granted for line in lines[row.pk]], LINE_FIELDS)
    for row in granted:
        units = {line.name: {"resource": line.resource_name, "units": line.units} for line in lines[row.pk]}
        _record("ResourcesReserved", row, after={"status": str(row.status), "resources": units})


def _record(action: str, row: Reservation, *, after: Any = None, actor: Actor = RESOURCES, **what: Any) -> None:
    events.record(
        action,
        target=Ref("reservation", row.pk, row.holder),
        parent=Ref("run", row.run, row.label),
        after=after or {"status": str(row.status)},
        actor=actor,
        correlation=row.correlation,
        **what,
    )
