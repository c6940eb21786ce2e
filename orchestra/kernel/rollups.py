"""Rows that add up: sums and extremes of a subject in a stretch of time, and of longer stretches made from them.

Whoever measures adds to the rows of the shortest span; any number of processes may do so at once. Longer spans are
added up from shorter ones, and each is kept as long as it is worth. Telemetry: nothing here records events. Nobody else
inserts into the tables for which a :class:`RolledUp` exists.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone

from orchestra.kernel import bulk, retention, right_of_way, series
from orchestra.kernel.statements import fetch


@dataclass(frozen=True)
class RolledUp:
    """A table with a row for each ``subject``, ``span`` of seconds, and ``at`` when it begins; unique together.

    ``at`` is an instant or whole seconds since 1970. ``sums`` are added up, of ``least`` and ``most`` the extremes are
    kept, which may be null. ``kept_for`` says for how long rows are worth keeping, by span from the shortest on; the
    longer ones are hours and days (UTC).
    """

    model: type[models.Model]
    subject: str
    sums: Sequence[str]
    kept_for: Mapping[int, timedelta]
    least: Sequence[str] = ()
    most: Sequence[str] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """What a row that is added consists of, in this order."""
        return (*self._key, *self.least, *self.most, *self.sums)

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Add ``rows`` of :attr:`columns` to what is there, all of it or nothing, in one statement.

        They should be in the order of their key, so that two writers never deadlock. ``at`` is as :meth:`instant` says.
        """
        changes = [f"{name} = {self._table}.{name} + excluded.{name}" for name in self.sums]
        lesser, greater = ("LEAST", "GREATEST") if connection.vendor == "postgresql" else ("MIN", "MAX")
        for choose, names in ((lesser, self.least), (greater, self.most)):
            for name in names:
                ours, theirs = f"{self._table}.{name}", f"excluded.{name}"
                changes.append(f"{name} = {choose}(COALESCE({ours}, {theirs}), COALESCE({theirs}, {ours}))")
        self._write(rows, changes)

    def instant(self, at: datetime) -> datetime | int:
        """``at`` as the column of that name has it."""
        return int(at.timestamp()) if self._counts_seconds else at

    def roll_up(self, now: datetime | None = None) -> int:
        """Add up what came since it was last done, anew as far back as it may be incomplete; how many rows that made.

        Harmless again and beside another caller: what is written is the sum, not an addition. The sums are read before
        anything is locked, so that on SQLite nobody waits for them.
        """
        now, written = now or timezone.now(), 0
        for finer, span in pairwise(self.kept_for):
            for begins in self._unsettled(finer, span, now):
                written += self._sum_up(finer, span, begins)
        return written

    def forget_old(self, now: datetime | None = None) -> int:
        """Remove rows that are older than their span is kept, after they were added up; how many."""
        now = now or timezone.now()
        self.roll_up(now)
        return sum(retention.remove_in_slices(self._older(span, now - kept)) for span, kept in self.kept_for.items())

    @property
    def _table(self) -> str:
        return self.model._meta.db_table

    @property
    def _key(self) -> tuple[str, str, str]:
        return (self.subject, "span", "at")

    @property
    def _counts_seconds(self) -> bool:
        return isinstance(self.model._meta.get_field("at"), models.BigIntegerField)

    def _older(self, span: int, than: datetime) -> models.QuerySet[models.Model]:
        return self.model._default_manager.filter(span=span, at__lt=self.instant(than)).order_by("at")

    def _unsettled(self, finer: int, span: int, now: datetime) -> Iterator[datetime]:
        """The beginnings of ``span`` whose rows may not have all that the finer ones have; those without any are not.

        What began before is left out, since some of its finer rows are gone. What a clock that was ahead has made of
        a time to come does not count as done.
        """
        length = timedelta(seconds=span)
        begins = series.floor(now - self.kept_for[finer], span) + length
        newest = self._at_of(span, "-at", until=now)
        if newest is not None:
            begins = max(begins, newest - length)
        while (next_at := self._at_of(finer, "at", since=begins)) is not None:
            begins = series.floor(next_at, span)
            yield begins
            begins += length

    def _at_of(
        self, span: int, order: str, since: datetime | None = None, until: datetime | None = None
    ) -> datetime | None:
        """When the first row of ``span`` in this order begins, of those that begin in this time."""
        rows = self.model._default_manager.filter(span=span)
        if since is not None:
            rows = rows.filter(at__gte=self.instant(since))
        if until is not None:
            rows = rows.filter(at__lte=self.instant(until))
        at = rows.order_by(order).values_list("at", flat=True).first()
        return datetime.fromtimestamp(at, UTC) if isinstance(at, int) else at

    def _sum_up(self, finer: int, span: int, begins: datetime) -> int:
        """Sum up the rows of one span into one of each subject; how many these are."""
        extremes = [*(f"MIN({name})" for name in self.least), *(f"MAX({name})" for name in self.most)]
        read = ", ".join([self.subject, *extremes, *(f"SUM({name})" for name in self.sums)])
        ends = begins + timedelta(seconds=span)
        # Materialized, or SQLite reads the whole table for the sake of its order.
        statement = (
            f"WITH finer AS MATERIALIZED "
            f"(SELECT * FROM {self._table} WHERE span = {int(finer)} AND at >= %s AND at < %s) "
            f"SELECT {read} FROM finer GROUP BY {self.subject} ORDER BY {self.subject}"
        )
        (sums,) = fetch((statement, [self.instant(begins), self.instant(ends)]))
        rows = [[subject, int(span), self.instant(begins), *values] for subject, *values in sums]
        self._write(rows, [f"{name} = excluded.{name}" for name in (*self.least, *self.most, *self.sums)])
        return len(rows)

    def _write(self, rows: Sequence[Sequence[Any]], changes: Iterable[str]) -> None:
        if not rows:
            return
        insertion = bulk.insertion(self.model, self.columns, rows)
        conflict = f"ON CONFLICT ({', '.join(self._key)}) DO UPDATE SET {', '.join(changes)}"
        with right_of_way.announced(), transaction.atomic(savepoint=False):
            bulk.execute(replace(insertion, statement=f"{insertion.statement} {conflict}"))
