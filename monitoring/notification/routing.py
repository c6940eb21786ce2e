"""Which routes take an alert, and why it may not be told of: inhibitions and silences. Pure.

Routes are asked in their order; the first that fits takes the alert, and those after it only if it continues. What no
route takes goes the built-in way, into the browser.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from monitoring.notification import matchers
from monitoring.notification.quiet import Quiet

LONGEST_KEY = 500

Labels = Mapping[str, str]
Matchers = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ChannelRef:
    """A channel by number; the built-in one has none."""

    id: int | None
    name: str
    enabled: bool = True


BROWSER = ChannelRef(None, "In the browser")


@dataclass(frozen=True, slots=True)
class RouteRule:
    """A route as it is asked; times in seconds. The built-in one has no number."""

    id: int | None
    name: str
    severities: frozenset[str] = frozenset()
    matchers: Matchers = ()
    channels: tuple[ChannelRef, ...] = ()
    group_by: tuple[str, ...] = ()
    wait_s: float = 30
    interval_s: float = 300
    repeat_s: float = 14_400
    quiet: Quiet | None = None
    escalate_after_s: float = 0
    escalate_to: tuple[ChannelRef, ...] = ()
    continues: bool = False

    def takes(self, labels: Labels) -> bool:
        """Whether it is for an alert with these labels."""
        fits = not self.severities or labels.get("severity", "") in self.severities
        return fits and (not self.matchers or matchers.matches(self.matchers, labels))

    def misfit(self, labels: Labels) -> str:
        """Why it does not take an alert with these labels; nothing if it does."""
        severity = labels.get("severity", "")
        if self.severities and severity not in self.severities:
            return f"it is for {' and '.join(sorted(self.severities))} only, and this is {severity or 'none of them'}"
        if not matchers.matches(self.matchers, labels):
            return f"it is for alerts whose {matchers.words(self.matchers)}"
        return ""

    def fit(self) -> str:
        """What it is for, in words."""
        parts = [" or ".join(sorted(self.severities))] if self.severities else []
        parts += [matchers.words(self.matchers)] if self.matchers else []
        return ", ".join(parts) or "every alert"

    def key(self, labels: Labels) -> str:
        """The group of an alert: the labels it is grouped by, as canonical JSON; of a very long one its digest."""
        text = json.dumps(self.group_labels(labels), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return text if len(text) <= LONGEST_KEY else hashlib.sha256(text.encode()).hexdigest()

    def group_labels(self, labels: Labels) -> dict[str, str]:
        return {name: labels.get(name, "") for name in self.group_by}


BUILT_IN = RouteRule(None, "built in", channels=(BROWSER,), group_by=("threshold",))


@dataclass(frozen=True, slots=True)
class InhibitionRule:
    """While what fits ``source`` fires, what fits ``target`` and has the same ``equal`` labels is not told of."""

    id: int
    name: str
    source: Matchers
    target: Matchers
    equal: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SilenceRule:
    """Hides what fits ``matchers`` from ``starts_at`` until before ``ends_at``, in seconds since 1970."""

    id: int
    matchers: Matchers
    starts_at: float
    ends_at: float
    author: str = ""
    reason: str = ""

    def hides(self, labels: Labels, at: float) -> bool:
        return self.starts_at <= at < self.ends_at and matchers.matches(self.matchers, labels)


@dataclass(frozen=True, slots=True)
class Rules:
    """All that decides who is told: routes in their order, inhibitions and silences."""

    routes: Sequence[RouteRule] = ()
    inhibitions: Sequence[InhibitionRule] = ()
    silences: Sequence[SilenceRule] = ()

    def route(self, number: int | None) -> RouteRule | None:
        """A route by its number, or the built-in one; None if it is gone or switched off."""
        return BUILT_IN if number is None else next((one for one in self.routes if one.id == number), None)


@dataclass(frozen=True, slots=True)
class Way:
    """The routes that take an alert, and the path that led there: a sentence for each route that was asked."""

    routes: tuple[RouteRule, ...]
    path: tuple[str, ...] = ()


def takers(rules: Rules, labels: Labels) -> list[RouteRule]:
    """The routes that take an alert, as :func:`way_of` finds them, without the words."""
    taken: list[RouteRule] = []
    for route in rules.routes:
        if route.takes(labels):
            taken.append(route)
            if not route.continues:
                return taken
    return taken or [BUILT_IN]


def way_of(rules: Rules, labels: Labels) -> Way:
    """Who takes an alert with these labels, and why."""
    taken: list[RouteRule] = []
    path: list[str] = []
    for route in rules.routes:
        if misfit := route.misfit(labels):
            path.append(f"Route “{route.name}” passes it on: {misfit}.")
            continue
        taken.append(route)
        path.append(taken_by(route))
        if not route.continues:
            return Way(tuple(taken), tuple(path))
        path.append(f"Route “{route.name}” continues, so the routes after it are asked as well.")
    if not taken:
        taken = [BUILT_IN]
        path.append(taken_by(BUILT_IN))
    return Way(tuple(taken), tuple(path))


def taken_by(route: RouteRule) -> str:
    """The sentence that says which route an alert takes."""
    if route is BUILT_IN:
        return "No route takes it, so it goes the built-in way: into the browser."
    return f"Route “{route.name}” takes it: it is for {route.fit()}."


@dataclass(slots=True)
class Sources:
    """The alerts that fire now, by inhibition and the values of its equal labels: found once for all that are asked."""

    firing: Iterable[tuple[int, Labels]]
    _by_rule: dict[int, dict[tuple[str, ...], list[tuple[int, bool]]]] = field(default_factory=dict)

    def of(self, rule: InhibitionRule) -> dict[tuple[str, ...], list[tuple[int, bool]]]:
        """For each combination of labels the alerts that fit ``source``, and whether they fit ``target`` too."""
        if rule.id not in self._by_rule:
            found: dict[tuple[str, ...], list[tuple[int, bool]]] = {}
            for number, labels in self.firing:
                if matchers.matches(rule.source, labels):
                    both = matchers.matches(rule.target, labels)
                    found.setdefault(_values(rule, labels), []).append((number, both))
            self._by_rule[rule.id] = found
        return self._by_rule[rule.id]


def inhibited_by(rules: Rules, number: int, labels: Labels, sources: Sources) -> tuple[InhibitionRule, int] | None:
    """The inhibition that hides an alert, and the alert that does so; None if there is none.

    An alert that fits both sides is not hidden by another that does: they would hide each other.
    """
    for rule in rules.inhibitions:
        if not matchers.matches(rule.target, labels):
            continue
        is_source = matchers.matches(rule.source, labels)
        for source, both in sources.of(rule).get(_values(rule, labels), ()):
            if source != number and not (is_source and both):
                return rule, source
    return None


def silenced_by(rules: Rules, labels: Labels, at: float) -> SilenceRule | None:
    """Of the silences that hide an alert now, the one that ends last."""
    hiding = [silence for silence in rules.silences if silence.hides(labels, at)]
    return max(hiding, key=lambda silence: silence.ends_at, default=None)


def moment(at: float) -> str:
    """An instant in a sentence."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def _values(rule: InhibitionRule, labels: Labels) -> tuple[str, ...]:
    return tuple(labels.get(name, "") for name in rule.equal)
