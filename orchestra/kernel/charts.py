"""Charts as values: what a chart shows, for ``{% chart %}`` to draw, to tell in a table, and to bring up to date."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestra.kernel.looks import RUNNING
from orchestra.kernel.wording import duration, percent

KILO = 1_000
UNITS = ("count", "seconds", "share", "percent", "bytes")
"""What values are: plain figures, seconds, parts of 1, parts of 100, bytes."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart: a value for each of its times, None where there is none.

    ``shape`` is ``line``, ``steps`` (a value holds until the next) or ``dashed`` (a limit).
    """

    label: str
    values: Sequence[float | None]
    tone: str = RUNNING
    shape: str = "line"

    @property
    def latest(self) -> float | None:
        """The last value there is."""
        return next((value for value in reversed(self.values) if value is not None), None)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a moment: a tick on the chart that says ``text`` when pointed at or focused."""

    at: datetime
    text: str
    tone: str = RUNNING


@dataclass(frozen=True, slots=True)
class Shade:
    """Stretches of time behind the lines that have something in common, which ``label`` says."""

    label: str
    stretches: Sequence[tuple[datetime, datetime]]
    tone: str = RUNNING


@dataclass(frozen=True, slots=True)
class Limit:
    """A level across the chart. With a ``field``, the id of a form's field, it stands where the field says.

    It can be dragged then, which writes the field; ``factor`` times what the field says is the level. ``carries`` is
    the id of a field that keeps its distance while it is dragged.
    """

    label: str
    value: float
    tone: str = RUNNING
    field: str = ""
    factor: float = 1.0
    carries: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines of one ``unit`` over the same ``times``, in ascending order; ``id`` is unique in its page.

    ``empty`` says in a sentence why there may be nothing to see. A page should ask for at most 200 times and 50 marks.
    """

    id: str
    title: str
    times: Sequence[datetime]
    lines: Sequence[Line]
    unit: str = "count"
    marks: Sequence[Mark] = ()
    shades: Sequence[Shade] = ()
    limits: Sequence[Limit] = ()
    note: str = ""
    empty: str = "Nothing was measured in this time."

    @property
    def has_values(self) -> bool:
        return any(value is not None for line in self.lines for value in line.values)

    @property
    def legend(self) -> list[tuple[Line, str]]:
        """The lines, each with its latest value in words."""
        return [(line, words(line.latest, self.unit)) for line in self.lines]

    @property
    def rows(self) -> Iterator[tuple[datetime, list[str]]]:
        """The same figures for a table: those times at which there is any value."""
        for index, at in enumerate(self.times):
            values = [line.values[index] for line in self.lines]
            if any(value is not None for value in values):
                yield at, [words(value, self.unit) for value in values]

    @property
    def data(self) -> str:
        """What the script draws, as JSON: times in seconds since 1970."""
        lines = [
            {"label": line.label, "shape": line.shape, "values": [_short(value) for value in line.values]}
            for line in self.lines
        ]
        shades = [
            [(round(since.timestamp()), round(until.timestamp())) for since, until in shade.stretches]
            for shade in self.shades
        ]
        content = {
            "unit": self.unit,
            "times": [round(at.timestamp()) for at in self.times],
            "lines": lines,
            "shades": shades,
            "limits": [
                {"value": limit.value, "field": limit.field, "factor": limit.factor, "carries": limit.carries}
                for limit in self.limits
            ],
        }
        return json.dumps(content, separators=(",", ":"))


def words(value: float | None, unit: str) -> str:
    """A value in words; ``static/js/chart-words.js`` says the same, and a test compares the two."""
    if value is None:
        return "–"
    if unit == "seconds":
        return duration(value)
    if unit == "share":
        return percent(value)
    if unit == "bytes":
        return _size(value)
    return f"{_plain(value)} %" if unit == "percent" else _plain(value)


def _plain(value: float) -> str:
    """Whole from 10 on, else with one digit behind the point where it has one."""
    text = f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:.1f}"
    return text.removesuffix(".0")


def _size(value: float) -> str:
    for unit in ("B", "kB", "MB"):
        if value < KILO:
            return f"{_plain(value)} {unit}"
        value /= KILO
    return f"{_plain(value)} GB"


def _short(value: float | None) -> float | None:
    """Enough digits to draw."""
    return None if value is None else float(f"{value:.5g}")
