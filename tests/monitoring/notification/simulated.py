"""A planner driven by a simulated clock: alerts fire and resolve, and what is sent and held back is written down."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from monitoring.notification.groups import Fact, Message
from monitoring.notification.planning import Planner
from monitoring.notification.routing import ChannelRef, RouteRule, Rules

MAIL = ChannelRef(1, "Mail")
PAGER = ChannelRef(2, "Pager")
T = 1_780_000_000.0
"""When everything begins."""


def route(**changes: Any) -> RouteRule:
    usual = RouteRule(1, "All", channels=(MAIL,), wait_s=30, interval_s=300, repeat_s=14_400)
    return replace(usual, **changes)


def labels(number: int, **others: str) -> dict[str, str]:
    return {"threshold": "Slow", "metric": "response_time", "severity": "warning", "agent": f"agent {number}", **others}


class Simulation:
    """``at`` are seconds since :data:`T`. What is told is ``(at, kind, channel, alerts)``."""

    def __init__(self, *routes: RouteRule, rules: Rules | None = None) -> None:
        self.planner = Planner(rules or Rules(routes=routes))
        self.facts: dict[int, Fact] = {}
        self.messages: list[Message] = []

    def hear(self, at: float, number: int, status: str = "", **changes: Any) -> None:
        """An alert has changed; all that was due before is told first."""
        self.run(at, inclusive=False)
        known = self.facts.get(number) or Fact(number, labels(number), "firing")
        if "until" in changes:
            until = changes.pop("until")
            changes |= {"acknowledged": True, "acknowledged_by": "ada", "acknowledged_until": until and T + until}
        self.facts[number] = replace(known, status=status or known.status, **changes)
        self.planner.hear(T + at, self.facts[number])

    def run(self, until: float, *, inclusive: bool = True) -> None:
        while (due := self.planner.next_due()) is not None and (due < T + until or (inclusive and due <= T + until)):
            self.messages += self.planner.due(due)

    def told(self, until: float = 0) -> list[tuple[float, str, str, list[int]]]:
        self.run(until)
        return self._list(lambda message: not message.suppressed)

    def suppressed(self) -> list[tuple[float, str, str, list[int]]]:
        return self._list(lambda message: message.suppressed)

    def why(self, index: int = -1) -> Sequence[str]:
        return self.messages[index].why

    def _list(self, wanted: Callable[[Message], bool]) -> list[tuple[float, str, str, list[int]]]:
        return [
            (message.at - T, message.kind, message.channel.name, sorted(message.alerts))
            for message in self.messages
            if wanted(message)
        ]
