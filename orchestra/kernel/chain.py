"""The audit chain: the only writer of Event, EventDetail and ChainHead. ``verification.py`` reads it back."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from orchestra.kernel import bulk, canonical
from orchestra.kernel.models import ChainHead, Event, EventDetail

LOCK = 0x0C4A1  # any constant: the advisory lock that orders appends on PostgreSQL
READ_HEAD = "SELECT number, hash FROM kernel_event ORDER BY number DESC LIMIT 1"
EVENT_COLUMNS = (*canonical.COLUMNS, "hash")
HEAD_COLUMNS = ("number", "hash", "recorded")
DETAIL_COLUMNS = ("event_id", "before", "after", "reason", "salt", "erased_by")


@dataclass(slots=True)
class Draft:
    """An event before it has a number; ``columns`` are canonical.COLUMNS from actor_kind to address, in their order."""

    columns: tuple[str, ...]
    happened: datetime
    before: Any = None
    after: Any = None
    reason: str = ""


def append(drafts: Sequence[Draft], *, ring: str = "") -> int:
    """Number, hash and insert ``drafts`` in order; returns the last number.

    Must be the last statements of the transaction: on PostgreSQL the advisory lock is held from here to the commit, so
    that commit order is number order, without gap. On SQLite the IMMEDIATE transaction does the same. ``ring`` is the
    statement that rings the doorbell, if there is one.
    """
    number, previous = _lock_and_read_head()
    recorded = timezone.now()
    recorded_text = canonical.moment(recorded)
    rows, details = [], []
    for draft in drafts:
        number += 1
        detail, digest = _detail(number, draft)
        if detail is not None:
            details.append(detail)
        hashed: list[Any] = [
            canonical.FORMAT,
            number,
            canonical.moment(draft.happened),
            recorded_text,
            *draft.columns,
            digest,
            previous,
        ]
        previous = canonical.event_hash(hashed)
        rows.append((*hashed[:2], draft.happened, recorded, *hashed[4:], previous))
    bulk.execute(
        bulk.insertion(Event, EVENT_COLUMNS, rows),
        bulk.insertion(EventDetail, DETAIL_COLUMNS, details),
        bulk.insertion(ChainHead, HEAD_COLUMNS, [(number, previous, recorded)]),
        then=ring,
    )
    return number


def head() -> int:
    """The number of the last event, 0 if there is none."""
    return Event.objects.order_by("-number").values_list("number", flat=True).first() or 0


def _lock_and_read_head() -> tuple[int, str]:
    """The end of the chain, which is the caller's from here to the commit.

    On PostgreSQL two statements in one message: the snapshot of the second is taken after the lock was granted.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"SELECT pg_advisory_xact_lock({LOCK}); {READ_HEAD}")
            cursor.nextset()
        else:
            cursor.execute(READ_HEAD)
        return cursor.fetchone() or (0, canonical.GENESIS)


def _detail(number: int, draft: Draft) -> tuple[tuple[Any, ...] | None, str]:
    before = "" if draft.before is None else canonical.text(draft.before)
    after = "" if draft.after is None else canonical.text(draft.after)
    if not (before or after or draft.reason):
        return None, ""
    salt = secrets.token_hex(16)
    digest = canonical.detail_digest(salt, before, after, draft.reason)
    return (number, before, after, draft.reason, salt, None), digest
