"""Inquiries from a CSV file, read in constant memory: each row with its line, or with what is wrong with it."""

import csv
import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from orchestra.kernel import canonical

COLUMNS = ("body", "text", "subject", "email", "name", "tier", "external_id", "channel")
BYTE_ORDER_MARK = "\ufeff"
MAX_LINE = 1024 * 1024


class FileFault(Exception):
    """The file cannot be imported at all; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it begins on, and its texts by field, or else what is wrong with it.

    ``identity`` is the same whenever the same row is read again: a digest of all its values, and which of several
    equal rows of the file it is.
    """

    line: int
    values: dict[str, str]
    identity: str = ""
    fault: str = ""


class InquiryFile:
    """A CSV file in UTF-8 with a header that has ``body`` or ``text``. Raises :class:`FileFault` when opened."""

    def __init__(self, path: Path) -> None:
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise FileFault(f"{path} cannot be opened: {error.strerror}.") from error
        self.size = path.stat().st_size
        self.position = 0
        try:
            self._refuse_unreadable(path)
            self._reader = csv.reader(self._lines(), strict=True)
            self.header = self._read_header(path)
        except FileFault:
            self._file.close()
            raise
        self._occurrences = _Occurrences()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._occurrences.close()

    @property
    def ignored(self) -> list[str]:
        """Columns that inquiries have no place for."""
        unused = {"text"} if "body" in self.header else set()
        return [name for name in self.header if name not in COLUMNS or name in unused]

    def rows(self) -> Iterator[Row]:
        """Every row, the broken ones too; empty lines are none."""
        while True:
            line = self._reader.line_num + 1
            try:
                fields = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line, {}, fault=self._explain(error, line))
                continue
            if fields:
                yield self._row(line, fields)

    def _row(self, line: int, fields: list[str]) -> Row:
        if len(fields) != len(self.header):
            return Row(line, {}, fault=f"It has {len(fields)} values where the header has {len(self.header)}.")
        named = dict(zip(self.header, fields, strict=True))
        values = {name: named[name] for name in COLUMNS if name in named}
        text = values.pop("text", "")
        values.setdefault("body", text)
        return Row(line, values, identity=self._occurrences.identify(canonical.text(named)))

    def _explain(self, error: csv.Error, line: int) -> str:
        last = self._reader.line_num
        if "unexpected end" in str(error) or "field limit" in str(error):
            return f"A quotation mark that is opened here is not closed (read up to line {last}); close it."
        return f"It is not CSV: {error}; put texts with quotation marks into quotation marks and double those inside."

    def _lines(self) -> Iterator[str]:
        for line in self._file:
            self.position += len(line)
            yield line.decode()

    def _refuse_unreadable(self, path: Path) -> None:
        """Read all of it once, so that a fault at the end is found before the first row is taken in."""
        number = 0
        while raw := self._file.readline(MAX_LINE + 1):
            number += 1
            if len(raw) > MAX_LINE:
                raise FileFault(f"Line {number} of {path} has over 1 MB; is this a CSV file?")
            try:
                raw.decode()
            except UnicodeDecodeError:
                raise FileFault(
                    f"{path} is not UTF-8 (line {number}); save it in that encoding, "
                    f"for example with: iconv -f WINDOWS-1252 -t UTF-8 {path} > utf8.csv"
                ) from None
        self._file.seek(0)

    def _read_header(self, path: Path) -> list[str]:
        try:
            first = next(self._reader, [])
        except csv.Error as error:
            raise FileFault(f"The header of {path} is not CSV: {error}.") from error
        header = [name.removeprefix(BYTE_ORDER_MARK).strip().lower() for name in first]
        if not {"body", "text"} & set(header):
            hint = " Separate the columns by commas." if any(";" in name or "\t" in name for name in header) else ""
            raise FileFault(
                f"{path} needs a header with a column body or text; it has {', '.join(header) or 'none'}.{hint}"
            )
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise FileFault(f"The header of {path} names {', '.join(twice)} twice; rename one of them.")
        return header


class _Occurrences:
    """Counts equal rows in a temporary file, since a table in memory would grow with the file that is read."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)  # SQLite's name for a temporary file
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY, count INTEGER) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def identify(self, text: str) -> str:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        upsert = "INSERT INTO seen VALUES (?, 1) ON CONFLICT (digest) DO UPDATE SET count = count + 1 RETURNING count"
        (count,) = self._database.execute(upsert, (digest,)).fetchone()
        return f"row-{digest.hex()[:40]}-{count}"

    def close(self) -> None:
        self._database.close()
