"""Exports of the audit trail: any number of events, in constant memory, secrets masked, and audited themselves."""

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from asgiref.sync import sync_to_async

from monitoring.audit.entries import contents, detail_of
from monitoring.audit.trail import AuditList
from orchestra.kernel import access, canonical, chain, events
from orchestra.kernel.access import Actor
from orchestra.kernel.events import Outcome, Ref
from orchestra.kernel.models import Event, Role

access.grant({"audit.export": Role.VIEWER})

CHUNK = 1_000
COLUMNS = (*canonical.COLUMNS, "hash", "before", "after", "reason")


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of file: its media type, its first line, and how events become its lines."""

    media_type: str
    head: str
    lines: Callable[[Iterable[dict[str, Any]]], str]


def csv_lines(rows: Iterable[dict[str, Any]]) -> str:
    """Rows as CSV; a cell that a spreadsheet would take for a formula is made text."""
    text = io.StringIO()
    csv.writer(text).writerows([_cell(row[column]) for column in COLUMNS] for row in rows)
    return text.getvalue()


def json_lines(rows: Iterable[dict[str, Any]]) -> str:
    """Rows as JSON objects, one a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


FORMS = {
    "csv": Form("text/csv; charset=utf-8", ",".join(COLUMNS) + "\r\n", csv_lines),
    "jsonl": Form("application/x-ndjson; charset=utf-8", "", json_lines),
}


class Export:
    """One export: what was asked for, of the events up to the newest one when it began."""

    def __init__(self, by: Actor, params: dict[str, str], form: str) -> None:
        access.check(by, "audit.export")
        self.by, self.form = by, FORMS[form]
        self.listing = AuditList(params, everywhere=True)
        self.ref = Ref("audit", uuid4().hex, "export")
        self.head = chain.head()
        self.rows = 0
        self._record("AuditExportStarted", {"filter": self.listing.values, "format": form, "head": self.head})

    async def stream(self) -> AsyncIterator[str]:
        """The file, piece by piece; at its end, or where it broke off, an event says how many rows were sent."""
        complete = False
        try:
            yield self.form.head
            last = 0
            while chunk := await sync_to_async(self._chunk)(last):
                last = chunk[-1].number
                yield self.form.lines(map(row_of, chunk))
                self.rows += len(chunk)
            complete = True
        finally:
            await sync_to_async(self._end)(complete=complete)

    def _chunk(self, after: int) -> list[Event]:
        wanted = self.listing.queryset().defer(None).filter(number__gt=after, number__lte=self.head)
        return list(wanted.order_by("number").prefetch_related("detail")[:CHUNK])

    def _end(self, *, complete: bool) -> None:
        if complete:
            self._record("AuditExportFinished", {"rows": self.rows})
        else:
            self._record("AuditExportAborted", {"rows": self.rows}, outcome=Outcome.FAILED)

    def _record(self, action: str, after: dict[str, Any], outcome: str = Outcome.SUCCEEDED) -> None:
        with events.recording(self.by, correlation=str(self.ref.id)):
            events.record(action, target=self.ref, after=after, outcome=outcome, permission="audit.export")


def row_of(event: Event) -> dict[str, Any]:
    """An event with all its columns, and what it changed with secrets masked."""
    detail = detail_of(event)
    before, after = contents(detail)
    columns = canonical.column_values(getattr(event, name) for name in canonical.COLUMNS)
    row = dict(zip(canonical.COLUMNS, columns, strict=True))
    return row | {"hash": event.hash, "before": before, "after": after, "reason": detail.reason if detail else ""}


def _cell(value: Any) -> str | int:
    if isinstance(value, int):
        return value
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r")) else text
