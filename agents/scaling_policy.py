"""What a pool's policy may say, how it is read, and which minimum it asks for at a time of day. Pure.

A policy is kept as JSON; what it leaves out has the defaults of :class:`Policy`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from orchestra.kernel.errors import FieldError, Invalid

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAILY = "daily"
MOST_MINIMUMS = 20
LARGEST = 1_000
DAY_S = 86_400
DAY_MINUTES = 24 * 60
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Minimum:
    """At least ``size`` members from ``start`` to ``end`` (minutes since midnight) on ``days``; no days: every day.

    One that ends no later than it starts lasts over midnight, and belongs to the day on which it starts.
    """

    days: frozenset[int]
    start: int
    end: int
    size: int

    def holds(self, local: datetime) -> bool:
        """Whether it holds at ``local``, an instant of the wall clock."""
        minute, today = local.hour * 60 + local.minute, local.weekday()
        if self.start < self.end:
            return self._on(today) and self.start <= minute < self.end
        return (self._on(today) and minute >= self.start) or (self._on((today - 1) % 7) and minute < self.end)

    def _on(self, day: int) -> bool:
        return not self.days or day in self.days


@dataclass(frozen=True, slots=True)
class Policy:
    """When a pool grows and shrinks. Shares are of slots, times in seconds.

    It grows when more than ``target_utilisation`` of its slots are in use, more than ``queue_per_agent`` wait for each
    member, or the oldest has waited longer than ``max_wait_s``. It shrinks when less than ``down_utilisation`` is in
    use and it would not have to grow again for it: the distance of the two keeps it from flapping.
    """

    target_utilisation: float = 0.7
    down_utilisation: float = 0.35
    queue_per_agent: float = 4.0
    max_wait_s: float = 30.0
    step_up: int = 2
    step_down: int = 1
    cooldown_up_s: float = 30.0
    cooldown_down_s: float = 300.0
    minimums: tuple[Minimum, ...] = ()


NUMBERS: Mapping[str, tuple[float, float]] = {
    "target_utilisation": (0.05, 1),
    "down_utilisation": (0, 1),
    "queue_per_agent": (0.01, 100_000),
    "max_wait_s": (0.1, 7 * DAY_S),
    "step_up": (1, LARGEST),
    "step_down": (1, LARGEST),
    "cooldown_up_s": (0, DAY_S),
    "cooldown_down_s": (0, DAY_S),
}
"""The numbers of a policy with their least and greatest values."""
WHOLE = frozenset({"step_up", "step_down"})
PARTS = frozenset({"days", "from", "to", "min"})


def read(given: Mapping[str, Any]) -> Policy:
    """The policy that was checked when it was stored. Raises :class:`Invalid` naming each bad field if it was not."""
    if found := faults(given, at="policy"):
        raise Invalid(errors=found)
    values = {name: value for name, value in given.items() if name != "minimums"}
    return Policy(**values, minimums=tuple(_minimum(item) for item in given.get("minimums", ())))


def read_or_usual(given: Mapping[str, Any]) -> Policy:
    """The policy that was stored; the usual one where it cannot be read, as one of another version."""
    return Policy() if faults(given, at="policy") else read(given)


def whole(policy: Policy) -> dict[str, Any]:
    """The policy as JSON, with everything that it leaves to the defaults."""
    values = {name: value for name, value in asdict(policy).items() if name != "minimums"}
    return values | {"minimums": [_as_json(minimum) for minimum in policy.minimums]}


def faults(given: Any, *, at: str, max_size: int | None = None) -> list[FieldError]:
    """What is wrong with a policy, each with its path below ``at``; ``max_size`` bounds its minimums."""
    if not isinstance(given, Mapping):
        return [{"path": at, "message": "Give a table of settings."}]
    known = {field.name for field in fields(Policy)}
    found: list[FieldError] = [
        {"path": f"{at}.{name}", "message": f"There is no such setting; known are {', '.join(sorted(known))}."}
        for name in given
        if name not in known
    ]
    for name, (low, high) in NUMBERS.items():
        if name in given and (message := _number_fault(given[name], low, high, whole=name in WHOLE)):
            found.append({"path": f"{at}.{name}", "message": message})
    if not found:
        found += _order_faults(given, at)
    return found + _minimums_faults(given.get("minimums", ()), f"{at}.minimums", max_size)


def floor(policy: Policy, minimum: int, maximum: int, local: datetime) -> tuple[int, Minimum | None]:
    """The least size at ``local``, and the minimum by time of day that asks for it, if one does."""
    holding = [each for each in policy.minimums if each.size > minimum and each.holds(local)]
    if not holding:
        return min(minimum, maximum), None
    most = max(holding, key=lambda each: each.size)
    return min(most.size, maximum), most


def in_words(days: Sequence[str]) -> str:
    """Days as a line has them: ``daily``, ``mon-fri``, ``sat,sun``."""
    if not days or len(days) == len(DAYS):
        return DAILY
    numbers = sorted(DAYS.index(day) for day in days)
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{DAYS[numbers[0]]}-{DAYS[numbers[-1]]}"
    return ",".join(DAYS[number] for number in numbers)


def clock(minutes: int) -> str:
    """Minutes since midnight as a time of day."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _number_fault(value: Any, low: float, high: float, *, whole: bool) -> str:
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not low <= value <= high:
        return f"Give a {'whole ' if whole else ''}number from {low:g} to {high:,g}."
    return ""


def _order_faults(given: Mapping[str, Any], at: str) -> list[FieldError]:
    defaults = Policy()
    target = given.get("target_utilisation", defaults.target_utilisation)
    if given.get("down_utilisation", defaults.down_utilisation) < target:
        return []
    message = "Give less than the target utilisation, or it would grow and shrink by turns."
    return [{"path": f"{at}.down_utilisation", "message": message}]


def _minimums_faults(given: Any, at: str, max_size: int | None) -> list[FieldError]:
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) > MOST_MINIMUMS:
        return [{"path": at, "message": f"Give a list of at most {MOST_MINIMUMS} minimums."}]
    return [fault for index, item in enumerate(given) for fault in _minimum_faults(item, f"{at}[{index}]", max_size)]


def _minimum_faults(item: Any, at: str, max_size: int | None) -> list[FieldError]:
    if not isinstance(item, Mapping):
        return [{"path": at, "message": 'Give a table, for example {"from": "08:00", "to": "18:00", "min": 3}.'}]
    found: list[FieldError] = [
        {"path": f"{at}.{name}", "message": f"There is no such setting; known are {', '.join(sorted(PARTS))}."}
        for name in item
        if name not in PARTS
    ]
    checks: Sequence[tuple[str, Callable[[Any], str]]] = (
        ("days", _days_fault),
        ("from", _clock_fault),
        ("to", _clock_fault),
        ("min", lambda size: _size_fault(size, max_size)),
    )
    for name, fault_of in checks:
        if message := fault_of(item.get(name, [] if name == "days" else None)):
            found.append({"path": f"{at}.{name}", "message": message})
    return found


def _days_fault(days: Any) -> str:
    if isinstance(days, Sequence) and not isinstance(days, str) and all(day in DAYS for day in days):
        return ""
    return f"Give a list of {', '.join(DAYS)}; an empty one is every day."


def _clock_fault(text: Any) -> str:
    return "" if isinstance(text, str) and _CLOCK.fullmatch(text) else "Give a time of day, for example 08:00."


def _size_fault(size: Any, max_size: int | None) -> str:
    most = LARGEST if max_size is None else max_size
    if isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= most:
        return ""
    return f"Give a whole number from 0 to {most:,}{'' if max_size is None else ', the most the pool may have'}."


def _minimum(item: Mapping[str, Any]) -> Minimum:
    days = frozenset(DAYS.index(day) for day in item.get("days", ()))
    return Minimum(days, _minutes(item["from"]), _minutes(item["to"]), item["min"])


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return (int(hours) * 60 + int(minutes)) % DAY_MINUTES


def _as_json(minimum: Minimum) -> dict[str, Any]:
    days = [DAYS[day] for day in sorted(minimum.days)]
    return {"days": days, "from": clock(minimum.start), "to": clock(minimum.end), "min": minimum.size}
