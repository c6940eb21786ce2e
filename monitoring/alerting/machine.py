"""When an alert begins, fires, recovers and is resolved: one pure step, the same for live values and for a preview.

docs/alerting.md shows the table; a test compares it with this module. Instants are seconds since 1970. Each interval
between two evaluations counts as what is found at its end.
"""

import operator
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple, Self

ROUNDING_S: Final = 1e-6
"""Instants with fractions differ by that little from what was meant."""

PENDING, FIRING, RECOVERING, RESOLVED, NO_DATA = "pending", "firing", "recovering", "resolved", "no_data"
KEEP, ALERT, OK = "keep", "alert", "ok"

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


class Found(StrEnum):
    """What an evaluation finds. ``lost``: nothing, which is to be said; ``nothing``: nothing, and all stands still."""

    BREACH = "breach"
    ZONE = "zone"
    RECOVERED = "recovered"
    LOST = "lost"
    NOTHING = "nothing"


class Change(StrEnum):
    """What became of an alert in a step. People may be told of all but the first three."""

    BEGAN = "began"
    DROPPED = "dropped"
    RECOVERING = "recovering"
    FIRED = "fired"
    REFIRED = "refired"
    RESOLVED = "resolved"
    LOST_DATA = "lost_data"
    DATA_BACK = "data_back"
    STARTED_FLAPPING = "started_flapping"
    STOPPED_FLAPPING = "stopped_flapping"


COUNTED = frozenset({Change.FIRED, Change.RESOLVED, Change.LOST_DATA, Change.DATA_BACK})
"""These make an alert flap when there are too many of them."""
MOST_KEPT: Final = 1_001
"""Changes that a state keeps, the newest: one more than any threshold allows within its window."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A threshold as the machine reads it. ``absent_is_usual``: without data nothing need be wrong, as while idle."""

    operator: str
    value: float
    recovery_value: float
    for_s: float = 60
    keep_firing_s: float = 120
    no_data: str = KEEP
    no_data_after_s: float = 300
    flap_changes: int = 6
    flap_window_s: float = 1800
    absent_is_usual: bool = False

    @classmethod
    def of(cls, values: Mapping[str, Any], *, absent_is_usual: bool) -> Self:
        """The rule that the columns of a threshold make."""
        columns = {name: values[name] for name in cls.__slots__ if name != "absent_is_usual"}
        return cls(**columns, absent_is_usual=absent_is_usual)

    def breaches(self, value: float) -> bool:
        return COMPARE[self.operator](value, self.value)

    def found(self, value: float | None) -> Found:
        """What a value is; None: nothing was measured for longer than a value counts."""
        if value is None:
            return _WITHOUT_DATA[self.no_data]
        compare = COMPARE[self.operator]
        if compare(value, self.value):
            return Found.BREACH
        return Found.ZONE if compare(value, self.recovery_value) else Found.RECOVERED

    def begins(self, value: float | None) -> bool:
        """Whether ``value`` makes an alert of what has none: the question that is asked most, so a short one."""
        if value is not None:
            return COMPARE[self.operator](value, self.value)
        return self.no_data == ALERT or (self.no_data == NO_DATA and not self.absent_is_usual)

    def worse(self, value: float | None, worst: float | None) -> float | None:
        """Of two values the one that lies further beyond the limit."""
        if value is None or worst is None:
            return worst if value is None else value
        if self.operator in (">", ">="):
            return max(value, worst)
        if self.operator in ("<", "<="):
            return min(value, worst)
        return max(worst, value, key=lambda each: abs(each - self.value))


_WITHOUT_DATA: Mapping[str, Found] = {
    KEEP: Found.NOTHING,
    NO_DATA: Found.LOST,
    ALERT: Found.BREACH,
    OK: Found.RECOVERED,
}


class State(NamedTuple):
    """An alert as it was last seen. Without one, a subject is inactive: nothing is wrong, and nothing was lately.

    ``since``: it has had its status from then on; ``unseen_s`` of that do not count towards pending and keep-firing
    times; ``was``: its status before data went missing; ``changes``: when people could be told of something.
    """

    status: str
    since: float
    began_at: float
    seen_at: float
    was: str = ""
    unseen_s: float = 0
    changes: tuple[float, ...] = ()
    flapping: bool = False

    def lasted_s(self, at: float) -> float:
        """How long it has counted as what it is."""
        return at - self.since - self.unseen_s


class Step(NamedTuple):
    """What an evaluation makes of a state, and what happened in it."""

    state: State | None
    changes: tuple[Change, ...]


def step(rule: Rule, state: State | None, at: float, value: float | None) -> Step:
    """Evaluate at the instant ``at``, where ``value`` counts.

    What is not later than the last evaluation changes nothing: it came late, or twice, or a clock was set back.
    """
    if state is not None and at <= state.seen_at:
        return Step(state, ())
    found = rule.found(value)
    if state is None or is_forgotten(rule, state, at):
        status, changes = _from_quiet(rule, found)
        if status == RESOLVED:
            return Step(None, ())
        seen = State(RESOLVED, at, at, at)
        return _flap(rule, _moved(seen, status, at), at, changes)
    seen = _seen(rule, state, at, found)
    status, changes = _FROM[state.status](rule, seen, at, found)
    return _flap(rule, _moved(seen, status, at) if status != state.status else seen, at, changes)


def is_forgotten(rule: Rule, state: State, at: float) -> bool:
    """Whether what breaches now is another alert: this one was resolved too long ago."""
    return state.status == RESOLVED and not state.flapping and at - state.since > rule.flap_window_s


def resolved(state: State, at: float) -> State:
    """What a person makes of an alert by resolving it, or its threshold by going away."""
    return _moved(state, RESOLVED, at)._replace(seen_at=max(at, state.seen_at), changes=(*state.changes, at))


def rebased(state: State, before: float) -> State:
    """A state whose clock was ahead, as if it had been seen last at ``before``: or nothing would change for long.

    What it has lasted counts anew from there: how much of that was seen, and by which clock, nobody knows.
    """
    since = min(state.since, before)
    return state._replace(
        since=since,
        began_at=min(state.began_at, before),
        seen_at=min(state.seen_at, before),
        unseen_s=before - since,
        changes=tuple(min(change, before) for change in state.changes),
    )


def _seen(rule: Rule, state: State, at: float, found: Found) -> State:
    """The state with its clock: it begins anew after a gap in which nobody looked, and stands still without data."""
    since_then = at - state.seen_at
    unseen_s = state.unseen_s
    if since_then > rule.no_data_after_s + ROUNDING_S:
        unseen_s = at - state.since
    elif found is Found.NOTHING:
        unseen_s += since_then
    return state._replace(seen_at=at, unseen_s=unseen_s)


def _moved(state: State, status: str, at: float) -> State:
    begins = state.status == RESOLVED
    return state._replace(
        status=status,
        since=at,
        began_at=at if begins else state.began_at,
        was=state.status if status == NO_DATA and not begins else "",
        unseen_s=0,
    )


_Next = tuple[str, tuple[Change, ...]]


def _from_quiet(rule: Rule, found: Found) -> _Next:
    if found is Found.BREACH:
        return (PENDING, (Change.BEGAN,)) if rule.for_s > 0 else (FIRING, (Change.FIRED,))
    if found is Found.LOST and not rule.absent_is_usual:
        return NO_DATA, (Change.LOST_DATA,)
    return RESOLVED, ()


def _from_resolved(rule: Rule, state: State, at: float, found: Found) -> _Next:
    return _from_quiet(rule, found)


def _from_pending(rule: Rule, state: State, at: float, found: Found) -> _Next:
    if found is Found.BREACH and _is_over(state, at, rule.for_s):
        return FIRING, (Change.FIRED,)
    if found is Found.LOST:
        return NO_DATA, (Change.LOST_DATA,)
    if found in (Found.ZONE, Found.RECOVERED):
        return RESOLVED, (Change.DROPPED,)
    return PENDING, ()


def _from_firing(rule: Rule, state: State, at: float, found: Found) -> _Next:
    if found is Found.RECOVERED:
        return (RECOVERING, (Change.RECOVERING,)) if rule.keep_firing_s > 0 else (RESOLVED, (Change.RESOLVED,))
    return (NO_DATA, (Change.LOST_DATA,)) if found is Found.LOST else (FIRING, ())


def _from_recovering(rule: Rule, state: State, at: float, found: Found) -> _Next:
    if found in (Found.BREACH, Found.ZONE):
        return FIRING, (Change.REFIRED,)
    if found is Found.RECOVERED and _is_over(state, at, rule.keep_firing_s):
        return RESOLVED, (Change.RESOLVED,)
    return (NO_DATA, (Change.LOST_DATA,)) if found is Found.LOST else (RECOVERING, ())


def _from_no_data(rule: Rule, state: State, at: float, found: Found) -> _Next:
    if found in (Found.LOST, Found.NOTHING):
        return NO_DATA, ()
    if state.was in (FIRING, RECOVERING):
        status, changes = _from_firing(rule, state, at, found)
        return status, (Change.DATA_BACK, *(change for change in changes if change is Change.RESOLVED))
    status, changes = _from_quiet(rule, found)
    return status, (Change.DATA_BACK, *changes)


_FROM: Mapping[str, Callable[[Rule, State, float, Found], _Next]] = {
    RESOLVED: _from_resolved,
    PENDING: _from_pending,
    FIRING: _from_firing,
    RECOVERING: _from_recovering,
    NO_DATA: _from_no_data,
}


def _is_over(state: State, at: float, lasts_s: float) -> bool:
    return state.lasted_s(at) >= lasts_s - ROUNDING_S


def _flap(rule: Rule, state: State, at: float, changes: tuple[Change, ...]) -> Step:
    """Count the change, and say when there begin to be too many of them, or few enough again."""
    if not state.changes and COUNTED.isdisjoint(changes):
        return Step(state, changes)
    within = state.changes[bisect_left(state.changes, at - rule.flap_window_s - ROUNDING_S) :]
    if not COUNTED.isdisjoint(changes):
        within = (*within[1 - MOST_KEPT :], at)
    if not state.flapping and len(within) > rule.flap_changes:
        return Step(state._replace(changes=within, flapping=True), (*changes, Change.STARTED_FLAPPING))
    if state.flapping and len(within) <= rule.flap_changes // 2:
        return Step(state._replace(changes=within, flapping=False), (*changes, Change.STOPPED_FLAPPING))
    return Step(state if within == state.changes else state._replace(changes=within), changes)
