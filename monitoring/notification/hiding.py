"""Why something is not told now: a silence, an inhibition, an acknowledgement, quiet hours. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from monitoring.notification import routing
from monitoring.notification.groups import REMINDER, RESOLVED, Fact
from monitoring.notification.routing import Labels, RouteRule, Rules, Sources


@dataclass(frozen=True, slots=True)
class Hidden:
    """What hides something, and until when if that is known. ``key`` tells one such from another.

    ``may_end_early`` says that it is worth looking again before.
    """

    key: str
    sentence: str
    until: float | None
    may_end_early: bool = False


class Hiding:
    """What hides alerts, while ``firing`` are those that fire."""

    def __init__(self, rules: Rules, firing: Iterable[tuple[int, Labels]]) -> None:
        self._rules = rules
        self._sources = Sources(firing)

    def of(self, fact: Fact, route: RouteRule, kind: str, at: float) -> Hidden | None:
        """What hides a message of ``kind`` about an alert from a route, if anything does.

        That it resolved is only put off by quiet hours: whoever was told that it fires waits for it.
        """
        return next(self._found(fact, route, kind, at), None)

    def _found(self, fact: Fact, route: RouteRule, kind: str, at: float) -> Iterator[Hidden]:
        if kind != RESOLVED:
            yield from self._by_silence(fact, at)
            yield from self._by_inhibition(fact)
        if kind not in (RESOLVED, REMINDER):
            yield from _by_acknowledgement(fact, at)
        yield from by_quiet_hours(fact.labels, route, at)

    def _by_silence(self, fact: Fact, at: float) -> Iterator[Hidden]:
        silence = routing.silenced_by(self._rules, fact.labels, at)
        if silence is not None:
            by = f" by {silence.author}" if silence.author else ""
            reason = f": {silence.reason}" if silence.reason else "."
            said = f"Silence #{silence.id}{by} hides it until {routing.moment(silence.ends_at)}{reason}"
            yield Hidden(f"silence {silence.id}", said, silence.ends_at, may_end_early=True)

    def _by_inhibition(self, fact: Fact) -> Iterator[Hidden]:
        if found := routing.inhibited_by(self._rules, fact.id, fact.labels, self._sources):
            rule, source = found
            said = f"Inhibition “{rule.name}” hides it while alert #{source} fires."
            yield Hidden(f"inhibition {rule.id}", said, None, may_end_early=True)


def _by_acknowledgement(fact: Fact, at: float) -> Iterator[Hidden]:
    if fact.is_acknowledged(at):
        end = fact.acknowledged_until
        by = fact.acknowledged_by or "Somebody"
        until = "" if end is None else f" until {routing.moment(end)}"
        yield Hidden(f"acknowledged {end}", f"{by} acknowledged it{until}, so it is not told again.", end)


def by_quiet_hours(labels: Labels, route: RouteRule, at: float) -> Iterator[Hidden]:
    """What hides whatever is said of an alert with these labels from a route for the time of day, if it does."""
    quiet = route.quiet
    if quiet is None or labels.get("severity") in quiet.loud:
        return
    end = quiet.until(at)
    if end is not None:
        said = f"Quiet hours of route “{route.name}” until {quiet.clock(end)}; what is still so is told then."
        yield Hidden(f"quiet {end:.0f}", said, end)
