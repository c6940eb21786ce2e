"""Quiet hours: when a route tells nobody, on the wall clock of its time zone. Pure.

They are kept as ``{timezone, blocks: [{days, from, to}], except: [severity]}``. A block that ends no later than it
begins lasts over midnight and belongs to the day on which it begins; no days means every day.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from agents.scaling_policy import DAYS, in_words
from orchestra.kernel.errors import FieldError

SEVERITIES = ("info", "warning", "critical")
MOST_BLOCKS = 20
DAY_MINUTES = 24 * 60
LOOKED_AHEAD = timedelta(days=8)
"""Blocks that follow each other without a gap for longer than a week never end."""
PARTS = ("timezone", "blocks", "except")
NEVER_ENDS = "These blocks leave no time at all to tell anybody; disable the route instead."


@dataclass(frozen=True, slots=True)
class Block:
    """From ``start`` to ``end``, minutes since midnight, on ``days`` (0 is Monday)."""

    days: frozenset[int]
    start: int
    end: int

    def span(self, day: date, zone: ZoneInfo) -> tuple[float, float] | None:
        """The block that begins on ``day`` as seconds since 1970, if there is one.

        What the clock shows twice in autumn counts the first time for a start and the second time for an end; what it
        leaves out in spring is as long after the hour that it leaves out.
        """
        if self.days and day.weekday() not in self.days:
            return None
        last = day if self.start < self.end else day + timedelta(days=1)
        end = max(_instant(last, self.end, zone, fold=fold) for fold in (0, 1))
        return _instant(day, self.start, zone, fold=0), end


@dataclass(frozen=True, slots=True)
class Quiet:
    """Quiet hours as they are asked; alerts of the ``loud`` severities are told all the same."""

    zone: ZoneInfo
    blocks: tuple[Block, ...]
    loud: frozenset[str] = frozenset()

    def until(self, at: float) -> float | None:
        """When the quiet that holds at ``at`` ends (seconds since 1970); None where there is none.

        Blocks that overlap or follow each other count as one.
        """
        first = datetime.fromtimestamp(at, self.zone).date() - timedelta(days=1)
        days = [first + timedelta(days=ahead) for ahead in range(LOOKED_AHEAD.days + 2)]
        spans = sorted(span for day in days for block in self.blocks if (span := block.span(day, self.zone)))
        end = at
        for start, stop in spans:
            if start <= end < stop:
                end = stop
        return end if end > at else None

    def clock(self, at: float) -> str:
        """An instant as the wall clock shows it: ``Mon 07:00 (Europe/Berlin)``."""
        local = datetime.fromtimestamp(at, self.zone)
        return f"{local:%a %H:%M} ({self.zone.key})"


def read(given: Mapping[str, Any], default_zone: str) -> Quiet | None:
    """Quiet hours that were checked when they were stored; None where there are none."""
    blocks = given.get("blocks") or ()
    if not blocks:
        return None
    zone = ZoneInfo(given.get("timezone") or default_zone)
    return Quiet(zone, tuple(map(_block, blocks)), frozenset(given.get("except", ())))


def faults_of(given: Any, path: str = "quiet") -> list[FieldError]:
    """What is wrong with quiet hours, whatever they are; each fault says where, as ``quiet.blocks[1].to``."""
    if not isinstance(given, Mapping):
        return [{"path": path, "message": "Give a table with timezone, blocks and except."}]
    found: list[FieldError] = [
        {"path": f"{path}.{name}", "message": f"There is no such setting; known are {', '.join(PARTS)}."}
        for name in given
        if name not in PARTS
    ]
    zone = given.get("timezone") or "UTC"
    if not isinstance(zone, str) or zone not in available_timezones():
        said = "There is no such time zone; give one such as Europe/Berlin."
        found.append({"path": f"{path}.timezone", "message": said})
    loud = given.get("except", ())
    if not isinstance(loud, list | tuple) or any(one not in SEVERITIES for one in loud):
        found.append({"path": f"{path}.except", "message": f"Give a list of {', '.join(SEVERITIES)}."})
    found += _faults_of_blocks(given.get("blocks", ()), f"{path}.blocks")
    if not found and _never_ends(given):
        found.append({"path": f"{path}.blocks", "message": NEVER_ENDS})
    return found


def words(given: Mapping[str, Any], default_zone: str) -> str:
    """``mon-fri 22:00 to 07:00 (Europe/Berlin), except critical``; empty where there are none."""
    blocks = given.get("blocks") or ()
    if not blocks:
        return ""
    said = "; ".join(f"{in_words(one.get('days', ()))} {one['from']} to {one['to']}" for one in blocks)
    loud = f", except {', '.join(given['except'])}" if given.get("except") else ""
    return f"{said} ({given.get('timezone') or default_zone}){loud}"


def _faults_of_blocks(blocks: Any, path: str) -> list[FieldError]:
    if not isinstance(blocks, list | tuple) or len(blocks) > MOST_BLOCKS:
        return [{"path": path, "message": f"Give a list of at most {MOST_BLOCKS} blocks."}]
    return [fault for index, block in enumerate(blocks) for fault in _faults_of_block(block, f"{path}[{index}]")]


def _faults_of_block(block: Any, path: str) -> list[FieldError]:
    if not isinstance(block, Mapping):
        return [{"path": path, "message": 'Give a table, for example {"from": "22:00", "to": "07:00"}.'}]
    checks: Sequence[tuple[str, Callable[[Any], bool], str]] = (
        ("days", _are_days, f"Give a list of {', '.join(DAYS)}; an empty one is every day."),
        ("from", _is_clock, "Give a time of day, for example 22:00."),
        ("to", _is_clock, "Give a time of day, for example 07:00."),
    )
    defaults: Mapping[str, Any] = {"days": []}
    return [
        {"path": f"{path}.{name}", "message": said}
        for name, is_right, said in checks
        if not is_right(block.get(name, defaults.get(name)))
    ]


def _are_days(days: Any) -> bool:
    return isinstance(days, list | tuple) and all(day in DAYS for day in days)


def _is_clock(text: Any) -> bool:
    return isinstance(text, str) and _minutes(text) is not None


def _never_ends(given: Mapping[str, Any]) -> bool:
    quiet = read({**given, "timezone": "UTC"}, "UTC")
    start = datetime(2026, 1, 5, tzinfo=ZoneInfo("UTC")).timestamp()  # any week will do
    end = quiet.until(start) if quiet else None
    return end is not None and end - start >= timedelta(days=7).total_seconds()


def _block(given: Mapping[str, Any]) -> Block:
    start, end = _minutes(given["from"]), _minutes(given["to"])
    assert start is not None and end is not None
    return Block(frozenset(DAYS.index(day) for day in given.get("days", ())), start, end)


def _minutes(text: str) -> int | None:
    """Minutes since midnight of a time of day, None of anything else; 24:00 is the next midnight."""
    hours, colon, minutes = text.partition(":")
    if not (colon and len(hours) == len(minutes) == 2 and (hours + minutes).isascii() and (hours + minutes).isdigit()):
        return None
    read = int(hours) * 60 + int(minutes)
    return read % DAY_MINUTES if int(minutes) < 60 and read <= DAY_MINUTES else None


def _instant(day: date, minutes: int, zone: ZoneInfo, *, fold: int) -> float:
    return datetime(day.year, day.month, day.day, minutes // 60, minutes % 60, tzinfo=zone, fold=fold).timestamp()
