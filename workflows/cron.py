"""Cron expressions with a time zone: when they come next, what is wrong with them, and what they say in words. Pure.

Five fields as cron has them, or a name such as ``@daily``. Where the clock changes, a time of the day comes once: one
that the spring leaves out comes when the gap is over, one that the autumn repeats comes the first time. Expressions
whose minute or hour begins with ``*`` go by elapsed time: ``*/10 * * * *`` goes on through the repeated hour.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from cronsim.explain import explain

MAX_LENGTH = 100
NAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_SHORTEST_LOOK = timedelta(hours=1)
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_WORDS_OF_FIELDS = (
    "The minute is not valid: give 0 to 59, *, a range (0-29), a list (0,30) or a step (*/10).",
    "The hour is not valid: give 0 to 23, *, a range (9-17), a list (9,17) or a step (*/2).",
    "The day of the month is not valid: give 1 to 31, *, L for the last, a range (1-7), a list (1,15) or a step (*/2).",
    "The month is not valid: give 1 to 12 or JAN to DEC, *, a range (1-6), a list (1,7) or a step (*/3).",
    "The day of the week is not valid: give 0 (Sunday) to 7 or SUN to SAT, *, a range (1-5), a list (1,4) or MON#1.",
)


def fault(cron: str) -> str:
    """Why ``cron`` cannot be used, or nothing."""
    if len(cron) > MAX_LENGTH:
        return f"Give at most {MAX_LENGTH} characters."
    fields = _expanded(cron).split()
    if len(fields) != len(_WORDS_OF_FIELDS):
        return "Give five fields: minute, hour, day of month, month, day of week; for example 0 9 * * 1-5."
    for index, words in enumerate(_WORDS_OF_FIELDS):
        if not _is_read(" ".join("*" if other != index else field for other, field in enumerate(fields))):
            return words
    whole = " ".join(fields)
    if not _is_read(whole) or after(whole, "UTC", _BEGINNING) is None:
        return "This time never comes; choose a day that one of the months has."
    return ""


def fault_of_zone(zone: str) -> str:
    """Why ``zone`` is not a time zone, or nothing."""
    return "" if zone in zones() else "There is no such time zone; give a name such as Europe/Berlin, or UTC."


@lru_cache(maxsize=1)
def zones() -> Sequence[str]:
    """The names of all time zones, sorted; read once, since that is a walk through files."""
    return tuple(sorted(name for name in available_timezones() if name != "localtime"))


def times(cron: str, zone: str, start: datetime) -> Iterator[datetime]:
    """When ``cron`` comes after ``start``, in UTC, each later than the one before. It must be without fault."""
    last = start
    for found in CronSim(_expanded(cron), start.astimezone(ZoneInfo(zone))):
        at = found.astimezone(UTC)
        if at > last:  # in an hour that is repeated, a time of the day is found that is over already
            last = at
            yield at


def after(cron: str, zone: str, start: datetime) -> datetime | None:
    """When ``cron`` comes first after ``start``; None if not within fifty years."""
    return next(times(cron, zone, start), None)


def upcoming(cron: str, zone: str, start: datetime, count: int) -> list[datetime]:
    """The next ``count`` times after ``start``."""
    return list(islice(times(cron, zone, start), count))


def come_due(cron: str, zone: str, first: datetime, until: datetime, limit: int) -> list[datetime]:
    """The last ``limit`` times from ``first``, which is one of them, to ``until``; the oldest first.

    It looks back no further than it needs to, so that a year without anybody to look costs no more than a minute.
    """
    look = _SHORTEST_LOOK
    while True:
        begin = max(first, until - look)
        found = list(takewhile(lambda at: at <= until, times(cron, zone, begin)))
        if begin == first:
            return [first, *found][-limit:]
        if len(found) >= limit:
            return found[-limit:]
        look *= 4


def describe(cron: str) -> str:
    """``cron`` in words, for example ``Monday to Friday at 09:00``. It must be without fault."""
    whole = _expanded(cron).upper()
    fields = _Fields(*whole.split())
    days, clock = fields.days(), fields.clock()
    if days is None or clock is None:
        return explain(whole)
    at_a_time = clock.startswith("at ")
    words = f"{days or 'every day'} {clock}" if at_a_time else ", ".join(filter(None, (clock, days)))
    return words[0].upper() + words[1:]


def _expanded(cron: str) -> str:
    return NAMES.get(cron.strip().lower(), cron.strip())


def _is_read(cron: str) -> bool:
    try:
        CronSim(cron, _BEGINNING)
    except CronSimError:
        return False
    return True


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MOST_CLOCK_TIMES = 4


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields as text. What is not among the common ways to write them has no words here."""

    minute: str
    hour: str
    day: str
    month: str
    weekday: str

    def clock(self) -> str | None:
        """``every 15 minutes``, or ``at 09:00 and 17:00``."""
        if self.minute.startswith("*"):
            return self._every_few_minutes()
        minutes = _numbers(self.minute)
        if minutes is None:
            return None
        if self.hour.startswith("*"):
            return self._every_few_hours(minutes)
        hours = _numbers(self.hour)
        if hours is None or len(hours) * len(minutes) > _MOST_CLOCK_TIMES:
            return None
        return "at " + _joined([f"{hour:02}:{minute:02}" for hour in hours for minute in minutes])

    def _every_few_minutes(self) -> str | None:
        words = _every(self.minute, 60, "minute")
        if words is None or self.hour == "*":
            return words
        first, dash, last = self.hour.partition("-")
        if not (first.isdigit() and (last.isdigit() if dash else not last)):
            return None
        return f"{words} from {int(first):02}:00 to {int(last or first):02}:59"

    def _every_few_hours(self, minutes: Sequence[int]) -> str | None:
        words = _every(self.hour, 24, "hour")
        if words is None or len(minutes) > 1:
            return None
        past = minutes[0]
        return words if past == 0 else f"{words}, {past} minute{'s' if past > 1 else ''} past"

    def days(self) -> str | None:
        """``Monday to Friday``, ``on the 1st of every month``; empty for every day."""
        if self.day == "*" and self.month == "*":
            return self._days_of_the_week()
        if self.weekday != "*":
            return None
        if self.month == "*":
            months = "of every month"
        else:
            numbers = _numbers(self.month)
            if numbers is None:
                return None
            months = "of " + _joined([_MONTHS[number - 1] for number in numbers])
        return self._days_of_the_month(months)

    def _days_of_the_week(self) -> str | None:
        if self.weekday == "*":
            return ""
        first, dash, last = self.weekday.partition("-")
        if dash:
            begin, end = _weekday(first), _weekday(last)
            return f"{begin} to {end}" if begin and end else None
        names = [_weekday(name) for name in self.weekday.split(",")]
        found = [f"{name}s" for name in names if name]
        return f"on {_joined(found)}" if len(found) == len(names) else None

    def _days_of_the_month(self, months: str) -> str | None:
        if self.day == "L":
            return f"on the last day {months}"
        if self.day == "LW":
            return f"on the last weekday {months}"
        numbers = _numbers(self.day)
        return None if numbers is None else f"on the {_joined([_ordinal(number) for number in numbers])} {months}"


def _every(field: str, whole: int, unit: str) -> str | None:
    """``every minute``, ``every 15 minutes``; None where the steps are not of equal length."""
    if field == "*":
        return f"every {unit}"
    step = field.removeprefix("*/")
    if not step.isdigit() or whole % int(step):
        return None
    return f"every {unit}" if int(step) == 1 else f"every {int(step)} {unit}s"


def _numbers(field: str) -> list[int] | None:
    parts = field.split(",")
    return sorted({int(part) for part in parts}) if all(part.isdigit() for part in parts) else None


def _weekday(name: str) -> str:
    if name.isdigit():
        return _WEEKDAYS[int(name)]
    return next((day for day in _WEEKDAYS if day[:3].upper() == name), "")


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
