"""Events as the pages show them: a sentence, what changed, why, and where to read on."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from monitoring.audit import sentences
from monitoring.audit.differences import Change, difference
from monitoring.audit.trail import about
from orchestra.kernel import secrets
from orchestra.kernel.models import Event, EventDetail


@dataclass(frozen=True, slots=True)
class Entry:
    """One event. ``erased_by`` is the number of the event that erased its detail."""

    number: int
    happened: datetime
    sentence: SafeString
    outcome: str
    reason: str
    changes: list[Change]
    correlation: str
    url: str
    erased_by: int | None = None

    @property
    def day(self) -> date:
        return localtime(self.happened).date()


def entry(event: Event) -> Entry:
    """One event as an entry; its detail must be loaded."""
    detail = detail_of(event)
    return Entry(
        number=event.number,
        happened=event.happened,
        sentence=sentences.marked_up(event),
        outcome=event.outcome,
        reason=detail.reason if detail else "",
        changes=_changes(detail),
        correlation=event.correlation,
        url=reverse("audit-event", args=[event.number]),
        erased_by=detail.erased_by if detail else None,
    )


def by_day(events: Iterable[Event]) -> list[tuple[date, list[Entry]]]:
    """Events as entries, those of each day together, in the order given."""
    return [(day, list(entries)) for day, entries in groupby(map(entry, events), key=lambda each: each.day)]


def trail(kind: str, identifier: str | int, limit: int = 20) -> list[Entry]:
    """The last events about an object and what belongs to it, the newest first."""
    found = Event.objects.filter(about(kind, str(identifier))).order_by("-number")
    return [entry(event) for event in found.prefetch_related("detail")[:limit]]


def detail_of(event: Event) -> EventDetail | None:
    """The detail of an event, if it has one."""
    return getattr(event, "detail", None)


def contents(detail: EventDetail | None) -> tuple[Any, Any]:
    """Before and after as they were recorded, secrets masked; None where nothing was."""
    if detail is None:
        return None, None
    return secrets.mask(_read(detail.before)), secrets.mask(_read(detail.after))


def _changes(detail: EventDetail | None) -> list[Change]:
    if detail is None:
        return []
    changes = difference(_read(detail.before), _read(detail.after))
    return [_masked(change) if _is_secret(change.path) else change for change in changes]


def _is_secret(path: str) -> bool:
    names = {part: part for part in path.split(".")}
    return bool(secrets.mask(names) != names)


def _masked(change: Change) -> Change:
    """That a secret changed may be seen, but not from what to what."""
    return Change(change.path, change.before and secrets.MASK, change.after and secrets.MASK)


def _read(text: str) -> Any:
    return json.loads(text) if text else None
