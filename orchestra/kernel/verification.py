"""Reads the audit chain from its first event to its last, in constant memory, and names the first wrong number."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from orchestra.kernel import canonical
from orchestra.kernel.models import ChainHead, Event, EventDetail

CHUNK = 5000


@dataclass(slots=True)
class Verdict:
    """How many events were found right before the first wrong one, if any, and what is wrong with that.

    ``last_hash`` is the hash of the last one found right. A verdict that is not ``complete`` can be continued.
    """

    events: int = 0
    erased: int = 0
    first_bad: int | None = None
    problem: str = ""
    last_hash: str = canonical.GENESIS
    complete: bool = False

    @property
    def valid(self) -> bool:
        return self.first_bad is None

    def as_dict(self) -> dict[str, Any]:
        return {
            "valid": self.valid,
            "events": self.events,
            "erased": self.erased,
            "anchored_to": None,
            "first_bad": self.first_bad,
            "problem": self.problem,
        }


class _Fault(Exception):
    def __init__(self, number: int, problem: str) -> None:
        self.number, self.problem = number, problem


def verify(verdict: Verdict | None = None, *, for_s: float | None = None) -> Verdict:
    """Verify every event that was committed when the reading began; appends may go on meanwhile.

    Continues ``verdict`` if one is given (which must not have found anything wrong), for about ``for_s`` seconds or to
    the end. Found are: a changed column, a changed or missing detail, a removed event (a gap), an inserted or swapped
    one (its neighbours' hashes do not fit), and an end that was cut off or added to (no chain head names it).
    """
    verdict = verdict or Verdict()
    until = None if for_s is None else time.monotonic() + for_s
    expected_end = ChainHead.objects.order_by("-number").values_list("number", flat=True).first() or 0
    try:
        _verify_beginning(verdict)
        verdict.complete = _verify_events(verdict, until)
        if verdict.complete:
            _verify_end(verdict.events, expected_end)
    except _Fault as fault:
        verdict.first_bad, verdict.problem, verdict.complete = fault.number, fault.problem, True
    return verdict


def _verify_beginning(verdict: Verdict) -> None:
    """What was verified before must still end where it did."""
    number = verdict.events
    if number and not Event.objects.filter(number=number, hash=verdict.last_hash).exists():
        raise _Fault(number, f"Event {number} is not the one that was verified before: it was removed or exchanged.")


def _verify_events(verdict: Verdict, until: float | None) -> bool:
    """Whether the end was reached in time."""
    for chunk in _chunks(after=verdict.events or None):
        details, heads = _details(chunk), _heads(chunk)
        erasures = _erasures(details)
        for row in chunk:
            *columns, stored_hash = row
            number = verdict.events + 1
            _verify_row(number, columns, stored_hash, verdict.last_hash, heads)
            verdict.erased += _verify_detail(number, columns[22], details.get(number), erasures)
            verdict.events, verdict.last_hash = number, stored_hash
        if until is not None and time.monotonic() >= until:
            return False
    return True


def _chunks(after: int | None) -> Iterator[list[tuple[Any, ...]]]:
    while True:
        events = Event.objects.order_by("number")
        if after is not None:
            events = events.filter(number__gt=after)
        chunk = list(events.values_list(*canonical.COLUMNS, "hash")[:CHUNK])
        if not chunk:
            return
        yield chunk
        after = chunk[-1][1]


def _span(chunk: list[tuple[Any, ...]]) -> tuple[int, int]:
    return chunk[0][1], chunk[-1][1]


def _details(chunk: list[tuple[Any, ...]]) -> dict[int, tuple[Any, ...]]:
    first, last = _span(chunk)
    rows = EventDetail.objects.filter(event_id__gte=first, event_id__lte=last)
    return {row[0]: row for row in rows.values_list("event_id", "salt", "before", "after", "reason", "erased_by")}


def _erasures(details: dict[int, tuple[Any, ...]]) -> set[tuple[int, str]]:
    """The erasures that ``details`` refer to and that events tell of: number of the event, id of the one it erased."""
    claimed = {erased_by for *_, erased_by in details.values() if erased_by is not None}
    if not claimed:
        return set()
    told = Event.objects.filter(number__in=claimed, action="DetailErased", target_kind="event")
    return set(told.values_list("number", "target_id"))


def _heads(chunk: list[tuple[Any, ...]]) -> dict[int, str]:
    return dict(ChainHead.objects.filter(number__range=_span(chunk)).values_list("number", "hash"))


def _verify_row(number: int, columns: list[Any], stored_hash: str, previous: str, heads: dict[int, str]) -> None:
    found = columns[1]
    if found < number:
        raise _Fault(found, f"Event {found} stands before the first number of the chain: it was inserted.")
    if found > number:
        raise _Fault(number, f"Event {number} is missing: it was removed or renumbered.")
    if columns[23] != previous:
        raise _Fault(number, f"Event {number} does not follow the event before it: one of the two was exchanged.")
    if canonical.event_hash(canonical.column_values(columns)) != stored_hash:
        raise _Fault(number, f"Event {number} was changed: its columns do not give its hash.")
    if heads.get(number, stored_hash) != stored_hash:
        raise _Fault(number, f"Event {number} is not the one that the chain head of its commit names.")


def _verify_detail(number: int, digest: str, detail: tuple[Any, ...] | None, erasures: set[tuple[int, str]]) -> bool:
    """Whether the detail was erased; raises where it is missing or another than the event names."""
    if detail is None:
        if digest:
            raise _Fault(number, f"The detail of event {number} is missing, and no erasure is recorded.")
        return False
    _, salt, before, after, reason, erased_by = detail
    if erased_by is not None:
        if (erased_by, str(number)) not in erasures:
            raise _Fault(number, f"The detail of event {number} was removed without an event that records the erasure.")
        return True
    if canonical.detail_digest(salt, before, after, reason) != digest:
        raise _Fault(number, f"The detail of event {number} was changed: it does not give its digest.")
    return False


def _verify_end(last: int, expected_end: int) -> None:
    if last < expected_end:
        raise _Fault(last + 1, f"Events {last + 1} to {expected_end} are missing: the end of the chain was cut off.")
    if last and not ChainHead.objects.filter(number=last).exists():
        known = ChainHead.objects.filter(number__lt=last).order_by("-number").values_list("number", flat=True).first()
        first = (known or 0) + 1
        raise _Fault(first, f"Event {first} was added after the last commit: no chain head names the end of the chain.")
