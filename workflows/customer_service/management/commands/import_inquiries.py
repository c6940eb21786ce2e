"""``manage.py import_inquiries FILE``: takes in the inquiries of a CSV file; again is harmless."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Invalid, OrchestraError, TooLarge
from orchestra.kernel.progress import Progress
from workflows.customer_service import arrivals, intake
from workflows.customer_service.arrivals import Arrival
from workflows.customer_service.inquiry_file import FileFault, InquiryFile, Row
from workflows.customer_service.intake import Fate
from workflows.customer_service.models import Channel

REST_S = 0.1
"""Rest between transactions on SQLite: a waiting writer looks this often at worst, so that each gets its turn."""
LISTED = 1000
"""Bad rows that are listed one by one; more are counted."""


class Command(BaseCommand):
    help = (
        "Takes in inquiries from a CSV file in UTF-8. It needs a column body or text; subject, email, name, tier, "
        "channel and external_id are optional. Bad rows are listed and skipped; again is harmless."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with InquiryFile(options["file"]) as file:
                self._import(file)
        except FileFault as fault:
            raise CommandError(str(fault)) from fault
        except OrchestraError as error:
            raise CommandError(error.detail) from error

    def _import(self, file: InquiryFile) -> None:
        self.stdout.ending = ""  # the bar ends its lines itself
        progress = Progress(file.size, self.stdout)
        if file.ignored:
            progress.note(f"Columns that are not used: {', '.join(file.ignored)}.")
        counts: Counter[str] = Counter()

        def refuse(line: int, reason: str) -> None:
            counts["refused"] += 1
            if counts["refused"] <= LISTED:
                progress.note(f"line {line} skipped: {reason}")

        for batch in _batches(_arrivals(file.rows(), refuse)):
            fates = intake.receive_many([arrival for _, arrival in batch], by=Actor.system("import"))
            for (line, arrival), fate in zip(batch, fates, strict=True):
                if fate == Fate.CLASHED:
                    refuse(line, f"external_id: {arrival.external_id} belongs to an inquiry with another content.")
                else:
                    counts[fate] += 1
            if connection.vendor == "sqlite":
                time.sleep(REST_S)
            progress.show(file.position, f"{sum(counts.values()):,} rows")
        if counts["refused"] > LISTED:
            progress.note(f"… and {counts['refused'] - LISTED:,} more rows were skipped.")
        progress.end(_summary(counts))


def _arrivals(rows: Iterable[Row], refuse: Callable[[int, str], None]) -> Iterator[tuple[int, Arrival]]:
    """The rows that can be taken in, with their lines."""
    for row in rows:
        if row.fault:
            refuse(row.line, row.fault)
            continue
        named = {name: text for name, text in row.values.items() if text.strip()}
        try:
            yield row.line, arrivals.read({"channel": Channel.FILE, "external_id": row.identity, **named})
        except (Invalid, TooLarge) as error:
            refuse(row.line, " ".join(f"{fault['path']}: {fault['message']}" for fault in error.errors))


def _batches(arrivals_by_line: Iterable[tuple[int, Arrival]]) -> Iterator[list[tuple[int, Arrival]]]:
    batch: list[tuple[int, Arrival]] = []
    for pair in arrivals_by_line:
        batch.append(pair)
        if len(batch) == intake.BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _summary(counts: Counter[str]) -> str:
    return (
        f"{counts[Fate.RECEIVED]:,} inquiries taken in, {counts[Fate.KNOWN]:,} known already, "
        f"{counts['refused']:,} rows skipped."
    )
