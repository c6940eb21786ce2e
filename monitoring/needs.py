"""What waits for a person. Every tile counts by the list that it links to, so both say the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse

from agents.listing import AgentList
from monitoring.advice.listing import OpenFirst
from monitoring.alerting.alert_listing import AlertList
from monitoring.audit.trail import AuditList
from monitoring.models import Severity, Verification
from monitoring.notification.listing import NotificationList
from orchestra.kernel.lists import ListFilter
from workflows.customer_service.listing import DeskList
from workflows.runs import RunList

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Tile:
    """How much of something waits (up to 1,001 is counted), where it is, and since when; ``note`` leads up to that."""

    count: int
    name: str
    url: str
    icon: str
    tone: str = ""
    note: str = ""
    since: datetime | None = None


def tiles(person: int, now: datetime) -> list[Tile]:
    """What waits for ``person``. A tile that counts nothing stays, so that the others keep their places."""
    this_minute = now.replace(second=0, microsecond=0)
    return [
        _reviews(DeskList({"view": "due"}, person)),
        _alerts(AlertList({"status": "firing,no_data", "flag": "unacknowledged"})),
        _overdue(DeskList({"view": "open", "due_before": this_minute.isoformat()}, person)),
        _failed_runs(RunList({"status": "failed", "created_after": (this_minute - DAY).isoformat()})),
        _dead_steps(AuditList({"action": "StepDied", "since": "24h"})),
        _breakers(AgentList({"circuit": "half_open,open"})),
        *_advice(OpenFirst({"status": "open"})),
        *_undelivered(NotificationList({"status": "failed", "since": (this_minute - DAY).isoformat()})),
        *_broken_seal(),
    ]


def _reviews(asked: DeskList) -> Tile:
    count, first = asked.count(), _first(asked)
    if first is None:
        return Tile(0, "reviews due", _address("desk", asked), "message", note="nobody waits")
    name = "review due" if count == 1 else "reviews due"
    return Tile(count, name, _address("desk", asked), "message", "waiting", "the first since", first.escalated_at)


def _alerts(asked: AlertList) -> Tile:
    count, first = asked.count(), _first(asked)
    if first is None:
        return Tile(0, "alerts firing", reverse("alerts"), "bell", note="none unacknowledged")
    name = "alert firing" if count == 1 else "alerts firing"
    tone = "waiting" if first.severity == Severity.INFO else "failed"
    return Tile(count, name, _address("alerts", asked), "bell", tone, f"{first}, since", first.fired_at or first.since)


def _overdue(asked: DeskList) -> Tile:
    count, first = asked.count(), _first(asked)
    if first is None:
        return Tile(0, "overdue", _address("desk", asked), "clock-x", note="all in time")
    return Tile(count, "overdue", _address("desk", asked), "clock-x", "failed", "the first since", first.due_at)


def _failed_runs(asked: RunList) -> Tile:
    count, last = asked.count(), _first(asked)
    if last is None:
        return Tile(0, "failed runs", _address("runs", asked), "x", note="none in a day")
    name = "failed run" if count == 1 else "failed runs"
    return Tile(count, name, _address("runs", asked), "x", "failed", "the last at", last.finished_at)


def _dead_steps(asked: AuditList) -> Tile:
    count, last = asked.count(), next(iter(asked.page().rows), None)
    if last is None:
        return Tile(0, "dead steps", _address("audit", asked), "skull", note="none in a day")
    name = "dead step" if count == 1 else "dead steps"
    return Tile(count, name, _address("audit", asked), "skull", "failed", "the last at", last.happened)


def _breakers(asked: AgentList) -> Tile:
    count, first = asked.count(), _first(asked)
    if first is None:
        return Tile(0, "open breakers", _address("agents", asked), "plug-connected-x", note="every agent may be called")
    name = "open breaker" if count == 1 else "open breakers"
    note = f"{first.name}, since"
    return Tile(count, name, _address("agents", asked), "plug-connected-x", "failed", note, first.health.opened_at)


def _advice(asked: OpenFirst) -> Iterator[Tile]:
    last = _first(asked)
    if last is not None:
        count = asked.count()
        name = "recommendation" if count == 1 else "recommendations"
        yield Tile(count, name, _address("recommendations", asked), "bulb", "running", "the last at", last.created_at)


def _undelivered(asked: NotificationList) -> Iterator[Tile]:
    last = _first(asked)
    if last is not None:
        count = asked.count()
        name = "notification failed" if count == 1 else "notifications failed"
        note = f"{last.channel_name}, the last at"
        yield Tile(count, name, _address("notifications", asked), "mail-off", "failed", note, last.created_at)


def _broken_seal() -> Iterator[Tile]:
    last = Verification.objects.filter(finished_at__isnull=False).order_by("-id").first()
    if last is not None and not last.valid:
        name = "fault in the audit trail"
        yield Tile(
            1, name, reverse("audit"), "file-certificate", "failed", f"at #{last.first_bad}, found", last.finished_at
        )


def _first(asked: ListFilter[Any]) -> Any:
    return asked.queryset().order_by(*asked.ordering).first()


def _address(page: str, asked: ListFilter[Any]) -> str:
    return reverse(page) + asked.link()
